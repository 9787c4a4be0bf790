/* What the commands of locks and guards share: see guarding.h. */
#define _GNU_SOURCE
#include "cli/guarding.h"

#include "base/buf.h"
#include "base/child.h"
#include "base/columns.h"
#include "base/shown.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "guard/hold.h"
#include "guard/show.h"

#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COLUMN_MIN 6 /* narrower columns tell nothing */
#define REST_MIN 8   /* of a table's last column */

extern char **environ;

void tg_cli_owner(const struct tg_frame *f, char *out, size_t size)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *sudo = getuid() == 0 ? getenv("SUDO_USER") : NULL; /* set by anybody, but believed only of root */
    const char *user = sudo && sudo[0] ? sudo : pw ? pw->pw_name : getenv("USER");
    char host[65] = "";

    if (gethostname(host, sizeof host - 1) != 0 || !host[0])
        snprintf(host, sizeof host, "localhost");
    if (f->config && f->config->owner)
        snprintf(out, size, "%s", f->config->owner);
    else
        snprintf(out, size, "%.100s@%s", user && user[0] ? user : "unknown", host);
}

void tg_cli_holds_of_host(const struct tg_config *config)
{
    if (config->host_state_dir)
        tg_local_hold_also(config->host_state_dir);
    tg_local_hold_also(TG_CONFIG_STATE_DIR); /* where tagout hold goes when the configuration can't be read */
}

struct tg_guard tg_cli_guard(struct tg_frame *f, int64_t timeout_ms)
{
    return (struct tg_guard) {.store = f->store, .inventory = f->inventory, .state_dir = f->config ? f->config->state_dir : NULL, .timeout_ms = timeout_ms};
}

int tg_cli_own_host(const struct tg_inventory *inventory, struct tg_scope *out, struct tg_error *e)
{
    return tg_scope_own_host(inventory, NULL, out, e);
}

int tg_cli_scopes(const struct tg_inventory *inventory, char **argv, int argc, struct tg_scopes *out, struct tg_error *e)
{
    struct tg_scope own;

    if (argc > 0)
        return tg_scopes_parse(out, (const char *const *) argv, (size_t) argc, inventory, e);
    int rc = tg_cli_own_host(inventory, &own, e);
    return rc ? rc : tg_scopes_add(out, &own, e);
}

int tg_cli_asked(const struct tg_frame *f, struct tg_scopes *out, struct tg_error *e)
{
    const char *also = getenv("TAGOUT_ALSO");
    int rc = tg_cli_scopes(f->inventory, f->argv, f->argc, out, e);
    char *words = also && !rc ? strdup(also) : NULL, *rest = words;

    if (also && !rc && !words)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (char *word; !rc && (word = strsep(&rest, " "));) {
        const char *const text = word;
        if (word[0] && (rc = tg_scopes_parse(out, &text, 1, f->inventory, e)) != 0)
            tg_error_prefix(e, "TAGOUT_ALSO");
    }
    free(words);
    return rc;
}

int tg_cli_groups_known(const struct tg_scopes *scopes, const struct tg_inventory *inventory, struct tg_error *e)
{
    for (size_t i = 0; i < scopes->n; i++)
        if (scopes->v[i].kind == TG_SCOPE_GROUP && !inventory) {
            tg_fail(e, TG_E_CONFIG, "group:%s: which hosts these are is not known, as no inventory is configured", scopes->v[i].name);
            tg_error_hint(e, "give --inventory FILE, or set inventory: in /etc/tagout/tagout.yaml");
            return TG_E_CONFIG;
        }
    return 0;
}

/* --- showing --- */

const char *tg_cli_when(int64_t wall_ms, int64_t now_ms, char *out, size_t size)
{
    time_t at = (time_t) (wall_ms / 1000), now = (time_t) (now_ms / 1000);
    struct tm tm, today;

    gmtime_r(&at, &tm);
    gmtime_r(&now, &today);
    if (tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday)
        strftime(out, size, "%H:%M UTC", &tm);
    else
        strftime(out, size, "%Y-%m-%d %H:%M UTC", &tm);
    return out;
}

void tg_cli_scope_list(const struct tg_scopes *scopes, struct tg_buf *out)
{
    char text[TG_SCOPE_TEXT_SIZE];

    for (size_t i = 0; i < scopes->n; i++) {
        const struct tg_scope *s = &scopes->v[i];
        tg_buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == scopes->n ? " and " : ", ", tg_scope_format(s, text, sizeof text));
        if (s->kind == TG_SCOPE_GROUP && s->hosts && strlen(s->hosts) <= 120)
            tg_buf_printf(out, " (%s)", s->hosts[0] ? s->hosts : "no hosts");
        else if (s->kind == TG_SCOPE_GROUP && s->hosts)
            tg_buf_printf(out, " (%zu hosts)", s->host_set.n);
    }
}

json_t *tg_cli_scopes_json(const struct tg_scopes *scopes)
{
    return tg_scopes_json(scopes);
}

json_t *tg_cli_time_json(int64_t wall_ms)
{
    return tg_time_json(wall_ms);
}

json_t *tg_cli_lock_json(const struct tg_lock *l, int64_t now_ms)
{
    return tg_lock_json(l, now_ms);
}

