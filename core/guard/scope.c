/* Scopes: see scope.h. */
#include "guard/scope.h"

#include "fleet/inventory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *prefix;
    enum tg_scope_kind kind;
} kinds[] = {{"group:", TG_SCOPE_GROUP}, {"host:", TG_SCOPE_HOST}, {"service:", TG_SCOPE_SERVICE}};

#define SCOPE_HINT "a scope is fleet, group:NAME, host:NAME or service:NAME"

/* Groups and services: printable, and nothing that a line of ours, a shell or a path would read as its own. As a node's name a "/" is
 * three bytes long, and 255 is the end of it. */
static bool plain_name(const char *name)
{
    size_t slashes = 0;

    for (const char *p = name; *p; p++)
        slashes += *p == '/';
    return name[0] && strlen(name) + 2 * slashes <= TG_SCOPE_NAME_MAX - 2 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@:/~") == strlen(name);
}

static int parse_name(const char *text, enum tg_scope_kind kind, const char *name, struct tg_scope *out, struct tg_error *e)
{
    *out = (struct tg_scope) {.kind = kind};
    if (kind == TG_SCOPE_HOST) {
        struct tg_error why = TG_ERROR_INIT;
        if (tg_host_name(name, strlen(name), out->name, &why) == 0)
            return 0;
        tg_fail(e, TG_E_USAGE, "\"%.80s\": %s", text, why.message);
    } else if (plain_name(name)) {
        for (size_t i = 0; name[i]; i++) /* plain_name() has measured it; services are one in whatever case, as hosts are */
            out->name[i] = (char) (kind == TG_SCOPE_SERVICE && name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
        return 0;
    } else {
        tg_fail(e, TG_E_USAGE, "\"%.80s\": its name is letters, digits and ._-+@:/~, 1 to %d of them", text, TG_SCOPE_NAME_MAX);
    }
    tg_error_hint(e, SCOPE_HINT);
    return TG_E_USAGE;
}

int tg_scope_parse(const char *text, struct tg_scope *out, struct tg_error *e)
{
    if (strcmp(text, "fleet") == 0) {
        *out = (struct tg_scope) {.kind = TG_SCOPE_FLEET};
        return 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return parse_name(text, kinds[i].kind, text + strlen(kinds[i].prefix), out, e);
    tg_fail(e, TG_E_USAGE, "\"%.80s\" is no scope", text);
    tg_error_hint(e, text[0] && !strchr(text, ':') ? "did you mean host:%.80s? " SCOPE_HINT : SCOPE_HINT "%.0s", text);
    return TG_E_USAGE;
}

const char *tg_scope_format(const struct tg_scope *scope, char *out, size_t size)
{
    const char *prefix = "fleet";

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == scope->kind)
            prefix = kinds[i].prefix;
    snprintf(out, size, "%s%s", prefix, scope->name);
    return out;
}

void tg_scope_release(struct tg_scope *scope)
{
    free(scope->hosts);
    tg_hostlist_release(&scope->host_set);
    for (size_t i = 0; i < scope->n_groups; i++)
        free(scope->groups[i]);
    free(scope->groups);
    scope->hosts = NULL;
    scope->groups = NULL;
    scope->n_groups = 0;
}

int tg_scope_set_hosts(struct tg_scope *scope, const char *folded, struct tg_error *e)
{
    struct tg_hostlist set = TG_HOSTLIST_INIT;
    char *copy = NULL;
    int rc = folded[0] ? tg_nodeset_expand(folded, strlen(folded), &set, e) : 0;

    if (!rc)
        rc = tg_hostlist_sort(&set, e);
    if (!rc && !(copy = strdup(folded)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc) {
        free(copy);
        tg_hostlist_release(&set);
        return rc;
    }
    free(scope->hosts);
    tg_hostlist_release(&scope->host_set);
    scope->hosts = copy;
    scope->host_set = set;
    return 0;
}

int tg_scope_add_group(struct tg_scope *scope, const char *group, struct tg_error *e)
{
    char **groups = realloc(scope->groups, (scope->n_groups + 1) * sizeof *groups);
    char *copy = strdup(group);

    if (groups)
        scope->groups = groups;
    if (!groups || !copy) {
        free(copy);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    groups[scope->n_groups++] = copy;
    return 0;
}

static int resolve_group(struct tg_scope *scope, const struct tg_inventory *inventory, struct tg_error *e)
{
    const struct tg_group *group = tg_inventory_group(inventory, scope->name);
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &(size_t) {0});
    struct tg_folder *folder = NULL;
    struct tg_buf text = TG_BUF_INIT;

    if (!group) {
        const char *near = tg_inventory_nearest_group(inventory, scope->name);
        tg_fail(e, TG_E_USAGE, "there is no group \"%s\" in %s", scope->name, tg_inventory_path(inventory));
        tg_error_hint(e, near ? "did you mean group:%s?" : "tagout inventory check lists its groups%.0s", near ? near : "");
        return TG_E_USAGE;
    }
    int rc = tg_folder_new(&folder, e);
    for (size_t i = 0; !rc && i < group->n_hosts; i++)
        rc = tg_folder_add(folder, hosts[group->hosts[i]].name, e);
    if (!rc)
        rc = tg_folder_print(folder, &text, e);
    if (!rc)
        rc = tg_buf_ok(&text, e);
    if (!rc && text.len <= TG_SCOPE_HOSTS_MAX) /* beyond: stays unknown, and so in doubt */
        rc = tg_scope_set_hosts(scope, tg_buf_text(&text), e);
    tg_buf_release(&text);
    tg_folder_free(folder);
    return rc;
}

/* "web01" where the inventory has web01.example.com: what was probably meant. NULL: none, or several. */
static const char *full_name_of(const struct tg_inventory *inventory, const char *name)
{
    size_t n = 0, len = strlen(name);
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n);
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        if (strncmp(hosts[i].name, name, len) != 0 || hosts[i].name[len] != '.')
            continue;
        if (found)
            return NULL;
        found = hosts[i].name;
    }
    return found;
}

