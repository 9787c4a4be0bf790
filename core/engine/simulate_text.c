/* A simulation as people read it: the plot in the terminal, the stages, the verdict. See simulate.h. */
#include "base/columns.h"
#include "engine/simulate_internal.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

#define PLOT_ROWS 8
#define PLOT_WIDTH_MIN 20
#define STAGE_WIDTH 58 /* of the table of stages, behind their names */
#define HOLDS_WIDTH 63
#define PLOT_WIDTH_MAX 160
#define LABEL 9 /* columns before the plot: "1000000 " and the axis */
#define TICKS 5

static const char *const green = "\033[32m", *const red = "\033[31m", *const blue = "\033[36m", *const grey = "\033[2m",
                         *const plain = "\033[0m";

static const char *tint(const struct tg_sim_paint *p, const char *colour)
{
    return p->colour ? colour : "";
}

static const char *duration(int64_t ms, char out[32])
{
    tg_duration_format(ms < 1000 ? ms : ms / 1000 * 1000, out, 32);
    return out;
}

/* ---- the plot ---- */

struct plot {
    const struct tg_sim *sim;
    const struct tg_sim_paint *paint;
    struct tg_buf *out;
    int width;
};

/* The sample at the end of a column. */
static size_t index_at(const struct plot *p, int column)
{
    int64_t took = p->sim->shown_ms - p->sim->started_ms, until = took / p->width * (column + 1);
    int64_t i = (until + p->sim->sample_ms - 1) / p->sim->sample_ms - 1, last = (int64_t) p->sim->n_samples - 1;

    return (size_t) (column == p->width - 1 || i > last ? last : i < 0 ? 0 : i);
}

static const struct tg_sim_sample *at_column(const struct plot *p, int column)
{
    return &p->sim->samples[index_at(p, column)];
}

static size_t changed_of(const struct tg_sim_sample *s)
{
    return s->changed;
}

static size_t hurt_of(const struct tg_sim_sample *s)
{
    return s->hurt;
}

static size_t at_work_of(const struct tg_sim_sample *s)
{
    return s->at_work;
}

static size_t gone_of(const struct tg_sim_sample *s)
{
    return s->gone;
}

static size_t held_of(const struct tg_sim_sample *s)
{
    return s->held;
}

static size_t out_of(const struct tg_sim_sample *s)
{
    return s->out;
}

static size_t failed_of(const struct tg_sim_sample *s)
{
    return s->failed;
}

static size_t greatest(const struct tg_sim *sim, size_t (*of)(const struct tg_sim_sample *))
{
    size_t max = 0;

    for (size_t i = 0; i < sim->n_samples; i++)
        max = of(&sim->samples[i]) > max ? of(&sim->samples[i]) : max;
    return max;
}

static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

/* How many eighths of a row of the whole height's rows; something is never drawn as nothing. */
static size_t height(size_t value, size_t max, size_t rows)
{
    size_t n = max ? (size_t) ((unsigned long long) value * rows * 8 / max) : 0;

    return n == 0 && value ? 1 : n;
}

static void put_area(const struct plot *p, size_t max)
{
    for (size_t row = PLOT_ROWS; row-- > 0;) {
        if (row == PLOT_ROWS - 1)
            tg_buf_printf(p->out, "%*zu ┤%s", LABEL - 2, max, tint(p->paint, green));
        else
            tg_buf_printf(p->out, "%*s │%s", LABEL - 2, row == PLOT_ROWS - 2 ? "changed" : "", tint(p->paint, green));
        for (int c = 0; c < p->width; c++) {
            size_t h = height(at_column(p, c)->changed, max, PLOT_ROWS);
            tg_buf_puts(p->out, eighths[h >= (row + 1) * 8 ? 8 : h > row * 8 ? h - row * 8 : 0]);
        }
        tg_buf_printf(p->out, "%s\n", tint(p->paint, plain));
    }
    tg_buf_printf(p->out, "%*s ┼", LABEL - 2, "0");
    for (int c = 0; c < p->width; c++)
        tg_buf_puts(p->out, c % (p->width / (TICKS - 1)) == 0 && c ? "┴" : "─");
    tg_buf_putc(p->out, '\n');
}

