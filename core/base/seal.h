/*
 * The seal of a record that lies in a store or on disk: a checksum as its last member, over every byte before it, so that a flipped bit,
 * a cut or an edit by hand is told from what was written. It is no signature: whoever may write may also seal.
 *
 *   {"format":1,…,"sum":"0123456789abcdef"}     the first 64 bits of SHA-256 over all that stands before ,"sum"
 */
#ifndef TG_BASE_SEAL_H
#define TG_BASE_SEAL_H

#include <jansson.h>

/* The object's text, compact, with its seal; free(). Consumes o (NULL is fine). NULL: out of memory, or no object. */
char *tg_seal(json_t *o);

enum tg_sealed {
    TG_SEAL_WHOLE,
    TG_SEAL_BROKEN, /* there is a seal, and it is of another text */
    TG_SEAL_NONE
};
enum tg_sealed tg_seal_check(const char *text, size_t len);

#endif
