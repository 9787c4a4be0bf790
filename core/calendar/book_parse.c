/* A maintenance week out of its nodes: see book.h. What does not add up is refused: what was booked is never guessed. */
#include "calendar/book_internal.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX TG_PATTERN_SLOTS_MAX

struct tg_book_parser {
    const struct tg_booked *booked;
    struct tg_week *week;
    size_t n_slots, n_rows, n_customers; /* that there are to be */
    struct tg_hostlist names;            /* as they come */
    uint32_t *slot_of, *customer_of;
    size_t cap;
};

static int damaged(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "what is booked for week's %s can't be read", what);
}

/* A whole node of this week; *out_value is what stands at key. */
static int open_node(const struct tg_booked *b, const char *text, size_t len, const char *key, json_t **out_node, json_t **out_value, struct tg_error *e)
{
    json_t *o = NULL, *value;
    const char *id, *digest, *sum;
    int format, rc = tg_record_load(text, len, &o, e);

    if (!rc && json_unpack(o, "{s:i,s:s,s:s,s:o,s:s!}", "format", &format, "id", &id, "digest", &digest, key, &value, "sum", &sum))
        rc = damaged(e, key);
    if (!rc && (strcmp(id, b->id) != 0 || strcmp(digest, b->digest) != 0))
        rc = tg_fail(e, TG_E_DATA, "it is of another week, %.80s", id);
    if (rc) {
        json_decref(o);
        return rc;
    }
    *out_node = o;
    *out_value = value;
    return 0;
}

/* "17", less than bound. */
static bool parse_number(const char *text, size_t bound, uint32_t *out)
{
    uint64_t n = 0;
    size_t len = strspn(text, "0123456789");

    if (!len || len > 7 || text[len])
        return false;
    for (; *text; text++)
        n = n * 10 + (uint64_t) (*text - '0');
    *out = (uint32_t) n;
    return n < bound;
}

int tg_book_parser_new(const struct tg_booked *booked, struct tg_book_parser **out, struct tg_error *e)
{
    struct tg_book_parser *p = calloc(1, sizeof *p);

    if (p && !(p->week = calloc(1, sizeof *p->week))) {
        free(p);
        p = NULL;
    }
    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->booked = booked;
    p->week->date = booked->date;
    *out = p;
    return 0;
}

void tg_book_parser_free(struct tg_book_parser *p)
{
    if (!p)
        return;
    tg_week_free(p->week);
    tg_hostlist_release(&p->names);
    free(p->slot_of);
    free(p->customer_of);
    free(p);
}

const struct tg_week *tg_book_parser_week(const struct tg_book_parser *p)
{
    return p->week;
}

/* ---- the week ---- */

static int read_week(struct tg_book_parser *p, json_t *o, struct tg_book_counts *out, struct tg_error *e)
{
    struct tg_week *w = p->week;
    const char *name, *location;
    json_int_t n_slots, n_rows, n_customers, slots, rows, customers;
    json_t *warnings;

    if (w->name || json_unpack(o, "{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o!}", "name", &name, "location", &location, "n-slots", &n_slots, "n-rows", &n_rows, "n-customers",
                               &n_customers, "slots", &slots, "rows", &rows, "customers", &customers, "warnings", &warnings))
        return damaged(e, "head");
    if (n_slots < 1 || n_slots > SLOTS_MAX || slots != (n_slots + TG_BOOK_PIECE_SLOTS - 1) / TG_BOOK_PIECE_SLOTS || n_rows < 0 || n_rows > TG_WEEK_ROWS_MAX + 1 ||
        rows != (n_rows + TG_BOOK_PIECE_ROWS - 1) / TG_BOOK_PIECE_ROWS || n_customers < 0 || n_customers > TG_HOSTLIST_MAX || customers < 0 || customers > n_customers ||
        customers > 500 || strlen(name) >= TG_PATTERN_NAME_SIZE)
        return damaged(e, "numbers");
    p->n_slots = (size_t) n_slots;
    p->n_rows = (size_t) n_rows;
    p->n_customers = (size_t) n_customers;
    w->name = strdup(name);
    w->location = strdup(location);
    w->slots = calloc(p->n_slots, sizeof *w->slots);
    w->rows = calloc(p->n_rows + 1, sizeof *w->rows);
    w->customers = calloc(p->n_customers + 1, sizeof *w->customers);
    if (!w->name || !w->location || !w->slots || !w->rows || !w->customers)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        int rc = text ? tg_week_warn(w, e, "%s", text) : damaged(e, "warnings");
        if (rc)
            return rc;
    }
    *out = (struct tg_book_counts) {.slots = slots, .rows = rows, .customers = customers, .n_slots = n_slots};
    return 0;
}

