/* Plans: which hosts in which stage, and the digest that a plan is approved by. P5 */
#include "base/columns.h"
#include "config/yaml.h"
#include "engine/plan_text.h"
#include "fleet/inventory.h"

#include "lib/around.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tg_inventory *fleet(const char *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", text, strlen(text), &p, &inventory, &e), 0, "%s", e.message);
    return inventory;
}

#define NOW INT64_C(1795428000000) /* 2026-11-23T10:00:00Z, a Monday */
#define HEAD "rollout: r\nchange: {puppet: {environment: production}}\n"
#define SIX "groups:\n  web: {hosts: \"web[1-6]\"}\n  odd: {hosts: \"web[1,3,5]\"}\n  db: {hosts: \"db[1-2]\"}\n"

static int compile(const char *rollout, const char *inventory, struct tg_problems *p, struct tg_plan **out)
{
    struct tg_inventory *hosts = fleet(inventory);
    struct tg_rollout *r = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_rollout_parse("r.yaml", rollout, strlen(rollout), p, &r, &e), 0, "%d:%d: %s", e.line, e.column, e.message);
    int rc = tg_plan_compile(r, hosts, NULL, p, out, &e);
    cr_assert(rc == 0 || rc == TG_E_DATA, "%s", e.message);
    tg_rollout_free(r);
    tg_inventory_free(hosts);
    return rc;
}

static struct tg_plan *plan_of(const char *rollout, const char *inventory)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_plan *plan = NULL;

    cr_assert_eq(compile(rollout, inventory, &p, &plan), 0, "%s", p.n ? p.list[0].error.message : "");
    return plan;
}

/* "canary: web1 | rest: web2 web3" */
static void stages_are(const char *rollout, const char *inventory, const char *wanted)
{
    struct tg_plan *plan = plan_of(rollout, inventory);
    struct tg_buf got = TG_BUF_INIT;

    for (size_t s = 0; s < plan->n_stages; s++) {
        tg_buf_printf(&got, "%s%s:", s ? " | " : "", plan->stages[s].name);
        for (size_t i = 0; i < plan->stages[s].count; i++)
            tg_buf_printf(&got, " %s", plan->hosts[plan->stages[s].first + i].name);
    }
    cr_assert_str_eq(tg_buf_text(&got), wanted);
    tg_buf_release(&got);
    tg_plan_free(plan);
}

static void refused(const char *rollout, const char *const *lines)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_plan *plan = NULL;
    size_t i = 0;

    cr_assert_eq(compile(rollout, SIX, &p, &plan), TG_E_DATA);
    for (; lines[i]; i++) {
        char got[1200];
        cr_assert_lt(i, p.n, "missing: %s", lines[i]);
        snprintf(got, sizeof got, "%d:%d: %s", p.list[i].error.line, p.list[i].error.column, p.list[i].error.message);
        cr_assert(strncmp(got, lines[i], strlen(lines[i])) == 0, "\n  got    %s\n  wanted %s", got, lines[i]);
        cr_assert(p.list[i].excerpt);
    }
    cr_assert_eq(p.n, i);
    tg_problems_release(&p);
}

Test(plan, a_host_is_in_one_changing_stage_only_and_in_order)
{
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: two, count: 2}, {name: rest}]\n", SIX,
               "canary: web1 | two: web2 web3 | rest: web4 web5 web6");
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: odd, targets: \"@odd\", count: 2}, {name: rest}]\n", SIX,
               "odd: web1 web3 | rest: web2 web4 web5 web6");
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: a}, {name: b}]\n", SIX, "a: web1 web2 web3 web4 web5 web6 | b:");
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: a, count: 9}]\n", "groups: {web: {hosts: \"w[9-11]\"}}", "a: w9 w10 w11");
}

