/* Weeks that are cancelled when something of them has begun, on any store. Included by book_suite.h, at its end, behind book_suite_marks.h. */
#ifndef TESTS_BOOK_SUITE_CANCELLED_H
#define TESTS_BOOK_SUITE_CANCELLED_H

#include "fleet/shard.h"

static void cancel_at(const struct marked *m, int64_t wall_ms)
{
    const struct tg_book_words words = {.by = "bob@ops2", .reason = "the network moves", .wall_ms = wall_ms, .wait_ms = WAIT_MS};
    struct tg_booked booked;
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    cr_assert_eq(tg_book_cancel(store, m->booked->id, &words, &booked, &was, &e), 0, "%s", e.message);
}

/* The note of being booked, or cancelled, is taken. */
static void take_note(const struct marked *m, int64_t wall_ms)
{
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = "week:w-2026-11-30", .event = m->booked->id, .reason = ""};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_announce_week(&m->place, &a, "/none", wall_ms, wall_ms, &e), 0, "%s", e.message);
}

/* What he is told holds this. */
static void told_has(const struct marked *m, const char *customer, const char *part, const char *not)
{
    char *text = told(m, customer);

    cr_assert(strstr(text, part), "%s: no \"%s\"", text, part);
    cr_assert(!not || !strstr(text, not), "%s: \"%s\"", text, not);
    free(text);
}

/* P12: what had begun is not off, and how it ends is told. */
BTEST(a_week_that_is_cancelled_in_a_slot_ends_what_had_begun)
{
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 1, n = of_bolt(&m, slot, db, 40);
    int64_t at = m.week->slots[slot].from_ms;

    cr_assert_geq(n, 3);
    tell_week(&m);
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    say(&m, db[0], TG_MARK_BEGUN, at + MINUTE, 0);
    say(&m, db[1], TG_MARK_BEGUN, at + MINUTE, 0);
    look(&m, at + MINUTE);
    cancel_at(&m, at + 2 * MINUTE);
    take_note(&m, at + 2 * MINUTE);
    told_has(&m, "bolt", "middle changed: the rest is off: the network moves, late cancelled: the network moves", "middle cancelled");
    look(&m, at + 3 * MINUTE);
    TOLD(&m, "bolt", "");
    say(&m, db[0], TG_MARK_DONE, at + MINUTE, at + 4 * MINUTE);
    look(&m, at + 4 * MINUTE);
    TOLD(&m, "bolt", "");
    say(&m, db[1], TG_MARK_FAILED, at + MINUTE, at + 5 * MINUTE);
    look(&m, at + 6 * MINUTE);
    char *text = told(&m, "bolt"), want[300];
    snprintf(want, sizeof want, "middle done: done: %s; failed: %s; the rest is off: the network moves", db[0], db[1]);
    cr_assert_str_eq(text, want);
    free(text);
    look(&m, at + 7 * MINUTE);
    TOLD(&m, "bolt", "");
    take_note(&m, at + 8 * MINUTE); /* a note that was taken twice */
    TOLD(&m, "bolt", "");
    unmark(&m);
}

/* Nobody ever says how it ended. */
BTEST(what_had_begun_in_a_cancelled_week_and_never_ends_is_told_so)
{
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 1;
    int64_t at = m.week->slots[slot].from_ms, until = m.week->slots[slot].until_ms;

    cr_assert(of_bolt(&m, slot, db, 40));
    tell_week(&m);
    say(&m, db[0], TG_MARK_BEGUN, at + MINUTE, 0);
    cancel_at(&m, at + 2 * MINUTE);
    take_note(&m, at + 2 * MINUTE);
    told_has(&m, "bolt", "middle changed", NULL);
    look(&m, until + TG_SLOT_GONE_MS - 1);
    TOLD(&m, "bolt", "");
    look(&m, until + TG_SLOT_GONE_MS);
    told_has(&m, "bolt", "middle done: begun, and not known to be done: ", NULL);
    unmark(&m);
}

