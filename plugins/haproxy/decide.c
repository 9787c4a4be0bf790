/*
 * What is to be done next on which load balancer, and how it ended. HAProxy has no room for a word of ours, so whose a drain is follows from what was
 * journalled: ready when we looked, and found later as we set it, is ours. All load balancers are asked first, and only then is one told anything. Pure.
 */
#include "haproxy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FORCED_MAINT 0x01u /* bits of srv_admin_state */
#define FORCED_DRAIN 0x08u
#define FORCED (FORCED_MAINT | FORCED_DRAIN)
#define HARMLESS (0x04u | 0x40u) /* it began disabled; its name was changed: both only tell */
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 1000
#define ROUNDS_MAX 3 /* restarts within one act */

enum shape { READY, AS_SET, ELSE };

static enum shape shape_of(const struct tg_haproxy_op *op, const struct tg_haproxy_seen *s)
{
    unsigned forced = s->admin & FORCED;

    if (forced)
        return forced == (op->params->maint ? FORCED_MAINT : FORCED_DRAIN) ? AS_SET : ELSE;
    return (s->admin & ~HARMLESS) == 0 && s->weight > 0 ? READY : ELSE;
}

bool tg_haproxy_seen(const struct tg_haproxy_balancer *b)
{
    return b->came == TG_HAPROXY_ANSWERED && b->read == TG_HAPROXY_READ;
}

static bool is_as(const struct tg_haproxy_op *op, const struct tg_haproxy_balancer *b, enum shape shape)
{
    return tg_haproxy_seen(b) && shape_of(op, &b->seen) == shape;
}

static void end(struct tg_haproxy_op *op, enum tg_around_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void end(struct tg_haproxy_op *op, enum tg_around_end how, const char *format, ...)
{
    struct tg_haproxy_mark marks[TG_HAPROXY_SOCKETS];
    va_list args;

    va_start(args, format);
    vsnprintf(op->text, sizeof op->text, format, args);
    va_end(args);
    op->end = how;
    op->phase = TG_HAPROXY_ENDED;
    for (size_t i = 0; i < op->params->n; i++)
        marks[i] = op->lb[i].mark;
    tg_haproxy_record_write(marks, op->params->n, op->record, sizeof op->record);
}

static void mark(struct tg_haproxy_balancer *b, enum tg_haproxy_whose whose)
{
    b->mark = (struct tg_haproxy_mark) {.whose = whose};
    if (whose != TG_HAPROXY_NOBODY)
        b->mark.process = b->seen.process;
}

/* The first one that did not answer as it should; NULL: all did. */
static const struct tg_haproxy_balancer *trouble(const struct tg_haproxy_op *op, size_t *out_at)
{
    for (size_t i = 0; i < op->params->n; i++)
        if (!tg_haproxy_seen(&op->lb[i])) {
            *out_at = i;
            return &op->lb[i];
        }
    return NULL;
}

static void ask_all(struct tg_haproxy_op *op, enum tg_haproxy_phase phase)
{
    op->phase = phase;
    op->at = 0;
}

/* The next wanted load balancer; without one, all are asked what came of it. */
void tg_haproxy_next_order(struct tg_haproxy_op *op)
{
    while (op->at < op->params->n && !op->lb[op->at].wanted)
        op->at++;
    if (op->at == op->params->n)
        ask_all(op, op->phase == TG_HAPROXY_BACK ? TG_HAPROXY_BACK_PROOF : TG_HAPROXY_PROOF);
}

static void order(struct tg_haproxy_op *op, enum tg_haproxy_phase phase)
{
    op->phase = phase;
    op->at = 0;
    tg_haproxy_next_order(op);
}

/* After a refused act: is all as it was? Whatever is taken out from now on is somebody else's. */
static void end_given_up(struct tg_haproxy_op *op)
{
    char text[sizeof op->text];
    size_t at = op->params->n;

    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        if (b->wanted && (!tg_haproxy_seen(b) || is_as(op, b, AS_SET))) {
            b->mark.whose = TG_HAPROXY_OURS;
            at = i;
        } else {
            mark(b, TG_HAPROXY_NOBODY);
        }
    }
    memcpy(text, op->text, sizeof text);
    if (at == op->params->n)
        end(op, op->end, "%s", text);
    else
        end(op, TG_AROUND_LOST, "%.300s; and it could not be put back on %.60s", text, op->params->sockets[at]);
}

