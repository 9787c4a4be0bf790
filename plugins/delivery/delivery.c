/*
 * The module "delivery": mails over SMTP, calls of webhooks; libcurl. libcurl waits for the answer to a mail's end (and for the DNS) without leaving the call,
 * for minutes if need be, in which the store's session would end: so each job runs in a thread, which shares with the loop only what stands in its
 * struct, under its lock. Proxies and passwords of the environment are not used, redirects not followed.
 */
#include "judge.h"

#include <tagout/module.h>

#include <idn2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define CONNECT_S 30L
#define ANSWER_MAX 65536  /* bytes of a page, or of all that a mail server says, that we listen to */
#define TEXT_SIZE 400

struct tg_delivery_job {
    struct tg_delivery_impl *impl;
    /* Set before the thread starts, then its own. */
    bool is_mail;
    char *bytes;
    size_t len, at;
    struct curl_slist *list;           /* recipients, or headers */
    char error[CURL_ERROR_SIZE], reply_text[TEXT_SIZE];
    enum smtp_stage stage;
    long reply;
    size_t heard;
    bool quits;                        /* what it says from here on is about that */
    bool drops_now;                    /* the server says more than we listen to */
    bool needs_utf8, offers_utf8;      /* SMTPUTF8: for this address; by the server, as it said last */
    bool lacks_utf8;
    /* Of both, under the lock. */
    bool ready, told_ready, finish, cancelled, over;
    enum tg_delivered outcome;
    char text[TEXT_SIZE + CURL_ERROR_SIZE];
    /* The loop's. */
    void (*on_ready)(void *data);
    tg_delivered_fn done;
    void *data;
    pthread_t thread;
};

struct tg_delivery_impl {
    struct tg_loop *loop;
    uv_async_t wake;
    bool closed;
    CURL *easy;                        /* keeps its connection from job to job */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct tg_delivery_job *job;
};

static void free_job(struct tg_delivery_job *j)
{
    if (!j)
        return;
    curl_slist_free_all(j->list);
    free(j->bytes);
    free(j);
}

/* ---- the thread ---- */

/* All but the end is there: may it end? Waits for the loop's word. */
static bool may_finish(struct tg_delivery_job *j)
{
    struct tg_delivery_impl *d = j->impl;

    pthread_mutex_lock(&d->lock);
    j->ready = true;
    uv_async_send(&d->wake);
    while (!j->finish && !j->cancelled)
        pthread_cond_wait(&d->moved, &d->lock);
    bool may = !j->cancelled;
    pthread_mutex_unlock(&d->lock);
    return may;
}

static size_t give_bytes(char *out, size_t size, size_t n, void *data)
{
    struct tg_delivery_job *j = data;
    size_t len = size * n < j->len - j->at ? size * n : j->len - j->at;

    if (!len && j->is_mail && j->stage != STAGE_END) {
        if (!may_finish(j))
            return CURL_READFUNC_ABORT;
        j->stage = STAGE_END;
        j->reply = 0;
    }
    memcpy(out, j->bytes + j->at, len);
    j->at += len;
    return len;
}

/* A line of the server's: "250-mail.example.com" … */
static size_t take_reply(char *bytes, size_t size, size_t n, void *data)
{
    struct tg_delivery_job *j = data;
    size_t len = size * n, keep = len < sizeof j->reply_text ? len : sizeof j->reply_text - 1;

    j->heard += len;
    j->drops_now = j->drops_now || j->heard > ANSWER_MAX;
    if (j->quits)
        return j->drops_now ? 0 : len;
    if (j->stage == STAGE_BEFORE)
        j->offers_utf8 = j->offers_utf8 || reply_offers(bytes, len, "SMTPUTF8");
    j->lacks_utf8 = j->needs_utf8 && j->stage > STAGE_BEFORE && !j->offers_utf8;
    if (j->lacks_utf8)
        return 0;
    if (len >= 3 && bytes[0] >= '2' && bytes[0] <= '5' && strspn(bytes, "0123456789") >= 3)
        j->reply = strtol((char[4]) {bytes[0], bytes[1], bytes[2], '\0'}, NULL, 10);
    memcpy(j->reply_text, bytes, keep);
    j->reply_text[keep] = '\0';
    j->reply_text[strcspn(j->reply_text, "\r\n")] = '\0';
    return j->drops_now ? 0 : len;
}

