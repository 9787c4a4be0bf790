/* Folding a journal into a snapshot, on any store: part of journal_suite.h. */
#ifndef TESTS_JOURNAL_SUITE_FOLD_H
#define TESTS_JOURNAL_SUITE_FOLD_H

#include "lib/same_run.h"
#include "lib/walk.h"

#define FOLD_STEPS 20 /* more than a small fold takes */

static struct tg_plan *fold_plan(void)
{
    return test_plan((struct test_stage[]) {{2, true, 0, {0}}, {1, false, 1000, {0}}, {30, false, 0, {0}}}, 3, 5, 20);
}

/* Random events, some in a commit. */
static void walk_on(struct desk *d, struct walk *w, int commits)
{
    for (int i = 0; i < commits; i++) {
        for (uint64_t k = 1 + walk_next(w, 5); k; k--) {
            w->now_ms = d->now_ms;
            struct tg_run_event ev = walk_event(w, d->run);
            d->now_ms = ev.at_ms;
            note_event(d, ev);
        }
        commit(d);
    }
}

/* Steps of a fold until there is no more to do, at most so many. Returns how many there were. */
static int fold(struct desk *d, int steps)
{
    struct tg_error e = TG_ERROR_INIT;
    bool busy = true;
    int n = 0;

    for (; busy && n < steps; n++) {
        must(tg_journal_fold(d->j, &busy, &e), &e);
        d->j->fold_bytes = 0;
    }
    return n;
}

static size_t count_names(struct desk *d, const char *below)
{
    char path[200];
    struct tg_names names;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(path, sizeof path, "/runs/%s/%s", d->id, below);
    int rc = tg_store_list(d->store, path, tg_store_deadline(d->store, WAIT_MS), &names, &e);
    if (rc == TG_E_NOENT)
        return 0;
    must(rc, &e);
    size_t n = names.count;
    tg_names_release(&names);
    return n;
}

/* A commit of a line or two writes the last segment anew: it is let go of while it is small, and yet the segments are few. */
JTEST(of_small_commits_the_last_segment_stays_small)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    char why[200];
    size_t bytes = 0;

    setup(&d);
    write_begin(&d);
    for (int i = 0; i < 200; i++) {
        snprintf(why, sizeof why, "%0150d", i);
        note_event(&d, (struct tg_run_event) {.kind = TG_EV_HOLD, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .by = "alice@ops1", .text = why, .cause = TG_CAUSE_COMMAND});
        bytes += d.j->pending.len;
        commit(&d);
        cr_assert_lt(d.j->tail.len, TG_JOURNAL_SEALED + 2000);
    }
    size_t n = count_names(&d, "journal");
    cr_expect(n > 2 && n <= bytes / TG_JOURNAL_SEALED + 1, "%zu segments of %zu bytes", n, bytes);
    must(load(&d, &e), &e);
    cr_expect(strstr(d.run->hold_why, "0199"));
    teardown(&d);
}

/* What the store has is the machine in memory. */
static void expect_stored(struct desk *d, const char *when)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    char why[300];

    int rc = tg_journal_load(d->store, d->id, WAIT_MS, &j, &plan, &run, &e);
    cr_assert_eq(rc, 0, "%s: %s", when, e.message);
    cr_assert(same_run(d->run, run, why, sizeof why), "%s: %s", when, why);
    cr_assert_eq(j->lines, d->n, "%s: %lld lines, %lld were written", when, (long long) j->lines, (long long) d->n);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

