/* A plan as people read it: see plan_text.h. */
#include "engine/plan_text.h"

#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of UTF-8 text, all of whose characters are one wide. */
static int columns(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0U) != 0x80U;
    return n;
}

/* Appends text, cut with "…" to at most room columns. */
static void put_cut(struct tg_buf *out, const char *text, int room)
{
    const char *end = text;

    if (columns(text) <= room) {
        tg_buf_puts(out, text);
        return;
    }
    for (int n = 0; *end && n < room - 1; n++)
        do
            end++;
        while (((unsigned char) *end & 0xc0U) == 0x80U);
    tg_buf_add(out, text, (size_t) (end - text));
    tg_buf_puts(out, "…");
}

static void pad(struct tg_buf *out, int n)
{
    while (n-- > 0)
        tg_buf_putc(out, ' ');
}

/* Folded names of hosts[first … first+count). */
static int fold(const struct tg_plan *plan, size_t first, size_t count, struct tg_buf *out, struct tg_error *e)
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
    snprintf(digest, sizeof digest, "digest %.*s", TG_PLAN_DIGEST_SHORT, plan->digest);
    tg_buf_printf(out, "%s: ", plan->name);
    put_cut(out, change, width - columns(plan->name) - 2);
    int used = tg_buf_ok(out, NULL) ? 0 : columns(out->data + start);
    if (used + 2 + (int) strlen(digest) > width) {
        tg_buf_putc(out, '\n');
        used = 0;
    }
    pad(out, used ? width - used - (int) strlen(digest) : 0);
    tg_buf_printf(out, "%s\ntargets  ", digest);
    put_cut(out, plan->targets, width - 9 - 18);
    tg_buf_printf(out, ": %zu host%s\n", plan->n_targets, plan->n_targets == 1 ? "" : "s");
    return 0;
}

struct table {
    int name, hosts, pace; /* widths of columns */
};

static void pace_of(const struct tg_plan *plan, const struct tg_plan_stage *s, char *out, size_t size)
{
    char rate[32];

    tg_rate_format(&s->rate, rate, sizeof rate);
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

static int put_stage(const struct tg_plan *plan, const struct tg_plan_stage *s, const struct table *t, int width,
                     struct tg_buf *out, struct tg_error *e)
{
    char pace[48], bake[32] = "–", count[24];
    struct tg_buf names = TG_BUF_INIT;
    int rc = fold(plan, s->first, s->count, &names, e);

    if (!rc) {
        pace_of(plan, s, pace, sizeof pace);
        if (s->bake_ms)
            tg_duration_format(s->bake_ms, bake, sizeof bake);
        int n = snprintf(count, sizeof count, "%zu", s->count);
        tg_buf_puts(out, s->name);
        pad(out, t->name - columns(s->name) + t->hosts - n);
        tg_buf_printf(out, "  %s  %s", count, pace);
        pad(out, t->pace - columns(pace));
        tg_buf_printf(out, "  %s", bake);
        if (s->count) {
            pad(out, 6 - columns(bake));
            tg_buf_puts(out, "  ");
            put_cut(out, tg_buf_text(&names), width - t->name - t->hosts - t->pace - 6 - 8);
        }
        tg_buf_putc(out, '\n');
    }
    tg_buf_release(&names);
    return rc;
}

static int put_stages(const struct tg_plan *plan, int width, struct tg_buf *out, struct tg_error *e)
{
    struct table t = {.name = 5, .hosts = 5, .pace = 4};
    char pace[48];
    int rc = 0;

    for (size_t i = 0; i < plan->n_stages; i++) {
        pace_of(plan, &plan->stages[i], pace, sizeof pace);
        if (columns(plan->stages[i].name) > t.name)
            t.name = columns(plan->stages[i].name);
        if (columns(pace) > t.pace)
            t.pace = columns(pace);
    }
    tg_buf_printf(out, "\n%-*s  %*s  %-*s  BAKE    WHICH\n", t.name, "STAGE", t.hosts, "HOSTS", t.pace, "PACE");
    for (size_t i = 0; !rc && i < plan->n_stages; i++)
        rc = put_stage(plan, &plan->stages[i], &t, width, out, e);
    return rc;
}

static void put_around(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    for (size_t i = 0; i < plan->n_around; i++) {
        const struct tg_around *a = &plan->around[i];
        struct tg_buf what = TG_BUF_INIT;
        for (size_t j = 0; j < a->n_hold; j++)
            tg_buf_printf(&what, "%s%s", j ? ", " : "", a->hold[j]);
        tg_buf_puts(out, i ? "         lock, holding " : "around   lock, holding ");
        put_cut(out, a->n_hold ? tg_buf_text(&what) : "all automation", width - 23);
        tg_buf_putc(out, '\n');
        tg_buf_release(&what);
    }
}

static void put_verify(const struct tg_plan *plan, int width, struct tg_buf *out)
{
    for (size_t i = 0; i < plan->n_verify; i++) {
        const struct tg_verify *v = &plan->verify[i];
        struct tg_buf what = TG_BUF_INIT;
        char within[32];
        if (v->kind == TG_VERIFY_HTTP)
            tg_buf_puts(&what, v->url);
        for (size_t j = 0; v->argv && v->argv[j]; j++)
            tg_buf_printf(&what, "%s%s", j ? " " : "on the host: ", v->argv[j]);
        tg_duration_format(v->within_ms, within, sizeof within);
        tg_buf_puts(out, i ? "         " : "verify   ");
        put_cut(out, tg_buf_text(&what), width - 9 - 8 - columns(within));
        tg_buf_printf(out, " within %s\n", within);
        tg_buf_release(&what);
    }
}

/* What rates and bakes take, however fast the hosts are. */
static void put_least(const struct tg_plan *plan, struct tg_buf *out)
{
    int64_t ms = 0;
    char text[32];
    bool any = false;

    for (size_t i = 0; i < plan->n_stages; i++) {
        ms += tg_rate_takes_ms(&plan->stages[i].rate, (int64_t) plan->stages[i].count) + (plan->stages[i].count ? plan->stages[i].bake_ms : 0);
        any |= plan->stages[i].rate.count > 0;
    }
    if (!any)
        return;
    tg_duration_format(ms / 1000 * 1000, text, sizeof text);
    tg_buf_printf(out, "takes    at least %s, by its rates and bakes\n", text);
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
        put_cut(out, tg_buf_text(&what), width - 9);
        tg_buf_putc(out, '\n');
        tg_buf_release(&what);
    }
}

