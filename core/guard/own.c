/* This host as a scope: see scope.h. */
#define _GNU_SOURCE
#include "fleet/inventory.h"
#include "guard/scope.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The one host of the inventory whose name begins with this label; NULL when there is none, or more than one. */
static const struct tg_host *by_label(const struct tg_inventory *inventory, const char *label)
{
    size_t n = 0, len = strlen(label);
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n), *found = NULL;

    for (size_t i = 0; i < n; i++)
        if (strncasecmp(hosts[i].name, label, len) == 0 && hosts[i].name[len] == '.') {
            if (found)
                return NULL;
            found = &hosts[i];
        }
    return found;
}

int tg_scope_own_host(const struct tg_inventory *inventory, const char *called, struct tg_scope *out, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE], name[TG_SCOPE_NAME_MAX + 1] = "";
    const struct tg_host *host = NULL;

    if (called)
        snprintf(name, sizeof name, "%s", called);
    else if (gethostname(name, sizeof name - 1) != 0 || !name[0])
        return tg_fail(e, TG_E_UNKNOWN, "this host has no name");
    if (inventory) {
        host = tg_inventory_host(inventory, name);
        if (!host && !strchr(name, '.'))
            host = by_label(inventory, name);
        if (!host) {
            tg_fail(e, TG_E_UNKNOWN, "this host, %s, is not in %s, so its groups are not known", name, tg_inventory_path(inventory));
            tg_error_hint(e, "name it there, or say what is meant: tagout check --actor A host:NAME");
            return TG_E_UNKNOWN;
        }
    }
    snprintf(text, sizeof text, "host:%s", host ? host->name : name);
    int rc = tg_scope_parse(text, out, e);
    return rc ? rc : tg_scope_resolve(out, inventory, e);
}
