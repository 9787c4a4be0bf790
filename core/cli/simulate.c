/* tagout simulate: how a rollout would go, on a virtual clock with modelled hosts. */
#include "base/whole.h"
#include "cli/commands.h"
#include "cli/windows.h"
#include "config/site.h"
#include "engine/plan_text.h"
#include "engine/simulate.h"
#include "fleet/generate.h"

#include <tagout/clock.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OPTION(n, a, v, t, kind, member) {.name = n, .type = TG_OPT_STRING, .arg = a, .value = v, .text = t},
static const struct tg_opt opts[] = {
    {.name = "hosts",
     .type = TG_OPT_INT,
     .arg = "N",
     .text = "A fleet of N hosts that is made up, in place of the inventory; 1000 when there is no inventory"},
    {.name = "model",
     .type = TG_OPT_FILE,
     .arg = "FILE",
     .text = "Reads the parameters below from FILE (YAML, by the same names); options win"},
    {.name = "svg", .type = TG_OPT_FILE, .arg = "FILE", .text = "Writes the timeline as a picture"},
    {.name = "weeks", .type = TG_OPT_FLAG, .text = "Counts the maintenance weeks that are booked, too: for these the store is asked, and for nothing else"},
    TG_SIM_FIELDS(OPTION){.name = NULL},
};
#undef OPTION

#define HOSTS_UNASKED 1000
#define TARGETS_PERCENT 100
#define STAGE_PERCENT 10

static int read_model(struct tg_frame *f, struct tg_sim_model *model, struct tg_error *e)
{
    const char *file = tg_opt_text(f, "model");
    int rc = 0;

    tg_sim_model_init(model);
    if (file && (rc = tg_sim_model_read(model, file, &f->problems, e)) != 0)
        return rc;
    for (const struct tg_sim_field *field = tg_sim_fields; !rc && field->name; field++)
        if (tg_opt_given(f, field->name))
            rc = tg_sim_model_set(model, field->name, tg_opt_text(f, field->name), e);
    if (!rc)
        rc = tg_sim_model_check(model, e);
    if (rc == TG_E_DATA) { /* what is wrong is no file, but what was typed */
        if (e)
            e->code = TG_E_USAGE;
        rc = TG_E_USAGE;
    }
    return rc;
}

/* Whatever the rollout names is to be there. */
static int make_fleet(struct tg_frame *f, size_t hosts, const struct tg_rollout *rollout, struct tg_error *e)
{
    struct tg_fleet_wish *wishes = calloc(rollout->n_stages + rollout->n_limits + 1, sizeof *wishes);
    size_t n = 0;

    if (!wishes)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    wishes[n++] = (struct tg_fleet_wish) {.selector = rollout->targets, .percent = TARGETS_PERCENT};
    for (size_t i = 0; i < rollout->n_stages; i++)
        wishes[n++] = (struct tg_fleet_wish) {.selector = rollout->stages[i].targets, .percent = STAGE_PERCENT};
    for (size_t i = 0; i < rollout->n_limits; i++)
        wishes[n++] = rollout->limits[i].selector ? (struct tg_fleet_wish) {.selector = rollout->limits[i].name, .percent = STAGE_PERCENT}
                                                  : (struct tg_fleet_wish) {.key = rollout->limits[i].name};
    int rc = tg_inventory_generate(hosts, wishes, n, &f->inventory, e);
    free(wishes);
    return rc;
}

static int get_fleet(struct tg_frame *f, const struct tg_rollout *rollout, struct tg_error *e)
{
    if (tg_opt_given(f, "hosts"))
        return make_fleet(f, (size_t) tg_opt_int(f, "hosts"), rollout, e);
    if (f->config->inventory)
        return tg_frame_load_inventory(f, e);
    return make_fleet(f, HOSTS_UNASKED, rollout, e);
}

static int write_svg(const struct tg_frame *f, const struct tg_sim *sim, struct tg_error *e)
{
    const char *file = tg_opt_text(f, "svg");
    struct tg_buf svg = TG_BUF_INIT;
    int rc = file ? tg_sim_svg(sim, &svg, e) : 0;

    if (!rc && file)
        rc = tg_whole_write(file, svg.data, svg.len, 0644, TG_WHOLE_ANYWHERE, e);
    tg_buf_release(&svg);
    return rc;
}

/* Before an hour of simulation is for nothing. */
static int check_svg(const struct tg_frame *f, struct tg_error *e)
{
    const char *file = tg_opt_text(f, "svg");
    const char *slash = file ? strrchr(file, '/') : NULL;
    char folder[PATH_MAX] = ".";
    struct stat st;

    if (!file)
        return 0;
    if (strlen(file) >= sizeof folder)
        return tg_fail(e, TG_E_USAGE, "--svg %.60s…: the path is too long", file);
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == file ? 1 : (int) (slash - file), file);
    if (!file[0] || (stat(file, &st) == 0 && S_ISDIR(st.st_mode)))
        return tg_fail(e, TG_E_USAGE, "--svg \"%s\" is no file's name", file);
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return tg_fail(e, TG_E_USAGE, "--svg %s: there is no folder %s", file, folder);
    return 0;
}

