/* What projections say: see project.h. Pure. */
#include "agent/project.h"

#include "base/shown.h"
#include "guard/show.h"

#include <tagout/clock.h>

#include <stdlib.h>
#include <string.h>

#define CM "config-management"
#define MOTD_LOCKS 8

static char *dump(json_t *o)
{
    char *text = o ? json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;

    json_decref(o);
    return text;
}

static void until_of(const struct tg_lock *l, char *out, size_t size)
{
    tg_time_format(l->until_ms - l->until_ms % 1000, out, size);
}

/* Of our records: who wrote it, when, and how long it may be believed. */
static void stamp(json_t *o, const struct tg_project_what *what)
{
    json_object_set_new(o, "written_by", json_string(TG_PROJECT_BY));
    json_object_set_new(o, "written_at", tg_time_json(what->wall_ms));
    json_object_set_new(o, "valid_until", tg_time_json(what->wall_ms + TG_PROJECT_VALID_MS));
}

static json_t *ids(const struct tg_project_what *what, const char *actor)
{
    json_t *list = json_array();

    for (size_t i = 0; i < what->n_locks && json_array_size(list) < TG_PROJECT_LOCKS_MAX; i++)
        if (tg_lock_holds_actor(what->locks[i], actor))
            json_array_append_new(list, json_string(what->locks[i]->id));
    return list;
}

static const char *answer_of(const struct tg_project_what *what)
{
    return what->n_locks ? "held" : what->proven ? "go" : "unknown";
}

/* "lock L7K2QX of alice@ops1 until 2026-…: the reason (OPS-1)" */
static void describe(const struct tg_lock *l, struct tg_buf *out)
{
    char until[40];

    until_of(l, until, sizeof until);
    tg_buf_printf(out, "lock %s of ", l->id);
    tg_shown(out, l->owner);
    tg_buf_printf(out, " until %s: ", until);
    tg_shown(out, l->reason);
    if (l->ticket[0]) {
        tg_buf_puts(out, " (");
        tg_shown(out, l->ticket);
        tg_buf_putc(out, ')');
    }
}

char *tg_project_puppet_text(const struct tg_project_what *what, bool *out_wanted)
{
    const struct tg_lock *first = NULL;
    struct tg_buf b = TG_BUF_INIT;
    size_t n = 0;

    for (size_t i = 0; i < what->n_locks; i++)
        if (tg_lock_holds_actor(what->locks[i], CM)) {
            first = first ? first : what->locks[i];
            n++;
        }
    *out_wanted = first != NULL;
    if (!first)
        return NULL;
    tg_buf_puts(&b, "tagout: ");
    describe(first, &b);
    if (n > 1)
        tg_buf_printf(&b, ", and %zu more", n - 1);
    /* without times: it is written anew only when the locks are others */
    json_t *o = json_pack("{s:s,s:{s:s,s:s,s:o}}", "disabled_message", tg_buf_text(&b), "tagout", "written_by",
                          TG_PROJECT_BY, "host", what->host, "locks", ids(what, CM));
    tg_buf_release(&b);
    return dump(o);
}

/* The shape of the fact that the Puppet module makes by asking: whoever reads one can read the other. */
char *tg_project_facts_text(const struct tg_project_what *what)
{
    const struct tg_lock *l = what->n_locks ? what->locks[0] : NULL;
    json_t *o =
        json_pack("{s:s,s:b,s:o}", "state", answer_of(what), "held", l || !what->proven, "locks", ids(what, NULL));

    if (o && l) {
        char until[40], scope[TG_SCOPE_TEXT_SIZE];
        until_of(l, until, sizeof until);
        json_object_set_new(o, "id", json_string(l->id));
        json_object_set_new(o, "scope",
                            json_string(l->scopes.n ? tg_scope_format(&l->scopes.v[0], scope, sizeof scope) : ""));
        json_object_set_new(o, "owner", json_string(l->owner));
        json_object_set_new(o, "reason", json_string(l->reason));
        json_object_set_new(o, "ticket", json_string(l->ticket));
        json_object_set_new(o, "until", json_string(until));
    }
    if (o)
        stamp(o, what);
    return dump(o ? json_pack("{s:o}", "tagout", o) : NULL);
}

char *tg_project_held_text(const struct tg_project_what *what)
{
    struct tg_buf b = TG_BUF_INIT;

    for (size_t i = 0; i < what->n_locks && i < TG_PROJECT_LOCKS_MAX; i++) {
        tg_buf_puts(&b, "TAGOUT-HELD ");
        describe(what->locks[i], &b);
        tg_buf_putc(&b, '\n');
    }
    return tg_buf_take(&b, NULL);
}

char *tg_project_record_text(const struct tg_project_what *what, size_t lock)
{
    json_t *o = tg_lock_json(what->locks[lock], what->wall_ms);

    if (o)
        stamp(o, what);
    return dump(o);
}

char *tg_project_state_text(const struct tg_project_what *what)
{
    json_t *o = json_pack("{s:s,s:s,s:b,s:I,s:o}", "answer", answer_of(what), "host", what->host, "proven",
                          what->proven, "count", (json_int_t) what->n_locks, "locks", ids(what, NULL));

    if (o && !what->proven)
        json_object_set_new(o, "cause", json_string(what->cause));
    if (o)
        stamp(o, what);
    return dump(o);
}

char *tg_project_motd_text(const struct tg_project_what *what)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_buf_printf(&b, "\n*** %s is under maintenance (%s):\n", what->host, TG_PROJECT_BY);
    for (size_t i = 0; i < what->n_locks && i < MOTD_LOCKS; i++) {
        tg_buf_puts(&b, "    ");
        describe(what->locks[i], &b);
        tg_buf_putc(&b, '\n');
    }
    if (what->n_locks > MOTD_LOCKS)
        tg_buf_printf(&b, "    and %zu more\n", what->n_locks - MOTD_LOCKS);
    if (!what->proven)
        tg_buf_puts(&b, "    (as known last: the store can't be reached)\n");
    tg_buf_puts(&b, "    Ask them before you change anything here. tagout locks shows more.\n\n");
    return tg_buf_take(&b, NULL);
}

bool tg_project_json_is_ours(const char *text, size_t len)
{
    json_t *o = len ? json_loadb(text, len, 0, NULL) : NULL, *inner = json_object_get(o, "tagout");
    const char *by = json_string_value(json_object_get(json_is_object(inner) ? inner : o, "written_by"));
    bool ours = by && strcmp(by, TG_PROJECT_BY) == 0;

    json_decref(o);
    return ours;
}
