/*
 * The Puppet driver. The outputs and summaries are those of Puppet 7.23.0 (Debian 12), shortened. P12: what can't be told is unknown.
 */
#define DRIVER "puppet"
#include "driver_suite.h"

#include <sys/wait.h>
#include <unistd.h>

TestSuite(puppet, .init = set_up);

static void argv_is(const char *json, enum tg_verb verb, const char *expected)
{
    struct tg_driver_params *p = params(json);
    struct tg_request_context c = {.host = "web1", .run_id = "r"};
    struct tg_request r = {0};
    size_t first = 0;

    cr_assert_eq(driver->request(p, verb, &c, &r, NULL), 0);
    if (strcmp(r.argv[0], "sh") == 0) /* "sh -c SCRIPT puppet agent …" */
        first = 3;
    command_is(&r, first, verb, expected);
    cr_assert_gt(r.n_files, 0);
    tg_request_release(&r);
    driver->params_free(p);
}

Test(puppet, builds_the_agents_command)
{
    argv_is("{\"environment\": \"production\", \"tags\": [\"openssl\", \"ssl::base\"]}", TG_VERB_APPLY,
            "puppet agent --onetime --no-daemonize --no-usecacheonfailure --no-splay --verbose --waitforlock 5 --maxwaitforlock 600 "
            "--strict_environment_mode --detailed-exitcodes --color=false --show_diff --environment production --tags openssl,ssl::base");
}

Test(puppet, builds_applys_command_and_its_dry_run)
{
    argv_is("{\"manifest\": \"/etc/site.pp\", \"modulepath\": [\"/a b\", \"/c\"]}", TG_VERB_DRY_RUN,
            "puppet apply --modulepath /a b:/c --detailed-exitcodes --color=false --show_diff --noop /etc/site.pp");
}

/* Good manners: a person's "puppet agent --disable" is respected by an apply as well; run by a real shell. */
Test(puppet, an_apply_leaves_a_host_alone_whose_agent_was_disabled)
{
    struct tg_driver_params *p = params("{\"manifest\": \"/etc/site.pp\"}");
    struct tg_request_context c = {.host = "web1", .run_id = "r"};
    struct tg_request r = {0};
    struct tg_outcome o;
    char folder[] = "/tmp/tagout-puppet-XXXXXX", command[4096], path[128], out[256] = "";

    cr_assert_eq(driver->request(p, TG_VERB_APPLY, &c, &r, NULL), 0);
    cr_assert_str_eq(r.argv[0], "sh");
    cr_assert_str_eq(r.argv[3], "puppet");
    cr_assert_str_eq(r.argv[4], "apply");
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/agent_disabled.lock", folder);
    FILE *f = fopen(path, "w");
    fputs("{\"disabled_message\":\"bob: leave it\"}", f);
    fclose(f);
    /* the same script, with our folder first */
    const char *list = strstr(r.argv[2], "for f in ");
    cr_assert(list);
    snprintf(command, sizeof command, "for f in %s %s", folder, list + strlen("for f in "));
    cr_assert_eq(setenv("SCRIPT", command, 1), 0);
    FILE *sh = popen("sh -c \"$SCRIPT\" puppet apply /etc/site.pp 2>&1", "r");
    cr_assert(fgets(out, sizeof out, sh));
    int status = pclose(sh);
    struct tg_answer a = {.status = WEXITSTATUS(status), .out = "", .err = out, .err_len = strlen(out), .started_ms = 1000000, .ended_ms = 1000100};
    cr_assert_eq(driver->answer(p, TG_VERB_APPLY, &a, &o, NULL), 0);
    cr_assert_eq(o.kind, TG_OUTCOME_DISABLED, "%s", o.text);
    cr_assert(strstr(o.text, "bob: leave it"), "%s", o.text);
    unlink(path);
    rmdir(folder);
    tg_outcome_release(&o);
    tg_request_release(&r);
    driver->params_free(p);
}

Test(puppet, every_mistake_is_told_with_its_place)
{
    static const char *const wrong[] = {"/enviroment: is not known", "/tags/1: should be a tag", "/manifest: should be an absolute path", "/timeout: should be a duration"};
    static const char *const apart[] = {"/modulepath: goes with a manifest", "/environment: should be"};

    refused("{\"enviroment\": \"x\", \"tags\": [\"a\", \"-b\"], \"manifest\": \"site.pp\", \"timeout\": 5, \"modulepath\": \"/m\"}", wrong, 4, NULL);
    refused("{\"modulepath\": \"/m\", \"environment\": \"--noop\"}", apart, 2, NULL);
}

