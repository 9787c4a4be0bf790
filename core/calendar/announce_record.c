/* A thread as JSON: see announce_thread.h. What a reader does not know, it refuses. */
#include "calendar/announce_internal.h"

#include "base/seal.h"
#include "fleet/nodeset.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define LAST_MS INT64_C(7258118400000) /* 2200 */
#define TEXT_MAX 600                   /* of an answer */

static const char *const states[TG_RECIPIENT_STATES] = {
    [TG_RECIPIENT_WAITING] = "waiting", [TG_RECIPIENT_TRYING] = "trying", [TG_RECIPIENT_SENT] = "sent", [TG_RECIPIENT_REFUSED] = "refused", [TG_RECIPIENT_DROPPED] = "dropped",
};

const char *tg_recipient_state_name(enum tg_recipient_state state)
{
    return state < TG_RECIPIENT_STATES ? states[state] : "?";
}

/* ---- writing ---- */

static const char *unless_empty(const char *text)
{
    return text[0] ? text : NULL;
}

static json_t *number_unless_0(int64_t n)
{
    return n ? json_integer((json_int_t) n) : NULL;
}

/* What is empty, 0 or false is left out: a customer may have a thousand. told: it was told just so. */
static json_t *event_json(const struct tg_thread_event *ev, bool told)
{
    return json_pack("{s:s,s:s*,s:s*,s:s*,s:o*,s:s*,s:o*,s:I,s:I,s:o*,s:o*}", "key", ev->key, "activity", unless_empty(ev->activity), "reason", unless_empty(ev->reason), "hosts",
                     unless_empty(ev->hosts), "n", number_unless_0(ev->n_hosts), "done", unless_empty(ev->done), "n-done", number_unless_0(ev->n_done), "from",
                     (json_int_t) ev->from_ms, "until", (json_int_t) ev->until_ms, "late", ev->late ? json_true() : NULL, "told", told ? json_true() : NULL);
}

static bool is_same(const struct tg_thread_event *a, const struct tg_thread_event *b)
{
    return a && b && a->n_hosts == b->n_hosts && a->n_done == b->n_done && a->from_ms == b->from_ms && a->until_ms == b->until_ms && a->late == b->late &&
           strcmp(a->activity, b->activity) == 0 && strcmp(a->reason, b->reason) == 0 && strcmp(a->hosts, b->hosts) == 0 && strcmp(a->done, b->done) == 0;
}

/* told: those of "told" that are as they are in "now" stand there, with a flag. */
static json_t *events_json(const struct tg_thread_events *list, const struct tg_thread_events *other, bool told)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        bool same = is_same(&list->v[i], tg_thread_find(other, list->v[i].key));
        if ((!told || !same) && json_array_append_new(array, event_json(&list->v[i], same))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *message_json(const struct tg_thread_message *m)
{
    json_t *items = json_array(), *to = json_array();
    int bad = 0;

    for (size_t i = 0; i < m->items.n; i++)
        bad |= json_array_append_new(items, json_pack("{s:s,s:b,s:o}", "kind", tg_announce_kind_name(m->items.v[i].kind), "missed", (int) m->items.v[i].missed, "event",
                                                      event_json(&m->items.v[i].event, false)));
    for (size_t i = 0; i < m->n_recipients; i++) {
        const struct tg_recipient *r = &m->recipients[i];
        bad |= json_array_append_new(to, json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:s}", "to", r->to, "state", tg_recipient_state_name(r->state), "behind", (int) r->behind, "tries", (json_int_t) r->tries, "unsure",
                                                   (json_int_t) r->unsure, "since", (json_int_t) r->since_ms, "at", (json_int_t) r->at_ms, "text", r->text));
    }
    json_t *o = bad ? NULL : json_pack("{s:s,s:I,s:I,s:b,s:O,s:O}", "kind", tg_announce_kind_name(m->kind), "sequence", (json_int_t) m->sequence, "at", (json_int_t) m->at_ms, "heard",
                                       (int) m->heard, "items", items, "recipients", to);
    json_decref(items);
    json_decref(to);
    return o;
}

int tg_thread_encode(const struct tg_thread *t, char **out, struct tg_error *e)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:I,s:I,s:o,s:o}", "format", FORMAT, "source", t->source, "customer", t->customer, "sequence", (json_int_t) t->sequence, "due",
                          (json_int_t) t->due_ms, "now", events_json(&t->now, &t->told, false), "told", events_json(&t->told, &t->now, true));

    if (o && t->message && json_object_set_new(o, "message", message_json(t->message))) {
        json_decref(o);
        o = NULL;
    }
    char *text = tg_seal(o);
    if (!text)
        return tg_thread_no_memory(e);
    if (strlen(text) > TG_THREAD_BYTES_MAX) {
        tg_fail(e, TG_E_DATA, "what %s is to be told of %s takes %zu bytes, and at most %d can be", t->customer, t->source, strlen(text), TG_THREAD_BYTES_MAX);
        free(text);
        return TG_E_DATA;
    }
    *out = text;
    return 0;
}

