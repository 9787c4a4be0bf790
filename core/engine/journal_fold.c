/*
 * Runs in the store: folding a journal's lines into a snapshot, a step at a time so that the run goes on meanwhile. See journal.h.
 *
 * The machine is written down as it is (in memory), and from there on lines go into a new segment. The text is written in parts, under names
 * that nobody has used: until the head names them they are nothing. One write of the head makes them what the run begins with, and the new segment the
 * first. What is in no use any more is removed after that; what a driver that died left of its parts, before and after. Each write checks the
 * run's record, so that a driver that was replaced neither writes nor removes anything (P6).
 */
#include "engine/journal_internal.h"
#include "engine/run_snapshot.h"

#include <stdlib.h>
#include <string.h>

#define FOLD_BYTES (4 << 20)      /* of lines, at least: reading these takes a part of a second */
#define FOLD_AT_END (1 << 20)     /* a run that has ended keeps so much of its lines */
#define PART_MAX 262144
#define SWEEP_MAX 200             /* nodes removed in one transaction */

enum stage { WRITING, SWITCHING, SWEEPING };

struct tg_fold {
    enum stage stage;
    struct tg_buf text;
    struct tg_snapshot_ref ref;
    size_t part;          /* the next to be written, from 0 */
    size_t first;         /* segment that is the first behind it */
    size_t bytes_before;  /* of lines that go into it */
};

void tg_journal_fold_free(struct tg_journal *j)
{
    if (j->fold)
        tg_buf_release(&j->fold->text);
    free(j->fold);
    j->fold = NULL;
}

/* ---- beginning ---- */

static void write_text(const struct tg_journal *j, struct tg_fold *f, struct tg_error *e)
{
    size_t history = 0;

    for (size_t i = 0; i < j->history.len; i++)
        history += j->history.data[i] == '\n';
    tg_buf_printf(&f->text, "{\"format\":%d,\"lines\":%lld,\"history\":%zu}\n", TG_JOURNAL_FOLDED, (long long) j->lines, history);
    tg_buf_add(&f->text, j->history.data, j->history.len);
    tg_run_snapshot(j->replay.run, &f->text, e);
}

static int begin(struct tg_journal *j, struct tg_error *e)
{
    struct tg_fold *f = calloc(1, sizeof *f);

    if (!f)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    j->fold = f;
    write_text(j, f, e);
    if (tg_buf_ok(&f->text, NULL)) {
        tg_journal_fold_free(j);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    f->ref = (struct tg_snapshot_ref) {.parts = (f->text.len + PART_MAX - 1) / PART_MAX, .bytes = f->text.len, .lines = j->lines, .journal_sum = j->sum,
                                       .sum = tg_journal_sum(TG_SUM_START, f->text.data, f->text.len)};
    snprintf(f->ref.name, sizeof f->ref.name, "%08lld-%04u", (long long) j->epoch, ++j->folds);
    f->first = j->segments + 1;
    f->bytes_before = j->tail_bytes;
    j->cut = true;
    return 0;
}

/* ---- writing ---- */

/* One transaction of ours: TG_E_VERSION when the seat is another's. */
static int fenced(struct tg_journal *j, struct tg_op *ops, size_t n, struct tg_error *e)
{
    char run[TG_RUN_ID_SIZE + 32];
    int failed = -1;

    snprintf(run, sizeof run, "/runs/%s", j->id);
    ops[n] = (struct tg_op) {.kind = TG_OP_CHECK, .path = run, .version = j->record_version};
    int rc = tg_store_multi(j->store, ops, n + 1, tg_journal_deadline(j), &failed, e);
    return rc == TG_E_NOENT && failed == (int) n ? TG_E_VERSION : rc;
}

/* The folder of the parts, in runs that have none. */
static int make_folder(struct tg_journal *j, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_op ops[2] = {{.kind = TG_OP_CREATE, .path = path, .data = "", .len = 0}};

    snprintf(path, sizeof path, "/runs/%s/snapshot", j->id);
    int rc = fenced(j, ops, 1, e);
    if (rc == TG_E_EXISTS)
        tg_error_clear(e);
    return rc == TG_E_EXISTS ? 0 : rc;
}

static int write_part(struct tg_journal *j, struct tg_fold *f, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 64];
    size_t at = f->part * PART_MAX, len = f->text.len - at < PART_MAX ? f->text.len - at : PART_MAX;
    struct tg_op ops[2] = {{.kind = TG_OP_CREATE, .path = path, .data = f->text.data + at, .len = len}};
    struct tg_error own = TG_ERROR_INIT;

    tg_journal_part_path(j, &f->ref, f->part, path, sizeof path);
    int rc = fenced(j, ops, 1, &own);
    if (rc == TG_E_NOENT)
        return make_folder(j, e);
    if (rc && rc != TG_E_EXISTS) { /* one that exists is ours, from a try whose answer was lost: nobody else has the name */
        if (e && !e->code)
            *e = own;
        return rc;
    }
    if (++f->part == f->ref.parts)
        f->stage = SWITCHING;
    return 0;
}

