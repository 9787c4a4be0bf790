/* Mail addresses, as people write them. Pure. */
#ifndef TG_BASE_MAILBOX_H
#define TG_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#define TG_MAILBOX_MAX 254 /* RFC 5321 */

/*
 * An address: one "@", something on both sides, nothing that could end a header line or a list, a domain that there can be. UTF-8, not ASCII alone: RFC 6531.
 */
bool tg_mailbox_ok(const char *address);
/*
 * As it has to stand in a header and in an SMTP command: "a..b" before the "@", which some providers gave away, is only allowed there in quotes (RFC 5321,
 * 5322). address is one by tg_mailbox_ok(), or spelt from such a one; size 2 more than it has. Returns out.
 */
const char *tg_mailbox_quoted(const char *address, char *out, size_t size);
bool tg_mailbox_is_ascii(const char *text);
/*
 * "ops@example.com", or "Operations <ops@example.com>". *out_address points into text; *out_len bytes of it are the address, *out_name_len bytes at text's
 * begin the name (0: none). False: it is neither, or the name has what can't be seen.
 */
bool tg_mailbox_split(const char *text, const char **out_address, size_t *out_len, size_t *out_name_len);

#endif
