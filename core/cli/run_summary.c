/* How a run ended, or why it rests, and what went wrong where: see run_view.h. */
#include "cli/run_view_internal.h"

#include "base/shown.h"
#include "engine/mend.h"
#include "engine/rollback.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

#define TROUBLES_MAX 8   /* groups of hosts that are listed; the rest is counted */
#define NAMES_MAX 300    /* columns of a group's names, where all is told: -o json has them all */
#define LONG_NAMES 60     /* columns of names that stand on a line of their own */
#define LEFTOVERS_MAX 20 /* hosts with something left behind that are named one by one */
#define DRAW_PART 20     /* at most one part in so many of the time goes into grouping anew */

/* ---- troubles ---- */

/* Hosts that have ended with a trouble; it changes when the groups do. */
static size_t key_of(const struct tg_run *run)
{
    size_t n = 0;

    n += run->totals[TG_HOST_AROUND_WAITING] * (TG_HOST_STATES + 1) + run->totals[TG_HOST_UNDO_WAITING] * (TG_HOST_STATES + 2);
    for (int s = TG_HOST_DONE; s < TG_HOST_STATES; s++)
        n += (size_t) (s + 1) * run->totals[s] * (s != TG_HOST_DONE);
    return n + 1;
}

/* The groups, made anew when there is something new, but not with each drawing: of many hosts it takes its time. */
static int refresh(struct tg_run_view *v, bool whole, struct tg_error *e)
{
    const struct tg_clock *clock = tg_clock_real();
    int64_t now = tg_mono_ms(clock);

    if (!whole && v->key && (v->key == key_of(v->run) || now < v->collected_ms + v->cost_ms * DRAW_PART))
        return 0;
    tg_troubles_release(&v->troubles);
    v->key = 0;
    int rc = tg_troubles_collect(v->run, TROUBLES_MAX, whole, &v->troubles, e);
    if (rc)
        return rc;
    v->key = key_of(v->run);
    v->collected_ms = tg_mono_ms(clock);
    v->cost_ms = v->collected_ms - now;
    return 0;
}

static void put_trouble(const struct tg_run_view *v, const struct tg_trouble *t, bool whole, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;
    int name_width = v->width < 60 ? 12 : 24;
    const char *names = tg_buf_text(&t->names);
    int most = whole && v->wrap ? v->wrap - 6 : whole ? NAMES_MAX : v->width < 60 ? 16 : 40;

    if (whole && tg_columns(names) > (v->wrap && v->wrap < LONG_NAMES ? v->wrap - 16 : LONG_NAMES)) { /* what it is first: the names would push it out of sight */
        tg_buf_printf(out, "  %zu hosts %s%s%s\n      ", t->n, t->state == TG_HOST_DONE ? tg_outcome_name(t->outcome) : tg_host_state_name(t->state),
                      t->text[0] ? ": " : "", t->text);
        tg_put_cut(out, names, most);
        tg_buf_putc(out, '\n');
        return;
    }
    tg_buf_puts(&line, "  ");
    tg_put_cut(&line, names, most);
    tg_put_blanks(&line, (int) name_width - tg_columns(names));
    tg_buf_printf(&line, " %s", t->state == TG_HOST_DONE ? tg_outcome_name(t->outcome) : tg_host_state_name(t->state));
    if (t->n > 1 && !whole) /* before what may be cut */
        tg_buf_printf(&line, " (%zu hosts)", t->n);
    tg_buf_printf(&line, "%s%s", t->text[0] ? ": " : "", t->text);
    if (t->n > 1 && whole)
        tg_buf_printf(&line, " (%zu hosts)", t->n);
    if (whole)
        tg_buf_printf(out, "%s\n", tg_buf_text(&line));
    else
        tg_view_line(out, &line, v->width);
    tg_buf_release(&line);
}

static int put_troubles(struct tg_run_view *v, bool whole, struct tg_buf *out, struct tg_error *e)
{
    int rc = refresh(v, whole, e);
    size_t more = 0;

    if (rc)
        return rc;
    for (size_t i = 0; i < v->troubles.n; i++)
        if (i < v->troubles.listed)
            put_trouble(v, &v->troubles.items[i], whole, out);
        else
            more += v->troubles.items[i].n;
    if (more)
        tg_buf_printf(out, "  and %zu host%s more, in %zu group%s: tagout status %s -o json\n", more, more == 1 ? "" : "s", v->troubles.n - v->troubles.listed,
                      v->troubles.n - v->troubles.listed == 1 ? "" : "s", v->id);
    return 0;
}

