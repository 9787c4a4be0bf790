/* Reading a rollout: what failures are borne, and what follows. See rollout.h. */
#include "engine/rollout_internal.h"

#include <string.h>

#define SAMPLE_MAX 1000000
#define RETRY_WAIT_MS 30000

enum failure_key { FAILED, OF_AT_LEAST, UNREACHABLE, THEN, DECIDE_BY, GIVE_UP_BY, RETRIES };
static const struct tg_yaml_key failure_keys[] = {
    [FAILED] = {.name = "failed"},
    [OF_AT_LEAST] = {.name = "of-at-least"},
    [UNREACHABLE] = {.name = "unreachable"},
    [THEN] = {.name = "then"},
    [DECIDE_BY] = {.name = "decide-by"},
    [GIVE_UP_BY] = {.name = "give-up-by"},
    [RETRIES] = {.name = "retries"},
    {.name = NULL},
};
#define N_FAILURE_KEYS (sizeof failure_keys / sizeof failure_keys[0] - 1)

/* Of a stage: what follows is said once, for the whole. */
static const struct tg_yaml_key bounds_keys[] = {
    [FAILED] = {.name = "failed"},
    [OF_AT_LEAST] = {.name = "of-at-least"},
    [UNREACHABLE] = {.name = "unreachable"},
    {.name = NULL},
};

enum retry_key { AGAIN, WAIT };
static const struct tg_yaml_key retry_keys[] = {[AGAIN] = {.name = "unreachable", .required = true}, [WAIT] = {.name = "wait"}, {.name = NULL}};

/* What is worth it: nothing was sent to the host, so that trying again repeats nothing. */
static void read_retries(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *values[sizeof retry_keys / sizeof retry_keys[0] - 1];

    if (!node)
        return;
    reader->r->retry_wait_ms = RETRY_WAIT_MS;
    tg_yaml_fields(node, "retries", retry_keys, reader->p, values);
    tg_yaml_int(values[AGAIN], "unreachable", 1, TG_RETRIES_MAX, reader->p, &reader->r->retries);
    tg_yaml_duration(values[WAIT], "wait", 1000, TG_RETRY_WAIT_MAX_MS, reader->p, &reader->r->retry_wait_ms);
}

static void read_bounds(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_bounds *out)
{
    tg_yaml_share(values[FAILED], "failed", reader->p, &out->failed);
    tg_yaml_share(values[UNREACHABLE], "unreachable", reader->p, &out->unreachable);
    bool is_count = out->failed.kind != TG_SHARE_PERCENT && out->unreachable.kind != TG_SHARE_PERCENT;
    if (tg_yaml_int(values[OF_AT_LEAST], "of-at-least", 0, SAMPLE_MAX, reader->p, &out->of_at_least) && is_count && out->of_at_least > 1)
        tg_error_hint(tg_yaml_problem(reader->p, values[OF_AT_LEAST], "of-at-least is for percentages, and there is none"),
                      "a number of hosts halts as soon as there are more");
}

void tg_rollout_read_bounds(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_bounds *out)
{
    const struct tg_yaml_node *values[N_FAILURE_KEYS];

    if (!node)
        return;
    tg_yaml_fields(node, "failure of a stage", bounds_keys, reader->p, values);
    read_bounds(reader, values, out);
}

static bool has_drain(const struct tg_rollout *r)
{
    for (size_t i = 0; i < r->n_around; i++)
        if (r->around[i].kind == TG_AROUND_MODULE && r->around[i].what == TG_AROUND_DRAIN)
            return true;
    return false;
}

void tg_rollout_read_failure(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    static const char *const ends[] = {[TG_THEN_HALT] = "halt", [TG_THEN_ROLLBACK] = "rollback", [TG_THEN_WITHDRAW] = "withdraw", NULL};
    const struct tg_yaml_node *values[N_FAILURE_KEYS];
    struct tg_bounds bears = {.failed = reader->r->failed};
    size_t end = 0;

    if (!node)
        return;
    tg_yaml_fields(node, "failure", failure_keys, reader->p, values);
    read_bounds(reader, values, &bears);
    reader->r->failed = bears.failed;
    reader->r->of_at_least = bears.of_at_least;
    reader->r->unreachable = bears.unreachable;
    tg_yaml_duration(values[DECIDE_BY], "decide-by", 1000, TG_DECIDE_MAX_MS, reader->p, &reader->r->decide_ms);
    tg_yaml_duration(values[GIVE_UP_BY], "give-up-by", 1000, TG_DECIDE_MAX_MS, reader->p, &reader->r->give_up_ms);
    read_retries(reader, values[RETRIES]);
    if (tg_yaml_choice(values[THEN], "then", ends, reader->p, &end) && end == TG_THEN_ROLLBACK && !reader->r->rollback)
        tg_error_hint(tg_yaml_problem(reader->p, values[THEN], "then: rollback, and nothing says what the way back is"), "such as rollback: {puppet: {environment: previous}}");
    if (end == TG_THEN_WITHDRAW && !has_drain(reader->r))
        tg_error_hint(tg_yaml_problem(reader->p, values[THEN], "then: withdraw, and nothing says how a host is taken out of service"),
                      "with a drain below around:, such as around: [{drain: {haproxy: {backend: web}}}]");
    reader->r->then = (enum tg_then) end;
}
