/* A plan as people read it: see plan_text.h. */
#include "engine/plan_text.h"

#include "base/columns.h"
#include "engine/around_module.h"
#include "engine/plan_internal.h"
#include "engine/plan_warn.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tg_plan_fold(const struct tg_plan *plan, size_t first, size_t count, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < count; i++)
        rc = tg_folder_add(folder, plan->hosts[first + i].name, e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc;
}

static void silent(void *data, const char *path, const char *message)
{
    (void) data;
    (void) path;
    (void) message;
}

int tg_plan_describe_change(const struct tg_plan *plan, char *out, size_t size, struct tg_error *e)
{
    const struct tg_driver *driver;
    struct tg_driver_params *params = NULL;
    int rc = tg_driver_find(plan->driver, &driver, e);

    if (!rc)
        rc = driver->params(plan->change, silent, NULL, &params, e);
    if (rc)
        return rc;
    driver->describe(params, out, size);
    driver->params_free(params);
    return 0;
}

static int put_head(const struct tg_plan *plan, int width, struct tg_buf *out, struct tg_error *e)
{
    char change[512], digest[32];
    int rc = tg_plan_describe_change(plan, change, sizeof change, e);
    size_t start = out->len;

    if (rc)
        return rc;
    if (plan->withdraws)
        snprintf(change, sizeof change, "taken out of service, as far as the limits allow");
    snprintf(digest, sizeof digest, "digest %.*s", TG_PLAN_DIGEST_SHORT, plan->digest);
    tg_buf_printf(out, "%s: ", plan->name);
    tg_put_cut(out, change, width - tg_columns(plan->name) - 2);
    int used = tg_buf_ok(out, NULL) ? 0 : tg_columns(out->data + start);
    if (used + 2 + (int) strlen(digest) > width) {
        tg_buf_putc(out, '\n');
        used = 0;
    }
    tg_put_blanks(out, used ? width - used - (int) strlen(digest) : 0);
    tg_buf_printf(out, "%s\ntargets  ", digest);
    tg_put_cut(out, plan->targets, width - 9 - 18);
    tg_buf_printf(out, ": %zu host%s\n", plan->n_targets, plan->n_targets == 1 ? "" : "s");
    return 0;
}

/* What is needed for a line of the table, and how wide its columns are. */
struct table {
    const struct tg_plan *plan;
    const struct tg_stage_times *times;
    int64_t now_ms;
    int name, hosts, pace, bake, when, width;
};
struct cells {
    char hosts[24], pace[160], bake[32], when[80];
};

static void pace_of(const struct tg_plan *plan, const struct tg_plan_stage *s, char *out, size_t size)
{
    char each[32], most[32] = "", rate[100];

    tg_rate_format(&s->rate, each, sizeof each);
    if (s->spread_ms < TG_SPREAD_MAX_MS)
        tg_duration_format(s->spread_ms, most, sizeof most);
    snprintf(rate, sizeof rate, "%s%s%s%s%s", each, each[0] && s->spread_ms ? ", " : "", s->spread_ms ? "spread" : "", s->spread_ms && most[0] ? " ≤ " : "",
             s->spread_ms ? most : "");
    if (s->over_window)
        snprintf(rate, sizeof rate, "%s%sspread", each, each[0] ? ", " : "");
    if (s->count == 0)
        snprintf(out, size, "nothing left");
    else if (s->dry_run)
        snprintf(out, size, "dry-run%s%s", rate[0] ? ", " : "", rate);
    else if (s->count == 1)
        snprintf(out, size, "–");
    else
        snprintf(out, size, "%s%s%lld at once", rate, rate[0] ? ", " : "",
                 (long long) (plan->running < (int64_t) s->count ? plan->running : (int64_t) s->count));
}

static void fill_cells(const struct table *t, size_t i, struct cells *c)
{
    const struct tg_plan_stage *s = &t->plan->stages[i];

    snprintf(c->hosts, sizeof c->hosts, "%zu", s->count);
    pace_of(t->plan, s, c->pace, sizeof c->pace);
    snprintf(c->bake, sizeof c->bake, "–");
    if (s->bake_ms)
        tg_duration_format(s->bake_ms, c->bake, sizeof c->bake);
    c->when[0] = '\0';
    if (s->count)
        tg_plan_times_format(t->plan, &t->times[i], t->now_ms, c->when, sizeof c->when);
}

static void widen(int *width, const char *text)
{
    if (tg_columns(text) > *width)
        *width = tg_columns(text);
}

static void put_cell(struct tg_buf *out, const char *text, int width, bool last)
{
    tg_buf_puts(out, text);
    tg_put_blanks(out, last ? 0 : width - tg_columns(text) + 2);
}

#define NAMES_MIN 24 /* narrower than that names get a line of their own */

