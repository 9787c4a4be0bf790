/* What was known last, on disk: see snapshot.h. */
#define _GNU_SOURCE
#include "agent/snapshot.h"

#include "agent/internal.h"
#include "base/seal.h"
#include "base/whole.h"
#include "config/site.h"
#include "guard/policy.h"
#include "guard/tree.h"

#include <tagout/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SNAPSHOT_MAX (16 * 1024 * 1024) /* a host under thousands of locks */
#define EVERY_MS 30000                  /* while nothing changes: so much older than it need be may it look */
#define AGAIN_MS 60000                  /* after a failure: a full disk is said once, and tried again */

void tg_snapshot_file(const char *state_dir, char *out, size_t size)
{
    snprintf(out, size, "%.400s/agent/snapshot.json", state_dir);
}

void tg_boot_id(char *out, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* --- writing --- */

static json_t *to_json(const struct tg_snapshot *s)
{
    json_t *groups = json_array(), *locks = json_array();

    for (size_t i = 0; i < s->n_groups; i++)
        json_array_append_new(groups, json_string(s->groups[i]));
    for (size_t i = 0; i < s->n_locks; i++) {
        char *text = tg_lock_encode(&s->locks[i]);
        if (!text || json_array_append_new(locks, json_string(text)) != 0) { /* one less would be a GO that nobody proved */
            free(text);
            json_decref(groups);
            json_decref(locks);
            return NULL;
        }
        free(text);
    }
    return json_pack("{s:i,s:s,s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:o}", "format", TG_SNAPSHOT_FORMAT, "host", s->host, "store", s->store, "groups", groups, "boot",
                     s->boot, "boot_ms", (json_int_t) s->boot_ms, "wall_ms", (json_int_t) s->wall_ms, "generation", (json_int_t) s->generation, "txid",
                     (json_int_t) s->txid, "locks", locks);
}

int tg_snapshot_write(const char *state_dir, const struct tg_snapshot *s, struct tg_error *e)
{
    char file[512];
    char *text = tg_seal(to_json(s));

    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_snapshot_file(state_dir, file, sizeof file);
    int rc = tg_whole_write(file, text, strlen(text), 0644, TG_WHOLE_DURABLE | TG_WHOLE_FOLDERS, e);
    free(text);
    return rc;
}

/* --- reading --- */

static int damaged(const char *file, const char *why, struct tg_error *e)
{
    tg_fail(e, TG_E_DATA, "%s: %s", file, why);
    tg_error_hint(e, "the agent writes it anew as soon as it is in touch with the store");
    return TG_E_DATA;
}

static int take_groups(const json_t *list, struct tg_snapshot *s)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list) || !(s->groups = calloc(n + 1, sizeof *s->groups)))
        return TG_E_DATA;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || !(s->groups[i] = strdup(name)))
            return TG_E_DATA;
        s->n_groups++;
    }
    return 0;
}

static int take_locks(const json_t *list, struct tg_snapshot *s)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list) || !(s->locks = calloc(n + 1, sizeof *s->locks)))
        return TG_E_DATA;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || tg_lock_decode(text, strlen(text), &s->locks[i], NULL) != 0)
            return TG_E_DATA;
        s->n_locks++;
    }
    return 0;
}

static int take(json_t *o, const char *file, struct tg_snapshot *s, struct tg_error *e)
{
    json_t *groups, *locks;
    const char *host, *store, *boot, *sum;
    json_int_t boot_ms, wall_ms, generation, txid;
    int format = 0;

    if (json_unpack(o, "{s:i}", "format", &format) == 0 && format > TG_SNAPSHOT_FORMAT)
        return tg_fail(e, TG_E_UNKNOWN, "%s: it was written by a newer tagout", file);
    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:s,s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:o,s:s}", "format", &format, "host", &host, "store", &store, "groups",
                       &groups, "boot", &boot, "boot_ms", &boot_ms, "wall_ms", &wall_ms, "generation", &generation, "txid", &txid, "locks", &locks, "sum",
                       &sum) != 0 ||
        format != TG_SNAPSHOT_FORMAT || strlen(host) >= sizeof s->host || strlen(store) >= sizeof s->store || strlen(boot) >= sizeof s->boot)
        return damaged(file, "it makes no sense", e);
    snprintf(s->host, sizeof s->host, "%s", host);
    snprintf(s->store, sizeof s->store, "%s", store);
    snprintf(s->boot, sizeof s->boot, "%s", boot);
    s->boot_ms = boot_ms;
    s->wall_ms = wall_ms;
    s->generation = generation;
    s->txid = txid;
    return take_groups(groups, s) == 0 && take_locks(locks, s) == 0 ? 0 : damaged(file, "it makes no sense", e);
}

