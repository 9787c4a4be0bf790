/* The event loop, on libuv or on a virtual clock: see tagout/loop.h. Timers are our own heap in both, so that their order is the same. */
#define _GNU_SOURCE
#include <tagout/loop.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct post {
    struct post *next;
    tg_loop_fn fn;
    void *data;
};

struct tg_timer {
    struct tg_loop *loop;
    tg_loop_fn fn;
    void *data;
    int64_t due_ms;
    uint64_t order; /* of starting: breaks ties */
    size_t at;      /* index in the heap + 1; 0 when stopped */
};

struct tg_loop {
    struct tg_clock clock;
    bool is_virtual, in_turn, waited;
    volatile bool interrupted;
    int64_t virtual_ms, virtual_wall_ms;
    struct post *first, **last;
    struct tg_timer **heap;
    size_t n_heap, cap_heap, n_timers;
    uint64_t order;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t wait;
};

static int64_t virtual_mono(void *data)
{
    return ((struct tg_loop *) data)->virtual_ms;
}

static int64_t virtual_wall(void *data)
{
    struct tg_loop *loop = data;

    return loop->virtual_wall_ms + loop->virtual_ms;
}

static void on_wake(uv_async_t *wake)
{
    (void) wake;
}

static void on_wait(uv_timer_t *wait)
{
    struct tg_loop *loop = wait->data;

    loop->waited = true;
    uv_async_send(&loop->wake); /* uv_run() runs timers before it polls: one that is due by then would leave the poll without an end */
}

int tg_loop_virtual(int64_t wall_start_ms, struct tg_loop **out, struct tg_error *e)
{
    struct tg_loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    loop->last = &loop->first;
    loop->is_virtual = true;
    loop->virtual_wall_ms = wall_start_ms;
    loop->clock = (struct tg_clock) {.mono_ms = virtual_mono, .wall_ms = virtual_wall, .data = loop};
    *out = loop;
    return 0;
}

/* libuv opens two descriptors for signals behind its first one, and aborts when it can't: are there as many? */
static int prove_descriptors(struct tg_error *e)
{
    int fds[4], rc = 0;
    size_t n = 0;

    for (; !rc && n < 4; n += rc ? 0 : 2)
        if (pipe2(fds + n, O_CLOEXEC) != 0)
            rc = tg_fail_errno(e, TG_E_SYSTEM, errno, "the event loop could not be made");
    while (n)
        close(fds[--n]);
    return rc;
}