Test(plan, until_is_a_cumulative_share_of_the_targets_rounded_up)
{
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: third, until: 30%}, {name: half, until: 50%}, {name: all, until: 100%}]\n",
               SIX, "canary: web1 | third: web2 | half: web3 | all: web4 web5 web6");
    /* 50 % of 3 hosts are 2 */
    stages_are(HEAD "targets: \"@odd\"\nstages: [{name: half, until: 50%}, {name: all, until: 100%}]\n", SIX, "half: web1 web3 | all: web5");
    /* of 1 host every share is that host */
    stages_are(HEAD "targets: web4\nstages: [{name: canary, count: 1}, {name: some, until: 1%}, {name: all, until: 100%}]\n", SIX,
               "canary: web4 | some: | all:");
    stages_are(HEAD "targets: web4\nstages: [{name: some, until: 1%}, {name: all, until: 100%}]\n", SIX, "some: web4 | all:");
    /* more than a goal is done already: nothing is added, nothing taken back */
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: a, count: 4}, {name: b, until: 50%}, {name: c}]\n", SIX,
               "a: web1 web2 web3 web4 | b: | c: web5 web6");
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: a, until: 2}, {name: b, until: 4}, {name: c, until: 99}]\n", SIX,
               "a: web1 web2 | b: web3 web4 | c: web5 web6");
}

Test(plan, a_dry_run_stage_takes_hosts_without_using_them_up)
{
    struct tg_plan *plan;
    static const char text[] = HEAD "targets: \"@web\"\nstages: [{name: look, dry-run: true}, {name: canary, count: 1}, {name: rest, bake: 5m}]\n";

    stages_are(text, SIX, "look: web1 web2 web3 web4 web5 web6 | canary: web1 | rest: web2 web3 web4 web5 web6");
    plan = plan_of(text, SIX);
    cr_assert_eq(plan->n_hosts, 12);
    cr_assert_eq(plan->n_targets, 6);
    cr_assert_eq(plan->n_left, 0);
    cr_assert(plan->stages[0].dry_run && !plan->stages[1].dry_run && plan->stages[2].bake_ms == 300000);
    tg_plan_free(plan);
    stages_are(HEAD "targets: \"@web\"\nstages: [{name: a, count: 2}, {name: look, dry-run: true, count: 3}, {name: b, count: 1}]\n", SIX,
               "a: web1 web2 | look: web1 web2 web3 | b: web3");
}

Test(plan, hosts_that_no_changing_stage_covers_are_counted)
{
    struct tg_plan *plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: look, dry-run: true}, {name: some, until: 50%}]\n", SIX);

    cr_assert_eq(plan->n_left, 3);
    tg_plan_free(plan);
}

/* A preset is nothing but the stages that it stands for: the digest is the same. */
Test(plan, of_a_preset_is_that_of_its_stages_written_out)
{
    static const char tolerant[] = "groups:\n  a: {hosts: \"web[1-3]\", attrs: {tolerance: high}}\n  b: {hosts: \"web[4-6]\", attrs: {tolerance: low}}\n"
                                   "  c: {hosts: \"web[7-8]\"}\n";
    static const char *const presets[] = {"canary", "rolling", "one-some-many", "{rolling: {batch: 30%, bake: 1m}}",
                                          "{risk: {attr: tolerance, order: [high, medium, low]}}", "shards", "{shards: {days: [7%, 60%, 100%]}}", "maintenance-week"};
    char text[4096];

    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_rollout *r = NULL;
        struct tg_buf out = TG_BUF_INIT;
        int n = snprintf(text, sizeof text, HEAD "targets: \"*\"\nstages: %s\n", presets[i]);
        cr_assert_eq(tg_rollout_parse("r.yaml", text, (size_t) n, &p, &r, NULL), 0);
        cr_assert_eq(tg_rollout_stages_text(r, &out, NULL), 0);
        struct tg_plan *a = plan_of(text, tolerant);
        snprintf(text, sizeof text, HEAD "targets: \"*\"\n%s", tg_buf_text(&out));
        struct tg_plan *b = plan_of(text, tolerant);
        cr_assert_str_eq(a->digest, b->digest);
        cr_assert_eq(a->n_left, 0);
        tg_plan_free(a);
        tg_plan_free(b);
        tg_rollout_free(r);
        tg_buf_release(&out);
    }
    stages_are(HEAD "targets: \"*\"\nstages: {risk: {attr: tolerance, order: [high, medium, low]}}\n", tolerant,
               "high: web1 web2 web3 | medium: | low: web4 web5 web6 | others: web7 web8");
}