/* The act is not done: what there may be of it is taken back, and it ends like that. */
static void give_up(struct tg_haproxy_op *op, enum tg_around_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void give_up(struct tg_haproxy_op *op, enum tg_around_end how, const char *format, ...)
{
    bool any = false;
    va_list args;

    va_start(args, format);
    vsnprintf(op->text, sizeof op->text, format, args);
    va_end(args);
    op->end = how;
    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        b->wanted = (b->ordered || b->mark.whose == TG_HAPROXY_OURS) && (!tg_haproxy_seen(b) || is_as(op, b, AS_SET));
        any = any || b->wanted;
    }
    if (any)
        order(op, TG_HAPROXY_BACK);
    else
        end_given_up(op);
}

static int64_t floor_of(const struct tg_around_params *p, int total)
{
    return p->percent ? (p->floor * total + 99) / 100 : p->floor;
}

/* Would (or did) taking this one out leave too few? One that is down takes nothing away, nor does a backup. */
static bool too_few(const struct tg_haproxy_op *op, const struct tg_haproxy_balancer *b, bool was_up)
{
    return was_up && !b->seen.backup && b->seen.others < floor_of(op->params, b->seen.total);
}

static void refuse_floor(struct tg_haproxy_op *op, const struct tg_haproxy_balancer *b, size_t i)
{
    give_up(op, TG_AROUND_REFUSED, "%s/%s is not drained: on %s %d of %d other servers are ready and up, and %lld must be (ready-at-least)", op->params->backend,
            op->server, op->params->sockets[i], b->seen.others, b->seen.total - 1, (long long) floor_of(op->params, b->seen.total));
}

/* Whose is what was found, by what was known before. */
static void learn(struct tg_haproxy_op *op, struct tg_haproxy_balancer *b)
{
    enum shape shape = shape_of(op, &b->seen);
    bool may_be_ours = b->mark.whose == TG_HAPROXY_OURS || b->mark.whose == TG_HAPROXY_WAS_READY;

    if (shape == READY)
        mark(b, TG_HAPROXY_WAS_READY);
    else
        mark(b, shape == AS_SET && may_be_ours ? TG_HAPROXY_OURS : TG_HAPROXY_OTHERS);
}

static size_t count(const struct tg_haproxy_op *op, enum tg_haproxy_whose whose)
{
    size_t n = 0;

    for (size_t i = 0; i < op->params->n; i++)
        n += op->lb[i].mark.whose == whose;
    return n;
}

static void end_trouble(struct tg_haproxy_op *op, const struct tg_haproxy_balancer *b, size_t at)
{
    bool no = b->came == TG_HAPROXY_ANSWERED && (b->read == TG_HAPROXY_NONE || op->verb == TG_AROUND_LOOK || op->verb == TG_AROUND_ACT);

    end(op, no ? TG_AROUND_REFUSED : b->came == TG_HAPROXY_AWAY ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s: %s", op->params->sockets[at], b->why);
}

static void look(struct tg_haproxy_op *op)
{
    const struct tg_around_params *p = op->params;
    size_t at, ours;
    const struct tg_haproxy_balancer *bad = trouble(op, &at);

    if (bad) {
        end_trouble(op, bad, at);
        return;
    }
    for (size_t i = 0; i < p->n; i++)
        learn(op, &op->lb[i]);
    if ((ours = count(op, TG_HAPROXY_OURS)) > 0)
        end(op, TG_AROUND_OURS, "%s/%s is out by this run on %zu of %zu load balancer%s", p->backend, op->server, ours, p->n, p->n == 1 ? "" : "s");
    else if (count(op, TG_HAPROXY_WAS_READY) > 0)
        end(op, TG_AROUND_ABSENT, "%s/%s is ready", p->backend, op->server);
    else
        end(op, TG_AROUND_OTHERS, "%s/%s was taken out by somebody else already", p->backend, op->server);
}

static void wait_or_end(struct tg_haproxy_op *op, int64_t mono_ms);

/* Takes out whatever is ready, or goes on to wait when nothing is. */
static void take_out(struct tg_haproxy_op *op, int64_t mono_ms)
{
    bool any = false;

    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        b->wanted = is_as(op, b, READY);
        any = any || b->wanted;
        if (b->wanted && too_few(op, b, b->seen.up)) {
            refuse_floor(op, b, i);
            return;
        }
    }
    if (any)
        order(op, TG_HAPROXY_ORDERS);
    else
        wait_or_end(op, mono_ms);
}

