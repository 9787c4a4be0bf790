/* tagout serve: the guard over HTTP, and FleetLock, so that hosts which speak it ask before they reboot. */
#include "cli/commands.h"

#include "base/buf.h"
#include "base/module.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "guard/permit.h"
#include "guard/show.h"
#include "guard/slots.h"

#include <tagout/log.h>

#include <stdlib.h>
#include <string.h>

#define CHECK_MS 3000
#define SCOPES_MAX TG_SCOPES_MAX
#define LISTEN "127.0.0.1:4281"

static const struct tg_opt opts[] = {
    {.name = "listen", .letter = 'l', .type = TG_OPT_STRING, .arg = "ADDRESS:PORT", .value = LISTEN,
     .text = "Where to listen, in numbers. There is no authentication: whoever can connect can ask, and can take slots"},
    {.name = "slots", .type = TG_OPT_LIST, .arg = "GROUP=N", .text = "How many hosts of a FleetLock group may reboot at once; 1 for a group that is not named"},
    {.name = NULL},
};

/* A host that has a slot. While it has, a permit of this process says so to whoever takes a lock. */
struct holder {
    struct tg_slot_request who;
    struct tg_permit *permit;
};

struct serve {
    struct tg_frame *f;
    const struct tg_httpd_backend *http;
    struct tg_httpd *server;
    struct tg_http_call *first, **last; /* those that wait */
    struct holder *holders;
    size_t n_holders, cap_holders;
    bool reported;                      /* every slot in the store has its permit here */
};

static void on_call(void *data, struct tg_http_call *call)
{
    struct serve *s = data;

    call->next = NULL;
    *s->last = call;
    s->last = &call->next;
}

/* --- answers --- */

static void answer_json(struct serve *s, struct tg_http_call *call, unsigned status, json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    struct tg_buf b = TG_BUF_INIT;

    tg_buf_printf(&b, "%s\n", text ? text : "{}");
    s->http->answer(call, text ? status : 500, "application/json", tg_buf_text(&b), b.len);
    tg_buf_release(&b);
    free(text);
    json_decref(o);
}

/* FleetLock's way to say no. */
static void answer_no(struct serve *s, struct tg_http_call *call, unsigned status, const char *kind, const char *value)
{
    tg_log(status >= 500 ? TG_LOG_WARN : TG_LOG_INFO, "serve", "%s %s from %s: %u %s: %s", call->method, call->path, call->peer, status, kind, value);
    answer_json(s, call, status, json_pack("{s:s,s:s}", "kind", kind, "value", value));
}

static unsigned status_of(enum tg_guard_answer answer)
{
    static const unsigned statuses[] = {[TG_ANSWER_GO] = 200, [TG_ANSWER_HELD] = 423, [TG_ANSWER_UNKNOWN] = 503};

    return statuses[answer];
}

static struct tg_guard guard_of(struct serve *s)
{
    return tg_cli_guard(s->f, CHECK_MS);
}

static void line_of(const struct serve *s, const struct tg_guard_verdict *v, struct tg_buf *out)
{
    tg_verdict_line(v, s->f->config->store, tg_wall_ms(tg_loop_clock(s->f->loop)), out);
}

/* --- GET /v1/check?actor=A&scope=S… --- */

