/* tagout plan: what a rollout would do to today's fleet, and the digest to approve. */
#include "cli/commands.h"
#include "cli/guarding.h"
#include "cli/mending.h"
#include "cli/plan_down.h"
#include "cli/steering.h"
#include "cli/windows.h"
#include "config/site.h"
#include "engine/plan_keep.h"
#include "engine/plan_text.h"
#include "engine/plan_warn.h"
#include "engine/plan_worst.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MS 3000 /* a plan is there to be read, whatever the store does */

static const struct tg_opt opts[] = {
    {.name = "transport", .type = TG_OPT_STRING, .arg = "NAME", .value = "ssh", .text = "How hosts will be reached: ssh, or local for this machine"},
    {.name = "mends", .type = TG_OPT_STRING, .arg = "RUN", .text = "What tagout run --mends RUN would do: go over those hosts alone that RUN has out of service", .complete = "run"},
    {.name = "stages", .type = TG_OPT_FLAG, .text = "Prints the stages as YAML, a preset written out, to be put into the file; no fleet is needed"},
    {.name = NULL},
};

/* {"hosts": 100, "domain": "az a", "in_domain": 20, "of": 200} */
static json_t *worst_json(const struct tg_plan *plan, const struct tg_stage_worst *worst)
{
    json_t *o = json_pack("{s:I}", "hosts", (json_int_t) worst->hosts);
    char name[400];

    if (worst->domain == TG_NO_DOMAIN)
        return o;
    tg_plan_domain_name(plan, worst->domain, name, sizeof name);
    json_object_set_new(o, "domain", json_string(name));
    json_object_set_new(o, "in_domain", json_integer((json_int_t) worst->in_domain));
    json_object_set_new(o, "of", json_integer(plan->domains[worst->domain].n_hosts));
    return o;
}

static json_t *times_json(const struct tg_plan *plan, const struct tg_stage_times *times, const struct tg_stage_worst *worst)
{
    json_t *list = json_array();
    char start[40], end[40];

    for (size_t i = 0; i < plan->n_stages; i++) {
        tg_time_format(times[i].start_ms, start, sizeof start);
        tg_time_format(times[i].end_ms, end, sizeof end);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:o}", "stage", plan->stages[i].name, "start", start, "end", end, "at_most_down", worst_json(plan, &worst[i])));
    }
    return list;
}

static json_t *warnings_json(const struct tg_plan *plan, const struct tg_stage_times *times, const struct tg_plan_down *down)
{
    json_t *list = tg_plan_warnings(plan, times), *more = tg_plan_down_warnings(down);

    json_array_extend(list, more);
    json_decref(more);
    return list;
}

static int print_json(const struct tg_frame *f, const struct tg_plan *plan, const struct tg_plan_down *down, const char *file, struct tg_error *e)
{
    struct tg_stage_times *times = NULL;
    struct tg_stage_worst *worst = NULL;
    json_t *json = tg_plan_to_json(plan, e);
    char change[512] = "";

    if (!json)
        return TG_E_MEMORY;
    int rc = tg_plan_describe_change(plan, change, sizeof change, e);
    if (!rc)
        rc = tg_plan_times(plan, tg_wall_ms(tg_loop_clock(f->loop)), &times, e);
    if (!rc)
        rc = tg_plan_worst(plan, &worst, e);
    if (rc) {
        free(times);
        json_decref(json);
        return rc;
    }
    rc = tg_print_json(json_pack("{s:s,s:s,s:o,s:I,s:o,s:o,s:o,s:o}", "file", file, "summary", change, "times", times_json(plan, times, worst), "estimate_ms",
                                 (json_int_t) tg_plan_estimate_ms(plan), "warnings", warnings_json(plan, times, down), "down", tg_plan_down_json(down), "held",
                                 tg_held_json(&down->held), "plan", json),
                       e);
    free(times);
    free(worst);
    return rc;
}