static void put_times(const struct plot *p)
{
    int64_t took = p->sim->shown_ms - p->sim->started_ms;
    int at = 0, step = p->width / (TICKS - 1);
    char text[32];

    tg_put_blanks(p->out, LABEL);
    for (int i = 0; i < TICKS; i++) {
        duration(i == TICKS - 1 ? took : took / p->width * (i * step), text);
        int n = tg_columns(text), to = i == 0 ? 0 : i == TICKS - 1 ? p->width - n : i * step - n / 2;
        if (to <= at && i)
            continue;
        tg_put_blanks(p->out, to - at);
        tg_buf_puts(p->out, text);
        at = to + n;
    }
    tg_buf_putc(p->out, '\n');
}

/* Of the samples of a column: what comes and goes between two columns is there all the same. */
static size_t most_in(const struct plot *p, int column, size_t (*of)(const struct tg_sim_sample *))
{
    size_t most = 0;

    for (size_t i = column ? index_at(p, column - 1) + 1 : 0; i <= index_at(p, column); i++)
        most = of(&p->sim->samples[i]) > most ? of(&p->sim->samples[i]) : most;
    return most ? most : of(at_column(p, column));
}

/* A row of its own scale; nothing at all is no row. */
static void put_spark(const struct plot *p, const char *label, const char *colour,
                      size_t (*of)(const struct tg_sim_sample *))
{
    size_t max = greatest(p->sim, of);

    if (!max)
        return;
    tg_buf_printf(p->out, "%*s  %s", LABEL - 2, label, tint(p->paint, colour));
    int end = p->width;
    while (end > 0 && !most_in(p, end - 1, of))
        end--;
    for (int c = 0; c < end; c++)
        tg_buf_puts(p->out, eighths[height(most_in(p, c, of), max, 1)]);
    tg_buf_printf(p->out, "%s %zu\n", tint(p->paint, plain), max);
}

static bool away_of(const struct tg_sim_sample *s)
{
    return s->away;
}

static bool asks_of(const struct tg_sim_sample *s)
{
    return s->asks;
}

/* When nobody was in the seat; when a person was waited for. */
static void put_marks(const struct plot *p, const char *label, const char *colour, const char *mark, unsigned n, bool (*of)(const struct tg_sim_sample *))
{
    if (!n)
        return;
    tg_buf_printf(p->out, "%*s  %s", LABEL - 2, label, tint(p->paint, colour));
    for (int c = 0; c < p->width; c++) {
        bool any = false;
        for (size_t i = c ? index_at(p, c - 1) + 1 : 0; i <= index_at(p, c); i++)
            any |= of(&p->sim->samples[i]);
        tg_buf_puts(p->out, any ? mark : " ");
    }
    tg_buf_printf(p->out, "%s %u\n", tint(p->paint, plain), n);
}

/* "canary│one-percent│rest", each from where it began; what has no room is left out. */
static void put_stages_row(const struct plot *p)
{
    const struct tg_plan *plan = p->sim->plan;
    size_t now = plan->n_stages + 1;

    tg_buf_printf(p->out, "%*s  %s", LABEL - 2, "stage", tint(p->paint, grey));
    for (int c = 0; c < p->width;) {
        size_t stage = at_column(p, c)->stage;
        int end = c;
        while (end < p->width && at_column(p, end)->stage == stage)
            end++;
        bool begins = stage != now && stage < plan->n_stages;
        const char *name = begins ? plan->stages[stage].name : "";
        int room = end - c;
        now = stage;
        if (begins) {
            tg_buf_puts(p->out, "│");
            room--;
        }
        int n = tg_columns(name) <= room ? tg_columns(name) : 0;
        tg_buf_puts(p->out, n ? name : "");
        tg_put_blanks(p->out, end < p->width ? room - n : 0);
        c = end;
    }
    tg_buf_printf(p->out, "%s\n", tint(p->paint, plain));
}

