/* A simulation as a picture: see simulate.h. One SVG that needs no script, no style sheet and no font of its own, light
 * and dark. */
#include "base/svg.h"
#include "engine/simulate_internal.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <string.h>

#define WIDTH 960
#define HEIGHT 440
#define LEFT 76
#define RIGHT 900
#define TOP 96
#define BOTTOM 330
#define LINES 4         /* of the grid */
#define STAGE_NAME_PX 7 /* of one letter, roughly */

struct picture {
    const struct tg_sim *sim;
    struct tg_buf *out;
    int64_t took_ms;
    size_t max, max_work, max_away, max_out;
};

/* Tenths of a pixel. */
static int64_t x_of(const struct picture *p, int64_t ms)
{
    return LEFT * 10 + (p->took_ms ? ms * (RIGHT - LEFT) * 10 / p->took_ms : 0);
}

static int64_t y_of(size_t value, size_t max)
{
    return BOTTOM * 10 - (max ? (int64_t) ((unsigned long long) value * (BOTTOM - TOP) * 10 / max) : 0);
}

static int64_t sample_at(const struct picture *p, size_t i)
{
    return i + 1 == p->sim->n_samples ? p->took_ms : (int64_t) (i + 1) * p->sim->sample_ms;
}

/* ---- the frame ---- */

static const char style[] =
    "<style>"
    ".bg{fill:#fff}.t{fill:#1f2933;font:13px system-ui,-apple-system,'Segoe UI','DejaVu "
    "Sans',sans-serif}.h{font-size:17px;font-weight:600}"
    ".s{fill:#616e7c;font-size:12px}.g{stroke:#e4e7eb}.ax{stroke:#9aa5b1}.band{fill:#1f2933;fill-opacity:.035}"
    ".c{fill:#2f9e44;fill-opacity:.22}.cl{stroke:#2f9e44;stroke-width:2;fill:none}.b{fill:#e03131;fill-opacity:.35}.bl{"
    "stroke:#e03131;stroke-width:2;fill:none}"
    ".w{stroke:#1c7ed6;stroke-width:1.2;fill:none}.x{fill:#9aa5b1}.halt{stroke:#e03131;stroke-width:1.5;stroke-"
    "dasharray:5 4}"
    ".o{fill:#f08c00;fill-opacity:.3}.ol{stroke:#f08c00;stroke-width:2;fill:none}.d{stroke:#7048e8;stroke-width:1.2;stroke-dasharray:2 3;fill:none}.kd{fill:#7048e8}.q{fill:#1c7ed6}"
    ".bad{fill:#c92a2a}.good{fill:#2b8a3e}.k{stroke:none}.kw{fill:#1c7ed6}"
    "@media(prefers-color-scheme:dark){.bg{fill:#14181d}.t{fill:#e4e7eb}.s{fill:#9aa5b1}.g{stroke:#2b323b}.ax{stroke:#"
    "616e7c}.band{fill:#fff}"
    ".bad{fill:#ff8787}.good{fill:#69db7c}.w{stroke:#4dabf7}.kw{fill:#4dabf7}}"
    "</style>\n";

static void put_head(const struct picture *p)
{
    struct tg_buf *out = p->out;
    char model[TG_SIM_DESCRIBED_SIZE];

    tg_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
                  "role=\"img\">\n<title>",
                  WIDTH, HEIGHT, WIDTH, HEIGHT);
    tg_svg_text(out, p->sim->plan->name);
    tg_buf_printf(out,
                  ": simulated run</title>\n%s<rect class=\"bg\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n<text "
                  "class=\"t h\" x=\"24\" y=\"34\">",
                  style, WIDTH, HEIGHT);
    tg_svg_text(out, p->sim->plan->name);
    tg_buf_printf(out, ": %zu hosts, simulated</text>\n<text class=\"t s\" x=\"24\" y=\"54\">",
                  p->sim->plan->n_targets);
    tg_sim_model_describe(p->sim->model, model, sizeof model);
    tg_svg_text(out, model);
    tg_buf_puts(out, "</text>\n");
}

static void put_grid(const struct picture *p)
{
    char text[32];

    for (size_t i = 0; i <= LINES; i++) {
        size_t value = p->max * i / LINES;
        int64_t y = y_of(value, p->max);
        tg_buf_printf(p->out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"", i ? "g" : "ax", LEFT, RIGHT);
        tg_svg_number(p->out, y);
        tg_buf_puts(p->out, "\" y2=\"");
        tg_svg_number(p->out, y);
        tg_buf_printf(p->out, "\"/><text class=\"t s\" text-anchor=\"end\" x=\"%d\" y=\"", LEFT - 8);
        tg_svg_number(p->out, y + 40);
        tg_buf_printf(p->out, "\">%zu</text>\n", value);
    }
    for (int i = 0; i <= LINES; i++) {
        int64_t at = p->took_ms / LINES * i;
        tg_duration_format(at < 1000 ? at : at / 1000 * 1000, text, sizeof text);
        tg_buf_puts(p->out, "<text class=\"t s\" text-anchor=\"middle\" x=\"");
        tg_svg_number(p->out, x_of(p, at));
        tg_buf_printf(p->out, "\" y=\"%d\">%s</text>\n", BOTTOM + 20, text);
    }
}