static void serve_check(struct serve *s, struct tg_http_call *call)
{
    const char *actor = NULL, *texts[SCOPES_MAX];
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_guard g = guard_of(s);
    struct tg_guard_verdict v;
    size_t n = s->http->arguments(call, "scope", texts, SCOPES_MAX), n_actors = s->http->arguments(call, "actor", &actor, 1);
    int rc = n_actors == 1 ? tg_actor_check(actor, &e) : tg_fail(&e, TG_E_USAGE, "who acts? ?actor=A&scope=S");

    if (!rc && (n == 0 || n > SCOPES_MAX))
        rc = tg_fail(&e, TG_E_USAGE, "%zu scopes: there must be 1 to %d", n, SCOPES_MAX);
    if (!rc)
        rc = tg_scopes_parse(&scopes, texts, n, s->f->inventory, &e);
    if (rc) {
        answer_no(s, call, rc == TG_E_USAGE ? 400 : 503, rc == TG_E_USAGE ? "usage" : "unknown", e.message);
        tg_scopes_release(&scopes);
        return;
    }
    struct tg_question q = {.scopes = &scopes, .actor = actor};
    struct tg_buf line = TG_BUF_INIT;
    tg_check(&g, &q, tg_store_deadline(s->f->store, CHECK_MS), &v);
    json_t *o = tg_verdict_json(&v, &scopes, actor, tg_wall_ms(tg_loop_clock(s->f->loop)));
    line_of(s, &v, &line);
    json_object_set_new(o, "line", json_string(tg_buf_text(&line)));
    answer_json(s, call, status_of(v.answer), o);
    tg_buf_release(&line);
    tg_verdict_release(&v);
    tg_scopes_release(&scopes);
}

/* --- holders --- */

static struct holder *find_holder(struct serve *s, const struct tg_slot_request *who)
{
    for (size_t i = 0; i < s->n_holders; i++)
        if (strcmp(s->holders[i].who.id, who->id) == 0 && strcmp(s->holders[i].who.group, who->group) == 0)
            return &s->holders[i];
    return NULL;
}

/* Takes the permit over. Short of memory it is given back: the slot stays, and the next look finds it without its permit. */
static void add_holder(struct serve *s, const struct tg_slot_request *who, struct tg_permit *permit)
{
    if (s->n_holders == s->cap_holders) {
        size_t cap = s->cap_holders ? 2 * s->cap_holders : 8;
        struct holder *v = realloc(s->holders, cap * sizeof *v);
        if (!v) {
            tg_permit_release(permit);
            s->reported = false;
            return;
        }
        s->holders = v;
        s->cap_holders = cap;
    }
    s->holders[s->n_holders++] = (struct holder) {.who = *who, .permit = permit};
}

static void drop_holder(struct serve *s, const struct tg_slot_request *who)
{
    struct holder *h = find_holder(s, who);

    if (!h)
        return;
    tg_permit_release(h->permit);
    *h = s->holders[--s->n_holders];
}

/* What a host that asks is: itself when the inventory knows its id, else its group; the protocol's "default" is the fleet. */
static int scopes_of(const struct serve *s, const struct tg_slot_request *who, struct tg_scopes *out, struct tg_error *e)
{
    const struct tg_inventory *inventory = s->f->inventory;
    char text[TG_SLOT_ID_SIZE + 16];
    const char *one = text;

    if (inventory && tg_inventory_host(inventory, who->id))
        snprintf(text, sizeof text, "host:%s", who->id);
    else if (strcmp(who->group, "default") == 0 && !(inventory && tg_inventory_group(inventory, who->group)))
        snprintf(text, sizeof text, "fleet");
    else
        snprintf(text, sizeof text, "group:%s", who->group);
    return tg_scopes_parse(out, &one, 1, inventory, e);
}

static void what_of(const struct tg_slot_request *who, char *out, size_t size)
{
    snprintf(out, size, "FleetLock: %.80s of %s may reboot", who->id, who->group);
}

static int64_t limit_of(const struct tg_frame *f, const char *group)
{
    const char *const *list;
    size_t n = tg_opt_list(f, "slots", &list), len = strlen(group);

    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i], group, len) == 0 && list[i][len] == '=')
            return strtoll(list[i] + len + 1, NULL, 10);
    return 1;
}

/* --- FleetLock --- */

static void refuse_held(struct serve *s, struct tg_http_call *call, const struct tg_guard_verdict *v)
{
    struct tg_buf line = TG_BUF_INIT;

    line_of(s, v, &line);
    answer_no(s, call, v->answer == TG_ANSWER_HELD ? 423 : 503, v->answer == TG_ANSWER_HELD ? "held" : "unknown", tg_buf_text(&line));
    tg_buf_release(&line);
}

