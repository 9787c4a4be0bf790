/*
 * The Salt driver. The answers are those of Salt 3006.16 and 3008.3 on Debian 12, shortened. P12: what can't be told is unknown.
 */
#define DRIVER "salt"
#include "driver_suite.h"

TestSuite(salt, .init = set_up);

static void argv_is(const char *json, enum tg_verb verb, const char *expected)
{
    struct tg_driver_params *p = params(json);
    struct tg_request_context c = {.host = "web1", .run_id = "r", .lock_id = "L7K2QX", .who = "alice@ops1", .reason = "disk"};
    struct tg_request r = {0};
    size_t first = 0;

    cr_assert_eq(driver->request(p, verb, &c, &r, NULL), 0);
    if (strcmp(r.argv[0], "sh") == 0)
        first = 3; /* "sh -c SCRIPT tagout-salt …" */
    command_is(&r, first, verb, expected);
    tg_request_release(&r);
    driver->params_free(p);
}

Test(salt, builds_its_commands)
{
    argv_is("{}", TG_VERB_DRY_RUN,
            "salt-call --log-level=quiet --retcode-passthrough --no-color --out=json --out-indent=0 state.highstate test=True");
    argv_is("{\"state\": [\"web\", \"web.tls\"], \"saltenv\": \"prod\", \"pillarenv\": \"prod\", \"pillar\": {\"v\": \"1.2\"}, \"local\": true, \"config-dir\": \"/etc/s\"}",
            TG_VERB_APPLY,
            "salt-call --log-level=quiet --retcode-passthrough --no-color --local --config-dir=/etc/s --out=json --out-indent=0 state.apply web,web.tls "
            "saltenv=prod pillarenv=prod pillar={\"v\":\"1.2\"} test=False");
    argv_is("{\"local\": true}", TG_VERB_DISABLE,
            "tagout-salt L7K2QX L7K2QX alice@ops1: disk --log-level=quiet --retcode-passthrough --no-color --local");
    argv_is("{}", TG_VERB_ENABLE, "tagout-salt L7K2QX L7K2QX alice@ops1: disk --log-level=quiet --retcode-passthrough --no-color");
    argv_is("{}", TG_VERB_STATUS, "tagout-salt --log-level=quiet --retcode-passthrough --no-color");
    argv_is("{}", TG_VERB_FACTS, "salt-call --log-level=quiet --retcode-passthrough --no-color --out=json grains.item osfinger saltversion");
}

Test(salt, names_each_mistake)
{
    static const char *const paths[] = {"/state/1: ", "/saltenv: ", "/pillar: ", "/local: ", "/config-dir: ", "/timeout: ", "/sls: is not known; salt takes state, "};
    struct tg_error e = TG_ERROR_INIT;

    refused("{\"state\": [\"web\", \"-x\"], \"saltenv\": \"a b\", \"pillar\": [1], \"local\": \"yes\", \"config-dir\": \"etc\", \"timeout\": \"1ms\", \"sls\": \"web\"}", paths, 7, &e);
    cr_assert_str_eq(e.message, "salt: 7 mistakes in the parameters");
}

#define STATE(id, name, result, changes) \
    "\"file_|-" id "_|-" name "_|-managed\": {\"changes\": " changes ", \"comment\": \"The file is set to be changed\\nNote\", \"name\": \"" name \
    "\", \"result\": " result ", \"__sls__\": \"web\", \"__run_num__\": 0, \"duration\": 6.49, \"__id__\": \"" id "\"}"
#define DIFF "{\"diff\": \"--- \\n+++ \\n@@ -1,3 +1,4 @@\\n one\\n-manual\\n+two\\n+more\\n three\\n\"}"
#define CMD "\"cmd_|-hello_|-echo hi_|-run\": {\"name\": \"echo hi\", \"changes\": {\"cmd\": \"echo hi\"}, \"result\": null, \"comment\": \"would\"}"
#define DOC(text) "{\"local\": " text "}\n"

