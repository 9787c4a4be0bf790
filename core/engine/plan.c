/* A plan, its digest, and plans as JSON: see plan.h. plan_compile.c makes them. */
#include "engine/plan_internal.h"

#include "base/sha256.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tg_plan_free(struct tg_plan *plan)
{
    if (!plan)
        return;
    tg_plan_windows_drop(plan);
    for (size_t i = 0; i < plan->n_hosts; i++) {
        free(plan->hosts[i].name);
        free(plan->hosts[i].address);
        free(plan->hosts[i].user);
    }
    for (size_t i = 0; i < plan->n_stages; i++) {
        free(plan->stages[i].name);
        free(plan->stages[i].only);
    }
    for (size_t i = 0; i < plan->n_around; i++)
        tg_around_release(&plan->around[i]);
    for (size_t i = 0; i < plan->n_verify; i++)
        tg_verify_release(&plan->verify[i]);
    free(plan->hosts);
    free(plan->stages);
    free(plan->around);
    free(plan->verify);
    free(plan->name);
    free(plan->driver);
    free(plan->transport);
    free(plan->targets);
    json_decref(plan->change);
    json_decref(plan->rollback);
    free(plan->undoes);
    free(plan->mends);
    tg_plan_limits_release(plan);
    free(plan->windows_why);
    free(plan);
}

/* A host of which only the name is known is a string, so that the plan of a large fleet stays small. */
static json_t *host_json(const struct tg_plan_host *h)
{
    if (!h->address && !h->user && !h->port)
        return json_string(h->name);
    json_t *o = json_pack("{s:s}", "name", h->name);
    if (h->address)
        json_object_set_new(o, "address", json_string(h->address));
    if (h->user)
        json_object_set_new(o, "user", json_string(h->user));
    if (h->port)
        json_object_set_new(o, "port", json_integer(h->port));
    return o;
}

static void add_field(struct tg_sha256 *h, const char *text)
{
    tg_sha256_add(h, text ? text : "", strlen(text ? text : "") + 1);
}

static void add_domains(struct tg_sha256 *h, const struct tg_plan *plan, size_t host)
{
    for (size_t l = 0; l < plan->n_limits; l++) {
        uint32_t d = plan->domain_of[host * plan->n_limits + l];
        for (unsigned shift = 0; shift < 32; shift += 8)
            tg_sha256_add(h, &(const unsigned char) {(unsigned char) (d >> shift & 0xffU)}, 1);
    }
}

/* The digest of a stage's hosts: of a million of them, the JSON would take longer, and more memory, than all the rest of a plan. */
static json_t *hosts_digest(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    struct tg_sha256 h;
    char port[16], hex[TG_SHA256_HEX];

    tg_sha256_init(&h);
    for (size_t i = s->first; i < s->first + s->count; i++) {
        add_field(&h, plan->hosts[i].name);
        add_field(&h, plan->hosts[i].address);
        add_field(&h, plan->hosts[i].user);
        snprintf(port, sizeof port, "%d", plan->hosts[i].port);
        add_field(&h, port);
        if (plan->domain_of)
            add_domains(&h, plan, i);
    }
    tg_sha256_end_hex(&h, hex);
    return json_string(hex);
}

static json_t *hosts_json(const struct tg_plan *plan, const struct tg_plan_stage *s)
{
    json_t *hosts = json_array();

    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(hosts, host_json(&plan->hosts[s->first + i]));
    return hosts;
}

/* What body_json() is made for. */
enum purpose { TO_KEEP, TO_SEAL };

static json_t *stage_json(const struct tg_plan *plan, const struct tg_plan_stage *s, enum purpose purpose)
{
    char rate[32];

    tg_rate_format(&s->rate, rate, sizeof rate);
    return json_pack("{s:s,s:b,s:I,s:s,s:I,s:I,s:b,s:o,s:o,s:o,s:o}", "name", s->name, "dry_run", s->dry_run, "bake_ms", (json_int_t) s->bake_ms, "rate", rate, "day",
                     (json_int_t) s->day, "spread_ms", (json_int_t) s->spread_ms, "over_window", (int) s->over_window, "policy",
                     tg_stage_policy_json(&s->policy), "hosts",
                     purpose == TO_SEAL ? hosts_digest(plan, s) : hosts_json(plan, s), "domains",
                     purpose == TO_SEAL ? json_null() : tg_plan_domains_json(plan, s), "windows",
                     purpose == TO_SEAL ? json_null() : tg_plan_window_of_json(plan, s));
}

