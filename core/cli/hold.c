/* tagout hold: the emergency stop of this host, without a store. */
#include "cli/commands.h"

#include "agent/inflight.h"
#include "base/shown.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "guard/hold.h"
#include "guard/tokens.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LOOK_MS 300    /* between two looks at what is in flight */
#define SETTLE_MS 2000 /* an exec that has its permit has begun by then, or only waits for one */

static const struct tg_opt opts[] = {
    {.name = "reason",
     .letter = 'r',
     .type = TG_OPT_STRING,
     .arg = "TEXT",
     .text = "Why, for those whom it holds. Required"},
    {.name = "for",
     .letter = 'f',
     .type = TG_OPT_DURATION,
     .arg = "TIME",
     .value = "1h",
     .text = "How long it is needed. Past it the hold is overdue, and holds all the same"},
    {.name = "hold",
     .type = TG_OPT_LIST,
     .arg = "ACTOR,…",
     .complete = "actor",
     .text = "Which automation it holds; all when not given"},
    {.name = "ticket", .letter = 't', .type = TG_OPT_STRING, .arg = "TICKET", .text = "Where more is written about it"},
    {.name = "wait",
     .letter = 'w',
     .type = TG_OPT_DURATION,
     .arg = "TIME",
     .text = "Wait at most this long for what is in flight, then exit with 75: the hold stays. Without it, as long as "
             "it takes"},
    {.name = NULL},
};

/* What is wrong with the files must not keep anybody from the switch: it is said, and what can be known without them is
 * used. */
static void prepare(struct tg_frame *f)
{
    struct tg_config_args args = {
        .file = tg_opt_text(f, "config"), .store = tg_opt_text(f, "store"), .inventory = tg_opt_text(f, "inventory")};
    struct tg_error e = TG_ERROR_INIT;

    if (tg_config_load(&args, &f->problems, &f->config, &e) != 0)
        fprintf(stderr, "tagout: the configuration is wrong (tagout doctor tells more); going on with %s\n",
                tg_config_usual_state_dir());
    else if (f->config->inventory && tg_inventory_load(f->config->inventory, &f->problems, &f->inventory, &e) != 0)
        fprintf(stderr, "tagout: the inventory can't be read, so this host is held by its own name only\n");
}

static const char *state_dir_of(const struct tg_frame *f)
{
    return f->config ? f->config->state_dir : tg_config_usual_state_dir();
}

static int own_name(struct tg_frame *f, char *out, size_t size, struct tg_error *e)
{
    struct tg_scope own;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_scope_own_host(f->inventory, NULL, &own, &why);

    if (rc) /* not in the inventory: by whatever name it has */
        rc = tg_scope_own_host(NULL, NULL, &own, e);
    if (rc)
        return rc;
    snprintf(out, size, "%s", own.name);
    tg_scope_release(&own);
    return 0;
}

/* --- what is in flight --- */

/* Of all that runs, what this hold waits for; the rest is dropped. */
static int look(const struct tg_lock *hold, bool settled, struct tg_runs_in_flight *out, struct tg_error *e)
{
    int rc = tg_inflight_look("", tg_wall_ms(tg_clock_real()), TG_INFLIGHT_EVERYTHING, out, e);
    size_t n = 0;

    for (size_t i = 0; !rc && i < out->n; i++)
        if (tg_run_is_held_by(&out->v[i], hold) && !(settled && out->v[i].unsure))
            out->v[n++] = out->v[i];
    if (!rc)
        out->n = n;
    return rc;
}

static void tell(const struct tg_runs_in_flight *runs)
{
    int64_t now = tg_wall_ms(tg_clock_real());

    fprintf(stderr, "  waiting for %zu in flight:\n", runs->n);
    for (size_t i = 0; i < runs->n && i < 20; i++) {
        const struct tg_run_in_flight *r = &runs->v[i];
        char age[32], what[TG_RUN_WHAT_SIZE * 4];
        tg_duration_format(now > r->since_ms ? now - r->since_ms : 0, age, sizeof age);
        fprintf(stderr, "    %-18s %s (pid %ld), %s so far\n", r->actor, tg_shown_text(r->what, what, sizeof what),
                (long) r->pid, age);
    }
}

static json_t *runs_json(const struct tg_runs_in_flight *runs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < runs->n; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:I,s:o}", "actor", runs->v[i].actor, "what", runs->v[i].what, "pid",
                                        (json_int_t) runs->v[i].pid, "since", tg_cli_time_json(runs->v[i].since_ms)));
    return list;
}

/* Until nothing of it is left. TG_E_HELD: something is, after --wait or a signal; *out has it. */
static int wait_for_end(struct tg_frame *f, const struct tg_lock *hold, struct tg_runs_in_flight *out,
                        struct tg_error *e)
{
    const struct tg_clock *clock = tg_clock_real();
    int64_t begun = tg_mono_ms(clock), wait = tg_opt_ms(f, "wait");
    size_t told = 0;

