/* Waiting by the clock: see drive_alarms.h. */
#include "engine/drive_alarms.h"

#include <stdlib.h>

int tg_alarms_add(struct tg_alarms *w, const struct tg_run_action *action, struct tg_error *e)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 8;
        struct tg_run_action *items = realloc(w->items, cap * sizeof *items);
        if (!items)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        w->items = items;
        w->cap = cap;
    }
    size_t at = w->n++;
    for (; at > 0 && w->items[(at - 1) / 2].until_ms > action->until_ms; at = (at - 1) / 2)
        w->items[at] = w->items[(at - 1) / 2];
    w->items[at] = *action;
    return 0;
}

static struct tg_run_action pop(struct tg_alarms *w)
{
    struct tg_run_action first = w->items[0], last = w->items[--w->n];
    size_t at = 0;

    for (size_t child; (child = at * 2 + 1) < w->n; at = child) {
        if (child + 1 < w->n && w->items[child + 1].until_ms < w->items[child].until_ms)
            child++;
        if (w->items[child].until_ms >= last.until_ms)
            break;
        w->items[at] = w->items[child];
    }
    w->items[at] = last;
    return first;
}

static bool still_wanted(const struct tg_run *run, const struct tg_run_action *a)
{
    if (a->kind == TG_DO_RETRY) /* of this try: it may be another one's turn by now */
        return (run->hosts[a->host].state == TG_HOST_BUSY && run->hosts[a->host].attempt == a->attempt) || run->hosts[a->host].state == TG_HOST_DECIDING ||
               run->hosts[a->host].state == TG_HOST_AROUND_WAITING || run->hosts[a->host].state == TG_HOST_UNDO_WAITING;
    if (a->kind == TG_DO_GIVE_UP) /* when a person has paused it as well, somebody looks */
        return run->give_up_ms == a->until_ms && tg_run_is_to_be_looked_at(run);
    if (a->kind == TG_DO_PACE)
        return run->state == TG_RUN_ACTIVE && run->stages[a->stage].paced_ms == a->until_ms;
    return run->state == TG_RUN_ACTIVE && run->stages[a->stage].state == TG_STAGE_BAKING && run->stages[a->stage].bake_until_ms == a->until_ms;
}

static enum tg_run_event_kind event_of(enum tg_run_action_kind kind)
{
    return kind == TG_DO_BAKE ? TG_EV_BAKED : kind == TG_DO_PACE ? TG_EV_PACED : kind == TG_DO_GIVE_UP ? TG_EV_GAVE_UP : TG_EV_RETRY_DUE;
}

bool tg_alarms_take(struct tg_alarms *w, const struct tg_run *run, int64_t now_ms, struct tg_run_event *out)
{
    while (w->n && w->items[0].until_ms <= now_ms) {
        struct tg_run_action a = pop(w);
        if (!still_wanted(run, &a))
            continue;
        *out = (struct tg_run_event) {.kind = event_of(a.kind), .host = a.host, .stage = a.stage};
        if (a.kind == TG_DO_RETRY)
            out->stage = TG_RUN_NONE;
        return true;
    }
    return false;
}

int64_t tg_alarms_left_ms(const struct tg_alarms *w, int64_t now_ms, int64_t most_ms)
{
    int64_t left = w->n ? w->items[0].until_ms - now_ms : most_ms;

    return left < 0 ? 0 : left < most_ms ? left : most_ms;
}

void tg_alarms_release(struct tg_alarms *w)
{
    free(w->items);
    *w = (struct tg_alarms) {0};
}
