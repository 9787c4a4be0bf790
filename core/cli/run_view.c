/* A run for people's eyes: see run_view.h. */
#include "cli/run_view.h"

#include "engine/rollback.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TROUBLE_TEXT 700 /* bytes; an error's message has 640 */
#define TROUBLES_MAX 8  /* groups of hosts that are listed; the rest is counted */
#define BAR_WIDTH 24

static const char *const marks[TG_STAGE_STATES] = {"·", "▶", "◷", "◷", "✔", "?"};

static size_t columns(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0) != 0x80;
    return n;
}

/* Appends at most max columns of text; what is cut ends in "…". */
static void add_cut(struct tg_buf *out, const char *text, size_t max)
{
    if (columns(text) <= max) {
        tg_buf_puts(out, text);
        return;
    }
    size_t n = 0;
    const char *c = text;
    for (; *c && n + 1 < max; c++) {
        tg_buf_putc(out, *c);
        while (((unsigned char) c[1] & 0xc0) == 0x80)
            tg_buf_putc(out, *++c);
        n++;
    }
    tg_buf_puts(out, "…");
}

static void add_line(struct tg_buf *out, const struct tg_buf *line, int width)
{
    add_cut(out, tg_buf_text(line), width > 20 ? (size_t) width - 1 : 79);
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    tg_buf_putc(out, '\n');
}

/* ---- one line for the run ---- */

static void add_times(const struct tg_run_view *v, int64_t now_ms, struct tg_buf *line)
{
    const struct tg_run *run = v->run;
    char took[32], left[32];
    size_t ended = 0;

    if (!run->started_ms)
        return;
    for (int s = TG_HOST_DONE; s < TG_HOST_STATES; s++)
        ended += run->totals[s];
    int64_t until = run->state == TG_RUN_ENDED || run->state == TG_RUN_PAUSED || run->state == TG_RUN_HELD ? run->last_ms : now_ms;
    int64_t ms = until - run->started_ms;
    tg_duration_format(ms / 1000 * 1000, took, sizeof took);
    tg_buf_printf(line, " %s", took);
    if (run->state == TG_RUN_ACTIVE && ended >= 3 && ended < run->plan->n_hosts) {
        tg_duration_format(ms / (int64_t) ended * (int64_t) (run->plan->n_hosts - ended) / 1000 * 1000, left, sizeof left);
        tg_buf_printf(line, ", about %s left", left);
    }
}

static const char *state_word(const struct tg_run_view *v)
{
    static const char *const words[TG_RUN_STATES] = {"not begun", "running",       "pausing", "paused",  "halting",
                                                      "aborting",  "looking again", "ended",   "pausing", "paused"};
    static const char *const ends[] = {"", "done", "ended badly", "halted", "aborted"};

    return v->run->state == TG_RUN_ENDED ? ends[tg_run_end(v->run)] : words[v->run->state];
}

static void add_head(const struct tg_run_view *v, int64_t now_ms, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;
    char stop[TG_PLAN_DIGEST_SIZE + 100];

    tg_buf_printf(&line, "%s  %s", v->id, state_word(v));
    add_times(v, now_ms, &line);
    snprintf(stop, sizeof stop, "stop: tagout abort %.80s", v->id);
    size_t has = columns(tg_buf_text(&line)), wants = columns(stop);
    bool stoppable = v->run->state == TG_RUN_ACTIVE && v->driven;
    if (stoppable && has + wants + 3 < (size_t) v->width) {
        for (size_t i = has; i + wants + 1 < (size_t) v->width; i++)
            tg_buf_putc(&line, ' ');
        tg_buf_puts(&line, stop);
    }
    add_line(out, &line, v->width);
    tg_buf_release(&line);
}

/* Who has paused it, why, and the way on. */
static void add_hold(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;

    if (!run->causes)
        return;
    struct tg_buf line = TG_BUF_INIT;
    tg_buf_printf(&line, "  paused%s%s%s%s", run->hold_by ? " by " : "", run->hold_by ? run->hold_by : "", run->hold_why && run->hold_why[0] ? ": " : "",
                  run->hold_why ? run->hold_why : "");
    add_line(out, &line, v->width);
    tg_buf_release(&line);
    if (run->causes & TG_CAUSE_SCOPE)
        tg_buf_puts(out, "  go on: tagout resume SCOPE, as tagout status lists it\n");
    if (run->causes & (TG_CAUSE_COMMAND | TG_CAUSE_VERDICT))
        tg_buf_printf(out, "  go on: tagout resume %s\n", v->id);
}

