/* Reading a rollout: how a host is verified. */
#include "engine/rollout_internal.h"

#include <stdlib.h>
#include <string.h>

#define WITHIN_MS 30000
#define AFTER_MS 60000 /* Prometheus scrapes once a minute unless told otherwise: by then one value is newer than the change */
#define WORD_MAX 4000 /* of a request a driver takes words of 4,095 bytes */
#define URL_MAX 2000
#define TCP_MAX 320 /* a name has 253 */
#define QUERY_MAX 2000 /* a URL of 8 KB is what servers take, and each byte may become three */

enum verify_key { HTTP, COMMAND, TCP, REPORT, METRIC, WITHIN, EXPECT, CONTAINS, FOLLOW, AT, BELOW, ABOVE, RISE, FALL, AFTER, N_VERIFY_KEYS };
static const struct tg_yaml_key verify_keys[] = {
    [HTTP] = {.name = "http"},     [COMMAND] = {.name = "command"},   [TCP] = {.name = "tcp"},       [METRIC] = {.name = "metric"},
    [REPORT] = {.name = "report"},
    [WITHIN] = {.name = "within"}, [EXPECT] = {.name = "expect"},     [CONTAINS] = {.name = "contains"}, [FOLLOW] = {.name = "follow"},
    [AT] = {.name = "at"},         [BELOW] = {.name = "below"},       [ABOVE] = {.name = "above"},   [RISE] = {.name = "rise"},
    [FALL] = {.name = "fall"},     [AFTER] = {.name = "after"},       [N_VERIFY_KEYS] = {.name = NULL},
};

/* Of the keys that only one kind of check has. */
static enum verify_key owner_of(enum verify_key key)
{
    return key >= AT ? METRIC : HTTP;
}

static bool is_ours(const char *at)
{
    return strncmp(at, "{host}", 6) == 0 || strncmp(at, "{address}", 9) == 0;
}

static bool is_of_queries(const char *at)
{
    return is_ours(at) || strncmp(at, TG_VERIFY_UNCHANGED, strlen(TG_VERIFY_UNCHANGED)) == 0;
}

/* {host} and {address} are replaced; any other name in braces is a mistake that would reach the host as it is. */
static void check_names(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, const char *text)
{
    const char *at = strchr(text, '{');

    while (at && is_ours(at))
        at = strchr(at + 1, '{');
    if (at)
        tg_error_hint(tg_yaml_problem(reader->p, node, "%s has an unknown \"%.*s\"", what, (int) strcspn(at, "}") + 1, at),
                      "there are {host} and {address}");
}

/* PromQL has braces of its own, but no word alone in them. */
static void check_query(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *query)
{
    for (const char *at = strchr(query, '{'); at; at = strchr(at + 1, '{')) {
        size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
        if (n > 0 && at[1 + n] == '}' && !is_of_queries(at)) {
            tg_error_hint(tg_yaml_problem(reader->p, node, "metric has an unknown \"%.*s\"", (int) n + 2, at),
                          "there are {host}, {address} and " TG_VERIFY_UNCHANGED);
            return;
        }
    }
}

static bool is_port(const char *digits, size_t n)
{
    long port = n && n <= 5 && strspn(digits, "0123456789") >= n ? strtol(digits, NULL, 10) : 0;

    return port >= 1 && port <= 65535;
}

/* "http://user@[2001:db8::1]:8080/": a port that is none is refused before a host is changed, and not by each of them behind that. */
static void check_port(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, const char *url)
{
    const char *host = strstr(url, "://") + 3, *end = host + strcspn(host, "/?#");

    for (const char *c = host; c < end; c++)
        if (*c == '@')
            host = c + 1;
    const char *behind = *host == '[' ? memchr(host, ']', (size_t) (end - host)) : host;
    const char *colon = behind ? memchr(behind, ':', (size_t) (end - behind)) : NULL;
    if (end == host || !behind)
        tg_yaml_problem(reader->p, node, "%s has no host in its URL", what);
    else if (colon && !is_port(colon + 1, (size_t) (end - colon - 1)))
        tg_yaml_problem(reader->p, node, "%s has a port that is none, \"%.*s\": there are 1 to 65535", what, (int) (end - colon - 1 < 20 ? end - colon - 1 : 20), colon + 1);
}

