/* A run's machine as a snapshot, and back: nothing is forgotten, and what is not whole is refused (P2, P7). */
#include "engine/run_snapshot.h"
#include "lib/plan.h"
#include "lib/same_run.h"
#include "lib/walk.h"

#include <criterion/criterion.h>

static struct tg_plan *plan_of(uint64_t seed)
{
    struct walk w = {.state = seed};
    struct test_stage stages[3] = {{1 + walk_next(&w, 3), walk_next(&w, 3) == 0, 0, {0}},
                                   {1 + walk_next(&w, 4), false, walk_next(&w, 2) ? 2000 : 0, {4, 60000}},
                                   {1 + walk_next(&w, 5), false, walk_next(&w, 2) ? 1000 : 0, {0}}};
    struct tg_plan *plan = test_plan(stages, 3, 1 + (int64_t) walk_next(&w, 4), (int64_t) walk_next(&w, 6));

    plan->unverified += (int64_t) walk_next(&w, 3);
    if (walk_next(&w, 2))
        test_plan_limit(plan, TG_LIMIT_DOMAIN, 3, 1, walk_next(&w, 4));
    return plan;
}

/* Criterion sends a message for each of its own assertions: too many here. */
#define CHECK(condition, ...)               \
    do {                                    \
        if (!(condition))                   \
            cr_assert(false, __VA_ARGS__);  \
    } while (0)

static struct tg_run *restored(const struct tg_run *run, struct tg_buf *text)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run *back = NULL;

    tg_buf_reset(text);
    CHECK(tg_run_snapshot(run, text, &e) == 0, "%s", e.message);
    CHECK(tg_run_restore(run->plan, text->data, text->len, &back, &e) == 0, "%s\n%s", e.message, text->data);
    return back;
}

static void expect_same_actions(const struct tg_run_actions *a, const struct tg_run_actions *b, uint64_t seed)
{
    CHECK(a->n == b->n, "seed %llu: %zu actions, of the restored one %zu", (unsigned long long) seed, a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct tg_run_action *x = &a->items[i], *y = &b->items[i];
        CHECK(x->kind == y->kind && x->host == y->host && x->stage == y->stage && x->attempt == y->attempt && x->until_ms == y->until_ms,
                  "seed %llu: action %zu", (unsigned long long) seed, i);
    }
}

/* One event into the machine and into its copy: both do the same, and are alike. */
static void step_both(struct tg_run *run, struct tg_run *copy, const struct tg_run_event *ev, uint64_t seed)
{
    struct tg_run_actions a = {0}, b = {0};
    struct tg_error e = TG_ERROR_INIT;
    char why[300];

    int rc = tg_run_step(run, ev, &a, &e);
    CHECK(rc == 0, "seed %llu: %s", (unsigned long long) seed, e.message);
    CHECK(tg_run_step(copy, ev, &b, &e) == 0, "seed %llu: %s", (unsigned long long) seed, e.message);
    expect_same_actions(&a, &b, seed);
    CHECK(same_run(run, copy, why, sizeof why), "seed %llu: behind \"%s\": %s", (unsigned long long) seed, tg_run_event_name(ev->kind), why);
    tg_run_actions_release(&a);
    tg_run_actions_release(&b);
}

/* P7: at every point of random runs, the machine from the snapshot is the machine. */
Test(snapshot, forgets_nothing)
{
    struct tg_buf text = TG_BUF_INIT, again = TG_BUF_INIT;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct tg_error e = TG_ERROR_INIT;
        struct tg_plan *plan = plan_of(seed);
        struct walk w = {.state = seed, .now_ms = INT64_C(1795356000000)};
        struct tg_run *run;
        char why[300];
        cr_assert_eq(tg_run_new(plan, &run, &e), 0);
        for (int i = 0; i < 100; i++) {
            struct tg_run *copy = restored(run, &text);
            CHECK(same_run(run, copy, why, sizeof why), "seed %llu, event %d: %s\n%s", (unsigned long long) seed, i, why, tg_buf_text(&text));
            tg_buf_reset(&again);
            CHECK(tg_run_snapshot(copy, &again, &e) == 0, "%s", e.message);
            CHECK(strcmp(tg_buf_text(&again), tg_buf_text(&text)) == 0, "seed %llu: not canonical", (unsigned long long) seed);
            struct tg_run_event ev = walk_event(&w, run);
            step_both(run, copy, &ev, seed);
            tg_run_free(copy);
        }
        tg_run_free(run);
        tg_plan_free(plan);
    }
    tg_buf_release(&text);
    tg_buf_release(&again);
}

