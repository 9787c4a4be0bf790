/* Runs in the store: the journal's head and lines, read whole or read on. See journal.h. */
#include "engine/journal_internal.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_ROOM 480 /* it is written at each commit: mostly without growing */

/* FNV-1a, 64 bits: it finds accidents, which is what it is for. */
uint64_t tg_journal_sum(uint64_t sum, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char) bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* ---- the head ---- */

char *tg_journal_head_text(const struct tg_journal_head *h, struct tg_error *e)
{
    const struct tg_run_summary *s = &h->summary;
    struct tg_buf b = TG_BUF_INIT;

    tg_buf_reserve(&b, HEAD_ROOM);
    tg_buf_printf(&b, "{\"format\":%d,\"lines\":%lld,\"segments\":%zu,\"sum\":\"%016llx\"", h->snapshot.parts ? TG_JOURNAL_FOLDED : TG_JOURNAL_FORMAT,
                  (long long) h->lines, h->segments, (unsigned long long) h->sum);
    if (h->snapshot.parts)
        tg_buf_printf(&b, ",\"first\":%zu,\"snapshot\":{\"name\":\"%s\",\"parts\":%zu,\"bytes\":%zu,\"sum\":\"%016llx\",\"lines\":%lld,\"journal\":\"%016llx\"}",
                      h->first, h->snapshot.name, h->snapshot.parts, h->snapshot.bytes, (unsigned long long) h->snapshot.sum, (long long) h->snapshot.lines,
                      (unsigned long long) h->snapshot.journal_sum);
    if (s->known)
        tg_buf_printf(&b, ",\"run\":{\"state\":\"%s\",\"end\":\"%s\",\"done\":%zu,\"hosts\":%zu,\"failures\":%zu,\"leftovers\":%zu}",
                      tg_run_state_name(s->state), tg_run_end_name(s->end), s->done, s->hosts, s->failures, s->leftovers);
    tg_buf_putc(&b, '}');
    return tg_buf_take(&b, e);
}

/* What it says of the run; words that are not known say nothing: the journal itself is read then. */
static void read_summary(const json_t *o, struct tg_run_summary *out)
{
    const char *state = json_string_value(json_object_get(o, "state")), *end = json_string_value(json_object_get(o, "end"));
    int s = 0, n = 0;

    *out = (struct tg_run_summary) {0};
    while (state && s < TG_RUN_STATES && strcmp(state, tg_run_state_name((enum tg_run_state) s)) != 0)
        s++;
    while (end && n < TG_RUN_ENDS && strcmp(end, tg_run_end_name((enum tg_run_end) n)) != 0)
        n++;
    if (!state || !end || s == TG_RUN_STATES || n == TG_RUN_ENDS)
        return;
    *out = (struct tg_run_summary) {.known = true, .state = (enum tg_run_state) s, .end = (enum tg_run_end) n,
                                    .done = (size_t) json_integer_value(json_object_get(o, "done")),
                                    .hosts = (size_t) json_integer_value(json_object_get(o, "hosts")),
                                    .failures = (size_t) json_integer_value(json_object_get(o, "failures")),
                                    .leftovers = (size_t) json_integer_value(json_object_get(o, "leftovers"))};
}

/* The snapshot that a head of format FOLDED names. */
static int read_ref(const json_t *o, struct tg_journal_head *out, struct tg_error *e)
{
    const json_t *s = json_object_get(o, "snapshot");
    const char *name = json_string_value(json_object_get(s, "name")), *sum = json_string_value(json_object_get(s, "sum")),
               *journal = json_string_value(json_object_get(s, "journal"));
    json_int_t parts = json_integer_value(json_object_get(s, "parts")), bytes = json_integer_value(json_object_get(s, "bytes")),
               lines = json_integer_value(json_object_get(s, "lines")), first = json_integer_value(json_object_get(o, "first"));

    if (!name || !sum || !journal || !name[0] || strspn(name, "0123456789-") != strlen(name) || strlen(name) >= sizeof out->snapshot.name ||
        parts < 1 || parts > TG_PLAN_PARTS_MAX * 8 || bytes < 1 || lines < 0 || lines > out->lines || first < 1)
        return tg_fail(e, TG_E_DATA, "the head of its journal does not say what it was folded into");
    out->first = (size_t) first;
    out->snapshot = (struct tg_snapshot_ref) {.parts = (size_t) parts, .bytes = (size_t) bytes, .sum = strtoull(sum, NULL, 16), .lines = lines,
                                              .journal_sum = strtoull(journal, NULL, 16)};
    snprintf(out->snapshot.name, sizeof out->snapshot.name, "%s", name);
    return 0;
}