static void read_url(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, const char *such, struct tg_verify *v)
{
    const char *url;

    if (!tg_yaml_string(node, what, reader->p, &url))
        return;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "%s must be a URL, and is \"%.80s\"", what, url), "such as %s", such);
    else
        check_port(reader, node, what, url);
    if (strlen(url) > URL_MAX)
        tg_yaml_problem(reader->p, node, "%s has a URL of more than %d bytes", what, URL_MAX);
    if (url[strcspn(url, " \t\n")])
        tg_yaml_problem(reader->p, node, "%s has a blank in its URL", what);
    check_names(reader, node, what, url);
    tg_rollout_copy(reader, url, &v->url);
}

static void read_expect(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, json_t *options)
{
    json_t *list = json_array();
    int64_t status;

    if (node && node->kind == TG_YAML_LIST && node->n == 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "expect names no status"), "leave it out for 200");
    else if (node && tg_rollout_few_enough(reader, node, "expect", 16))
        for (size_t i = 0; i == 0 || (node->kind == TG_YAML_LIST && i < node->n); i++)
            if (tg_yaml_int(tg_yaml_item(node, i), "expect", 100, 599, reader->p, &status))
                json_array_append_new(list, json_integer(status));
    if (json_array_size(list) == 1)
        json_object_set(options, "expect", json_array_get(list, 0));
    else if (json_array_size(list) > 1)
        json_object_set(options, "expect", list);
    json_decref(list);
}

static void read_http(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v)
{
    const char *contains;
    bool follow = false;

    v->options = json_object();
    read_url(reader, values[HTTP], "http", "http://{host}:8080/healthz", v);
    read_expect(reader, values[EXPECT], v->options);
    if (tg_yaml_string(values[CONTAINS], "contains", reader->p, &contains))
        json_object_set_new(v->options, "contains", json_string(contains));
    if (tg_yaml_bool(values[FOLLOW], "follow", reader->p, &follow))
        json_object_set_new(v->options, "follow", json_boolean(follow));
}

static void read_command(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v)
{
    const struct tg_yaml_node *node = values[COMMAND];
    size_t n;

    if (!tg_yaml_strings(node, "command", reader->p, &n) || !tg_rollout_few_enough(reader, node, "command", TG_REQUEST_ARGS_MAX))
        return;
    if (n == 0 || (node->kind == TG_YAML_SCALAR && strpbrk(node->text, " \t\n"))) {
        tg_error_hint(tg_yaml_problem(reader->p, node, "command must be a list: program and arguments, no shell reads it"),
                      "such as [systemctl, is-active, nginx]");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (strlen(tg_yaml_item(node, i)->text) > WORD_MAX)
            tg_yaml_problem(reader->p, tg_yaml_item(node, i), "command has a word of more than %d bytes", WORD_MAX);
    v->argv = tg_rollout_room(reader, n + 1, sizeof *v->argv);
    for (size_t i = 0; v->argv && !reader->rc && i < n; i++)
        tg_rollout_copy(reader, tg_yaml_item(node, i)->text, &v->argv[i]);
}

/* The tool is asked what it would still change. */
static void read_report(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v)
{
    const struct tg_yaml_node *node = values[REPORT];
    const char *what;

    (void) v;
    if (!tg_yaml_string(node, "report", reader->p, &what))
        return;
    if (strcmp(what, "unchanged") != 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "report must be \"unchanged\", and is \"%.40s\"", what),
                      "the tool's dry-run after the change must find nothing left to change");
    if (reader->driver && !(reader->driver->verbs & (1U << TG_VERB_DRY_RUN)))
        tg_yaml_problem(reader->p, node, "%s has no dry-run to report by", reader->driver->name);
}

/* "{host}:5432", "[2001:db8::1]:22" */
static bool is_endpoint(const char *text)
{
    const char *colon = strrchr(text, ':');

    return colon && colon > text && is_port(colon + 1, strlen(colon + 1)) && strlen(text) <= TCP_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]{}") == strlen(text) &&
           (text[0] == '[' ? colon[-1] == ']' : strchr(text, ':') == colon);
}

static void read_tcp(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v)
{
    const char *to;

    if (!tg_yaml_string(values[TCP], "tcp", reader->p, &to))
        return;
    if (!is_endpoint(to))
        tg_error_hint(tg_yaml_problem(reader->p, values[TCP], "tcp must be a host and a port, and is \"%.80s\"", to), "such as \"{host}:5432\"");
    check_names(reader, values[TCP], "tcp", to);
    tg_rollout_copy(reader, to, &v->url);
}

/* The shape of a number is JSON's: 5, 0.99, -1e6. */
static void read_number(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, enum verify_key key, json_t *options)
{
    const char *text;
    json_t *number;

    if (!tg_yaml_string(values[key], verify_keys[key].name, reader->p, &text))
        return;
    number = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    if (json_is_real(number))
        json_object_set(options, verify_keys[key].name, number);
    else
        tg_yaml_problem(reader->p, values[key], "%s must be a number, and is \"%.40s\"", verify_keys[key].name, text);
    json_decref(number);
}

