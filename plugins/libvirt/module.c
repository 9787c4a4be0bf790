/* The module "libvirt": what op.c wants is run as a child, one after the other, and read on the loop; bounded in time and size. */
#define _GNU_SOURCE
#include "libvirt.h"

#include "base/child.h"

#include <tagout/module.h>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define TICK_MS 20
#define LAST_WORDS 5      /* ticks after its end: what it left running (ssh's master, say) may keep the pipes open */
#define KILL_AFTER_MS 2000 /* after TERM */

struct stream {
    struct call *call;
    uv_pipe_t pipe;
    bool open;
    size_t len;
    char text[TG_LIBVIRT_OUT_MAX + 1];
};

struct call {
    struct tg_around_impl *impl;
    struct tg_libvirt_op op;
    struct stream *streams; /* out, err */
    uv_timer_t timer;
    pid_t pid;            /* 0: none runs */
    int status, last_words;
    bool exited, too_long, too_much, is_over;
    uint64_t deadline_ms; /* of libuv's clock */
    int open;             /* what libuv holds of it */
    char why[300];        /* it was not started */
    tg_around_fn done;
    void *data;
    struct call *next, **self;
};

struct tg_around_impl {
    struct tg_loop *loop;
    uv_loop_t *uv;
    const struct tg_around_params *params;
    struct call *first;
    int calls; /* with those that are only held by libuv */
};

static void go_on(struct call *c);

static void let_go(uv_handle_t *handle)
{
    struct call *c = handle->data;

    c->open--;
    if (c->is_over && c->open == 0) {
        c->impl->calls--;
        free(c->streams);
        free(c);
    } else if (!c->is_over && c->open == 1) {
        go_on(c); /* but for the timer all of the last child is closed: the next may come */
    }
}

static void let_stream_go(uv_handle_t *handle)
{
    uv_handle_t of_call = {.data = ((struct stream *) handle->data)->call};

    let_go(&of_call);
}

static void close_streams(struct call *c)
{
    for (int i = 0; i < 2; i++) {
        struct stream *s = &c->streams[i];
        if (s->open)
            uv_close((uv_handle_t *) &s->pipe, let_stream_go);
        s->open = false;
    }
}

