/* A locker: takes a lock, holds it a while, perhaps extends it, releases it; now and then one is kept for good, or another's is broken. */
#define _GNU_SOURCE
#include "worker.h"

#include "guard/acks.h"
#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What it wants. In the log in full, so that who comes back after kill -9 asks for the same once more. */
struct wish {
    char request[TG_REQUEST_ID_SIZE];
    char scopes[256], hold[TG_ACTOR_SIZE];
    long long for_ms;
    int ends, keep; /* --release-at-expiry; never released */
};

static void make_wish(struct worker *w, long serial, struct wish *out)
{
    struct tg_scopes scopes;

    *out = (struct wish) {.for_ms = chance(w, 30) ? 20 : 3600000, .hold = "*"}; /* what is overdue still holds */
    snprintf(out->request, sizeof out->request, "%s-%ld", w->slot, serial);
    if (serial % 50 == 7) {
        out->keep = 1;
        snprintf(out->scopes, sizeof out->scopes, "service:kept%u", roll(w, 3));
        return;
    }
    choose_scopes(w, true, w->inventory, &scopes);
    scopes_text(&scopes, out->scopes, sizeof out->scopes);
    tg_scopes_release(&scopes);
    if (chance(w, 30))
        snprintf(out->hold, sizeof out->hold, "%s", choose_actor(w));
    if (chance(w, 10)) {
        out->ends = 1;
        out->for_ms = 300 + roll(w, 1500);
    }
}

#define WISH "r=%s s=%s h=%s d=%lld x=%d k=%d"
#define UNWISH "r=%32s s=%255s h=%32s d=%lld x=%d k=%d"

/* What a dead one of this slot left: its last wish, and the lock's id when it was granted and not released. Returns the next serial. */
static long recall(struct worker *w, struct wish *wish, char id[TG_LOCK_ID_SIZE], bool *out_open)
{
    FILE *f = fopen(w->log_path, "r");
    char line[4096];
    long serial = 0;

    *out_open = false;
    while (f && fgets(line, sizeof line, f)) {
        char *event = strchr(line, ' ');
        event = event ? strchr(event + 1, ' ') : NULL;
        if (!event)
            continue;
        if (sscanf(event, " lock? " UNWISH, wish->request, wish->scopes, wish->hold, &wish->for_ms, &wish->ends, &wish->keep) == 6) {
            serial = strtol(strrchr(wish->request, '-') + 1, NULL, 10);
            *out_open = true;
            id[0] = '\0';
        } else if (sscanf(event, " lock! r=%*s id=%16s", id) == 1) {
            *out_open = !wish->keep;
        } else if (strncmp(event, " freed ", 7) == 0 || strncmp(event, " drop ", 6) == 0) {
            *out_open = false;
        }
    }
    if (f)
        fclose(f);
    return serial + 1;
}

/*
 * Who of the hosts had an agent when the lock was placed, and has the same still, and who of all has acknowledged it: noted while the lock is there.
 * The acknowledgements are read first: they go with the agent's session, as its presence does, or with the lock.
 */
#define HOSTS 6
static void note_agents(struct worker *w, const struct tg_lock *l)
{
    char paths[2 * HOSTS + 1][TG_NODE_PATH_SIZE], folder[TG_NODE_PATH_SIZE], present[128] = "", acked[128] = "", name[TG_SCOPE_TEXT_SIZE];
    struct tg_read_item items[2 * HOSTS + 1] = {{.path = NULL}};
    struct tg_lock now;

    for (int i = 0; i < HOSTS; i++) {
        struct tg_scope host;
        snprintf(name, sizeof name, "host:web%d.example.com", i + 1);
        if (tg_scope_parse(name, &host, NULL) != 0)
            return;
        tg_acks_path(l, &host, paths[i], sizeof paths[i]);
        tg_acks_presence_path(&host, paths[HOSTS + i], sizeof paths[i]);
    }
    tg_tree_scope_path("/locks", &l->scopes.v[0], folder, sizeof folder);
    snprintf(paths[2 * HOSTS], TG_NODE_PATH_SIZE, "%.900s/%s", folder, l->id);
    for (int i = 0; i <= 2 * HOSTS; i++)
        items[i].path = paths[i];
    if (tg_store_read_many(w->guard.store, items, 2 * HOSTS + 1, tg_store_deadline(w->guard.store, EXCHANGE_MS), NULL) != 0)
        return;
    const struct tg_read_item *row = &items[2 * HOSTS];
    bool there = !row->code && tg_lock_decode(row->node.data, row->node.len, &now, NULL) == 0;
    if (there && now.state != TG_LOCK_RELEASED) {
        for (int i = 0; i < HOSTS; i++) {
            size_t n = strlen(present), m = strlen(acked);
            if (!items[HOSTS + i].code && items[HOSTS + i].node.stat.created_txid < l->txid)
                snprintf(present + n, sizeof present - n, "%sweb%d.example.com", n ? "," : "", i + 1);
            if (!items[i].code)
                snprintf(acked + m, sizeof acked - m, "%sweb%d.example.com", m ? "," : "", i + 1);
        }
        note(w, "agents id=%s present=%s acked=%s", l->id, present[0] ? present : "-", acked[0] ? acked : "-");
    }
    if (there)
        tg_lock_clear(&now);
    tg_read_items_release(items, 2 * HOSTS + 1);
}

/* For who reads the log: what it waited for. */
static void note_waits(void *data, const struct tg_lock *l, const struct tg_waits *waits)
{
    if (waits->n || waits->acks.n_missing)
        note(data, "waits id=%s permits=%zu agents=%zu for=%s", l->id, waits->n, waits->acks.n_missing,
             waits->n ? waits->v[0].permit.host : waits->acks.missing[0]);
}

