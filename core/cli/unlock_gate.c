/* Before unlock: see unlock_gate.h. */
#include "cli/unlock_gate.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/nodeset.h"
#include "guard/tokens.h"

#include <stdlib.h>
#include <string.h>

#define ACTOR "config-management"
#define REDRAW_MS 200

/* One lock's question. */
struct question {
    struct tg_frame *f;
    struct tg_guard *guard;
    const struct tg_gate_rules *rules;
    struct tg_lock lock;
    struct tg_locks others;       /* that hold config management on some of its hosts as well */
    struct tg_hostlist hosts;
    struct tg_hostlist held;      /* by these: not asked */
    const struct tg_lock *holder; /* one of those that hold them */
    struct tg_gate_asks asks;
    char token[TG_TOKEN_SIZE];
    int64_t began_ms, drawn_ms, took_ms;
    bool drawn;
};

static void question_release(struct question *q)
{
    tg_gate_asks_release(&q->asks);
    tg_hostlist_release(&q->hosts);
    tg_hostlist_release(&q->held);
    tg_locks_release(&q->others);
    tg_lock_clear(&q->lock);
    explicit_bzero(q->token, sizeof q->token);
}

/* ---- which hosts ---- */

static int add_all(struct tg_hostlist *to, const struct tg_inventory *inventory, const struct tg_group *group, struct tg_error *e)
{
    size_t n = 0;
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n);
    int rc = 0;

    for (size_t i = 0; !rc && i < (group ? group->n_hosts : n); i++) {
        const char *name = hosts[group ? group->hosts[i] : i].name;
        rc = tg_hostlist_add(to, name, strlen(name), e);
    }
    return rc;
}

/* What was meant when it was taken, and what the group has got since. */
static int add_scope(struct question *q, const struct tg_scope *s, struct tg_error *e)
{
    const struct tg_inventory *inventory = q->f->inventory;
    const struct tg_group *group = s->kind == TG_SCOPE_GROUP ? tg_inventory_group(inventory, s->name) : NULL;
    int rc = 0;

    if (s->kind == TG_SCOPE_HOST)
        return tg_hostlist_add(&q->hosts, s->name, strlen(s->name), e);
    if (s->kind == TG_SCOPE_GROUP && s->hosts)
        rc = tg_nodeset_expand(s->hosts, strlen(s->hosts), &q->hosts, e);
    if (!rc && (group || s->kind == TG_SCOPE_FLEET))
        rc = add_all(&q->hosts, inventory, group, e);
    return rc;
}

static bool holds_it_too(struct question *q, const struct tg_scope *host)
{
    for (size_t i = 0; i < q->others.n; i++) {
        const struct tg_lock *l = &q->others.v[i];
        struct tg_scopes one = {.v = (struct tg_scope *) host, .n = 1};
        if (strcmp(l->id, q->lock.id) != 0 && tg_lock_holds_actor(l, ACTOR) && tg_scopes_overlap(&one, &l->scopes, NULL, NULL) == TG_OVERLAP_YES) {
            q->holder = l;
            return true;
        }
    }
    return false;
}

static int add_host(struct question *q, const char *name, struct tg_error *e)
{
    struct tg_scope scope;

    if (tg_scope_own_host(q->f->inventory, name, &scope, NULL) != 0)
        return tg_gate_add_stranger(&q->asks, name, e);
    int rc = holds_it_too(q, &scope) ? tg_hostlist_add(&q->held, name, strlen(name), e)
                                     : tg_gate_add_host(&q->asks, q->rules, tg_inventory_host(q->f->inventory, scope.name), e);
    tg_scope_release(&scope);
    return rc;
}

static int choose_hosts(struct question *q, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < q->lock.scopes.n; i++)
        rc = add_scope(q, &q->lock.scopes.v[i], e);
    if (!rc)
        rc = tg_hostlist_sort(&q->hosts, e);
    if (!rc && q->hosts.n)
        rc = tg_lock_list(q->guard, &q->lock.scopes, &q->others, e);
    for (size_t i = 0; !rc && i < q->hosts.n; i++)
        rc = add_host(q, tg_hostlist_get(&q->hosts, i), e);
    return rc;
}

/* ---- asking ---- */

/* What is asked on the hosts passes the lock: with the token that was kept here, or a new one. */
static int take_token(struct question *q, const struct tg_release_request *request, struct tg_error *e)
{
    const char *state_dir = q->f->config->state_dir;
    struct tg_lock fresh;

    tg_token_read(state_dir, q->lock.id, q->token);
    if (q->token[0] && tg_lock_token_fits(&q->lock, q->token))
        return 0;
    struct tg_release_request r = *request;
    r.reason = request->reason ? request->reason : "to ask what automation would revert";
    int rc = tg_token_make(q->token, e);
    if (!rc)
        rc = tg_lock_set_token(q->guard, &r, q->token, &fresh, e);
    if (rc)
        return rc;
    tg_lock_clear(&fresh);
    tg_token_forget(state_dir, q->lock.id);
    (void) tg_token_keep(state_dir, q->lock.id, q->token, NULL); /* for the next try; as good without */
    return 0;
}

