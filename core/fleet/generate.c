/* A fleet that is made up: see generate.h. */
#include "fleet/generate.h"

#include "fleet/build.h"
#include "fleet/selector_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_PERCENT 5
#define MADE_MAX 200 /* groups and attributes that selectors may add */
#define KEYS_MAX 16
#define SHARED 10    /* hosts that have the same value of an attribute that was wished for */

static const struct {
    const char *name;
    unsigned percent;
} roles[] = {{"web", 60}, {"app", 25}, {"cache", 10}, {"db", 5}};
#define ROLES (sizeof roles / sizeof roles[0])
static const char *const zones[] = {"a", "b", "c"};
#define ZONES (sizeof zones / sizeof zones[0])

/* A group that a selector asked for. */
struct made {
    char name[2 * TG_WORD_MAX + 2];
    uint32_t group;
    unsigned percent;
};

struct generator {
    struct tg_build build;
    size_t hosts;
    uint32_t role[ROLES], zone[ZONES];
    struct made made[MADE_MAX];
    size_t n_made;
    const char *keys[KEYS_MAX];
    size_t n_keys;
};

/* ---- what selectors name ---- */

/* A pattern has something that it matches. */
static void plain(const char *pattern, char *out, size_t size)
{
    size_t n = 0;

    for (; *pattern && n + 1 < size; pattern++)
        out[n++] = *pattern == '*' || *pattern == '?' ? '1' : *pattern;
    out[n] = '\0';
}

static int make_group(struct generator *g, const char *name, unsigned percent, struct made **out, struct tg_error *e)
{
    int rc;

    *out = NULL;
    for (size_t i = 0; i < ROLES; i++)
        if (strcmp(roles[i].name, name) == 0)
            return 0;
    for (size_t i = 0; i < g->n_made; i++)
        if (strcmp(g->made[i].name, name) == 0)
            return 0;
    if (g->n_made == MADE_MAX || strncmp(name, "zone-", 5) == 0)
        return 0;
    struct made *m = &g->made[g->n_made];
    m->percent = percent;
    snprintf(m->name, sizeof m->name, "%s", name);
    if ((rc = tg_build_group(&g->build, m->name, &m->group, e)) != 0)
        return rc;
    g->n_made++;
    *out = m;
    return 0;
}

static bool is_there(const char *key)
{
    return strcmp(key, "rack") == 0 || strcmp(key, "az") == 0 || strcmp(key, "role") == 0;
}

/* Hosts with an attribute are those of a group that has it. */
static int make_attr(struct generator *g, const char *key, const char *value, unsigned percent, struct tg_error *e)
{
    char name[2 * TG_WORD_MAX + 2], text[TG_WORD_MAX];
    struct made *made;

    plain(value, text, sizeof text);
    if (is_there(key) || strlen(key) > TG_WORD_MAX)
        return 0;
    snprintf(name, sizeof name, "%s-%s", key, text);
    int rc = make_group(g, name, percent, &made, e);
    return rc || !made ? rc : tg_build_group_attr(&g->build, made->group, key, text, e);
}

static int make_names(struct generator *g, const struct tg_hostlist *names, struct tg_error *e)
{
    uint32_t host;
    int rc = 0;

    for (size_t i = 0; !rc && i < names->n && g->build.n_hosts < g->hosts; i++)
        rc = tg_build_host(&g->build, tg_hostlist_get(names, i), &host, e);
    return rc;
}

/* Whether each step stands behind an odd number of "not". The stack holds where each operand begins. */
static bool *find_negated(const struct tg_selector *s)
{
    bool *negated = calloc(s->n + 1, sizeof *negated);
    size_t *stack = calloc(s->n + 1, sizeof *stack), depth = 0;

    for (size_t i = 0; negated && stack && i < s->n; i++) {
        if (s->steps[i].kind == TG_SELECT_AND || s->steps[i].kind == TG_SELECT_OR)
            depth--;
        else if (s->steps[i].kind != TG_SELECT_NOT)
            stack[depth++] = i;
        for (size_t k = stack[depth - 1]; s->steps[i].kind == TG_SELECT_NOT && k < i; k++)
            negated[k] = !negated[k];
        if (s->steps[i].kind == TG_SELECT_ATTR && s->steps[i].negate)
            negated[i] = !negated[i];
    }
    if (!stack) {
        free(negated);
        negated = NULL;
    }
    free(stack);
    return negated;
}

static int make_step(struct generator *g, const struct tg_selector_step *step, unsigned percent, struct tg_error *e)
{
    char name[TG_WORD_MAX + 1];
    struct made *made;

    if (step->kind == TG_SELECT_NAMES)
        return make_names(g, &step->names, e);
    if (step->kind == TG_SELECT_ATTR)
        return make_attr(g, step->text, step->value, percent, e);
    if (step->kind != TG_SELECT_GROUP)
        return 0;
    plain(step->text, name, sizeof name);
    return tg_group_name_ok(name) ? make_group(g, name, percent, &made, e) : 0;
}

