/* The module "alertmanager": what op.c wants is sent with libcurl on the loop. Proxies of the environment are not used, redirects not followed. */
#include "../lib/curl_loop.h"
#include "alertmanager.h"

#include <tagout/module.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct call {
    struct tg_around_impl *impl;
    struct tg_am_op op;
    CURL *easy;
    struct curl_slist *headers;
    struct tg_curl_transfer transfer;
    char error[CURL_ERROR_SIZE];
    char *body, *answer;
    size_t len, cap;
    tg_around_fn done;
    void *data;
    struct call *next, **self;
};

struct tg_around_impl {
    struct tg_loop *loop;
    struct tg_curl *curl;
    const struct tg_around_params *params;
    struct call *first;
};

static void free_call(struct call *c)
{
    *c->self = c->next;
    if (c->next)
        c->next->self = c->self;
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->headers);
    tg_am_release(&c->op);
    free(c->body);
    free(c->answer);
    free(c);
}

/* The header that lets us in, from a file that only its owner reads. NULL: e says why. */
static char *read_auth(const char *path, struct tg_error *e)
{
    char line[2048];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        tg_fail(e, TG_E_CONFIG, "auth-file %.200s can't be read", path);
    } else if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 077)) {
        tg_fail(e, TG_E_CONFIG, "auth-file %.200s: others may read or write it, or it is somebody else's (chmod 600)", path);
    } else {
        ssize_t n = read(fd, line, sizeof line - 1);
        line[n > 0 ? n : 0] = '\0';
        line[strcspn(line, "\r\n")] = '\0';
        close(fd);
        if (strncmp(line, "Authorization: ", 15) == 0 && line[15])
            return strdup(line);
        tg_fail(e, TG_E_CONFIG, "auth-file %.200s: its first line should be \"Authorization: Bearer TOKEN\" or \"Authorization: Basic …\"", path);
        return NULL;
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static size_t take(char *bytes, size_t size, size_t n, void *data)
{
    struct call *c = data;
    size_t more = size * n;

    if (c->len + more > TG_AM_ANSWER_MAX)
        return 0; /* endless */
    if (c->len + more > c->cap) {
        size_t cap = 2 * (c->len + more) + 4096;
        char *bigger = realloc(c->answer, cap);
        if (!bigger)
            return 0;
        c->answer = bigger;
        c->cap = cap;
    }
    memcpy(c->answer + c->len, bytes, more);
    c->len += more;
    return more;
}

static bool set_up(struct call *c, const char *method, const char *path)
{
    char url[5120];
    int n = snprintf(url, sizeof url, "%s%s", c->op.params->url, path);

    curl_easy_reset(c->easy);
    c->len = 0;
    c->error[0] = '\0';
    return n > 0 && (size_t) n < sizeof url && curl_easy_setopt(c->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK && curl_easy_setopt(c->easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long) TG_AM_TURN_MS) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK && curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error) == CURLE_OK && curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c) == CURLE_OK && curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "tagout/" TG_RELEASE) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK &&
           (!c->body || curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body) == CURLE_OK) && curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

static bool send_next(struct call *c)
{
    const char *method;
    char path[4608];

    free(c->body);
    c->body = NULL;
    if (!tg_am_next(&c->op, &method, path, sizeof path, &c->body))
        return false;
    if (!set_up(c, method, path) || !tg_curl_begin(c->impl->curl, c->easy, &c->transfer)) {
        /* nothing was sent; said of every request that is left, it ends */
        do
            tg_am_heard(&c->op, TG_AM_AWAY, 0, "", 0, "it can't be asked over HTTP");
        while (c->op.phase != TG_AM_ENDED);
        return false;
    }
    return true;
}

/* Nothing was sent when there was no connection to send it on. */
static enum tg_am_came came_of(CURLcode code)
{
    if (code == CURLE_OK)
        return TG_AM_ANSWERED;
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION
               ? TG_AM_AWAY
               : TG_AM_SILENT;
}

