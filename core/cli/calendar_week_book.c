/* tagout calendar week --apply, list, show, cancel: weeks that are booked. */
#include "cli/calendar_week.h"

#include "base/shown.h"
#include "cli/calendar.h"
#include "cli/guarding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000 /* for one answer: a piece of a large week */

int tg_week_open_store(struct tg_frame *f, struct tg_error *e)
{
    int rc = tg_frame_open_store(f, &f->store, e);

    return rc ? rc : tg_frame_prove_store(f, e);
}

static int64_t now_of(const struct tg_frame *f)
{
    return tg_wall_ms(tg_loop_clock(f->loop));
}

/* ---- how it is with one ---- */

static const char *state_of(const struct tg_booked *b, int64_t now_ms)
{
    return b->cancelled ? "cancelled" : b->until_ms <= now_ms ? "over" : b->from_ms <= now_ms ? "now" : "booked";
}

json_t *tg_week_booked_json(const struct tg_booked *b, int64_t now_ms)
{
    json_t *o = json_pack("{s:s,s:s,s:o,s:o,s:I,s:s,s:s,s:o}", "id", b->id, "state", state_of(b, now_ms), "from", tg_cli_time_json(b->from_ms), "until",
                          tg_cli_time_json(b->until_ms), "count", (json_int_t) b->hosts, "digest", b->digest, "by", b->by, "at", tg_cli_time_json(b->at_ms));

    if (o && b->cancelled)
        json_object_set_new(o, "cancelled", json_pack("{s:s,s:o,s:s}", "by", b->cancelled_by, "at", tg_cli_time_json(b->cancelled_ms), "reason", b->reason));
    return o;
}

/* ---- apply ---- */

int tg_week_apply(struct tg_frame *f, const struct tg_week *week, struct tg_error *e)
{
    char by[TG_OWNER_SIZE], at[64];
    struct tg_book_words words = {.by = by, .wall_ms = now_of(f), .wait_ms = WAIT_MS};
    struct tg_booked booked;
    bool was = false;
    int rc = tg_week_open_store(f, e);

    tg_cli_owner(f, by, sizeof by);
    if (!rc)
        rc = tg_book_week(f->store, week, &words, &booked, &was, e);
    if (!rc && !was)
        tg_frame_tick_store(f);
    if (!rc)
        rc = tg_week_show(f, week, &booked, NULL, e);
    if (rc || f->json)
        return rc;
    putchar('\n');
    if (was)
        tg_calendar_say(f, 0, "%s is booked already, just like this, by %s, %s.", booked.id, booked.by, tg_cli_when(booked.at_ms, now_of(f), at, sizeof at));
    else
        tg_calendar_say(f, 0, "Booked %s: each of the %zu hosts has exactly one slot. To take it back: tagout calendar week cancel %s --reason TEXT", booked.id, week->names.n,
               booked.id);
    return 0;
}

/* ---- list ---- */

#define COLUMNS 6

static char **make_row(const struct tg_frame *f, const struct tg_booked *b)
{
    char **row = calloc(COLUMNS, sizeof *row), from[40], until[40], shown[400];

    if (!row)
        return NULL;
    tg_time_format(b->from_ms / 1000 * 1000, from, sizeof from);
    tg_time_format(b->until_ms / 1000 * 1000, until, sizeof until);
    row[0] = tg_cli_cell("%s", b->id);
    row[1] = tg_cli_cell("%s", state_of(b, now_of(f)));
    row[2] = tg_cli_cell("%.10s %.5s", from, from + 11);
    row[3] = tg_cli_cell("%.10s %.5s", until, until + 11);
    row[4] = tg_cli_cell("%lld", (long long) b->hosts);
    row[5] = b->cancelled ? tg_cli_cell("%s: %s", b->cancelled_by, tg_shown_text(b->reason, shown, sizeof shown)) : tg_cli_cell("%s", b->by);
    return row;
}

/* A week each, where the table would be cut in its middle. */
static void print_block(const struct tg_frame *f, const struct tg_booked *b)
{
    char **row = make_row(f, b);

    if (row) {
        tg_calendar_say(f, 2, "%s", row[0]);
        tg_calendar_say(f, 2, "  %s, %s host%s, %s to %s UTC", row[1], row[4], b->hosts == 1 ? "" : "s", row[2], row[3]);
        tg_calendar_say(f, 2, "  %s", row[5]);
    }
    for (size_t c = 0; row && c < COLUMNS; c++)
        free(row[c]);
    free(row);
}

static void print_table(const struct tg_frame *f, const struct tg_book *book)
{
    static const char *const head[COLUMNS] = {"WEEK", "STATE", "FROM (UTC)", "UNTIL (UTC)", "HOSTS", "BY"};
    char ***rows = calloc(book->n + 1, sizeof *rows);
    size_t n = 0;

    while (rows && n < book->n && (rows[n] = make_row(f, &book->weeks[n])) != NULL)
        n++;
    if (rows)
        tg_cli_table(f, head, rows, n, COLUMNS);
    tg_cli_table_free(rows, n, COLUMNS);
}

