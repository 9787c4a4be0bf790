/*
 * The inventory: which hosts there are, how to reach them, their groups and attributes. Read once, then constant; everything that a
 * call below returns belongs to the inventory and lives as long as it does.
 *
 *   defaults: {user: tagout, port: 22, attrs: {site: a}}
 *   groups:
 *     web:  {hosts: "web[001-100].example.com", attrs: {role: web}}
 *     prod: {children: [web], attrs: {stage: prod}}
 *   hosts:
 *     web001.example.com: {address: 127.0.1.1, user: root, port: 2222, attrs: {rack: r1}}
 *   customers:
 *     acme: {contacts: [ops@acme.example], hosts: "@web", windows: ["Mon-Thu 22:00-04:00 Europe/Berlin"], lead: 3d}
 *
 * Customers are whose hosts they are: no host has two. "hosts" is a selector. "customers" may instead be the path of a program (beside the
 * file) which prints the same mapping as JSON; a program that prints Ansible's JSON has them in _meta.customers.
 *
 * A host exists when a group or "hosts" names it. A key of "hosts" may be a folded list (address then makes no sense and is refused).
 * An executable file is a program: run as "FILE --list", it prints Ansible's dynamic inventory JSON; ansible_host, ansible_port and
 * ansible_user become address, port and user, other scalars become attributes. The groups "all" and "ungrouped" that such programs
 * print are taken as they are.
 *
 * An attribute that is set more than once has its closest value: the host's own, then a group that lists the host, then that group's
 * parents, and so on, then defaults. Of groups equally close, the one that comes later in the file wins, and
 * `tagout inventory check` warns.
 */
#ifndef TG_FLEET_INVENTORY_H
#define TG_FLEET_INVENTORY_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_problems; /* config/yaml.h: mistakes with their places */
struct tg_inventory;

struct tg_attr {
    const char *key, *value;
};

struct tg_host {
    const char *name;           /* lower case */
    const char *address;        /* host name, IPv4 or IPv6 (without brackets); NULL: the name */
    const char *user;           /* NULL: none is set, the transport's default */
    uint16_t port;              /* 0: likewise */
    uint32_t index;             /* in tg_inventory_hosts() */
    uint32_t combination;       /* of groups; the inventory's own business */
    uint32_t n_attrs;           /* own ones; tg_host_attr() sees the groups' and the defaults' as well */
    const struct tg_attr *attrs;
};

struct tg_group {
    const char *name;           /* letters, digits, '.', '-', '_'; case counts */
    const uint32_t *hosts;      /* indices of all its hosts, its children's included, ascending: that is, ordered by name */
    size_t n_hosts;
    size_t n_direct;            /* hosts that it lists itself */
    const uint32_t *children;   /* indices of groups, as written */
    size_t n_children;
    const struct tg_attr *attrs; /* as written */
    size_t n_attrs;
    int line, column;           /* where it is defined; 0 when a program printed it */
};

#define TG_CUSTOMER_TOLD_MAX 1000 /* contacts of one customer who can be told: calendar/announce_thread.h */

/* Whose hosts they are, whom to tell, and when it suits them. */
struct tg_customer {
    const char *name;            /* as a group's */
    const char *const *contacts; /* mail addresses: ops@acme.example, or "Operations <ops@acme.example>" (base/mailbox.h) */
    size_t n_contacts;
    const uint32_t *hosts;       /* indices, ascending */
    size_t n_hosts;
    const char *const *windows;  /* "Mon-Thu 22:00-04:00 Europe/Berlin"; the calendar reads them. calendar/hours.h */
    const struct tg_customer_place {
        int line, column;        /* 0 when a program printed it */
    } *window_places;
    size_t n_windows;
    int64_t lead_ms;             /* how long ahead they want to know; -1: nothing is said */
    int line, column;            /* likewise */
};

/* How long a program may take, and how much it may print: 1,000,000 hosts with a dozen variables each fit. */
#define TG_INVENTORY_PROGRAM_MS 30000
#define TG_INVENTORY_BYTES_MAX (256u << 20)

/*
 * Reads a file, or runs a program and reads what it prints. Blocks. Mistakes are added to problems (all of them, with places) and
 * TG_E_DATA is returned; TG_E_CONFIG when there is no such file, or the program fails. *out is the caller's: tg_inventory_free().
 */
int tg_inventory_load(const char *path, struct tg_problems *problems, struct tg_inventory **out, struct tg_error *e);
/* From memory; file is only for messages. */
int tg_inventory_parse_yaml(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_inventory **out,
                            struct tg_error *e);
int tg_inventory_parse_ansible(const char *file, const char *text, size_t len, struct tg_problems *problems,
                               struct tg_inventory **out, struct tg_error *e);
void tg_inventory_free(struct tg_inventory *inventory);

/* Where it came from. */
const char *tg_inventory_path(const struct tg_inventory *inventory);
/* All hosts, ordered by name (tg_name_compare()). */
const struct tg_host *tg_inventory_hosts(const struct tg_inventory *inventory, size_t *out_n);
/* A host by name, any case; NULL when there is none. */
const struct tg_host *tg_inventory_host(const struct tg_inventory *inventory, const char *name);
/* All groups, ordered by name (by byte). */
const struct tg_group *tg_inventory_groups(const struct tg_inventory *inventory, size_t *out_n);
const struct tg_group *tg_inventory_group(const struct tg_inventory *inventory, const char *name);
/* All customers, ordered by name (by byte); n 0 when there are none. */
const struct tg_customer *tg_inventory_customers(const struct tg_inventory *inventory, size_t *out_n);
const struct tg_customer *tg_inventory_customer(const struct tg_inventory *inventory, const char *name);
/* Whose a host is; NULL: nobody's that the inventory knows. O(1). */
const struct tg_customer *tg_host_customer(const struct tg_inventory *inventory, const struct tg_host *host);
/* Nearest existing name for "did you mean"; NULL when none is near. */
const char *tg_inventory_nearest_host(const struct tg_inventory *inventory, const char *name);
const char *tg_inventory_nearest_group(const struct tg_inventory *inventory, const char *name);
const char *tg_inventory_nearest_customer(const struct tg_inventory *inventory, const char *name);

/* The groups that a host is in, ancestors included, as indices into tg_inventory_groups(), ascending: that is, ordered by name. */
const uint32_t *tg_host_groups(const struct tg_inventory *inventory, const struct tg_host *host, size_t *out_n);
bool tg_host_in_group(const struct tg_inventory *inventory, const struct tg_host *host, const struct tg_group *group);
/* The value of an attribute by the rule above; NULL when the host has none. */
const char *tg_host_attr(const struct tg_inventory *inventory, const struct tg_host *host, const char *key);
/* Every key that some host has, ordered. */
const char *const *tg_inventory_attr_keys(const struct tg_inventory *inventory, size_t *out_n);

/*
 * Writes all that the inventory says of a host as one line of canonical text ("name address port user groups attrs", each escaped),
 * for digests: the same facts give the same bytes, whatever the file's order or form.
 */
struct tg_buf;
void tg_host_describe(const struct tg_inventory *inventory, const struct tg_host *host, struct tg_buf *out);

#endif
