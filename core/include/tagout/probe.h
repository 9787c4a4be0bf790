/*
 * A probe verifies a host from the controller's side: one question, answered pass, fail or inconclusive. Asynchronous on the loop;
 * the callback only records. Implementations: http (module, libcurl). What is asked *on* the host goes through the transport.
 */
#ifndef TAGOUT_PROBE_H
#define TAGOUT_PROBE_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <jansson.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_PROBE_ABI 2 /* 2: tcp and metrics */

enum tg_verdict { TG_VERDICT_PASS, TG_VERDICT_FAIL, TG_VERDICT_INCONCLUSIVE };

struct tg_probe_impl;
/* text: one line for people, "503 on :8080/healthz"; lives during the call. */
typedef void (*tg_probe_fn)(void *data, enum tg_verdict verdict, const char *text);

struct tg_probe_backend {
    uint32_t version; /* TG_PROBE_ABI */
    const char *name; /* "http" */
    const char *about;
    int (*open)(struct tg_loop *loop, struct tg_probe_impl **out, struct tg_error *e);
    void (*close)(struct tg_probe_impl *impl); /* answers what is outstanding with INCONCLUSIVE */
    /*
     * Asks once. what: a URL, with {host} and {address} already replaced. options, borrowed for the call, say what is asked there:
     * a page (http://…): "expect": status or list, "contains": text, "follow": bool;
     * a connection (tcp://HOST:PORT): none;
     * a metric (http://…, of a Prometheus): "query": PromQL; at least one of "below", "above": number, and "rise", "fall": by how much at most it may
     * have changed since "before_ms" (Unix time), in thousandths of a percent of what it was then. Whatever is not one finite number is INCONCLUSIVE.
     * timeout_ms bounds this one try (retrying until "within" is the engine's). done is called exactly once when 0 was returned. TG_E_DATA: it can't be
     * asked like that.
     */
    int (*ask)(struct tg_probe_impl *impl, const char *what, const json_t *options, int64_t timeout_ms, tg_probe_fn done,
               void *data, struct tg_error *e);
};

int tg_probe_find(const char *name, const struct tg_probe_backend **out, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
