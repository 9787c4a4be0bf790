/* How slots of booked weeks go, on any store: marks, and what customers are told by them. Included by book_suite.h, at its end. */
#ifndef TESTS_BOOK_SUITE_MARKS_H
#define TESTS_BOOK_SUITE_MARKS_H

#include "calendar/announce_slot.h"
#include "calendar/announce_store.h"

#include "base/seal.h"

#define MINUTE INT64_C(60000)

struct marked {
    struct tg_book book;
    struct tg_week *week;              /* as it was booked */
    const struct tg_booked *booked;
    struct tg_announce_place place;
};

static struct marked mark_week(void)
{
    static const char *const folders[] = {TG_ANNOUNCE_OPEN, TG_ANNOUNCE_TOLD};
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    struct marked m = {.week = NULL};
    struct tg_error e = TG_ERROR_INIT;

    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(tg_store_create(store, folders[i], "", 0, 0, tg_store_deadline(store, WAIT_MS), &e), 0, "%s", e.message);
    must_book(week, false);
    tg_week_free(week);
    m.book = the_book();
    m.booked = &m.book.weeks[0];
    cr_assert_eq(tg_book_load(store, m.booked, WAIT_MS, &m.week, &e), 0, "%s", e.message);
    m.place = (struct tg_announce_place) {.store = store, .wait_ms = WAIT_MS, .cluster = TG_ANY_VERSION};
    return m;
}

static void unmark(struct marked *m)
{
    tg_week_free(m->week);
    tg_book_release(&m->book);
}

static const char *host_of(const struct marked *m, size_t slot, size_t i)
{
    return tg_hostlist_get(&m->week->names, m->week->order[m->week->slots[slot].first + i]);
}

static int say_as(const struct marked *m, const char *host, enum tg_mark_state state, int64_t began_ms, int64_t ended_ms, const char *by, struct tg_error *e)
{
    const struct tg_mark_word word = {host, {state, began_ms, ended_ms}};

    return tg_marks_write(store, m->booked, &word, 1, by, WAIT_MS, NULL, e);
}

static void say(const struct marked *m, const char *host, enum tg_mark_state state, int64_t began_ms, int64_t ended_ms)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(say_as(m, host, state, began_ms, ended_ms, "R1", &e), 0, "%s", e.message);
}

/* All hosts of a slot at once. */
static void say_all(const struct marked *m, size_t slot, enum tg_mark_state state, int64_t began_ms, int64_t ended_ms)
{
    size_t n = m->week->slots[slot].n;
    struct tg_mark_word *words = calloc(n, sizeof *words);
    struct tg_error e = TG_ERROR_INIT;

    for (size_t i = 0; i < n; i++)
        words[i] = (struct tg_mark_word) {host_of(m, slot, i), {state, began_ms, ended_ms}};
    cr_assert_eq(tg_marks_write(store, m->booked, words, n, "R1", WAIT_MS, NULL, &e), 0, "%s", e.message);
    free(words);
}

static struct tg_slot_count counted(const struct marked *m, size_t slot)
{
    struct tg_marks marks;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_marks_read(store, m->booked, m->week, NULL, WAIT_MS, &marks, &e), 0, "%s", e.message);
    struct tg_slot_count c = tg_slot_count(m->week, &marks, slot);
    tg_marks_release(&marks);
    return c;
}

BTEST(marks_of_hosts_are_counted_by_slot)
{
    struct marked m = mark_week();
    struct tg_week_slot *s = &m.week->slots[0];

    cr_assert_eq(counted(&m, 0).hosts, s->n);
    cr_assert_eq(counted(&m, 0).expected, 0);
    say_all(&m, 0, TG_MARK_EXPECTED, 0, 0);
    cr_assert_eq(counted(&m, 0).expected, s->n);
    cr_assert_eq(counted(&m, 1).expected, 0);
    say(&m, host_of(&m, 0, 0), TG_MARK_BEGUN, s->from_ms + 5, 0);
    say(&m, host_of(&m, 0, 1), TG_MARK_DONE, s->from_ms + 7, s->from_ms + MINUTE);
    say(&m, host_of(&m, 0, 2), TG_MARK_FAILED, s->from_ms + 9, s->from_ms + 2 * MINUTE);
    struct tg_slot_count c = counted(&m, 0);
    cr_assert(c.expected == s->n - 3 && c.begun == 1 && c.done == 1 && c.failed == 1);
    cr_assert_eq(c.began_ms, s->from_ms + 5);
    cr_assert_eq(c.ended_ms, s->from_ms + 2 * MINUTE);
    cr_assert_eq(tg_slot_missed(&c, s, s->until_ms - 1), 0);
    cr_assert_eq(tg_slot_missed(&c, s, s->until_ms), s->n - 3);
    unmark(&m);
}

