/* The word that was meant: see nearest.h. */
#include "base/nearest.h"

#include <string.h>

/* Edit distance, with two letters swapped as one edit ("wbe" is nearer to "web" than to "db"); only the first 32 characters count. */
static size_t distance(const char *a, const char *b)
{
    size_t la = strnlen(a, 32), lb = strnlen(b, 32), rows[3][33];

    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
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
