/* See history.h. */
#include "engine/history.h"

#include "base/seal.h"
#include "engine/keeping.h"
#include "guard/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/history"
#define FORMAT 1
#define TRIES 5
#define MS_MAX INT64_C(31536000000) /* a year: more is a clock that was stepped */

/* ---- of one run ---- */

static int by_length(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* How long this host was down, or -1: it does not say. */
static int64_t length_of(const struct tg_run *run, size_t i)
{
    const struct tg_run_host *h = &run->hosts[i];
    const struct tg_plan_stage *stage = &run->plan->stages[h->stage];
    int64_t ms = h->ended_ms - h->started_ms - stage->bake_ms;

    if (stage->dry_run || h->state != TG_HOST_DONE || h->outcome != TG_OUTCOME_CHANGED || !h->started_ms)
        return -1;
    if (stage->bake_ms && stage->count > 1) /* it waited for the others of its stage as well */
        return -1;
    return ms > 0 && ms <= MS_MAX ? ms : -1;
}

int tg_history_of(const struct tg_run *run, struct tg_history_run *out, struct tg_error *e)
{
    int64_t *ms = malloc((run->plan->n_hosts + 1) * sizeof *ms), sum = 0;
    size_t n = 0;

    if (!ms)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < run->plan->n_hosts; i++) {
        ms[n] = length_of(run, i);
        n += ms[n] >= 0;
    }
    qsort(ms, n, sizeof *ms, by_length);
    for (size_t i = 0; i < n; i++)
        sum += ms[i]; /* a million years fit */
    *out = (struct tg_history_run) {.back = run->plan->undoes != NULL, .at_ms = run->last_ms, .hosts = (int64_t) n};
    if (n > 0) {
        out->mean_ms = sum / (int64_t) n;
        out->p95_ms = ms[(n * 95 + 99) / 100 - 1];
    }
    free(ms);
    return 0;
}

/* ---- of several ---- */

static void drop(struct tg_history *h, size_t i)
{
    memmove(&h->runs[i], &h->runs[i + 1], (--h->n_runs - i) * sizeof h->runs[0]);
}

void tg_history_put(struct tg_history *h, const struct tg_history_run *one)
{
    size_t same = 0, i = 0;

    while (i < h->n_runs)
        if (strcmp(h->runs[i].run, one->run) == 0 || (h->runs[i].back == one->back && ++same == TG_HISTORY_RUNS))
            drop(h, i);
        else
            i++;
    memmove(&h->runs[1], &h->runs[0], h->n_runs++ * sizeof h->runs[0]);
    h->runs[0] = *one;
}

void tg_history_say(const struct tg_history *h, bool back, struct tg_history_says *out)
{
    *out = (struct tg_history_says) {.runs = 0};
    for (size_t i = 0; i < h->n_runs; i++) {
        const struct tg_history_run *r = &h->runs[i];
        if (r->back != back)
            continue;
        int64_t all = out->hosts + r->hosts;
        out->mean_ms += (r->mean_ms - out->mean_ms) * r->hosts / all;
        out->p95_ms = r->p95_ms > out->p95_ms ? r->p95_ms : out->p95_ms;
        out->hosts = all;
        out->runs++;
    }
}

/* ---- the record ---- */

char *tg_history_encode(const struct tg_history *h, const char *name)
{
    json_t *runs = json_array();

    for (size_t i = 0; i < h->n_runs; i++) {
        const struct tg_history_run *r = &h->runs[i];
        json_array_append_new(runs, json_pack("{s:s,s:b,s:I,s:I,s:I,s:I}", "run", r->run, "back", r->back, "at", (json_int_t) r->at_ms, "hosts", (json_int_t) r->hosts,
                                              "mean_ms", (json_int_t) r->mean_ms, "p95_ms", (json_int_t) r->p95_ms));
    }
    return tg_seal(json_pack("{s:i,s:s,s:s,s:o}", "format", FORMAT, "name", name, "driver", h->driver, "runs", runs));
}

static bool within(json_int_t v, int64_t least, int64_t most)
{
    return v >= least && v <= most;
}

static bool read_run(json_t *json, struct tg_history_run *r)
{
    const char *id;
    int back;
    json_int_t at, hosts, mean, p95;

    if (json_unpack(json, "{s:s,s:b,s:I,s:I,s:I,s:I!}", "run", &id, "back", &back, "at", &at, "hosts", &hosts, "mean_ms", &mean, "p95_ms", &p95) ||
        strlen(id) >= sizeof r->run || !within(at, 0, INT64_MAX / 2) || !within(hosts, 1, 100000000) || !within(mean, 0, MS_MAX) || !within(p95, 0, MS_MAX))
        return false;
    *r = (struct tg_history_run) {.back = back, .at_ms = at, .hosts = hosts, .mean_ms = mean, .p95_ms = p95};
    memcpy(r->run, id, strlen(id) + 1);
    return true;
}