Test(plan, what_only_the_fleet_shows_has_its_place)
{
    refused(HEAD "targets: web9\nstages: [{name: a}]\n", (const char *const[]) {"3:10: targets: ", NULL});
    refused(HEAD "targets: \"@web and role=none\"\nstages: [{name: a}]\n", (const char *const[]) {"3:", NULL});
    refused(HEAD "targets: \"@web\"\nstages:\n  - {name: a, targets: \"@nope\"}\n  - {name: b, targets: \"@db\"}\n",
            (const char *const[]) {"5:25: targets: ", "6:24: none of the 2 hosts of stage \"b\" is among the rollout's targets", NULL});
    refused(HEAD "targets: \"@web\"\nstages: {risk: {attr: tolerance, order: [high]}}\n", (const char *const[]) {"4:23: targets: no host has an attribute \"tolerance\"", NULL});
    refused(HEAD "targets: \"@web\"\nstages:\n  - {name: a, until: 5}\n  - {name: b, until: 50%}\n",
            (const char *const[]) {"6:22: until falls: 3 of 6 hosts here, 5 in stage \"a\"", NULL});
}

Test(plan, the_digest_depends_on_what_is_done_and_on_nothing_else)
{
    static const char base[] = HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\nlimits: {running: 2}\n";
    static const char *const same[] = {
        /* other order of keys, other spelling, other file layout */
        "limits:\n  running: 2\nstages:\n- count: 1\n  name: canary\n- name: 'rest'\ntargets: '@web'\nchange:\n  puppet:\n    environment: "
        "\"production\"\nrollout: r # a comment\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1, bake: 0s}, {name: rest}]\nlimits: {running: 2}\naround: [lock]\n",
    };
    static const char *const other[] = {
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\nlimits: {running: 3}\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 2}, {name: rest}]\nlimits: {running: 2}\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: others}]\nlimits: {running: 2}\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1, bake: 1s}, {name: rest}]\nlimits: {running: 2}\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\nlimits: {running: 2}\nverify: [{command: \"true\"}]\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\nlimits: {running: 2}\naround: [lock: {hold: [a]}]\n",
        HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\nlimits: {running: 2}\nfailure: {failed: 1}\n",
        "rollout: r\nchange: {puppet: {environment: testing}}\ntargets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\n"
        "limits: {running: 2}\n",
    };
    struct tg_plan *plan = plan_of(base, SIX), *b;

    cr_assert_eq(strlen(plan->digest), 64);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        b = plan_of(same[i], SIX);
        cr_assert_str_eq(plan->digest, b->digest, "%s", same[i]);
        tg_plan_free(b);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        b = plan_of(other[i], SIX);
        cr_assert_str_neq(plan->digest, b->digest, "%s", other[i]);
        tg_plan_free(b);
    }
    b = plan_of(base, "groups:\n  db: {hosts: \"db[1-2]\"}\n  web: {hosts: \"web[4-6],web[1-3]\"}\n");
    cr_assert_str_eq(plan->digest, b->digest); /* the same hosts */
    tg_plan_free(b);
    b = plan_of(base, "groups:\n  web: {hosts: \"web[1-5]\"}\n");
    cr_assert_str_neq(plan->digest, b->digest);
    tg_plan_free(b);
    /* where a host is reached is part of what is approved */
    b = plan_of(base, "groups:\n  web: {hosts: \"web[1-6]\"}\nhosts: {web3: {address: 127.0.0.9}}\n");
    cr_assert_str_neq(plan->digest, b->digest);
    cr_assert_str_eq(b->hosts[2].address, "127.0.0.9");
    tg_plan_free(b);
    tg_plan_free(plan);
}

/* The digest of one plan for ever: if this fails, the format has changed and TG_PLAN_FORMAT must. */
Test(plan, the_digest_is_the_same_on_every_machine)
{
    struct tg_plan *plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: canary, count: 1}, {name: rest}]\n", SIX);

    cr_assert_str_eq(plan->digest, "448c4d8ddb39a2e8f02209e2eac59ac48bdcadb5418d1e0fdc97884e36cfae6f");
    tg_plan_free(plan);
}

static const char full[] = "rollout: r\nchange: {puppet: {environment: production, tags: [a, b]}}\ntargets: \"*\"\n"
                           "stages: [{name: look, dry-run: true}, {name: canary, count: 1, bake: 1m}, {name: rest, rate: 4/min, day: 2, spread: {over: day, at-most: 1m}}]\n"
                           "limits: {running: 3, unverified: 7, down: ignore}\nhours: {days: Mon-Fri, from: \"22:00\", until: \"04:00\"}\nestimate: 90s\nfailure: {failed: 2.5%, of-at-least: 3, give-up-by: 4h}\naround: [lock: {hold: [a, b]}]\n"
                           "verify: [{http: \"http://{host}/\", expect: [200, 204], within: 5s}, {command: [test, -f, /x]},\n"
                           "  {tcp: \"{host}:22\"}, {metric: 'e{h=\"{host}\"}', at: \"http://p:9090\", below: 0.1, rise: 12.5%},\n"
                           "  {report: unchanged, within: 2m}]\n";

