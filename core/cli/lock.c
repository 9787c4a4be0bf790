/* tagout lock: take a lock, wait for those in flight, and hold it while a command runs if there is one. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "cli/under.h"
#include "config/site.h"
#include "guard/tokens.h"

#include <stdlib.h>
#include <string.h>

#define SAY_MISSING_MS 1000 /* agents that have not acknowledged by then are named */
#define GIVE_BACK_MS 10000 /* signals that come while a lock is given back are ignored for so long */

static const struct tg_opt opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why, for those whom it holds. Required"},
    {.name = "for", .letter = 'f', .type = TG_OPT_DURATION, .arg = "TIME", .text = "How long it is needed, such as 3h. Required. Past it the lock is overdue, and holds all the same"},
    {.name = "hold", .type = TG_OPT_LIST, .arg = "ACTOR,…", .complete = "actor", .text = "Which automation it holds; all when not given"},
    {.name = "ticket", .letter = 't', .type = TG_OPT_STRING, .arg = "TICKET", .text = "Where more is written about it"},
    {.name = "wait", .letter = 'w', .type = TG_OPT_DURATION, .arg = "TIME", .text = "Wait at most this long for what is in flight, then take the lock back and exit with 75; without it, as long as it takes"},
    {.name = "request", .type = TG_OPT_STRING, .arg = "ID",
     .text = "A name of your own for this request, of at most 32 letters, digits, \"-\", \"_\" and \".\": asking again with it gives the lock that is there"},
    {.name = "release-at-expiry", .type = TG_OPT_FLAG, .text = "End by itself when its time is over, by the store's clock"},
    {.name = "extend", .type = TG_OPT_FLAG, .text = "With --request: when the lock is there already, move its end to TIME from now if that is later"},
    {.name = NULL},
};

/* --- whom it waits for --- */

struct telling {
    struct tg_frame *f;
    bool told;
    size_t missing;     /* agents that had not acknowledged when it was last said */
    int64_t said_ms;    /* monotonic */
    struct tg_acks acks; /* of the last look: without its names */
    char *without;      /* hosts without an agent, folded; NULL none */
    struct { char id[TG_REQUEST_ID_SIZE]; char label[256]; } *seen;
    size_t n;
};

static void label_of(const struct tg_waited *w, char *out, size_t size)
{
    snprintf(out, size, "%s", w->scope.kind == TG_SCOPE_HOST ? w->scope.name : w->permit.actor);
}

static void tell_new(struct telling *t, const struct tg_waits *waits)
{
    int64_t now = tg_wall_ms(tg_loop_clock(t->f->loop));

    fprintf(stderr, "  waiting for %zu in flight:\n", waits->n);
    for (size_t i = 0; i < waits->n && i < 20; i++) {
        const struct tg_waited *w = &waits->v[i];
        char scope[TG_SCOPE_TEXT_SIZE], age[32], what[TG_REASON_SIZE], host[TG_SCOPE_NAME_MAX + 1];
        tg_duration_format(now > w->permit.since_ms ? now - w->permit.since_ms : 0, age, sizeof age);
        fprintf(stderr, "    %-18s %s  %s on %s, %s so far\n", w->permit.actor, tg_scope_format(&w->scope, scope, sizeof scope),
                tg_shown_text(w->permit.what, what, sizeof what), tg_shown_text(w->permit.host, host, sizeof host), age);
    }
    if (waits->n > 20)
        fprintf(stderr, "    and %zu more\n", waits->n - 20);
}

static bool still_there(const struct tg_waits *waits, const char *id)
{
    for (size_t i = 0; i < waits->n; i++)
        if (strcmp(waits->v[i].permit.id, id) == 0)
            return true;
    return false;
}

static void remember(struct telling *t, const struct tg_waits *waits)
{
    free(t->seen);
    t->seen = calloc(waits->n + 1, sizeof *t->seen);
    t->n = t->seen ? waits->n : 0;
    for (size_t i = 0; i < t->n; i++) {
        memcpy(t->seen[i].id, waits->v[i].permit.id, sizeof t->seen[i].id);
        label_of(&waits->v[i], t->seen[i].label, sizeof t->seen[i].label);
    }
}

