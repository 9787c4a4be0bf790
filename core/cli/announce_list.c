/* tagout announce list, show, retry, drop. */
#include "cli/announce.h"

#include "base/buf.h"
#include "cli/calendar.h"
#include "cli/guarding.h"
#include "cli/listed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t now_of(const struct tg_frame *f)
{
    return tg_wall_ms(tg_loop_clock(f->loop));
}

const char *tg_announce_state(const struct tg_thread *t)
{
    if (!t->open)
        return "told";
    if (!t->message || tg_thread_is_over(t))
        return "settling";
    if (tg_thread_count(t, TG_RECIPIENT_TRYING))
        return "sending";
    return tg_thread_count(t, TG_RECIPIENT_WAITING) ? "waiting" : "refused";
}

/* ---- as JSON ---- */

static json_t *events_json(const struct tg_thread_events *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const struct tg_thread_event *ev = &list->v[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:b,s:s}", "event", ev->key, "activity", ev->activity, "hosts", ev->hosts, "count", (json_int_t) ev->n_hosts,
                                               "done", (json_int_t) ev->n_done, "begin", tg_cli_time_json(ev->from_ms), "end", tg_cli_time_json(ev->until_ms), "late",
                                               (int) ev->late, "reason", ev->reason));
    }
    return array;
}

static json_t *recipients_json(const struct tg_thread_message *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->n_recipients; i++) {
        const struct tg_recipient *r = &m->recipients[i];
        json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:s}", "to", r->to, "as", tg_recipient_role_name(r->role), "state", tg_recipient_state_name(r->state), "mails",
                              (json_int_t) r->parts, "tries", (json_int_t) r->tries, "unsure", (json_int_t) r->unsure, "answer", r->text);
        if (o && r->at_ms)
            json_object_set_new(o, "at", tg_cli_time_json(r->at_ms));
        json_array_append_new(array, o);
    }
    return array;
}

json_t *tg_announce_thread_json(const struct tg_thread *t)
{
    char name[TG_THREAD_NAME_SIZE];

    tg_thread_name(t->source, t->customer, t->lane, name);
    json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:I,s:o,s:o}", "name", name, "customer", t->customer, "source", t->source, "state", tg_announce_state(t), "messages",
                          (json_int_t) t->sequence, "now", events_json(&t->now), "told", events_json(&t->told));
    if (o && t->due_ms > 1)
        json_object_set_new(o, "due", tg_cli_time_json(t->due_ms));
    if (o && t->message)
        json_object_set_new(o, "message", json_pack("{s:s,s:I,s:o,s:o,s:I}", "kind", tg_announce_kind_name(t->message->kind), "sequence", (json_int_t) t->message->sequence, "at",
                                                    tg_cli_time_json(t->message->at_ms), "recipients", recipients_json(t->message), "left-out",
                                                    (json_int_t) t->message->n_left_out));
    return o;
}

/* ---- list ---- */

#define COLUMNS 7

/* What is most wrong with it. */
static const char *trouble(const struct tg_thread *t)
{
    const char *text = "";

    for (size_t i = 0; t->message && i < t->message->n_recipients; i++)
        if (t->message->recipients[i].state == TG_RECIPIENT_REFUSED)
            return t->message->recipients[i].text;
        else if (t->message->recipients[i].state == TG_RECIPIENT_WAITING && t->message->recipients[i].text[0])
            text = t->message->recipients[i].text;
    return text;
}

static char **make_row(const struct tg_frame *f, const struct tg_thread *t)
{
    char **row = calloc(COLUMNS, sizeof *row), name[TG_THREAD_NAME_SIZE], at[64] = "", left[40] = "";

    if (!row)
        return NULL;
    tg_thread_name(t->source, t->customer, t->lane, name);
    if (t->due_ms > now_of(f))
        tg_cli_when(t->due_ms, now_of(f), at, sizeof at);
    row[0] = tg_cli_cell("%s", name);
    row[1] = tg_cli_cell("%s", t->customer);
    row[2] = tg_cli_cell("%s", t->source);
    row[3] = tg_cli_cell("%s", t->message ? tg_announce_kind_name(t->message->kind) : "-");
    row[4] = tg_cli_cell("%s", tg_announce_state(t));
    row[5] = tg_cli_cell("%s", at[0] ? at : t->due_ms ? "now" : "-");
    if (t->message && t->message->n_left_out)
        snprintf(left, sizeof left, ", %zu LEFT OUT", t->message->n_left_out);
    row[6] = t->message ? tg_cli_cell("%zu of %zu sent%s%s%s", tg_thread_count(t, TG_RECIPIENT_SENT), t->message->n_recipients, left, trouble(t)[0] ? ": " : "", trouble(t)) : tg_cli_cell("%s", "");
    return row;
}

