/* libcurl's multi interface on the loop: see curl_loop.h. */
#include "curl_loop.h"

#include <stdlib.h>
#include <uv.h>

struct tg_curl {
    struct tg_loop *loop;
    uv_loop_t *uv;
    CURLM *multi;
    uv_timer_t timer;
    int handles; /* of libuv, still open */
};

struct socket_watch {
    struct tg_curl *curl;
    uv_poll_t poll;
    curl_socket_t fd;
};

static void look_for_ends(struct tg_curl *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left)) != NULL)
        if (m->msg == CURLMSG_DONE) {
            struct tg_curl_transfer *t = NULL;
            CURLcode code = m->data.result;
            CURL *easy = m->easy_handle;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &t);
            curl_multi_remove_handle(c->multi, easy);
            t->done(t->data, code);
        }
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *w = poll->data;
    struct tg_curl *c = w->curl;
    int flags = status < 0 ? CURL_CSELECT_ERR : ((events & UV_READABLE) ? CURL_CSELECT_IN : 0) | ((events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(c->multi, w->fd, flags, &running);
    look_for_ends(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct tg_curl *c = timer->data;
    int running;

    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_ends(c);
}

static int want_timer(CURLM *multi, long ms, void *data)
{
    struct tg_curl *c = data;

    (void) multi;
    if (ms < 0)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, ms ? (uint64_t) ms : 1, 0); /* never from within: curl is not re-entrant */
    return 0;
}

static void watch_closed(uv_handle_t *handle)
{
    struct socket_watch *w = handle->data;

    w->curl->handles--;
    free(w);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct tg_curl *c = data;
    struct socket_watch *w = socket_data;

    (void) easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(c->multi, fd, NULL);
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *) &w->poll, watch_closed);
        }
        return 0;
    }
    if (!w) {
        if (!(w = calloc(1, sizeof *w)) || uv_poll_init_socket(c->uv, &w->poll, fd) != 0) {
            free(w);
            return -1;
        }
        w->curl = c;
        w->fd = fd;
        w->poll.data = w;
        c->handles++;
        curl_multi_assign(c->multi, fd, w);
    }
    uv_poll_start(&w->poll, ((what & CURL_POLL_IN) ? UV_READABLE : 0) | ((what & CURL_POLL_OUT) ? UV_WRITABLE : 0), on_socket);
    return 0;
}

int tg_curl_open(struct tg_loop *loop, struct tg_curl **out, struct tg_error *e)
{
    struct tg_curl *c;

    if (!tg_loop_uv(loop))
        return tg_fail(e, TG_E_BUG, "http can't be asked on a virtual loop");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return tg_fail(e, TG_E_CONFIG, "libcurl does not start");
    if (!(c = calloc(1, sizeof *c)) || !(c->multi = curl_multi_init())) {
        free(c);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    c->loop = loop;
    c->uv = tg_loop_uv(loop);
    uv_timer_init(c->uv, &c->timer);
    c->timer.data = c;
    c->handles = 1;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 256L);
    *out = c;
    return 0;
}

static void timer_closed(uv_handle_t *handle)
{
    ((struct tg_curl *) handle->data)->handles--;
}

void tg_curl_close(struct tg_curl *c)
{
    if (!c)
        return;
    curl_multi_cleanup(c->multi);
    uv_close((uv_handle_t *) &c->timer, timer_closed);
    while (c->handles > 0)
        tg_loop_turn_anyway(c->loop, 0);
    free(c);
    curl_global_cleanup();
}

bool tg_curl_begin(struct tg_curl *c, CURL *easy, struct tg_curl_transfer *t)
{
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, t) == CURLE_OK && curl_multi_add_handle(c->multi, easy) == CURLM_OK;
}

void tg_curl_cancel(struct tg_curl *c, CURL *easy)
{
    curl_multi_remove_handle(c->multi, easy);
}
