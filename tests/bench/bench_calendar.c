/*
 * One process: a calendar of so many windows (each of a group of its own) and a few blackouts over so many hosts. Prints CPU seconds: laying it over
 * the inventory; "which hosts may start now, and until when" for every host, the first time (occurrences are expanded) and again a minute later; when the
 * closed ones may next; and a floor: one read and one write for each host. tests/bench/calendar compares.
 */
#include "calendar/agenda.h"
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct rusage usage;

static double cpu_seconds(void)
{
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_texts(size_t n_hosts, size_t n_windows, struct tg_buf *inventory, struct tg_buf *calendar)
{
    static const char *const days[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
    size_t per = n_hosts / n_windows;

    tg_buf_puts(inventory, "groups:\n");
    tg_buf_puts(calendar, "zone: Europe/Berlin\ncut-off: 10m\nwindows:\n");
    for (size_t i = 0; i < n_windows; i++) {
        tg_buf_printf(inventory, "  g%zu: {hosts: \"h[%zu-%zu].example.com\"}\n", i, i * per, (i + 1) * per - 1);
        if (i % 2)
            tg_buf_printf(calendar, "  w%zu: {for: group:g%zu, start: 2024-01-01 %02zu:%02zu, rule: \"FREQ=WEEKLY;BYDAY=%s,%s\", duration: %zum}\n", i, i, i % 24, i % 60,
                          days[i % 7], days[(i + 3) % 7], 120 + i % 300);
        else
            tg_buf_printf(calendar, "  w%zu: {for: group:g%zu, hours: \"Mon-Fri %02zu:%02zu-23:%02zu\"}\n", i, i, i % 20, i % 60, i % 60);
    }
    tg_buf_puts(calendar, "blackouts:\n  friday: {hours: \"Fri 14:00-24:00\"}\n  freeze: {first: 2026-12-20, last: 2027-01-02}\n");
}

/* Every host's answer, as a driver would want it: until when it may start, 0 when it may not. */
static size_t every_host(struct tg_agenda *a, size_t n_hosts, int64_t t_ms, struct tg_allowed *classes, int64_t *until, struct tg_error *e)
{
    size_t n = 0;

    if (tg_agenda_all_at(a, t_ms, TG_AGENDA_NOW, classes, e))
        return 0;
    for (size_t h = 0; h < n_hosts; h++) {
        const struct tg_allowed *c = &classes[tg_agenda_class(a, (uint32_t) h)];
        until[h] = c->may_start ? c->start_until_ms : 0;
        n += c->may_start;
    }
    return n;
}

static int measure(struct tg_calendar *calendar, struct tg_inventory *inventory, struct tg_problems *p, size_t n_hosts, struct tg_error *e)
{
    const int64_t t = INT64_C(1795514400000); /* 2026-11-24 10:00 UTC, a Tuesday */
    struct tg_agenda *a;
    double begin = cpu_seconds();

    if (tg_agenda_new(calendar, inventory, p, &a, e))
        return 1;
    double laid = cpu_seconds();
    struct tg_allowed *classes = calloc(tg_agenda_classes(a), sizeof *classes);
    int64_t *until = calloc(n_hosts, sizeof *until);
    if (!classes || !until)
        return 1;
    memset(until, 1, n_hosts * sizeof *until); /* its pages are there */
    double t0 = cpu_seconds();
    size_t n = every_host(a, n_hosts, t, classes, until, e);
    double t1 = cpu_seconds();
    for (int i = 1; i <= 20; i++)
        every_host(a, n_hosts, t + i * 60000, classes, until, e);
    double t2 = cpu_seconds();
    if (tg_agenda_all_at(a, t, TG_AGENDA_AND_NEXT, classes, e))
        return 1;
    double t3 = cpu_seconds();
    volatile uint32_t *floor = calloc(n_hosts, sizeof *floor);
    for (size_t h = 0; floor && h < n_hosts; h++)
        floor[h] = (uint32_t) until[h];
    double t4 = cpu_seconds();
    printf("%zu %zu %zu %.4f %.4f %.4f %.4f %.4f %ld\n", n_hosts, tg_agenda_classes(a), n, laid - begin, t1 - t0, (t2 - t1) / 20, t3 - t2, t4 - t3, usage.ru_maxrss);
    free((void *) (uintptr_t) floor);
    free(classes);
    free(until);
    tg_agenda_free(a);
    return 0;
}

int main(int argc, char **argv)
{
    struct tg_buf inventory_text = TG_BUF_INIT, calendar_text = TG_BUF_INIT;
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_calendar *calendar = NULL;
    size_t n_hosts = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, n_windows = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;

    write_texts(n_hosts, n_windows, &inventory_text, &calendar_text);
    int rc = tg_inventory_parse_yaml("inventory", tg_buf_text(&inventory_text), inventory_text.len, &p, &inventory, &e);
    double begin = cpu_seconds();
    if (!rc)
        rc = tg_calendar_parse("calendar", tg_buf_text(&calendar_text), calendar_text.len, &p, &calendar, &e);
    double read = cpu_seconds();
    fprintf(stderr, "calendar read in %.3f s\n", read - begin);
    if (!rc)
        rc = measure(calendar, inventory, &p, n_hosts, &e);
    if (rc)
        fprintf(stderr, "%s\n", e.message);
    tg_calendar_free(calendar);
    tg_inventory_free(inventory);
    tg_buf_release(&inventory_text);
    tg_buf_release(&calendar_text);
    tg_problems_release(&p);
    return rc ? 1 : 0;
}
