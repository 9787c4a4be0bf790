/*
 * What the journal of a run promises, on any store. Included by one test_journal_X.c per store, which defines before the include
 *
 *   #define JOURNAL_SUITE journal_X
 *   static int journal_loop(struct tg_loop **out);
 *   static const char *journal_url(void);     of a fresh, empty store for this test
 *   static void journal_end(void);
 *
 * and adds what only that store can do.
 */
#ifndef TESTS_JOURNAL_SUITE_H
#define TESTS_JOURNAL_SUITE_H

#include "engine/follow.h"
#include "engine/journal.h"
#include "engine/plan_internal.h"
#include "lib/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000
#define NOW INT64_C(1795356000000)
#define SESSION_MS 4000

/* A run, and who is in its seat. */
struct desk {
    struct tg_loop *loop;
    const char *url;
    struct tg_store *store;
    struct tg_plan *plan; /* the one by hand */
    char id[TG_RUN_ID_SIZE];
    struct tg_journal *j;
    struct tg_plan *read; /* the one that came back */
    struct tg_run *run;
    int64_t now_ms;
    int64_t n;            /* lines noted */
};

__attribute__((unused)) static void must(int rc, const struct tg_error *e)
{
    cr_assert_eq(rc, 0, "%s", e->message);
}

static struct tg_store *open_store(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store_options o = {.loop = d->loop, .url = d->url, .session_ms = SESSION_MS, .flags = TG_STORE_CREATE};
    struct tg_store *store = NULL;

    must(tg_store_open(&o, &store, &e), &e);
    must(tg_store_connect(store, tg_store_deadline(store, WAIT_MS), &e), &e);
    return store;
}

