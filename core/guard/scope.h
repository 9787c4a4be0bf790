/*
 * Scopes: what a lock covers and an actor acts on. "fleet", "group:NAME", "host:NAME" or "service:NAME".
 *
 * Two scopes overlap when one host or thing may be in both: fleet overlaps everything; a group its hosts, the groups that share a
 * host with it, and itself; a host itself; a service itself and the fleet alone. What a group's hosts are is known from what was
 * recorded with it, or from the groups that the host knows of itself; when neither is known, the answer is DOUBT, and who asks
 * treats that as an overlap (DESIGN §4).
 *
 * A host is one machine under its full and under its short name: "web1" and "web1.example.com" overlap, so that a lock is not missed
 * because somebody left out the domain.
 */
#ifndef TG_GUARD_SCOPE_H
#define TG_GUARD_SCOPE_H

#include "fleet/nodeset.h"

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>

struct tg_inventory;

#define TG_SCOPE_NAME_MAX 253
#define TG_SCOPE_TEXT_SIZE (TG_SCOPE_NAME_MAX + 16) /* "service:" and the name */
#define TG_SCOPES_MAX 64                            /* on one lock or permit: each is two operations of one multi of 512 */
#define TG_SCOPE_HOSTS_MAX (256 * 1024)             /* bytes of a group's folded hosts that are recorded; beyond: unknown, so in doubt */
#define TG_SCOPE_GROUPS_MAX 256                     /* groups that one host knows of itself */

enum tg_scope_kind { TG_SCOPE_FLEET, TG_SCOPE_GROUP, TG_SCOPE_HOST, TG_SCOPE_SERVICE };

struct tg_scope {
    enum tg_scope_kind kind;
    char name[TG_SCOPE_NAME_MAX + 1]; /* "" for the fleet; hosts in lower case */
    char *hosts;                      /* group: its hosts, folded; NULL: not known */
    struct tg_hostlist host_set;      /* the same, expanded and sorted; empty until tg_scope_set_hosts() */
    char **groups;                    /* host: its groups; NULL: not known */
    size_t n_groups;
};
struct tg_scopes {
    struct tg_scope *v;
    size_t n;
};
#define TG_SCOPES_INIT {0}

/* TG_E_USAGE, with what is wrong and how scopes look. Knows neither hosts nor groups: tg_scope_resolve(). */
int tg_scope_parse(const char *text, struct tg_scope *out, struct tg_error *e);
/* "group:web"; size TG_SCOPE_TEXT_SIZE. Returns out. */
const char *tg_scope_format(const struct tg_scope *scope, char *out, size_t size);
void tg_scope_release(struct tg_scope *scope);
/* Copies the text and expands it. TG_E_DATA when it is no list of hosts. */
int tg_scope_set_hosts(struct tg_scope *scope, const char *folded, struct tg_error *e);
int tg_scope_add_group(struct tg_scope *scope, const char *group, struct tg_error *e);
/*
 * Looks the name up in the inventory, and fills in the group's hosts or the host's groups. TG_E_USAGE with the nearest name when it
 * is not there. inventory NULL: nothing is looked up, and a group's hosts stay unknown.
 */
int tg_scope_resolve(struct tg_scope *scope, const struct tg_inventory *inventory, struct tg_error *e);

enum tg_overlap { TG_OVERLAP_NO, TG_OVERLAP_YES, TG_OVERLAP_DOUBT };
enum tg_overlap tg_scope_overlap(const struct tg_scope *a, const struct tg_scope *b);
/* The strictest of all pairs (YES over DOUBT); *out_a and *out_b (may be NULL) get the indices of that pair. */
enum tg_overlap tg_scopes_overlap(const struct tg_scopes *a, const struct tg_scopes *b, size_t *out_a, size_t *out_b);

/* Appends; the scope's contents move into the list. TG_E_USAGE past TG_SCOPES_MAX; a scope that is there already is dropped. */
int tg_scopes_add(struct tg_scopes *scopes, struct tg_scope *scope, struct tg_error *e);
/* Parses and resolves each text. */
int tg_scopes_parse(struct tg_scopes *scopes, const char *const *texts, size_t n, const struct tg_inventory *inventory, struct tg_error *e);
/* Appends copies; what was copied before a failure stays in to. */
int tg_scopes_copy(const struct tg_scopes *from, struct tg_scopes *to, struct tg_error *e);
void tg_scopes_release(struct tg_scopes *scopes);
/* "group:web +2": the first, and how many more. Returns out. */
const char *tg_scopes_format(const struct tg_scopes *scopes, char *out, size_t size);

/*
 * This host as a scope with its groups: its name in the inventory when there is one, else what the machine calls itself (or called, when
 * that is not NULL). TG_E_UNKNOWN when the inventory does not name it, or it has no name.
 */
int tg_scope_own_host(const struct tg_inventory *inventory, const char *called, struct tg_scope *out, struct tg_error *e);

/* An actor's name: [a-z0-9][a-z0-9_-]{0,31}. TG_E_USAGE. */
int tg_actor_check(const char *actor, struct tg_error *e);
/* Likewise one that a lock is to hold: not "all", which would hold an actor of that name alone, and be shown as a lock on all of them. */
int tg_held_actor_check(const char *actor, struct tg_error *e);

#endif
