/*
 * tagout locks --watch. Whoever takes or changes a lock makes and deletes a child of /cluster in the same transaction, so one watch there, on
 * one node, tells of all of them whatever their number. What it tells is a hint; what is read then counts.
 */
#include "cli/locks.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "guard/check.h"
#include "guard/tree.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 10000  /* in spite of the watch: times pass, and a confirmation changes no counter */
#define HURRY_MS 1000   /* while one waits for what is in flight, or nothing is known */

struct watching {
    struct tg_frame *f;
    const struct tg_scopes *scopes;
    struct tg_locks before;
    bool changed;           /* the watch fired */
    bool told;              /* something was shown */
    char cause[TG_CAUSE_SIZE]; /* of the UNKNOWN that was told last; "" none */
};

static void on_change(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct watching *) data)->changed = true;
}

static int64_t now_of(const struct watching *w)
{
    return tg_wall_ms(tg_loop_clock(w->f->loop));
}

static const struct tg_lock *find(const struct tg_locks *locks, const char *id)
{
    for (size_t i = 0; i < locks->n; i++)
        if (strcmp(locks->v[i].id, id) == 0)
            return &locks->v[i];
    return NULL;
}

static void print_event(const struct watching *w, const char *event, const struct tg_lock *l)
{
    json_t *o = json_pack("{s:s,s:o}", "event", event, "at", tg_cli_time_json(now_of(w)));

    if (l)
        json_object_set_new(o, "lock", tg_cli_lock_json(l, now_of(w)));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text)
        puts(text);
    free(text);
    json_decref(o);
}

static bool is_other(const struct watching *w, const struct tg_lock *was, const struct tg_lock *is)
{
    (void) w;
    return was->sum != is->sum || was->version != is->version;
}

/* One line each: what came, changed, went. */
static bool tell_events(struct watching *w, const struct tg_locks *now)
{
    bool any = false;

    for (size_t i = 0; i < now->n; i++) {
        const struct tg_lock *was = find(&w->before, now->v[i].id);
        if (was && !is_other(w, was, &now->v[i]))
            continue;
        any = true;
        if (w->f->json)
            print_event(w, !w->told ? "present" : was ? "changed" : "locked", &now->v[i]);
    }
    for (size_t i = 0; i < w->before.n; i++)
        if (!find(now, w->before.v[i].id)) {
            any = true;
            if (w->f->json)
                print_event(w, "unlocked", &w->before.v[i]);
        }
    return any;
}

static void draw(const struct watching *w, const struct tg_locks *now)
{
    char when[40];

    if (w->f->out_tty)
        fputs("\033[H\033[2J", stdout);
    tg_time_format(now_of(w) - now_of(w) % 1000, when, sizeof when);
    printf("%zu lock%s at %s\n", now->n, now->n == 1 ? "" : "s", when);
    if (now->n)
        tg_cli_locks_table(w->f, now, now_of(w));
    if (!w->f->out_tty)
        putchar('\n');
}

static int show(struct watching *w, struct tg_locks *now, struct tg_error *e)
{
    bool any = tell_events(w, now), knows_again = w->cause[0];

    if (w->f->json && (knows_again || !w->told))
        print_event(w, "known", NULL);
    if (!w->f->json && (any || knows_again || !w->told || w->f->out_tty))
        draw(w, now);
    w->cause[0] = '\0';
    w->told = true;
    tg_locks_release(&w->before);
    w->before = *now;
    return tg_out_flush(w->f, e);
}

static int show_unknown(struct watching *w, const char *cause, const struct tg_error *why, struct tg_error *e)
{
    char text[sizeof why->message];

    if (strcmp(w->cause, cause) == 0)
        return 0;
    snprintf(w->cause, sizeof w->cause, "%s", cause);
    if (w->f->json) {
        json_t *o = json_pack("{s:s,s:o,s:s,s:s}", "event", "unknown", "at", tg_cli_time_json(now_of(w)), "cause", cause, "detail", why->message);
        char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;
        if (line)
            puts(line);
        free(line);
        json_decref(o);
    } else {
        printf("UNKNOWN (%s): %s. What is above may not be true any more.\n", cause, tg_shown_text(why->message, text, sizeof text));
    }
    return tg_out_flush(w->f, e);
}

static int wait_until(struct watching *w, int64_t wait_ms)
{
    struct tg_store *s = w->f->store;
    int64_t until = tg_store_deadline(s, wait_ms);

    while (!w->changed && tg_store_deadline(s, 0) < until)
        if (tg_loop_turn(w->f->loop, until - tg_store_deadline(s, 0)) == TG_E_CANCELLED)
            return TG_E_CANCELLED;
    return 0;
}

/* Arms the watch, then reads: what changes in between is told by the watch. */
static int look(struct watching *w, struct tg_locks *out, struct tg_guard *g, struct tg_error *e)
{
    struct tg_names names;

    tg_store_unwatch(w->f->store, on_change, w);
    w->changed = false;
    int rc = tg_store_list_watch(w->f->store, TG_CLUSTER_PATH, on_change, w, tg_guard_deadline(g), &names, e);
    if (rc)
        return rc;
    tg_names_release(&names);
    return tg_lock_list(g, w->scopes, out, e);
}

static int64_t pause_of(const struct watching *w)
{
    int64_t ms = w->cause[0] ? HURRY_MS : AGAIN_MS;

    for (size_t i = 0; i < w->before.n; i++)
        if (w->before.v[i].state == TG_LOCK_TAKING)
            ms = HURRY_MS;
    return ms;
}

static bool is_over(struct tg_store *s)
{
    return !s || tg_store_state(s) == TG_SESSION_EXPIRED || tg_store_state(s) == TG_SESSION_REFUSED;
}

static int watch_once(struct watching *w, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_locks now;
    struct tg_guard g = tg_cli_guard(w->f, 0);
    int rc = look(w, &now, &g, &why);

    if (rc == TG_E_CANCELLED)
        return rc;
    rc = rc ? show_unknown(w, g.cause[0] ? g.cause : tg_unknown_cause(rc), &why, e) : show(w, &now, e);
    if (rc)
        return rc;
    if (wait_until(w, pause_of(w)) == TG_E_CANCELLED)
        return TG_E_CANCELLED;
    if (!is_over(w->f->store))
        return 0;
    tg_store_unwatch(w->f->store, on_change, w);
    tg_store_close(w->f->store);
    w->f->store = NULL;
    return tg_frame_open_store(w->f, &w->f->store, e);
}

int tg_cli_locks_watch(struct tg_frame *f, const struct tg_scopes *scopes, struct tg_error *e)
{
    struct watching w = {.f = f, .scopes = scopes};
    int rc = 0;

    tg_cli_catch_signals(f->loop);
    while (!rc)
        rc = watch_once(&w, e);
    if (f->store)
        tg_store_unwatch(f->store, on_change, &w);
    tg_locks_release(&w.before);
    return rc == TG_E_CANCELLED ? 0 : rc; /* that is how it ends */
}
