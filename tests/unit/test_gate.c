/*
 * The gate before unlock: its rules, what answers come to, and asking many at once over the local transport, with a driver of the
 * test's own. P12: what is not told is not fine.
 */
#include "engine/gate.h"
#include "fleet/inventory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tg_inventory *inventory;
static char work[] = "/tmp/tagout-gate-XXXXXX";
static struct tg_loop *loop;

static void set_up(void)
{
    static const char text[] = "groups:\n  web: {hosts: \"web[1-9]\"}\n  db: {hosts: \"db1\", attrs: {managed-by: salt}}\n";
    struct tg_problems problems = TG_PROBLEMS_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("i.yaml", text, sizeof text - 1, &problems, &inventory, NULL), 0);
    tg_problems_release(&problems);
    cr_assert(mkdtemp(work));
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
}

static void tear_down(void)
{
    char command[64];

    tg_loop_free(loop);
    tg_inventory_free(inventory);
    snprintf(command, sizeof command, "rm -rf %s", work);
    cr_assert_eq(system(command), 0);
}

TestSuite(gate, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- the rules ---- */

static int read_rules(const char *text, struct tg_gate_rules *rules, char *mistakes, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_buf b = TG_BUF_INIT;

    cr_assert_eq(tg_yaml_parse("tagout.yaml", text, strlen(text), &p, &doc, NULL), 0);
    int rc = tg_gate_rules_read(tg_yaml_get(tg_yaml_root(doc), "before-unlock"), inventory, &p, rules, NULL);
    tg_problems_text(&p, &b);
    snprintf(mistakes, size, "%s", tg_buf_text(&b));
    tg_buf_release(&b);
    tg_problems_release(&p);
    tg_yaml_free(doc);
    return rc;
}

Test(gate, a_host_is_asked_by_each_rule_that_selects_it)
{
    struct tg_gate_rules rules;
    struct tg_gate_asks asks = {0};
    char mistakes[4096];

    cr_assert_eq(read_rules("before-unlock:\n  - {targets: \"@web\", puppet: {environment: production}}\n  - {targets: \"managed-by=salt\", salt: {}}\n"
                            "  - {targets: \"web2,db1\", ansible: {playbook: /site.yml}}\n", &rules, mistakes, sizeof mistakes), 0, "%s", mistakes);
    cr_assert_eq(tg_gate_add_host(&asks, &rules, tg_inventory_host(inventory, "web1"), NULL), 0);
    cr_assert_eq(asks.n, 1);
    cr_assert_eq(tg_gate_add_host(&asks, &rules, tg_inventory_host(inventory, "web2"), NULL), 0);
    cr_assert_eq(tg_gate_add_host(&asks, &rules, tg_inventory_host(inventory, "db1"), NULL), 0);
    cr_assert_eq(asks.n, 5);
    cr_assert_str_eq(asks.v[3].rule->driver->name, "salt");
    cr_assert_str_eq(asks.v[4].rule->driver->name, "ansible");
    tg_gate_asks_release(&asks);
    tg_gate_rules_release(&rules);
}

Test(gate, mistakes_in_rules_have_a_place)
{
    struct tg_gate_rules rules;
    char m[8192];
    static const char *const parts[] = {
        "tagout.yaml:2:16: targets: there is no group \"wep\"", "tagout.yaml:2:44: \"enviroment\" of puppet is not known",
        "tagout.yaml:3:5: a rule of before-unlock needs targets and a tool", "tagout.yaml:4:23: \"pupet\" is neither \"targets\" nor a driver",
        "tagout.yaml:5:35: a second tool in one rule", "tagout.yaml:6:5: ", "tagout.yaml:7:32: ansible: needs a playbook",
    };

    cr_assert_eq(read_rules("before-unlock:\n  - {targets: \"@wep\", puppet: {enviroment: x}}\n  - {targets: \"@web\"}\n  - {targets: \"@web\", pupet: {}}\n"
                            "  - {targets: \"@web\", puppet: {}, salt: {}}\n  - web\n  - {targets: \"@web\", ansible: {}}\n", &rules, m, sizeof m), TG_E_DATA);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_assert(strstr(m, parts[i]), "%s in:\n%s", parts[i], m);
    tg_gate_rules_release(&rules);
}

/* ---- what answers come to ---- */

Test(gate, only_what_was_told_is_fine) /* P12 */
{
    for (int kind = 0; kind <= TG_OUTCOME_UNKNOWN; kind++) {
        struct tg_outcome o = {.kind = (enum tg_outcome_kind) kind, .changed = 0, .corrective = 0};
        enum tg_gate_verdict expected = kind == TG_OUTCOME_UNCHANGED ? TG_GATE_NOTHING : kind == TG_OUTCOME_WOULD_CHANGE ? TG_GATE_PENDING : TG_GATE_UNKNOWN;
        cr_assert_eq(tg_gate_judge(&o), expected, "%s", tg_outcome_name(o.kind));
    }
    struct tg_outcome blind = {.kind = TG_OUTCOME_WOULD_CHANGE, .changed = 1, .corrective = -1}, manual = {.kind = TG_OUTCOME_WOULD_CHANGE, .changed = 3, .corrective = 1};
    cr_assert_eq(tg_gate_judge(&blind), TG_GATE_REVERT);
    cr_assert_eq(tg_gate_judge(&manual), TG_GATE_REVERT);
}

static const struct tg_driver named = {.version = TG_DRIVER_ABI, .name = "puppet"};
static const struct tg_gate_rule named_rule = {.driver = &named};

static struct tg_gate_ask answer(const char *host, enum tg_outcome_kind kind, int changed, int corrective, const char *what)
{
    struct tg_gate_ask a = {.host = tg_inventory_host(inventory, host), .name = tg_inventory_host(inventory, host)->name, .rule = &named_rule, .done = true};

    tg_outcome_say(&a.outcome, kind, "said \x1b[2Jso");
    a.outcome.changed = changed;
    a.outcome.corrective = corrective;
    if (what)
        tg_outcome_item(&a.outcome, what, 3, 1, corrective > 0);
    a.verdict = tg_gate_judge(&a.outcome);
    return a;
}

Test(gate, equal_answers_are_one_line_and_those_that_matter_come_first)
{
    struct tg_gate_ask all[] = {
        answer("web4", TG_OUTCOME_UNCHANGED, 0, 0, NULL), answer("web3", TG_OUTCOME_WOULD_CHANGE, 1, 1, "/etc/zoo.cfg"), answer("web5", TG_OUTCOME_BUSY, -1, -1, NULL),
        answer("web1", TG_OUTCOME_WOULD_CHANGE, 1, 1, "/etc/zoo.cfg"), answer("web2", TG_OUTCOME_WOULD_CHANGE, 1, 1, "/etc/zoo.cfg"),
        answer("web6", TG_OUTCOME_WOULD_CHANGE, 1, 0, "/etc/new"), answer("db1", TG_OUTCOME_UNCHANGED, 0, 0, NULL), answer("web7", TG_OUTCOME_WOULD_CHANGE, 1, 1, "/etc/other"),
    };
    struct tg_gate_asks asks = {.v = all, .n = sizeof all / sizeof all[0]};
    struct tg_gate_groups groups;
    struct tg_buf b = TG_BUF_INIT;
    char accepted[256];

    cr_assert_eq(tg_gate_group(&asks, &groups, NULL), 0);
    cr_assert_eq(tg_gate_text(&groups, false, &b, NULL), 0);
    cr_assert_str_eq(tg_buf_text(&b), "  1 host  web7   puppet would undo 1 manual change:  /etc/other  (+3 −1)\n"
                                      "  3 hosts  web[1-3]   puppet would undo 1 manual change:  /etc/zoo.cfg  (+3 −1)\n"
                                      "  1 host  web5   can't be told: said ?[2Jso\n"
                                      "  1 host  web6   puppet has 1 pending change, none of a manual one:  /etc/new  (+3 −1)\n"
                                      "  2 hosts  db1,web4   nothing\n");
    cr_assert_eq(tg_gate_accepted(&groups, accepted, sizeof accepted, NULL), 0);
    cr_assert_str_eq(accepted, "puppet undoes 1 manual change on web7, puppet undoes 1 manual change on web[1-3], not known of web5");
    cr_assert_eq(tg_gate_accepted(&groups, accepted, 99, NULL), 0);
    cr_assert(strstr(accepted, "on 3 hosts"), "%s", accepted);
    tg_buf_release(&b);
    tg_gate_groups_release(&groups);
    for (size_t i = 0; i < asks.n; i++)
        tg_outcome_release(&all[i].outcome);
}

/* ---- asking ---- */

static char script[1024];

static int shell_request(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *c, struct tg_request *out, struct tg_error *e)
{
    (void) p;
    (void) e;
    cr_assert_eq(verb, TG_VERB_DRY_RUN);
    *out = (struct tg_request) {.timeout_ms = 60000};
    return tg_request_arg(out, "sh") | tg_request_arg(out, "-c") | tg_request_arg(out, "%s", script) | tg_request_arg(out, "x") | tg_request_arg(out, "%s", c->host) |
           tg_request_arg(out, "%s", work);
}

static int shell_answer(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_answer *a, struct tg_outcome *o, struct tg_error *e)
{
    (void) p;
    (void) verb;
    (void) e;
    *o = (struct tg_outcome) {.changed = a->status, .corrective = a->status};
    tg_outcome_say(o, a->status ? TG_OUTCOME_WOULD_CHANGE : TG_OUTCOME_UNCHANGED, "%s", a->out);
    cr_assert(a->host);
    return 0;
}

static const struct tg_driver shell = {.version = TG_DRIVER_ABI, .name = "shell", .verbs = 1u << TG_VERB_DRY_RUN, .request = shell_request, .answer = shell_answer};
static size_t most_running;

static void tell(void *data, size_t done, size_t running, size_t total)
{
    (void) data;
    cr_assert_leq(done + running, total);
    most_running = running > most_running ? running : most_running;
}

/* Interrupts once all have begun, as a signal would. */
static void tell_and_stop(void *data, size_t done, size_t running, size_t total)
{
    char path[128];

    (void) data;
    (void) done;
    (void) total;
    snprintf(path, sizeof path, "%s/web2", work);
    if (running == 2 && access(path, F_OK) == 0)
        tg_loop_interrupt(loop);
}

static int run(size_t n, size_t parallel, void (*teller)(void *, size_t, size_t, size_t), struct tg_gate_asks *asks, struct tg_error *e)
{
    static struct tg_gate_rule rule;
    static struct tg_gate_rules rules = {.v = &rule, .n = 1};
    char name[16], steps[64];

    rule = (struct tg_gate_rule) {.driver = &shell};
    cr_assert_eq(tg_select(inventory, "@web", &rule.targets, NULL), 0);
    for (size_t i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "web%zu", i);
        cr_assert_eq(tg_gate_add_host(asks, &rules, tg_inventory_host(inventory, name), NULL), 0);
    }
    snprintf(steps, sizeof steps, "%s/steps", work);
    const struct tg_gate_options o = {.loop = loop, .transport = "local", .lock_id = "L7K2QX", .who = "alice@ops1", .tokens = "SECRET", .parallel = parallel,
                                      .steps_dir = steps, .tell = teller};
    int rc = tg_gate_run(&o, asks, e);
    tg_selection_release(&rule.targets);
    return rc;
}

