/* Hosts whose agents are gone: see gone.h. */
#include "guard/gone.h"

#include "fleet/inventory.h"
#include "guard/acks.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
#define FOLDERS (2 * (size_t) BUCKETS) /* of traces, then of presences */
#define ABSENT (-1)
#define NEVER (-2)
#define AUDIT_TRIES 5

/* What is known of a host, as bits. */
enum { KNOWN = 1, PRESENT = 2, MOVED = 4 /* it stands among those that moved */, SEEN_KNOWN = 8, SEEN_PRESENT = 16 /* in the look that is under way */,
       LEAVING = 32 /* PRESENT no more, and not yet for long enough */, LISTED = 64 /* among those that leave, or did */ };

struct tg_gone {
    const struct tg_inventory *inventory;
    const struct tg_host *hosts;
    size_t n_hosts;
    uint8_t *of;                /* each host */
    uint32_t *order;            /* hosts, bucket by bucket, */
    size_t start[BUCKETS + 1];  /* each from here on; */
    bool sorted[BUCKETS];       /* by name, once that was needed */
    int64_t stamps[FOLDERS];    /* of each folder's last change when it was listed; ABSENT: it was not there */
    uint32_t *moved;            /* hosts to be named: a ring, room for each */
    size_t first_moved, n_moved, n_gone, n_known;
    char (*paths)[16];
    int64_t patience_ms;
    int64_t *since_ms;          /* monotonic, of each host: since when it is LEAVING; NULL: nobody was ever patient */
    uint32_t *leaving;          /* hosts that are LISTED */
    size_t n_leaving;
    int64_t now_ms;             /* of this look */
};

static bool is_gone(uint8_t bits)
{
    return (bits & (KNOWN | PRESENT)) == KNOWN;
}

/* ---- life ---- */

static size_t bucket_of(const char *name)
{
    struct tg_scope host = {.kind = TG_SCOPE_HOST};
    char text[3];

    snprintf(host.name, sizeof host.name, "%s", name);
    tg_tree_bucket(&host, text);
    return (size_t) strtoul(text, NULL, 16);
}

static int put_in_buckets(struct tg_gone *g, struct tg_error *e)
{
    uint8_t *bucket = malloc(g->n_hosts + 1);
    size_t next[BUCKETS];

    if (!bucket)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < g->n_hosts; i++) {
        bucket[i] = (uint8_t) bucket_of(g->hosts[i].name);
        g->start[bucket[i] + 1]++;
    }
    for (size_t b = 0; b < BUCKETS; b++) {
        g->start[b + 1] += g->start[b];
        next[b] = g->start[b];
    }
    for (size_t i = 0; i < g->n_hosts; i++)
        g->order[next[bucket[i]]++] = (uint32_t) i;
    free(bucket);
    return 0;
}

int tg_gone_new(const struct tg_inventory *inventory, struct tg_gone **out, struct tg_error *e)
{
    struct tg_gone *g = calloc(1, sizeof *g);

    if (!g)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    g->inventory = inventory;
    g->hosts = tg_inventory_hosts(inventory, &g->n_hosts);
    g->of = calloc(g->n_hosts + 1, 1);
    g->order = calloc(g->n_hosts + 1, sizeof *g->order);
    g->moved = calloc(g->n_hosts + 1, sizeof *g->moved);
    g->paths = calloc(FOLDERS, sizeof *g->paths);
    int rc = g->of && g->order && g->moved && g->paths ? put_in_buckets(g, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t f = 0; !rc && f < FOLDERS; f++) {
        g->stamps[f] = NEVER;
        snprintf(g->paths[f], sizeof *g->paths, f < BUCKETS ? TG_KNOWN_ROOT "/%02x" : "/agents/%02x", (unsigned) (f % BUCKETS));
    }
    if (rc)
        tg_gone_free(g);
    else
        *out = g;
    return rc;
}

void tg_gone_free(struct tg_gone *g)
{
    if (!g)
        return;
    free(g->of);
    free(g->order);
    free(g->moved);
    free(g->since_ms);
    free(g->leaving);
    free(g->paths);
    free(g);
}

int tg_gone_patience(struct tg_gone *g, int64_t ms, struct tg_error *e)
{
    g->since_ms = g->since_ms ? g->since_ms : calloc(g->n_hosts + 1, sizeof *g->since_ms);
    g->leaving = g->leaving ? g->leaving : calloc(g->n_hosts + 1, sizeof *g->leaving);
    if (!g->since_ms || !g->leaving)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    g->patience_ms = ms;
    return 0;
}

