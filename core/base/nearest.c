/* The word that was meant: see nearest.h. */
#include "base/nearest.h"

#include <string.h>

/* Edit distance, at most 32 characters looked at; more than limit counts as limit + 1. */
static size_t distance(const char *a, const char *b)
{
    size_t la = strnlen(a, 32), lb = strnlen(b, 32), row[33];

    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *tg_nearest(const char *word, const char *(*next)(const void *data, size_t i), const void *data)
{
    const char *found = NULL, *candidate;
    size_t best = strlen(word) / 3 + 2; /* "untill" is 1 away; of short words little may differ */

    for (size_t i = 0; (candidate = next(data, i)) != NULL; i++) {
        size_t d = distance(word, candidate);
        if (d < best) {
            best = d;
            found = candidate;
        }
    }
    return found;
}
