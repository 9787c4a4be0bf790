/* What HAProxy says of a backend's servers. It is somebody else's text: columns are found by name, and what is not whole is nothing. Pure. */
#include "haproxy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 256
#define OP_RUNNING 2

/* Three questions in one connection: what is told belongs to one process, and to one moment. */
void tg_haproxy_question(const char *backend, int64_t id, char *out, size_t size)
{
    snprintf(out, size, "show info;show servers state %s;show stat %s 4 %lld", backend, backend, id ? (long long) id : -1LL);
}

struct reader {
    const char *at, *end;
    const char *backend, *server;
    char *why;
    size_t size;
};

struct line {
    const char *text;
    size_t len;
};

static enum tg_haproxy_read cut(const struct reader *r)
{
    snprintf(r->why, r->size, "an answer that is not whole");
    return TG_HAPROXY_CUT;
}

/* The next line; false: there is no whole one. */
static bool next_line(struct reader *r, struct line *out)
{
    const char *nl = memchr(r->at, '\n', (size_t) (r->end - r->at));

    if (!nl)
        return false;
    out->text = r->at;
    out->len = (size_t) (nl - r->at);
    r->at = nl + 1;
    return true;
}

static bool begins(const struct line *l, const char *with)
{
    return l->len >= strlen(with) && memcmp(l->text, with, strlen(with)) == 0;
}

static enum tg_haproxy_read garbage(struct reader *r, const char *what, const struct line *l)
{
    size_t n = l ? l->len : 0;
    char shown[61];

    n = n < sizeof shown - 1 ? n : sizeof shown - 1;
    for (size_t i = 0; i < n; i++)
        shown[i] = (char) (l->text[i] >= ' ' && l->text[i] < 127 ? l->text[i] : '.');
    shown[n] = '\0';
    snprintf(r->why, r->size, n ? "%s: \"%s\"" : "%s", what, shown);
    return TG_HAPROXY_GARBAGE;
}

/* A field as a whole number of 0 or more. */
static bool number(const struct line *f, int64_t *out)
{
    char text[24], *end;

    if (f->len == 0 || f->len >= sizeof text || f->text[0] < '0' || f->text[0] > '9')
        return false;
    memcpy(text, f->text, f->len);
    text[f->len] = '\0';
    errno = 0;
    *out = (int64_t) strtoll(text, &end, 10);
    return !*end && errno == 0;
}

static bool is(const struct line *f, const char *text)
{
    return f->len == strlen(text) && memcmp(f->text, text, f->len) == 0;
}

static size_t split(const struct line *l, char by, struct line *fields, size_t max)
{
    const char *at = l->text, *end = l->text + l->len;
    size_t n = 0;

    while (n < max) {
        const char *stop = memchr(at, by, (size_t) (end - at));
        fields[n++] = (struct line) {at, (size_t) ((stop ? stop : end) - at)};
        if (!stop)
            break;
        at = stop + 1;
    }
    return n;
}

/* Where each of the wanted columns is; false: one is missing. */
static bool find_columns(const struct line *head, char by, const char *const *wanted, size_t n_wanted, size_t *out)
{
    struct line fields[COLUMNS_MAX];
    size_t n = split(head, by, fields, COLUMNS_MAX);

    for (size_t w = 0; w < n_wanted; w++) {
        out[w] = COLUMNS_MAX;
        for (size_t i = 0; i < n; i++)
            if (is(&fields[i], wanted[w]))
                out[w] = i;
        if (out[w] == COLUMNS_MAX)
            return false;
    }
    return true;
}

static enum tg_haproxy_read read_info(struct reader *r, int64_t now_s, struct tg_haproxy_process *out)
{
    int64_t up_s = -1, start_s = -1, pid = -1;
    struct line l;

    if (!next_line(r, &l))
        return cut(r);
    if (!begins(&l, "Name: "))
        return garbage(r, begins(&l, "Permission denied") ? "it may not be asked" : "that is no HAProxy", &l);
    for (;;) {
        if (!next_line(r, &l))
            return cut(r);
        if (l.len == 0)
            break;
        const char *colon = memchr(l.text, ':', l.len);
        if (!colon || (size_t) (colon - l.text) + 2 > l.len)
            continue;
        struct line value = {colon + 2, l.len - (size_t) (colon - l.text) - 2};
        if (begins(&l, "Pid: "))
            number(&value, &pid);
        else if (begins(&l, "Uptime_sec: "))
            number(&value, &up_s);
        else if (begins(&l, "Start_time_sec: "))
            number(&value, &start_s);
    }
    if (pid < 0 || (start_s < 0 && up_s < 0))
        return garbage(r, "it does not say which process it is", NULL);
    *out = (struct tg_haproxy_process) {.pid = pid, .start_s = start_s >= 0 ? start_s : now_s - up_s, .rough = start_s < 0};
    return TG_HAPROXY_READ;
}

/* One table of servers: its head was read. row() for each of the backend; the blank line at the end proves that it is whole. */
struct table {
    char by;
    const size_t *columns;
    size_t n_columns, backend, name; /* which of the columns */
    bool (*row)(const struct line *fields, const size_t *columns, bool is_it, struct tg_haproxy_seen *out); /* false: not to be read */
};

static enum tg_haproxy_read read_rows(struct reader *r, const struct table *t, bool *found, struct tg_haproxy_seen *out)
{
    struct line fields[COLUMNS_MAX], l;
    size_t last = 0;

