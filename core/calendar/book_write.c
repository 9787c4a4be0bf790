/* A maintenance week as nodes of the store: see book.h. The same week gives the same bytes, whoever writes them. */
#include "calendar/book_internal.h"

#include "base/seal.h"
#include "base/shown.h"
#include "fleet/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_A_SHARD 400
#define WHO_SIZE 400
#define LOCATION_SIZE 1000
#define WARNINGS_MAX 100
#define WARNING_SIZE 400

void tg_book_nodes_release(struct tg_book_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n; i++)
        free(nodes->v[i].text);
    free(nodes->v);
    *nodes = (struct tg_book_nodes) {.v = NULL};
}

/* Consumes o. */
static int add(struct tg_book_nodes *nodes, const char *kind, size_t number, bool numbered, json_t *o, struct tg_error *e)
{
    char *text = tg_seal(o);

    if (text && nodes->n == nodes->cap) {
        size_t cap = nodes->cap ? 2 * nodes->cap : 64;
        struct tg_book_node *v = realloc(nodes->v, cap * sizeof *v);
        if (v) {
            nodes->v = v;
            nodes->cap = cap;
        }
    }
    if (!text || nodes->n == nodes->cap) {
        free(text);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    struct tg_book_node *node = &nodes->v[nodes->n++];
    snprintf(node->name, sizeof node->name, numbered ? "%s-%03zx" : "%s", kind, number);
    node->text = text;
    return 0;
}

/* A text of the pattern's author, cut at a whole character. */
static json_t *cut(const char *text, size_t max)
{
    char out[LOCATION_SIZE + 8];

    return json_string(tg_shown_text(text, out, max < sizeof out ? max : sizeof out));
}

static json_t *head(const struct tg_week *w, const char *key, json_t *value)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:o}", "format", TG_BOOK_FORMAT, "id", w->id, "digest", w->digest, key, value);

    return o;
}

static size_t pieces(size_t n, size_t a_piece)
{
    return (n + a_piece - 1) / a_piece;
}

/* ---- slots, rows, customers ---- */

static int add_slots(const struct tg_week *w, struct tg_book_nodes *nodes, struct tg_error *e)
{
    int rc = 0;

    for (size_t at = 0; !rc && at < w->n_slots; at += TG_BOOK_PIECE_SLOTS) {
        json_t *list = json_array();
        for (size_t s = at; s < w->n_slots && s < at + TG_BOOK_PIECE_SLOTS; s++) {
            const struct tg_week_slot *slot = &w->slots[s];
            json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:i,s:i,s:o,s:I}", "name", slot->name, "zone", slot->zone, "from", (json_int_t) slot->from_ms, "until",
                                                  (json_int_t) slot->until_ms, "date", (json_int_t) slot->date, "min", slot->from_min, "odd", (int) slot->odd, "who",
                                                  cut(slot->who, WHO_SIZE), "n", (json_int_t) slot->n));
        }
        rc = add(nodes, "slots", at / TG_BOOK_PIECE_SLOTS, true, head(w, "slots", list), e);
    }
    return rc;
}

static json_t *counts_json(const uint32_t *counts, size_t n)
{
    json_t *o = json_object();
    char key[24];

    for (size_t s = 0; s < n; s++) {
        if (!counts[s])
            continue;
        snprintf(key, sizeof key, "%zu", s);
        json_object_set_new(o, key, json_integer((json_int_t) counts[s]));
    }
    return o;
}

static int add_rows(const struct tg_week *w, struct tg_book_nodes *nodes, struct tg_error *e)
{
    int rc = 0;

    for (size_t at = 0; !rc && at < w->n_rows; at += TG_BOOK_PIECE_ROWS) {
        json_t *list = json_array();
        for (size_t r = at; r < w->n_rows && r < at + TG_BOOK_PIECE_ROWS; r++)
            json_array_append_new(list, json_pack("{s:s,s:I,s:o}", "name", w->rows[r].name, "total", (json_int_t) w->rows[r].total, "counts",
                                                  counts_json(w->rows[r].counts, w->n_slots)));
        rc = add(nodes, "rows", at / TG_BOOK_PIECE_ROWS, true, head(w, "rows", list), e);
    }
    return rc;
}

