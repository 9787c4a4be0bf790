/* tagout check: may this actor act here? */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/ask_agent.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "guard/fence.h"
#include "guard/hold.h"
#include "guard/nested.h"
#include "guard/policy.h"
#include "guard/show.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HARD_EXTRA_MS 250 /* past the deadline, for printing; then the process ends whatever it hangs in */

static const struct tg_opt opts[] = {
    {.name = "actor", .letter = 'a', .type = TG_OPT_STRING, .arg = "ACTOR", .complete = "actor",
     .text = "Who asks: config-management, package-manager, autoscaler, reboot, or a word of your own. Required"},
    {.name = "timeout", .letter = 't', .type = TG_OPT_DURATION, .arg = "TIME", .value = "3s", .text = "Answer UNKNOWN when there is no answer by then"},
    {.name = "on-unknown", .type = TG_OPT_STRING, .arg = "POLICY", .value = "hold", .complete = "on-unknown",
     .text = "What an UNKNOWN means: hold, don't act; last-known[=AGE], what this host's agent knew last, at most 15m or AGE ago; go, act. Where it made "
             "the answer, the line on stderr says so"},
    {.name = "token", .type = TG_OPT_STRING, .arg = "GENERATION:TXID",
     .text = "Prove that the grant of this fencing token (TAGOUT_FENCE) is still there, right before an act: 0, or 69 when it is gone. Locks are not asked"},
    {.name = "no-environment", .type = TG_OPT_FLAG,
     .text = "Forget the environment first, but for TAGOUT_TOKEN, TAGOUT_PERMIT and TAGOUT_ALSO: for hooks that run as root on others' behalf, who must not choose the store"},
    {.name = "explain", .letter = 'e', .type = TG_OPT_FLAG, .text = "Also print a sentence for people: who, why, since when, until when. Done by itself on a terminal"},
    {.name = NULL},
};

/* --- the last line of defence: a store, a name server or a disk that hangs must not hang whoever asked --- */

/* Who of the two answers; the other keeps quiet. */
enum turn { TURN_NOBODY, TURN_ASKER, TURN_HARD };

static struct {
    char *line, *json;  /* json: NULL for people */
    int64_t ms;
    atomic_int turn;    /* enum turn */
    int unknown;        /* the exit status of that answer */
    atomic_int status;  /* of the asker's answer once that is out; -1 before: what is left is closing the store */
} hard = {.status = -1};

static void write_all(int fd, const char *text)
{
    size_t len = strlen(text);
    ssize_t n;

    while (len && (n = write(fd, text, len)) > 0) {
        text += n;
        len -= (size_t) n;
    }
}

static void *end_hard(void *unused)
{
    struct timespec t = {.tv_sec = hard.ms / 1000, .tv_nsec = hard.ms % 1000 * 1000000};
    int nobody = TURN_NOBODY;

    (void) unused;
    while (nanosleep(&t, &t) != 0)
        ;
    if (!atomic_compare_exchange_strong(&hard.turn, &nobody, TURN_HARD)) {
        int status = atomic_load(&hard.status);
        _exit(status < 0 ? hard.unknown : status); /* it hangs in saying it, or in closing */
    }
    write_all(STDERR_FILENO, hard.line);
    if (hard.json)
        write_all(STDOUT_FILENO, hard.json);
    _exit(hard.unknown);
}

static void take_turn(void)
{
    int nobody = TURN_NOBODY;

    while (!atomic_compare_exchange_strong(&hard.turn, &nobody, TURN_ASKER))
        pause(); /* the process is about to end */
}

/* --- asking --- */

/* What the frame would prepare, but with failures as an answer: a guard that can't read its configuration does not know. */
static int load_config(struct tg_frame *f, struct tg_error *e)
{
    struct tg_config_args args = {.file = tg_opt_text(f, "config"), .store = tg_opt_text(f, "store"), .inventory = tg_opt_text(f, "inventory")};

    int rc = f->config ? 0 : tg_config_load(&args, &f->problems, &f->config, e);

    if (!rc)
        tg_cli_holds_of_host(f->config);
    return rc;
}

static int prepare(struct tg_frame *f, struct tg_error *e)
{
    int rc = load_config(f, e);

    if (!rc && f->config->inventory && !f->inventory)
        rc = tg_inventory_load(f->config->inventory, &f->problems, &f->inventory, e);
    if (rc)
        return rc;
    return tg_frame_open_store(f, &f->store, e);
}

static const char *cause_of_preparing(const struct tg_frame *f, int code)
{
    return !f->config || code == TG_E_CONFIG ? "configuration" : f->config->inventory && !f->inventory ? "inventory" : "store-unreachable";
}

