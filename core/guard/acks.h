/*
 * Which hosts have an agent, and which of those have acknowledged a lock: what `lock` waits for besides permits.
 *
 *   /agents/3f/HOST          an agent that is present: ephemeral; 3f is the host's bucket (tree.h)
 *   /acks/X/ID/HOST          HOST's agent knows of the lock ID: a check there says HELD, and what was in flight there has a permit. Ephemeral,
 *                            of the same session; X is the id's first character
 *   /acks/X/ID/3f/HOST       the same, when the lock means more hosts than one folder should have
 *
 * Why a lock waits for them before it reads the permits for the last time (P1): an agent writes the permits of what it found in flight
 * first, and its acknowledgement after them, in one session. Whoever reads the acknowledgement, and the permits after it on his own session,
 * sees those permits. An agent that comes up while the lock is being taken writes its presence before it reads the locks: either the
 * locker sees it present and waits, or it reads the lock and is not needed for the hosts that "had no agent" then.
 */
#ifndef TG_GUARD_ACKS_H
#define TG_GUARD_ACKS_H

#include "guard/tree.h"

#define TG_ACKS_FLAT_MAX 4000 /* hosts of a lock whose acknowledgements lie in one folder */

/* Whether the lock means this host by what its record says alone (the fleet, the host, a group's recorded hosts): both sides decide it alike. */
bool tg_acks_meant(const struct tg_lock *lock, const struct tg_scope *host);
/* Paths; size TG_NODE_PATH_SIZE. folder: where the host's acknowledgement lies. */
void tg_acks_presence_path(const struct tg_scope *host, char *out, size_t size);
void tg_acks_folder(const struct tg_lock *lock, const struct tg_scope *host, char *out, size_t size);
void tg_acks_path(const struct tg_lock *lock, const struct tg_scope *host, char *out, size_t size);
/* "/acks/L/L7K2QX" */
void tg_acks_root(const char *lock_id, char *out, size_t size);

/* A look at how a lock stands (struct tg_acks in lock.h), in two halves, so that its reads go with others in one round trip. */
struct tg_acks_look;
int tg_acks_look_new(struct tg_guard *guard, const struct tg_lock *lock, struct tg_acks_look **out, struct tg_error *e);
/* What to read, in this order: presence first. Returns how many; items may be NULL. The paths are the look's. */
size_t tg_acks_look_items(const struct tg_acks_look *look, struct tg_read_item *items);
/* Takes the answers. A store without the folders has no agents. *out is the caller's: tg_acks_release(). */
int tg_acks_look_take(struct tg_acks_look *look, const struct tg_read_item *items, struct tg_acks *out, struct tg_error *e);
void tg_acks_look_free(struct tg_acks_look *look);
void tg_acks_release(struct tg_acks *acks);

/*
 * Agents that went away while a lock waited for them: who was present and had not acknowledged, or had told of something in flight. Their permits
 * went with their session, and what they had seen may still act; so they are waited for until they are back and have acknowledged (P1).
 * A host whose agent was gone before the lock was placed has none.
 */
struct tg_acks_owed {
    char **v;                     /* sorted */
    size_t n;
};
/* Adds to waits->acks.missing those that are owed and that nothing else in waits is waited for; remembers the others. */
int tg_acks_owe(struct tg_acks_owed *owed, struct tg_waits *waits, struct tg_error *e);
void tg_acks_owed_release(struct tg_acks_owed *owed);
/* Removes what a lock that is gone has left there. Best effort: an agent that finds more removes it later. */
void tg_acks_clear(struct tg_guard *guard, const char *lock_id);

#endif
