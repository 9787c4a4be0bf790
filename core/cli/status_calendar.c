/* What tagout status says of booked weeks that are now, and of requests that are held for a person. */
#include "cli/status.h"

#include "calendar/week_text.h"
#include "cli/calendar_week.h"
#include "cli/guarding.h"
#include "cli/requests_held.h"
#include "cli/weeks_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS TG_STATUS_WAIT_MS
#define LATELY_MS (INT64_C(6) * 3600000) /* behind its end */
#define INDENT 8

/* A week as it stands, with what runs have left unsaid of it. */
struct seen {
    const struct tg_booked *booked;
    struct tg_week *week;
    struct tg_marks marks;
    struct tg_week_unsaid *unsaid;
    size_t n_unsaid, by[TG_MARK_STATES];
    int64_t now_ms;
};

struct look {
    struct tg_frame *f;
    const struct tg_run_row *rows;
    size_t n_rows;
    json_t *list; /* NULL: it is printed */
    int64_t now_ms;
};

/* P12: not to know is not "there is nothing". */
static void unknown(const struct look *l, int rc, const char *what, const struct tg_error *why)
{
    if (l->list)
        json_array_append_new(l->list, json_pack("{s:s,s:s}", "unknown", what, "error", why->message));
    else
        tg_calendar_say(l->f, INDENT, "%s: not known: %s", what, why->message);
    l->f->status = tg_exit_status(rc);
}

/* Each line as wide as the terminal is. */
static void say_lines(const struct look *l, struct tg_buf *text)
{
    for (const char *at = tg_buf_text(text), *nl; (nl = strchr(at, '\n')) != NULL; at = nl + 1)
        tg_calendar_say(l->f, INDENT, "%.*s", (int) (nl - at), at);
}

/* ---- weeks ---- */

static void put_slots(const struct look *l, const struct seen *s)
{
    for (size_t i = 0; i < s->week->n_slots; i++) {
        const struct tg_week_slot *slot = &s->week->slots[i];
        struct tg_slot_count c = tg_slot_count(s->week, &s->marks, i);
        const char *state = tg_week_slot_state(s->booked, &c, slot, s->now_ms);
        char hours[64];
        if (s->now_ms < slot->from_ms || s->now_ms >= slot->until_ms + LATELY_MS || strcmp(state, "off") == 0)
            continue;
        tg_calendar_say(l->f, INDENT, "        %s, %s: %s; of %zu hosts %zu done, %zu failed, %zu begun, %zu not begun", slot->name, tg_week_hours(slot, hours, sizeof hours),
                        state, c.hosts, c.done, c.failed, c.begun, c.hosts - c.done - c.failed - c.begun);
    }
}

static void put_week(const struct look *l, const struct seen *s)
{
    const struct tg_booked *b = s->booked;
    struct tg_buf text = TG_BUF_INIT;

    tg_calendar_say(l->f, INDENT, "WEEK    %s%s: of %lld hosts %zu done, %zu failed, %zu begun.  See: tagout calendar week show %s", b->id, b->cancelled ? ", cancelled" : "",
                    (long long) b->hosts, s->by[TG_MARK_DONE], s->by[TG_MARK_FAILED], s->by[TG_MARK_BEGUN], b->cancelled ? b->key : b->id);
    put_slots(l, s);
    tg_week_unsaid_lines("        ", b, s->unsaid, s->n_unsaid, &text);
    say_lines(l, &text);
    tg_buf_release(&text);
}

