/* Rollout files: what is taken, and where each mistake is. P5: what this version can't do is refused, never ignored. */
#include "config/yaml.h"
#include "engine/rollout.h"

#include "lib/around.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tg_rollout *take(const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_rollout *r = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_rollout_parse("r.yaml", text, strlen(text), &p, &r, &e), 0, "%d: %s", e.line, e.message);
    return r;
}

/* The mistakes of text are exactly the lines, each "line:column: message" (a beginning of it), in the order of the file. */
static void refused(const char *text, const char *const *lines)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_rollout *r = NULL;
    struct tg_error e = TG_ERROR_INIT;
    size_t i = 0;

    cr_assert_eq(tg_rollout_parse("r.yaml", text, strlen(text), &p, &r, &e), TG_E_DATA, "%s", text);
    cr_assert_null(r);
    cr_assert_eq(tg_exit_status(e.code), 65);
    for (; lines[i]; i++) {
        char got[1200];
        cr_assert_lt(i, p.n, "missing: %s", lines[i]);
        snprintf(got, sizeof got, "%d:%d: %s", p.list[i].error.line, p.list[i].error.column, p.list[i].error.message);
        cr_assert(strncmp(got, lines[i], strlen(lines[i])) == 0, "\n  got    %s\n  wanted %s", got, lines[i]);
        cr_assert_str_eq(p.list[i].error.file, "r.yaml");
        cr_assert(p.list[i].excerpt);
    }
    cr_assert_eq(p.n, i, "one more: %d:%d %s", p.n > i ? p.list[i].error.line : 0, p.n > i ? p.list[i].error.column : 0,
                 p.n > i ? p.list[i].error.message : "");
    tg_problems_release(&p);
}

#define HEAD "rollout: r\nchange: {puppet: {environment: production}}\ntargets: \"*\"\nstages: [{name: all}]\n"

Test(rollout, a_whole_one_is_read)
{
    struct tg_rollout *r = take("rollout: openssl\n"
                                "change: {puppet: {environment: production, tags: [openssl]}}\n"
                                "targets: \"@web and not @legacy\"\n"
                                "stages:\n"
                                "  - {name: look, dry-run: true, count: 5}\n"
                                "  - {name: canary, count: 1, bake: 10m}\n"
                                "  - {name: some, until: 1.5%, targets: \"@edge\"}\n"
                                "  - {name: rest}\n"
                                "limits: {running: 50}\n"
                                "failure: {failed: 2%, of-at-least: 20, then: halt}\n"
                                "around:\n  - lock: {hold: [scale_in, package-manager]}\n"
                                "verify:\n"
                                "  - {http: \"http://{host}:8080/healthz\", expect: [200, 204], contains: ok, within: 1m}\n"
                                "  - {command: [systemctl, is-active, nginx]}\n");
    cr_assert_str_eq(r->name, "openssl");
    cr_assert_str_eq(r->file, "r.yaml");
    cr_assert_str_eq(r->driver, "puppet");
    cr_assert_str_eq(json_string_value(json_object_get(r->change, "environment")), "production");
    cr_assert_eq(r->n_stages, 4);
    cr_assert(r->stages[0].dry_run && r->stages[0].count == 5);
    cr_assert(r->stages[1].bake_ms == 600000 && r->stages[1].line == 6 && r->stages[1].column == 5);
    cr_assert(r->stages[2].until.kind == TG_SHARE_PERCENT && r->stages[2].until.value == 1500 && r->stages[2].count == -1);
    cr_assert_str_eq(r->stages[2].targets, "@edge");
    cr_assert(r->stages[3].until.kind == TG_SHARE_UNSET && !r->stages[3].targets);
    cr_assert_eq(r->running, 50);
    cr_assert(r->failed.kind == TG_SHARE_PERCENT && r->failed.value == 2000 && r->of_at_least == 20);
    cr_assert(r->n_around == 1 && r->around[0].n_hold == 2);
    cr_assert_str_eq(r->around[0].hold[1], "package-manager");
    cr_assert(r->n_verify == 2 && r->verify[0].kind == TG_VERIFY_HTTP && r->verify[0].within_ms == 60000);
    cr_assert_eq(json_array_size(json_object_get(r->verify[0].options, "expect")), 2);
    cr_assert(r->verify[1].kind == TG_VERIFY_COMMAND && r->verify[1].within_ms == 30000);
    cr_assert_str_eq(r->verify[1].argv[2], "nginx");
    cr_assert_null(r->verify[1].argv[3]);
    tg_rollout_free(r);
}

/* P5 */
Test(rollout, is_careful_where_it_says_nothing)
{
    struct tg_rollout *r = take(HEAD);

    cr_assert_eq(r->running, 1);
    cr_assert(r->failed.kind == TG_SHARE_COUNT && r->failed.value == 0);
    cr_assert(r->n_around == 1 && r->around[0].kind == TG_AROUND_LOCK && r->around[0].n_hold == 0);
    tg_rollout_free(r);
    r = take(HEAD "around: [lock]\n");
    cr_assert_eq(r->n_around, 1);
    tg_rollout_free(r);
    r = take(HEAD "around: [lock: ]\n");
    cr_assert(r->n_around == 1 && r->around[0].n_hold == 0);
    tg_rollout_free(r);
}

