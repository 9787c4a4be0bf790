/*
 * Names → "web[001-010,12].example.com": see nodeset.h.
 *
 * Names that differ only in their numbers are a family: "r#n#.example.com" with a row of numbers for each name. A family folds one
 * column at a time: rows that agree in all other columns become one, whose column is a set of ranges. After the last column the rows
 * are products of ranges. All of it is a function of the set of rows alone, so the text is canonical.
 */
#include "fleet/nodeset.h"
#include "fleet/rows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX (TG_ROWS_COLUMNS_MAX - 1) /* order_products() adds one */
#define DIGITS_MAX 15
#define MARK '\x01' /* stands for a number in a family's form; no character of a name */

/* A number: its value above its count of digits, so that comparing cells orders by value, then by width. 10^15 < 2^50. */
#define CELL(value, digits) ((uint64_t) (value) << 4 | (digits))
#define CELL_VALUE(cell) ((cell) >> 4)
#define CELL_DIGITS(cell) ((size_t) ((cell) & 15))

struct family {
    size_t form, form_len; /* in folder.forms */
    size_t columns;
    uint64_t *rows;        /* n × columns; NULL for no columns */
    size_t n, cap;
};

/* A set of ranges as text, "[1-3,7]" or "7", known by its number. */
struct ranges {
    size_t text, len;
    uint64_t first; /* its least cell, for the order of output */
};

/* Scratch of one family's folding, kept for the next. */
struct scratch {
    struct ranges *ranges;
    size_t n_ranges, ranges_cap;
    struct tg_buf text;
    uint32_t *table; /* index + 1 into ranges, by hash of the text */
    size_t table_cap;
    struct chain {
        uint64_t first, last; /* values */
        size_t width;
    } *chains;
    size_t n_chains, chains_cap;
};

struct tg_folder {
    struct family *families;
    size_t n, cap, last;
    struct tg_buf forms;
    uint32_t *table; /* index + 1 into families, by hash of the form */
    size_t table_cap;
    struct scratch s;
};

/* FNV-1a: only spreads over our own tables. */
static size_t hash(const char *bytes, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) bytes[i]) * 0x100000001b3u;
    return (size_t) (h ^ h >> 32);
}

/* Room for one more element; the size doubles. */
static int room(void **data, size_t n, size_t *cap, size_t size, struct tg_error *e)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 1;
    void *bigger = realloc(*data, more * size);
    if (!bigger)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *data = bigger;
    *cap = more;
    return 0;
}

int tg_folder_new(struct tg_folder **out, struct tg_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_folder_free(struct tg_folder *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        free(f->families[i].rows);
    free(f->families);
    free(f->table);
    tg_buf_release(&f->forms);
    free(f->s.ranges);
    free(f->s.table);
    free(f->s.chains);
    tg_buf_release(&f->s.text);
    free(f);
}

/* Splits a name into its form and its cells. Numbers that are too long, or too many, stay in the form. */
static size_t split(const char *name, char form[TG_HOST_NAME_SIZE], uint64_t cells[COLUMNS_MAX], size_t *out_columns)
{
    size_t len = 0, columns = 0;

    while (*name && len < TG_HOST_NAME_MAX) {
        size_t digits = strspn(name, "0123456789");
        if (!digits || digits > DIGITS_MAX || columns == COLUMNS_MAX) {
            size_t take = digits ? digits : 1;
            for (size_t i = 0; i < take && len < TG_HOST_NAME_MAX; i++)
                form[len++] = *name++;
            continue;
        }
        uint64_t value = 0;
        for (size_t i = 0; i < digits; i++)
            value = value * 10 + (uint64_t) (*name++ - '0');
        cells[columns++] = CELL(value, digits);
        form[len++] = MARK;
    }
    *out_columns = columns;
    return len;
}

static bool is_family(const struct tg_folder *f, size_t i, const char *form, size_t len)
{
    return f->families[i].form_len == len && memcmp(f->forms.data + f->families[i].form, form, len) == 0;
}

static int grow_table(struct tg_folder *f, struct tg_error *e)
{
    size_t cap = f->table_cap ? f->table_cap * 2 : 16;
    uint32_t *table = calloc(cap, sizeof *table);

    if (!table)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < f->n; i++) {
        size_t at = hash(f->forms.data + f->families[i].form, f->families[i].form_len) & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = (uint32_t) i + 1;
    }
    free(f->table);
    f->table = table;
    f->table_cap = cap;
    return 0;
}