static size_t take_page(char *bytes, size_t size, size_t n, void *data)
{
    struct tg_delivery_job *j = data;

    (void) bytes;
    j->heard += size * n;
    return j->heard > ANSWER_MAX ? 0 : size * n; /* the status is known already */
}

/* libcurl keeps header lines for whom may ask for them: a server without end would fill the memory. */
static size_t take_header(char *bytes, size_t size, size_t n, void *data)
{
    struct tg_delivery_job *j = data;

    (void) bytes;
    j->heard += size * n;
    j->drops_now = j->drops_now || j->heard > ANSWER_MAX;
    return j->drops_now ? 0 : size * n;
}

/* Which command is the answer to come of? Looks at the first letters of what is sent; passwords pass here, and are not kept. */
static int take_command(CURL *easy, curl_infotype what, char *bytes, size_t len, void *data)
{
    static const struct {
        const char *verb;
        enum smtp_stage stage;
    } verbs[] = {{"MAIL ", STAGE_MAIL}, {"RCPT ", STAGE_RCPT}, {"DATA", STAGE_DATA}};
    struct tg_delivery_job *j = data;

    (void) easy;
    if (what == CURLINFO_HEADER_OUT && len >= 4 && strncasecmp(bytes, "EHLO", 4) == 0)
        j->offers_utf8 = false; /* what is offered before STARTTLS counts for nothing */
    for (size_t i = 0; what == CURLINFO_HEADER_OUT && i < sizeof verbs / sizeof verbs[0]; i++)
        if (len >= strlen(verbs[i].verb) && strncasecmp(bytes, verbs[i].verb, strlen(verbs[i].verb)) == 0) {
            j->stage = verbs[i].stage;
            j->reply = 0;
        }
    j->quits = j->quits || (what == CURLINFO_HEADER_OUT && len >= 4 && strncasecmp(bytes, "QUIT", 4) == 0);
    return 0;
}

static int look_up(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct tg_delivery_job *j = data;

    (void) a, (void) b, (void) c, (void) d;
    pthread_mutex_lock(&j->impl->lock);
    bool stop = j->cancelled;
    pthread_mutex_unlock(&j->impl->lock);
    return stop || j->drops_now;
}

static void say(struct tg_delivery_job *j, CURLcode code, long status)
{
    const char *trouble = j->error[0] ? j->error : curl_easy_strerror(code);
    long verdict = 0;

    curl_easy_getinfo(j->impl->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    const char *mend = mend_of(code, verdict, trouble);
    if (!j->is_mail && status)
        snprintf(j->text, sizeof j->text, "HTTP status %ld", status);
    else if (j->drops_now)
        snprintf(j->text, sizeof j->text, "the server says more than it may");
    else if (j->lacks_utf8)
        snprintf(j->text, sizeof j->text, "the mail server takes no address with other letters before the \"@\" than ASCII: it offers no SMTPUTF8");
    else if (mend[0])
        snprintf(j->text, sizeof j->text, "%s; %s", trouble, mend);
    else if (j->is_mail && j->reply && j->reply_text[0])
        snprintf(j->text, sizeof j->text, "%s", j->reply_text);
    else
        snprintf(j->text, sizeof j->text, "%s", trouble);
}

static enum tg_delivered judge(const struct tg_delivery_job *j, CURLcode code, long status)
{
    enum tg_delivered outcome = j->lacks_utf8 ? TG_DELIVERY_REFUSED : j->is_mail ? judge_mail(code, j->stage, j->reply) : judge_post(code, status);

    return j->cancelled && outcome != TG_DELIVERED && j->stage != STAGE_END ? TG_DELIVERY_AGAIN : outcome;
}

static void *work(void *data)
{
    struct tg_delivery_job *j = data;
    struct tg_delivery_impl *d = j->impl;
    long status = 0;
    CURLcode code = curl_easy_perform(d->easy);

    if (!j->is_mail)
        curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    pthread_mutex_lock(&d->lock);
    j->outcome = judge(j, code, status);
    say(j, code, status);
    j->over = true;
    uv_async_send(&d->wake);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- the loop ---- */

static void on_wake(uv_async_t *wake)
{
    struct tg_delivery_impl *d = wake->data;
    struct tg_delivery_job *j = d->job;

    if (!j)
        return;
    pthread_mutex_lock(&d->lock);
    bool over = j->over, ready = j->ready && !j->told_ready;
    j->told_ready = j->told_ready || ready;
    pthread_mutex_unlock(&d->lock);
    if (ready && !over)
        j->on_ready(j->data);
    if (!over)
        return;
    pthread_join(j->thread, NULL);
    d->job = NULL;
    j->done(j->data, j->outcome, j->text);
    free_job(j);
}

static void move(struct tg_delivery_job *j, bool *flag)
{
    pthread_mutex_lock(&j->impl->lock);
    *flag = true;
    pthread_cond_broadcast(&j->impl->moved);
    pthread_mutex_unlock(&j->impl->lock);
}

static void delivery_finish(struct tg_delivery_job *j)
{
    move(j, &j->finish);
}

static void delivery_cancel(struct tg_delivery_job *j)
{
    move(j, &j->cancelled);
}

static int delivery_open(struct tg_loop *loop, struct tg_delivery_impl **out, struct tg_error *e)
{
    struct tg_delivery_impl *d;

    if (!tg_loop_uv(loop))
        return tg_fail(e, TG_E_BUG, "nothing can be delivered on a virtual loop");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return tg_fail(e, TG_E_CONFIG, "libcurl does not start");
    if (!(d = calloc(1, sizeof *d)) || !(d->easy = curl_easy_init())) {
        free(d);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    d->loop = loop;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->moved, NULL);
    uv_async_init(tg_loop_uv(loop), &d->wake, on_wake);
    d->wake.data = d;
    *out = d;
    return 0;
}

static void wake_closed(uv_handle_t *handle)
{
    ((struct tg_delivery_impl *) handle->data)->closed = true;
}

static void delivery_close(struct tg_delivery_impl *d)
{
    if (!d)
        return;
    uv_close((uv_handle_t *) &d->wake, wake_closed);
    while (!d->closed)
        tg_loop_turn_anyway(d->loop, 0);
    curl_easy_cleanup(d->easy);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->moved);
    free(d);
    curl_global_cleanup();
}

/* ---- addresses ---- */

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char) *text < 128)
        text++;
    return !*text;
}