Test(gate, asks_many_at_once_within_a_bound_and_hands_the_token_over)
{
    struct tg_gate_asks asks = {0};
    struct tg_error e = TG_ERROR_INIT;

    snprintf(script, sizeof script, "printf '%%s %%s' \"$1\" \"$TAGOUT_TOKEN\"; case $1 in web3) exit 2 ;; web4) kill -9 $PPID; sleep 9 ;; esac");
    cr_assert_eq(run(7, 3, tell, &asks, &e), 0, "%s", e.message);
    cr_assert_leq(most_running, 3);
    for (size_t i = 0; i < asks.n; i++) {
        const struct tg_gate_ask *a = &asks.v[i];
        char expected[64];
        cr_assert(a->done);
        snprintf(expected, sizeof expected, "%s SECRET", a->name);
        if (strcmp(a->name, "web4") != 0)
            cr_assert_str_eq(a->outcome.text, expected);
        cr_assert_eq(a->verdict, strcmp(a->name, "web3") == 0 ? TG_GATE_REVERT : strcmp(a->name, "web4") == 0 ? a->verdict : TG_GATE_NOTHING);
    }
    tg_gate_asks_release(&asks);
}

Test(gate, an_interrupted_question_leaves_nothing_at_work)
{
    struct tg_gate_asks asks = {0};
    struct tg_error e = TG_ERROR_INIT;
    char command[256];

    snprintf(script, sizeof script, "echo $$ >\"$2/$1\"; sleep 300");
    cr_assert_eq(run(2, 0, tell_and_stop, &asks, &e), TG_E_CANCELLED);
    for (size_t i = 0; i < asks.n; i++)
        cr_assert_eq(asks.v[i].verdict, TG_GATE_UNKNOWN);
    snprintf(command, sizeof command, "for f in %s/web*; do n=0; while kill -0 $(cat $f) 2>/dev/null; do n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.1; done; done", work);
    cr_assert_eq(system(command), 0);
    tg_gate_asks_release(&asks);
}

