/* What the agent tells of itself: `tagout agent --status`. */
#include "agent/internal.h"

#include "config/site.h"

#include <string.h>

static json_t *locks_json(struct tg_agent *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->n_locks && i < 100; i++) {
        bool acked = false;
        for (const struct tg_agent_ack *k = a->acks; k && !acked; k = k->next)
            acked = strcmp(k->id, a->locks[i].id) == 0;
        json_array_append_new(list, json_pack("{s:s,s:b}", "id", a->locks[i].id, "acknowledged", acked));
    }
    return list;
}

static json_t *covers_json(struct tg_agent *a)
{
    json_t *list = json_array();

    for (const struct tg_agent_cover *c = a->covers; c; c = c->next)
        json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "actor", c->run.actor, "what", c->run.what, "pid", (json_int_t) c->run.pid));
    return list;
}

static json_t *duties_json(struct tg_agent *a)
{
    json_t *o = json_object();

    for (size_t i = 0; i < a->n_begun; i++) {
        json_t *value = a->duties[i]->status ? a->duties[i]->status(a->selves[i]) : NULL;
        json_object_set_new(o, a->duties[i]->name, value ? value : json_true());
    }
    return o;
}

json_t *tg_agent_status(struct tg_agent *a)
{
    int64_t now = tg_agent_now(a), until = tg_agent_believed_until(a);
    bool connected = a->store && tg_store_state(a->store) == TG_SESSION_CONNECTED;
    json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:b,s:b}", "host", a->own.n ? a->own.v[0].name : a->called, "store", a->config->store, "session",
                          connected ? "connected" : "away", "present", a->present, "claimed_by_another", a->claimed, "knows", tg_agent_is_sure(a));

    if (!o)
        return NULL;
    if (!a->picture.proven) {
        json_object_set_new(o, "cause", json_string(a->picture.cause));
        json_object_set_new(o, "detail", json_string(a->picture.why ? a->picture.why->message : ""));
    } else {
        json_object_set_new(o, "as-of-ms", json_integer((json_int_t) (now - tg_agent_as_of(a))));
    }
    if (until != INT64_MIN && until != INT64_MAX)
        json_object_set_new(o, "good-for-ms", json_integer((json_int_t) (until > now ? until - now : 0)));
    if (a->blind[0])
        json_object_set_new(o, "blind", json_string(a->blind));
    json_object_set_new(o, "locks", locks_json(a));
    json_object_set_new(o, "in-flight", covers_json(a));
    json_object_set_new(o, "permits", json_integer((json_int_t) a->n_permits));
    json_object_set_new(o, "running-ms", json_integer((json_int_t) (now - a->started_ms)));
    json_object_set_new(o, "clients", json_integer((json_int_t) tg_server_clients(a->server)));
    json_object_set_new(o, "turned-away", json_integer((json_int_t) tg_server_refused(a->server)));
    json_object_set_new(o, "duties", duties_json(a));
    return o;
}
