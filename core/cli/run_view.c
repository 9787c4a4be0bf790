/* A run for people's eyes: see run_view.h. */
#include "cli/run_view_internal.h"

#include "base/shown.h"
#include "cli/run_brakes.h"
#include "engine/plan_when.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NARROW 60        /* columns below which there are no bars */
#define BAR_WIDTH 24

static const char *const marks[TG_STAGE_STATES] = {"·", "▶", "◷", "◷", "✔", "?"};

/* Without blanks at its end. */
static void end_line(struct tg_buf *out)
{
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    tg_buf_putc(out, '\n');
}

/* In several lines when it has no room in one, those behind the first indented. */
static void put_long(struct tg_buf *out, const struct tg_buf *line, int width, int indent)
{
    struct tg_buf shown = TG_BUF_INIT; /* reasons, and the names of who gave them, are what others wrote */
    int room = width > 20 ? width - 1 : 79;

    tg_shown(&shown, tg_buf_text(line));
    if (tg_columns(tg_buf_text(&shown)) <= room)
        tg_buf_puts(out, tg_buf_text(&shown));
    else
        tg_put_wrapped(out, tg_buf_text(&shown), room - indent, indent);
    end_line(out);
    tg_buf_release(&shown);
}

void tg_view_line(struct tg_buf *out, const struct tg_buf *line, int width)
{
    struct tg_buf shown = TG_BUF_INIT;

    if (width > 20 && width < NARROW) { /* little has room there: what is cut off would be missed */
        put_long(out, line, width, 4);
        return;
    }
    tg_shown(&shown, tg_buf_text(line));
    tg_put_cut(out, tg_buf_text(&shown), width > 20 ? width - 1 : 79);
    end_line(out);
    tg_buf_release(&shown);
}

/* ---- one line for the run ---- */

static size_t ended_of(const size_t counts[TG_HOST_STATES])
{
    size_t n = 0;

    for (int s = TG_HOST_DONE; s < TG_HOST_STATES; s++)
        n += counts[s];
    return n;
}

#define LOOK_AGAIN_MS 10000 /* a minute more or less matters to nobody, and it takes a while for many hosts */

/* With windows: as long as hosts wait for them, they say when it ends. */
static int64_t left_with_windows(struct tg_run_view *v, int64_t now_ms)
{
    const struct tg_run *run = v->run;

    if (!run->plan->calendar || run->state != TG_RUN_ACTIVE)
        return -1;
    if (!v->looked_ms || now_ms - v->looked_ms >= LOOK_AGAIN_MS) {
        v->looked_ms = now_ms;
        if (tg_plan_end(run->plan, run, now_ms, &v->end_ms, NULL))
            v->end_ms = INT64_MAX;
    }
    return v->end_ms == INT64_MAX ? -1 : v->end_ms > now_ms ? v->end_ms - now_ms : 0;
}

/* Before its own pace can be told: as the plan's author says, or as the last runs were. */
static int64_t left_by_estimate(struct tg_run_view *v, int64_t now_ms)
{
    const struct tg_run *run = v->run;

    if ((!run->plan->estimate_ms && !run->plan->learned_ms) || run->plan->withdraws)
        return -1;
    if (!v->guessed_ms || now_ms - v->guessed_ms >= LOOK_AGAIN_MS) {
        v->guessed_ms = now_ms;
        if (tg_plan_end(run->plan, run, now_ms, &v->guess_ms, NULL))
            v->guess_ms = INT64_MAX;
    }
    return v->guess_ms == INT64_MAX ? -1 : v->guess_ms > now_ms ? v->guess_ms - now_ms : 0;
}

int64_t tg_run_view_left_ms(struct tg_run_view *v, int64_t now_ms)
{
    const struct tg_run *run = v->run;

    if (run->plan->n_windows && run->totals[TG_HOST_WAITING])
        return left_with_windows(v, now_ms);
    size_t ended = ended_of(run->totals);
    const struct tg_run_stage *now = run->stage < run->plan->n_stages ? &run->stages[run->stage] : NULL;
    size_t here = now ? ended_of(now->counts) : 0;

    if (run->state != TG_RUN_ACTIVE || !now)
        return -1;
    if (ended < 3)
        return left_by_estimate(v, now_ms);
    /* As fast as in this stage so far, or as in all, but no faster than its rate. */
    int64_t each = here >= 3 ? (now_ms - now->started_ms) / (int64_t) here : (now_ms - run->started_ms) / (int64_t) ended, left = 0;
    for (size_t i = run->stage; i < run->plan->n_stages; i++) {
        const struct tg_plan_stage *p = &run->plan->stages[i];
        const struct tg_run_stage *s = &run->stages[i];
        int64_t interval = tg_rate_interval_us(&p->rate) / 1000, open = (int64_t) (p->count - ended_of(s->counts));
        left += open * (interval > each ? interval : each);
        left += s->state == TG_STAGE_BAKING ? (s->bake_until_ms > now_ms ? s->bake_until_ms - now_ms : 0) : s->state < TG_STAGE_BAKING ? p->bake_ms : 0;
    }
    return left;
}