/* ---- central: one request for many hosts, on this machine ---- */

static bool always(const struct tg_driver_params *p)
{
    (void) p;
    return true;
}

/* The script's arguments are the hosts; the environment comes on stdin. */
static int central_request(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *c, struct tg_request *out, struct tg_error *e)
{
    int rc = tg_request_arg(out, "sh") | tg_request_arg(out, "-c") | tg_request_arg(out, "%s", script) | tg_request_arg(out, "%s", work);

    (void) p;
    (void) e;
    cr_assert_eq(verb, TG_VERB_DRY_RUN);
    cr_assert_str_eq(c->host, c->hosts[0]);
    out->timeout_ms = 1500;
    for (size_t i = 0; i < c->n_hosts; i++)
        rc |= tg_request_arg(out, "%s", c->hosts[i]);
    return rc;
}

/* "HOST STATUS" a line; a host without one is not known. */
static int central_answer(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_answer *a, struct tg_outcome *o, struct tg_error *e)
{
    char key[64];

    (void) p;
    (void) verb;
    (void) e;
    *o = (struct tg_outcome) {.changed = 1, .corrective = -1};
    snprintf(key, sizeof key, "%s ", a->host);
    const char *at = strstr(a->out, key);
    tg_outcome_say(o, !at ? TG_OUTCOME_UNKNOWN : at[strlen(key)] == '0' ? TG_OUTCOME_UNCHANGED : TG_OUTCOME_WOULD_CHANGE, "%s", at ? at : "not looked at");
    return 0;
}

