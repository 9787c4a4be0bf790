/* Reading a rollout: its stages. See rollout.h. */
#include "engine/rollout_internal.h"

#include <string.h>

/* More are no stages but a list of hosts; the plan, its digest and each screen grow with them. */

enum stage_key { NAME, STAGE_TARGETS, COUNT, UNTIL, BAKE, DRY_RUN, RATE, OPTIONAL, DAY, SPREAD, APPROVE, STAGE_FAILURE };
static const struct tg_yaml_key stage_keys[] = {
    [NAME] = {.name = "name", .required = true},
    [STAGE_TARGETS] = {.name = "targets"},
    [COUNT] = {.name = "count"},
    [UNTIL] = {.name = "until"},
    [BAKE] = {.name = "bake"},
    [DRY_RUN] = {.name = "dry-run"},
    [RATE] = {.name = "rate"},
    [OPTIONAL] = {.name = "optional"},
    [DAY] = {.name = "day"},
    [SPREAD] = {.name = "spread"},
    [APPROVE] = {.name = "approve"},
    [STAGE_FAILURE] = {.name = "failure"},
    {.name = NULL},
};
#define N_STAGE_KEYS (sizeof stage_keys / sizeof stage_keys[0] - 1)

static void read_until(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s)
{
    if (!tg_yaml_share(node, "until", reader->p, &s->until))
        return;
    s->until_at = node;
    if (s->until.value == 0)
        tg_yaml_problem(reader->p, node, "until must be more than 0");
    if (s->dry_run)
        tg_error_hint(tg_yaml_problem(reader->p, node, "until counts changed hosts, and a dry-run changes none"), "use count");
}

static void read_stage(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s)
{
    const struct tg_yaml_node *values[N_STAGE_KEYS];
    const char *name;

    *s = (struct tg_stage_spec) {.count = -1, .line = node->line, .column = node->column, .at = node};
    tg_yaml_fields(node, "a stage", stage_keys, reader->p, values);
    if (tg_rollout_word(reader, values[NAME], "name of a stage", &name))
        tg_rollout_copy(reader, name, &s->name);
    tg_rollout_read_selector(reader, values[STAGE_TARGETS], "targets", &s->targets);
    s->targets_at = values[STAGE_TARGETS];
    tg_yaml_bool(values[DRY_RUN], "dry-run", reader->p, &s->dry_run);
    tg_yaml_bool(values[OPTIONAL], "optional", reader->p, &s->optional);
    tg_yaml_int(values[COUNT], "count", 1, 1000000, reader->p, &s->count);
    read_until(reader, values[UNTIL], s);
    tg_yaml_duration(values[BAKE], "bake", 0, TG_BAKE_MAX_MS, reader->p, &s->bake_ms);
    tg_yaml_rate(values[RATE], "rate", reader->p, &s->rate);
    tg_yaml_bool(values[APPROVE], "approve", reader->p, &s->policy.approve);
    tg_rollout_read_day(reader, values[DAY], s);
    tg_rollout_read_spread(reader, values[SPREAD], s);
    tg_rollout_read_bounds(reader, values[STAGE_FAILURE], &s->policy.bears);
    if (values[COUNT] && values[UNTIL])
        tg_error_hint(tg_yaml_problem(reader->p, values[UNTIL], "a stage has count or until, not both"),
                      "count: that many more hosts; until: so many in all");
    if (s->dry_run && s->bake_ms)
        tg_yaml_problem(reader->p, values[BAKE], "a dry-run changes nothing that could bake");
}

/* Names are unique, and until: does not fall; shares of different kinds are compared when the fleet is known. */
static void compare_stages(struct tg_rollout_reader *reader)
{
    const struct tg_rollout *r = reader->r;
    const struct tg_stage_spec *highest = NULL;

    for (size_t i = 0; i < r->n_stages; i++) {
        const struct tg_stage_spec *s = &r->stages[i];
        for (size_t j = 0; j < i && s->name; j++)
            if (r->stages[j].name && strcmp(r->stages[j].name, s->name) == 0) {
                tg_error_hint(tg_yaml_problem(reader->p, tg_yaml_get(s->at, "name"), "a second stage \"%s\"", s->name),
                              "the first is in line %d", r->stages[j].line);
                break;
            }
        if (!s->until_at)
            continue;
        if (highest && highest->until.kind == s->until.kind && highest->until.value > s->until.value)
            tg_error_hint(tg_yaml_problem(reader->p, s->until_at, "until falls: %s here, %s before", s->until_at->text,
                                          highest->until_at->text),
                          "it counts all hosts changed so far, so that it can only grow");
        else
            highest = s;
    }
}

static void check_dry_runs(struct tg_rollout_reader *reader)
{
    for (size_t i = 0; reader->driver && i < reader->r->n_stages; i++)
        if (reader->r->stages[i].dry_run && !(reader->driver->verbs & (1U << TG_VERB_DRY_RUN)))
            tg_yaml_problem(reader->p, tg_yaml_get(reader->r->stages[i].at, "dry-run"), "%s has no dry-run", reader->driver->name);
}

void tg_rollout_read_stages(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    if (!node || tg_rollout_read_preset(reader, node) || !tg_yaml_is_list(node, "stages", reader->p))
        return;
    if (node->n == 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "no stages"), "such as - {name: all}");
    if (node->n > TG_STAGES_MAX)
        tg_yaml_problem(reader->p, node, "more than %d stages", TG_STAGES_MAX);
    if (node->n == 0 || node->n > TG_STAGES_MAX)
        return;
    reader->r->stages = tg_rollout_room(reader, node->n, sizeof *reader->r->stages);
    for (uint32_t i = 0; reader->r->stages && i < node->n; i++) {
        read_stage(reader, node->items[i], &reader->r->stages[i]);
        reader->r->n_stages = i + 1;
    }
    compare_stages(reader);
    tg_rollout_check_days(reader);
    check_dry_runs(reader);
}
