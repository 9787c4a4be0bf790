/* Bare mode against a real shell: P6 (fencing on the host), P7 (a step is begun at most once and found again), P12 (no report is unknown). */
#include "engine/bare.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[96], work[64];

static void set_up(void)
{
    strcpy(work, "/tmp/tagout-bare-XXXXXX");
    cr_assert(mkdtemp(work));
    snprintf(base, sizeof base, "%s/steps", work);
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", work);
    cr_assert_eq(system(command), 0);
}

TestSuite(bare, .init = set_up, .fini = tear_down, .timeout = 60);

struct run {
    struct tg_bare_call call;
    pid_t pid;
    int out, err;
    char *out_text, *err_text;
    size_t out_len;
};

static char *slurp(int fd, size_t *out_len)
{
    size_t cap = 1 << 16, len = 0;
    char *text = malloc(cap);
    ssize_t n;

    while ((n = read(fd, text + len, cap - len - 1)) > 0) {
        len += (size_t) n;
        if (cap - len < 2)
            text = realloc(text, cap *= 2);
    }
    text[len] = '\0';
    if (out_len)
        *out_len = len;
    close(fd);
    return text;
}

static void begin(struct run *r, enum tg_bare_mode mode, const char *step, int64_t epoch, const struct tg_request *request)
{
    int in[2], out[2], err[2];

    cr_assert_eq(tg_bare_call(mode, step, "run-1", epoch, request, 30000, base, &r->call, NULL), 0);
    cr_assert_eq(pipe(in) + pipe(out) + pipe(err), 0);
    if ((r->pid = fork()) == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execvp(r->call.argv[0], r->call.argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    cr_assert_eq(write(in[1], r->call.input, r->call.input_len), (ssize_t) r->call.input_len);
    close(in[1]);
    r->out = out[0];
    r->err = err[0];
}

static enum tg_bare_state finish(struct run *r, struct tg_answer *answer, char *text, size_t size)
{
    r->out_text = slurp(r->out, &r->out_len);
    r->err_text = slurp(r->err, NULL);
    waitpid(r->pid, NULL, 0);
    text[0] = '\0';
    return tg_bare_answer(r->out_text, r->out_len, r->err_text, r->call.nonce, answer, text, size);
}

static void done(struct run *r)
{
    free(r->out_text);
    free(r->err_text);
    tg_bare_call_release(&r->call);
}

static void shell(struct tg_request *r, const char *script, bool changes)
{
    tg_request_arg(r, "sh");
    tg_request_arg(r, "-c");
    tg_request_arg(r, "%s", script);
    r->changes = changes;
}

static void await_file(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", work, name);
    for (int i = 0; access(path, F_OK) != 0; i++) {
        cr_assert_lt(i, 3000, "%s never came", path);
        usleep(10000);
    }
}

static int count_lines(const char *name)
{
    char path[256];
    int lines = 0, c;

    snprintf(path, sizeof path, "%s/%s", work, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    while ((c = getc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

/* Runs once to the end and checks the state. */
static void expect(enum tg_bare_mode mode, const char *step, int64_t epoch, const struct tg_request *request, enum tg_bare_state state,
                   int status, const char *out)
{
    struct run r = {0};
    struct tg_answer a = {0};
    char text[512];

    begin(&r, mode, step, epoch, request);
    enum tg_bare_state got = finish(&r, &a, text, sizeof text);
    cr_assert_eq(got, state, "%s: %s, stderr: %s", tg_bare_state_name(got), text, r.err_text);
    if (state == TG_BARE_EXITED) {
        cr_assert_eq(a.status, status);
        cr_assert_str_eq(a.out, out);
    }
    done(&r);
}

Test(bare, brings_back_status_streams_files_and_times)
{
    struct tg_request q = {0};
    struct run r = {0};
    struct tg_answer a;
    char text[512], script[512], path[128], old[128];

    snprintf(path, sizeof path, "%s/report", work);
    snprintf(old, sizeof old, "%s/old", work);
    close(open(old, O_CREAT | O_WRONLY, 0600));
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    utimensat(AT_FDCWD, old, times, 0);
    snprintf(script, sizeof script, "printf 'a\\nb'; echo \"it's $SECRET\" >&2; printf 'x\\ny' >%s; exit 7", path);
    shell(&q, script, true);
    tg_request_env(&q, "SECRET=two words 'quoted' $HOME");
    tg_request_file(&q, old, 100);
    tg_request_file(&q, path, 2);
    tg_request_file(&q, "/nonexistent", 100);
    begin(&r, TG_BARE_START, "run-1.web1.apply", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_EXITED, "%s %s", text, r.err_text);
    cr_assert_eq(a.status, 7);
    cr_assert_str_eq(a.out, "a\nb");
    cr_assert_str_eq(a.err, "it's two words 'quoted' $HOME\n");
    cr_assert_eq(a.n_files, 1);
    cr_assert_str_eq(a.files[0].path, path);
    cr_assert_str_eq(a.files[0].data, "x\n");
    cr_assert(a.files[0].truncated);
    cr_assert_geq(a.ended_ms, a.started_ms);
    done(&r);
    tg_request_release(&q);
}

/* P7 */
Test(bare, a_step_that_ended_is_reported_again_and_not_run_again)
{
    struct tg_request q = {0};
    char script[256];

    snprintf(script, sizeof script, "echo ran >>%s/count; echo once", work);
    shell(&q, script, true);
    expect(TG_BARE_LOOK, "run-1.web1.apply", 1, &q, TG_BARE_ABSENT, 0, NULL);
    for (int i = 0; i < 3; i++)
        expect(TG_BARE_START, "run-1.web1.apply", 1, &q, TG_BARE_EXITED, 0, "once\n");
    expect(TG_BARE_LOOK, "run-1.web1.apply", 1, &q, TG_BARE_EXITED, 0, "once\n");
    cr_assert_eq(count_lines("count"), 1);
    expect(TG_BARE_FORGET, "run-1.web1.apply", 1, &q, TG_BARE_ABSENT, 0, NULL);
    expect(TG_BARE_LOOK, "run-1.web1.apply", 1, &q, TG_BARE_ABSENT, 0, NULL);
    tg_request_release(&q);
}

/* P7: the connection goes away in the middle; the step goes on and is found again. */
Test(bare, a_step_outlives_its_connection_and_is_found_again)
{
    struct tg_request q = {0};
    struct run first = {0};
    char script[256];

    snprintf(script, sizeof script, "echo ran >>%s/count; while [ ! -e %s/go ]; do sleep 0.05; done; echo end", work, work);
    shell(&q, script, true);
    begin(&first, TG_BARE_START, "run-1.web1.apply", 1, &q);
    await_file("count");
    expect(TG_BARE_LOOK, "run-1.web1.apply", 1, &q, TG_BARE_RUNNING, 0, NULL);
    kill(first.pid, SIGKILL);
    waitpid(first.pid, NULL, 0);
    close(first.out);
    close(first.err);
    done(&first);
    struct run second = {0};
    begin(&second, TG_BARE_START, "run-1.web1.apply", 2, &q);
    char path[128];
    snprintf(path, sizeof path, "%s/go", work);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct tg_answer a;
    char text[512];
    cr_assert_eq(finish(&second, &a, text, sizeof text), TG_BARE_EXITED, "%s", text);
    cr_assert_str_eq(a.out, "end\n");
    done(&second);
    cr_assert_eq(count_lines("count"), 1);
    tg_request_release(&q);
}

/* P7: two controllers, or a resend that overtakes. */
Test(bare, a_step_sent_twice_at_once_runs_once)
{
    struct tg_request q = {0};
    char script[256];

    snprintf(script, sizeof script, "echo ran >>%s/count; echo x", work);
    shell(&q, script, true);
    for (int round = 0; round < 10; round++) {
        struct run r[4];
        memset(r, 0, sizeof r);
        char step[32];
        snprintf(step, sizeof step, "step%d", round);
        for (int i = 0; i < 4; i++)
            begin(&r[i], TG_BARE_START, step, 1, &q);
        for (int i = 0; i < 4; i++) {
            struct tg_answer a;
            char text[512];
            cr_assert_eq(finish(&r[i], &a, text, sizeof text), TG_BARE_EXITED, "%s %s", text, r[i].err_text);
            done(&r[i]);
        }
        cr_assert_eq(count_lines("count"), round + 1);
    }
    tg_request_release(&q);
}

/* P7, P12: its supervisor was killed: nobody knows, nobody begins it anew. */
Test(bare, an_interrupted_step_is_unknown_and_not_repeated)
{
    struct tg_request q = {0};
    struct run r = {0};
    char script[256];

    snprintf(script, sizeof script, "echo ran >>%s/count; echo $PPID >%s/ppid; kill -9 $(cat /proc/$PPID/stat | cut -d' ' -f4); sleep 0.2; kill -9 $PPID", work, work);
    shell(&q, script, true);
    begin(&r, TG_BARE_START, "run-1.web1.apply", 1, &q);
    struct tg_answer a;
    char text[512];
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_INTERRUPTED, "%s", text);
    done(&r);
    expect(TG_BARE_START, "run-1.web1.apply", 2, &q, TG_BARE_INTERRUPTED, 0, NULL);
    cr_assert_eq(count_lines("count"), 1);
    tg_request_release(&q);
}

/* P6 */
Test(bare, a_replaced_controller_is_refused)
{
    struct tg_request q = {0};
    char script[256];

    snprintf(script, sizeof script, "echo ran >>%s/count", work);
    shell(&q, script, true);
    expect(TG_BARE_START, "one", 5, &q, TG_BARE_EXITED, 0, "");
    expect(TG_BARE_START, "two", 4, &q, TG_BARE_FENCED, 0, NULL);
    expect(TG_BARE_LOOK, "one", 4, &q, TG_BARE_FENCED, 0, NULL);
    expect(TG_BARE_START, "two", 6, &q, TG_BARE_EXITED, 0, "");
    cr_assert_eq(count_lines("count"), 2);
    tg_request_release(&q);
}

Test(bare, what_changes_nothing_leaves_no_record)
{
    struct tg_request q = {0};
    char command[256];

    shell(&q, "echo looked; exit 3", false);
    expect(TG_BARE_START, "look", 1, &q, TG_BARE_EXITED, 3, "looked\n");
    expect(TG_BARE_START, "look", 1, &q, TG_BARE_EXITED, 3, "looked\n");
    snprintf(command, sizeof command, "test -z \"$(ls %s)\"", base);
    cr_assert_eq(system(command), 0);
    tg_request_release(&q);
}

/* Nobody would read the answer, and a dry-run that goes on holds the tool's own lock. */
Test(bare, what_changes_nothing_ends_with_its_connection)
{
    struct tg_request q = {0};
    struct run r = {0};
    char script[256], command[400];

    snprintf(script, sizeof script, "echo $$ >%s/pid.new; mv %s/pid.new %s/pid; sleep 300", work, work, work);
    shell(&q, script, false);
    q.timeout_ms = 200000;
    begin(&r, TG_BARE_START, "look", 1, &q);
    await_file("pid");
    close(r.out); /* as sshd does; the script learns of it when it next says that it waits */
    close(r.err);
    waitpid(r.pid, NULL, 0);
    snprintf(command, sizeof command, "pid=$(cat %s/pid); n=0; while kill -0 $pid 2>/dev/null; do n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.1; done", work);
    cr_assert_eq(system(command), 0, "the step goes on");
    snprintf(command, sizeof command, "test -z \"$(ls %s)\"", base);
    cr_assert_eq(system(command), 0);
    done(&r);
    tg_request_release(&q);
}

Test(bare, a_daemon_that_the_step_starts_is_not_waited_for)
{
    struct tg_request q = {0};

    shell(&q, "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo started", true);
    expect(TG_BARE_START, "daemon", 1, &q, TG_BARE_EXITED, 0, "started\n");
    tg_request_release(&q);
}

Test(bare, a_step_over_its_time_is_ended)
{
    struct tg_request q = {0};

    shell(&q, "exec sleep 300", true);
    q.timeout_ms = 1000;
    expect(TG_BARE_START, "slow", 1, &q, TG_BARE_EXITED, 124, "");
    tg_request_release(&q);
}

Test(bare, long_output_keeps_its_end)
{
    struct tg_request q = {0};
    struct run r = {0};
    struct tg_answer a;
    char text[512];

    shell(&q, "seq 1 400000", true);
    begin(&r, TG_BARE_START, "long", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_EXITED, "%s", text);
    cr_assert_eq(a.out_len, 2097152);
    cr_assert_str_eq(a.out + a.out_len - 7, "400000\n");
    done(&r);
    tg_request_release(&q);
}

/* P8, P12: a full disk, a read-only root. Where the step was begun, the same words prove nothing. */
Test(bare, a_step_that_can_not_be_recorded_is_not_begun)
{
    struct tg_request q = {0};
    struct run r = {0};
    struct tg_answer a;
    char text[512], path[300];

    cr_assert_eq(mkdir(base, 0700), 0);
    snprintf(path, sizeof path, "%s/.epoch.run-1", base);
    cr_assert_eq(mkdir(path, 0700), 0); /* where a file should be: can't be written, whoever we are */
    shell(&q, "echo never", true);
    begin(&r, TG_BARE_START, "full", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_DENIED, "%s", text);
    cr_assert(strstr(text, "nothing was begun on the host: tagout: ") && strstr(text, "can't be written"), "%s", text);
    done(&r);
    begin(&r, TG_BARE_LOOK, "full", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_BROKEN, "%s", text);
    done(&r);
    snprintf(path, sizeof path, "%s/full", base);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/full/lock", base);
    cr_assert_eq(mkdir(path, 0700), 0);
    begin(&r, TG_BARE_START, "full", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_BROKEN, "%s", text);
    done(&r);
    tg_request_release(&q);
}

/* P7: what can't be noted as begun is not begun */
Test(bare, a_step_whose_beginning_can_not_be_noted_is_not_begun)
{
    struct tg_request q = {0};
    struct run r = {0};
    struct tg_answer a;
    char text[512], command[300];

    snprintf(command, sizeof command, "mkdir -p %s/full/started.new", base);
    cr_assert_eq(system(command), 0);
    snprintf(command, sizeof command, "touch %s/ran", work);
    shell(&q, command, true);
    begin(&r, TG_BARE_START, "full", 1, &q);
    cr_assert_eq(finish(&r, &a, text, sizeof text), TG_BARE_DENIED, "%s", text);
    done(&r);
    snprintf(command, sizeof command, "%s/ran", work);
    cr_assert_neq(access(command, F_OK), 0);
    tg_request_release(&q);
}

/* P12 */
Test(bare, a_report_that_is_not_whole_is_unknown)
{
    static const char nonce[] = "00112233445566778899aabbccddeeff";
    static const char whole[] = "motd\ntagout-wait\ntagout-bare 1 00112233445566778899aabbccddeeff\nstate exited\nstatus 0\nstarted 5\nended 6\n"
                                "out 3 0\nabc\nerr 0 0\n\npath 1000 /x\nfile 2 0\nhi\nend 00112233445566778899aabbccddeeff\n";
    struct tg_answer a;
    char text[256], copy[sizeof whole];

    memcpy(copy, whole, sizeof whole);
    cr_assert_eq(tg_bare_answer(copy, sizeof whole - 1, "", nonce, &a, text, sizeof text), TG_BARE_EXITED);
    cr_assert_str_eq(a.files[0].data, "hi");
    for (size_t cut = 0; cut < sizeof whole - 1; cut++) {
        char *part = malloc(cut + 1);
        memcpy(part, whole, cut);
        part[cut] = '\0';
        cr_assert_eq(tg_bare_answer(part, cut, "", nonce, &a, text, sizeof text), TG_BARE_BROKEN, "%zu", cut);
        free(part);
    }
    memcpy(copy, whole, sizeof whole);
    cr_assert_eq(tg_bare_answer(copy, sizeof whole - 1, "", "ffeeddccbbaa99887766554433221100", &a, text, sizeof text), TG_BARE_BROKEN);
    char nothing[1] = "";
    cr_assert_eq(tg_bare_answer(nothing, 0, "Last login\nsudo: a password is required\n", nonce, &a, text, sizeof text), TG_BARE_DENIED);
    cr_assert(strstr(text, "a password is required"));
}

Test(bare, names_that_could_leave_the_folder_are_refused)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "-rf", "a b", "a\nb", ".epoch.x", "ä"};
    struct tg_request q = {0};
    struct tg_bare_call call;

    shell(&q, "true", true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_bare_call(TG_BARE_START, bad[i], "run", 1, &q, 1000, NULL, &call, NULL), TG_E_DATA, "%s", bad[i]);
    tg_request_env(&q, "A=b\nLD_PRELOAD=x");
    cr_assert_eq(tg_bare_call(TG_BARE_START, "ok", "run", 1, &q, 1000, NULL, &call, NULL), TG_E_DATA);
    tg_request_release(&q);
}
