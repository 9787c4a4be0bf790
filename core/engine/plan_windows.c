/* The windows of a plan: which hosts have the same, as JSON and back. See plan.h, windows.h. */
#include "engine/plan_internal.h"
#include "engine/plan_when.h"
#include "engine/windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const modes[] = {[TG_WINDOWS_UNSAID] = "none", [TG_WINDOWS_HONOUR] = "honour", [TG_WINDOWS_IGNORE] = "ignore"};

int64_t tg_plan_need_ms(const struct tg_plan *plan, size_t stage)
{
    int64_t change = plan->estimate_ms > plan->learned_p95_ms ? plan->estimate_ms : plan->learned_p95_ms, bake = 0;

    change = change ? change : TG_ESTIMATE_USUAL_MS + plan->waits_ms;
    for (size_t i = 1; i < plan->n_around; i++)
        if (plan->around[i].kind == TG_AROUND_MODULE && plan->around[i].what == TG_AROUND_DRAIN)
            bake = plan->stages[stage].bake_ms;
    return change + bake + (!plan->rollback ? 0 : plan->learned_back_ms ? plan->learned_back_ms : change);
}

void tg_plan_windows_drop(struct tg_plan *plan)
{
    for (size_t i = 0; i < plan->n_windows; i++)
        free(plan->windows[i].name);
    free(plan->windows);
    free(plan->window_of);
    plan->windows = NULL;
    plan->window_of = NULL;
    plan->n_windows = 0;
    plan->windows_zone[0] = '\0';
    for (size_t i = 0; i < plan->n_stages; i++)
        plan->stages[i].first_window = plan->stages[i].n_windows = 0;
}

/* ---- compiling ---- */

static void add_rules(const struct tg_rule *const *rules, size_t n, char *out, size_t size)
{
    size_t at = strlen(out);

    for (size_t i = 0; i < n && i < 2; i++) {
        const struct tg_rule *r = rules[i];
        bool plain = r->booked || strcmp(r->scope, "fleet") == 0;
        int more = snprintf(out + at, size - at, "%s%.50s%s%.40s", i ? ", " : "", r->name, plain ? "" : " of ", plain ? "" : r->scope);
        at += more > 0 ? (size_t) more : 0;
    }
    if (n > 2)
        snprintf(out + at, size - at, " and %zu more", n - 2);
}

/* Of its rules: "night of customer:acme", "any time but freeze". */
static char *name_of(const struct tg_agenda *agenda, uint32_t class_)
{
    size_t n_windows, n_blackouts;
    const struct tg_rule *const *windows = tg_agenda_rules(agenda, class_, TG_AGENDA_WINDOWS, &n_windows);
    const struct tg_rule *const *blackouts = tg_agenda_rules(agenda, class_, TG_AGENDA_BLACKOUTS, &n_blackouts);
    char text[400] = "";

    if (n_windows)
        add_rules(windows, n_windows, text, sizeof text);
    else
        snprintf(text, sizeof text, n_blackouts ? "any time but " : "no window of their own");
    if (!n_windows && n_blackouts)
        add_rules(blackouts, n_blackouts, text, sizeof text);
    return strdup(text);
}

struct compiling {
    struct tg_plan *plan;
    const struct tg_inventory *inventory;
    const struct tg_agenda *agenda;
    uint32_t *of_class;   /* of the stage at hand: in plan.windows, or TG_NO_DOMAIN */
    size_t cap;
    struct tg_error *e;
};

static int no_memory(const struct compiling *c)
{
    return tg_fail(c->e, TG_E_MEMORY, "out of memory");
}

static int add_window(struct compiling *c, uint32_t class_, size_t stage)
{
    struct tg_plan *plan = c->plan;

    if (plan->n_windows == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct tg_plan_window *windows = realloc(plan->windows, cap * sizeof *windows);
        if (!windows)
            return no_memory(c);
        plan->windows = windows;
        c->cap = cap;
    }
    struct tg_plan_window *w = &plan->windows[plan->n_windows];
    *w = (struct tg_plan_window) {.stage = stage, .name = name_of(c->agenda, class_), .need_ms = tg_plan_need_ms(plan, stage)};
    if (!w->name)
        return no_memory(c);
    c->of_class[class_] = (uint32_t) plan->n_windows++;
    return 0;
}

static int place_stage(struct compiling *c, size_t stage)
{
    struct tg_plan *plan = c->plan;
    struct tg_plan_stage *s = &plan->stages[stage];
    int rc = 0;

    s->first_window = plan->n_windows;
    s->n_windows = 0;
    for (size_t i = s->first; i < s->first + s->count; i++)
        plan->window_of[i] = TG_NO_DOMAIN;
    memset(c->of_class, 0xff, tg_agenda_classes(c->agenda) * sizeof *c->of_class);
    for (size_t i = s->first; !rc && !s->dry_run && i < s->first + s->count; i++) {
        const struct tg_host *host = tg_inventory_host(c->inventory, plan->hosts[i].name);
        if (!host)
            return tg_fail(c->e, TG_E_BUG, "%s is in the plan, and not in the inventory that it was made from", plan->hosts[i].name);
        uint32_t class_ = tg_agenda_class(c->agenda, host->index);
        rc = c->of_class[class_] == TG_NO_DOMAIN ? add_window(c, class_, stage) : 0;
        plan->window_of[i] = c->of_class[class_];
        if (!rc)
            plan->windows[plan->window_of[i]].n_hosts++;
    }
    s->n_windows = plan->n_windows - s->first_window;
    return rc;
}

