/*
 * The Ansible driver. The events are those of our callback under ansible-core 2.14.18 (Debian 12), and real playbooks are run where
 * ansible-playbook is there. P12: what can't be told is unknown.
 */
#define DRIVER "ansible"
#include "driver_suite.h"

#include <sys/wait.h>
#include <unistd.h>

TestSuite(ansible, .init = set_up);

static void request(struct tg_driver_params *p, enum tg_verb verb, struct tg_request *r)
{
    struct tg_request_context c = {.host = "web1.example.com", .run_id = "r"};
    struct tg_error e = TG_ERROR_INIT;

    *r = (struct tg_request) {0};
    cr_assert_eq(driver->request(p, verb, &c, r, &e), 0, "%s", e.message);
}

/* Behind "sh -c SCRIPT tagout-ansible CALLBACK". */
static void argv_is(const char *json, enum tg_verb verb, const char *expected)
{
    struct tg_driver_params *p = params(json);
    struct tg_request r;

    request(p, verb, &r);
    command_is(&r, 5, verb, expected);
    tg_request_release(&r);
    driver->params_free(p);
}

Test(ansible, builds_its_commands)
{
    argv_is("{\"playbook\": \"/srv/a/site.yml\"}", TG_VERB_DRY_RUN,
            "/srv/a --connection=local --limit=web1.example.com --inventory=web1.example.com, --diff --check /srv/a/site.yml");
    argv_is("{\"playbook\": \"/site.yml\", \"inventory\": \"/srv/hosts\", \"directory\": \"/srv\", \"tags\": [\"a\", \"b\"], \"skip-tags\": \"c\", "
            "\"extra-vars\": {\"v\": \"1.2\"}, \"vault-password-file\": \"/root/v\"}",
            TG_VERB_APPLY,
            "/srv --connection=local --limit=web1.example.com --inventory=/srv/hosts --diff --tags=a,b --skip-tags=c --extra-vars={\"v\":\"1.2\"} "
            "--vault-password-file=/root/v /site.yml");
}

Test(ansible, from_the_controller_is_asked_for_all_hosts_at_once_and_changes_nothing)
{
    static const char *const hosts[] = {"web1.example.com", "web2.example.com"};
    struct tg_driver_params *p = params("{\"playbook\": \"/srv/a/site.yml\", \"from\": \"controller\"}"), *plain = params("{\"playbook\": \"/srv/a/site.yml\", \"from\": \"host\"}");
    struct tg_request_context c = {.host = hosts[0], .run_id = "r", .hosts = hosts, .n_hosts = 2};
    struct tg_request r = {0};

    cr_assert(driver->is_central(p));
    cr_assert_not(driver->is_central(plain));
    cr_assert_eq(driver->request(p, TG_VERB_DRY_RUN, &c, &r, NULL), 0);
    command_is(&r, 5, TG_VERB_DRY_RUN, "/srv/a --limit=web1.example.com,web2.example.com --diff --check /srv/a/site.yml");
    tg_request_release(&r);
    for (int verb = 0; verb < TG_VERB_COUNT; verb++)
        if (verb != TG_VERB_DRY_RUN)
            cr_assert_eq(driver->request(p, (enum tg_verb) verb, &c, &r, NULL), TG_E_CONFIG, "%s", tg_verb_name((enum tg_verb) verb));
    driver->params_free(p);
    driver->params_free(plain);
}

Test(ansible, has_nothing_to_disable)
{
    cr_assert_eq(driver->verbs & (1u << TG_VERB_DISABLE | 1u << TG_VERB_ENABLE), 0);
}

Test(ansible, names_each_mistake)
{
    static const char *const paths[] = {"/inventory: ", "/tags: ", "/extra-vars: ", "/from: is host or controller", "/check: is not known; ansible takes playbook, ", ": needs a playbook"};

    refused("{\"inventory\": \"hosts\", \"tags\": [], \"extra-vars\": \"a=b\", \"from\": \"here\", \"check\": true}", paths, 6, NULL);
}