/* The run's word came behind the cancelling: it had begun all the same. What was to begin later had not. */
BTEST(a_cancelled_week_hears_only_of_what_had_begun)
{
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 1, n = of_bolt(&m, slot, db, 40);
    int64_t at = m.week->slots[slot].from_ms, cancelled = at + 2 * MINUTE;

    cr_assert_geq(n, 4);
    say_all(&m, slot, TG_MARK_EXPECTED, 0, 0);
    cancel_at(&m, cancelled);
    say(&m, db[0], TG_MARK_BEGUN, cancelled - 1, 0);
    say(&m, db[1], TG_MARK_BEGUN, cancelled + TG_MARK_EARLY_MS, 0);
    say(&m, db[2], TG_MARK_DONE, cancelled + TG_MARK_EARLY_MS, cancelled + 3 * MINUTE);
    say(&m, host_of(&m, 2, 0), TG_MARK_EXPECTED, 0, 0);
    say(&m, db[3], TG_MARK_DONE, cancelled - 1, cancelled + 3 * MINUTE);
    struct tg_slot_count c = counted(&m, slot);
    cr_assert(c.begun == 1 && c.done == 1 && !c.failed, "%zu begun, %zu done", c.begun, c.done);
    cr_assert_eq(counted(&m, 2).expected, 0);
    say(&m, db[0], TG_MARK_DONE, cancelled - 1, cancelled + 5 * MINUTE);
    cr_assert_eq(counted(&m, slot).done, 2);

    const struct tg_mark_word end = {db[0], {TG_MARK_FAILED, cancelled - 1, cancelled + 6 * MINUTE}}, begin = {db[1], {TG_MARK_BEGUN, cancelled + 6 * MINUTE, 0}};
    struct tg_mark_ops ops;
    cr_assert_eq(tg_marks_prepare(store, m.booked->key, &end, "requests@db01", WAIT_MS, &ops, NULL), 0);
    cr_assert_eq(ops.n, 2);
    tg_mark_ops_release(&ops);
    cr_assert_eq(tg_marks_prepare(store, m.booked->key, &begin, "requests@db01", WAIT_MS, &ops, NULL), 0);
    cr_assert_eq(ops.n, 0);
    unmark(&m);
}

/* Its folder stays as long as somebody may have to hear of it. */
BTEST(a_cancelled_week_is_kept_while_it_can_be_told_of)
{
    struct marked m = mark_week();
    int64_t at = m.week->slots[1].from_ms;

    say(&m, host_of(&m, 1, 0), TG_MARK_BEGUN, at, 0);
    cancel_at(&m, at + MINUTE);
    tg_book_folders_sweep(store, m.week->until_ms + TG_MARK_LATER_MS - 1, WAIT_MS);
    cr_assert_eq(counted(&m, 1).begun, 1);
    tg_book_folders_sweep(store, m.week->until_ms + TG_MARK_LATER_MS, WAIT_MS);
    cr_assert_eq(folders(), 0);
    unmark(&m);
}

/* What people do when Tuesday went wrong: the week is cancelled, and booked anew from Friday on. Both are one to customers. */
BTEST(a_week_that_is_booked_anew_keeps_what_had_begun)
{
    static const char later[] = "week: w\nlocation: \"*\"\nlength: 4h\nslots:\n  - {name: middle, day: fri, time: \"09:00\", who: \"*\"}\n";
    struct marked m = mark_week();
    const char *db[40];
    size_t slot = 1, n = of_bolt(&m, slot, db, 40);
    int64_t at = m.week->slots[slot].from_ms;
    struct tg_week *again = lay(later, MONDAY);
    struct tg_error e = TG_ERROR_INIT;
    bool was;

    cr_assert_geq(n, 2);
    tell_week(&m);
    say(&m, db[0], TG_MARK_BEGUN, at + MINUTE, 0);
    cancel_at(&m, at + 2 * MINUTE);
    cr_assert_eq(book_as(store, again, "bob@ops2", at + 3 * MINUTE, &was, &e), 0, "%s", e.message);
    cr_assert_eq(folders(), 2);
    take_note(&m, at + 3 * MINUTE);
    told_has(&m, "bolt", "middle changed", "done");
    look(&m, at + 4 * MINUTE);
    TOLD(&m, "bolt", "");
    say(&m, db[0], TG_MARK_DONE, at + MINUTE, at + 5 * MINUTE);
    look(&m, at + 6 * MINUTE);
    char *text = told(&m, "bolt");
    cr_assert(strncmp(text, "middle.", 7) == 0 && strstr(text, " done: the rest is off: the network moves") && !strstr(text, "cancelled"), "%s", text);
    free(text);
    look(&m, at + 7 * MINUTE);
    TOLD(&m, "bolt", "");
    tg_week_free(again);
    unmark(&m);
}

/* The same week again begins with nothing: marks of the one before are not its own. */
BTEST(the_same_week_booked_again_has_no_marks)
{
    struct marked m = mark_week();

    say_all(&m, 0, TG_MARK_EXPECTED, 0, 0);
    cancel_at(&m, NOW);
    must_book(m.week, false);
    struct tg_book book = the_book();
    const struct tg_booked *again = tg_book_find(&book, m.booked->id);
    struct tg_marks marks;
    struct tg_error e = TG_ERROR_INIT;
    cr_assert(again && !again->cancelled);
    cr_assert_str_neq(again->key, m.booked->key);
    cr_assert_eq(tg_marks_read(store, again, m.week, NULL, WAIT_MS, &marks, &e), 0, "%s", e.message);
    cr_assert_eq(marks.version, -1);
    tg_marks_release(&marks);
    must_book(m.week, true);
    tg_book_release(&book);
    unmark(&m);
}

