/* Rows of numbers: see rows.h. */
#include "fleet/rows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int tg_rows_compare(const uint64_t *a, const uint64_t *b, size_t columns)
{
    for (size_t c = 0; c < columns; c++)
        if (a[c] != b[c])
            return a[c] < b[c] ? -1 : 1;
    return 0;
}

static bool rows_sorted(const uint64_t *rows, size_t n, size_t columns)
{
    for (size_t i = 1; i < n; i++)
        if (tg_rows_compare(rows + (i - 1) * columns, rows + i * columns, columns) > 0)
            return false;
    return true;
}

/* One stable pass by one byte of one column, from → to. */
static void sort_by_byte(const uint64_t *from, uint64_t *to, size_t n, size_t columns, size_t column, unsigned shift)
{
    size_t start[257] = {0};

    for (size_t i = 0; i < n; i++)
        start[(from[i * columns + column] >> shift & 255) + 1]++;
    for (size_t b = 1; b < 257; b++)
        start[b] += start[b - 1];
    for (size_t i = 0; i < n; i++) {
        const uint64_t *row = from + i * columns;
        memcpy(to + start[row[column] >> shift & 255]++ * columns, row, columns * sizeof *row);
    }
}

static void insertion_sort(uint64_t *rows, size_t n, size_t columns)
{
    uint64_t row[TG_ROWS_COLUMNS_MAX];

    for (size_t i = 1; i < n; i++) {
        size_t j = i;
        memcpy(row, rows + i * columns, columns * sizeof *row);
        for (; j > 0 && tg_rows_compare(rows + (j - 1) * columns, row, columns) > 0; j--)
            memcpy(rows + j * columns, rows + (j - 1) * columns, columns * sizeof *row);
        memcpy(rows + j * columns, row, columns * sizeof *row);
    }
}

int tg_rows_sort(uint64_t **rows, size_t n, size_t columns, struct tg_error *e)
{
    if (rows_sorted(*rows, n, columns))
        return 0;
    if (n <= 48) {
        insertion_sort(*rows, n, columns);
        return 0;
    }
    uint64_t *other = malloc(n * columns * sizeof *other);
    if (!other)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t c = columns; c-- > 0;) {
        uint64_t differ = 0;
        for (size_t i = 1; i < n; i++)
            differ |= (*rows)[i * columns + c] ^ (*rows)[c];
        for (unsigned shift = 0; shift < 64; shift += 8) {
            if (!(differ >> shift & 255))
                continue;
            sort_by_byte(*rows, other, n, columns, c, shift);
            uint64_t *swap = *rows;
            *rows = other;
            other = swap;
        }
    }
    free(other);
    return 0;
}

size_t tg_rows_unique(uint64_t *rows, size_t n, size_t columns)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (i && tg_rows_compare(rows + i * columns, rows + (i - 1) * columns, columns) == 0)
            continue;
        if (kept != i)
            memmove(rows + kept * columns, rows + i * columns, columns * sizeof *rows);
        kept++;
    }
    return kept;
}

size_t tg_digits_of(uint64_t value)
{
    size_t n = 1;

    while (value >= 10) {
        value /= 10;
        n++;
    }
    return n;
}
