/* Agents that are present, and what they have acknowledged: see acks.h. */
#include "guard/acks.h"

#include "fleet/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

static size_t hosts_meant(const struct tg_lock *lock)
{
    size_t n = 0;

    for (size_t i = 0; i < lock->scopes.n; i++) {
        const struct tg_scope *s = &lock->scopes.v[i];
        if (s->kind == TG_SCOPE_FLEET || (s->kind == TG_SCOPE_GROUP && !s->hosts))
            return SIZE_MAX;
        n += s->kind == TG_SCOPE_HOST ? 1 : s->kind == TG_SCOPE_GROUP ? s->host_set.n : 0;
    }
    return n;
}

bool tg_acks_meant(const struct tg_lock *lock, const struct tg_scope *host)
{
    struct tg_scope alone = {.kind = TG_SCOPE_HOST}; /* without its groups: the other side does not know them */
    struct tg_scopes one = {&alone, 1};

    memcpy(alone.name, host->name, sizeof alone.name);
    return tg_scopes_overlap(&lock->scopes, &one, NULL, NULL) == TG_OVERLAP_YES;
}

/* --- paths --- */

static void named_path(const char *folder, const struct tg_scope *host, char *out, size_t size)
{
    char name[256];

    tg_tree_name(host, name, sizeof name);
    snprintf(out, size, "%.700s/%s", folder, name);
}

void tg_acks_presence_path(const struct tg_scope *host, char *out, size_t size)
{
    char bucket[3], folder[32];

    tg_tree_bucket(host, bucket);
    snprintf(folder, sizeof folder, "/agents/%s", bucket);
    named_path(folder, host, out, size);
}

void tg_acks_root(const char *id, char *out, size_t size)
{
    snprintf(out, size, "/acks/%c/%s", id[0], id);
}

void tg_acks_folder(const struct tg_lock *lock, const struct tg_scope *host, char *out, size_t size)
{
    char root[64], bucket[3];

    tg_acks_root(lock->id, root, sizeof root);
    tg_tree_bucket(host, bucket);
    if (hosts_meant(lock) > TG_ACKS_FLAT_MAX)
        snprintf(out, size, "%s/%s", root, bucket);
    else
        snprintf(out, size, "%s", root);
}

void tg_acks_path(const struct tg_lock *lock, const struct tg_scope *host, char *out, size_t size)
{
    char folder[128];

    tg_acks_folder(lock, host, folder, sizeof folder);
    named_path(folder, host, out, size);
}

/* --- sorted lists of names --- */

struct list {
    char **v;
    size_t n, cap;
};

static int add_name(struct list *l, const char *name, struct tg_error *e)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        char **v = realloc(l->v, cap * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        l->v = v;
        l->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    l->v[l->n++] = copy;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void sort(struct list *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_bytes);
}

static bool has(const struct list *l, const char *name)
{
    return l->n && bsearch(&name, l->v, l->n, sizeof *l->v, by_bytes);
}

/* A host under its short name is the same machine (scope.h). */
static bool has_host(const struct list *l, const char *name)
{
    char label[TG_SCOPE_NAME_MAX + 1];
    size_t len = strcspn(name, ".");

    if (has(l, name))
        return true;
    snprintf(label, sizeof label, "%.*s", (int) len, name);
    if (name[len])
        return has(l, label);
    size_t low = 0, high = l->n;
    label[len] = '.'; /* the first of those below this label, if there is any */
    label[len + 1 < sizeof label ? len + 1 : len] = '\0';
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(l->v[mid], label) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->n && strncmp(l->v[low], label, strlen(label)) == 0;
}

