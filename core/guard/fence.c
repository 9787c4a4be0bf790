/* Fencing tokens: see fence.h. */
#include "guard/fence.h"
#include "guard/tree.h"

#include <stdlib.h>
#include <string.h>

static const char *number(const char *p, int64_t *out)
{
    size_t len = strspn(p, "0123456789");

    if (!len || len > 18)
        return NULL;
    *out = strtoll(p, NULL, 10);
    return p + len;
}

int tg_fence_parse(const char *text, struct tg_fence *out, struct tg_error *e)
{
    struct tg_fence f = {.txid = 0};
    const char *p = number(text, &f.generation);

    if (!p || *p != ':' || !(p = number(p + 1, &f.txid)) || *p || !f.generation || !f.txid) {
        tg_fail(e, TG_E_USAGE, "\"%.60s\" is no fencing token", text);
        tg_error_hint(e, "it is GENERATION:TXID, as TAGOUT_FENCE has it under tagout exec");
        return TG_E_USAGE;
    }
    *out = f;
    return 0;
}

/* A permit is what a lock on its scopes would wait for. 1: it is there. */
static int find_permit(struct tg_guard *guard, const struct tg_scopes *scopes, const char *actor, int64_t txid, struct tg_error *e)
{
    const struct tg_lock any = {.id = "222222", .scopes = *scopes}; /* an id that no lock has: agents are not what is asked for */
    struct tg_waits waits;
    int rc = tg_lock_conflicts(guard, &any, &waits, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < waits.n; i++)
        if (waits.v[i].permit.txid == txid && strcmp(waits.v[i].permit.actor, actor) == 0)
            rc = 1;
    tg_waits_release(&waits);
    return rc;
}

static int find_lock(struct tg_guard *guard, const struct tg_scopes *scopes, int64_t txid, struct tg_error *e)
{
    struct tg_locks locks;
    int rc = tg_lock_list(guard, scopes, &locks, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < locks.n; i++)
        if (locks.v[i].txid == txid)
            rc = 1;
    tg_locks_release(&locks);
    return rc;
}

static int prove(struct tg_guard *guard, const struct tg_scopes *scopes, const char *actor, const struct tg_fence *fence, struct tg_error *e)
{
    struct tg_cluster cluster;
    char cause[TG_CLUSTER_CAUSE_SIZE] = "";
    int64_t deadline = tg_guard_deadline(guard);

    tg_tree_begin(guard);
    int rc = tg_store_sync(guard->store, TG_CLUSTER_PATH, deadline, e); /* a server that lags behind shows grants that are gone */
    if (rc)
        return rc;
    rc = tg_cluster_check(guard->store, guard->state_dir, deadline, &cluster, cause, e);
    snprintf(guard->cause, sizeof guard->cause, "%s", rc ? cause : "");
    if (!rc && cluster.generation != fence->generation)
        return tg_unknown(guard, e, "token-older", "the grant is of generation %lld, the store is in %lld", (long long) fence->generation, (long long) cluster.generation);
    if (!rc)
        rc = find_permit(guard, scopes, actor, fence->txid, e);
    if (!rc)
        rc = find_lock(guard, scopes, fence->txid, e);
    if (rc == 0)
        return tg_unknown(guard, e, "token-gone", "the grant %lld:%lld is not there any more", (long long) fence->generation, (long long) fence->txid);
    return rc < 0 ? rc : 0;
}

void tg_fence_prove(struct tg_guard *guard, const struct tg_scopes *scopes, const char *actor, const struct tg_fence *fence, struct tg_guard_verdict *out)
{
    struct tg_error why = TG_ERROR_INIT;
    int rc = prove(guard, scopes, actor, fence, &why);

    *out = (struct tg_guard_verdict) {.answer = TG_ANSWER_GO};
    if (!rc)
        return;
    if (strncmp(guard->cause, "token-", 6) == 0) {
        why.hint[0] = '\0';
        tg_error_hint(&why, "stop: whatever was begun under it must not go on; begin anew with a new permit");
    }
    tg_verdict_unknown(guard, rc, &why, out);
}