Test(plan, survives_the_way_through_json)
{
    struct tg_plan *plan = plan_of(full, SIX "hosts: {web2: {address: 127.0.0.2, port: 2222, user: ops}}\n"), *back = NULL;
    json_t *json = tg_plan_to_json(plan, NULL), *again;
    char *text = json_dumps(json, JSON_COMPACT);
    struct tg_error e = TG_ERROR_INIT;

    json_decref(json);
    json = json_loads(text, 0, NULL);
    cr_assert_eq(tg_plan_from_json(json, &back, &e), 0, "%s", e.message);
    cr_assert_str_eq(back->digest, plan->digest);
    cr_assert_eq(back->n_hosts, plan->n_hosts);
    cr_assert(back->stages[0].dry_run && back->stages[1].bake_ms == 60000 && back->stages[2].first == plan->stages[2].first);
    cr_assert(back->ignore_gone && back->unverified == 7 && back->stages[2].rate.count == 4 && back->stages[2].rate.per_ms == 60000 && !back->stages[1].rate.count);
    cr_assert(back->hours.days == 31 && back->hours.from_min == 1320 && back->hours.until_min == 240 && strcmp(back->hours.zone, "UTC") == 0);
    cr_assert(back->give_up_ms == 14400000 && back->estimate_ms == 90000 && back->stages[2].day == 2 && back->stages[2].spread_ms == 60000 && back->stages[1].spread_ms == 0 && !back->stages[1].over_window);
    cr_assert(back->verify[0].kind == TG_VERIFY_HTTP && back->verify[1].argv[2][0] == '/');
    cr_assert(back->verify[2].kind == TG_VERIFY_TCP && back->verify[3].kind == TG_VERIFY_METRIC && back->verify[3].after_ms == 60000);
    cr_assert_str_eq(back->verify[3].query, "e{h=\"{host}\"}");
    cr_assert(back->verify[4].kind == TG_VERIFY_REPORT && back->verify[4].within_ms == 120000 && back->n_verify == 5);
    again = tg_plan_to_json(back, NULL);
    cr_assert(json_equal(json, again));
    json_decref(json);
    json_decref(again);
    free(text);
    tg_plan_free(back);
    tg_plan_free(plan);
}

/* P5: of another form nothing is known, and it is told which. */
Test(plan, of_another_form_is_refused_and_told_to_be_made_again)
{
    static const struct {
        int by;
        const char *message, *hint;
    } cases[] = {{-1, "the plan has the older format", "plan again"}, {1, "the plan has the newer format", "use the tagout that made it"}};
    struct tg_plan *plan = plan_of(full, SIX), *back = NULL;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_error e = TG_ERROR_INIT;
        json_t *json = tg_plan_to_json(plan, NULL);
        json_object_set_new(json, "format", json_integer(TG_PLAN_FORMAT + cases[i].by));
        json_object_del(json, "policy"); /* what another form has is not looked at */
        cr_expect_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA);
        cr_expect(strstr(e.message, cases[i].message) == e.message, "%s", e.message);
        cr_expect(strstr(e.hint, cases[i].hint) == e.hint, "%s", e.hint);
        json_decref(json);
    }
    tg_plan_free(plan);
}