/* Hosts that a limit lets go only one after another take their time. */
static void warn_of_limits(const struct tg_plan *plan, struct tg_buf *out)
{
    char name[160];

    for (size_t i = 0; i < plan->n_limits; i++)
        if (plan->limits[i].n_without)
            tg_buf_printf(out, "\nWarning: %zu host%s no %s: that limit does not hold %s back.\n", plan->limits[i].n_without,
                          plan->limits[i].n_without == 1 ? " has" : "s have", plan->limits[i].name, plan->limits[i].n_without == 1 ? "it" : "them");
    for (size_t i = 0; i < plan->n_stages; i++) {
        size_t domain, rounds = tg_plan_rounds(plan, i, &domain);
        if (domain == TG_NO_DOMAIN || rounds < 10 || rounds * (size_t) plan->running < 2 * plan->stages[i].count)
            continue;
        tg_plan_domain_name(plan, domain, name, sizeof name);
        tg_buf_printf(out, "\nWarning: stage %s waits longest for %s: its hosts take %zu turns, %u at once.\n", plan->stages[i].name, name, rounds,
                      plan->domains[domain].max);
    }
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
        put_cut(out, tg_buf_text(&names), width - 9);
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
}

int tg_plan_text(const struct tg_plan *plan, int width, struct tg_buf *out, struct tg_error *e)
{
    int rc;

    if (width < 60)
        width = 60;
    if ((rc = put_head(plan, width, out, e)) || (rc = put_stages(plan, width, out, e)))
        return rc;
    tg_buf_putc(out, '\n');
    put_around(plan, width, out);
    put_verify(plan, width, out);
    put_unverified(plan, out);
    put_domains(plan, width, out);
    put_approvals(plan, width, out);
    put_halt(plan, out);
    put_least(plan, out);
    if (plan->n_left)
        tg_buf_printf(out, "\nWarning: %zu of the targets %s in no stage and will not be changed.\n", plan->n_left,
                      plan->n_left == 1 ? "is" : "are");
    warn_of_limits(plan, out);
    return tg_buf_ok(out, e);
}