static int exit_status_of(const struct tg_guard_verdict *v)
{
    static const int codes[] = {[TG_ANSWER_GO] = TG_OK, [TG_ANSWER_HELD] = TG_E_HELD, [TG_ANSWER_UNKNOWN] = TG_E_UNKNOWN};

    return tg_exit_status(codes[v->answer]);
}

static void unknown(struct tg_guard_verdict *v, const char *cause, const struct tg_error *e)
{
    *v = (struct tg_guard_verdict) {.answer = TG_ANSWER_UNKNOWN, .error = *e};
    snprintf(v->cause, sizeof v->cause, "%s", cause);
}

static void text_line(const char *text, char **out)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_buf_printf(&b, "%s\n", text);
    *out = tg_buf_take(&b, NULL);
}

/* Its answer is written down beforehand: at the end nothing can be counted on. */
static int arm_hard_end(const struct tg_frame *f, const char *actor, const struct tg_policy *policy, int64_t ms, struct tg_error *e)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN, .cause = "no-answer"};
    const struct tg_scopes none = TG_SCOPES_INIT;
    struct tg_buf b = TG_BUF_INIT;
    pthread_t thread;
    pthread_attr_t attr;

    tg_fail(&v.error, TG_E_UNKNOWN, "something hangs: no answer after %lld ms", (long long) ms);
    tg_error_hint(&v.error, "let nothing act; is it the store, the name server, or a disk? tagout doctor; or wait longer: --timeout 10s");
    tg_policy_apply(policy, NULL, NULL, NULL, 0, &v); /* without a look at what was known last: a disk may be what hangs */
    tg_verdict_line(&v, "-", 0, &b);
    text_line(tg_buf_text(&b), &hard.line);
    tg_buf_reset(&b);
    if (f->json) {
        json_t *o = tg_verdict_json(&v, &none, actor, 0);
        for (int i = 0; i < f->argc; i++)
            json_array_append_new(json_object_get(o, "scopes"), json_string(f->argv[i]));
        char *dump = json_dumps(o, JSON_INDENT(2));
        tg_shown_json(&b, dump ? dump : "");
        text_line(tg_buf_text(&b), &hard.json);
        free(dump);
        json_decref(o);
    }
    tg_buf_release(&b);
    if (!hard.line || (f->json && !hard.json))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    hard.ms = ms + HARD_EXTRA_MS;
    hard.unknown = exit_status_of(&v);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void) pthread_create(&thread, &attr, end_hard, NULL);
    pthread_attr_destroy(&attr);
    return 0;
}

static int say(struct tg_frame *f, const struct tg_guard_verdict *v, const struct tg_scopes *scopes, const char *actor, struct tg_error *e)
{
    int64_t now = tg_wall_ms(tg_clock_real());
    struct tg_buf b = TG_BUF_INIT;

    take_turn();
    f->status = exit_status_of(v);
    tg_verdict_line(v, f->config ? f->config->store : "-", now, &b);
    if (b.len)
        fprintf(stderr, "%s\n", tg_buf_text(&b));
    tg_buf_reset(&b);
    if (f->json) {
        tg_buf_release(&b);
        json_t *o = tg_verdict_json(v, scopes, actor, now);
        json_object_set_new(o, "via", json_string("store"));
        return tg_print_json(o, e);
    }
    tg_verdict_explain(v, now, &b);
    if (tg_opt_flag(f, "explain") || (f->out_tty && (v->answer != TG_ANSWER_GO || v->assumed)))
        fputs(tg_buf_text(&b), stdout);
    tg_buf_release(&b);
    return 0;
}

/* What the agent has answered: the same line, sentence and status as if the store had been asked. Consumes o. */
static int say_of_agent(struct tg_frame *f, json_t *o, struct tg_error *e)
{
    static const char *const not_shown[] = {"v", "ok", "line", "explain", "exit"};
    const char *line = json_string_value(json_object_get(o, "line")), *explain = json_string_value(json_object_get(o, "explain"));
    bool held = strcmp(json_string_value(json_object_get(o, "answer")), "held") == 0;

    take_turn();
    f->status = tg_exit_status(held ? TG_E_HELD : TG_OK);
    if (line[0])
        fprintf(stderr, "%s\n", line);
    if (!f->json && (tg_opt_flag(f, "explain") || (f->out_tty && held)))
        fputs(explain, stdout);
    for (size_t i = 0; i < sizeof not_shown / sizeof not_shown[0]; i++)
        json_object_del(o, not_shown[i]);
    if (f->json)
        return tg_print_json(o, e);
    json_decref(o);
    return 0;
}