static int new_family(struct tg_folder *f, const char *form, size_t len, size_t columns, size_t at, struct tg_error *e)
{
    void *families = f->families;
    int rc = room(&families, f->n, &f->cap, sizeof *f->families, e);

    f->families = families;
    if (rc)
        return rc;
    f->families[f->n] = (struct family) {.form = f->forms.len, .form_len = len, .columns = columns};
    tg_buf_add(&f->forms, form, len);
    if ((rc = tg_buf_ok(&f->forms, e)))
        return rc;
    f->table[at] = (uint32_t) ++f->n;
    return 0;
}

/* Sets f->last to the family of a form. */
static int find_family(struct tg_folder *f, const char *form, size_t len, size_t columns, struct tg_error *e)
{
    int rc = 0;

    if (f->n && is_family(f, f->last, form, len))
        return 0;
    if (f->n * 2 >= f->table_cap && (rc = grow_table(f, e)))
        return rc;
    size_t at = hash(form, len) & (f->table_cap - 1);
    while (f->table[at] && !is_family(f, f->table[at] - 1, form, len))
        at = (at + 1) & (f->table_cap - 1);
    if (!f->table[at])
        rc = new_family(f, form, len, columns, at, e);
    if (!rc)
        f->last = f->table[at] - 1;
    return rc;
}

int tg_folder_add(struct tg_folder *f, const char *name, struct tg_error *e)
{
    char form[TG_HOST_NAME_SIZE];
    uint64_t cells[COLUMNS_MAX];
    size_t columns;
    size_t len = split(name, form, cells, &columns);
    int rc = find_family(f, form, len, columns, e);

    if (rc || !columns)
        return rc;
    struct family *family = &f->families[f->last];
    void *rows = family->rows;
    rc = room(&rows, family->n, &family->cap, columns * sizeof *family->rows, e);
    family->rows = rows;
    if (!rc)
        memcpy(family->rows + family->n++ * columns, cells, columns * sizeof *cells);
    return rc;
}

/* The chain that a cell continues: its value is one more than the chain's last, with the digits that the chain's width gives it.
 * Of two (9 and 09 before 10) the one that began later. Only the last few are looked at, one for each width and neighbouring value:
 * with more widths mixed than anybody does, ranges come out shorter, and are still the same for the same set. */
static struct chain *continued(const struct scratch *s, uint64_t cell)
{
    uint64_t value = CELL_VALUE(cell);
    size_t natural = tg_digits_of(value), looked = 0;

    for (size_t i = s->n_chains; i-- > 0 && looked < 2 * DIGITS_MAX; looked++) {
        struct chain *c = &s->chains[i];
        if (c->last + 1 == value && CELL_DIGITS(cell) == (natural > c->width ? natural : c->width))
            return c;
    }
    return NULL;
}

static void print_number(struct tg_buf *out, uint64_t value, size_t width)
{
    char text[20];
    size_t n = tg_digits_of(value);

    if (n < width)
        n = width;
    for (size_t i = n; i > 0; i--) {
        text[i - 1] = (char) ('0' + value % 10);
        value /= 10;
    }
    tg_buf_add(out, text, n);
}

