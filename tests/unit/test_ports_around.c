/*
 * What is done around a host by the real ports, on a virtual clock: modules that hang are not waited for for ever, what is in force is kept in force, and
 * what is found not to be so any more is told. The modules are made of files (lib/around_file.c). No host is reached: the second step is always refused.
 */
#define GUARD_SUITE_HELPERS_ONLY
#define GUARD_SUITE ports_around
#include <tagout/loop.h>

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *guard_url(void)
{
    return "memory:ports-around";
}

static void guard_end(void)
{
}

#include "guard_suite.h"

#include "engine/leftovers.h"
#include "engine/plan_internal.h"
#include "engine/ports.h"
#include "lib/around.h"
#include "lib/plan.h"
#include "store/memory.h"

#include <sys/stat.h>

#define WAIT_MS 2000

struct driven {
    struct tg_store *store;
    struct tg_plan *plan, *read;
    struct tg_journal *j;
    struct tg_run *run;
    struct tg_holds *holds;
    struct tg_ports *ports;
    char dir[2][64];      /* of the drain, of the silence */
    json_t *lines;        /* of the journal */
    const char *wanted;   /* behind the first line that has this text: */
    void (*then)(struct driven *d);
    bool done;
};

static void flag(const struct driven *d, int which, const char *name)
{
    char file[128];

    snprintf(file, sizeof file, "%s/%s", d->dir[which], name);
    FILE *f = fopen(file, "we");
    cr_assert_not_null(f);
    fclose(f);
}

static void unflag(const struct driven *d, int which, const char *name)
{
    char file[128];

    snprintf(file, sizeof file, "%s/%s", d->dir[which], name);
    unlink(file);
}

static size_t heard(const struct driven *d, int which, const char *what)
{
    char file[128], line[200];
    size_t n = 0;

    snprintf(file, sizeof file, "%s/log", d->dir[which]);
    FILE *f = fopen(file, "re");
    while (f && fgets(line, sizeof line, f))
        n += strncmp(line, what, strlen(what)) == 0;
    if (f)
        fclose(f);
    return n;
}

static void on_line(void *data, const struct tg_run *run, const json_t *line)
{
    struct driven *d = data;
    char *text = json_dumps(line, JSON_COMPACT);

    (void) run;
    json_array_append(d->lines, (json_t *) line);
    if (d->wanted && !d->done && strstr(text, d->wanted)) {
        d->done = true;
        d->then(d);
    }
    free(text);
}

static void make_plan(struct driven *d)
{
    static const char *const modules[] = {"filelb", "filealerts"};

    d->plan = test_plan((struct test_stage[]) {{1, false, 0, {0}}}, 1, 1, 0);
    test_plan_around(d->plan, 2, 1U << 1);
    free(d->plan->driver);
    free(d->plan->transport);
    d->plan->driver = strdup("puppet");
    d->plan->transport = strdup("filelb"); /* reaches nobody */
    for (int i = 0; i < 2; i++) {
        snprintf(d->dir[i], sizeof d->dir[i], "/tmp/around-XXXXXX");
        cr_assert_not_null(mkdtemp(d->dir[i]));
        tg_around_release(&d->plan->around[i + 1]);
        d->plan->around[i + 1] = (struct tg_around) {.kind = TG_AROUND_MODULE, .what = i ? TG_AROUND_SILENCE : TG_AROUND_DRAIN, .module = strdup(modules[i]),
                                                     .params = json_pack("{s:s}", "dir", d->dir[i])};
    }
}

static const struct tg_run_tokens tokens = {.own = "AAAAAAAAAAAAAAAAAAAA", .all = "AAAAAAAAAAAAAAAAAAAA"};

/* One is of one drive. */
static void make_ports(struct driven *d)
{
    const struct tg_ports_options po = {.loop = loop, .plan = d->read, .run = d->run, .journal = d->j, .holds = d->holds, .tokens = tokens.all, .owner = "alice@ops1"};

    tg_ports_free(d->ports);
    OK(tg_ports_new(&po, &d->ports, e));
}

static void make_run(struct driven *d)
{
    char id[TG_RUN_ID_SIZE];

    use_around_modules();
    setup();
    *d = (struct driven) {.store = open_another(), .lines = json_array()};
    make_plan(d);
    OK(tg_plan_seal(d->plan, e));
    OK(tg_journal_create(d->store, d->plan, "alice@ops1", &tokens, NOW, WAIT_MS, id, e));
    OK(tg_journal_load(d->store, id, WAIT_MS, &d->j, &d->read, &d->run, e));
    const struct tg_holds_options ho = {.store = d->store, .wait_ms = WAIT_MS, .run = d->j->id, .owner = "alice@ops1", .reason = "r", .token = tokens.own, .tokens = tokens.all};
    OK(tg_holds_new(&ho, &d->holds, e));
}

static void drive(struct driven *d)
{
    make_ports(d);
    struct tg_error why = TG_ERROR_INIT;
    struct tg_drive_options o = {.journal = d->j, .run = d->run, .by = "alice@ops1", .ports = tg_ports_table(d->ports), .on_line = on_line, .data = d};
    int rc = tg_drive(&o, &why);

    cr_assert_eq(rc, 0, "%d %s", rc, why.message);
    cr_expect_eq(d->run->state, TG_RUN_ENDED);
}

