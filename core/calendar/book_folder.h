/* A week's folder in the store: written whole, and removed when no list names it. See book.h. */
#ifndef TG_CALENDAR_BOOK_FOLDER_H
#define TG_CALENDAR_BOOK_FOLDER_H

#include "calendar/book_internal.h"

#define TG_BOOK_FOLDER_PATH (sizeof TG_BOOK_PATH + TG_BOOK_KEY_SIZE)
#define TG_BOOK_NODE_PATH (TG_BOOK_FOLDER_PATH + TG_BOOK_NAME_ROOM)
#define TG_BOOK_NAME_ROOM 256 /* also of a node that is none of ours, and is removed */
#define TG_BOOK_SWEEP_MS (INT64_C(24) * 3600000) /* a folder that was begun longer ago and stands in no list: its writer has died, and nobody has repeated it */

/* Writes what is missing of it. *out_version is the folder's: whoever puts it into the list checks that it still is. TG_E_VERSION, TG_E_EXISTS, TG_E_NOENT: others are at
 * work there, look again. */
int tg_book_folder_write(struct tg_store *store, const char *key, const struct tg_book_nodes *nodes, int64_t wait_ms, int64_t *out_version, struct tg_error *e);
/* Removes folders of weeks that are cancelled, forgotten, or were never completed. What fails is left to the next. */
void tg_book_folders_sweep(struct tg_store *store, int64_t wall_ms, int64_t wait_ms);

#endif