/* Fills in the scopes and the verdict. Not 0 only when the question itself is wrong. */
static int ask(struct tg_frame *f, const struct tg_policy *policy, struct tg_question *q, const struct tg_fence *fence, struct tg_scopes *scopes,
               struct tg_guard_verdict *v, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int64_t timeout = tg_opt_ms(f, "timeout");
    int rc = prepare(f, &why);

    if (rc) {
        unknown(v, cause_of_preparing(f, rc), &why);
    } else if ((rc = tg_cli_asked(f, scopes, &why)) == TG_E_USAGE) {
        *e = why;
        return rc;
    } else if (rc) {
        unknown(v, "own-groups", &why);
    } else if (fence) {
        struct tg_guard g = tg_cli_guard(f, timeout);
        tg_fence_prove(&g, scopes, q->actor, fence, v);
        return 0; /* no policy makes up for a grant that is gone */
    } else if (!tg_local_hold_decides(f->config->state_dir, f->inventory, q, tg_wall_ms(tg_clock_real()), v)) { /* first, whoever answers the rest */
        struct tg_guard g = tg_cli_guard(f, timeout);
        tg_check(&g, q, tg_store_deadline(f->store, timeout), v);
    }
    tg_policy_apply(policy, f->config ? f->config->state_dir : tg_config_usual_state_dir(), f->config ? f->config->store : NULL, q,
                    tg_wall_ms(tg_clock_real()), v);
    return 0;
}

static int run_check(struct tg_frame *f, struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_question q = {.scopes = &scopes, .actor = tg_opt_text(f, "actor")};
    struct tg_guard_verdict v;
    struct tg_policy policy;
    struct tg_fence fence, *asked = NULL;
    struct tg_outer outer;
    json_t *answer = NULL;

    if (!q.actor)
        return tg_fail(e, TG_E_USAGE, "who asks? --actor config-management, package-manager, autoscaler, reboot …");
    int rc = tg_opt_flag(f, "no-environment") ? tg_cli_forget_environment(e) : 0;
    q.tokens = getenv("TAGOUT_TOKEN");
    q.outer = tg_outer_parse(getenv("TAGOUT_PERMIT"), &outer) ? &outer : NULL;
    if (!rc)
        rc = tg_actor_check(q.actor, e);
    if (!rc && tg_opt_ms(f, "timeout") <= 0)
        rc = tg_fail(e, TG_E_USAGE, "--timeout %s: nobody can answer in no time; such as 3s", tg_opt_text(f, "timeout"));
    if (!rc)
        rc = tg_policy_parse(tg_opt_text(f, "on-unknown"), &policy, e);
    if (!rc && tg_opt_given(f, "token")) {
        asked = &fence;
        rc = tg_fence_parse(tg_opt_text(f, "token"), &fence, e);
    }
    if (!rc)
        rc = arm_hard_end(f, q.actor, &policy, tg_opt_ms(f, "timeout"), e);
    if (!rc && load_config(f, NULL) != 0)
        tg_problems_release(&f->problems); /* they are told when it is loaded again, and fails again */
    else if (!rc && !asked && tg_cli_ask_agent(f, q.actor, q.tokens, q.outer ? getenv("TAGOUT_PERMIT") : NULL, tg_opt_ms(f, "timeout"), &answer)) {
        rc = say_of_agent(f, answer, e);
        return rc;
    }
    if (!rc)
        rc = ask(f, &policy, &q, asked, &scopes, &v, e);
    if (!rc) {
        rc = say(f, &v, &scopes, q.actor, e);
        if (fflush(stdout) == 0 && !rc)
            atomic_store(&hard.status, f->status);
        tg_verdict_release(&v);
    }
    tg_scopes_release(&scopes);
    return rc;
}

const struct tg_cmd tg_cmd_check = {
    .name = "check",
    .args = "--actor ACTOR [SCOPE…]",
    .brief = "ask whether an actor may act: GO, HELD or UNKNOWN",
    .details = "Asks whether a lock holds ACTOR on the scopes, or on this host when none is named. Exit status 0: go; 75: held, and one line on stderr "
               "says by whom and why; 69: it can't be proven that there is no lock, so don't act. It only reads. An answer is true when it "
               "is given, not for what you do next: use exec for that. TAGOUT_ALSO may name further scopes, separated by blanks.",
    .examples = "  $ tagout check --actor autoscaler service:autoscaler && scale-in\n  $ tagout check --actor reboot || exit 0\n",
    .opts = opts,
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_OWN_CONFIG,
    .complete = "scope",
    .exec = run_check,
};
