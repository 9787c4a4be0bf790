/*
 * The engine's own cost: a run without a transport, through the drive and the journal, in the store in memory, on a virtual clock.
 *
 *   bench_engine HOSTS RUNNING TOGETHER   RUNNING hosts at once, TOGETHER answers in one turn of the loop
 *
 * Prints: hosts, CPU µs a host, bytes of the journal and its snapshot a host as they lie in the store in the end, commits, greatest
 * memory in KB.
 */
#include "engine/drive.h"
#include "engine/pauses.h"
#include "engine/plan_internal.h"
#include "store/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WAIT_MS 2000

struct bench {
    struct tg_loop *loop;
    struct tg_timer *timer;
    struct tg_drive *drive;
    struct tg_run_event *waiting; /* answers, a ring */
    size_t first, n, cap, together;
    unsigned long commits;
};

static void must(int rc, const struct tg_error *e, const char *what)
{
    if (!rc)
        return;
    fprintf(stderr, "%s: %s\n", what, e->message);
    exit(1);
}

static struct tg_plan *make_plan(size_t hosts, int64_t running)
{
    struct tg_plan *plan = calloc(1, sizeof *plan);
    char name[64];

    plan->name = strdup("bench");
    plan->driver = strdup("none");
    plan->change = json_object();
    plan->transport = strdup("none");
    plan->targets = strdup("*");
    plan->running = running;
    plan->unverified = 2 * running;
    plan->failed = (struct tg_share) {TG_SHARE_COUNT, 0};
    plan->n_targets = plan->n_hosts = hosts;
    plan->n_stages = 1;
    plan->stages = calloc(1, sizeof *plan->stages);
    plan->stages[0] = (struct tg_plan_stage) {.name = strdup("all"), .count = hosts};
    plan->hosts = calloc(hosts, sizeof *plan->hosts);
    for (size_t i = 0; i < hosts; i++) {
        snprintf(name, sizeof name, "web%06zu.example.com", i + 1);
        plan->hosts[i].name = strdup(name);
    }
    return plan;
}

/* ---- hosts that answer at once, a few in each turn ---- */

static void on_timer(void *data)
{
    struct bench *b = data;

    for (size_t k = 0; k < b->together && b->n; k++, b->n--) {
        tg_drive_answer(b->drive, &b->waiting[b->first]);
        b->first = (b->first + 1) % b->cap;
    }
    if (b->n)
        tg_timer_start(b->timer, 1);
}

static int begin(void *data, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e)
{
    static const enum tg_run_event_kind answers[TG_DO_COUNT] = {
        [TG_DO_LOCK] = TG_EV_LOCKED, [TG_DO_CHECK] = TG_EV_GO, [TG_DO_APPLY] = TG_EV_APPLIED, [TG_DO_VERIFY] = TG_EV_VERIFIED, [TG_DO_UNLOCK] = TG_EV_UNLOCKED};
    struct bench *b = data;

    if (b->n == b->cap)
        return tg_fail(e, TG_E_BUG, "more at once than running");
    b->drive = drive;
    if (!b->n)
        tg_timer_start(b->timer, 1);
    b->waiting[(b->first + b->n++) % b->cap] = (struct tg_run_event) {.kind = answers[action->kind], .host = action->host, .stage = TG_RUN_NONE,
                                                                      .outcome = TG_OUTCOME_CHANGED, .changed = 3, .lock = action->kind == TG_DO_LOCK ? "L7K2QX" : NULL,
                                                                      .text = action->kind == TG_DO_APPLY ? "3 resources changed" : NULL};
    return 0;
}

static int on_commit(void *data, int committed)
{
    ((struct bench *) data)->commits += committed ? 1 : 0;
    return 0;
}

static double cpu_s(long *kb)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    *kb = u.ru_maxrss;
    return (double) u.ru_utime.tv_sec + (double) u.ru_utime.tv_usec / 1e6 + (double) u.ru_stime.tv_sec + (double) u.ru_stime.tv_usec / 1e6;
}

/* What lies in a folder of the run. */
static double folder_bytes(struct tg_store *store, const char *id, const char *folder)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_names names = {0};
    char path[256];
    double bytes = 0;

    snprintf(path, sizeof path, "/runs/%s/%s", id, folder);
    if (tg_store_list(store, path, tg_store_deadline(store, WAIT_MS), &names, &e) == TG_E_NOENT)
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        struct tg_node node = {0};
        snprintf(path, sizeof path, "/runs/%s/%s/%s", id, folder, names.names[i]);
        must(tg_store_read(store, path, tg_store_deadline(store, WAIT_MS), &node, &e), &e, "read");
        bytes += (double) node.len;
        tg_node_release(&node);
    }
    tg_names_release(&names);
    return bytes;
}

/* The journal, and what of it is folded into a snapshot. */
static double journal_bytes(struct tg_store *store, const char *id)
{
    return folder_bytes(store, id, "journal") + folder_bytes(store, id, "snapshot");
}

int main(int argc, char **argv)
{
    const struct tg_run_tokens tokens = {.own = "A", .all = "A"};
    struct bench b = {0};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store *store;
    struct tg_journal *j;
    struct tg_plan *made, *plan;
    struct tg_run *run;
    char id[TG_RUN_ID_SIZE];
    long kb;
    size_t hosts = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    int64_t running = argc > 2 ? strtol(argv[2], NULL, 10) : 500;

    b.together = argc > 3 ? strtoul(argv[3], NULL, 10) : 10;
    b.cap = 4 * (size_t) running;
    b.waiting = calloc(b.cap, sizeof *b.waiting);
    must(tg_loop_virtual(INT64_C(1795356000000), &b.loop, &e), &e, "loop");
    must(tg_timer_new(b.loop, on_timer, &b, &b.timer, &e), &e, "timer");
    const struct tg_store_options so = {.loop = b.loop, .url = "memory:bench", .session_ms = 600000};
    must(tg_store_open(&so, &store, &e), &e, "open");
    must(tg_store_connect(store, tg_store_deadline(store, WAIT_MS), &e), &e, "connect");
    must(tg_store_create(store, TG_PAUSES_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), &e), &e, "tree");
    must(tg_store_create(store, "/runs", "", 0, 0, tg_store_deadline(store, WAIT_MS), &e), &e, "tree");
    made = make_plan(hosts, running);
    must(tg_plan_seal(made, &e), &e, "seal");
    must(tg_journal_create(store, made, "bench", &tokens, tg_wall_ms(tg_loop_clock(b.loop)), WAIT_MS, id, &e), &e, "create");
    tg_plan_free(made);
    must(tg_journal_load(store, id, WAIT_MS, &j, &plan, &run, &e), &e, "load");
    const struct tg_drive_ports ports = {.data = &b, .begin = begin};
    const struct tg_drive_options o = {.journal = j, .run = run, .by = "bench", .ports = &ports, .data = &b, .crash = on_commit};
    double from = cpu_s(&kb);
    must(tg_drive(&o, &e), &e, "drive");
    double s = cpu_s(&kb) - from;
    if (tg_run_end(run) != TG_END_DONE)
        return 1;
    printf("%zu %.2f %.0f %lu %ld\n", hosts, s * 1e6 / (double) hosts, journal_bytes(store, id) / (double) hosts, b.commits, kb);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    tg_timer_free(b.timer);
    tg_store_close(store);
    tg_memory_forget("bench");
    tg_loop_free(b.loop);
    free(b.waiting);
    return 0;
}