/* Agents take a moment: what is over within that is not worth a line. Then once, and again when some have come. */
static void tell_missing(struct telling *t, const struct tg_acks *acks)
{
    int64_t now = tg_mono_ms(tg_loop_clock(t->f->loop));
    struct tg_buf hosts = TG_BUF_INIT;

    if (!t->said_ms)
        t->said_ms = now;
    if (!acks->n_missing || now - t->said_ms < SAY_MISSING_MS || acks->n_missing == t->missing)
        return;
    t->said_ms = now;
    t->missing = acks->n_missing;
    (void) tg_fold((const char *const *) acks->missing, acks->n_missing, &hosts, NULL);
    fprintf(stderr, "  %zu of %zu hosts have acknowledged; waiting for the agent%s of %.200s%s\n", acks->acked, acks->present, acks->n_missing == 1 ? "" : "s",
            tg_buf_text(&hosts), hosts.len > 200 ? "…" : "");
    tg_buf_release(&hosts);
}

static void keep_acks(struct telling *t, const struct tg_acks *acks)
{
    struct tg_buf hosts = TG_BUF_INIT;

    t->acks = *acks;
    free(t->without);
    t->without = NULL;
    if (acks->n_without && tg_fold((const char *const *) acks->without, acks->n_without, &hosts, NULL) == 0)
        t->without = tg_buf_take(&hosts, NULL);
    tg_buf_release(&hosts);
}

static void tell(void *data, const struct tg_lock *lock, const struct tg_waits *waits)
{
    struct telling *t = data;
    size_t done = 0;

    (void) lock;
    if (!waits->n && !waits->acks.n_missing)
        keep_acks(t, &waits->acks);
    if (t->f->json)
        return;
    tell_missing(t, &waits->acks);
    for (size_t i = 0; i < t->n; i++)
        if (!waits->acks.n_vanished && !still_there(waits, t->seen[i].id)) /* whose agent died is not done */
            fprintf(stderr, "%s%s done", done++ ? " · " : "  ", t->seen[i].label);
    if (done)
        fputc('\n', stderr);
    if (waits->n && (!t->told || (waits->n > t->n - done)))
        tell_new(t, waits);
    t->told = true;
    remember(t, waits);
}

/* --- taking it --- */

static void announce(const struct tg_frame *f, const struct tg_scopes *scopes, int64_t for_ms, const char *const *hold, size_t n_hold)
{
    struct tg_buf b = TG_BUF_INIT;
    char text[32];

    if (f->json)
        return;
    tg_duration_format(for_ms, text, sizeof text);
    tg_cli_scope_list(scopes, &b);
    fprintf(stderr, "Locking %s for %s, ", tg_buf_text(&b), text);
    for (size_t i = 0; i < n_hold; i++)
        fprintf(stderr, "%s%s", i ? ", " : "", hold[i]);
    fprintf(stderr, "%s.\n", n_hold ? "" : "all automation");
    tg_buf_release(&b);
}

/* "5 of 5 hosts have acknowledged.", and who has no agent to do so. */
static void say_acks(const struct telling *t, FILE *to)
{
    const struct tg_acks *a = &t->acks;

    if (a->present)
        fprintf(to, "  %zu of %zu host%s acknowledged.", a->acked, a->present, a->present == 1 ? " has" : "s have");
    fputc('\n', to);
    if (a->in_use && t->without)
        fprintf(to, "%zu host%s no agent: %.200s%s\n", a->n_without, a->n_without == 1 ? " has" : "s have", t->without, strlen(t->without) > 200 ? "…" : "");
}

static json_t *acks_json(const struct telling *t)
{
    const struct tg_acks *a = &t->acks;
    json_t *o = json_pack("{s:I,s:I,s:s}", "present", (json_int_t) a->present, "acknowledged", (json_int_t) a->acked, "without", t->without ? t->without : "");

    json_object_set_new(o, "n_without", a->without_known ? json_integer((json_int_t) a->n_without) : json_null());
    return o;
}

static int result(struct tg_frame *f, const struct tg_lock *l, const struct telling *t, struct tg_error *e)
{
    char until[40], left[32];
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    FILE *to = f->command ? stderr : stdout; /* the command's output is the command's */

    if (f->json && !f->command) {
        json_t *o = tg_cli_lock_json(l, now);
        json_object_set_new(o, "agents", acks_json(t));
        return tg_print_json(o, e);
    }
    tg_duration_format(l->until_ms > now ? l->until_ms - now + 500 : 0, left, sizeof left);
    fprintf(to, "Locked  %s  until %s (in %s).", l->id, tg_cli_when(l->until_ms, now, until, sizeof until), left);
    say_acks(t, to);
    if (!f->command)
        fprintf(to, "Unlock with: tagout unlock %s\n", l->id);
    return 0;
}