#define HOST "web1.example.com"
#define STATS(ok, changed, failures, unreachable) \
    "{\"tagout\": \"stats\", \"hosts\": {\"" HOST "\": {\"ok\": " #ok ", \"failures\": " #failures ", \"unreachable\": " #unreachable \
    ", \"changed\": " #changed ", \"skipped\": 1, \"rescued\": 0, \"ignored\": 0}}}\n"
#define TASK(state, what, rest) "{\"tagout\": \"task\", \"host\": \"" HOST "\", \"state\": \"" state "\", \"what\": \"" what "\", \"task\": \"do it\"" rest "}\n"

static const struct {
    const char *what;
    enum tg_verb verb;
    int status;
    const char *out, *err;
    enum tg_outcome_kind kind;
    const char *text; /* part of it */
} rows[] = {
    {"as wished", TG_VERB_DRY_RUN, 0, STATS(3, 0, 0, 0), "", TG_OUTCOME_UNCHANGED, "nothing to change (3 tasks)"},
    {"would change", TG_VERB_DRY_RUN, 0, TASK("changed", "/a", "") STATS(3, 1, 0, 0), "", TG_OUTCOME_WOULD_CHANGE, "would change 1 thing"},
    {"would change, and more", TG_VERB_DRY_RUN, 0, TASK("changed", "/a", "") TASK("unforeseen", "x", "") STATS(3, 1, 0, 0), "", TG_OUTCOME_WOULD_CHANGE,
     "1 task can't be foretold in check mode (do it)"},
    {"skipped in check mode", TG_VERB_DRY_RUN, 0, TASK("unforeseen", "x", "") STATS(3, 0, 0, 0), "", TG_OUTCOME_UNKNOWN, "1 task can't be foretold"},
    {"changed", TG_VERB_APPLY, 0, TASK("changed", "/a", "") STATS(3, 2, 0, 0), "", TG_OUTCOME_CHANGED, "changed 2 things"},
    {"a task failed", TG_VERB_APPLY, 2, TASK("failed", "x", ", \"msg\": \"no package\\nx\", \"ignored\": false") STATS(3, 1, 1, 0), "", TG_OUTCOME_FAILED, "do it: no package (exit 2)"},
    {"failed, exit 0", TG_VERB_APPLY, 0, STATS(3, 1, 1, 0), "", TG_OUTCOME_FAILED, "a task failed"},
    {"unreachable", TG_VERB_APPLY, 4, STATS(0, 0, 0, 1), "", TG_OUTCOME_FAILED, "exit 4"},
    {"no tasks", TG_VERB_APPLY, 0, STATS(0, 0, 0, 0), "", TG_OUTCOME_UNKNOWN, "no task was run"},
    {"another host's figures", TG_VERB_DRY_RUN, 0, "{\"tagout\": \"stats\", \"hosts\": {\"web2\": {\"ok\": 3, \"changed\": 0, \"failures\": 0, \"unreachable\": 0}}}\n", "",
     TG_OUTCOME_UNKNOWN, "was not looked at"},
    {"another host failed", TG_VERB_DRY_RUN, 2, "{\"tagout\": \"stats\", \"hosts\": {\"web2\": {\"ok\": 3, \"changed\": 0, \"failures\": 1, \"unreachable\": 0}, "
     "\"" HOST "\": {\"ok\": 3, \"changed\": 0, \"failures\": 0, \"unreachable\": 0}}}\n", "", TG_OUTCOME_UNCHANGED, "nothing to change (3 tasks)"},
    {"nobody failed, and yet", TG_VERB_DRY_RUN, 2, "{\"tagout\": \"stats\", \"hosts\": {\"web2\": {\"ok\": 3, \"changed\": 0, \"failures\": 0, \"unreachable\": 0}, "
     "\"" HOST "\": {\"ok\": 3, \"changed\": 0, \"failures\": 0, \"unreachable\": 0}}}\n", "", TG_OUTCOME_UNKNOWN, "does not fit"},
    {"no host matched", TG_VERB_DRY_RUN, 0, "{\"tagout\": \"stats\", \"hosts\": {}}\n", "[WARNING]: Could not match supplied host pattern\n", TG_OUTCOME_UNKNOWN, "was not looked at"},
    {"no playbook", TG_VERB_DRY_RUN, 1, "", "ERROR! the playbook: /x.yml could not be found\n", TG_OUTCOME_FAILED, "the playbook: /x.yml could not be found (exit 1)"},
    {"held by a callback", TG_VERB_APPLY, 75, "", "TAGOUT-HELD lock=L7K2QX scope=host:a\n", TG_OUTCOME_HELD, "TAGOUT-HELD lock=L7K2QX scope=host:a"},
    {"not installed", TG_VERB_APPLY, 127, "", "ansible-playbook: not found\n", TG_OUTCOME_FAILED, "not installed"},
    {"statistics twice", TG_VERB_DRY_RUN, 0, STATS(3, 0, 0, 0) STATS(3, 0, 0, 0), "", TG_OUTCOME_UNKNOWN, "does not fit"},
    {"more changed than ran", TG_VERB_DRY_RUN, 0, STATS(1, 3, 0, 0), "", TG_OUTCOME_UNKNOWN, "does not fit"},
    {"green, but exit 2", TG_VERB_DRY_RUN, 2, STATS(3, 0, 0, 0), "", TG_OUTCOME_UNKNOWN, "exit 2 does not fit"},
    {"cut short", TG_VERB_DRY_RUN, 0, TASK("changed", "/a", "") "{\"tagout\": \"stats\", \"hosts", "", TG_OUTCOME_UNKNOWN, "was not looked at"},
    {"no run", TG_VERB_STATUS, 0, "", "", TG_OUTCOME_UNCHANGED, "no run"},
    {"a run", TG_VERB_STATUS, 75, "77\n", "", TG_OUTCOME_BUSY, "PID 77)"},
    {"version", TG_VERB_FACTS, 0, "ansible-playbook [core 2.14.18]\n  config file = None\n", "", TG_OUTCOME_UNCHANGED, "ansible-core 2.14.18"},
};

