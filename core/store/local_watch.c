/*
 * The embedded store's watches: each keeps the state that it was armed on, and is compared with what is there now whenever
 * something may have been committed. What was created and deleted again in between is not noticed. See local_internal.h.
 */
#include "base/log.h"
#include "store/local_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* The net below inotify: a missed event costs at most this. Without inotify it is all there is. */
#define POLL_MS 500
#define POLL_ALONE_MS 50
/* The kernel tells of a file's last close a moment before it gives its lock up: look again a few times. */
#define RECHECKS 6

#define BUMP "bump"

int tg_local_watch_arm(struct tg_store_impl *s, const struct lrequest *rq, const struct tg_stat *was, struct tg_error *e)
{
    struct lwatch *w = calloc(1, sizeof *w);

    if (!w || !(w->path = strdup(rq->path))) {
        free(w);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    w->of_children = rq->verb == LOCAL_LIST;
    w->absent = was == NULL;
    if (was)
        w->was = *was;
    w->fn = rq->watch;
    w->data = rq->watch_data;
    w->next = s->watches;
    s->watches = w;
    tg_local_listen(s);
    return 0;
}

static void free_watch(struct lwatch *w)
{
    free(w->path);
    free(w);
}

static void end_in(struct lwatch **at, tg_watch_fn fn, const void *data)
{
    while (*at) {
        struct lwatch *w = *at;
        if (w->fn != fn || w->data != data) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        free_watch(w);
    }
}

void tg_local_watch_end(struct tg_store_impl *s, tg_watch_fn fn, const void *data)
{
    end_in(&s->watches, fn, data);
    end_in(&s->fired, fn, data);
}

void tg_local_watch_lost(struct tg_store_impl *s)
{
    while (s->watches) {
        struct lwatch *w = s->watches;
        s->watches = w->next;
        w->fn(w->data, TG_WATCH_LOST, w->path);
        free_watch(w);
    }
}

/* Has it happened? */
static bool has_fired(const struct lwatch *w, bool there, const struct tg_stat *now, enum tg_watch_event *event)
{
    if (w->absent) {
        *event = TG_WATCH_CREATED;
        return there;
    }
    if (!there || now->created_txid != w->was.created_txid) {
        *event = TG_WATCH_DELETED;
        return true;
    }
    *event = TG_WATCH_CHANGED;
    return w->of_children ? now->children_txid != w->was.children_txid : now->version != w->was.version;
}

int tg_local_watch_compare(struct tg_store_impl *s, struct tg_error *e)
{
    struct tg_stat now;
    int64_t txid = 0;
    int rc = s->watches ? tg_local_txid(s, &txid, e) : 0;

    if (rc || !s->watches || txid == s->watched_txid)
        return rc;
    for (struct lwatch **at = &s->watches; *at;) {
        struct lwatch *w = *at;
        enum tg_watch_event event;
        rc = tg_local_stat(s, w->path, &now, e);
        if (rc && rc != TG_E_NOENT)
            return rc;
        if (!has_fired(w, rc == 0, &now, &event)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->event = event;
        w->next = s->fired;
        s->fired = w;
    }
    s->watched_txid = txid;
    while (s->fired) {
        struct lwatch *w = s->fired;
        s->fired = w->next;
        w->fn(w->data, w->event, w->path);
        free_watch(w);
    }
    return 0;
}

static int open_bump(const struct tg_store_impl *s)
{
    char file[PATH_MAX];

    snprintf(file, sizeof file, "%s/" BUMP, s->folder);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd >= 0)
        fchmod(fd, 0660); /* whatever the umask; fails when it is another's, who has done it */
    return fd;
}

void tg_local_bump(struct tg_store_impl *s, int64_t txid)
{
    if (s->bump_fd < 0 && (s->bump_fd = open_bump(s)) < 0 && tg_local_folder(s, NULL) == 0)
        s->bump_fd = open_bump(s);
    if (s->bump_fd < 0 || pwrite(s->bump_fd, &txid, sizeof txid, 0) != (ssize_t) sizeof txid)
        tg_log(TG_LOG_DEBUG, "local", "%s/" BUMP ": %s; others notice the change a little later", s->folder, strerror(errno));
}

static void on_inotify(uv_poll_t *handle, int status, int events)
{
    struct tg_store_impl *s = handle->data;
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t n = read(s->inotify_fd, buffer, sizeof buffer); /* what is left makes it ready again */

    (void) events;
    if (status < 0 || (n < 0 && errno != EAGAIN)) {
        tg_log(TG_LOG_WARN, "local", "%s: inotify has failed; polling", s->folder);
        uv_poll_stop(handle);
    }
    for (ssize_t at = 0; at < n;) {
        struct inotify_event ev;
        memcpy(&ev, buffer + at, sizeof ev);
        const char *name = ev.len ? buffer + at + sizeof ev : "";
        if (ev.mask & IN_CLOSE_WRITE && strcmp(name, BUMP) != 0)
            s->rechecks = RECHECKS;
        at += (ssize_t) (sizeof ev + ev.len);
    }
    tg_timer_start(s->pump, 0);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static int start_inotify(struct tg_store_impl *s)
{
    uv_loop_t *uv = tg_loop_uv(s->loop);
    uint32_t mask = IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

    if (!uv || tg_local_folder(s, NULL) != 0)
        return -1;
    s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->inotify_fd < 0 || inotify_add_watch(s->inotify_fd, s->folder, mask) < 0)
        return -1;
    if (!(s->inotify = malloc(sizeof *s->inotify)))
        return -1;
    if (uv_poll_init(uv, s->inotify, s->inotify_fd) != 0) {
        free(s->inotify);
        s->inotify = NULL;
        return -1;
    }
    s->inotify->data = s;
    return uv_poll_start(s->inotify, UV_READABLE, on_inotify);
}

static void stop_inotify(struct tg_store_impl *s)
{
    if (s->inotify) {
        uv_poll_stop(s->inotify);
        uv_close((uv_handle_t *) s->inotify, free_handle);
        s->inotify = NULL;
    }
    if (s->inotify_fd >= 0)
        close(s->inotify_fd);
    s->inotify_fd = -1;
}

void tg_local_listen(struct tg_store_impl *s)
{
    if (!s->listens && start_inotify(s) != 0) {
        tg_log(TG_LOG_DEBUG, "local", "%s: no inotify (%s); polling", s->folder, strerror(errno));
        stop_inotify(s);
    }
    s->listens = true;
    tg_timer_start(s->poll, s->rechecks > 0 ? 1 << (RECHECKS - s->rechecks) : s->inotify ? POLL_MS : POLL_ALONE_MS);
}

void tg_local_listen_end(struct tg_store_impl *s)
{
    stop_inotify(s);
    if (s->bump_fd >= 0)
        close(s->bump_fd);
    s->bump_fd = -1;
}