Test(rollout, every_one_of_thirteen_faults_is_reported)
{
    static const char text[] = "rollout: Open SSL\n"                                       /* 1: 1:10 */
                               "change: {puppet: {environment: production, tgas: [a]}}\n"  /* 2 */
                               "tragets: \"*\"\n"                                          /* 3: unknown, and 4: none given */
                               "stages:\n"
                               "  - {name: canary, count: 0, bake: 10}\n"                  /* 5, 6 */
                               "  - {name: rest, untill: 100%, rate: 1/month}\n"           /* 7, 8 */
                               "limits: {running: fifty}\n"                                /* 9 */
                               "verify:\n"
                               "  - {http: \"{host}:8080\", expect: 20}\n"                 /* 10, 11 */
                               "around: [drain: {nosuchlb: {backend: web}}]\n"              /* 12 */
                               "failure: {then: rollback}\n";                              /* 13 */
    static const char *const lines[] = {
        "1:1: a rollout has no \"targets\"",
        "1:10: rollout must be a word of a-z, 0-9 and \"-\", at most 63, and is \"Open SSL\"",
        "2:50: \"tgas\" of puppet is not known",
        "3:1: unknown key \"tragets\" in a rollout",
        "5:27: count must be 1 to 1000000, and is 0",
        "5:36: bake: \"10\" is no duration",
        "6:18: unknown key \"untill\" in a stage",
        "6:38: rate must be a number of hosts in a time, and is \"1/month\"",
        "7:19: running must be a whole number, and is \"fifty\"",
        "9:12: http must be a URL, and is \"{host}:8080\"",
        "9:35: expect must be 100 to 599, and is 20",
        "10:18: there is no module \"nosuchlb\"",
        "11:17: then: rollback, and nothing says what the way back is", NULL};

    refused(text, lines);
}

/* P5: what is not said is as the site is; what is ignored is said. */
Test(rollout, windows_are_honoured_or_ignored)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nwindows: ignore\nstages: [{name: a}]\n");

    cr_assert_eq(r->windows, TG_WINDOWS_IGNORE);
    tg_rollout_free(r);
    r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nwindows: honour\nstages: [{name: a, spread: window}, {name: b, spread: {over: window}}, {name: c}]\n");
    cr_assert(r->windows == TG_WINDOWS_HONOUR && r->stages[0].over_window && r->stages[1].over_window && !r->stages[2].over_window && !r->stages[0].spread_ms);
    tg_rollout_free(r);
    r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a}]\n");
    cr_assert_eq(r->windows, TG_WINDOWS_UNSAID);
    tg_rollout_free(r);
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nwindows: maybe\nstages: [{name: a, spread: {over: window, at-most: 5m}}]\n",
            (const char *const[]) {"4:10: windows must be ", "5:52: at-most is of days", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nwindows: ignore\nstages: [{name: a, spread: window}]\n",
            (const char *const[]) {"5:28: spread over windows, and windows are ignored", NULL});
}

Test(rollout, what_the_design_has_and_this_version_has_not_is_refused)
{
    refused(HEAD "failure: {then: withdraw}\n", (const char *const[]) {"5:17: then: withdraw, and nothing says how a host is taken out of service", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nwindows: ignore\nstages: maintenance-week\n",
            (const char *const[]) {"5:9: a maintenance week is made of windows, and windows are ignored", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: maintenance-weak\n",
            (const char *const[]) {"4:9: there is no preset \"maintenance-weak\" of stages", NULL});
}

/* P5: the lock is the first, said or not. P8: what follows is undone in reverse. */
Test(rollout, steps_of_around_stand_behind_the_lock)
{
    use_around_modules();
    struct tg_rollout *r = take(HEAD "around:\n  - lock: {hold: [autoscaler]}\n  - drain: {filelb: {dir: /x}}\n  - silence: {filealerts: {dir: /y, keeps: true}}\n");

    cr_assert(r->n_around == 3 && r->around[0].kind == TG_AROUND_LOCK && r->around[0].n_hold == 1);
    cr_assert(r->around[1].kind == TG_AROUND_MODULE && r->around[1].what == TG_AROUND_DRAIN && r->around[2].what == TG_AROUND_SILENCE);
    cr_assert_str_eq(r->around[2].module, "filealerts");
    cr_assert(json_is_true(json_object_get(r->around[2].params, "keeps")));
    tg_rollout_free(r);
    r = take(HEAD "around: [drain: {filelb: {dir: /x}}]\n");
    cr_assert(r->n_around == 2 && r->around[0].kind == TG_AROUND_LOCK && r->around[0].n_hold == 0);
    tg_rollout_free(r);
}

Test(rollout, mistakes_in_around_have_places)
{
    use_around_modules();
    refused(HEAD "around: [drain: {filelb: {dir: /x}}, lock]\n", (const char *const[]) {"5:38: the lock must be the first step of around", NULL});
    refused(HEAD "around: [lock, drain: {filelb: {dir: /x}}, lock: {}]\n", (const char *const[]) {"5:44: a second lock: one holds the host already", NULL});
    refused(HEAD "around: [drain: {filelb: {dir: /x, dri: 1}}]\n", (const char *const[]) {"5:41: \"dri\" of filelb is not known", NULL});
    refused(HEAD "around: [drain: {filealerts: {dir: /x}}]\n", (const char *const[]) {"5:18: the module \"filealerts\" has no drain", NULL});
    refused(HEAD "around: [silence: {}, snapshot: filelb, drain]\n",
            (const char *const[]) {"5:19: silence", "5:33: snapshot", "5:41: a step of around", NULL});
    refused(HEAD "around: [lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock, lock]\n", (const char *const[]) {"5:9: around", NULL});
}

Test(rollout, a_stage_may_want_an_approval)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a, approve: true}, {name: b}]\n");

    cr_assert(r->stages[0].policy.approve && !r->stages[1].policy.approve);
    tg_rollout_free(r);
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a, approve: maybe}]\n", (const char *const[]) {"4:29: approve", NULL});
}

