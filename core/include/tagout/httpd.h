/*
 * An HTTP server, as core needs one (`tagout serve`): a module offers it, so that only who serves loads such a library. Requests are collected
 * whole, with bounds; the callback only records a call, and whoever drives the loop answers it, from top level, as long as it takes.
 */
#ifndef TAGOUT_HTTPD_H
#define TAGOUT_HTTPD_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_HTTPD_ABI 2
#define TG_HTTPD_BODY_MAX (64 * 1024)   /* more is answered with 413 by the module */
#define TG_HTTPD_CLIENTS_MAX 512        /* connections; one more waits in the kernel's queue */
#define TG_HTTPD_PEER_MAX 384           /* of one address: one more is hung up on, so that others find room */
#define TG_HTTPD_IDLE_S 20              /* a client that sends nothing for so long is hung up on */

struct tg_httpd;

/* One request that waits for its answer. Lives until it is answered; then the module's own again. */
struct tg_http_call {
    const char *method, *path; /* "GET", "/v1/check" (without the query, decoded) */
    const char *peer;          /* "127.0.0.1" */
    const char *body;          /* NUL-terminated behind len */
    size_t len;
    struct tg_http_call *next; /* the receiver's own, to queue it */
};
typedef void (*tg_http_fn)(void *data, struct tg_http_call *call);

struct tg_httpd_backend {
    uint32_t version; /* TG_HTTPD_ABI */
    const char *about;
    /* Listens on a numeric address and port (0: a free one). TG_E_CONFIG (no such address), TG_E_SYSTEM (taken, …). */
    int (*open)(struct tg_loop *loop, const char *address, uint16_t port, tg_http_fn fn, void *data, struct tg_httpd **out, struct tg_error *e);
    uint16_t (*port)(const struct tg_httpd *httpd);
    /* A header's value, in any case, NULL when there is none; and all values of an argument of the query, at most max: how many there are. */
    const char *(*header)(const struct tg_http_call *call, const char *name);
    size_t (*arguments)(const struct tg_http_call *call, const char *name, const char **out, size_t max);
    /* The first argument of the query that is in none of the names (NULL-terminated); NULL when all are. Borrowed, as long as the call. */
    const char *(*stranger)(const struct tg_http_call *call, const char *const *names);
    /* The answer is copied. A client that is gone meanwhile is no error. */
    void (*answer)(struct tg_http_call *call, unsigned status, const char *type, const char *body, size_t len);
    /* Every call must have been answered. */
    void (*close)(struct tg_httpd *httpd);
};

#ifdef __cplusplus
}
#endif
#endif