Test(ansible, tells_what_its_answers_mean) /* P12 */
{
    struct tg_driver_params *p = params("{\"playbook\": \"/site.yml\"}");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_answer a = {.host = HOST, .status = rows[i].status, .out = rows[i].out, .err = rows[i].err, .out_len = strlen(rows[i].out),
                              .err_len = strlen(rows[i].err), .started_ms = 1000000, .ended_ms = 1001000};
        struct tg_outcome o;
        cr_assert_eq(driver->answer(p, rows[i].verb, &a, &o, NULL), 0);
        cr_assert_eq(o.kind, rows[i].kind, "%s: %s, %s", rows[i].what, tg_outcome_name(o.kind), o.text);
        cr_assert(strstr(o.text, rows[i].text), "%s: %s", rows[i].what, o.text);
        cr_assert_eq(o.corrective, -1);
        tg_outcome_release(&o);
    }
    driver->params_free(p);
}

/* --- with the real tool --- */

static const char playbook[] =
    "- hosts: all\n"
    "  gather_facts: false\n"
    "  tasks:\n"
    "    - {name: conf, ansible.builtin.copy: {dest: '{{ folder }}/conf', content: \"one\\ntwo\\n\"}}\n"
    "    - {name: asks, ansible.builtin.command: 'true', changed_when: false}\n"
    "    - {name: never, ansible.builtin.command: 'true', when: false}\n"
    "    - {name: secret, no_log: true, ansible.builtin.copy: {dest: '{{ folder }}/secret', content: pw-1234}}\n"
    "    - {name: parts, ansible.builtin.copy: {dest: '{{ folder }}/part{{ item }}', content: \"x\\n\"}, loop: [1, 2]}\n"
    "    - {name: runs, tags: [blind], ansible.builtin.command: 'echo hi'}\n";