/* ---- one bucket ---- */

struct sorting {
    const char *name;
    uint32_t host;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sorting *) a)->name, ((const struct sorting *) b)->name);
}

static int sort_bucket(struct tg_gone *g, size_t b, struct tg_error *e)
{
    size_t n = g->start[b + 1] - g->start[b];
    struct sorting *s = g->sorted[b] ? NULL : calloc(n + 1, sizeof *s);

    if (g->sorted[b])
        return 0;
    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        s[i] = (struct sorting) {g->hosts[g->order[g->start[b] + i]].name, g->order[g->start[b] + i]};
    qsort(s, n, sizeof *s, by_name);
    for (size_t i = 0; i < n; i++)
        g->order[g->start[b] + i] = s[i].host;
    g->sorted[b] = true;
    free(s);
    return 0;
}

/* Every host of this short name. */
static void see_under(struct tg_gone *g, size_t b, const char *label, uint8_t bit)
{
    size_t low = g->start[b], high = g->start[b + 1], len = strlen(label);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(g->hosts[g->order[mid]].name, label) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < g->start[b + 1] && strncmp(g->hosts[g->order[low]].name, label, len) == 0; low++)
        if (g->hosts[g->order[low]].name[len] == '.')
            g->of[g->order[low]] |= bit;
}

/* A host under its short name is the same machine (scope.h). */
static int see(struct tg_gone *g, size_t b, const char *name, uint8_t bit, struct tg_error *e)
{
    const struct tg_host *host = tg_inventory_host(g->inventory, name);
    char label[TG_SCOPE_NAME_MAX + 1];
    size_t len = strcspn(name, ".");

    if (!host && name[len]) {
        snprintf(label, sizeof label, "%.*s", (int) len, name);
        host = tg_inventory_host(g->inventory, label);
    }
    if (host)
        g->of[host->index] |= bit;
    if (host || name[len])
        return 0;
    int rc = sort_bucket(g, b, e);
    if (!rc)
        see_under(g, b, name, bit);
    return rc;
}

static int see_all(struct tg_gone *g, size_t b, const struct tg_read_item *item, uint8_t bit, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && !item->code && i < item->names.count; i++) {
        struct tg_scope host;
        if (tg_tree_unname(TG_SCOPE_HOST, item->names.names[i], &host, NULL) != 0)
            continue; /* no host: somebody's mistake */
        rc = see(g, b, host.name, bit, e);
        tg_scope_release(&host);
    }
    return rc;
}

/* What is known of it now; whom that makes gone, or brings back, is to be named. */
static void become(struct tg_gone *g, uint32_t host, uint8_t is)
{
    uint8_t was = g->of[host];

    g->n_known += (is & KNOWN) != 0;
    g->n_known -= (was & KNOWN) != 0;
    g->n_gone += is_gone(is);
    g->n_gone -= is_gone(was);
    if (is_gone(was) != is_gone(is) && !(was & MOVED)) {
        g->moved[(g->first_moved + g->n_moved++) % (g->n_hosts + 1)] = host;
        is |= MOVED;
    }
    g->of[host] = is;
}

static void settle_host(struct tg_gone *g, uint32_t host)
{
    uint8_t was = g->of[host], is = (uint8_t) ((was & (MOVED | LISTED)) | (was & SEEN_KNOWN ? KNOWN : 0) | (was & SEEN_PRESENT ? PRESENT : 0));

    if (g->patience_ms > 0 && (was & PRESENT) && (is & KNOWN) && !(is & PRESENT)) {
        is |= PRESENT | LEAVING;
        g->since_ms[host] = was & LEAVING ? g->since_ms[host] : g->now_ms;
        if (!(was & LISTED))
            g->leaving[g->n_leaving++] = host;
        is |= LISTED;
    }
    become(g, host, is);
}

/* Those that have been away for long enough; who is back by now is let go of. */
static void let_go(struct tg_gone *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_leaving; i++) {
        uint32_t host = g->leaving[i];
        uint8_t bits = g->of[host];
        if ((bits & LEAVING) && g->now_ms - g->since_ms[host] < g->patience_ms)
            g->leaving[n++] = host;
        else
            become(g, host, (uint8_t) (bits & ~(LISTED | LEAVING | (bits & LEAVING ? PRESENT : 0))));
    }
    g->n_leaving = n;
}

