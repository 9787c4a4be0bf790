/*
 * The gate before unlock (DESIGN §4): config management is asked by dry-runs what it would revert of what was done under a lock. Three
 * parts: the site's rules, who is asked (gate_rules.c); asking, the ring around drivers and transports (gate.c); what the answers come
 * to, pure (gate_judge.c).
 *
 *   before-unlock:
 *     - {targets: "@web", puppet: {environment: production}}
 *     - {targets: "@db", salt: {state: db}}
 */
#ifndef TG_ENGINE_GATE_H
#define TG_ENGINE_GATE_H

#include "base/buf.h"
#include "config/yaml.h"
#include "fleet/selector.h"

#include <tagout/driver.h>
#include <tagout/loop.h>
#include <tagout/transport.h>
#include <jansson.h>

/* ---- the rules ---- */

struct tg_gate_rule {
    const struct tg_driver *driver;
    struct tg_driver_params *params;
    struct tg_selection targets;
};
struct tg_gate_rules {
    struct tg_gate_rule *v;
    size_t n;
};
/*
 * Reads the list, loads its drivers. Mistakes go to problems with their places, then TG_E_DATA. The inventory must live as long as the
 * rules. Release with tg_gate_rules_release(), also the half-read.
 */
int tg_gate_rules_read(const struct tg_yaml_node *list, const struct tg_inventory *inventory, struct tg_problems *problems,
                       struct tg_gate_rules *out, struct tg_error *e);
void tg_gate_rules_release(struct tg_gate_rules *rules);

/* ---- one question, and what its answer comes to ---- */

enum tg_gate_verdict {
    TG_GATE_REVERT,  /* something would be undone, or may be: the tool can't tell a manual change from a pending one */
    TG_GATE_UNKNOWN, /* can't be told: not reached, busy, no whole answer. Never taken for nothing (P12) */
    TG_GATE_PENDING, /* would change something, but nothing that a person did */
    TG_GATE_NOTHING
};
const char *tg_gate_verdict_name(enum tg_gate_verdict verdict); /* "revert", "unknown", "pending", "nothing" */

struct tg_gate_ask {
    const struct tg_host *host;      /* NULL: the inventory does not have it (any more), so who owns it can't be told */
    const char *name;                /* of the host; borrowed */
    const struct tg_gate_rule *rule; /* NULL with host */
    bool begun, done;
    struct tg_outcome outcome;       /* UNKNOWN with its text when the host gave none */
    enum tg_gate_verdict verdict;
};
struct tg_gate_asks {
    struct tg_gate_ask *v;
    size_t n;
};
/* Asks of one host, by every rule that selects it. TG_E_MEMORY. */
int tg_gate_add_host(struct tg_gate_asks *asks, const struct tg_gate_rules *rules, const struct tg_host *host, struct tg_error *e);
/* One that is not in the inventory. name is borrowed. */
int tg_gate_add_stranger(struct tg_gate_asks *asks, const char *name, struct tg_error *e);
void tg_gate_asks_release(struct tg_gate_asks *asks);

enum tg_gate_verdict tg_gate_judge(const struct tg_outcome *outcome);

/* Identical answers are one line: groups of asks, those that matter most first. */
struct tg_gate_group {
    enum tg_gate_verdict verdict;
    const struct tg_gate_ask **asks; /* the first speaks for all */
    size_t n;
};
struct tg_gate_groups {
    struct tg_gate_group *v;
    size_t n;
};
int tg_gate_group(const struct tg_gate_asks *asks, struct tg_gate_groups *out, struct tg_error *e);
void tg_gate_groups_release(struct tg_gate_groups *groups);
size_t tg_gate_count(const struct tg_gate_asks *asks, enum tg_gate_verdict verdict);
/* For people: the table, without heading. diffs: below each group the diff of its first host. */
int tg_gate_text(const struct tg_gate_groups *groups, bool diffs, struct tg_buf *out, struct tg_error *e);
/* [{"host", "tool", "verdict", "outcome", "changed", "corrective", "text", "changes": […]}, …]; NULL: memory. */
json_t *tg_gate_json(const struct tg_gate_asks *asks, bool diffs);
/* For the audit: "puppet undoes 1 manual change on zk[1-3].example.com", at most size - 1 bytes; hosts are counted where names don't fit. */
int tg_gate_accepted(const struct tg_gate_groups *groups, char *out, size_t size, struct tg_error *e);

/*
 * ---- asking ----
 * Host by host over the transport; or, where the driver says so (is_central), on this machine as the user who asks, for some dozens of hosts at once: what
 * those answer is one output, which the driver reads for each. It has a bound, and what is longer is not believed: nothing can be told of any of them.
 */

struct tg_gate_options {
    struct tg_loop *loop;
    const char *transport;             /* "ssh" */
    struct tg_transport_options how;   /* loop is filled in */
    const char *lock_id, *who;
    const char *tokens;                /* of the lock: handed to the tool as TAGOUT_TOKEN. Secret */
    size_t parallel;                   /* at once; 0: 50 */
    int64_t connect_ms;                /* 0: 15 s */
    int64_t timeout_ms;                /* of a dry-run, unless the tool's own is shorter; 0: 10 min */
    const char *steps_dir;             /* of the bare script; NULL: its own */
    size_t central_max;                /* bytes of a central answer; 0: 32 MB */
    /* Called between turns of the loop, at least once a second. May be NULL. */
    void (*tell)(void *data, size_t done, size_t running, size_t total);
    void *data;
};
/*
 * Asks them all; what becomes of each is in it. Blocks, top level. TG_E_CANCELLED when the loop is interrupted: dry-runs under way are
 * ended, on their hosts too, and nothing is told of them. TG_E_CONFIG when there is no such transport.
 */
int tg_gate_run(const struct tg_gate_options *options, struct tg_gate_asks *asks, struct tg_error *e);

#endif