int tg_journal_head_parse(const struct tg_node *node, struct tg_journal_head *out, struct tg_error *e)
{
    json_t *o = tg_journal_parse_to("its journal", node, TG_JOURNAL_FOLDED, e);
    const char *sum = json_string_value(json_object_get(o, "sum"));
    json_int_t lines = json_integer_value(json_object_get(o, "lines")), segments = json_integer_value(json_object_get(o, "segments"));
    int rc = 0;

    if (!o)
        return TG_E_DATA;
    if (!sum || lines < 0 || segments < 0)
        rc = tg_fail(e, TG_E_DATA, "the head of its journal says %lld lines in %lld segments%s", (long long) lines, (long long) segments, sum ? "" : ", and no sum");
    *out = (struct tg_journal_head) {.version = node->stat.version, .lines = lines, .first = 1, .segments = (size_t) segments,
                                     .sum = sum ? strtoull(sum, NULL, 16) : 0, .children = node->stat.children, .modified_ms = node->stat.modified_ms};
    if (!rc && json_integer_value(json_object_get(o, "format")) == TG_JOURNAL_FOLDED)
        rc = read_ref(o, out, e);
    if (!rc && out->first > out->segments + 1)
        rc = tg_fail(e, TG_E_DATA, "the head of its journal says segments %zu to %zu", out->first, out->segments);
    size_t wants = out->segments + 1 - out->first;
    if (!rc && out->children < (int64_t) wants)
        rc = tg_fail(e, TG_E_DATA, "its journal should have %zu segments, the store counts %lld: this copy is not whole", wants, (long long) out->children);
    read_summary(json_object_get(o, "run"), &out->summary);
    json_decref(o);
    return rc;
}

int tg_journal_read_head(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_journal_head *out, struct tg_error *e)
{
    char path[TG_RUN_ID_SIZE + 32];
    struct tg_node node;

    snprintf(path, sizeof path, "/runs/%s/journal", j->id);
    int rc = watch ? tg_store_read_watch(j->store, path, watch, data, tg_journal_deadline(j), &node, e)
                   : tg_store_read(j->store, path, tg_journal_deadline(j), &node, e);
    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        return tg_fail(e, TG_E_DATA, "it has no journal: its making was cut short, or this copy of the store is not whole");
    }
    if (rc)
        return rc;
    rc = tg_journal_head_parse(&node, out, e);
    tg_node_release(&node);
    return rc;
}

bool tg_journal_moved(struct tg_journal *j)
{
    struct tg_node node;

    if (tg_journal_read_node(j, "/journal", &node, NULL))
        return false;
    bool moved = node.stat.version != j->head_version;
    tg_node_release(&node);
    return moved;
}

/* ---- lines ---- */

struct reading {
    struct tg_journal *j;
    const struct tg_journal_head *head;
    tg_journal_line_fn on_line;
    void *data;
    bool more; /* a segment has lines that the head does not count: written meanwhile, or not ours */
};

static int replay_line(struct reading *r, const char *at, size_t len, struct tg_error *e)
{
    struct tg_replay *replay = &r->j->replay;
    json_error_t je;
    json_t *line = json_loadb(at, len, JSON_REJECT_DUPLICATES, &je);

    if (!line)
        return tg_fail(e, TG_E_DATA, "journal line %lld is no JSON: %s", (long long) replay->lines + 1, je.text);
    int rc = tg_replay_line(replay, line, e);
    if (!rc)
        tg_journal_remember(r->j, line);
    if (!rc && r->on_line)
        r->on_line(r->data, replay->run, line);
    json_decref(line);
    return rc;
}

/* The lines of a segment behind the first from bytes, as far as the head counts them. */
static int replay_segment(struct reading *r, const struct tg_node *node, size_t from, struct tg_error *e)
{
    struct tg_journal *j = r->j;
    const char *start = node->data, *at = start + from, *end = start + node->len;

    while (at < end && j->replay.lines < r->head->lines) {
        const char *nl = memchr(at, '\n', (size_t) (end - at));
        if (!nl)
            return tg_fail(e, TG_E_DATA, "journal line %lld is cut off", (long long) j->replay.lines + 1);
        int rc = replay_line(r, at, (size_t) (nl - at), e);
        if (rc)
            return rc;
        at = nl + 1;
    }
    j->sum = tg_journal_sum(j->sum, start + from, (size_t) (at - start) - from);
    j->tail_bytes += (size_t) (at - start) - from;
    r->more |= at < end;
    tg_buf_reset(&j->tail);
    tg_buf_add(&j->tail, start, (size_t) (at - start));
    return tg_buf_ok(&j->tail, e);
}