/* P7: folded again and again while it is written; the nodes stay few, the machine is the same. */
JTEST(is_folded_while_it_is_written)
{
    struct desk d;
    struct walk w = {.state = 5};

    setup_plan(&d, fold_plan());
    for (int i = 0; i < 4; i++) {
        walk_on(&d, &w, 12);
        d.j->fold_bytes = 1;
        for (bool busy = true; busy;) { /* a line or two between any two steps */
            struct tg_error e = TG_ERROR_INIT;
            must(tg_journal_fold(d.j, &busy, &e), &e);
            d.j->fold_bytes = 0;
            expect_stored(&d, "amid a fold");
            walk_on(&d, &w, 1);
        }
        expect_stored(&d, "behind a fold");
        cr_expect_eq(count_names(&d, "journal"), 1);
        cr_expect_eq(count_names(&d, "snapshot"), 1);
    }
    cr_expect(strstr(tg_buf_text(&d.j->history), "\"ev\":\"begin\""), "who began it stays known: %s", tg_buf_text(&d.j->history));
    teardown(&d);
}

/* P7: whoever dies at any write of a fold leaves a run that goes on, and the next fold clears up. */
JTEST(survives_a_death_at_any_write_of_a_fold)
{
    struct tg_error e = TG_ERROR_INIT;

    for (int death = 0; death < 6; death++) {
        struct desk d;
        struct walk w = {.state = 9};
        setup_plan(&d, fold_plan());
        walk_on(&d, &w, 10);
        d.j->fold_bytes = 1;
        fold(&d, FOLD_STEPS);
        walk_on(&d, &w, 10);
        d.j->fold_bytes = 1;
        fold(&d, death);
        if (death % 2)
            walk_on(&d, &w, 1);
        expect_stored(&d, "behind a death");
        tg_journal_leave(d.j);
        must(load(&d, &e), &e);
        must(tg_journal_seat(d.j, "bob@ops2", NOW, &e), &e);
        walk_on(&d, &w, 3);
        d.j->fold_bytes = 1;
        fold(&d, FOLD_STEPS);
        d.j->fold_bytes = 1;
        fold(&d, FOLD_STEPS);
        expect_stored(&d, "folded by the next one");
        cr_expect_leq(count_names(&d, "journal"), 1);
        cr_expect_eq(count_names(&d, "snapshot"), 1, "death %d: %zu parts", death, count_names(&d, "snapshot"));
        teardown(&d);
    }
}

/* P6: who was replaced in the middle of a fold changes nothing more. */
JTEST(is_not_folded_by_who_was_replaced)
{
    struct tg_error e = TG_ERROR_INIT;

    for (int at = 1; at < 5; at++) {
        struct desk d;
        struct walk w = {.state = 3};
        struct tg_journal *other;
        struct tg_plan *plan;
        struct tg_run *run;
        bool busy = true;
        int rc = 0;
        setup_plan(&d, fold_plan());
        walk_on(&d, &w, 10);
        d.j->fold_bytes = 1;
        fold(&d, at);
        tg_journal_leave(d.j);
        d.j->seated = true; /* it does not know */
        must(tg_journal_load(d.store, d.id, WAIT_MS, &other, &plan, &run, &e), &e);
        must(tg_journal_seat(other, "bob@ops2", NOW, &e), &e);
        int64_t version = other->head_version;
        size_t segments = count_names(&d, "journal"), parts = count_names(&d, "snapshot");
        for (int i = 0; !rc && busy && i < FOLD_STEPS; i++)
            rc = tg_journal_fold(d.j, &busy, NULL);
        struct tg_journal_head head;
        must(tg_journal_read_head(other, NULL, NULL, &head, &e), &e);
        cr_expect_eq(head.version, version, "fold step %d", at);
        cr_expect_eq(count_names(&d, "journal"), segments);
        cr_expect_eq(count_names(&d, "snapshot"), parts);
        tg_run_free(run);
        tg_plan_free(plan);
        tg_journal_free(other);
        teardown(&d);
    }
}

