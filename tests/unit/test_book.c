/* Booked maintenance weeks on the store in memory: what only it can do to them. */
#include "store/memory.h"

#include <tagout/loop.h>

#define BOOK_SUITE book_memory

static int book_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *book_url(void)
{
    return "memory:book";
}

static void book_end(void)
{
    tg_memory_forget("book");
}

#include "book_suite.h"

/* Whatever breaks whenever: the week is in force whole, or not at all, and the same command again completes it. */
static void break_at(enum tg_memory_action action, int nth, bool *out_broke)
{
    struct tg_week *week = lay(PATTERN("w", "*"), MONDAY);
    const struct tg_memory_fault fault = {.verbs = TG_MEMORY_MULTI, .nth = nth, .action = action};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store *first = open_another();
    bool was;

    cr_assert_eq(tg_memory_fault_add("book", &fault, &e), 0);
    int rc = book_as(first, week, "alice@ops1", NOW, &was, &e);
    *out_broke = rc != 0;
    tg_memory_faults_clear("book");
    if (rc)
        tg_memory_kill(first);
    else
        tg_store_close(first);
    struct tg_book book = the_book();
    if (book.n)
        is_booked(week);
    cr_assert(rc != 0 || book.n == 1);
    tg_book_release(&book);
    tg_error_clear(&e);
    cr_assert_eq(book_as(store, week, "alice@ops1", NOW, &was, &e), 0, "%s", e.message);
    is_booked(week);
    cr_assert_eq(folders(), 1);
    tg_week_free(week);
}

static void break_everywhere(enum tg_memory_action action)
{
    bool broke = true;
    int nth = 1;

    for (; broke && nth < 40; nth++) {
        break_at(action, nth, &broke);
        tg_store_close(store);
        tg_memory_forget("book");
        store = open_another();
        cr_assert_eq(tg_store_create(store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_assert_eq(tg_store_create(store, TG_ANNOUNCE_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
        cr_assert_eq(tg_store_create(store, TG_ANNOUNCE_NEW, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    }
    cr_assert_gt(nth, 3);  /* the folder, what is in it, the list: each was met */
    cr_assert_lt(nth, 40);
}

BTEST(survives_a_session_that_expires_at_any_write)
{
    break_everywhere(TG_MEMORY_EXPIRE);
}

BTEST(survives_an_answer_that_is_lost_at_any_write)
{
    break_everywhere(TG_MEMORY_LOSE_ANSWER);
}

BTEST(survives_a_request_that_is_lost_at_any_write)
{
    break_everywhere(TG_MEMORY_LOSE_REQUEST);
}

/* ---- what people say while it goes, and that it is off ---- */

enum { BEGIN, DONE_SOME, CANCEL, DONE_ALL, STEPS };

static int step(const struct marked *m, int which)
{
    int64_t at = m->week->slots[1].from_ms;
    const struct tg_book_words cancel = {.by = "bob@ops2", .reason = "the network moves", .wall_ms = at + 3 * MINUTE, .wait_ms = WAIT_MS};
    struct tg_mark_word words[40];
    const char *db[40];
    struct tg_booked booked;
    bool was;
    size_t n = of_bolt(m, 1, db, 40);

    if (which == CANCEL)
        return tg_book_cancel(store, m->booked->id, &cancel, &booked, &was, NULL);
    for (size_t i = 0; i < n; i++)
        words[i] = (struct tg_mark_word) {db[i], {which == BEGIN ? TG_MARK_BEGUN : TG_MARK_DONE, at + MINUTE, which == BEGIN ? 0 : at + (which == DONE_ALL ? 4 : 2) * MINUTE}};
    return tg_marks_write(store, m->booked, words, which == DONE_SOME ? n - 1 : n, "alice@ops1", WAIT_MS, NULL, NULL);
}

/* Somebody's command breaks, and he gives it again. */
static void break_step(const struct marked *m, int which, enum tg_memory_action action, int nth)
{
    struct tg_store *kept = store;

    store = open_another();
    const struct tg_memory_fault fault = {.verbs = TG_MEMORY_MULTI, .session = store, .nth = nth, .action = action};
    cr_assert_eq(tg_memory_fault_add("book", &fault, NULL), 0);
    int rc = step(m, which);
    tg_memory_faults_clear("book");
    cr_assert(nth > 1 || rc != 0, "step %d: nothing broke", which);
    if (rc)
        tg_memory_kill(store);
    else
        tg_store_close(store);
    store = kept;
    cr_assert_eq(step(m, which), 0);
}

static void break_steps(enum tg_memory_action action, int nth)
{
    struct marked m = mark_week();
    int64_t at = m.week->slots[1].from_ms;

    tell_week(&m);
    for (int which = 0; which < STEPS; which++) {
        break_step(&m, which, action, nth);
        if (which == CANCEL) {
            take_note(&m, at + 3 * MINUTE);
            told_has(&m, "bolt", "late cancelled: the network moves", "middle cancelled");
        }
        look(&m, at + which * MINUTE + MINUTE);
        TOLD(&m, "bolt", which == DONE_ALL ? "middle done" : "");
    }
    struct tg_book book = the_book();
    cr_assert(book.n == 1 && book.weeks[0].cancelled);
    tg_book_release(&book);
    look(&m, at + 9 * MINUTE);
    TOLD(&m, "bolt", "");
    unmark(&m);
}

/* P7, P12: nothing that was said is lost, and nobody is told twice, whichever answer did not come. */
BTEST(what_is_said_while_it_goes_survives_anything_that_breaks)
{
    static const enum tg_memory_action actions[] = {TG_MEMORY_LOSE_REQUEST, TG_MEMORY_LOSE_ANSWER, TG_MEMORY_EXPIRE};

    for (size_t a = 0; a < sizeof actions / sizeof actions[0]; a++)
        for (int nth = 1; nth <= 2; nth++) {
            break_steps(actions[a], nth);
            teardown();
            setup();
        }
}
