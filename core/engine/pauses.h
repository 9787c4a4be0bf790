/*
 * The stop for everything: runs are paused by scope (the fleet, a group, a host), in one record of the store, /pauses, that each controller
 * reads before it starts a host and whose version each write that lets something start checks (P10). A run is held while it has a host in
 * such a scope that has not ended; a group's hosts are those that it had when the pause was said, and one whose hosts are not known holds
 * every run (fail closed).
 *
 * init makes /pauses; a store without it, or with a record that can't be read, starts nothing (P2).
 */
#ifndef TG_ENGINE_PAUSES_H
#define TG_ENGINE_PAUSES_H

#include "engine/control.h"
#include "engine/run.h"
#include "guard/scope.h"

#define TG_PAUSES_PATH "/pauses"
#define TG_PAUSES_MAX 64
#define TG_PAUSES_BYTES_MAX 900000 /* of the record: a node holds a megabyte */

struct tg_pause {
    struct tg_scope scope; /* with a group's hosts */
    struct tg_wish said;
};
struct tg_pauses {
    struct tg_pause *items;
    size_t n;
    int64_t version;       /* of the record */
};

/* The text "" is none: so init makes it. */
int tg_pauses_decode(const char *text, size_t len, struct tg_pauses *out, struct tg_error *e);
char *tg_pauses_encode(const struct tg_pauses *pauses, struct tg_error *e);
void tg_pauses_release(struct tg_pauses *pauses);

/* Reads them; with a watch when that is not NULL. TG_E_UNKNOWN: the store has no /pauses. *out is the caller's. */
int tg_pauses_read(struct tg_store *store, tg_watch_fn watch, void *data, int64_t wait_ms, struct tg_pauses *out, struct tg_error *e);
/* Adds a scope (resolved: consumes its contents on success). One that is paused already stays as it is, with its first name and reason; *out_was says so. */
int tg_pauses_add(struct tg_store *store, struct tg_scope *scope, const struct tg_said *said, bool *out_was, struct tg_error *e);
/* Takes one away. *out_was: whether there was one; by and reason of it in *out (may be NULL). */
int tg_pauses_remove(struct tg_store *store, const struct tg_scope *scope, int64_t wait_ms, bool *out_was, struct tg_wish *out, struct tg_error *e);
/* The first that holds the run, or NULL. */
const struct tg_pause *tg_pauses_hold(const struct tg_pauses *pauses, const struct tg_run *run);

#endif