/* What curl says of a broken connection is of little use to people. */
static void say_why(const struct call *c, CURLcode code, char *out, size_t size)
{
    if (code == CURLE_WRITE_ERROR)
        snprintf(out, size, "an endless answer");
    else if (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING)
        snprintf(out, size, "the connection ended without an answer%s", strncmp(c->op.params->url, "http:", 5) == 0 ? " (is it https there?)" : "");
    else
        snprintf(out, size, "%s%s", c->error[0] ? c->error : curl_easy_strerror(code),
                 code == CURLE_PEER_FAILED_VERIFICATION ? " (its authority has to be among those that this machine trusts, and it has to name the host of the URL)" : "");
}

/* What did not go well names whom it was asked of. */
static void finish(struct call *c)
{
    bool well = c->op.end == TG_AROUND_ABSENT || c->op.end == TG_AROUND_OURS || c->op.end == TG_AROUND_OTHERS || c->op.end == TG_AROUND_KEPT;
    char text[sizeof c->op.text + 320];

    snprintf(text, sizeof text, "%.300s%s%s", well ? "" : c->op.params->url, well ? "" : ": ", c->op.text);
    c->done(c->data, c->op.end, text, c->op.record);
}

static void on_done(void *data, CURLcode code)
{
    struct call *c = data;
    char why[CURL_ERROR_SIZE + 120];
    long status = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    say_why(c, code, why, sizeof why);
    tg_am_heard(&c->op, came_of(code), status, c->answer ? c->answer : "", c->len, why);
    if (send_next(c))
        return;
    finish(c);
    free_call(c);
}

static int set_headers(struct call *c, struct tg_error *e)
{
    c->headers = curl_slist_append(c->headers, "Content-Type: application/json");
    if (c->op.params->auth_file) {
        char *auth = read_auth(c->op.params->auth_file, e);
        if (!auth)
            return TG_E_CONFIG;
        c->headers = curl_slist_append(c->headers, auth);
        free(auth);
    }
    return c->headers ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int ask(struct tg_around_impl *impl, enum tg_around_verb verb, const struct tg_around_context *context, tg_around_fn done, void *data, struct tg_error *e)
{
    struct call *c = calloc(1, sizeof *c);
    int rc;

    if (!c || !(c->easy = curl_easy_init())) {
        free(c);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *c = (struct call) {.impl = impl, .easy = c->easy, .done = done, .data = data, .transfer = {on_done, c}, .next = impl->first, .self = &impl->first};
    if (c->next)
        c->next->self = &c->next;
    impl->first = c;
    rc = tg_am_begin(&c->op, impl->params, verb, context, e);
    if (!rc)
        rc = set_headers(c, e);
    if (!rc && !send_next(c))
        rc = tg_fail(e, TG_E_DATA, "%.200s can't be asked over HTTP", impl->params->url);
    if (rc)
        free_call(c);
    return rc;
}

static int open_impl(struct tg_loop *loop, const struct tg_around_params *params, struct tg_around_impl **out, struct tg_error *e)
{
    struct tg_around_impl *impl = calloc(1, sizeof *impl);
    int rc;

    if (!impl)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = loop;
    impl->params = params;
    if ((rc = tg_curl_open(loop, &impl->curl, e)) != 0) {
        free(impl);
        return rc;
    }
    *out = impl;
    return 0;
}

static void close_impl(struct tg_around_impl *impl)
{
    if (!impl)
        return;
    while (impl->first) {
        tg_curl_cancel(impl->curl, impl->first->easy);
        free_call(impl->first);
    }
    tg_curl_close(impl->curl);
    free(impl);
}

static const struct tg_around_backend around = {
    .version = TG_AROUND_ABI,
    .name = "alertmanager",
    .about = "Alertmanager: a silence for a host's alarms, renewed while it is worked at",
    .what = TG_AROUND_SILENCE,
    .params = tg_am_params,
    .params_free = tg_am_params_free,
    .describe = tg_am_describe,
    .thing = NULL, /* silences lie beside each other */
    .mend = tg_am_mend,
    .open = open_impl,
    .close = close_impl,
    .ask = ask,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "alertmanager",
    .release = TG_RELEASE,
    .around = &around,
};