static size_t length_of(const uint32_t *counts, size_t n)
{
    size_t len = 0;

    for (size_t s = 0; s < n; s++)
        len += counts[s] ? 16 : 0;
    return len;
}

static void count_customers(const struct tg_week *w, size_t c, const uint32_t *by_customer, const uint32_t *first, uint32_t *counts)
{
    memset(counts, 0, w->n_slots * sizeof *counts);
    for (uint32_t i = first[c]; i < first[c + 1]; i++)
        counts[w->slot_of[by_customer[i]]]++;
}

/* Hosts by customer, so that one customer's slots are counted at a time. */
static int sort_by_customer(const struct tg_week *w, uint32_t **out_hosts, uint32_t **out_first)
{
    uint32_t *first = calloc(w->n_customers + 2, sizeof *first), *hosts = malloc((w->names.n + 1) * sizeof *hosts);

    if (!first || !hosts) {
        free(first);
        free(hosts);
        return TG_E_MEMORY;
    }
    for (size_t i = 0; i < w->names.n; i++)
        if (w->customer_of[i] != TG_WEEK_NONE)
            first[w->customer_of[i] + 2]++;
    for (size_t c = 2; c < w->n_customers + 2; c++)
        first[c] += first[c - 1];
    for (size_t i = 0; i < w->names.n; i++)
        if (w->customer_of[i] != TG_WEEK_NONE)
            hosts[first[w->customer_of[i] + 1]++] = (uint32_t) i;
    *out_hosts = hosts;
    *out_first = first;
    return 0;
}

/* How many nodes they take is *out. */
static int add_customers(const struct tg_week *w, struct tg_book_nodes *nodes, size_t *out, struct tg_error *e)
{
    uint32_t *hosts = NULL, *first = NULL, *counts = calloc(w->n_slots + 1, sizeof *counts);
    json_t *list = NULL;
    size_t len = 0;
    int rc = counts ? sort_by_customer(w, &hosts, &first) : TG_E_MEMORY;

    *out = 0;
    for (size_t c = 0; !rc && c < w->n_customers; c++) {
        count_customers(w, c, hosts, first, counts);
        list = list ? list : json_array();
        json_array_append_new(list, json_pack("{s:s,s:o}", "name", w->customers[c], "slots", counts_json(counts, w->n_slots)));
        len += strlen(w->customers[c]) + 32 + length_of(counts, w->n_slots);
        if (len < TG_BOOK_PIECE_BYTES && c + 1 < w->n_customers)
            continue;
        rc = add(nodes, "customers", (*out)++, true, head(w, "customers", list), e);
        list = NULL;
        len = 0;
    }
    json_decref(list);
    free(hosts);
    free(first);
    free(counts);
    return rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : rc;
}

/* ---- hosts ---- */

