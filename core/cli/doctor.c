/* tagout doctor: is all well with the configuration, the store and this host? A table of checks, each with its mend. */
#include "base/whole.h"
#include "cli/commands.h"

#include "engine/gate.h"
#include "cli/announce_left.h"
#include "cli/doctor.h"
#include "cli/enforce.h"
#include "cli/guarding.h"
#include "cli/requests_held.h"
#include "cli/runs_left.h"
#include "cli/weeks_look.h"
#include "config/site.h"
#include "guard/tree.h"
#include "store/cluster.h"
#include "store/tree.h"

#include <tagout/module.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 5000
/* Locks end at wall-clock times that somebody else wrote; people notice a difference from here on. */
#define CLOCK_WARN_MS 2000

struct doctor {
    struct tg_frame *f;
    struct tg_store *store; /* NULL until it is open */
    bool connected;
    int64_t deadline;
    struct tg_doctor_finding *now; /* of the check that runs */
};

static void find(struct doctor *d, enum tg_doctor_verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void find(struct doctor *d, enum tg_doctor_verdict verdict, const char *format, ...)
{
    va_list args;

    d->now->verdict = verdict;
    va_start(args, format);
    vsnprintf(d->now->text, sizeof d->now->text, format, args);
    va_end(args);
}

static void mend(struct doctor *d, const char *text)
{
    snprintf(d->now->mend, sizeof d->now->mend, "%s", text);
}

static void find_error(struct doctor *d, enum tg_doctor_verdict verdict, const struct tg_error *e)
{
    find(d, verdict, "%s", e->message);
    mend(d, e->hint);
}

static void check_configuration(struct doctor *d)
{
    const struct tg_config *c = d->f->config;

    find(d, TG_DOCTOR_OK, "store %s (%s), state in %s", c->store, c->store_from, c->state_dir);
    if (!c->inventory) {
        find(d, TG_DOCTOR_WARN, "store %s (%s), state in %s, no inventory", c->store, c->store_from, c->state_dir);
        mend(d, "without an inventory groups have no hosts, and a host does not know its groups: inventory: FILE in " TG_CONFIG_FILE);
    }
}

/* Whom unlock will ask: wrong rules are better found now than by who wants to unlock. */
static void check_gate(struct doctor *d)
{
    struct tg_frame *f = d->f;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_gate_rules rules = {0};
    size_t n = 0, owned = 0;

    if (!f->config->before_unlock || !f->config->before_unlock->n) {
        find(d, TG_DOCTOR_OK, "nobody is asked before a lock goes (no before-unlock: in the configuration)");
        return;
    }
    int rc = f->inventory ? 0 : tg_frame_load_inventory(f, &e);
    if (!rc)
        rc = tg_gate_rules_read(f->config->before_unlock, f->inventory, &f->problems, &rules, &e);
    const struct tg_host *hosts = rc ? NULL : tg_inventory_hosts(f->inventory, &n);
    for (size_t i = 0; i < n; i++) {
        struct tg_gate_asks asks = {0};
        owned += tg_gate_add_host(&asks, &rules, &hosts[i], NULL) == 0 && asks.n > 0;
        tg_gate_asks_release(&asks);
    }
    if (rc && e.line)
        find(d, TG_DOCTOR_FAIL, "%s:%d:%d: %s", e.file, e.line, e.column, e.message);
    else if (rc)
        find_error(d, TG_DOCTOR_FAIL, &e);
    else
        find(d, TG_DOCTOR_OK, "%zu rule%s, by which %zu of %zu hosts are asked before a lock goes", rules.n, rules.n == 1 ? "" : "s", owned, n);
    tg_gate_rules_release(&rules);
}

static void check_modules(struct doctor *d)
{
    static const char *const known[] = {"zk", "ssh", "puppet", "salt", "ansible", "http", "httpd", "haproxy", "alertmanager", "libvirt", "delivery"};
    char text[500] = "";
    size_t len = 0;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct tg_module *m;
        struct tg_error e = TG_ERROR_INIT;
        int rc = tg_module_load(known[i], &m, &e);
        if (rc && !strstr(e.message, "there is no module")) {
            find_error(d, TG_DOCTOR_FAIL, &e);
            return;
        }
        len += (size_t) snprintf(text + len, sizeof text - len, "%s%s %s", i ? ", " : "", known[i], rc ? "not installed" : m->release);
    }
    find(d, TG_DOCTOR_OK, "%s", text);
}