/* ---- stages ---- */

static void add_counts(const size_t counts[TG_HOST_STATES], struct tg_buf *line)
{
    static const struct {
        enum tg_host_state from, to;
        const char *word;
    } rows[] = {
        {TG_HOST_LOCKING, TG_HOST_CHECKING, "locking"}, {TG_HOST_APPLYING, TG_HOST_APPLYING, "applying"},
        {TG_HOST_LOOKING, TG_HOST_LOOKING, "looked for"}, {TG_HOST_BUSY, TG_HOST_BUSY, "busy"},
        {TG_HOST_VERIFYING, TG_HOST_VERIFYING, "verifying"}, {TG_HOST_BAKING, TG_HOST_BAKING, "baking"},
        {TG_HOST_PROVING, TG_HOST_PROVING, "verified once more"}, {TG_HOST_UNLOCKING, TG_HOST_UNLOCKING, "unlocking"},
        {TG_HOST_DRY_CHECKING, TG_HOST_DRY_RUNNING, "asked"}};
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

static void add_bar(size_t done, size_t count, struct tg_buf *line)
{
    size_t full = count ? done * BAR_WIDTH / count : 0;

    tg_buf_puts(line, "  ");
    for (size_t i = 0; i < BAR_WIDTH; i++)
        tg_buf_puts(line, i < full ? "█" : "░");
    tg_buf_printf(line, " %3zu %%", count ? done * 100 / count : 0);
}

/* What the next host waits for, when it is not simply that enough are at work. */
static void add_brakes(const struct tg_run *run, int64_t now_ms, struct tg_buf *line)
{
    unsigned brakes = tg_run_brakes(run, now_ms);
    char text[32];

    if ((brakes & TG_BRAKE_UNVERIFIED) && !(brakes & TG_BRAKE_RUNNING))
        tg_buf_printf(line, " · the next waits for a verdict (%lld unverified)", (long long) run->plan->unverified);
    if (brakes & (TG_BRAKE_HOURS | TG_BRAKE_DAY)) {
        char when[40];
        tg_time_format(run->hours_until_ms, when, sizeof when);
        if (brakes & TG_BRAKE_HOURS)
            tg_buf_printf(line, " · outside the hours until %s", when);
        else
            tg_buf_printf(line, " · waits for day %lld of work, this is day %lld", (long long) run->plan->stages[run->stage].day, (long long) run->day);
        return;
    }
    if (brakes != TG_BRAKE_RATE)
        return;
    tg_duration_format((run->stages[run->stage].next_us / 1000 - now_ms + 999) / 1000 * 1000, text, sizeof text);
    tg_buf_printf(line, " · the next in %s", text);
}

static void add_stage(const struct tg_run_view *v, size_t i, int64_t now_ms, size_t name_width, struct tg_buf *out)
{
    const struct tg_plan_stage *p = &v->run->plan->stages[i];
    const struct tg_run_stage *s = &v->run->stages[i];
    struct tg_buf line = TG_BUF_INIT;
    char text[32];
    size_t done = s->counts[TG_HOST_DONE] + s->stuck_done;
    bool over = v->run->state == TG_RUN_ENDED;
    bool fine = s->state == TG_STAGE_DONE && done == p->count;

    tg_buf_printf(&line, "  %s %-*s %5zu/%-5zu", fine ? "✔" : s->state == TG_STAGE_DONE || (over && s->state) ? "✘" : marks[s->state], (int) name_width,
                  p->name, done, p->count);
    if (!over && s->state == TG_STAGE_RUNNING && v->run->state != TG_RUN_PAUSED && v->run->state != TG_RUN_HELD)
        add_bar(done, p->count, &line);
    if (!over && s->state == TG_STAGE_BAKING) {
        tg_duration_format(s->bake_until_ms > now_ms ? (s->bake_until_ms - now_ms) / 1000 * 1000 : 0, text, sizeof text);
        tg_buf_printf(&line, "  bakes, %s left", text);
    }
    if (!over && s->state == TG_STAGE_GATED)
        tg_buf_printf(&line, "  waits: tagout approve %s %s", v->id, p->name);
    add_counts(s->counts, &line);
    if (i == v->run->stage)
        add_brakes(v->run, now_ms, &line);
    if (fine && p->dry_run)
        tg_buf_puts(&line, "  asked only, nothing changed");
    else if (fine && s->baked) {
        tg_duration_format(p->bake_ms, text, sizeof text);
        tg_buf_printf(&line, "  verified, baked %s", text);
    } else if (fine && v->run->plan->n_verify)
        tg_buf_puts(&line, "  verified");
    if (s->approved && s->state != TG_STAGE_WAITING)
        tg_buf_printf(&line, "  approved by %s", s->approved_by ? s->approved_by : "?");
    add_line(out, &line, v->width);
    tg_buf_release(&line);
}

/* ---- troubles: hosts that did not end well, those with the same end and text together ---- */

struct trouble {
    enum tg_host_state state;
    char text[TROUBLE_TEXT]; /* plain_text() */
    size_t first, n;
};

static enum tg_host_state end_of(const struct tg_run_host *h)
{
    return h->state == TG_HOST_STUCK ? h->end : h->state;
}

static bool is_trouble(const struct tg_run_host *h)
{
    return tg_host_state_is_end(h->state) && (end_of(h) != TG_HOST_DONE || h->state == TG_HOST_STUCK);
}

/* Copies text with each what replaced by mark; cut to size. */
static void replace(const char *text, const char *what, const char *mark, char *out, size_t size)
{
    size_t len = what ? strlen(what) : 0, n = 0;

    while (*text && n + 1 < size) {
        bool here = len && strncmp(text, what, len) == 0;
        int took = snprintf(out + n, size - n, "%.*s", here ? (int) strlen(mark) : 1, here ? mark : text);
        n += (size_t) took < size - n ? (size_t) took : size - n - 1;
        text += here ? len : 1;
    }
    out[n] = '\0';
}

/* What happened, without the host's own name and address: so that a hundred hosts with one trouble are one line. */
static void plain_text(const struct tg_run *run, size_t i, char *out, size_t size)
{
    const struct tg_plan_host *host = &run->plan->hosts[i];
    char named[TROUBLE_TEXT];

    replace(run->hosts[i].text ? run->hosts[i].text : "", host->name, "{host}", named, sizeof named);
    replace(named, host->address, "{address}", out, size);
    static const char at[] = "{host} ({address} ";
    const char *rest = out;
    if (strncmp(out, at, sizeof at - 1) == 0) { /* "web1 (10.0.0.1 port 22) refused …" → "(port 22) refused …" */
        out[sizeof at - 2] = '(';
        rest = out + sizeof at - 2;
    } else if (strncmp(out, "{host}: ", 8) == 0) {
        rest = out + 8;
    }
    memmove(out, rest, strlen(rest) + 1);
}

static bool same_trouble(const struct tg_run *run, size_t i, const struct trouble *t)
{
    char text[TROUBLE_TEXT];

    if (end_of(&run->hosts[i]) != t->state)
        return false;
    plain_text(run, i, text, sizeof text);
    return strcmp(text, t->text) == 0;
}

/* Fills at most TROUBLES_MAX; *out_more counts hosts that found no room. */
static size_t collect(const struct tg_run *run, struct trouble *out, size_t *out_more)
{
    size_t n = 0;

    *out_more = 0;
    for (size_t i = 0; i < run->plan->n_hosts; i++) {
        size_t k = 0;
        if (!is_trouble(&run->hosts[i]))
            continue;
        while (k < n && !same_trouble(run, i, &out[k]))
            k++;
        if (k < n)
            out[k].n++;
        else if (n < TROUBLES_MAX) {
            out[n] = (struct trouble) {.state = end_of(&run->hosts[i]), .first = i, .n = 1};
            plain_text(run, i, out[n].text, sizeof out[n].text);
            n++;
        } else
            (*out_more)++;
    }
    return n;
}

static int fold_trouble(const struct tg_run *run, const struct trouble *t, struct tg_buf *out, struct tg_error *e)
{
    const char **names = calloc(t->n + 1, sizeof *names);
    size_t n = 0;

    if (!names)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = t->first; i < run->plan->n_hosts && n < t->n; i++)
        if (is_trouble(&run->hosts[i]) && same_trouble(run, i, t))
            names[n++] = run->plan->hosts[i].name;
    int rc = tg_fold(names, n, out, e);
    free(names);
    return rc;
}