static struct tg_outcome play(const char *folder, const char *more, enum tg_verb verb)
{
    char json[512], out_path[128], err_path[128], out[32768] = "", err[8192] = "";
    struct tg_request r;
    struct tg_outcome o;

    snprintf(json, sizeof json, "{\"playbook\": \"%s/site.yml\", \"extra-vars\": {\"folder\": \"%s\"}%s}", folder, folder, more);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(err_path, sizeof err_path, "%s/err", folder);
    struct tg_driver_params *p = params(json);
    request(p, verb, &r);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen(out_path, "w", stdout) || !freopen(err_path, "w", stderr))
            _exit(99);
        setenv("LC_ALL", "C.UTF-8", 1);
        execvp(r.argv[0], r.argv);
        _exit(127);
    }
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    FILE *f = fopen(out_path, "r");
    size_t out_len = fread(out, 1, sizeof out - 1, f), err_len;
    fclose(f);
    f = fopen(err_path, "r");
    err_len = fread(err, 1, sizeof err - 1, f);
    fclose(f);
    cr_assert(!strstr(out, "pw-1234"), "a secret is told: %s", out);
    struct tg_answer a = {.host = HOST, .status = WEXITSTATUS(status), .out = out, .out_len = out_len, .err = err, .err_len = err_len, .started_ms = 1000000, .ended_ms = 1001000};
    cr_assert_eq(driver->answer(p, verb, &a, &o, NULL), 0);
    tg_request_release(&r);
    driver->params_free(p);
    if (strstr(o.text, "not installed"))
        cr_skip_test("needs ansible-core");
    return o;
}

static const struct tg_outcome_item *item(const struct tg_outcome *o, const char *folder, const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? folder : "", name, "");
    for (size_t i = 0; i < o->n_items; i++)
        if (strcmp(o->items[i].what, path) == 0)
            return &o->items[i];
    return NULL;
}

Test(ansible, reads_the_real_tools_check_and_its_run)
{
    char folder[] = "/tmp/tagout-ansible-XXXXXX", path[128];
    struct tg_outcome o;

    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/site.yml", folder);
    FILE *f = fopen(path, "w");
    fputs(playbook, f);
    fclose(f);
    o = play(folder, "", TG_VERB_DRY_RUN);
    cr_assert_eq(o.kind, TG_OUTCOME_WOULD_CHANGE, "%s", o.text);
    cr_assert(strstr(o.text, "would change 3 things; 1 task can't be foretold in check mode (runs)"), "%s", o.text);
    cr_assert_eq(o.n_items, 4);
    const struct tg_outcome_item *conf = item(&o, folder, "/conf");
    cr_assert(conf && conf->added == 2 && conf->removed == 0);
    cr_assert(item(&o, folder, "/part2") && item(&o, folder, "secret"));
    tg_outcome_release(&o);

    o = play(folder, "", TG_VERB_APPLY);
    cr_assert_eq(o.kind, TG_OUTCOME_CHANGED, "%s", o.text);
    tg_outcome_release(&o);
    o = play(folder, ", \"skip-tags\": \"blind\"", TG_VERB_DRY_RUN);
    cr_assert_eq(o.kind, TG_OUTCOME_UNCHANGED, "%s", o.text);
    tg_outcome_release(&o);
    o = play(folder, "", TG_VERB_DRY_RUN);
    cr_assert_eq(o.kind, TG_OUTCOME_UNKNOWN, "what was skipped in check mode is not \"no change\": %s", o.text);
    tg_outcome_release(&o);
    o = play(folder, ", \"tags\": \"nosuch\"", TG_VERB_DRY_RUN);
    cr_assert_eq(o.kind, TG_OUTCOME_UNKNOWN, "%s", o.text);
    tg_outcome_release(&o);
    snprintf(path, sizeof path, "rm -rf %s", folder);
    cr_assert_eq(system(path), 0);
}
