/* The keeper: P4 (what can't be proven alive is ended) and, with the session's descriptor, P1 over the holder's death. */
#include "guard/keeper.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char work[64];
static struct tg_loop *loop;
extern char **environ;

static void set_up(void)
{
    strcpy(work, "/tmp/tagout-keeper-XXXXXX");
    cr_assert(mkdtemp(work));
    cr_assert_eq(chdir(work), 0);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert(getenv("TAGOUT"));
}

static void tear_down(void)
{
    char command[128];

    tg_loop_free(loop);
    snprintf(command, sizeof command, "rm -rf %s", work);
    cr_assert_eq(system(command), 0);
}

TestSuite(keeper, .init = set_up, .fini = tear_down, .timeout = 60);

static int64_t now(void)
{
    return tg_mono_ms(tg_clock_real());
}

static struct tg_keeper *start_with(const char *script, int64_t term_in, int64_t kill_in, int session_fd)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct tg_keeper_spec spec = {.program = getenv("TAGOUT"), .argv = argv, .env = (const char *const *) environ,
                                  .session_fd = session_fd, .grace_ms = 300,
                                  .term_at_ms = term_in < 0 ? INT64_MAX : now() + term_in,
                                  .kill_at_ms = kill_in < 0 ? INT64_MAX : now() + kill_in};
    struct tg_keeper *k = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_keeper_start(loop, &spec, &k, &e), 0, "%s", e.message);
    return k;
}

static struct tg_keeper *start(const char *script)
{
    return start_with(script, -1, -1, -1);
}

static void ends(struct tg_keeper *k, enum tg_keeper_end end, int status)
{
    int got = -1;

    while (tg_keeper_state(k, &got) == TG_KEEPER_RUNNING)
        tg_loop_turn(loop, 1000);
    cr_assert_eq(tg_keeper_state(k, NULL), end, "%d", (int) tg_keeper_state(k, NULL));
    cr_assert_eq(got, status, "%d", got);
    tg_keeper_free(k);
}

/* Gone, or a zombie whose parent has not looked yet. */
static bool is_dead(pid_t pid)
{
    char path[64], text[256] = "";

    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    bool dead = !fgets(text, sizeof text, f) || (strrchr(text, ')') && strrchr(text, ')')[2] == 'Z');
    fclose(f);
    return dead;
}

static void await_dead(pid_t pid)
{
    for (int i = 0; !is_dead(pid); i++) {
        cr_assert_lt(i, 2000, "%d lives", (int) pid);
        usleep(10000);
    }
}

static pid_t await_pid(const char *name)
{
    int pid = 0;

    for (int i = 0; i < 2000; i++) {
        FILE *f = fopen(name, "r");
        if (f) {
            if (fscanf(f, "%d\n", &pid) != 1)
                pid = 0;
            fclose(f);
        }
        if (pid)
            return pid;
        usleep(10000);
    }
    cr_assert_fail("no %s", name);
    return 0;
}

Test(keeper, gives_the_commands_own_status)
{
    ends(start("exit 0"), TG_KEEPER_EXITED, 0);
    ends(start("exit 7"), TG_KEEPER_EXITED, 7);
    ends(start("kill -TERM $$"), TG_KEEPER_EXITED, 128 + SIGTERM);
}

Test(keeper, says_why_a_command_can_not_be_started)
{
    const char *argv[] = {"no-such-command", NULL};
    struct tg_keeper_spec spec = {.program = getenv("TAGOUT"), .argv = argv, .env = (const char *const *) environ, .session_fd = -1,
                                  .term_at_ms = INT64_MAX, .kill_at_ms = INT64_MAX};
    struct tg_keeper *k = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_keeper_start(loop, &spec, &k, &e), TG_E_NOENT);
    cr_assert(strstr(e.message, "no-such-command"), "%s", e.message);
    spec.term_at_ms = spec.kill_at_ms = now() - 1; /* P4: too late already */
    argv[0] = "true";
    tg_error_clear(&e);
    cr_assert_eq(tg_keeper_start(loop, &spec, &k, &e), TG_E_UNKNOWN);
}

/* P4 */
Test(keeper, ends_what_has_no_newer_proof_also_when_it_ignores_term)
{
    struct tg_keeper *k = start_with("trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done", 2000, 2200, -1);
    pid_t pid = tg_keeper_command_pid(k);

    ends(k, TG_KEEPER_LOST, 128 + SIGKILL);
    await_dead(pid);
}

/* P4 */
Test(keeper, lives_on_with_each_beat)
{
    struct tg_keeper *k = start_with("sleep 4; exit 5", 3000, 3500, -1);
    int status;

    while (tg_keeper_state(k, &status) == TG_KEEPER_RUNNING) {
        tg_keeper_beat(k, now() + 3000, now() + 3500);
        tg_loop_turn(loop, 50);
    }
    ends(k, TG_KEEPER_EXITED, 5);
}