bool tg_run_view_end_ms(const struct tg_run_view *v, int64_t *out_ms)
{
    if (!v->looked_ms || v->end_ms == INT64_MAX)
        return false;
    *out_ms = v->end_ms;
    return true;
}

static void add_times(struct tg_run_view *v, int64_t now_ms, struct tg_buf *line)
{
    const struct tg_run *run = v->run;
    char text[32];

    if (!run->started_ms)
        return;
    bool goes_on = v->driven && run->state != TG_RUN_PAUSED && run->state != TG_RUN_HELD && run->state != TG_RUN_ENDED;
    int64_t until = goes_on && now_ms > run->last_ms ? now_ms : run->last_ms; /* somebody's clock may be behind */
    tg_duration_format((until - run->started_ms) / 1000 * 1000, text, sizeof text);
    tg_buf_printf(line, " %s", text);
    int64_t left = tg_run_view_left_ms(v, now_ms);
    if (left < 0 || !goes_on)
        return;
    if (run->plan->n_windows && run->totals[TG_HOST_WAITING]) {
        char when[40];
        tg_plan_time_format(run->plan, now_ms + left, now_ms, when, sizeof when);
        tg_buf_printf(line, ", ends about %s %s", when, tg_plan_zone(run->plan));
        return;
    }
    tg_duration_format(left / 1000 * 1000, text, sizeof text);
    tg_buf_printf(line, ", about %s left", text);
}

bool tg_view_is_left(const struct tg_run_view *v)
{
    enum tg_run_state s = v->run->state;

    return !v->driven && s != TG_RUN_NEW && s != TG_RUN_PAUSED && s != TG_RUN_HELD && s != TG_RUN_ENDED;
}

static const char *state_word(const struct tg_run_view *v)
{
    static const char *const words[TG_RUN_STATES] = {"not begun", "running",       "pausing", "paused",  "halting",
                                                      "aborting",  "looking again", "ended",   "pausing", "paused"};
    static const char *const ends[] = {"", "done", "ended badly", "halted", "aborted"};

    if (v->run->state == TG_RUN_ENDED)
        return ends[tg_run_end(v->run)];
    return tg_view_is_left(v) ? "left" : words[v->run->state];
}