struct place {
    uint32_t shard, slot, customer, host;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    if (x->customer != y->customer)
        return x->customer < y->customer ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

/* Those of one slot and one customer; how many that are. */
static size_t put_some(const struct tg_week *w, const struct place *p, size_t n, json_t *slots, struct tg_error *e)
{
    struct tg_folder *folder = NULL;
    struct tg_buf text = TG_BUF_INIT;
    char slot[16], customer[16] = "-";
    size_t k = 0;
    int rc = tg_folder_new(&folder, e);

    for (; !rc && k < n && p[k].shard == p->shard && p[k].slot == p->slot && p[k].customer == p->customer; k++)
        rc = tg_folder_add(folder, tg_hostlist_get(&w->names, p[k].host), e);
    if (!rc)
        rc = tg_folder_print(folder, &text, e);
    tg_folder_free(folder);
    snprintf(slot, sizeof slot, "%u", p->slot);
    if (p->customer != TG_WEEK_NONE)
        snprintf(customer, sizeof customer, "%u", p->customer);
    json_t *of_slot = rc ? NULL : json_object_get(slots, slot);
    if (!rc && !of_slot) {
        of_slot = json_object();
        rc = json_object_set_new(slots, slot, of_slot);
    }
    if (!rc)
        rc = json_object_set_new(of_slot, customer, json_string(tg_buf_text(&text)));
    tg_buf_release(&text);
    return rc ? 0 : k;
}

static int add_hosts(const struct tg_week *w, struct tg_book_nodes *nodes, struct tg_error *e)
{
    struct place *places = malloc((w->names.n + 1) * sizeof *places);
    int rc = places ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < w->names.n; i++)
        places[i] = (struct place) {tg_shard_of(tg_hostlist_get(&w->names, i), (uint32_t) nodes->shards), w->slot_of[i], w->customer_of[i], (uint32_t) i};
    if (!rc)
        qsort(places, w->names.n, sizeof *places, by_place);
    size_t i = 0;
    for (int64_t shard = 0; !rc && shard < nodes->shards; shard++) {
        json_t *slots = json_object();
        while (!rc && i < w->names.n && places[i].shard == (uint32_t) shard) {
            size_t k = put_some(w, &places[i], w->names.n - i, slots, e);
            rc = k ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
            i += k;
        }
        if (rc)
            json_decref(slots);
        else
            rc = add(nodes, "hosts", (size_t) shard, true, head(w, "slots", slots), e);
    }
    free(places);
    return rc;
}

/* ---- the whole ---- */

static int add_week(const struct tg_week *w, struct tg_book_nodes *nodes, size_t customers, struct tg_error *e)
{
    json_t *warnings = json_array();

    for (size_t i = 0; i < w->n_warnings && i < WARNINGS_MAX; i++)
        json_array_append_new(warnings, cut(w->warnings[i], WARNING_SIZE));
    json_t *o = json_pack("{s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "name", w->name, "location", cut(w->location, LOCATION_SIZE), "n-slots", (json_int_t) w->n_slots, "n-rows",
                          (json_int_t) w->n_rows, "n-customers", (json_int_t) w->n_customers, "slots", (json_int_t) pieces(w->n_slots, TG_BOOK_PIECE_SLOTS), "rows",
                          (json_int_t) pieces(w->n_rows, TG_BOOK_PIECE_ROWS), "customers", (json_int_t) customers, "warnings", warnings);
    return add(nodes, "week", 0, false, head(w, "week", o), e);
}

static void digest_nodes(struct tg_book_nodes *nodes)
{
    struct tg_sha256 h;

    tg_sha256_init(&h);
    for (size_t i = 0; i < nodes->n; i++) {
        tg_sha256_add(&h, nodes->v[i].name, strlen(nodes->v[i].name) + 1);
        tg_sha256_add(&h, nodes->v[i].text, strlen(nodes->v[i].text) + 1);
    }
    tg_sha256_end_hex(&h, nodes->digest);
}

int tg_book_nodes_make(const struct tg_week *w, struct tg_book_nodes *out, struct tg_error *e)
{
    struct tg_book_nodes nodes = {.shards = 1};
    size_t customers;

    while (nodes.shards < TG_BOOK_SHARDS_MAX && nodes.shards * HOSTS_A_SHARD < (int64_t) w->names.n)
        nodes.shards *= 2;
    int rc = add_slots(w, &nodes, e);
    if (!rc)
        rc = add_rows(w, &nodes, e);
    if (!rc)
        rc = add_customers(w, &nodes, &customers, e);
    if (!rc)
        rc = add_hosts(w, &nodes, e);
    if (!rc)
        rc = add_week(w, &nodes, customers, e);
    if (rc) {
        tg_book_nodes_release(&nodes);
        return rc;
    }
    digest_nodes(&nodes);
    *out = nodes;
    return 0;
}