/* A run of the plan by hand, with its seat taken. Nothing of it has begun. */
static void setup_plan(struct desk *d, struct tg_plan *plan)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_run_tokens tokens = {.own = "A", .all = "A,B"};

    *d = (struct desk) {.plan = plan, .now_ms = NOW};
    must(journal_loop(&d->loop), &e);
    d->url = journal_url();
    d->store = open_store(d);
    must(tg_store_create(d->store, "/runs", "", 0, 0, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    must(tg_store_create(d->store, TG_PAUSES_PATH, "", 0, 0, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    must(tg_plan_seal(d->plan, &e), &e);
    must(tg_journal_create(d->store, d->plan, "alice@ops1", &tokens, NOW, WAIT_MS, d->id, &e), &e);
    must(tg_journal_load(d->store, d->id, WAIT_MS, &d->j, &d->read, &d->run, &e), &e);
    must(tg_journal_seat(d->j, "alice@ops1", NOW, &e), &e);
}

static void setup(struct desk *d)
{
    setup_plan(d, test_plan((struct test_stage[]) {{3, false, 0, {0}}}, 1, 3, 0));
}

static void forget(struct desk *d)
{
    tg_run_free(d->run);
    tg_plan_free(d->read);
    tg_journal_free(d->j);
    d->run = NULL;
    d->read = NULL;
    d->j = NULL;
}

static void teardown(struct desk *d)
{
    forget(d);
    tg_store_close(d->store);
    tg_plan_free(d->plan);
    tg_loop_free(d->loop);
    journal_end();
}

/* An event and what follows from it into what is pending. */
static void note_event(struct desk *d, struct tg_run_event ev)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_actions actions = {0};

    ev.at_ms = d->now_ms += 10;
    must(tg_run_step(d->run, &ev, &actions, &e), &e);
    must(tg_journal_note(d->j, tg_run_event_to_json(d->run, &ev, ++d->n), &e), &e);
    for (size_t i = 0; i < actions.n; i++)
        must(tg_journal_note(d->j, tg_run_action_to_json(d->run, &actions.items[i], ev.at_ms, ++d->n), &e), &e);
    tg_run_actions_release(&actions);
}

static void write_begin(struct desk *d)
{
    note_event(d, (struct tg_run_event) {.kind = TG_EV_BEGIN, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 1, .by = "alice@ops1"});
}

static void write_host(struct desk *d, enum tg_run_event_kind kind, size_t host)
{
    note_event(d, (struct tg_run_event) {.kind = kind, .host = host, .stage = TG_RUN_NONE, .outcome = TG_OUTCOME_CHANGED, .changed = 1, .lock = "L00001"});
}

static void commit(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;

    must(tg_journal_commit(d->j, false, &how, &e), &e);
    cr_assert_eq(how, TG_COMMITTED);
}

static int load(struct desk *d, struct tg_error *e)
{
    forget(d);
    return tg_journal_load(d->store, d->id, WAIT_MS, &d->j, &d->read, &d->run, e);
}

#define JTEST2(suite, name) Test(suite, name)
#define JTEST1(suite, name) JTEST2(suite, name)
#define JTEST(name) JTEST1(JOURNAL_SUITE, name)

JTEST(gives_back_what_was_committed)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_tokens tokens;

    setup(&d);
    cr_expect_str_eq(d.id, "test-20261122-1");
    write_begin(&d);
    commit(&d);
    must(load(&d, &e), &e);
    cr_expect_eq(d.run->state, TG_RUN_ACTIVE);
    cr_expect_eq(d.run->totals[TG_HOST_LOCKING], 3);
    must(tg_journal_tokens(d.j, &tokens, &e), &e);
    cr_expect_str_eq(tokens.all, "A,B");
    teardown(&d);
}

/* P6 */
JTEST(refuses_who_was_replaced)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;
    struct tg_journal *other;
    struct tg_plan *plan;
    struct tg_run *run;

    setup(&d);
    struct tg_store *store = open_store(&d);
    must(tg_journal_load(store, d.id, WAIT_MS, &other, &plan, &run, &e), &e);
    cr_expect_eq(tg_journal_seat(other, "bob@ops2", NOW, &e), TG_E_HELD);
    cr_expect(strstr(e.message, "is being driven by alice@ops1"), "%s", e.message);
    tg_error_clear(&e);
    tg_journal_leave(d.j);
    must(tg_journal_seat(other, "bob@ops2", NOW, &e), &e);
    d.j->seated = true; /* it does not know yet: neither its lines nor its leaving do anything */
    tg_journal_leave(d.j);
    cr_expect_eq(tg_run_seat_read(store, d.id, NULL, NULL, WAIT_MS, &(struct tg_run_seat) {0}, NULL), 0);
    write_begin(&d);
    cr_expect_eq(tg_journal_commit(d.j, true, &how, &e), TG_E_VERSION);
    cr_expect(strstr(e.message, "another controller has taken the seat"), "%s", e.message);
    cr_expect_eq(tg_journal_prove(d.j, NULL), TG_E_VERSION);
    cr_expect_eq(tg_journal_prove(other, NULL), 0);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(other);
    tg_store_close(store);
    teardown(&d);
}

/* P6: from a driver that hangs, while its session lives. */
JTEST(is_taken_over_from_who_hangs)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;
    struct tg_journal *other, *late;
    struct tg_plan *plan, *late_plan;
    struct tg_run *run, *late_run;
    struct tg_run_seat seat;
    bool busy;

    setup(&d);
    write_begin(&d);
    struct tg_store *store = open_store(&d);
    must(tg_journal_load(store, d.id, WAIT_MS, &other, &plan, &run, &e), &e);
    struct tg_store *third = open_store(&d);
    must(tg_journal_load(third, d.id, WAIT_MS, &late, &late_plan, &late_run, &e), &e);
    must(tg_journal_take_over(other, "bob@ops2", NOW, &e), &e);
    must(tg_run_seat_read(store, d.id, NULL, NULL, WAIT_MS, &seat, &e), &e);
    cr_expect_str_eq(seat.by, "bob@ops2");
    cr_expect_eq(seat.epoch, d.j->epoch + 1);
    /* It wakes: nothing that it does is done. */
    cr_expect_eq(tg_journal_prove(d.j, NULL), TG_E_VERSION);
    d.j->fold_bytes = 1;
    cr_expect_eq(tg_journal_fold(d.j, &busy, NULL), 0);
    cr_expect_eq(tg_journal_commit(d.j, true, &how, &e), TG_E_VERSION);
    cr_expect(strstr(e.message, "another controller has taken the seat"), "%s", e.message);
    tg_journal_leave(d.j);
    cr_expect_eq(tg_run_seat_read(store, d.id, NULL, NULL, WAIT_MS, &seat, NULL), 0);
    cr_expect_eq(tg_journal_prove(other, NULL), 0);
    /* Who wanted it as well has read what was true before. */
    cr_expect_eq(tg_journal_take_over(late, "carol@ops3", NOW, NULL), TG_E_VERSION);
    cr_expect_eq(tg_journal_prove(other, NULL), 0);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(other);
    tg_run_free(late_run);
    tg_plan_free(late_plan);
    tg_journal_free(late);
    tg_store_close(third);
    tg_store_close(store);
    teardown(&d);
}