static int check_request(const struct tg_frame *f, struct tg_error *e)
{
    static const char proper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *id = tg_opt_text(f, "request");
    size_t len = id ? strlen(id) : 1;

    if (!id)
        return 0;
    if (len == 0 || len >= TG_REQUEST_ID_SIZE || strspn(id, proper) != len)
        return tg_fail(e, TG_E_USAGE, "--request \"%s\": 1 to %d letters, digits, \"-\", \"_\" and \".\"", id, TG_REQUEST_ID_SIZE - 1);
    if (f->command) /* its token would not be the one of the lock that is there */
        return tg_fail(e, TG_E_USAGE, "--request and a COMMAND do not go together: what is asked for again may be locked already");
    return 0;
}

/* It may be one that was taken before. */
static int extend_to(struct tg_frame *f, struct tg_guard *g, const char *owner, struct tg_lock *l, struct tg_error *e)
{
    struct tg_lock later;
    int64_t for_ms = tg_opt_ms(f, "for");

    if (l->until_ms >= tg_wall_ms(tg_loop_clock(f->loop)) + for_ms - 5000) /* taken just now */
        return 0;
    int rc = tg_lock_extend(g, l->id, owner, for_ms, &later, e);
    if (rc) {
        tg_error_hint(e, "the lock %s is held, until the end that it had", l->id);
        return rc;
    }
    tg_lock_clear(l);
    *l = later;
    return 0;
}

static int take(struct tg_frame *f, const struct tg_scopes *scopes, const char *token, struct telling *t, struct tg_lock *out, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE];
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_lock_request r = {.scopes = scopes, .owner = owner, .reason = tg_opt_text(f, "reason"), .ticket = tg_opt_text(f, "ticket"),
                                .for_ms = tg_opt_ms(f, "for"), .release_at_expiry = tg_opt_flag(f, "release-at-expiry"), .token = token,
                                .request_id = tg_opt_text(f, "request")};

    r.n_hold = tg_opt_list(f, "hold", &r.hold);
    tg_cli_owner(f, owner, sizeof owner);
    int rc = tg_lock_request_check(&r, e);
    if (rc)
        return rc;
    announce(f, scopes, r.for_ms, r.hold, r.n_hold);
    tg_cli_catch_signals(f->loop);
    rc = tg_lock_take(&g, &r, tg_opt_ms(f, "wait"), tell, t, out, e);
    free(t->seen);
    t->seen = NULL;
    if (!rc && tg_opt_flag(f, "extend"))
        rc = extend_to(f, &g, owner, out, e);
    return rc;
}

/* --- holding it while a command runs --- */

/* A signal of the moment when the command ends must not stop its lock from being released: again, until it is, for a while. */
static int release_now(struct tg_frame *f, const struct tg_release_request *r, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_error why = TG_ERROR_INIT;
    int64_t until = tg_store_deadline(f->store, GIVE_BACK_MS);
    bool interrupted = false;
    int rc;

    do {
        tg_loop_interrupt_clear(f->loop);
        tg_error_clear(&why);
        rc = tg_lock_release(&g, r, NULL, &why);
        if (rc == TG_E_NOENT && interrupted) /* what was interrupted had been done */
            rc = 0;
        interrupted = rc == TG_E_CANCELLED;
    } while (interrupted && tg_store_deadline(f->store, 0) < until);
    if (rc)
        *e = why;
    return rc;
}

static int give_back(struct tg_frame *f, const struct tg_lock *l, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE];
    int rc = tg_frame_open_store(f, &f->store, e);

    tg_cli_owner(f, owner, sizeof owner);
    struct tg_release_request r = {.id = l->id, .owner = owner, .reason = "its command has ended"};
    if (!rc)
        rc = release_now(f, &r, e);
    if (rc == TG_E_NOENT) { /* somebody broke it meanwhile: that is in the log, and nothing is left to do */
        tg_error_clear(e);
        fprintf(stderr, "tagout: the lock %s had been broken meanwhile: tagout log\n", l->id);
        rc = 0;
    }
    if (rc) {
        e->hint[0] = '\0';
        tg_error_hint(e, "the command has ended with status %d; the lock %s stays: tagout unlock %s", f->status, l->id, l->id);
    } else {
        tg_token_forget(f->config->state_dir, l->id);
    }
    return rc;
}

