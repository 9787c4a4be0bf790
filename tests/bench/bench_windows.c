/*
 * One process: a plan of so many hosts under a calendar of so many windows (each of a group of its own). Prints CPU seconds: the sets of the plan; asking them by a calendar that was just
 * read; a look at all of them, as whoever drives a run does every 5 s; the dates of the plan; the whole run on the virtual clock, in µs a host, without windows and with them.
 * usage: bench_windows HOSTS WINDOWS
 */
#include "engine/plan_when.h"
#include "engine/simulate.h"
#include "engine/windows.h"
#include "../lib/plan.h"

#include <sys/resource.h>

#define LOOKS 20

static struct rusage usage;

static double cpu_seconds(void)
{
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_texts(size_t n_hosts, size_t n_windows, struct tg_buf *inventory, struct tg_buf *calendar)
{
    size_t per = n_hosts / n_windows;

    tg_buf_puts(inventory, "groups:\n");
    tg_buf_puts(calendar, "zone: Europe/Berlin\ncut-off: 10m\nwindows:\n");
    for (size_t i = 0; i < n_windows; i++) {
        tg_buf_printf(inventory, "  g%zu: {hosts: \"h[%zu-%zu]\"}\n", i, i * per, (i + 1) * per - 1);
        tg_buf_printf(calendar, "  w%zu: {for: group:g%zu, hours: \"Mon-Fri %02zu:%02zu-23:%02zu\"}\n", i, i, i % 20, i % 60, i % 60);
    }
    tg_buf_puts(calendar, "blackouts:\n  friday: {hours: \"Fri 14:00-24:00\"}\n");
}

/* µs a host of a run to its end, or -1. */
static double simulated(const struct tg_plan *plan, struct tg_error *e)
{
    struct tg_sim_model model;
    struct tg_sim *sim;

    tg_sim_model_init(&model);
    double begin = cpu_seconds();
    if (tg_simulate(plan, &model, &sim, e))
        return -1;
    double took = cpu_seconds() - begin;
    bool well = tg_sim_well(sim);
    tg_sim_free(sim);
    return well ? took * 1e6 / (double) plan->n_hosts : -1;
}

static int measure(struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_agenda *agenda, struct tg_error *e)
{
    struct tg_windows *windows;
    struct tg_window_says says;
    struct tg_stage_times *times;

    double without = simulated(plan, e), t0 = cpu_seconds();
    if (without < 0 || tg_plan_windows_compile(plan, inventory, agenda, "Europe/Berlin", e))
        return 1;
    double t1 = cpu_seconds();
    if (tg_windows_new(plan, inventory, &windows, e) || tg_windows_bind(windows, agenda, NULL, e))
        return 1;
    double t2 = cpu_seconds();
    for (size_t w = 0; w < plan->n_windows; w++)
        tg_windows_ask(windows, w, TG_SIM_START, &says);
    double t3 = cpu_seconds();
    for (int64_t i = 1; i <= LOOKS; i++)
        for (size_t w = 0; w < plan->n_windows; w++)
            tg_windows_ask(windows, w, TG_SIM_START + i * 5000, &says);
    double t4 = cpu_seconds();
    plan->calendar = windows;
    if (tg_plan_times(plan, TG_SIM_START, &times, e))
        return 1;
    double t5 = cpu_seconds(), with = simulated(plan, e);
    free(times);
    tg_windows_free(windows);
    if (with < 0)
        return 1;
    printf("%zu %zu %.3f %.3f %.3f %.6f %.3f %.2f %.2f %ld\n", plan->n_hosts, plan->n_windows, t1 - t0, t2 - t1, t3 - t2, (t4 - t3) / LOOKS, t5 - t4, without, with, usage.ru_maxrss / 1024);
    return 0;
}

int main(int argc, char **argv)
{
    size_t n_hosts = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, n_windows = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    struct tg_buf fleet = TG_BUF_INIT, text = TG_BUF_INIT;
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_calendar *calendar = NULL;
    struct tg_agenda *agenda = NULL;

    write_texts(n_hosts, n_windows, &fleet, &text);
    n_hosts = n_hosts / n_windows * n_windows;
    int rc = tg_inventory_parse_yaml("fleet", tg_buf_text(&fleet), fleet.len, &p, &inventory, &e);
    if (!rc)
        rc = tg_calendar_parse("calendar", tg_buf_text(&text), text.len, &p, &calendar, &e);
    if (!rc)
        rc = tg_agenda_new(calendar, inventory, &p, &agenda, &e);
    struct tg_plan *plan = test_plan((struct test_stage[]) {{.count = n_hosts}}, 1, (int64_t) n_hosts / 50 + 1, 0);
    plan->estimate_ms = 120000;
    if (!rc)
        rc = measure(plan, inventory, agenda, &e);
    if (rc)
        fprintf(stderr, "bench_windows: %s\n", e.code ? e.message : "the run did not end well");
    tg_plan_free(plan);
    tg_agenda_free(agenda);
    tg_calendar_free(calendar);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    tg_buf_release(&fleet);
    tg_buf_release(&text);
    return rc != 0;
}
