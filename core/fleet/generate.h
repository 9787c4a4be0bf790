/*
 * A fleet that is made up, for simulations: hosts in racks and zones, with roles, and whatever groups and attributes
 * somebody's selectors name. The same wishes give the same fleet, on every machine.
 *
 *   web 60 %, app 25 %, cache 10 %, db 5 %   groups, with the attribute role
 *   rack-NNNN                                attribute rack: 40 hosts in each
 *   a, b, c                                  attribute az, and the groups zone-a, zone-b, zone-c
 */
#ifndef TG_FLEET_GENERATE_H
#define TG_FLEET_GENERATE_H

#include "fleet/inventory.h"

/* What a selector names, and the fleet above does not have, is made to be there. */
struct tg_fleet_wish {
    const char *selector; /* one that can't be read wishes for nothing */
    unsigned percent;     /* of all hosts are in what it names; behind "not": 5 % */
    const char *key;      /* or an attribute that all hosts have, ten of them the same value */
};

#define TG_GENERATE_RACK 40 /* hosts */

/* 1 to TG_HOSTLIST_MAX hosts. *out is the caller's. TG_E_USAGE for another number. */
int tg_inventory_generate(size_t hosts, const struct tg_fleet_wish *wishes, size_t n_wishes, struct tg_inventory **out,
                          struct tg_error *e);

#endif
