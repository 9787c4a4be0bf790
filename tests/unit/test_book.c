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
