/* The http probe against a small server of the test's own, on a free port of loopback. */
#include <tagout/module.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t server;
static int port;
static char *metrics; /* what its Prometheus says, shared with the server: "now=JSON\nbefore=JSON\n" */
#define METRICS_SIZE 4096

static void serve_metric(int fd, const char *which)
{
    const char *at = strstr(metrics, which) + strlen(which) + 1;
    int status = strncmp(at, "503 ", 4) == 0 ? 503 : 200;
    size_t len = strcspn(at, "\n");

    dprintf(fd, "HTTP/1.1 %d OK\r\nContent-Length: %zu\r\n\r\n%.*s", status, len, (int) len, at);
}

/* Answers by path: /200, /503, /redirect, /endless, /silent, /garbage, and as a Prometheus. One process a connection. */
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
    } else if (strstr(request, "/api/v1/query?query="))
        serve_metric(fd, strstr(request, "&time=1795356000.001 ") ? "before" : "now");
    else
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
    metrics = mmap(NULL, METRICS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(metrics, MAP_FAILED);
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
    munmap(metrics, METRICS_SIZE);
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

Test(http, a_connection_is_enough_for_tcp)
{
    char to[64];

    snprintf(to, sizeof to, "tcp://127.0.0.1:%d", port);
    ask(to, "{}", 5000, TG_VERDICT_PASS, "connected");
    ask("tcp://127.0.0.1:1", "{}", 5000, TG_VERDICT_FAIL, "onnect");
}

#define VECTOR(value) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1.5,\"" value "\"]}]}}"
#define SCALAR(value) "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"" value "\"]}}"

static void metric(const char *now, const char *before, const char *options, enum tg_verdict verdict, const char *text)
{
    char all[512];

    snprintf(metrics, METRICS_SIZE, "now=%s\nbefore=%s\n", now, before);
    snprintf(all, sizeof all, "{\"query\":\"e{h=\\\"a b\\\"}\",\"before_ms\":1795356000001,%s}", options);
    ask("/", all, 5000, verdict, text);
}

Test(http, a_metric_is_compared_with_a_number)
{
    metric(VECTOR("4.5"), "", "\"below\":5", TG_VERDICT_PASS, "e{h=\"a b\"} is 4.5");
    metric(VECTOR("5"), "", "\"below\":5", TG_VERDICT_FAIL, "5, not below 5");
    metric(VECTOR("1e+06"), "", "\"below\":5.0", TG_VERDICT_FAIL, "1e+06, not below 5");
    metric(SCALAR("0.99"), "", "\"above\":0.98", TG_VERDICT_PASS, "0.99");
    metric(SCALAR("0.98"), "", "\"above\":0.98,\"below\":2", TG_VERDICT_FAIL, "0.98, not above 0.98");
}

Test(http, a_metric_is_compared_with_what_it_was)
{
    metric(VECTOR("12"), VECTOR("10"), "\"rise\":20000", TG_VERDICT_PASS, "12, and before the change 10");
    metric(VECTOR("13"), VECTOR("10"), "\"rise\":20000", TG_VERDICT_FAIL, "a rise of 30%, more than 20%");
    metric(VECTOR("1"), VECTOR("10"), "\"rise\":20000", TG_VERDICT_PASS, "1, and");
    metric(VECTOR("8"), VECTOR("10"), "\"fall\":10000", TG_VERDICT_FAIL, "a fall of 20%, more than 10%");
    metric(VECTOR("80"), VECTOR("10"), "\"fall\":10000", TG_VERDICT_PASS, "80, and");
    metric(VECTOR("-9"), VECTOR("-10"), "\"rise\":5000", TG_VERDICT_FAIL, "a rise of 10%");
    metric(VECTOR("0"), VECTOR("0"), "\"rise\":20000", TG_VERDICT_PASS, "0, and");
    metric(VECTOR("0.1"), VECTOR("0"), "\"rise\":20000", TG_VERDICT_FAIL, "0.1, and before the change 0");
    metric(VECTOR("11"), VECTOR("10"), "\"rise\":20000,\"below\":5", TG_VERDICT_FAIL, "11, not below 5");
}

/* P12: what is not known is no pass, and no failure of the host's either. */
Test(http, a_metric_that_tells_nothing_is_inconclusive)
{
    static const char none[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}";
    static const char two[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,\"1\"]},{\"value\":[1,\"1\"]}]}}";
    static const char part[] = "{\"status\":\"success\",\"warnings\":[\"a store is away\"],\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"1\"]}}";
    static const struct {
        const char *says, *text;
    } cases[] = {
        {none, "no data"}, {two, "2 series, not one"}, {part, "a warning: a store is away"}, {VECTOR("NaN"), "the value is NaN"},
        {VECTOR("+Inf"), "the value is +Inf"}, {VECTOR("1e999"), "the value is 1e999"}, {VECTOR(""), "the value is"}, {VECTOR("1 2"), "the value is 1 2"},
        {"{\"status\":\"error\",\"error\":\"parse error\"}", "parse error"}, {"503 no", "status 503"}, {"", "no answer of a Prometheus"},
        {"[]", "no answer of a Prometheus"}, {"{\"status\":\"success\"}", "something unknown"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", "the result is a matrix"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1]}]}}", "not to be read"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,1]}]}}", "not to be read"},
        {"{\"status\":\"succ", "no answer of a Prometheus"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        metric(cases[i].says, VECTOR("1"), "\"below\":5", TG_VERDICT_INCONCLUSIVE, cases[i].text);
        metric(VECTOR("1"), cases[i].says, "\"rise\":5000", TG_VERDICT_INCONCLUSIVE, cases[i].text);
    }
    metric(VECTOR("1"), none, "\"rise\":5000", TG_VERDICT_INCONCLUSIVE, "e{h=\"a b\"} before the change: no data");
    ask("http://127.0.0.1:1/", "{\"query\":\"up\",\"below\":1}", 5000, TG_VERDICT_INCONCLUSIVE, "onnect");
    ask("/silent", "{\"query\":\"up\",\"below\":1}", 300, TG_VERDICT_INCONCLUSIVE, "timed out");
    ask("/endless", "{\"query\":\"up\",\"below\":1}", 20000, TG_VERDICT_INCONCLUSIVE, "up: ");
}

Test(http, a_metric_compared_with_nothing_is_not_asked)
{
    static const char *const options[] = {"{\"query\":\"up\"}", "{\"query\":1,\"below\":1}", "{\"query\":\"up\",\"below\":\"1\"}",
                                          "{\"query\":\"up\",\"below\":null}", "{\"query\":\"up\",\"rise\":1000}"};
    const struct tg_probe_backend *http;
    struct tg_loop *loop;
    struct tg_probe_impl *p;

    cr_assert_eq(tg_probe_find("http", &http, NULL), 0);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert_eq(http->open(loop, &p, NULL), 0);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct seen s = {0};
        json_t *o = json_loads(options[i], 0, NULL);
        cr_assert_eq(http->ask(p, "http://127.0.0.1:1", o, 1000, on_answer, &s, NULL), TG_E_DATA, "%s", options[i]);
        json_decref(o);
    }
    http->close(p);
    tg_loop_free(loop);
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