static void add_head(struct tg_run_view *v, int64_t now_ms, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;
    char stop[TG_PLAN_DIGEST_SIZE + 100];

    tg_buf_printf(&line, "%s  %s", v->id, state_word(v));
    add_times(v, now_ms, &line);
    snprintf(stop, sizeof stop, "stop: tagout abort %.80s", v->id);
    int has = tg_columns(tg_buf_text(&line)), wants = tg_columns(stop);
    bool stoppable = v->run->state == TG_RUN_ACTIVE && v->driven;
    if (stoppable && has + wants + 3 < v->width) {
        tg_put_blanks(&line, v->width - 1 - has - wants);
        tg_buf_puts(&line, stop);
    }
    tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

/* Until when somebody has to look. */
static void add_give_up(const struct tg_run_view *v, int64_t now_ms, struct tg_buf *out)
{
    const struct tg_plan *plan = v->run->plan;
    char when[40];

    if (!tg_run_is_to_be_looked_at(v->run) || !v->run->give_up_ms)
        return;
    struct tg_buf line = TG_BUF_INIT;
    tg_plan_time_format(plan, v->run->give_up_ms, now_ms, when, sizeof when);
    if (now_ms < v->run->give_up_ms)
        tg_buf_printf(&line, "  it halts at %s %s, unless somebody has looked by then", when, tg_plan_zone(plan));
    else
        tg_buf_printf(&line, "  nobody has looked by %s %s: it halts when it is driven again", when, tg_plan_zone(plan));
    tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

/* That it goes by no window, and why. */
static void add_ignored(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_plan *plan = v->run->plan;

    if (plan->windows_mode != TG_WINDOWS_IGNORE)
        return;
    struct tg_buf line = TG_BUF_INIT;
    tg_buf_printf(&line, "  windows ignored%s%s", plan->windows_why ? ": " : "", plan->windows_why ? plan->windows_why : "");
    tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

/* Who has paused it, why, and the way on. */
static void add_hold(const struct tg_run_view *v, int64_t now_ms, struct tg_buf *out)
{
    const struct tg_run *run = v->run;

    if (!run->causes)
        return;
    struct tg_buf line = TG_BUF_INIT;
    tg_buf_printf(&line, "  paused%s%s%s%s", run->hold_by ? " by " : "", run->hold_by ? run->hold_by : "", run->hold_why && run->hold_why[0] ? ": " : "",
                  run->hold_why ? run->hold_why : "");
    tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
    add_give_up(v, now_ms, out);
    if (run->causes & TG_CAUSE_SCOPE)
        tg_buf_puts(out, "  go on: tagout resume SCOPE, as tagout status lists it\n");
    if (run->causes & (TG_CAUSE_COMMAND | TG_CAUSES_TO_LOOK))
        tg_buf_printf(out, "  go on: tagout resume %s\n", v->id);
}

/* ---- stages ---- */

static void add_counts(const size_t counts[TG_HOST_STATES], struct tg_buf *line)
{
    static const struct {
        enum tg_host_state from, to;
        const char *word;
    } rows[] = {
        {TG_HOST_LOCKING, TG_HOST_CHECKING, "locking"}, {TG_HOST_AROUND_LOOKING, TG_HOST_AROUND_WAITING, "being prepared"}, {TG_HOST_APPLYING, TG_HOST_APPLYING, "applying"},
        {TG_HOST_LOOKING, TG_HOST_LOOKING, "looked for"}, {TG_HOST_BUSY, TG_HOST_BUSY, "busy"},
        {TG_HOST_VERIFYING, TG_HOST_DECIDING, "verifying"}, {TG_HOST_BAKING, TG_HOST_BAKING, "baking"},
        {TG_HOST_PROVING, TG_HOST_PROVING, "verified once more"}, {TG_HOST_UNDOING, TG_HOST_UNDO_WAITING, "being undone"},
        {TG_HOST_UNLOCKING, TG_HOST_UNLOCKING, "unlocking"},
        {TG_HOST_DRY_CHECKING, TG_HOST_DRY_RUNNING, "asked"}, {TG_HOST_TO_RETURN, TG_HOST_TO_RETURN, "to be returned"}, {TG_HOST_RETURNING, TG_HOST_RETURNING, "verified before they return"}};
    const char *between = "   ";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = 0;
        for (int s = rows[i].from; s <= (int) rows[i].to; s++)
            n += counts[s];
        if (!n)
            continue;
        tg_buf_printf(line, "%s%zu %s", between, n, rows[i].word);
        between = " · ";
    }
}

/* As wide as there is room for. */
static void add_bar(const struct tg_run_view *v, size_t done, size_t count, struct tg_buf *line)
{
    size_t width = v->width < NARROW ? 0 : v->width < 100 ? BAR_WIDTH / 2 : BAR_WIDTH, full = count ? done * width / count : 0;

    tg_buf_puts(line, width ? "  " : " ");
    for (size_t i = 0; i < width; i++)
        tg_buf_puts(line, i < full ? "█" : "░");
    tg_buf_printf(line, " %zu %%", count ? done * 100 / count : 0);
}

/* What holds the stage's next host back. */
static void add_brakes(const struct tg_run_view *v, int64_t now_ms, size_t name_width, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;
    size_t before;

    tg_buf_printf(&line, "    %*s", v->width < NARROW ? 0 : (int) name_width + 1, "");
    before = line.len;
    tg_buf_puts(&line, v->width < NARROW ? "waits: " : "the next waits for ");
    size_t words = line.len;
    tg_run_brakes_text(v->run, v->id, now_ms, &line);
    if (before && line.len > words && tg_run_brakes(v->run, now_ms) & (TG_BRAKE_WINDOW | TG_BRAKE_DOMAIN)) { /* when it opens, or who is down, stands at the end */
        put_long(out, &line, v->width, (int) before);
    } else if (before && line.len > words) {
        tg_view_line(out, &line, v->width);
    }
    tg_buf_release(&line);
}

static void add_stage(const struct tg_run_view *v, size_t i, int64_t now_ms, size_t name_width, struct tg_buf *out)
{
    const struct tg_plan_stage *p = &v->run->plan->stages[i];
    const struct tg_run_stage *s = &v->run->stages[i];
    struct tg_buf line = TG_BUF_INIT;
    char text[32];
    size_t done = s->counts[TG_HOST_DONE] + s->stuck_done + s->counts[TG_HOST_WITHDRAWN] + s->counts[TG_HOST_RETURNED];
    bool over = v->run->state == TG_RUN_ENDED;
    bool fine = s->state == TG_STAGE_DONE && done == p->count;

    tg_buf_printf(&line, "  %s %-*s %5zu/%-5zu", fine ? "✔" : s->state == TG_STAGE_DONE || (over && s->state) ? "✘" : marks[s->state], (int) name_width,
                  p->name, done, p->count);
    if (!over && s->state == TG_STAGE_RUNNING && v->run->state != TG_RUN_PAUSED && v->run->state != TG_RUN_HELD)
        add_bar(v, done, p->count, &line);
    if (!over && s->state == TG_STAGE_BAKING) {
        tg_duration_format(s->bake_until_ms > now_ms ? (s->bake_until_ms - now_ms) / 1000 * 1000 : 0, text, sizeof text);
        tg_buf_printf(&line, "  bakes, %s left", text);
    }
    if (!over && s->state == TG_STAGE_GATED)
        tg_buf_printf(&line, "  waits: tagout approve %s %s", v->id, p->name);
    add_counts(s->counts, &line);
    if (fine && p->dry_run)
        tg_buf_puts(&line, "  asked only, nothing changed");
    else if (fine && s->baked) {
        tg_duration_format(p->bake_ms, text, sizeof text);
        tg_buf_printf(&line, "  verified, baked %s", text);
    } else if (fine && v->run->plan->withdraws)
        tg_buf_printf(&line, "  %zu out of service", s->counts[TG_HOST_WITHDRAWN]);
    else if (fine && v->run->plan->n_verify)
        tg_buf_puts(&line, "  verified");
    if (s->approved && s->state != TG_STAGE_WAITING)
        tg_buf_printf(&line, "  approved by %s", s->approved_by ? s->approved_by : "?");
    put_long(out, &line, v->width, v->width < NARROW ? 4 : (int) name_width + 5);
    if (i == v->run->stage && v->driven)
        add_brakes(v, now_ms, name_width, out);
    tg_buf_release(&line);
}

/* "178 of 412 changed (43 %), this stage leads to 100 %" */
static void add_share(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    struct tg_buf line = TG_BUF_INIT;
    double wanted, is;

    if (run->plan->withdraws || run->state == TG_RUN_ENDED || run->state == TG_RUN_NEW || !tg_run_view_shares(run, &wanted, &is))
        return;
    tg_buf_printf(&line, "  changed %.3g %% of the targets", is);
    if (run->stage < run->plan->n_stages)
        tg_buf_printf(&line, v->width < NARROW ? ", to be %.3g" : ", this stage leads to %.3g %%", wanted);
    tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

bool tg_run_view_shares(const struct tg_run *run, double *out_wanted, double *out_is)
{
    size_t wanted = 0, is = 0, hosts = run->plan->n_targets;

    for (size_t i = 0; i < run->plan->n_stages; i++) {
        const struct tg_plan_stage *p = &run->plan->stages[i];
        if (p->dry_run)
            continue;
        wanted += i <= run->stage ? p->count : 0;
        is += run->stages[i].counts[TG_HOST_DONE] + run->stages[i].stuck_done;
    }
    *out_wanted = hosts ? 100.0 * (double) wanted / (double) hosts : 0;
    *out_is = hosts ? 100.0 * (double) is / (double) hosts : 0;
    return hosts && (wanted || run->stage < run->plan->n_stages);
}

/* "failed 1 of at most 8   unreachable 2 of at most 10" */
static void add_tally(const struct tg_run_view *v, struct tg_buf *out)
{
    static const enum tg_host_state states[] = {TG_HOST_FAILED, TG_HOST_UNKNOWN, TG_HOST_UNDECIDED, TG_HOST_LOST, TG_HOST_UNREACHABLE, TG_HOST_HELD, TG_HOST_SKIPPED, TG_HOST_WITHDRAWN, TG_HOST_RETURNED};
    const struct tg_run *run = v->run;
    struct tg_buf line = TG_BUF_INIT;

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (!run->totals[states[i]])
            continue;
        tg_buf_printf(&line, "%s%s %zu", line.len ? "   " : "", tg_host_state_name(states[i]), run->totals[states[i]]);
        if (states[i] == TG_HOST_FAILED)
            tg_buf_printf(&line, " of at most %lld", (long long) tg_run_failures_max(run));
        int64_t max = states[i] == TG_HOST_UNREACHABLE ? tg_share_within(&run->plan->unreachable, (int64_t) run->plan->n_targets) : -1;
        if (max >= 0)
            tg_buf_printf(&line, " of at most %lld", (long long) max);
    }
    if (line.len)
        tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

int tg_run_view_block(struct tg_run_view *v, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    size_t name_width = v->width < NARROW ? 4 : 8;

    for (size_t i = 0; i < v->run->plan->n_stages; i++)
        if (strlen(v->run->plan->stages[i].name) > name_width)
            name_width = strlen(v->run->plan->stages[i].name);
    add_head(v, now_ms, out);
    add_ignored(v, out);
    add_hold(v, now_ms, out);
    for (size_t i = 0; i < v->run->plan->n_stages; i++)
        add_stage(v, i, now_ms, name_width, out);
    add_share(v, out);
    if (v->with_summary) /* it tells the troubles */
        return tg_buf_ok(out, e);
    add_tally(v, out);
    int rc = tg_view_troubles(v, now_ms, out, e);
    return rc ? rc : tg_buf_ok(out, e);
}
