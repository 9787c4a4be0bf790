/*
 * Inside of the inventory: its data, and the builder that both readers (YAML, Ansible's JSON) feed with plain facts. finish.c turns
 * the facts into an inventory.
 */
#ifndef TG_FLEET_BUILD_H
#define TG_FLEET_BUILD_H

#include "base/index.h"
#include "config/problems.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"
#include "fleet/pool.h"

struct tg_yaml_node;

/* A set of groups that hosts list themselves in, and what follows from it. Hosts share it: a million hosts have few. */
struct tg_combination {
    uint32_t *direct;         /* groups, ascending */
    uint32_t n_direct;
    uint32_t *groups;         /* with ancestors, ascending */
    uint32_t n_groups;
    struct tg_attr *attrs;    /* of groups and defaults, by the rule of closeness; ordered by key */
    uint32_t n_attrs;
    const char *user;
    uint16_t port;
};

struct tg_inventory {
    char *path;
    struct tg_pool pool;
    struct tg_host *hosts;
    size_t n_hosts;
    uint32_t *host_table;     /* index + 1, by hash of the name; a power of two */
    size_t host_table_cap;
    struct tg_group *groups;
    size_t n_groups;
    struct tg_combination *combinations;
    size_t n_combinations;
    struct tg_attr *host_attrs;
    uint32_t *group_hosts;    /* what the groups' lists point into */
    uint32_t *group_children;
    struct tg_attr *group_attrs;
    const char **keys;
    size_t n_keys;
    struct tg_clash *clashes;
    size_t n_clashes;
    struct tg_customer *customers;
    size_t n_customers;
    uint32_t *customer_of;    /* by host: index + 1; NULL when there are no customers */
};

/* Facts as they are read. Numbers of hosts and groups are those of first appearance. */
struct tg_build_host {
    const char *name, *address, *user;
    uint16_t port;
};
struct tg_build_group {
    const char *name, *user;
    uint16_t port;
    int line, column;
};
struct tg_build_member {
    uint32_t host, group;
};
struct tg_build_child {
    uint32_t parent, child; /* child is set by finish */
    const char *name;
    const struct tg_yaml_node *node; /* where it is written; NULL: nowhere */
};
struct tg_build_attr {
    uint32_t of; /* host or group */
    struct tg_attr attr;
};

struct tg_build {
    const char *file;
    struct tg_problems *problems;
    struct tg_inventory *inventory; /* its pool takes the strings */
    bool lenient;                   /* a child that is no group becomes an empty one (Ansible leaves empty groups out) */
    struct tg_build_host *hosts;
    size_t n_hosts, hosts_cap;
    uint32_t *host_table;
    size_t host_table_cap;
    struct tg_build_group *groups;
    size_t n_groups, groups_cap;
    struct tg_index group_index; /* of groups, by name */
    struct tg_build_member *members;
    size_t n_members, members_cap;
    struct tg_build_child *children;
    size_t n_children, children_cap;
    struct tg_build_attr *host_attrs;
    size_t n_host_attrs, host_attrs_cap;
    struct tg_build_attr *group_attrs;
    size_t n_group_attrs, group_attrs_cap;
    struct tg_build_attr *defaults;
    size_t n_defaults, defaults_cap;
    const char *default_user;
    uint16_t default_port;
};

int tg_build_init(struct tg_build *b, const char *file, struct tg_problems *problems, struct tg_error *e);
void tg_build_release(struct tg_build *b);
/* The host of a name in lower case, new when there is none yet. TG_E_DATA past the greatest fleet. */
int tg_build_host(struct tg_build *b, const char *name, uint32_t *out, struct tg_error *e);
/* The group of a name, new when there is none yet. */
int tg_build_group(struct tg_build *b, const char *name, uint32_t *out, struct tg_error *e);
int tg_build_member(struct tg_build *b, uint32_t group, uint32_t host, struct tg_error *e);
int tg_build_child(struct tg_build *b, uint32_t parent, const char *child, const struct tg_yaml_node *node, struct tg_error *e);
int tg_build_host_attr(struct tg_build *b, uint32_t host, const char *key, const char *value, struct tg_error *e);
int tg_build_group_attr(struct tg_build *b, uint32_t group, const char *key, const char *value, struct tg_error *e);
int tg_build_default_attr(struct tg_build *b, const char *key, const char *value, struct tg_error *e);
/* A string that lives with the inventory, equal ones once. */
int tg_build_intern(struct tg_build *b, const char *text, const char **out, struct tg_error *e);
/* Reports what only the whole shows (unknown children, cycles). Consumes the facts, whatever it returns; TG_E_DATA with problems. */
int tg_build_finish(struct tg_build *b, struct tg_inventory **out, struct tg_error *e);

/* What a word of an inventory may be. */
#define TG_WORD_MAX 64
#define TG_VALUE_MAX 1024
bool tg_group_name_ok(const char *name);
bool tg_attr_key_ok(const char *key);
bool tg_attr_value_ok(const char *value);
bool tg_address_ok(const char *address);
bool tg_user_ok(const char *user);

/* Reads a YAML file; tg_inventory_load() asks for programs first. */
int tg_inventory_read_yaml(const char *path, struct tg_problems *problems, struct tg_inventory **out, struct tg_error *e);

/* Room for one more element of size bytes; the room doubles. */
int tg_build_room(void *array, size_t n, size_t *cap, size_t size, struct tg_error *e);

#endif
