/* tagout request run-due: carry out what is due on this host. */
#define _GNU_SOURCE
#include "cli/requests.h"

#include "agent/snapshot.h"
#include "base/shown.h"
#include "calendar/request_basis.h"
#include "calendar/request_usual.h"
#include "config/site.h"
#include "engine/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct tg_opt opts[] = {
    {.name = "wait", .letter = 'w', .type = TG_OPT_DURATION, .arg = "TIME", .value = "2m", .text = "How long to wait for what acts on the host before it is tried another time"},
    {.name = NULL},
};

#define TOOK_WAIT_MS 3000 /* nobody needs it */

struct running {
    struct tg_frame *f;
    const char *host;
    struct tg_request_site site;
    struct tg_request_runner runner;
    json_t *lines;
};

static int when(void *self, struct tg_request_when *out, struct tg_error *e)
{
    struct running *x = self;
    struct tg_error why = TG_ERROR_INIT;

    tg_request_site_close(&x->site);
    tg_problems_release(&x->f->problems);
    int rc = tg_request_cli_site(x->f, x->host, &x->site, &why);
    if (!rc) {
        *out = x->site.when;
        return 0;
    }
    if (rc == TG_E_DATA || rc == TG_E_CONFIG) { /* what can't be read is no open window */
        tg_fail(e, TG_E_UNKNOWN, "when %s may be disturbed is not known, so nothing is begun: %s", x->host, why.message);
        return tg_error_hint(e, "tagout calendar check tells what is wrong"), TG_E_UNKNOWN;
    }
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

static int basis(void *self, int64_t weeks_txid, char out[TG_REQ_BASIS_SIZE], struct tg_error *e)
{
    const struct running *x = self;
    const struct tg_host *host = x->f->inventory ? tg_inventory_host(x->f->inventory, x->host) : NULL;
    char calendar[TG_SHA256_HEX];

    if (!host)
        return tg_fail(e, TG_E_CONFIG, "%s is not in the inventory", x->host);
    int rc = tg_request_cli_basis(x->f, calendar, e);
    return rc ? rc : tg_basis_of(calendar, x->f->inventory, host, weeks_txid, out, e);
}

static int act(void *self, const struct tg_due_act *a, int *out_status, struct tg_error *e)
{
    const struct running *x = self;

    return tg_request_cli_act(&x->runner, a, out_status, e);
}

static int room(void *self, const char *own, int64_t before_txid, struct tg_error *e)
{
    const struct running *x = self;
    struct tg_guard g = tg_cli_guard(x->f, 0);
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_room_ask(&g, x->f->inventory, &x->f->config->requests, x->host, own, before_txid, &why);

    if (!rc)
        return 0;
    rc = rc == TG_E_DATA ? TG_E_CONFIG : rc;
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

static void took(void *self, const char *activity, int64_t ms)
{
    const struct running *x = self;
    const struct tg_host *host = x->f->inventory ? tg_inventory_host(x->f->inventory, x->host) : NULL;
    const char *groups[TG_USUAL_GROUPS];

    tg_usual_add(x->f->store, activity, groups, host ? tg_usual_groups(x->f->inventory, host, groups) : 0, ms, TOOK_WAIT_MS);
}

static void tell(void *self, const char *line)
{
    struct running *x = self;
    char shown[4000]; /* some of it is the store's */

    if (x->f->json)
        json_array_append_new(x->lines, json_string(line));
    else
        puts(tg_shown_text(line, shown, sizeof shown));
}

/* Only one on a host. The descriptor keeps it as long as it is open, here or in what keeps a command. */
static int lock_host(const char *state_dir, int *out, struct tg_error *e)
{
    char file[PATH_MAX];

    (void) mkdir(state_dir, 0755);
    snprintf(file, sizeof file, "%s/requests.lock", state_dir);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tg_fail_errno(e, errno == EACCES ? TG_E_PERM : TG_E_SYSTEM, errno, "%s", file);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *out = fd;
        return 0;
    }
    int error = errno;
    close(fd);
    if (error != EWOULDBLOCK)
        return tg_fail_errno(e, TG_E_SYSTEM, error, "%s", file);
    tg_fail(e, TG_E_HELD, "another run-due is at work on this host, or what it began still runs");
    return tg_error_hint(e, "tagout request show tells what is under way"), TG_E_HELD;
}

static int status_of(const struct tg_due_report *r)
{
    return r->held ? TG_REQ_EXIT_UNSAFE : r->failed ? 1 : r->retry || r->waiting ? TG_REQ_EXIT_RETRY : 0;
}

static int say(struct tg_frame *f, struct running *x, const struct tg_due_report *r, struct tg_error *e)
{
    char at[40] = "";

    f->status = status_of(r);
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:b,s:o,s:O}", "host", x->host, "done", (json_int_t) r->done, "failed", (json_int_t) r->failed, "postponed",
                                       (json_int_t) r->postponed, "retry", (json_int_t) r->retry, "held", (json_int_t) r->held, "rebooting", r->rebooting, "next",
                                       r->next_ms ? tg_cli_time_json(r->next_ms) : json_null(), "lines", x->lines), e);
    if (r->held)
        printf("%lld held for a person: tagout request show %s\n", (long long) r->held, x->host);
    tg_time_format(r->next_ms / 1000 * 1000, at, sizeof at);
    if (r->rebooting)
        printf("%s is going to reboot; what is left goes on after that.\n", x->host);
    else if (r->next_ms && !r->held)
        printf("Next on %s: %s\n", x->host, at);
    else if (!r->done && !r->failed && !r->retry && !r->held)
        printf("Nothing is due on %s.\n", x->host);
    return 0;
}