/* Permit first, which no lock may hold; then the slot. What fails after the permit gives it back. */
static void take_slot(struct serve *s, struct tg_http_call *call, const struct tg_slot_request *who, const struct tg_scopes *scopes)
{
    char owner[TG_OWNER_SIZE], what[176], by[TG_SLOT_ID_SIZE] = "", text[512];
    struct tg_guard g = guard_of(s);
    struct tg_guard_verdict v;
    struct tg_permit *permit = NULL;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(owner, sizeof owner, "fleetlock@%.128s", who->id);
    what_of(who, what, sizeof what);
    struct tg_permit_request r = {.scopes = scopes, .actor = "reboot", .owner = owner, .host = who->id, .what = what};
    int rc = tg_permit_take(&g, &r, &permit, &v, NULL);
    if (rc) {
        refuse_held(s, call, &v);
        tg_verdict_release(&v);
        return;
    }
    tg_verdict_release(&v);
    rc = tg_slot_take(&g, who, limit_of(s->f, who->group), NULL, by, &e);
    if (!rc) {
        add_holder(s, who, permit);
        tg_log(TG_LOG_INFO, "serve", "%s of %s may reboot", who->id, who->group);
        answer_json(s, call, 200, json_object());
        return;
    }
    tg_permit_release(permit);
    snprintf(text, sizeof text, "%.300s%s%s", e.message, by[0] ? "; the longest by " : "", by);
    answer_no(s, call, rc == TG_E_HELD ? 409 : 503, rc == TG_E_HELD ? "all_slots_taken" : "unknown", text);
}

static void pre_reboot(struct serve *s, struct tg_http_call *call, const struct tg_slot_request *who)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_error e = TG_ERROR_INIT;
    const struct holder *h = find_holder(s, who);

    if (h && tg_permit_state(h->permit) == 0) { /* it asks again: it has not rebooted yet, or its answer was lost */
        answer_json(s, call, 200, json_object());
        return;
    }
    int rc = s->reported ? scopes_of(s, who, &scopes, &e) : tg_fail(&e, TG_E_UNKNOWN, "the store could not be asked who has slots already");
    if (rc)
        answer_no(s, call, rc == TG_E_USAGE ? 400 : 503, rc == TG_E_USAGE ? "unknown_group" : "unknown", e.message);
    else
        take_slot(s, call, who, &scopes);
    tg_scopes_release(&scopes);
}

static void steady_state(struct serve *s, struct tg_http_call *call, const struct tg_slot_request *who)
{
    struct tg_guard g = guard_of(s);
    struct tg_error e = TG_ERROR_INIT;
    bool had = false;

    if (tg_slot_give(&g, who, &had, &e) != 0) {
        answer_no(s, call, 503, "unknown", e.message);
        return;
    }
    drop_holder(s, who);
    if (had)
        tg_log(TG_LOG_INFO, "serve", "%s of %s is steady again", who->id, who->group);
    answer_json(s, call, 200, json_object());
}

static void serve_fleetlock(struct serve *s, struct tg_http_call *call, void (*deed)(struct serve *, struct tg_http_call *, const struct tg_slot_request *))
{
    struct tg_slot_request who;
    struct tg_error e = TG_ERROR_INIT;
    const char *header = s->http->header(call, "fleet-lock-protocol");

    if (strcmp(call->method, "POST") != 0)
        answer_no(s, call, 405, "method_not_allowed", "FleetLock posts");
    else if (!header || strcmp(header, "true") != 0)
        answer_no(s, call, 400, "bad_header", "the header fleet-lock-protocol: true is missing");
    else if (tg_slot_request_parse(call->body, call->len, &who, &e) != 0)
        answer_no(s, call, 400, "bad_request", e.message);
    else
        deed(s, call, &who);
}

static void serve_health(struct serve *s, struct tg_http_call *call)
{
    bool well = tg_store_state(s->f->store) == TG_SESSION_CONNECTED && s->reported;

    answer_json(s, call, well ? 200 : 503, json_pack("{s:b,s:I}", "connected", well, "slots", (json_int_t) s->n_holders));
}