    for (size_t i = 0; i < t->n_columns; i++)
        last = t->columns[i] > last ? t->columns[i] : last;
    *found = false;
    while (next_line(r, &l)) {
        if (l.len == 0)
            return TG_HAPROXY_READ;
        if (split(&l, t->by, fields, COLUMNS_MAX) <= last)
            return garbage(r, "a line that is not whole", &l);
        if (!is(&fields[t->columns[t->backend]], r->backend))
            return garbage(r, "another backend", &l);
        bool is_it = is(&fields[t->columns[t->name]], r->server);
        if (is_it && *found)
            return garbage(r, "the same server twice", &l);
        if (!t->row(fields, t->columns, is_it, out))
            return garbage(r, "not to be read", &l);
        *found = *found || is_it;
    }
    return cut(r);
}

enum { S_BACKEND, S_ID, S_NAME, S_OP, S_ADMIN, S_WEIGHT, S_COLUMNS };
static const char *const state_columns[S_COLUMNS] = {"be_name", "srv_id", "srv_name", "srv_op_state", "srv_admin_state", "srv_uweight"};

static bool state_row(const struct line *fields, const size_t *columns, bool is_it, struct tg_haproxy_seen *out)
{
    int64_t op, admin, weight, id;

    if (!number(&fields[columns[S_OP]], &op) || !number(&fields[columns[S_ADMIN]], &admin) || !number(&fields[columns[S_WEIGHT]], &weight) ||
        !number(&fields[columns[S_ID]], &id) || admin > UINT_MAX)
        return false;
    if (is_it) {
        out->admin = (unsigned) admin;
        out->up = op == OP_RUNNING;
        out->weight = weight;
        out->id = id;
    }
    return true;
}

enum { T_BACKEND, T_NAME, T_SESSIONS, T_QUEUE, T_STATUS, T_WEIGHT, T_BACKUP, T_COLUMNS };
static const char *const stat_columns[T_COLUMNS] = {"# pxname", "svname", "scur", "qcur", "status", "weight", "bck"};

/* Of the others only what is counted; "UP 1/3" is about to go down, and is not counted. */
static bool stat_row(const struct line *fields, const size_t *columns, bool is_it, struct tg_haproxy_seen *out)
{
    const struct line *status = &fields[columns[T_STATUS]];
    int64_t sessions, queue, weight, backup;

    if (!number(&fields[columns[T_SESSIONS]], &sessions) || !number(&fields[columns[T_QUEUE]], &queue) || !number(&fields[columns[T_WEIGHT]], &weight) ||
        !number(&fields[columns[T_BACKUP]], &backup) || sessions > INT_MAX || queue > INT_MAX)
        return false;
    if (is_it) {
        out->sessions = sessions + queue;
        out->backup = backup > 0;
    }
    if (backup == 0 && !is(status, "MAINT (resolution)"))
        out->total++;
    if (backup == 0 && !is_it && weight > 0 && (is(status, "UP") || is(status, "no check")))
        out->others++;
    return true;
}

static enum tg_haproxy_read none(struct reader *r, bool backend)
{
    if (backend)
        snprintf(r->why, r->size, "there is no backend %s", r->backend);
    else
        snprintf(r->why, r->size, "there is no server %s in the backend %s", r->server, r->backend);
    return TG_HAPROXY_NONE;
}

static enum tg_haproxy_read read_table(struct reader *r, struct tg_haproxy_seen *out, struct table *t, const char *const *wanted, bool *found)
{
    size_t columns[8];
    struct line l;

    if (!next_line(r, &l))
        return cut(r);
    if (!begins(&l, "# "))
        return garbage(r, "no table of servers", &l);
    if (t->by == ' ') { /* the head begins with "# ", the rows do not */
        l.text += 2;
        l.len -= 2;
    }
    if (!find_columns(&l, t->by, wanted, t->n_columns, columns))
        return garbage(r, "a table without what is needed", &l);
    t->columns = columns;
    return read_rows(r, t, found, out);
}

enum tg_haproxy_read tg_haproxy_answer(const char *text, size_t len, const char *backend, const char *server, int64_t now_s, struct tg_haproxy_seen *out,
                                       char *why, size_t size)
{
    struct reader r = {text, text + len, backend, server, why, size};
    struct tg_haproxy_seen seen = {0};
    struct table states = {.by = ' ', .n_columns = S_COLUMNS, .backend = S_BACKEND, .name = S_NAME, .row = state_row};
    struct table stats = {.by = ',', .n_columns = T_COLUMNS, .backend = T_BACKEND, .name = T_NAME, .row = stat_row};
    struct line l = {text, 0};
    bool found;

    if (memchr(text, '\0', len))
        return garbage(&r, "that is no HAProxy", NULL);
    enum tg_haproxy_read rc = read_info(&r, now_s, &seen.process);
    if (rc != TG_HAPROXY_READ)
        return rc;
    if (!next_line(&r, &l))
        return cut(&r);
    if (begins(&l, "Can't find backend"))
        return none(&r, true);
    if (!is(&l, "1"))
        return garbage(&r, "a state in a format that is not known", &l);
    if ((rc = read_table(&r, &seen, &states, state_columns, &found)) != TG_HAPROXY_READ)
        return rc;
    if (!found)
        return none(&r, false);
    if ((rc = read_table(&r, &seen, &stats, stat_columns, &found)) != TG_HAPROXY_READ)
        return rc;
    if (!found)
        return garbage(&r, "it does not tell the server's sessions", NULL);
    *out = seen;
    return TG_HAPROXY_READ;
}