static int add_troubles(const struct tg_run_view *v, bool whole, struct tg_buf *out, struct tg_error *e)
{
    struct trouble troubles[TROUBLES_MAX];
    size_t more, n = collect(v->run, troubles, &more);
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_buf line = TG_BUF_INIT, names = TG_BUF_INIT;
        rc = fold_trouble(v->run, &troubles[i], &names, e);
        tg_buf_printf(&line, "  %-24s %s%s%s", tg_buf_text(&names), tg_host_state_name(troubles[i].state), troubles[i].text[0] ? ": " : "",
                      troubles[i].text);
        if (troubles[i].n > 1)
            tg_buf_printf(&line, " (%zu hosts)", troubles[i].n);
        if (whole)
            tg_buf_printf(out, "%s\n", tg_buf_text(&line));
        else
            add_line(out, &line, v->width);
        tg_buf_release(&line);
        tg_buf_release(&names);
    }
    if (!rc && more)
        tg_buf_printf(out, "  and %zu host%s more: tagout status %s -o json\n", more, more == 1 ? "" : "s", v->id);
    return rc;
}

/* "failed 1 of at most 8   unreachable 2" */
static void add_tally(const struct tg_run_view *v, struct tg_buf *out)
{
    static const enum tg_host_state states[] = {TG_HOST_FAILED, TG_HOST_UNKNOWN, TG_HOST_LOST, TG_HOST_UNREACHABLE, TG_HOST_HELD, TG_HOST_SKIPPED};
    const struct tg_run *run = v->run;
    const char *between = "";

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (!run->totals[states[i]])
            continue;
        tg_buf_printf(out, "%s%s %zu", between, tg_host_state_name(states[i]), run->totals[states[i]]);
        if (states[i] == TG_HOST_FAILED)
            tg_buf_printf(out, " of at most %lld", (long long) tg_run_failures_max(run));
        between = "   ";
    }
    if (between[0])
        tg_buf_putc(out, '\n');
}

