/* The agenda of a site as it is now: see site_agenda.h. */
#include "calendar/book_marks.h"
#include "calendar/site_agenda.h"

#include <tagout/clock.h>
#include <tagout/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OVER_MS INT64_C(86400000)    /* how the last slots of a week went is said behind its end */
#define READ_ANEW_MS INT64_C(600000) /* whatever the files look like: a clock that was set may have made two times one */
#define LACKS_MS INT64_C(60000)      /* a calendar that may have been cut off is to stay so for so long: a copy over a slow line goes on by then */

/* All that is read together, and goes together. */
struct laid {
    struct tg_calendar *calendar;
    struct stat st;             /* of its file, before it was read; */
    bool there;
    struct tg_week **weeks;
    struct tg_booked *booked;   /* of each */
    size_t n_weeks, n_cancelled; /* behind those in force: cancelled when something of them had begun; windows they have none */
    struct tg_agenda *agenda;
};

struct tg_site_agenda {
    struct tg_site_agenda_options o;
    struct laid laid;           /* agenda NULL: there is none */
    struct laid before;         /* the calendar that counted last, by itself, when it is not laid any more */
    struct stat seen;           /* the calendar's file when it was read last, well or not */
    bool in_place;              /* that was written into the file that had been read before it */
    int64_t settles_ms;         /* monotonic: what is laid counts from then on; 0: it does */
    int64_t book_version;       /* of /calendar; -1 it was not read */
    bool any_week;
    int64_t read_ms;            /* monotonic: when the files were read last */
};

int tg_site_agenda_new(const struct tg_site_agenda_options *options, struct tg_site_agenda **out, struct tg_error *e)
{
    struct tg_site_agenda *s = calloc(1, sizeof *s);

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *s = (struct tg_site_agenda) {.o = *options, .book_version = -1};
    *out = s;
    return 0;
}

static void release(struct laid *l)
{
    tg_agenda_free(l->agenda);
    for (size_t i = 0; i < l->n_weeks + l->n_cancelled; i++)
        tg_week_free(l->weeks[i]);
    free(l->weeks);
    free(l->booked);
    tg_calendar_free(l->calendar);
    *l = (struct laid) {0};
}

void tg_site_agenda_free(struct tg_site_agenda *s)
{
    if (!s)
        return;
    release(&s->laid);
    release(&s->before);
    free(s);
}

/* What counted is what the next is compared with. */
static void put_away(struct tg_site_agenda *s)
{
    if (s->laid.calendar && !s->settles_ms) {
        release(&s->before);
        s->before = (struct laid) {.calendar = s->laid.calendar, .st = s->laid.st, .there = s->laid.there};
        s->laid.calendar = NULL;
    }
    release(&s->laid);
}

/* ---- files ---- */

static bool is_as_it_was(const char *path, bool there, const struct stat *was)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return !there && errno == ENOENT;
    return there && st.st_dev == was->st_dev && st.st_ino == was->st_ino && st.st_size == was->st_size && st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
           st.st_mtim.tv_nsec == was->st_mtim.tv_nsec && st.st_ctim.tv_sec == was->st_ctim.tv_sec && st.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
}

static bool files_are_as_they_were(const struct tg_site_agenda *s, const struct laid *l)
{
    size_t n = 0;
    const struct tg_calendar_file *files = l->calendar ? tg_calendar_files(l->calendar, &n) : NULL;
    bool same = !s->o.calendar || is_as_it_was(s->o.calendar, l->there, &l->st);

    for (size_t i = 0; same && i < n; i++)
        same = is_as_it_was(files[i].path, files[i].there, &files[i].st);
    return same;
}

/* ---- files that are being written ---- */

static const struct tg_rule *lacking(const struct tg_calendar *now, const struct tg_calendar *before)
{
    size_t n_now, n_before;
    const struct tg_rule *a = tg_calendar_rules(now, &n_now), *b = tg_calendar_rules(before, &n_before);

    for (size_t i = 0, at = 0, tries; i < n_before; i++) { /* most stand in the same order: the search goes on where it found the last */
        for (tries = 0; tries < n_now && (a[at].kind != b[i].kind || strcmp(a[at].name, b[i].name) != 0); tries++)
            at = (at + 1) % n_now;
        if (tries == n_now)
            return &b[i];
    }
    return NULL;
}