/* P7: a run that is resumed says again what it does not know to have said. */
BTEST(what_is_said_twice_changes_nothing)
{
    struct marked m = mark_week();
    int64_t at = m.week->slots[0].from_ms;
    const struct tg_mark_word words[] = {{host_of(&m, 0, 0), {TG_MARK_DONE, at, at + MINUTE}}, {host_of(&m, 0, 0), {TG_MARK_BEGUN, at, 0}},
                                         {host_of(&m, 0, 0), {TG_MARK_EXPECTED, 0, 0}}, {host_of(&m, 0, 0), {TG_MARK_FAILED, at, at + MINUTE}}};
    size_t changed;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        cr_assert_eq(tg_marks_write(store, m.booked, &words[i], 1, "R1", WAIT_MS, &changed, NULL), 0);
        cr_expect_eq(changed, i == 0, "word %zu", i);
    }
    struct tg_slot_count c = counted(&m, 0);
    cr_assert(c.done == 1 && !c.begun && !c.failed && !c.expected);
    say(&m, host_of(&m, 0, 0), TG_MARK_BEGUN, at + 2 * MINUTE, 0); /* once more, later */
    c = counted(&m, 0);
    cr_assert(!c.done && c.begun == 1 && c.began_ms == at);
    unmark(&m);
}

/* Others have written in between: their transaction stands, and so does this one. */
BTEST(two_who_say_something_at_one_moment_are_both_heard)
{
    struct marked m = mark_week();
    int64_t at = m.week->slots[0].from_ms;
    const struct tg_mark_word one = {host_of(&m, 0, 0), {TG_MARK_BEGUN, at, 0}};
    struct tg_mark_ops ops;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_marks_prepare(store, m.booked->key, &one, "requests@web001", WAIT_MS, &ops, &e), 0, "%s", e.message);
    cr_assert_eq(ops.n, 2);
    say_all(&m, 0, TG_MARK_EXPECTED, 0, 0);
    int rc = tg_store_multi(store, ops.ops, ops.n, tg_store_deadline(store, WAIT_MS), NULL, NULL);
    cr_assert(rc == TG_E_EXISTS || rc == TG_E_VERSION, "%d", rc);
    tg_mark_ops_release(&ops);
    cr_assert_eq(tg_marks_prepare(store, m.booked->key, &one, "requests@web001", WAIT_MS, &ops, &e), 0);
    cr_assert_eq(tg_store_multi(store, ops.ops, ops.n, tg_store_deadline(store, WAIT_MS), NULL, &e), 0, "%s", e.message);
    tg_mark_ops_release(&ops);
    struct tg_slot_count c = counted(&m, 0);
    cr_assert(c.begun == 1 && c.expected == m.week->slots[0].n - 1);
    unmark(&m);
}

BTEST(nothing_is_said_of_a_week_that_is_not_booked_any_more)
{
    struct marked m = mark_week();
    const struct tg_mark_word one = {host_of(&m, 0, 0), {TG_MARK_BEGUN, m.week->slots[0].from_ms, 0}};
    struct tg_mark_ops ops;
    bool was;

    cr_assert_eq(cancel(m.booked->id, &was), 0);
    cr_assert_eq(tg_marks_prepare(store, m.booked->key, &one, "requests@web001", WAIT_MS, &ops, NULL), 0);
    cr_assert_eq(ops.n, 0);
    tg_mark_ops_release(&ops);
    struct tg_error e = TG_ERROR_INIT;
    cr_assert_eq(say_as(&m, one.host, TG_MARK_BEGUN, one.mark.began_ms, 0, "R1", &e), TG_E_NOENT, "%s", e.message);
    unmark(&m);
}