struct list {
    struct tg_frame *f;
    char ***rows;
    json_t *json;
    const char *customer; /* NULL: all */
    size_t n, bad;
    struct tg_error why;
};

static int add_one(void *data, const char *path, struct tg_thread *t, const struct tg_error *unknown, struct tg_error *e)
{
    struct list *l = data;

    (void) path, (void) e;
    if (!t) {
        l->bad++;
        tg_fail(&l->why, unknown->code, "%s", unknown->message);
        return 0;
    }
    if (!l->customer || strcmp(l->customer, t->customer) == 0) {
        if (l->f->json)
            json_array_append_new(l->json, tg_announce_thread_json(t));
        else if ((l->rows[l->n] = make_row(l->f, t)) != NULL)
            l->n++;
    }
    tg_thread_free(t);
    return 0;
}

static int add_root(struct list *l, const struct tg_announce_place *p, const char *root, struct tg_error *e)
{
    struct tg_announce_paths paths;
    int rc = tg_announce_list(p, root, &paths, e);

    if (rc)
        return rc;
    char ***rows = realloc(l->rows, (l->n + paths.n + 1) * sizeof *rows);
    if (rows)
        l->rows = rows;
    else
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = tg_announce_each(p, &paths, add_one, l, e);
    tg_announce_paths_release(&paths);
    return rc;
}

static void free_rows(struct list *l)
{
    for (size_t r = 0; r < l->n; r++) {
        for (size_t c = 0; c < COLUMNS; c++)
            free(l->rows[r][c]);
        free(l->rows[r]);
    }
    free(l->rows);
}

/* What asks for somebody stands first. */
static int by_state(const void *a, const void *b)
{
    static const char *const states[] = {"refused", "waiting", "sending", "settling", "told"};
    char *const *x = *(char **const *) a, *const *y = *(char **const *) b;
    size_t i = 0, j = 0;

    while (i + 1 < sizeof states / sizeof states[0] && strcmp(x[4], states[i]) != 0)
        i++;
    while (j + 1 < sizeof states / sizeof states[0] && strcmp(y[4], states[j]) != 0)
        j++;
    int order = (i > j) - (i < j);
    if (!order)
        order = strcmp(x[1], y[1]);
    return order ? order : strcmp(x[0], y[0]);
}

static void print_list(const struct list *l, size_t notes, int64_t since_ms)
{
    static const char *const head[COLUMNS] = {"NAME", "CUSTOMER", "SOURCE", "KIND", "STATE", "NEXT", "TO"};
    char at[64];

    if (l->n)
        qsort(l->rows, l->n, sizeof *l->rows, by_state);
    if (l->n)
        tg_cli_list(l->f, head, l->rows, l->n, COLUMNS, "name a customer");
    else if (!notes && !l->bad)
        puts("Nothing waits to be told.");
    if (notes && l->n)
        puts("");
    if (notes)
        tg_calendar_say(l->f, 0, "%zu changes wait for tagout announce send, since %s.", notes, tg_cli_when(since_ms, now_of(l->f), at, sizeof at));
}

