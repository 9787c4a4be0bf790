/*
 * One process: a store with so many hosts, each with an open request whose time has not come. Prints what a host's run-due takes of it beside one bare read on the
 * same session, how many round trips that are (on the store in memory, whose latency is made up: exactly), and how long it takes to list them all.
 * usage: bench_requests URL HOSTS STATE_DIR; the store was made by tagout init; memory:NAME makes its own. tests/bench/requests compares.
 */
#include "calendar/request_due.h"
#include "calendar/request_internal.h"
#include "store/cluster.h"
#include "store/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW INT64_C(1795368000000)
#define BATCH 256
#define ASKED 400

static struct tg_error why;

static void must(int rc, const char *what)
{
    if (!rc)
        return;
    fprintf(stderr, "%s: %d %s\n", what, rc, why.message);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void host_of(size_t i, char *out, size_t size)
{
    snprintf(out, size, "h%zu.example.com", i);
}

/* As a host would have it: one request, to be carried out next week. */
static char *text_of(const char *host, int64_t now_ms)
{
    struct tg_requests r;
    const struct tg_request_wish w = {.activity = "reboot", .owner = "root@host", .reason = "kernel 6.1.0-38", .boot = "", .disruptive = true, .estimate_ms = 600000};
    struct tg_request *q;
    enum tg_request_was was;

    must(tg_requests_init(&r, host, &why), "init");
    must(tg_requests_submit(&r, &w, now_ms, &was, &q, &why), "submit");
    q->state = TG_REQ_SCHEDULED;
    r.laid_ms = now_ms;
    const int64_t start = now_ms + 7 * INT64_C(86400000);
    r.visits[TG_VISIT_DISRUPTIVE] = (struct tg_visit) {.start_ms = start, .latest_ms = start + 3600000, .until_ms = start + 900000, .told_ms = now_ms, .uid = "x"};
    char *text = tg_requests_encode(&r);
    tg_requests_release(&r);
    return text;
}

static void make_tree(struct tg_store *s)
{
    struct tg_cluster cluster = {.id = "0123456789abcdef0123456789abcdef", .generation = 1, .state = TG_CLUSTER_LIVE};
    char *text = tg_cluster_encode(&cluster);
    struct tg_op ops[80] = {{.path = TG_CLUSTER_PATH, .data = text, .len = strlen(text)}, {.path = TG_REQUESTS_PATH, .data = ""}};

    must(tg_store_multi(s, ops, 2 + tg_tree_init_ops(ops + 2, 78), tg_store_deadline(s, 60000), NULL, &why), "tree");
    free(text);
}

static void fill(struct tg_store *s, size_t n, int64_t now_ms)
{
    struct tg_op ops[BATCH];
    char (*paths)[TG_NODE_PATH_SIZE] = malloc(BATCH * sizeof *paths), host[64];

    for (int b = 0; b < 256; b++) {
        snprintf(paths[0], sizeof paths[0], TG_REQUESTS_PATH "/%02x", (unsigned) b);
        must(tg_store_create(s, paths[0], "", 0, 0, tg_store_deadline(s, 60000), &why), paths[0]);
    }
    for (size_t at = 0; at < n; at += BATCH) {
        size_t some = n - at < BATCH ? n - at : BATCH;
        for (size_t i = 0; i < some; i++) {
            host_of(at + i, host, sizeof host);
            tg_requests_path(host, paths[i], sizeof paths[i]);
            char *text = text_of(host, now_ms);
            ops[i] = (struct tg_op) {.kind = TG_OP_CREATE, .path = paths[i], .data = text, .len = strlen(text)};
        }
        must(tg_store_multi(s, ops, some, tg_store_deadline(s, 60000), NULL, &why), "fill");
        for (size_t i = 0; i < some; i++)
            free((void *) (uintptr_t) ops[i].data);
    }
    free(paths);
}

static int no_when(void *self, struct tg_request_when *out, struct tg_error *e)
{
    (void) self;
    (void) out;
    return tg_fail(e, TG_E_BUG, "nothing was due, and the calendar was asked");
}

static void tell(void *self, const char *line)
{
    (void) self;
    fprintf(stderr, "%s\n", line);
}

static void ask(struct tg_guard *g, size_t i, const char *dir)
{
    char host[64], scope[80];
    const char *const text = scope;
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_activities none = {.n = 0};
    struct tg_due_report report;

    host_of(i, host, sizeof host);
    snprintf(scope, sizeof scope, "host:%s", host);
    must(tg_scopes_parse(&scopes, &text, 1, NULL, &why), scope);
    const struct tg_due d = {.guard = g, .scopes = &scopes, .host = host, .owner = "requests@h", .state_dir = dir, .boot = "b", .activities = &none, .when = no_when, .tell = tell};
    must(tg_requests_run_due(&d, &report, &why), host);
    if (!report.next_ms)
        must(TG_E_BUG, "no request was found");
    tg_scopes_release(&scopes);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double middle(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static int count(const struct tg_requests *r, void *data, struct tg_error *e)
{
    (void) e;
    *(size_t *) data += r->n;
    return 0;
}

static void measure(struct tg_guard *g, size_t n, const char *dir)
{
    static double due[ASKED], bare[ASKED];
    char host[64], path[TG_NODE_PATH_SIZE];
    size_t found = 0;

    for (size_t i = 0; i < ASKED; i++) {
        size_t which = i * 2654435761u % n;
        struct tg_node node;
        host_of(which, host, sizeof host);
        tg_requests_path(host, path, sizeof path);
        double begun = seconds();
        must(tg_store_read(g->store, path, tg_store_deadline(g->store, 20000), &node, &why), path);
        bare[i] = seconds() - begun;
        tg_node_release(&node);
        begun = seconds();
        ask(g, which, dir);
        due[i] = seconds() - begun;
    }
    double read = middle(bare, ASKED), took = middle(due, ASKED), begun = seconds();
    printf("run-due   %.3f ms (median of %d), %.2f bare reads of %.3f ms\n", took * 1e3, ASKED, took / read, read * 1e3);
    must(tg_requests_walk(g, NULL, count, NULL, &found, &why), "walk");
    printf("list      %zu requests in %.2f s\n", found, seconds() - begun);
}

static void count_round_trips(struct tg_guard *g, struct tg_loop *loop, size_t n, const char *dir)
{
    const struct tg_clock *clock = tg_loop_clock(loop);

    tg_memory_latency(g->store, 10, 10);
    int64_t begun = tg_mono_ms(clock);
    uint64_t sent = tg_memory_requests(g->store);
    ask(g, n / 2, dir);
    printf("run-due   %.2f round trips, %llu reads in them, of %zu hosts\n", (double) (tg_mono_ms(clock) - begun) / 20, (unsigned long long) (tg_memory_requests(g->store) - sent), n);
}

int main(int argc, char **argv)
{
    bool memory = argc == 4 && strncmp(argv[1], "memory:", 7) == 0;
    size_t n = argc == 4 ? (size_t) strtoull(argv[2], NULL, 10) : 0;
    struct tg_loop *loop;

    if (!n)
        return fprintf(stderr, "usage: bench_requests URL HOSTS STATE_DIR\n"), 64;
    must(memory ? tg_loop_virtual(NOW, &loop, &why) : tg_loop_new(&loop, &why), "loop");
    struct tg_guard g = {.timeout_ms = 60000};
    struct tg_store_options o = {.loop = loop, .url = argv[1], .session_ms = 30000, .flags = memory ? TG_STORE_CREATE : TG_STORE_EXISTING};
    must(tg_store_open(&o, &g.store, &why), argv[1]);
    must(tg_store_connect(g.store, tg_store_deadline(g.store, 20000), &why), argv[1]);
    if (memory)
        make_tree(g.store);
    double begun = seconds();
    fill(g.store, n, tg_wall_ms(tg_loop_clock(loop)));
    if (memory)
        count_round_trips(&g, loop, n, argv[3]);
    else
        printf("filled    %zu hosts in %.1f s\n", n, seconds() - begun);
    if (!memory)
        measure(&g, n, argv[3]);
    tg_store_close(g.store);
    if (memory)
        tg_memory_forget(argv[1] + 7);
    tg_loop_free(loop);
    return 0;
}