static int run_on(struct tg_frame *f, const struct tg_scopes *scopes, int lock_fd, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE], boot[TG_REQ_BOOT_SIZE];
    struct tg_guard g = tg_cli_guard(f, 0);
    struct running x = {.f = f, .host = scopes->v[0].name, .lines = json_array()};
    struct tg_due_report report = {.done = 0};
    struct tg_due due = {.guard = &g, .scopes = scopes, .host = x.host, .owner = owner, .state_dir = f->config->state_dir, .boot = boot,
                         .activities = &f->config->requests, .lock_wait_ms = tg_opt_ms(f, "wait"), .self = &x, .when = when, .basis = basis, .act = act, .room = room, .took = took, .tell = tell};

    snprintf(owner, sizeof owner, "requests@%.180s", x.host);
    tg_boot_id(boot, sizeof boot);
    x.runner = (struct tg_request_runner) {.f = f, .scopes = scopes, .host = x.host, .owner = owner, .lock_fd = lock_fd};
    tg_cli_catch_signals(f->loop);
    int rc = tg_requests_run_due(&due, &report, e);
    if (!rc)
        rc = say(f, &x, &report, e);
    tg_request_site_close(&x.site);
    json_decref(x.lines);
    return rc;
}

static int run_due(struct tg_frame *f, struct tg_error *e)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_scope own;
    int lock_fd = -1, rc = tg_cli_own_host(f->inventory, &own, e);

    if (!rc)
        rc = tg_scopes_add(&scopes, &own, e);
    if (!rc)
        rc = lock_host(f->config->state_dir, &lock_fd, e);
    if (!rc)
        rc = run_on(f, &scopes, lock_fd, e);
    if (lock_fd >= 0)
        close(lock_fd);
    tg_scopes_release(&scopes);
    return rc;
}

const struct tg_cmd tg_cmd_request_run_due = {
    .name = "request run-due",
    .args = "[--wait TIME]",
    .brief = "carry out the requests of this host that are due",
    .details = "For a timer, every few minutes (contrib has the units). Does nothing outside the host's windows, while somebody's lock lies on it, or when store, calendar or "
               "clock can't be believed. The host is locked meanwhile. Goes on after a reboot that was asked for.",
    .examples = "  $ tagout request run-due\n",
    .opts = opts,
    .max_args = 0,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_due,
};