/* P10 */
JTEST(commits_no_start_after_an_abort)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;

    setup(&d);
    write_begin(&d);
    must(tg_run_abort(d.store, d.id, &(struct tg_said) {"bob@ops2", "wrong version", NOW, WAIT_MS}, &e), &e);
    must(tg_journal_commit(d.j, true, &how, &e), &e);
    cr_expect_eq(how, TG_COMMIT_CONTROL);
    cr_expect(d.j->control.abort.wanted);
    cr_expect_str_eq(d.j->control.abort.reason, "wrong version");
    commit(&d);
    teardown(&d);
}

#include "journal_suite_wishes.h"

/* ---- following ---- */

struct heard {
    unsigned lines;
    int64_t last;
};

static void hear(void *data, const struct tg_run *run, const json_t *line)
{
    struct heard *h = data;

    (void) run;
    h->lines++;
    h->last = json_integer_value(json_object_get(line, "n"));
}

static struct tg_follow *follow(struct desk *d, struct tg_store *store, struct heard *heard)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_follow *f;
    const struct tg_follow_options o = {.store = store, .id = d->id, .wait_ms = WAIT_MS, .on_line = hear, .data = heard};

    must(tg_follow_new(&o, &f, &e), &e);
    return f;
}

/* Turns until the machine has heard all that is written. */
static void catch_up(struct desk *d, struct tg_follow *f)
{
    struct tg_error e = TG_ERROR_INIT;
    bool news;

    for (int i = 0; i < 200 && f->journal->lines < d->n; i++)
        must(tg_follow_turn(f, 100, &news, &e), &e);
    cr_assert_eq(f->journal->lines, d->n);
}

/* P12: who follows a run sees each line once, and who drives it. */
JTEST(is_followed_while_it_is_written)
{
    struct desk d;
    struct heard heard = {0};
    struct tg_error e = TG_ERROR_INIT;
    bool news;

    setup(&d);
    struct tg_store *store = open_store(&d);
    struct tg_follow *f = follow(&d, store, &heard);
    cr_expect(f->driven);
    cr_expect_str_eq(f->seat.by, "alice@ops1");
    write_begin(&d);
    commit(&d);
    catch_up(&d, f);
    cr_expect_eq(f->run->totals[TG_HOST_LOCKING], 3);
    for (size_t i = 0; i < 3; i++) {
        write_host(&d, TG_EV_LOCKED, i);
        write_host(&d, TG_EV_GO, i);
        commit(&d);
    }
    catch_up(&d, f);
    cr_expect_eq(f->run->totals[TG_HOST_APPLYING], 3);
    cr_expect_eq(heard.lines, (unsigned) d.n);
    cr_expect_eq(heard.last, d.n);
    cr_expect_eq(f->loads, 1);
    tg_journal_leave(d.j);
    for (int i = 0; i < 200 && f->driven; i++)
        must(tg_follow_turn(f, 100, &news, &e), &e);
    cr_expect(!f->driven);
    tg_follow_free(f);
    tg_store_close(store);
    teardown(&d);
}

#include "journal_suite_fold.h"

#endif
