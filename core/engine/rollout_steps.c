/* Reading a rollout: what is done around the change of a host. */
#include "engine/rollout_internal.h"
#include "guard/record.h"

#include <stdlib.h>
#include <string.h>


enum around_key { LOCK };
/* The ones of later versions are known, so that nobody takes them for a typing mistake, or believes that they happen. */
static const struct tg_yaml_key around_keys[] = {
    [LOCK] = {.name = "lock"},
    {.name = "drain", .later = true},
    {.name = "silence", .later = true},
    {.name = "snapshot", .later = true},
    {.name = NULL},
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

static void read_step(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *values[N_AROUND_KEYS], *value = NULL, *place = node;
    struct tg_rollout *r = reader->r;

    if (node->kind != TG_YAML_SCALAR || strcmp(node->text, "lock") != 0) { /* "- lock" needs no parameters */
        const struct tg_yaml_pair *pair = tg_yaml_single(node, "a step of around", reader->p);
        if (!pair || !tg_yaml_fields(node, "around", around_keys, reader->p, values))
            return;
        value = pair->value;
        place = pair->key;
    }
    if (r->n_around > 0) {
        tg_yaml_problem(reader->p, place, "a second lock: one holds the host already");
        return;
    }
    read_lock(reader, value, &r->around[r->n_around++]);
}

void tg_rollout_read_around(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;
    size_t n = 0;

    if (node && tg_yaml_is_list(node, "around", reader->p) && tg_rollout_few_enough(reader, node, "around", TG_STEPS_MAX))
        n = node->n;
    r->around = tg_rollout_room(reader, n + 1, sizeof *r->around);
    if (!r->around)
        return;
    for (size_t i = 0; i < n; i++)
        read_step(reader, node->items[i]);
    if (r->n_around == 0)
        r->around[r->n_around++] = (struct tg_around) {.kind = TG_AROUND_LOCK}; /* P5: never without a lock */
}