int tg_run_view_block(const struct tg_run_view *v, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    size_t name_width = 8;

    for (size_t i = 0; i < v->run->plan->n_stages; i++)
        if (strlen(v->run->plan->stages[i].name) > name_width)
            name_width = strlen(v->run->plan->stages[i].name);
    add_head(v, now_ms, out);
    add_hold(v, out);
    for (size_t i = 0; i < v->run->plan->n_stages; i++)
        add_stage(v, i, now_ms, name_width, out);
    if (v->with_summary) /* it tells the troubles */
        return tg_buf_ok(out, e);
    add_tally(v, out);
    int rc = add_troubles(v, false, out, e);
    return rc ? rc : tg_buf_ok(out, e);
}

/* ---- the end ---- */

static void add_verdict(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    char took[32];

    tg_duration_format((run->last_ms - run->started_ms) / 1000 * 1000, took, sizeof took);
    switch (tg_run_end(run)) {
    case TG_END_DONE:
        tg_buf_printf(out, "DONE in %s.\n", took);
        break;
    case TG_END_BADLY:
        tg_buf_printf(out, "ENDED BADLY after %s: not every host is done.\n", took);
        break;
    case TG_END_HALTED:
        tg_buf_printf(out, "HALTED: %s.  Nothing new started; what was in flight has ended.\n", run->why ? run->why : "");
        break;
    case TG_END_ABORTED:
        tg_buf_printf(out, "ABORTED by %s%s%s%s.  Nothing new started; what was in flight has ended.\n", run->by ? run->by : "?",
                      run->why && run->why[0] ? " (\"" : "", run->why ? run->why : "", run->why && run->why[0] ? "\")" : "");
        break;
    case TG_END_NONE:
    case TG_RUN_ENDS:
    default:
        tg_buf_printf(out, "%s after %s.\n", run->state == TG_RUN_PAUSED || run->state == TG_RUN_HELD ? "PAUSED" : "STOPPED IN THE MIDDLE", took);
    }
}

