/*
 * The probe "http": one GET, judged by its status ("expect": 200, or a list) and, when asked for, by a text in its body
 * ("contains"); or a connection alone (tcp://HOST:PORT); or a metric (metric.h), in one GET or, compared with what it was, two. libcurl's multi interface on the loop. Redirects are not followed unless "follow: true": a health page that
 * redirects to a login is no health page. Nothing is sent but the request; proxies of the environment are not used.
 */
#include "../lib/curl_loop.h"
#include "metric.h"

#include <tagout/module.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 65536 /* bytes that are kept to look for "contains"; a health page is small */

struct ask {
    struct tg_probe_impl *probe;
    CURL *easy;
    struct tg_curl_transfer transfer;
    struct ask *next, **self;
    tg_probe_fn done;
    void *data;
    long expect[16];
    size_t n_expect;
    char *contains;
    bool connects;           /* and no more: TCP */
    struct tg_metric metric; /* query NULL: none is asked for */
    char *api;               /* of the Prometheus, with the query: "…/api/v1/query?query=…" */
    char error[CURL_ERROR_SIZE];
    char body[BODY_MAX + 1];
    size_t body_len;
};

struct tg_probe_impl {
    struct tg_curl *curl;
    struct ask *first;
};

static void free_ask(struct ask *a)
{
    curl_easy_cleanup(a->easy);
    tg_metric_release(&a->metric);
    free(a->contains);
    free(a->api);
    free(a);
}

static void answer(struct ask *a, enum tg_verdict verdict, const char *text)
{
    *a->self = a->next;
    if (a->next)
        a->next->self = a->self;
    a->done(a->data, verdict, text);
    free_ask(a);
}

static bool expected(const struct ask *a, long status)
{
    for (size_t i = 0; i < a->n_expect; i++)
        if (a->expect[i] == status)
            return true;
    return a->n_expect == 0 && status == 200;
}

/* Of a Prometheus: what it is now, or what it was before. */
static bool set_question(struct ask *a)
{
    char url[8192], time[48] = "";

    if (tg_metric_wants_before(&a->metric))
        snprintf(time, sizeof time, "&time=%lld.%03d", (long long) (a->metric.before_ms / 1000), (int) (a->metric.before_ms % 1000));
    int n = snprintf(url, sizeof url, "%s%s", a->api, time);
    a->body_len = 0;
    a->body[0] = a->error[0] = '\0';
    return n > 0 && (size_t) n < sizeof url && curl_easy_setopt(a->easy, CURLOPT_URL, url) == CURLE_OK; /* curl copies it */
}

static void judge_metric(struct ask *a, CURLcode code)
{
    char why[256], text[sizeof why + 300];
    bool was = tg_metric_wants_before(&a->metric);
    long status = 0;
    double value = 0;

    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || !tg_metric_number(status, a->body, a->body_len, &value, why, sizeof why)) {
        if (code != CURLE_OK)
            snprintf(why, sizeof why, "%.200s", a->body_len == BODY_MAX ? "an endless answer" : a->error[0] ? a->error : curl_easy_strerror(code));
        snprintf(text, sizeof text, "%.100s%s: %s", a->metric.query, was ? " before the change" : "", why);
        answer(a, TG_VERDICT_INCONCLUSIVE, text);
    } else if (was) {
        a->metric.before = value;
        a->metric.knows_before = true;
        if (!set_question(a) || !tg_curl_begin(a->probe->curl, a->easy, &a->transfer))
            answer(a, TG_VERDICT_INCONCLUSIVE, "it can't be asked a second time");
    } else {
        enum tg_verdict verdict = tg_metric_judge(&a->metric, value, why, sizeof why);
        snprintf(text, sizeof text, "%.100s is %s", a->metric.query, why);
        answer(a, verdict, text);
    }
}

static void judge_connection(struct ask *a, CURLcode code)
{
    char text[CURL_ERROR_SIZE];

    snprintf(text, sizeof text, "%s", code == CURLE_OK ? "connected" : a->error[0] ? a->error : curl_easy_strerror(code));
    answer(a, code == CURLE_OK ? TG_VERDICT_PASS : TG_VERDICT_FAIL, text);
}

static void judge_page(struct ask *a, CURLcode code)
{
    char text[CURL_ERROR_SIZE + 128];
    long status = 0;
    char *url = NULL;

    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(a->easy, CURLINFO_EFFECTIVE_URL, &url);
    bool enough = code == CURLE_WRITE_ERROR && a->body_len == BODY_MAX; /* the page went on: what we kept decides */
    if (code != CURLE_OK && !enough)
        snprintf(text, sizeof text, "%s: %.80s", a->error[0] ? a->error : curl_easy_strerror(code), url ? url : "");
    else if (!expected(a, status))
        snprintf(text, sizeof text, "%ld on %.100s", status, url ? url : "");
    else if (a->contains && !strstr(a->body, a->contains))
        snprintf(text, sizeof text, "%ld on %.80s, but without \"%.40s\"", status, url ? url : "", a->contains);
    else {
        snprintf(text, sizeof text, "%ld", status);
        answer(a, TG_VERDICT_PASS, text);
        return;
    }
    answer(a, TG_VERDICT_FAIL, text);
}