static void act(struct tg_haproxy_op *op, int64_t mono_ms)
{
    size_t at;
    const struct tg_haproxy_balancer *bad = trouble(op, &at);

    if (bad) {
        end_trouble(op, bad, at);
        return;
    }
    for (size_t i = 0; i < op->params->n; i++)
        learn(op, &op->lb[i]);
    take_out(op, mono_ms);
}

static void end_kept(struct tg_haproxy_op *op)
{
    size_t at = 0, ours = count(op, TG_HAPROXY_OURS);
    const struct tg_haproxy_balancer *bad = trouble(op, &at);
    char text[sizeof op->text];

    memcpy(text, op->text, sizeof text);
    if (bad)
        end_trouble(op, bad, at);
    else if (ours)
        end(op, TG_AROUND_OURS, "%s", text);
    else
        end(op, count(op, TG_HAPROXY_TAKEN_BACK) || !count(op, TG_HAPROXY_OTHERS) ? TG_AROUND_ABSENT : TG_AROUND_OTHERS, "%s", text);
}

static void note(struct tg_haproxy_op *op, size_t i, const char *what)
{
    snprintf(op->text, sizeof op->text, "%s/%s on %s: %s", op->params->backend, op->server, op->params->sockets[i], what);
}

/* Forgotten with its process: done again. Set ready in the same process: somebody wanted that. */
static void keep(struct tg_haproxy_op *op)
{
    bool any = false;

    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        b->wanted = false;
        if (!tg_haproxy_seen(b) || b->mark.whose != TG_HAPROXY_OURS)
            continue;
        if (is_as(op, b, AS_SET)) {
            mark(b, TG_HAPROXY_OURS);
        } else if (is_as(op, b, ELSE)) {
            mark(b, TG_HAPROXY_OTHERS);
            note(op, i, "somebody else has set it otherwise, and it is left so");
        } else if (tg_haproxy_same(&b->mark.process, &b->seen.process)) {
            mark(b, TG_HAPROXY_TAKEN_BACK);
            note(op, i, "somebody set it ready, and it is left so");
        } else {
            any = b->wanted = true;
            note(op, i, "HAProxy has restarted and forgot it: taken out again");
        }
    }
    if (any)
        order(op, TG_HAPROXY_ORDERS);
    else
        end_kept(op);
}

/* One load balancer after the undo, or before one that is not needed. True: nothing of ours is in force there. */
static bool is_undone(struct tg_haproxy_op *op, size_t i)
{
    struct tg_haproxy_balancer *b = &op->lb[i];
    bool ours = b->mark.whose == TG_HAPROXY_OURS || b->mark.whose == TG_HAPROXY_WAS_READY;

    if (b->came == TG_HAPROXY_ANSWERED && b->read == TG_HAPROXY_NONE)
        note(op, i, b->why);
    else if (!tg_haproxy_seen(b) || (ours && is_as(op, b, AS_SET)))
        return false;
    else if (!is_as(op, b, READY))
        note(op, i, "it was taken out by somebody else, and is left so");
    else if (ours && !b->seen.up)
        note(op, i, "ready, and not up yet");
    mark(b, TG_HAPROXY_NOBODY);
    return true;
}

