/* Marks of hosts in their slots, without the store: see book_marks.h. */
#include "calendar/book_internal.h"
#include "calendar/book_marks.h"
#include "calendar/calendar.h"

#include "base/seal.h"

#include <stdlib.h>
#include <string.h>

static const char *const states[TG_MARK_STATES] = {"none", "expected", "begun", "done", "failed"};

const char *tg_mark_state_name(enum tg_mark_state state)
{
    return states[state];
}

static bool has_ended(const struct tg_mark *m)
{
    return m->state == TG_MARK_DONE || m->state == TG_MARK_FAILED;
}

struct tg_mark tg_mark_with(const struct tg_mark *was, const struct tg_mark *word)
{
    struct tg_mark m = *was;

    if (word->state == TG_MARK_EXPECTED) {
        m.state = m.state == TG_MARK_NONE ? TG_MARK_EXPECTED : m.state;
    } else if (word->state == TG_MARK_BEGUN) {
        if (m.state == TG_MARK_BEGUN || (has_ended(&m) && word->began_ms <= m.ended_ms))
            return m;
        m.state = TG_MARK_BEGUN;
        m.began_ms = m.began_ms ? m.began_ms : word->began_ms;
        m.ended_ms = 0;
    } else if (has_ended(word) && (!has_ended(&m) || word->ended_ms > m.ended_ms)) {
        m.state = word->state;
        m.began_ms = m.began_ms ? m.began_ms : word->began_ms;
        m.ended_ms = word->ended_ms > m.began_ms ? word->ended_ms : m.began_ms + 1;
    }
    return m;
}

/* A week that was cancelled only hears of what had begun by then, give or take what two clocks differ. */
static bool counts(const struct tg_booked *b, const struct tg_mark *was, const struct tg_mark *word)
{
    bool in_time = word->began_ms < b->cancelled_ms + TG_MARK_EARLY_MS, is_open = was->state == TG_MARK_BEGUN || has_ended(was);

    return !b->cancelled || (word->state == TG_MARK_BEGUN ? in_time : has_ended(word) && (in_time || is_open));
}

/* ---- the record ---- */

static bool is_time(json_int_t ms)
{
    return ms >= 0 && ms <= TG_CALENDAR_LAST_MS;
}

/* ["begun", 1795368000000, 0, 0]: state, first begin, last end, who of "by". */
static bool read_mark(json_t *o, size_t n_by, struct tg_mark *out, size_t *out_by)
{
    const char *state;
    json_int_t began, ended, by;
    size_t s = TG_MARK_EXPECTED;

    if (json_unpack(o, "[s,I,I,I!]", &state, &began, &ended, &by) || !is_time(began) || !is_time(ended) || by < 0 || (size_t) by >= n_by)
        return false;
    while (s < TG_MARK_STATES && strcmp(states[s], state) != 0)
        s++;
    *out = (struct tg_mark) {.state = (enum tg_mark_state) s, .began_ms = began, .ended_ms = ended};
    *out_by = (size_t) by;
    bool fits = s == TG_MARK_EXPECTED ? !began && !ended : s == TG_MARK_BEGUN ? began && !ended : began && ended > began;
    return s < TG_MARK_STATES && fits;
}

static bool are_texts(json_t *list)
{
    bool fine = json_is_array(list) && json_array_size(list) <= TG_MARKS_BY_MAX;

    for (size_t i = 0; fine && i < json_array_size(list); i++)
        fine = json_is_string(json_array_get(list, i)) && strlen(json_string_value(json_array_get(list, i))) < TG_OWNER_SIZE;
    return fine;
}

/* As the inventory writes it: nobody finds "WEB1". */
static bool is_host(const char *host)
{
    char name[TG_HOST_NAME_SIZE];

    return tg_host_name(host, strlen(host), name, NULL) == 0 && strcmp(name, host) == 0;
}

/* *out is the caller's; *out_by and *out_hosts lie in it. */
static int load(const struct tg_booked *b, const char *text, size_t len, json_t **out, json_t **out_by, json_t **out_hosts, struct tg_error *e)
{
    const char *id, *digest, *sum, *host;
    json_t *o = NULL, *by = NULL, *hosts = NULL, *item;
    struct tg_mark mark;
    size_t who;
    int format, rc = tg_record_load(text, len, &o, e);

    if (!rc && (json_unpack(o, "{s:i,s:s,s:s,s:o,s:o,s:s!}", "format", &format, "id", &id, "digest", &digest, "by", &by, "hosts", &hosts, "sum", &sum) || !are_texts(by) ||
                !json_is_object(hosts)))
        rc = tg_fail(e, TG_E_DATA, "it has something that this tagout does not know");
    if (!rc && (strcmp(id, b->id) != 0 || strcmp(digest, b->digest) != 0))
        rc = tg_fail(e, TG_E_DATA, "it is of another week, %.80s", id);
    if (!rc)
        json_object_foreach(hosts, host, item)
            if (!rc && (!is_host(host) || !read_mark(item, json_array_size(by), &mark, &who)))
                rc = tg_fail(e, TG_E_DATA, "what it says of %.80s makes no sense", host);
    if (rc) {
        json_decref(o);
        return rc;
    }
    *out = o;
    *out_by = by;
    *out_hosts = hosts;
    return 0;
}

