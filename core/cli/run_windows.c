/* The windows that hosts of a run wait for: see run_windows.h. */
#include "cli/run_windows.h"

#include "engine/windows.h"
#include "fleet/nodeset.h"
#include "guard/show.h"

#define NAMES_MAX 8

/* When it opens; null: it is not known to, or nobody has told. */
static json_t *opens_json(const struct tg_run_domain *d)
{
    return d->open || !d->until_ms || d->until_ms >= TG_WINDOW_UNTOLD ? json_null() : tg_time_json(d->until_ms / 1000 * 1000);
}

static const char *state_of(const struct tg_run_domain *d)
{
    return d->open ? "open" : !d->until_ms || d->until_ms == TG_WINDOW_UNTOLD ? "untold" : d->until_ms == INT64_MAX ? "never" : "closed";
}

/* Whose windows these are: [{"name": "night", "for": "customer:acme", "booked": false}]; where nobody has laid the calendar over the plan there is nothing to tell. */
static void add_rules(const struct tg_run *run, size_t window, json_t *o)
{
    size_t n = 0;
    const struct tg_rule *const *rules = run->plan->calendar ? tg_windows_rules(run->plan->calendar, window, &n) : NULL;
    json_t *list = rules ? json_array() : NULL;

    for (size_t i = 0; list && i < n && i < TG_WINDOWS_LISTED; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "name", rules[i]->name, "for", rules[i]->scope, "booked", rules[i]->booked));
    if (list)
        json_object_set_new(o, "rules", list);
}

static json_t *window_json(const struct tg_run *run, size_t window, size_t waiting)
{
    const struct tg_run_domain *d = tg_run_window(run, window);
    const struct tg_plan_window *w = &run->plan->windows[window];
    json_t *until = d->open && d->until_ms != INT64_MAX ? tg_time_json(d->until_ms / 1000 * 1000) : json_null();
    json_t *o = json_pack("{s:s,s:s,s:s,s:o,s:o,s:I,s:I,s:I,s:s*}", "window", w->name, "stage", run->plan->stages[w->stage].name, "state", state_of(d), "opens", opens_json(d),
                          "start_until", until, "waiting", (json_int_t) waiting, "hosts", (json_int_t) w->n_hosts, "needs_ms", (json_int_t) w->need_ms, "why", d->why);

    if (o)
        add_rules(run, window, o);
    return o;
}

json_t *tg_run_windows_json(const struct tg_run *run, size_t listed)
{
    size_t at = 0, window, n, windows = 0, waiting = 0, never = 0, untold = 0;
    int64_t next_ms = INT64_MAX;
    json_t *list = json_array();

    while (tg_run_closed_window(run, &at, &window, &n)) {
        const struct tg_run_domain *d = tg_run_window(run, window);
        waiting += n;
        never += tg_run_window_never_comes(run, window) ? n : 0;
        untold += !d->open && (!d->until_ms || d->until_ms == TG_WINDOW_UNTOLD) ? n : 0;
        next_ms = !d->open && d->until_ms && d->until_ms < TG_WINDOW_UNTOLD && d->until_ms < next_ms ? d->until_ms : next_ms;
        if (windows++ < listed)
            json_array_append_new(list, window_json(run, window, n));
    }
    json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:o}", "waiting", (json_int_t) waiting, "windows", (json_int_t) windows, "never", (json_int_t) never, "untold", (json_int_t) untold, "next",
                          next_ms == INT64_MAX ? json_null() : tg_time_json(next_ms / 1000 * 1000));
    if (o && listed)
        json_object_set(o, "list", list);
    json_decref(list);
    return o;
}

void tg_run_window_host_json(const struct tg_run *run, size_t host, json_t *o)
{
    uint32_t window = run->plan->window_of[host];

    json_object_set_new(o, "window", json_string(run->plan->windows[window].name));
    json_object_set_new(o, "opens", opens_json(tg_run_window(run, window)));
}

size_t tg_run_windows_list_never(const struct tg_run *run, uint32_t *out, size_t max, size_t *out_hosts)
{
    size_t at = 0, window, waiting, n = 0;

    *out_hosts = 0;
    while (n < max && tg_run_closed_window(run, &at, &window, &waiting))
        if (tg_run_window_never_comes(run, window)) {
            out[n++] = (uint32_t) window;
            *out_hosts += waiting;
        }
    return n;
}

void tg_run_windows_never(const struct tg_run *run, const char *id, struct tg_buf *out)
{
    const struct tg_plan_stage *p = &run->plan->stages[run->stage];
    const char *names[NAMES_MAX];
    uint32_t window;
    size_t hosts, n = 0, all = 0, at = 0, w, waiting;

    if (!tg_run_windows_list_never(run, &window, 1, &hosts))
        return;
    while (tg_run_closed_window(run, &at, &w, &waiting))
        all += tg_run_window_never_comes(run, w) ? waiting : 0;
    for (size_t h = p->first; n < NAMES_MAX && h < p->first + p->count; h++)
        if (run->hosts[h].state == TG_HOST_WAITING && run->plan->window_of[h] != TG_NO_DOMAIN && tg_run_window_never_comes(run, run->plan->window_of[h]))
            names[n++] = run->plan->hosts[h].name;
    tg_buf_puts(out, "; no window is known to come of ");
    (void) tg_fold(names, n, out, NULL);
    tg_buf_printf(out, "%s: give %s one in the calendar, or go on without: tagout approve %s --skip", n < all ? " …" : "", all == 1 ? "it" : "them", id);
}
