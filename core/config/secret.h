/* Passwords and keys: one line of a file that nobody else can read. */
#ifndef TG_CONFIG_SECRET_H
#define TG_CONFIG_SECRET_H

#include <tagout/error.h>
#include <stddef.h>

#define TG_SECRET_SIZE 1026 /* a name and a password of any sense; what is longer is another file */

/*
 * Reads the file's only line into out (of TG_SECRET_SIZE bytes; the caller clears it: explicit_bzero()). what and form are how messages call it: "store-auth",
 * "USER:PASSWORD".
 * TG_E_CONFIG: it is not there, others may read or write it, it belongs to another user, or it is not one line.
 */
int tg_secret_read(const char *what, const char *form, const char *path, char out[TG_SECRET_SIZE], struct tg_error *e);

#endif