/* A word of the command to type, quoted when a shell would take it for something else. */
static void put_word(struct tg_buf *b, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-:,+@%=";

    tg_buf_putc(b, ' ');
    if (word[0] && !word[strspn(word, plain)]) {
        tg_buf_puts(b, word);
        return;
    }
    tg_buf_putc(b, '\'');
    for (; *word; word++)
        tg_buf_puts(b, *word == '\'' ? "'\\''" : (const char[]) {*word, '\0'});
    tg_buf_putc(b, '\'');
}

/* The command that runs exactly this plan: with the options that made it. */
static void put_command(struct tg_buf *b, const struct tg_frame *f, const struct tg_plan *plan, const char *file)
{
    static const char *const same[] = {"config", "inventory", "transport", "mends"};

    tg_buf_puts(b, "tagout run");
    put_word(b, file);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (tg_opt_given(f, same[i])) {
            tg_buf_printf(b, " --%s", same[i]);
            put_word(b, tg_opt_text(f, same[i]));
        }
    tg_buf_printf(b, " --plan %.*s", TG_PLAN_DIGEST_SHORT, plan->digest);
}

static int print_text(const struct tg_frame *f, const struct tg_plan *plan, const struct tg_plan_down *down, const char *file, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT, lines = TG_BUF_INIT;
    json_t *warnings = tg_plan_down_warnings(down);
    int rc = tg_plan_down_text(down, f->width, &lines, e);

    if (!rc)
        rc = tg_plan_text_now(plan, tg_wall_ms(tg_loop_clock(f->loop)), f->width, f->out_tty ? f->width : TG_PLAN_TEXT_WHOLE,
                              &(struct tg_plan_now) {tg_buf_text(&lines), warnings}, &text, e);
    json_decref(warnings);
    tg_buf_release(&lines);
    if (!rc) {
        tg_buf_puts(&text, "\nNothing has been changed. To run exactly this: ");
        put_command(&text, f, plan, file);
        rc = tg_buf_ok(&text, e);
    }
    if (!rc)
        puts(tg_buf_text(&text));
    tg_buf_release(&text);
    return rc;
}

static int print_stages(const struct tg_frame *f, const struct tg_rollout *rollout, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    int rc = tg_rollout_stages_text(rollout, &text, e);

    if (!rc && f->json)
        rc = tg_print_json(json_pack("{s:s,s:s}", "file", f->argv[0], "stages", tg_buf_text(&text)), e);
    else if (!rc)
        fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
    return rc;
}

/* Connected, or NULL with why: a plan is there to be read, whatever the store does. */
static struct tg_store *connect_store(struct tg_frame *f, struct tg_error *why)
{
    struct tg_store *store = NULL;
    int rc = tg_frame_open_store(f, &store, why);

    if (!rc)
        rc = tg_store_connect(store, tg_store_deadline(store, KEEP_MS), why);
    if (!rc)
        return store;
    tg_store_close(store);
    return NULL;
}

/* Who is down or held, as far as that can be told. */
static void look_down(struct tg_frame *f, const struct tg_plan *plan, struct tg_store *store, const char *more, struct tg_plan_down *out)
{
    const char *given = getenv("TAGOUT_TOKEN");
    struct tg_error why = TG_ERROR_INIT;
    struct tg_guard guard = tg_cli_guard(f, KEEP_MS);
    char tokens[2048];

    guard.store = store;
    snprintf(tokens, sizeof tokens, "%.1023s%s%.1000s", given ? given : "", given && given[0] && more[0] ? "," : "", more);
    if (tg_plan_down_look(plan, &guard, tokens, out, &why))
        fprintf(stderr, "tagout: who is down or held can't be told: %s\n", why.message);
    explicit_bzero(tokens, sizeof tokens);
}

/* Of the plan, what is out of service: then the store is needed. */
static int make_mending(struct tg_frame *f, struct tg_plan **plan, struct tg_mending *m, struct tg_error *e)
{
    int rc = tg_frame_open_store(f, &f->store, e);

    return rc ? rc : tg_mending_plan(f, tg_opt_text(f, "mends"), plan, m, e);
}