    tg_cli_catch_signals(f->loop);
    for (;;) {
        int64_t past = tg_mono_ms(clock) - begun;
        int rc = look(hold, past >= SETTLE_MS, out, e);
        if (rc || !out->n)
            return rc;
        if (!f->json && out->n > told)
            tell(out);
        told = out->n;
        if ((wait >= 0 && past >= wait) || tg_loop_turn(f->loop, LOOK_MS) == TG_E_CANCELLED) {
            tg_loop_interrupt_clear(f->loop);
            tg_fail(e, TG_E_HELD, "%s (pid %ld) is still acting%s; nothing new starts, the hold stays", out->v[0].what,
                    (long) out->v[0].pid, out->n > 1 ? ", and others" : "");
            tg_error_hint(e, "wait for it, or end it yourself; tagout unhold takes the hold away");
            return TG_E_HELD;
        }
        tg_runs_in_flight_release(out);
    }
}

/* --- the switch --- */

static int say(struct tg_frame *f, const struct tg_local_hold_request *r, const struct tg_runs_in_flight *runs,
               struct tg_error *e)
{
    int64_t now = tg_wall_ms(tg_clock_real());
    char left[32], until[32];

    if (f->json)
        return tg_print_json(json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "id", TG_LOCAL_HOLD_ID, "host", r->host, "owner",
                                       r->owner, "reason", r->reason, "until",
                                       tg_cli_time_json(r->since_ms + r->for_ms), "in_flight", runs_json(runs)),
                             e);
    tg_duration_format(r->for_ms, left, sizeof left);
    if (!runs->n)
        printf("Held  " TG_LOCAL_HOLD_ID "  host:%s  until %s (in %s).  Nothing acts here any more.\n", r->host,
               tg_cli_when(r->since_ms + r->for_ms, now, until, sizeof until), left);
    else
        printf("Held  " TG_LOCAL_HOLD_ID "  host:%s  until %s (in %s).  What is told above still acts.\n", r->host,
               tg_cli_when(r->since_ms + r->for_ms, now, until, sizeof until), left);
    puts("Release with: tagout unhold");
    return 0;
}

static int place(struct tg_frame *f, struct tg_local_hold_request *r, struct tg_lock *out_own, struct tg_error *e)
{
    static char token[TG_TOKEN_SIZE];
    const char *dir = state_dir_of(f);
    int rc = tg_token_make(token, e);

    r->token = token;
    if (!rc)
        rc = tg_local_hold_place(dir, r, e);
    if (rc == TG_E_PERM && e)
        tg_error_hint(e, "as root: sudo tagout hold …");
    if (rc)
        return rc;
    tg_token_forget(dir, TG_LOCAL_HOLD_ID);
    (void) tg_token_keep(dir, TG_LOCAL_HOLD_ID, token, NULL);
    openlog("tagout", LOG_PID, LOG_AUTHPRIV);
    syslog(LOG_NOTICE, "hold of %s by %s: %s", r->host, r->owner, r->reason);
    tg_sha256_hex(token, strlen(token), out_own->token_hash);
    for (size_t i = 0; i < r->n_hold; i++)
        snprintf(out_own->hold[out_own->n_hold++], TG_ACTOR_SIZE, "%s", r->hold[i]);
    return 0;
}

static int run_hold(struct tg_frame *f, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE], host[TG_SCOPE_NAME_MAX + 1];
    struct tg_lock own = {.txid = 0};
    struct tg_runs_in_flight runs = {.n = 0};
    struct tg_local_hold_request r = {.host = host,
                                      .owner = owner,
                                      .reason = tg_opt_text(f, "reason"),
                                      .ticket = tg_opt_text(f, "ticket"),
                                      .for_ms = tg_opt_ms(f, "for"),
                                      .since_ms = tg_wall_ms(tg_clock_real())};

    if (!r.reason)
        return tg_fail(e, TG_E_USAGE, "why? --reason TEXT");
    prepare(f);
    r.n_hold = tg_opt_list(f, "hold", &r.hold);
    tg_cli_owner(f, owner, sizeof owner);
    int rc = own_name(f, host, sizeof host, e);
    if (!rc)
        rc = place(f, &r, &own, e);
    if (rc)
        return rc;
    rc = wait_for_end(f, &own, &runs, e);
    if (rc == TG_E_HELD || !rc) {
        struct tg_error why = TG_ERROR_INIT;
        int said = say(f, &r, &runs, &why);
        if (!rc && said) {
            *e = why;
            rc = said;
        }
    } else {
        tg_error_prefix(e, "the hold is on, but");
    }
    tg_runs_in_flight_release(&runs);
    return rc;
}

const struct tg_cmd tg_cmd_hold = {
    .name = "hold",
    .args = "--reason TEXT",
    .brief = "stop all automation on this host, without the store",
    .details = "The emergency switch of one host: what asks here is HELD from now on, whatever the store says and even "
               "when it is away, until unhold. "
               "Waits for what is in flight on this host, and shows it; the hold is on meanwhile, and stays when the "
               "waiting is interrupted. When the "
               "agent reaches the store it reports the hold there, so that locks shows it.",
    .examples = "  $ sudo tagout hold --reason \"the array is degraded, OPS-1234\"\n  $ sudo tagout hold --hold "
                "package-manager,reboot --for 4h --reason \"restore running\"\n",
    .opts = opts,
    .min_args = 0,
    .max_args = 0,
    .needs = TG_OWN_CONFIG,
    .complete = NULL,
    .exec = run_hold,
};
