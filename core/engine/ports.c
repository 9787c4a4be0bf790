/* Actions of a run on the real fleet: tasks, and those that only the store is asked for. See ports.h. */
#include "engine/mend.h"
#include "engine/ports_internal.h"

#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIESCE_POLL_MS 500
#define STORE_AGAIN_MS 1000
#define EXTEND_MAX 20 /* locks extended in one turn: some milliseconds each */

int64_t tg_ports_now(const struct tg_ports *p)
{
    return tg_mono_ms(tg_loop_clock(p->o.loop));
}

const struct tg_plan_host *tg_task_host(const struct tg_task *t)
{
    return &t->ports->o.plan->hosts[t->action.host];
}

void tg_task_answer_event(struct tg_task *t, struct tg_run_event event)
{
    event.host = t->action.host;
    event.stage = TG_RUN_NONE;
    t->over = true;
    t->due_ms = 0;
    if (!t->ports->closing)
        tg_drive_answer(t->drive, &event);
}

void tg_task_answer(struct tg_task *t, enum tg_run_event_kind kind, const char *text)
{
    tg_task_answer_event(t, (struct tg_run_event) {.kind = kind, .outcome = TG_OUTCOME_UNKNOWN, .changed = -1, .text = text && text[0] ? text : NULL});
}

void tg_task_step(const struct tg_task *t, const char *what, int n, char *out, size_t size)
{
    const char *run = t->ports->name, *host = tg_task_host(t)->name;
    char hex[TG_SHA256_HEX];

    if (strlen(run) + strlen(host) + strlen(what) > 180) { /* the script takes 200 */
        tg_sha256_hex(host, strlen(host), hex);
        snprintf(out, size, "%s.%.32s.%s.%d", run, hex, what, n);
    } else {
        snprintf(out, size, "%s.%s.%s.%d", run, host, what, n);
    }
}

int tg_task_send(struct tg_task *t, const char *step, enum tg_bare_mode mode, const struct tg_request *request, tg_job_fn done, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    const struct tg_plan_host *h = tg_task_host(t);
    const struct tg_target target = {.name = h->name, .address = h->address, .user = h->user, .port = h->port};
    int64_t step_ms = request->timeout_ms ? request->timeout_ms : p->o.step_ms;
    struct tg_bare_call call;
    int rc = tg_bare_call(mode, step, p->name, p->o.journal->epoch, request, step_ms, p->o.steps_dir, &call, e);

    if (rc)
        return rc;
    /* The script says something every 5 s while it waits: 45 s without a byte is a dead connection, not a slow tool. */
    const struct tg_command command = {.argv = (const char *const *) call.argv, .input = call.input, .input_len = call.input_len,
                                       .connect_ms = p->o.connect_ms, .silence_ms = 45000, .total_ms = step_ms + p->o.connect_ms + 60000,
                                       .output_max = (size_t) 4 << 20};
    memcpy(t->nonce, call.nonce, sizeof t->nonce);
    rc = p->transport->run(p->transport_impl, &target, &command, NULL, done, t, &t->job, e);
    tg_bare_call_release(&call);
    t->asked = rc == 0;
    t->due_ms = INT64_MAX;
    return rc;
}

/* ---- what the store is asked for ---- */

bool tg_ports_ends_drive(int rc)
{
    return rc == TG_E_SESSION || rc == TG_E_LOST || rc == TG_E_TIMEOUT || rc == TG_E_FULL || rc == TG_E_CANCELLED || rc == TG_E_MEMORY || rc == TG_E_BUG;
}

/*
 * A store that does not answer is waited for as long as a commit would: until then the task is tried again (what it asks for can be asked for twice).
 * 1: later; 0: the trouble is this host's, or there is none; negative: the drive must end.
 */
static int store_away(struct tg_task *t, int rc, const struct tg_error *own, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    int64_t now = tg_ports_now(p);

    if (!tg_ports_ends_drive(rc)) {
        p->away_ms = 0;
        return 0;
    }
    if (rc == TG_E_LOST || rc == TG_E_TIMEOUT) {
        p->away_ms = p->away_ms ? p->away_ms : now;
        if (now - p->away_ms < tg_journal_patience_ms(p->o.journal)) {
            t->due_ms = p->again_ms = now + STORE_AGAIN_MS;
            return 1;
        }
    }
    if (e && !e->code)
        *e = *own;
    return rc;
}

