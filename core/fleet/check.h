/* What is no mistake in an inventory, and is hardly meant: for `tagout inventory check`. */
#ifndef TG_FLEET_CHECK_H
#define TG_FLEET_CHECK_H

#include "fleet/inventory.h"

#include <jansson.h>

/* How an attribute is used: by how many hosts, and how many values it has. */
struct tg_attr_use {
    const char *key;
    size_t hosts, values;
};
/* One for each key, ordered by key; *out is the caller's (free()), the keys are the inventory's. */
int tg_inventory_uses(const struct tg_inventory *inventory, struct tg_attr_use **out, size_t *out_n, struct tg_error *e);
/*
 * Warnings, one sentence each, in a new JSON array of strings: groups without hosts, hosts in no group, attributes that groups equally
 * close disagree about, attributes that look like misspelt ones.
 */
int tg_inventory_warnings(const struct tg_inventory *inventory, json_t **out, struct tg_error *e);

#endif
