/* A plan as people read it: see plan_text.h. */
#include "engine/plan_text_internal.h"

#include "base/columns.h"
#include "engine/around_module.h"
#include "engine/plan_internal.h"
#include "engine/plan_warn.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_COLUMNS 95 /* of a run */
#define TITLE 9        /* columns before what a line of facts says */

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

/* What it does and its digest, which stands beside that or below it; what it is for. */
static int put_head(const struct tg_plan_sheet *t, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_plan *plan = t->plan;
    char change[512], line[640], digest[32];
    int rc = tg_plan_describe_change(plan, change, sizeof change, e);

    if (rc)
        return rc;
    snprintf(digest, sizeof digest, "digest %.*s", TG_PLAN_DIGEST_SHORT, plan->digest);
    snprintf(line, sizeof line, "%s: %s", plan->name, plan->withdraws ? "taken out of service, as far as the limits allow" : change);
    int blanks = t->width - tg_columns(line) - (int) strlen(digest);
    tg_put_wrapped(out, line, t->wrap - 2, 2);
    tg_buf_puts(out, blanks < 2 ? "\n" : "");
    tg_put_blanks(out, blanks < 2 ? 0 : blanks);
    tg_buf_printf(out, "%s\ntargets  ", digest);
    tg_put_wrapped(out, plan->targets, t->wrap - TITLE - 18, TITLE);
    tg_buf_printf(out, ": %zu host%s\n", plan->n_targets, plan->n_targets == 1 ? "" : "s");
    return 0;
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
static void put_domains(const struct tg_plan *plan, struct tg_buf *out)
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
        tg_buf_printf(out, "%s\n", tg_buf_text(&what));
        tg_buf_release(&what);
    }
    if (plan->n_limits && plan->ignore_gone)
        tg_buf_puts(out, "         hosts whose agents are gone don't count as down\n");
}

static void put_wrapped_line(const char *title, const char *text, int width, struct tg_buf *out)
{
    tg_buf_printf(out, "%-9s", title);
    tg_put_wrapped(out, text, width - 9, 9);
    tg_buf_putc(out, '\n');
}

/* Hosts that are out of service before, and what becomes of that. */
static void put_mends(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    char text[2 * RUN_COLUMNS + 300];

    if (!plan->mends)
        return;
    snprintf(text, sizeof text, "its hosts are out of service by %.*s, drained and locked, and stay so while they are changed and verified", RUN_COLUMNS, plan->mends);
    put_wrapped_line("mends", text, width, out);
    put_wrapped_line("room", "none is needed: they are down already, so neither domains nor floors hold them back", width, out);
    snprintf(text, sizeof text, "who is verified comes back into service behind the end, unless it halts or is aborted; who is not stays out of it: tagout return %.*s HOST",
             RUN_COLUMNS, plan->mends);
    put_wrapped_line("then", text, width, out);
}

/* Where somebody must say so before it goes on. */
static void put_approvals(const struct tg_plan *plan, struct tg_buf *out)
{
    struct tg_buf names = TG_BUF_INIT;

    for (size_t i = 0; i < plan->n_stages; i++)
        if (plan->stages[i].policy.approve && plan->stages[i].count)
            tg_buf_printf(&names, "%s%s", names.len ? ", " : "before ", plan->stages[i].name);
    if (names.len)
        tg_buf_printf(out, "approve  %s\n", tg_buf_text(&names));
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
    char slow[32] = "";

    tg_duration_format((plan->learned_p95_ms + 500) / 1000 * 1000, slow, sizeof slow);
    if (!plan->learned_ms)
        tg_buf_puts(out, " (a guess: no \"estimate:\")");
    else if (plan->learned_runs == 1)
        tg_buf_printf(out, " (as %lld host%s in the last run)", (long long) plan->learned_hosts, plan->learned_hosts == 1 ? "" : "s");
    else
        tg_buf_printf(out, " (as %lld hosts in the last %lld runs; 95 of 100 within %s)", (long long) plan->learned_hosts, (long long) plan->learned_runs, slow);
}

