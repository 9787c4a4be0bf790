/* Runs in the store: appending to the journal, and what people want of a run. See journal.h. */
#include "engine/holds.h"
#include "engine/journal_internal.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX 16 /* record, control, pauses, head, and at most seven segments of 64 KB in a commit */

static void path_of(const struct tg_journal *j, const char *below, char *out, size_t size)
{
    snprintf(out, size, "/runs/%s%s", j->id, below);
}

/* ---- tokens ---- */

int tg_run_tokens_make(const char *given, struct tg_run_tokens *out, struct tg_error *e)
{
    struct tg_run_tokens t = {0};
    int rc = tg_holds_token(t.own, e);

    if (rc)
        return rc;
    if (given && given[strspn(given, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,")])
        return tg_fail(e, TG_E_DATA, "TAGOUT_TOKEN holds no tokens");
    int n = snprintf(t.all, sizeof t.all, "%s%s%s", t.own, given && given[0] ? "," : "", given ? given : "");
    if (n < 0 || (size_t) n >= sizeof t.all)
        return tg_fail(e, TG_E_DATA, "TAGOUT_TOKEN is too long");
    *out = t;
    return 0;
}

/* ---- appending ---- */

int tg_journal_note(struct tg_journal *j, json_t *line, struct tg_error *e)
{
    int rc = line ? tg_journal_text(line, &j->pending, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    tg_journal_remember(j, line);
    json_decref(line);
    if (rc)
        return rc;
    tg_buf_putc(&j->pending, '\n');
    return tg_buf_ok(&j->pending, e);
}

/* One transaction's worth of pending lines, laid out over segments. */
struct batch {
    size_t len;       /* of pending */
    int64_t lines;
    uint64_t sum;
    size_t segments;  /* after it */
    struct tg_op ops[OPS_MAX];
    size_t n_ops;
    char paths[OPS_MAX][TG_RUN_ID_SIZE + 40];
    struct tg_buf bufs[OPS_MAX];
    char *head;
};

static void batch_release(struct batch *b)
{
    for (size_t i = 0; i < OPS_MAX; i++)
        tg_buf_release(&b->bufs[i]);
    free(b->head);
}

static struct tg_op *add_op(struct batch *b, enum tg_op_kind kind, int64_t version)
{
    struct tg_op *op = &b->ops[b->n_ops];

    *op = (struct tg_op) {.kind = kind, .path = b->paths[b->n_ops], .version = version};
    b->n_ops++;
    return op;
}

static void fill_op(struct tg_op *op, const void *data, size_t len)
{
    op->data = data;
    op->len = len;
}

/* How long the last segment may be and be written anew: small, as commits of an answer or two write it again and again; and at its full size once there are so
 * many that a folder of the store would get too long (a fold begins behind 4 MB of lines, of a million hosts behind 70). */
static size_t seal_at(const struct tg_journal *j)
{
    return j->segments + 1 - j->first < TG_JOURNAL_SMALL_ONES ? TG_JOURNAL_SEALED : TG_JOURNAL_SEGMENT;
}

/* Whole lines into segments: first the rest of the last one, then new ones. */
static void lay_out(const struct tg_journal *j, struct batch *b)
{
    const char *at = j->pending.data, *end = at + j->pending.len;
    bool fresh = j->tail.len == 0 || j->cut || j->tail.len >= seal_at(j);

    b->segments = j->segments;
    while (at < end && b->n_ops < OPS_MAX && b->len < TG_JOURNAL_COMMIT_MAX) {
        struct tg_buf *buf = &b->bufs[b->n_ops];
        b->segments += fresh;
        snprintf(b->paths[b->n_ops], sizeof b->paths[0], "/runs/%s/journal/%08zu", j->id, b->segments);
        struct tg_op *op = add_op(b, fresh ? TG_OP_CREATE : TG_OP_WRITE, TG_ANY_VERSION);
        if (!fresh)
            tg_buf_add(buf, j->tail.data, j->tail.len);
        while (at < end && buf->len < TG_JOURNAL_SEGMENT) {
            const char *nl = memchr(at, '\n', (size_t) (end - at));
            size_t len = (size_t) (nl - at) + 1;
            tg_buf_add(buf, at, len);
            b->sum = tg_journal_sum(b->sum, at, len);
            b->len += len;
            b->lines++;
            at += len;
        }
        fill_op(op, buf->data, buf->len);
        fresh = true;
    }
}

struct tg_run_summary tg_journal_summary(const struct tg_journal *j)
{
    const struct tg_run *run = j->replay.run;

    return (struct tg_run_summary) {.known = true, .state = run->state, .end = tg_run_end(run), .done = tg_run_done(run), .hosts = run->plan->n_hosts,
                                    .failures = tg_run_failures(run), .leftovers = tg_run_leftovers(run) + run->totals[TG_HOST_WITHDRAWN]};
}

static int make_batch(const struct tg_journal *j, bool starts, struct batch *b, struct tg_error *e)
{
    b->sum = j->sum;
    path_of(j, "", b->paths[b->n_ops], sizeof b->paths[0]);
    add_op(b, TG_OP_CHECK, j->record_version);
    path_of(j, "/journal", b->paths[b->n_ops], sizeof b->paths[0]);
    struct tg_op *head = add_op(b, TG_OP_WRITE, j->head_version);
    if (starts) {
        path_of(j, "/control", b->paths[b->n_ops], sizeof b->paths[0]);
        add_op(b, TG_OP_CHECK, j->control_version);
        snprintf(b->paths[b->n_ops], sizeof b->paths[0], "%s", TG_PAUSES_PATH);
        add_op(b, TG_OP_CHECK, j->pauses.version);
    }
    lay_out(j, b);
    for (size_t i = 0; i < b->n_ops; i++) {
        int rc = tg_buf_ok(&b->bufs[i], e);
        if (rc)
            return rc;
    }
    const struct tg_journal_head after = {.lines = j->lines + b->lines, .first = j->first, .segments = b->segments, .sum = b->sum,
                                          .snapshot = j->snapshot, .summary = tg_journal_summary(j)};
    if (!(b->head = tg_journal_head_text(&after, e)))
        return TG_E_MEMORY;
    fill_op(head, b->head, strlen(b->head));
    return 0;
}

static void done_batch(struct tg_journal *j, struct batch *b)
{
    struct tg_buf *last = &b->bufs[b->n_ops - 1];
    struct tg_buf tail = j->tail;

    j->tail = *last;
    *last = tail;
    j->lines += b->lines;
    j->sum = b->sum;
    j->segments = b->segments;
    j->tail_bytes += b->len;
    j->cut = false;
    j->head_version++;
    memmove(j->pending.data, j->pending.data + b->len, j->pending.len - b->len);
    j->pending.len -= b->len;
    j->pending.data[j->pending.len] = '\0';
}

int tg_journal_seat_lost(const struct tg_journal *j, struct tg_error *e)
{
    tg_fail(e, TG_E_VERSION, "run %s: another controller has taken the seat (ours was epoch %lld)", j->id, (long long) j->epoch);
    tg_error_hint(e, "nothing more is done from here; look with: tagout status %s", j->id);
    return TG_E_VERSION;
}

/* After an answer that was lost or refused: 1 when the head is as the batch leaves it, 0 when it is as before, else why not. */
static int look_at_head(struct tg_journal *j, const struct batch *b, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_node node;

    path_of(j, "/journal", path, sizeof path);
    int rc = tg_store_sync(j->store, path, tg_journal_deadline(j), e);
    if (rc || (rc = tg_store_read(j->store, path, tg_journal_deadline(j), &node, e)) != 0)
        return rc;
    bool written = node.stat.version == j->head_version + 1 && strcmp(node.data, b->head) == 0;
    bool before = node.stat.version == j->head_version;
    tg_node_release(&node);
    if (written)
        return 1;
    return before ? 0 : tg_journal_seat_lost(j, e);
}

static bool ambiguous(int rc)
{
    return rc == TG_E_LOST || rc == TG_E_TIMEOUT;
}

/* One try. 0: committed; TG_E_LOST: try again; TG_COMMIT_CONTROL in *out with 0: refused by control. */
static int try_batch(struct tg_journal *j, struct batch *b, bool starts, enum tg_commit *out, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int failed = -1;
    int rc = tg_store_multi(j->store, b->ops, b->n_ops, tg_journal_deadline(j), &failed, &own);

    *out = TG_COMMITTED;
    if (!rc)
        return 0;
    if (!ambiguous(rc) && rc != TG_E_VERSION) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    /* An earlier try whose answer was lost may have been the one that changed the head. */
    int seen = look_at_head(j, b, e);
    if (seen)
        return seen < 0 ? seen : 0;
    if (rc != TG_E_VERSION)
        return TG_E_LOST;
    if ((failed != 2 && failed != 3) || !starts)
        return tg_journal_seat_lost(j, e);
    *out = TG_COMMIT_CONTROL;
    return tg_journal_control(j, NULL, NULL, e);
}

/* How long to wait for a store that is away: past its session's end others may take the seat, so there is little sense in more. */
int64_t tg_journal_patience_ms(const struct tg_journal *j)
{
    int64_t session = tg_store_session_ms(j->store);

    return session < 15000 ? 30000 : session < 60000 ? 2 * session : 120000;
}

/* Until it is written, or refused, or the store is away for too long. */
static int run_batch(struct tg_journal *j, struct batch *b, bool starts, enum tg_commit *out, struct tg_error *e)
{
    int64_t give_up = tg_store_deadline(j->store, tg_journal_patience_ms(j));
    int rc;

    do {
        tg_error_clear(e);
        rc = try_batch(j, b, starts, out, e);
    } while (ambiguous(rc) && tg_store_deadline(j->store, 0) < give_up);
    return rc;
}

int tg_journal_commit_head(struct tg_journal *j, const struct tg_journal_head *head, struct tg_error *e)
{
    struct batch *b = calloc(1, sizeof *b);
    enum tg_commit how;
    int rc = b && (b->head = tg_journal_head_text(head, e)) ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        path_of(j, "", b->paths[0], sizeof b->paths[0]);
        add_op(b, TG_OP_CHECK, j->record_version);
        path_of(j, "/journal", b->paths[1], sizeof b->paths[1]);
        fill_op(add_op(b, TG_OP_WRITE, j->head_version), b->head, strlen(b->head));
        rc = run_batch(j, b, false, &how, e);
    }
    if (!rc)
        j->head_version++;
    if (b)
        batch_release(b);
    free(b);
    return rc;
}

static int commit_batch(struct tg_journal *j, bool starts, enum tg_commit *out, struct tg_error *e)
{
    struct batch *b = calloc(1, sizeof *b);
    int rc = b ? make_batch(j, starts, b, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = run_batch(j, b, starts, out, e);
    if (!rc && *out == TG_COMMITTED)
        done_batch(j, b);
    if (b)
        batch_release(b);
    free(b);
    return rc;
}

int tg_journal_commit(struct tg_journal *j, bool starts, enum tg_commit *out, struct tg_error *e)
{
    int rc = 0;

    *out = TG_COMMITTED;
    while (!rc && *out == TG_COMMITTED && j->pending.len)
        rc = commit_batch(j, starts, out, e);
    return rc;
}