static void judge(struct ask *a, CURLcode code)
{
    if (a->metric.query)
        judge_metric(a, code);
    else if (a->connects)
        judge_connection(a, code);
    else
        judge_page(a, code);
}

static void on_done(void *data, CURLcode code)
{
    judge(data, code);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *data)
{
    struct ask *a = data;
    size_t len = size * n, room = BODY_MAX - a->body_len;

    memcpy(a->body + a->body_len, bytes, len < room ? len : room);
    a->body_len += len < room ? len : room;
    a->body[a->body_len] = '\0';
    return len <= room ? len : 0; /* an endless page ends here */
}

static int probe_open(struct tg_loop *loop, struct tg_probe_impl **out, struct tg_error *e)
{
    struct tg_probe_impl *p = calloc(1, sizeof *p);
    int rc = p ? tg_curl_open(loop, &p->curl, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (rc) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void probe_close(struct tg_probe_impl *p)
{
    if (!p)
        return;
    while (p->first) {
        tg_curl_cancel(p->curl, p->first->easy);
        answer(p->first, TG_VERDICT_INCONCLUSIVE, "given up");
    }
    tg_curl_close(p->curl);
    free(p);
}

static int read_page(struct ask *a, const json_t *options, struct tg_error *e)
{
    const json_t *expect = json_object_get(options, "expect");
    const char *contains = json_string_value(json_object_get(options, "contains"));

    if (json_is_integer(expect))
        a->expect[a->n_expect++] = (long) json_integer_value(expect);
    for (size_t i = 0; i < json_array_size(expect) && a->n_expect < sizeof a->expect / sizeof a->expect[0]; i++)
        a->expect[a->n_expect++] = (long) json_integer_value(json_array_get(expect, i));
    return !contains || (a->contains = strdup(contains)) ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int read_metric(struct ask *a, const char *at, const json_t *options, struct tg_error *e)
{
    int rc = tg_metric_read(options, &a->metric, e);
    size_t size = 0, len = strlen(at);

    if (rc)
        return rc;
    while (len > 0 && at[len - 1] == '/')
        len--;
    char *query = curl_easy_escape(a->easy, a->metric.query, 0);
    if (query && (a->api = malloc(size = len + strlen(query) + 64)) != NULL)
        snprintf(a->api, size, "%.*s/api/v1/query?query=%s", (int) len, at, query);
    curl_free(query);
    return a->api ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static bool set_up(struct ask *a, const json_t *options, int64_t timeout_ms)
{
    CURL *c = a->easy;

    return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, json_is_true(json_object_get(options, "follow")) ? 1L : 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long) timeout_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, a->connects ? 1L : 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, a->error) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, a) == CURLE_OK && curl_easy_setopt(c, CURLOPT_USERAGENT, "tagout/" TG_RELEASE) == CURLE_OK;
}

/* One of the three kinds of question, in what is to be sent first. */
static int prepare(struct ask *a, const char *what, const json_t *options, int64_t timeout_ms, struct tg_error *e)
{
    char url[512];
    bool metric = json_object_get(options, "query") != NULL;
    int rc = metric ? read_metric(a, what, options, e) : read_page(a, options, e);

    if (rc)
        return rc;
    a->connects = !metric && strncmp(what, "tcp://", 6) == 0;
    int n = a->connects ? snprintf(url, sizeof url, "http://%s", what + 6) : 0;
    bool fine = n >= 0 && (size_t) n < sizeof url && set_up(a, options, tg_metric_wants_before(&a->metric) ? timeout_ms / 2 + 1 : timeout_ms) &&
                (metric ? set_question(a) : curl_easy_setopt(a->easy, CURLOPT_URL, a->connects ? url : what) == CURLE_OK);
    return fine ? 0 : tg_fail(e, TG_E_DATA, "\"%.100s\" can't be asked over HTTP", what);
}

static int probe_ask(struct tg_probe_impl *p, const char *what, const json_t *options, int64_t timeout_ms, tg_probe_fn done, void *data,
                     struct tg_error *e)
{
    struct ask *a = calloc(1, sizeof *a);
    int rc;

    if (!a || !(a->easy = curl_easy_init())) {
        free(a);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    a->probe = p;
    a->transfer = (struct tg_curl_transfer) {on_done, a};
    a->done = done;
    a->data = data;
    rc = prepare(a, what, options, timeout_ms, e);
    if (!rc && !tg_curl_begin(p->curl, a->easy, &a->transfer))
        rc = tg_fail(e, TG_E_DATA, "\"%.100s\" can't be asked over HTTP", what);
    if (rc) {
        free_ask(a);
        return rc;
    }
    a->next = p->first;
    a->self = &p->first;
    if (a->next)
        a->next->self = &a->next;
    p->first = a;
    return 0;
}

static const struct tg_probe_backend probe = {
    .version = TG_PROBE_ABI,
    .name = "http",
    .about = "HTTP status and content",
    .open = probe_open,
    .close = probe_close,
    .ask = probe_ask,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "http",
    .release = TG_RELEASE,
    .probe = &probe,
};