#define SUMMARY(last_run, total, changed, failed, out_of_sync, skipped, failures) \
    "---\nversion:\n  config: 1795312141\n  puppet: 7.23.0\napplication:\n  run_mode: user\nresources:\n  changed: " #changed \
    "\n  corrective_change: 0\n  failed: " #failed "\n  failed_to_restart: 0\n  out_of_sync: " #out_of_sync "\n  skipped: " #skipped \
    "\n  total: " #total "\ntime:\n  total: 0.0118345\n  last_run: " #last_run "\nchanges:\n  total: 0\nevents:\n  failure: " #failures "\n  total: 2\n"

static const struct {
    const char *what;
    enum tg_verb verb;
    int status;
    const char *out, *err, *summary;
    enum tg_outcome_kind kind;
    int changed;
    const char *text;
} rows[] = {
    {"unchanged", TG_VERB_APPLY, 0, "Notice: Applied catalog in 0.02 seconds\n", "", SUMMARY(1001, 9, 0, 0, 0, 0, 0), TG_OUTCOME_UNCHANGED, 0, "nothing to change"},
    {"changed", TG_VERB_APPLY, 2, "Notice: Compiled catalog for vm in 0.02 seconds\nNotice: /File[x]: defined\nNotice: Applied catalog\n", "", SUMMARY(1001, 9, 2, 0, 2, 0, 0), TG_OUTCOME_CHANGED, 2, "changed 2 resources"},
    {"noop pending", TG_VERB_DRY_RUN, 0, "Notice: Compiled catalog for vm in 0.02 seconds\n+new\nNotice: Applied catalog\n", "", SUMMARY(1001, 9, 0, 0, 2, 0, 0), TG_OUTCOME_WOULD_CHANGE, 2, "would change 2 of 9"},
    {"noop clean", TG_VERB_DRY_RUN, 0, "", "", SUMMARY(1001, 9, 0, 0, 0, 0, 0), TG_OUTCOME_UNCHANGED, 0, "nothing to change"},
    {"failed", TG_VERB_APPLY, 4, "", "Error: Facter: Permission denied\nError: Could not find package openssl 3.0.19\nmore\n", SUMMARY(1001, 10, 0, 2, 2, 0, 2), TG_OUTCOME_FAILED, 0, "puppet: Could not find package openssl 3.0.19 (exit 4)"},
    {"failed although exit 0", TG_VERB_APPLY, 0, "", "", SUMMARY(1001, 10, 0, 1, 1, 0, 1), TG_OUTCOME_FAILED, 0, "puppet: failed"},
    {"compile error", TG_VERB_APPLY, 1, "", "Error: Could not parse for environment production: Syntax error\n", NULL, TG_OUTCOME_FAILED, -1, "Syntax error (exit 1)"},
    {"old report", TG_VERB_APPLY, 0, "", "", SUMMARY(900, 9, 0, 0, 0, 0, 0), TG_OUTCOME_UNKNOWN, -1, "left no report"},
    {"no report", TG_VERB_APPLY, 2, "", "", NULL, TG_OUTCOME_UNKNOWN, -1, "left no report"},
    {"report of garbage", TG_VERB_APPLY, 0, "", "", "\x01\x02: [", TG_OUTCOME_UNKNOWN, -1, "left no report"},
    {"tags match nothing", TG_VERB_APPLY, 0, "", "", SUMMARY(1001, 9, 0, 0, 0, 9, 0), TG_OUTCOME_UNKNOWN, -1, "no resource was looked at"},
    {"empty catalog", TG_VERB_APPLY, 0, "", "", SUMMARY(1001, 0, 0, 0, 0, 0, 0), TG_OUTCOME_UNKNOWN, -1, "no resource was looked at"},
    {"held by prerun", TG_VERB_APPLY, 1, "", "Error: Could not run command from prerun_command: Execution of '/usr/bin/tagout check' returned 75: TAGOUT-HELD lock=L7K2QX owner=alice@ops1\n", SUMMARY(1001, 0, 0, 0, 0, 0, 0), TG_OUTCOME_HELD, -1, "TAGOUT-HELD lock=L7K2QX owner=alice@ops1"},
    {"unknown by prerun", TG_VERB_APPLY, 1, "", "Error: … returned 69: TAGOUT-UNKNOWN cause=store-empty\n", NULL, TG_OUTCOME_HELD, -1, "TAGOUT-UNKNOWN cause=store-empty"},
    {"disabled", TG_VERB_APPLY, 1, "Notice: Skipping run of Puppet configuration client; administratively disabled (Reason: 'OPS-1');\nUse 'puppet agent --enable' to re-enable.\n", "", NULL, TG_OUTCOME_DISABLED, -1, "(Reason: 'OPS-1')"},
    {"busy", TG_VERB_APPLY, 1, "Notice: Run of Puppet configuration client already in progress; skipping  (/x exists)\n", "", NULL, TG_OUTCOME_BUSY, -1, "another run"},
    {"not installed", TG_VERB_APPLY, 127, "", "timeout: failed to run command 'puppet': No such file or directory\n", NULL, TG_OUTCOME_FAILED, -1, "not installed"},
    {"over time", TG_VERB_APPLY, 124, "", "", NULL, TG_OUTCOME_FAILED, -1, "ended after 2 s, its time-out"} /* as it was, not as the parameter allows */,
    {"killed", TG_VERB_APPLY, 137, "", "", NULL, TG_OUTCOME_FAILED, -1, "signal 9"},
    /* a word of ours in the text of a successful run is no refusal */
    {"talks of locks", TG_VERB_APPLY, 2, "Notice: content changed to TAGOUT-HELD\n", "", SUMMARY(1001, 9, 1, 0, 1, 0, 0), TG_OUTCOME_CHANGED, 1, "changed 1 resource"},
};

