/*
 * Hosts that are down, as far as the store can tell: those which had an agent once, and whose agent is not there now. Nobody took them; they crashed, were
 * switched off, or are cut off from the store.
 *
 *   /agents/3f/HOST          an agent that is present: ephemeral (acks.h)
 *   /known/3f/HOST           HOST has had an agent: persistent, empty. An agent makes it once it is present, and nobody removes it but who says that HOST has none
 *                            any more (tagout agent --forget)
 *
 * A host that never had an agent is in neither: of such a one nothing is known, and it is not taken for down. A store that has no /known is like one where no
 * host has had any.
 *
 * Who looks again and again may be patient: an agent that is restarted, or updated, is away for a moment, and its host is not down for that.
 *
 * An agent writes its presence before its trace, and this reads the traces before the presences: whoever is seen to have a trace, and comes up while it is
 * looked, is seen present. What a session leaves behind is there until its time is over: a host that has crashed is gone after that, one that is shut down at once.
 */
#ifndef TG_GUARD_GONE_H
#define TG_GUARD_GONE_H

#include "guard/tree.h"

struct tg_inventory;
struct tg_gone;

#define TG_KNOWN_ROOT "/known"

/* At first nobody is gone. The inventory is borrowed. TG_E_MEMORY. */
int tg_gone_new(const struct tg_inventory *inventory, struct tg_gone **out, struct tg_error *e);
void tg_gone_free(struct tg_gone *gone);
/* From now on a host whose agent was seen present is gone only when that has been away for so long; who is away at the first look is at once. 0, as at first: no patience.
 * TG_E_MEMORY. */
int tg_gone_patience(struct tg_gone *gone, int64_t ms, struct tg_error *e);
/*
 * Looks. Blocks: one round trip that reads of each folder whether it has changed, and one more for those that have; what it costs does not grow with the
 * hosts, but with those that came or went. On failure (that of the store) all is as it was.
 */
int tg_gone_look(struct tg_gone *gone, struct tg_store *store, int64_t deadline, struct tg_error *e);
/* By the index in the inventory. */
bool tg_gone_is(const struct tg_gone *gone, size_t host);
size_t tg_gone_count(const struct tg_gone *gone);
/* Whether any host of the inventory has had an agent: else nothing is known of any. */
bool tg_gone_knows_any(const struct tg_gone *gone);
/* The next host that went or came back since it was named last; false: there is none. By now it may be as it was. */
bool tg_gone_moved(struct tg_gone *gone, size_t *out_host);

/* "/known/3f/web1"; size TG_NODE_PATH_SIZE. */
void tg_known_path(const struct tg_scope *host, char *out, size_t size);
/*
 * Writes down that the host has an agent, when it is not there yet; for its agent, once it is present. TG_E_NOENT: the store has no /known. TG_E_UNKNOWN: it is
 * being moved, or can't be written now.
 */
int tg_known_note(struct tg_store *store, const struct tg_scope *host, int64_t deadline, struct tg_error *e);
/* And takes it back, at the word of who, with an audit line in the same transaction. *out_was: whether it was there. TG_E_HELD: its agent is there. */
int tg_known_forget(struct tg_store *store, const struct tg_scope *host, const char *who, int64_t deadline, bool *out_was, struct tg_error *e);

#endif
