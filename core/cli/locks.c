/* tagout locks: which locks there are. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 7

static char *hold_cell(const struct tg_lock *l)
{
    struct tg_buf b = TG_BUF_INIT;
    static const struct { const char *actor, *shown; } shorter[] = {{"config-management", "cm"}, {"package-manager", "pkg"}};

    for (size_t i = 0; i < l->n_hold; i++) {
        const char *name = l->hold[i];
        for (size_t s = 0; s < sizeof shorter / sizeof shorter[0]; s++)
            if (strcmp(name, shorter[s].actor) == 0)
                name = shorter[s].shown;
        tg_buf_printf(&b, "%s%s", i ? "," : "", name);
    }
    return tg_buf_take(&b, NULL);
}

static char *text_cell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_cell(const char *format, ...)
{
    struct tg_buf b = TG_BUF_INIT;
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(&b, format, args);
    va_end(args);
    return tg_buf_take(&b, NULL);
}

/* "text (more)": what others wrote. */
static char *shown_cell(const char *text, const char *more)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_shown(&b, text);
    tg_buf_puts(&b, more[0] ? " (" : "");
    tg_shown(&b, more);
    tg_buf_puts(&b, more[0] ? ")" : "");
    return tg_buf_take(&b, NULL);
}

static char *until_cell(const struct tg_lock *l, int64_t now_ms)
{
    char text[40];

    if (l->state == TG_LOCK_TAKING)
        return text_cell("waiting");
    if (tg_lock_is_overdue(l, now_ms)) {
        tg_duration_format(now_ms - l->until_ms, text, sizeof text);
        return text_cell("OVERDUE by %s", text);
    }
    return text_cell("%s", tg_cli_when(l->until_ms, now_ms, text, sizeof text));
}

static char **make_row(const struct tg_lock *l, int64_t now_ms)
{
    char **row = calloc(COLUMNS, sizeof *row);
    char scopes[TG_SCOPE_TEXT_SIZE + 16], since[40];

    if (!row)
        return NULL;
    row[0] = text_cell("%s", l->id);
    row[1] = text_cell("%s", tg_scopes_format(&l->scopes, scopes, sizeof scopes));
    row[2] = shown_cell(l->owner, "");
    row[3] = text_cell("%s", tg_cli_when(l->since_ms, now_ms, since, sizeof since));
    row[4] = until_cell(l, now_ms);
    row[5] = l->n_hold ? hold_cell(l) : text_cell("all");
    row[6] = shown_cell(l->reason, l->ticket);
    return row;
}

static void print_table(const struct tg_frame *f, const struct tg_locks *locks, int64_t now_ms)
{
    static const char *const head[COLUMNS] = {"LOCK", "SCOPE", "OWNER", "SINCE", "UNTIL", "HOLDS", "REASON"};
    char ***rows = calloc(locks->n + 1, sizeof *rows);
    size_t n = 0;

    for (; rows && n < locks->n; n++) {
        rows[n] = make_row(&locks->v[n], now_ms);
        for (size_t c = 0; rows[n] && c < COLUMNS; c++)
            if (!rows[n][c])
                return; /* out of memory: nothing sensible is left to be done */
        if (!rows[n])
            return;
    }
    tg_cli_table(f, head, rows, n, COLUMNS);
    for (size_t r = 0; rows && r < n; r++) {
        for (size_t c = 0; c < COLUMNS; c++)
            free(rows[r][c]);
        free(rows[r]);
    }
    free(rows);
}

static int run_locks(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_locks locks;
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    int rc = f->argc ? tg_cli_scopes(f->inventory, f->argv, f->argc, &scopes, e) : 0;

    if (!rc)
        rc = tg_lock_list(&g, &scopes, &locks, e);
    tg_scopes_release(&scopes);
    if (rc)
        return rc;
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < locks.n; i++)
            json_array_append_new(list, tg_cli_lock_json(&locks.v[i], now));
        rc = tg_print_json(list, e);
    } else if (locks.n) {
        print_table(f, &locks, now);
    } else {
        puts(f->argc ? "Nothing is locked there." : "Nothing is locked.");
    }
    tg_locks_release(&locks);
    return rc;
}

const struct tg_cmd tg_cmd_locks = {
    .name = "locks",
    .args = "[SCOPE…]",
    .brief = "list the locks, oldest first",
    .details = "Lists the locks that lie on the scopes or on what overlaps them; without scopes, all. A lock past its time is OVERDUE: it "
               "holds until somebody releases it.",
    .examples = "  $ tagout locks\n  $ tagout locks host:web1.example.com -o json\n",
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "scope",
    .exec = run_locks,
};
