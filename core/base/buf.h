/* A growing string. Appending never fails at once: an allocation that does is remembered, and tg_buf_take() or tg_buf_ok() tells. */
#ifndef TG_BASE_BUF_H
#define TG_BASE_BUF_H

#include <tagout/error.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct tg_buf {
    char *data; /* NUL-terminated once anything was added; NULL before */
    size_t len, cap;
    bool failed;
};
#define TG_BUF_INIT {0}

/* Room for so many bytes at once: for what is made over and over. */
void tg_buf_reserve(struct tg_buf *b, size_t more);
void tg_buf_add(struct tg_buf *b, const void *bytes, size_t len);
void tg_buf_puts(struct tg_buf *b, const char *text);
void tg_buf_putc(struct tg_buf *b, char c);
void tg_buf_printf(struct tg_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tg_buf_vprintf(struct tg_buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Keeps the memory for the next use. */
void tg_buf_reset(struct tg_buf *b);
void tg_buf_release(struct tg_buf *b);
/* 0, or TG_E_MEMORY when some append failed. */
int tg_buf_ok(const struct tg_buf *b, struct tg_error *e);
/* Hands the string over (free()), "" for an empty one; the buffer is empty after it. NULL when memory was short, e says so. */
char *tg_buf_take(struct tg_buf *b, struct tg_error *e);
/* The text, "" when nothing was added. Lives until the next append. */
const char *tg_buf_text(const struct tg_buf *b);

/* Copies the text when it fits with its NUL; otherwise false, and out is as it was. */
bool tg_copy_whole(const char *text, char *out, size_t size);

#endif
