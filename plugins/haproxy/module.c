/* The module "haproxy": what decide.c wants is asked and ordered over talk.c, and the answers are handed back, until it has come to an end. */
#include "haproxy.h"

#include <tagout/module.h>

#include <stdlib.h>
#include <uv.h>

struct call {
    struct tg_around_impl *impl;
    struct tg_haproxy_op op;
    struct tg_haproxy_talk *talk;
    uv_timer_t timer;
    bool waits_for_turn;
    tg_around_fn done;
    void *data;
    struct call *next, **self;
};

struct tg_around_impl {
    struct tg_loop *loop;
    uv_loop_t *uv;
    const struct tg_around_params *params;
    struct call *first, **last; /* in the order of their begin */
    struct call *counting;      /* the one act that counts who is left, and orders by that */
    int open;                   /* what libuv still holds */
};

static void go_on(struct call *c);

static void call_closed(uv_handle_t *handle)
{
    struct call *c = handle->data;

    c->impl->open--;
    free(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct call *c = timer->data;

    c->waits_for_turn = false;
    tg_haproxy_paused(&c->op);
    go_on(c);
}

static void wake(struct call *c, int64_t ms)
{
    uv_update_time(c->impl->uv);
    uv_timer_start(&c->timer, on_timer, (uint64_t) ms, 0);
}

static void unlink_call(struct call *c)
{
    *c->self = c->next;
    if (c->next)
        c->next->self = c->self;
    else
        c->impl->last = c->self;
    if (c->talk)
        tg_haproxy_talk_end(c->talk);
    uv_close((uv_handle_t *) &c->timer, call_closed);
}

/* The next act may count, once the one before has proved what it did. */
static void hand_on_turn(struct tg_around_impl *impl, struct call *c)
{
    if (impl->counting != c)
        return;
    impl->counting = NULL;
    for (struct call *other = impl->first; other; other = other->next)
        if (other != c && other->waits_for_turn) {
            impl->counting = other;
            wake(other, 0);
            return;
        }
}

/* False: somebody else counts, and it is called again. */
static bool has_turn(struct call *c)
{
    if (!tg_haproxy_is_counting(&c->op)) {
        hand_on_turn(c->impl, c);
        return true;
    }
    if (!c->impl->counting)
        c->impl->counting = c;
    c->waits_for_turn = c->impl->counting != c;
    return !c->waits_for_turn;
}

static void on_answer(void *data, enum tg_haproxy_came came, const char *answer, size_t len, const char *why)
{
    struct call *c = data;
    const struct tg_clock *clock = tg_loop_clock(c->impl->loop);

    c->talk = NULL;
    tg_haproxy_heard(&c->op, came, answer, len, why, tg_mono_ms(clock), tg_wall_ms(clock) / 1000);
    go_on(c);
}

static void go_on(struct call *c)
{
    char command[1024];

    if (!has_turn(c))
        return;
    switch (tg_haproxy_next(&c->op, command, sizeof command)) {
    case TG_HAPROXY_PAUSE:
        wake(c, c->op.pause_ms);
        return;
    case TG_HAPROXY_END:
        unlink_call(c);
        c->done(c->data, c->op.end, c->op.text, c->op.record);
        return;
    case TG_HAPROXY_ASK:
    case TG_HAPROXY_SET:
        c->talk = tg_haproxy_talk(c->impl->uv, c->op.params->sockets[c->op.at], command, &c->impl->open, on_answer, c);
        if (!c->talk)
            wake(c, 1000); /* out of memory: once more */
    }
}

static int ask(struct tg_around_impl *impl, enum tg_around_verb verb, const struct tg_around_context *context, tg_around_fn done, void *data,
                 struct tg_error *e)
{
    struct call *c = calloc(1, sizeof *c);

    if (!c)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_haproxy_begin(&c->op, impl->params, verb, context, e);
    if (rc) {
        free(c);
        return rc;
    }
    c->impl = impl;
    c->done = done;
    c->data = data;
    uv_timer_init(impl->uv, &c->timer);
    c->timer.data = c;
    impl->open++;
    c->self = impl->last;
    *impl->last = c;
    impl->last = &c->next;
    wake(c, 0); /* never from within */
    return 0;
}

static int open_impl(struct tg_loop *loop, const struct tg_around_params *params, struct tg_around_impl **out, struct tg_error *e)
{
    struct tg_around_impl *impl;

    if (!tg_loop_uv(loop))
        return tg_fail(e, TG_E_BUG, "HAProxy can't be asked on a virtual loop");
    if (!(impl = calloc(1, sizeof *impl)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = loop;
    impl->uv = tg_loop_uv(loop);
    impl->params = params;
    impl->last = &impl->first;
    *out = impl;
    return 0;
}

static void close_impl(struct tg_around_impl *impl)
{
    if (!impl)
        return;
    impl->counting = NULL;
    while (impl->first)
        unlink_call(impl->first);
    while (impl->open > 0)
        tg_loop_turn_anyway(impl->loop, 100);
    free(impl);
}

/* Of the one backend that the parameters name. */
static int thing(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    return tg_haproxy_server(p, c, out, size < TG_HAPROXY_NAME_SIZE ? size : TG_HAPROXY_NAME_SIZE, e);
}

static int64_t waits_ms(const struct tg_around_params *p)
{
    return p->wait_ms;
}

static const struct tg_around_backend around = {
    .version = TG_AROUND_ABI,
    .name = "haproxy",
    .about = "HAProxy: a server is taken out of a backend, over the Runtime API",
    .what = TG_AROUND_DRAIN,
    .params = tg_haproxy_params,
    .params_free = tg_haproxy_params_free,
    .describe = tg_haproxy_describe,
    .thing = thing,
    .mend = tg_haproxy_mend,
    .open = open_impl,
    .close = close_impl,
    .ask = ask,
    .waits_ms = waits_ms,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "haproxy",
    .release = TG_RELEASE,
    .around = &around,
};