static int64_t stamp_of(const struct tg_read_item *item)
{
    return item->code ? ABSENT : item->want_names ? item->names.stat.children_txid : item->node.stat.children_txid;
}

/* What memory ran short for is looked for again by the next look, as its stamp is not that of the folder. */
static int take_bucket(struct tg_gone *g, size_t b, const struct tg_read_item *known, const struct tg_read_item *present, struct tg_error *e)
{
    int rc = see_all(g, b, known, SEEN_KNOWN, e);

    if (!rc)
        rc = see_all(g, b, present, SEEN_PRESENT, e);
    for (size_t i = g->start[b]; i < g->start[b + 1]; i++)
        if (rc)
            g->of[g->order[i]] &= (uint8_t) ~(SEEN_KNOWN | SEEN_PRESENT);
        else
            settle_host(g, g->order[i]);
    if (rc)
        return rc;
    g->stamps[b] = stamp_of(known);
    g->stamps[BUCKETS + b] = stamp_of(present);
    return 0;
}

/* ---- looking ---- */

/* Which buckets have changed. */
static int look_at_stamps(struct tg_gone *g, struct tg_store *store, int64_t deadline, bool changed[BUCKETS], struct tg_error *e)
{
    struct tg_read_item *items = calloc(FOLDERS, sizeof *items);

    if (!items)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t f = 0; f < FOLDERS; f++)
        items[f].path = g->paths[f];
    int rc = tg_store_read_many(store, items, FOLDERS, deadline, e);
    for (size_t f = 0; !rc && f < FOLDERS; f++)
        changed[f % BUCKETS] |= stamp_of(&items[f]) != g->stamps[f] && g->start[f % BUCKETS] < g->start[f % BUCKETS + 1];
    if (!rc)
        tg_read_items_release(items, FOLDERS);
    free(items);
    return rc;
}

int tg_gone_look(struct tg_gone *g, struct tg_store *store, int64_t deadline, struct tg_error *e)
{
    bool changed[BUCKETS] = {false};
    size_t at[BUCKETS], n = 0;
    int rc = look_at_stamps(g, store, deadline, changed, e);

    for (size_t b = 0; !rc && b < BUCKETS; b++)
        if (changed[b])
            at[n++] = b;
    struct tg_read_item *items = rc || !n ? NULL : calloc(2 * n, sizeof *items);
    g->now_ms = tg_mono_ms(tg_loop_clock(tg_store_loop(store)));
    if (!rc && !n)
        let_go(g);
    if (rc || !n)
        return rc;
    if (!items)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) { /* traces first: see gone.h */
        items[i] = (struct tg_read_item) {.path = g->paths[at[i]], .want_names = true};
        items[n + i] = (struct tg_read_item) {.path = g->paths[BUCKETS + at[i]], .want_names = true};
    }
    rc = tg_store_read_many(store, items, 2 * n, deadline, e);
    bool whole = !rc;
    for (size_t i = 0; !rc && i < n; i++)
        rc = take_bucket(g, at[i], &items[i], &items[n + i], e);
    if (whole)
        tg_read_items_release(items, 2 * n);
    if (!rc)
        let_go(g);
    free(items);
    return rc;
}

bool tg_gone_is(const struct tg_gone *g, size_t host)
{
    return is_gone(g->of[host]);
}

size_t tg_gone_count(const struct tg_gone *g)
{
    return g->n_gone;
}

bool tg_gone_knows_any(const struct tg_gone *g)
{
    return g->n_known > 0;
}

bool tg_gone_moved(struct tg_gone *g, size_t *out_host)
{
    if (!g->n_moved)
        return false;
    uint32_t host = g->moved[g->first_moved];
    g->first_moved = (g->first_moved + 1) % (g->n_hosts + 1);
    g->n_moved--;
    g->of[host] &= (uint8_t) ~MOVED;
    *out_host = host;
    return true;
}

/* ---- traces ---- */

void tg_known_path(const struct tg_scope *host, char *out, size_t size)
{
    char bucket[3], name[256];

    tg_tree_bucket(host, bucket);
    tg_tree_name(host, name, sizeof name);
    snprintf(out, size, TG_KNOWN_ROOT "/%s/%s", bucket, name);
}