static void end_undone(struct tg_haproxy_op *op)
{
    const struct tg_haproxy_balancer *bad = NULL;
    char text[sizeof op->text];
    bool any = false;
    size_t at = 0;

    for (size_t i = 0; i < op->params->n; i++) {
        any = any || op->lb[i].wanted;
        if (!is_undone(op, i)) {
            bad = &op->lb[i];
            at = i;
        }
    }
    memcpy(text, op->text, sizeof text);
    if (!bad)
        end(op, TG_AROUND_ABSENT, "%s", text);
    else if (!tg_haproxy_seen(bad))
        end(op, bad->came == TG_HAPROXY_AWAY && !any ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s: %s", op->params->sockets[at], bad->why);
    else
        end(op, bad->refused[0] ? TG_AROUND_REFUSED : TG_AROUND_LOST, "%s/%s is still out on %s%s%s", op->params->backend, op->server, op->params->sockets[at],
            bad->refused[0] ? ": " : "", bad->refused);
}

/* Nothing is there to be undone; or it may be another's, which a state file that HAProxy has read at its start looks like. */
static void say_of_undo(struct tg_haproxy_op *op, bool any)
{
    op->text[0] = '\0';
    if (!any)
        snprintf(op->text, sizeof op->text, "nothing was left to undo");
    for (size_t i = 0; i < op->params->n; i++)
        if (op->lb[i].wanted && tg_haproxy_seen(&op->lb[i]) && !tg_haproxy_same(&op->lb[i].mark.process, &op->lb[i].seen.process)) {
            snprintf(op->text, sizeof op->text, "HAProxy on %.120s had restarted: that the drain was still ours can't be told", op->params->sockets[i]);
            return;
        }
}

static void undo(struct tg_haproxy_op *op)
{
    bool any = false;

    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        b->wanted = (b->mark.whose == TG_HAPROXY_OURS || b->mark.whose == TG_HAPROXY_WAS_READY) && is_as(op, b, AS_SET);
        any = any || b->wanted;
    }
    say_of_undo(op, any);
    if (any)
        order(op, TG_HAPROXY_BACK);
    else
        end_undone(op);
}

/* An act's order did not bring it about on this one. */
static void not_out(struct tg_haproxy_op *op, size_t i, int64_t mono_ms)
{
    struct tg_haproxy_balancer *b = &op->lb[i];
    const char *socket = op->params->sockets[i];

    if (!tg_haproxy_seen(b)) {
        end(op, TG_AROUND_LOST, "%s: %s", socket, b->why);
    } else if (b->refused[0]) {
        give_up(op, TG_AROUND_REFUSED, "%s: %s%s", socket, b->refused, strncmp(b->refused, "Permission", 10) == 0 ? " (it has to be a socket of \"level admin\")" : "");
    } else if (b->order_came != TG_HAPROXY_ANSWERED) {
        give_up(op, b->order_came == TG_HAPROXY_AWAY ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s: no answer to the order", socket);
    } else if (!is_as(op, b, READY) || tg_haproxy_same(&b->mark.process, &b->seen.process) || ++op->rounds > ROUNDS_MAX) {
        give_up(op, TG_AROUND_REFUSED, "%s/%s was set otherwise on %s, by somebody else, while it was drained", op->params->backend, op->server, socket);
    } else { /* restarted in between */
        mark(b, TG_HAPROXY_WAS_READY);
        take_out(op, mono_ms);
    }
}

/* After an order to take it out: is it so, and are enough others left? */
static void prove(struct tg_haproxy_op *op, int64_t mono_ms)
{
    for (size_t i = 0; i < op->params->n; i++)
        if (op->lb[i].wanted && is_as(op, &op->lb[i], AS_SET))
            mark(&op->lb[i], TG_HAPROXY_OURS);
    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        if (!b->wanted || is_as(op, b, AS_SET))
            continue;
        if (op->verb == TG_AROUND_ACT)
            not_out(op, i, mono_ms);
        else
            end(op, TG_AROUND_LOST, "%s: it could not be taken out again%s%s", op->params->sockets[i], b->refused[0] ? ": " : "", b->refused);
        return;
    }
    if (op->verb == TG_AROUND_KEEP) {
        end_kept(op);
        return;
    }
    for (size_t i = 0; i < op->params->n; i++)
        if (op->lb[i].wanted && too_few(op, &op->lb[i], op->lb[i].was_up)) {
            refuse_floor(op, &op->lb[i], i);
            return;
        }
    wait_or_end(op, mono_ms);
}

/* Who still has sessions? -1: that can't be told of one of them. */
static int64_t sessions_left(const struct tg_haproxy_op *op, size_t *at)
{
    int64_t most = 0;

    for (size_t i = 0; i < op->params->n; i++) {
        if (!tg_haproxy_seen(&op->lb[i])) {
            *at = i;
            return -1;
        }
        if (op->lb[i].seen.sessions > most) {
            most = op->lb[i].seen.sessions;
            *at = i;
        }
    }
    return most;
}