/* P2: whether a host had begun is not known then; what was to begin later is off for sure. */
BTEST(of_a_cancelled_week_that_cant_be_read_only_what_was_ahead_is_off)
{
    struct marked m = mark_week();
    size_t slot = 1;
    int64_t at = m.week->slots[slot].from_ms, next;
    struct tg_error e = TG_ERROR_INIT, why = TG_ERROR_INIT;
    char path[200];
    size_t bad;

    tell_week(&m);
    say_all(&m, slot, TG_MARK_BEGUN, at + MINUTE, 0);
    cancel_at(&m, at + 2 * MINUTE);
    char *text = tg_seal(json_pack("{s:i,s:s,s:s,s:[s],s:{}}", "format", 2, "id", m.booked->id, "digest", m.booked->digest, "by", "R1", "hosts"));
    snprintf(path, sizeof path, TG_BOOK_PATH "/%s/marks-000", m.booked->key);
    cr_assert_eq(tg_store_write(store, path, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), &e), 0, "%s", e.message);
    free(text);
    take_note(&m, at + 3 * MINUTE);
    told_has(&m, "bolt", "late cancelled: the network moves", "middle");
    cr_assert_eq(tg_announce_slots(&m.place, at + 4 * MINUTE, 0, &next, &bad, &why, &e), 0, "%s", e.message);
    cr_assert(bad == 1 && strstr(why.message, "format is 2"), "%s", why.message);
    size_t i = 0;
    while (tg_shard_of(host_of(&m, slot, i), (uint32_t) m.booked->shards) != 0)
        i++;
    cr_assert_eq(say_as(&m, host_of(&m, slot, i), TG_MARK_DONE, at + MINUTE, at + 4 * MINUTE, "R1", &e), TG_E_UNKNOWN);
    TOLD(&m, "bolt", "");
    unmark(&m);
}

/* As if a newer tagout had written it: sealed, and of a format that is to come. The node as it was is *out. */
static void make_newer(const char *path, struct tg_node *out)
{
    cr_assert_eq(tg_store_read(store, path, tg_store_deadline(store, WAIT_MS), out, NULL), 0, "%s", path);
    json_t *o = json_loadb(out->data, out->len, 0, NULL);
    cr_assert(o, "%s", path);
    json_object_del(o, "sum");
    json_object_set_new(o, "format", json_integer(2));
    char *text = tg_seal(o);
    cr_assert_eq(tg_store_write(store, path, text, strlen(text), TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    free(text);
}

static void make_old(const char *path, struct tg_node *was)
{
    cr_assert_eq(tg_store_write(store, path, was->data, was->len, TG_ANY_VERSION, tg_store_deadline(store, WAIT_MS), NULL), 0);
    tg_node_release(was);
}

/* P2: what a newer tagout means by its records is not guessed, and nothing is written over them. */
BTEST(what_a_newer_tagout_has_written_is_unknown)
{
    struct marked m = mark_week();
    struct tg_error e = TG_ERROR_INIT;
    struct tg_names names;
    struct tg_node was;
    char folder[300], path[600];
    bool is = false;

    say_all(&m, 0, TG_MARK_BEGUN, m.week->slots[0].from_ms, 0);
    snprintf(folder, sizeof folder, TG_BOOK_PATH "/%s", m.booked->key);
    cr_assert_eq(tg_store_list(store, folder, tg_store_deadline(store, WAIT_MS), &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++) {
        struct tg_week *back = NULL;
        struct tg_marks marks;
        bool of_marks = strncmp(names.names[i], "marks-", 6) == 0;
        if (strcmp(names.names[i], "marks") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
        make_newer(path, &was);
        tg_error_clear(&e);
        int rc = of_marks ? tg_marks_read(store, m.booked, m.week, NULL, WAIT_MS, &marks, &e) : tg_book_load(store, m.booked, WAIT_MS, &back, &e);
        cr_assert(rc == TG_E_UNKNOWN && strstr(e.message, "format is 2"), "%s: %d %s", path, rc, e.message);
        make_old(path, &was);
    }
    tg_names_release(&names);
    make_newer(TG_BOOK_PATH, &was);
    cr_assert_eq(book_as(store, m.week, "bob@ops2", NOW, &is, NULL), TG_E_UNKNOWN);
    cr_assert_eq(cancel(m.booked->id, &is), TG_E_UNKNOWN);
    cr_assert_eq(say_as(&m, host_of(&m, 0, 0), TG_MARK_DONE, m.week->slots[0].from_ms, m.week->slots[0].from_ms + MINUTE, "R1", NULL), TG_E_UNKNOWN);
    make_old(TG_BOOK_PATH, &was);
    cr_assert_eq(counted(&m, 0).begun, m.week->slots[0].n);
    unmark(&m);
}

#endif