Test(rollout, a_way_back_is_the_same_tools)
{
    struct tg_rollout *r = take(HEAD "rollback: {puppet: {environment: previous}}\nfailure: {then: rollback}\n");

    cr_assert_eq(r->then, TG_THEN_ROLLBACK);
    cr_assert_str_eq(json_string_value(json_object_get(r->rollback, "environment")), "previous");
    tg_rollout_free(r);
    r = take(HEAD "failure: {decide-by: 10m, give-up-by: 4h}\n");
    cr_assert(r->decide_ms == 600000 && r->give_up_ms == 14400000);
    cr_assert_eq(r->retries, 0);
    tg_rollout_free(r);
    refused(HEAD "failure: {decide-by: 8d}\n", (const char *const[]) {"5:22: decide-by", NULL});
    refused(HEAD "rollback: {salt: {}}\n", (const char *const[]) {"5:12: the change is puppet's, so the way back must be as well, and is salt's", NULL});
    refused(HEAD "rollback: {puppet: {enviroment: x}}\n", (const char *const[]) {"5:33: ", NULL});
    refused(HEAD "failure: {then: rollback}\n", (const char *const[]) {"5:17: then: rollback, and nothing says what the way back is", NULL});
}

Test(rollout, what_is_borne_is_read_for_the_whole_and_for_each_stage)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nfailure: {failed: 2%, of-at-least: 20, unreachable: 10}\n"
                                "stages: [{name: a, failure: {failed: 0, unreachable: 5%, of-at-least: 3}}, {name: b}]\n");

    cr_assert(r->unreachable.kind == TG_SHARE_COUNT && r->unreachable.value == 10 && r->decide_ms == 0);
    cr_assert(r->stages[0].policy.bears.failed.kind == TG_SHARE_COUNT && r->stages[0].policy.bears.failed.value == 0);
    cr_assert(r->stages[0].policy.bears.unreachable.value == 5000 && r->stages[0].policy.bears.of_at_least == 3);
    cr_assert(r->stages[1].policy.bears.failed.kind == TG_SHARE_UNSET);
    tg_rollout_free(r);
    refused(HEAD "failure: {failed: 3, of-at-least: 20}\n", (const char *const[]) {"5:35: of-at-least is for percentages, and there is none", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a, failure: {then: halt, failed: -1}}]\n",
            (const char *const[]) {"4:30: unknown key \"then\" in failure of a stage", "4:50: failed must be", NULL});
}

Test(rollout, a_rate_and_unverified_are_read_and_contradictions_told)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nlimits: {running: 5, unverified: 9}\n"
                                    "stages: [{name: a, rate: 30/min}, {name: b}]\n");

    cr_assert_eq(r->unverified, 9);
    cr_assert_eq(tg_rate_interval_us(&r->stages[0].rate), 2000000);
    cr_assert_eq(r->stages[1].rate.count, 0);
    tg_rollout_free(r);
    r = take(HEAD "limits: {running: 5}\n");
    cr_assert_eq(r->unverified, 5);
    tg_rollout_free(r);
    refused(HEAD "limits: {running: 5, unverified: 4}\n", (const char *const[]) {"5:34: unverified is 4, and running 5", NULL});
    refused(HEAD "limits: {running: 5, unverified: 0}\n", (const char *const[]) {"5:34: unverified must be 1 to 100000, and is 0", NULL});
}

Test(rollout, rates_are_read_and_written_back)
{
    static const char *const good[] = {"1/s", "30/min", "4/h", "2/d", "100000/s"}, *const bad[] = {"", "0/s", "01/s", "1", "1/", "/s", "1/m", "-1/s", "1/s ", "100001/s",
                                                                                              "1000000000000000000000/s", "1 /s", "1/S", "1.5/s"};
    struct tg_rate rate;
    char text[32];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(tg_rate_parse(good[i], &rate), "%s", good[i]);
        tg_rate_format(&rate, text, sizeof text);
        cr_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!tg_rate_parse(bad[i], &rate), "%s", bad[i]);
    cr_assert(tg_rate_parse("1/min", &rate));
    cr_assert_eq(tg_rate_takes_ms(&rate, 1000), 999 * 60000);
    cr_assert_eq(tg_rate_takes_ms(&rate, 0), 0);
}