/* A file that is written in place is short for a while; one that is renamed is whole. */
static const struct tg_rule *may_be_cut_off(const struct tg_site_agenda *s)
{
    return s->in_place && s->laid.calendar && s->before.calendar ? lacking(s->laid.calendar, s->before.calendar) : NULL;
}

static void see(struct tg_site_agenda *s, const struct laid *l)
{
    s->in_place = l->there && l->st.st_dev == s->seen.st_dev && l->st.st_ino == s->seen.st_ino;
    s->seen = l->st;
}

static int not_settled(const struct tg_site_agenda *s, struct tg_error *e)
{
    const struct tg_rule *rule = may_be_cut_off(s);

    if (!rule)
        return tg_fail(e, TG_E_HELD, "%.120s, or a file that it names, has just been written: nothing starts until it has stayed as it is for a moment", s->o.calendar);
    return tg_fail(e, TG_E_HELD, "%.90s has no %s \"%.64s\" any more, and may not be written to its end: nothing starts until it has stayed so for 1m", s->o.calendar,
                   rule->kind == TG_RULE_WINDOW ? "window" : "blackout", rule->name);
}

/* What is laid counts when it has stayed as it is for long enough. */
static int settle(struct tg_site_agenda *s, bool *out_changed, struct tg_error *e)
{
    if (!s->settles_ms)
        return 0;
    if (tg_mono_ms(s->o.clock) < s->settles_ms)
        return not_settled(s, e);
    s->settles_ms = 0;
    *out_changed = true;
    return 0;
}

/* ---- weeks ---- */

static int load_weeks(const struct tg_site_agenda *s, const struct tg_book *book, struct laid *l, struct tg_error *e)
{
    int64_t now = tg_wall_ms(s->o.clock);
    int rc = 0;

    l->weeks = calloc(book->n + 1, sizeof *l->weeks);
    l->booked = calloc(book->n + 1, sizeof *l->booked);
    if (!l->weeks || !l->booked)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < book->n; i++) {
        if (book->weeks[i].cancelled || book->weeks[i].until_ms <= now - OVER_MS)
            continue;
        rc = tg_book_load(s->o.store, &book->weeks[i], s->o.wait_ms, &l->weeks[l->n_weeks], e);
        l->booked[l->n_weeks] = book->weeks[i];
        l->n_weeks += !rc;
    }
    return rc;
}

/* Of those only how it ends is said (book_marks.h): what of them can't be read keeps nobody from working. */
static int load_cancelled(const struct tg_site_agenda *s, const struct tg_book *book, struct laid *l, struct tg_error *e)
{
    int64_t now = tg_wall_ms(s->o.clock);
    int rc = 0;

    for (size_t i = 0; !rc && i < book->n; i++) {
        const struct tg_booked *b = &book->weeks[i];
        size_t at = l->n_weeks + l->n_cancelled;
        struct tg_error why = TG_ERROR_INIT;
        bool there = false;
        if (!b->cancelled || b->until_ms <= now - OVER_MS)
            continue;
        rc = tg_marks_are_there(s->o.store, b, s->o.wait_ms, &there, &why);
        if (!rc && there)
            rc = tg_book_load(s->o.store, b, s->o.wait_ms, &l->weeks[at], &why);
        l->booked[at] = *b;
        l->n_cancelled += !rc && there;
        if (rc == TG_E_UNKNOWN)
            tg_log(TG_LOG_WARN, "calendar", "how the cancelled week %s ends can't be noted: %s", b->id, why.message);
        rc = rc == TG_E_UNKNOWN ? 0 : rc ? tg_fail(e, rc, "%s", why.message) : 0;
    }
    return rc;
}

/* ---- the whole ---- */