int tg_loop_new(struct tg_loop **out, struct tg_error *e)
{
    struct tg_loop *loop;
    int rc = prove_descriptors(e);

    if (rc)
        return rc;
    if (!(loop = calloc(1, sizeof *loop)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    loop->last = &loop->first;
    loop->clock = *tg_clock_real();
    if ((rc = uv_loop_init(&loop->uv)) < 0) {
        free(loop);
        return tg_fail(e, TG_E_SYSTEM, "the event loop could not be made: %s", uv_strerror(rc));
    }
    if ((rc = uv_async_init(&loop->uv, &loop->wake, on_wake)) < 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return tg_fail(e, TG_E_SYSTEM, "the event loop could not be made: %s", uv_strerror(rc));
    }
    uv_timer_init(&loop->uv, &loop->wait);
    loop->wait.data = loop;
    *out = loop;
    return 0;
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void) data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void tg_loop_free(struct tg_loop *loop)
{
    if (!loop)
        return;
    for (struct post *p = loop->first, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (!loop->is_virtual) {
        uv_close((uv_handle_t *) &loop->wake, NULL);
        uv_close((uv_handle_t *) &loop->wait, NULL);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (uv_loop_close(&loop->uv) == UV_EBUSY) {
            uv_walk(&loop->uv, close_handle, NULL); /* somebody forgot a handle: end it rather than leak the loop */
            uv_run(&loop->uv, UV_RUN_DEFAULT);
            uv_loop_close(&loop->uv);
        }
    }
    free(loop->heap);
    free(loop);
}

const struct tg_clock *tg_loop_clock(struct tg_loop *loop)
{
    return &loop->clock;
}

struct uv_loop_s *tg_loop_uv(struct tg_loop *loop)
{
    return loop->is_virtual ? NULL : &loop->uv;
}

int tg_loop_post(struct tg_loop *loop, tg_loop_fn fn, void *data, struct tg_error *e)
{
    struct post *p = malloc(sizeof *p);

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *p = (struct post) {.fn = fn, .data = data};
    *loop->last = p;
    loop->last = &p->next;
    return 0;
}

static bool before(const struct tg_timer *a, const struct tg_timer *b)
{
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->order < b->order);
}

static void place(struct tg_loop *loop, struct tg_timer *t, size_t i)
{
    loop->heap[i] = t;
    t->at = i + 1;
}

static void sift(struct tg_loop *loop, size_t i)
{
    struct tg_timer *t = loop->heap[i];

    while (i > 0 && before(t, loop->heap[(i - 1) / 2])) {
        place(loop, loop->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->n_heap)
            break;
        if (child + 1 < loop->n_heap && before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!before(loop->heap[child], t))
            break;
        place(loop, loop->heap[child], i);
        i = child;
    }
    place(loop, t, i);
}

int tg_timer_new(struct tg_loop *loop, tg_loop_fn fn, void *data, struct tg_timer **out, struct tg_error *e)
{
    /* The heap has room for every timer that exists, so that starting one cannot fail. */
    if (loop->n_timers == loop->cap_heap) {
        size_t cap = loop->cap_heap ? loop->cap_heap * 2 : 16;
        struct tg_timer **heap = realloc(loop->heap, cap * sizeof(*heap));
        if (!heap)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        loop->heap = heap;
        loop->cap_heap = cap;
    }
    struct tg_timer *t = calloc(1, sizeof *t);
    if (!t)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *t = (struct tg_timer) {.loop = loop, .fn = fn, .data = data};
    loop->n_timers++;
    *out = t;
    return 0;
}

void tg_timer_stop(struct tg_timer *t)
{
    struct tg_loop *loop = t->loop;

    if (!t->at)
        return;
    size_t i = t->at - 1;
    t->at = 0;
    struct tg_timer *moved = loop->heap[--loop->n_heap];
    if (moved != t) {
        place(loop, moved, i);
        sift(loop, i);
    }
}

void tg_timer_start(struct tg_timer *t, int64_t delay_ms)
{
    struct tg_loop *loop = t->loop;

    tg_timer_stop(t);
    t->due_ms = tg_mono_ms(&loop->clock) + (delay_ms > 0 ? delay_ms : 0);
    t->order = loop->order++;
    loop->heap[loop->n_heap] = t;
    sift(loop, loop->n_heap++);
}

void tg_timer_free(struct tg_timer *t)
{
    if (!t)
        return;
    tg_timer_stop(t);
    t->loop->n_timers--;
    free(t);
}

static bool run_posted(struct tg_loop *loop)
{
    struct post *p = loop->first;
    bool ran = p != NULL;

    loop->first = NULL; /* what is posted from here on waits for the next turn */
    loop->last = &loop->first;
    while (p) {
        struct post *next = p->next;
        p->fn(p->data);
        free(p);
        p = next;
    }
    return ran;
}

static bool run_timers(struct tg_loop *loop)
{
    int64_t now = tg_mono_ms(&loop->clock);
    uint64_t order = loop->order; /* a timer started from a callback waits for the next turn */
    bool ran = false;

    while (loop->n_heap && loop->heap[0]->due_ms <= now && loop->heap[0]->order < order) {
        struct tg_timer *t = loop->heap[0];
        tg_timer_stop(t);
        ran = true;
        t->fn(t->data);
    }
    return ran;
}

/* How long to wait: -1 for ever. */
static int64_t wait_ms(struct tg_loop *loop, bool ran, int64_t max_wait_ms)
{
    if (ran || loop->first || loop->interrupted)
        return 0;
    if (!loop->n_heap)
        return max_wait_ms;
    int64_t next = loop->heap[0]->due_ms - tg_mono_ms(&loop->clock);
    if (next < 0)
        next = 0;
    return max_wait_ms < 0 || next < max_wait_ms ? next : max_wait_ms;
}

/* Waits on libuv. Returns whether something may have run. */
static bool wait_uv(struct tg_loop *loop, int64_t ms)
{
    loop->waited = false;
    uv_update_time(&loop->uv);
    if (ms > 0)
        uv_timer_start(&loop->wait, on_wait, (uint64_t) ms, 0);
    uv_run(&loop->uv, ms == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_timer_stop(&loop->wait);
    return ms != 0 && !loop->waited;
}

int tg_loop_turn(struct tg_loop *loop, int64_t max_wait_ms)
{
    if (loop->in_turn) {
        fputs("tagout: bug: the event loop was entered from a callback\n", stderr);
        abort();
    }
    if (loop->interrupted)
        return TG_E_CANCELLED;
    loop->in_turn = true;
    bool ran = run_posted(loop);
    int64_t ms = wait_ms(loop, ran, max_wait_ms);
    if (!loop->is_virtual)
        ran |= wait_uv(loop, ms);
    else if (ms > 0)
        loop->virtual_ms += ms;
    ran |= run_timers(loop);
    loop->in_turn = false;
    if (loop->interrupted)
        return TG_E_CANCELLED;
    return ran ? 1 : 0;
}

void tg_loop_turn_anyway(struct tg_loop *loop, int64_t max_wait_ms)
{
    bool before = loop->interrupted;

    loop->interrupted = false;
    (void) tg_loop_turn(loop, max_wait_ms);
    if (before)
        loop->interrupted = true;
}

void tg_loop_interrupt(struct tg_loop *loop)
{
    loop->interrupted = true;
    if (!loop->is_virtual)
        uv_async_send(&loop->wake);
}

void tg_loop_interrupt_clear(struct tg_loop *loop)
{
    loop->interrupted = false;
}