/* P8: who ended first would undo what another host still needs. */
Test(plan, of_hosts_that_are_one_thing_to_a_balancer_is_refused)
{
    static const char two[] = "hosts:\n  web1.a.example.com: {}\n  web1.b.example.com: {}\n  web2.a.example.com: {}\n";
    static const struct {
        const char *more, *message;
    } cases[] = {
        {"around: [drain: {filelb: {dir: /x, as: \"{short}\"}}]", "web1.a.example.com and web1.b.example.com are the same to the drain of filelb"},
        {"around: [drain: {filelb: {dir: /x, as: web7}}]", "web1.a.example.com and web1.b.example.com are the same to the drain of filelb"},
        {"around: [drain: {filelb: {dir: /x, as: \"a/{host}\"}}]", "web1.a.example.com can't have the drain of filelb: \"a/web1.a.example.com\" is no name of a file"},
        {"around: [drain: {filelb: {dir: /x}}]", NULL},
        {"around: [silence: {filealerts: {dir: /x, as: \"{short}\"}}]", NULL}, /* they lie beside each other */
    };

    use_around_modules();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_plan *plan = NULL;
        char text[400];
        snprintf(text, sizeof text, HEAD "targets: \"*\"\nstages: [{name: look, dry-run: true}, {name: all}]\n%s\n", cases[i].more);
        int rc = compile(text, two, &p, &plan);
        cr_expect_eq(rc, cases[i].message ? TG_E_DATA : 0, "%s: %d", cases[i].more, rc);
        cr_expect_eq(p.n, cases[i].message ? 1 : 0, "%s", cases[i].more);
        if (p.n && cases[i].message)
            cr_expect_str_eq(p.list[0].error.message, cases[i].message);
        tg_problems_release(&p);
        tg_plan_free(plan);
    }
    /* one host alone may be called anything */
    tg_plan_free(plan_of(HEAD "targets: web1\nstages: [{name: all}]\naround: [drain: {filelb: {dir: /x, as: srv7}}]\n", SIX));
}

Test(plan, has_what_is_done_around_a_change)
{
    use_around_modules();
    struct tg_plan *plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: all}]\naround: [lock, drain: {filelb: {dir: /x}}, silence: {filealerts: {dir: /y}}]\n", SIX), *back = NULL;
    json_t *json = tg_plan_to_json(plan, NULL), *steps = json_object_get(json, "around");
    struct tg_error e = TG_ERROR_INIT;
    static const char *const bad[] = {"{\"drain\":{}}", "{\"drain\":\"filelb\"}", "{\"dry\":{\"filelb\":{}}}", "{\"lock\":{\"hold\":[]}}", "{}", "[]", "{\"drain\":{\"a\":1,\"b\":2}}"};

    cr_assert_eq(tg_plan_from_json(json, &back, &e), 0, "%s", e.message);
    cr_assert(back->n_around == 3 && back->around[2].what == TG_AROUND_SILENCE);
    cr_assert_str_eq(back->around[1].module, "filelb");
    cr_assert_str_eq(json_string_value(json_object_get(back->around[1].params, "dir")), "/x");
    tg_plan_free(back);
    back = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tg_error_clear(&e);
        json_array_set_new(steps, 1, json_loads(bad[i], 0, NULL));
        cr_expect_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA, "%s", bad[i]);
        cr_expect_str_eq(e.message, "the plan is damaged: a step of around", "%s: %s", bad[i], e.message);
    }
    json_decref(json);
    tg_plan_free(plan);
}

/* P5: a plan that was edited is no plan that was approved. */
Test(plan, a_changed_or_foreign_plan_is_refused)
{
    struct tg_plan *plan = plan_of(full, SIX), *back = NULL;
    json_t *json = tg_plan_to_json(plan, NULL);
    struct tg_error e = TG_ERROR_INIT;

    json_object_set_new(json, "running", json_integer(4));
    cr_assert_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "digest does not match"));
    json_object_set_new(json, "running", json_integer(3));
    cr_assert_eq(tg_plan_from_json(json, &back, NULL), 0);
    tg_plan_free(back);
    e = (struct tg_error) TG_ERROR_INIT;
    json_object_set_new(json, "format", json_integer(TG_PLAN_FORMAT + 1));
    cr_assert_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "format"));
    json_decref(json);
    json = json_array();
    cr_assert_eq(tg_plan_from_json(json, &back, NULL), TG_E_DATA);
    json_decref(json);
    tg_plan_free(plan);
}

