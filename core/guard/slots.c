/* Slots to reboot: see slots.h. */
#include "guard/slots.h"
#include "guard/tree.h"

#include "base/seal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/fleetlock"
#define TRIES 24
#define GROUP_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

void tg_slots_release(struct tg_slots *s)
{
    free(s->v);
    *s = (struct tg_slots) {.n = 0};
}

void tg_slot_groups_release(struct tg_slot_groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        tg_slots_release(&g->v[i]);
    free(g->v);
    *g = (struct tg_slot_groups) {.n = 0};
}

static bool group_is_proper(const char *group)
{
    size_t len = strlen(group);

    return len && len < TG_SLOT_GROUP_SIZE && strspn(group, GROUP_CHARS) == len && group[0] != '.';
}

static bool id_is_proper(const char *id)
{
    size_t len = strlen(id);

    for (const char *p = id; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
            return false;
    return len && len < TG_SLOT_ID_SIZE;
}

const struct tg_slot *tg_slots_find(const struct tg_slots *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].id, id) == 0)
            return &s->v[i];
    return NULL;
}

/* --- the record and the request --- */

char *tg_slots_encode(const struct tg_slots *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(list, json_pack("{s:s,s:I}", "id", s->v[i].id, "since", (json_int_t) s->v[i].since_ms));
    return tg_seal(json_pack("{s:i,s:s,s:o}", "format", TG_RECORD_FORMAT, "group", s->group, "slots", list));
}

static int take_slots(json_t *list, struct tg_slots *s, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > TG_SLOTS_OF_GROUP_MAX)
        return tg_fail(e, TG_E_DATA, "its slots are no list, or too many");
    if (!(s->v = calloc(json_array_size(list) + 1, sizeof *s->v)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    json_array_foreach(list, i, item) {
        const char *id;
        json_int_t since;
        if (json_unpack_ex(item, NULL, JSON_STRICT, "{s:s,s:I}", "id", &id, "since", &since) != 0 || !id_is_proper(id) || tg_slots_find(s, id))
            return tg_fail(e, TG_E_DATA, "its slot %zu makes no sense", i + 1);
        memcpy(s->v[s->n].id, id, strlen(id) + 1);
        s->v[s->n++].since_ms = since;
    }
    return 0;
}

int tg_slots_decode(const char *text, size_t len, struct tg_slots *out, struct tg_error *e)
{
    json_t *o = NULL, *list;
    struct tg_slots s = {.n = 0};
    const char *group, *sum;
    int format, rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:s,s:o,s:s}", "format", &format, "group", &group, "slots", &list, "sum", &sum) != 0 || !group_is_proper(group))
        rc = tg_fail(e, TG_E_DATA, "it is no record of slots");
    if (!rc) {
        memcpy(s.group, group, strlen(group) + 1);
        rc = take_slots(list, &s, e);
    }
    json_decref(o);
    if (rc)
        tg_slots_release(&s);
    else
        *out = s;
    return rc;
}

int tg_slot_request_parse(const char *body, size_t len, struct tg_slot_request *out, struct tg_error *e)
{
    json_t *o = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL) : NULL, *params = json_object_get(o, "client_params");
    const char *id = json_string_value(json_object_get(params, "id")), *group = json_string_value(json_object_get(params, "group"));
    int rc = 0;

    if (!o)
        rc = tg_fail(e, TG_E_USAGE, "the body is no JSON");
    else if (!id || !group)
        rc = tg_fail(e, TG_E_USAGE, "the body lacks client_params.id or client_params.group");
    else if (!id_is_proper(id))
        rc = tg_fail(e, TG_E_USAGE, "client_params.id is empty, longer than %d bytes, or has characters that no id has", TG_SLOT_ID_SIZE - 1);
    else if (!group_is_proper(group))
        rc = tg_fail(e, TG_E_USAGE, "client_params.group must be letters, digits, \".\" and \"-\", at most %d", TG_SLOT_GROUP_SIZE - 1);
    if (!rc) {
        memcpy(out->id, id, strlen(id) + 1);
        memcpy(out->group, group, strlen(group) + 1);
    }
    json_decref(o);
    return rc;
}

