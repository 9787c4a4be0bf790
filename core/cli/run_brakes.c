/* What holds back the next host of a run: see run_brakes.h. A new brake needs a row; what more there is to say about it is optional. */
#include "cli/run_brakes.h"

#include "cli/run_windows.h"

#include "engine/plan_when.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

static void say_running(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    (void) id;
    (void) now_ms;
    tg_buf_printf(out, " (%zu of %lld at work)", run->in_work, (long long) run->plan->running);
}

static void say_unverified(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    (void) id;
    (void) now_ms;
    size_t judged = run->in_work + tg_run_without_verdict(run), all = run->in_work + tg_run_not_back(run);
    tg_buf_printf(out, " (%zu of %lld without a verdict%s)", all, (long long) run->plan->unverified, all > judged ? ", or not back in service" : "");
}

static void say_rate(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    char text[32];
    int64_t left = run->stages[run->stage].next_us / 1000 - now_ms;

    (void) id;
    if (left <= 0)
        return;
    tg_duration_format((left + 999) / 1000 * 1000, text, sizeof text);
    tg_buf_printf(out, " (the next in %s)", text);
}

#define NAMES_MAX 8

/* ", 2 gone: web3.example.com, db1.example.com": of the plan's hosts the first few, and what was told of others. */
static void say_gone(const struct tg_run *run, size_t domain, struct tg_buf *out)
{
    const struct tg_run_domain *d = &run->domains[domain];
    size_t limit = run->plan->domains[domain].limit, n = 0;
    const char *names[NAMES_MAX];

    for (size_t i = 0; d->gone && n < NAMES_MAX && i < run->plan->n_hosts; i++)
        if (run->hosts[i].gone && !tg_run_is_down(run, &run->hosts[i]) && run->plan->domain_of[i * run->plan->n_limits + limit] == domain)
            names[n++] = run->plan->hosts[i].name;
    tg_buf_printf(out, ", %llu gone", (unsigned long long) d->gone + d->outside_gone);
    if (n || d->who_gone)
        tg_buf_puts(out, ": ");
    (void) tg_fold(names, n, out, NULL);
    tg_buf_printf(out, "%s%s%s", n < d->gone ? " …" : "", n && d->who_gone ? ", " : "", d->who_gone ? d->who_gone : "");
}

static void say_domain(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    size_t at = 0, domain, waiting, more = 0;
    char name[160];

    (void) id;
    (void) now_ms;
    if (!tg_run_full_domain(run, &at, &domain, &waiting))
        return;
    tg_plan_domain_name(run->plan, domain, name, sizeof name);
    const struct tg_run_domain *d = &run->domains[domain];
    tg_buf_printf(out, " in %s (%llu of %u down", name, (unsigned long long) tg_run_domain_down(d), run->plan->domains[domain].max);
    if (d->outside)
        tg_buf_printf(out, ", %u of others%s%s", d->outside, d->whose ? ": " : "", d->whose ? d->whose : "");
    if (d->gone || d->outside_gone)
        say_gone(run, domain, out);
    tg_buf_printf(out, ", %zu wait%s", waiting, waiting == 1 ? "s" : "");
    for (size_t other, n; tg_run_full_domain(run, &at, &other, &n); more++)
        ;
    tg_buf_printf(out, more == 1 ? "; %zu more is full)" : more ? "; %zu more are full)" : ")", more);
}