static int read_record(json_t *o, const char *name, struct tg_history *h, struct tg_error *e)
{
    const char *of, *driver, *sum;
    json_t *runs;
    int format;
    bool fine = !json_unpack(o, "{s:i,s:s,s:s,s:o,s:s!}", "format", &format, "name", &of, "driver", &driver, "runs", &runs, "sum", &sum) &&
                strcmp(of, name) == 0 && strlen(driver) < sizeof h->driver && json_is_array(runs) && json_array_size(runs) <= 2 * TG_HISTORY_RUNS;

    if (fine)
        memcpy(h->driver, driver, strlen(driver) + 1);
    for (size_t i = 0; fine && i < json_array_size(runs); i++)
        fine = read_run(json_array_get(runs, i), &h->runs[h->n_runs++]);
    return fine ? 0 : tg_fail(e, TG_E_DATA, ROOT "/%s is damaged", name);
}

int tg_history_decode(const char *text, size_t len, const char *name, struct tg_history *out, struct tg_error *e)
{
    struct tg_history h = {.n_runs = 0};
    json_t *o = NULL;
    int rc = tg_record_load(text, len, &o, e);

    if (!rc)
        rc = read_record(o, name, &h, e);
    json_decref(o);
    if (!rc)
        *out = h;
    return rc;
}

/* ---- the store ---- */

static bool is_old(const void *data, const char *text, size_t len)
{
    const int64_t *wall_ms = data;
    json_t *o = NULL;
    const char *name;
    struct tg_history h;
    bool old = false;

    if (tg_record_load(text, len, &o, NULL))
        return false;
    name = json_string_value(json_object_get(o, "name"));
    if (name && !tg_history_decode(text, len, name, &h, NULL))
        old = h.n_runs == 0 || *wall_ms - h.runs[0].at_ms > TG_HISTORY_KEPT_MS;
    json_decref(o);
    return old;
}

/* TG_E_NOENT: there is nothing to go by; then *out_version is what its record has, TG_ANY_VERSION: there is none. */
static int load(struct tg_store *store, const char *name, const char *driver, int64_t wait_ms, struct tg_history *out, int64_t *out_version, struct tg_error *e)
{
    struct tg_node node;
    char path[128];

    *out_version = TG_ANY_VERSION;
    snprintf(path, sizeof path, ROOT "/%.100s", name);
    int rc = tg_store_read(store, path, tg_store_deadline(store, wait_ms), &node, e);
    if (rc)
        return rc;
    *out_version = node.stat.version;
    rc = tg_history_decode(node.data, node.len, name, out, e);
    tg_node_release(&node);
    if (!rc && strcmp(out->driver, driver) != 0)
        rc = tg_fail(e, TG_E_NOENT, "%s was changed by %s then", name, out->driver);
    return rc == TG_E_DATA ? TG_E_NOENT : rc;
}

int tg_history_read(struct tg_store *store, const char *name, const char *driver, int64_t wait_ms, struct tg_history *out, struct tg_error *e)
{
    int64_t version;

    return load(store, name, driver, wait_ms, out, &version, e);
}

static int store_once(struct tg_store *store, const char *name, const char *driver, const struct tg_history_run *one, int64_t wait_ms, struct tg_error *e)
{
    struct tg_history h = {.n_runs = 0};
    struct tg_error why = TG_ERROR_INIT;
    int64_t version;
    char path[128];
    int rc = load(store, name, driver, wait_ms, &h, &version, &why);

    if (rc && rc != TG_E_NOENT)
        return tg_fail(e, rc, "%s", why.message);
    if (rc) /* of another driver, damaged, or none: a new one in its place */
        h = (struct tg_history) {.n_runs = 0};
    snprintf(h.driver, sizeof h.driver, "%s", driver);
    tg_history_put(&h, one);
    char *text = tg_history_encode(&h, name);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(path, sizeof path, ROOT "/%.100s", name);
    const struct tg_op op = {.kind = version == TG_ANY_VERSION ? TG_OP_CREATE : TG_OP_WRITE, .path = path, .data = text, .len = strlen(text), .version = version};
    rc = tg_keeping_change(store, &op, wait_ms, e);
    free(text);
    return rc;
}

int tg_history_add(struct tg_store *store, const struct tg_run *run, const char *id, int64_t wait_ms, struct tg_error *e)
{
    const struct tg_plan *plan = run->plan;
    struct tg_history_run one;
    int rc = tg_history_of(run, &one, e);

    if (rc || one.hosts == 0)
        return rc;
    snprintf(one.run, sizeof one.run, "%s", id);
    tg_keeping_forget(store, ROOT, plan->name, is_old, &one.at_ms, wait_ms);
    for (int i = 0; i < TRIES; i++) {
        tg_error_clear(e);
        rc = store_once(store, plan->name, plan->driver, &one, wait_ms, e);
        if (rc != TG_E_VERSION && rc != TG_E_EXISTS)
            return rc == TG_E_NOENT ? tg_keeping_no_place(ROOT, e) : rc;
    }
    return rc;
}
