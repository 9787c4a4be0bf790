/* A thread as JSON: see announce_thread.h. What a reader does not know, it refuses. */
#include "calendar/announce_internal.h"

#include "base/seal.h"
#include "base/shown.h"
#include "fleet/nodeset.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define LAST_MS INT64_C(7258118400000) /* 2200 */
#define TEXT_MAX 600                   /* of an answer */
#define RECIPIENTS_MANY 100            /* of so many, answers are kept short, and those to what was taken not at all */
#define TEXT_SHORT 120

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

static json_t *recipient_json(const struct tg_recipient *r, bool many)
{
    char text[TEXT_SHORT];
    const char *says = !many ? r->text : r->state == TG_RECIPIENT_SENT ? "" : tg_shown_text(r->text, text, sizeof text);

    return json_pack("{s:s,s:s,s:s*,s:o*,s:o*,s:o*,s:o*,s:o*,s:o*,s:s*}", "to", r->to, "state", tg_recipient_state_name(r->state), "role",
                     r->role == TG_ROLE_CONTACT ? NULL : tg_recipient_role_name(r->role), "behind", r->behind ? json_true() : NULL, "tries", number_unless_0(r->tries), "unsure",
                     number_unless_0(r->unsure), "parts", number_unless_0(r->parts), "since", number_unless_0(r->since_ms), "at", number_unless_0(r->at_ms), "text", unless_empty(says));
}

static json_t *message_json(const struct tg_thread_message *m)
{
    json_t *items = json_array(), *to = json_array();
    int bad = 0;

    for (size_t i = 0; i < m->items.n; i++)
        bad |= json_array_append_new(items, json_pack("{s:s,s:b,s:o}", "kind", tg_announce_kind_name(m->items.v[i].kind), "missed", (int) m->items.v[i].missed, "event",
                                                      event_json(&m->items.v[i].event, false)));
    for (size_t i = 0; i < m->n_recipients; i++)
        bad |= json_array_append_new(to, recipient_json(&m->recipients[i], m->n_recipients > RECIPIENTS_MANY));
    json_t *o = bad ? NULL : json_pack("{s:s,s:I,s:I,s:b,s:O,s:O,s:o*}", "kind", tg_announce_kind_name(m->kind), "sequence", (json_int_t) m->sequence, "at", (json_int_t) m->at_ms,
                                       "heard", (int) m->heard, "items", items, "recipients", to, "left-out", number_unless_0((int64_t) m->n_left_out));
    json_decref(items);
    json_decref(to);
    return o;
}

