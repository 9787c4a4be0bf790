/* tagout status --watch: follows a run to its end, whoever drives it. */
#include "cli/status.h"

#include "cli/guarding.h"
#include "cli/run_show.h"
#include "cli/windows.h"
#include "engine/follow.h"

#include <string.h>

#define TURN_MS 250
#define AGAIN_MS 1000 /* between tries, while the store can't be asked */
#define WINDOWS_MS 10000 /* a calendar that is edited counts this soon */
#define PATIENCE_MS 2000 /* a connection that breaks and is there again is not worth a word */

struct watching {
    struct tg_frame *f;
    const char *id;
    struct tg_run_show show;
    struct tg_follow *follow;
    struct tg_cli_windows windows; /* of its hosts, for when it ends */
    int64_t windows_ms;       /* monotonic: when they are looked at again */
    bool begun, was_driven;
    bool unknown;             /* it was told that the store can't be asked */
    unsigned loads;
    int64_t away_ms;          /* monotonic: since when the connection is away; 0 it is not */
};

static int64_t wall(const struct watching *w)
{
    return tg_wall_ms(tg_loop_clock(w->f->loop));
}

static int64_t mono(const struct watching *w)
{
    return tg_mono_ms(tg_loop_clock(w->f->loop));
}

static void on_line(void *data, const struct tg_run *run, const json_t *line)
{
    tg_run_show_line(&((struct watching *) data)->show, run, line);
}

static void tell_seat(struct watching *w)
{
    const struct tg_follow *f = w->follow;
    char who[400], text[600];

    if (w->begun && f->driven == w->was_driven)
        return;
    w->was_driven = f->driven;
    if (f->run->state == TG_RUN_ENDED)
        return;
    tg_run_seat_text(&f->seat, who, sizeof who);
    if (f->driven)
        snprintf(text, sizeof text, "driven by %s", who);
    else
        snprintf(text, sizeof text, "nobody drives it. Go on with: tagout run --resume %s", w->id);
    tg_run_show_note(&w->show, wall(w), "seat", f->driven ? json_pack("{s:b,s:s}", "driven", 1, "by", who) : json_pack("{s:b}", "driven", 0), text);
}

static void look_at_windows(struct watching *w)
{
    const struct tg_follow *f = w->follow;

    if (w->loads == f->loads && mono(w) < w->windows_ms)
        return;
    if (w->loads != f->loads) /* another plan in memory */
        tg_cli_learn(w->f->store, f->plan, TG_STATUS_WAIT_MS);
    w->windows_ms = mono(w) + WINDOWS_MS;
    tg_cli_windows_follow(w->f, f->plan, f->run, &w->windows);
}

/* Takes over what the follow knows by now. */
static void update(struct watching *w)
{
    const struct tg_follow *f = w->follow;

    w->show.view.run = f->run;
    w->show.view.driven = f->driven;
    look_at_windows(w);
    if (w->loads != f->loads) {
        if (w->begun)
            tg_run_show_note(&w->show, wall(w), "reloaded", NULL, "… (it went on meanwhile)");
        tg_run_show_begin(&w->show);
    }
    w->loads = f->loads;
    tell_seat(w);
    w->begun = true;
}

static void tell_unknown(struct watching *w, const struct tg_error *why)
{
    char text[sizeof why->message + 100];

    if (w->unknown)
        return;
    w->unknown = true;
    snprintf(text, sizeof text, "UNKNOWN: %s. What is above may not be true any more.", why->message);
    tg_run_show_note(&w->show, wall(w), "unknown", json_pack("{s:s}", "detail", why->message), text);
}

static void tell_known(struct watching *w)
{
    if (!w->unknown)
        return;
    w->unknown = false;
    tg_run_show_note(&w->show, wall(w), "known", NULL, "The store answers again.");
}

static bool is_of_store(int rc)
{
    return rc == TG_E_LOST || rc == TG_E_TIMEOUT || rc == TG_E_SESSION || rc == TG_E_UNKNOWN || rc == TG_E_FULL;
}

static int pause_for(struct watching *w, int64_t ms, struct tg_error *e)
{
    int64_t end = mono(w) + ms;

    while (mono(w) < end)
        if (tg_loop_turn(w->f->loop, end - mono(w)) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
    return 0;
}

/* Follows it anew on a new session. */
static int begin_again(struct watching *w, struct tg_error *e)
{
    const char *id = w->id;

    tg_cli_windows_release(&w->windows);
    tg_follow_free(w->follow);
    w->follow = NULL;
    w->loads = 0;
    tg_store_close(w->f->store);
    w->f->store = NULL;
    int rc = tg_frame_open_store(w->f, &w->f->store, e);
    const struct tg_follow_options o = {.store = w->f->store, .id = id, .wait_ms = TG_STATUS_WAIT_MS, .on_line = on_line, .data = w};
    return rc ? rc : tg_follow_new(&o, &w->follow, e);
}

/* A connection that is away without anybody asking. */
static bool is_away(struct watching *w)
{
    if (tg_store_state(w->f->store) != TG_SESSION_CONNECTING)
        w->away_ms = 0;
    else if (!w->away_ms)
        w->away_ms = mono(w);
    return w->away_ms && mono(w) - w->away_ms > PATIENCE_MS;
}

static int watch_once(struct watching *w, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool news;
    int rc = w->follow ? tg_follow_turn(w->follow, TURN_MS, &news, &why) : TG_E_SESSION;

    if (!rc && is_away(w))
        rc = tg_fail(&why, TG_E_LOST, "the connection to the store is lost");
    if (!rc)
        tell_known(w);
    if (rc == TG_E_SESSION || rc == TG_E_UNKNOWN) {
        if (why.code)
            tell_unknown(w, &why);
        tg_error_clear(&why);
        rc = begin_again(w, &why);
        if (!rc)
            tell_known(w);
    }
    if (is_of_store(rc)) {
        tell_unknown(w, &why);
        return pause_for(w, AGAIN_MS, e);
    }
    if (rc) {
        *e = why;
        return rc;
    }
    update(w);
    tg_run_show_tick(&w->show, wall(w));
    return 0;
}

static int follow(struct watching *w, struct tg_error *e)
{
    int rc = 0;

    update(w);
    tg_run_show_tick(&w->show, wall(w));
    while (!rc && (!w->follow || w->follow->run->state != TG_RUN_ENDED))
        if ((rc = watch_once(w, e)) == 0)
            rc = tg_out_flush(w->f, e);
    if (!rc)
        rc = tg_run_show_end(&w->show, e);
    if (!rc)
        w->f->status = tg_run_end(w->follow->run) == TG_END_DONE ? 0 : 1;
    return rc;
}

int tg_status_watch(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct watching w = {.f = f, .id = id};
    const struct tg_follow_options o = {.store = f->store, .id = id, .wait_ms = TG_STATUS_WAIT_MS, .on_line = on_line, .data = &w};

    tg_cli_catch_signals(f->loop);
    tg_run_show_init(&w.show, f, NULL, id);
    int rc = tg_follow_new(&o, &w.follow, e);
    if (!rc)
        rc = follow(&w, e);
    if (rc == TG_E_CANCELLED && tg_cli_signalled()) { /* that is how people end it; what became of the run is not known then */
        tg_error_clear(e);
        f->status = 130;
        rc = 0;
    }
    tg_cli_windows_release(&w.windows);
    tg_follow_free(w.follow);
    tg_run_show_release(&w.show);
    return rc;
}
