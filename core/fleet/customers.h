/* Customers of an inventory, from a mapping: see inventory.h. */
#ifndef TG_FLEET_CUSTOMERS_H
#define TG_FLEET_CUSTOMERS_H

#include "fleet/inventory.h"

#include <jansson.h>

struct tg_yaml_node;

/* A CMDB's whole; what is more is no list of customers. */
#define TG_CUSTOMERS_MAX 200000
#define TG_CUSTOMER_LEAD_MAX_MS (INT64_C(366) * 86400000)

/*
 * Reads "customers:" of a YAML inventory: a mapping, or the path of a program beside it, which is run only for what lies in a file. Once, right
 * after the inventory was built. Mistakes go to problems; the caller asks tg_problems_error().
 */
enum tg_customers_from { TG_CUSTOMERS_FROM_MEMORY, TG_CUSTOMERS_FROM_FILE };
int tg_customers_yaml(struct tg_inventory *inventory, const struct tg_yaml_node *node, enum tg_customers_from from, struct tg_problems *problems,
                      struct tg_error *e);
/* The same mapping as JSON (NULL: there is none). name is for messages, which count lines as "jq ." prints it. */
int tg_customers_json(struct tg_inventory *inventory, const char *name, const json_t *customers, struct tg_problems *problems, struct tg_error *e);
void tg_customers_free(struct tg_inventory *inventory);
/* What a program prints; path must be absolute. Used for the inventory, too. TG_E_CONFIG. */
struct tg_child_result;
int tg_inventory_run(const char *what, const char *path, const char *argument, struct tg_child_result *out, struct tg_error *e);

#endif