/* The text of one column's cells, ascending, cells[i × stride]. */
static int print_ranges(struct scratch *s, const uint64_t *cells, size_t n, size_t stride, struct tg_error *e)
{
    s->n_chains = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t cell = cells[i * stride];
        struct chain *c = continued(s, cell);
        if (c) {
            c->last++;
            continue;
        }
        void *chains = s->chains;
        int rc = room(&chains, s->n_chains, &s->chains_cap, sizeof *s->chains, e);
        s->chains = chains;
        if (rc)
            return rc;
        s->chains[s->n_chains++] = (struct chain) {CELL_VALUE(cell), CELL_VALUE(cell), CELL_DIGITS(cell)};
    }
    if (n > 1)
        tg_buf_putc(&s->text, '[');
    for (size_t i = 0; i < s->n_chains; i++) {
        const struct chain *c = &s->chains[i];
        if (i)
            tg_buf_putc(&s->text, ',');
        print_number(&s->text, c->first, c->width);
        if (c->last != c->first) {
            tg_buf_putc(&s->text, '-');
            print_number(&s->text, c->last, c->width);
        }
    }
    if (n > 1)
        tg_buf_putc(&s->text, ']');
    return tg_buf_ok(&s->text, e);
}

static int grow_ranges_table(struct scratch *s, struct tg_error *e)
{
    size_t cap = s->table_cap ? s->table_cap * 2 : 16;
    uint32_t *table = calloc(cap, sizeof *table);

    if (!table)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < s->n_ranges; i++) {
        size_t at = hash(s->text.data + s->ranges[i].text, s->ranges[i].len) & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = (uint32_t) i + 1;
    }
    free(s->table);
    s->table = table;
    s->table_cap = cap;
    return 0;
}

/* The number of a set of ranges: equal sets have equal numbers, which count up in the order of their first appearance. */
static int number_ranges(struct scratch *s, const uint64_t *cells, size_t n, size_t stride, uint64_t *out, struct tg_error *e)
{
    size_t start = s->text.len;
    int rc = print_ranges(s, cells, n, stride, e);

    if (!rc && s->n_ranges * 2 >= s->table_cap)
        rc = grow_ranges_table(s, e);
    if (rc)
        return rc;
    const char *text = s->text.data + start;
    size_t len = s->text.len - start, at = hash(text, len) & (s->table_cap - 1);
    for (; s->table[at]; at = (at + 1) & (s->table_cap - 1)) {
        const struct ranges *r = &s->ranges[s->table[at] - 1];
        if (r->len != len || memcmp(s->text.data + r->text, text, len) != 0)
            continue;
        s->text.len = start;
        *out = s->table[at] - 1;
        return 0;
    }
    void *ranges = s->ranges;
    rc = room(&ranges, s->n_ranges, &s->ranges_cap, sizeof *s->ranges, e);
    s->ranges = ranges;
    if (rc)
        return rc;
    s->ranges[s->n_ranges] = (struct ranges) {start, len, cells[0]};
    *out = s->n_ranges++;
    s->table[at] = (uint32_t) s->n_ranges;
    return 0;
}

/* Folds the last column of sorted rows, and moves it to the front: after as many passes as columns, all are in place again. */
static int fold_last_column(struct scratch *s, struct family *f, struct tg_error *e)
{
    size_t last = f->columns - 1, kept = 0;

    for (size_t i = 0, end; i < f->n; i = end) {
        uint64_t row[COLUMNS_MAX];
        const uint64_t *first = f->rows + i * f->columns;
        for (end = i + 1; end < f->n && tg_rows_compare(first, f->rows + end * f->columns, last) == 0;)
            end++;
        int rc = number_ranges(s, first + last, end - i, f->columns, &row[0], e);
        if (rc)
            return rc;
        memcpy(row + 1, first, last * sizeof *row);
        memcpy(f->rows + kept++ * f->columns, row, f->columns * sizeof *row);
    }
    f->n = kept;
    return 0;
}

/* Rows of numbers of ranges → in the order of the first name that each stands for. */
static int order_products(const struct scratch *s, const struct family *f, uint64_t **out, struct tg_error *e)
{
    size_t columns = f->columns + 1;
    uint64_t *order = malloc(f->n * columns * sizeof *order);

    if (!order)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < f->n; i++) {
        for (size_t c = 0; c < f->columns; c++)
            order[i * columns + c] = s->ranges[f->rows[i * f->columns + c]].first;
        order[i * columns + f->columns] = i;
    }
    int rc = tg_rows_sort(&order, f->n, columns, e);
    if (rc)
        free(order);
    else
        *out = order;
    return rc;
}