Test(rollout, the_whole_must_have_the_right_shape)
{
    refused("", (const char *const[]) {"1:1: a rollout must be a mapping (key: value), and is empty", NULL});
    refused("- a\n", (const char *const[]) {"1:1: a rollout must be a mapping (key: value), and is a list", NULL});
    refused("{}\n", (const char *const[]) {"1:1: a rollout has no \"rollout\"", "1:1: a rollout has no \"change\"",
                                          "1:1: a rollout has no \"targets\"", "1:1: a rollout has no \"stages\"", NULL});
    refused(HEAD "targets: x\n", (const char *const[]) {"5:1: key \"targets\" is there twice", NULL});
}

Test(rollout, change_names_one_driver_that_there_is)
{
#define WITH(change) "rollout: r\nchange: " change "\ntargets: \"*\"\nstages: [{name: a}]\n"
    refused(WITH("{}"), (const char *const[]) {"2:9: change is empty", NULL});
    refused(WITH("{puppet: {}, salt: {}}"), (const char *const[]) {"2:22: change has more than one key: \"puppet\" and \"salt\"", NULL});
    refused(WITH("{no-such-tool: {}}"), (const char *const[]) {"2:10: ", NULL});
    refused(WITH("{../x: {}}"), (const char *const[]) {"2:10: ", NULL});
    refused(WITH("{puppet: {environment: [a], tags: [ok, \"b c\"]}}"),
            (const char *const[]) {"2:32: \"environment\" of puppet ", "2:48: \"tags/1\" of puppet ", NULL});
}

Test(rollout, stages_are_checked_against_each_other)
{
#define STAGES(stages) "rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages:\n" stages
    refused(STAGES("  []\n"), (const char *const[]) {"5:3: no stages", NULL});
    refused(STAGES("  - {name: a, count: 1}\n  - {name: b}\n  - {name: a}\n"), (const char *const[]) {"7:12: a second stage \"a\"", NULL});
    refused(STAGES("  - {name: a, until: 50%}\n  - {name: b, until: 10%}\n"),
            (const char *const[]) {"6:22: until falls: 10% here, 50% before", NULL});
    refused(STAGES("  - {name: a, until: 0%}\n"), (const char *const[]) {"5:22: until must be more than 0", NULL});
    refused(STAGES("  - {name: a, until: 5, count: 2}\n"), (const char *const[]) {"5:22: a stage has count or until, not both", NULL});
    refused(STAGES("  - {name: a, until: 5, dry-run: true, bake: 1m}\n"),
            (const char *const[]) {"5:22: until counts changed hosts", "5:46: a dry-run changes nothing that could bake", NULL});
    refused(STAGES("  - {name: A_b}\n  - {}\n  - 5\n"),
            (const char *const[]) {"5:12: name of a stage must be a word", "6:5: a stage has no \"name\"", "7:5: a stage must be a mapping", NULL});
    refused(STAGES("  - {name: a, dry-run: yes}\n"), (const char *const[]) {"5:24: dry-run must be true or false, and is \"yes\"", NULL});
}

Test(rollout, a_selector_has_its_mistake_at_its_own_column)
{
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"@web and (a\"\nstages: [{name: a, targets: (b}]\n",
            (const char *const[]) {"3:20: targets: ", "4:29: targets: ", NULL});
}

Test(rollout, around_and_verify_are_checked)
{
    refused(HEAD "around: {lock: {}}\n", (const char *const[]) {"5:9: around must be a list, and is a mapping", NULL});
    refused(HEAD "around: [lock: {}, lock: {}]\n", (const char *const[]) {"5:20: a second lock: one holds the host already", NULL});
    refused(HEAD "around: [lock, lock]\n", (const char *const[]) {"5:16: a second lock: one holds the host already", NULL});
    refused(HEAD "around: [lock: {hold: []}]\n", (const char *const[]) {"5:23: hold names no actor", NULL});
    refused(HEAD "around: [lock: {hold: [a b]}]\n", (const char *const[]) {"5:24: hold: \"a b\" is no actor's name", NULL});
    refused(HEAD "around: [lock: {hold: [all]}]\n", (const char *const[]) {"5:24: hold: \"all\" is no actor", NULL});
    refused(HEAD "around: [lock: {hold: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]}]\n", (const char *const[]) {"5:23: hold has more than 16 entries", NULL});
    refused(HEAD "around: [lok: {}]\n", (const char *const[]) {"5:10: unknown key \"lok\" in around", NULL});
    refused(HEAD "verify: [{within: 3s}]\n", (const char *const[]) {"5:10: a check of verify has http, tcp, command, report or metric", NULL});
    refused(HEAD "verify: [{http: \"http://a\", command: [b]}]\n",
            (const char *const[]) {"5:10: a check of verify has http, tcp, command, report or metric, one of them", NULL});
    refused(HEAD "verify: [{http: \"http://{hots}/ x\"}]\n",
            (const char *const[]) {"5:17: http has a blank in its URL", "5:17: http has an unknown \"{hots}\"", NULL});
    refused(HEAD "verify: [{command: systemctl is-active nginx, expect: 200}]\n",
            (const char *const[]) {"5:20: command must be a list", "5:55: \"expect\" belongs to http, not to command", NULL});
    refused(HEAD "verify: [{http: \"http://a\", expect: []}]\n", (const char *const[]) {"5:37: expect names no status", NULL});
    refused(HEAD "verify: [{command: [], within: 1ms}]\n",
            (const char *const[]) {"5:20: command must be a list", "5:32: within must be 1s to 1h, and is 1ms", NULL});
}