int tg_view_troubles(struct tg_run_view *v, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    (void) now_ms;
    return put_troubles(v, false, out, e);
}

void tg_run_view_release(struct tg_run_view *v)
{
    tg_troubles_release(&v->troubles);
    v->key = 0;
}

static enum tg_host_state end_of(const struct tg_run_host *h)
{
    return h->state == TG_HOST_STUCK ? h->end : h->state;
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
        if (run->plan->withdraws && run->totals[TG_HOST_RETURNED]) /* somebody wanted them back: that is no failure */
            tg_buf_printf(out, "ENDED after %s.\n", took);
        else
            tg_buf_printf(out, "ENDED BADLY after %s: not every host is %s.\n", took, run->plan->withdraws ? "out of service" : "done");
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

/* How many are out of service, are back, or stay in it. */
static void add_out(const struct tg_run *run, struct tg_buf *out)
{
    size_t is = run->totals[TG_HOST_WITHDRAWN], was = run->totals[TG_HOST_RETURNED], rest = run->plan->n_hosts - is - was;

    tg_buf_printf(out, "Of the %zu host%s that %s had changed %zu %s out of service", run->plan->n_hosts, run->plan->n_hosts == 1 ? "" : "s", run->plan->undoes, is,
                  is == 1 ? "is" : "are");
    if (was)
        tg_buf_printf(out, ", %zu %s back", was, was == 1 ? "is" : "are");
    if (rest)
        tg_buf_printf(out, ", %zu stay%s in service", rest, rest == 1 ? "s" : "");
    tg_buf_puts(out, ".\n");
}

/* What a rollback has brought back, and what a run has to be brought back (P12). */
static void add_way_back(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    size_t n = 0;

    if (run->plan->withdraws)
        add_out(run, out);
    else if (run->plan->undoes)
        tg_buf_printf(out, "Rolled back %zu of the %zu hosts that %s had changed.\n", tg_run_done(run), run->plan->n_hosts, run->plan->undoes);
    if (run->plan->mends && run->state == TG_RUN_ENDED)
        tg_buf_printf(out, tg_mend_returns(run) ? "Who is done comes back into service, and who is not stays out of it: tagout status %s\n"
                                                : "All of them stay out of service. Who is well comes back with: tagout return %s HOST…\n", run->plan->mends);
    if (run->plan->undoes || run->state != TG_RUN_ENDED || tg_run_end(run) == TG_END_DONE)
        return;
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        n += tg_rollback_wants(run, i);
    bool halted = tg_run_end(run) == TG_END_HALTED;
    if (n && halted && run->plan->then == TG_THEN_ROLLBACK)
        tg_buf_printf(out, "As its rollout says, what it has changed on %zu host%s is rolled back: %s-rollback\n", n, n == 1 ? "" : "s", v->id);
    else if (n && halted && run->plan->then == TG_THEN_WITHDRAW)
        tg_buf_printf(out, "As its rollout says, the %zu host%s that it has changed leave%s service, as far as its limits allow: %s-withdraw\n", n, n == 1 ? "" : "s",
                      n == 1 ? "s" : "", v->id);
    if (n && run->plan->rollback && !(halted && run->plan->then == TG_THEN_ROLLBACK))
        tg_buf_printf(out, "Roll back what it has changed on %zu host%s: tagout rollback %s\n", n, n == 1 ? "" : "s", v->id);
}

static void add_leftovers(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;

    size_t n = 0;

    for (size_t i = 0; i < run->plan->n_hosts && tg_run_leftovers(run); i++) {
        const struct tg_run_host *h = &run->hosts[i];
        bool locked = h->state == TG_HOST_LOST || (h->state == TG_HOST_STUCK && (h->stuck & 1U));
        if (!locked || n++ >= LEFTOVERS_MAX)
            continue;
        tg_buf_printf(out, "  %s %s%s. Look again: tagout run --resume %s", run->plan->hosts[i].name,
                      h->lock ? "keeps its lock " : "may still be locked by this run", h->lock ? h->lock : "", v->id);
        if (h->lock)
            tg_buf_printf(out, ", or: tagout unlock %s", h->lock);
        tg_buf_putc(out, '\n');
    }
    if (n > LEFTOVERS_MAX)
        tg_buf_printf(out, "  and %zu more: tagout status %s -o json\n", n - LEFTOVERS_MAX, v->id);
    size_t before = out->len;
    tg_view_leftovers(v, TG_VIEW_NO_LOCKS, out);
    if (out->len > before && tg_run_leftovers(run))
        tg_buf_printf(out, "  Or have it tried again: tagout run --resume %s\n", v->id);
}

/* "182 changed · 221 untouched · 9 failed · nothing left locked" */
static void add_sum(const struct tg_run_view *v, struct tg_buf *out)
{
    const struct tg_run *run = v->run;
    size_t changed = 0, unchanged = 0, asked = 0, untouched = 0;
    static const enum tg_host_state bad[] = {TG_HOST_FAILED, TG_HOST_UNKNOWN, TG_HOST_UNDECIDED, TG_HOST_LOST, TG_HOST_UNREACHABLE, TG_HOST_HELD, TG_HOST_SKIPPED};

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
    if (run->plan->withdraws)
        tg_buf_printf(out, " · %zu withdrawn · %zu returned", run->totals[TG_HOST_WITHDRAWN], run->totals[TG_HOST_RETURNED]);
    if (tg_run_leftovers(run))
        tg_buf_printf(out, run->plan->n_around > 1 ? " · %zu with something left behind\n" : " · %zu left locked\n", tg_run_leftovers(run));
    else if (run->in_flight)
        tg_buf_printf(out, " · %zu in flight\n", run->in_flight);
    else if (run->totals[TG_HOST_WITHDRAWN])
        tg_buf_puts(out, "\n");
    else
        tg_buf_puts(out, run->plan->n_around > 1 ? " · nothing left behind\n" : " · nothing left locked\n");
}

static int add_all(struct tg_run_view *v, struct tg_buf *out, struct tg_error *e)
{
    add_verdict(v, out);
    add_way_back(v, out);
    int rc = put_troubles(v, true, out, e);
    add_sum(v, out);
    add_leftovers(v, out);
    tg_view_by_others(v, out);
    if ((tg_run_end(v->run) == TG_END_HALTED || tg_run_end(v->run) == TG_END_BADLY) && !v->run->plan->withdraws)
        tg_buf_printf(out, "Look closer: tagout status %s -o json\nWhen it is mended, run the rollout again: what is done is left as it is\n", v->id);
    if (v->run->state == TG_RUN_ENDED)
        return rc;
    tg_buf_puts(out, "Go on with: ");
    if (v->run->causes & (TG_CAUSE_COMMAND | TG_CAUSES_TO_LOOK))
        tg_buf_printf(out, "tagout resume %s\n      then: ", v->id);
    tg_buf_printf(out, "tagout run --resume %s\nStop for good: tagout abort %s\n", v->id, v->id);
    return rc;
}

/* Commands that are to be copied stay in one piece: they stand in lines of their own, four blanks in. */
static void put_wrapped_lines(const char *text, int wrap, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;

    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        bool whole = strncmp(text, "    ", 4) == 0;
        tg_buf_reset(&line);
        tg_buf_add(&line, text, (size_t) (end - text));
        if (whole || tg_columns(tg_buf_text(&line)) <= wrap)
            tg_buf_puts(out, tg_buf_text(&line));
        else
            tg_put_wrapped(out, tg_buf_text(&line), wrap - 4, 4);
        tg_buf_putc(out, '\n');
    }
    tg_buf_release(&line);
}

int tg_run_view_summary(struct tg_run_view *v, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf all = TG_BUF_INIT, shown = TG_BUF_INIT;
    int rc = add_all(v, &all, e);

    tg_shown_lines(&shown, tg_buf_text(&all));
    if (v->wrap)
        put_wrapped_lines(tg_buf_text(&shown), v->wrap < 24 ? 24 : v->wrap, out);
    else
        tg_buf_puts(out, tg_buf_text(&shown));
    if (!rc)
        rc = tg_buf_ok(&shown, e);
    tg_buf_release(&shown);
    tg_buf_release(&all);
    return rc ? rc : tg_buf_ok(out, e);
}