static int switch_head(struct tg_journal *j, struct tg_fold *f, struct tg_error *e)
{
    const struct tg_journal_head head = {.lines = j->lines, .first = f->first, .segments = j->segments, .sum = j->sum, .snapshot = f->ref,
                                         .summary = tg_journal_summary(j)};
    int rc = tg_journal_commit_head(j, &head, e);

    if (rc)
        return rc;
    j->first = f->first;
    j->snapshot = f->ref;
    j->tail_bytes -= f->bytes_before;
    if (j->cut)
        tg_buf_reset(&j->tail); /* nothing was written since: the last segment goes */
    tg_buf_release(&f->text);
    f->stage = SWEEPING;
    return 0;
}

/* ---- sweeping ---- */

static bool is_used(const struct tg_journal *j, bool is_part, const char *name)
{
    size_t len = strlen(j->snapshot.name);

    if (!is_part)
        return strtoull(name, NULL, 10) >= j->first;
    return len && strncmp(name, j->snapshot.name, len) == 0 && name[len] == '-';
}

/* *out_n: how many were removed. */
static int sweep_folder(struct tg_journal *j, bool is_part, size_t *out_n, struct tg_error *e)
{
    struct sweep {
        struct tg_op ops[SWEEP_MAX + 1];
        char paths[SWEEP_MAX][TG_RUN_ID_SIZE + 96];
    } *s = calloc(1, sizeof *s);
    char folder[TG_RUN_ID_SIZE + 32];
    struct tg_names names = {0};
    size_t n = 0;

    *out_n = 0;
    snprintf(folder, sizeof folder, "/runs/%s/%s", j->id, is_part ? "snapshot" : "journal");
    int rc = s ? tg_store_list(j->store, folder, tg_journal_deadline(j), &names, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < names.count && n < SWEEP_MAX; i++) {
        if (is_used(j, is_part, names.names[i]))
            continue;
        snprintf(s->paths[n], sizeof s->paths[n], "%s/%.40s", folder, names.names[i]);
        s->ops[n] = (struct tg_op) {.kind = TG_OP_DELETE, .path = s->paths[n], .version = TG_ANY_VERSION};
        n++;
    }
    if (!rc && n)
        rc = fenced(j, s->ops, n, e);
    if (!rc)
        *out_n = n;
    tg_names_release(&names);
    free(s);
    return rc;
}

static int sweep(struct tg_journal *j, struct tg_error *e)
{
    size_t n;
    int rc = sweep_folder(j, false, &n, e);

    if (!rc && !n) {
        rc = sweep_folder(j, true, &n, e);
        if (rc == TG_E_NOENT) { /* no folder */
            tg_error_clear(e);
            rc = 0;
        }
    }
    if (!rc && !n) {
        j->stale = false;
        tg_journal_fold_free(j);
    }
    return rc;
}

/* ---- steps ---- */

static int step(struct tg_journal *j, struct tg_error *e)
{
    if (!j->fold && j->stale) {
        if (!(j->fold = calloc(1, sizeof *j->fold)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        j->fold->stage = SWEEPING;
    }
    if (!j->fold)
        return begin(j, e);
    switch (j->fold->stage) {
    case WRITING:
        return write_part(j, j->fold, e);
    case SWITCHING:
        return switch_head(j, j->fold, e);
    case SWEEPING:
    default:
        return sweep(j, e);
    }
}

static size_t bound_of(const struct tg_journal *j)
{
    size_t bound = j->snapshot.bytes * 2 > FOLD_BYTES ? j->snapshot.bytes * 2 : FOLD_BYTES;

    return j->fold_bytes ? j->fold_bytes : bound;
}

/* It was not to be, for a reason that is no matter of the run: later again. What was written of it is swept away then. */
static void put_off(struct tg_journal *j)
{
    tg_journal_fold_free(j);
    j->cut = false;
    j->put_off = j->tail_bytes + bound_of(j);
    j->stale = false;
}

int tg_journal_fold(struct tg_journal *j, bool *out_busy, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    *out_busy = false;
    if (!j->seated || j->pending.len || !j->replay.run)
        return 0;
    if (!j->fold && !j->stale && (j->tail_bytes < bound_of(j) || j->tail_bytes < j->put_off))
        return 0;
    int rc = step(j, &own);
    *out_busy = !rc && j->fold;
    if (rc == TG_E_LOST || rc == TG_E_TIMEOUT || rc == TG_E_NOENT || !rc)
        return 0; /* the next step looks what became of it */
    if (rc != TG_E_VERSION && rc != TG_E_SESSION && rc != TG_E_CANCELLED) {
        put_off(j);
        return 0;
    }
    if (e && !e->code)
        *e = own;
    return rc;
}

void tg_journal_fold_end(struct tg_journal *j)
{
    size_t bound = j->fold_bytes;

    for (int i = 0; i < 2; i++) { /* one that is under way, then the rest */
        bool busy = true;
        if (!j->fold && j->tail_bytes > FOLD_AT_END) {
            j->fold_bytes = 1;
            j->put_off = 0;
        }
        while (busy && !tg_journal_fold(j, &busy, NULL))
            j->fold_bytes = bound;
        j->fold_bytes = bound;
    }
}