int tg_marks_parse(const struct tg_booked *b, const char *text, size_t len, tg_mark_take_fn *take, void *data, struct tg_error *e)
{
    json_t *o, *by, *hosts, *item;
    const char *host;
    int rc = load(b, text, len, &o, &by, &hosts, e);

    if (rc)
        return rc;
    json_object_foreach(hosts, host, item) {
        struct tg_mark mark;
        size_t who;
        if (!rc && read_mark(item, json_array_size(by), &mark, &who))
            rc = take(data, host, &mark, json_string_value(json_array_get(by, who)), e);
    }
    json_decref(o);
    return rc;
}

/* Where a name stands in "by"; TG_MARKS_BY_MAX: it has no room. */
static size_t find_by(json_t *list, const char *by)
{
    size_t i = 0;

    while (i < json_array_size(list) && strcmp(json_string_value(json_array_get(list, i)), by) != 0)
        i++;
    if (i == json_array_size(list) && i < TG_MARKS_BY_MAX && json_array_append_new(list, json_string(by)))
        return TG_MARKS_BY_MAX;
    return i;
}

static bool put_words(const struct tg_booked *b, json_t *list, json_t *hosts, const struct tg_mark_word *words, size_t n, const char *by, bool *out_changed)
{
    for (size_t i = 0; i < n; i++) {
        struct tg_mark was = {.state = TG_MARK_NONE};
        json_t *item = json_object_get(hosts, words[i].host);
        size_t who = 0;
        if (item)
            (void) read_mark(item, TG_MARKS_BY_MAX, &was, &who);
        struct tg_mark now = tg_mark_with(&was, &words[i].mark);
        if (!counts(b, &was, &words[i].mark))
            continue;
        if (now.state == was.state && now.began_ms == was.began_ms && now.ended_ms == was.ended_ms)
            continue;
        if ((who = find_by(list, by)) == TG_MARKS_BY_MAX)
            who = 0; /* one of a thousand: whoever it was first */
        if (json_object_set_new(hosts, words[i].host, json_pack("[s,I,I,I]", states[now.state], (json_int_t) now.began_ms, (json_int_t) now.ended_ms, (json_int_t) who)))
            return false;
        *out_changed = true;
    }
    return true;
}

int tg_marks_change(const struct tg_booked *b, const char *text, size_t len, const struct tg_mark_word *words, size_t n, const char *by, char **out, struct tg_error *e)
{
    json_t *o = NULL, *list = NULL, *hosts = NULL;
    bool changed = false;
    int rc = len ? load(b, text, len, &o, &list, &hosts, e) : 0;

    if (!rc && !len) {
        list = json_array();
        hosts = json_object();
        o = json_pack("{s:o,s:o}", "by", list, "hosts", hosts);
    }
    if (!rc && (!o || !put_words(b, list, hosts, words, n, by, &changed)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    *out = NULL;
    if (!rc && changed) {
        *out = tg_seal(json_pack("{s:i,s:s,s:s,s:O,s:O}", "format", TG_BOOK_FORMAT, "id", b->id, "digest", b->digest, "by", list, "hosts", hosts));
        rc = *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    json_decref(o);
    return rc;
}

/* ---- counting ---- */

void tg_slot_add(struct tg_slot_count *c, const struct tg_mark *m)
{
    c->hosts++;
    c->expected += m->state == TG_MARK_EXPECTED;
    c->begun += m->state == TG_MARK_BEGUN;
    c->done += m->state == TG_MARK_DONE;
    c->failed += m->state == TG_MARK_FAILED;
    if (m->began_ms && (!c->began_ms || m->began_ms < c->began_ms))
        c->began_ms = m->began_ms;
    if (m->ended_ms > c->ended_ms)
        c->ended_ms = m->ended_ms;
}

struct tg_slot_count tg_slot_count(const struct tg_week *w, const struct tg_marks *marks, size_t slot)
{
    struct tg_slot_count c = {.hosts = 0};

    for (uint32_t i = 0; i < w->slots[slot].n; i++)
        tg_slot_add(&c, &marks->v[w->order[w->slots[slot].first + i]]);
    return c;
}

size_t tg_slot_missed(const struct tg_slot_count *c, const struct tg_week_slot *slot, int64_t now_ms)
{
    return now_ms >= slot->until_ms ? c->expected : 0;
}
