/* tagout inventory check: reads the inventory, and says what is in it and what looks wrong. */
#include "cli/commands.h"
#include "fleet/check.h"

#include <stdlib.h>
#include <string.h>
#include <tagout/clock.h>

static const struct tg_opt opts[] = {
    {.name = "strict", .type = TG_OPT_FLAG, .text = "Warnings end with exit status 1: for a check before a change is merged"},
    {.name = NULL},
};

static void print_groups(const struct tg_inventory *inv)
{
    size_t n, width = 5;
    const struct tg_group *groups = tg_inventory_groups(inv, &n);

    for (size_t i = 0; i < n; i++)
        if (strlen(groups[i].name) > width)
            width = strlen(groups[i].name);
    if (n)
        printf("\n%-*s  HOSTS\n", (int) width, "GROUP");
    for (size_t i = 0; i < n; i++)
        printf("%-*s  %5zu\n", (int) width, groups[i].name, groups[i].n_hosts);
}

static void print_uses(const struct tg_attr_use *uses, size_t n)
{
    size_t width = 9;

    for (size_t i = 0; i < n; i++)
        if (strlen(uses[i].key) > width)
            width = strlen(uses[i].key);
    if (n)
        printf("\n%-*s  HOSTS  VALUES\n", (int) width, "ATTRIBUTE");
    for (size_t i = 0; i < n; i++)
        printf("%-*s  %5zu  %6zu\n", (int) width, uses[i].key, uses[i].hosts, uses[i].values);
}

static void print_customers(const struct tg_inventory *inv)
{
    size_t n, width = 8;
    const struct tg_customer *all = tg_inventory_customers(inv, &n);
    char lead[32];

    for (size_t i = 0; i < n; i++)
        width = strlen(all[i].name) > width ? strlen(all[i].name) : width;
    if (n)
        printf("\n%-*s  HOSTS  CONTACTS  WINDOWS  LEAD\n", (int) width, "CUSTOMER");
    for (size_t i = 0; i < n; i++) {
        snprintf(lead, sizeof lead, "-");
        if (all[i].lead_ms >= 0)
            tg_duration_format(all[i].lead_ms, lead, sizeof lead);
        printf("%-*s  %5zu  %8zu  %7zu  %s\n", (int) width, all[i].name, all[i].n_hosts, all[i].n_contacts, all[i].n_windows, lead);
    }
}

static json_t *customers_json(const struct tg_inventory *inv)
{
    size_t n;
    const struct tg_customer *all = tg_inventory_customers(inv, &n);
    json_t *out = json_object();

    for (size_t i = 0; i < n; i++)
        json_object_set_new(out, all[i].name, json_pack("{s:i,s:i,s:i,s:o}", "hosts", (int) all[i].n_hosts, "contacts", (int) all[i].n_contacts, "windows", (int) all[i].n_windows,
                                                        "lead-s", all[i].lead_ms < 0 ? json_null() : json_integer(all[i].lead_ms / 1000)));
    return out;
}

static void print_text(const struct tg_inventory *inv, const struct tg_attr_use *uses, size_t n_uses, const json_t *warnings)
{
    size_t n_hosts, n_groups, n_customers, i;
    json_t *item;

    tg_inventory_hosts(inv, &n_hosts);
    tg_inventory_groups(inv, &n_groups);
    tg_inventory_customers(inv, &n_customers);
    printf("%s: %zu host%s, %zu group%s, %zu customer%s, %zu attribute%s\n", tg_inventory_path(inv), n_hosts, n_hosts == 1 ? "" : "s", n_groups,
           n_groups == 1 ? "" : "s", n_customers, n_customers == 1 ? "" : "s", n_uses, n_uses == 1 ? "" : "s");
    print_groups(inv);
    print_customers(inv);
    print_uses(uses, n_uses);
    if (json_array_size(warnings))
        putchar('\n');
    json_array_foreach((json_t *) warnings, i, item)
        printf("Warning: %s\n", json_string_value(item));
}

static int print_json(const struct tg_inventory *inv, const struct tg_attr_use *uses, size_t n_uses, json_t *warnings, struct tg_error *e)
{
    size_t n_hosts, n_groups;
    const struct tg_group *all = tg_inventory_groups(inv, &n_groups);
    json_t *groups = json_object(), *attrs = json_object();

    tg_inventory_hosts(inv, &n_hosts);
    for (size_t i = 0; i < n_groups; i++)
        json_object_set_new(groups, all[i].name, json_pack("{s:i}", "hosts", (int) all[i].n_hosts));
    for (size_t i = 0; i < n_uses; i++)
        json_object_set_new(attrs, uses[i].key, json_pack("{s:i,s:i}", "hosts", (int) uses[i].hosts, "values", (int) uses[i].values));
    return tg_print_json(json_pack("{s:s,s:i,s:o,s:o,s:o,s:O}", "inventory", tg_inventory_path(inv), "hosts", (int) n_hosts, "groups", groups,
                                   "customers", customers_json(inv), "attributes", attrs, "warnings", warnings), e);
}

static int run_inventory_check(struct tg_frame *f, struct tg_error *e)
{
    struct tg_attr_use *uses = NULL;
    json_t *warnings = NULL;
    size_t n_uses = 0;
    int rc = tg_inventory_uses(f->inventory, &uses, &n_uses, e);

    if (!rc)
        rc = tg_inventory_warnings(f->inventory, &warnings, e);
    if (!rc && f->json)
        rc = print_json(f->inventory, uses, n_uses, warnings, e);
    else if (!rc)
        print_text(f->inventory, uses, n_uses, warnings);
    if (!rc && tg_opt_flag(f, "strict") && json_array_size(warnings))
        f->status = 1;
    json_decref(warnings);
    free(uses);
    return rc;
}

const struct tg_cmd tg_cmd_inventory_check = {
    .name = "inventory check",
    .args = "",
    .brief = "read the inventory, and say what looks wrong",
    .details = "Reads the inventory with all its mistakes at once, each with file, line and column; then prints how many hosts each group "
               "and customer has, and how attributes are used, with warnings about what is allowed and hardly meant: groups without hosts, hosts in "
               "no group, groups that disagree about an attribute, attributes that look misspelt.",
    .examples = "  $ tagout inventory check -i inventory.yaml\n  $ tagout inventory check --strict -i ./ec2.py\n",
    .opts = opts,
    .needs = TG_NEED_INVENTORY,
    .exec = run_inventory_check,
};