/* P2 */
BTEST(marks_that_make_no_sense_are_unknown)
{
    static const char *const bad[] = {"", "{", "null", "[]", "{\"format\":2,\"sum\":\"0000000000000000\"}", "{\"format\":1,\"hosts\":{}}"};
    static const char *const entries[] = {"[\"begun\",0,0,0]", "[\"none\",1,0,0]", "[\"done\",5,5,0]", "[\"done\",1,9e99,0]", "[\"begun\",-1,0,0]", "[\"begun\",1,0,7]", "[1,1,0,0]", "{}",
                                          "[\"begun\",1,0]", "[\"begun\",1,0,0,0]", "[\"expected\",1,0,0]"};
    struct marked m = mark_week();
    struct tg_marks marks;
    char path[200];

    say_all(&m, 0, TG_MARK_BEGUN, m.week->slots[0].from_ms, 0);
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/marks-000", m.booked->key);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(tg_store_write(store, path, bad[i], strlen(bad[i]), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_expect_eq(tg_marks_read(store, m.booked, m.week, NULL, WAIT_MS, &marks, NULL), TG_E_UNKNOWN, "%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        json_t *item = json_loads(entries[i], 0, NULL);
        char *text = tg_seal(json_pack("{s:i,s:s,s:s,s:[s],s:{s:o}}", "format", 1, "id", m.booked->id, "digest", m.booked->digest, "by", "R1", "hosts", "db01", item ? item : json_null()));
        cr_assert_eq(tg_store_write(store, path, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_expect_eq(tg_marks_read(store, m.booked, m.week, NULL, WAIT_MS, &marks, NULL), TG_E_UNKNOWN, "%s", entries[i]);
        free(text);
    }
    unmark(&m);
}

/* ---- what customers are told ---- */

static void look(const struct marked *m, int64_t wall_ms)
{
    struct tg_error e = TG_ERROR_INIT, why = TG_ERROR_INIT;
    int64_t next;
    size_t bad;

    cr_assert_eq(tg_announce_slots(&m->place, wall_ms, 0, &next, &bad, &why, &e), 0, "%s", e.message);
    cr_assert_eq(bad, 0, "%s", why.message);
}

/* What a customer would be told now, in words: "early late, late done; …"; and he is told. free() */
static char *told(const struct marked *m, const char *customer)
{
    char source[128], path[TG_ANNOUNCE_NODE_SIZE];
    const char *const to[] = {"a@acme.example"};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_thread *t;

    (void) path;
    snprintf(source, sizeof source, "week:%s", m->booked->id);
    cr_assert_eq(tg_announce_find(&m->place, source, customer, 0, &t, &e), 0, "%s", e.message);
    cr_assert_eq(tg_thread_settle(t, to, 1, NOW, &e), 0, "%s", e.message);
    if (t->message && !t->message->heard) {
        for (size_t i = 0; i < t->message->items.n; i++) {
            const struct tg_thread_item *item = &t->message->items.v[i];
            tg_buf_printf(&text, "%s%s %s%s%s", i ? ", " : "", item->event.key, tg_announce_kind_name(item->kind), item->event.reason[0] ? ": " : "", item->event.reason);
        }
        cr_assert_eq(tg_thread_heard(t, &e), 0);
        t->message->recipients[0].state = TG_RECIPIENT_SENT;
        cr_assert_eq(tg_announce_write(&m->place, t, NULL, 0, &e), 0, "%s", e.message);
    }
    tg_thread_free(t);
    tg_buf_puts(&text, "");
    return tg_buf_take(&text, NULL);
}

#define TOLD(m, customer, ...)                                   \
    do {                                                         \
        char *is_ = told(m, customer);                           \
        cr_assert_str_eq(is_, __VA_ARGS__);                      \
        free(is_);                                               \
    } while (0)

/* The week's note of being booked is taken, and all are told when it is to be. */
static void tell_week(const struct marked *m)
{
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = "week:w-2026-11-30", .event = m->booked->id, .reason = ""};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_announce_week(&m->place, &a, "/none", NOW, NOW, &e), 0, "%s", e.message);
    char *text = told(m, "bolt");
    cr_assert(strstr(text, "late scheduled"), "%s", text);
    free(text);
}

static size_t of_bolt(const struct marked *m, size_t slot, const char *out[], size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < m->week->slots[slot].n && n < max; i++)
        if (strncmp(host_of(m, slot, i), "db", 2) == 0)
            out[n++] = host_of(m, slot, i);
    return n;
}

