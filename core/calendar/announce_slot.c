/* How a customer's slot stands: see announce_slot.h. */
#include "calendar/announce_slot.h"

#include "calendar/announce_internal.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 300 /* bytes of a reason, but for the last numbers: it has to fit into a record (TG_REASON_SIZE) */

int64_t tg_slot_late_at_ms(const struct tg_week_slot *slot)
{
    int64_t quarter = (slot->until_ms - slot->from_ms) / 4;
    int64_t grace = quarter > TG_SLOT_LATE_MS ? quarter : TG_SLOT_LATE_MS, half = (slot->until_ms - slot->from_ms) / 2;

    return slot->from_ms + (grace < half ? grace : half);
}

/* "failed: web[1-2]": those of a state; nothing when there are none. taken: bytes of it that stand elsewhere. */
static int say(const struct tg_week *w, const struct tg_marks *marks, const uint32_t *hosts, size_t n, const char *what, unsigned states, size_t taken, struct tg_buf *out,
               struct tg_error *e)
{
    struct tg_folder *folder;
    struct tg_buf names = TG_BUF_INIT;
    size_t found = 0;
    int rc = tg_folder_new(&folder, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++)
        if (states & 1u << marks->v[hosts[i]].state) {
            rc = tg_folder_add(folder, tg_hostlist_get(&w->names, hosts[i]), e);
            found++;
        }
    if (!rc && found)
        rc = tg_folder_print(folder, &names, e);
    if (!rc && found && taken + out->len + names.len <= NAMES_MAX)
        tg_buf_printf(out, "%s%s: %s", out->len ? "; " : "", what, tg_buf_text(&names));
    else if (!rc && found)
        tg_buf_printf(out, "%s%s: %zu hosts", out->len ? "; " : "", what, found);
    tg_folder_free(folder);
    tg_buf_release(&names);
    return rc;
}

static int explain(const struct tg_week *w, const struct tg_marks *marks, const uint32_t *hosts, size_t n, struct tg_thread_event *ev, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    int rc = say(w, marks, hosts, n, "failed", 1u << TG_MARK_FAILED, 0, &text, e);

    if (!rc)
        rc = say(w, marks, hosts, n, "not begun", 1u << TG_MARK_EXPECTED | 1u << TG_MARK_NONE, 0, &text, e);
    if (!rc)
        rc = say(w, marks, hosts, n, "begun, and not known to be done", 1u << TG_MARK_BEGUN, 0, &text, e);
    if (!rc && text.len) {
        struct tg_buf all = TG_BUF_INIT;
        rc = say(w, marks, hosts, n, "done", 1u << TG_MARK_DONE, text.len, &all, e);
        tg_buf_printf(&all, "%s%s", all.len ? "; " : "", tg_buf_text(&text));
        rc = rc ? rc : tg_buf_ok(&all, e);
        rc = rc ? rc : tg_thread_set_text(&ev->reason, tg_buf_text(&all), e);
        tg_buf_release(&all);
    }
    tg_buf_release(&text);
    return rc;
}

/* Not begun, so it is not: the customer is told that it is off. */
static int call_off(struct tg_thread_event *ev, struct tg_error *e)
{
    int rc = tg_thread_set_text(&ev->hosts, "", e);

    ev->n_hosts = 0;
    return rc ? rc : tg_thread_set_text(&ev->reason, "it was not begun in its time", e);
}

static int end(const struct tg_week *w, const struct tg_marks *marks, const uint32_t *hosts, size_t n, const struct tg_slot_count *c, struct tg_thread_event *ev, struct tg_error *e)
{
    int rc = explain(w, marks, hosts, n, ev, e);

    if (!rc)
        rc = tg_thread_set_text(&ev->done, ev->hosts, e);
    ev->n_done = ev->n_hosts;
    if (!c->begun && c->ended_ms)
        ev->until_ms = c->ended_ms; /* as it was */
    if (c->began_ms && c->began_ms < ev->until_ms)
        ev->from_ms = c->began_ms;
    if (ev->from_ms >= ev->until_ms)
        ev->from_ms = ev->until_ms - 1;
    return rc;
}

int tg_slot_judge(const struct tg_week *w, const struct tg_marks *marks, size_t slot, const struct tg_slot_count *of_slot, const uint32_t *hosts, size_t n, int64_t wall_ms,
                  struct tg_thread_event *ev, struct tg_error *e)
{
    const struct tg_week_slot *s = &w->slots[slot];
    struct tg_slot_count c = {.hosts = 0};

    for (size_t i = 0; i < n; i++)
        tg_slot_add(&c, &marks->v[hosts[i]]);
    size_t some = c.begun + c.done + c.failed;
    if (!some && !c.expected)
        return 0;
    bool through = c.done + c.failed == c.hosts, over = wall_ms >= s->until_ms + TG_SLOT_OVER_MS && !c.begun;
    if (through || over || wall_ms >= s->until_ms + TG_SLOT_GONE_MS)
        return some ? end(w, marks, hosts, n, &c, ev, e) : call_off(ev, e);
    if (!c.expected || of_slot->begun || of_slot->done || of_slot->failed || wall_ms < tg_slot_late_at_ms(s) || wall_ms >= s->until_ms)
        return 0;
    ev->late = true;
    return tg_thread_set_text(&ev->reason, "it has not begun yet", e);
}

int64_t tg_slots_next_ms(const struct tg_week *w, int64_t wall_ms)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < w->n_slots; i++) {
        const int64_t at[] = {tg_slot_late_at_ms(&w->slots[i]), w->slots[i].until_ms + TG_SLOT_OVER_MS, w->slots[i].until_ms + TG_SLOT_GONE_MS};
        for (size_t k = 0; k < sizeof at / sizeof at[0]; k++)
            if (at[k] > wall_ms && at[k] < next)
                next = at[k];
    }
    return next;
}
