/*
 * Text in columns of a terminal: UTF-8, whose characters take what the locale says of them: two for East Asian scripts and emoji, none for marks that are put
 * over others. One each in a program that has not set a locale.
 */
#ifndef TG_BASE_COLUMNS_H
#define TG_BASE_COLUMNS_H

#include "base/buf.h"

int tg_columns(const char *text);
/* Appends blanks; none for n ≤ 0. */
void tg_put_blanks(struct tg_buf *out, int n);
/* Appends text, cut with "…" to at most room columns. */
void tg_put_cut(struct tg_buf *out, const char *text, int room);
/*
 * Appends text in lines of at most room columns, broken at blanks, or within a word that has no room in a line of its own; those behind the first are
 * indented. Nothing is lost. No newline at the end.
 */
void tg_put_wrapped(struct tg_buf *out, const char *text, int room, int indent);

#endif