static int put_stage(const struct table *t, size_t i, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_plan_stage *s = &t->plan->stages[i];
    int room = t->width - t->name - t->hosts - t->pace - t->bake - t->when - 10;
    struct cells c;
    struct tg_buf names = TG_BUF_INIT;
    int rc = tg_plan_fold(t->plan, s->first, s->count, &names, e);

    if (!rc) {
        fill_cells(t, i, &c);
        put_cell(out, s->name, t->name, false);
        tg_put_blanks(out, t->hosts - tg_columns(c.hosts));
        put_cell(out, c.hosts, 0, true);
        tg_buf_puts(out, "  ");
        put_cell(out, c.pace, t->pace, false);
        put_cell(out, c.bake, t->bake, s->count == 0);
        put_cell(out, c.when, t->when, s->count == 0 || room < NAMES_MIN);
        if (s->count) {
            tg_buf_puts(out, room < NAMES_MIN ? "\n  " : "");
            tg_put_cut(out, tg_buf_text(&names), room < NAMES_MIN ? t->width - 2 : room);
        }
        tg_buf_putc(out, '\n');
    }
    tg_buf_release(&names);
    return rc;
}

static int put_stages(struct table *t, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_plan *plan = t->plan;
    char when[80];
    struct cells c;
    int rc = 0;

    snprintf(when, sizeof when, "WHEN (%s)", tg_plan_zone(plan));
    widen(&t->when, when);
    for (size_t i = 0; i < plan->n_stages; i++) {
        fill_cells(t, i, &c);
        widen(&t->name, plan->stages[i].name);
        widen(&t->hosts, c.hosts);
        widen(&t->pace, c.pace);
        widen(&t->bake, c.bake);
        widen(&t->when, c.when);
    }
    tg_buf_printf(out, "\n%-*s  %*s  %-*s  %-*s  %s", t->name, "STAGE", t->hosts, "HOSTS", t->pace, "PACE", t->bake, "BAKE", when);
    if (t->width - t->name - t->hosts - t->pace - t->bake - t->when - 10 >= NAMES_MIN) {
        tg_put_blanks(out, t->when - tg_columns(when) + 2);
        tg_buf_puts(out, "WHICH");
    }
    tg_buf_putc(out, '\n');
    for (size_t i = 0; !rc && i < plan->n_stages; i++)
        rc = put_stage(t, i, out, e);
    return rc;
}

static void put_around(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    for (size_t i = 0; i < plan->n_around; i++) {
        const struct tg_around *a = &plan->around[i];
        struct tg_buf what = TG_BUF_INIT;
        char text[400];
        if (a->kind == TG_AROUND_MODULE) {
            tg_around_module_describe(a, text, sizeof text);
            tg_buf_puts(out, i ? "         " : "around   ");
            tg_put_wrapped(out, text, width - 9, 9);
            tg_buf_putc(out, '\n');
            continue;
        }
        for (size_t j = 0; j < a->n_hold; j++)
            tg_buf_printf(&what, "%s%s", j ? ", " : "", a->hold[j]);
        tg_buf_puts(out, i ? "         lock, holding " : "around   lock, holding ");
        tg_put_wrapped(out, a->n_hold ? tg_buf_text(&what) : "all automation", width - 23, 23);
        tg_buf_putc(out, '\n');
        tg_buf_release(&what);
    }
}

static void put_verify(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    for (size_t i = 0; i < plan->n_verify; i++) {
        const struct tg_verify *v = &plan->verify[i];
        struct tg_buf what = TG_BUF_INIT;
        char within[32], after[32];
        tg_verify_describe(v, &what);
        tg_duration_format(v->within_ms, within, sizeof within);
        tg_duration_format(v->after_ms, after, sizeof after);
        if (v->after_ms)
            tg_buf_printf(&what, " after %s, within %s", after, within);
        else
            tg_buf_printf(&what, " within %s", within);
        tg_buf_puts(out, i ? "         " : plan->withdraws ? "return   " : "verify   ");
        tg_put_wrapped(out, tg_buf_text(&what), width - 9, 9);
        tg_buf_putc(out, '\n');
        tg_buf_release(&what);
    }
}

static void put_unverified(const struct tg_plan *plan, struct tg_buf *out)
{
    if (plan->unverified > plan->running)
        tg_buf_printf(out, "limits   %lld running, %lld unverified with them\n", (long long) plan->running, (long long) plan->unverified);
}

/* The domain of a limit of which the greatest share may be down: the worst moment of it. */
static size_t worst_domain(const struct tg_plan *plan, size_t limit, size_t *out_n)
{
    size_t worst = TG_NO_DOMAIN, n = 0;

    for (size_t i = 0; i < plan->n_domains; i++) {
        const struct tg_plan_domain *d = &plan->domains[i];
        if (d->limit != limit)
            continue;
        n++;
        if (worst == TG_NO_DOMAIN || (uint64_t) d->max * plan->domains[worst].n_hosts > (uint64_t) plan->domains[worst].max * d->n_hosts)
            worst = i;
    }
    *out_n = n;
    return worst;
}