static int release(struct tg_task *t, struct tg_error *e)
{
    const struct tg_run_host *h = &t->ports->o.run->hosts[t->action.host];
    struct tg_error own = TG_ERROR_INIT;
    int rc = tg_hold_release(t->ports->o.holds, t->action.host, tg_task_host(t)->name, h->begun, h->lock, &own);
    int away = store_away(t, rc, &own, e);

    if (away)
        return away < 0 ? away : 0;
    tg_task_answer(t, rc ? TG_EV_UNLOCK_FAILED : TG_EV_UNLOCKED, rc ? own.message : NULL);
    return 0;
}

/* Who is brought something better is out of service until it has that. */
static int count_before(struct tg_task *t, bool *out_back, struct tg_error *e)
{
    const struct tg_ports_options *o = &t->ports->o;
    int rc = tg_ports_count_before(t, e);

    if (!rc && o->plan->mends && o->still_out)
        rc = o->still_out(o->still_out_data, tg_task_host(t)->name, e);
    int back = rc ? 0 : tg_mend_is_back(o->plan, o->holds, tg_task_host(t)->name, e);
    *out_back = back == 1;
    return rc ? rc : back < 0 ? back : 0;
}

static int wait_for_quiet(struct tg_task *t, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    struct tg_error own = TG_ERROR_INIT;
    int quiet = t->quiet ? 1 : tg_hold_quiet(p->o.holds, t->action.host, t->text, sizeof t->text, &own);
    bool back = false;
    int64_t later;

    t->quiet |= quiet == 1;
    if (quiet == 1 && p->others && (later = tg_hold_count_wait_ms(p->o.holds, t->lock_txid)) > 0) {
        t->due_ms = tg_ports_now(p) + later;
        return 0;
    }
    if (quiet == 1) {
        int rc = count_before(t, &back, &own);
        quiet = rc ? rc : 1;
    }
    if (quiet == 1) {
        const struct tg_run_event locked = {.kind = TG_EV_LOCKED, .changed = -1, .lock = t->lock};
        p->away_ms = 0;
        if (back)
            tg_task_answer(t, TG_EV_LOCK_REFUSED, "it is not out of service any more: run the rollout without --mends");
        else if (!tg_ports_is_refused(t))
            tg_task_answer_event(t, locked);
        return 0;
    }
    int away = store_away(t, quiet, &own, e);
    if (away)
        return away < 0 ? away : 0;
    if (quiet == 0 && tg_ports_now(p) < t->give_up_ms) {
        t->due_ms = tg_ports_now(p) + QUIESCE_POLL_MS;
        return 0;
    }
    tg_task_answer(t, TG_EV_LOCK_REFUSED, quiet < 0 ? own.message : t->text);
    return 0;
}

static int place_lock(struct tg_task *t, struct tg_error *e)
{
    struct tg_ports *p = t->ports;
    struct tg_error own = TG_ERROR_INIT;
    int64_t for_ms = tg_hold_terms_first_ms(&p->terms, t->action.host);
    int rc = tg_hold_place(p->o.holds, t->action.host, tg_task_host(t)->name, p->o.run->hosts[t->action.host].begun, for_ms, t->lock, &t->lock_txid,
                           &own);
    int away = store_away(t, rc, &own, e);

    if (away)
        return away < 0 ? away : 0;
    if (rc) {
        tg_task_answer(t, TG_EV_LOCK_REFUSED, own.message);
        return 0;
    }
    tg_hold_terms_taken(&p->terms, t->action.host, tg_wall_ms(tg_loop_clock(p->o.loop)), for_ms);
    t->give_up_ms = tg_ports_now(p) + p->o.quiesce_ms;
    p->soon = true;
    t->due_ms = tg_ports_now(p); /* the others that start now are locked first: then one look at the locks of others is enough for all */
    return 0;
}