/* What is misspelt must not be left out of the question: "scpoe=host:db" would be asked without it. */
static bool refuse_stranger(struct serve *s, struct tg_http_call *call)
{
    static const char *const none[] = {NULL}, *const of_check[] = {"actor", "scope", NULL};
    bool is_check = strcmp(call->path, "/v1/check") == 0;
    const char *stranger = s->http->stranger(call, is_check ? of_check : none);
    char text[160];

    if (!stranger)
        return false;
    snprintf(text, sizeof text, "the query has an argument that is not known: \"%.40s\"; %s", stranger, is_check ? "there are actor and scope" : "there is none here");
    answer_no(s, call, 400, "usage", text);
    return true;
}

static void serve_call(struct serve *s, struct tg_http_call *call)
{
    if (refuse_stranger(s, call))
        return;
    if (strcmp(call->path, "/v1/pre-reboot") == 0)
        serve_fleetlock(s, call, pre_reboot);
    else if (strcmp(call->path, "/v1/steady-state") == 0)
        serve_fleetlock(s, call, steady_state);
    else if (strcmp(call->method, "GET") != 0)
        answer_no(s, call, 405, "method_not_allowed", "GET");
    else if (strcmp(call->path, "/v1/check") == 0)
        serve_check(s, call);
    else if (strcmp(call->path, "/healthz") == 0)
        serve_health(s, call);
    else
        answer_no(s, call, 404, "not_found", "there are /v1/check, /v1/pre-reboot, /v1/steady-state and /healthz");
}

/* --- the store --- */

static void report_slot(struct serve *s, const struct tg_slot_request *who, int64_t since_ms, struct tg_error *e)
{
    char what[176];
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_guard g = guard_of(s);
    struct tg_permit *permit = NULL;

    what_of(who, what, sizeof what);
    int rc = scopes_of(s, who, &scopes, e);
    struct tg_permit_sighting seen = {.scopes = &scopes, .actor = "reboot", .owner = "fleetlock", .host = who->id, .what = what, .since_ms = since_ms};
    if (!rc)
        rc = tg_permit_report_in_flight(&g, &seen, &permit, e);
    if (!rc)
        add_holder(s, who, permit);
    else
        s->reported = false;
    tg_scopes_release(&scopes);
}

/* Who has a slot may be rebooting now: from the start, and with each new session, whoever takes a lock must see it. */
static void report(struct serve *s)
{
    struct tg_guard g = guard_of(s);
    struct tg_slot_groups groups;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_slot_list(&g, &groups, &e) != 0) {
        tg_log(TG_LOG_WARN, "serve", "who has slots could not be read: %s", e.message);
        return;
    }
    s->reported = true;
    for (size_t i = 0; i < groups.n; i++)
        for (size_t k = 0; k < groups.v[i].n; k++) {
            struct tg_slot_request who;
            snprintf(who.group, sizeof who.group, "%s", groups.v[i].group);
            snprintf(who.id, sizeof who.id, "%s", groups.v[i].v[k].id);
            if (!find_holder(s, &who))
                report_slot(s, &who, groups.v[i].v[k].since_ms, &e);
        }
    tg_slot_groups_release(&groups);
    if (e.code)
        tg_log(TG_LOG_WARN, "serve", "a slot could not be told to lockers: %s", e.message);
}

static void forget_permits(struct serve *s)
{
    for (size_t i = 0; i < s->n_holders; i++)
        tg_permit_abandon(s->holders[i].permit);
    s->n_holders = 0;
    s->reported = false;
}

/* A session that is over takes its permits along: a new one begins, and tells of them anew. */
static int mind_store(struct serve *s, struct tg_error *e)
{
    enum tg_session_state state = tg_store_state(s->f->store);
    int rc = 0;

    if (state == TG_SESSION_EXPIRED || state == TG_SESSION_REFUSED) {
        tg_log(TG_LOG_WARN, "serve", "the session with the store is over: %s", tg_store_error(s->f->store)->message);
        tg_store_close(s->f->store);
        s->f->store = NULL;
        forget_permits(s);
        rc = tg_frame_open_store(s->f, &s->f->store, e);
    } else if (state == TG_SESSION_CONNECTED && !s->reported) {
        report(s);
    }
    return rc;
}

