/*
 * A run over many hosts that all do well, driven by the engine itself with hosts that answer at once: what the machine, the drive and the
 * journal cost a host, what stays in the store, and how long taking it up again takes.
 *
 *   bench_journal URL HOSTS [RUNNING]     one line of figures a phase; the run stays in the store, half way if HALF is set in the environment. With
 *                                         TROUBLE=N each N-th host is held by somebody else
 */
#include "../lib/plan.h"
#include "engine/drive.h"
#include "engine/plan_internal.h"

#include <sys/resource.h>
#include <time.h>

#define WAIT_MS 20000

static void must(int rc, const struct tg_error *e, const char *what)
{
    if (!rc)
        return;
    fprintf(stderr, "bench_journal: %s: %s\n", what, e->message);
    exit(1);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double wall_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static size_t answered, stop_at, trouble;

static int begin(void *data, struct tg_drive *drive, const struct tg_run_action *a, struct tg_error *e)
{
    static const enum tg_run_event_kind good[TG_DO_COUNT] = {[TG_DO_LOCK] = TG_EV_LOCKED, [TG_DO_CHECK] = TG_EV_GO, [TG_DO_APPLY] = TG_EV_APPLIED,
                                                             [TG_DO_VERIFY] = TG_EV_VERIFIED, [TG_DO_UNLOCK] = TG_EV_UNLOCKED};
    struct tg_run_event event = {.kind = good[a->kind], .host = a->host, .stage = TG_RUN_NONE, .outcome = TG_OUTCOME_CHANGED, .changed = 1, .lock = "L7K2QXABCDEFGH"};

    char text[160];

    (void) data;
    if (trouble && a->kind == TG_DO_LOCK && a->host % trouble == trouble - 1) {
        snprintf(text, sizeof text, "h%zu is held by bob@ops%zu: TAGOUT-HELD lock=L7K2QX scope=host:h%zu", a->host, a->host % 3, a->host);
        event = (struct tg_run_event) {.kind = TG_EV_LOCK_REFUSED, .host = a->host, .stage = TG_RUN_NONE, .text = text};
    }
    if (stop_at && a->kind == TG_DO_UNLOCK && ++answered >= stop_at)
        return tg_fail(e, TG_E_CANCELLED, "half way");
    tg_drive_answer(drive, &event);
    return 0;
}

static struct tg_store *open_store(struct tg_loop *loop, const char *url)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store_options o = {.loop = loop, .url = url, .session_ms = 30000, .flags = TG_STORE_CREATE};
    struct tg_store *store;

    must(tg_store_open(&o, &store, &e), &e, "open");
    must(tg_store_connect(store, tg_store_deadline(store, WAIT_MS), &e), &e, "connect");
    if (tg_store_create(store, "/runs", "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL) == 0)
        fprintf(stderr, "bench_journal: made /runs\n");
    return store;
}

static void count_nodes(struct tg_store *store, const char *id, const char *below, size_t *nodes, size_t *bytes)
{
    char path[256];
    struct tg_names names;
    struct tg_node node;

    snprintf(path, sizeof path, "/runs/%s/%s", id, below);
    if (tg_store_list(store, path, tg_store_deadline(store, WAIT_MS), &names, NULL))
        return;
    *nodes += names.count;
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "/runs/%s/%s/%s", id, below, names.names[i]);
        if (tg_store_read(store, path, tg_store_deadline(store, WAIT_MS), &node, NULL))
            continue;
        *bytes += node.len;
        tg_node_release(&node);
    }
    tg_names_release(&names);
}

static void drive(struct tg_store *store, const char *id, size_t hosts)
{
    const struct tg_drive_ports ports = {.begin = begin};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    double wall = wall_s(), cpu = cpu_s();

    must(tg_journal_load(store, id, WAIT_MS, &j, &plan, &run, &e), &e, "load");
    printf("load      %zu hosts: %.2f s, %.2f s of CPU\n", hosts, wall_s() - wall, cpu_s() - cpu);
    wall = wall_s();
    cpu = cpu_s();
    struct tg_drive_options o = {.journal = j, .run = run, .by = "alice@ops1", .ports = &ports};
    int rc = tg_drive(&o, &e);
    if (rc && !(rc == TG_E_CANCELLED && stop_at))
        must(rc, &e, "drive");
    size_t nodes = 0, bytes = 0;
    printf("drive     %.1f s, %.1f s of CPU: %.1f us a host; %lld lines\n", wall_s() - wall, cpu_s() - cpu, (cpu_s() - cpu) * 1e6 / (double) hosts,
           (long long) j->lines);
    count_nodes(store, id, "journal", &nodes, &bytes);
    count_nodes(store, id, "snapshot", &nodes, &bytes);
    printf("left      %zu nodes, %.1f bytes a host, folded %u times\n", nodes, (double) bytes / (double) hosts, j->folds);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

int main(int argc, char **argv)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_loop *loop;
    char id[TG_RUN_ID_SIZE];
    const struct tg_run_tokens tokens = {.own = "A", .all = "A"};

    if (argc < 3) {
        fprintf(stderr, "usage: bench_journal URL HOSTS [RUNNING]\n");
        return 64;
    }
    size_t hosts = strtoul(argv[2], NULL, 10);
    struct tg_plan *plan = test_plan((struct test_stage[]) {{1, false, 0, {0}}, {hosts - 1, false, 0, {0}}}, 2, argc > 3 ? atoi(argv[3]) : 50, 10);
    trouble = getenv("TROUBLE") ? strtoul(getenv("TROUBLE"), NULL, 10) : 0;
    stop_at = getenv("HALF") && getenv("HALF")[0] ? hosts / 2 : 0;
    must(tg_loop_new(&loop, &e), &e, "loop");
    struct tg_store *store = open_store(loop, argv[1]);
    must(tg_plan_seal(plan, &e), &e, "seal");
    must(tg_journal_create(store, plan, "alice@ops1", &tokens, tg_wall_ms(tg_loop_clock(loop)), WAIT_MS, id, &e), &e, "create");
    printf("run       %s\n", id);
    drive(store, id, hosts);
    double wall = wall_s(), cpu = cpu_s();
    struct tg_journal *j;
    struct tg_plan *read;
    struct tg_run *run;
    must(tg_journal_load(store, id, WAIT_MS, &j, &read, &run, &e), &e, "load again");
    printf("again     %.2f s, %.2f s of CPU; %zu bytes of snapshot, %zu of lines behind it\n", wall_s() - wall, cpu_s() - cpu, j->snapshot.bytes, j->tail_bytes);
    tg_run_free(run);
    tg_plan_free(read);
    tg_journal_free(j);
    tg_store_close(store);
    tg_plan_free(plan);
    tg_loop_free(loop);
    return 0;
}
