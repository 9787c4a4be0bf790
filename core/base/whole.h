/* Small files that are written whole and durably, or not at all: marks, snapshots, ledgers, what is projected into other tools. */
#ifndef TG_BASE_WHOLE_H
#define TG_BASE_WHOLE_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum tg_whole_flags {
    TG_WHOLE_DURABLE = 1, /* fsync of the file and of its folder: it is there after a power cut */
    TG_WHOLE_ANYWHERE = 4, /* a device, a pipe or a socket is written into, and never replaced: for paths that people give */
    TG_WHOLE_FOLDERS = 2  /* its folder, and the one above, are made when they are missing (0755) */
};
/*
 * Writes a temporary file beside it ("FILE.new"; one writer at a time, or the last wins), then renames. On failure the old file
 * is as it was and nothing is left. TG_E_PERM (no right, a file system that is read-only), TG_E_SYSTEM (a full disk …), both with the path.
 */
int tg_whole_write(const char *file, const void *bytes, size_t len, mode_t mode, unsigned flags, struct tg_error *e);
/*
 * Reads a regular file of at most max bytes into *out, NUL-terminated behind *out_len; free(). A link as its last part is refused. TG_E_NOENT: there
 * is none. TG_E_PERM, TG_E_DATA (longer than max, not a regular file), TG_E_SYSTEM.
 */
int tg_whole_read(const char *file, size_t max, char **out, size_t *out_len, struct tg_error *e);
/* The folder of the file is opened (and made, with FOLDERS), to be locked or synced: a descriptor, -1 and errno. */
int tg_whole_open_folder(const char *file, unsigned flags);

#endif