static int hold_while(struct tg_frame *f, const struct tg_lock *l, const char *token, struct tg_error *e)
{
    const char *outer = getenv("TAGOUT_TOKEN");
    char tokens[1024], fence[96], id[64];
    struct tg_error why = TG_ERROR_INIT;

    snprintf(tokens, sizeof tokens, "TAGOUT_TOKEN=%.800s%s%s", outer ? outer : "", outer && outer[0] ? "," : "", token);
    snprintf(fence, sizeof fence, "TAGOUT_FENCE=%lld:%lld", (long long) l->generation, (long long) l->txid);
    snprintf(id, sizeof id, "TAGOUT_LOCK=%s", l->id);
    const char *const add[] = {tokens, fence, id, NULL};
    if (tg_token_keep(f->config->state_dir, l->id, token, &why) != 0 && tg_opt_flag(f, "verbose"))
        fprintf(stderr, "tagout: its token is not kept: %s\n", why.message);
    tg_store_close(f->store); /* a lock needs no session; a laptop that sleeps meanwhile is no harm */
    f->store = NULL;
    tg_error_clear(&why);
    int rc = tg_run_under(f->command, add, &f->status, &why);
    int rc2 = give_back(f, l, rc ? &(struct tg_error) TG_ERROR_INIT : e);
    if (!rc)
        return rc2;
    *e = why;
    if (rc2)
        tg_error_hint(e, "the lock %s stays: tagout unlock %s", l->id, l->id);
    return rc;
}

static int run_lock(struct tg_frame *f, struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct telling t = {.f = f};
    struct tg_lock l = {.id = ""};
    char token[TG_TOKEN_SIZE] = "";
    const char *reason = tg_opt_text(f, "reason");
    int rc = 0;

    if (!reason || tg_text_is_blank(reason))
        rc = tg_fail(e, TG_E_USAGE, "why? --reason \"move the ensemble to the new network\"");
    else if (tg_opt_ms(f, "for") <= 0)
        rc = tg_fail(e, TG_E_USAGE, "for how long? --for 3h");
    else if (tg_opt_flag(f, "extend") && !tg_opt_given(f, "request"))
        rc = tg_fail(e, TG_E_USAGE, "--extend goes with --request; a lock that you know is moved by: tagout extend LOCK --for TIME");
    if (!rc)
        rc = check_request(f, e);
    if (!rc)
        rc = tg_cli_scopes(f->inventory, f->argv, f->argc, &scopes, e);
    if (!rc)
        rc = tg_cli_groups_known(&scopes, f->inventory, e);
    if (!rc && f->command)
        rc = tg_run_findable(f->command, e);
    if (!rc && f->command)
        rc = tg_token_make(token, e);
    if (!rc)
        rc = take(f, &scopes, f->command ? token : NULL, &t, &l, e);
    tg_scopes_release(&scopes);
    if (!rc)
        rc = result(f, &l, &t, e);
    else
        l.id[0] = '\0';
    free(t.without);
    if (!l.id[0])
        return rc;
    if (!f->command && (rc || tg_out_flush(f, NULL) != 0)) {
        tg_error_clear(e);
        rc = tg_fail(e, TG_E_SYSTEM, "the lock %s is held, but that could not be written to stdout", l.id);
        tg_error_hint(e, "tagout locks shows it; tagout unlock %s", l.id);
    }
    if (!rc && f->command)
        rc = hold_while(f, &l, token, e);
    tg_lock_clear(&l);
    return rc;
}

const struct tg_cmd tg_cmd_lock = {
    .name = "lock",
    .args = "SCOPE… --reason TEXT --for TIME [-- COMMAND…]",
    .brief = "take a maintenance lock, and wait for what is in flight",
    .details = "Takes one lock on all the scopes: fleet, group:NAME, host:NAME or service:NAME. From then on no automation that it holds starts there; "
               "lock returns when what had started before has ended. The lock stays until unlock, whatever becomes of this process or host. "
               "With a COMMAND it is held while that runs and released after it; the exit status is the command's.",
    .examples = "  $ tagout lock group:zookeeper service:autoscaler --for 3h --ticket OPS-1234 \\\n      --reason \"move the ensemble to the new network\"\n"
                "  $ tagout lock host:db7.example.com --hold reboot --for 20m --reason \"backup\" -- backup-now\n",
    .opts = opts,
    .min_args = 1,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY | TG_TAKES_COMMAND,
    .complete = "scope",
    .exec = run_lock,
};