static int delivery_spell(const char *address, char *out, size_t size, struct tg_error *e)
{
    const char *at = strrchr(address, '@');
    char *domain = NULL;
    int rc = at ? idn2_to_ascii_8z(at + 1, &domain, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) : IDN2_INVALID_NONTRANSITIONAL;

    if (rc != IDN2_OK)
        return rc == IDN2_MALLOC ? tg_fail(e, TG_E_MEMORY, "out of memory") : tg_fail(e, TG_E_DATA, "the domain of %.100s is none: %s", address, idn2_strerror(rc));
    int n = snprintf(out, size, "%.*s@%s", (int) (at - address), address, domain);
    idn2_free(domain);
    return n > 0 && (size_t) n < size ? 0 : tg_fail(e, TG_E_DATA, "%.100s… is too long an address", address);
}

/* ---- jobs ---- */

static int new_job(struct tg_delivery_impl *d, const void *bytes, size_t len, tg_delivered_fn done, void *data, struct tg_delivery_job **out, struct tg_error *e)
{
    if (d->job)
        return tg_fail(e, TG_E_BUG, "one delivery at a time");
    struct tg_delivery_job *j = calloc(1, sizeof *j);
    if (!j || !(j->bytes = malloc(len + 1))) {
        free_job(j);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    memcpy(j->bytes, bytes, len);
    j->len = len;
    j->impl = d;
    j->done = done;
    j->data = data;
    *out = j;
    return 0;
}

static bool set_common(CURL *c, struct tg_delivery_job *j, const char *protocols, const char *ca_file, int64_t timeout_ms)
{
    curl_easy_reset(c); /* connections stay */
    return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK && curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long) timeout_ms) == CURLE_OK && curl_easy_setopt(c, CURLOPT_ERRORBUFFER, j->error) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) == CURLE_OK && curl_easy_setopt(c, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) == CURLE_OK &&
           (!ca_file || (curl_easy_setopt(c, CURLOPT_CAINFO, ca_file) == CURLE_OK && curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK)) && curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_up) == CURLE_OK && curl_easy_setopt(c, CURLOPT_XFERINFODATA, j) == CURLE_OK;
}