static void end_call(struct call *c)
{
    c->is_over = true;
    *c->self = c->next;
    if (c->next)
        c->next->self = c->self;
    if (c->pid > 0 && !c->exited) { /* nobody waits for it any more */
        kill(-c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    close_streams(c);
    uv_close((uv_handle_t *) &c->timer, let_go);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct stream *s = handle->data;

    (void) wanted;
    *out = uv_buf_init(s->text + s->len, (unsigned) (TG_LIBVIRT_OUT_MAX - s->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = stream->data;

    (void) buf;
    if (n > 0)
        s->len += (size_t) n;
    s->text[s->len] = '\0';
    s->call->too_much = s->call->too_much || n == UV_ENOBUFS;
    if (n < 0)
        uv_read_stop(stream);
}

/* The child has ended, and its pipes have been read as far as they will be: heard when libuv has closed them. */
static void finish_child(struct call *c)
{
    uv_timer_stop(&c->timer);
    c->pid = 0;
    tg_libvirt_heard(&c->op, c->too_long || c->too_much ? -2 : c->status, c->streams[0].text,
                     c->too_long ? "virsh took too long" : c->too_much ? "virsh said too much" : c->streams[1].text);
    close_streams(c);
}

static void on_tick(uv_timer_t *timer)
{
    struct call *c = timer->data;
    uint64_t now = uv_now(c->impl->uv);
    int status;

    if (!c->exited && waitpid(c->pid, &status, WNOHANG) == c->pid) {
        c->exited = true;
        c->status = tg_child_status(status);
    }
    if (c->exited && ++c->last_words > LAST_WORDS) {
        finish_child(c);
    } else if (!c->exited && (now > c->deadline_ms || c->too_much)) {
        c->too_long = c->too_long || !c->too_much;
        kill(-c->pid, now > c->deadline_ms + KILL_AFTER_MS ? SIGKILL : SIGTERM);
    }
}

static int open_stream(struct call *c, int i, int fd)
{
    struct stream *s = &c->streams[i];

    s->call = c;
    s->len = 0;
    s->text[0] = '\0';
    uv_pipe_init(c->impl->uv, &s->pipe, 0);
    s->pipe.data = s;
    s->open = true;
    c->open++;
    if (uv_pipe_open(&s->pipe, fd) != 0) {
        close(fd);
        return -1;
    }
    return uv_read_start((uv_stream_t *) &s->pipe, give_room, on_read);
}

/* False: it was not started, c->why says why. */
static bool start_child(struct call *c, const char *const *argv, int64_t timeout_ms)
{
    static const char path[] = "PATH=" TG_CHILD_PATH;
    char home[PATH_MAX + 8], agent[PATH_MAX + 16]; /* for qemu+ssh: */
    const char *env[] = {path, "LC_ALL=C", home, agent, NULL};
    int out[2], err[2];
    struct tg_error e = TG_ERROR_INIT;

    snprintf(home, sizeof home, "HOME=%s", getenv("HOME") ? getenv("HOME") : "/");
    snprintf(agent, sizeof agent, "SSH_AUTH_SOCK=%s", getenv("SSH_AUTH_SOCK") ? getenv("SSH_AUTH_SOCK") : "");
    if (!getenv("SSH_AUTH_SOCK"))
        env[3] = NULL;
    snprintf(c->why, sizeof c->why, "out of descriptors");
    if (pipe2(out, O_CLOEXEC) != 0)
        return false;
    if (pipe2(err, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return false;
    }
    struct tg_child_spec spec = {.argv = argv, .env = env, .in = -1, .out = out[1], .err = err[1]};
    c->exited = c->too_long = c->too_much = false;
    c->last_words = 0;
    int rc = tg_child_start(&spec, &c->pid, &e);
    snprintf(c->why, sizeof c->why, "%.290s", e.message);
    close(out[1]);
    close(err[1]);
    if (rc) {
        close(out[0]);
        close(err[0]);
        c->pid = 0;
        return false;
    }
    c->too_much = open_stream(c, 0, out[0]) != 0; /* what can't be read is not believed */
    c->too_much = open_stream(c, 1, err[0]) != 0 || c->too_much;
    uv_update_time(c->impl->uv);
    c->deadline_ms = uv_now(c->impl->uv) + (uint64_t) timeout_ms;
    uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS);
    return true;
}

static void go_on(struct call *c)
{
    const char *argv[TG_LIBVIRT_ARGS];
    int64_t timeout_ms;

    while (tg_libvirt_next(&c->op, argv, &timeout_ms)) {
        if (start_child(c, argv, timeout_ms))
            return;
        tg_libvirt_heard(&c->op, -1, "", c->why);
    }
    tg_around_fn done = c->done;
    struct tg_libvirt_op op = c->op;
    void *data = c->data;
    op.record = c->op.record == c->op.name ? op.name : "";
    end_call(c); /* libuv closes later */
    done(data, op.end, op.text, op.record);
}

static void on_begin(uv_timer_t *timer)
{
    go_on(timer->data);
}

static int ask(struct tg_around_impl *impl, enum tg_around_verb verb, const struct tg_around_context *context, tg_around_fn done, void *data,
                 struct tg_error *e)
{
    struct call *c = calloc(1, sizeof *c);
    int rc;

    if (!c || !(c->streams = calloc(2, sizeof *c->streams))) {
        free(c);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if ((rc = tg_libvirt_begin(&c->op, impl->params, verb, context, e)) != 0) {
        free(c->streams);
        free(c);
        return rc;
    }
    c->impl = impl;
    c->done = done;
    c->data = data;
    impl->calls++;
    uv_timer_init(impl->uv, &c->timer);
    c->timer.data = c;
    c->open = 1;
    c->next = impl->first;
    c->self = &impl->first;
    if (c->next)
        c->next->self = &c->next;
    impl->first = c;
    uv_timer_start(&c->timer, on_begin, 0, 0); /* never from within */
    return 0;
}

static int open_impl(struct tg_loop *loop, const struct tg_around_params *params, struct tg_around_impl **out, struct tg_error *e)
{
    struct tg_around_impl *impl;

    if (!tg_loop_uv(loop))
        return tg_fail(e, TG_E_BUG, "libvirt can't be asked on a virtual loop");
    if (!(impl = calloc(1, sizeof *impl)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = loop;
    impl->uv = tg_loop_uv(loop);
    impl->params = params;
    *out = impl;
    return 0;
}

static void close_impl(struct tg_around_impl *impl)
{
    if (!impl)
        return;
    while (impl->first)
        end_call(impl->first);
    while (impl->calls > 0)
        tg_loop_turn_anyway(impl->loop, 100);
    free(impl);
}

static int thing(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    return tg_libvirt_domain(p, c, out, size < TG_LIBVIRT_NAME_SIZE ? size : TG_LIBVIRT_NAME_SIZE, e);
}

static const struct tg_around_backend around = {
    .version = TG_AROUND_ABI,
    .name = "libvirt",
    .about = "libvirt: a snapshot of a host's virtual machine, with virsh",
    .what = TG_AROUND_SNAPSHOT,
    .params = tg_libvirt_params,
    .params_free = tg_libvirt_params_free,
    .describe = tg_libvirt_describe,
    .thing = thing,
    .mend = tg_libvirt_mend,
    .open = open_impl,
    .close = close_impl,
    .ask = ask,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "libvirt",
    .release = TG_RELEASE,
    .around = &around,
};
