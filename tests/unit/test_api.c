/* libtagout against agents of all kinds: an honest one, and such as hang, lie, or talk nonsense. Anything but a sound GO is no GO (P2). */
#define _GNU_SOURCE
#include <tagout/tagout.h>

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Layouts and numbers that programs were built with (P12 for those who can't be rebuilt). Mending this test is a new major version. */
_Static_assert(TAGOUT_GO == 0 && TAGOUT_USAGE == 64 && TAGOUT_UNKNOWN == 69 && TAGOUT_HELD == 75, "answers");
#if defined(__LP64__)
_Static_assert(sizeof(struct tagout_ask) == 72, "size");
_Static_assert(offsetof(struct tagout_ask, size) == 0 && offsetof(struct tagout_ask, actor) == 8 && offsetof(struct tagout_ask, scopes) == 16 &&
               offsetof(struct tagout_ask, n_scopes) == 24 && offsetof(struct tagout_ask, tokens) == 32 && offsetof(struct tagout_ask, what) == 40 &&
               offsetof(struct tagout_ask, owner) == 48 && offsetof(struct tagout_ask, timeout_ms) == 56 && offsetof(struct tagout_ask, socket) == 64, "offsets");
#endif

static char folder[64], path[96], program[96];
static pid_t server;

/* Answers the n-th line of a connection with the n-th of answers; NULL: hangs up. "-": says nothing. */
static void serve(int listener, const char *const *answers)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char c;
        for (size_t i = 0; fd >= 0; i++) {
            while (read(fd, &c, 1) == 1 && c != '\n')
                ;
            if (!answers[i])
                break;
            if (strcmp(answers[i], "-") == 0)
                pause();
            if (write(fd, answers[i], strlen(answers[i])) < 0)
                break;
        }
        if (fd >= 0)
            close(fd);
    }
}

static void agent(const char *const *answers)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    unlink(path);
    cr_assert_eq(bind(listener, (struct sockaddr *) &at, sizeof at), 0);
    cr_assert_eq(listen(listener, 8), 0);
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, answers);
    }
    close(listener);
}

static void end_agent(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
}

/* Stands for the program: prints what it is told to. */
static void make_program(const char *text)
{
    FILE *f = fopen(program, "w");

    fprintf(f, "#!/bin/sh\n%s\n", text);
    fclose(f);
    cr_assert_eq(chmod(program, 0755), 0);
    setenv("TAGOUT_PROGRAM", program, 1);
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-api.XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/agent.sock", folder);
    snprintf(program, sizeof program, "%s/program", folder);
    setenv("TAGOUT_PROGRAM", "/nonexistent/tagout", 1);
    unsetenv("TAGOUT_TOKEN");
}

