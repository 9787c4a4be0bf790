/* Reading a rollout: what is done around the change of a host, and how the host is verified. */
#include "engine/rollout_internal.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 32
#define HOLD_MAX 32
#define ARGV_MAX 64
#define WITHIN_MS 30000
#define WITHIN_MAX_MS 3600000

enum around_key { LOCK };
/* The ones of later versions are known, so that nobody takes them for a typing mistake, or believes that they happen. */
static const struct tg_yaml_key around_keys[] = {
    [LOCK] = {.name = "lock"},
    {.name = "drain", .later = true},
    {.name = "silence", .later = true},
    {.name = "snapshot", .later = true},
    {.name = NULL},
};
#define N_AROUND_KEYS (sizeof around_keys / sizeof around_keys[0] - 1)

static const struct tg_yaml_key lock_keys[] = {{.name = "hold"}, {.name = NULL}};

enum verify_key { HTTP, COMMAND, EXPECT, CONTAINS, FOLLOW, WITHIN };
static const struct tg_yaml_key verify_keys[] = {
    [HTTP] = {.name = "http"},         [COMMAND] = {.name = "command"}, [EXPECT] = {.name = "expect"},
    [CONTAINS] = {.name = "contains"}, [FOLLOW] = {.name = "follow"},   [WITHIN] = {.name = "within"},
    {.name = NULL},
};
#define N_VERIFY_KEYS (sizeof verify_keys / sizeof verify_keys[0] - 1)

static bool few_enough(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, size_t max)
{
    if (node->kind != TG_YAML_LIST || node->n <= max)
        return true;
    tg_yaml_problem(reader->p, node, "%s has more than %zu entries", what, max);
    return false;
}

static void read_lock(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_around *a)
{
    const struct tg_yaml_node *hold = NULL;
    const char *actor;
    size_t n;

    a->kind = TG_AROUND_LOCK;
    if (!tg_yaml_is_null(node))
        tg_yaml_fields(node, "lock", lock_keys, reader->p, &hold);
    if (!tg_yaml_strings(hold, "hold", reader->p, &n) || !few_enough(reader, hold, "hold", HOLD_MAX))
        return;
    if (n == 0) {
        tg_error_hint(tg_yaml_problem(reader->p, hold, "hold names no actor"), "leave it out to hold all automation");
        return;
    }
    a->hold = tg_rollout_room(reader, n, sizeof *a->hold);
    for (size_t i = 0; a->hold && i < n; i++)
        if (tg_rollout_word(reader, tg_yaml_item(hold, i), "hold", &actor) && !reader->rc)
            tg_rollout_copy(reader, actor, &a->hold[a->n_hold++]);
}

static void read_step(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *values[N_AROUND_KEYS], *value = NULL, *place = node;
    struct tg_rollout *r = reader->r;

    if (node->kind != TG_YAML_SCALAR || strcmp(node->text, "lock") != 0) { /* "- lock" needs no parameters */
        const struct tg_yaml_pair *pair = tg_yaml_single(node, "a step of around", reader->p);
        if (!pair || !tg_yaml_fields(node, "around", around_keys, reader->p, values))
            return;
        value = pair->value;
        place = pair->key;
    }
    if (r->n_around > 0) {
        tg_yaml_problem(reader->p, place, "a second lock: one holds the host already");
        return;
    }
    read_lock(reader, value, &r->around[r->n_around++]);
}

void tg_rollout_read_around(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;
    size_t n = 0;

    if (node && tg_yaml_is_list(node, "around", reader->p) && few_enough(reader, node, "around", STEPS_MAX))
        n = node->n;
    r->around = tg_rollout_room(reader, n + 1, sizeof *r->around);
    if (!r->around)
        return;
    for (size_t i = 0; i < n; i++)
        read_step(reader, node->items[i]);
    if (r->n_around == 0)
        r->around[r->n_around++] = (struct tg_around) {.kind = TG_AROUND_LOCK}; /* P5: never without a lock */
}

/* {host} and {address} are replaced; any other name in braces is a mistake that would reach the host as it is. */
static void check_url(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *url)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        tg_error_hint(tg_yaml_problem(reader->p, node, "http must be a URL, and is \"%.80s\"", url),
                      "such as http://{host}:8080/healthz");
    if (url[strcspn(url, " \t\n")])
        tg_yaml_problem(reader->p, node, "http has a blank in its URL");
    for (const char *at = strchr(url, '{'); at; at = strchr(at + 1, '{'))
        if (strncmp(at, "{host}", 6) != 0 && strncmp(at, "{address}", 9) != 0) {
            tg_error_hint(tg_yaml_problem(reader->p, node, "http has an unknown \"%.*s\"", (int) strcspn(at, "}") + 1, at),
                          "there are {host} and {address}");
            return;
        }
}

static void read_expect(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, json_t *options)
{
    json_t *list = json_array();
    int64_t status;

    if (node && few_enough(reader, node, "expect", 16))
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
    const char *url, *contains;
    bool follow = false;

    v->kind = TG_VERIFY_HTTP;
    v->options = json_object();
    if (tg_yaml_string(values[HTTP], "http", reader->p, &url)) {
        check_url(reader, values[HTTP], url);
        tg_rollout_copy(reader, url, &v->url);
    }
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

    v->kind = TG_VERIFY_COMMAND;
    for (size_t i = EXPECT; i <= FOLLOW; i++)
        if (values[i])
            tg_yaml_problem(reader->p, values[i], "\"%s\" belongs to http, not to command", verify_keys[i].name);
    if (!tg_yaml_strings(node, "command", reader->p, &n) || !few_enough(reader, node, "command", ARGV_MAX))
        return;
    if (n == 0 || (node->kind == TG_YAML_SCALAR && strpbrk(node->text, " \t\n"))) {
        tg_error_hint(tg_yaml_problem(reader->p, node, "command must be a list: program and arguments, no shell reads it"),
                      "such as [systemctl, is-active, nginx]");
        return;
    }
    v->argv = tg_rollout_room(reader, n + 1, sizeof *v->argv);
    for (size_t i = 0; v->argv && !reader->rc && i < n; i++)
        tg_rollout_copy(reader, tg_yaml_item(node, i)->text, &v->argv[i]);
}

static void read_check(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_verify *v)
{
    const struct tg_yaml_node *values[N_VERIFY_KEYS];

    v->within_ms = WITHIN_MS;
    tg_yaml_fields(node, "a check of verify", verify_keys, reader->p, values);
    tg_yaml_duration(values[WITHIN], "within", 1000, WITHIN_MAX_MS, reader->p, &v->within_ms);
    if (node->kind == TG_YAML_MAP && !values[HTTP] == !values[COMMAND])
        tg_yaml_problem(reader->p, node, "a check of verify has http or command%s", values[HTTP] ? ", not both" : "");
    else if (values[HTTP])
        read_http(reader, values, v);
    else if (values[COMMAND])
        read_command(reader, values, v);
}

void tg_rollout_read_verify(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    struct tg_rollout *r = reader->r;

    if (!node || !tg_yaml_is_list(node, "verify", reader->p) || !few_enough(reader, node, "verify", STEPS_MAX))
        return;
    r->verify = tg_rollout_room(reader, node->n, sizeof *r->verify);
    for (uint32_t i = 0; r->verify && i < node->n; i++)
        read_check(reader, node->items[i], &r->verify[r->n_verify++]);
}
