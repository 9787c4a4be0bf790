/* Reading "drain: {haproxy: …}". What ends up in a command of the Runtime API, or in a line for a shell, is held to a shape. Pure. */
#include "haproxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 300000
#define WAIT_MAX_MS (90 * INT64_C(60000))
#define PATH_MOST 100 /* a unix socket's path has 107 bytes */
#define NAME TG_PARAMS_WORD ".:-" /* what HAProxy lets a proxy or a server be called */

static bool is_place(const char *text)
{
    const char *colon = strrchr(text, ':');

    if (strlen(text) > PATH_MOST)
        return false;
    if (text[0] == '/')
        return !text[strspn(text, TG_PARAMS_WORD "/.@+-")];
    if (!colon || colon == text || !colon[1] || strlen(colon + 1) > 5 || colon[1 + strspn(colon + 1, "0123456789")] || text[0] == '-')
        return false;
    if (text[0] == '[')
        return colon[-1] == ']' && (size_t) (colon - text) == strspn(text, "[0123456789abcdefABCDEF:.") + 1;
    return (size_t) (colon - text) == strspn(text, TG_PARAMS_WORD ".-");
}

static void read_sockets(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    char path[40];

    if (n == 0 || n > TG_HAPROXY_SOCKETS)
        tg_params_mistake(r, "/socket", "should be 1 to %d sockets", TG_HAPROXY_SOCKETS);
    for (size_t i = 0; i < n && i < TG_HAPROXY_SOCKETS; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        snprintf(path, sizeof path, json_is_array(v) ? "/socket/%zu" : "/socket", i);
        bool fine = text && is_place(text);
        if (!fine)
            tg_params_mistake(r, path, "should be the path of HAProxy's stats socket, such as /run/haproxy/admin.sock, or \"HOST:PORT\"");
        for (size_t k = 0; fine && k < p->n; k++)
            if (strcmp(p->sockets[k], text) == 0) {
                tg_params_mistake(r, path, "is there already");
                fine = false;
            }
        if (fine && (p->sockets[p->n] = strdup(text)) != NULL)
            p->n++;
    }
}

static void read_server(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    tg_params_word(r, "/server", v, NAME "{}", "a server's name, such as \"{host}\" (which it is if left out) or \"{short}\"", &p->server);
    if (p->server && !tg_around_template_ok(p->server))
        tg_params_mistake(r, "/server", "has braces: {host}, {short} and {address} are known");
}

static void read_floor(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    const char *text = json_string_value(v);
    char *end = NULL;

    p->percent = text != NULL;
    p->floor = json_is_integer(v) ? json_integer_value(v) : text && text[0] >= '0' && text[0] <= '9' ? (int64_t) strtol(text, &end, 10) : -1;
    if (p->floor < 0 || p->floor > (p->percent ? 100 : 100000) || (text && (!end || strcmp(end, "%") != 0)))
        tg_params_mistake(r, "/ready-at-least", "should be a number of servers, such as 2, or a share of them, such as \"50%%\"");
}

static void read_choice(struct tg_params *r, const char *path, const json_t *v, const char *no, const char *yes, bool *out)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";

    *out = strcmp(text, yes) == 0;
    if (!*out && strcmp(text, no) != 0)
        tg_params_mistake(r, path, "should be %s or %s", no, yes);
}

/* The engine gives up an act after two hours. */
static void read_wait(struct tg_params *r, const char *path, const json_t *v, struct tg_around_params *p)
{
    tg_params_duration(r, path, v, &p->wait_ms);
    if (p->wait_ms > WAIT_MAX_MS)
        tg_params_mistake(r, path, "should be at most 90m");
}

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_around_params *p)
{
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "socket") == 0)
        read_sockets(r, v, p);
    else if (strcmp(key, "backend") == 0)
        tg_params_word(r, path, v, NAME, "the name of a backend", &p->backend);
    else if (strcmp(key, "server") == 0)
        read_server(r, v, p);
    else if (strcmp(key, "wait") == 0)
        read_wait(r, path, v, p);
    else if (strcmp(key, "on-timeout") == 0)
        read_choice(r, path, v, "refuse", "go", &p->go_on_timeout);
    else if (strcmp(key, "mode") == 0)
        read_choice(r, path, v, "drain", "maint", &p->maint);
    else if (strcmp(key, "ready-at-least") == 0)
        read_floor(r, v, p);
    else
        tg_params_mistake(r, path, "is not known; haproxy takes socket, backend, server, wait, on-timeout, ready-at-least, mode");
}

int tg_haproxy_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                      struct tg_error *e)
{
    struct tg_params r = {.driver = "haproxy", .complain = complain, .data = data};
    struct tg_around_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->wait_ms = WAIT_MS;
    p->floor = 1;
    json_object_foreach((json_t *) value, key, v)
        read_key(&r, key, v, p);
    if (!json_object_get(value, "socket") || !json_object_get(value, "backend"))
        tg_params_mistake(&r, "", "needs a socket and a backend, such as {socket: /run/haproxy/admin.sock, backend: web}");
    int rc = tg_params_end(&r, e);
    if (!rc && !p->server && !(p->server = strdup("{host}")))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc && (p->n == 0 || !p->backend))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc) {
        tg_haproxy_params_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_haproxy_params_free(struct tg_around_params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        free(p->sockets[i]);
    free(p->backend);
    free(p->server);
    free(p);
}

void tg_haproxy_describe(const struct tg_around_params *p, char *out, size_t size)
{
    char wait[32], many[40] = "";

    tg_duration_format(p->wait_ms, wait, sizeof wait);
    if (p->n > 1)
        snprintf(many, sizeof many, " on %zu load balancers", p->n);
    snprintf(out, size, "%s server %s out of haproxy, backend %s%s, at least %lld%s of it ready; wait %s for sessions, then %s", p->maint ? "maint" : "drain", p->server,
             p->backend, many, (long long) p->floor, p->percent ? "%" : "", wait, p->go_on_timeout ? "go on" : "refuse");
}

int tg_haproxy_server(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    int rc = tg_around_template(p->server, c, out, size, e);

    if (rc)
        return rc;
    return out[0] && !out[strspn(out, NAME)] ? 0 : tg_fail(e, TG_E_DATA, "\"%.100s\" is no name of a server in HAProxy", out);
}

/* Only where it may be ours. */
void tg_haproxy_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size)
{
    struct tg_haproxy_mark marks[TG_HAPROXY_SOCKETS];
    char server[TG_HAPROXY_NAME_SIZE], line[4096];
    bool known = c->record && c->record[0] && tg_haproxy_record_read(c->record, p->n, marks, NULL) == 0;
    size_t len = 0;

    if (size == 0)
        return;
    out[0] = line[0] = '\0';
    if (tg_haproxy_server(p, c, server, sizeof server, NULL) != 0)
        return;
    for (size_t i = 0; i < p->n && len < sizeof line; i++) {
        if (known && marks[i].whose != TG_HAPROXY_OURS && marks[i].whose != TG_HAPROXY_WAS_READY)
            continue;
        len += (size_t) snprintf(line + len, sizeof line - len, "%secho 'set server %s/%s state ready' | socat - %s:%s", len ? "; " : "", p->backend, server,
                                 p->sockets[i][0] == '/' ? "UNIX-CONNECT" : "TCP", p->sockets[i]);
    }
    if (len < size && len < sizeof line)
        memcpy(out, line, len + 1);
    else /* never half of it */
        snprintf(out, size, "# in HAProxy: set server %s/%s state ready", p->backend, server);
}