static int ask_guard(struct tg_task *t, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int code = 0;
    enum tg_hold_answer answer = tg_hold_ask(t->ports->o.holds, tg_task_host(t)->name, t->text, sizeof t->text, &code);

    if (code)
        tg_fail(&own, code, "%s", t->text);
    int away = store_away(t, code, &own, e);
    if (away)
        return away < 0 ? away : 0;
    if (answer == TG_HOLD_GO && tg_ports_is_refused(t))
        return 0;
    tg_task_answer(t, answer == TG_HOLD_GO ? TG_EV_GO : TG_EV_NO_GO, answer == TG_HOLD_GO ? NULL : t->text);
    return 0;
}

/* Locks that would soon be overdue last on. What goes wrong here is no reason to stop: an overdue lock holds. */
static void extend_locks(struct tg_ports *p)
{
    int64_t wall = tg_wall_ms(tg_loop_clock(p->o.loop)), for_ms;
    struct tg_error own = TG_ERROR_INIT;
    size_t host;

    for (int i = 0; i < EXTEND_MAX && !p->away_ms && tg_hold_terms_next(&p->terms, wall, &host, &for_ms); i++) {
        int rc = tg_hold_extend(p->o.holds, p->o.run->hosts[host].lock, for_ms, &own);
        tg_error_clear(&own);
        if (!rc)
            tg_hold_terms_taken(&p->terms, host, wall, for_ms);
        else if (!tg_ports_ends_drive(rc))
            tg_hold_terms_gone(&p->terms, host);
        else
            return; /* the next sweep comes by again */
    }
}

/* ---- tasks ---- */

static bool needs_store(const struct tg_task *t)
{
    return t->action.kind == TG_DO_LOCK || t->action.kind == TG_DO_CHECK || t->action.kind == TG_DO_UNLOCK;
}

static int go_on(struct tg_task *t, struct tg_error *e)
{
    if (t->ports->away_ms && needs_store(t) && tg_ports_now(t->ports) < t->ports->again_ms) {
        t->due_ms = t->ports->again_ms; /* one asks for all, so that the drive hears of other things meanwhile */
        return 0;
    }
    if (tg_task_wants_out(t) && !tg_task_prove_out(t))
        return 0;
    switch ((int) t->action.kind) {
    case TG_DO_LOCK:
        return t->lock[0] ? wait_for_quiet(t, e) : place_lock(t, e);
    case TG_DO_CHECK:
        return ask_guard(t, e);
    case TG_DO_UNLOCK:
        return release(t, e);
    case TG_DO_VERIFY:
        return tg_task_run_verify(t, e);
    case TG_DO_AROUND_LOOK:
    case TG_DO_AROUND:
    case TG_DO_UNDO:
    case TG_DO_NOTHING:
        return tg_task_run_around(t, e);
    case TG_DO_APPLY:
        return t->proven ? tg_task_run_step(t, e) : tg_task_prove_drains(t, e);
    default:
        return tg_task_run_step(t, e);
    }
}

struct tg_task *tg_ports_add(struct tg_ports *p, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e)
{
    struct tg_task *t = calloc(1, sizeof *t);

    if (!t) {
        tg_fail(e, TG_E_MEMORY, "out of memory");
        return NULL;
    }
    *t = (struct tg_task) {.next = p->tasks, .ports = p, .drive = drive, .action = *action, .due_ms = INT64_MAX};
    p->tasks = t;
    return t;
}

static int begin(void *data, struct tg_drive *drive, const struct tg_run_action *action, struct tg_error *e)
{
    struct tg_task *t = tg_ports_add(data, drive, action, e);

    if (!t)
        return TG_E_MEMORY;
    bool disturbs = action->kind == TG_DO_APPLY || action->kind == TG_DO_AROUND;
    return disturbs && tg_ports_is_refused(t) ? 0 : go_on(t, e);
}