void tg_sim_plot(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out)
{
    int width = paint->width - LABEL - 9;
    struct plot p = {.sim = sim,
                     .paint = paint,
                     .out = out,
                     .width = width < PLOT_WIDTH_MIN   ? PLOT_WIDTH_MIN
                              : width > PLOT_WIDTH_MAX ? PLOT_WIDTH_MAX
                                                       : width};
    size_t max = greatest(sim, changed_of);

    p.width -= p.width % (TICKS - 1);
    if (!sim->n_samples)
        return;
    put_area(&p, max ? max : 1);
    put_times(&p);
    put_stages_row(&p);
    put_spark(&p, "at work", blue, at_work_of);
    put_spark(&p, "failed", red, failed_of);
    put_spark(&p, "hurt", red, hurt_of);
    put_spark(&p, "out", red, out_of);
    put_spark(&p, "gone", grey, gone_of);
    put_spark(&p, "held", grey, held_of);
    put_marks(&p, "asks", blue, "?", sim->asked, asks_of);
    put_marks(&p, "crashes", red, "×", sim->crashes, away_of);
}

/* ---- the stages ---- */

static size_t failed_in(const struct tg_sim *sim, size_t i)
{
    const size_t *n = sim->run->stages[i].counts;

    return n[TG_HOST_FAILED] + n[TG_HOST_UNKNOWN] + n[TG_HOST_LOST];
}

static void put_stage(const struct tg_sim *sim, size_t i, int name_width, const struct tg_sim_paint *paint,
                      struct tg_buf *out)
{
    const struct tg_plan_stage *p = &sim->plan->stages[i];
    const struct tg_run_stage *r = &sim->run->stages[i];
    const struct tg_sim_stage *s = &sim->stages[i];
    char began[32] = "–", took[32] = "–", changed[24] = "–", hurt[24] = "–";

    if (r->started_ms) {
        began[0] = '+';
        duration(r->started_ms - sim->started_ms, took);
        snprintf(began + 1, sizeof began - 1, "%.30s", took);
        duration((r->ended_ms ? r->ended_ms : sim->ended_ms) - r->started_ms, took);
    }
    if (!p->dry_run) {
        snprintf(changed, sizeof changed, "%zu", s->changed);
        snprintf(hurt, sizeof hurt, "%zu", s->hurt);
    }
    tg_buf_puts(out, p->name);
    tg_put_blanks(out, name_width - tg_columns(p->name));
    tg_buf_printf(out, "  %7zu  ", p->count);
    tg_put_blanks(out, 9 - tg_columns(began));
    tg_buf_printf(out, "%s  ", began);
    tg_put_blanks(out, 9 - tg_columns(took));
    tg_buf_printf(out, "%s  ", took);
    tg_put_blanks(out, 7 - tg_columns(changed));
    tg_buf_printf(out, "%s  %s", changed, s->hurt ? tint(paint, red) : "");
    tg_put_blanks(out, 7 - tg_columns(hurt));
    tg_buf_printf(out, "%s%s  %7zu%s\n", hurt, s->hurt ? tint(paint, plain) : "", failed_in(sim, i),
                  sim->halted_ms && sim->halted_stage == i ? "  ◀ halt" : "");
}

/* Where the table has no room: without the times. */
static void put_stage_narrow(const struct tg_sim *sim, size_t i, int name_width, struct tg_buf *out)
{
    const struct tg_sim_stage *s = &sim->stages[i];
    bool dry_run = sim->plan->stages[i].dry_run;
    char changed[24], hurt[24];

    snprintf(changed, sizeof changed, "%zu", s->changed);
    snprintf(hurt, sizeof hurt, "%zu", s->hurt);
    tg_buf_puts(out, sim->plan->stages[i].name);
    tg_put_blanks(out, name_width - tg_columns(sim->plan->stages[i].name));
    tg_buf_printf(out, " %5zu ", sim->plan->stages[i].count);
    tg_put_blanks(out, 7 - tg_columns(dry_run ? "–" : changed));
    tg_buf_printf(out, "%s ", dry_run ? "–" : changed);
    tg_put_blanks(out, 5 - tg_columns(dry_run ? "–" : hurt));
    tg_buf_printf(out, "%s %6zu%s\n", dry_run ? "–" : hurt, failed_in(sim, i), sim->halted_ms && sim->halted_stage == i ? " ◀" : "");
}

