/* Lists of any length: see listed.h. */
#include "cli/listed.h"

#include "base/columns.h"
#include "cli/guarding.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 16
#define LAST_MIN 24 /* columns for the last cell, which is a sentence */

/* Returns where the last column begins. */
static int measure(const char *const *head, char ***rows, size_t n_rows, size_t n_columns, int *widths)
{
    int used = 0;

    for (size_t c = 0; c + 1 < n_columns; c++) {
        widths[c] = tg_columns(head[c]);
        for (size_t r = 0; r < n_rows; r++)
            widths[c] = tg_columns(rows[r][c]) > widths[c] ? tg_columns(rows[r][c]) : widths[c];
        used += widths[c] + 2;
    }
    return used;
}

static void put_row(const char *const *cells, const int *widths, size_t n_columns, int used, int width)
{
    struct tg_buf out = TG_BUF_INIT;

    for (size_t c = 0; c + 1 < n_columns; c++) {
        bool is_end = c + 2 == n_columns && !cells[c + 1][0];
        tg_buf_puts(&out, cells[c]);
        tg_put_blanks(&out, is_end ? 0 : widths[c] + 2 - tg_columns(cells[c]));
    }
    tg_put_wrapped(&out, cells[n_columns - 1], width - used, used);
    puts(tg_buf_text(&out));
    tg_buf_release(&out);
}

/* What it is called, and what it is about; then the rest of it. */
static void put_block(const struct tg_frame *f, char *const *cells, size_t n_columns)
{
    struct tg_buf middle = TG_BUF_INIT;

    for (size_t c = 2; c + 1 < n_columns; c++)
        if (cells[c][0] && strcmp(cells[c], "-") != 0)
            tg_buf_printf(&middle, "%s%s", middle.len ? ", " : "", cells[c]);
    tg_calendar_say(f, 2, "%s  %s", cells[0], cells[1]);
    if (middle.len)
        tg_calendar_say(f, 2, "  %s", tg_buf_text(&middle));
    if (cells[n_columns - 1][0])
        tg_calendar_say(f, 2, "  %s", cells[n_columns - 1]);
    tg_buf_release(&middle);
}

void tg_cli_list(const struct tg_frame *f, const char *const *head, char ***rows, size_t n_rows, size_t n_columns,
                 const char *fewer)
{
    int widths[COLUMNS_MAX];
    size_t shown = n_rows > TG_CALENDAR_ROWS_MAX ? TG_CALENDAR_ROWS_MAX : n_rows;

    if (!f->out_tty) {
        tg_cli_table(f, head, rows, n_rows, n_columns);
        return;
    }
    int used = measure(head, rows, shown, n_columns, widths);
    bool is_table = used + LAST_MIN <= f->width;
    if (is_table)
        put_row(head, widths, n_columns, used, f->width);
    for (size_t r = 0; r < shown; r++)
        if (is_table)
            put_row((const char *const *) rows[r], widths, n_columns, used, f->width);
        else
            put_block(f, rows[r], n_columns);
    if (shown < n_rows)
        tg_calendar_say(f, 2, "… and %zu more, %zu in all: %s, or use a pipe", n_rows - shown, n_rows, fewer);
}