static int by_offset(const void *a, const void *b)
{
    const struct tg_field *x = a, *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* A new field belongs into a row of run_fields.c: each byte of the structs does, but for what fills them up. */
Test(snapshot, has_each_field)
{
    for (size_t i = 0; i < TG_SNAPSHOT_STRUCTS; i++) {
        const struct tg_fields *fields = tg_snapshot_structs[i];
        struct tg_field rows[64];
        size_t at = 0;
        cr_assert_lt(fields->n, 64);
        memcpy(rows, fields->rows, fields->n * sizeof *rows);
        qsort(rows, fields->n, sizeof *rows, by_offset);
        for (size_t k = 0; k < fields->n; k++) {
            cr_expect(rows[k].offset >= at && rows[k].offset - at < 8, "struct tg_run %s: what is before \"%s\" (byte %zu) is in no row of run_fields.c",
                      fields->name, rows[k].name, at);
            at = rows[k].offset + rows[k].size;
        }
        cr_expect_lt(fields->size - at, 8, "struct tg_run %s: what is behind byte %zu is in no row of run_fields.c", fields->name, at);
    }
}

static struct tg_run *some_run(struct tg_plan *plan)
{
    struct walk w = {.state = 7, .now_ms = INT64_C(1795356000000)};
    struct tg_run_actions actions = {0};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run *run;

    cr_assert_eq(tg_run_new(plan, &run, &e), 0);
    for (int i = 0; i < 30; i++) {
        struct tg_run_event ev = walk_event(&w, run);
        cr_assert_eq(tg_run_step(run, &ev, &actions, &e), 0, "%s", e.message);
    }
    tg_run_actions_release(&actions);
    return run;
}

static void replaced(struct tg_buf *out, const char *text, const char *what, const char *with)
{
    const char *at = strstr(text, what);

    cr_assert(at, "\"%s\" is not in %s", what, text);
    tg_buf_reset(out);
    tg_buf_add(out, text, (size_t) (at - text));
    tg_buf_puts(out, with);
    tg_buf_puts(out, at + strlen(what));
}

/* P2, P7: never acted on. */
Test(snapshot, of_another_format_is_refused)
{
    static const struct {
        const char *what, *with, *says;
    } rows[] = {{"\"format\":1", "\"format\":2", "has format 2, this tagout knows 1"},
                {"\"digest\":\"a", "\"digest\":\"b", "the snapshot is of the plan b"},
                {"\"hosts\":", "\"hosts\":1", "the plan has"},
                {"\"attempt\"", "\"attempts\"", "has \"attempts\" of each host where this tagout has \"attempt\""},
                {"\"unkept\"]", "\"unkept\",\"mood\"]", "\"mood\" of each host, which this tagout does not know"},
                {"\"applying\"", "\"apprying\"", ""},
                {"\n[", "\n[7777777,", "can't be that"},
                {"\n[", "\n{\"a\":1}\n[", "is no row of a run"}};
    struct tg_plan *plan = plan_of(3);
    struct tg_run *run = some_run(plan), *back = NULL;
    struct tg_buf text = TG_BUF_INIT, other = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_run_snapshot(run, &text, &e), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        replaced(&other, text.data, rows[i].what, rows[i].with);
        tg_error_clear(&e);
        int rc = tg_run_restore(plan, other.data, other.len, &back, &e);
        if (rows[i].says[0])
            cr_expect(rc == TG_E_DATA && strstr(e.message, rows[i].says), "\"%s\" for \"%s\": %d \"%s\"", rows[i].with, rows[i].what, rc, e.message);
        if (!rc) /* a word that no row uses says nothing */
            tg_run_free(back);
    }
    tg_buf_release(&text);
    tg_buf_release(&other);
    tg_run_free(run);
    tg_plan_free(plan);
}

Test(snapshot, that_is_cut_anywhere_is_refused)
{
    struct tg_plan *plan = plan_of(3);
    struct tg_run *run = some_run(plan), *back = NULL;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_run_snapshot(run, &text, &e), 0);
    for (size_t len = 0; len < text.len; len++) {
        tg_error_clear(&e);
        cr_expect_eq(tg_run_restore(plan, text.data, len, &back, &e), TG_E_DATA, "%zu of %zu bytes", len, text.len);
    }
    tg_buf_puts(&text, "[]\n");
    tg_error_clear(&e);
    cr_expect_eq(tg_run_restore(plan, text.data, text.len, &back, &e), TG_E_DATA);
    cr_expect_str_eq(e.message, "the snapshot goes on behind its last host");
    tg_buf_release(&text);
    tg_run_free(run);
    tg_plan_free(plan);
}

/* The figure: at most 300 bytes a host. A trouble of many is told once. */
Test(snapshot, is_small)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{20000, false, 0, {0}}}, 1, 20000, 20000);
    struct tg_run_actions actions = {0};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_run *run;

    cr_assert_eq(tg_run_new(plan, &run, &e), 0);
    cr_assert_eq(tg_run_snapshot(run, &text, &e), 0);
    cr_expect_lt(text.len, 2000, "%zu bytes for 20,000 hosts that have not begun", text.len);
    struct tg_run_event ev = {.kind = TG_EV_BEGIN, .at_ms = INT64_C(1795356000000), .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .epoch = 1, .by = "alice@ops1"};
    cr_assert_eq(tg_run_step(run, &ev, &actions, &e), 0);
    ev = (struct tg_run_event) {.kind = TG_EV_LOCK_REFUSED, .at_ms = ev.at_ms + 50000000, .stage = TG_RUN_NONE,
                                .text = "waits for the agent of a host to acknowledge its lock, which takes some words to say"};
    for (ev.host = 0; ev.host < plan->n_hosts; ev.host++)
        cr_assert_eq(tg_run_step(run, &ev, &actions, &e), 0, "%s", e.message);
    tg_buf_reset(&text);
    cr_assert_eq(tg_run_snapshot(run, &text, &e), 0);
    cr_expect_lt(text.len / plan->n_hosts, 60, "%zu bytes a host", text.len / plan->n_hosts);
    tg_run_actions_release(&actions);
    tg_buf_release(&text);
    tg_run_free(run);
    tg_plan_free(plan);
}