int tg_announce_verb_list(struct tg_frame *f, struct tg_error *e)
{
    struct list l = {.f = f, .json = json_array(), .customer = f->argc > 1 ? f->argv[1] : NULL};
    struct tg_announce_place p;
    size_t notes = 0;
    int64_t since = 0;
    int rc = tg_announce_store(f, &p, e);

    if (!rc)
        rc = tg_announce_waiting(&p, &notes, &since, e);
    if (!rc)
        rc = add_root(&l, &p, TG_ANNOUNCE_OPEN, e);
    if (!rc && tg_opt_flag(f, "all"))
        rc = add_root(&l, &p, TG_ANNOUNCE_TOLD, e);
    if (!rc && f->json)
        rc = tg_print_json(json_pack("{s:I,s:O}", "waiting-changes", (json_int_t) notes, "announcements", l.json), e);
    else if (!rc)
        print_list(&l, notes, since);
    if (!rc && l.bad)
        rc = tg_fail(e, TG_E_UNKNOWN, "%s", l.why.message);
    free_rows(&l);
    json_decref(l.json);
    return rc;
}

/* ---- show ---- */

static void print_events(const struct tg_frame *f, const char *title, const struct tg_thread_events *list)
{
    char from[64], until[64];

    printf("%s\n", title);
    for (size_t i = 0; i < list->n; i++) {
        const struct tg_thread_event *ev = &list->v[i];
        tg_cli_when(ev->from_ms, now_of(f), from, sizeof from);
        tg_cli_when(ev->until_ms, now_of(f), until, sizeof until);
        bool why = (ev->late || ev->n_done) && ev->reason[0];
        if (!ev->n_hosts)
            tg_calendar_say(f, 4, "  %s  cancelled%s%s", ev->key, ev->reason[0] ? ": " : "", ev->reason);
        else
            tg_calendar_say(f, 4, "  %s  %s - %s  %s%s  %lld host%s%s  %s%s%s", ev->key, from, until, ev->activity,
                   ev->late ? ", late" : "", (long long) ev->n_hosts, ev->n_hosts == 1 ? "" : "s",
                   ev->n_done == ev->n_hosts ? ", done" : "", ev->hosts, why ? "; " : "", why ? ev->reason : "");
    }
    if (!list->n)
        puts("  nothing");
}

static void print_thread(const struct tg_frame *f, const struct tg_thread *t)
{
    static const char *const as[TG_ROLES] = {[TG_ROLE_CONTACT] = "", [TG_ROLE_NEW] = " (new)", [TG_ROLE_FORMER] = " (no contact any more)"};
    char name[TG_THREAD_NAME_SIZE], at[64];

    tg_thread_name(t->source, t->customer, t->lane, name);
    tg_calendar_say(f, 2, "%s  %s, %s: %s, %lld message%s so far", name, t->customer, t->source, tg_announce_state(t), (long long) t->sequence, t->sequence == 1 ? "" : "s");
    if (t->due_ms > 1)
        printf("next look: %s\n", tg_cli_when(t->due_ms, now_of(f), at, sizeof at));
    print_events(f, "Now:", &t->now);
    print_events(f, "As it was told:", &t->told);
    if (!t->message)
        return;
    printf("Message %lld (%s):\n", (long long) t->message->sequence, tg_announce_kind_name(t->message->kind));
    for (size_t i = 0; i < t->message->n_recipients; i++) {
        const struct tg_recipient *r = &t->message->recipients[i];
        tg_calendar_say(f, 4, "  %-8s %s%s%s%s", tg_recipient_state_name(r->state), r->to, as[r->role], r->text[0] ? ": " : "", r->text);
    }
    if (t->message->n_left_out)
        tg_calendar_say(f, 4, "  LEFT OUT: %zu contacts; %d of a customer can be told", t->message->n_left_out, TG_CUSTOMER_TOLD_MAX);
}

int tg_announce_verb_show(struct tg_frame *f, struct tg_error *e)
{
    char path[TG_ANNOUNCE_NODE_SIZE];
    struct tg_announce_place p;
    struct tg_thread *t = NULL;
    int rc = tg_announce_store(f, &p, e);

    if (!rc)
        rc = tg_announce_named(&p, f->argv[1], true, path, sizeof path, e);
    if (!rc)
        rc = tg_announce_read(&p, path, &t, e);
    if (!rc && f->json)
        rc = tg_print_json(tg_announce_thread_json(t), e);
    else if (!rc)
        print_thread(f, t);
    tg_thread_free(t);
    return rc;
}

/* ---- retry, drop ---- */

