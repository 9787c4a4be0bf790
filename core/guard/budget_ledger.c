/* This machine's own count of what it charged: see budget.h. One small file a budget, state-dir/budgets/CLUSTER-NAME.json. */
#include "guard/budget.h"

#include "base/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FORMAT 1
#define MAX_BYTES (256 * 1024)
#define LINES_MAX 1000 /* of one window; the oldest two become one beyond */

struct line {
    char id[TG_REQUEST_ID_SIZE];
    char boot[40];          /* /proc/sys/kernel/random/boot_id when it was written */
    int64_t mono_ms;        /* CLOCK_BOOTTIME of that boot */
    int64_t wall_ms;
    int64_t n;
};
struct ledger {
    char file[512];
    struct line *v;
    size_t n;
};

static int file_of(const char *state_dir, const char *cluster_id, const char *budget, char *out, size_t size, struct tg_error *e)
{
    int n = snprintf(out, size, "%s/budgets/%.8s-%s.json", state_dir, cluster_id, budget);

    return n > 0 && (size_t) n < size ? 0 : tg_fail(e, TG_E_CONFIG, "the state folder's path is too long: %.80s…", state_dir);
}

static void boot_id(char out[40])
{
    char *text = NULL;
    size_t len;

    out[0] = '\0';
    if (tg_whole_read("/proc/sys/kernel/random/boot_id", 64, &text, &len, NULL) == 0)
        snprintf(out, 40, "%.36s", text);
    free(text);
}

static int garbage(const char *file, const char *why, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "%s: %s, so it is not known what this machine has charged", file, why);
    tg_error_hint(e, "remove it when what it did in the budget's window is known: the store's own count stays");
    return TG_E_UNKNOWN;
}

static int take_lines(json_t *list, struct ledger *l, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > LINES_MAX)
        return garbage(l->file, "it makes no sense", e);
    if (!(l->v = calloc(json_array_size(list) + 1, sizeof *l->v)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    json_array_foreach(list, i, item) {
        struct line *line = &l->v[l->n];
        const char *id, *boot;
        json_int_t mono, wall, n;
        if (json_unpack_ex(item, NULL, JSON_STRICT, "{s:s,s:s,s:I,s:I,s:I}", "id", &id, "boot", &boot, "mono", &mono, "wall", &wall, "n", &n) != 0 ||
            strlen(id) >= sizeof line->id || strlen(boot) >= sizeof line->boot || n < 0 || n > TG_BUDGET_UNITS_MAX * INT64_C(1000))
            return garbage(l->file, "it makes no sense", e);
        *line = (struct line) {.mono_ms = mono, .wall_ms = wall, .n = n};
        memcpy(line->id, id, strlen(id) + 1);
        memcpy(line->boot, boot, strlen(boot) + 1);
        l->n++;
    }
    return 0;
}

static int load(const char *state_dir, const char *cluster_id, const char *budget, struct ledger *out, struct tg_error *e)
{
    struct ledger l = {.n = 0};
    struct tg_error why = TG_ERROR_INIT;
    char *text = NULL;
    size_t len = 0;
    int rc = file_of(state_dir, cluster_id, budget, l.file, sizeof l.file, e);

    if (rc)
        return rc;
    rc = tg_whole_read(l.file, MAX_BYTES, &text, &len, &why);
    if (rc == TG_E_NOENT) {
        *out = l;
        return 0;
    }
    if (rc)
        return garbage(l.file, why.message, e);
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *format = json_object_get(o, "format");
    free(text);
    if (!json_is_integer(format) || json_integer_value(format) != FORMAT)
        rc = garbage(l.file, json_is_integer(format) ? "a newer tagout has written it" : "it makes no sense", e);
    else
        rc = take_lines(json_object_get(o, "charges"), &l, e);
    json_decref(o);
    if (rc)
        free(l.v);
    else
        *out = l;
    return rc;
}

/* On the clock that nobody sets, as long as the machine has not been booted since; a clock that went back makes nothing older. */
static bool in_window(const struct line *line, const char *boot, int64_t window_ms)
{
    const struct tg_clock *clock = tg_clock_real();
    int64_t age = strcmp(line->boot, boot) == 0 && boot[0] ? tg_mono_ms(clock) - line->mono_ms : tg_wall_ms(clock) - line->wall_ms;

    return age < window_ms;
}

static bool has_charge(const struct tg_budget *b, const char *id)
{
    for (size_t i = 0; i < b->n_charges; i++)
        if (strcmp(b->charges[i].id, id) == 0)
            return true;
    return false;
}

int tg_ledger_unseen(const char *state_dir, const char *cluster_id, const struct tg_budget *b, const char *but, int64_t *out, struct tg_error *e)
{
    struct ledger l;
    char boot[40];
    int rc = load(state_dir, cluster_id, b->name, &l, e);

    if (rc)
        return rc;
    boot_id(boot);
    for (size_t i = 0; i < l.n; i++)
        if (in_window(&l.v[i], boot, b->per_ms) && strcmp(l.v[i].id, but) != 0 && !has_charge(b, l.v[i].id))
            *out += l.v[i].n;
    free(l.v);
    return 0;
}

static int save(const struct ledger *l, struct tg_error *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I}", "id", l->v[i].id, "boot", l->v[i].boot, "mono", (json_int_t) l->v[i].mono_ms,
                                              "wall", (json_int_t) l->v[i].wall_ms, "n", (json_int_t) l->v[i].n));
    json_t *o = json_pack("{s:i,s:o}", "format", FORMAT, "charges", list);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_whole_write(l->file, text, strlen(text), 0644, TG_WHOLE_DURABLE, e);
    free(text);
    return rc;
}