static const struct tg_driver central = {.version = TG_DRIVER_ABI, .name = "central", .verbs = 1u << TG_VERB_DRY_RUN, .request = central_request,
                                         .answer = central_answer, .is_central = always};

/* Asks 40 hosts through it, and web1 to web3 of them by the shell as well. */
static void run_central(size_t max, struct tg_gate_asks *asks)
{
    static struct tg_gate_rule rules[] = {{.driver = &central}, {.driver = &shell}};
    static const struct tg_gate_options o = {.transport = "local", .lock_id = "L7K2QX", .who = "alice@ops1", .tokens = "SECRET"};
    static char names[40][8];
    struct tg_gate_options here = o;
    struct tg_error e = TG_ERROR_INIT;
    char steps[64];

    snprintf(steps, sizeof steps, "%s/steps", work);
    here.loop = loop;
    here.steps_dir = steps;
    here.central_max = max;
    asks->v = calloc(43, sizeof *asks->v);
    asks->n = 43;
    for (size_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i);
        asks->v[i] = (struct tg_gate_ask) {.host = tg_inventory_host(inventory, "web1"), .name = names[i], .rule = &rules[0], .verdict = TG_GATE_UNKNOWN};
    }
    for (size_t i = 40; i < 43; i++)
        asks->v[i] = (struct tg_gate_ask) {.host = tg_inventory_host(inventory, "web1"), .name = names[i - 40], .rule = &rules[1], .verdict = TG_GATE_UNKNOWN};
    cr_assert_eq(tg_gate_run(&here, asks, &e), 0, "%s", e.message);
    for (size_t i = 0; i < asks->n; i++)
        cr_assert(asks->v[i].done, "%zu", i);
}

Test(gate, a_central_driver_is_asked_for_many_hosts_at_once_as_its_user)
{
    struct tg_gate_asks asks = {0};
    char command[128];

    setenv("TAGOUT_TEST_OF_USER", "it's $(mine)", 1);
    snprintf(script, sizeof script, "[ -d \"$2\" ] && exit 0; while IFS= read -r l; do export \"$l\"; done; echo $# >>\"$0/calls\"\n"
                                    "[ \"$TAGOUT_TOKEN $TAGOUT_TEST_OF_USER\" = \"SECRET it's \\$(mine)\" ] || exit 1\n"
                                    "for h; do case $h in h7) echo \"$h 1\" ;; h8) ;; *) echo \"$h 0\" ;; esac; done");
    run_central(0, &asks);
    for (size_t i = 0; i < 40; i++)
        cr_assert_eq(asks.v[i].verdict, i == 7 ? TG_GATE_REVERT : i == 8 ? TG_GATE_UNKNOWN : TG_GATE_NOTHING, "h%zu: %s", i, asks.v[i].outcome.text);
    snprintf(command, sizeof command, "[ \"$(sort -n %s/calls | tr '\\n' ' ')\" = '10 30 ' ]", work);
    cr_assert_eq(system(command), 0);
    tg_gate_asks_release(&asks);
}

/* P12: a flood, a hang, a death and a lie about the end are not known. */
Test(gate, what_a_central_driver_says_is_believed_within_bounds)
{
    static const char *const scripts[] = {
        "for h; do echo \"$h 0\"; done; head -c 3000000 /dev/zero; for h; do echo \"$h 0\"; done", /* more than is read */
        "for h; do echo \"$h 0\"; done; yes x",
        "for h; do echo \"$h 0\"; done; sleep 300",
        "exit 0",
        "yes x | head -c 900000 | tr x '\\377'; kill -9 $$",
    };

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct tg_gate_asks asks = {0};
        snprintf(script, sizeof script, "[ -d \"$2\" ] && exit 0; %s", scripts[i]);
        run_central(1 << 20, &asks);
        for (size_t k = 0; k < 40; k++)
            cr_assert_eq(asks.v[k].verdict, TG_GATE_UNKNOWN, "%s: h%zu: %s", scripts[i], k, asks.v[k].outcome.text);
        tg_gate_asks_release(&asks);
    }
}