static void free_list(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

/* --- looking --- */

struct tg_acks_look {
    struct tg_guard *guard;
    const struct tg_lock *lock;
    bool buckets[BUCKETS];
    struct list meant, present, acked;
    bool all_known;              /* meant names every host that the lock means */
    char (*paths)[64];
    size_t n_paths;
};

static int bucket_index(const struct tg_scope *host)
{
    char text[3];

    tg_tree_bucket(host, text);
    return (int) strtol(text, NULL, 16);
}

static int mean_host(struct tg_acks_look *l, const char *name, struct tg_error *e)
{
    struct tg_scope host = {.kind = TG_SCOPE_HOST};

    snprintf(host.name, sizeof host.name, "%s", name);
    l->buckets[bucket_index(&host)] = true;
    return add_name(&l->meant, host.name, e);
}

static int mean_fleet(struct tg_acks_look *l, struct tg_error *e)
{
    size_t n = 0;
    int rc = 0;

    memset(l->buckets, true, sizeof l->buckets);
    l->all_known = l->all_known && l->guard->inventory;
    if (!l->guard->inventory)
        return 0;
    const struct tg_host *hosts = tg_inventory_hosts(l->guard->inventory, &n);
    for (size_t i = 0; !rc && i < n; i++)
        rc = mean_host(l, hosts[i].name, e);
    return rc;
}

static int mean(struct tg_acks_look *l, struct tg_error *e)
{
    int rc = 0;

    l->all_known = true;
    for (size_t i = 0; !rc && i < l->lock->scopes.n; i++) {
        const struct tg_scope *s = &l->lock->scopes.v[i];
        if (s->kind == TG_SCOPE_FLEET)
            rc = mean_fleet(l, e);
        else if (s->kind == TG_SCOPE_HOST)
            rc = mean_host(l, s->name, e);
        for (size_t j = 0; !rc && s->kind == TG_SCOPE_GROUP && s->hosts && j < s->host_set.n; j++)
            rc = mean_host(l, tg_hostlist_get(&s->host_set, j), e);
    }
    sort(&l->meant);
    size_t kept = l->meant.n > 0;
    for (size_t i = 1; i < l->meant.n; i++) /* a host may be in two of the scopes */
        if (strcmp(l->meant.v[i], l->meant.v[kept - 1]) == 0)
            free(l->meant.v[i]);
        else
            l->meant.v[kept++] = l->meant.v[i];
    l->meant.n = kept;
    return rc;
}

/* The folders of presence, then those of acknowledgements: in this order, on one session. */
static size_t paths_of(const struct tg_acks_look *l, char (*paths)[64])
{
    char root[64];
    size_t n = 0;

    tg_acks_root(l->lock->id, root, sizeof root);
    snprintf(paths[n++], sizeof *paths, "/agents"); /* how many buckets there are */
    for (int i = 0; i < BUCKETS; i++)
        if (l->buckets[i])
            snprintf(paths[n++], sizeof *paths, "/agents/%02x", i);
    if (hosts_meant(l->lock) <= TG_ACKS_FLAT_MAX) {
        snprintf(paths[n++], sizeof *paths, "%s", root);
        return n;
    }
    for (int i = 0; i < BUCKETS; i++)
        if (l->buckets[i])
            snprintf(paths[n++], sizeof *paths, "%.40s/%02x", root, i);
    return n;
}

static int take_names(struct tg_acks_look *l, const struct tg_read_item *item, struct list *to, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && !item->code && i < item->names.count; i++) {
        struct tg_scope host;
        if (tg_tree_unname(TG_SCOPE_HOST, item->names.names[i], &host, NULL) != 0)
            continue; /* no host: a folder's, or somebody's mistake; nobody waits for it */
        if (tg_acks_meant(l->lock, &host))
            rc = add_name(to, host.name, e);
        tg_scope_release(&host);
    }
    return rc;
}

static int sum_up(struct tg_acks_look *l, struct tg_acks *out, struct tg_error *e)
{
    struct list missing = {.n = 0}, without = {.n = 0}, who = {.n = 0};
    int rc = 0;

    for (size_t i = 0; !rc && i < l->present.n; i++) {
        bool acked = has(&l->acked, l->present.v[i]);
        rc = add_name(acked ? &who : &missing, l->present.v[i], e);
    }
    for (size_t i = 0; !rc && i < l->meant.n; i++)
        rc = has_host(&l->present, l->meant.v[i]) ? 0 : add_name(&without, l->meant.v[i], e);
    *out = (struct tg_acks) {.present = l->present.n, .acked = who.n, .who_acked = who.v, .missing = missing.v, .n_missing = missing.n, .without = without.v,
                             .n_without = without.n, .without_known = l->all_known};
    return rc;
}