Test(plan, prints_in_a_terminals_width)
{
    struct tg_plan *plan = plan_of(full, "groups: {web: {hosts: \"web[001-400].example.com,edge[1-9].example.com,a1,a3,a5,a7,b11,b13,b19\"}}");
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;
    char wanted[2048];

    cr_assert_eq(tg_plan_text(plan, NOW, 80, TG_PLAN_TEXT_WHOLE, &out, &e), 0, "%s", e.message);
    snprintf(wanted, sizeof wanted,
             "r: puppet agent, environment production, tags a,b            digest %.12s\n"
             "targets  *: 416 hosts\n"
             "\n"
             "STAGE   HOSTS  PACE                           BAKE  WHEN (UTC)\n"
             "look      416  dry-run                        –     Mon 22:00–Tue 01:28\n"
             "  a[1,3,5,7],b[11,13,19],edge[1-9].example.com,web[001-400].example.com\n"
             "canary      1  –                              1m    Tue 01:28–01:30\n"
             "  a1\n"
             "rest      415  4/min, spread ≤ 1m, 3 at once  –     Tue 22:00–Wed 04:00\n"
             "  at most 7 down\n"
             "  a[3,5,7],b[11,13,19],edge[1-9].example.com,web[001-400].example.com\n"
             "\n"
             "around   lock, holding a, b\n"
             "verify   http://{host}/ within 5s\n"
             "         on the host: test -f /x within 30s\n"
             "         tcp {host}:22 within 30s\n"
             "         e{h=\"{host}\"} below 0.1, rise at most 12.5%%, at http://p:9090 after 1m,\n"
             "         within 30s\n"
             "         the tool finds nothing left to change within 2m\n"
             "limits   3 running, 7 unverified with them\n"
             "hours    Mon-Fri 22:00-04:00 UTC\n"
             "halt     when more than 2.5%% fail (10 of 416), once 3 have ended\n"
             "         when nobody has looked for 4h at what has no verdict\n"
             "takes    about 1d 18h, to Wed 04:00, at 1m 30s a host\n"
             "\n"
             "Warning: stage rest does not reach its rate of 4/min: at 1m 30s a host 6 are in work at once, limits.running is 3.\n",
             plan->digest);
    cr_assert_str_eq(tg_buf_text(&out), wanted);
    tg_buf_reset(&out);
    cr_assert_eq(tg_plan_text(plan, NOW, 130, TG_PLAN_TEXT_WHOLE, &out, &e), 0);
    cr_assert(strstr(tg_buf_text(&out), "  WHEN (UTC)           AT MOST DOWN  WHICH\n"), "%s", tg_buf_text(&out));
    cr_assert(strstr(tg_buf_text(&out), "canary      1  –                              1m    Tue 01:28–01:30      1             a1\n"), "%s", tg_buf_text(&out));
    tg_buf_release(&out);
    tg_plan_free(plan);
}

/* On a terminal nothing is wider than it, and nothing is left out but hosts, whose number stands there. */
Test(plan, prints_in_forty_columns)
{
    struct tg_plan *plan = plan_of(full, "groups: {web: {hosts: \"web[001-400].example.com,edge[1-9].example.com,a1,a3,a5,a7,b11,b13,b19\"}}");
    struct tg_buf out = TG_BUF_INIT, flat = TG_BUF_INIT;

    cr_assert_eq(tg_plan_text(plan, NOW, 40, 40, &out, NULL), 0);
    for (const char *at = tg_buf_text(&out), *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        struct tg_buf line = TG_BUF_INIT;
        tg_buf_add(&line, at, (size_t) (end - at));
        cr_expect_leq(tg_columns(tg_buf_text(&line)), 40, "%s", tg_buf_text(&line));
        tg_buf_printf(&flat, "%s%s", flat.len ? " " : "", tg_buf_text(&line) + strspn(tg_buf_text(&line), " "));
        tg_buf_release(&line);
    }
    static const char *const told[] = {"Tue 22:00–Wed 04:00, at most 7 down", "the tool finds nothing left to change within 2m", "when nobody has looked for 4h at what has no verdict", "takes    about 1d 18h",
                                       "at 1m 30s a host 6 are in work at once, limits.running is 3."};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        cr_expect(strstr(tg_buf_text(&flat), told[i]), "%s\n%s", told[i], tg_buf_text(&out));
    tg_buf_release(&out);
    tg_buf_release(&flat);
    tg_plan_free(plan);
}

/* ---- limits by domain ---- */

#define RACKS                                                                                                                                        \
    "groups:\n  web: {hosts: \"web[1-6]\", attrs: {role: web}}\n  db: {hosts: \"db[1-4]\", attrs: {role: db}}\n"                                    \
    "hosts:\n  \"web[1-3],db[1-2]\": {attrs: {rack: r1}}\n  \"web[4-5],db[3-4]\": {attrs: {rack: r2}}\n"

