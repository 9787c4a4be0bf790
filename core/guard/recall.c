/* What a session remembers of what it wrote: see recall.h. */
#include "guard/recall.h"

#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* A run that locks hosts one after the other needs the few nodes above them; and as many locks as it holds at a time, mostly. */
#define NODES_MAX 64
#define LOCKS_MAX 32
#define NAMES_MAX 64  /* a counter of more is read again: copying it would cost what is saved */
#define SCOPES_MAX 4  /* likewise a lock */

struct node {
    char path[TG_NODE_PATH_SIZE];
    bool exists;
    int64_t version;
    struct tg_counter counter;
};

struct recall {
    struct tg_store_companion base;
    uint64_t connection;
    bool proven, marked; /* /cluster and the root; marked: compared with this host's mark */
    int64_t generation, cluster_version;
    char minute[sizeof(((struct tg_audit_slot *) NULL)->minute)]; /* a folder of the audit that is there */
    struct node *nodes;  /* NODES_MAX of them; "" none */
    struct tg_lock *locks; /* LOCKS_MAX, likewise */
    size_t next_node, next_lock;
};

static void drop(struct tg_lock *l)
{
    if (l) {
        tg_lock_clear(l);
        l->id[0] = '\0';
    }
}

static void forget(struct recall *r)
{
    for (size_t i = 0; i < NODES_MAX; i++)
        if (r->nodes[i].path[0]) {
            tg_counter_clear(&r->nodes[i].counter);
            r->nodes[i].path[0] = '\0';
        }
    for (size_t i = 0; i < LOCKS_MAX; i++)
        if (r->locks[i].id[0])
            drop(&r->locks[i]);
    r->proven = false;
    r->minute[0] = '\0';
}

static void free_recall(struct tg_store_companion *companion)
{
    struct recall *r = (struct recall *) companion;

    forget(r);
    free(r->nodes);
    free(r->locks);
    free(r);
}

/* NULL: nothing is known. make: as something is to be kept. */
static struct recall *recall_of(struct tg_guard *guard, bool make)
{
    struct tg_store_companion **at = tg_store_companion(guard->store);
    struct recall *r = (struct recall *) *at;

    if (!r && make && (r = calloc(1, sizeof *r)) != NULL) {
        r->base.free = free_recall;
        r->nodes = calloc(NODES_MAX, sizeof *r->nodes);
        r->locks = calloc(LOCKS_MAX, sizeof *r->locks);
        if (!r->nodes || !r->locks) {
            free(r->nodes);
            free(r->locks);
            free(r);
            return NULL;
        }
        *at = &r->base;
    }
    if (r && r->connection != tg_store_connections(guard->store)) {
        forget(r);
        r->connection = tg_store_connections(guard->store);
    }
    return r;
}

void tg_recall_forget(struct tg_guard *guard)
{
    struct recall *r = recall_of(guard, false);

    if (r)
        forget(r);
}

static struct node *find_node(struct recall *r, const char *path)
{
    for (size_t i = 0; i < NODES_MAX; i++)
        if (strcmp(r->nodes[i].path, path) == 0)
            return &r->nodes[i];
    return NULL;
}

static bool copy_counter(const struct tg_counter *from, struct tg_counter *to)
{
    struct tg_counter c = {.epoch = from->epoch, .count = from->count};

    if (from->names && (c.names = calloc((size_t) c.count + 2, sizeof *c.names)) == NULL)
        return false;
    for (int64_t i = 0; from->names && i < c.count; i++)
        if (!(c.names[i] = strdup(from->names[i]))) {
            tg_counter_clear(&c);
            return false;
        }
    *to = c;
    return true;
}

static void recall_slot(struct recall *r, struct tg_plan *p, struct tg_slot *s)
{
    const struct node *n = find_node(r, s->path);

    if (!n || (s->named && !n->counter.names) || !copy_counter(&n->counter, &s->counter))
        return;
    s->known = true;
    s->exists = n->exists;
    s->version = n->version;
    p->recalled = true;
}

void tg_recall_plan(struct tg_guard *guard, struct tg_plan *p)
{
    struct recall *r = recall_of(guard, false);

    if (!r || !r->proven || (guard->state_dir && !r->marked))
        return;
    p->known = p->recalled = true;
    p->generation = r->generation;
    p->cluster_version = r->cluster_version;
    p->audit.have_day = p->audit.have_minute = p->knows_minute = strcmp(r->minute, p->audit.minute) == 0;
    for (size_t i = 0; i < p->n; i++)
        recall_slot(r, p, &p->slots[i]);
}

static void learn_slot(struct recall *r, const struct tg_slot *s)
{
    struct node *n = find_node(r, s->path);

    if (!n) {
        n = &r->nodes[r->next_node];
        r->next_node = (r->next_node + 1) % NODES_MAX;
    }
    tg_counter_clear(&n->counter);
    n->path[0] = '\0';
    if (s->counter.count > NAMES_MAX || !copy_counter(&s->counter, &n->counter))
        return;
    memcpy(n->path, s->path, sizeof n->path);
    n->exists = s->exists;
    n->version = s->version;
}

void tg_recall_learn(struct tg_guard *guard, const struct tg_plan *p)
{
    struct recall *r = recall_of(guard, true);

    if (!r)
        return;
    r->proven = true;
    r->marked = guard->state_dir != NULL && (r->marked || !p->known);
    r->generation = p->generation;
    r->cluster_version = p->cluster_version;
    memcpy(r->minute, p->audit.minute, sizeof r->minute);
    for (size_t i = 0; i < p->n; i++)
        learn_slot(r, &p->slots[i]);
}

static struct tg_lock *find_lock(struct recall *r, const char *id)
{
    for (size_t i = 0; r && i < LOCKS_MAX; i++)
        if (strcmp(r->locks[i].id, id) == 0)
            return &r->locks[i];
    return NULL;
}

void tg_recall_drop(struct tg_guard *guard, const char *id)
{
    drop(find_lock(recall_of(guard, false), id));
}

void tg_recall_keep(struct tg_guard *guard, const struct tg_lock *lock)
{
    struct recall *r = recall_of(guard, true);
    struct tg_lock copy = *lock;

    if (!r)
        return;
    drop(find_lock(r, lock->id));
    copy.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    if (lock->scopes.n > SCOPES_MAX || tg_scopes_copy(&lock->scopes, &copy.scopes, NULL) != 0)
        return;
    struct tg_lock *at = &r->locks[r->next_lock];
    r->next_lock = (r->next_lock + 1) % LOCKS_MAX;
    drop(at);
    *at = copy;
}

bool tg_recall_find(struct tg_guard *guard, const char *id, struct tg_lock *out)
{
    const struct tg_lock *l = find_lock(recall_of(guard, false), id);
    struct tg_lock copy;

    if (!l)
        return false;
    copy = *l;
    copy.scopes = (struct tg_scopes) TG_SCOPES_INIT;
    if (tg_scopes_copy(&l->scopes, &copy.scopes, NULL) != 0)
        return false;
    *out = copy;
    return true;
}