static int take_once(struct worker *w, const struct wish *wish, char id[TG_LOCK_ID_SIZE], bool *dropped)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    char list[256], *save = NULL, token[80];
    const char *texts[4], *hold = wish->hold;
    size_t n = 0;
    struct tg_lock l;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(list, sizeof list, "%s", wish->scopes);
    for (char *p = strtok_r(list, ",", &save); p && n < 4; p = strtok_r(NULL, ",", &save))
        texts[n++] = p;
    snprintf(token, sizeof token, "token-of-%s", w->slot);
    int rc = tg_scopes_parse(&scopes, texts, n, w->inventory, &e);
    struct tg_lock_request r = {.scopes = &scopes, .owner = w->slot, .reason = wish->keep ? "keep" : "work", .for_ms = wish->for_ms,
                                .hold = &hold, .n_hold = hold[0] == '*' ? 0 : 1, .release_at_expiry = wish->ends, .token = token,
                                .request_id = wish->request};
    note(w, "lock? " WISH, wish->request, wish->scopes, wish->hold, wish->for_ms, wish->ends, wish->keep);
    if (!rc)
        rc = tg_lock_take(&w->guard, &r, 8000 + (int64_t) roll(w, 4000), note_waits, w, &l, &e);
    if (!rc) {
        snprintf(id, TG_LOCK_ID_SIZE, "%s", l.id);
        note(w, "lock! r=%s id=%s u=%lld", wish->request, l.id, (long long) l.until_ms);
        note_agents(w, &l);
        tg_lock_clear(&l);
    } else {
        note(w, "lock- r=%s c=%d w=%s e=%.300s", wish->request, rc, w->guard.cause[0] ? w->guard.cause : "-", e.message);
        if (wish->ends && strncmp(e.hint, "nothing is left locked", 22) == 0) {
            note(w, "drop r=%s", wish->request); /* a short one: there may never be nothing in flight for as long as it lasts */
            *dropped = true;
        }
    }
    tg_scopes_release(&scopes);
    return rc;
}

/* Until it is settled: what may have been taken is asked for again, by the same request. */
static bool take(struct worker *w, const struct wish *wish, char id[TG_LOCK_ID_SIZE])
{
    for (;;) {
        if (!be_open(w))
            return false;
        bool dropped = false;
        int rc = take_once(w, wish, id, &dropped);
        if (!rc || dropped)
            return true;
        after(w, rc);
        if (w->control->stop > 1)
            return false;
    }
}

static void extend(struct worker *w, const char *id)
{
    struct tg_lock l;
    struct tg_error e = TG_ERROR_INIT;

    note(w, "extend? id=%s", id);
    int rc = be_open(w) ? tg_lock_extend(&w->guard, id, w->slot, 3600000, &l, &e) : TG_E_LOST;
    note(w, "extend%c id=%s c=%d", rc ? '-' : '!', id, rc);
    if (!rc)
        tg_lock_clear(&l);
    after(w, rc == TG_E_NOENT ? 0 : rc);
}

/* NOENT: somebody broke it, it ended by itself, or an earlier answer was lost. */
static void release(struct worker *w, const char *id, bool force)
{
    struct tg_release_request r = {.id = id, .owner = w->slot, .force = force, .reason = force ? "in the way" : NULL};

    for (;;) {
        struct tg_error e = TG_ERROR_INIT;
        note(w, "free? id=%s", id);
        int rc = be_open(w) ? tg_lock_release(&w->guard, &r, NULL, &e) : TG_E_LOST;
        if (!rc || rc == TG_E_NOENT || force) {
            note(w, force ? "broke id=%s c=%d" : "freed id=%s c=%d", id, rc);
            return;
        }
        note(w, "free- id=%s c=%d w=%s e=%.300s", id, rc, w->guard.cause[0] ? w->guard.cause : "-", e.message);
        after(w, rc);
        if (w->control->stop > 1)
            return;
    }
}

static void break_one(struct worker *w)
{
    struct tg_locks locks;
    struct tg_error e = TG_ERROR_INIT;
    char id[TG_LOCK_ID_SIZE] = "";
    int rc = be_open(w) ? tg_lock_list(&w->guard, NULL, &locks, &e) : TG_E_LOST;

    if (rc) {
        after(w, rc);
        return;
    }
    for (size_t i = 0; i < locks.n; i++)
        if (strcmp(locks.v[i].reason, "work") == 0 && strcmp(locks.v[i].owner, w->slot) != 0)
            snprintf(id, sizeof id, "%s", locks.v[i].id);
    tg_locks_release(&locks);
    if (id[0])
        release(w, id, true);
}

/* What "tagout lock" does now and then for everybody: dead ones go. */
static void reap(struct worker *w)
{
    struct tg_scopes scopes;

    choose_scopes(w, true, w->inventory, &scopes);
    if (be_open(w))
        note(w, "reaped n=%d", tg_lock_reap(&w->guard, &scopes));
    tg_scopes_release(&scopes);
}

void be_locker(struct worker *w)
{
    struct wish wish = {.keep = 0};
    char id[TG_LOCK_ID_SIZE] = "";
    bool open;
    long serial = recall(w, &wish, id, &open);

    while (open || !w->control->stop) {
        if (!open) {
            be_quiet(w, 1);
            if (w->control->stop)
                return;
            make_wish(w, serial++, &wish);
            id[0] = '\0';
        }
        open = false;
        if (!id[0] && !take(w, &wish, id))
            return;
        if (wish.keep || !id[0])
            continue;
        rest_ms(w, roll(w, 12));
        if (chance(w, 15))
            extend(w, id);
        release(w, id, false);
        if (chance(w, 2))
            break_one(w);
        if (chance(w, 3))
            reap(w);
        rest_ms(w, roll(w, 60));
    }
}