int tg_book_parse_week(struct tg_book_parser *p, const char *text, size_t len, struct tg_book_counts *out, struct tg_error *e)
{
    json_t *node, *value;
    int rc = open_node(p->booked, text, len, "week", &node, &value, e);

    if (rc)
        return rc;
    rc = read_week(p, value, out, e);
    json_decref(node);
    return rc;
}

/* ---- slots, rows, customers ---- */

static int read_slot(struct tg_book_parser *p, json_t *o, struct tg_error *e)
{
    struct tg_week *w = p->week;
    const char *name, *zone, *who;
    json_int_t from, until, date, n;
    int min, odd;

    if (w->n_slots == p->n_slots || json_unpack(o, "{s:s,s:s,s:I,s:I,s:I,s:i,s:i,s:s,s:I!}", "name", &name, "zone", &zone, "from", &from, "until", &until, "date", &date,
                                                "min", &min, "odd", &odd, "who", &who, "n", &n))
        return damaged(e, "slots");
    struct tg_week_slot *s = &w->slots[w->n_slots];
    if (!tg_copy_whole(name, s->name, sizeof s->name) || !tg_copy_whole(zone, s->zone, sizeof s->zone) || from >= until || until - from > TG_SLOT_MAX_MS || min < 0 || min > 1439 ||
        odd < TG_WEEK_PLAIN || odd > TG_WEEK_TWICE || date < p->booked->date - 1 || date > p->booked->date + 7 || from < p->booked->from_ms || until > p->booked->until_ms)
        return damaged(e, "slots");
    s->from_ms = from;
    s->until_ms = until;
    s->date = date;
    s->from_min = min;
    s->odd = (enum tg_week_odd) odd;
    if (!(s->who = strdup(who)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    w->n_slots++;
    return 0;
}

static int read_counts(const struct tg_book_parser *p, json_t *o, uint32_t *counts)
{
    const char *key;
    json_t *value;
    uint32_t slot;

    if (!json_is_object(o))
        return -1;
    json_object_foreach(o, key, value)
    {
        json_int_t n = json_integer_value(value);
        if (!parse_number(key, p->n_slots, &slot) || n < 1 || n > TG_HOSTLIST_MAX)
            return -1;
        if (counts)
            counts[slot] = (uint32_t) n;
    }
    return 0;
}

static int read_row(struct tg_book_parser *p, json_t *o, struct tg_error *e)
{
    const char *name;
    json_int_t total;
    json_t *counts;

    if (p->week->n_rows == p->n_rows || json_unpack(o, "{s:s,s:I,s:o!}", "name", &name, "total", &total, "counts", &counts) || total < 0 || total > TG_HOSTLIST_MAX)
        return damaged(e, "groups");
    struct tg_week_row *row = &p->week->rows[p->week->n_rows];
    *row = (struct tg_week_row) {.name = strdup(name), .total = (uint32_t) total, .counts = calloc(p->n_slots, sizeof *row->counts)};
    p->week->n_rows++;
    if (!row->name || !row->counts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return read_counts(p, counts, row->counts) ? damaged(e, "groups") : 0;
}

static int read_customer(struct tg_book_parser *p, json_t *o, struct tg_error *e)
{
    const char *name;
    json_t *slots;

    if (p->week->n_customers == p->n_customers || json_unpack(o, "{s:s,s:o!}", "name", &name, "slots", &slots) || read_counts(p, slots, NULL))
        return damaged(e, "customers");
    if (!(p->week->customers[p->week->n_customers] = strdup(name)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->week->n_customers++;
    return 0;
}

typedef int item_fn(struct tg_book_parser *p, json_t *o, struct tg_error *e);

static int read_list(struct tg_book_parser *p, const char *text, size_t len, const char *key, item_fn *read, struct tg_error *e)
{
    json_t *node, *value;
    int rc = open_node(p->booked, text, len, key, &node, &value, e);

    if (rc)
        return rc;
    rc = json_is_array(value) ? 0 : damaged(e, key);
    for (size_t i = 0; !rc && i < json_array_size(value); i++)
        rc = read(p, json_array_get(value, i), e);
    json_decref(node);
    return rc;
}

int tg_book_parse_slots(struct tg_book_parser *p, const char *text, size_t len, struct tg_error *e)
{
    return read_list(p, text, len, "slots", read_slot, e);
}

int tg_book_parse_rows(struct tg_book_parser *p, const char *text, size_t len, struct tg_error *e)
{
    return read_list(p, text, len, "rows", read_row, e);
}

int tg_book_parse_customers(struct tg_book_parser *p, const char *text, size_t len, struct tg_error *e)
{
    return read_list(p, text, len, "customers", read_customer, e);
}

/* ---- hosts ---- */

static int make_room(struct tg_book_parser *p, struct tg_error *e)
{
    size_t cap = p->cap ? p->cap : 1024;

    while (cap < p->names.n)
        cap *= 2;
    if (cap == p->cap)
        return 0;
    uint32_t *slot_of = realloc(p->slot_of, cap * sizeof *slot_of);
    if (slot_of)
        p->slot_of = slot_of;
    uint32_t *customer_of = realloc(p->customer_of, cap * sizeof *customer_of);
    if (customer_of)
        p->customer_of = customer_of;
    if (!slot_of || !customer_of)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->cap = cap;
    return 0;
}

static int add_names(struct tg_book_parser *p, uint32_t slot, const char *customer, const json_t *names, struct tg_error *e)
{
    const char *text = json_string_value(names);
    uint32_t whose = TG_WEEK_NONE;
    size_t from = p->names.n;

    if (!text || (strcmp(customer, "-") != 0 && !parse_number(customer, p->n_customers, &whose)) || tg_nodeset_expand(text, strlen(text), &p->names, NULL) ||
        (int64_t) p->names.n > p->booked->hosts)
        return damaged(e, "hosts");
    int rc = make_room(p, e);
    for (; !rc && from < p->names.n; from++) {
        p->slot_of[from] = slot;
        p->customer_of[from] = whose;
    }
    return rc;
}

int tg_book_parse_hosts(struct tg_book_parser *p, const char *text, size_t len, struct tg_error *e)
{
    json_t *node, *slots, *of_slot, *names;
    const char *key, *customer;
    uint32_t slot;
    int rc = open_node(p->booked, text, len, "slots", &node, &slots, e);

    if (rc)
        return rc;
    if (!json_is_object(slots))
        rc = damaged(e, "hosts");
    json_object_foreach(slots, key, of_slot)
    {
        if (!rc && (!parse_number(key, p->n_slots, &slot) || !json_is_object(of_slot)))
            rc = damaged(e, "hosts");
        json_object_foreach(of_slot, customer, names)
            if (!rc)
                rc = add_names(p, slot, customer, names, e);
    }
    json_decref(node);
    return rc;
}

int tg_book_parse_host(const struct tg_booked *booked, const char *text, size_t len, const char *host, uint32_t *out_slot, struct tg_error *e)
{
    struct tg_book_parser p = {.booked = booked, .n_slots = SLOTS_MAX, .n_customers = TG_HOSTLIST_MAX};
    int rc = tg_book_parse_hosts(&p, text, len, e);
    uint32_t slot = TG_WEEK_NONE;

    for (size_t i = 0; !rc && i < p.names.n; i++)
        if (strcmp(tg_hostlist_get(&p.names, i), host) == 0)
            slot = p.slot_of[i];
    if (!rc)
        *out_slot = slot;
    tg_hostlist_release(&p.names);
    free(p.slot_of);
    free(p.customer_of);
    return rc;
}

/* ---- the end ---- */

struct named {
    const char *name;
    uint32_t slot, customer;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return tg_name_compare(x->name, y->name);
}

static int sort_hosts(struct tg_book_parser *p, struct tg_error *e)
{
    struct tg_week *w = p->week;
    struct named *list = malloc((p->names.n + 1) * sizeof *list);
    int rc = 0;

    w->slot_of = malloc((p->names.n + 1) * sizeof *w->slot_of);
    w->customer_of = malloc((p->names.n + 1) * sizeof *w->customer_of);
    if (!list || !w->slot_of || !w->customer_of)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < p->names.n; i++)
        list[i] = (struct named) {tg_hostlist_get(&p->names, i), p->slot_of[i], p->customer_of[i]};
    if (!rc)
        qsort(list, p->names.n, sizeof *list, by_name);
    for (size_t i = 0; !rc && i < p->names.n; i++) {
        if (i && strcmp(list[i].name, list[i - 1].name) == 0)
            rc = tg_fail(e, TG_E_DATA, "%s is booked twice", list[i].name);
        w->slot_of[i] = list[i].slot;
        w->customer_of[i] = list[i].customer;
        if (!rc)
            rc = tg_hostlist_add(&w->names, list[i].name, strlen(list[i].name), e);
    }
    free(list);
    return rc;
}

int tg_book_parse_end(struct tg_book_parser *p, struct tg_week **out, struct tg_error *e)
{
    struct tg_week *w = p->week;

    if (!w->name || w->n_slots != p->n_slots || w->n_rows != p->n_rows || w->n_customers != p->n_customers || (int64_t) p->names.n != p->booked->hosts)
        return tg_fail(e, TG_E_DATA, "parts of it are missing");
    int rc = sort_hosts(p, e);
    if (!rc)
        rc = tg_week_finish(w, e);
    if (!rc && (strcmp(w->digest, p->booked->digest) != 0 || strcmp(w->id, p->booked->id) != 0))
        rc = tg_fail(e, TG_E_DATA, "it does not have its digest");
    if (rc)
        return rc;
    *out = w;
    p->week = NULL;
    return 0;
}