/* P12 */
BTEST(a_customer_is_told_once_when_all_of_his_hosts_are_through)
{
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 2, n = of_bolt(&m, slot, db, 40);
    int64_t at = m.week->slots[slot].from_ms;

    cr_assert_gt(n, 2);
    tell_week(&m);
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    look(&m, at - 1);
    TOLD(&m, "bolt", "");
    for (size_t i = 0; i + 1 < n; i++)
        say(&m, db[i], TG_MARK_DONE, at + MINUTE, at + 3 * MINUTE);
    look(&m, at + 4 * MINUTE);
    TOLD(&m, "bolt", "");
    say(&m, db[n - 1], TG_MARK_DONE, at + 2 * MINUTE, at + 5 * MINUTE);
    look(&m, at + 6 * MINUTE);
    TOLD(&m, "bolt", "late done");
    look(&m, at + 7 * MINUTE);
    TOLD(&m, "bolt", "");
    say(&m, db[0], TG_MARK_BEGUN, at + 8 * MINUTE, 0); /* somebody goes there again: the mail was sent */
    say(&m, db[0], TG_MARK_DONE, at + 8 * MINUTE, at + 9 * MINUTE);
    look(&m, at + 10 * MINUTE);
    TOLD(&m, "bolt", "");
    look(&m, m.week->slots[slot].until_ms + 8 * 60 * MINUTE);
    TOLD(&m, "bolt", "");
    unmark(&m);
}

BTEST(what_failed_and_what_was_not_begun_is_told)
{
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 2, n = of_bolt(&m, slot, db, 40);
    int64_t at = m.week->slots[slot].from_ms, until = m.week->slots[slot].until_ms;

    tell_week(&m);
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    for (size_t i = 0; i + 2 < n; i++)
        say(&m, db[i], TG_MARK_DONE, at + MINUTE, at + 3 * MINUTE);
    say(&m, db[n - 2], TG_MARK_FAILED, at + MINUTE, at + 3 * MINUTE);
    look(&m, until + TG_SLOT_OVER_MS - 1);
    TOLD(&m, "bolt", "");
    look(&m, until + TG_SLOT_OVER_MS);
    char *text = told(&m, "bolt"), failed[300], missed[300];
    snprintf(failed, sizeof failed, "; failed: %s; ", db[n - 2]);
    snprintf(missed, sizeof missed, "; not begun: %s", db[n - 1]);
    cr_assert(strncmp(text, "late done: done: db", 19) == 0 && strstr(text, failed) && strstr(text, missed), "%s", text);
    free(text);
    unmark(&m);
}

BTEST(a_slot_that_does_not_begin_is_told_late_and_then_off)
{
    struct marked m = mark_week();
    size_t slot = 2;
    int64_t at = tg_slot_late_at_ms(&m.week->slots[slot]), until = m.week->slots[slot].until_ms;

    cr_assert_eq(at, m.week->slots[slot].from_ms + 60 * MINUTE); /* a quarter of four hours */
    tell_week(&m);
    look(&m, at);
    TOLD(&m, "bolt", ""); /* no run is bound to it: people may be at work that say nothing */
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    look(&m, at - 1);
    TOLD(&m, "bolt", "");
    look(&m, at);
    TOLD(&m, "bolt", "late late: it has not begun yet");
    look(&m, at + MINUTE);
    TOLD(&m, "bolt", "");
    look(&m, until + TG_SLOT_OVER_MS);
    TOLD(&m, "bolt", "late cancelled: it was not begun in its time");
    look(&m, until + TG_SLOT_OVER_MS + MINUTE);
    TOLD(&m, "bolt", "");
    say_all(&m, slot, TG_MARK_DONE, at, until + TG_SLOT_OVER_MS + 2 * MINUTE); /* done by hand after all */
    look(&m, until + TG_SLOT_OVER_MS + 3 * MINUTE);
    TOLD(&m, "bolt", "late done");
    unmark(&m);
}

BTEST(a_slot_in_which_others_have_begun_is_not_late)
{
    struct marked m = mark_week();
    size_t slot = 2;
    const char *other = NULL;

    for (size_t i = 0; i < m.week->slots[slot].n && !other; i++)
        other = strncmp(host_of(&m, slot, i), "web", 3) == 0 ? host_of(&m, slot, i) : NULL;
    tell_week(&m);
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    say(&m, other, TG_MARK_BEGUN, m.week->slots[slot].from_ms + MINUTE, 0);
    look(&m, tg_slot_late_at_ms(&m.week->slots[slot]) + 30 * MINUTE);
    TOLD(&m, "bolt", "");
    unmark(&m);
}