/* A holder in a process of its own, to be killed or stopped. */
static pid_t holder(const char *script, int64_t term_in, int64_t kill_in, int session_fd)
{
    pid_t pid = fork();

    if (pid == 0) {
        start_with(script, term_in, kill_in, session_fd);
        for (;;)
            pause();
    }
    return pid;
}

/* P4, P1: and what left the group goes too. */
Test(keeper, ends_everything_when_its_holder_is_killed)
{
    pid_t h = holder("setsid sh -c 'echo $$ >stray; exec sleep 1000' & echo $$ >pid; while :; do sleep 0.05; done", -1, -1, -1);
    pid_t pid = await_pid("pid"), stray = await_pid("stray");

    kill(h, SIGKILL);
    waitpid(h, NULL, 0);
    await_dead(pid);
    await_dead(stray);
}

/* P4 */
Test(keeper, ends_it_in_time_when_its_holder_is_stopped)
{
    pid_t h = holder("trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done", 2000, 2200, -1);
    pid_t pid = await_pid("pid");

    kill(h, SIGSTOP);
    await_dead(pid);
    kill(h, SIGKILL);
    waitpid(h, NULL, 0);
}

/* P1: the session of an embedded store is a lock on a file; it must not be free before the group is dead. */
Test(keeper, the_session_outlives_its_holder_until_the_group_is_dead)
{
    int fd = open("session", O_RDWR | O_CREAT | O_CLOEXEC, 0600), other = open("session", O_RDWR | O_CLOEXEC);

    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    pid_t h = holder("trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done", -1, -1, fd);
    pid_t pid = await_pid("pid");
    close(fd);
    kill(h, SIGKILL);
    waitpid(h, NULL, 0);
    cr_assert_neq(flock(other, LOCK_EX | LOCK_NB), 0);
    cr_assert_not(is_dead(pid));
    cr_assert_eq(flock(other, LOCK_EX), 0);
    cr_assert(is_dead(pid));
    close(other);
}

Test(keeper, a_killed_keeper_takes_the_command_with_it)
{
    struct tg_keeper *k = start("sh -c 'echo $$ >inner; exec sleep 1000'; true");
    pid_t inner = await_pid("inner");

    kill(tg_keeper_pid(k), SIGKILL);
    ends(k, TG_KEEPER_VANISHED, 128 + SIGKILL);
    await_dead(inner);
}

Test(keeper, a_killed_keeper_leaves_nothing_that_left_the_group) /* P1: the permit is given back behind this */
{
    struct tg_keeper *k = start("setsid sh -c 'echo $$ >stray; exec sleep 1000' & wait");
    pid_t stray = await_pid("stray");

    kill(tg_keeper_pid(k), SIGKILL);
    ends(k, TG_KEEPER_VANISHED, 128 + SIGKILL);
    cr_assert(is_dead(stray));
}

Test(keeper, waits_for_what_works_on_in_the_background_of_the_group)
{
    struct stat st;

    ends(start("(sleep 0.5; echo done >late) & exit 3"), TG_KEEPER_EXITED, 3);
    cr_assert_eq(stat("late", &st), 0);
}

Test(keeper, lets_a_daemon_go_that_was_started)
{
    ends(start("setsid sh -c 'echo $$ >daemon; exec sleep 1000' >/dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.02; done"), TG_KEEPER_EXITED, 0);
    pid_t pid = await_pid("daemon");
    cr_assert_not(is_dead(pid));
    kill(pid, SIGKILL);
}

Test(keeper, forwards_signals_and_stops_when_asked)
{
    struct tg_keeper *k = start("trap 'exit 9' INT; echo $$ >pid; while :; do sleep 0.05; done");

    await_pid("pid");
    tg_keeper_signal(k, SIGINT);
    ends(k, TG_KEEPER_EXITED, 9);
    unlink("pid");
    k = start("trap 'exit 4' TERM; echo $$ >pid; while :; do sleep 0.05; done");
    await_pid("pid");
    tg_keeper_stop(k);
    ends(k, TG_KEEPER_ENDED, 4);
}

Test(keeper, the_command_inherits_neither_session_nor_socket)
{
    int fd = open("session", O_RDWR | O_CREAT, 0600); /* not even close-on-exec */
    struct stat st;

    ends(start_with("ls -l /proc/$$/fd >fds; grep -c -e session -e socket fds >count", -1, -1, fd), TG_KEEPER_EXITED, 1);
    cr_assert_eq(stat("fds", &st), 0);
    cr_assert_gt(st.st_size, 0);
    char text[16] = "";
    FILE *f = fopen("count", "r");
    cr_assert(fgets(text, sizeof text, f));
    fclose(f);
    cr_assert_str_eq(text, "0\n");
    close(fd);
}
