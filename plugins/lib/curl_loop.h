/* libcurl's multi interface on the loop, for modules that speak HTTP. Linked into each; no module of its own. */
#ifndef TAGOUT_PLUGINS_CURL_LOOP_H
#define TAGOUT_PLUGINS_CURL_LOOP_H

#include <tagout/loop.h>

#include <curl/curl.h>
#include <stdbool.h>

struct tg_curl;

/* What is called when a transfer has ended; it lives in the caller's own, until then. The handle is already taken out, and is the caller's. */
struct tg_curl_transfer {
    void (*done)(void *data, CURLcode code);
    void *data;
};

/* TG_E_BUG: a virtual loop. TG_E_CONFIG, TG_E_MEMORY. */
int tg_curl_open(struct tg_loop *loop, struct tg_curl **out, struct tg_error *e);
/* After all transfers were taken out. NULL is fine. Turns the loop until libuv holds nothing of it. */
void tg_curl_close(struct tg_curl *c);
/* Begins one; CURLOPT_PRIVATE is taken for *t. False: it can't. */
bool tg_curl_begin(struct tg_curl *c, CURL *easy, struct tg_curl_transfer *t);
/* Ends one whose done was not called. */
void tg_curl_cancel(struct tg_curl *c, CURL *easy);

#endif