/* " night of customer:acme, opens Tue 02:00 Europe/Berlin (in 3h); 4 hosts wait for this and 2 more" */
static void say_window(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    size_t at = 0, window, waiting, soonest = 0, n = 0, hosts = 0;
    char when[40], left[32];

    while (tg_run_closed_window(run, &at, &window, &waiting)) {
        soonest = n++ && tg_run_window(run, soonest)->until_ms <= tg_run_window(run, window)->until_ms ? soonest : window;
        hosts += waiting;
    }
    if (!n) {
        tg_buf_puts(out, "s of hosts that bake out of service: they are brought back before these end, and then others begin");
        return;
    }
    const struct tg_run_domain *w = tg_run_window(run, soonest);
    if (!w->open && w->until_ms >= TG_WINDOW_UNTOLD)
        tg_buf_printf(out, "s that are not known to open: %s", w->why ? w->why : run->plan->windows[soonest].name);
    else
        tg_buf_printf(out, " %s", w->why ? w->why : run->plan->windows[soonest].name);
    if (!w->until_ms)
        tg_buf_puts(out, ", and nobody has told yet when it opens");
    else if (w->open)
        tg_buf_puts(out, ", where each host has its moment");
    else if (w->until_ms < TG_WINDOW_UNTOLD) {
        tg_plan_time_format(run->plan, w->until_ms, now_ms, when, sizeof when);
        tg_duration_format(w->until_ms > now_ms ? (w->until_ms - now_ms + 59999) / 60000 * 60000 : 0, left, sizeof left);
        tg_buf_printf(out, ", opens %s %s (in %s)", when, tg_plan_zone(run->plan), left);
    }
    tg_buf_printf(out, "; %zu host%s wait%s", hosts, hosts == 1 ? "" : "s", hosts == 1 ? "s" : "");
    if (n > 1)
        tg_buf_printf(out, " for this and %zu more", n - 1);
    tg_run_windows_never(run, id, out);
}

static void say_approval(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    (void) now_ms;
    tg_buf_printf(out, ": tagout approve %s %s", id, run->plan->stages[run->stage].name);
}

static void say_hours(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    char when[40];

    (void) id;
    if (run->hours_until_ms <= now_ms)
        return;
    tg_time_format(run->hours_until_ms / 1000 * 1000, when, sizeof when);
    tg_buf_printf(out, " (closed until %s)", when);
}

static void say_day(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    (void) id;
    (void) now_ms;
    tg_buf_printf(out, " (the stage's is day %lld of work, this is day %lld)", (long long) run->plan->stages[run->stage].day, (long long) run->day);
}

static const struct {
    unsigned brake;
    const char *name, *words;
    void (*say)(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out); /* NULL: the words are all */
} rows[] = {
    {TG_BRAKE_APPROVAL, "approval", "an approval", say_approval},
    {TG_BRAKE_HOURS, "hours", "the hours of work", say_hours},
    {TG_BRAKE_DAY, "day", "its day", say_day},
    {TG_BRAKE_WINDOW, "window", "window", say_window},
    {TG_BRAKE_RUNNING, "running", "limits.running", say_running},
    {TG_BRAKE_UNVERIFIED, "unverified", "limits.unverified", say_unverified},
    {TG_BRAKE_DOMAIN, "domain", "room", say_domain},
    {TG_BRAKE_RATE, "rate", "its rate", say_rate},
};

void tg_run_brakes_text(const struct tg_run *run, const char *id, int64_t now_ms, struct tg_buf *out)
{
    unsigned brakes = tg_run_brakes(run, now_ms);
    const char *between = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!(brakes & rows[i].brake))
            continue;
        tg_buf_printf(out, "%s%s", between, rows[i].words);
        if (rows[i].say)
            rows[i].say(run, id, now_ms, out);
        brakes &= ~rows[i].brake;
        between = " · ";
    }
    if (brakes)
        tg_buf_printf(out, "%sa limit that has no word yet (%u)", between, brakes);
}

json_t *tg_run_brakes_json(const struct tg_run *run, int64_t now_ms)
{
    unsigned brakes = tg_run_brakes(run, now_ms);
    json_t *list = json_array();

    for (size_t i = 0; list && i < sizeof rows / sizeof rows[0]; i++)
        if (brakes & rows[i].brake)
            json_array_append_new(list, json_string(rows[i].name));
    return list;
}

#define FULL_MAX 20

json_t *tg_run_full_json(const struct tg_run *run)
{
    size_t at = 0, domain, waiting;
    json_t *list = json_array();
    char name[400];

    while (json_array_size(list) < FULL_MAX && tg_run_full_domain(run, &at, &domain, &waiting)) {
        const struct tg_run_domain *d = &run->domains[domain];
        tg_plan_domain_name(run->plan, domain, name, sizeof name);
        json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I,s:s*,s:I,s:s*,s:I}", "domain", name, "at_most", (json_int_t) run->plan->domains[domain].max, "down",
                                              (json_int_t) tg_run_domain_down(d), "of_others", (json_int_t) d->outside, "whose", d->whose, "gone",
                                              (json_int_t) d->gone + d->outside_gone, "who", d->who_gone, "waiting", (json_int_t) waiting));
    }
    return list;
}
