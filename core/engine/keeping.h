/* Folders of the store in which each name is a record of its own that is kept for a while: plans (plan_keep.h), durations (history.h). */
#ifndef TG_ENGINE_KEEPING_H
#define TG_ENGINE_KEEPING_H

#include <tagout/store.h>

/* One change of a folder, in a tree that is not being moved meanwhile. Blocks. */
int tg_keeping_change(struct tg_store *store, const struct tg_op *op, int64_t wait_ms, struct tg_error *e);
/* Deletes some of those that are old, behind the name near, wherever that falls among them. old() is asked for each record that is read. A failure is no harm. */
void tg_keeping_forget(struct tg_store *store, const char *root, const char *near, bool (*old)(const void *data, const char *text, size_t len), const void *data,
                       int64_t wait_ms);
/* That the folder is not there. TG_E_UNKNOWN. */
int tg_keeping_no_place(const char *root, struct tg_error *e);

#endif
