/* Reading a rollout: what is done around the change of a host. */
#include "engine/rollout_internal.h"
#include "guard/record.h"

#include <stdlib.h>
#include <string.h>


/* The lock behind what modules do, in the order of enum tg_around_what. */
static const struct tg_yaml_key around_keys[] = {
    [TG_AROUND_DRAIN] = {.name = "drain"}, [TG_AROUND_SILENCE] = {.name = "silence"}, [TG_AROUND_SNAPSHOT] = {.name = "snapshot"},
    [TG_AROUND_WHATS] = {.name = "lock"},  {.name = NULL},
};
#define N_AROUND_KEYS (sizeof around_keys / sizeof around_keys[0] - 1)

static const struct tg_yaml_key lock_keys[] = {{.name = "hold"}, {.name = NULL}};

/* By the rule that every command has for whom a lock can hold. */
static bool read_actor(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char **out)
{
    struct tg_error why = TG_ERROR_INIT;

    if (!tg_yaml_string(node, "hold", reader->p, out))
        return false;
    if (tg_held_actor_check(*out, &why) == 0)
        return true;
    tg_error_hint(tg_yaml_problem(reader->p, node, "hold: %s", why.message), "%s", why.hint);
    return false;
}

static void read_lock(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_around *a)
{
    const struct tg_yaml_node *hold = NULL;
    const char *actor;
    size_t n;

    a->kind = TG_AROUND_LOCK;
    if (!tg_yaml_is_null(node))
        tg_yaml_fields(node, "lock", lock_keys, reader->p, &hold);
    if (!tg_yaml_strings(hold, "hold", reader->p, &n) || !tg_rollout_few_enough(reader, hold, "hold", TG_HOLD_MAX))
        return;
    if (n == 0) {
        tg_error_hint(tg_yaml_problem(reader->p, hold, "hold names no actor"), "leave it out to hold all automation");
        return;
    }
    a->hold = tg_rollout_room(reader, n, sizeof *a->hold);
    for (size_t i = 0; a->hold && i < n; i++)
        if (read_actor(reader, tg_yaml_item(hold, i), &actor) && !reader->rc)
            tg_rollout_copy(reader, actor, &a->hold[a->n_hold++]);
}

static void check_params(struct tg_rollout_reader *reader, const struct tg_around_backend *backend, const json_t *json, const struct tg_yaml_node *value)
{
    struct tg_rollout_complaint c = {.reader = reader, .value = value, .name = backend->name};
    struct tg_around_params *params = NULL;
    struct tg_error why = TG_ERROR_INIT;
    size_t before = tg_problems_count(reader->p);

    if (!backend->params(json, tg_rollout_complain, &c, &params, &why)) {
        backend->params_free(params);
        return;
    }
    if (tg_problems_count(reader->p) == before)
        tg_error_hint(tg_yaml_problem(reader->p, value, "%s: %s", backend->name, why.message), "%s", why.hint);
}

/* {haproxy: {…}}: the module is loaded, and looks at its own parameters. */
static void read_module(struct tg_rollout_reader *reader, enum tg_around_what what, const struct tg_yaml_node *node, struct tg_around *a)
{
    const struct tg_yaml_pair *pair = tg_yaml_single(node, tg_around_what_name(what), reader->p);
    const struct tg_around_backend *backend;
    struct tg_error why = TG_ERROR_INIT;

    if (!pair)
        return;
    if (tg_around_find(what, pair->key->text, &backend, &why)) {
        tg_error_hint(tg_yaml_problem(reader->p, pair->key, "%s", why.message), "%s", why.hint);
        return;
    }
    *a = (struct tg_around) {.kind = TG_AROUND_MODULE, .what = what};
    reader->r->n_around++;
    tg_rollout_copy(reader, backend->name, &a->module);
    reader->rc = reader->rc ? reader->rc : tg_yaml_to_json(pair->value, &a->params, reader->e);
    if (!reader->rc)
        check_params(reader, backend, a->params, pair->value);
}

/* locked: the file has said so. */
static void read_step(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, size_t at, bool *locked)
{
    const struct tg_yaml_node *values[N_AROUND_KEYS], *value = NULL, *place = node;
    struct tg_rollout *r = reader->r;
    enum tg_around_what what = TG_AROUND_WHATS;

    if (node->kind != TG_YAML_SCALAR || strcmp(node->text, "lock") != 0) { /* "- lock" needs no parameters */
        const struct tg_yaml_pair *pair = tg_yaml_single(node, "a step of around", reader->p);
        if (!pair || !tg_yaml_fields(node, "around", around_keys, reader->p, values))
            return;
        value = pair->value;
        place = pair->key;
        for (what = TG_AROUND_DRAIN; what < TG_AROUND_WHATS && strcmp(place->text, tg_around_what_name(what)) != 0; what++)
            ;
    }
    if (what < TG_AROUND_WHATS)
        read_module(reader, what, value, &r->around[r->n_around]);
    else if (*locked)
        tg_yaml_problem(reader->p, place, "a second lock: one holds the host already");
    else if (at > 0)
        tg_error_hint(tg_yaml_problem(reader->p, place, "the lock must be the first step of around"), "nothing is done around a host that others may touch");
    else
        read_lock(reader, value, &r->around[0]);
    *locked |= what == TG_AROUND_WHATS;
}

void tg_rollout_read_around(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;
    bool locked = false;
    size_t n = 0;

    if (node && tg_yaml_is_list(node, "around", reader->p) && tg_rollout_few_enough(reader, node, "around", TG_AROUND_MAX - 1))
        n = node->n;
    r->around = tg_rollout_room(reader, n + 1, sizeof *r->around);
    if (!r->around)
        return;
    r->around[r->n_around++] = (struct tg_around) {.kind = TG_AROUND_LOCK}; /* P5: never without a lock; on all actors when the file says nothing */
    for (size_t i = 0; i < n; i++)
        read_step(reader, node->items[i], i, &locked);
}