/* --- the command --- */

static int check_slots(const struct tg_frame *f, struct tg_error *e)
{
    const char *const *list;
    size_t n = tg_opt_list(f, "slots", &list);

    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(list[i], '=');
        if (!equals || equals == list[i] || !equals[1] || strlen(equals + 1) > 4 || equals[1 + strspn(equals + 1, "0123456789")])
            return tg_fail(e, TG_E_USAGE, "--slots \"%.80s\" is not GROUP=N", list[i]);
    }
    return 0;
}

static int take_listen(const struct tg_frame *f, char *address, size_t size, uint16_t *port, struct tg_error *e)
{
    const char *text = tg_opt_text(f, "listen"), *colon = strrchr(text, ':');
    const char *from = text[0] == '[' ? text + 1 : text;
    size_t len = colon ? (size_t) (colon - from) - (text[0] == '[') : 0;
    long number = colon ? strtol(colon + 1, NULL, 10) : -1;

    if (!colon || !len || len >= size || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] || number > 65535) {
        tg_fail(e, TG_E_USAGE, "--listen \"%.80s\" is not ADDRESS:PORT", text);
        return tg_error_hint(e, "such as " LISTEN " or [::1]:4281"), TG_E_USAGE;
    }
    snprintf(address, size, "%.*s", (int) len, from);
    *port = (uint16_t) number;
    return 0;
}

static void run_loop(struct serve *s, struct tg_error *e)
{
    while (mind_store(s, e) == 0) {
        if (tg_loop_turn(s->f->loop, 1000) == TG_E_CANCELLED)
            break;
        while (s->first) {
            struct tg_http_call *call = s->first;
            s->first = call->next;
            if (!s->first)
                s->last = &s->first;
            serve_call(s, call);
        }
        for (size_t i = 0; i < s->n_holders; i++)
            if (tg_permit_state(s->holders[i].permit) == TG_E_NOENT) { /* somebody took it away behind our back */
                tg_permit_release(s->holders[i].permit);
                s->holders[i--] = s->holders[--s->n_holders];
                s->reported = false;
            }
    }
}

static int run_serve(struct tg_frame *f, struct tg_error *e)
{
    struct serve s = {.f = f};
    char address[64];
    uint16_t port = 0;
    int rc = check_slots(f, e);

    s.last = &s.first;
    if (!rc)
        rc = take_listen(f, address, sizeof address, &port, e);
    if (!rc)
        rc = tg_httpd_find(&s.http, e);
    if (!rc)
        rc = s.http->open(f->loop, address, port, on_call, &s, &s.server, e);
    if (rc)
        return rc;
    tg_cli_catch_signals(f->loop);
    printf("Listening on %s port %u.\n", address, (unsigned) s.http->port(s.server));
    fflush(stdout);
    struct tg_error why = TG_ERROR_INIT;
    run_loop(&s, &why);
    tg_loop_interrupt_clear(f->loop);
    for (struct tg_http_call *call = s.first, *next; call; call = next) {
        next = call->next;
        answer_no(&s, call, 503, "unknown", "tagout serve is ending");
    }
    for (size_t i = 0; i < s.n_holders; i++)
        tg_permit_release(s.holders[i].permit);
    free(s.holders);
    s.http->close(s.server);
    if (why.code)
        *e = why;
    return why.code;
}

const struct tg_cmd tg_cmd_serve = {
    .name = "serve",
    .args = "",
    .brief = "answer over HTTP: checks, and FleetLock for hosts that reboot by themselves",
    .details = "GET /v1/check?actor=A&scope=S answers 200 (go), 423 (held) or 503 (unknown), with the JSON of tagout check. POST /v1/pre-reboot and /v1/steady-state are FleetLock: "
               "a host that speaks it gets a slot of its group before it reboots, unless a lock holds it, and whoever takes a lock waits for it to be back.",
    .examples = "  $ tagout serve --listen 198.18.0.1:4281 --slots web=2,default=1\n",
    .opts = opts,
    .max_args = 0,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_serve,
};
