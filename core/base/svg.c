/* Parts of pictures: see svg.h. */
#include "base/svg.h"

void tg_svg_text(struct tg_buf *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            tg_buf_puts(out, "&amp;");
            break;
        case '<':
            tg_buf_puts(out, "&lt;");
            break;
        case '>':
            tg_buf_puts(out, "&gt;");
            break;
        case '"':
            tg_buf_puts(out, "&quot;");
            break;
        default:
            if ((unsigned char) *text >= 0x20)
                tg_buf_putc(out, *text);
        }
}

void tg_svg_number(struct tg_buf *out, int64_t tenths)
{
    tg_buf_printf(out, "%s%lld.%lld", tenths < 0 ? "-" : "", (long long) (tenths < 0 ? -tenths : tenths) / 10, (long long) (tenths < 0 ? -tenths : tenths) % 10);
}
