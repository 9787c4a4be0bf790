/* tagout locks: which locks there are. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "cli/locks.h"

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
        return tg_cli_cell("waiting");
    if (tg_lock_is_overdue(l, now_ms)) {
        tg_duration_format(now_ms - l->until_ms, text, sizeof text);
        return tg_cli_cell("OVERDUE by %s", text);
    }
    if (tg_lock_is_due(l, now_ms)) {
        char left[32];
        tg_duration_format(l->until_ms - now_ms, left, sizeof left);
        return tg_cli_cell("%s, %s left", tg_cli_when(l->until_ms, now_ms, text, sizeof text), left);
    }
    return tg_cli_cell("%s", tg_cli_when(l->until_ms, now_ms, text, sizeof text));
}

static char **make_row(const struct tg_lock *l, int64_t now_ms)
{
    char **row = calloc(COLUMNS, sizeof *row);
    char scopes[TG_SCOPE_TEXT_SIZE + 16], since[40];

    if (!row)
        return NULL;
    row[0] = tg_cli_cell("%s", l->id);
    row[1] = tg_cli_cell("%s", tg_scopes_format(&l->scopes, scopes, sizeof scopes));
    row[2] = shown_cell(l->owner, "");
    row[3] = tg_cli_cell("%s", tg_cli_when(l->since_ms, now_ms, since, sizeof since));
    row[4] = until_cell(l, now_ms);
    row[5] = l->n_hold ? hold_cell(l) : tg_cli_cell("all");
    row[6] = shown_cell(l->reason, l->ticket);
    return row;
}

/* What is odd about its times, below the table. */
static void print_odd(const struct tg_locks *locks, int64_t now_ms)
{
    char odd[160];

    for (size_t i = 0; i < locks->n; i++)
        if (tg_lock_oddity(&locks->v[i], now_ms, odd, sizeof odd)[0])
            printf("%s holds, but is odd: %s\n", locks->v[i].id, odd);
}

void tg_cli_locks_table(const struct tg_frame *f, const struct tg_locks *locks, int64_t now_ms)
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
    tg_cli_table_free(rows, n, COLUMNS);
    print_odd(locks, now_ms);
}

/* A line for the mail of a cron job, or for motd. */
static void remind(const struct tg_lock *l, int64_t now_ms)
{
    char scopes[TG_SCOPE_TEXT_SIZE + 16], owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE], text[32];

    tg_duration_format(l->until_ms > now_ms ? l->until_ms - now_ms : now_ms - l->until_ms, text, sizeof text);
    printf("%s on %s by %s %s%s%s: %s. When it is done: tagout unlock %s; else: tagout extend %s --for TIME\n", l->id,
           tg_scopes_format(&l->scopes, scopes, sizeof scopes), tg_shown_text(l->owner, owner, sizeof owner),
           tg_lock_is_overdue(l, now_ms) ? "is OVERDUE by " : "ends in ", text, tg_lock_is_overdue(l, now_ms) ? " and still holds" : "",
           tg_shown_text(l->reason, reason, sizeof reason), l->id, l->id);
}

/* Those that --overdue and --remind are about stay; the others go. Returns how many are overdue. */
static size_t keep_asked(const struct tg_frame *f, struct tg_locks *locks, int64_t now_ms)
{
    size_t n = 0, overdue = 0;
    bool only = tg_opt_flag(f, "overdue"), soon = tg_opt_flag(f, "remind") && !only;

    for (size_t i = 0; i < locks->n; i++) {
        bool is = tg_lock_is_overdue(&locks->v[i], now_ms);
        overdue += is;
        if ((only && !is) || (soon && !is && !tg_lock_is_due(&locks->v[i], now_ms)))
            tg_lock_clear(&locks->v[i]);
        else
            locks->v[n++] = locks->v[i];
    }
    locks->n = n;
    return overdue;
}

static int run_locks(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_locks locks;
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    bool only = tg_opt_flag(f, "overdue"), reminds = tg_opt_flag(f, "remind");
    int rc = f->argc ? tg_cli_scopes(f->inventory, f->argv, f->argc, &scopes, e) : 0;

    if (!rc && tg_opt_flag(f, "watch")) {
        rc = only || reminds ? tg_fail(e, TG_E_USAGE, "--watch shows all of them: without --overdue and --remind") : tg_cli_locks_watch(f, &scopes, e);
        tg_scopes_release(&scopes);
        return rc;
    }
    if (!rc)
        rc = tg_lock_list(&g, &scopes, &locks, e);
    tg_scopes_release(&scopes);
    if (rc)
        return rc;
    size_t overdue = keep_asked(f, &locks, now);
    if (only && overdue)
        f->status = tg_exit_status(TG_E_FAILED);
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < locks.n; i++)
            json_array_append_new(list, tg_cli_lock_json(&locks.v[i], now));
        rc = tg_print_json(list, e);
    } else if (reminds) {
        for (size_t i = 0; i < locks.n; i++)
            remind(&locks.v[i], now);
    } else if (locks.n) {
        tg_cli_locks_table(f, &locks, now);
    } else if (!only) { /* a cron job that has nothing to say sends no mail */
        puts(f->argc ? "Nothing is locked there." : "Nothing is locked.");
    }
    tg_locks_release(&locks);
    return rc;
}

static const struct tg_opt opts[] = {
    {.name = "overdue", .type = TG_OPT_FLAG, .text = "Only those past their time: nothing is printed when there are none, and the exit status is 1 when there are"},
    {.name = "remind", .type = TG_OPT_FLAG, .text = "One line for each that is overdue or has used four fifths of its time, for mail or motd; with --overdue only the former"},
    {.name = "watch", .letter = 'w', .type = TG_OPT_FLAG, .text = "Go on showing them as they change, until interrupted; with -o json one line an event"},
    {.name = NULL},
};

const struct tg_cmd tg_cmd_locks = {
    .name = "locks",
    .args = "[SCOPE…]",
    .brief = "list the locks, oldest first",
    .details = "Lists the locks that lie on the scopes or on what overlaps them; without scopes, all. A lock past its time is OVERDUE: it "
               "holds until somebody releases it.",
    .opts = opts,
    .examples = "  $ tagout locks\n  $ tagout locks host:web1.example.com -o json\n",
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "scope",
    .exec = run_locks,
};