/* Every second stage has a shade, and its name where there is room. */
static void put_stages(const struct picture *p)
{
    for (size_t i = 0; i < p->sim->plan->n_stages; i++) {
        const struct tg_run_stage *r = &p->sim->run->stages[i];
        const char *name = p->sim->plan->stages[i].name;
        size_t letters = 0;
        if (!r->started_ms)
            continue;
        int64_t from = x_of(p, r->started_ms - p->sim->started_ms),
                to = x_of(p, (r->ended_ms ? r->ended_ms : p->sim->ended_ms) - p->sim->started_ms);
        for (const char *c = name; *c; c++)
            letters += ((unsigned char) *c & 0xc0U) != 0x80U;
        if (i % 2 == 0) {
            tg_buf_puts(p->out, "<rect class=\"band\" x=\"");
            tg_svg_number(p->out, from);
            tg_buf_printf(p->out, "\" y=\"%d\" width=\"", TOP - 20);
            tg_svg_number(p->out, to - from);
            tg_buf_printf(p->out, "\" height=\"%d\"/>\n", BOTTOM - TOP + 20);
        }
        if (to - from < (int64_t) letters * STAGE_NAME_PX * 10 + 80)
            continue;
        tg_buf_puts(p->out, "<text class=\"t s\" x=\"");
        tg_svg_number(p->out, from + 50);
        tg_buf_printf(p->out, "\" y=\"%d\">", TOP - 6);
        tg_svg_text(p->out, name);
        tg_buf_puts(p->out, "</text>\n");
    }
}

/* ---- the curves ---- */

enum curve { CHANGED, HURT, WORK, OUT, AWAY };

static int64_t y_at(const struct picture *p, enum curve curve, size_t i)
{
    const struct tg_sim_sample *s = &p->sim->samples[i];

    switch (curve) {
    case WORK:
        return y_of(s->at_work, p->max_work * 3);
    case HURT:
        return y_of(s->hurt, p->max);
    case OUT:
        return y_of(s->out, p->max);
    case AWAY:
        return y_of(s->gone + s->held, p->max_away * 3);
    case CHANGED:
    default:
        return y_of(s->changed, p->max);
    }
}

static void put_points(const struct picture *p, enum curve curve)
{
    for (size_t i = 0; i < p->sim->n_samples; i++) {
        tg_buf_putc(p->out, i ? ' ' : 'L');
        tg_svg_number(p->out, x_of(p, sample_at(p, i)));
        tg_buf_putc(p->out, ',');
        tg_svg_number(p->out, y_at(p, curve, i));
    }
}

static void put_curve(const struct picture *p, enum curve curve, const char *area, const char *line)
{
    if (area) {
        tg_buf_printf(p->out, "<path class=\"%s\" d=\"M%d,%d ", area, LEFT, BOTTOM);
        put_points(p, curve);
        tg_buf_printf(p->out, " L%d,%d Z\"/>\n", RIGHT, BOTTOM);
    }
    tg_buf_printf(p->out, "<path class=\"%s\" d=\"M%d,%d ", line, LEFT, BOTTOM);
    put_points(p, curve);
    tg_buf_puts(p->out, "\"/>\n");
}

/* When nobody was in the seat; when a person was waited for. */
static void put_crashes(const struct picture *p)
{
    for (size_t i = 0; i < p->sim->n_samples; i++)
        if (p->sim->samples[i].away || p->sim->samples[i].asks) {
            int64_t x = x_of(p, sample_at(p, i));
            tg_buf_printf(p->out, "<rect class=\"%s\" width=\"3\" height=\"6\" x=\"", p->sim->samples[i].away ? "x" : "q");
            tg_svg_number(p->out, x - 15);
            tg_buf_printf(p->out, "\" y=\"%d\"/>\n", BOTTOM - 6);
        }
}

static void put_halt(const struct picture *p)
{
    if (!p->sim->halted_ms)
        return;
    int64_t x = x_of(p, p->sim->halted_ms - p->sim->started_ms);
    bool right = x > (LEFT + RIGHT) * 5;
    tg_buf_puts(p->out, "<line class=\"halt\" x1=\"");
    tg_svg_number(p->out, x);
    tg_buf_puts(p->out, "\" x2=\"");
    tg_svg_number(p->out, x);
    tg_buf_printf(p->out, "\" y1=\"%d\" y2=\"%d\"/><text class=\"t bad\" text-anchor=\"%s\" x=\"", TOP - 20, BOTTOM,
                  right ? "end" : "start");
    tg_svg_number(p->out, x + (right ? -60 : 60));
    tg_buf_printf(p->out, "\" y=\"%d\">halt</text>\n", TOP + 14);
}