/* In the store, where there is one, so that run can tell what has changed since, and approve finds it. That it can't be is only said where a store was configured. */
static void keep(struct tg_frame *f, struct tg_store *store, const struct tg_plan *plan, struct tg_error *why)
{
    struct tg_error damage = TG_ERROR_INIT;
    char who[256];
    int rc = TG_E_LOST;

    tg_cli_owner(f, who, sizeof who);
    if (store)
        rc = tg_plan_keep(store, plan, who, tg_wall_ms(tg_loop_clock(f->loop)), KEEP_MS, &damage, why);
    if (damage.code)
        fprintf(stderr, "tagout: %s; it is kept anew, and approvals of it have to be given again\n", damage.message);
    if (rc && strcmp(f->config->store_from, "default") != 0)
        fprintf(stderr, "tagout: the plan could not be kept in %s, so it can't be approved there, and run can't tell what changes: %s\n", f->config->store, why->message);
}

/* What is not counted, where a store was configured. */
static void say_unread(const struct tg_frame *f, const struct tg_cli_windows *w, const struct tg_store *store, const struct tg_error *why)
{
    bool configured = strcmp(f->config->store_from, "default") != 0;

    if (w->unread.code || (!store && configured && w->site && tg_site_agenda_says(w->site)))
        fprintf(stderr, "tagout: booked maintenance weeks are not counted here (a run counts them): %s\n", w->unread.code ? w->unread.message : why->message);
}

static int print_plan(struct tg_frame *f, const struct tg_rollout *rollout, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_plan *plan = NULL;
    struct tg_store *store = NULL;
    struct tg_cli_windows windows = {.site = NULL};
    struct tg_mending mending = {.withdrawn = {.n = 0}};
    struct tg_plan_down down = {.plan = NULL};
    int rc = tg_plan_compile(rollout, f->inventory, tg_opt_text(f, "transport"), &f->problems, &plan, e);

    if (!rc) {
        store = connect_store(f, &why);
        tg_cli_learn(store, plan, KEEP_MS);
        rc = tg_cli_windows_lay(f, store, plan, &windows, e);
    }
    if (!rc && tg_opt_text(f, "mends"))
        rc = make_mending(f, &plan, &mending, e);
    if (!rc) {
        say_unread(f, &windows, store, &why);
        look_down(f, plan, store, mending.tokens, &down);
        rc = f->json ? print_json(f, plan, &down, f->argv[0], e) : print_text(f, plan, &down, f->argv[0], e);
    }
    if (!rc)
        keep(f, store, plan, &why);
    tg_plan_down_release(&down);
    tg_mending_release(&mending);
    tg_cli_windows_release(&windows);
    tg_store_close(store);
    tg_plan_free(plan);
    return rc;
}

static int plan_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_rollout *rollout = NULL;
    bool stages = tg_opt_flag(f, "stages");
    const char *mends = tg_opt_text(f, "mends");

    if (stages && mends)
        return tg_fail(e, TG_E_USAGE, "--stages asks no fleet: leave --mends out");
    int rc = mends ? tg_cli_run_id(mends, e) : 0;
    if (!rc && !stages)
        rc = tg_frame_load_inventory(f, e);
    if (!rc)
        rc = tg_rollout_read(f->argv[0], &f->problems, &rollout, e);
    if (!rc)
        rc = stages ? print_stages(f, rollout, e) : print_plan(f, rollout, e);
    tg_rollout_free(rollout);
    return rc;
}

const struct tg_cmd tg_cmd_plan = {
    .name = "plan",
    .args = "FILE",
    .brief = "show what a rollout would do, and the digest to approve",
    .details = "Reads the rollout FILE and compiles it for the hosts of the inventory: which hosts are in which stage, at what pace, "
               "around which locks, and how each is verified. Nothing is changed and no host is asked. The digest stands for exactly "
               "this plan: tagout run refuses when file or inventory have changed since.",
    .examples = "  $ tagout plan openssl.yaml\n  $ tagout plan --stages openssl.yaml\n  $ tagout plan -o json openssl.yaml | jq -r .plan.digest\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_CONFIG,
    .complete = "file",
    .exec = plan_exec,
};