int tg_plan_windows_compile(struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_agenda *agenda, const char *zone, struct tg_error *e)
{
    struct compiling c = {.plan = plan, .inventory = inventory, .agenda = agenda, .e = e};
    int rc = 0;

    if (plan->windows_mode == TG_WINDOWS_IGNORE)
        return 0;
    tg_plan_windows_drop(plan);
    plan->windows_mode = TG_WINDOWS_HONOUR;
    snprintf(plan->windows_zone, sizeof plan->windows_zone, "%s", zone);
    plan->window_of = malloc((plan->n_hosts + 1) * sizeof *plan->window_of);
    c.of_class = malloc((tg_agenda_classes(agenda) + 1) * sizeof *c.of_class);
    if (!plan->window_of || !c.of_class)
        rc = no_memory(&c);
    for (size_t i = 0; !rc && i < plan->n_stages; i++)
        rc = place_stage(&c, i);
    free(c.of_class);
    if (!rc && !plan->n_windows)
        tg_plan_windows_drop(plan);
    return rc ? rc : tg_plan_seal(plan, e);
}

/* ---- JSON ---- */

json_t *tg_plan_windows_json(const struct tg_plan *plan, bool to_keep)
{
    json_t *sets = json_array();

    for (size_t i = 0; to_keep && i < plan->n_windows; i++)
        json_array_append_new(sets, json_pack("[s,I,I]", plan->windows[i].name, (json_int_t) plan->windows[i].need_ms, (json_int_t) plan->windows[i].n_hosts));
    return json_pack("{s:s,s:s?,s:s,s:o}", "mode", modes[plan->windows_mode], "why", to_keep ? plan->windows_why : NULL, "zone", to_keep ? plan->windows_zone : "", "sets",
                     sets);
}

json_t *tg_plan_window_of_json(const struct tg_plan *plan, const struct tg_plan_stage *stage)
{
    json_t *list = json_array();

    for (size_t i = stage->first; plan->n_windows && !stage->dry_run && i < stage->first + stage->count; i++)
        json_array_append_new(list, json_integer((json_int_t) plan->window_of[i]));
    return list;
}

static int broken(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "the plan is damaged: %s", what);
}

static int read_set(struct tg_plan *plan, const json_t *json, struct tg_error *e)
{
    const char *name;
    json_int_t need_ms, n_hosts;

    if (json_unpack((json_t *) json, "[s,I,I!]", &name, &need_ms, &n_hosts) || need_ms < 0 || need_ms > TG_CALENDAR_AHEAD_MS || n_hosts < 1 || n_hosts >= TG_NO_DOMAIN)
        return broken(e, "a set of windows");
    plan->windows[plan->n_windows] = (struct tg_plan_window) {.name = strdup(name), .need_ms = need_ms, .n_hosts = (uint32_t) n_hosts};
    return plan->windows[plan->n_windows++].name ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_plan_windows_read(struct tg_plan *plan, const json_t *windows, struct tg_error *e)
{
    const char *mode, *zone;
    json_t *why, *sets;
    int which = 0, rc = 0;

    if (json_unpack((json_t *) windows, "{s:s,s:o,s:s,s:o!}", "mode", &mode, "why", &why, "zone", &zone, "sets", &sets) || strlen(zone) >= sizeof plan->windows_zone || !(json_is_null(why) || json_is_string(why)) || !json_is_array(sets))
        return broken(e, "its windows");
    while (which <= TG_WINDOWS_IGNORE && strcmp(mode, modes[which]) != 0)
        which++;
    if (which > TG_WINDOWS_IGNORE || (json_array_size(sets) && which != TG_WINDOWS_HONOUR) || json_array_size(sets) >= TG_NO_DOMAIN)
        return broken(e, "its windows");
    plan->windows_mode = (enum tg_windows_mode) which;
    memcpy(plan->windows_zone, zone, strlen(zone) + 1);
    plan->windows = calloc(json_array_size(sets) + 1, sizeof *plan->windows);
    plan->windows_why = json_is_string(why) ? strdup(json_string_value(why)) : NULL;
    if (!plan->windows || (json_is_string(why) && !plan->windows_why))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < json_array_size(sets); i++)
        rc = read_set(plan, json_array_get(sets, i), e);
    return rc;
}

/* A stage's windows follow those of the stages before it. */
int tg_plan_window_of_read(struct tg_plan *plan, struct tg_plan_stage *stage, const json_t *windows, struct tg_error *e)
{
    bool none = !plan->n_windows || stage->dry_run;
    size_t n = (size_t) (stage - plan->stages), end = n ? stage[-1].first_window + stage[-1].n_windows : 0;

    stage->first_window = end;
    if (!json_is_array(windows) || json_array_size(windows) != (none ? 0 : stage->count))
        return broken(e, "the windows of a stage's hosts");
    for (size_t i = 0; i < stage->count && plan->n_windows; i++) {
        json_int_t w = none ? -1 : json_integer_value(json_array_get(windows, i));
        if (!none && (!json_is_integer(json_array_get(windows, i)) || w < (json_int_t) stage->first_window || w > (json_int_t) end || w >= (json_int_t) plan->n_windows))
            return broken(e, "a host's windows");
        plan->window_of[stage->first + i] = none ? TG_NO_DOMAIN : (uint32_t) w;
        if (none || (size_t) w < end)
            continue;
        plan->windows[end++].stage = n;
    }
    stage->n_windows = end - stage->first_window;
    return 0;
}