/* From that column on; what has no room goes on below, a word whole. */
static void put_folded(struct tg_buf *out, const char *text, int column, int width)
{
    int at = column;

    while (*text) {
        size_t word = strcspn(text, " ");
        if (at > column && at + 1 + (int) word > width) {
            tg_buf_printf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            tg_buf_putc(out, ' ');
            at++;
        }
        tg_buf_printf(out, "%.*s", (int) word, text);
        at += (int) word;
        text += word + (text[word] == ' ');
    }
}

static int print_text(const struct tg_frame *f, const struct tg_sim *sim, struct tg_error *e)
{
    const struct tg_sim_paint paint = {.width = f->width, .colour = f->colour};
    struct tg_buf text = TG_BUF_INIT;
    char model[TG_SIM_DESCRIBED_SIZE];
    int rc = tg_plan_text(sim->plan, sim->started_ms, f->width, f->out_tty ? f->width : TG_PLAN_TEXT_WHOLE, &text, e);

    if (!rc) {
        tg_sim_model_describe(sim->model, model, sizeof model);
        tg_buf_puts(&text, "\nsimulated  ");
        put_folded(&text, model, (int) strlen("simulated  "), f->width);
        tg_buf_puts(&text, "\n\n");
        rc = tg_sim_text(sim, &paint, &text, e);
    }
    if (!rc)
        fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
    return rc;
}

static int simulate(struct tg_frame *f, const struct tg_plan *plan, const struct tg_sim_model *model,
                    struct tg_error *e)
{
    struct tg_sim *sim;
    int rc = tg_simulate(plan, model, &sim, e);

    if (rc)
        return rc;
    rc = write_svg(f, sim, e);
    if (!rc)
        rc = f->json ? tg_print_json(tg_sim_json(sim), e) : print_text(f, sim, e);
    f->status = tg_sim_well(sim) ? 0 : 1;
    tg_sim_free(sim);
    return rc;
}

/* Windows have dates: without another wish the run begins now, or the calendar's first window would be years away. */
static int lay_windows(struct tg_frame *f, struct tg_plan *plan, struct tg_sim_model *model, struct tg_cli_windows *windows, struct tg_error *e)
{
    int rc = tg_opt_flag(f, "weeks") ? tg_frame_open_store(f, &f->store, e) : 0;

    if (!rc && f->store)
        rc = tg_frame_prove_store(f, e);
    if (!rc)
        rc = tg_cli_windows_lay(f, f->store, plan, windows, e);
    if (!rc && windows->windows && model->start_ms == TG_SIM_START)
        model->start_ms = tg_wall_ms(tg_loop_clock(f->loop)) / 60000 * 60000;
    return rc;
}

static int simulate_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_rollout *rollout = NULL;
    struct tg_plan *plan = NULL;
    struct tg_sim_model model;
    struct tg_cli_windows windows = {.site = NULL};
    int rc = read_model(f, &model, e);
    bool made_up = tg_opt_given(f, "hosts") || !f->config->inventory; /* no calendar knows its hosts */

    if (!rc)
        rc = check_svg(f, e);
    if (!rc && made_up && tg_opt_flag(f, "weeks"))
        rc = tg_fail(e, TG_E_USAGE, "--weeks: hosts that are made up have no booked weeks; an inventory is needed, without --hosts");
    if (!rc)
        rc = tg_rollout_read(f->argv[0], &f->problems, &rollout, e);
    if (!rc)
        rc = get_fleet(f, rollout, e);
    if (!rc)
        rc = tg_plan_compile(rollout, f->inventory, NULL, &f->problems, &plan, e);
    tg_rollout_free(rollout);
    if (!rc && !made_up)
        rc = lay_windows(f, plan, &model, &windows, e);
    if (!windows.windows) {
        tg_inventory_free(f->inventory); /* a plan has all that it needs, and a large fleet is large */
        f->inventory = NULL;
    }
    if (!rc)
        rc = simulate(f, plan, &model, e);
    tg_cli_windows_release(&windows);
    tg_plan_free(plan);
    return rc;
}

const struct tg_cmd tg_cmd_simulate = {
    .name = "simulate",
    .args = "FILE",
    .brief = "show how a rollout would go, on hosts that are made up",
    .details = "Runs the rollout FILE on a virtual clock: the engine of tagout run itself, with hosts that fail, "
               "break, are slow and away as the options say. "
               "No host is asked, and no store (but with --weeks). Shows what is changed when, how many hosts a bad change would hurt "
               "before the run halts, and what held it back. "
               "Exits with 0 when the run would end well, with 1 when it would not.",
    .examples = "  $ tagout simulate openssl.yaml --failing 2% --unreachable 1%\n  $ tagout simulate openssl.yaml "
                "--bad-after 10m --svg openssl.svg\n"
                "  $ tagout simulate openssl.yaml --hosts 1000000 --crash-every 1h\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_CONFIG,
    .complete = "file",
    .exec = simulate_exec,
};