/* A segment of which from bytes were read before. */
static int read_segment(struct reading *r, size_t number, size_t from, struct tg_error *e)
{
    struct tg_journal *j = r->j;
    char below[40];
    struct tg_node node;

    snprintf(below, sizeof below, "/journal/%08zu", number);
    int rc = tg_journal_read_node(j, below, &node, e);
    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        return tg_fail(e, TG_E_DATA, "segment %zu of its journal is missing", number);
    }
    if (rc)
        return rc;
    if (node.len < from || (from && memcmp(node.data, j->tail.data, from) != 0))
        rc = tg_fail(e, TG_E_DATA, "segment %zu of its journal is another than it was", number);
    else
        rc = replay_segment(r, &node, from, e);
    tg_node_release(&node);
    j->segments = number;
    return rc;
}

static int read_lines(struct reading *r, struct tg_error *e)
{
    struct tg_journal *j = r->j;
    const struct tg_journal_head *head = r->head;
    int rc = 0;

    if (j->tail.len && j->replay.lines < head->lines)
        rc = read_segment(r, j->segments, j->tail.len, e);
    while (!rc && j->replay.lines < head->lines && j->segments < head->segments)
        rc = read_segment(r, j->segments + 1, 0, e);
    if (!rc && (j->replay.lines != head->lines || j->segments != head->segments))
        rc = tg_fail(e, TG_E_DATA, "its journal has %lld lines in %zu segments, it should have %lld in %zu", (long long) j->replay.lines, j->segments,
                     (long long) head->lines, head->segments);
    if (!rc && head->sum != j->sum)
        rc = tg_fail(e, TG_E_DATA, "its journal's bytes do not add up to what its head says");
    j->lines = j->replay.lines;
    j->head_version = head->version;
    if (!rc && r->more && !tg_journal_moved(j))
        rc = tg_fail(e, TG_E_DATA, "its journal has more lines than its head says (%lld)", (long long) head->lines);
    return rc;
}

static int read_rest(struct tg_journal *j, const struct tg_journal_head *head, struct tg_run *run, struct tg_error *e)
{
    struct reading r = {.j = j, .head = head};

    j->replay.run = run;
    j->replay.lines = head->snapshot.lines;
    j->sum = head->snapshot.parts ? head->snapshot.journal_sum : TG_SUM_START;
    j->first = head->first;
    j->segments = head->first - 1;
    j->snapshot = head->snapshot;
    j->stale = head->children > (int64_t) (head->segments + 1 - head->first);
    return read_lines(&r, e);
}

int tg_journal_read(struct tg_journal *j, const struct tg_plan *plan, struct tg_run **out, struct tg_error *e)
{
    struct tg_journal_head head;
    struct tg_run *run = NULL;
    int rc = tg_journal_read_head(j, NULL, NULL, &head, e);

    if (rc)
        return rc;
    j->head_version = head.version;
    rc = head.snapshot.parts ? tg_journal_read_snapshot(j, &head, plan, &run, e) : tg_run_new(plan, &run, e);
    if (!rc)
        rc = read_rest(j, &head, run, e);
    if (rc)
        tg_run_free(run);
    else
        *out = run;
    return rc;
}

int tg_journal_read_on(struct tg_journal *j, const struct tg_journal_reader *reader, struct tg_error *e)
{
    struct tg_journal_head head;
    struct reading r = {.j = j, .head = &head, .on_line = reader->on_line, .data = reader->data};
    int rc = tg_journal_read_head(j, reader->watch, reader->data, &head, e);

    if (rc || head.version == j->head_version)
        return rc;
    if (head.snapshot.lines > j->replay.lines)
        return tg_fail(e, TG_E_VERSION, "lines %lld to %lld of its journal went into a snapshot", (long long) j->replay.lines + 1, (long long) head.snapshot.lines);
    if (head.first > j->segments) { /* where we are is the end of what was folded, or there was nothing yet */
        j->segments = head.first - 1;
        tg_buf_reset(&j->tail);
    }
    return read_lines(&r, e);
}