static int lay(const struct tg_site_agenda *s, const struct tg_book *book, struct tg_problems *p, struct laid *out, struct tg_error *e)
{
    int rc = 0;

    if (s->o.calendar) {
        out->there = stat(s->o.calendar, &out->st) == 0;
        rc = tg_calendar_load(s->o.calendar, p, &out->calendar, e);
    }
    if (!rc)
        rc = load_weeks(s, book, out, e);
    if (!rc)
        rc = load_cancelled(s, book, out, e);
    if (!rc)
        rc = tg_agenda_new_booked(out->calendar, s->o.inventory, (const struct tg_week *const *) out->weeks, out->n_weeks, p, &out->agenda, e);
    if (rc == TG_E_DATA && tg_problems_count(p)) {
        tg_error_clear(e);
        (void) tg_problems_error(p, e);
    }
    return rc;
}

static bool is_stale(const struct tg_site_agenda *s, const struct tg_book *book)
{
    bool recent = s->laid.agenda && book->version == s->book_version && tg_mono_ms(s->o.clock) - s->read_ms < READ_ANEW_MS;

    return !recent || !files_are_as_they_were(s, &s->laid);
}

static int read_anew(struct tg_site_agenda *s, const struct tg_book *book, struct tg_problems *problems, bool *out_changed, struct tg_error *e)
{
    struct tg_problems own = TG_PROBLEMS_INIT;
    struct laid laid = {0};
    bool same = files_are_as_they_were(s, s->laid.agenda ? &s->laid : &s->before);

    put_away(s);
    int rc = lay(s, book, problems ? problems : &own, &laid, e);
    tg_problems_release(&own);
    if (!same)
        see(s, &laid);
    if (rc) {
        release(&laid);
        return rc;
    }
    s->laid = laid;
    s->book_version = book->version;
    s->any_week = laid.n_weeks > 0;
    s->read_ms = tg_mono_ms(s->o.clock);
    if (!same && s->o.settle_ms && s->before.calendar)
        s->settles_ms = s->read_ms + (may_be_cut_off(s) ? LACKS_MS : s->o.settle_ms);
    *out_changed = true;
    return 0;
}

int tg_site_agenda_look(struct tg_site_agenda *s, struct tg_problems *problems, bool *out_changed, struct tg_error *e)
{
    struct tg_book book = {.version = -1};
    struct tg_error none = TG_ERROR_INIT;
    int rc = s->o.store ? tg_book_read(s->o.store, s->o.wait_ms, &book, e) : 0;

    *out_changed = false;
    if (rc && rc != TG_E_LOST && rc != TG_E_TIMEOUT)
        put_away(s);
    else if (!rc && is_stale(s, &book))
        rc = read_anew(s, &book, problems, out_changed, e ? e : &none);
    tg_book_release(&book);
    return rc ? rc : settle(s, out_changed, e);
}

bool tg_site_agenda_is_outdated(const struct tg_site_agenda *s)
{
    return s->laid.agenda && !files_are_as_they_were(s, &s->laid);
}

struct tg_agenda *tg_site_agenda(const struct tg_site_agenda *s)
{
    return s->settles_ms ? NULL : s->laid.agenda;
}

const char *tg_site_agenda_zone(const struct tg_site_agenda *s)
{
    return s->laid.calendar ? tg_calendar_zone(s->laid.calendar) : "UTC";
}

size_t tg_site_agenda_weeks(const struct tg_site_agenda *s, const struct tg_week *const **out, const struct tg_booked **out_booked)
{
    *out = (const struct tg_week *const *) s->laid.weeks;
    *out_booked = s->laid.booked;
    return s->laid.agenda ? s->laid.n_weeks + s->laid.n_cancelled : 0;
}

bool tg_site_agenda_says(const struct tg_site_agenda *s)
{
    size_t n;
    const struct tg_customer *customers = tg_inventory_customers(s->o.inventory, &n);

    for (size_t i = 0; i < n; i++)
        if (customers[i].n_windows)
            return true;
    return s->o.calendar || s->any_week;
}