static void check_store(struct doctor *d)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_clock *clock = tg_loop_clock(d->f->loop);
    int64_t begun = tg_mono_ms(clock);
    int rc = tg_frame_open_store(d->f, &d->store, &e);

    d->deadline = begun + WAIT_MS;
    if (!rc)
        rc = tg_store_connect(d->store, d->deadline, &e);
    if (!rc)
        rc = tg_store_sync(d->store, "/", d->deadline, &e);
    if (rc) {
        find_error(d, rc == TG_E_CONFIG ? TG_DOCTOR_FAIL : TG_DOCTOR_UNKNOWN, &e);
        return;
    }
    d->connected = true;
    int64_t session = tg_store_session_ms(d->store);
    if (session == INT64_MAX)
        find(d, TG_DOCTOR_OK, "reached in %" PRId64 " ms; sessions end with their processes", tg_mono_ms(clock) - begun);
    else
        find(d, TG_DOCTOR_OK, "reached in %" PRId64 " ms; a session lives %" PRId64 " ms without contact", tg_mono_ms(clock) - begun, session);
}

static void check_cluster(struct doctor *d)
{
    struct tg_cluster c;
    struct tg_error e = TG_ERROR_INIT;
    char cause[TG_CLUSTER_CAUSE_SIZE];

    if (tg_cluster_check(d->store, d->f->config->state_dir, d->deadline, &c, cause, &e) != 0) {
        find(d, TG_DOCTOR_UNKNOWN, "%s (%s)", e.message, cause);
        mend(d, e.hint);
        return;
    }
    find(d, TG_DOCTOR_OK, "%.8s, generation %" PRId64 ", %s, at transaction %" PRId64, c.id, c.generation, tg_cluster_state_name(c.state),
         tg_store_seen_txid(d->store));
}

/* A full disk shows only when something is written. */
static int try_mark(const struct tg_seen *seen, struct tg_error *e)
{
    char probe[sizeof seen->file + 8];

    snprintf(probe, sizeof probe, "%s.try", seen->file);
    int rc = tg_whole_write(probe, seen->file, strlen(seen->file), 0600, TG_WHOLE_DURABLE, e);
    if (!rc)
        unlink(probe);
    return rc;
}

static void check_mark(struct doctor *d)
{
    struct tg_seen seen;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_seen_load(d->f->config->state_dir, d->f->config->store, &seen, &e) != 0) {
        find_error(d, TG_DOCTOR_FAIL, &e);
        return;
    }
    if (try_mark(&seen, &e) != 0) {
        find(d, TG_DOCTOR_WARN, "this host can't note what it has seen: %s", e.message);
        mend(d, e.code == TG_E_FULL ? "an old copy of the store would not be noticed by this host; make room there"
                                    : "an old copy of the store would not be noticed by this host; let whoever asks the guard write there, or set state-dir");
    } else if (!seen.known) {
        find(d, TG_DOCTOR_OK, "nothing seen yet (%s)", seen.file);
    } else {
        find(d, TG_DOCTOR_OK, "cluster %.8s, generation %" PRId64 ", transaction %" PRId64 " (%s)", seen.id, seen.generation, seen.txid, seen.file);
    }
}

/* A transaction that changes nothing: makes a node that goes with us, looks at its time, takes it away. */
static int try_write(struct doctor *d, int64_t *out_server_ms, struct tg_error *e)
{
    char id[40], path[64];
    struct tg_node n = {0};
    int rc = tg_store_random_id(id, e);

    snprintf(path, sizeof path, "/doctor-%s", id);
    if (!rc)
        rc = tg_store_create(d->store, path, "", 0, TG_CREATE_EPHEMERAL, d->deadline, e);
    if (!rc)
        rc = tg_store_read(d->store, path, d->deadline, &n, e);
    if (!rc)
        rc = tg_store_delete(d->store, path, TG_ANY_VERSION, d->deadline, e);
    *out_server_ms = n.stat.modified_ms;
    tg_node_release(&n);
    return rc;
}