static json_t *around_json(const struct tg_around *a)
{
    json_t *hold;

    if (a->kind == TG_AROUND_MODULE)
        return json_pack("{s:{s:O}}", tg_around_what_name(a->what), a->module, a->params);
    hold = json_array();
    for (size_t i = 0; i < a->n_hold; i++)
        json_array_append_new(hold, json_string(a->hold[i]));
    return json_pack("{s:{s:o}}", "lock", "hold", hold);
}

static json_t *verify_json(const struct tg_verify *v)
{
    json_t *argv;

    switch (v->kind) {
    case TG_VERIFY_HTTP:
        return json_pack("{s:s,s:O,s:I}", "http", v->url, "options", v->options, "within_ms", (json_int_t) v->within_ms);
    case TG_VERIFY_TCP:
        return json_pack("{s:s,s:I}", "tcp", v->url, "within_ms", (json_int_t) v->within_ms);
    case TG_VERIFY_METRIC:
        return json_pack("{s:s,s:s,s:O,s:I,s:I}", "metric", v->query, "at", v->url, "options", v->options, "after_ms", (json_int_t) v->after_ms,
                         "within_ms", (json_int_t) v->within_ms);
    case TG_VERIFY_REPORT:
        return json_pack("{s:s,s:I}", "report", "unchanged", "within_ms", (json_int_t) v->within_ms);
    case TG_VERIFY_COMMAND:
    default:
        argv = json_array();
        for (size_t i = 0; v->argv[i]; i++)
            json_array_append_new(argv, json_string(v->argv[i]));
        return json_pack("{s:o,s:I}", "command", argv, "within_ms", (json_int_t) v->within_ms);
    }
}

/* null, or {"days":"Mon-Thu","from":540,"until":960,"zone":"UTC"}: minutes of the day. */
static json_t *hours_json(const struct tg_hours *h)
{
    char days[32];

    tg_hours_days_format(h->days, days, sizeof days);
    return h->days ? json_pack("{s:s,s:i,s:i,s:s}", "days", days, "from", h->from_min, "until", h->until_min, "zone", h->zone) : json_null();
}

/* All but the digest; NULL when memory is short. */
static json_t *body_json(const struct tg_plan *plan, enum purpose purpose)
{
    json_t *stages = json_array(), *around = json_array(), *verify = json_array();
    char failed[32];
    int rc = 0;

    tg_share_format(&plan->failed, failed, sizeof failed);
    for (size_t i = 0; i < plan->n_stages; i++)
        rc |= json_array_append_new(stages, stage_json(plan, &plan->stages[i], purpose));
    for (size_t i = 0; i < plan->n_around; i++)
        rc |= json_array_append_new(around, around_json(&plan->around[i]));
    for (size_t i = 0; i < plan->n_verify; i++)
        rc |= json_array_append_new(verify, verify_json(&plan->verify[i]));
    json_t *body = json_pack("{s:i,s:s,s:s,s:O,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:o,s:s,s:I,s:o,s:I,s:o,s:o,s:o,s:o,s:o}", "format", TG_PLAN_FORMAT, "rollout",
                             plan->name, "driver", plan->driver, "change", plan->change, "transport", plan->transport, "targets",
                             plan->targets, "n_targets", (json_int_t) plan->n_targets, "n_left", (json_int_t) plan->n_left,
                             "running", (json_int_t) plan->running, "unverified", (json_int_t) plan->unverified, "down",
                             plan->ignore_gone ? "ignore" : "count", "limits",
                             tg_plan_limits_json(plan), "failed", failed, "of_at_least",
                             (json_int_t) plan->of_at_least, "hours", hours_json(&plan->hours), "estimate_ms", (json_int_t) plan->estimate_ms, "policy", tg_plan_policy_json(plan),
                             "stages", stages, "around", around, "verify", verify, "windows", tg_plan_windows_json(plan, purpose == TO_KEEP));
    if (rc) {
        json_decref(body);
        return NULL;
    }
    return body;
}

json_t *tg_plan_sealed_json(const struct tg_plan *plan)
{
    return body_json(plan, TO_SEAL);
}