static void refused_url(const char *url, const char *why)
{
    char text[3000], wanted[300];

    snprintf(text, sizeof text, HEAD "verify: [{http: \"%.2800s\"}]\n", url);
    snprintf(wanted, sizeof wanted, "5:17: http has %.250s", why);
    refused(text, (const char *const[]) {wanted, NULL});
}

/* Each of these would fail on every host, behind its change. */
Test(rollout, checks_that_nobody_could_run_are_refused)
{
    static const char *const ports[] = {"99999", "0", "65536", "8080x", "", "-1", "123456"};
    char text[6000], word[4100], url[200];

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        snprintf(url, sizeof url, "http://{host}:%s/healthz", ports[i]);
        snprintf(word, sizeof word, "a port that is none, \"%s\"", ports[i]);
        refused_url(url, word);
    }
    refused_url("https://u:p@[2001:db8::1]:99999?x", "a port that is none, \"99999\"");
    refused_url("http:///healthz", "no host in its URL");
    refused_url("http://[::1", "no host in its URL");
    memset(word, 'a', sizeof word);
    snprintf(text, sizeof text, "http://h/%.2000s", word);
    refused_url(text, "a URL of more than 2000 bytes");
    snprintf(text, sizeof text, HEAD "verify: [{command: [x, %.4001s]}]\n", word);
    refused(text, (const char *const[]) {"5:24: command has a word of more than 4000 bytes", NULL});
    snprintf(text, sizeof text, HEAD "verify: [{tcp: \"%.320s:1\"}]\n", word);
    refused(text, (const char *const[]) {"5:16: tcp must be a host and a port", NULL});
    tg_rollout_free(take(HEAD "verify: [{http: \"http://u:p@[::1]:1/:x\"}, {http: \"https://{host}\"}, {http: \"http://{address}:65535?a:b\"}]\n"));
}

Test(rollout, tcp_and_metrics_are_read)
{
    struct tg_rollout *r = take(HEAD "verify:\n"
                                     "  - {tcp: \"{host}:5432\", within: 10s}\n"
                                     "  - {metric: 'sum(rate(errors{instance=\"{host}\"}[5m]))', at: \"http://prom:9090\", below: 5}\n"
                                     "  - {metric: up, at: \"https://prom/\", above: 0.5, rise: 20%, fall: 2.5%, after: 0s}\n");

    cr_assert(r->n_verify == 3 && r->verify[0].kind == TG_VERIFY_TCP && r->verify[0].within_ms == 10000);
    cr_assert_str_eq(r->verify[0].url, "{host}:5432");
    cr_assert(r->verify[1].kind == TG_VERIFY_METRIC && r->verify[1].after_ms == 60000 && r->verify[1].within_ms == 30000);
    cr_assert_str_eq(r->verify[1].query, "sum(rate(errors{instance=\"{host}\"}[5m]))");
    cr_assert(json_real_value(json_object_get(r->verify[1].options, "below")) == 5 && json_object_size(r->verify[1].options) == 1);
    cr_assert(r->verify[2].after_ms == 0 && json_real_value(json_object_get(r->verify[2].options, "above")) == 0.5);
    cr_assert(json_integer_value(json_object_get(r->verify[2].options, "rise")) == 20000);
    cr_assert(json_integer_value(json_object_get(r->verify[2].options, "fall")) == 2500);
    tg_rollout_free(r);
}

Test(rollout, tcp_and_metrics_are_checked)
{
    static const char *const endpoints[] = {"db", "db:", ":5432", "db:0", "db:65536", "db:1x", "a b:1", "u@db:1", "db/x:1", "2001:db8::1:22", "[::1]", "[::1:22"};
    char text[256], wanted[128];

    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        snprintf(text, sizeof text, HEAD "verify: [{tcp: \"%s\"}]\n", endpoints[i]);
        snprintf(wanted, sizeof wanted, "5:16: tcp must be a host and a port, and is \"%s\"", endpoints[i]);
        refused(text, (const char *const[]) {wanted, NULL});
    }
    refused(HEAD "verify: [{tcp: \"{hots}:1\"}]\n", (const char *const[]) {"5:16: tcp has an unknown \"{hots}\"", NULL});
    refused(HEAD "verify: [{tcp: \"a:1\", expect: 200, below: 1}]\n",
            (const char *const[]) {"5:31: \"expect\" belongs to http, not to tcp", "5:43: \"below\" belongs to metric, not to tcp", NULL});
    refused(HEAD "verify: [{metric: up, at: \"http://p\", below: 4, above: 5}]\n", (const char *const[]) {"5:46: no number is below 4 and above 5", NULL});
    refused(HEAD "verify: [{metric: up}]\n", (const char *const[]) {"5:19: metric has no \"at\"", "5:19: metric is compared with nothing", NULL});
    refused(HEAD "verify: [{metric: 'a{b=\"{hots}\"}', at: prom, below: many, rise: 5, after: 2h}]\n",
            (const char *const[]) {"5:19: metric has an unknown \"{hots}\"", "5:40: at must be a URL, and is \"prom\"", "5:53: below must be a number, and is \"many\"",
                                   "5:65: rise must be a percentage, and is \"5\"", "5:75: after must be 0s to 1h, and is 2h", NULL});
    refused(HEAD "verify: [{http: \"http://a\", tcp: \"a:1\"}]\n",
            (const char *const[]) {"5:10: a check of verify has http, tcp, command, report or metric, one of them", NULL});
}