/* At most room columns of it, with "…" for what is cut. Returns how many it took. */
static int print_cut(const char *text, int room)
{
    struct tg_buf cut = TG_BUF_INIT;
    int n = tg_columns(text);

    tg_put_cut(&cut, text, room);
    fputs(tg_buf_text(&cut), stdout);
    tg_buf_release(&cut);
    return n < room ? n : room;
}

/*
 * Of columns that are too wide together the widest give way first; never the first one, which is what one types next. Where that is not enough two are
 * left out (width -2): the one in the middle, and the last but one. Returns what is left for the last.
 */
static int fit(int *widths, size_t n_columns, int width)
{
    int used = 0;

    for (size_t c = 0; c + 1 < n_columns; c++)
        used += widths[c] + 2;
    while (used + REST_MIN > width) {
        size_t widest = 0;
        for (size_t c = 1; c + 1 < n_columns; c++)
            if (widths[c] > COLUMN_MIN && (!widest || widths[c] > widths[widest]))
                widest = c;
        if (!widest)
            break;
        widths[widest]--;
        used--;
    }
    const size_t out[] = {(n_columns - 1) / 2, n_columns - 2};
    for (size_t i = 0; i < 2 && n_columns > 4 && used + REST_MIN > width; i++) {
        used -= widths[out[i]] + 2;
        widths[out[i]] = -2;
    }
    return width - used > COLUMN_MIN ? width - used : COLUMN_MIN;
}

char *tg_cli_cell(const char *format, ...)
{
    struct tg_buf b = TG_BUF_INIT;
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(&b, format, args);
    va_end(args);
    return tg_buf_take(&b, NULL);
}

void tg_cli_table(const struct tg_frame *f, const char *const *head, char ***rows, size_t n_rows, size_t n_columns)
{
    int widths[16] = {0}, room = INT_MAX;

    for (size_t c = 0; c + 1 < n_columns; c++) {
        widths[c] = tg_columns(head[c]);
        for (size_t r = 0; r < n_rows; r++)
            widths[c] = tg_columns(rows[r][c]) > widths[c] ? tg_columns(rows[r][c]) : widths[c];
    }
    if (f->out_tty)
        room = fit(widths, n_columns, f->width);
    for (size_t r = 0; r <= n_rows; r++) {
        for (size_t c = 0; c + 1 < n_columns; c++)
            if (widths[c] > 0)
                printf("%*s", widths[c] + 2 - print_cut(r ? rows[r - 1][c] : head[c], widths[c]), "");
        print_cut(r ? rows[r - 1][n_columns - 1] : head[n_columns - 1], room);
        putchar('\n');
    }
}

void tg_cli_table_free(char ***rows, size_t n_rows, size_t n_columns)
{
    for (size_t r = 0; rows && r < n_rows; r++) {
        for (size_t c = 0; c < n_columns; c++)
            free(rows[r][c]);
        free(rows[r]);
    }
    free(rows);
}

void tg_cli_say(FILE *to, const char *format, ...)
{
    struct tg_buf plain = TG_BUF_INIT, shown = TG_BUF_INIT;
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(&plain, format, args);
    va_end(args);
    tg_shown_lines(&shown, tg_buf_text(&plain));
    fputs(tg_buf_text(&shown), to);
    tg_buf_release(&shown);
    tg_buf_release(&plain);
}

/* --- signals, environment --- */

static struct tg_loop *volatile woken;
static volatile sig_atomic_t signalled;

void tg_cli_woken_loop(struct tg_loop *loop)
{
    woken = loop;
}

void tg_cli_wake_loop(void)
{
    if (woken)
        tg_loop_interrupt(woken);
}

static void on_signal(int number)
{
    signalled = number;
    tg_cli_wake_loop();
}

void tg_cli_catch_signals(struct tg_loop *loop)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_signal};

    tg_cli_woken_loop(loop);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void) sigaction(numbers[i], &act, NULL);
}

int tg_cli_signalled(void)
{
    int n = signalled;

    signalled = 0;
    return n;
}

int tg_cli_forget_environment(struct tg_error *e)
{
    static const char *const kept[] = {"TAGOUT_TOKEN", "TAGOUT_PERMIT", "TAGOUT_ALSO"};
    char *value[sizeof kept / sizeof kept[0]] = {NULL};
    bool ok = true;

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *is = getenv(kept[i]);
        ok = ok && (!is || (value[i] = strdup(is)) != NULL);
    }
    ok = ok && clearenv() == 0 && setenv("PATH", TG_CHILD_PATH, 1) == 0 && setenv("HOME", "/", 1) == 0 && setenv("LANG", "C.UTF-8", 1) == 0;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        ok = ok && (!value[i] || setenv(kept[i], value[i], 1) == 0);
        free(value[i]);
    }
    return ok ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static bool replaces(const char *const *add, const char *entry)
{
    size_t len = strcspn(entry, "=") + 1;

    for (size_t i = 0; add[i]; i++)
        if (strncmp(add[i], entry, len) == 0)
            return true;
    return false;
}

char **tg_cli_environment(const char *const *add)
{
    size_t n = 0, m = 0;

    while (environ[n])
        n++;
    while (add[m])
        m++;
    char **env = calloc(n + m + 1, sizeof *env);
    size_t at = 0;
    for (size_t i = 0; env && i < n; i++)
        if (!replaces(add, environ[i]))
            env[at++] = strdup(environ[i]);
    for (size_t i = 0; env && i < m; i++)
        env[at++] = strdup(add[i]);
    return env;
}

void tg_cli_environment_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}