int tg_snapshot_read(const char *state_dir, struct tg_snapshot *out, struct tg_error *e)
{
    struct tg_snapshot s = {.n_locks = 0};
    char file[512], *text = NULL;
    size_t len = 0;

    tg_snapshot_file(state_dir, file, sizeof file);
    int rc = tg_whole_read(file, SNAPSHOT_MAX, &text, &len, e);
    if (rc)
        return rc;
    json_t *o = tg_seal_check(text, len) == TG_SEAL_WHOLE ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(text);
    rc = o ? take(o, file, &s, e) : damaged(file, "it is cut, or was changed by hand", e);
    json_decref(o);
    if (rc)
        tg_snapshot_release(&s);
    else
        *out = s;
    return rc;
}

void tg_snapshot_release(struct tg_snapshot *s)
{
    for (size_t i = 0; i < s->n_groups; i++)
        free(s->groups[i]);
    for (size_t i = 0; i < s->n_locks; i++)
        tg_lock_clear(&s->locks[i]);
    free(s->groups);
    free(s->locks);
    *s = (struct tg_snapshot) {.n_locks = 0};
}

int tg_snapshot_age(const struct tg_snapshot *s, const char *boot, int64_t boot_ms, int64_t wall_ms, int64_t *out_ms, struct tg_error *e)
{
    bool same_boot = boot[0] && strcmp(boot, s->boot) == 0 && boot_ms >= s->boot_ms;
    int64_t by_boot = same_boot ? boot_ms - s->boot_ms : -1, by_wall = wall_ms - s->wall_ms;

    if (by_boot < 0 && by_wall < 0)
        return tg_fail(e, TG_E_UNKNOWN, "what was known last is from the future: the clock was set back");
    *out_ms = by_boot > by_wall ? by_boot : by_wall;
    return 0;
}

/* --- for check --on-unknown last-known --- */

