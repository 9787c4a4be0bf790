/* The transport "local". */
#include <tagout/module.h>
#include <tagout/transport.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tg_loop *loop;
static const struct tg_transport_backend *backend;
static struct tg_transport_impl *impl;
static struct tg_command command;

static void up(void)
{
    struct tg_transport_options options = {0};

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert_eq(tg_transport_find("local", &backend, NULL), 0);
    options.loop = loop;
    cr_assert_eq(backend->open(&options, &impl, NULL), 0);
    command = (struct tg_command) {.total_ms = 120000, .output_max = 4096};
}

static void down(void)
{
    backend->close(impl);
    tg_loop_free(loop);
}

TestSuite(transport_local, .init = up, .fini = down);

struct outcome {
    int called, status, signal, sent;
    enum tg_job_end end;
    size_t streamed, out_len;
    char out[8192], err[8192];
    struct tg_error error;
};

static void record(void *data, const struct tg_job_result *r)
{
    struct outcome *o = data;

    o->called++;
    o->end = r->end;
    o->status = r->status;
    o->signal = r->signal;
    o->sent = r->sent;
    o->out_len = r->out_len;
    snprintf(o->out, sizeof o->out, "%s", r->out);
    snprintf(o->err, sizeof o->err, "%s", r->err);
    if (r->error)
        o->error = *r->error;
}

static void count_bytes(void *data, int stream, const char *bytes, size_t len)
{
    (void) stream;
    (void) bytes;
    ((struct outcome *) data)->streamed += len;
}

static struct tg_job *start(const char *script, struct outcome *o)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    const struct tg_target target = {.name = "here"};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_job *job = NULL;

    *o = (struct outcome) {0};
    command.argv = argv;
    cr_assert_eq(backend->run(impl, &target, &command, count_bytes, record, o, &job, &e), 0, "%s", e.message);
    cr_assert_eq(o->called, 0);
    return job;
}

static void wait_for(struct outcome *o)
{
    for (int i = 0; i < 3000 && !o->called; i++)
        tg_loop_turn(loop, 100);
    cr_assert_eq(o->called, 1);
}

static struct outcome o;

static void run(const char *script)
{
    start(script, &o);
    wait_for(&o);
}

Test(transport_local, status_signal_and_both_streams_come_back)
{
    run("echo out; echo err >&2; exit 3");
    cr_assert_eq(o.end, TG_JOB_EXITED);
    cr_assert_eq(o.status, 3);
    cr_assert_str_eq(o.out, "out\n");
    cr_assert_str_eq(o.err, "err\n");
    run("kill -9 $$");
    cr_assert_eq(o.status, 128 + 9);
    cr_assert_eq(o.signal, 9);
}

Test(transport_local, much_input_and_output_pass_without_blocking)
{
    static char big[3000000];

    memset(big, 'x', sizeof big);
    command.input = big;
    command.input_len = sizeof big;
    run("cat");
    cr_assert_eq(o.end, TG_JOB_EXITED);
    cr_assert_eq(o.streamed, sizeof big);
    cr_assert_lt(o.out_len, 4200);
    run("exec <&-; exit 5"); /* does not read it */
    cr_assert_eq(o.status, 5);
}

Test(transport_local, deadlines_end_the_whole_group)
{
    char name[64], script[300];
    char digits[20] = "";

    snprintf(name, sizeof name, "/tmp/tagout-local-%d", (int) getpid());
    snprintf(script, sizeof script, "sleep 300 & echo $! > %s.new; mv %s.new %s; wait", name, name, name);
    command.silence_ms = 3000;
    run(script);
    cr_assert_eq(o.end, TG_JOB_TIMEOUT);
    cr_assert_eq(o.sent, 1);
    cr_assert(strstr(o.error.message, "printed nothing for 3s"), "%s", o.error.message);
    FILE *f = fopen(name, "re");
    cr_assert(f && fgets(digits, sizeof digits, f));
    fclose(f);
    unlink(name);
    pid_t grandchild = (pid_t) strtol(digits, NULL, 10);
    for (int i = 0; i < 3000 && kill(grandchild, 0) == 0; i++) /* until init has reaped it */
        tg_loop_turn(loop, 10);
    cr_assert(kill(grandchild, 0) < 0 && errno == ESRCH, "a grandchild is left");
}

Test(transport_local, a_command_that_ignores_term_is_killed)
{
    command.total_ms = 2000;
    run("trap '' TERM; echo up; while :; do sleep 1; done");
    cr_assert_eq(o.end, TG_JOB_TIMEOUT);
    cr_assert(strstr(o.error.message, "did not end within 2s"), "%s", o.error.message);
}

/* P10 */
Test(transport_local, cancel_and_close_answer_every_job)
{
    static struct outcome other;
    struct tg_job *job = start("sleep 300", &o);

    backend->cancel(impl, job);
    cr_assert_eq(o.called, 0);
    wait_for(&o);
    cr_assert_eq(o.end, TG_JOB_CANCELLED);
    start("sleep 300", &other);
    backend->close(impl);
    cr_assert_eq(other.called, 1);
    cr_assert_eq(other.end, TG_JOB_CANCELLED);
    struct tg_transport_options options = {.loop = loop};
    cr_assert_eq(backend->open(&options, &impl, NULL), 0);
}

Test(transport_local, a_program_that_is_not_there_is_an_error_at_once)
{
    const char *argv[] = {"no-such-program-here", NULL};
    const struct tg_target target = {.name = "here"};
    struct tg_error e = TG_ERROR_INIT;

    command.argv = argv;
    cr_assert_lt(backend->run(impl, &target, &command, NULL, record, &o, NULL, &e), 0);
    cr_assert(strstr(e.message, "here: ") && strstr(e.message, "no-such-program-here"), "%s", e.message);
}
