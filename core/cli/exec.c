/* tagout exec: run a command under a permit. */
#include "cli/commands.h"

#include "base/buf.h"
#include "cli/exec_budget.h"
#include "base/shown.h"
#include "cli/guarding.h"
#include "cli/under.h"
#include "config/site.h"
#include "guard/keeper.h"
#include "guard/nested.h"
#include "guard/permit.h"
#include "guard/tree.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define TURN_MS 1000 /* the loop is looked at this often, whatever happens */

static const struct tg_opt opts[] = {
    {.name = "actor", .letter = 'a', .type = TG_OPT_STRING, .arg = "ACTOR", .complete = "actor",
     .text = "Who acts: config-management, package-manager, autoscaler, reboot, or a word of your own. Required"},
    {.name = "wait", .letter = 'w', .type = TG_OPT_DURATION, .arg = "TIME", .text = "When held, wait at most this long for the locks to go; without it, not at all"},
    {.name = "on-held", .type = TG_OPT_CHOICE, .arg = "WHAT", .choices = "say|quiet", .value = "say",
     .text = "When held: say so on stderr, or only to syslog, such as for cron, which mails whatever is printed. The exit status is 75 all the same, and an UNKNOWN is always said"},
    {.name = "budget", .letter = 'b', .type = TG_OPT_LIST, .arg = "NAME[=N]",
     .text = "Charge this budget with N, by default with as many as the scopes have hosts. When it is spent the command is not started"},
    {.name = "members", .type = TG_OPT_STRING, .arg = "N|@FILE",
     .text = "How many members the actor believes the budget's group has, or a file of their names; otherwise what the inventory says. A budget's brake looks at it"},
    {.name = "what", .type = TG_OPT_STRING, .arg = "TEXT", .text = "What to show those who wait for it, in place of COMMAND"},
    {.name = "on-lost", .type = TG_OPT_CHOICE, .arg = "WHAT", .choices = "stop|warn", .value = "stop",
     .text = "When the permit can't be proven alive any more: stop the command, or only say so. With warn a lock may be taken while the command still acts"},
    {.name = NULL},
};

/* --- signals: passed on to the command --- */

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT};
#define N_PASSED (sizeof passed_on / sizeof passed_on[0])
static volatile sig_atomic_t came[N_PASSED];

static void on_signal(int number)
{
    for (size_t i = 0; i < N_PASSED; i++)
        if (passed_on[i] == number)
            came[i] = 1;
    tg_cli_wake_loop();
}

static void catch_signals(struct tg_loop *loop)
{
    struct sigaction act = {.sa_handler = on_signal};

    tg_cli_woken_loop(loop);
    for (size_t i = 0; i < N_PASSED; i++)
        (void) sigaction(passed_on[i], &act, NULL);
}

static void pass_on(struct tg_keeper *k)
{
    for (size_t i = 0; i < N_PASSED; i++)
        if (came[i]) {
            came[i] = 0;
            tg_keeper_signal(k, passed_on[i]);
        }
}

/* The signal that came and would end a command; 0 none. */
static int interrupted(void)
{
    for (size_t i = 0; i < N_PASSED; i++)
        if (came[i] && passed_on[i] != SIGCONT)
            return passed_on[i];
    return 0;
}

/* Interrupted before there was a command: as if the signal had ended that. */
static int not_started(struct tg_frame *f)
{
    fprintf(stderr, "tagout: interrupted; the command was not started, and nothing is left\n");
    f->status = 128 + interrupted();
    return 0;
}

/* --- the permit --- */

static void join_words(char *const *words, struct tg_buf *out)
{
    for (size_t i = 0; words[i]; i++)
        tg_buf_printf(out, "%s%s", i ? " " : "", words[i]);
}

static void say_verdict(const struct tg_frame *f, const struct tg_guard_verdict *v)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_verdict_line(v, f->config->store, tg_wall_ms(tg_loop_clock(f->loop)), &b);
    if (v->answer == TG_ANSWER_HELD)
        tg_exec_say_held(f, tg_buf_text(&b));
    else
        fprintf(stderr, "%s\n", tg_buf_text(&b));
    tg_buf_release(&b);
}