/* Whoever never ends is not waited for: that is told as what it is. */
BTEST(what_is_not_known_to_have_ended_is_told_so)
{
    struct marked m = mark_week();
    size_t slot = 2;
    int64_t until = m.week->slots[slot].until_ms;

    tell_week(&m);
    say_all(&m, slot, TG_MARK_BEGUN, m.week->slots[slot].from_ms + MINUTE, 0);
    look(&m, until + TG_SLOT_GONE_MS - 1);
    TOLD(&m, "bolt", "");
    look(&m, until + TG_SLOT_GONE_MS);
    char *text = told(&m, "bolt");
    cr_assert(strncmp(text, "late done: begun, and not known to be done: db", 46) == 0, "%s", text);
    free(text);
    unmark(&m);
}

/* P7: who announces may die behind any of its writes; its hint may be lost, old, or another's. */
BTEST(a_lost_hint_tells_nobody_twice)
{
    static const char *const hints[] = {NULL, "", "{", "{\"format\":1,\"id\":\"x\",\"digest\":\"\",\"marks\":3,\"next\":0,\"sum\":\"0000000000000000\"}"};
    struct marked m = mark_week();
    char path[200];
    size_t slot = 2;
    int64_t at = m.week->slots[slot].from_ms;

    tell_week(&m);
    say_all(&m, slot, TG_MARK_DONE, at + MINUTE, at + 2 * MINUTE);
    look(&m, at + 3 * MINUTE);
    TOLD(&m, "bolt", "late done");
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/told", m.booked->key);
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (hints[i])
            cr_assert_eq(tg_store_write(store, path, hints[i], strlen(hints[i]), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        else
            cr_assert_eq(tg_store_delete(store, path, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
        look(&m, at + 4 * MINUTE);
        TOLD(&m, "bolt", "");
    }
    unmark(&m);
}

/* What was done stays done when the rest of the week is taken back. */
BTEST(a_week_that_is_cancelled_takes_back_what_is_not_done)
{
    struct marked m = mark_week();
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = "week:w-2026-11-30", .event = m.booked->id, .reason = ""};
    struct tg_error e = TG_ERROR_INIT;
    size_t slot = 1;
    bool was;

    tell_week(&m);
    say_all(&m, slot, TG_MARK_DONE, m.week->slots[slot].from_ms, m.week->slots[slot].from_ms + MINUTE);
    look(&m, m.week->slots[slot].from_ms + 2 * MINUTE);
    TOLD(&m, "bolt", "middle done");
    cr_assert_eq(cancel(m.booked->id, &was), 0);
    cr_assert_eq(tg_announce_week(&m.place, &a, "/none", m.week->slots[slot].until_ms, NOW, &e), 0, "%s", e.message);
    char *text = told(&m, "bolt");
    cr_assert(!strstr(text, "middle") && strstr(text, "late cancelled: the network moves"), "%s", text);
    free(text);
    unmark(&m);
}

/* Nobody is told days later that what was to be on Tuesday is off. */
BTEST(a_week_that_is_cancelled_does_not_take_back_a_slot_that_is_over)
{
    struct marked m = mark_week();
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = "week:w-2026-11-30", .event = m.booked->id, .reason = ""};
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    tell_week(&m);
    cr_assert_eq(cancel(m.booked->id, &was), 0);
    cr_assert_eq(tg_announce_week(&m.place, &a, "/none", m.week->slots[1].until_ms, NOW, &e), 0, "%s", e.message);
    char *text = told(&m, "bolt");
    cr_assert(!strstr(text, "middle") && strstr(text, "late cancelled: the network moves"), "%s", text);
    free(text);
    unmark(&m);
}

/* However long the names are, the customer's record can be read again. */
BTEST(a_long_reason_fits_into_the_record)
{
    struct marked m = mark_week();
    size_t slot = 2, of[3] = {0};
    int64_t at = m.week->slots[slot].from_ms;

    tell_week(&m);
    for (size_t i = 0; i < m.week->slots[slot].n; i++) {
        const char *host = host_of(&m, slot, i);
        size_t kind = strncmp(host, "web", 3) ? 3 : (size_t) (host[5] - '0') % 3;
        if (kind < 3 && of[kind]++ < 130)
            say(&m, host, kind == 0 ? TG_MARK_DONE : kind == 1 ? TG_MARK_FAILED : TG_MARK_BEGUN, at + MINUTE, kind < 2 ? at + 3 * MINUTE : 0);
    }
    look(&m, m.week->slots[slot].until_ms + TG_SLOT_GONE_MS);
    char *text = told(&m, "acme");
    cr_assert(strstr(text, "failed: "), "%s", text);
    free(text);
    TOLD(&m, "acme", "");
    unmark(&m);
}

#endif