static int64_t now(const struct question *q)
{
    return tg_mono_ms(tg_loop_clock(q->f->loop));
}

static void tell(void *data, size_t done, size_t running, size_t total)
{
    struct question *q = data;
    char took[32];

    if (!q->f->err_tty || q->f->json || (q->drawn && now(q) - q->drawn_ms < REDRAW_MS))
        return;
    q->drawn_ms = now(q);
    q->drawn = true;
    tg_duration_format((now(q) - q->began_ms) / 1000 * 1000, took, sizeof took);
    fprintf(stderr, "\r\033[K  asking what automation would revert: %zu of %zu done, %zu running, %s", done, total, running, took);
}

static int ask(struct question *q, const struct tg_release_request *request, struct tg_error *e)
{
    const struct tg_config *c = q->f->config;
    const char *outer = getenv("TAGOUT_TOKEN");
    char tokens[1024];
    int rc = take_token(q, request, e);

    if (rc)
        return rc;
    snprintf(tokens, sizeof tokens, "%s%s%.800s", q->token, outer && outer[0] ? "," : "", outer ? outer : "");
    const struct tg_gate_options o = {.loop = q->f->loop, .transport = tg_opt_text(q->f, "transport"),
                                      .how = {.identity_file = c->ssh_identity, .known_hosts_file = c->ssh_known_hosts, .config_file = c->ssh_config},
                                      .lock_id = q->lock.id, .who = request->owner, .tokens = tokens, .parallel = (size_t) tg_opt_int(q->f, "parallel"),
                                      .connect_ms = tg_opt_ms(q->f, "connect-timeout"), .timeout_ms = tg_opt_ms(q->f, "dry-run-timeout"), .tell = tell, .data = q};
    q->began_ms = now(q);
    rc = tg_gate_run(&o, &q->asks, e);
    q->took_ms = now(q) - q->began_ms;
    if (q->drawn)
        fputs("\r\033[K", stderr);
    explicit_bzero(tokens, sizeof tokens);
    if (rc == TG_E_CANCELLED)
        tg_error_hint(e, "%s stays; nothing was changed on its hosts", q->lock.id);
    return rc;
}

/* ---- telling ---- */

static size_t hosts_asked(const struct tg_gate_asks *asks)
{
    size_t n = 0;

    for (size_t i = 0; i < asks->n; i++)
        n += i == 0 || strcmp(asks->v[i].name, asks->v[i - 1].name) != 0;
    return n;
}

static int held_text(const struct question *q, struct tg_buf *out, struct tg_error *e)
{
    if (!q->held.n)
        return 0;
    tg_buf_printf(out, "  %zu host%s  ", q->held.n, q->held.n == 1 ? "" : "s");
    int rc = tg_fold_list(&q->held, out, e);
    tg_buf_printf(out, "   still held by %s (%s): not asked, its unlock will\n", q->holder->id, q->holder->owner);
    return rc;
}

/* Tools that can't tell what a person did from what is merely new. */
static void say_blind(const struct tg_gate_groups *groups, struct tg_buf *out)
{
    const char *said = "";

    for (size_t i = 0; i < groups->n; i++) {
        const struct tg_gate_ask *a = groups->v[i].asks[0];
        if (groups->v[i].verdict == TG_GATE_REVERT && a->outcome.corrective < 0 && strcmp(said, a->rule->driver->name) != 0) {
            said = a->rule->driver->name;
            tg_buf_printf(out, "  Here %s can't tell a manual change from one that is merely new, so each counts.\n", said);
        }
    }
}

static int print_table(const struct question *q, const struct tg_gate_groups *groups, struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;
    char took[32];
    size_t n = hosts_asked(&q->asks);
    bool nothing = tg_gate_count(&q->asks, TG_GATE_NOTHING) == q->asks.n;
    int rc = 0;

    tg_duration_format(q->took_ms / 1000 * 1000, took, sizeof took);
    if (nothing && n)
        tg_buf_printf(&b, "Automation would revert nothing.  (dry-run on %zu host%s, %s)\n", n, n == 1 ? "" : "s", took);
    else if (n)
        tg_buf_printf(&b, "Before it goes: what would automation revert?  (dry-run on %zu host%s, %s)\n", n, n == 1 ? "" : "s", took);
    if (!nothing)
        rc = tg_gate_text(groups, tg_opt_flag(q->f, "diff"), &b, e);
    say_blind(groups, &b);
    if (!rc)
        rc = held_text(q, &b, e);
    fputs(tg_buf_text(&b), stdout);
    tg_buf_release(&b);
    return rc;
}

