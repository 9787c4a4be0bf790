/*
 * For tests/bench/agent.
 *
 *   bench_agent ask SOCKET N               N checks over one connection: prints the median and the 99th percentile in µs
 *   bench_agent agents URL FIRST COUNT     COUNT agents "hostNNNN" on one loop, each with a session of its own, until SIGTERM; prints "ready"
 *                                          when all of them know the store
 *   bench_agent locks URL COUNT            places COUNT locks on hosts that nobody has
 */
#include "agent/agent.h"
#include "agent/client.h"
#include "agent/internal.h"
#include "config/site.h"
#include "guard/lock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void) number;
    ended = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return x < y ? -1 : x > y;
}

static int fail(const char *what, const struct tg_error *e)
{
    fprintf(stderr, "%s: %s\n", what, e->message);
    return 1;
}

static int ask(const char *path, long n)
{
    static const char line[] = "{\"v\":1,\"op\":\"check\",\"actor\":\"reboot\"}\n";
    static char answer[65536];
    struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
    struct tg_error e = TG_ERROR_INIT;
    int64_t *took = calloc((size_t) n, sizeof *took), deadline = tg_mono_ms(tg_clock_real()) + 60000;

    if (!took || tg_agent_connect(path, deadline, &c, &e) != 0)
        return fail("connect", &e);
    for (long i = 0; i < n; i++) {
        int64_t from = now_ns();
        if (tg_agent_ask(&c, line, sizeof line - 1, answer, sizeof answer, deadline, &e) != 0)
            return fail("ask", &e);
        took[i] = now_ns() - from;
        if (!strstr(answer, "\"via\":\"agent\"") || !strstr(answer, "\"as-of-ms\""))
            return fprintf(stderr, "no answer from the picture: %s\n", answer), 1;
    }
    qsort(took, (size_t) n, sizeof *took, by_value);
    printf("%.1f %.1f\n", (double) took[n / 2] / 1000, (double) took[n * 99 / 100] / 1000);
    tg_agent_disconnect(&c);
    free(took);
    return 0;
}

static bool all_sure(struct tg_agent **agents, long n)
{
    for (long i = 0; i < n; i++)
        if (!tg_agent_is_sure(agents[i]))
            return false;
    return true;
}

static int agents(char *url, long first, long n)
{
    static const struct tg_duty *const none[] = {NULL};
    struct tg_config config = {.store = url, .session_ms = 30000};
    struct tg_agent **v = calloc((size_t) n, sizeof(struct tg_agent *));
    struct tg_loop *loop = NULL;
    struct tg_error e = TG_ERROR_INIT;
    bool told = false;

    if (!v || tg_loop_new(&loop, &e) != 0)
        return fail("loop", &e);
    for (long i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "host%04ld", first + i);
        struct tg_agent_options o = {.loop = loop, .config = &config, .host = name, .duties = none, .listen_fd = -1, .flags = TG_AGENT_STATELESS};
        if (tg_agent_new(&o, &v[i], &e) != 0)
            return fail("agent", &e);
    }
    while (!ended) {
        (void) tg_loop_turn(loop, 20);
        for (long i = 0; i < n; i++)
            tg_agent_step(v[i]);
        if (!told && all_sure(v, n)) {
            told = true;
            puts("ready");
            fflush(stdout);
        }
    }
    for (long i = 0; i < n; i++)
        tg_agent_free(v[i]);
    free(v);
    tg_loop_free(loop);
    return 0;
}

static int locks(const char *url, long n)
{
    struct tg_loop *loop = NULL;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_guard g = {.timeout_ms = 60000};

    if (tg_loop_new(&loop, &e) != 0)
        return fail("loop", &e);
    struct tg_store_options o = {.loop = loop, .url = url};
    if (tg_store_open(&o, &g.store, &e) != 0)
        return fail("open", &e);
    for (long i = 0; i < n; i++) {
        char text[64];
        const char *const texts[] = {text};
        struct tg_scopes scopes = TG_SCOPES_INIT;
        struct tg_lock l;
        snprintf(text, sizeof text, "host:elsewhere%05ld", i);
        struct tg_lock_request r = {.scopes = &scopes, .owner = "bench@ops1", .reason = "bench", .for_ms = 3600000};
        if (tg_scopes_parse(&scopes, texts, 1, NULL, &e) != 0 || tg_lock_place(&g, &r, &l, &e) != 0)
            return fail(text, &e);
        tg_lock_clear(&l);
        tg_scopes_release(&scopes);
    }
    tg_store_close(g.store);
    tg_loop_free(loop);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "ask") == 0)
        return ask(argv[2], strtol(argv[3], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "agents") == 0)
        return agents(argv[2], strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "locks") == 0)
        return locks(argv[2], strtol(argv[3], NULL, 10));
    fputs("usage: bench_agent ask SOCKET N | agents URL FIRST COUNT | locks URL COUNT\n", stderr);
    return 64;
}