static const struct {
    const char *what;
    enum tg_verb verb;
    int status;
    const char *out, *err;
    enum tg_outcome_kind kind;
    int changed;
    const char *text; /* part of it */
} rows[] = {
    {"as wished", TG_VERB_DRY_RUN, 0, DOC("{" STATE("a", "/a", "true", "{}") "}"), "", TG_OUTCOME_UNCHANGED, 0, "nothing to change (1 state)"},
    {"would change", TG_VERB_DRY_RUN, 0, DOC("{" STATE("a", "/a", "null", DIFF) ", " STATE("b", "/b", "true", "{}") "}"), "", TG_OUTCOME_WOULD_CHANGE, 1, "would change 1 of 2"},
    {"lines before it", TG_VERB_DRY_RUN, 0, "[WARNING ] x\n{not json\n" DOC("{" CMD "}"), "", TG_OUTCOME_WOULD_CHANGE, 1, "would change 1 of 1"},
    {"changed", TG_VERB_APPLY, 0, DOC("{" STATE("a", "/a", "true", DIFF) "}"), "", TG_OUTCOME_CHANGED, 1, "changed 1 state"},
    {"a state failed", TG_VERB_APPLY, 2, DOC("{\"file_|-a_|-/n/x_|-managed\": {\"name\": \"/n/x\", \"result\": false, \"changes\": {}, \"comment\": \"Parent directory not present\"}}"),
     "", TG_OUTCOME_FAILED, 0, "/n/x: Parent directory not present"},
    {"the minion only tests", TG_VERB_APPLY, 0, DOC("{" STATE("a", "/a", "null", DIFF) "}"), "", TG_OUTCOME_UNKNOWN, 0, "only tested"},
    {"no state at all", TG_VERB_DRY_RUN, 2, DOC("{}"), "", TG_OUTCOME_UNKNOWN, 0, "no state was looked at"},
    {"no state is assigned", TG_VERB_DRY_RUN, 2, DOC("{\"no_|-states_|-states_|-None\": {\"result\": false, \"comment\": \"No Top file or master_tops data matches found.\", \"name\": \"No States\", \"changes\": {}}}"),
     "", TG_OUTCOME_FAILED, 0, "No Top file"},
    {"does not compile", TG_VERB_DRY_RUN, 1, DOC("[\"No matching sls found for 'nosuch' in env 'base'\"]"), "", TG_OUTCOME_FAILED, -1, "No matching sls"},
    {"another run", TG_VERB_APPLY, 1, DOC("[\"The function \\\"state.apply\\\" is running as PID 7384 and was started at 2026, Nov 22 with jid 2026\"]"), "", TG_OUTCOME_BUSY, -1, "PID 7384"},
    {"disabled, though exit 0", TG_VERB_APPLY, 0, DOC("{\"name\": \"Salt highstate run is disabled. To re-enable, run state.enable highstate\", \"result\": \"False\", \"comment\": \"Disabled\"}"),
     "", TG_OUTCOME_DISABLED, -1, "is disabled"},
    {"a state is disabled", TG_VERB_APPLY, 1, DOC("[\"The state file \\\"web\\\" is currently disabled, to re-enable, run state.enable web.\"]"), "", TG_OUTCOME_DISABLED, -1, "web"},
    {"held by our executor", TG_VERB_DRY_RUN, 1, "", "Error running 'state.highstate': TAGOUT-HELD lock=L7K2QX scope=host:a\n", TG_OUTCOME_HELD, -1, "TAGOUT-HELD lock=L7K2QX scope=host:a"},
    {"held, told in JSON", TG_VERB_APPLY, 1, DOC("\"ERROR: TAGOUT-UNKNOWN store=zk\""), "", TG_OUTCOME_HELD, -1, "TAGOUT-UNKNOWN store=zk"},
    {"blackout", TG_VERB_APPLY, 1, DOC("\"ERROR executing 'state.apply': Minion in blackout mode. Set `minion_blackout` to False\""), "", TG_OUTCOME_HELD, -1, "blackout"},
    {"no such function", TG_VERB_APPLY, 255, "", "/usr/lib/x.py:35: DeprecationWarning: 'crypt'\n  import crypt\n'nosuch.fun' is not available.\n", TG_OUTCOME_FAILED, -1, "'nosuch.fun' is not available. (exit 255)"},
    {"not installed", TG_VERB_APPLY, 127, "", "timeout: failed to run command 'salt-call': No such file\n", TG_OUTCOME_FAILED, -1, "not installed"},
    {"nothing said", TG_VERB_APPLY, 0, "", "", TG_OUTCOME_UNKNOWN, -1, "no answer in JSON"},
    {"cut short", TG_VERB_DRY_RUN, 0, "{\"local\": {" STATE("a", "/a", "null", DIFF), "", TG_OUTCOME_UNKNOWN, -1, "no answer in JSON"},
    {"green JSON, red exit", TG_VERB_DRY_RUN, 5, DOC("{" STATE("a", "/a", "true", "{}") "}"), "", TG_OUTCOME_UNKNOWN, 0, "exit 5"},
    {"no results of states", TG_VERB_DRY_RUN, 0, DOC("{\"a\": 1}"), "", TG_OUTCOME_UNKNOWN, -1, "\"a\" is no result of a state"},
    {"a number", TG_VERB_DRY_RUN, 0, DOC("5"), "", TG_OUTCOME_UNKNOWN, -1, "no result of states"},
    {"two minions", TG_VERB_DRY_RUN, 0, "{\"a\": {}, \"b\": {}}", "", TG_OUTCOME_UNKNOWN, -1, "no answer"},
    {"idle", TG_VERB_STATUS, 0, DOC("[]") DOC("[]"), "", TG_OUTCOME_UNCHANGED, -1, "idle"},
    {"busy", TG_VERB_STATUS, 0, DOC("[{\"fun\": \"state.apply\", \"pid\": 7}]") DOC("[]"), "", TG_OUTCOME_BUSY, -1, "state.apply is running"},
    {"switched off", TG_VERB_STATUS, 0, DOC("[]") DOC("[\"highstate\"]"), "", TG_OUTCOME_DISABLED, -1, "disabled"},
    {"half an answer", TG_VERB_STATUS, 0, DOC("[]"), "", TG_OUTCOME_UNKNOWN, -1, "no answer"},
    {"facts", TG_VERB_FACTS, 0, DOC("{\"osfinger\": \"Debian-12\", \"saltversion\": \"3006.16\"}"), "", TG_OUTCOME_UNCHANGED, -1, "salt 3006.16 on Debian-12"},
    {"disabled by us", TG_VERB_DISABLE, 0, "", "", TG_OUTCOME_CHANGED, -1, "is disabled"},
    {"disabled by us before", TG_VERB_DISABLE, 76, "", "", TG_OUTCOME_UNCHANGED, -1, "already"},
    {"another's disable", TG_VERB_ENABLE, 75, "", "the highstate was disabled by another: bob\n", TG_OUTCOME_DISABLED, -1, "by another: bob"},
    {"no reboot", TG_VERB_REBOOT_NEEDED, 0, "", "", TG_OUTCOME_UNCHANGED, -1, "no reboot"},
    {"a reboot", TG_VERB_REBOOT_NEEDED, 75, "linux-image ", "", TG_OUTCOME_WOULD_CHANGE, -1, "a reboot is due: linux-image"},
};