/* What stands in the way, and the command to go on with. */
static void print_refusal(const struct question *q, bool reverts, bool unknowns, bool force)
{
    bool revert_flag = reverts || tg_opt_flag(q->f, "accept-revert"), unknown_flag = unknowns || tg_opt_flag(q->f, "accept-unknown");

    fputs("Not unlocked. ", stdout);
    if (reverts)
        fputs("Put the change into config management, or accept the loss", stdout);
    if (unknowns)
        printf("%s that are not known can be looked at, or accepted as that", reverts ? "; hosts" : "Hosts");
    printf(": tagout unlock %s%s%s%s\n", q->lock.id, force ? " --force --reason \"…\"" : "", revert_flag ? " --accept-revert" : "",
           unknown_flag ? " --accept-unknown" : "");
}

static json_t *answer_json(const struct question *q)
{
    json_t *held = json_array();

    for (size_t i = 0; i < q->held.n; i++)
        json_array_append_new(held, json_string(tg_hostlist_get(&q->held, i)));
    return json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "took-ms", (json_int_t) q->took_ms, "revert", (json_int_t) tg_gate_count(&q->asks, TG_GATE_REVERT),
                     "unknown", (json_int_t) tg_gate_count(&q->asks, TG_GATE_UNKNOWN), "pending", (json_int_t) tg_gate_count(&q->asks, TG_GATE_PENDING),
                     "still-held", held, "hosts", tg_gate_json(&q->asks, tg_opt_flag(q->f, "diff")));
}

static int decide(struct question *q, bool force, enum tg_unlock_answer *out, char *why, size_t why_size, json_t **out_json, struct tg_error *e)
{
    size_t n_reverts = tg_gate_count(&q->asks, TG_GATE_REVERT), n_unknowns = tg_gate_count(&q->asks, TG_GATE_UNKNOWN);
    bool reverts = n_reverts && !tg_opt_flag(q->f, "accept-revert"), unknowns = n_unknowns && !tg_opt_flag(q->f, "accept-unknown");
    struct tg_gate_groups groups;
    int rc = tg_gate_group(&q->asks, &groups, e);

    if (rc)
        return rc;
    if (!q->f->json)
        rc = print_table(q, &groups, e);
    else
        *out_json = answer_json(q);
    *out = reverts || unknowns ? TG_UNLOCK_REFUSED : TG_UNLOCK_GO;
    if (*out == TG_UNLOCK_REFUSED) {
        q->f->status = tg_exit_status(reverts ? TG_E_HELD : TG_E_UNKNOWN);
        if (!q->f->json)
            print_refusal(q, reverts, unknowns, force);
    } else if (!rc && (n_reverts || n_unknowns)) {
        rc = tg_gate_accepted(&groups, why, why_size, e);
    }
    tg_gate_groups_release(&groups);
    return rc;
}

/* ---- the whole ---- */

static int prepare(struct tg_frame *f, struct tg_unlock_gate *gate, struct tg_error *e)
{
    int rc = f->inventory ? 0 : tg_frame_load_inventory(f, e);

    if (!rc)
        rc = tg_gate_rules_read(f->config->before_unlock, f->inventory, &f->problems, &gate->rules, e);
    gate->ready = rc == 0;
    if (rc)
        tg_error_hint(e, "whom to ask before the lock goes is not known; without asking: --no-gate");
    return rc;
}

int tg_unlock_ask(struct tg_frame *f, struct tg_unlock_gate *gate, struct tg_guard *guard, const struct tg_release_request *request,
                  enum tg_unlock_answer *out, char *why, size_t why_size, json_t **out_json, struct tg_error *e)
{
    struct question q = {.f = f, .guard = guard, .rules = &gate->rules};
    int rc = tg_lock_find(guard, request->id, &q.lock, e);

    *out = TG_UNLOCK_GO;
    *out_json = NULL;
    why[0] = '\0';
    if (rc)
        return rc;
    /* Another's: releasing it says so. One that never held config management: that has run all the time. */
    bool asked = (request->force || strcmp(q.lock.owner, request->owner) == 0) && tg_lock_holds_actor(&q.lock, ACTOR);
    if (asked && !gate->ready)
        rc = prepare(f, gate, e);
    if (!rc && asked)
        rc = choose_hosts(&q, e);
    if (!rc && q.asks.n)
        rc = ask(&q, request, e);
    if (!rc && (q.asks.n || q.held.n))
        rc = decide(&q, request->force, out, why, why_size, out_json, e);
    question_release(&q);
    return rc;
}

void tg_unlock_gate_release(struct tg_unlock_gate *gate)
{
    tg_gate_rules_release(&gate->rules);
    gate->ready = false;
}