int tg_plan_seal(struct tg_plan *plan, struct tg_error *e)
{
    json_t *body = body_json(plan, TO_SEAL);
    int rc = body ? tg_sha256_json(body, plan->digest) : -1;

    json_decref(body);
    return rc ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

json_t *tg_plan_to_json(const struct tg_plan *plan, struct tg_error *e)
{
    json_t *json = body_json(plan, TO_KEEP);

    if (!json || json_object_set_new(json, "digest", json_string(plan->digest))) {
        json_decref(json);
        tg_fail(e, TG_E_MEMORY, "out of memory");
        return NULL;
    }
    return json;
}

static int broken(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "the plan is damaged: %s", what);
}

static bool take_text(const char *text, char **slot)
{
    return !text || (*slot = strdup(text)) != NULL;
}

static int read_host(const json_t *json, struct tg_plan_host *h, struct tg_error *e)
{
    const char *name = json_string_value(json), *address = NULL, *user = NULL;
    char checked[TG_HOST_NAME_SIZE];

    *h = (struct tg_plan_host) {0};
    if (!name && json_unpack((json_t *) json, "{s:s,s?s,s?s,s?i!}", "name", &name, "address", &address, "user", &user, "port", &h->port))
        return broken(e, "a host");
    if (h->port < 0 || h->port > 65535 || tg_host_name(name, strlen(name), checked, NULL) || strcmp(name, checked) != 0)
        return broken(e, "a host's name or port");
    if (!take_text(name, &h->name) || !take_text(address, &h->address) || !take_text(user, &h->user))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return 0;
}

static int read_stage(const json_t *json, struct tg_plan *plan, struct tg_plan_stage *s, struct tg_error *e)
{
    const char *name, *rate;
    json_t *hosts, *domains, *policy, *windows;
    json_int_t bake_ms, day, spread_ms;
    int dry_run, over_window, rc = 0;

    *s = (struct tg_plan_stage) {.first = plan->n_hosts};
    if (json_unpack((json_t *) json, "{s:s,s:b,s:I,s:s,s:I,s:I,s:b,s:o,s:o,s:o,s:o!}", "name", &name, "dry_run", &dry_run, "bake_ms", &bake_ms, "rate", &rate, "day", &day,
                    "spread_ms", &spread_ms, "over_window", &over_window, "hosts", &hosts,
                    "domains", &domains, "policy", &policy, "windows", &windows) ||
        !json_is_array(hosts) || bake_ms < 0 || day < 0 || spread_ms < 0 || spread_ms > TG_SPREAD_MAX_MS || (rate[0] && !tg_rate_parse(rate, &s->rate)))
        return broken(e, "a stage");
    s->dry_run = dry_run;
    s->over_window = over_window;
    s->bake_ms = bake_ms;
    s->day = day;
    s->spread_ms = spread_ms;
    if ((rc = tg_stage_policy_read(policy, &s->policy, e)) != 0)
        return rc;
    if (!take_text(name, &s->name))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < json_array_size(hosts); i++) {
        rc = read_host(json_array_get(hosts, i), &plan->hosts[plan->n_hosts++], e);
        s->count++;
    }
    if (!rc)
        rc = tg_plan_domains_read(plan, s, domains, e);
    return rc ? rc : tg_plan_window_of_read(plan, s, windows, e);
}

static int read_stages(const json_t *stages, struct tg_plan *plan, struct tg_error *e)
{
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < json_array_size(stages); i++)
        n += json_array_size(json_object_get(json_array_get(stages, i), "hosts"));
    plan->hosts = calloc(n ? n : 1, sizeof *plan->hosts);
    plan->stages = calloc(json_array_size(stages) + 1, sizeof *plan->stages);
    plan->domain_of = plan->n_limits ? malloc((n ? n : 1) * plan->n_limits * sizeof *plan->domain_of) : NULL;
    plan->window_of = plan->n_windows ? malloc((n ? n : 1) * sizeof *plan->window_of) : NULL;
    if (!plan->hosts || !plan->stages || (plan->n_limits && !plan->domain_of) || (plan->n_windows && !plan->window_of))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < json_array_size(stages); i++)
        rc = read_stage(json_array_get(stages, i), plan, &plan->stages[plan->n_stages++], e);
    return rc;
}

/* A list of strings, NULL-terminated; what is there so far is the owner's also on failure. */
static int read_words(const json_t *json, char ***out, size_t *out_n, struct tg_error *e)
{
    size_t n = json_array_size(json);
    char **list = calloc(n + 1, sizeof *list);

    *out = list;
    *out_n = 0;
    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(json, i));
        if (!word)
            return broken(e, "a word");
        if (!(list[i] = strdup(word)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        *out_n = i + 1;
    }
    return 0;
}

