/* Escaping what is not seen as what it is: see shown.h. */
#include "base/shown.h"

#include <stdio.h>
#include <string.h>

size_t tg_char_at(const char *text, long *out_point)
{
    const unsigned char *p = (const unsigned char *) text;
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    long point = n <= 1 ? *p : *p & (0x7f >> n);

    *out_point = n ? point : -1;
    if (n <= 1)
        return *p ? 1 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *out_point = -1;
            return 1;
        }
        point = point << 6 | (p[i] & 0x3f);
    }
    *out_point = point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? -1 : point;
    return *out_point < 0 ? 1 : n;
}

bool tg_char_is_hidden(long point)
{
    static const struct { long from, to; } ranges[] = {
        {-1, 0x1f},         {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},   {0x115f, 0x1160},
        {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f}, {0x2800, 0x2800},
        {0x3164, 0x3164},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
        {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (point >= ranges[i].from && point <= ranges[i].to)
            return true;
    return false;
}

/* but: a character that is kept all the same. */
static void put_shown(struct tg_buf *out, const char *text, long but)
{
    long point;
    size_t n;

    for (; (n = tg_char_at(text, &point)) > 0; text += n) {
        bool hidden = point != but && tg_char_is_hidden(point);
        for (size_t i = 0; hidden && i < n; i++)
            tg_buf_printf(out, "\\x%02x", (unsigned char) text[i]);
        if (!hidden)
            tg_buf_add(out, text, n);
    }
}

void tg_shown(struct tg_buf *out, const char *text)
{
    put_shown(out, text, '\0');
}

void tg_shown_lines(struct tg_buf *out, const char *text)
{
    put_shown(out, text, '\n');
}

const char *tg_shown_text(const char *text, char *out, size_t size)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_shown(&b, text);
    const char *all = tg_buf_text(&b);
    size_t len = b.len < size ? b.len : size - 1;
    while (len < b.len && len > 0 && ((unsigned char) all[len] & 0xc0) == 0x80)
        len--;
    memcpy(out, all, len);
    out[len] = '\0';
    tg_buf_release(&b);
    return out;
}

void tg_shown_json(struct tg_buf *out, const char *json)
{
    long point;
    size_t n;

    for (; (n = tg_char_at(json, &point)) > 0; json += n)
        if (point < 0x80 ? point != 0x7f : !tg_char_is_hidden(point)) /* below 0x80: line feeds of its own, all else it has escaped itself */
            tg_buf_add(out, json, n);
        else if (point < 0x10000)
            tg_buf_printf(out, "\\u%04lx", point);
        else
            tg_buf_printf(out, "\\u%04lx\\u%04lx", 0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
}

bool tg_text_is_blank(const char *text)
{
    long point;
    size_t n;

    for (; (n = tg_char_at(text, &point)) > 0; text += n)
        if (point < 0 || /* no UTF-8: that is another mistake, and told as one */
            (!tg_char_is_hidden(point) && point != ' ' && point != 0xa0 && point != 0x1680 && point != 0x3000 && point != 0x202f && point != 0x205f &&
             !(point >= 0x2000 && point <= 0x200a)))
            return false;
    return true;
}
