/* Who is asked before a lock goes: the site's rules, and the asks that come of them. See gate.h. */
#include "engine/gate.h"

#include <stdlib.h>
#include <string.h>

struct complaint {
    struct tg_problems *p;
    const struct tg_yaml_node *value;
    const char *driver;
};

static void complain(void *data, const char *path, const char *message)
{
    struct complaint *c = data;

    if (path[0] == '/')
        tg_yaml_problem(c->p, tg_yaml_at(c->value, path), "\"%.100s\" of %s %s", path + 1, c->driver, message);
    else
        tg_yaml_problem(c->p, c->value, "%s: %s", c->driver, message);
}

static int read_tool(const struct tg_yaml_pair *pair, struct tg_problems *p, struct tg_gate_rule *rule, struct tg_error *e)
{
    struct complaint c = {.p = p, .value = pair->value, .driver = pair->key->text};
    struct tg_error why = TG_ERROR_INIT;
    json_t *value = NULL;
    size_t before = tg_problems_count(p);

    if (rule->driver) {
        tg_error_hint(tg_yaml_problem(p, pair->key, "a second tool in one rule"), "write a rule for each");
        return 0;
    }
    if (tg_driver_find(pair->key->text, &rule->driver, &why)) {
        tg_error_hint(tg_yaml_problem(p, pair->key, "\"%.60s\" is neither \"targets\" nor a driver: %s", pair->key->text, why.message), "%s", why.hint);
        return 0;
    }
    if (!(rule->driver->verbs & (1u << TG_VERB_DRY_RUN))) {
        tg_yaml_problem(p, pair->key, "%s has no dry-run", rule->driver->name);
        return 0;
    }
    int rc = tg_yaml_to_json(pair->value, &value, e);
    if (!rc && rule->driver->params(value, complain, &c, &rule->params, &why) && tg_problems_count(p) == before)
        tg_error_hint(tg_yaml_problem(p, pair->value, "%s", why.message), "%s", why.hint);
    json_decref(value);
    return rc;
}

static void read_targets(const struct tg_yaml_node *node, const struct tg_inventory *inventory, struct tg_problems *p, struct tg_gate_rule *rule)
{
    struct tg_error why = TG_ERROR_INIT;
    const char *text;

    if (tg_yaml_string(node, "targets", p, &text) && tg_select(inventory, text, &rule->targets, &why))
        tg_error_hint(tg_yaml_problem_inside(p, node, why.column, "targets: %s", why.message), "%s", why.hint);
}

static int read_rule(const struct tg_yaml_node *node, const struct tg_inventory *inventory, struct tg_problems *p, struct tg_gate_rule *rule, struct tg_error *e)
{
    bool targets = false;
    int rc = 0;

    if (!tg_yaml_is_map(node, "a rule of before-unlock", p))
        return 0;
    for (uint32_t i = 0; !rc && i < node->n; i++) {
        const struct tg_yaml_pair *pair = &node->pairs[i];
        if (strcmp(pair->key->text, "targets") == 0) {
            targets = true;
            read_targets(pair->value, inventory, p, rule);
        } else {
            rc = read_tool(pair, p, rule, e);
        }
    }
    if (!targets || node->n < 2)
        tg_error_hint(tg_yaml_problem(p, node, "a rule of before-unlock needs targets and a tool"), "such as {targets: \"@web\", puppet: {environment: production}}");
    return rc;
}

int tg_gate_rules_read(const struct tg_yaml_node *list, const struct tg_inventory *inventory, struct tg_problems *problems,
                       struct tg_gate_rules *out, struct tg_error *e)
{
    size_t before = tg_problems_count(problems);
    int rc = 0;

    *out = (struct tg_gate_rules) {.v = calloc(list->n + 1, sizeof *out->v)};
    if (!out->v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (uint32_t i = 0; !rc && i < list->n; i++)
        rc = read_rule(list->items[i], inventory, problems, &out->v[out->n++], e);
    return rc ? rc : tg_problems_count(problems) > before ? tg_problems_error(problems, e) : 0;
}

void tg_gate_rules_release(struct tg_gate_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        struct tg_gate_rule *r = &rules->v[i];
        if (r->params)
            r->driver->params_free(r->params);
        tg_selection_release(&r->targets);
    }
    free(rules->v);
    *rules = (struct tg_gate_rules) {0};
}

/* ---- asks ---- */

static int add(struct tg_gate_asks *asks, struct tg_gate_ask ask, struct tg_error *e)
{
    if ((asks->n & (asks->n - 1)) == 0) { /* room grows by doubling */
        struct tg_gate_ask *v = realloc(asks->v, (asks->n ? 2 * asks->n : 1) * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        asks->v = v;
    }
    asks->v[asks->n++] = ask;
    return 0;
}

/* Of a selection, which is ordered by name, and so by index. */
static bool selects(const struct tg_selection *s, const struct tg_host *host)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->hosts[mid]->index < host->index)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->n && s->hosts[low] == host;
}

int tg_gate_add_host(struct tg_gate_asks *asks, const struct tg_gate_rules *rules, const struct tg_host *host, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < rules->n; i++)
        if (selects(&rules->v[i].targets, host))
            rc = add(asks, (struct tg_gate_ask) {.host = host, .name = host->name, .rule = &rules->v[i], .verdict = TG_GATE_UNKNOWN}, e);
    return rc;
}

int tg_gate_add_stranger(struct tg_gate_asks *asks, const char *name, struct tg_error *e)
{
    struct tg_gate_ask ask = {.name = name, .done = true, .verdict = TG_GATE_UNKNOWN, .outcome = {.changed = -1, .failed = -1, .corrective = -1}};

    tg_outcome_say(&ask.outcome, TG_OUTCOME_UNKNOWN, "not in the inventory (any more), so what owns it is not known");
    return add(asks, ask, e);
}

void tg_gate_asks_release(struct tg_gate_asks *asks)
{
    for (size_t i = 0; i < asks->n; i++)
        tg_outcome_release(&asks->v[i].outcome);
    free(asks->v);
    *asks = (struct tg_gate_asks) {0};
}