static json_t *receipts_json(const struct tg_receipts *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        if (json_array_append_new(array, json_pack("{s:s,s:s*}", "to", list->v[i].to, "mac", unless_empty(list->v[i].mac)))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

int tg_thread_encode(const struct tg_thread *t, char **out, struct tg_error *e)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:o*,s:I,s:I,s:o,s:o,s:o}", "format", FORMAT, "source", t->source, "customer", t->customer, "lane", number_unless_0(t->lane), "sequence",
                          (json_int_t) t->sequence, "due", (json_int_t) t->due_ms, "now", events_json(&t->now, &t->told, false), "told", events_json(&t->told, &t->now, true),
                          "receipts", receipts_json(&t->receipts));

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
    for (int i = 0; i <= TG_ANNOUNCE_FORMER; i++)
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

    if (!json_is_array(list) || n > TG_THREAD_EVENTS_MAX)
        return odd(e, "message");
    if (!(m->items.v = calloc(n + 1, sizeof *m->items.v)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < n; i++) {
        const char *kind;
        json_t *event;
        int missed = 0;
        if (json_unpack(json_array_get(list, i), "{s:s,s?b,s:o!}", "kind", &kind, "missed", &missed, "event", &event) || !find_kind(kind, &m->items.v[i].kind) ||
            m->items.v[i].kind == TG_ANNOUNCE_FORMER)
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

static bool find_role(const char *name, enum tg_recipient_role *out)
{
    for (int i = 0; i < TG_ROLES; i++)
        if (strcmp(tg_recipient_role_name((enum tg_recipient_role) i), name) == 0) {
            *out = (enum tg_recipient_role) i;
            return true;
        }
    return false;
}

/* What could end a header line or a list is in no address. */
static bool is_to(const char *to)
{
    return to[0] && !strpbrk(to, " <>,;\"\\") && is_text(to, 300);
}

static int read_recipient(json_t *o, struct tg_recipient *r, struct tg_error *e)
{
    const char *to, *state, *text = "", *role = "contact";
    json_int_t tries = 0, unsure = 0, since = 0, at = 0, parts = 0;
    int behind = 0;

    if (json_unpack(o, "{s:s,s:s,s?s,s?b,s?I,s?I,s?I,s?I,s?I,s?s!}", "to", &to, "state", &state, "role", &role, "behind", &behind, "tries", &tries, "unsure", &unsure, "parts", &parts,
                    "since", &since, "at", &at, "text", &text) ||
        !find_state(state, &r->state) || !find_role(role, &r->role) || !is_to(to) || !is_text(text, TEXT_MAX) || tries < 0 || tries > 1000000 || unsure < 0 || unsure > tries ||
        parts < 0 || parts > TG_THREAD_EVENTS_MAX || !is_time(at) || !is_time(since))
        return odd(e, "recipients");
    r->behind = behind;
    r->parts = parts;
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
    json_int_t sequence, at, left = 0;
    int heard, rc = 0;

    if (!(t->message = m))
        return tg_thread_no_memory(e);
    if (json_unpack(o, "{s:s,s:I,s:I,s:b,s:o,s:o,s?I!}", "kind", &kind, "sequence", &sequence, "at", &at, "heard", &heard, "items", &items, "recipients", &to, "left-out", &left) ||
        !find_kind(kind, &m->kind) || left < 0 || left > INT32_MAX || sequence < 0 || sequence > INT32_MAX || sequence > t->sequence || !is_time(at) || json_array_size(to) > TG_RECIPIENTS_MAX)
        return odd(e, "message");
    m->sequence = sequence;
    m->at_ms = at;
    m->heard = heard;
    m->n_left_out = (size_t) left;
    rc = read_items(items, m, e);
    if (!rc && !(m->recipients = calloc(json_array_size(to) + 1, sizeof *m->recipients)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; !rc && i < json_array_size(to); i++)
        rc = read_recipient(json_array_get(to, i), &m->recipients[m->n_recipients++], e);
    return rc;
}

static int read_receipts(const json_t *list, struct tg_thread *t, struct tg_error *e)
{
    int rc = json_is_array(list) && json_array_size(list) <= TG_RECIPIENTS_MAX ? 0 : odd(e, "receipts");

    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        const char *to, *mac = "";
        if (json_unpack(json_array_get(list, i), "{s:s,s?s!}", "to", &to, "mac", &mac) || !is_to(to) || (mac[0] && strlen(mac) != TG_RECEIPT_SIZE - 1) || tg_thread_receipt(t, to))
            return odd(e, "receipts");
        rc = tg_thread_receipt_add(t, to, false, e);
        if (!rc)
            memcpy(t->receipts.v[t->receipts.n - 1].mac, mac, strlen(mac) + 1);
    }
    return rc;
}

/* Whom a record of an older tagout, without receipts, counts as told: all to whom it may have gone, and those of whom people said so. */
static int make_receipts(struct tg_thread *t, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && t->message && i < t->message->n_recipients; i++) {
        const struct tg_recipient *r = &t->message->recipients[i];
        if (!tg_recipient_is_hook(r) && (r->state == TG_RECIPIENT_SENT || r->state == TG_RECIPIENT_DROPPED || r->unsure))
            rc = tg_thread_receipt_add(t, r->to, false, e);
    }
    return rc;
}

/* What the record has beside its events. */
static int read_rest(struct tg_thread *t, json_t *message, const json_t *receipts, struct tg_error *e)
{
    int rc = message ? read_message(message, t, e) : 0;

    if (rc)
        return rc;
    return receipts ? read_receipts(receipts, t, e) : make_receipts(t, e);
}

static int read_thread(json_t *o, struct tg_thread **out, struct tg_error *e)
{
    const char *source, *customer, *sum;
    json_int_t sequence, due;
    json_t *now, *told, *message = NULL, *receipts = NULL;
    struct tg_thread *t;
    int format, lane = 0;

    if (json_unpack(o, "{s:i,s:s,s:s,s?i,s:I,s:I,s:o,s:o,s?o,s?o,s:s!}", "format", &format, "source", &source, "customer", &customer, "lane", &lane, "sequence", &sequence, "due", &due,
                    "now", &now, "told", &told, "message", &message, "receipts", &receipts, "sum", &sum) ||
        !source[0] || !customer[0] || !is_text(source, TG_ANNOUNCE_NAME_SIZE) || !is_text(customer, TG_ANNOUNCE_CUSTOMER_SIZE) || sequence < 0 || sequence > INT32_MAX || !is_time(due) ||
        lane < 0 || lane >= TG_THREAD_LANES)
        return tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    int rc = tg_thread_new(source, customer, lane, &t, e);
    if (rc)
        return rc;
    t->sequence = sequence;
    t->due_ms = due;
    rc = read_events(now, &t->now, &t->told, e);
    if (!rc)
        rc = read_events(told, &t->told, NULL, e);
    if (!rc)
        rc = read_rest(t, message, receipts, e);
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
