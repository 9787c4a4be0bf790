/* See columns.h. */
#define _GNU_SOURCE /* wcwidth */
#include "base/columns.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* The byte behind the first character, and how many columns that takes. What is no UTF-8 takes one a byte. */
static const char *next(const char *text, int *columns)
{
    static const unsigned char first_bits[] = {0, 0x1f, 0x0f, 0x07};
    unsigned char c = (unsigned char) *text++;
    size_t more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t value = (uint32_t) c & first_bits[more];

    *columns = 1;
    if (c < 0x80)
        return text;
    for (size_t i = 0; i < more; i++) {
        if (((unsigned char) text[i] & 0xc0U) != 0x80U)
            return text;
        value = value << 6U | ((unsigned) (unsigned char) text[i] & 0x3fU);
    }
    int wide = more ? wcwidth((wchar_t) value) : -1; /* -1 also in a locale that doesn't know it */
    if (wide >= 0)
        *columns = wide;
    return text + more;
}

/* The byte behind as many characters as have room, with the marks that are put over the last one. */
static const char *behind(const char *text, int room)
{
    int columns;

    for (const char *end; *text; text = end) {
        end = next(text, &columns);
        if (columns > room)
            break;
        room -= columns;
    }
    return text;
}

int tg_columns(const char *text)
{
    int n = 0, columns;

    for (; *text; n += columns)
        if ((unsigned char) *text < 0x80) { /* by far the most, and lists of 100,000 come by here */
            text++;
            columns = 1;
        } else {
            text = next(text, &columns);
        }
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
        const char *end = behind(text, room), *blank;
        int columns;
        if (end == text) /* a wide one, where there is room for less: it must stand somewhere */
            end = next(text, &columns);
        if (!*end)
            break;
        blank = end;
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