static void end_run(struct driven *d)
{
    char command[200];

    tg_ports_free(d->ports);
    tg_holds_free(d->holds);
    tg_run_free(d->run);
    tg_plan_free(d->read);
    tg_journal_free(d->j);
    tg_store_close(d->store);
    tg_plan_free(d->plan);
    json_decref(d->lines);
    snprintf(command, sizeof command, "rm -rf %s %s", d->dir[0], d->dir[1]);
    cr_expect_eq(system(command), 0);
    teardown();
    tg_memory_forget("ports-around");
}

static size_t times(const struct driven *d, const char *event)
{
    const json_t *line;
    size_t i, n = 0;

    json_array_foreach(d->lines, i, line) {
        const char *ev = json_string_value(json_object_get(line, "ev"));
        n += ev && strcmp(ev, event) == 0;
    }
    return n;
}

static const char *text_of(const struct driven *d, const char *event)
{
    const json_t *line;
    size_t i;

    json_array_foreach(d->lines, i, line) {
        const char *ev = json_string_value(json_object_get(line, "ev"));
        if (ev && strcmp(ev, event) == 0)
            return json_string_value(json_object_get(line, "text"));
    }
    return NULL;
}

/* P8 */
Test(ports_around, who_refuses_keeps_the_host_as_it_is_and_what_was_done_is_undone)
{
    struct driven d;

    make_run(&d);
    flag(&d, 1, "refuse-act");
    drive(&d);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD);
    cr_expect_str_eq(d.run->hosts[0].text, "silence: the balancer says no");
    cr_expect_eq(heard(&d, 0, "act"), 1);
    cr_expect_eq(heard(&d, 0, "undo"), 1);
    cr_expect_eq(heard(&d, 1, "undo"), 1, "what there may be of it");
    cr_expect_eq(tg_leftovers_count(d.run, TG_LEFTOVERS_ALL), 0);
    end_run(&d);
}

/* P7, P8, P12: no answer is none, neither yes nor no. */
Test(ports_around, a_module_that_hangs_is_not_waited_for_for_ever)
{
    struct driven d;

    make_run(&d);
    flag(&d, 1, "hang-act");
    int64_t from = tg_mono_ms(tg_loop_clock(loop));
    drive(&d);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD, "%s", tg_host_state_name(d.run->hosts[0].state));
    cr_expect_str_eq(text_of(&d, "around-lost"), "silence: no answer");
    cr_expect_eq(heard(&d, 1, "act"), TG_RUN_AROUND_TRIES);
    cr_expect_eq(heard(&d, 1, "look"), TG_RUN_AROUND_TRIES, "P7: looked at before each");
    cr_expect_eq(heard(&d, 0, "undo"), 1);
    cr_expect_leq(tg_mono_ms(tg_loop_clock(loop)) - from, INT64_C(24) * 3600000);
    end_run(&d);
}

static void a_person_takes_it_back(struct driven *d)
{
    unflag(d, 0, "h0.drain");
}

/* P12 */
Test(ports_around, what_is_in_force_is_kept_and_what_is_no_more_is_told)
{
    struct driven d;

    make_run(&d);
    flag(&d, 1, "hang-act"); /* hours */
    d.wanted = "\"do\":\"retry\"";
    d.then = a_person_takes_it_back;
    drive(&d);
    cr_expect_geq(heard(&d, 0, "keep"), 100, "%zu times", heard(&d, 0, "keep"));
    cr_assert(d.done);
    cr_assert_not_null(text_of(&d, "keep"));
    cr_expect_eq(times(&d, "keep"), 1, "once");
    cr_expect_str_eq(text_of(&d, "keep"), "drain: absent");
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD);
    cr_expect_eq(tg_leftovers_count(d.run, TG_LEFTOVERS_ALL), 0);
    end_run(&d);
}

static bool take(void *data, const struct tg_leftover *left)
{
    struct tg_leftover *out = data;

    *out = *left;
    return true;
}

/* P8: away for minutes is away: it is a leftover, with its mend; whoever resumes undoes it. */
Test(ports_around, what_can_not_be_undone_is_left_with_its_mend)
{
    struct driven d;
    struct tg_leftover left = {.step = -1};
    char mend[200];

    make_run(&d);
    flag(&d, 1, "refuse-act");
    flag(&d, 0, "away-undo");
    drive(&d);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_STUCK);
    cr_expect_eq(heard(&d, 0, "undo"), TG_RUN_AROUND_TRIES);
    cr_expect_eq(tg_leftovers_count(d.run, TG_LEFTOVERS_ENDED), 1);
    tg_leftovers(d.run, d.j->id, NULL, TG_LEFTOVERS_ENDED, take, &left);
    snprintf(mend, sizeof mend, "rm -f '%s/h0.drain'", d.dir[0]);
    cr_expect_eq(left.step, 1);
    cr_expect_str_eq(left.mend, mend);
    unflag(&d, 0, "away-undo");
    drive(&d);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD);
    cr_expect_eq(tg_leftovers_count(d.run, TG_LEFTOVERS_ALL), 0);
    end_run(&d);
}