Test(rollout, the_tools_report_and_comparisons_are_read)
{
    struct tg_rollout *r = take(HEAD "verify:\n"
                                     "  - {report: unchanged, within: 5m}\n"
                                     "  - {metric: 'e{h=\"{host}\"} / avg(e{h=~\"({unchanged}):80\"})', at: \"http://prom:9090\", below: 2}\n");

    cr_assert(r->n_verify == 2 && r->verify[0].kind == TG_VERIFY_REPORT && r->verify[0].within_ms == 300000);
    cr_assert_str_eq(r->verify[1].query, "e{h=\"{host}\"} / avg(e{h=~\"({unchanged}):80\"})");
    tg_rollout_free(r);
    refused(HEAD "verify: [{report: fine, expect: 200}]\n",
            (const char *const[]) {"5:19: report must be \"unchanged\", and is \"fine\"", "5:33: \"expect\" belongs to http, not to report", NULL});
    refused(HEAD "verify: [{tcp: \"{unchanged}:1\"}]\n", (const char *const[]) {"5:16: tcp has an unknown \"{unchanged}\"", NULL});
}

Test(rollout, a_file_that_is_not_there_says_so)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_rollout *r = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_rollout_read("/nonexistent/r.yaml", &p, &r, &e), TG_E_DATA);
    cr_assert_str_eq(e.message, "/nonexistent/r.yaml can't be read: No such file or directory");
}

#define PRESET(stages) "rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: " stages "\n"

/* The stages that a file has, as text; what is printed says the same when it is read again. */
static void written_out(const char *stages, const char *wanted)
{
    char text[8192];
    struct tg_buf first = TG_BUF_INIT, again = TG_BUF_INIT;

    snprintf(text, sizeof text, PRESET("%s"), stages);
    struct tg_rollout *r = take(text);
    cr_assert_eq(tg_rollout_stages_text(r, &first, NULL), 0);
    if (wanted)
        cr_assert_str_eq(tg_buf_text(&first), wanted);
    tg_rollout_free(r);
    snprintf(text, sizeof text, "rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\n%s", tg_buf_text(&first));
    r = take(text);
    cr_assert_eq(tg_rollout_stages_text(r, &again, NULL), 0);
    cr_assert_str_eq(strstr(tg_buf_text(&first), "stages:"), strstr(tg_buf_text(&again), "stages:")); /* hours are the file's then */
    tg_rollout_free(r);
    tg_buf_release(&first);
    tg_buf_release(&again);
}

Test(rollout, a_preset_is_written_out_into_ordinary_stages)
{
    written_out("canary", "stages:\n  - {name: canary, count: 1, bake: 10m}\n  - {name: slow, until: 1%, rate: 1/min, bake: 10m}\n"
                          "  - {name: fast, until: 100%, rate: 1/s}\n");
    written_out("{canary: {bake: 90s, until: 0.5%}}",
                "stages:\n  - {name: canary, count: 1, bake: 90s}\n  - {name: slow, until: 0.5%, rate: 1/min, bake: 90s}\n"
                "  - {name: fast, until: 100%, rate: 1/s}\n");
    written_out("one-some-many", "stages:\n  - {name: one, count: 1, bake: 10m}\n  - {name: some, until: 10%, bake: 10m}\n  - {name: many, until: 100%}\n");
    written_out("{one-some-many: {some: 25%, bake: 0s}}", "stages:\n  - {name: one, count: 1}\n  - {name: some, until: 25%}\n  - {name: many, until: 100%}\n");
    written_out("rolling", "stages:\n  - {name: all, until: 100%}\n");
    written_out("{rolling: }", "stages:\n  - {name: all, until: 100%}\n");
    written_out("{rolling: {batch: 40%, bake: 1500ms, rate: 2/min}}",
                "stages:\n  - {name: batch-1, until: 40%, rate: 2/min, bake: 1500ms}\n  - {name: batch-2, until: 80%, rate: 2/min, bake: 1500ms}\n"
                "  - {name: batch-3, until: 100%, rate: 2/min, bake: 1500ms}\n");
    written_out("{risk: {attr: tolerance, order: [high, low], bake: 1h}}",
                "stages:\n  - {name: high, targets: \"tolerance=high\", optional: true, bake: 1h}\n"
                "  - {name: low, targets: \"tolerance=low\", optional: true, bake: 1h}\n  - {name: others, optional: true}\n");
    written_out("{rolling: {batch: 1%}}", NULL); /* a hundred of them */
    written_out("maintenance-week", "windows: honour\nstages:\n  - {name: week, until: 100%, spread: window}\n");
    written_out("{maintenance-week: {bake: 10m}}", "windows: honour\nstages:\n  - {name: week, until: 100%, spread: window, bake: 10m}\n");
    written_out("[{name: a, approve: true, failure: {failed: 2%, unreachable: 3, of-at-least: 20}}, {name: b, failure: {failed: 1}}, {name: c, failure: {unreachable: 5%}}]",
                "stages:\n  - {name: a, approve: true, failure: {failed: 2%, unreachable: 3, of-at-least: 20}}\n  - {name: b, failure: {failed: 1}}\n"
                "  - {name: c, failure: {unreachable: 5%}}\n");
    written_out("[{name: a, targets: '@b and c=\"d e\"', dry-run: true}, {name: b, count: 7, rate: 4/h, bake: 2d}]",
                "stages:\n  - {name: a, targets: \"@b and c=\\\"d e\\\"\", dry-run: true}\n  - {name: b, count: 7, rate: 4/h, bake: 2d}\n");
}