/* Whom it waits for, as lock shows whom it waits for. The line that says HELD comes when it gives up. */
static void say_waiting(const struct tg_frame *f, const struct tg_guard_verdict *v)
{
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));

    if (tg_exec_is_quiet(f))
        return;
    fprintf(stderr, "  waiting for %zu lock%s:\n", v->locks.n, v->locks.n == 1 ? "" : "s");
    for (size_t i = 0; i < v->locks.n && i < 10; i++) {
        const struct tg_lock *l = &v->locks.v[i];
        char scope[TG_SCOPE_TEXT_SIZE], until[40], owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
        fprintf(stderr, "    %-8s %s  %s, %s %s: %s\n", l->id, tg_scope_format(&l->scopes.v[v->scope_of[i]], scope, sizeof scope),
                tg_shown_text(l->owner, owner, sizeof owner), tg_lock_is_overdue(l, now) ? "OVERDUE since" : "until",
                tg_cli_when(l->until_ms, now, until, sizeof until), tg_shown_text(l->reason, reason, sizeof reason));
    }
    if (v->locks.n > 10)
        fprintf(stderr, "    and %zu more\n", v->locks.n - 10);
}

/* SIGCONT ("fg") interrupted it, and no signal that ends it. Cleared first: one that comes after the look interrupts anew. */
static bool only_continued(struct tg_frame *f, int rc)
{
    if (rc != TG_E_CANCELLED)
        return false;
    tg_loop_interrupt_clear(f->loop);
    return !interrupted();
}

/* Waits for its strictest lock to change. When that can't be done: not 0, and f->status is set. */
static int await_release(struct tg_frame *f, struct tg_guard *g, const struct tg_guard_verdict *v, int64_t until)
{
    struct tg_guard_verdict unknown = {.answer = TG_ANSWER_UNKNOWN};
    int rc = tg_lock_await_change(g, &v->locks.v[0], until, &unknown.error);

    if (only_continued(f, rc))
        return 0;
    f->status = tg_exit_status(TG_E_UNKNOWN);
    if (!rc || rc == TG_E_CANCELLED)
        return rc;
    snprintf(unknown.cause, sizeof unknown.cause, "%s", g->cause[0] ? g->cause : tg_unknown_cause(rc));
    tg_error_hint(&unknown.error, "%s", tg_unknown_hint(unknown.error.code));
    say_verdict(f, &unknown);
    return rc;
}

static void pause_until(struct tg_frame *f, int64_t until)
{
    int64_t left;

    while ((left = until - tg_store_deadline(f->store, 0)) > 0 && !interrupted())
        if (tg_loop_turn(f->loop, left < TURN_MS ? left : TURN_MS) == TG_E_CANCELLED && !interrupted())
            tg_loop_interrupt_clear(f->loop);
}

/* Until it is given, or the time is over. f->status is set when it was not. */
static int take(struct tg_frame *f, struct tg_guard *g, const struct tg_permit_request *r, int64_t until, struct tg_permit **out)
{
    char told[TG_LOCK_ID_SIZE] = "";

    for (;;) {
        struct tg_guard_verdict v;
        int rc = tg_permit_take(g, r, out, &v, NULL);
        if (only_continued(f, rc)) {
            tg_verdict_release(&v);
            continue;
        }
        if (rc == TG_E_HELD && tg_store_deadline(f->store, 0) < until) {
            if (strcmp(told, v.locks.v[0].id) != 0)
                say_waiting(f, &v);
            snprintf(told, sizeof told, "%s", v.locks.v[0].id);
            rc = await_release(f, g, &v, until);
            tg_verdict_release(&v);
            if (rc)
                return rc;
            continue;
        }
        if (rc && rc != TG_E_CANCELLED && !interrupted())
            say_verdict(f, &v);
        tg_verdict_release(&v);
        f->status = tg_exit_status(rc == TG_E_HELD ? TG_E_HELD : TG_E_UNKNOWN);
        return rc;
    }
}

/* Permit and charge. A permit is not kept while a budget is waited for: it would keep lockers waiting. f->status is set when there is none. */
static int take_and_charge(struct tg_frame *f, struct tg_guard *g, const struct tg_permit_request *r, struct tg_exec_budget *b, struct tg_permit **out, struct tg_error *e)
{
    int64_t wait = tg_opt_ms(f, "wait"), until = tg_store_deadline(f->store, wait > 0 ? wait : 0), free_ms;
    bool told = false;

    for (;;) {
        int rc = take(f, g, r, until, out);
        if (rc || interrupted())
            return rc;
        rc = tg_exec_budget_charge(f, g, *out, r, b, told, &free_ms, e);
        if (!rc)
            return 0;
        tg_permit_release(*out);
        *out = NULL;
        int64_t now = tg_store_deadline(f->store, 0);
        if (rc != TG_E_HELD || free_ms < 0 || now >= until)
            return rc;
        told = true;
        pause_until(f, free_ms < until - now ? now + free_ms + 1 : until);
        if (interrupted())
            return TG_E_CANCELLED;
    }
}

