/*
 * A line of the journal as text: what json_dumps(JSON_COMPACT) gives, byte for byte, several times faster for what lines are made of (flat
 * objects of whole numbers and plain words): writing lines is most of what the engine costs.
 */
#include "engine/journal_internal.h"

#include <stdlib.h>
#include <string.h>

/* Nothing in it has to be escaped. What is not ASCII is valid UTF-8, or jansson would not have it. */
static bool plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < 0x20 || text[i] == '"' || text[i] == '\\' || text[i] == 0x7f)
            return false;
    return true;
}

static void put_integer(struct tg_buf *out, json_int_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    unsigned long long left = value < 0 ? -(unsigned long long) value : (unsigned long long) value;

    do
        digits[--at] = (char) ('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        digits[--at] = '-';
    tg_buf_add(out, digits + at, sizeof digits - at);
}

static void put_string(struct tg_buf *out, const char *text, size_t len)
{
    tg_buf_putc(out, '"');
    tg_buf_add(out, text, len);
    tg_buf_putc(out, '"');
}

/* False, with nothing to be relied on in out, for what is not so plain. */
static bool put_plain(struct tg_buf *out, json_t *line)
{
    const char *key;
    json_t *value;
    char between = '{';

    json_object_foreach(line, key, value) {
        tg_buf_putc(out, between);
        between = ',';
        if (!plain(key, strlen(key)))
            return false;
        put_string(out, key, strlen(key));
        tg_buf_putc(out, ':');
        if (json_is_integer(value))
            put_integer(out, json_integer_value(value));
        else if (json_is_string(value) && plain(json_string_value(value), json_string_length(value)))
            put_string(out, json_string_value(value), json_string_length(value));
        else
            return false;
    }
    if (between == '{')
        return false;
    tg_buf_putc(out, '}');
    return true;
}

int tg_journal_text(json_t *line, struct tg_buf *out, struct tg_error *e)
{
    size_t before = out->len;

    if (json_is_object(line) && put_plain(out, line))
        return tg_buf_ok(out, e);
    char *text = json_dumps(line, JSON_COMPACT);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!out->failed)
        out->len = before;
    tg_buf_puts(out, text);
    free(text);
    return tg_buf_ok(out, e);
}
