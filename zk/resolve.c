/*
 * Names of servers → addresses, on libuv's threads: the library would look them up itself, and block the loop for as long as the
 * resolver takes. Numeric addresses need no thread.
 */
#include "zk.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_SIZE 4096

struct zk_resolve {
    struct tg_store_impl *s; /* NULL: cancelled, the last answer frees */
    size_t outstanding;
    size_t count;
    char list[LIST_SIZE];    /* "ADDRESS:PORT,…", IPv6 without brackets: what the library reads */
    struct one {
        uv_getaddrinfo_t request;
        struct zk_resolve *of;
        const struct zk_host *host; /* valid while of->s is */
    } ones[ZK_HOSTS_MAX];
};

static void add(struct zk_resolve *r, const char *address, const char *port)
{
    size_t len = strlen(r->list);
    char item[INET6_ADDRSTRLEN + 32];
    int n = snprintf(item, sizeof item, "%s%s:%s", len ? "," : "", address, port);

    if (n < 0 || len + (size_t) n >= sizeof r->list || strstr(r->list, item))
        return;
    memcpy(r->list + len, item, (size_t) n + 1);
    r->count++;
}

static bool add_numeric(struct zk_resolve *r, const struct zk_host *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host->name, address) != 1 && inet_pton(AF_INET6, host->name, address) != 1)
        return false;
    add(r, host->name, host->port);
    return true;
}

static void finish(struct zk_resolve *r)
{
    struct tg_store_impl *s = r->s;

    if (r->outstanding)
        return;
    if (s) {
        s->resolve = NULL;
        zk_addresses(s, r->list, r->count);
    }
    free(r);
}

static void on_addresses(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct one *one = request->data;
    struct zk_resolve *r = one->of;
    char text[INET6_ADDRSTRLEN + 20];

    if (r->s && status)
        zk_why(r->s, "%s: the name can't be looked up: %s", one->host->name, uv_strerror(status));
    for (struct addrinfo *a = list; r->s && a; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            add(r, text, one->host->port);
    uv_freeaddrinfo(list);
    r->outstanding--;
    finish(r);
}

static void look_up(struct zk_resolve *r, struct one *one)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

    one->request.data = one;
    int rc = uv_getaddrinfo(tg_loop_uv(r->s->loop), &one->request, on_addresses, one->host->name, NULL, &hints);
    if (rc)
        zk_why(r->s, "%s: the name can't be looked up: %s", one->host->name, uv_strerror(rc));
    else
        r->outstanding++;
}

int zk_resolve_start(struct tg_store_impl *s, struct tg_error *e)
{
    struct zk_resolve *r = calloc(1, sizeof *r);

    if (!r)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    r->s = s;
    s->resolve = r;
    for (size_t i = 0; i < s->url.n_hosts; i++) {
        r->ones[i].of = r;
        r->ones[i].host = &s->url.hosts[i];
        if (!add_numeric(r, &s->url.hosts[i]))
            look_up(r, &r->ones[i]);
    }
    finish(r);
    return 0;
}

void zk_resolve_cancel(struct tg_store_impl *s)
{
    struct zk_resolve *r = s->resolve;

    if (!r)
        return;
    r->s = NULL;
    s->resolve = NULL;
    for (size_t i = 0; i < s->url.n_hosts; i++)
        if (r->ones[i].request.data)
            uv_cancel((uv_req_t *) &r->ones[i].request); /* what runs already ends by itself; nobody hears of it */
}
