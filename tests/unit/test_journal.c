/* The journal of a run in a store: what was written is read back, and what is not whole is refused (P2, P7); the seat (P6); abort (P10). */
#include "engine/journal.h"
#include "engine/plan_internal.h"
#include "lib/plan.h"
#include "store/memory.h"

#include <criterion/criterion.h>

#define WAIT_MS 1000

struct desk {
    struct tg_loop *loop;
    struct tg_store *store;
    struct tg_plan *plan; /* the one by hand */
    char id[TG_RUN_ID_SIZE];
    struct tg_journal *j;
    struct tg_plan *read; /* the one that came back */
    struct tg_run *run;
};

static void must(int rc, const struct tg_error *e)
{
    cr_assert_eq(rc, 0, "%s", e->message);
}

static struct tg_store *open_store(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store_options o = {.loop = d->loop, .url = "memory:journal", .session_ms = 5000};
    struct tg_store *store = NULL;

    must(tg_store_open(&o, &store, &e), &e);
    return store;
}

/* A run that has begun, with some lines in its journal. */
static void setup(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_run_tokens tokens = {.own = "A", .all = "A,B"};

    *d = (struct desk) {0};
    must(tg_loop_virtual(INT64_C(1795356000000), &d->loop, &e), &e);
    d->store = open_store(d);
    must(tg_store_create(d->store, "/runs", "", 0, 0, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    d->plan = test_plan((struct test_stage[]) {{3, false, 0, {0}}}, 1, 3, 0);
    must(tg_plan_seal(d->plan, &e), &e);
    must(tg_journal_create(d->store, d->plan, "alice@ops1", &tokens, 1795356000000, WAIT_MS, d->id, &e), &e);
    must(tg_journal_load(d->store, d->id, WAIT_MS, &d->j, &d->read, &d->run, &e), &e);
    must(tg_journal_seat(d->j, "alice@ops1", 1795356000000, &e), &e);
}

static void write_begin(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_actions actions = {0};
    const struct tg_run_event ev = {.kind = TG_EV_BEGIN, .at_ms = 1795356000000, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 1, .by = "alice@ops1"};
    int64_t n = 1;

    must(tg_run_step(d->run, &ev, &actions, &e), &e);
    must(tg_journal_note(d->j, tg_run_event_to_json(d->run, &ev, n++), &e), &e);
    for (size_t i = 0; i < actions.n; i++)
        must(tg_journal_note(d->j, tg_run_action_to_json(d->run, &actions.items[i], ev.at_ms, n++), &e), &e);
    tg_run_actions_release(&actions);
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
    tg_memory_forget("journal");
    test_plan_free(d->plan);
    tg_loop_free(d->loop);
}

static int load(struct desk *d, struct tg_error *e)
{
    forget(d);
    return tg_journal_load(d->store, d->id, WAIT_MS, &d->j, &d->read, &d->run, e);
}

Test(journal, gives_back_what_was_committed)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;
    struct tg_run_tokens tokens;

    setup(&d);
    cr_expect_str_eq(d.id, "test-20261122-1");
    write_begin(&d);
    must(tg_journal_commit(d.j, true, &how, &e), &e);
    cr_expect_eq(how, TG_COMMITTED);
    must(load(&d, &e), &e);
    cr_expect_eq(d.run->state, TG_RUN_ACTIVE);
    cr_expect_eq(d.run->totals[TG_HOST_LOCKING], 3);
    must(tg_journal_tokens(d.j, &tokens, &e), &e);
    cr_expect_str_eq(tokens.all, "A,B");
    teardown(&d);
}

/* P7: never acted on. */
Test(journal, that_is_not_whole_is_refused)
{
    static const struct {
        const char *path, *text, *says;
    } rows[] = {{"/journal/00000001", NULL, "should have 1 segments, the store counts 0"},
                {"/journal/00000001", "{\"n\":1", "journal line 1 is cut off"},
                {"/journal/00000001", "", "its journal has 0 lines, it should have 4"},
                {"/journal", "{\"format\":9}", "has format 9"},
                {"/journal", "{\"format\":1,\"lines\":4,\"segments\":1,\"sum\":\"0\"}", "do not add up"},
                {"/plan/0001", "{}", "its plan has 2 bytes"},
                {"/journal", NULL, "it has no journal"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        enum tg_commit how;
        char path[200];
        setup(&d);
        write_begin(&d);
        must(tg_journal_commit(d.j, true, &how, &e), &e);
        snprintf(path, sizeof path, "/runs/%s%s", d.id, rows[i].path);
        if (rows[i].text)
            must(tg_store_write(d.store, path, rows[i].text, strlen(rows[i].text), TG_ANY_VERSION, tg_store_deadline(d.store, WAIT_MS), &e), &e);
        else
            must(i ? tg_memory_drop("journal", path, &e) : tg_store_delete(d.store, path, TG_ANY_VERSION, tg_store_deadline(d.store, WAIT_MS), &e), &e);
        cr_expect_eq(load(&d, &e), TG_E_DATA, "%s", rows[i].says);
        cr_expect(strstr(e.message, rows[i].says), "\"%s\" lacks \"%s\"", e.message, rows[i].says);
        teardown(&d);
    }
}

/* P6 */
Test(journal, refuses_who_was_replaced)
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
    cr_expect_eq(tg_journal_seat(other, "bob@ops2", 1795356000000, &e), TG_E_HELD);
    cr_expect(strstr(e.message, "is being driven by alice@ops1"), "%s", e.message);
    tg_error_clear(&e);
    tg_journal_leave(d.j);
    must(tg_journal_seat(other, "bob@ops2", 1795356000000, &e), &e);
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

/* P10 */
Test(journal, commits_no_start_after_an_abort)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;

    setup(&d);
    write_begin(&d);
    must(tg_run_abort(d.store, d.id, "bob@ops2", "wrong version", 1795356000000, WAIT_MS, &e), &e);
    must(tg_journal_commit(d.j, true, &how, &e), &e);
    cr_expect_eq(how, TG_COMMIT_CONTROL);
    cr_expect(d.j->control.abort);
    cr_expect_str_eq(d.j->control.reason, "wrong version");
    must(tg_journal_commit(d.j, false, &how, &e), &e);
    cr_expect_eq(how, TG_COMMITTED);
    teardown(&d);
}

/* An answer that was lost, a request that was: neither writes twice nor not at all. */
Test(journal, looks_for_a_write_whose_answer_was_lost)
{
    static const enum tg_memory_action actions[] = {TG_MEMORY_LOSE_ANSWER, TG_MEMORY_LOSE_REQUEST, TG_MEMORY_HANG, TG_MEMORY_HANG_ANSWER};

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        enum tg_commit how;
        setup(&d);
        const struct tg_memory_fault fault = {.path = "/runs/*/journal", .verbs = TG_MEMORY_MULTI, .action = actions[i]};
        must(tg_memory_fault_add("journal", &fault, &e), &e);
        write_begin(&d);
        must(tg_journal_commit(d.j, true, &how, &e), &e);
        must(load(&d, &e), &e);
        cr_expect_eq(d.j->lines, 4);
        teardown(&d);
    }
}
