/* Runs in the store: the journal's head and lines, read whole or read on. See journal.h. */
#include "engine/journal_internal.h"

#include <stdlib.h>
#include <string.h>

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

    tg_buf_printf(&b, "{\"format\":%d,\"lines\":%lld,\"segments\":%zu,\"sum\":\"%016llx\"", TG_JOURNAL_FORMAT, (long long) h->lines, h->segments,
                  (unsigned long long) h->sum);
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

static int read_head_text(const struct tg_node *node, struct tg_journal_head *out, struct tg_error *e)
{
    json_t *o = tg_journal_parse("its journal", node, e);
    const char *sum = json_string_value(json_object_get(o, "sum"));
    json_int_t lines = json_integer_value(json_object_get(o, "lines")), segments = json_integer_value(json_object_get(o, "segments"));
    int rc = 0;

    if (!o)
        return TG_E_DATA;
    if (!sum || lines < 0 || segments < 0)
        rc = tg_fail(e, TG_E_DATA, "the head of its journal says %lld lines in %lld segments%s", (long long) lines, (long long) segments, sum ? "" : ", and no sum");
    *out = (struct tg_journal_head) {.version = node->stat.version, .lines = lines, .segments = (size_t) segments, .sum = sum ? strtoull(sum, NULL, 16) : 0,
                                     .children = node->stat.children, .modified_ms = node->stat.modified_ms};
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
    rc = read_head_text(&node, out, e);
    tg_node_release(&node);
    if (!rc && out->children < (int64_t) out->segments)
        rc = tg_fail(e, TG_E_DATA, "its journal should have %zu segments, the store counts %lld: this copy is not whole", out->segments,
                     (long long) out->children);
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

int tg_journal_read(struct tg_journal *j, struct tg_run *run, struct tg_error *e)
{
    struct tg_journal_head head;
    struct reading r = {.j = j, .head = &head};
    int rc = tg_journal_read_head(j, NULL, NULL, &head, e);

    if (rc)
        return rc;
    j->head_version = head.version;
    j->replay.run = run;
    j->sum = TG_SUM_START;
    return read_lines(&r, e);
}

int tg_journal_read_on(struct tg_journal *j, const struct tg_journal_reader *reader, struct tg_error *e)
{
    struct tg_journal_head head;
    struct reading r = {.j = j, .head = &head, .on_line = reader->on_line, .data = reader->data};
    int rc = tg_journal_read_head(j, reader->watch, reader->data, &head, e);

    if (rc || head.version == j->head_version)
        return rc;
    return read_lines(&r, e);
}