/* --- the command --- */

static bool goes_on_when_lost(const struct tg_frame *f)
{
    return strcmp(tg_opt_text(f, "on-lost"), "warn") == 0;
}

static void say_lost(const struct tg_frame *f, const char *what, const char *why)
{
    fprintf(stderr, "TAGOUT-LOST store=%s detail=\"%s: %s\"\n", f->config->store, what, why);
}

static const char *why_gone(const struct tg_permit *p)
{
    return tg_permit_state(p) == TG_E_SESSION ? "the session with the store has expired" : "the permit was taken away";
}

static const char no_proof[] = "the store could not be reached, so the permit could not be proven alive";

/* --on-lost warn: said once. */
static bool warn_lost(const struct tg_frame *f, const struct tg_permit *p)
{
    int64_t stop_ms, kill_ms;

    tg_permit_deadline(p, &stop_ms, &kill_ms);
    if (!tg_permit_state(p) && tg_mono_ms(tg_loop_clock(f->loop)) < stop_ms)
        return false;
    say_lost(f, "the command goes on without a permit, as --on-lost warn wants it", tg_permit_state(p) ? why_gone(p) : no_proof);
    return true;
}

/* Beats until the command has ended. Returns the reason when it had to be stopped. */
static const char *watch(struct tg_frame *f, struct tg_permit *p, struct tg_keeper *k)
{
    bool goes_on = goes_on_when_lost(f), warned = false;
    int64_t every = tg_permit_beat_ms(p), last = 0, stop_ms, kill_ms, sent = 0;
    const char *why = NULL;

    while (tg_keeper_state(k, NULL) == TG_KEEPER_RUNNING) {
        int64_t now = tg_mono_ms(tg_loop_clock(f->loop));
        if (every != INT64_MAX && now - last >= every) {
            tg_permit_beat(p);
            last = now;
        }
        if (tg_loop_turn(f->loop, every < TURN_MS ? every : TURN_MS) == TG_E_CANCELLED) {
            tg_loop_interrupt_clear(f->loop);
            pass_on(k);
        }
        if (goes_on) {
            warned = warned || warn_lost(f, p);
            continue;
        }
        tg_permit_deadline(p, &stop_ms, &kill_ms);
        if (!why && tg_permit_state(p)) {
            why = why_gone(p);
            tg_keeper_stop(k);
        }
        if (!why && stop_ms > sent) {
            tg_keeper_beat(k, stop_ms, kill_ms);
            sent = stop_ms;
        }
    }
    return why;
}

static void report(struct tg_frame *f, struct tg_keeper *k, const char *why)
{
    int status = 0;
    enum tg_keeper_end end = tg_keeper_state(k, &status);

    if (end == TG_KEEPER_LOST)
        why = no_proof;
    else if (end == TG_KEEPER_VANISHED)
        why = "its keeper was killed";
    if (end == TG_KEEPER_EXITED || !why) {
        f->status = status;
        return;
    }
    say_lost(f, "the command was stopped", why);
    f->status = status ? status : tg_exit_status(TG_E_FAILED); /* it may have caught TERM and ended well; it is not well */
}