static int turn(void *data, struct tg_drive *drive, struct tg_error *e)
{
    struct tg_ports *p = data;
    int64_t now = tg_ports_now(p);
    int rc = 0;

    p->soon = false;
    if (!p->away_ms || now >= p->again_ms)
        rc = tg_ports_look_at_others(p, drive, e);
    if (!rc && (!p->away_ms || now >= p->again_ms))
        rc = tg_ports_look_at_windows(p, drive, e);
    if (!rc && !p->away_ms)
        tg_ports_look_at_slots(p);
    extend_locks(p);
    if (!rc)
        rc = tg_ports_keep(p, drive, e);
    if (!rc)
        tg_ports_keep_mended(p, drive);
    for (struct tg_task **at = &p->tasks, *t; !rc && (t = *at) != NULL;) {
        if (!t->over && t->due_ms <= now)
            rc = go_on(t, e);
        if (t->over && !t->asked) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
    return rc;
}

static bool busy(void *data)
{
    return tg_ports_is_keeping_out(data);
}

static bool soon(void *data)
{
    return ((const struct tg_ports *) data)->soon;
}

/* Closing the transport and the probes calls back all that is under way; then the tasks are nobody's. */
static void drop(void *data)
{
    struct tg_ports *p = data;

    p->closing = true;
    if (p->transport_impl)
        p->transport->close(p->transport_impl);
    p->transport_impl = NULL;
    if (p->probe_impl)
        p->probe->close(p->probe_impl);
    p->probe_impl = NULL;
    tg_ports_close_around(p);
    tg_out_keeper_close(p->o.keeper);
    for (struct tg_task *t = p->tasks, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    p->tasks = NULL;
}

/* ---- life ---- */

static bool wants_probe(const struct tg_plan *plan)
{
    for (size_t i = 0; i < plan->n_verify; i++)
        if (plan->verify[i].kind != TG_VERIFY_COMMAND && plan->verify[i].kind != TG_VERIFY_REPORT)
            return true;
    return false;
}

static void complain(void *data, const char *path, const char *message)
{
    tg_fail(data, TG_E_DATA, "the change%s%s: %s", path[0] ? " at " : "", path, message);
}

static int open_all(struct tg_ports *p, struct tg_error *e)
{
    const struct tg_plan *plan = p->o.plan;
    int rc = tg_transport_find(plan->transport, &p->transport, e);

    p->o.transport.loop = p->o.loop;
    if (!rc)
        rc = tg_driver_find(plan->driver, &p->driver, e);
    if (!rc)
        rc = p->driver->params(plan->change, complain, e, &p->params, e);
    if (!rc)
        rc = p->transport->open(&p->o.transport, &p->transport_impl, e);
    if (!rc && plan->n_limits)
        rc = tg_ports_open_others(p, e);
    if (!rc)
        rc = tg_ports_open_windows(p, e);
    if (!rc)
        rc = tg_ports_open_slots(p, e);
    if (!rc)
        rc = tg_ports_open_around(p, e);
    if (!rc)
        rc = tg_ports_open_mended(p, e);
    if (!rc && wants_probe(plan)) {
        rc = tg_probe_find("http", &p->probe, e);
        if (!rc)
            rc = p->probe->open(p->o.loop, &p->probe_impl, e);
    }
    return rc;
}

int tg_ports_new(const struct tg_ports_options *o, struct tg_ports **out, struct tg_error *e)
{
    struct tg_ports *p = calloc(1, sizeof *p);

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->o = *o;
    p->o.connect_ms = o->connect_ms ? o->connect_ms : 15000;
    p->o.step_ms = o->step_ms ? o->step_ms : 30 * 60000;
    p->o.look_ms = o->look_ms ? o->look_ms : 5 * 60000;
    p->o.quiesce_ms = o->quiesce_ms ? o->quiesce_ms : 10 * 60000;
    tg_run_name(o->journal->id, o->tokens, p->name);
    p->table = (struct tg_drive_ports) {.data = p, .begin = begin, .turn = turn, .busy = busy, .soon = soon, .drop = drop};
    int rc = tg_hold_terms_init(&p->terms, o->run, p->o.step_ms, e);
    if (!rc)
        rc = open_all(p, e);
    if (rc) {
        tg_ports_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_ports_free(struct tg_ports *p)
{
    if (!p)
        return;
    drop(p);
    if (p->params)
        p->driver->params_free(p->params);
    tg_ports_free_around(p);
    tg_ports_free_others(p);
    tg_ports_close_windows(p);
    free(p->slots.told);
    tg_hold_terms_release(&p->terms);
    free(p);
}

const struct tg_drive_ports *tg_ports_table(struct tg_ports *p)
{
    return &p->table;
}

const char *tg_ports_name(const struct tg_ports *p)
{
    return p->name;
}
