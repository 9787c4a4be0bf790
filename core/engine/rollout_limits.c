/* Reading a rollout: how much of the fleet may be disturbed at once. */
#include "engine/rollout_internal.h"

#include "fleet/selector.h"

#include <string.h>

/* A host is in one domain of each: what a start costs grows with them. */
#define LIMITS_MAX 16

enum limit_key { RUNNING, UNVERIFIED, DOMAINS, FLOOR, DOWN };
static const struct tg_yaml_key limit_keys[] = {
    [RUNNING] = {.name = "running"},
    [UNVERIFIED] = {.name = "unverified"},
    [DOMAINS] = {.name = "domains"},
    [FLOOR] = {.name = "floor"},
    [DOWN] = {.name = "down"},
    {.name = NULL},
};
#define N_LIMIT_KEYS (sizeof limit_keys / sizeof limit_keys[0] - 1)

static bool is_attribute(const char *key)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    return !key[strspn(key, plain)];
}

static void read_limit(struct tg_rollout_reader *reader, const struct tg_yaml_pair *pair, const char *what, struct tg_limit_spec *limit)
{
    struct tg_selector *selector = NULL;
    struct tg_error why = TG_ERROR_INIT;

    limit->at = pair->key;
    limit->selector = !is_attribute(pair->key->text);
    if (pair->key->n == 0)
        tg_yaml_problem(reader->p, pair->key, "a key of %s is empty", what);
    else if (limit->selector && tg_selector_parse(pair->key->text, &selector, &why))
        tg_rollout_selector_problem(reader->p, pair->key, what, &why);
    tg_selector_free(selector);
    if (tg_yaml_is_null(pair->value))
        tg_error_hint(tg_yaml_problem(reader->p, pair->key, "%s of %.80s is empty", what, pair->key->text), "a number of hosts such as 1, or a share such as 10%%");
    else if (tg_yaml_share(pair->value, what, reader->p, &limit->share) && limit->share.value == 0)
        tg_yaml_problem(reader->p, pair->value, "%s must be more than 0", what);
    tg_rollout_copy(reader, pair->key->text, &limit->name);
}

static void read_map(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, enum tg_limit_kind kind)
{
    if (!node || !tg_yaml_is_map(node, what, reader->p))
        return;
    if (node->n == 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "%s is empty", what), "such as {rack: 1}");
    for (uint32_t i = 0; i < node->n && !reader->rc; i++) {
        if (reader->r->n_limits == LIMITS_MAX) {
            tg_yaml_problem(reader->p, node->pairs[i].key, "more than %d limits by domain", LIMITS_MAX);
            return;
        }
        struct tg_limit_spec *limit = &reader->r->limits[reader->r->n_limits++];
        limit->kind = kind;
        read_limit(reader, &node->pairs[i], what, limit);
    }
}

static void read_unverified(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;

    r->unverified = r->running;
    if (tg_yaml_int(node, "unverified", 1, TG_RUNNING_MAX, reader->p, &r->unverified) && r->unverified < r->running)
        tg_error_hint(tg_yaml_problem(reader->p, node, "unverified is %lld, and running %lld", (long long) r->unverified, (long long) r->running),
                      "whoever runs is unverified, too, so this must be as many at least");
}

void tg_rollout_read_limits(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    static const char *const downs[] = {"count", "ignore", NULL};
    const struct tg_yaml_node *values[N_LIMIT_KEYS];
    size_t down;

    if (!node)
        return;
    tg_yaml_fields(node, "limits", limit_keys, reader->p, values);
    tg_yaml_int(values[RUNNING], "running", 1, TG_RUNNING_MAX, reader->p, &reader->r->running);
    read_unverified(reader, values[UNVERIFIED]);
    reader->r->limits = tg_rollout_room(reader, LIMITS_MAX, sizeof *reader->r->limits);
    if (!reader->r->limits)
        return;
    read_map(reader, values[DOMAINS], "domains", TG_LIMIT_DOMAIN);
    read_map(reader, values[FLOOR], "floor", TG_LIMIT_FLOOR);
    if (tg_yaml_choice(values[DOWN], "down", downs, reader->p, &down))
        reader->r->ignore_gone = down == 1;
}