/* "r1 1/5 | r2 1/4 ; web1=r1 web2=r1 web6=-" of each limit */
static void domains_are(const char *limits, const char *wanted)
{
    char text[600];
    struct tg_buf got = TG_BUF_INIT;

    snprintf(text, sizeof text, HEAD "targets: \"@web\"\nstages: [{name: look, dry-run: true, count: 1}, {name: rest}]\nlimits: {running: 9, %s}\n", limits);
    struct tg_plan *plan = plan_of(text, RACKS);
    for (size_t i = 0; i < plan->n_domains; i++)
        tg_buf_printf(&got, "%s%u:%s %u/%u", i ? " | " : "", plan->domains[i].limit, plan->domains[i].value, plan->domains[i].max, plan->domains[i].n_hosts);
    for (size_t i = 0; i < plan->n_hosts; i++) {
        tg_buf_printf(&got, "%s%s", i ? " " : "; ", plan->hosts[i].name);
        for (size_t l = 0; l < plan->n_limits; l++) {
            uint32_t d = plan->domain_of[i * plan->n_limits + l];
            tg_buf_printf(&got, "=%s", d == TG_NO_DOMAIN ? "-" : plan->domains[d].value);
        }
    }
    cr_assert_str_eq(tg_buf_text(&got), wanted);
    json_t *json = tg_plan_to_json(plan, NULL);
    struct tg_plan *back = NULL;
    struct tg_error e = TG_ERROR_INIT;
    cr_assert_eq(tg_plan_from_json(json, &back, &e), 0, "%s", e.message);
    cr_assert(memcmp(back->domain_of, plan->domain_of, plan->n_hosts * plan->n_limits * sizeof *plan->domain_of) == 0);
    json_decref(json);
    tg_plan_free(back);
    tg_plan_free(plan);
    tg_buf_release(&got);
}

Test(plan, a_domain_counts_all_hosts_of_the_inventory_that_share_it)
{
    domains_are("domains: {rack: 1}", "0:r1 1/5 | 0:r2 1/4; web1=- web1=r1 web2=r1 web3=r1 web4=r2 web5=r2 web6=-");
    domains_are("domains: {rack: 40%}", "0:r1 2/5 | 0:r2 1/4; web1=- web1=r1 web2=r1 web3=r1 web4=r2 web5=r2 web6=-");
    domains_are("floor: {role: 80%}", "0:web 1/6; web1=- web1=web web2=web web3=web web4=web web5=web web6=web");
    domains_are("floor: {rack: 3}", "0:r1 2/5 | 0:r2 1/4; web1=- web1=r1 web2=r1 web3=r1 web4=r2 web5=r2 web6=-"); /* k of n */
    domains_are("domains: {rack: 1}, floor: {\"@web and rack=r1\": 1}",
                "0:r1 1/5 | 0:r2 1/4 | 1: 2/3; web1=-=- web1=r1= web2=r1= web3=r1= web4=r2=- web5=r2=- web6=-=-");
}