Test(puppet, tells_what_became_of_a_run)
{
    struct tg_driver_params *p = params("{\"manifest\": \"/etc/site.pp\"}");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_answer a = {.status = rows[i].status, .out = rows[i].out, .err = rows[i].err, .started_ms = 1000000, .ended_ms = 1002000};
        struct tg_outcome o;
        a.out_len = strlen(a.out);
        a.err_len = strlen(a.err);
        if (rows[i].summary) {
            a.files[0].path = "/var/cache/puppet/public/last_run_summary.yaml";
            a.files[0].data = rows[i].summary;
            a.files[0].len = strlen(rows[i].summary);
            a.n_files = 1;
        }
        cr_assert_eq(driver->answer(p, rows[i].verb, &a, &o, NULL), 0);
        cr_assert_eq(o.kind, rows[i].kind, "%s: %s, %s", rows[i].what, tg_outcome_name(o.kind), o.text);
        cr_assert(strstr(o.text, rows[i].text), "%s: %s", rows[i].what, o.text);
        cr_assert_eq(o.changed, rows[i].changed, "%s: %d", rows[i].what, o.changed);
        tg_outcome_release(&o);
    }
    driver->params_free(p);
}

Test(puppet, a_dry_run_brings_the_diff_alone)
{
    struct tg_driver_params *p = params("{\"manifest\": \"/etc/site.pp\"}");
    static const char summary[] = SUMMARY(1001, 9, 0, 0, 1, 0, 0);
    struct tg_answer a = {.out = "Notice: Compiled catalog for vm in 0.02 seconds\n--- /etc/x\n+++ /tmp/y\n+hello\nNotice: Applied catalog in 0.01 seconds\n",
                          .err = "", .started_ms = 1000000, .ended_ms = 1001000, .n_files = 1};
    struct tg_outcome o;

    a.out_len = strlen(a.out);
    a.files[0].path = "/x";
    a.files[0].data = summary;
    a.files[0].len = sizeof summary - 1;
    cr_assert_eq(driver->answer(p, TG_VERB_DRY_RUN, &a, &o, NULL), 0);
    cr_assert_str_eq(o.diff, "--- /etc/x\n+++ /tmp/y\n+hello\n");
    tg_outcome_release(&o);
    driver->params_free(p);
}