/* How long it all takes, and on what that rests. */
static void put_takes(const struct tg_plan_sheet *t, struct tg_buf *out)
{
    int64_t end = t->now_ms, each = tg_plan_estimate_ms(t->plan);
    char takes[32], when[48], host[32];
    bool approve = false;

    for (size_t i = 0; i < t->plan->n_stages; i++) {
        end = t->times[i].end_ms > end ? t->times[i].end_ms : end;
        approve |= t->plan->stages[i].policy.approve && t->plan->stages[i].count;
    }
    int64_t left = end - t->now_ms, unit = left >= 600000 ? 60000 : 1000; /* nobody waits by the second for what takes an hour */
    tg_duration_format((left + unit / 2) / unit * unit, takes, sizeof takes);
    tg_duration_format((each + 500) / 1000 * 1000, host, sizeof host);
    tg_plan_time_format(t->plan, end, t->now_ms, when, sizeof when);
    tg_buf_printf(out, "takes    about %s, to %s, at %s a host", takes, when, host);
    put_basis(t->plan, out);
    tg_buf_puts(out, approve ? ", and what approvals take\n" : "\n");
}

static void put_warning(const char *text, int wrap, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;

    tg_buf_printf(&line, "Warning: %s", text);
    tg_put_wrapped(out, tg_buf_text(&line), wrap - 2, 2);
    tg_buf_putc(out, '\n');
    tg_buf_release(&line);
}

static int put_warnings(const struct tg_plan_sheet *t, const json_t *more, struct tg_buf *out, struct tg_error *e)
{
    json_t *list = tg_plan_warnings(t->plan, t->times);
    const json_t *text;
    size_t i;

    if (!list || (more && json_array_extend(list, (json_t *) more))) {
        json_decref(list);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if (json_array_size(list))
        tg_buf_putc(out, '\n');
    json_array_foreach(list, i, text)
        put_warning(json_string_value(text), t->wrap, out);
    json_decref(list);
    return 0;
}

static void put_facts(const struct tg_plan_sheet *t, struct tg_buf *out)
{
    const struct tg_plan *plan = t->plan;

    put_around(plan, t->width, out);
    put_verify(plan, t->width, out);
    put_unverified(plan, out);
    if (!plan->mends) /* they come on top of nobody */
        put_domains(plan, out);
    put_mends(plan, t->width, out);
    put_hours(plan, out);
    tg_plan_text_windows(plan, t->now_ms, t->width, out);
    put_approvals(plan, out);
    if (!plan->withdraws)
        put_halt(plan, out);
    put_takes(t, out);
}

/* What is too long for a terminal goes on below where it began. */
static void put_lines(const char *text, int wrap, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;

    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        size_t title = end - text < TITLE ? (size_t) (end - text) : TITLE;
        tg_buf_add(out, text, title);
        tg_buf_reset(&line);
        tg_buf_add(&line, text + title, (size_t) (end - text) - title);
        tg_put_wrapped(out, tg_buf_text(&line), wrap - TITLE, TITLE);
        tg_buf_putc(out, '\n');
    }
    tg_buf_release(&line);
}

static int put_all(struct tg_plan_sheet *t, const struct tg_plan_now *now, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf facts = TG_BUF_INIT;
    int rc = put_head(t, out, e);

    tg_buf_putc(out, '\n');
    if (!rc)
        rc = tg_plan_text_stages(t, out, e);
    if (rc)
        return rc;
    tg_buf_putc(out, '\n');
    put_facts(t, &facts);
    tg_buf_puts(&facts, now->lines);
    put_lines(tg_buf_text(&facts), t->wrap, out);
    rc = tg_buf_ok(&facts, e);
    tg_buf_release(&facts);
    return rc ? rc : put_warnings(t, now->warnings, out, e);
}

#define NARROWEST 40 /* columns that it is laid for */

int tg_plan_text_now(const struct tg_plan *plan, int64_t now_ms, int width, int wrap, const struct tg_plan_now *now, struct tg_buf *out, struct tg_error *e)
{
    struct tg_stage_times *times = NULL;
    struct tg_stage_worst *worst = NULL;
    struct tg_plan_sheet t = {.plan = plan, .now_ms = now_ms, .width = width < NARROWEST ? NARROWEST : width, .wrap = wrap < NARROWEST ? NARROWEST : wrap};
    int rc = tg_plan_times(plan, now_ms, &times, e);

    if (!rc)
        rc = tg_plan_worst(plan, &worst, e);
    t.times = times;
    t.worst = worst;
    if (!rc)
        rc = put_all(&t, now, out, e);
    free(times);
    free(worst);
    return rc ? rc : tg_buf_ok(out, e);
}

int tg_plan_text(const struct tg_plan *plan, int64_t now_ms, int width, int wrap, struct tg_buf *out, struct tg_error *e)
{
    return tg_plan_text_now(plan, now_ms, width, wrap, &(struct tg_plan_now) {.lines = ""}, out, e);
}
