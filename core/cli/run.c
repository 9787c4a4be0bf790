/* tagout run: executes a plan on the fleet, or goes on with a run that was left. */
#include "cli/commands.h"
#include "cli/driving.h"
#include "cli/guarding.h"
#include "cli/kept_out.h"
#include "cli/mending.h"
#include "cli/run_begin.h"
#include "cli/run_show.h"
#include "cli/steering.h"
#include "cli/windows.h"
#include "config/site.h"
#include "engine/history.h"
#include "engine/plan_internal.h"
#include "engine/plan_text.h"
#include "engine/plan_when.h"
#include "engine/ports.h"

#include <tagout/log.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000
#define SETTLE_MS 2000 /* longer than whoever writes a file pauses */
#define SEAT_TRIES 8 /* a driver whose seat is taken over may write a few times a second */
#define TICK_MS 250

static const struct tg_opt opts[] = {
    {.name = "dry-run", .letter = 'n', .type = TG_OPT_FLAG, .text = "Asks the tool on every host what it would change, and changes nothing"},
    {.name = "plan", .type = TG_OPT_STRING, .arg = "DIGEST", .text = "Runs only if the plan still has this digest (its first 4 characters or more), as tagout plan showed it"},
    {.name = "transport", .type = TG_OPT_STRING, .arg = "NAME", .value = "ssh", .text = "How hosts are reached: ssh, or local for this machine"},
    {.name = "resume", .type = TG_OPT_STRING, .arg = "RUN", .text = "Goes on with a run that was paused, or whose driver died; looks at each host whose outcome is not known before anything is repeated", .complete = "run"},
    {.name = "reason", .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why the run ignores windows, as its rollout says: needed there, recorded with the run and shown by status"},
    {.name = "mends", .type = TG_OPT_STRING, .arg = "RUN", .text = "Goes over those hosts alone that RUN has out of service (tagout withdraw), as they are; brings back whom it has verified", .complete = "run"},
    {.name = "no-wait", .type = TG_OPT_FLAG, .text = "Does not begin when no host of the first stage may start now, as far as windows go: exits with 75 and says when"},
    TG_DRIVING_OPTS,
    {.name = NULL},
};

static volatile sig_atomic_t stops;

static void on_signal(int signal_number)
{
    (void) signal_number;
    stops = stops + 1;
}

/* ---- showing ---- */

struct show {
    struct tg_run_show run;
    bool told_pause;
};

static void on_line(void *data, const struct tg_run *run, const json_t *line)
{
    tg_run_show_line(&((struct show *) data)->run, run, line);
}

static void on_tick(void *data, const struct tg_run *run, int64_t now_ms)
{
    struct show *s = data;

    tg_run_show_tick(&s->run, now_ms);
    if (stops && !s->told_pause && run->state == TG_RUN_PAUSING) {
        fprintf(stderr, "Pausing: nothing new starts, what is in flight ends. Once more to leave at once.\n");
        s->told_pause = true;
        s->run.drawn = 0;
    }
}

/* ---- driving ---- */

static int status_of(const struct tg_run *run, const struct tg_cli_returns *returns)
{
    bool back = true;

    for (size_t i = 0; i < returns->n; i++)
        back &= run->hosts[returns->hosts[i]].state == TG_HOST_RETURNED;
    return returns->n ? !back : tg_run_end(run) != TG_END_DONE;
}

/* Of hosts that are kept out of service, what became of them is all there is to say. */
static void on_kept_line(void *data, const struct tg_run *run, const json_t *line)
{
    struct tg_buf text = TG_BUF_INIT;

    (void) data;
    if (json_object_get(line, "h")) {
        tg_run_view_line(run, line, &text);
        fputs(tg_buf_text(&text), stdout);
    }
    tg_buf_release(&text);
}

static int drive_kept(struct tg_frame *f, struct tg_journal *j, struct tg_run *run, struct tg_ports *ports, const char *who, struct tg_error *e)
{
    const struct tg_drive_options o = {.journal = j, .run = run, .by = who, .ports = tg_ports_table(ports), .on_line = f->json ? NULL : on_kept_line, .tick_ms = TICK_MS,
                                       .stops = &stops};

    return tg_drive(&o, e);
}

/* What ended the drive may have a mend of its own (make room): behind that, what became of the hosts, and how to go on. */
static void say_how_to_go_on(const char *id, const struct tg_plan *plan, struct tg_error *e)
{
    char mend[sizeof e->hint];

    memcpy(mend, e->hint, sizeof mend);
    if (e->code == TG_E_FULL && !mend[0])
        snprintf(mend, sizeof mend, "make room there, then try again");
    e->hint[0] = '\0';
    tg_error_hint(e, "%.300s%snothing is lost: steps under way go on on their hosts, which stay locked%s. Go on with: tagout run --resume %s", mend, mend[0] ? "; " : "",
                  plan->n_around > 1 ? ", with all that was done around them in force" : "", id);
}

static int drive(struct tg_frame *f, struct tg_journal *j, struct tg_run *run, struct tg_ports *ports, const struct tg_cli_returns *returns, const char *who, struct tg_error *e)
{
    struct show s = {.told_pause = false};
    struct tg_drive_options o = {.journal = j, .run = run, .by = who, .ports = tg_ports_table(ports), .on_line = on_line, .on_tick = on_tick,
                                 .tick_ms = TICK_MS, .data = &s, .stops = &stops, .take_over = tg_opt_flag(f, "take-over"),
                                 .returns = returns->hosts, .n_returns = returns->n, .vouched = returns->vouched, .reason = returns->reason};
    struct sigaction act = {.sa_handler = on_signal};

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (returns->n_out)
        return drive_kept(f, j, run, ports, who, e);
    tg_run_show_init(&s.run, f, run, j->id);
    s.run.view.driven = true;
    s.run.view.name = tg_ports_name(ports);
    tg_run_show_begin(&s.run);
    int rc = tg_drive(&o, e);
    if (!rc)
        tg_ports_tell_slots(ports);
    s.run.view.driven = false;
    if (!rc)
        rc = tg_run_show_end(&s.run, e);
    else if (rc != TG_E_HELD && rc != TG_E_VERSION) /* the seat is another's: he goes on */
        say_how_to_go_on(j->id, run->plan, e);
    if (!rc)
        f->status = status_of(run, returns);
    tg_run_show_release(&s.run);
    return rc;
}

static int with_holds(struct tg_frame *f, struct tg_journal *j, struct tg_plan *plan, struct tg_run *run, const struct tg_run_tokens *tokens,
                      const struct tg_cli_returns *returns, struct tg_mending_seats *seats, struct tg_error *e)
{
    const struct tg_config *c = f->config;
    char who[256], reason[TG_REASON_SIZE], all[sizeof tokens->all + 1026];
    struct tg_holds *holds = NULL;
    struct tg_ports *ports = NULL;
    struct tg_site_agenda *calendar = NULL;
    const struct tg_site_agenda_options co = {.calendar = c->calendar, .inventory = f->inventory, .store = f->store, .wait_ms = WAIT_MS, .clock = tg_loop_clock(f->loop),
                                              .settle_ms = SETTLE_MS};

    tg_cli_owner(f, who, sizeof who);
    if (plan->withdraws)
        tg_withdraw_reason(plan->undoes, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "run %s: rollout %.100s", j->id, plan->name);
    const struct tg_around *lock = plan->n_around ? &plan->around[0] : NULL;
    const struct tg_holds_options ho = {.store = f->store, .inventory = f->inventory, .state_dir = c->state_dir, .wait_ms = WAIT_MS, .run = j->id,
                                        .owner = j->by, .reason = reason, .token = tokens->own, .tokens = all,
                                        .hold = lock ? lock->hold : NULL, .n_hold = lock ? lock->n_hold : 0};
    tg_cli_return_tokens(tokens, returns->n > 0, all, sizeof all);
    int rc = tg_holds_new(&ho, &holds, e);
    explicit_bzero(all, sizeof all);
    if (!rc && plan->n_windows)
        rc = tg_site_agenda_new(&co, &calendar, e);
    const struct tg_ports_options po = {.loop = f->loop, .plan = plan, .calendar = calendar, .run = run, .journal = j, .holds = holds, .inventory = f->inventory, .tokens = tokens->all, .owner = j->by,
                                        .transport = {.identity_file = c->ssh_identity, .known_hosts_file = c->ssh_known_hosts, .config_file = c->ssh_config},
                                        .connect_ms = tg_opt_ms(f, "connect-timeout"), .step_ms = tg_opt_ms(f, "step-timeout"),
                                        .look_ms = tg_opt_ms(f, "look-for"), .quiesce_ms = tg_opt_ms(f, "quiesce"),
                                        .out = returns->out, .n_out = returns->n_out, .out_anew = returns->out_anew,
                                        .still_out = tg_mending_still_out, .still_out_data = seats, .keeper = seats->keeper};
    if (!rc)
        rc = tg_ports_new(&po, &ports, e);
    if (!rc)
        plan->calendar = tg_ports_windows(ports);
    if (!rc)
        rc = drive(f, j, run, ports, returns, who, e);
    plan->calendar = NULL;
    tg_ports_free(ports);
    tg_site_agenda_free(calendar);
    tg_holds_free(holds);
    return rc;
}

/* What its rollout says of how it ended. Nothing when somebody has said abort (P10). */
static enum tg_then what_follows(const struct tg_journal *j, const struct tg_run *run)
{
    return tg_run_end(run) == TG_END_HALTED && !j->control.abort.wanted ? run->plan->then : TG_THEN_HALT;
}

/* Whom a run that mends has verified: back. That nobody is out any more is no failure. */
static int bring_back(struct tg_frame *f, struct tg_journal *j, const struct tg_run *run, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int bad = tg_run_end(run) != TG_END_DONE;
    int rc = tg_cli_return_mended(f, j, run, &own);

    f->status = bad ? bad : rc ? 0 : f->status;
    if (rc && rc != TG_E_NOENT && e && !e->code)
        *e = own;
    return rc == TG_E_NOENT ? 0 : rc;
}

/* What was planned; that there is nothing to bring back, or to withdraw, is the halt that it was. */
static int follow(struct tg_frame *f, const char *id, enum tg_then then, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int rc = then == TG_THEN_ROLLBACK ? tg_cli_roll_back(f, id, TG_FOLLOWS_PLANNED, &own) : tg_cli_withdraw(f, id, TG_FOLLOWS_PLANNED, &own);

    if (rc == TG_E_NOENT) {
        fprintf(stderr, "tagout: %s\n", own.message);
        f->status = 1;
        return 0;
    }
    if (rc && e && !e->code)
        *e = own;
    return rc;
}

/* How long its hosts took, for the dates of the next plan. That this can't be kept changes nothing of how the run ended. */
static void learn(const struct tg_frame *f, const struct tg_run *run, const char *id)
{
    struct tg_error why = TG_ERROR_INIT;

    if (run->state == TG_RUN_ENDED && tg_history_add(f->store, run, id, WAIT_MS, &why))
        tg_log(TG_LOG_INFO, "run", "how long it took could not be kept: %s", why.message);
}

/* *out_again: the journal was written to between its loading and our seat. *out_then: what follows. */
static int drive_loaded(struct tg_frame *f, struct tg_journal *j, struct tg_plan *plan, struct tg_run *run, const struct tg_cli_returns *returns, struct tg_mending_seats *seats,
                        bool *out_again, enum tg_then *out_then, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    int rc = 0;

    *out_then = what_follows(j, run);
    if (run->state == TG_RUN_ENDED && !tg_run_leftovers(run) && !returns->n && !returns->n_out) {
        if (tg_cli_slots_ended(f, j, plan, run) || *out_then != TG_THEN_HALT || tg_mend_returns(run))
            return 0;
        tg_fail(e, TG_E_FAILED, "run %s has ended: %s", j->id, tg_run_end_name(tg_run_end(run)));
        tg_error_hint(e, "look at it: tagout status %s", j->id);
        return TG_E_FAILED;
    }
    rc = tg_journal_tokens(j, &tokens, e);
    if (!rc)
        rc = with_holds(f, j, plan, run, &tokens, returns, seats, e);
    if (!rc)
        learn(f, run, j->id);
    explicit_bzero(&tokens, sizeof tokens);
    *out_then = rc ? TG_THEN_HALT : what_follows(j, run);
    *out_again = rc == TG_E_VERSION && !j->seated;
    return rc;
}

/* Before and behind a run that mends: a host that its load balancer has forgotten is out of service before it is touched, and stays so when it is no better. */
static void keep_out(struct tg_frame *f, const char *mends)
{
    struct tg_error own = TG_ERROR_INIT;
    int status = f->status;
    size_t left;

    if (tg_cli_out_keep(f, mends, TG_CLI_OUT_KEEP, &left, &own))
        fprintf(stderr, "tagout: whether what %s has withdrawn is out of service still, can't be told: %s\n", mends, own.message);
    f->status = status;
}

static int drive_once(struct tg_frame *f, const char *id, const struct tg_cli_returns *returns, bool *out_again, struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct tg_mending_seats seats = {.n = 0};
    enum tg_then then = TG_THEN_HALT;
    int rc = tg_journal_load(f->store, id, WAIT_MS, &j, &plan, &run, e);

    bool mends = !rc && plan->mends && run->state != TG_RUN_ENDED;
    if (!rc && run->state != TG_RUN_ENDED)
        tg_cli_learn(f->store, plan, WAIT_MS);
    if (mends)
        keep_out(f, plan->mends);
    if (mends)
        rc = tg_mending_seat(f, plan->mends, &seats, e);
    if (!rc)
        rc = drive_loaded(f, j, plan, run, returns, &seats, out_again, &then, e);
    tg_mending_leave(&seats);
    if (mends && !rc)
        keep_out(f, plan->mends);
    if (!rc && !j->control.abort.wanted && tg_mend_returns(run))
        rc = bring_back(f, j, run, e);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return !rc && then != TG_THEN_HALT ? follow(f, id, then, e) : rc;
}

int tg_cli_drive_returns(struct tg_frame *f, const char *id, const struct tg_cli_returns *returns, struct tg_error *e)
{
    bool again = true;
    int rc = tg_frame_prove_store(f, e);

    if (!rc)
        rc = tg_cli_await_seat(f, id, e);
    for (int tries = 0; !rc && again && tries < SEAT_TRIES; tries++) {
        tg_error_clear(e);
        again = false;
        rc = drive_once(f, id, returns, &again, e);
        if (again && tries + 1 < SEAT_TRIES)
            rc = 0;
    }
    return rc;
}

int tg_cli_drive(struct tg_frame *f, const char *id, struct tg_error *e)
{
    return tg_cli_drive_returns(f, id, &(struct tg_cli_returns) {.n = 0}, e);
}

/* ---- beginning ---- */

/* Every stage only asks. The plan is another one then. */
static int make_dry(struct tg_plan *plan, struct tg_error *e)
{
    for (size_t i = 0; i < plan->n_stages; i++) {
        plan->stages[i].dry_run = true;
        plan->stages[i].bake_ms = 0;
        plan->stages[i].policy.approve = false;
        plan->stages[i].day = plan->stages[i].spread_ms = 0;
    }
    plan->then = TG_THEN_HALT; /* nothing is changed that could be brought back */
    plan->hours.days = 0; /* to ask disturbs nobody */
    tg_plan_windows_drop(plan);
    plan->windows_mode = TG_WINDOWS_UNSAID;
    return tg_plan_seal(plan, e);
}

/* more: tokens besides the operator's, or "". */
static int begin_run(struct tg_frame *f, const struct tg_plan *plan, const char *more, char id[TG_RUN_ID_SIZE], struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    const char *given = getenv("TAGOUT_TOKEN");
    char who[256], all[2 * sizeof tokens.all];

    snprintf(all, sizeof all, "%.1023s%s%.1023s", given ? given : "", given && given[0] && more[0] ? "," : "", more);
    int rc = tg_run_tokens_make(all, &tokens, e);
    explicit_bzero(all, sizeof all);
    tg_cli_owner(f, who, sizeof who);
    if (!rc)
        rc = tg_journal_create(f->store, plan, who, &tokens, tg_wall_ms(tg_loop_clock(f->loop)), WAIT_MS, id, e);
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}

/* Windows that are ignored are so for a reason, which stays with the run. */
static int take_reason(struct tg_frame *f, struct tg_plan *plan, struct tg_error *e)
{
    const char *reason = tg_opt_text(f, "reason");

    if (plan->windows_mode != TG_WINDOWS_IGNORE)
        return reason ? tg_fail(e, TG_E_USAGE, "--reason says why windows are ignored, and the rollout does not ignore them") : 0;
    if (!reason && tg_opt_flag(f, "dry-run"))
        return 0;
    if (!reason || !reason[strspn(reason, " \t\n")]) {
        tg_fail(e, TG_E_USAGE, "the rollout ignores windows: hosts are disturbed when nobody has agreed to it");
        tg_error_hint(e, "say why: --reason \"…\"; or windows: honour");
        return TG_E_USAGE;
    }
    if (strlen(reason) >= TG_REASON_SIZE)
        return tg_fail(e, TG_E_USAGE, "--reason is longer than %d bytes", TG_REASON_SIZE - 1);
    plan->windows_why = strdup(reason);
    return plan->windows_why ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* --no-wait: is any window open that the first hosts have? */
static int check_now(const struct tg_frame *f, const struct tg_plan *plan, struct tg_error *e)
{
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    struct tg_window_says says, best = {false, INT64_MAX};
    size_t stage = 0, window = TG_NO_DOMAIN;
    char why[TG_WINDOW_WHY_SIZE], when[40];

    while (stage < plan->n_stages && !plan->stages[stage].count)
        stage++;
    if (!tg_opt_flag(f, "no-wait") || !plan->calendar || stage == plan->n_stages || plan->stages[stage].dry_run)
        return 0;
    for (size_t i = plan->stages[stage].first; i < plan->stages[stage].first + plan->stages[stage].count; i++) {
        if (plan->window_of[i] == window)
            continue;
        tg_windows_ask(plan->calendar, window = plan->window_of[i], now, &says);
        if (says.open)
            return 0;
        if (says.until_ms <= best.until_ms) {
            best = says;
            tg_windows_why(plan->calendar, window, now, &says, why, sizeof why);
        }
    }
    tg_plan_time_format(plan, best.until_ms >= TG_WINDOW_UNTOLD ? now : best.until_ms, now, when, sizeof when);
    if (best.until_ms >= TG_WINDOW_UNTOLD)
        return tg_fail(e, TG_E_HELD, "no host of stage %s may start now, nor later: %s", plan->stages[stage].name, why);
    tg_fail(e, TG_E_HELD, "no host of stage %s may start now: %s opens %s %s", plan->stages[stage].name, why, when, tg_plan_zone(plan));
    tg_error_hint(e, "without --no-wait the run waits for it");
    return TG_E_HELD;
}

/* For today's fleet and calendar; of that what is out of service, with --mends. */
static int make_plan(struct tg_frame *f, struct tg_plan **plan, struct tg_cli_windows *windows, struct tg_mending *mending, struct tg_error *e)
{
    const char *mends = tg_opt_text(f, "mends");
    int rc = tg_frame_prove_store(f, e);

    if (!rc)
        tg_cli_learn(f->store, *plan, WAIT_MS);
    if (!rc)
        rc = tg_cli_windows_lay(f, f->store, *plan, windows, e);
    if (!rc)
        rc = take_reason(f, *plan, e);
    if (!rc && mends)
        rc = tg_mending_plan(f, mends, plan, mending, e);
    if (!rc)
        rc = tg_begin_check(f, *plan, e);
    return rc || mends || tg_opt_flag(f, "dry-run") ? rc : check_now(f, *plan, e);
}

static int run_file(struct tg_frame *f, struct tg_error *e)
{
    struct tg_mending mending = {.withdrawn = {.n = 0}};
    struct tg_cli_windows windows = {.site = NULL};
    struct tg_rollout *rollout = NULL;
    struct tg_plan *plan = NULL;
    char id[TG_RUN_ID_SIZE];
    int rc = tg_rollout_read(f->argv[0], &f->problems, &rollout, e);

    if (!rc)
        rc = tg_plan_compile(rollout, f->inventory, tg_opt_text(f, "transport"), &f->problems, &plan, e);
    if (!rc)
        rc = make_plan(f, &plan, &windows, &mending, e);
    if (!rc && tg_opt_flag(f, "dry-run"))
        rc = make_dry(plan, e);
    if (!rc)
        rc = tg_begin_confirm(f, plan, e);
    if (!rc && plan->mends)
        rc = tg_mending_may(f, plan->mends, e);
    if (!rc)
        rc = begin_run(f, plan, mending.tokens, id, e);
    tg_mending_release(&mending);
    if (!rc && !f->json)
        printf("%s\n", id);
    tg_cli_windows_release(&windows);
    if (!rc)
        rc = tg_cli_drive(f, id, e);
    tg_plan_free(plan);
    tg_rollout_free(rollout);
    return rc;
}

static int run_exec(struct tg_frame *f, struct tg_error *e)
{
    const char *resume = tg_opt_text(f, "resume");
    const char *mends = tg_opt_text(f, "mends");
    int rc = resume ? tg_cli_run_id(resume, e) : mends ? tg_cli_run_id(mends, e) : 0;

    if (resume && f->argc)
        return tg_fail(e, TG_E_USAGE, "--resume goes on with the plan that was approved: leave \"%s\" out", f->argv[0]);
    if (rc)
        return rc;
    if (resume && mends)
        return tg_fail(e, TG_E_USAGE, "--resume goes on with what was begun: leave --mends out");
    if (resume)
        return tg_cli_drive(f, resume, e);
    if (!f->argc)
        return tg_fail(e, TG_E_USAGE, "which rollout? name its FILE, or --resume RUN");
    if (!f->inventory) {
        tg_fail(e, TG_E_CONFIG, "no inventory is configured");
        tg_error_hint(e, "--inventory FILE, or \"inventory:\" in %s", TG_CONFIG_FILE);
        return TG_E_CONFIG;
    }
    return run_file(f, e);
}

const struct tg_cmd tg_cmd_run = {
    .name = "run",
    .args = "FILE | --resume RUN",
    .brief = "make a change to the fleet, in the steps that a rollout describes",
    .details = "Compiles the rollout FILE for today's inventory and carries it out: stage after stage, each host locked, changed by its configuration "
               "management, verified and unlocked, never more at once than the limits allow. Too many failures halt it. Ctrl-C pauses it: nothing new "
               "starts and what is in flight ends; a second one leaves at once. Whatever happens to this process, the run can be taken up again "
               "with --resume, and no host is changed twice.",
    .examples = "  $ tagout run openssl.yaml --plan 5f0c9a\n  $ tagout run openssl.yaml --dry-run\n  $ tagout run --resume openssl-20261122-1\n",
    .opts = opts,
    .min_args = 0,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "file",
    .exec = run_exec,
};