static void put_stages(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out)
{
    int name_width = 5;

    for (size_t i = 0; i < sim->plan->n_stages; i++)
        if (tg_columns(sim->plan->stages[i].name) > name_width)
            name_width = tg_columns(sim->plan->stages[i].name);
    if (name_width > 20)
        name_width = 20;
    bool narrow = paint->width < name_width + STAGE_WIDTH;
    tg_buf_printf(out, narrow ? "\n%-*s HOSTS CHANGED  HURT FAILED\n" : "\n%-*s    HOSTS      BEGAN       TOOK  CHANGED     HURT   FAILED\n", name_width, "STAGE");
    for (size_t i = 0; i < sim->plan->n_stages; i++)
        if (narrow)
            put_stage_narrow(sim, i, name_width, out);
        else
            put_stage(sim, i, name_width, paint, out);
}

/* ---- the verdict ---- */

static const struct {
    size_t hold;
    const char *name, *text;
} holds[] = {
    {0, "limits.running", "limits.running"}, /* bits of enum tg_run_brake */
    {1, "limits.unverified", "limits.unverified"},
    {2, "rate", "rates of the stages"},
    {3, "limits.domains", "limits of domains and floors"},
    {4, "approval", "approvals, until somebody has looked"},
    {5, "hours", "hours of work"},
    {6, "day", "days of work that a stage waits for"},
    {7, "windows", "windows of the hosts"},
    {TG_SIM_BAKE, "bake", "bakes"},
    {TG_SIM_LAST, "last-hosts", "the last hosts of a stage"},
    {TG_SIM_STOPPING, "stopping", "hosts in flight, after the halt"},
    {TG_SIM_ASKS, "person", "a person, until somebody has looked"},
    {TG_SIM_AWAY, "crashes", "crashes, until somebody takes over"},
};
#define HOLDS (sizeof holds / sizeof holds[0])

const char *tg_sim_hold_name(size_t hold)
{
    for (size_t i = 0; i < HOLDS; i++)
        if (holds[i].hold == hold)
            return holds[i].name;
    return NULL;
}

static void put_holds(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out)
{
    int64_t took = sim->ended_ms - sim->started_ms, below = INT64_MAX;
    char text[32];

    for (int n = 0; n < 3; n++) {
        size_t best = HOLDS;
        for (size_t i = 0; i < HOLDS; i++) {
            int64_t ms = sim->held_ms[holds[i].hold];
            if (ms < below && ms * 100 >= took && (best == HOLDS || ms > sim->held_ms[holds[best].hold]))
                best = i;
        }
        if (best == HOLDS)
            break;
        below = sim->held_ms[holds[best].hold];
        if (n == 0)
            tg_buf_puts(out, "Held back longest by\n");
        tg_buf_printf(out, "  %s", holds[best].text);
        duration(below, text);
        if (paint->width < HOLDS_WIDTH)
            tg_buf_puts(out, "\n    ");
        else
            tg_put_blanks(out, 54 - tg_columns(holds[best].text) - tg_columns(text));
        tg_buf_printf(out, "%s  %3d %%\n", text, took ? (int) (below * 100 / took) : 0);
    }
}

static void put_share(size_t n, size_t of, struct tg_buf *out)
{
    unsigned long long tenths = of ? (unsigned long long) n * 1000 / of : 0;

    if (n && !tenths)
        tg_buf_printf(out, "%zu of %zu (less than 0.1 %%)", n, of);
    else
        tg_buf_printf(out, "%zu of %zu (%llu.%llu %%)", n, of, tenths / 10, tenths % 10);
}

/* What the change did before anybody stopped it, and who knows. */
static void put_hurt(const struct tg_sim *sim, struct tg_buf *out)
{
    size_t seen = tg_run_failures(sim->run);

    if (!sim->all.hurt)
        return;
    tg_buf_puts(out, "Hurt: ");
    put_share(sim->all.hurt, sim->plan->n_targets, out);
    if (seen < sim->all.hurt)
        tg_buf_printf(out, "; %zu of them %s:\n  %s", sim->all.hurt - seen,
                      sim->halted_ms ? "not noticed before the halt" : "never noticed",
                      sim->plan->n_verify ? "they passed their verification before it showed" : "nothing verifies");
    tg_buf_puts(out, ".\n");
}

