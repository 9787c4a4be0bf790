/* "Did you mean": the nearest of the words that there are. Everything that takes names from people uses it. */
#ifndef TG_BASE_NEAREST_H
#define TG_BASE_NEAREST_H

#include <stddef.h>

/*
 * The nearest of the words ("untill" → "until"), NULL when none is near; the first one of several equally near. next(data, i) gives
 * the i-th, NULL at the end. What is returned is what next returned. Only the first 32 characters count.
 */
const char *tg_nearest(const char *word, const char *(*next)(const void *data, size_t i), const void *data);

#endif
