/* Requests that are held for a person: see requests_held.h. */
#include "cli/requests_held.h"

#include "base/shown.h"
#include "calendar/request_held.h"
#include "cli/guarding.h"
#include "cli/requests.h"

#include <stdio.h>

#define SHOWN_MAX 12
#define LISTED_MAX 100000

struct lines {
    struct tg_buf *out;
    int64_t now_ms;
};

static int take(const struct tg_requests *r, void *data, struct tg_error *e)
{
    const struct lines *l = data;
    char since[64], why[TG_REQ_WHY_SIZE * 4];

    for (size_t i = 0; i < r->n; i++) {
        const struct tg_request *q = &r->v[i];
        if (q->state != TG_REQ_HELD)
            continue;
        tg_buf_printf(l->out, "HELD    %s of %s (%s), begun %s, and the host is out of service under lock %s: %s.\n", q->activity, r->host, q->id,
                      tg_cli_when(q->began_ms, l->now_ms, since, sizeof since), r->now.lock, tg_shown_text(q->why, why, sizeof why));
        tg_buf_printf(l->out, "        Look at the host; then: tagout request postpone %s --for 0s --host %s (it is tried again), or tagout request cancel %s --host %s\n", q->id, r->host, q->id,
                      r->host);
    }
    return tg_buf_ok(l->out, e);
}

/* Nobody is forgotten by it, and it is mended by itself, or must stay. */
static void say_lists(const struct tg_held_found *found, struct tg_buf *out)
{
    char why[1024];

    if (!found->lists)
        return;
    tg_buf_printf(out, "LIST    %s\n", tg_shown_text(found->list_why.message, why, sizeof why));
    tg_buf_printf(out, "        %s held requests can't be understood: the hosts' own records were read instead, so nobody is missing.\n", found->lists == 1 ? "This list of" : "Such lists of");
    tg_buf_printf(out, "        %s\n", found->newer ? "A newer tagout has written it, and it is left as it is: until tagout is updated there, hosts of it can neither be held nor let go."
                                                : "It was damaged, and is made anew when a request of its hosts is held or let go the next time.");
}

static int bad(const struct tg_held_found *found, struct tg_error *e)
{
    if (!found->bad)
        return 0;
    tg_fail(e, TG_E_UNKNOWN, "%zu records of requests can't be understood, the first: %.400s", found->bad, found->bad_why.message);
    return tg_error_hint(e, "%s", found->bad_why.hint), TG_E_UNKNOWN;
}

int tg_requests_held_lines(struct tg_guard *guard, int64_t now_ms, struct tg_buf *out, size_t *out_n, int *out_lists, struct tg_error *e)
{
    struct lines l = {out, now_ms};
    struct tg_held_found found;
    int rc = tg_requests_held(guard, SHOWN_MAX, take, &l, &found, e);

    if (rc)
        return rc;
    if (found.hosts > SHOWN_MAX)
        tg_buf_printf(out, "HELD    and requests of %zu more hosts: tagout request list --state held\n", found.hosts - SHOWN_MAX);
    say_lists(&found, out);
    *out_n = found.hosts;
    *out_lists = found.newer ? TG_E_UNKNOWN : found.lists ? TG_E_DATA : 0;
    return bad(&found, e);
}

struct listing {
    json_t *list;
    int64_t now_ms;
};

static int list_one(const struct tg_requests *r, void *data, struct tg_error *e)
{
    const struct listing *l = data;

    for (size_t i = 0; i < r->n; i++) {
        json_t *o = r->v[i].state == TG_REQ_HELD ? tg_request_cli_json(r, &r->v[i], l->now_ms) : NULL;
        if (r->v[i].state != TG_REQ_HELD)
            continue;
        if (json_object_set_new(o, "lock", json_string(r->now.lock)) || json_object_set_new(o, "began", tg_cli_time_json(r->v[i].began_ms)) || json_array_append_new(l->list, o))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    return 0;
}

int tg_requests_held_json(struct tg_guard *guard, int64_t now_ms, json_t *list, struct tg_error *e)
{
    struct listing l = {list, now_ms};
    struct tg_held_found found;
    int rc = tg_requests_held(guard, LISTED_MAX, list_one, &l, &found, e);

    return rc ? rc : bad(&found, e);
}
