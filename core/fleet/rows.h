/* Tables of numbers, n rows of some columns each, one behind the other: what folding names sorts. */
#ifndef TG_FLEET_ROWS_H
#define TG_FLEET_ROWS_H

#include <tagout/error.h>
#include <stddef.h>
#include <stdint.h>

#define TG_ROWS_COLUMNS_MAX 9

/* By the first column, then the second … <0, 0, >0. */
int tg_rows_compare(const uint64_t *a, const uint64_t *b, size_t columns);
/* Sorts *rows, which malloc() gave; it may be another block afterwards. A radix sort from the last column's least byte on: linear,
 * and bytes in which all rows agree cost one look. TG_E_MEMORY: the rows are as they were. */
int tg_rows_sort(uint64_t **rows, size_t n, size_t columns, struct tg_error *e);
/* Drops doubles of sorted rows; how many are left. */
size_t tg_rows_unique(uint64_t *rows, size_t n, size_t columns);
/* How many decimal digits a number has, 1 for 0. */
size_t tg_digits_of(uint64_t value);

#endif