/* {"drain": {"haproxy": …}} */
static int read_module(const json_t *json, struct tg_around *a, struct tg_error *e)
{
    void *step = json_object_iter((json_t *) json), *module = step ? json_object_iter(json_object_iter_value(step)) : NULL;
    int what = 0;

    while (step && what < TG_AROUND_WHATS && strcmp(json_object_iter_key(step), tg_around_what_name((enum tg_around_what) what)) != 0)
        what++;
    if (!module || what == TG_AROUND_WHATS || json_object_size(json) != 1 || json_object_size(json_object_iter_value(step)) != 1)
        return broken(e, "a step of around");
    a->kind = TG_AROUND_MODULE;
    a->what = (enum tg_around_what) what;
    a->params = json_incref(json_object_iter_value(module));
    return take_text(json_object_iter_key(module), &a->module) ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* The lock is the first, and the only one. */
static int read_around(const json_t *json, size_t i, struct tg_around *a, struct tg_error *e)
{
    json_t *hold;

    *a = (struct tg_around) {.kind = TG_AROUND_LOCK};
    if (i > 0)
        return read_module(json, a, e);
    if (json_unpack((json_t *) json, "{s:{s:o!}!}", "lock", "hold", &hold) || !json_is_array(hold))
        return broken(e, "a step of around");
    return json_array_size(hold) ? read_words(hold, &a->hold, &a->n_hold, e) : 0;
}

static enum tg_verify_kind verify_kind(const char *http, const char *tcp, const char *query, const char *report)
{
    return http ? TG_VERIFY_HTTP : tcp ? TG_VERIFY_TCP : query ? TG_VERIFY_METRIC : report ? TG_VERIFY_REPORT : TG_VERIFY_COMMAND;
}

static int read_verify(const json_t *json, struct tg_verify *v, struct tg_error *e)
{
    const char *http = NULL, *tcp = NULL, *at = NULL, *query = NULL, *report = NULL;
    json_t *options = NULL, *command = NULL;
    json_int_t within_ms, after_ms = 0;
    size_t n;

    *v = (struct tg_verify) {0};
    if (json_unpack((json_t *) json, "{s?s,s?s,s?s,s?s,s?s,s?o,s?o,s?I,s:I!}", "http", &http, "tcp", &tcp, "report", &report, "metric", &query, "at",
                    &at, "options", &options, "command", &command, "after_ms", &after_ms, "within_ms", &within_ms) ||
        !!http + !!tcp + !!report + !!query + !!command != 1 || (report && strcmp(report, "unchanged") != 0) ||
        (command && json_array_size(command) == 0) || within_ms < 0 || after_ms < 0 || !query != !at || (!query && after_ms) || (query && !json_is_object(options)))
        return broken(e, "a check of verify");
    v->within_ms = within_ms;
    v->after_ms = after_ms;
    v->kind = verify_kind(http, tcp, query, report);
    v->options = options ? json_incref(options) : NULL;
    if (!take_text(http ? http : tcp ? tcp : at, &v->url) || !take_text(query, &v->query))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return command ? read_words(command, &v->argv, &n, e) : 0;
}

static int read_steps(const json_t *around, const json_t *verify, struct tg_plan *plan, struct tg_error *e)
{
    int rc = 0;

    plan->around = calloc(json_array_size(around) + 1, sizeof *plan->around);
    plan->verify = calloc(json_array_size(verify) + 1, sizeof *plan->verify);
    if (!plan->around || !plan->verify)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (json_array_size(around) > TG_AROUND_MAX)
        return broken(e, "too many steps of around");
    for (size_t i = 0; !rc && i < json_array_size(around); i++)
        rc = read_around(json_array_get(around, i), i, &plan->around[plan->n_around++], e);
    for (size_t i = 0; !rc && i < json_array_size(verify); i++)
        rc = read_verify(json_array_get(verify, i), &plan->verify[plan->n_verify++], e);
    return rc;
}

static int read_hours(const json_t *json, struct tg_hours *h, struct tg_error *e)
{
    const char *days, *zone;

    if (json_is_null(json))
        return 0;
    if (json_unpack((json_t *) json, "{s:s,s:i,s:i,s:s!}", "days", &days, "from", &h->from_min, "until", &h->until_min, "zone", &zone) ||
        !tg_hours_days_parse(days, strlen(days), &h->days) || h->from_min < 0 || h->from_min > 1439 || h->until_min < 1 || h->until_min > 1440 ||
        h->from_min == h->until_min || strlen(zone) >= sizeof h->zone)
        return broken(e, "its hours");
    memcpy(h->zone, zone, strlen(zone) + 1);
    return 0;
}

static int read_body(const json_t *json, struct tg_plan *plan, struct tg_error *e)
{
    const char *name, *driver, *transport, *targets, *failed, *digest, *down;
    json_int_t n_targets, n_left, running, unverified, of_at_least, estimate_ms;
    json_t *change, *limits, *hours, *policy, *stages, *around, *verify, *windows;
    int format;

    if (json_unpack((json_t *) json, "{s:i,s:s,s:s,s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:o,s:s,s:I,s:o,s:I,s:o,s:o,s:o,s:o,s:o!}", "format", &format, "digest",
                    &digest, "rollout", &name, "driver", &driver, "change", &change, "transport", &transport, "targets", &targets,
                    "n_targets", &n_targets, "n_left", &n_left, "running", &running, "unverified", &unverified, "down", &down, "limits", &limits, "failed", &failed, "of_at_least", &of_at_least,
                    "hours", &hours, "estimate_ms", &estimate_ms, "policy", &policy, "stages", &stages, "around", &around, "verify", &verify, "windows", &windows))
        return broken(e, "something is missing, or is there that we don't know");
    if (n_targets < 0 || n_left < 0 || running < 1 || unverified < running || of_at_least < 0 || estimate_ms < 0 || !tg_share_parse(failed, &plan->failed) ||
        !json_is_array(stages) || !json_is_array(around) || !json_is_array(verify) || (strcmp(down, "count") != 0 && strcmp(down, "ignore") != 0))
        return broken(e, "a number, a word or a list");
    plan->ignore_gone = strcmp(down, "ignore") == 0;
    plan->n_targets = (size_t) n_targets;
    plan->n_left = (size_t) n_left;
    plan->running = running;
    plan->unverified = unverified;
    plan->of_at_least = of_at_least;
    plan->estimate_ms = estimate_ms;
    plan->change = json_incref(change);
    if (!take_text(name, &plan->name) || !take_text(driver, &plan->driver) || !take_text(transport, &plan->transport) ||
        !take_text(targets, &plan->targets))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_plan_limits_read(plan, limits, e);
    if (!rc)
        rc = read_hours(hours, &plan->hours, e);
    if (!rc)
        rc = tg_plan_policy_read(policy, plan, e);
    if (!rc)
        rc = tg_plan_windows_read(plan, windows, e);
    if (!rc)
        rc = read_stages(stages, plan, e);
    return rc ? rc : read_steps(around, verify, plan, e);
}

/* The format first: of another one we know nothing, not even how its digest is made. */
static int check_format(const json_t *json, struct tg_error *e)
{
    const json_t *format = json_object_get(json, "format");

    json_int_t is = json_integer_value(format);
    bool older = is < TG_PLAN_FORMAT;

    if (!json_is_integer(format))
        return broken(e, "it does not say which format it has");
    if (is == TG_PLAN_FORMAT)
        return 0;
    tg_fail(e, TG_E_DATA, "the plan has the %s format %lld, this tagout reads format %d", older ? "older" : "newer", (long long) is, TG_PLAN_FORMAT);
    tg_error_hint(e, older ? "plan again: tagout plan FILE; a run that was begun with it is brought to its end by the tagout that began it"
                           : "use the tagout that made it, or plan again with this one: tagout plan FILE");
    return TG_E_DATA;
}

/* Whether the digest that was kept is that of what was read. */
static int check_seal(struct tg_plan *plan, const char *kept, struct tg_error *e)
{
    int rc = tg_plan_seal(plan, e);

    if (rc || (kept && strcmp(kept, plan->digest) == 0))
        return rc;
    tg_fail(e, TG_E_DATA, "the plan's digest does not match what is in it: it was changed after it was made");
    tg_error_hint(e, "make the plan again");
    return TG_E_DATA;
}

int tg_plan_from_json(const json_t *json, struct tg_plan **out, struct tg_error *e)
{
    struct tg_plan *plan;
    int rc = check_format(json, e);

    if (rc)
        return rc;
    plan = calloc(1, sizeof *plan);
    rc = plan ? read_body(json, plan, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = tg_plan_bounds(plan, e);
    if (!rc)
        rc = check_seal(plan, json_string_value(json_object_get(json, "digest")), e);
    if (rc) {
        tg_plan_free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}
