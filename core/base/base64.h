/* Base 64 (RFC 4648), one way. */
#ifndef TG_BASE_BASE64_H
#define TG_BASE_BASE64_H

#include "base/buf.h"

/* Appends it. line: characters after which CR LF is put (76 in mails), and at the end; 0: never. */
void tg_base64(struct tg_buf *out, const void *bytes, size_t len, size_t line);

#endif