Test(rollout, hours_and_what_is_counted_in_them)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nhours: {days: [Mon-Wed, Fri], from: 09:00, until: \"16:30\", zone: Europe/Berlin}\nestimate: 90s\n"
                                    "stages: [{name: a, day: 1, spread: day}, {name: b}, {name: c, day: 3, spread: {over: day, at-most: 5m}}]\n");

    cr_assert(r->hours.days == 23 && r->hours.from_min == 540 && r->hours.until_min == 990);
    cr_assert_str_eq(r->hours.zone, "Europe/Berlin");
    cr_assert_eq(r->estimate_ms, 90000);
    cr_assert(r->stages[0].day == 1 && r->stages[0].spread_ms == TG_SPREAD_MAX_MS && r->stages[1].day == 0 && r->stages[1].spread_ms == 0);
    cr_assert(r->stages[2].day == 3 && r->stages[2].spread_ms == 300000);
    tg_rollout_free(r);
    r = take(HEAD "hours: {days: Sun, from: \"22:00\", until: \"04:00\"}\n");
    cr_assert_str_eq(r->hours.zone, "UTC");
    tg_rollout_free(r);
#define HOURS(text) HEAD "hours: {" text "}\n"
    refused(HOURS("days: Mon-Thu, from: 9:00, until: 16"), (const char *const[]) {"5:30: from must be a time of the day, and is \"9:00\"",
                                                                                 "5:43: until must be a time of the day, and is \"16\"", NULL});
    refused(HOURS("days: [], from: \"24:00\", until: \"16:00\""), (const char *const[]) {"5:15: days names no day", "5:25: from must be before 24:00", NULL});
    refused(HOURS("days: Mo, from: \"09:00\", until: \"00:00\""), (const char *const[]) {"5:15: days must be days of the week, and is \"Mo\"", "5:41: until is 00:00", NULL});
    refused(HOURS("days: Mon, from: \"09:00\", until: \"09:00\""), (const char *const[]) {"5:42: until is the same as from", NULL});
    refused(HOURS("days: Mon, from: \"09:00\", until: \"16:00\", zone: Europe/Berln"), (const char *const[]) {"5:57: zone: there is no time zone \"Europe/Berln\"", NULL});
    refused(HOURS(""), (const char *const[]) {"5:8: hours has no \"days\"", "5:8: hours has no \"from\"", "5:8: hours has no \"until\"", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a, day: 1}, {name: b, spread: day}]\n",
            (const char *const[]) {"4:25: \"day\" needs hours", "4:47: \"spread\" needs hours", NULL});
    refused("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nhours: {days: Mon, from: \"01:00\", until: \"02:00\"}\nestimate: 5ms\n"
            "stages: [{name: a, day: 2, spread: week}, {name: b, day: 1, spread: {at-most: 1ms}}, {name: c, day: 0}]\n",
            (const char *const[]) {"5:11: estimate must be ", "6:36: spread must be ", "6:58: day falls: 1 here, 2 before", "6:69: spread has no \"over\"", "6:79: at-most must be ",
                                   "6:101: day must be 1 to 366", NULL});
}

Test(rollout, shards_are_written_out_into_days_of_work)
{
    written_out("shards", "hours: {days: \"Mon-Thu\", from: \"09:00\", until: \"16:00\", zone: UTC}\nstages:\n"
                          "  - {name: day-1, targets: \"shard:0\", optional: true, day: 1, spread: {over: day, at-most: 10m}}\n"
                          "  - {name: day-2, targets: \"shard:1-9\", optional: true, day: 2, spread: {over: day, at-most: 10m}}\n"
                          "  - {name: day-3, targets: \"shard:10-24\", optional: true, day: 3, spread: {over: day, at-most: 10m}}\n"
                          "  - {name: day-4, targets: \"shard:25-49\", optional: true, day: 4, spread: {over: day, at-most: 10m}}\n"
                          "  - {name: day-5, targets: \"shard:50-89\", optional: true, day: 5, spread: {over: day, at-most: 10m}}\n"
                          "  - {name: day-6, targets: \"shard:90-99\", optional: true, day: 6, spread: {over: day, at-most: 10m}}\n");
    written_out("{shards: {days: [5%, 100%], at-most: 24h}}", "hours: {days: \"Mon-Thu\", from: \"09:00\", until: \"16:00\", zone: UTC}\nstages:\n"
                                                             "  - {name: day-1, targets: \"shard:0-4\", optional: true, day: 1, spread: {over: day}}\n"
                                                             "  - {name: day-2, targets: \"shard:5-99\", optional: true, day: 2, spread: {over: day}}\n");
    struct tg_rollout *r = take(PRESET("shards\nhours: {days: Tue, from: \"01:00\", until: \"02:00\"}")); /* the file's own */
    cr_assert(r->hours.days == 2 && !r->hours_by_preset);
    tg_rollout_free(r);
    refused(PRESET("{shards: {days: [50%, 10%, 1.5%, 7, 0%], at-most: 1ms}}"),
            (const char *const[]) {"4:31: shares of days must be whole percentages that grow, and here is \"10%\"", "4:36: shares of days must be whole", "4:42: a share of days must be a percentage of at least 1%, and is \"7\"",
                                   "4:45: a share of days must be a percentage of at least 1%, and is \"0%\"", "4:59: at-most must be", NULL});
}