Test(salt, tells_what_its_answers_mean) /* P12 */
{
    struct tg_driver_params *p = params("{}");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_answer a = {.status = rows[i].status, .out = rows[i].out, .err = rows[i].err, .out_len = strlen(rows[i].out),
                              .err_len = strlen(rows[i].err), .started_ms = 1000000, .ended_ms = 1001000};
        struct tg_outcome o;
        cr_assert_eq(driver->answer(p, rows[i].verb, &a, &o, NULL), 0);
        cr_assert_eq(o.kind, rows[i].kind, "%s: %s, %s", rows[i].what, tg_outcome_name(o.kind), o.text);
        cr_assert(strstr(o.text, rows[i].text), "%s: %s", rows[i].what, o.text);
        cr_assert_eq(o.changed, rows[i].changed, "%s: %d", rows[i].what, o.changed);
        cr_assert_eq(o.corrective, -1);
        tg_outcome_release(&o);
    }
    driver->params_free(p);
}

Test(salt, lists_what_would_change_with_its_diff)
{
    struct tg_driver_params *p = params("null");
    static const char out[] = DOC("{" STATE("motd", "/etc/motd", "null", DIFF) ", " CMD ", " STATE("new", "/etc/new", "null", "{\"newfile\": \"/etc/new\"}") "}");
    struct tg_answer a = {.out = out, .err = "", .out_len = sizeof out - 1, .started_ms = 1000000, .ended_ms = 1001000};
    struct tg_outcome o;

    cr_assert_eq(driver->answer(p, TG_VERB_DRY_RUN, &a, &o, NULL), 0);
    cr_assert_eq(o.n_items, 3);
    cr_assert_str_eq(o.items[0].what, "/etc/motd");
    cr_assert(o.items[0].added == 2 && o.items[0].removed == 1 && o.items[0].corrective == -1);
    cr_assert_str_eq(o.items[1].what, "cmd.run echo hi");
    cr_assert_eq(o.items[1].added, -1);
    cr_assert_str_eq(o.items[2].what, "/etc/new");
    cr_assert(strstr(o.diff, "/etc/motd:\n--- \n+++ \n") == o.diff, "%s", o.diff);
    cr_assert(strstr(o.diff, "\ncmd.run echo hi:\n{\"cmd\":\"echo hi\"}\n"), "%s", o.diff);
    tg_outcome_release(&o);
    driver->params_free(p);
}