/* "at most 1 of each rack down: at worst 1 of 40 down, rack r7" */
static void put_domains(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    for (size_t i = 0; i < plan->n_limits; i++) {
        const struct tg_plan_limit *l = &plan->limits[i];
        struct tg_buf what = TG_BUF_INIT;
        char share[32], name[160];
        size_t n, worst = worst_domain(plan, i, &n);
        tg_share_format(&l->share, share, sizeof share);
        tg_buf_printf(&what, "%s %s of %s%.60s", l->kind == TG_LIMIT_FLOOR ? "at least" : "at most", share, l->selector ? "" : "each ", l->name);
        tg_buf_puts(&what, l->kind == TG_LIMIT_FLOOR ? " stay up" : " down");
        if (n) {
            tg_plan_domain_name(plan, worst, name, sizeof name);
            if (l->selector)
                tg_buf_printf(&what, ": at worst %u of %u down", plan->domains[worst].max, plan->domains[worst].n_hosts);
            else
                tg_buf_printf(&what, ": at worst %u of %u down, %.100s", plan->domains[worst].max, plan->domains[worst].n_hosts, name);
        }
        tg_buf_puts(out, i || plan->unverified > plan->running ? "         " : "limits   ");
        tg_put_cut(out, tg_buf_text(&what), width - 9);
        tg_buf_putc(out, '\n');
        tg_buf_release(&what);
    }
    if (plan->n_limits && plan->ignore_gone)
        tg_buf_puts(out, "         hosts whose agents are gone don't count as down\n");
}

/* Where somebody must say so before it goes on. */
static void put_approvals(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    struct tg_buf names = TG_BUF_INIT;

    for (size_t i = 0; i < plan->n_stages; i++)
        if (plan->stages[i].policy.approve && plan->stages[i].count)
            tg_buf_printf(&names, "%s%s", names.len ? ", " : "before ", plan->stages[i].name);
    if (names.len) {
        tg_buf_puts(out, "approve  ");
        tg_put_cut(out, tg_buf_text(&names), width - 9);
        tg_buf_putc(out, '\n');
    }
    tg_buf_release(&names);
}

static void put_bound(const struct tg_share *share, size_t of, const char *what, const char *stage, int64_t sample, struct tg_buf *out)
{
    char text[32];

    if (share->kind == TG_SHARE_UNSET)
        return;
    tg_share_format(share, text, sizeof text);
    tg_buf_printf(out, "         when more than %s %s%s%s", text, what, stage ? " in " : "", stage ? stage : "");
    if (share->kind == TG_SHARE_PERCENT)
        tg_buf_printf(out, " (%lld of %zu)", (long long) tg_share_within(share, (int64_t) of), of);
    if (share->kind == TG_SHARE_PERCENT && sample > 1)
        tg_buf_printf(out, ", once %lld have ended", (long long) sample);
    tg_buf_putc(out, '\n');
}

/* What else halts it: unreachable hosts, and stages that bear less. */
static void put_more_halts(const struct tg_plan *plan, struct tg_buf *out)
{
    put_bound(&plan->unreachable, plan->n_targets, "are unreachable", NULL, plan->of_at_least, out);
    for (size_t i = 0; i < plan->n_stages; i++) {
        const struct tg_plan_stage *s = &plan->stages[i];
        put_bound(&s->policy.bears.failed, s->count, "fail", s->name, s->policy.bears.of_at_least, out);
        put_bound(&s->policy.bears.unreachable, s->count, "are unreachable", s->name, s->policy.bears.of_at_least, out);
    }
}