static void change_part(struct desk *d, int what)
{
    char path[200];
    struct tg_node node;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(path, sizeof path, "/runs/%s/snapshot/%s-0001", d->id, d->j->snapshot.name);
    must(tg_store_read(d->store, path, tg_store_deadline(d->store, WAIT_MS), &node, &e), &e);
    if (what == 0)
        node.data[node.len / 2] ^= 4;
    must(tg_store_write(d->store, path, node.data, what == 1 ? node.len - 1 : node.len, TG_ANY_VERSION, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    if (what == 2)
        must(tg_store_delete(d->store, path, TG_ANY_VERSION, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    tg_node_release(&node);
}

/* The head says another thing of its snapshot. */
static void change_head(struct desk *d, const char *what, const char *with)
{
    char path[200];
    struct tg_node node;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(path, sizeof path, "/runs/%s/journal", d->id);
    must(tg_store_read(d->store, path, tg_store_deadline(d->store, WAIT_MS), &node, &e), &e);
    const char *at = strstr(node.data, what);
    cr_assert(at, "%s", node.data);
    tg_buf_add(&text, node.data, (size_t) (at - node.data));
    tg_buf_puts(&text, with);
    tg_buf_puts(&text, at + strlen(what));
    must(tg_store_write(d->store, path, text.data, text.len, TG_ANY_VERSION, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    tg_buf_release(&text);
    tg_node_release(&node);
}

/* P2, P7: never acted on. */
JTEST(with_a_snapshot_that_is_not_whole_is_refused)
{
    static const struct {
        int part;
        const char *what, *with, *says;
    } rows[] = {{0, NULL, NULL, "do not add up"},
                {1, NULL, NULL, "its snapshot has"},
                {2, NULL, NULL, "part 1 of 1 of its snapshot is missing"},
                {-1, "\"format\":2", "\"format\":3", "has format 3, this tagout knows 2"},
                {-1, "\"format\":2", "\"format\":1", "this copy is not whole"},
                {-1, "\"parts\":1", "\"parts\":0", "does not say what it was folded into"},
                {-1, "\"name\":\"", "\"name\":\"../", "does not say what it was folded into"},
                {-1, "\"first\":", "\"first\":9", "says segments"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct walk w = {.state = 4};
        struct tg_error e = TG_ERROR_INIT;
        setup_plan(&d, fold_plan());
        walk_on(&d, &w, 10);
        d.j->fold_bytes = 1;
        fold(&d, FOLD_STEPS);
        walk_on(&d, &w, 3);
        expect_stored(&d, "before it is garbled");
        if (rows[i].part >= 0)
            change_part(&d, rows[i].part);
        else
            change_head(&d, rows[i].what, rows[i].with);
        cr_expect_eq(load(&d, &e), TG_E_DATA, "%s", rows[i].says);
        cr_expect(strstr(e.message, rows[i].says), "\"%s\" lacks \"%s\"", e.message, rows[i].says);
        teardown(&d);
    }
}

/* Who follows hears of it all, whether what was folded had been read or not. */
JTEST(is_followed_across_a_fold)
{
    struct desk d;
    struct walk w = {.state = 6};
    struct heard heard = {0};
    char why[300];

    setup_plan(&d, fold_plan());
    struct tg_store *store = open_store(&d);
    struct tg_follow *f = follow(&d, store, &heard);
    walk_on(&d, &w, 5);
    catch_up(&d, f);
    d.j->fold_bytes = 1;
    fold(&d, FOLD_STEPS);
    walk_on(&d, &w, 5);
    catch_up(&d, f);
    cr_expect_eq(f->loads, 1, "all that was folded had been read");
    cr_expect_eq(heard.lines, (unsigned) d.n);
    walk_on(&d, &w, 5);
    d.j->fold_bytes = 1;
    fold(&d, FOLD_STEPS);
    walk_on(&d, &w, 1);
    catch_up(&d, f);
    cr_expect_eq(f->loads, 2, "some had not");
    cr_expect(same_run(d.run, f->run, why, sizeof why), "%s", why);
    tg_follow_free(f);
    tg_store_close(store);
    teardown(&d);
}

#endif