static int start(struct tg_frame *f, struct tg_permit *p, struct tg_keeper **out, struct tg_error *e)
{
    char fence[96], name[TG_OUTER_SIZE], permit[TG_OUTER_SIZE + 16];
    int64_t generation, txid;

    tg_permit_fence(p, &generation, &txid);
    snprintf(fence, sizeof fence, "TAGOUT_FENCE=%lld:%lld", (long long) generation, (long long) txid);
    snprintf(permit, sizeof permit, "TAGOUT_PERMIT=%s", tg_permit_name(p, name, sizeof name));
    const char *const add[] = {fence, permit, NULL};
    char **env = tg_cli_environment(add);
    struct tg_keeper_spec spec = {.argv = (const char *const *) f->command, .search = getenv("PATH"), .env = (const char *const *) env,
                                  .session_fd = tg_store_session_fd(f->store), .grace_ms = TG_KEEPER_GRACE_MS, .goes_on = goes_on_when_lost(f)};
    tg_permit_deadline(p, &spec.term_at_ms, &spec.kill_at_ms);
    int rc = env ? tg_keeper_start(f->loop, &spec, out, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_cli_environment_free(env);
    return rc;
}

static int run_with(struct tg_frame *f, const struct tg_scopes *scopes, struct tg_exec_budget *b, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_buf what = TG_BUF_INIT;
    struct tg_permit *p = NULL;
    struct tg_keeper *k = NULL;
    struct tg_outer outer;
    char owner[TG_OWNER_SIZE], host[65] = "";

    tg_cli_owner(f, owner, sizeof owner);
    (void) gethostname(host, sizeof host - 1);
    if (tg_opt_text(f, "what"))
        tg_buf_puts(&what, tg_opt_text(f, "what"));
    else
        join_words(f->command, &what);
    struct tg_permit_request r = {.scopes = scopes, .actor = tg_opt_text(f, "actor"), .owner = owner, .host = host, .what = tg_buf_text(&what),
                                  .tokens = getenv("TAGOUT_TOKEN"), .outer = tg_outer_parse(getenv("TAGOUT_PERMIT"), &outer) ? &outer : NULL};
    catch_signals(f->loop);
    int rc = take_and_charge(f, &g, &r, b, &p, e);
    tg_buf_release(&what);
    if (interrupted()) { /* also when the permit was given meanwhile */
        tg_loop_interrupt_clear(f->loop);
        tg_budget_refund(&g, &b->bill);
        tg_permit_release(p);
        return not_started(f);
    }
    if (rc)
        return rc == TG_E_USAGE ? rc : 0;
    rc = start(f, p, &k, e);
    if (rc) {
        tg_budget_refund(&g, &b->bill);
    } else {
        const char *why = watch(f, p, k);
        report(f, k, why);
        tg_keeper_free(k);
    }
    tg_permit_release(p);
    return rc;
}

static int run_exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    const char *actor = tg_opt_text(f, "actor");
    struct tg_error why = TG_ERROR_INIT;
    int rc = 0;

    if (!actor)
        rc = tg_fail(e, TG_E_USAGE, "who acts? --actor config-management, package-manager, autoscaler, reboot …");
    else if (!f->command)
        rc = tg_fail(e, TG_E_USAGE, "what is to be run? tagout exec --actor %s SCOPE… -- COMMAND…", actor);
    if (!rc)
        rc = tg_actor_check(actor, e);
    if (!rc)
        rc = tg_run_findable(f->command, e);
    struct tg_exec_budget *budget = rc ? NULL : calloc(1, sizeof *budget);
    if (!rc && !budget)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = tg_exec_budget_take(f, budget, e);
    if (rc) {
        free(budget);
        return rc;
    }
    rc = tg_cli_asked(f, &scopes, &why);
    if (rc == TG_E_UNKNOWN) {
        struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN, .error = why, .cause = "own-groups"};
        say_verdict(f, &v);
        f->status = tg_exit_status(rc);
        rc = 0;
    } else if (rc) {
        *e = why;
    } else {
        rc = run_with(f, &scopes, budget, e);
    }
    tg_budget_bill_release(&budget->bill);
    free(budget);
    tg_scopes_release(&scopes);
    return rc;
}

const struct tg_cmd tg_cmd_exec = {
    .name = "exec",
    .args = "--actor ACTOR [SCOPE…] -- COMMAND…",
    .brief = "run a command unless a lock holds it, and hold locks off meanwhile",
    .details = "Takes a permit for ACTOR on the scopes (this host when none is named), runs COMMAND, and gives the permit back. A lock that is taken meanwhile waits "
               "for it. When held the command is not started, and the exit status is 75; 69 when it can't be proven that there is no "
               "lock; else the command's own, 128+n when signal n ended it. When the permit can't be proven alive any more the command is stopped: TERM, "
               "then KILL, with all that it started. Budgets (tagout budget set) that are named, or that count for ACTOR in these scopes, are "
               "charged before it is started: 75 when one is spent, 69 when its brake refuses.",
    .examples = "  $ tagout exec --actor autoscaler service:autoscaler -- scale-in.sh\n  $ tagout exec --actor package-manager --wait 10m -- apt-get -y upgrade\n",
    .opts = opts,
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY | TG_TAKES_COMMAND | TG_GUARDS_COMMAND,
    .complete = "scope",
    .exec = run_exec,
};