/* What Puppet 7.23.0 printed on a host where /srv/motd was changed by hand and the catalog has a new version of /srv/other. */
static const char noop_out[] =
    "Info: Using cached catalog from environment 'production'\n"
    "Info: Using environment 'production'\n"
    "Info: Applying configuration version '1795323264'\n"
    "Notice: /Stage[main]/Main/File[/srv/motd]/content: \n"
    "--- /srv/motd\t2026-11-22 04:54:54.073898056 +0000\n"
    "+++ /tmp/puppet-file20261122-473-9nozuu\t2026-11-22 04:55:12.397898056 +0000\n"
    "@@ -1 +1 @@\n"
    "-manual\n"
    "+hello\n"
    "Notice: /Stage[main]/Main/File[/srv/motd]/content: \n"
    "--- /srv/motd\t2026-11-22 04:54:54.073898056 +0000\n"
    "+++ /tmp/puppet-file20261122-473-xay4os\t2026-11-22 04:55:12.434032613 +0000\n"
    "@@ -1 +1 @@\n"
    "-manual\n"
    "+hello\n"
    "Notice: /Stage[main]/Main/File[/srv/motd]/content: current_value '{sha256}cd60', should be '{sha256}5891' (noop) (corrective)\n"
    "Notice: /Stage[main]/Main/File[/srv/other]/content: \n"
    "--- /srv/other\t2026-11-22 04:54:53.049334896 +0000\n"
    "+++ /tmp/puppet-file20261122-473-8dyx47\t2026-11-22 04:55:12.449005227 +0000\n"
    "@@ -1,2 +1 @@\n"
    "-x\n"
    "-Notice: /Stage[main]/Main/File[/srv/no]/content: current_value 'a', should be 'b' (noop) (corrective)\n"
    "+y\n"
    "Notice: /Stage[main]/Main/File[/srv/other]/content: current_value '{sha256}73cb', should be '{sha256}3bb2' (noop)\n"
    "Notice: /Stage[main]/Main/File[/srv/other]/mode: current_value '0600', should be '0644' (noop) (corrective)\n"
    "Notice: /Stage[main]/Web::Tls/Exec[a/b[c]]/returns: current_value 'notrun', should be ['0'] (noop)\n"
    "Notice: Class[Main]: Would have triggered 'refresh' from 2 events\n"
    "Notice: Applied catalog in 0.09 seconds\n";

static struct tg_outcome noop(const char *json, const char *err)
{
    struct tg_driver_params *p = params(json);
    static const char summary[] = SUMMARY(1001, 9, 0, 0, 3, 0, 0);
    struct tg_answer a = {.out = noop_out, .out_len = sizeof noop_out - 1, .err = err, .err_len = strlen(err), .started_ms = 1000000,
                          .ended_ms = 1001000, .n_files = 1};
    struct tg_outcome o;
    char text[1024];

    snprintf(text, sizeof text, "%.*scorrective_change: 2\n  %s", (int) (strstr(summary, "out_of_sync") - summary), summary, strstr(summary, "out_of_sync"));
    a.files[0].path = "/x";
    a.files[0].data = text;
    a.files[0].len = strlen(text);
    cr_assert_eq(driver->answer(p, TG_VERB_DRY_RUN, &a, &o, NULL), 0);
    cr_assert_eq(o.kind, TG_OUTCOME_WOULD_CHANGE, "%s", o.text);
    cr_assert_eq(o.changed, 3);
    driver->params_free(p);
    return o;
}

Test(puppet, tells_what_would_be_undone_from_what_is_only_new)
{
    struct tg_outcome o = noop("{\"environment\": \"production\"}", "");
    static const struct tg_outcome_item expected[] = {{(char *) "/srv/motd", 1, 1, 1}, {(char *) "/srv/other", 1, 2, 1}, {(char *) "Exec[a/b[c]]", -1, -1, 0}};

    cr_assert_eq(o.corrective, 2);
    cr_assert_eq(o.n_items, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_str_eq(o.items[i].what, expected[i].what);
        cr_assert_eq(o.items[i].added, expected[i].added, "%s: %d", o.items[i].what, o.items[i].added);
        cr_assert_eq(o.items[i].removed, expected[i].removed, "%s: %d", o.items[i].what, o.items[i].removed);
        cr_assert_eq(o.items[i].corrective, expected[i].corrective, "%s: %d", o.items[i].what, o.items[i].corrective);
    }
    tg_outcome_release(&o);
}