static void end_drained(struct tg_haproxy_op *op, int64_t left)
{
    const struct tg_around_params *p = op->params;
    bool ours = count(op, TG_HAPROXY_OURS) > 0;

    if (left)
        end(op, ours ? TG_AROUND_OURS : TG_AROUND_OTHERS, "%s/%s still had %lld session%s (on-timeout: go)", p->backend, op->server, (long long) left, left == 1 ? "" : "s");
    else
        end(op, ours ? TG_AROUND_OURS : TG_AROUND_OTHERS, ours ? "%s/%s is out" : "%s/%s was taken out by somebody else already", p->backend, op->server);
}

static void wait_or_end(struct tg_haproxy_op *op, int64_t mono_ms)
{
    const struct tg_around_params *p = op->params;
    char took[32];
    size_t at = 0;
    int64_t left = sessions_left(op, &at);

    op->phase = TG_HAPROXY_WAITING;
    if (!op->deadline_ms)
        op->deadline_ms = mono_ms + p->wait_ms;
    if (left == 0) {
        end_drained(op, 0);
    } else if (mono_ms < op->deadline_ms) {
        op->pause_ms = !op->pause_ms ? PAUSE_FIRST_MS : op->pause_ms * 2 < PAUSE_MOST_MS ? op->pause_ms * 2 : PAUSE_MOST_MS;
        op->pausing = true;
        op->at = 0;
    } else if (left > 0 && p->go_on_timeout) {
        end_drained(op, left);
    } else if (left < 0) {
        give_up(op, TG_AROUND_LOST, "%s: %s, so that its sessions can't be counted", p->sockets[at], op->lb[at].why);
    } else {
        tg_duration_format(p->wait_ms, took, sizeof took);
        give_up(op, TG_AROUND_REFUSED, "%s/%s still has %lld session%s on %s after %s: it is put back", p->backend, op->server, (long long) left, left == 1 ? "" : "s",
                p->sockets[at], took);
    }
}

/* Asked once more while its sessions end: it must still be out. */
static void look_again(struct tg_haproxy_op *op, int64_t mono_ms)
{
    for (size_t i = 0; i < op->params->n; i++) {
        struct tg_haproxy_balancer *b = &op->lb[i];
        if (!tg_haproxy_seen(b) || is_as(op, b, AS_SET))
            continue;
        if (is_as(op, b, ELSE)) {
            mark(b, TG_HAPROXY_OTHERS);
        } else if (b->mark.whose != TG_HAPROXY_OURS || tg_haproxy_same(&b->mark.process, &b->seen.process) || ++op->rounds > ROUNDS_MAX) {
            mark(b, TG_HAPROXY_TAKEN_BACK);
            give_up(op, TG_AROUND_REFUSED, "%s/%s was set ready on %s by somebody else while its sessions were waited for", op->params->backend, op->server,
                    op->params->sockets[i]);
            return;
        } else {
            mark(b, TG_HAPROXY_WAS_READY);
            ask_all(op, TG_HAPROXY_FIRST); /* restarted: it begins once more, the others counted anew */
            return;
        }
    }
    wait_or_end(op, mono_ms);
}

void tg_haproxy_all_asked(struct tg_haproxy_op *op, int64_t mono_ms)
{
    static void (*const first[])(struct tg_haproxy_op *op) = {[TG_AROUND_LOOK] = look, [TG_AROUND_KEEP] = keep, [TG_AROUND_UNDO] = undo};

    if (op->phase == TG_HAPROXY_WAITING)
        look_again(op, mono_ms);
    else if (op->phase == TG_HAPROXY_PROOF)
        prove(op, mono_ms);
    else if (op->phase == TG_HAPROXY_BACK_PROOF && op->verb == TG_AROUND_UNDO)
        end_undone(op);
    else if (op->phase == TG_HAPROXY_BACK_PROOF)
        end_given_up(op);
    else if (op->verb == TG_AROUND_ACT)
        act(op, mono_ms);
    else
        first[op->verb](op);
}