Test(plan, limits_that_can_not_be_kept_are_told)
{
#define STAGE HEAD "targets: \"@web\"\nstages: [{name: a}]\n"
    static const struct {
        const char *limits, *line;
    } cases[] = {
        {"domains: {rak: 1}", "5:20: domains: \"rak\" is no attribute of any host in the inventory; it has: rack, role"},
        {"domains: {rack: 10%}", "5:20: domains: 10% of rack r1 is less than one host of its 5: none of them could ever be changed"},
        {"floor: {rack: 5}", "5:18: floor: 5 of rack r1 must stay up, and it has 5 hosts: none of them could ever be changed"},
        {"domains: {\"rack=r9\": 1}", "5:20: domains: \"rack=r9\" means no host of the inventory, so that it limits nothing"},
        {"floor: {\"@wbe\": 1}", "5:19: floor: there is no group \"wbe\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_plan *plan = NULL;
        char text[400], got[1200];
        snprintf(text, sizeof text, STAGE "limits: {%s}\n", cases[i].limits);
        cr_assert_eq(compile(text, RACKS, &p, &plan), TG_E_DATA);
        snprintf(got, sizeof got, "%d:%d: %s", p.list[0].error.line, p.list[0].error.column, p.list[0].error.message);
        cr_expect(strncmp(got, cases[i].line, strlen(cases[i].line)) == 0, "\n  got    %s\n  wanted %s", got, cases[i].line);
        tg_problems_release(&p);
    }
}

/* P5: the domain of a host is in the digest. */
Test(plan, a_host_moved_to_another_domain_is_another_plan)
{
    static const char rollout[] = HEAD "targets: \"@web\"\nstages: [{name: a}]\nlimits: {domains: {rack: 1}}\n";
    struct tg_plan *one = plan_of(rollout, RACKS);
    struct tg_plan *other = plan_of(rollout, "groups:\n  web: {hosts: \"web[1-6]\", attrs: {role: web}}\n  db: {hosts: \"db[1-4]\", attrs: {role: db}}\n"
                                             "hosts:\n  \"web[1-2,4],db[1-2]\": {attrs: {rack: r1}}\n  \"web[3,5],db[3-4]\": {attrs: {rack: r2}}\n");

    cr_assert_str_neq(one->digest, other->digest);
    json_t *json = tg_plan_to_json(one, NULL), *stage = json_array_get(json_object_get(json, "stages"), 0);
    json_t *of = json_array_get(json_object_get(stage, "domains"), 0);
    struct tg_plan *back = NULL;
    struct tg_error e = TG_ERROR_INIT;
    json_array_set_new(of, 0, json_integer(1));
    cr_expect_eq(tg_plan_from_json(json, &back, &e), TG_E_DATA);
    cr_expect(strstr(e.message, "digest does not match"), "%s", e.message);
    json_array_set_new(of, 0, json_integer(2)); /* there is none */
    cr_expect_eq(tg_plan_from_json(json, &back, NULL), TG_E_DATA);
    json_array_remove(of, 0);
    cr_expect_eq(tg_plan_from_json(json, &back, NULL), TG_E_DATA);
    json_decref(json);
    tg_plan_free(one);
    tg_plan_free(other);
}

Test(plan, prints_its_limits_by_domain_and_what_they_do_not_reach)
{
    struct tg_plan *plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: a}]\nlimits: {running: 4, domains: {rack: 1}, floor: {role: 80%}}\n", RACKS);
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(tg_plan_text(plan, NOW, 80, TG_PLAN_TEXT_WHOLE, &out, NULL), 0);
    cr_expect(strstr(tg_buf_text(&out), "limits   at most 1 of each rack down: at worst 1 of 4 down, rack r2\n"
                                        "         at least 80% of each role stay up: at worst 1 of 6 down, role web\n"), "%s", tg_buf_text(&out));
    cr_expect(strstr(tg_buf_text(&out), "Warning: 1 host has no rack: that limit does not hold it back.\n"), "%s", tg_buf_text(&out));
    tg_buf_release(&out);
    tg_plan_free(plan);
}

Test(plan, replicas_that_share_a_domain_are_named)
{
    static const char fleet_text[] = "groups:\n  web: {hosts: \"web[1-9]\"}\nhosts:\n"
                                     "  \"web[1-2]\": {attrs: {cluster: c1, rack: r1}}\n  web3: {attrs: {cluster: c1, rack: r2}}\n"
                                     "  web4: {attrs: {cluster: c2, rack: r1}}\n  web5: {attrs: {cluster: c2, rack: r2}}\n  web6: {attrs: {cluster: c2, rack: r3}}\n"
                                     "  \"web[7-8]\": {attrs: {cluster: c3, rack: r2}}\n  web9: {attrs: {cluster: c3, rack: r1}}\n";
    struct tg_plan *plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: a}]\nlimits: {running: 9, domains: {rack: 2}, floor: {cluster: 2}}\n", fleet_text);
    struct tg_buf out = TG_BUF_INIT;

    cr_assert_eq(tg_plan_text(plan, NOW, 200, TG_PLAN_TEXT_WHOLE, &out, NULL), 0);
    cr_expect(strstr(tg_buf_text(&out), "cluster c1 has 2 hosts in rack r1 (web1, web2): its floor lets 1 of them go at once; 1 more"), "%s", tg_buf_text(&out));
    tg_buf_reset(&out);
    tg_plan_free(plan);
    plan = plan_of(HEAD "targets: \"@web\"\nstages: [{name: a}]\nlimits: {running: 9, domains: {rack: 1}, floor: {cluster: 2}}\n", fleet_text);
    cr_assert_eq(tg_plan_text(plan, NOW, 200, TG_PLAN_TEXT_WHOLE, &out, NULL), 0);
    cr_expect_not(strstr(tg_buf_text(&out), "its floor"), "of a rack only one goes anyhow");
    tg_buf_release(&out);
    tg_plan_free(plan);
}