/* P12: where Puppet calls nothing corrective because it can't, that is not "nothing". */
Test(puppet, without_a_record_of_its_last_run_it_cant_tell)
{
    struct tg_outcome o = noop("{\"environment\": \"production\"}", "tagout: Puppet has no record of its last run here\n");

    cr_assert_eq(o.corrective, -1);
    cr_assert_eq(o.items[0].corrective, -1);
    tg_outcome_release(&o);
    o = noop("{\"manifest\": \"/etc/site.pp\"}", "");
    cr_assert_eq(o.corrective, -1, "puppet apply keeps no such record");
    tg_outcome_release(&o);
}

/* Runs the script around Puppet with folder as the only place of Puppet's state, and a Puppet that says its arguments and leaves a record. */
static void around(const char *folder, const char *environment, const char *puppet_args, char *out, size_t size)
{
    struct tg_driver_params *p = params("{\"environment\": \"production\"}");
    struct tg_request_context c = {.host = "web1", .run_id = "r"};
    struct tg_request r = {0};
    char script[8192], command[1024], path[128];

    cr_assert_eq(driver->request(p, TG_VERB_DRY_RUN, &c, &r, NULL), 0);
    const char *list = strstr(r.argv[2], "for f in "), *end = strstr(list, "; do");
    snprintf(script, sizeof script, "%.*sfor f in %s%s", (int) (list - r.argv[2]), r.argv[2], folder, end);
    setenv("SCRIPT", script, 1);
    snprintf(path, sizeof path, "%s/puppet", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\necho \"ran $*\"\necho x >%s/transactionstore.yaml\n", folder);
    fclose(f);
    snprintf(command, sizeof command, "chmod 755 %s; PATH=%s:$PATH %s sh -c \"$SCRIPT\" puppet %s 2>&1", path, folder, environment, puppet_args);
    f = popen(command, "r");
    out[fread(out, 1, size - 1, f)] = '\0';
    pclose(f);
    tg_request_release(&r);
    driver->params_free(p);
}

Test(puppet, a_dry_run_leaves_no_record_that_it_did_not_find)
{
    char folder[] = "/tmp/tagout-puppet-XXXXXX", out[512], store[96];

    cr_assert(mkdtemp(folder));
    snprintf(store, sizeof store, "%s/transactionstore.yaml", folder);
    around(folder, "", "agent --noop", out, sizeof out);
    cr_assert_str_eq(out, "tagout: Puppet has no record of its last run here\nran agent --noop\n");
    cr_assert_neq(access(store, F_OK), 0, "the next dry-run would take a manual change for the wished state");
    around(folder, "", "agent", out, sizeof out);
    cr_assert_str_eq(out, "ran agent\n");
    cr_assert_eq(access(store, F_OK), 0);
    around(folder, "", "agent --noop", out, sizeof out);
    cr_assert_str_eq(out, "ran agent --noop\n");
    cr_assert_eq(access(store, F_OK), 0);
    snprintf(out, sizeof out, "rm -rf %s", folder);
    cr_assert_eq(system(out), 0);
}

/* The agent shows a lock as Puppet's disable file; whom the guard lets pass is not kept by that, a person's own disable keeps him. */
Test(puppet, a_token_passes_a_projected_lock_and_no_persons_disable)
{
    char folder[] = "/tmp/tagout-puppet-XXXXXX", out[512], path[96];
    static const struct { const char *text, *environment, *expected; } cases[] = {
        {"{\"disabled_message\": \"tagout: lock\", \"tagout\": {\"locks\": [\"L7K2QX\"]}}", "TAGOUT_TOKEN=x", "ran agent --agent_disabled_lockfile=/run/tagout/none\n"},
        {"{\"disabled_message\": \"tagout: lock\", \"tagout\": {\"locks\": [\"L7K2QX\"]}}", "", "ran agent\n"},
        {"{\"disabled_message\": \"bob: see \\\"tagout\\\": {}\"}", "TAGOUT_TOKEN=x", "ran agent\n"},
    };

    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/agent_disabled.lock", folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *f = fopen(path, "w");
        fputs(cases[i].text, f);
        fclose(f);
        around(folder, cases[i].environment, "agent", out, sizeof out);
        cr_assert_str_eq(out, cases[i].expected);
    }
    snprintf(out, sizeof out, "rm -rf %s", folder);
    cr_assert_eq(system(out), 0);
}