/* Reads, changes and writes under a lock on the folder. -1: it can't be had; nothing is changed. */
static int locked_folder(const char *file)
{
    int folder = tg_whole_open_folder(file, TG_WHOLE_FOLDERS);

    if (folder >= 0 && flock(folder, LOCK_EX) != 0) {
        int error = errno;
        close(folder);
        errno = error;
        return -1;
    }
    return folder;
}

static void forget_past(struct ledger *l, const char *boot, int64_t window_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n; i++)
        if (in_window(&l->v[i], boot, window_ms))
            l->v[kept++] = l->v[i];
    l->n = kept;
    if (l->n >= LINES_MAX) {
        l->v[1].n += l->v[0].n;
        memmove(l->v, l->v + 1, --l->n * sizeof *l->v);
    }
}

int tg_ledger_note(const char *state_dir, const char *cluster_id, const struct tg_budget *b, const char *id, int64_t n, struct tg_error *e)
{
    struct ledger l = {.n = 0};
    char file[512];
    const struct tg_clock *clock = tg_clock_real();
    int rc = file_of(state_dir, cluster_id, b->name, file, sizeof file, e), folder = rc ? -1 : locked_folder(file);

    if (rc)
        return rc;
    if (folder < 0)
        return tg_fail_errno(e, errno == EACCES || errno == EROFS ? TG_E_PERM : TG_E_SYSTEM, errno, "%s can't be written", file);
    rc = load(state_dir, cluster_id, b->name, &l, e);
    struct line *v = rc ? NULL : realloc(l.v, (l.n + 2) * sizeof *v);
    if (!rc && !v)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc) {
        struct line line = {.mono_ms = tg_mono_ms(clock), .wall_ms = tg_wall_ms(clock), .n = n};
        l.v = v;
        boot_id(line.boot);
        snprintf(line.id, sizeof line.id, "%s", id);
        forget_past(&l, line.boot, b->per_ms);
        l.v[l.n++] = line;
        rc = save(&l, e);
    }
    free(l.v);
    close(folder);
    return rc;
}

void tg_ledger_forget(const char *state_dir, const char *cluster_id, const char *budget, const char *id)
{
    struct ledger l = {.n = 0};
    char file[512];
    size_t kept = 0;

    if (file_of(state_dir, cluster_id, budget, file, sizeof file, NULL) != 0 || access(file, F_OK) != 0)
        return;
    int folder = locked_folder(file);
    if (folder < 0)
        return;
    if (id[0] && load(state_dir, cluster_id, budget, &l, NULL) == 0) {
        for (size_t i = 0; i < l.n; i++)
            if (strcmp(l.v[i].id, id) != 0)
                l.v[kept++] = l.v[i];
        if (kept != l.n) {
            l.n = kept;
            (void) save(&l, NULL);
        }
        free(l.v);
    } else if (!id[0]) {
        (void) unlink(file);
    }
    close(folder);
}
