/* Locks, scopes and verdicts as JSON: see show.h. */
#include "guard/show.h"

#include "guard/policy.h"

json_t *tg_scopes_json(const struct tg_scopes *scopes)
{
    char text[TG_SCOPE_TEXT_SIZE];
    json_t *list = json_array();

    for (size_t i = 0; i < scopes->n; i++)
        json_array_append_new(list, json_string(tg_scope_format(&scopes->v[i], text, sizeof text)));
    return list;
}

json_t *tg_time_json(int64_t wall_ms)
{
    char text[40];

    tg_time_format(wall_ms - wall_ms % 1000, text, sizeof text);
    return json_string(text);
}

json_t *tg_lock_json(const struct tg_lock *l, int64_t now_ms)
{
    json_t *hold = json_array();
    char odd[160];

    for (size_t i = 0; i < l->n_hold; i++)
        json_array_append_new(hold, json_string(l->hold[i]));
    json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:b,s:b,s:o,s:o,s:{s:I,s:I}}", "id", l->id, "request", l->request, "state",
                     tg_lock_state_name(l->state), "owner", l->owner, "reason", l->reason, "ticket", l->ticket, "since", tg_time_json(l->since_ms), "until",
                     tg_time_json(l->until_ms), "overdue", tg_lock_is_overdue(l, now_ms), "release_at_expiry", l->release_at_expiry, "hold", hold,
                     "scopes", tg_scopes_json(&l->scopes), "fence", "generation", (json_int_t) l->generation, "txid", (json_int_t) l->txid);
    if (tg_lock_oddity(l, now_ms, odd, sizeof odd)[0])
        json_object_set_new(o, "odd", json_string(odd));
    return o;
}

json_t *tg_verdict_json(const struct tg_guard_verdict *v, const struct tg_scopes *scopes, const char *actor, int64_t now_ms)
{
    json_t *o = json_pack("{s:s,s:s,s:o}", "answer", tg_answer_name(v->answer), "actor", actor, "scopes", tg_scopes_json(scopes));
    json_t *locks = json_array();
    char scope[TG_SCOPE_TEXT_SIZE];

    for (size_t i = 0; i < v->locks.n; i++) {
        json_t *l = tg_lock_json(&v->locks.v[i], now_ms);
        json_object_set_new(l, "scope", json_string(tg_scope_format(&v->locks.v[i].scopes.v[v->scope_of[i]], scope, sizeof scope)));
        json_array_append_new(locks, l);
    }
    json_object_set_new(o, "locks", locks);
    if (v->passed)
        json_object_set_new(o, "passed_by_token", json_integer((json_int_t) v->passed));
    if (v->nested)
        json_object_set_new(o, "waiting_for_outer", json_integer((json_int_t) v->nested));
    if (v->assumed)
        json_object_set_new(o, "assumed", json_string(tg_on_unknown_name(v->assumed)));
    if (v->assumed == TG_UNKNOWN_LAST_KNOWN)
        json_object_set_new(o, "as_of", tg_time_json(v->as_of_ms));
    if (v->answer == TG_ANSWER_UNKNOWN || v->assumed) {
        json_object_set_new(o, "cause", json_string(v->cause));
        json_object_set_new(o, "detail", json_string(v->error.message));
        if (v->error.hint[0])
            json_object_set_new(o, "hint", json_string(v->error.hint));
    }
    return o;
}