/* --- one round of reading --- */

struct round {
    struct tg_guard *guard;
    int64_t cluster_version, counter_version;
    struct tg_counter counter;
    struct tg_slots slots;
};

static void round_release(struct round *r)
{
    tg_counter_clear(&r->counter);
    tg_slots_release(&r->slots);
}

static int take_group(struct round *r, const char *group, const struct tg_read_item *item, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;

    if (item->code) {
        if (tg_counter_has(&r->counter, group))
            return tg_fail(e, TG_E_VERSION, "%s is named and is not there", item->path + 1);
        r->slots.version = -1;
        snprintf(r->slots.group, sizeof r->slots.group, "%s", group);
        return 0;
    }
    if (tg_slots_decode(item->node.data, item->node.len, &r->slots, &why) != 0)
        return tg_tree_bad(r->guard, item->path, &why, e);
    if (strcmp(r->slots.group, group) != 0)
        return tg_unknown(r->guard, e, "bad-record", "%s is another group's record", item->path + 1);
    r->slots.version = item->node.stat.version;
    return 0;
}

static int round_read(struct tg_guard *guard, const char *group, struct round *r, struct tg_error *e)
{
    char path[TG_SLOT_GROUP_SIZE + 16];
    struct tg_read_item items[3] = {{.path = TG_CLUSTER_PATH}, {.path = ROOT}, {.path = path}};

    snprintf(path, sizeof path, ROOT "/%s", group);
    *r = (struct round) {.guard = guard};
    int rc = tg_store_read_many(guard->store, items, 3, tg_guard_deadline(guard), e);
    if (rc)
        return rc;
    rc = tg_tree_prove_cluster(guard, &items[0], TG_NOTE_BOUNDED, NULL, e);
    if (!rc)
        rc = tg_tree_prove_named(guard, ROOT, &items[1], &r->counter, e);
    if (!rc)
        rc = take_group(r, group, &items[2], e);
    r->cluster_version = items[0].node.stat.version;
    r->counter_version = items[1].node.stat.version;
    tg_read_items_release(items, 3);
    if (rc)
        round_release(r);
    return rc;
}

static int round_write(struct round *r, struct tg_error *e)
{
    struct tg_batch b = TG_BATCH_INIT;
    char path[TG_SLOT_GROUP_SIZE + 16], *text = tg_slots_encode(&r->slots);
    int rc = 0;

    snprintf(path, sizeof path, ROOT "/%s", r->slots.group);
    tg_batch_check(&b, TG_CLUSTER_PATH, r->cluster_version);
    if (r->slots.version >= 0) {
        tg_batch_write(&b, path, text, r->slots.version);
    } else if ((rc = tg_counter_add(&r->counter, r->slots.group, e)) == 0) {
        char *counter = tg_counter_encode(&r->counter);
        tg_batch_write(&b, ROOT, counter, r->counter_version);
        tg_batch_create(&b, path, text, TG_CREATE_PERSISTENT);
        free(counter);
    }
    free(text);
    if (!rc)
        rc = tg_batch_run(&b, r->guard, e);
    tg_batch_release(&b);
    return rc;
}

static bool again(int rc)
{
    return rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT || rc == TG_E_LOST;
}

/* What a deed makes of the slots: 0 write it, 1 nothing is to be done, negative refused. */
typedef int (*deed_fn)(struct tg_slots *slots, void *data, struct tg_error *e);