static bool is_own(const struct tg_snapshot *s, const struct tg_scope *scope)
{
    if (scope->kind != TG_SCOPE_HOST || strcmp(scope->name, s->host) != 0 || scope->n_groups != s->n_groups)
        return false;
    for (size_t i = 0; i < s->n_groups; i++) { /* in another group than then: locks on that were not looked at */
        bool found = false;
        for (size_t j = 0; !found && j < scope->n_groups; j++)
            found = strcmp(scope->groups[j], s->groups[i]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static int covers(const struct tg_snapshot *s, const struct tg_question *q, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE];

    for (size_t i = 0; i < q->scopes->n; i++)
        if (!is_own(s, &q->scopes->v[i]))
            return tg_fail(e, TG_E_UNKNOWN, "what was known last is of host:%s and its groups, not of %s", s->host,
                           tg_scope_format(&q->scopes->v[i], text, sizeof text));
    return q->scopes->n ? 0 : tg_fail(e, TG_E_UNKNOWN, "no scope");
}

int tg_last_known(const char *state_dir, const char *store_url, const struct tg_question *question, int64_t wall_ms, struct tg_guard_verdict *out,
                  int64_t *out_as_of_ms, struct tg_error *e)
{
    struct tg_snapshot s;
    char boot[40];
    int64_t age = 0;
    int rc = tg_snapshot_read(state_dir, &s, e);

    if (rc == TG_E_NOENT && e) {
        tg_error_clear(e);
        tg_fail(e, TG_E_NOENT, "no agent has kept in %.200s what was known last", state_dir);
    }
    if (rc)
        return rc;
    tg_boot_id(boot, sizeof boot);
    rc = tg_snapshot_age(&s, boot, tg_mono_ms(tg_clock_real()), wall_ms, &age, e);
    if (!rc && strcmp(s.store, store_url) != 0)
        rc = tg_fail(e, TG_E_UNKNOWN, "what was known last is of another store, %.200s", s.store);
    if (!rc)
        rc = covers(&s, question, e);
    if (!rc)
        rc = tg_decide(question, s.locks, s.n_locks, wall_ms, out, e);
    if (!rc)
        *out_as_of_ms = wall_ms - age;
    tg_snapshot_release(&s);
    return rc;
}

/* --- the agent's part --- */

static int write_now(struct tg_agent *a, struct tg_error *e)
{
    const struct tg_scope *host = &a->own.v[0];
    int64_t now = tg_agent_now(a), age = now - tg_agent_as_of(a);
    struct tg_snapshot s = {.groups = host->groups, .n_groups = host->n_groups, .boot_ms = tg_mono_ms(tg_clock_real()) - age,
                            .wall_ms = tg_wall_ms(tg_loop_clock(a->loop)) - age, .generation = a->picture.generation, .txid = a->picture.txid,
                            .locks = a->locks, .n_locks = a->n_locks};

    snprintf(s.host, sizeof s.host, "%s", host->name);
    snprintf(s.store, sizeof s.store, "%.1000s", a->config->store);
    tg_boot_id(s.boot, sizeof s.boot);
    return tg_snapshot_write(a->config->state_dir, &s, e);
}

/* What is known now, when it has changed, or is a while younger than what lies there. What is not proven is not written: the last that was stays. */
void tg_agent_keep_snapshot(struct tg_agent *a)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t now = tg_agent_now(a), every = a->snapshot_failed ? AGAIN_MS : EVERY_MS;

    if (!a->config->state_dir || a->state_lock < 0 || !tg_agent_is_sure(a))
        return;
    if (a->snapshot_ms && now - a->snapshot_ms < every && (!a->snapshot_due || a->snapshot_failed))
        return;
    bool failed = write_now(a, &e) != 0;
    if (failed) { /* what lies there is of before: it may lack a lock that we know of */
        char file[512];
        tg_snapshot_file(a->config->state_dir, file, sizeof file);
        (void) unlink(file);
    }
    if (failed && !a->snapshot_failed)
        tg_log(TG_LOG_WARN, "agent", "what is known can't be kept for when the store is away: %s", e.message);
    a->snapshot_failed = failed;
    a->snapshot_due = failed;
    a->snapshot_ms = now;
}

/* Held as long as we live: whoever wrote into the folder before us is dead. */
int tg_agent_take_state(struct tg_agent *a, struct tg_error *e)
{
    char file[512], *text = NULL;
    size_t len = 0;
    struct tg_error why = TG_ERROR_INIT;

    a->state_lock = -1;
    snprintf(file, sizeof file, "%.400s/agent/instance", a->config->state_dir);
    int fd = tg_whole_open_folder(file, TG_WHOLE_FOLDERS);
    if (fd < 0) {
        tg_log(TG_LOG_WARN, "agent", "%.400s/agent can't be made (%s): nothing is kept for when the store is away", a->config->state_dir, strerror(errno));
        return 0;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        tg_fail(e, TG_E_EXISTS, "another agent has %s", a->config->state_dir);
        return tg_error_hint(e, "one agent a host; with --host, another state-dir each"), TG_E_EXISTS;
    }
    a->state_lock = fd;
    if (tg_whole_read(file, 64, &text, &len, NULL) == 0)
        snprintf(a->predecessor, sizeof a->predecessor, "%.26s", text);
    free(text);
    if (tg_whole_write(file, a->instance, strlen(a->instance), 0600, TG_WHOLE_FOLDERS, &why) != 0)
        tg_log(TG_LOG_WARN, "agent", "%s", why.message);
    return 0;
}
