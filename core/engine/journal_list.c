/* Runs in the store: all of them, by what their records and heads say; no journal is read. See journal.h. */
#include "engine/journal_internal.h"

#include <stdlib.h>
#include <string.h>

#define NODES 3                              /* of each: record, head, lease */
#define AT_ONCE (TG_STORE_OPS_MAX / NODES)

struct reading {
    struct tg_read_item items[AT_ONCE * NODES];
    char paths[AT_ONCE * NODES][TG_RUN_ID_SIZE + 32];
};

static void read_record(const struct tg_node *node, struct tg_run_row *row, struct tg_error *e)
{
    json_t *o = tg_journal_parse_sealed("its record", node, e);
    const char *by = json_string_value(json_object_get(o, "by")), *rollout = json_string_value(json_object_get(o, "rollout"));

    row->made_ms = json_integer_value(json_object_get(o, "made"));
    snprintf(row->by, sizeof row->by, "%s", by ? by : "?");
    snprintf(row->rollout, sizeof row->rollout, "%.63s", rollout ? rollout : "?");
    json_decref(o);
}

/* The three nodes of a run into its row. */
static void take_row(const struct tg_read_item items[NODES], struct tg_run_row *row)
{
    struct tg_journal_head head;
    struct tg_error *e = &row->error;

    row->driven = items[2].code == 0;
    if (items[0].code || items[1].code) {
        tg_fail(e, TG_E_DATA, "%s", items[0].code ? "it has no record: this copy of the store is not whole"
                                                  : "it has no journal: its making was cut short, or this copy of the store is not whole");
        return;
    }
    read_record(&items[0].node, row, e);
    if (!e->code && tg_journal_head_parse(&items[1].node, &head, e) == 0) {
        row->summary = head.summary;
        row->modified_ms = head.modified_ms;
    }
}

static int read_some(struct tg_store *store, struct reading *r, struct tg_run_row *rows, size_t n, int64_t wait_ms, struct tg_error *e)
{
    static const char *const below[NODES] = {"", "/journal", "/lease"};

    memset(r->items, 0, sizeof r->items);
    for (size_t i = 0; i < n * NODES; i++) {
        snprintf(r->paths[i], sizeof r->paths[i], "/runs/%s%s", rows[i / NODES].id, below[i % NODES]);
        r->items[i].path = r->paths[i];
    }
    int rc = tg_store_read_many(store, r->items, n * NODES, tg_store_deadline(store, wait_ms), e);
    for (size_t i = 0; !rc && i < n; i++)
        take_row(&r->items[i * NODES], &rows[i]);
    tg_read_items_release(r->items, n * NODES);
    return rc;
}

/* The newest first; what can't be read before that. */
static int by_age(const void *a, const void *b)
{
    const struct tg_run_row *x = a, *y = b;

    if (!x->error.code != !y->error.code)
        return x->error.code ? -1 : 1;
    return x->made_ms != y->made_ms ? (x->made_ms > y->made_ms ? -1 : 1) : strcmp(y->id, x->id);
}

static int read_rows(struct tg_store *store, const struct tg_names *names, struct tg_run_row *rows, int64_t wait_ms, struct tg_error *e)
{
    struct reading *r = calloc(1, sizeof *r);
    int rc = r ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; i < names->count; i++)
        snprintf(rows[i].id, sizeof rows[i].id, "%s", names->names[i]);
    for (size_t i = 0; !rc && i < names->count; i += AT_ONCE)
        rc = read_some(store, r, rows + i, names->count - i < AT_ONCE ? names->count - i : AT_ONCE, wait_ms, e);
    free(r);
    return rc;
}

int tg_run_rows(struct tg_store *store, int64_t wait_ms, struct tg_run_row **out, size_t *out_n, struct tg_error *e)
{
    struct tg_names names = {0};
    struct tg_error own = TG_ERROR_INIT;
    int rc = tg_run_list(store, wait_ms, &names, &own);

    if (rc && rc != TG_E_NOENT) {
        if (e && !e->code)
            *e = own;
        return rc;
    }
    struct tg_run_row *rows = calloc(names.count + 1, sizeof *rows);
    rc = rows ? read_rows(store, &names, rows, wait_ms, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc) {
        qsort(rows, names.count, sizeof *rows, by_age);
        *out = rows;
        *out_n = names.count;
    } else {
        free(rows);
    }
    tg_names_release(&names);
    return rc;
}
