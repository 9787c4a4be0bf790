/* Base 64: see base64.h. */
#include "base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tg_base64(struct tg_buf *out, const void *bytes, size_t len, size_t line)
{
    const uint8_t *p = bytes;
    size_t column = 0;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t) p[i] << 16 | (i + 1 < len ? (uint32_t) p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63], i + 1 < len ? digits[v >> 6 & 63] : '=', i + 2 < len ? digits[v & 63] : '='};
        tg_buf_add(out, four, sizeof four);
        column += sizeof four;
        if (line && (column >= line || i + 3 >= len)) {
            tg_buf_puts(out, "\r\n");
            column = 0;
        }
    }
}
