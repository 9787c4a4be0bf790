/* The embedded store: one machine, many processes, no server. See local_internal.h for how it works. */
#ifndef TG_STORE_LOCAL_H
#define TG_STORE_LOCAL_H

#include <tagout/store.h>

extern const struct tg_store_backend tg_store_local;

/* Of the database's own format (PRAGMA user_version); a file with a higher one is refused. */
#define TG_LOCAL_FORMAT 1

#endif
