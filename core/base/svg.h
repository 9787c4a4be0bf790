/* Pictures: what those who write SVG and HTML share. */
#ifndef TG_BASE_SVG_H
#define TG_BASE_SVG_H

#include "base/buf.h"

#include <stdint.h>

/* Text of others, between tags or within quotes. Control characters are left out. */
void tg_svg_text(struct tg_buf *out, const char *text);
/* A length: tenths of a pixel, as "12.3". */
void tg_svg_number(struct tg_buf *out, int64_t tenths);

#endif
