/* Following a run: see follow.h. */
#include "engine/follow.h"

#include <stdlib.h>
#include <string.h>

static int64_t mono(const struct tg_follow *f)
{
    return tg_mono_ms(tg_loop_clock(tg_store_loop(f->o.store)));
}

/* One function a watch: the pair of function and data is what takes it back. */
static void on_head(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct tg_follow *) data)->head_changed = true;
}

static void on_lease(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct tg_follow *) data)->lease_changed = true;
}

static void on_control(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct tg_follow *) data)->control_changed = true;
}

static void on_line(void *data, const struct tg_run *run, const json_t *line)
{
    struct tg_follow *f = data;

    if (f->o.on_line)
        f->o.on_line(f->o.data, run, line);
}

static void forget(struct tg_follow *f)
{
    tg_run_free(f->run);
    tg_plan_free(f->plan);
    tg_journal_free(f->journal);
    f->run = NULL;
    f->plan = NULL;
    f->journal = NULL;
}

static int load(struct tg_follow *f, struct tg_error *e)
{
    struct tg_journal *journal;
    struct tg_plan *plan;
    struct tg_run *run;
    int rc = tg_journal_load(f->o.store, f->id, f->o.wait_ms, &journal, &plan, &run, e);

    if (rc)
        return rc;
    forget(f);
    f->journal = journal;
    f->plan = plan;
    f->run = run;
    f->loads++;
    return 0;
}

/* The watch is set before the journal is read, so nothing that comes in between is missed. */
static int read_journal(struct tg_follow *f, struct tg_error *e)
{
    const struct tg_journal_reader reader = {.watch = on_head, .on_line = on_line, .data = f};
    struct tg_error own = TG_ERROR_INIT;

    tg_store_unwatch(f->o.store, on_head, f);
    f->head_changed = false;
    int rc = tg_journal_read_on(f->journal, &reader, &own);
    f->read_ms = mono(f);
    if (rc == TG_E_VERSION || rc == TG_E_DATA) { /* lines went into a snapshot meanwhile; or it says what is wrong */
        tg_error_clear(&own);
        rc = load(f, &own);
        f->head_changed = true; /* the watch was set for an earlier head */
    }
    f->head_changed |= rc != 0;
    if (rc && e && !e->code)
        *e = own;
    return rc;
}

static int read_lease(struct tg_follow *f, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    tg_store_unwatch(f->o.store, on_lease, f);
    f->lease_changed = false;
    int rc = tg_run_seat_read(f->o.store, f->id, on_lease, f, f->o.wait_ms, &f->seat, &own);
    if (!rc || rc == TG_E_NOENT) {
        f->driven = !rc;
        return 0;
    }
    f->lease_changed = true;
    if (e && !e->code)
        *e = own;
    return rc;
}

static int read_control(struct tg_follow *f, struct tg_error *e)
{
    tg_store_unwatch(f->o.store, on_control, f);
    f->control_changed = false;
    int rc = tg_journal_control(f->journal, on_control, f, e);
    f->control_changed = rc != 0;
    return rc;
}

/* The seat first: who has left it has written all that he will. */
static int take_in(struct tg_follow *f, bool *out_news, struct tg_error *e)
{
    int rc = 0;

    *out_news = f->lease_changed || f->control_changed || f->head_changed;
    if (f->lease_changed)
        rc = read_lease(f, e);
    if (!rc && f->head_changed)
        rc = read_journal(f, e);
    if (!rc && f->control_changed)
        rc = read_control(f, e);
    return rc;
}

int tg_follow_new(const struct tg_follow_options *o, struct tg_follow **out, struct tg_error *e)
{
    struct tg_follow *f = calloc(1, sizeof *f);
    bool news;

    if (!f)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    f->o = *o;
    snprintf(f->id, sizeof f->id, "%s", o->id);
    f->o.id = f->id;
    f->head_changed = f->lease_changed = f->control_changed = true;
    int rc = strlen(o->id) < sizeof f->id ? load(f, e) : tg_fail(e, TG_E_DATA, "\"%.100s\" is no run's id", o->id);
    if (!rc)
        rc = take_in(f, &news, e);
    if (rc) {
        tg_follow_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

static bool is_over(const struct tg_follow *f)
{
    enum tg_session_state state = tg_store_state(f->o.store);

    return state == TG_SESSION_EXPIRED || state == TG_SESSION_REFUSED;
}

/* Something to take in now, rather than later? */
static bool is_due(const struct tg_follow *f)
{
    return f->lease_changed || f->control_changed || (f->head_changed && mono(f) >= f->read_ms + TG_FOLLOW_LEAST_MS);
}

static int64_t wait_of(const struct tg_follow *f, int64_t left_ms)
{
    int64_t due = f->read_ms + TG_FOLLOW_LEAST_MS - mono(f);

    return f->head_changed && due < left_ms ? due : left_ms;
}

int tg_follow_turn(struct tg_follow *f, int64_t max_ms, bool *out_news, struct tg_error *e)
{
    int64_t end = mono(f) + max_ms;

    *out_news = false;
    for (;;) {
        if (is_over(f))
            return tg_fail(e, TG_E_SESSION, "the session with the store is over");
        if (is_due(f))
            return take_in(f, out_news, e);
        int64_t left = end - mono(f);
        if (left <= 0)
            return 0;
        if (tg_loop_turn(tg_store_loop(f->o.store), wait_of(f, left)) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
    }
}

void tg_follow_free(struct tg_follow *f)
{
    if (!f)
        return;
    tg_store_unwatch(f->o.store, on_head, f);
    tg_store_unwatch(f->o.store, on_lease, f);
    tg_store_unwatch(f->o.store, on_control, f);
    forget(f);
    free(f);
}