/* Makes nodes that may be there already, one in a transaction: who else makes one at this moment has made it. */
static int make(struct tg_store *store, const char *path, int64_t cluster_version, int64_t deadline, struct tg_error *e)
{
    const struct tg_op ops[] = {{.kind = TG_OP_CHECK, .path = TG_CLUSTER_PATH, .version = cluster_version},
                                {.kind = TG_OP_CREATE, .path = path, .data = "", .len = 0}};
    bool bare = cluster_version == TG_ANY_VERSION;
    struct tg_error own = TG_ERROR_INIT;
    int rc = tg_store_multi(store, ops + bare, 2 - (size_t) bare, deadline, NULL, &own);

    if (rc == TG_E_EXISTS)
        return 0;
    if (rc && e && !e->code)
        *e = own;
    return rc;
}

int tg_known_note(struct tg_store *store, const struct tg_scope *host, int64_t deadline, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE], folder[16];
    struct tg_read_item is = {.path = path};
    int64_t version = 0;

    tg_known_path(host, path, sizeof path);
    snprintf(folder, sizeof folder, "%.*s", (int) (strrchr(path, '/') - path), path);
    int rc = tg_store_read_many(store, &is, 1, deadline, e);
    bool there = !rc && is.code == 0;
    if (!rc)
        tg_read_items_release(&is, 1);
    if (rc || there)
        return rc;
    rc = tg_cluster_live(store, deadline, &version, e);
    if (!rc)
        rc = make(store, folder, version, deadline, e);
    return rc ? rc : make(store, path, version, deadline, e);
}

/* That it is forgotten, and by whom: from then on nobody counts it as down. The audit knows locks: this is of none. */
static int forget(struct tg_store *store, const struct tg_scope *host, const char *path, const char *who, int64_t cluster_version, int64_t deadline, struct tg_error *e)
{
    struct tg_guard guard = {.store = store, .timeout_ms = deadline - tg_store_deadline(store, 0)};
    struct tg_scope scope = *host;
    struct tg_lock none = {.scopes = {&scope, 1}};
    struct tg_audit_slot slot;
    struct tg_batch b = TG_BATCH_INIT;

    tg_audit_slot(&guard, &slot);
    struct tg_read_item items[2] = {{.path = slot.day}, {.path = slot.minute}};
    int rc = tg_store_read_many(store, items, 2, deadline, e);
    if (rc)
        return rc;
    slot.have_day = !items[0].code;
    slot.have_minute = !items[1].code;
    tg_read_items_release(items, 2);
    if (cluster_version != TG_ANY_VERSION)
        tg_batch_check(&b, TG_CLUSTER_PATH, cluster_version);
    tg_batch_delete(&b, path, TG_ANY_VERSION);
    snprintf(none.owner, sizeof none.owner, "%s", who);
    tg_audit_append(&b, &slot, tg_guard_wall(&guard), "forget-agent", &none, who, "it has no agent any more");
    rc = tg_batch_run(&b, &guard, e);
    tg_batch_release(&b);
    return rc;
}

int tg_known_forget(struct tg_store *store, const struct tg_scope *host, const char *who, int64_t deadline, bool *out_was, struct tg_error *e)
{
    char path[TG_NODE_PATH_SIZE], presence[TG_NODE_PATH_SIZE];
    struct tg_read_item items[2] = {{.path = path}, {.path = presence}};
    struct tg_error own = TG_ERROR_INIT;
    int64_t version = 0;

    tg_known_path(host, path, sizeof path);
    tg_acks_presence_path(host, presence, sizeof presence);
    int rc = tg_cluster_live(store, deadline, &version, e);
    if (!rc)
        rc = tg_store_read_many(store, items, 2, deadline, e);
    if (rc)
        return rc;
    bool known = items[0].code == 0, present = items[1].code == 0;
    tg_read_items_release(items, 2);
    if (present) {
        tg_fail(e, TG_E_HELD, "%s has an agent, and it is there", host->name);
        tg_error_hint(e, "stop it first: on that host, systemctl disable --now tagout-agent.socket tagout-agent");
        return TG_E_HELD;
    }
    rc = known ? TG_E_EXISTS : 0;
    for (int tries = 0; rc == TG_E_EXISTS && tries < AUDIT_TRIES; tries++) { /* somebody else has made the folder of this minute */
        tg_error_clear(&own);
        rc = forget(store, host, path, who, version, deadline, &own);
    }
    if (rc && rc != TG_E_NOENT && e && !e->code)
        *e = own;
    *out_was = known && !rc;
    return rc == TG_E_NOENT ? 0 : rc;
}