static bool set_mail(CURL *c, struct tg_delivery_job *j, const struct tg_delivery_mail *m)
{
    char url[600], from[300], to[300];
    int n = snprintf(url, sizeof url, "%s%s%s", m->url, m->helo ? "/" : "", m->helo ? m->helo : "");

    snprintf(from, sizeof from, "<%s>", m->from);
    snprintf(to, sizeof to, "<%s>", m->to);
    j->list = curl_slist_append(NULL, to);
    return n > 0 && (size_t) n < sizeof url && j->list && curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAIL_RCPT, j->list) == CURLE_OK && curl_easy_setopt(c, CURLOPT_USE_SSL, (long) (m->plain ? CURLUSESSL_NONE : CURLUSESSL_ALL)) == CURLE_OK &&
           (!m->user || curl_easy_setopt(c, CURLOPT_USERNAME, m->user) == CURLE_OK) && (!m->password || curl_easy_setopt(c, CURLOPT_PASSWORD, m->password) == CURLE_OK) &&
           curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_READFUNCTION, give_bytes) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_READDATA, j) == CURLE_OK && curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t) -1) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long) (m->timeout_ms / 1000)) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_reply) == CURLE_OK && curl_easy_setopt(c, CURLOPT_HEADERDATA, j) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_VERBOSE, 1L) == CURLE_OK && curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, take_command) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DEBUGDATA, j) == CURLE_OK;
}

/* Signals are the loop's. */
static int start(struct tg_delivery_job *j, struct tg_delivery_job **out, struct tg_error *e)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&j->thread, NULL, work, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        free_job(j);
        return tg_fail_errno(e, TG_E_SYSTEM, rc, "no thread could be started");
    }
    j->impl->job = j;
    *out = j;
    return 0;
}

static int delivery_mail(struct tg_delivery_impl *d, const struct tg_delivery_mail *m, void (*on_ready)(void *data), tg_delivered_fn done, void *data,
                         struct tg_delivery_job **out, struct tg_error *e)
{
    struct tg_delivery_job *j;
    int rc = new_job(d, m->bytes, m->len, done, data, &j, e);

    if (rc)
        return rc;
    j->is_mail = true;
    j->needs_utf8 = !is_ascii(m->to);
    j->on_ready = on_ready;
    if (!set_common(d->easy, j, "smtp,smtps", m->ca_file, m->timeout_ms) || !set_mail(d->easy, j, m)) {
        free_job(j);
        return tg_fail(e, TG_E_CONFIG, "\"%.100s\" is nothing that libcurl sends mail to", m->url);
    }
    return start(j, out, e);
}

static bool set_post(CURL *c, struct tg_delivery_job *j, const struct tg_delivery_post *p)
{
    for (const char *const *h = p->headers; *h; h++) {
        struct curl_slist *list = curl_slist_append(j->list, *h);
        if (!list)
            return false;
        j->list = list;
    }
    return curl_easy_setopt(c, CURLOPT_URL, p->url) == CURLE_OK && curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDS, j->bytes) == CURLE_OK && curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) j->len) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, j->list) == CURLE_OK && curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK && curl_easy_setopt(c, CURLOPT_HEADERDATA, j) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_page) == CURLE_OK && curl_easy_setopt(c, CURLOPT_WRITEDATA, j) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "tagout/" TG_RELEASE) == CURLE_OK;
}

static int delivery_post(struct tg_delivery_impl *d, const struct tg_delivery_post *p, tg_delivered_fn done, void *data, struct tg_delivery_job **out, struct tg_error *e)
{
    struct tg_delivery_job *j;
    int rc = new_job(d, p->bytes, p->len, done, data, &j, e);

    if (rc)
        return rc;
    if (!set_common(d->easy, j, "http,https", p->ca_file, p->timeout_ms) || !set_post(d->easy, j, p)) {
        free_job(j);
        return tg_fail(e, TG_E_CONFIG, "\"%.100s\" is nothing that libcurl posts to", p->url);
    }
    return start(j, out, e);
}

static const struct tg_delivery_backend delivery = {
    .version = TG_DELIVERY_ABI,
    .name = "delivery",
    .about = "mails over SMTP, webhooks",
    .open = delivery_open,
    .close = delivery_close,
    .mail = delivery_mail,
    .finish = delivery_finish,
    .cancel = delivery_cancel,
    .spell = delivery_spell,
    .post = delivery_post,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "delivery",
    .release = TG_RELEASE,
    .delivery = &delivery,
};