int tg_acks_look_new(struct tg_guard *guard, const struct tg_lock *lock, struct tg_acks_look **out, struct tg_error *e)
{
    struct tg_acks_look *l = calloc(1, sizeof *l);
    bool any = false;

    if (!l)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *l = (struct tg_acks_look) {.guard = guard, .lock = lock, .paths = calloc((size_t) BUCKETS * 2 + 2, sizeof *l->paths)};
    int rc = l->paths ? mean(l, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    for (int i = 0; i < BUCKETS; i++)
        any = any || l->buckets[i];
    if (rc)
        tg_acks_look_free(l);
    else
        *out = l;
    if (!rc && any)
        l->n_paths = paths_of(l, l->paths);
    return rc;
}

void tg_acks_look_free(struct tg_acks_look *l)
{
    if (!l)
        return;
    free_list(&l->meant);
    free_list(&l->present);
    free_list(&l->acked);
    free(l->paths);
    free(l);
}

size_t tg_acks_look_items(const struct tg_acks_look *l, struct tg_read_item *items)
{
    for (size_t i = 0; items && i < l->n_paths; i++)
        items[i] = (struct tg_read_item) {.path = l->paths[i], .want_names = i > 0};
    return l->n_paths;
}

int tg_acks_look_take(struct tg_acks_look *l, const struct tg_read_item *items, struct tg_acks *out, struct tg_error *e)
{
    struct tg_acks found = {.present = 0};
    int rc = 0;

    for (size_t i = 1; !rc && i < l->n_paths; i++)
        rc = take_names(l, &items[i], strncmp(items[i].path, "/agents/", 8) == 0 ? &l->present : &l->acked, e);
    sort(&l->present);
    sort(&l->acked);
    if (!rc)
        rc = sum_up(l, &found, e);
    found.in_use = l->n_paths && !items[0].code && items[0].node.stat.children > 0;
    if (rc)
        tg_acks_release(&found);
    else
        *out = found;
    return rc;
}

void tg_acks_release(struct tg_acks *a)
{
    for (size_t i = 0; i < a->n_missing; i++)
        free(a->missing[i]);
    for (size_t i = 0; i < a->n_without; i++)
        free(a->without[i]);
    for (size_t i = 0; i < a->acked; i++)
        free(a->who_acked[i]);
    free(a->who_acked);
    free(a->missing);
    free(a->without);
    *a = (struct tg_acks) {.present = 0};
}

/* --- clearing --- */

/* Deletes a folder's children, and then it. Children are deleted one by one in pipelined transactions' worth: one that went by itself is no harm. */
static void clear_folder(struct tg_guard *guard, const char *folder, int depth)
{
    char path[TG_NODE_PATH_SIZE];
    struct tg_names names;
    int64_t deadline = tg_guard_deadline(guard);

    if (tg_store_list(guard->store, folder, deadline, &names, NULL) != 0)
        return;
    for (size_t from = 0; from < names.count; from += TG_STORE_OPS_MAX) {
        struct tg_batch b = TG_BATCH_INIT;
        for (size_t i = from; i < names.count && i < from + TG_STORE_OPS_MAX; i++) {
            snprintf(path, sizeof path, "%.700s/%s", folder, names.names[i]);
            if (depth && strlen(names.names[i]) == 2)
                clear_folder(guard, path, 0);
            else
                tg_batch_delete(&b, path, TG_ANY_VERSION);
        }
        if (b.n && tg_batch_run(&b, guard, NULL) != 0) /* one of them has gone meanwhile: the rest one by one */
            for (size_t i = 0; i < b.n; i++)
                (void) tg_store_delete(guard->store, b.ops[i].path, TG_ANY_VERSION, deadline, NULL);
        tg_batch_release(&b);
    }
    tg_names_release(&names);
    (void) tg_store_delete(guard->store, folder, TG_ANY_VERSION, deadline, NULL);
}

void tg_acks_clear(struct tg_guard *guard, const char *lock_id)
{
    char root[64];

    tg_acks_root(lock_id, root, sizeof root);
    clear_folder(guard, root, 1);
}
