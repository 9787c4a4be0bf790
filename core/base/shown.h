/* Texts of others on terminals, in logs and in JSON: what would not be seen as what it is, is escaped. */
#ifndef TG_BASE_SHOWN_H
#define TG_BASE_SHOWN_H

#include "base/buf.h"

/* The length in bytes of the character at text, and *out_point its code point, -1 for a byte that is no UTF-8. 0 at the end. */
size_t tg_char_at(const char *text, long *out_point);
/* Controls (C1 too), line and paragraph separators, what turns the direction of writing, and what can't be seen at all. */
bool tg_char_is_hidden(long point);
/* Appends the text with each byte of a hidden character as \xNN. */
void tg_shown(struct tg_buf *out, const char *text);
/* The same of a text of several lines: line feeds are kept. */
void tg_shown_lines(struct tg_buf *out, const char *text);
/* As tg_shown() into a caller's buffer, cut at a whole character when it is too small. Returns out. */
const char *tg_shown_text(const char *text, char *out, size_t size);
/* Appends JSON with its hidden characters as \uNNNN: the value stays what it is. */
void tg_shown_json(struct tg_buf *out, const char *json);
/* Nothing in it can be seen. */
bool tg_text_is_blank(const char *text);

#endif