static void list_week(const struct look *l, const struct seen *s)
{
    json_t *o = tg_week_booked_json(s->booked, s->now_ms), *unsaid = json_array();

    for (size_t i = 0; i < s->n_unsaid; i++)
        json_array_append_new(unsaid, json_pack("{s:s,s:I}", "run", s->unsaid[i].run, "count", (json_int_t) s->unsaid[i].n));
    json_object_set_new(o, "week", json_string(s->booked->id));
    json_object_set_new(o, "begun", json_integer((json_int_t) s->by[TG_MARK_BEGUN]));
    json_object_set_new(o, "done", json_integer((json_int_t) s->by[TG_MARK_DONE]));
    json_object_set_new(o, "failed", json_integer((json_int_t) s->by[TG_MARK_FAILED]));
    json_object_set_new(o, "progress", tg_week_progress_json(s->booked, s->week, &s->marks, s->now_ms));
    json_object_set_new(o, "unsaid", unsaid);
    json_object_del(o, "id");
    json_array_append_new(l->list, o);
}

static int see_week(const struct look *l, const struct tg_booked *booked, struct tg_error *e)
{
    struct seen s = {.booked = booked, .marks = {.version = -1}, .now_ms = l->now_ms};
    int rc = tg_book_load(l->f->store, booked, WAIT_MS, &s.week, e);

    if (!rc)
        rc = tg_marks_read(l->f->store, booked, s.week, NULL, WAIT_MS, &s.marks, e);
    if (!rc)
        rc = tg_week_unsaid(l->f->store, booked, l->rows, l->n_rows, WAIT_MS, &s.unsaid, &s.n_unsaid, e);
    for (size_t i = 0; !rc && i < s.marks.n; i++)
        s.by[s.marks.v[i].state]++;
    bool silent = booked->cancelled && !s.by[TG_MARK_BEGUN]; /* nothing of it is left to be said */
    if (!rc && l->list && !silent)
        list_week(l, &s);
    else if (!rc && !silent)
        put_week(l, &s);
    free(s.unsaid);
    tg_marks_release(&s.marks);
    tg_week_free(s.week);
    return rc;
}

/* One that was cancelled is looked at while how it went is kept. */
static int is_now(const struct look *l, const struct tg_booked *b, bool *out, struct tg_error *e)
{
    *out = b->from_ms <= l->now_ms && l->now_ms < b->until_ms + LATELY_MS;
    return *out && b->cancelled ? tg_marks_are_there(l->f->store, b, WAIT_MS, out, e) : 0;
}

static void see_weeks(const struct look *l)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_book book = {.n = 0};
    int rc = tg_book_read(l->f->store, WAIT_MS, &book, &why);

    for (size_t i = 0; !rc && i < book.n; i++) {
        bool now = false;
        rc = is_now(l, &book.weeks[i], &now, &why);
        if (!rc && now)
            rc = see_week(l, &book.weeks[i], &why);
    }
    if (rc)
        unknown(l, rc, l->list ? "weeks" : "Booked weeks", &why);
    tg_book_release(&book);
}

/* ---- requests ---- */

static void see_held(const struct look *l)
{
    struct tg_guard guard = tg_cli_guard(l->f, 0);
    struct tg_error why = TG_ERROR_INIT;
    struct tg_buf out = TG_BUF_INIT;
    json_t *held = json_array();
    size_t n;
    int lists, rc = l->list ? tg_requests_held_json(&guard, l->now_ms, held, &why) : tg_requests_held_lines(&guard, l->now_ms, &out, &n, &lists, &why);

    for (size_t i = 0; l->list && i < json_array_size(held); i++)
        json_array_append_new(l->list, json_pack("{s:O}", "held", json_array_get(held, i)));
    say_lines(l, &out);
    if (rc && rc != TG_E_NOENT) /* a store of an older tagout has no requests */
        unknown(l, rc, l->list ? "held" : "Requests that are held", &why);
    json_decref(held);
    tg_buf_release(&out);
}

void tg_status_calendar(struct tg_frame *f, const struct tg_run_row *rows, size_t n, json_t *list)
{
    const struct look l = {.f = f, .rows = rows, .n_rows = n, .list = list, .now_ms = tg_wall_ms(tg_loop_clock(f->loop))};

    see_weeks(&l);
    see_held(&l);
}