static int resolve_host(struct tg_scope *scope, const struct tg_inventory *inventory, struct tg_error *e)
{
    const struct tg_host *host = tg_inventory_host(inventory, scope->name);
    size_t n = 0;
    int rc = 0;

    if (!host) {
        const char *full = full_name_of(inventory, scope->name), *near = full ? full : tg_inventory_nearest_host(inventory, scope->name);
        tg_fail(e, TG_E_USAGE, "there is no host \"%s\" in %s", scope->name, tg_inventory_path(inventory));
        tg_error_hint(e, near ? "did you mean host:%s?" : "tagout hosts '*' lists them%.0s", near ? near : "");
        return TG_E_USAGE;
    }
    const struct tg_group *groups = tg_inventory_groups(inventory, &n);
    const uint32_t *of = tg_host_groups(inventory, host, &n);
    if (n > TG_SCOPE_GROUPS_MAX)
        return 0; /* unknown: the hosts that each lock meant decide */
    if (!scope->groups && !(scope->groups = calloc(n + 1, sizeof *scope->groups)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_scope_add_group(scope, groups[of[i]].name, e);
    return rc;
}

int tg_scope_resolve(struct tg_scope *scope, const struct tg_inventory *inventory, struct tg_error *e)
{
    if (!inventory)
        return 0;
    switch (scope->kind) {
    case TG_SCOPE_GROUP:
        return resolve_group(scope, inventory, e);
    case TG_SCOPE_HOST:
        return resolve_host(scope, inventory, e);
    case TG_SCOPE_FLEET:
    case TG_SCOPE_SERVICE:
        break;
    }
    return 0;
}

/* --- overlap --- */

/* One machine? Also under its short and its full name. */
static bool same_host(const char *a, const char *b)
{
    size_t la = strcspn(a, "."), lb = strcspn(b, ".");

    if (strcmp(a, b) == 0)
        return true;
    return la == lb && strncmp(a, b, la) == 0 && (!a[la] || !b[lb]);
}

static bool set_has_exactly(const struct tg_hostlist *set, const char *name)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = tg_name_compare(tg_hostlist_get(set, mid), name);
        if (order == 0)
            return true;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static bool set_has(const struct tg_hostlist *set, const char *name)
{
    char label[TG_HOST_NAME_SIZE];

    if (set_has_exactly(set, name))
        return true;
    snprintf(label, sizeof label, "%.*s", (int) strcspn(name, "."), name);
    if (strchr(name, '.'))
        return set_has_exactly(set, label);
    for (size_t i = 0; i < set->n; i++) /* a short name: under whatever domain */
        if (same_host(tg_hostlist_get(set, i), name))
            return true;
    return false;
}

static enum tg_overlap groups_overlap(const struct tg_scope *a, const struct tg_scope *b)
{
    const struct tg_scope *small = a->host_set.n <= b->host_set.n ? a : b, *large = small == a ? b : a;

    if (strcasecmp(a->name, b->name) == 0) /* the inventory tells Web from web; another one may not write it the same way */
        return TG_OVERLAP_YES;
    if (!a->hosts || !b->hosts)
        return TG_OVERLAP_DOUBT;
    for (size_t i = 0; i < small->host_set.n; i++)
        if (set_has(&large->host_set, tg_hostlist_get(&small->host_set, i)))
            return TG_OVERLAP_YES;
    return TG_OVERLAP_NO;
}

static enum tg_overlap group_and_host(const struct tg_scope *group, const struct tg_scope *host)
{
    if (group->hosts && set_has(&group->host_set, host->name))
        return TG_OVERLAP_YES;
    for (size_t i = 0; i < host->n_groups; i++)
        if (strcasecmp(host->groups[i], group->name) == 0)
            return TG_OVERLAP_YES;
    return group->hosts || host->groups ? TG_OVERLAP_NO : TG_OVERLAP_DOUBT;
}

enum tg_overlap tg_scope_overlap(const struct tg_scope *a, const struct tg_scope *b)
{
    if (a->kind == TG_SCOPE_FLEET || b->kind == TG_SCOPE_FLEET)
        return TG_OVERLAP_YES;
    if (a->kind == TG_SCOPE_SERVICE || b->kind == TG_SCOPE_SERVICE)
        return a->kind == b->kind && strcmp(a->name, b->name) == 0 ? TG_OVERLAP_YES : TG_OVERLAP_NO;
    if (a->kind == TG_SCOPE_GROUP)
        return b->kind == TG_SCOPE_GROUP ? groups_overlap(a, b) : group_and_host(a, b);
    if (b->kind == TG_SCOPE_GROUP)
        return group_and_host(b, a);
    return same_host(a->name, b->name) ? TG_OVERLAP_YES : TG_OVERLAP_NO;
}

enum tg_overlap tg_scopes_overlap(const struct tg_scopes *a, const struct tg_scopes *b, size_t *out_a, size_t *out_b)
{
    enum tg_overlap found = TG_OVERLAP_NO;

    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            enum tg_overlap o = tg_scope_overlap(&a->v[i], &b->v[j]);
            if (o == TG_OVERLAP_NO || found == TG_OVERLAP_YES || (o == TG_OVERLAP_DOUBT && found == TG_OVERLAP_DOUBT))
                continue;
            found = o;
            if (out_a)
                *out_a = i;
            if (out_b)
                *out_b = j;
        }
    return found;
}

/* --- lists --- */

int tg_scopes_add(struct tg_scopes *scopes, struct tg_scope *scope, struct tg_error *e)
{
    for (size_t i = 0; i < scopes->n; i++)
        if (scopes->v[i].kind == scope->kind && strcmp(scopes->v[i].name, scope->name) == 0) {
            tg_scope_release(scope);
            return 0;
        }
    struct tg_scope *v = scopes->n < TG_SCOPES_MAX ? realloc(scopes->v, (scopes->n + 1) * sizeof *v) : NULL;
    if (!v) {
        tg_scope_release(scope);
        if (scopes->n < TG_SCOPES_MAX)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        tg_fail(e, TG_E_USAGE, "more than %d scopes", TG_SCOPES_MAX);
        return tg_error_hint(e, "make a group of the hosts in the inventory, or take several locks"), TG_E_USAGE;
    }
    scopes->v = v;
    v[scopes->n++] = *scope;
    return 0;
}

int tg_scopes_parse(struct tg_scopes *scopes, const char *const *texts, size_t n, const struct tg_inventory *inventory, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++) {
        struct tg_scope scope;
        rc = tg_scope_parse(texts[i], &scope, e);
        if (rc)
            break;
        rc = tg_scope_resolve(&scope, inventory, e);
        if (rc)
            tg_scope_release(&scope);
        else
            rc = tg_scopes_add(scopes, &scope, e);
    }
    return rc;
}