/* One thread, as it is now; others may write it at the same time. */
static int change(struct tg_frame *f, const struct tg_announce_place *p, const char *path, const char *drop_why, size_t *n, struct tg_error *e)
{
    int rc = TG_E_VERSION;

    for (int i = 0; i < 10 && rc == TG_E_VERSION; i++) {
        struct tg_thread *t;
        struct tg_error why = TG_ERROR_INIT;
        size_t some = 0;
        if ((rc = tg_announce_read(p, path, &t, e)) != 0)
            return rc;
        if (drop_why)
            rc = tg_thread_drop(t, drop_why, now_of(f), &some, &why);
        else
            some = tg_thread_retry(t, now_of(f));
        if (!rc && drop_why && (!t->message || tg_thread_is_over(t)))
            rc = tg_announce_close(p, t, now_of(f), &why);
        else if (!rc && some)
            rc = tg_announce_write(p, t, NULL, 0, &why);
        tg_thread_free(t);
        *n += rc ? 0 : some;
        if (rc && rc != TG_E_VERSION)
            return tg_fail(e, rc, "%s", why.message);
    }
    return rc ? tg_fail(e, TG_E_HELD, "others change it all the time") : 0;
}

static int retry_all(struct tg_frame *f, const struct tg_announce_place *p, size_t *n, struct tg_error *e)
{
    struct tg_announce_paths paths;
    int rc = tg_announce_list(p, TG_ANNOUNCE_OPEN, &paths, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < paths.n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        rc = change(f, p, paths.v[i], NULL, n, &why);
        rc = rc == TG_E_NOENT || rc == TG_E_UNKNOWN ? 0 : rc ? tg_fail(e, rc, "%s", why.message) : 0;
    }
    tg_announce_paths_release(&paths);
    return rc;
}

int tg_announce_verb_retry(struct tg_frame *f, struct tg_error *e)
{
    char path[TG_ANNOUNCE_NODE_SIZE];
    bool all = tg_opt_flag(f, "all");
    struct tg_announce_place p;
    size_t n = 0;

    if (all == (f->argc > 1)) {
        tg_fail(e, TG_E_USAGE, "announce retry: which one, or --all?");
        return tg_error_hint(e, "tagout announce list has their names"), TG_E_USAGE;
    }
    int rc = tg_announce_store(f, &p, e);
    if (!rc && !all)
        rc = tg_announce_named(&p, f->argv[1], false, path, sizeof path, e);
    if (!rc)
        rc = all ? retry_all(f, &p, &n, e) : change(f, &p, path, NULL, &n, e);
    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:I}", "again", (json_int_t) n), e);
    if (n)
        tg_calendar_say(f, 0, "%zu recipient%s will be tried again by the next tagout announce send.", n, n == 1 ? "" : "s");
    else
        puts("Nothing of it was refused, or waits.");
    return 0;
}

int tg_announce_verb_drop(struct tg_frame *f, struct tg_error *e)
{
    char path[TG_ANNOUNCE_NODE_SIZE], by[TG_OWNER_SIZE], reason[TG_REASON_SIZE] = "", why[TG_OWNER_SIZE + TG_REASON_SIZE + 4];
    const char *text = tg_opt_text(f, "reason");
    struct tg_announce_place p;
    size_t n = 0;

    if (!text || !*text)
        return tg_fail(e, TG_E_USAGE, "why? --reason \"TEXT\"");
    int rc = tg_text_copy("--reason", text, reason, sizeof reason, e);
    tg_cli_owner(f, by, sizeof by);
    snprintf(why, sizeof why, "%s: %s", by, reason);
    if (!rc)
        rc = tg_announce_store(f, &p, e);
    if (!rc)
        rc = tg_announce_named(&p, f->argv[1], false, path, sizeof path, e);
    if (!rc)
        rc = change(f, &p, path, why, &n, e);
    if (rc)
        return rc;
    if (f->json)
        return tg_print_json(json_pack("{s:I}", "dropped", (json_int_t) n), e);
    tg_calendar_say(f, 0, "Dropped: %zu recipient%s will not be told of it. The next change is told again.", n, n == 1 ? "" : "s");
    return 0;
}