/* ---- below ---- */

static void put_key(const struct picture *p)
{
    char work[64], away[64];
    const struct {
        const char *class, *text;
        bool there;
    } rows[] = {{"c k", "changed", true},
                {"b k", "hurt", p->sim->all.hurt > 0},
                {"o k", "out of service", p->max_out > 0},
                {"kw", work, true},
                {"kd", away, p->max_away > 0},
                {"q", "waits for a person", p->sim->asked > 0},
                {"x", "nobody in the seat", p->sim->crashes > 0}};
    int x = LEFT;

    snprintf(work, sizeof work, "at work (at most %zu)", p->max_work);
    snprintf(away, sizeof away, "gone or held (at most %zu)", p->max_away);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rows[i].there)
            continue;
        tg_buf_printf(p->out,
                      "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"11\" height=\"11\" rx=\"2\"/><text class=\"t s\" "
                      "x=\"%d\" y=\"%d\">%s</text>\n",
                      rows[i].class, x, BOTTOM + 36, x + 17, BOTTOM + 46, rows[i].text);
        x += 40 + 6 * (int) strlen(rows[i].text);
    }
}

static void put_verdict(const struct picture *p)
{
    const struct tg_sim *sim = p->sim;
    bool well = tg_sim_well(sim);
    char took[32];

    tg_duration_format(((sim->halted_ms ? sim->halted_ms : sim->ended_ms) - sim->started_ms) / 1000 * 1000, took,
                       sizeof took);
    tg_buf_printf(p->out, "<text class=\"t %s\" x=\"24\" y=\"%d\">", well ? "good" : "bad", HEIGHT - 20);
    tg_buf_printf(p->out, "%s after %s",
                  sim->waits ? "Would wait for room for ever"
                  : sim->halted_ms ? "Would halt"
                  : well         ? "Would end well"
                                 : "Would end badly",
                  took);
    if (sim->halted_ms && sim->run->why) {
        tg_buf_puts(p->out, ": ");
        tg_svg_text(p->out, sim->run->why);
    }
    tg_buf_printf(p->out, ". %zu changed", sim->all.changed);
    if (sim->all.hurt)
        tg_buf_printf(p->out, ", %zu hurt", sim->all.hurt);
    if (sim->back && sim->back->plan->withdraws) {
        const struct tg_sim_out told = tg_sim_tell_out(sim);
        tg_buf_printf(p->out, ", %zu of %zu out of service", told.out, told.hosts);
        if (told.no_room)
            tg_buf_printf(p->out, " (no room for %zu)", told.no_room);
    } else if (sim->back)
        tg_buf_printf(p->out, ", %zu of %zu rolled back", tg_run_done(sim->back->sim->run), sim->back->plan->n_hosts);
    tg_buf_puts(p->out, ".</text>\n</svg>\n");
}

/* What the highest line of the grid stands for: all of them are round numbers. */
static size_t round_up(size_t max)
{
    static const size_t steps[] = {10, 15, 20, 25, 30, 40, 50, 60, 80, 100};
    size_t step = (max + LINES - 1) / LINES, unit = 1;

    if (step <= 10)
        return (step ? step : 1) * LINES;
    while (steps[9] * unit < step)
        unit *= 10;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i] * unit >= step)
            return steps[i] * unit * LINES;
    return max;
}

int tg_sim_svg(const struct tg_sim *sim, struct tg_buf *out, struct tg_error *e)
{
    struct picture p = {.sim = sim, .out = out, .took_ms = sim->shown_ms - sim->started_ms, .max = 1, .max_work = 1};
    size_t n;

    for (size_t i = 0; i < sim->n_samples; i++) {
        p.max = sim->samples[i].changed > p.max ? sim->samples[i].changed : p.max;
        p.max_work = sim->samples[i].at_work > p.max_work ? sim->samples[i].at_work : p.max_work;
        p.max_out = sim->samples[i].out > p.max_out ? sim->samples[i].out : p.max_out;
        n = sim->samples[i].gone + sim->samples[i].held;
        p.max_away = n > p.max_away ? n : p.max_away;
    }
    p.max = round_up(p.max);
    put_head(&p);
    put_stages(&p);
    put_grid(&p);
    put_curve(&p, CHANGED, "c", "cl");
    if (sim->all.hurt)
        put_curve(&p, HURT, "b", "bl");
    if (p.max_out)
        put_curve(&p, OUT, "o", "ol");
    put_curve(&p, WORK, NULL, "w");
    if (p.max_away)
        put_curve(&p, AWAY, NULL, "d");
    put_crashes(&p);
    put_halt(&p);
    put_key(&p);
    put_verdict(&p);
    return tg_buf_ok(out, e);
}
