/* See columns.h. */
#include "base/columns.h"

#include <string.h>

/* The byte behind the first n characters. */
static const char *behind(const char *text, int n)
{
    for (; *text && n > 0; n--)
        do
            text++;
        while (((unsigned char) *text & 0xc0U) == 0x80U);
    return text;
}

int tg_columns(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0U) != 0x80U;
    return n;
}

void tg_put_blanks(struct tg_buf *out, int n)
{
    while (n-- > 0)
        tg_buf_putc(out, ' ');
}

void tg_put_cut(struct tg_buf *out, const char *text, int room)
{
    if (tg_columns(text) <= room) {
        tg_buf_puts(out, text);
        return;
    }
    tg_buf_add(out, text, (size_t) (behind(text, room - 1) - text));
    tg_buf_puts(out, "…");
}

void tg_put_wrapped(struct tg_buf *out, const char *text, int room, int indent)
{
    if (room < 1)
        room = 1;
    while (tg_columns(text) > room) {
        const char *end = behind(text, room), *blank = end;
        while (blank > text && *blank != ' ')
            blank--;
        while (blank > text && blank[-1] == ' ')
            blank--;
        if (blank > text)
            end = blank;
        tg_buf_add(out, text, (size_t) (end - text));
        tg_buf_putc(out, '\n');
        tg_put_blanks(out, indent);
        text = end + strspn(end, " ");
    }
    tg_buf_puts(out, text);
}
