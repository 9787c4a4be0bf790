/* A growing string: see buf.h. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct tg_buf *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 4 - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void tg_buf_reserve(struct tg_buf *b, size_t more)
{
    grow(b, more);
}

void tg_buf_add(struct tg_buf *b, const void *bytes, size_t len)
{
    if (!grow(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void tg_buf_puts(struct tg_buf *b, const char *text)
{
    tg_buf_add(b, text, strlen(text));
}

void tg_buf_putc(struct tg_buf *b, char c)
{
    if (b->len + 1 >= b->cap || b->failed) {
        tg_buf_add(b, &c, 1);
        return;
    }
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void tg_buf_vprintf(struct tg_buf *b, const char *format, va_list args)
{
    va_list again;
    size_t room = b->cap > b->len ? b->cap - b->len : 0;

    va_copy(again, args);
    int n = vsnprintf(room ? b->data + b->len : NULL, room, format, args); /* mostly it fits */
    if (n >= 0 && (size_t) n < room && !b->failed) {
        b->len += (size_t) n;
    } else if (n >= 0 && grow(b, (size_t) n)) {
        vsnprintf(b->data + b->len, (size_t) n + 1, format, again);
        b->len += (size_t) n;
    } else {
        b->failed = true;
        if (room)
            b->data[b->len] = '\0';
    }
    va_end(again);
}

void tg_buf_printf(struct tg_buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(b, format, args);
    va_end(args);
}

void tg_buf_reset(struct tg_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void tg_buf_release(struct tg_buf *b)
{
    free(b->data);
    *b = (struct tg_buf) TG_BUF_INIT;
}

int tg_buf_ok(const struct tg_buf *b, struct tg_error *e)
{
    return b->failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

char *tg_buf_take(struct tg_buf *b, struct tg_error *e)
{
    if (!b->data)
        grow(b, 0);
    if (tg_buf_ok(b, e)) {
        tg_buf_release(b);
        return NULL;
    }
    char *text = b->data;
    text[b->len] = '\0';
    *b = (struct tg_buf) TG_BUF_INIT;
    return text;
}

const char *tg_buf_text(const struct tg_buf *b)
{
    return b->data ? b->data : "";
}

bool tg_copy_whole(const char *text, char *out, size_t size)
{
    size_t n = strlen(text);

    if (n >= size)
        return false;
    memcpy(out, text, n + 1);
    return true;
}