static void check_writing(struct doctor *d)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t server_ms, begun = tg_mono_ms(tg_loop_clock(d->f->loop));

    if (try_write(d, &server_ms, &e) != 0) {
        find_error(d, TG_DOCTOR_FAIL, &e);
        return;
    }
    int64_t now = tg_wall_ms(tg_loop_clock(d->f->loop)), took = tg_mono_ms(tg_loop_clock(d->f->loop)) - begun;
    int64_t off = server_ms - now;
    if (off > CLOCK_WARN_MS || off < -CLOCK_WARN_MS - took) {
        find(d, TG_DOCTOR_WARN, "allowed, three transactions in %" PRId64 " ms; but the store's clock is %" PRId64 " ms off this host's", took, off);
        mend(d, "until= of a lock is a wall-clock time: keep clocks together with chrony or ntpd");
    } else {
        find(d, TG_DOCTOR_OK, "allowed, three transactions in %" PRId64 " ms; clocks agree", took);
    }
}

static bool is_in(const struct tg_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return false;
}

/* Folders of the root that are somebody else's; returns them as "/a, /b". */
static void find_strange(const struct tg_names *names, const struct tg_op *rows, size_t n_rows, char *out, size_t size)
{
    for (size_t i = 0; i < names->count; i++) {
        bool ours = strcmp(names->names[i], "cluster") == 0 || strcmp(names->names[i], "migration") == 0 || strcmp(names->names[i], "zookeeper") == 0;
        for (size_t k = 0; k < n_rows; k++)
            ours |= strcmp(names->names[i], rows[k].path + 1) == 0;
        size_t len = strlen(out);
        if (!ours)
            snprintf(out + len, size - len, "%s/%s", len ? ", " : "", names->names[i]);
    }
}

static void check_tree(struct doctor *d)
{
    struct tg_op rows[TG_TREE_ROWS_MAX];
    size_t n_rows = tg_store_tree_ops(rows, TG_TREE_ROWS_MAX);
    struct tg_names names = {0};
    struct tg_error e = TG_ERROR_INIT;
    char strange[300] = "", lacks[300] = "";
    bool whole = true;

    n_rows += tg_tree_init_ops(rows + n_rows, TG_TREE_ROWS_MAX - n_rows);
    if (tg_store_list(d->store, "/", d->deadline, &names, &e) != 0) {
        find_error(d, TG_DOCTOR_UNKNOWN, &e);
        return;
    }
    find_strange(&names, rows, n_rows, strange, sizeof strange);
    for (size_t i = 0; i < n_rows; i++) {
        size_t len = strlen(lacks);
        if (strchr(rows[i].path + 1, '/') || is_in(&names, rows[i].path + 1))
            continue;
        snprintf(lacks + len, sizeof lacks - len, "%s%s", len ? ", " : "", rows[i].path);
        whole = whole && i >= n_rows - TG_TREE_LATER;
    }
    size_t n = names.count;
    tg_names_release(&names);
    if (lacks[0]) {
        find(d, whole ? TG_DOCTOR_WARN : TG_DOCTOR_UNKNOWN, "%zu folders; it lacks %s", n, lacks);
        mend(d, whole ? "an older tagout has made this store: tagout init adds what it lacks" : "this copy is not whole: restore the whole store from its last good copy");
        return;
    }
    find(d, strange[0] ? TG_DOCTOR_WARN : TG_DOCTOR_OK, "%zu folders%s%s", n, strange[0] ? "; not tagout's, or left over: " : ", nothing strange", strange);
    if (strange[0])
        mend(d, "look at them; tagout ignores what it does not know");
}

/* Reads every lock that there is, and compares the counts on the way. */
static void check_locks(struct doctor *d)
{
    struct tg_guard guard = {.store = d->store, .state_dir = d->f->config->state_dir, .timeout_ms = WAIT_MS};
    struct tg_locks locks = {0};
    struct tg_error e = TG_ERROR_INIT;
    int64_t now = tg_wall_ms(tg_loop_clock(d->f->loop));
    size_t overdue = 0;

    if (tg_lock_list(&guard, NULL, &locks, &e) != 0) {
        find(d, TG_DOCTOR_UNKNOWN, "%s%s%s%s", e.message, guard.cause[0] ? " (" : "", guard.cause, guard.cause[0] ? ")" : "");
        mend(d, e.hint);
        return;
    }
    for (size_t i = 0; i < locks.n; i++)
        overdue += locks.v[i].until_ms < now;
    find(d, overdue ? TG_DOCTOR_WARN : TG_DOCTOR_OK, "%zu held, as many as are recorded; %zu overdue", locks.n, overdue);
    if (overdue)
        mend(d, "an overdue lock still holds: tagout locks shows whose it is; tagout unlock or extend it");
    tg_locks_release(&locks);
}