int tg_week_verb_list(struct tg_frame *f, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_week_open_store(f, e);

    if (!rc)
        rc = tg_book_read(f->store, WAIT_MS, &book, e);
    if (rc)
        return rc;
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < book.n; i++)
            json_array_append_new(list, tg_week_booked_json(&book.weeks[i], now_of(f)));
        rc = tg_print_json(list, e);
    } else if (book.n && tg_calendar_is_narrow(f)) {
        for (size_t i = 0; i < book.n; i++)
            print_block(f, &book.weeks[i]);
    } else if (book.n) {
        print_table(f, &book);
    } else {
        puts("No week is booked. To book one: tagout calendar week plan PATTERN --start DATE --apply");
    }
    tg_book_release(&book);
    return rc;
}

/* ---- show, cancel ---- */

bool tg_week_has_marks(struct tg_frame *f, const struct tg_booked *b)
{
    bool there = false;

    return now_of(f) < b->until_ms + TG_MARK_LATER_MS && !tg_marks_are_there(f->store, b, WAIT_MS, &there, NULL) && there;
}

int tg_week_find(struct tg_frame *f, const char *id, bool cancelled, struct tg_booked *out, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_book_read(f->store, WAIT_MS, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *found = tg_book_find(&book, id);
    for (size_t i = 0; !found && i < book.n; i++)
        found = strcmp(book.weeks[i].key, id) == 0 ? &book.weeks[i] : NULL;
    for (size_t i = 0; found && found->cancelled && cancelled && !tg_week_has_marks(f, found) && i < book.n; i++)
        if (strcmp(book.weeks[i].id, id) == 0 && tg_week_has_marks(f, &book.weeks[i]))
            found = &book.weeks[i]; /* cancelled twice, and something had begun in the first one */
    if (!found) {
        rc = tg_book_none(&book, id, e);
    } else if (found->cancelled && !(cancelled && tg_week_has_marks(f, found))) {
        rc = tg_fail(e, TG_E_NOENT, "week %s was cancelled by %s: %.300s", id, found->cancelled_by, found->reason);
    } else {
        *out = *found;
    }
    tg_book_release(&book);
    return rc;
}

int tg_week_verb_show(struct tg_frame *f, struct tg_error *e)
{
    struct tg_marks marks = {.version = -1};
    struct tg_week *week = NULL;
    struct tg_booked booked;
    char at[64], shown[TG_REASON_SIZE * 4];
    int rc = tg_week_open_store(f, e);

    if (!rc)
        rc = tg_week_find(f, f->argv[1], true, &booked, e);
    if (!rc)
        rc = tg_book_load(f->store, &booked, WAIT_MS, &week, e);
    if (!rc)
        rc = tg_marks_read(f->store, &booked, week, NULL, WAIT_MS, &marks, e);
    if (!rc)
        rc = tg_week_pictures(f, week, e);
    if (!rc)
        rc = tg_week_show(f, week, &booked, &marks, e);
    if (!rc && !f->json)
        printf("\nBooked by %s, %s.\n", booked.by, tg_cli_when(booked.at_ms, now_of(f), at, sizeof at));
    if (!rc && !f->json && booked.cancelled)
        tg_calendar_say(f, 0, "Cancelled by %s, %s: %s", booked.cancelled_by, tg_cli_when(booked.cancelled_ms, now_of(f), at, sizeof at),
                        tg_shown_text(booked.reason, shown, sizeof shown));
    if (!rc && !f->json && booked.cancelled)
        tg_calendar_say(f, 0, "No host has a slot in it any more; of what had begun it is still noted how it ends.");
    tg_marks_release(&marks);
    tg_week_free(week);
    return rc;
}

int tg_week_verb_cancel(struct tg_frame *f, struct tg_error *e)
{
    char by[TG_OWNER_SIZE], reason[TG_REASON_SIZE] = "", at[64], shown[TG_REASON_SIZE * 4];
    struct tg_book_words words = {.by = by, .reason = reason, .wall_ms = now_of(f), .wait_ms = WAIT_MS};
    const char *why = tg_opt_text(f, "reason");
    struct tg_booked booked;
    bool was = false;

    if (!why || tg_text_is_blank(why))
        return tg_fail(e, TG_E_USAGE, "why? --reason \"TEXT\"");
    int rc = tg_text_copy("--reason", why, reason, sizeof reason, e);
    tg_cli_owner(f, by, sizeof by);
    if (!rc)
        rc = tg_week_open_store(f, e);
    if (!rc)
        rc = tg_book_cancel(f->store, f->argv[1], &words, &booked, &was, e);
    if (rc)
        return rc;
    if (!was)
        tg_frame_tick_store(f);
    bool begun = booked.from_ms <= words.wall_ms && tg_week_has_marks(f, &booked);
    if (f->json)
        return tg_print_json(tg_week_booked_json(&booked, now_of(f)), e);
    if (was)
        tg_calendar_say(f, 0, "%s was cancelled already, by %s, %s: %s", booked.id, booked.cancelled_by, tg_cli_when(booked.cancelled_ms, now_of(f), at, sizeof at),
                        tg_shown_text(booked.reason, shown, sizeof shown));
    else
        tg_calendar_say(f, 0, "Cancelled %s: none of its %lld hosts has a slot any more.%s%s", booked.id, (long long) booked.hosts,
                        begun ? " What has begun is not stopped by that, and its customers hear how it ends: tagout calendar week show " : "", begun ? booked.id : "");
    return 0;
}