/* ---- reading ---- */

static int odd(struct tg_error *e, const char *what)
{
    return tg_fail(e, TG_E_DATA, "its %s can't be read", what);
}

static bool is_time(json_int_t ms)
{
    return ms >= 0 && ms <= LAST_MS;
}

/* That many hosts (or more, when the list was cut), whose names are names: they go into mails. */
static bool is_hosts(const char *text, json_int_t n)
{
    struct tg_hostlist list = TG_HOSTLIST_INIT;
    bool fine = (!text[0] || tg_nodeset_expand(text, strlen(text), &list, NULL) == 0) && (json_int_t) list.n <= n && (list.n > 0 || n == 0) && n <= TG_HOSTLIST_MAX;

    tg_hostlist_release(&list);
    return fine;
}

static bool is_text(const char *text, size_t size)
{
    char copy[TEXT_MAX];

    return tg_text_copy("it", text, copy, size < sizeof copy ? size : sizeof copy, NULL) == 0;
}

/* out_told: NULL where nothing can be flagged. */
static int read_event(const json_t *o, struct tg_thread_event *out, bool *out_told, struct tg_error *e)
{
    const char *key, *activity = "", *reason = "", *hosts = "", *done = "";
    json_int_t n = 0, n_done = 0, from, until;
    int late = 0, told = 0;

    if (json_unpack((json_t *) (uintptr_t) o, "{s:s,s?s,s?s,s?s,s?I,s?s,s?I,s:I,s:I,s?b,s?b!}", "key", &key, "activity", &activity, "reason", &reason, "hosts", &hosts, "n", &n,
                    "done", &done, "n-done", &n_done, "from", &from, "until", &until, "late", &late, "told", &told) ||
        !key[0] || !is_text(key, TG_ANNOUNCE_NAME_SIZE) || !is_text(activity, TG_REASON_SIZE) || !is_text(reason, TG_REASON_SIZE) || !is_hosts(hosts, n) || !is_hosts(done, n_done) ||
        n_done > n || !is_time(from) || !is_time(until) || from > until || (told && !out_told))
        return odd(e, "events");
    if (out_told)
        *out_told = told;
    const struct tg_thread_event ev = {.key = (char *) (uintptr_t) key, .activity = (char *) (uintptr_t) activity, .reason = (char *) (uintptr_t) reason,
                                       .hosts = (char *) (uintptr_t) hosts, .done = (char *) (uintptr_t) done, .n_hosts = n, .n_done = n_done, .from_ms = from, .until_ms = until,
                                       .late = late};
    return tg_thread_copy_event(&ev, out, e);
}

/* Consumes ev, also on failure. */
static int add_once(struct tg_thread_events *list, struct tg_thread_event *ev, struct tg_error *e)
{
    if (!tg_thread_find(list, ev->key))
        return tg_thread_add(list, ev, e);
    tg_thread_event_release(ev);
    return odd(e, "events");
}

/* told: where to put those that are flagged; NULL: none may be. */
static int read_events(const json_t *list, struct tg_thread_events *out, struct tg_thread_events *told, struct tg_error *e)
{
    int rc = json_is_array(list) ? 0 : odd(e, "events");

    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        struct tg_thread_event ev, copy;
        bool flag = false;
        rc = read_event(json_array_get(list, i), &ev, told ? &flag : NULL, e);
        if (!rc && flag && (rc = tg_thread_copy_event(&ev, &copy, e)) == 0)
            rc = add_once(told, &copy, e);
        if (rc)
            break;
        rc = add_once(out, &ev, e);
    }
    return rc;
}

static bool find_kind(const char *name, enum tg_announce_kind *out)
{
    for (int i = 0; i < TG_ANNOUNCE_WEEK; i++)
        if (strcmp(tg_announce_kind_name((enum tg_announce_kind) i), name) == 0) {
            *out = (enum tg_announce_kind) i;
            return true;
        }
    return false;
}

