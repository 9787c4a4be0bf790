/*
 * One process: a plan for a generated fleet, from the text of its inventory to the text that people read. Prints hosts, CPU seconds of reading the inventory,
 * of compiling and of the text, and peak KB. tests/bench/plan compares.
 *   bench_plan HOSTS STAGES     STAGES as in a rollout: canary, shards …
 */
#include "config/problems.h"
#include "engine/plan_text.h"
#include "fleet/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RACK 40
#define ZONES 5

static struct rusage usage;

static double cpu_seconds(void)
{
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Racks of 40 in five zones; one host in ten is a database. */
static void write_fleet(size_t n, struct tg_buf *out)
{
    size_t racks = (n + RACK - 1) / RACK;

    tg_buf_puts(out, "groups:\n");
    for (size_t r = 0; r < racks; r++) {
        size_t first = r * RACK + 1, last = first + RACK - 1 < n ? first + RACK - 1 : n;
        tg_buf_printf(out, "  rack%zu: {hosts: \"web[%07zu-%07zu].example.com\", attrs: {rack: r%zu, az: az%zu, role: %s}}\n", r, first, last, r, r * ZONES / racks,
                      r % 10 ? "web" : "db");
    }
}

static void write_rollout(const char *stages, struct tg_buf *out)
{
    tg_buf_printf(out, "rollout: bench\nchange: {puppet: {environment: production}}\ntargets: \"*\"\nstages: %s\n"
                       "limits: {running: 1000, unverified: 2000, domains: {rack: 2, az: 10%%}, floor: {role: 80%%}}\nfailure: {failed: 1%%, of-at-least: 100}\n",
                  stages);
}

static int fail(const struct tg_problems *p, const struct tg_error *e)
{
    fprintf(stderr, "%s\n", p->n ? p->list[0].error.message : e->message);
    return 1;
}

int main(int argc, char **argv)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_buf fleet = TG_BUF_INIT, rollout = TG_BUF_INIT, text = TG_BUF_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_rollout *r = NULL;
    struct tg_plan *plan = NULL;

    if (argc != 3)
        return fprintf(stderr, "usage: bench_plan HOSTS STAGES\n"), 1;
    write_fleet(strtoul(argv[1], NULL, 10), &fleet);
    write_rollout(argv[2], &rollout);
    double start = cpu_seconds();
    if (tg_inventory_parse_yaml("fleet", fleet.data, fleet.len, &p, &inventory, &e))
        return fail(&p, &e);
    double read = cpu_seconds();
    if (tg_rollout_parse("rollout", rollout.data, rollout.len, &p, &r, &e) || tg_plan_compile(r, inventory, NULL, &p, &plan, &e))
        return fail(&p, &e);
    double compiled = cpu_seconds();
    if (tg_plan_text(plan, INT64_C(1795428000000), 100, TG_PLAN_TEXT_WHOLE, &text, &e))
        return fail(&p, &e);
    double printed = cpu_seconds();
    printf("%zu %.3f %.3f %.3f %ld\n", plan->n_hosts, read - start, compiled - read, printed - compiled, usage.ru_maxrss);
    if (getenv("BENCH_SHOW"))
        fputs(tg_buf_text(&text), stderr);
    tg_plan_free(plan);
    tg_rollout_free(r);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    tg_buf_release(&fleet);
    tg_buf_release(&rollout);
    tg_buf_release(&text);
    return 0;
}
