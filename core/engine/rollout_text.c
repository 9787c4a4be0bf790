/* The stages of a rollout as YAML: see tg_rollout_stages_text(). What is added to a stage is added here, or the test that reads it back fails. */
#include "engine/rollout.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

/* Exactly, in one unit: what tg_duration_format() rounds would be another plan. */
static void put_duration(struct tg_buf *out, const char *key, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t u = 0;

    while (ms % units[u].ms)
        u++;
    tg_buf_printf(out, ", %s: %lld%s", key, (long long) (ms / units[u].ms), units[u].unit);
}

static void put_quoted(struct tg_buf *out, const char *text)
{
    tg_buf_putc(out, '"');
    for (; *text; text++)
        if (*text == '\n' || *text == '\t')
            tg_buf_puts(out, *text == '\n' ? "\\n" : "\\t");
        else
            tg_buf_printf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    tg_buf_putc(out, '"');
}

static void put_bounds(const struct tg_bounds *b, struct tg_buf *out)
{
    char text[32];
    const char *between = "";

    if (b->failed.kind == TG_SHARE_UNSET && b->unreachable.kind == TG_SHARE_UNSET && !b->of_at_least)
        return;
    tg_buf_puts(out, ", failure: {");
    for (size_t i = 0; i < 2; i++) {
        const struct tg_share *share = i ? &b->unreachable : &b->failed;
        if (share->kind == TG_SHARE_UNSET)
            continue;
        tg_share_format(share, text, sizeof text);
        tg_buf_printf(out, "%s%s: %s", between, i ? "unreachable" : "failed", text);
        between = ", ";
    }
    if (b->of_at_least)
        tg_buf_printf(out, "%sof-at-least: %lld", between, (long long) b->of_at_least);
    tg_buf_putc(out, '}');
}

static void put_stage(const struct tg_stage_spec *s, struct tg_buf *out)
{
    char text[32];

    tg_buf_printf(out, "  - {name: %s", s->name);
    if (s->targets) {
        tg_buf_puts(out, ", targets: ");
        put_quoted(out, s->targets);
    }
    if (s->optional)
        tg_buf_puts(out, ", optional: true");
    if (s->count >= 0)
        tg_buf_printf(out, ", count: %lld", (long long) s->count);
    if (s->until.kind != TG_SHARE_UNSET) {
        tg_share_format(&s->until, text, sizeof text);
        tg_buf_printf(out, ", until: %s", text);
    }
    if (s->dry_run)
        tg_buf_puts(out, ", dry-run: true");
    if (s->rate.count) {
        tg_rate_format(&s->rate, text, sizeof text);
        tg_buf_printf(out, ", rate: %s", text);
    }
    if (s->day)
        tg_buf_printf(out, ", day: %lld", (long long) s->day);
    if (s->spread_ms) {
        tg_buf_puts(out, ", spread: {over: day");
        if (s->spread_ms < TG_SPREAD_MAX_MS)
            put_duration(out, "at-most", s->spread_ms);
        tg_buf_putc(out, '}');
    }
    if (s->over_window)
        tg_buf_puts(out, ", spread: window");
    if (s->bake_ms)
        put_duration(out, "bake", s->bake_ms);
    if (s->policy.approve)
        tg_buf_puts(out, ", approve: true");
    put_bounds(&s->policy.bears, out);
    tg_buf_puts(out, "}\n");
}

int tg_rollout_stages_text(const struct tg_rollout *r, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_hours *h = &r->hours;
    char days[32];

    if (r->hours_by_preset) {
        tg_hours_days_format(h->days, days, sizeof days);
        tg_buf_printf(out, "hours: {days: \"%s\", from: \"%02d:%02d\", until: \"%02d:%02d\", zone: %s}\n", days, h->from_min / 60, h->from_min % 60, h->until_min / 60,
                      h->until_min % 60, h->zone);
    }
    if (r->windows_by_preset)
        tg_buf_puts(out, "windows: honour\n");
    tg_buf_puts(out, "stages:\n");
    for (size_t i = 0; i < r->n_stages; i++)
        put_stage(&r->stages[i], out);
    return tg_buf_ok(out, e);
}