static void put_halt(const struct tg_plan *plan, struct tg_buf *out)
{
    char share[32];
    long long most = (long long) tg_share_within(&plan->failed, (int64_t) plan->n_targets);

    tg_share_format(&plan->failed, share, sizeof share);
    if (most <= 0)
        tg_buf_puts(out, "halt     at the first host that fails");
    else if (plan->failed.kind == TG_SHARE_PERCENT)
        tg_buf_printf(out, "halt     when more than %s fail (%lld of %zu)", share, most, plan->n_targets);
    else
        tg_buf_printf(out, "halt     when more than %s host%s", share, most == 1 ? " fails" : "s fail");
    if (plan->failed.kind == TG_SHARE_PERCENT && plan->of_at_least > 1)
        tg_buf_printf(out, ", once %lld have ended", (long long) plan->of_at_least);
    tg_buf_putc(out, '\n');
    put_more_halts(plan, out);
    if (plan->decide_ms) {
        char text[32];
        tg_duration_format(plan->decide_ms, text, sizeof text);
        tg_buf_printf(out, "         what can't be verified is tried again for %s, %s\n", text, plan->give_up_ms ? "then a person must look" : "and is unknown then");
    }
    if (plan->give_up_ms) {
        char text[32];
        tg_duration_format(plan->give_up_ms, text, sizeof text);
        tg_buf_printf(out, "         when nobody has looked for %s at what has no verdict\n", text);
    }
    if (plan->retries) {
        char text[32];
        tg_duration_format(plan->retry_wait_ms, text, sizeof text);
        tg_buf_printf(out, "         who is not reached is tried %lld time%s more, first after %s\n", (long long) plan->retries, plan->retries == 1 ? "" : "s", text);
    }
    if (plan->then == TG_THEN_ROLLBACK)
        tg_buf_puts(out, "then     rolls back what it has changed, in reverse order\n");
    if (plan->then == TG_THEN_WITHDRAW)
        tg_buf_puts(out, "then     takes what it has changed out of service, as far as its limits allow\n");
}

static void put_hours(const struct tg_plan *plan, struct tg_buf *out)
{
    char text[128];

    if (!plan->hours.days)
        return;
    tg_hours_format(&plan->hours, text, sizeof text);
    tg_buf_printf(out, "hours    %s\n", text);
}

/* " (as 412 hosts in the last 3 runs)" */
static void put_basis(const struct tg_plan *plan, struct tg_buf *out)
{
    if (plan->estimate_ms)
        return;
    if (!plan->learned_ms)
        tg_buf_puts(out, " (a guess: no \"estimate:\")");
    else if (plan->learned_runs == 1)
        tg_buf_printf(out, " (as %lld host%s in the last run)", (long long) plan->learned_hosts, plan->learned_hosts == 1 ? "" : "s");
    else
        tg_buf_printf(out, " (as %lld hosts in the last %lld runs)", (long long) plan->learned_hosts, (long long) plan->learned_runs);
}

/* How long it all takes, and on what that rests. */
static void put_takes(const struct table *t, struct tg_buf *out)
{
    int64_t end = t->now_ms, each = tg_plan_estimate_ms(t->plan);
    char takes[32], when[48], host[32];
    bool approve = false;

    for (size_t i = 0; i < t->plan->n_stages; i++) {
        end = t->times[i].end_ms > end ? t->times[i].end_ms : end;
        approve |= t->plan->stages[i].policy.approve && t->plan->stages[i].count;
    }
    tg_duration_format((end - t->now_ms) / 1000 * 1000, takes, sizeof takes);
    tg_duration_format(each, host, sizeof host);
    tg_plan_time_format(t->plan, end, t->now_ms, when, sizeof when);
    tg_buf_printf(out, "takes    about %s, to %s, at %s a host", takes, when, host);
    put_basis(t->plan, out);
    tg_buf_puts(out, approve ? ", and what approvals take\n" : "\n");
}

static int put_warnings(const struct table *t, struct tg_buf *out, struct tg_error *e)
{
    json_t *list = tg_plan_warnings(t->plan, t->times);
    const json_t *text;
    size_t i;

    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (json_array_size(list))
        tg_buf_putc(out, '\n');
    json_array_foreach(list, i, text)
        tg_buf_printf(out, "Warning: %s\n", json_string_value(text));
    json_decref(list);
    return 0;
}

static int put_all(struct table *t, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_plan *plan = t->plan;
    int rc = put_head(plan, t->width, out, e);

    if (!rc)
        rc = put_stages(t, out, e);
    if (rc)
        return rc;
    tg_buf_putc(out, '\n');
    put_around(plan, t->width, out);
    put_verify(plan, t->width, out);
    put_unverified(plan, out);
    if (!plan->mends) /* they come on top of nobody */
        put_domains(plan, t->width, out);
    put_hours(plan, out);
    tg_plan_text_windows(plan, t->now_ms, t->width, out);
    put_approvals(plan, t->width, out);
    if (!plan->withdraws)
        put_halt(plan, out);
    put_takes(t, out);
    return put_warnings(t, out, e);
}

int tg_plan_text(const struct tg_plan *plan, int64_t now_ms, int width, struct tg_buf *out, struct tg_error *e)
{
    struct tg_stage_times *times = NULL;
    struct table t = {.plan = plan, .now_ms = now_ms, .name = 5, .hosts = 5, .pace = 4, .bake = 4, .width = width < 60 ? 60 : width};
    int rc = tg_plan_times(plan, now_ms, &times, e);

    t.times = times;
    if (!rc)
        rc = put_all(&t, out, e);
    free(times);
    return rc ? rc : tg_buf_ok(out, e);
}
