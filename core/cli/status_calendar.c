/* What tagout status says of booked weeks that are now, and of requests that are held for a person. */
#include "cli/status.h"

#include "calendar/week_text.h"
#include "cli/calendar_week.h"
#include "cli/guarding.h"
#include "cli/requests_held.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS TG_STATUS_WAIT_MS
#define LATELY_MS (INT64_C(6) * 3600000) /* behind its end */

static int64_t now_of(const struct tg_frame *f)
{
    return tg_wall_ms(tg_loop_clock(f->loop));
}

/* P12: not to know is not "there is nothing". */
static void unknown(struct tg_frame *f, int rc, const char *what, const struct tg_error *why)
{
    printf("%s: not known: %s\n", what, why->message);
    f->status = tg_exit_status(rc);
}

static void put_slots(const struct tg_booked *booked, const struct tg_week *w, const struct tg_marks *marks, int64_t now_ms)
{
    for (size_t s = 0; s < w->n_slots; s++) {
        const struct tg_week_slot *slot = &w->slots[s];
        struct tg_slot_count c = tg_slot_count(w, marks, s);
        char hours[64];
        if (now_ms < slot->from_ms || now_ms >= slot->until_ms + LATELY_MS)
            continue;
        printf("        %s, %s: %s; of %zu hosts %zu done, %zu failed, %zu begun, %zu not begun\n", slot->name, tg_week_hours(slot, hours, sizeof hours),
               tg_week_slot_state(booked, &c, slot, now_ms), c.hosts, c.done, c.failed, c.begun, c.hosts - c.done - c.failed - c.begun);
    }
}

static int put_week(struct tg_frame *f, const struct tg_booked *booked, struct tg_error *e)
{
    struct tg_marks marks = {.version = -1};
    struct tg_week *week = NULL;
    size_t by[TG_MARK_STATES] = {0};
    int rc = tg_book_load(f->store, booked, WAIT_MS, &week, e);

    if (!rc)
        rc = tg_marks_read(f->store, booked, week, NULL, WAIT_MS, &marks, e);
    for (size_t i = 0; !rc && i < marks.n; i++)
        by[marks.v[i].state]++;
    if (!rc) {
        printf("WEEK    %s: of %lld hosts %zu done, %zu failed, %zu begun.  See: tagout calendar week show %s\n", booked->id, (long long) booked->hosts, by[TG_MARK_DONE],
               by[TG_MARK_FAILED], by[TG_MARK_BEGUN], booked->id);
        put_slots(booked, week, &marks, now_of(f));
    }
    tg_marks_release(&marks);
    tg_week_free(week);
    return rc;
}

static void put_weeks(struct tg_frame *f)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_book book = {.n = 0};
    int64_t now = now_of(f);
    int rc = tg_book_read(f->store, WAIT_MS, &book, &why);

    for (size_t i = 0; !rc && i < book.n; i++)
        if (!book.weeks[i].cancelled && book.weeks[i].from_ms <= now && now < book.weeks[i].until_ms + LATELY_MS)
            rc = put_week(f, &book.weeks[i], &why);
    if (rc)
        unknown(f, rc, "Booked weeks", &why);
    tg_book_release(&book);
}

void tg_status_calendar(struct tg_frame *f)
{
    struct tg_guard guard = tg_cli_guard(f, 0);
    struct tg_error why = TG_ERROR_INIT;
    struct tg_buf out = TG_BUF_INIT;
    size_t n;

    put_weeks(f);
    int rc = tg_requests_held_lines(&guard, now_of(f), &out, &n, &why);
    fputs(tg_buf_text(&out), stdout);
    if (rc && rc != TG_E_NOENT) /* a store of an older tagout has no requests */
        unknown(f, rc, "Requests that are held", &why);
    tg_buf_release(&out);
}
