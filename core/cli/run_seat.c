/* The seat of a run that somebody else is in: who, since when he was heard of, and waiting for it. See driving.h. */
#include "cli/guarding.h"
#include "cli/driving.h"

#include "engine/journal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000
#define SESSION_MORE_MS 5000 /* a session that has ended is noticed by the server a little later */
#define TURN_MS 500

struct waiting {
    struct tg_frame *f;
    const char *id;
    struct tg_run_seat seat;
    int64_t head_version, modified_ms;
    bool changed;
};

static void on_change(void *data, enum tg_watch_event event, const char *path)
{
    (void) event;
    (void) path;
    ((struct waiting *) data)->changed = true;
}

/* 0 with who is in it, TG_E_NOENT when nobody is. */
static int look(struct waiting *w, struct tg_error *e)
{
    struct tg_journal j = {.store = w->f->store, .wait_ms = WAIT_MS};
    struct tg_journal_head head;

    snprintf(j.id, sizeof j.id, "%s", w->id);
    tg_store_unwatch(w->f->store, on_change, w);
    w->changed = false;
    int rc = tg_run_seat_read(w->f->store, w->id, on_change, w, WAIT_MS, &w->seat, e);
    if (!rc && !tg_journal_read_head(&j, NULL, NULL, &head, NULL)) {
        w->head_version = head.version;
        w->modified_ms = head.modified_ms;
    }
    return rc;
}

/* A process of this machine that is there: it has not died. One of another container or machine is not looked at. */
static bool lives_here(const struct tg_run_seat *seat)
{
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    return strcmp(host, seat->host) == 0 && seat->pid > 0 && seat->pid <= INT32_MAX && (kill((pid_t) seat->pid, 0) == 0 || errno == EPERM);
}

static int taken(const struct waiting *w, const char *why, struct tg_error *e)
{
    char who[400], ago[32];
    int64_t ms = tg_wall_ms(tg_loop_clock(w->f->loop)) - w->modified_ms;

    tg_run_seat_text(&w->seat, who, sizeof who);
    tg_duration_format(ms < 0 ? 0 : ms / 1000 * 1000, ago, sizeof ago);
    tg_fail(e, TG_E_HELD, "run %s is being driven by %s; it wrote last %s ago%s", w->id, who, ago, why);
    tg_error_hint(e, "follow it: tagout status %s --watch. If that process hangs: tagout run --resume %s --take-over", w->id, w->id);
    return TG_E_HELD;
}

static void tell(const struct waiting *w, int64_t wait_ms)
{
    char who[400], ago[32], most[32];
    int64_t ms = tg_wall_ms(tg_loop_clock(w->f->loop)) - w->modified_ms;

    tg_run_seat_text(&w->seat, who, sizeof who);
    tg_duration_format(ms < 0 ? 0 : ms / 1000 * 1000, ago, sizeof ago);
    tg_duration_format(wait_ms, most, sizeof most);
    tg_cli_say(stderr, "Waiting up to %s for the seat of %s: %s is in it, and wrote last %s ago. If that process is gone, its seat is free when its session with the store "
            "has ended.\n", most, w->id, who, ago);
}

/* Until the lease goes, the journal moves (whoever writes it lives), or the time is over. */
static int wait_for(struct waiting *w, int64_t wait_ms, struct tg_error *e)
{
    int64_t end = tg_store_deadline(w->f->store, wait_ms), version = w->head_version;
    struct tg_error own = TG_ERROR_INIT;

    while (tg_store_deadline(w->f->store, 0) < end) {
        if (tg_loop_turn(w->f->loop, TURN_MS) == TG_E_CANCELLED)
            return tg_fail(e, TG_E_CANCELLED, "interrupted");
        int rc = look(w, &own);
        if (rc == TG_E_NOENT)
            return 0;
        if (rc) {
            *e = own;
            return rc;
        }
        if (w->head_version != version)
            return taken(w, ", so it is alive", e);
    }
    return taken(w, "", e);
}

int tg_cli_await_seat(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct waiting w = {.f = f, .id = id};
    struct tg_error own = TG_ERROR_INIT;
    int64_t session = tg_store_session_ms(f->store), wait_ms = tg_opt_ms(f, "wait");
    int rc = tg_opt_flag(f, "take-over") ? TG_E_NOENT : look(&w, &own);

    if (rc && rc != TG_E_NOENT) {
        *e = own;
        return rc;
    }
    session = tg_store_session_ms(f->store); /* known once it is connected */
    if (wait_ms < 0) /* an embedded store frees the seat of a process that dies at once: whoever has it lives */
        wait_ms = session > 600000 || lives_here(&w.seat) ? 0 : session + SESSION_MORE_MS;
    if (!rc && wait_ms > 0) {
        tell(&w, wait_ms);
        rc = wait_for(&w, wait_ms, e);
    } else {
        rc = rc ? 0 : taken(&w, "", e);
    }
    tg_store_unwatch(f->store, on_change, &w);
    return rc;
}