static int change(struct tg_guard *guard, const char *group, deed_fn deed, void *data, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int64_t deadline = tg_guard_deadline(guard);
    int rc = TG_E_VERSION;

    tg_tree_begin(guard);
    for (int i = 0; i < TRIES && (again(rc) || tg_tree_look_again(guard, rc, deadline)); i++) {
        struct round r;
        if (i && tg_store_deadline(guard->store, 0) > deadline)
            break;
        if (i)
            (void) tg_store_sync(guard->store, ROOT, deadline, NULL);
        tg_error_clear(&why);
        rc = round_read(guard, group, &r, &why);
        if (rc)
            continue;
        rc = deed(&r.slots, data, &why);
        if (!rc)
            rc = round_write(&r, &why);
        round_release(&r);
    }
    if (rc < 0) {
        tg_fail(e, again(rc) ? TG_E_UNKNOWN : rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
        return again(rc) ? TG_E_UNKNOWN : rc;
    }
    return 0;
}

/* --- the deeds: each is the same when done twice, so an answer that was lost is just asked again --- */

struct taking {
    const char *id;
    int64_t limit, now_ms;
    bool fresh;
    char by[TG_SLOT_ID_SIZE];
};

static int deed_take(struct tg_slots *s, void *data, struct tg_error *e)
{
    struct taking *t = data;

    if (tg_slots_find(s, t->id))
        return 1;
    if ((int64_t) s->n >= t->limit || s->n >= TG_SLOTS_OF_GROUP_MAX) {
        if (s->n)
            memcpy(t->by, s->v[0].id, sizeof t->by);
        return tg_fail(e, TG_E_HELD, "all %zu slots of group %s are taken", s->n, s->group);
    }
    struct tg_slot *v = realloc(s->v, (s->n + 1) * sizeof *v);
    if (!v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    s->v = v;
    v[s->n] = (struct tg_slot) {.since_ms = t->now_ms};
    snprintf(v[s->n++].id, TG_SLOT_ID_SIZE, "%s", t->id);
    t->fresh = true;
    return 0;
}

int tg_slot_take(struct tg_guard *guard, const struct tg_slot_request *r, int64_t limit, bool *out_fresh, char out_by[TG_SLOT_ID_SIZE], struct tg_error *e)
{
    struct taking t = {.id = r->id, .limit = limit, .now_ms = tg_guard_wall(guard)};
    int rc = change(guard, r->group, deed_take, &t, e);

    if (rc == TG_E_HELD && out_by)
        memcpy(out_by, t.by, sizeof t.by);
    if (!rc && out_fresh)
        *out_fresh = t.fresh;
    return rc;
}

struct giving {
    const char *id;
    bool had;
};

static int deed_give(struct tg_slots *s, void *data, struct tg_error *e)
{
    struct giving *g = data;

    (void) e;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].id, g->id) == 0) {
            memmove(s->v + i, s->v + i + 1, (s->n - i - 1) * sizeof *s->v);
            s->n--;
            g->had = true;
            return 0;
        }
    return 1;
}

int tg_slot_give(struct tg_guard *guard, const struct tg_slot_request *r, bool *out_had, struct tg_error *e)
{
    struct giving g = {.id = r->id};
    int rc = change(guard, r->group, deed_give, &g, e);

    if (!rc && out_had)
        *out_had = g.had;
    return rc;
}

int tg_slot_list(struct tg_guard *guard, struct tg_slot_groups *out, struct tg_error *e)
{
    struct tg_read_item root[2] = {{.path = TG_CLUSTER_PATH}, {.path = ROOT}};
    struct tg_counter counter = {.epoch = 0};
    struct tg_slot_groups groups = {.n = 0};

    tg_tree_begin(guard);
    int rc = tg_store_read_many(guard->store, root, 2, tg_guard_deadline(guard), e);
    if (rc)
        return rc;
    rc = tg_tree_prove_cluster(guard, &root[0], TG_NOTE_BOUNDED, NULL, e);
    if (!rc)
        rc = tg_tree_prove_named(guard, ROOT, &root[1], &counter, e);
    tg_read_items_release(root, 2);
    if (!rc && !(groups.v = calloc((size_t) counter.count + 1, sizeof *groups.v)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (int64_t i = 0; !rc && i < counter.count; i++) { /* a handful: one read each */
        struct round r;
        rc = round_read(guard, counter.names[i], &r, e);
        if (!rc) {
            groups.v[groups.n++] = r.slots;
            r.slots = (struct tg_slots) {.n = 0};
            round_release(&r);
        }
    }
    tg_counter_clear(&counter);
    if (rc)
        tg_slot_groups_release(&groups);
    else
        *out = groups;
    return rc;
}