static void put_out(const struct tg_sim *sim, struct tg_buf *out)
{
    const struct tg_sim_out told = tg_sim_tell_out(sim);
    char text[32];

    tg_buf_puts(out, "Out of service: ");
    put_share(told.out, told.hosts, out);
    tg_buf_printf(out, ", %s after the halt.\n", duration(told.took_ms, text));
    if (told.no_room)
        tg_buf_printf(out, "  %zu stay%s in service: domains and floors have no room for them.\n", told.no_room, told.no_room == 1 ? "s" : "");
    if (told.held)
        tg_buf_printf(out, "  %zu stay%s in service: held by others.\n", told.held, told.held == 1 ? "s" : "");
}

static void put_back(const struct tg_sim *sim, struct tg_buf *out)
{
    const struct tg_sim *back = sim->back ? sim->back->sim : NULL;
    char text[32];

    if (!back)
        return;
    if (back->plan->withdraws) {
        put_out(sim, out);
        return;
    }
    tg_buf_puts(out, "Rolled back: ");
    put_share(tg_run_done(back->run), back->plan->n_hosts, out);
    tg_buf_printf(out, ", %s after the halt.\n", duration(back->ended_ms - sim->halted_ms, text));
}

/* Of a run that was given a date. */
static void put_date(const struct tg_sim *sim, int64_t at_ms, struct tg_buf *out)
{
    char text[40];

    if (sim->model->start_ms == TG_SIM_START)
        return;
    tg_time_format(at_ms / 1000 * 1000, text, sizeof text);
    tg_buf_printf(out, " at %s", text);
}

static void put_verdict(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out)
{
    const struct tg_run *run = sim->run;
    const struct tg_sim_told told = tg_sim_tell(sim);
    bool well = tg_sim_well(sim);
    char text[32];

    tg_buf_printf(out, "\n%s", tint(paint, well ? green : red));
    tg_buf_printf(out, "It would %s after %s", sim->waits ? "WAIT FOR EVER" : sim->halted_ms ? "HALT" : well ? "end well" : "end BADLY",
                  duration((sim->halted_ms ? sim->halted_ms : sim->ended_ms) - sim->started_ms, text));
    put_date(sim, sim->halted_ms ? sim->halted_ms : sim->ended_ms, out);
    if (sim->halted_ms)
        tg_buf_printf(out, ", in stage %s:\n  %s", sim->plan->stages[sim->halted_stage].name, run->why ? run->why : "");
    else if (sim->waits)
        tg_buf_printf(out, ":\n  %zu hosts have no room in their domains, which others take, or who is gone", sim->run->totals[TG_HOST_WAITING]);
    else if (!well)
        tg_buf_printf(out, ":\n  %zu of %zu hosts end well", told.done, told.hosts);
    tg_buf_putc(out, '.');
    tg_buf_printf(out, "%s\nChanged: ", tint(paint, plain));
    put_share(sim->all.changed, sim->plan->n_targets, out);
    tg_buf_putc(out, '\n');
    put_hurt(sim, out);
    put_back(sim, out);
    if (told.unreachable)
        tg_buf_printf(out, "Never reached: %zu.\n", told.unreachable);
    if (told.held)
        tg_buf_printf(out, "Held by others, and not changed: %zu.\n", told.held);
    if (tg_run_leftovers(run))
        tg_buf_printf(out, "Left over: %zu, lost or with a lock that would not go.\n", tg_run_leftovers(run));
    put_holds(sim, paint, out);
}

int tg_sim_text(const struct tg_sim *sim, const struct tg_sim_paint *paint, struct tg_buf *out, struct tg_error *e)
{
    tg_sim_plot(sim, paint, out);
    put_stages(sim, paint, out);
    put_verdict(sim, paint, out);
    return tg_buf_ok(out, e);
}
