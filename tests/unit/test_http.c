/* The http probe against a small server of the test's own, on a free port of loopback. */
#include <tagout/module.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t server;
static int port;

/* Answers by path: /200, /503, /redirect, /endless, /silent, /garbage. One process a connection. */
static void serve(int fd)
{
    char request[2048] = "", page[4096];
    ssize_t n = read(fd, request, sizeof request - 1);

    if (n <= 0)
        _exit(0);
    if (strstr(request, "GET /503"))
        dprintf(fd, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    else if (strstr(request, "GET /redirect"))
        dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: /200\r\nContent-Length: 0\r\n\r\n");
    else if (strstr(request, "GET /silent"))
        pause();
    else if (strstr(request, "GET /garbage"))
        dprintf(fd, "\x01\x02nonsense\r\n\r\n");
    else if (strstr(request, "GET /endless")) {
        dprintf(fd, "HTTP/1.1 200 OK\r\n\r\nready");
        memset(page, 'x', sizeof page);
        for (int i = 0; i < 20000 && write(fd, page, sizeof page) > 0; i++)
            ;
    } else
        dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall ready");
    _exit(0);
}

static void set_up(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
    cr_assert_eq(listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *) &a, &len);
    port = ntohs(a.sin_port);
    if ((server = fork()) == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int c = accept(fd, NULL, NULL);
            if (c >= 0 && fork() == 0)
                serve(c);
            close(c);
        }
    }
    setpgid(server, server);
    close(fd);
}

static void tear_down(void)
{
    kill(-server, SIGKILL);
    waitpid(server, NULL, 0);
}

TestSuite(http, .init = set_up, .fini = tear_down, .timeout = 60);

struct seen {
    int calls;
    enum tg_verdict verdict;
    char text[512];
};

static void on_answer(void *data, enum tg_verdict verdict, const char *text)
{
    struct seen *s = data;

    s->calls++;
    s->verdict = verdict;
    snprintf(s->text, sizeof s->text, "%s", text);
}

static void ask(const char *path, const char *options, int64_t timeout_ms, enum tg_verdict verdict, const char *text)
{
    const struct tg_probe_backend *http;
    struct tg_loop *loop;
    struct tg_probe_impl *p;
    struct tg_error e = TG_ERROR_INIT;
    struct seen s = {0};
    char url[128];
    json_t *o = json_loads(options, 0, NULL);

    cr_assert_eq(tg_probe_find("http", &http, &e), 0, "%s", e.message);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert_eq(http->open(loop, &p, NULL), 0);
    if (path[0] == '/')
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    else
        snprintf(url, sizeof url, "%s", path);
    cr_assert_eq(http->ask(p, url, o, timeout_ms, on_answer, &s, &e), 0, "%s", e.message);
    while (!s.calls)
        tg_loop_turn(loop, 1000);
    cr_assert_eq(s.verdict, verdict, "%s: %s", path, s.text);
    cr_assert(strstr(s.text, text), "%s: %s", path, s.text);
    http->close(p);
    cr_assert_eq(s.calls, 1);
    tg_loop_free(loop);
    json_decref(o);
}

Test(http, judges_by_status_and_content)
{
    ask("/200", "{}", 5000, TG_VERDICT_PASS, "200");
    ask("/200", "{\"expect\": [200, 204]}", 5000, TG_VERDICT_PASS, "200");
    ask("/200", "{\"expect\": 204}", 5000, TG_VERDICT_FAIL, "200 on http://127.0.0.1");
    ask("/503", "{\"expect\": 200}", 5000, TG_VERDICT_FAIL, "503");
    ask("/200", "{\"contains\": \"ready\"}", 5000, TG_VERDICT_PASS, "200");
    ask("/200", "{\"contains\": \"healthy\"}", 5000, TG_VERDICT_FAIL, "without \"healthy\"");
    ask("/redirect", "{}", 5000, TG_VERDICT_FAIL, "302");
    ask("/redirect", "{\"follow\": true}", 5000, TG_VERDICT_PASS, "200");
}

Test(http, bad_servers_are_failures_in_time)
{
    ask("/silent", "{}", 300, TG_VERDICT_FAIL, "timed out");
    ask("/garbage", "{}", 5000, TG_VERDICT_FAIL, "http://127.0.0.1");
    ask("/endless", "{\"contains\": \"ready\"}", 20000, TG_VERDICT_PASS, "200");
    ask("http://127.0.0.1:1/", "{}", 5000, TG_VERDICT_FAIL, "onnect");
}

Test(http, closing_answers_what_is_outstanding)
{
    const struct tg_probe_backend *http;
    struct tg_loop *loop;
    struct tg_probe_impl *p;
    struct seen s = {0};
    char url[64];

    cr_assert_eq(tg_probe_find("http", &http, NULL), 0);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert_eq(http->open(loop, &p, NULL), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/silent", port);
    cr_assert_eq(http->ask(p, url, NULL, 30000, on_answer, &s, NULL), 0);
    for (int i = 0; i < 10; i++)
        tg_loop_turn(loop, 10);
    cr_assert_eq(s.calls, 0);
    http->close(p);
    cr_assert_geq(s.calls, 1);
    cr_assert_eq(s.verdict, TG_VERDICT_INCONCLUSIVE);
    tg_loop_free(loop);
}