Test(rollout, a_presets_mistakes_have_their_place)
{
    refused(PRESET("canry"), (const char *const[]) {"4:9: there is no preset \"canry\" of stages", NULL});
    refused(PRESET("{canary: {back: 5m}}"), (const char *const[]) {"4:19: unknown key \"back\" in canary", NULL});
    refused(PRESET("{canary: {}, rolling: {}}"), (const char *const[]) {"4:22: stages has more than one key", NULL});
    refused(PRESET("{canary: [a]}"), (const char *const[]) {"4:18: canary must be a mapping", NULL});
    refused(PRESET("{canary: {until: 5}}"), (const char *const[]) {"4:26: until must be a percentage above 0, and is \"5\"", NULL});
    refused(PRESET("{rolling: {batch: 0.5%}}"), (const char *const[]) {"4:27: batch must be a percentage of at least 1%, and is \"0.5%\"", NULL});
    refused(PRESET("risk"), (const char *const[]) {"4:9: the preset \"risk\" has no \"attr\"", NULL});
    refused(PRESET("{risk: {attr: a b, order: []}}"),
            (const char *const[]) {"4:23: attr must be an attribute of hosts, and is \"a b\"", "4:35: order must have 1 to 32 values, and has 0", NULL});
    refused(PRESET("{risk: {attr: a, order: [high, others, high, A_b]}}"),
            (const char *const[]) {"4:40: order has \"others\"", "4:48: order has \"high\" twice", "4:54: a value of order must be a word", NULL});
    refused(PRESET("\"\""), (const char *const[]) {"4:9: there is no preset \"\" of stages", NULL});
}

Test(rollout, limits_by_domain_are_read_and_their_mistakes_told)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a}]\n"
                                "limits: {domains: {rack: 1, az: 10%}, floor: {\"@web\": 80%, cluster: 2}}\n");

    cr_assert_eq(r->n_limits, 4);
    cr_assert(r->limits[1].kind == TG_LIMIT_DOMAIN && r->limits[1].share.kind == TG_SHARE_PERCENT && !r->limits[1].selector);
    cr_assert(r->limits[2].kind == TG_LIMIT_FLOOR && r->limits[2].selector);
    cr_assert_str_eq(r->limits[3].name, "cluster");
    cr_assert_not(r->ignore_gone, "hosts that are down count unless somebody says otherwise");
    tg_rollout_free(r);
    r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a}]\nlimits: {domains: {rack: 1}, down: ignore}\n");
    cr_assert(r->ignore_gone);
    tg_rollout_free(r);
    refused(HEAD "limits: {down: perhaps}\n", (const char *const[]) {"5:16: down", NULL});
    refused(HEAD "limits: {domains: 1}\n", (const char *const[]) {"5:19: domains must be a mapping", NULL});
    refused(HEAD "limits: {floor: {}}\n", (const char *const[]) {"5:17: floor is empty", NULL});
    refused(HEAD "limits: {domains: {rack: 0, az: }}\n", (const char *const[]) {"5:26: domains must be more than 0", "5:29: domains of az is empty", NULL});
    refused(HEAD "limits: {domains: {\"@web and (\": 1}}\n", (const char *const[]) {"5:3", NULL});
}

Test(rollout, retries_are_for_who_was_not_reached)
{
    struct tg_rollout *r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a}]\nfailure: {retries: {unreachable: 3}}\n");

    cr_assert(r->retries == 3 && r->retry_wait_ms == 30000);
    tg_rollout_free(r);
    r = take("rollout: r\nchange: {puppet: {}}\ntargets: \"*\"\nstages: [{name: a}]\nfailure: {retries: {unreachable: 1, wait: 2m}}\n");
    cr_assert(r->retries == 1 && r->retry_wait_ms == 120000);
    tg_rollout_free(r);
    refused(HEAD "failure: {retries: 3}\n", (const char *const[]) {"5:20: retries must be a mapping", NULL});
    refused(HEAD "failure: {retries: {wait: 1m}}\n", (const char *const[]) {"5:20: retries has no \"unreachable\"", NULL});
    refused(HEAD "failure: {retries: {unreachable: 21, wait: 11m}}\n",
            (const char *const[]) {"5:34: unreachable must be 1 to 20, and is 21", "5:44: wait must be", NULL});
    refused(HEAD "failure: {retries: {failed: 2, unreachable: 1}}\n", (const char *const[]) {"5:21: unknown key \"failed\" in retries", NULL});
}
