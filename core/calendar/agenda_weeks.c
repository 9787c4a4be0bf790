/*
 * Booked maintenance weeks in an agenda: a slot is a window of its hosts, beside whatever other windows they have, and for the rest of its week
 * nothing else is. Both are rules like others: site's blackouts hold in a slot as well. See agenda.h.
 */
#include "calendar/agenda_internal.h"
#include "calendar/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One stretch of time, once. What is not whole seconds is left out of a window, and within a blackout. */
static int add_stretch(struct tg_rule *rule, int64_t from_ms, int64_t until_ms, struct tg_error *e)
{
    bool window = rule->kind == TG_RULE_WINDOW;
    int64_t from = window ? (from_ms + 999) / 1000 : from_ms / 1000, until = window ? until_ms / 1000 : (until_ms + 999) / 1000;
    struct tg_when *when;
    int rc = from < until ? tg_rule_room(rule, &when, e) : 0;

    if (rc || from >= until)
        return rc;
    when->start_local_s = from;
    when->exact_s = until - from;
    return tg_when_zone(when, "UTC", e);
}

static int name_rule(struct tg_rule *rule, const struct tg_week *week, const struct tg_week_slot *slot, struct tg_error *e)
{
    char text[TG_WEEK_ID_SIZE + TG_PATTERN_NAME_SIZE + 32];

    snprintf(text, sizeof text, "week %s, slot %s", week->id, slot->name);
    rule->name = strdup(text);
    snprintf(text, sizeof text, TG_AGENDA_SLOT_PREFIX "%s/%s", week->id, slot->name);
    rule->scope = strdup(text);
    snprintf(text, sizeof text, "tagout calendar week show %s", week->id);
    rule->file = strdup(text);
    return rule->name && rule->scope && rule->file ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int add_slot(struct tg_agenda *a, const struct tg_week *week, const struct tg_week_slot *slot, struct tg_error *e)
{
    struct tg_rule *window = &a->own[a->n_own++], *rest = &a->own[a->n_own++];

    *window = (struct tg_rule) {.kind = TG_RULE_WINDOW, .level = TG_LEVEL_HOST, .booked = true, .cut_off_ms = a->cut_off_ms, .lead_ms = a->lead_ms};
    *rest = (struct tg_rule) {.kind = TG_RULE_BLACKOUT, .level = TG_LEVEL_HOST, .booked = true};
    int rc = name_rule(window, week, slot, e);
    if (!rc)
        rc = name_rule(rest, week, slot, e);
    if (!rc)
        rc = add_stretch(window, slot->from_ms, slot->until_ms, e);
    if (!rc)
        rc = add_stretch(rest, week->from_ms, slot->from_ms, e);
    return rc ? rc : add_stretch(rest, slot->until_ms, week->until_ms, e);
}

size_t tg_agenda_week_rules(const struct tg_agenda *a)
{
    size_t n = 0;

    for (size_t w = 0; w < a->n_weeks; w++)
        n += 2 * a->weeks[w]->n_slots;
    return n;
}

int tg_agenda_take_weeks(struct tg_agenda *a, struct tg_error *e)
{
    int rc = 0;

    for (size_t w = 0; !rc && w < a->n_weeks; w++)
        for (size_t s = 0; !rc && s < a->weeks[w]->n_slots; s++)
            if (a->weeks[w]->slots[s].n)
                rc = add_slot(a, a->weeks[w], &a->weeks[w]->slots[s], e);
    return rc;
}

/* "week:ID/SLOT" */
static const struct tg_week *week_of(const struct tg_agenda *a, const char *scope, const struct tg_week_slot **out)
{
    scope += sizeof TG_AGENDA_SLOT_PREFIX - 1;
    for (size_t w = 0; w < a->n_weeks; w++) {
        const struct tg_week *week = a->weeks[w];
        size_t len = strlen(week->id);
        if (strncmp(scope, week->id, len) != 0 || scope[len] != '/')
            continue;
        for (size_t s = 0; s < week->n_slots; s++)
            if (strcmp(week->slots[s].name, scope + len + 1) == 0) {
                *out = &week->slots[s];
                return week;
            }
    }
    return NULL;
}

int tg_agenda_slot_hosts(const struct tg_agenda *a, const char *scope, uint32_t **out, size_t *out_n, struct tg_error *e)
{
    const struct tg_week_slot *slot = NULL;
    const struct tg_week *week = week_of(a, scope, &slot);
    uint32_t *list = week ? malloc((slot->n + 1) * sizeof *list) : NULL;
    size_t n = 0;

    if (!list)
        return week ? tg_fail(e, TG_E_MEMORY, "out of memory") : tg_fail(e, TG_E_BUG, "no slot %s", scope);
    for (uint32_t i = 0; i < slot->n; i++) {
        const struct tg_host *host = tg_inventory_host(a->inventory, tg_hostlist_get(&week->names, week->order[slot->first + i]));
        if (host)
            list[n++] = host->index; /* who has left the fleet since has no window to give */
    }
    *out = list;
    *out_n = n;
    return 0;
}