static int read_items(const json_t *list, struct tg_thread_message *m, struct tg_error *e)
{
    size_t n = json_array_size(list);
    int rc = 0;

    if (!n || n > TG_THREAD_EVENTS_MAX)
        return odd(e, "message");
    if (!(m->items.v = calloc(n, sizeof *m->items.v)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < n; i++) {
        const char *kind;
        json_t *event;
        int missed = 0;
        if (json_unpack(json_array_get(list, i), "{s:s,s?b,s:o!}", "kind", &kind, "missed", &missed, "event", &event) || !find_kind(kind, &m->items.v[i].kind))
            return odd(e, "message");
        m->items.v[i].missed = missed;
        rc = read_event(event, &m->items.v[i].event, NULL, e);
        m->items.n += !rc;
    }
    return rc;
}

static bool find_state(const char *name, enum tg_recipient_state *out)
{
    for (int i = 0; i < TG_RECIPIENT_STATES; i++)
        if (strcmp(states[i], name) == 0) {
            *out = (enum tg_recipient_state) i;
            return true;
        }
    return false;
}

static int read_recipient(json_t *o, struct tg_recipient *r, struct tg_error *e)
{
    const char *to, *state, *text;
    json_int_t tries, unsure, since, at;
    int behind = 0;

    if (json_unpack(o, "{s:s,s:s,s?b,s:I,s:I,s:I,s:I,s:s!}", "to", &to, "state", &state, "behind", &behind, "tries", &tries, "unsure", &unsure, "since", &since, "at", &at, "text", &text) || !find_state(state, &r->state) ||
        !to[0] || strpbrk(to, " <>,;\"\\") || !is_text(to, 300) || !is_text(text, TEXT_MAX) || tries < 0 || tries > 1000000 || unsure < 0 || unsure > tries || !is_time(at) || !is_time(since))
        return odd(e, "recipients");
    r->behind = behind;
    r->tries = tries;
    r->unsure = unsure;
    r->since_ms = since;
    r->at_ms = at;
    r->to = strdup(to);
    r->text = strdup(text);
    return r->to && r->text ? 0 : tg_thread_no_memory(e);
}

static int read_message(json_t *o, struct tg_thread *t, struct tg_error *e)
{
    struct tg_thread_message *m = calloc(1, sizeof *m);
    json_t *items, *to;
    const char *kind;
    json_int_t sequence, at;
    int heard, rc = 0;

    if (!(t->message = m))
        return tg_thread_no_memory(e);
    if (json_unpack(o, "{s:s,s:I,s:I,s:b,s:o,s:o!}", "kind", &kind, "sequence", &sequence, "at", &at, "heard", &heard, "items", &items, "recipients", &to) ||
        !find_kind(kind, &m->kind) || sequence < 0 || sequence > INT32_MAX || sequence > t->sequence || !is_time(at) || json_array_size(to) > TG_RECIPIENTS_MAX)
        return odd(e, "message");
    m->sequence = sequence;
    m->at_ms = at;
    m->heard = heard;
    rc = read_items(items, m, e);
    if (!rc && !(m->recipients = calloc(json_array_size(to) + 1, sizeof *m->recipients)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < json_array_size(to); i++)
        rc = read_recipient(json_array_get(to, i), &m->recipients[m->n_recipients++], e);
    return rc;
}

static int read_thread(json_t *o, struct tg_thread **out, struct tg_error *e)
{
    const char *source, *customer, *sum;
    json_int_t sequence, due;
    json_t *now, *told, *message = NULL;
    struct tg_thread *t;
    int format;

    if (json_unpack(o, "{s:i,s:s,s:s,s:I,s:I,s:o,s:o,s?o,s:s!}", "format", &format, "source", &source, "customer", &customer, "sequence", &sequence, "due", &due, "now", &now,
                    "told", &told, "message", &message, "sum", &sum) ||
        !source[0] || !customer[0] || !is_text(source, TG_ANNOUNCE_NAME_SIZE) || !is_text(customer, TG_ANNOUNCE_CUSTOMER_SIZE) || sequence < 0 || sequence > INT32_MAX || !is_time(due))
        return tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    int rc = tg_thread_new(source, customer, &t, e);
    if (rc)
        return rc;
    t->sequence = sequence;
    t->due_ms = due;
    rc = read_events(now, &t->now, &t->told, e);
    if (!rc)
        rc = read_events(told, &t->told, NULL, e);
    if (!rc && message)
        rc = read_message(message, t, e);
    if (rc) {
        tg_thread_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tg_thread_decode(const char *text, size_t len, struct tg_thread **out, struct tg_error *e)
{
    json_t *o = NULL;
    int rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    rc = read_thread(o, out, e);
    json_decref(o);
    return rc;
}