static int copy_one(const struct tg_scope *from, struct tg_scope *to, struct tg_error *e)
{
    int rc = 0;

    *to = (struct tg_scope) {.kind = from->kind};
    memcpy(to->name, from->name, sizeof to->name);
    if (from->hosts)
        rc = tg_scope_set_hosts(to, from->hosts, e);
    if (!rc && from->groups && !(to->groups = calloc(1, sizeof *to->groups)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < from->n_groups; i++)
        rc = tg_scope_add_group(to, from->groups[i], e);
    if (rc)
        tg_scope_release(to);
    return rc;
}

int tg_scopes_copy(const struct tg_scopes *from, struct tg_scopes *to, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++) {
        struct tg_scope s;
        rc = copy_one(&from->v[i], &s, e);
        if (!rc)
            rc = tg_scopes_add(to, &s, e);
    }
    return rc;
}

void tg_scopes_release(struct tg_scopes *scopes)
{
    for (size_t i = 0; i < scopes->n; i++)
        tg_scope_release(&scopes->v[i]);
    free(scopes->v);
    *scopes = (struct tg_scopes) TG_SCOPES_INIT;
}

const char *tg_scopes_format(const struct tg_scopes *scopes, char *out, size_t size)
{
    out[0] = '\0';
    if (scopes->n == 0)
        return out;
    tg_scope_format(&scopes->v[0], out, size);
    size_t len = strlen(out);
    if (scopes->n > 1)
        snprintf(out + len, size - len, " +%zu", scopes->n - 1);
    return out;
}

int tg_actor_check(const char *actor, struct tg_error *e)
{
    size_t len = strlen(actor);

    if (len >= 1 && len <= 32 && actor[0] != '-' && actor[0] != '_' && strspn(actor, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len)
        return 0;
    tg_fail(e, TG_E_USAGE, "\"%.40s\" is no actor's name: 1 to 32 of a-z, 0-9, - and _", actor);
    tg_error_hint(e, "such as config-management, package-manager, autoscaler, reboot, or a word of your own");
    return TG_E_USAGE;
}

int tg_held_actor_check(const char *actor, struct tg_error *e)
{
    if (strcmp(actor, "all") != 0)
        return tg_actor_check(actor, e);
    tg_fail(e, TG_E_USAGE, "\"all\" is no actor that a lock can hold");
    tg_error_hint(e, "to hold all automation name no actor: leave --hold out");
    return TG_E_USAGE;
}
