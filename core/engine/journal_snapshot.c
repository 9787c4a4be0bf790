/* Runs in the store: a snapshot read back, and what stays of the lines that went into it. See journal.h. */
#include "engine/journal_internal.h"
#include "engine/run_snapshot.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX 65536 /* bytes: some hundred pauses and changes of the seat */

void tg_journal_part_path(const struct tg_journal *j, const struct tg_snapshot_ref *ref, size_t part, char *out, size_t size)
{
    snprintf(out, size, "/runs/%s/snapshot/%s-%04zu", j->id, ref->name, part + 1);
}

/* Of the run as a whole, and no mere clock. */
static bool is_history(const json_t *line)
{
    const char *ev = json_string_value(json_object_get(line, "ev"));

    return ev && !json_object_get(line, "h") && strcmp(ev, "paced") != 0;
}

void tg_journal_remember(struct tg_journal *j, const json_t *line)
{
    struct tg_buf *h = &j->history;
    char *text = line && is_history(line) ? json_dumps(line, JSON_COMPACT) : NULL;

    if (!text)
        return;
    while (h->len > HISTORY_MAX) { /* the first stays, it is who began; the next goes */
        char *second = (char *) memchr(h->data, '\n', h->len) + 1, *third = memchr(second, '\n', h->len - (size_t) (second - h->data));
        if (!third)
            break;
        memmove(second, third + 1, h->len - (size_t) (third + 1 - h->data) + 1);
        h->len -= (size_t) (third + 1 - second);
    }
    tg_buf_puts(h, text);
    tg_buf_putc(h, '\n');
    free(text);
}

static int read_parts(struct tg_journal *j, const struct tg_snapshot_ref *ref, struct tg_buf *out, struct tg_error *e)
{
    for (size_t i = 0; i < ref->parts; i++) {
        char path[TG_RUN_ID_SIZE + 64];
        struct tg_node node;
        tg_journal_part_path(j, ref, i, path, sizeof path);
        int rc = tg_store_read(j->store, path, tg_journal_deadline(j), &node, e);
        if (rc == TG_E_NOENT) {
            tg_error_clear(e);
            return tg_fail(e, TG_E_DATA, "part %zu of %zu of its snapshot is missing", i + 1, ref->parts);
        }
        if (rc)
            return rc;
        tg_buf_add(out, node.data, node.len);
        tg_node_release(&node);
    }
    if (tg_buf_ok(out, e))
        return TG_E_MEMORY;
    if (out->len != ref->bytes)
        return tg_fail(e, TG_E_DATA, "its snapshot has %zu bytes, it should have %zu", out->len, ref->bytes);
    if (tg_journal_sum(TG_SUM_START, out->data, out->len) != ref->sum)
        return tg_fail(e, TG_E_DATA, "its snapshot's bytes do not add up to what the head of its journal says");
    return 0;
}

/* The first line, and the history behind it; *out_at: where the machine begins. */
static int read_first(struct tg_journal *j, const struct tg_snapshot_ref *ref, const struct tg_buf *text, size_t *out_at, struct tg_error *e)
{
    const char *nl = memchr(text->data, '\n', text->len);
    json_t *o = nl ? json_loadb(text->data, (size_t) (nl - text->data), JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t format = json_integer_value(json_object_get(o, "format")), lines = json_integer_value(json_object_get(o, "lines")),
               history = json_integer_value(json_object_get(o, "history"));

    json_decref(o);
    if (format != TG_JOURNAL_FOLDED)
        return tg_fail(e, TG_E_DATA, "its snapshot has format %lld, this tagout knows %d", (long long) format, TG_JOURNAL_FOLDED);
    if (lines != ref->lines)
        return tg_fail(e, TG_E_DATA, "its snapshot is of %lld lines, the head of its journal says %lld", (long long) lines, (long long) ref->lines);
    const char *from = nl + 1, *at = from, *end = text->data + text->len;
    for (json_int_t i = 0; i < history; i++) {
        if (at == end || !(nl = memchr(at, '\n', (size_t) (end - at))))
            return tg_fail(e, TG_E_DATA, "its snapshot is cut off in its history");
        at = nl + 1;
    }
    tg_buf_reset(&j->history);
    tg_buf_add(&j->history, from, (size_t) (at - from));
    *out_at = (size_t) (at - text->data);
    return tg_buf_ok(&j->history, e);
}

int tg_journal_read_snapshot(struct tg_journal *j, const struct tg_journal_head *head, const struct tg_plan *plan, struct tg_run **out, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    size_t at = 0;
    int rc = read_parts(j, &head->snapshot, &text, e);

    if (!rc)
        rc = read_first(j, &head->snapshot, &text, &at, e);
    if (!rc)
        rc = tg_run_restore(plan, text.data + at, text.len - at, out, e);
    tg_buf_release(&text);
    return rc;
}
