/*
 * One process: a maintenance week laid over a generated fleet. Prints hosts, slots, CPU seconds of reading the inventory, of the week, of its text, page and nodes for the store, and peak KB.
 *   bench_week HOSTS SLOTS KIND     KIND: share (quotas of all hosts), racks (an attribute each), groups (a group each), mixed (two quotas each)
 */
#include "calendar/book_internal.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"
#include "config/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RACK 40
#define MONDAY 20787

static struct rusage usage;

static double cpu_seconds(void)
{
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Groups as many as slots, racks of 40, customers of about a hundred. */
static void write_fleet(size_t n, size_t groups, struct tg_buf *out)
{
    size_t racks = (n + RACK - 1) / RACK;

    tg_buf_puts(out, "groups:\n");
    for (size_t r = 0; r < racks; r++)
        tg_buf_printf(out, "  rack%zu: {hosts: \"web[%07zu-%07zu].example.com\", attrs: {rack: r%zu, row: w%zu, customer: c%zu}}\n", r, r * RACK + 1,
                      (r + 1) * RACK < n ? (r + 1) * RACK : n, r, r % groups, r * 7 % (racks / 3 + 1));
    for (size_t g = 0; g < groups; g++) {
        tg_buf_printf(out, "  row%zu: {children: [", g);
        for (size_t r = g, k = 0; r < racks; r += groups)
            tg_buf_printf(out, "%srack%zu", k++ ? "," : "", r);
        tg_buf_puts(out, "]}\n");
    }
}

static void write_pattern(size_t slots, const char *kind, struct tg_buf *out)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

    tg_buf_printf(out, "week: bench\nlength: 2h\nspread: [rack, customer]\nslots:\n");
    for (size_t s = 0; s < slots; s++) {
        size_t minute = s * 10080 / slots;
        tg_buf_printf(out, "  - {name: s%zu, day: %s, time: \"%02zu:%02zu\", who: ", s, days[minute / 1440], minute % 1440 / 60, minute % 60);
        if (s + 1 == slots)
            tg_buf_puts(out, "{hosts: \"*\", take: the rest}}\n");
        else if (strcmp(kind, "racks") == 0)
            tg_buf_printf(out, "row=w%zu}\n", s);
        else if (strcmp(kind, "groups") == 0)
            tg_buf_printf(out, "\"@row%zu\"}\n", s);
        else if (strcmp(kind, "mixed") == 0)
            tg_buf_printf(out, "[{hosts: \"@row%zu\", take: up to 50%%}, {hosts: \"*\", take: up to %zu}]}\n", s, (size_t) 300);
        else
            tg_buf_printf(out, "{hosts: \"*\", take: %.3f%%}}\n", 100.0 / (double) slots - 0.0005);
    }
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
    struct tg_buf fleet = TG_BUF_INIT, text = TG_BUF_INIT, page = TG_BUF_INIT, pattern = TG_BUF_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_pattern *read = NULL;
    struct tg_week *week = NULL;
    struct tg_book_nodes nodes;

    if (argc != 4)
        return fprintf(stderr, "usage: bench_week HOSTS SLOTS share|racks|groups|mixed\n"), 1;
    size_t slots = strtoul(argv[2], NULL, 10);
    write_fleet(strtoul(argv[1], NULL, 10), slots, &fleet);
    write_pattern(slots, argv[3], &pattern);
    double start = cpu_seconds();
    if (tg_inventory_parse_yaml("fleet", fleet.data, fleet.len, &p, &inventory, &e))
        return fail(&p, &e);
    double inventory_s = cpu_seconds();
    if (tg_pattern_parse("pattern", pattern.data, pattern.len, &p, &read, &e) || tg_week_plan(read, inventory, MONDAY, &p, &week, &e))
        return fail(&p, &e);
    double week_s = cpu_seconds();
    long kb = usage.ru_maxrss;
    const struct tg_week_paint paint = {.width = 100};
    if (tg_week_text(week, &paint, &text, &e) || tg_week_html(week, week->from_ms, &page, &e))
        return fail(&p, &e);
    double text_s = cpu_seconds();
    if (tg_book_nodes_make(week, &nodes, &e))
        return fail(&p, &e);
    double nodes_s = cpu_seconds();
    printf("%zu %zu %.3f %.3f %.3f %.3f %ld %ld\n", week->names.n, week->n_slots, inventory_s - start, week_s - inventory_s, text_s - week_s, nodes_s - text_s, kb, usage.ru_maxrss);
    tg_book_nodes_release(&nodes);
    tg_week_free(week);
    tg_pattern_free(read);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
    tg_buf_release(&fleet);
    tg_buf_release(&pattern);
    tg_buf_release(&text);
    tg_buf_release(&page);
    return 0;
}