/* What a rollback has brought back, and what a run has to be brought back (P12). */
static void add_way_back(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    size_t n = 0;

    if (run->plan->undoes)
        tg_buf_printf(out, "Rolled back %zu of the %zu hosts that %s had changed.\n", tg_run_done(run), run->plan->n_hosts, run->plan->undoes);
    if (!run->plan->rollback || run->state != TG_RUN_ENDED || tg_run_end(run) == TG_END_DONE)
        return;
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        n += tg_rollback_wants(run, i);
    if (n && tg_run_end(run) == TG_END_HALTED && run->plan->then == TG_THEN_ROLLBACK)
        tg_buf_printf(out, "As its rollout says, what it has changed on %zu host%s is rolled back: %s-rollback\n", n, n == 1 ? "" : "s", v->id);
    else if (n)
        tg_buf_printf(out, "Roll back what it has changed on %zu host%s: tagout rollback %s\n", n, n == 1 ? "" : "s", v->id);
}

static void add_leftovers(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;

    for (size_t i = 0; i < run->plan->n_hosts && tg_run_leftovers(run); i++) {
        const struct tg_run_host *h = &run->hosts[i];
        if (h->state != TG_HOST_LOST && h->state != TG_HOST_STUCK)
            continue;
        tg_buf_printf(out, "  %s %s%s. Look again: tagout run --resume %s", run->plan->hosts[i].name,
                      h->lock ? "keeps its lock " : "may still be locked by this run", h->lock ? h->lock : "", v->id);
        if (h->lock)
            tg_buf_printf(out, ", or: tagout unlock %s", h->lock);
        tg_buf_putc(out, '\n');
    }
}

/* "182 changed · 221 untouched · 9 failed · nothing left locked" */
static void add_sum(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    size_t changed = 0, unchanged = 0, asked = 0, untouched = 0;
    static const enum tg_host_state bad[] = {TG_HOST_FAILED, TG_HOST_UNKNOWN, TG_HOST_LOST, TG_HOST_UNREACHABLE, TG_HOST_HELD, TG_HOST_SKIPPED};

    for (size_t i = 0; i < run->plan->n_hosts; i++) {
        const struct tg_run_host *h = &run->hosts[i];
        bool dry = run->plan->stages[h->stage].dry_run;
        asked += end_of(h) == TG_HOST_DONE && dry;
        changed += end_of(h) == TG_HOST_DONE && !dry && h->outcome == TG_OUTCOME_CHANGED;
        unchanged += end_of(h) == TG_HOST_DONE && !dry && h->outcome != TG_OUTCOME_CHANGED;
        untouched += h->state == TG_HOST_WAITING && !dry;
    }
    tg_buf_printf(out, "%zu changed", changed);
    if (asked)
        tg_buf_printf(out, " · %zu only asked", asked);
    if (unchanged)
        tg_buf_printf(out, " · %zu were as wished", unchanged);
    if (untouched)
        tg_buf_printf(out, " · %zu untouched", untouched);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (run->totals[bad[i]])
            tg_buf_printf(out, " · %zu %s", run->totals[bad[i]], tg_host_state_name(bad[i]));
    if (tg_run_leftovers(run))
        tg_buf_printf(out, " · %zu left locked\n", tg_run_leftovers(run));
    else if (run->in_flight)
        tg_buf_printf(out, " · %zu in flight\n", run->in_flight);
    else
        tg_buf_puts(out, " · nothing left locked\n");
}

int tg_run_view_summary(const struct tg_run_view *v, struct tg_buf *out, struct tg_error *e)
{
    add_verdict(v, out);
    add_way_back(v, out);
    int rc = add_troubles(v, true, out, e);
    add_sum(v, out);
    add_leftovers(v, out);
    if (tg_run_end(v->run) == TG_END_HALTED || tg_run_end(v->run) == TG_END_BADLY)
        tg_buf_printf(out, "Look closer: tagout status %s -o json      When it is mended, run the rollout again: what is done is left as it is\n", v->id);
    if (v->run->state != TG_RUN_ENDED)
        tg_buf_printf(out, "Go on with: %stagout run --resume %s      Stop for good: tagout abort %s\n", v->run->causes ? "tagout resume, then " : "", v->id,
                      v->id);
    return rc ? rc : tg_buf_ok(out, e);
}