static void check_runs(struct doctor *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_runs_left left;

    if (tg_runs_left(d->store, WAIT_MS, &d->now->more, &left, &e)) {
        find_error(d, TG_DOCTOR_UNKNOWN, &e);
        return;
    }
    if (left.back || left.half)
        find(d, TG_DOCTOR_FAIL, "%zu host%s %s, and in service in spite of that; %zu of the runs that nobody drives hold%s something on hosts", left.back + left.half,
             left.back + left.half == 1 ? " is" : "s are", !left.half ? "withdrawn" : left.back ? "withdrawn or half changed" : "half changed", left.n, left.n == 1 ? "s" : "");
    else
        find(d, left.n ? TG_DOCTOR_WARN : TG_DOCTOR_OK, left.n ? "%zu of the runs that nobody drives hold%s something on hosts" : "no run that nobody drives holds anything on a host", left.n,
             left.n == 1 ? "s" : "");
    if (left.n)
        mend(d, "tagout run --resume RUN goes on with a run, or undoes what an ended one has left; where that can't be, by hand:");
    if (left.looked == TG_RUNS_LEFT_MAX)
        find(d, left.back || left.half ? TG_DOCTOR_FAIL : TG_DOCTOR_WARN, "only the newest %d runs that may hold something were looked at, %zu do", TG_RUNS_LEFT_MAX, left.n);
}

#define UNTOLD_MS INT64_C(3600000) /* after that somebody should know that nobody is told */

static void check_announcements(struct doctor *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_announce_left left;
    int64_t now = tg_wall_ms(tg_loop_clock(d->f->loop));
    char since[40];

    if (tg_announce_left(d->store, WAIT_MS, &d->now->more, &left, &e)) {
        find_error(d, e.code == TG_E_UNKNOWN ? TG_DOCTOR_WARN : TG_DOCTOR_UNKNOWN, &e); /* what an older store lacks is no damage */
    } else if (left.bad) {
        find(d, TG_DOCTOR_UNKNOWN, "%zu that can't be understood", left.bad);
        mend(d, "a newer tagout has written them, or they were damaged: tagout announce list names them");
    } else if (left.notes_ms && now - left.notes_ms > UNTOLD_MS) {
        tg_duration_format(now - left.notes_ms, since, sizeof since);
        find(d, TG_DOCTOR_WARN, "%zu changes of maintenance wait to be told, the oldest for %s: nobody sends", left.notes, since);
        mend(d, "tagout announce send, from a timer");
    } else if (left.refused) {
        find(d, TG_DOCTOR_WARN, "%zu customers were not told all, for good", left.refused);
        mend(d, "each waits for somebody to decide:");
    } else if (left.tried_ms && now - left.tried_ms > UNTOLD_MS) {
        tg_duration_format(now - left.tried_ms, since, sizeof since);
        find(d, TG_DOCTOR_WARN, "some are tried in vain for %s", since);
        mend(d, "tagout announce list has the answers; tagout announce test ADDRESS tries the mail server");
    } else {
        find(d, TG_DOCTOR_OK, "%zu changes of maintenance and %zu announcements are on their way", left.notes, left.open);
    }
}

static void check_weeks(struct doctor *d)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_weeks_look look;

    if (tg_weeks_look(d->store, tg_wall_ms(tg_loop_clock(d->f->loop)), WAIT_MS, &d->now->more, &look, &e)) {
        find_error(d, TG_DOCTOR_UNKNOWN, &e);
        return;
    }
    if (look.unsaid && !look.bad) {
        find(d, TG_DOCTOR_WARN, "%zu booked; %zu runs have ended, and not all that they have begun in their slots is said to have ended:", look.weeks, look.unsaid);
        return;
    }
    find(d, look.bad ? TG_DOCTOR_UNKNOWN : TG_DOCTOR_OK, look.bad ? "%zu booked, and %zu can't be understood:" : look.weeks ? "%zu booked, and can be read" : "none is booked", look.weeks, look.bad);
    if (look.bad)
        mend(d, "a newer tagout has written it, or it was damaged: with the tagout that booked it, tagout calendar week show WEEK");
}

