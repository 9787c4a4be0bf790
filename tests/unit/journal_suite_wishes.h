/* What people want of a run, on any store: part of journal_suite.h. */
#ifndef TESTS_JOURNAL_SUITE_WISHES_H
#define TESTS_JOURNAL_SUITE_WISHES_H

static void commit_refused_start(struct desk *d)
{
    struct tg_error e = TG_ERROR_INIT;
    enum tg_commit how;

    write_begin(d);
    must(tg_journal_commit(d->j, true, &how, &e), &e);
    cr_expect_eq(how, TG_COMMIT_CONTROL);
}

/* P10: of the run, and of the fleet that it is in; and a store that does not say is no store that says go. */
JTEST(commits_no_start_in_a_pause)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = {"bob@ops2", "wait", NOW, WAIT_MS};
    struct tg_scope fleet = {.kind = TG_SCOPE_FLEET};
    bool was = true;

    setup(&d);
    must(tg_journal_control(d.j, NULL, NULL, &e), &e);
    must(tg_run_pause(d.store, d.id, &said, &e), &e);
    commit_refused_start(&d);
    cr_expect(d.j->control.pause.wanted);
    cr_expect_str_eq(d.j->control.pause.by, "bob@ops2");
    teardown(&d);

    setup(&d);
    must(tg_journal_control(d.j, NULL, NULL, &e), &e);
    must(tg_pauses_add(d.store, &fleet, &said, &was, &e), &e);
    cr_expect_not(was);
    commit_refused_start(&d);
    cr_expect_eq(tg_pauses_hold(&d.j->pauses, d.run), &d.j->pauses.items[0]);
    must(tg_pauses_remove(d.store, &fleet, WAIT_MS, &was, NULL, &e), &e);
    cr_expect(was);
    teardown(&d);
}

/* P2 */
JTEST(nothing_starts_when_pauses_cant_be_read)
{
    static const char *const texts[] = {NULL, "{\"format\":9}", "{\"format\":1,\"pauses\":[],\"sum\":\"0123456789abcdef\"}", "\xff\xfe", "{}"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        setup(&d);
        int64_t deadline = tg_store_deadline(d.store, WAIT_MS);
        must(texts[i] ? tg_store_write(d.store, TG_PAUSES_PATH, texts[i], strlen(texts[i]), TG_ANY_VERSION, deadline, &e)
                      : tg_store_delete(d.store, TG_PAUSES_PATH, TG_ANY_VERSION, deadline, &e),
             &e);
        cr_expect_lt(tg_journal_control(d.j, NULL, NULL, &e), 0, "%zu", i);
        cr_expect(strstr(e.message, "nothing may start"), "%zu: %s", i, e.message);
        tg_error_clear(&e);
        must(load(&d, &e), &e); /* and yet it can be looked at, and aborted */
        must(tg_run_abort(d.store, d.id, &(struct tg_said) {"bob@ops2", "enough", 1, WAIT_MS}, &e), &e);
        teardown(&d);
    }
}

/* P2: what a newer tagout wants of a run is not passed over. */
JTEST(a_control_with_something_unknown_is_refused)
{
    static const char *const texts[] = {"{\"format\":1,\"hurry\":true}", "{\"format\":2}", "{\"format\":1,\"pause\":{}}", "{\"format\":1,\"abort\":7}", "",
                                        "{\"format\":1,\"windows\":[1]}", "{\"format\":1,\"skip\":{\"by\":\"a\",\"reason\":\"\",\"at\":1},\"windows\":[-1]}",
                                        "{\"format\":1,\"skip\":{\"by\":\"a\",\"reason\":\"\",\"at\":1}}", "{\"format\":1,\"skip\":{\"by\":\"a\",\"reason\":\"\",\"at\":1},\"windows\":{}}"};
    struct tg_run_control c;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_eq(tg_control_decode(texts[i], strlen(texts[i]), &c, NULL), TG_E_DATA, "%s", texts[i]);
}

/* What was said once stays said; a later word adds to it. */
JTEST(windows_that_never_come_are_skipped_by_name)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said first = {"alice@ops1", "not before January", NOW, WAIT_MS}, second = {"bob@ops2", "", NOW + 1, WAIT_MS};
    const uint32_t windows[] = {4, 7}, more[] = {7, 9};

    setup(&d);
    must(tg_run_skip(d.store, d.id, windows, 2, &first, &e), &e);
    must(tg_run_skip(d.store, d.id, windows, 1, &second, &e), &e);
    must(tg_journal_control(d.j, NULL, NULL, &e), &e);
    cr_expect_str_eq(d.j->control.skip.by, "alice@ops1");
    must(tg_run_skip(d.store, d.id, more, 2, &second, &e), &e);
    must(tg_journal_control(d.j, NULL, NULL, &e), &e);
    cr_expect_str_eq(d.j->control.skip.by, "bob@ops2");
    cr_expect_eq(d.j->control.n_skipped, 3);
    cr_expect(tg_control_skips(&d.j->control, 4) && tg_control_skips(&d.j->control, 7) && tg_control_skips(&d.j->control, 9) && !tg_control_skips(&d.j->control, 5));
    teardown(&d);
}

JTEST(a_resume_is_of_the_hold_that_was_seen)
{
    struct desk d;
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = {"bob@ops2", "", NOW, WAIT_MS};

    setup(&d);
    must(tg_run_pause(d.store, d.id, &said, &e), &e);
    must(tg_run_resume(d.store, d.id, 3, &said, &e), &e);
    must(tg_journal_control(d.j, NULL, NULL, &e), &e);
    cr_expect_not(d.j->control.pause.wanted);
    cr_expect(d.j->control.resume.wanted);
    cr_expect_eq(d.j->control.resumed_hold, 3);
    teardown(&d);
}

/* A pause of a group holds whom it meant, and as long as one of them has not ended; one whose hosts nobody knows holds all. */
JTEST(a_pause_of_a_scope_holds_the_runs_that_are_in_it)
{
    static const struct {
        const char *scope, *hosts;
        bool holds;
    } rows[] = {{"fleet", NULL, true}, {"group:web", "h[0-1]", true}, {"group:web", "x[0-9]", false}, {"group:web", NULL, true},
                {"host:h2", NULL, true}, {"host:h3", NULL, false}, {"group:old", "h0", false}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_scope scope = {.kind = TG_SCOPE_FLEET};
        bool was;
        setup(&d);
        must(tg_scope_parse(rows[i].scope, &scope, &e), &e);
        if (rows[i].hosts)
            must(tg_scope_set_hosts(&scope, rows[i].hosts, &e), &e);
        must(tg_pauses_add(d.store, &scope, &(struct tg_said) {"bob@ops2", "wait", NOW, WAIT_MS}, &was, &e), &e);
        must(tg_journal_control(d.j, NULL, NULL, &e), &e);
        d.run->hosts[0].state = i == 6 ? TG_HOST_DONE : TG_HOST_WAITING;
        cr_expect_eq(tg_pauses_hold(&d.j->pauses, d.run) != NULL, rows[i].holds, "%s %s", rows[i].scope, rows[i].hosts ? rows[i].hosts : "");
        teardown(&d);
    }
}

#endif