static void print_product(const struct tg_folder *f, const struct family *family, const uint64_t *row, struct tg_buf *out)
{
    const char *form = f->forms.data + family->form;

    if (out->len)
        tg_buf_putc(out, ',');
    for (size_t i = 0; i < family->form_len; i++) {
        if (form[i] != MARK) {
            tg_buf_putc(out, form[i]);
            continue;
        }
        const struct ranges *r = &f->s.ranges[*row++];
        tg_buf_add(out, f->s.text.data + r->text, r->len);
    }
}

/* A table that one family made large is not wiped again for each of a million small ones. */
static void clear_table(struct scratch *s)
{
    if (s->table_cap <= 64) {
        if (s->table)
            memset(s->table, 0, s->table_cap * sizeof *s->table);
        return;
    }
    free(s->table);
    s->table = NULL;
    s->table_cap = 0;
}

static int print_family(struct tg_folder *f, struct family *family, struct tg_buf *out, struct tg_error *e)
{
    struct scratch *s = &f->s;
    uint64_t *order = NULL;
    int rc = 0;

    if (!family->columns) {
        print_product(f, family, NULL, out);
        return 0;
    }
    tg_buf_reset(&s->text);
    s->n_ranges = 0;
    clear_table(s);
    for (size_t c = 0; !rc && c < family->columns; c++) {
        rc = tg_rows_sort(&family->rows, family->n, family->columns, e);
        if (!rc && c == 0)
            family->n = tg_rows_unique(family->rows, family->n, family->columns);
        if (!rc)
            rc = fold_last_column(s, family, e);
    }
    if (!rc)
        rc = order_products(s, family, &order, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < family->n; i++)
        print_product(f, family, family->rows + order[i * (family->columns + 1) + family->columns] * family->columns, out);
    free(order);
    return 0;
}

static int compare_forms(const struct tg_folder *f, const struct family *a, const struct family *b)
{
    size_t least = a->form_len < b->form_len ? a->form_len : b->form_len;
    int c = memcmp(f->forms.data + a->form, f->forms.data + b->form, least);

    return c ? c : (a->form_len > b->form_len) - (a->form_len < b->form_len);
}

/* Merge sort of the families by form: qsort() has no context to find the forms with. */
static void sort_families(const struct tg_folder *f, uint32_t *order, uint32_t *other, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, a = 0, b = half;
    sort_families(f, order, other, half);
    sort_families(f, order + half, other, n - half);
    for (size_t i = 0; i < n; i++) {
        bool left = b == n || (a < half && compare_forms(f, &f->families[order[a]], &f->families[order[b]]) <= 0);
        other[i] = left ? order[a++] : order[b++];
    }
    memcpy(order, other, n * sizeof *order);
}

int tg_folder_print(struct tg_folder *f, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf own = TG_BUF_INIT;
    uint32_t *order = calloc(f->n * 2 + 1, sizeof *order);
    int rc = order ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; order && i < f->n; i++)
        order[i] = (uint32_t) i;
    if (!rc)
        sort_families(f, order, order + f->n, f->n);
    for (size_t i = 0; !rc && i < f->n; i++)
        rc = print_family(f, &f->families[order[i]], &own, e);
    if (!rc)
        rc = tg_buf_ok(&own, e);
    if (!rc)
        tg_buf_add(out, own.data, own.len);
    free(order);
    tg_buf_release(&own);
    return rc ? rc : tg_buf_ok(out, e);
}

int tg_fold(const char *const *names, size_t n, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *f;
    int rc = tg_folder_new(&f, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_folder_add(f, names[i], e);
    if (!rc)
        rc = tg_folder_print(f, out, e);
    tg_folder_free(f);
    return rc;
}

int tg_fold_list(const struct tg_hostlist *names, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *f;
    int rc = tg_folder_new(&f, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < names->n; i++)
        rc = tg_folder_add(f, tg_hostlist_get(names, i), e);
    if (!rc)
        rc = tg_folder_print(f, out, e);
    tg_folder_free(f);
    return rc;
}