static void check_requests(struct doctor *d)
{
    struct tg_guard guard = {.store = d->store, .state_dir = d->f->config->state_dir, .timeout_ms = WAIT_MS};
    struct tg_error e = TG_ERROR_INIT;
    size_t n = 0;
    int lists = 0;

    if (tg_requests_held_lines(&guard, tg_wall_ms(tg_loop_clock(d->f->loop)), &d->now->more, &n, &lists, &e)) {
        find_error(d, e.code == TG_E_NOENT ? TG_DOCTOR_WARN : TG_DOCTOR_UNKNOWN, &e);
        return;
    }
    enum tg_doctor_verdict verdict = n || lists ? TG_DOCTOR_WARN : TG_DOCTOR_OK;
    if (n)
        find(d, verdict, "%zu host%s requests that are held for a person, and %s out of service", n, n == 1 ? " has" : "s have", n == 1 ? "is" : "are");
    else
        find(d, verdict, "no request is held for a person");
    if (lists)
        mend(d, lists == TG_E_UNKNOWN ? "update tagout here and on the hosts that are named; nobody who is held is missing:" : "nobody who is held is missing, and the list mends itself:");
}

static const struct {
    const char *name;
    void (*run)(struct doctor *d);
    bool needs_store;
} checks[] = {
    {"configuration", check_configuration, false},
    {"modules", check_modules, false},
    {"before-unlock", check_gate, false},
    {"store", check_store, false},
    {"cluster", check_cluster, true},
    {"seen", check_mark, false},
    {"writing", check_writing, true},
    {"tree", check_tree, true},
    {"locks", check_locks, true},
    {"runs", check_runs, true},
    {"announcements", check_announcements, true},
    {"weeks", check_weeks, true},
    {"requests", check_requests, true},
};
#define CHECKS (sizeof checks / sizeof checks[0])

static void print_text(const struct tg_frame *f, const struct tg_doctor_finding *found)
{
    struct tg_buf text = TG_BUF_INIT;

    tg_doctor_text(found, CHECKS, f->out_tty ? f->width : 0, f->colour, &text);
    fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
}

static const struct tg_opt opts[] = {
    {.name = "enforce", .type = TG_OPT_FLAG, .text = "Try whether a lock really holds the tools of this host, all or those that are named; in place of the other checks"},
    {.name = NULL},
};

static int exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_doctor_finding found[CHECKS] = {{0}};
    struct doctor d = {.f = f};
    enum tg_doctor_verdict worst = TG_DOCTOR_OK;

    if (tg_opt_flag(f, "enforce"))
        return tg_enforce_main(f, e);
    if (f->argc > 0)
        return tg_fail(e, TG_E_USAGE, "tools are named with --enforce: tagout doctor --enforce %s", f->argv[0]);
    for (size_t i = 0; i < CHECKS; i++) {
        d.now = &found[i];
        found[i].check = checks[i].name;
        if (checks[i].needs_store && !d.connected)
            find(&d, TG_DOCTOR_UNKNOWN, "not looked at: the store is not reached");
        else
            checks[i].run(&d);
        if (found[i].verdict > worst)
            worst = found[i].verdict;
    }
    tg_store_close(d.store);
    d.store = NULL;
    f->status = worst == TG_DOCTOR_FAIL ? tg_exit_status(TG_E_FAILED) : worst == TG_DOCTOR_UNKNOWN ? tg_exit_status(TG_E_UNKNOWN) : 0;
    int rc = f->json ? tg_print_json(tg_doctor_json(found, CHECKS, f->config->store, worst), e) : 0;
    if (!f->json)
        print_text(f, found);
    for (size_t i = 0; i < CHECKS; i++)
        tg_buf_release(&found[i].more);
    return rc;
}

const struct tg_cmd tg_cmd_doctor = {
    .name = "doctor",
    .args = "[--enforce [TOOL…]]",
    .brief = "look whether all is well, or whether locks hold the tools of this host",
    .details = "Checks the configuration, the modules, the store and what this host has seen of it, and says how to mend what is not well. "
               "Ends with 0 when all is well or only warnings were found, 1 when something is broken, 69 when the store can't be proven. "
               "With --enforce it tries each tool that is installed here under a lock that holds nobody else, with something that changes nothing: "
               "BLOCKED, NOT BLOCKED, not configured, not installed, or why it could not be tried. It ends with 0 only when all that are installed are BLOCKED.",
    .examples = "$ tagout doctor\n$ tagout doctor -o json\n$ tagout doctor --enforce\n",
    .opts = opts,
    .max_args = -1,
    .complete = "tool",
    .needs = TG_NEED_CONFIG,
    .exec = exec,
};