static int grant(struct generator *g, const struct tg_fleet_wish *wish, struct tg_error *e)
{
    struct tg_selector *s;
    int rc = 0;

    if (wish->key && !is_there(wish->key) && tg_attr_key_ok(wish->key) && g->n_keys < KEYS_MAX)
        g->keys[g->n_keys++] = wish->key;
    if (!wish->selector || tg_selector_parse(wish->selector, &s, NULL))
        return 0;
    bool *negated = find_negated(s);
    if (!negated)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < s->n; i++)
        rc = make_step(g, &s->steps[i], negated[i] ? NOT_PERCENT : wish->percent, e);
    free(negated);
    tg_selector_free(s);
    return rc;
}

/* ---- hosts ---- */

static size_t role_of(size_t i, size_t hosts)
{
    size_t role = 0, sum = 0;

    for (; role + 1 < ROLES; role++) {
        sum += roles[role].percent;
        if (i * 100 < hosts * sum)
            break;
    }
    return role;
}

static int join_made(struct generator *g, uint32_t host, struct tg_error *e)
{
    const char *name = g->build.hosts[host].name;
    int rc = 0;

    for (size_t i = 0; !rc && i < g->n_made; i++) {
        char text[TG_HOST_NAME_SIZE + sizeof g->made[i].name];
        int n = snprintf(text, sizeof text, "%s/%s", name, g->made[i].name);
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        for (int k = 0; k < n; k++)
            h = (h ^ (unsigned char) text[k]) * UINT64_C(0x100000001b3);
        if ((h >> 17) % 100 < g->made[i].percent)
            rc = tg_build_member(&g->build, g->made[i].group, host, e);
    }
    return rc;
}

static int place_host(struct generator *g, uint32_t host, size_t racks, struct tg_error *e)
{
    char value[64];
    int rc;

    snprintf(value, sizeof value, "rack-%04zu", host % racks + 1);
    if ((rc = tg_build_host_attr(&g->build, host, "rack", value, e)) != 0 ||
        (rc = tg_build_member(&g->build, g->zone[host % racks % ZONES], host, e)) != 0)
        return rc;
    for (size_t i = 0; i < g->n_keys; i++) {
        snprintf(value, sizeof value, "%.16s-%u", g->keys[i], host / SHARED + 1);
        if ((rc = tg_build_host_attr(&g->build, host, g->keys[i], value, e)) != 0)
            return rc;
    }
    return join_made(g, host, e);
}

static int make_hosts(struct generator *g, struct tg_error *e)
{
    size_t first = g->build.n_hosts, racks = (g->hosts + TG_GENERATE_RACK - 1) / TG_GENERATE_RACK, digits = 1,
           in_role = 0, last = ROLES;
    uint32_t host;
    int rc = 0;

    for (size_t n = g->hosts; n >= 10; n /= 10)
        digits++;
    for (size_t i = first; !rc && i < g->hosts; i++) {
        size_t role = role_of(i - first, g->hosts - first);
        char name[64];
        in_role = role == last ? in_role + 1 : 1;
        last = role;
        snprintf(name, sizeof name, "%s%0*zu.example.com", roles[role].name, (int) digits, in_role);
        rc = tg_build_host(&g->build, name, &host, e);
        if (!rc)
            rc = tg_build_member(&g->build, g->role[role], host, e);
    }
    for (host = 0; !rc && host < g->build.n_hosts; host++)
        rc = place_host(g, host, racks, e);
    return rc;
}

static int make_fleet(struct generator *g, const struct tg_fleet_wish *wishes, size_t n_wishes,
                      struct tg_inventory **out, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < ROLES; i++) {
        rc = tg_build_group(&g->build, roles[i].name, &g->role[i], e);
        if (!rc)
            rc = tg_build_group_attr(&g->build, g->role[i], "role", roles[i].name, e);
    }
    for (size_t i = 0; !rc && i < ZONES; i++) {
        char name[16];
        snprintf(name, sizeof name, "zone-%s", zones[i]);
        rc = tg_build_group(&g->build, name, &g->zone[i], e);
        if (!rc)
            rc = tg_build_group_attr(&g->build, g->zone[i], "az", zones[i], e);
    }
    for (size_t i = 0; !rc && i < n_wishes; i++)
        rc = grant(g, &wishes[i], e);
    if (!rc)
        rc = make_hosts(g, e);
    return rc ? rc : tg_build_finish(&g->build, out, e);
}

int tg_inventory_generate(size_t hosts, const struct tg_fleet_wish *wishes, size_t n_wishes, struct tg_inventory **out,
                          struct tg_error *e)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct generator *g = calloc(1, sizeof *g);
    int rc;

    if (hosts < 1 || hosts > TG_HOSTLIST_MAX) {
        free(g);
        return tg_fail(e, TG_E_USAGE, "a fleet of %zu hosts can't be made: 1 to %d", hosts, TG_HOSTLIST_MAX);
    }
    if (!g)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    g->hosts = hosts;
    rc = tg_build_init(&g->build, "generated", &problems, e);
    if (!rc) {
        rc = make_fleet(g, wishes, n_wishes, out, e);
        tg_build_release(&g->build);
    }
    tg_problems_release(&problems);
    free(g);
    return rc;
}