static void read_change(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, enum verify_key key, json_t *options)
{
    struct tg_share share;

    if (!tg_yaml_share(values[key], verify_keys[key].name, reader->p, &share))
        return;
    if (share.kind == TG_SHARE_PERCENT)
        json_object_set_new(options, verify_keys[key].name, json_integer(share.value));
    else
        tg_error_hint(tg_yaml_problem(reader->p, values[key], "%s must be a percentage, and is \"%.40s\"", verify_keys[key].name, values[key]->text),
                      "of what it was before the change, such as 20%%");
}

static void read_metric(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v)
{
    const struct tg_yaml_node *node = values[METRIC];
    const char *query;

    v->after_ms = AFTER_MS;
    v->options = json_object();
    if (tg_yaml_string(node, "metric", reader->p, &query)) {
        if (strlen(query) > QUERY_MAX)
            tg_yaml_problem(reader->p, node, "metric has more than %d bytes", QUERY_MAX);
        check_query(reader, node, query);
        tg_rollout_copy(reader, query, &v->query);
    }
    if (!values[AT])
        tg_error_hint(tg_yaml_problem(reader->p, node, "metric has no \"at\""), "such as at: http://prometheus:9090");
    read_url(reader, values[AT], "at", "http://prometheus:9090", v);
    for (enum verify_key key = BELOW; key <= ABOVE; key++)
        read_number(reader, values, key, v->options);
    const json_t *below = json_object_get(v->options, "below"), *above = json_object_get(v->options, "above");
    if (below && above && json_number_value(below) <= json_number_value(above))
        tg_yaml_problem(reader->p, values[BELOW], "no number is below %.40s and above %.40s", values[BELOW]->text, values[ABOVE]->text);
    for (enum verify_key key = RISE; key <= FALL; key++)
        read_change(reader, values, key, v->options);
    tg_yaml_duration(values[AFTER], "after", 0, TG_VERIFY_MAX_MS, reader->p, &v->after_ms);
    if (!values[BELOW] && !values[ABOVE] && !values[RISE] && !values[FALL])
        tg_error_hint(tg_yaml_problem(reader->p, node, "metric is compared with nothing"), "with below, above, rise or fall");
}

static const struct kind {
    enum tg_verify_kind kind;
    void (*read)(struct tg_rollout_reader *reader, const struct tg_yaml_node *const *values, struct tg_verify *v);
} kinds[] = {
    [HTTP] = {TG_VERIFY_HTTP, read_http},
    [COMMAND] = {TG_VERIFY_COMMAND, read_command},
    [TCP] = {TG_VERIFY_TCP, read_tcp},
    [METRIC] = {TG_VERIFY_METRIC, read_metric},
    [REPORT] = {TG_VERIFY_REPORT, read_report},
};

static void read_check(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_verify *v)
{
    const struct tg_yaml_node *values[N_VERIFY_KEYS];
    enum verify_key which = N_VERIFY_KEYS;
    int n = 0;

    v->within_ms = WITHIN_MS;
    tg_yaml_fields(node, "a check of verify", verify_keys, reader->p, values);
    tg_yaml_duration(values[WITHIN], "within", 1000, TG_VERIFY_MAX_MS, reader->p, &v->within_ms);
    for (enum verify_key key = HTTP; key <= METRIC; key++)
        if (values[key]) {
            which = key;
            n++;
        }
    if (n != 1) {
        if (node->kind == TG_YAML_MAP)
            tg_yaml_problem(reader->p, node, "a check of verify has http, tcp, command, report or metric%s", n ? ", one of them" : "");
        return;
    }
    for (enum verify_key key = EXPECT; key < N_VERIFY_KEYS; key++)
        if (values[key] && owner_of(key) != which)
            tg_yaml_problem(reader->p, values[key], "\"%s\" belongs to %s, not to %s", verify_keys[key].name, verify_keys[owner_of(key)].name,
                            verify_keys[which].name);
    v->kind = kinds[which].kind;
    kinds[which].read(reader, values, v);
}

void tg_rollout_read_verify(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;

    if (!node || !tg_yaml_is_list(node, "verify", reader->p) || !tg_rollout_few_enough(reader, node, "verify", TG_STEPS_MAX))
        return;
    r->verify = tg_rollout_room(reader, node->n, sizeof *r->verify);
    for (uint32_t i = 0; r->verify && i < node->n; i++)
        read_check(reader, node->items[i], &r->verify[r->n_verify++]);
}
