/* One call from its begin to its end: what is to be sent next, and what came back. What follows from that is decided in decide.c. Pure. */
#include "haproxy.h"

#include <stdio.h>
#include <string.h>

int tg_haproxy_begin(struct tg_haproxy_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c,
                     struct tg_error *e)
{
    struct tg_haproxy_mark marks[TG_HAPROXY_SOCKETS];

    *op = (struct tg_haproxy_op) {.params = p, .verb = verb};
    int rc = tg_haproxy_server(p, c, op->server, sizeof op->server, e);
    if (rc || (rc = tg_haproxy_record_read(c->record, p->n, marks, e)) != 0)
        return rc;
    for (size_t i = 0; i < p->n; i++)
        op->lb[i].mark = marks[i];
    return 0;
}

enum tg_haproxy_todo tg_haproxy_next(const struct tg_haproxy_op *op, char *command, size_t size)
{
    static const char *const out_as[] = {"drain", "maint"};

    if (op->phase == TG_HAPROXY_ENDED)
        return TG_HAPROXY_END;
    if (op->pausing)
        return TG_HAPROXY_PAUSE;
    if (op->phase != TG_HAPROXY_ORDERS && op->phase != TG_HAPROXY_BACK) {
        tg_haproxy_question(op->params->backend, op->phase == TG_HAPROXY_WAITING && tg_haproxy_seen(&op->lb[op->at]) ? op->lb[op->at].seen.id : 0, command, size);
        return TG_HAPROXY_ASK;
    }
    snprintf(command, size, "set server %s/%s state %s", op->params->backend, op->server, op->phase == TG_HAPROXY_BACK ? "ready" : out_as[op->params->maint]);
    return TG_HAPROXY_SET;
}

/* An order is followed with an empty line. What else is said is why it was not; its first line is enough. */
static void heard_order(struct tg_haproxy_op *op, struct tg_haproxy_balancer *b, enum tg_haproxy_came came, const char *answer, size_t len)
{
    size_t n = 0, at = 0;

    b->ordered = b->ordered || op->phase == TG_HAPROXY_ORDERS;
    b->was_up = b->seen.up;
    b->order_came = came;
    len = came == TG_HAPROXY_ANSWERED ? len : 0;
    while (at < len && answer[at] == '\n')
        at++;
    for (; at < len && answer[at] != '\n' && n < sizeof b->refused - 1; at++)
        b->refused[n++] = (char) (answer[at] >= ' ' && answer[at] < 127 ? answer[at] : '.');
    b->refused[n] = '\0';
    op->at++;
    tg_haproxy_next_order(op);
}

void tg_haproxy_heard(struct tg_haproxy_op *op, enum tg_haproxy_came came, const char *answer, size_t len, const char *why, int64_t mono_ms, int64_t now_s)
{
    struct tg_haproxy_balancer *b = &op->lb[op->at];
    struct tg_haproxy_seen s;
    char said[sizeof b->why];

    if (op->phase == TG_HAPROXY_ORDERS || op->phase == TG_HAPROXY_BACK) {
        heard_order(op, b, came, answer, len);
        return;
    }
    b->came = came;
    b->read = TG_HAPROXY_READ;
    if (came == TG_HAPROXY_ANSWERED)
        b->read = tg_haproxy_answer(answer, len, op->params->backend, op->server, now_s, &s, said, sizeof said);
    if (b->read == TG_HAPROXY_CUT)
        b->came = TG_HAPROXY_SILENT;
    if (came != TG_HAPROXY_ANSWERED)
        snprintf(b->why, sizeof b->why, "%s", why);
    else if (b->read != TG_HAPROXY_READ)
        snprintf(b->why, sizeof b->why, "%s", said);
    else
        b->seen = s;
    if (++op->at == op->params->n)
        tg_haproxy_all_asked(op, mono_ms);
}

void tg_haproxy_paused(struct tg_haproxy_op *op)
{
    op->pausing = false;
}

bool tg_haproxy_is_counting(const struct tg_haproxy_op *op)
{
    return op->verb == TG_AROUND_ACT && op->params->floor > 0 &&
           (op->phase == TG_HAPROXY_FIRST || op->phase == TG_HAPROXY_ORDERS || op->phase == TG_HAPROXY_PROOF);
}