static void teardown(void)
{
    char command[128];

    end_agent();
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static const char *const host[] = {"host:web1.example.com"};

static struct tagout_ask question(void)
{
    struct tagout_ask ask = TAGOUT_ASK_INIT;

    ask.actor = "autoscaler";
    ask.scopes = host;
    ask.n_scopes = 1;
    ask.socket = path;
    ask.timeout_ms = 1000;
    return ask;
}

static int check(struct tagout_verdict **out)
{
    struct tagout_ask ask = question();

    return tagout_check(&ask, out);
}

#define GO "{\"v\":1,\"ok\":true,\"answer\":\"go\",\"line\":\"\",\"explain\":\"Go.\\n\",\"exit\":0,\"via\":\"agent\"}\n"
#define PERMIT "{\"v\":1,\"ok\":true,\"answer\":\"go\",\"line\":\"\",\"permit\":\"P1\",\"fence\":\"1:42\",\"good-for-ms\":60000}\n"
#define ATEST(name) Test(api, name, .init = setup, .fini = teardown)

ATEST(the_agents_word_is_passed_on)
{
    static const char *const go[] = {GO, NULL}, *const held[] = {"{\"v\":1,\"ok\":true,\"answer\":\"held\",\"line\":\"TAGOUT-HELD lock=L7K2QX\",\"explain\":\"x\"}\n", NULL};
    struct tagout_verdict *v;

    agent(go);
    cr_assert_eq(check(&v), TAGOUT_GO);
    cr_assert_str_eq(tagout_verdict_line(v), "");
    cr_assert_str_eq(tagout_verdict_explain(v), "Go.\n");
    cr_assert(strstr(tagout_verdict_json(v), "\"via\":\"agent\""));
    tagout_verdict_free(v);
    cr_assert_eq(check(NULL), TAGOUT_GO);
    end_agent();
    agent(held);
    cr_assert_eq(check(&v), TAGOUT_HELD);
    cr_assert_str_eq(tagout_verdict_line(v), "TAGOUT-HELD lock=L7K2QX");
    tagout_verdict_free(v);
}

ATEST(nonsense_from_the_agent_is_no_go)
{
    static const char *const words[][2] = {
        {"\n"}, {"go\n"}, {"[]\n"}, {"{}\n"}, {"{\"ok\":true}\n"}, {"{\"ok\":true,\"answer\":\"GO\"}\n"}, {"{\"ok\":\"true\",\"answer\":\"go\"}\n"},
        {"{\"ok\":false,\"answer\":\"go\"}\n"}, {"{\"ok\":true,\"answer\":\"go\",\"answer\":\"held\"}\n"}, {"{\"ok\":true,\"answer\":0}\n"}, {NULL},
        {"{\"ok\":true,\"answer\":\"go\"}\n{\"ok\":true,\"answer\":\"go\"}\n"},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct tagout_verdict *v;
        agent(words[i]);
        cr_assert_eq(check(&v), TAGOUT_UNKNOWN, "%s", words[i][0]);
        cr_assert(strncmp(tagout_verdict_line(v), "TAGOUT-UNKNOWN cause=", 21) == 0, "%s: %s", words[i][0], tagout_verdict_line(v));
        tagout_verdict_free(v);
        end_agent();
    }
}

ATEST(a_mistake_in_the_question_is_told)
{
    static const char *const usage[] = {"{\"v\":1,\"ok\":false,\"error\":{\"code\":\"usage\",\"message\":\"there is no group wbe\",\"hint\":\"web?\"}}\n", NULL};
    static const char *const option[] = {"--force"};
    struct tagout_ask ask = question(), none = TAGOUT_ASK_INIT;
    struct tagout_verdict *v;

    agent(usage);
    cr_assert_eq(check(&v), TAGOUT_USAGE);
    cr_assert_str_eq(tagout_verdict_line(v), "there is no group wbe");
    tagout_verdict_free(v);
    cr_assert_eq(tagout_check(&none, NULL), TAGOUT_USAGE);
    cr_assert_eq(tagout_check(NULL, NULL), TAGOUT_USAGE);
    ask.size = 3;
    cr_assert_eq(tagout_check(&ask, NULL), TAGOUT_USAGE);
    ask = question();
    ask.scopes = option; /* never an option of a program */
    cr_assert_eq(tagout_check(&ask, NULL), TAGOUT_USAGE);
    ask = question();
    ask.n_scopes = 65;
    cr_assert_eq(tagout_check(&ask, NULL), TAGOUT_USAGE);
}

/* A program of the past: its question ends before the socket. */
ATEST(a_shorter_question_has_the_defaults)
{
    struct tagout_ask ask = question();

    ask.size = offsetof(struct tagout_ask, socket);
    setenv("TAGOUT_AGENT_SOCKET", path, 1);
    static const char *const go[] = {GO, NULL};
    agent(go);
    cr_assert_eq(tagout_check(&ask, NULL), TAGOUT_GO);
    unsetenv("TAGOUT_AGENT_SOCKET");
}

ATEST(without_an_agent_the_program_is_asked)
{
    struct tagout_verdict *v;

    cr_assert_eq(check(&v), TAGOUT_UNKNOWN); /* nor is there a program */
    cr_assert(strstr(tagout_verdict_line(v), "cause=no-program"), "%s", tagout_verdict_line(v));
    tagout_verdict_free(v);
    make_program("echo '{\"answer\":\"go\"}'");
    cr_assert_eq(check(NULL), TAGOUT_GO);
    make_program("echo 'TAGOUT-HELD lock=L7K2QX reason=\"x\"' >&2; echo '{\"answer\":\"held\"}'; exit 75");
    cr_assert_eq(check(&v), TAGOUT_HELD);
    cr_assert_str_eq(tagout_verdict_line(v), "TAGOUT-HELD lock=L7K2QX reason=\"x\"");
    tagout_verdict_free(v);
    make_program("echo '{\"answer\":\"go\"}'; exit 75"); /* two words */
    cr_assert_eq(check(NULL), TAGOUT_UNKNOWN);
    make_program("exit 0");
    cr_assert_eq(check(NULL), TAGOUT_UNKNOWN);
    make_program("echo '{\"answer\":\"go\"}'; kill -9 $$");
    cr_assert_eq(check(NULL), TAGOUT_UNKNOWN);
    make_program("sleep 100");
    cr_assert_eq(check(NULL), TAGOUT_UNKNOWN);
    make_program("test \"$TAGOUT_TOKEN\" = SECRET && test $# = 8 && echo '{\"answer\":\"go\"}'");
    struct tagout_ask ask = question();
    ask.tokens = "SECRET";
    setenv("TAGOUT_TOKEN", "OTHER", 1);
    cr_assert_eq(tagout_check(&ask, NULL), TAGOUT_GO);
}

ATEST(a_hung_agent_leaves_time_for_the_program)
{
    static const char *const hang[] = {"-", NULL};

    agent(hang);
    cr_assert_eq(check(NULL), TAGOUT_UNKNOWN);
    make_program("echo '{\"answer\":\"go\"}'");
    cr_assert_eq(check(NULL), TAGOUT_GO);
}

ATEST(a_permit_lives_as_long_as_the_agent_says) /* P4 */
{
    static const char *const answers[] = {PERMIT, "{\"v\":1,\"ok\":true,\"good-for-ms\":50000}\n", "{\"v\":1,\"ok\":false,\"error\":{\"code\":\"session\"}}\n",
                                          "{\"v\":1,\"ok\":true,\"good-for-ms\":50000}\n", NULL};
    struct tagout_ask ask = question();
    struct tagout_permit *p;

    agent(answers);
    cr_assert_eq(tagout_permit_take(&ask, &p, NULL), TAGOUT_GO);
    cr_assert_str_eq(tagout_permit_fence(p), "1:42");
    cr_assert_str_eq(tagout_permit_name(p), "1:42:P1");
    cr_assert_gt(tagout_permit_good_for_ms(p), 50000);
    cr_assert_eq(tagout_permit_alive(p), TAGOUT_GO);
    cr_assert_leq(tagout_permit_good_for_ms(p), 50000);
    cr_assert_eq(tagout_permit_alive(p), TAGOUT_UNKNOWN);
    cr_assert_eq(tagout_permit_good_for_ms(p), 0);
    cr_assert_eq(tagout_permit_alive(p), TAGOUT_UNKNOWN); /* lost stays lost */
    tagout_permit_release(p);
}

ATEST(a_permit_ends_with_its_time_and_with_its_agent) /* P4 */
{
    static const char *const brief[] = {"{\"v\":1,\"ok\":true,\"answer\":\"go\",\"permit\":\"P1\",\"fence\":\"1:42\",\"good-for-ms\":120}\n", "-", NULL},
                      *const once[] = {PERMIT, NULL};
    struct tagout_ask ask = question();
    struct tagout_permit *p;

    agent(brief);
    cr_assert_eq(tagout_permit_take(&ask, &p, NULL), TAGOUT_GO);
    while (tagout_permit_good_for_ms(p) > 0)
        (void) poll(NULL, 0, 10);
    cr_assert_eq(tagout_permit_alive(p), TAGOUT_UNKNOWN);
    tagout_permit_release(p);
    end_agent();
    agent(once);
    cr_assert_eq(tagout_permit_take(&ask, &p, NULL), TAGOUT_GO);
    end_agent();
    cr_assert_eq(tagout_permit_alive(p), TAGOUT_UNKNOWN);
    tagout_permit_release(p);
    tagout_permit_release(NULL);
}

ATEST(no_sound_permit_is_no_permit)
{
    static const char *const words[][2] = {
        {GO}, {"{\"ok\":true,\"answer\":\"go\",\"permit\":\"P1\",\"fence\":\"1:42\"}\n"}, {"{\"ok\":true,\"answer\":\"go\",\"permit\":\"P1\",\"fence\":\"1:42\",\"good-for-ms\":0}\n"},
        {"{\"ok\":true,\"answer\":\"go\",\"permit\":\"P1\",\"fence\":\"1:42\",\"good-for-ms\":\"60000\"}\n"}, {"{\"ok\":true,\"answer\":\"go\",\"permit\":\"P1\",\"good-for-ms\":60000}\n"},
        {"{\"ok\":true,\"answer\":\"held\",\"line\":\"TAGOUT-HELD\",\"permit\":\"P1\",\"fence\":\"1:42\",\"good-for-ms\":60000}\n"}, {"-"}, {NULL}, {"x\n"},
    };
    struct tagout_ask ask = question();
    struct tagout_permit *p;
    struct tagout_verdict *v;

    cr_assert_eq(tagout_permit_take(&ask, &p, &v), TAGOUT_UNKNOWN); /* nobody listens */
    cr_assert(strstr(tagout_verdict_line(v), "cause=no-agent"), "%s", tagout_verdict_line(v));
    cr_assert(strstr(tagout_verdict_explain(v), "tagout exec"), "%s", tagout_verdict_explain(v));
    tagout_verdict_free(v);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        p = (struct tagout_permit *) &ask;
        agent(words[i]);
        cr_assert_neq(tagout_permit_take(&ask, &p, NULL), TAGOUT_GO, "%s", words[i][0]);
        cr_assert_null(p, "%s", words[i][0]);
        end_agent();
    }
}
