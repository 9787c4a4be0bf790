/*
 * The module "alertmanager": what it decides, against one of the test's own that is made of JSON (pure). The real one, and those that are none:
 * tests/scenario/around-alertmanager.sh.
 */
#include "../../plugins/alertmanager/op.c"
#include "../../plugins/alertmanager/params.c"
#include "../../plugins/alertmanager/silences.c"
#include "lib/complaints.h"

#include <criterion/criterion.h>

/* ---- an Alertmanager of JSON */

#define NOW 1795000000000
static json_t *silences;
static int next_id, posts, deletes;
static int64_t now;
static long post_status, delete_status, list_status; /* 0: as it should; the order is not followed */
static enum tg_am_came post_came; /* not ANSWERED: the answer is lost, and the order was followed unless AWAY */
static const char *list_says;
static char last_record[TG_AROUND_RECORD_SIZE];
static struct tg_around_params *params;
static struct tg_around_params *read_params(const char *json)
{
    return read_params_by(tg_am_params, json);
}

static void begin_test(void)
{
    silences = json_array();
    next_id = posts = deletes = 0;
    now = NOW;
    post_status = delete_status = list_status = 0;
    post_came = TG_AM_ANSWERED;
    list_says = NULL;
    last_record[0] = '\0';
    params = read_params("{\"url\":\"http://am:9093\",\"matchers\":{\"instance\":\"{host}:9100\"}}");
}

static void end_test(void)
{
    json_decref(silences);
    tg_am_params_free(params);
}

TestSuite(alertmanager, .init = begin_test, .fini = end_test, .timeout = 60);

static void set_time(json_t *s, const char *key, int64_t ms)
{
    char text[40];

    tg_time_format(ms, text, sizeof text);
    json_object_set_new(s, key, json_string(text));
}

static json_t *silence(const char *id)
{
    size_t i;
    json_t *s;

    json_array_foreach(silences, i, s)
        if (strcmp(json_string_value(json_object_get(s, "id")), id) == 0)
            return s;
    return NULL;
}

static void expire(json_t *s)
{
    set_time(s, "endsAt", now);
    json_object_set_new(s, "status", json_pack("{s:s}", "state", "expired"));
}

/* Time goes on: what has come to its end has ended. */
static void pass(int64_t ms)
{
    size_t i;
    json_t *s;

    now += ms;
    json_array_foreach(silences, i, s) {
        int64_t ends;
        tg_time_parse(json_string_value(json_object_get(s, "endsAt")), &ends, NULL);
        if (ends <= now)
            json_object_set_new(s, "status", json_pack("{s:s}", "state", "expired"));
    }
}

static const char *follow_post(const char *body)
{
    static char answer[100];
    json_t *s = json_loads(body, 0, NULL);
    const char *id = json_string_value(json_object_get(s, "id"));
    json_t *old = id ? silence(id) : NULL;

    posts++;
    if (!old)
        json_array_append_new(silences, old = json_object());
    json_object_update(old, s);
    if (!id)
        json_object_set_new(old, "id", json_sprintf("id-%d", ++next_id));
    json_object_set_new(old, "status", json_pack("{s:s}", "state", "active"));
    snprintf(answer, sizeof answer, "{\"silenceID\":\"%s\"}", json_string_value(json_object_get(old, "id")));
    json_decref(s);
    return answer;
}

static void one_step(struct tg_am_op *op, const char *method, const char *path, const char *body)
{
    if (strcmp(method, "GET") == 0) {
        char *all = json_dumps(silences, 0);
        const char *says = list_says ? list_says : all;
        cr_expect_str_eq(path, "/api/v2/silences?filter=instance%3D%22web1.example.com%3A9100%22");
        tg_am_heard(op, TG_AM_ANSWERED, list_status ? list_status : 200, says, strlen(says), "");
        free(all);
    } else if (strcmp(method, "POST") == 0) {
        const char *answer = post_status || post_came == TG_AM_AWAY ? "{\"code\":400,\"message\":\"bad \\\"matcher\\\"\"}" : follow_post(body);
        tg_am_heard(op, post_came, post_status ? post_status : 200, answer, strlen(answer), "broke");
    } else {
        deletes++;
        json_t *s = silence(strrchr(path, '/') + 1);
        if (s && !delete_status)
            expire(s);
        tg_am_heard(op, TG_AM_ANSWERED, delete_status ? delete_status : 200, "", 0, "");
    }
}

static const struct tg_am_op *run(enum tg_around_verb verb)
{
    static struct tg_am_op op;
    struct tg_around_context c = {.host = "web1.example.com", .address = "192.0.2.1", .run_id = "R1", .lock_id = "L1", .who = "alice@ops1", .reason = "openssl",
        .tag = "tagout/R1/web1/2", .record = last_record, .now_ms = now, .until_ms = now + 3600000};
    const char *method;
    char path[5000], *body;

    cr_assert_eq(tg_am_begin(&op, params, verb, &c, NULL), 0);
    for (int steps = 0; tg_am_next(&op, &method, path, sizeof path, &body); steps++) {
        one_step(&op, method, path, body);
        free(body);
        cr_assert_lt(steps, 100);
    }
    tg_am_release(&op);
    memcpy(last_record, op.record, sizeof last_record);
    return &op;
}

#define EXPECT(op, how, has)                                                                                                                                \
    do {                                                                                                                                                    \
        const struct tg_am_op *o_ = (op);                                                                                                                   \
        cr_expect_str_eq(tg_around_end_name(o_->end), tg_around_end_name(how), "%s: %s", tg_around_end_name(o_->end), o_->text);                            \
        cr_expect(strstr(o_->text, has), "%s", o_->text);                                                                                                   \
    } while (0)

static size_t in_force(void)
{
    size_t i, n = 0;
    json_t *s;

    json_array_foreach(silences, i, s)
        n += strcmp(json_string_value(json_object_get(json_object_get(s, "status"), "state")), "expired") != 0;
    return n;
}

Test(alertmanager, silences_once_and_ends_it)
{
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_ABSENT, "");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "silence id-1 until");
    json_t *s = silence("id-1");
    cr_expect_str_eq(json_string_value(json_object_get(s, "comment")), "tagout[tagout/R1/web1/2] openssl, run R1, lock L1");
    cr_expect_str_eq(json_string_value(json_object_get(s, "createdBy")), "alice@ops1");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "id-1");
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OURS, "id-1");
    cr_expect_eq(posts, 1);
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect(in_force() == 0 && deletes == 1);
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect_eq(deletes, 1);
}

/* P8: with nobody left, it ends by itself soon; with somebody, it goes on as long as is needed. */
Test(alertmanager, is_short_and_renewed)
{
    int64_t ends;

    run(TG_AROUND_ACT);
    tg_time_parse(json_string_value(json_object_get(silence("id-1"), "endsAt")), &ends, NULL);
    cr_expect_eq(ends, NOW + 900000);
    pass(60000);
    run(TG_AROUND_KEEP);
    cr_expect_eq(posts, 1, "not yet");
    pass(300000);
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "id-1");
    tg_time_parse(json_string_value(json_object_get(silence("id-1"), "endsAt")), &ends, NULL);
    cr_expect_eq(ends, NOW + 360000 + 900000);
    cr_expect(posts == 2 && in_force() == 1);
}

Test(alertmanager, what_a_person_ended_is_left_and_what_ran_out_is_made_again)
{
    run(TG_AROUND_ACT);
    pass(10000);
    expire(silence("id-1"));
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_ABSENT, "somebody ended silence id-1");
    cr_expect_eq(in_force(), 0);
    run(TG_AROUND_ACT);
    pass(2000000); /* the controller was away */
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "id-3");
    json_array_clear(silences); /* forgotten with its process */
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "id-4");
}

/* P8: an answer that was lost leaves no double behind. */
/* P8: what is not read may be in force. */
Test(alertmanager, more_of_them_than_can_be_ours_are_not_passed_over)
{
    run(TG_AROUND_ACT);
    for (int i = 0; i < TG_AM_OURS_MAX; i++)
        json_array_append_new(silences, json_deep_copy(silence("id-1")));
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "more than 32 silences of ours");
}

Test(alertmanager, an_undo_of_nothing_says_so)
{
    run(TG_AROUND_ACT);
    expire(silence("id-1"));
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "nothing was left to undo");
}

Test(alertmanager, an_answer_that_was_lost_is_found_by_the_tag)
{
    post_came = TG_AM_SILENT;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "id-1");
    last_record[0] = '\0'; /* and the controller died */
    post_came = TG_AM_ANSWERED;
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OURS, "id-1");
    json_array_append_new(silences, json_deep_copy(silence("id-1")));
    json_object_set_new(json_array_get(silences, 1), "id", json_string("double"));
    last_record[0] = '\0';
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
    cr_expect(in_force() == 1 && posts == 1);
    post_came = TG_AM_AWAY;
    json_array_clear(silences);
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_NOT_SENT, "broke");
}

Test(alertmanager, others_silences_are_theirs)
{
    json_t *other = json_loads("{\"id\":\"x-1\",\"comment\":\"tagout[tagout/R1/web1/22] x\",\"startsAt\":\"2026-11-22T15:00:00.000Z\",\"endsAt\":\"2099-01-01T00:00:00.000Z\","
                               "\"status\":{\"state\":\"active\"},\"matchers\":[{\"name\":\"instance\",\"value\":\"web1.example.com:9100\",\"isRegex\":false}]}", 0, NULL);

    json_array_append_new(silences, other);
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_ABSENT, "");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "id-1");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect(in_force() == 1);
}

Test(alertmanager, one_with_other_matchers_is_replaced)
{
    run(TG_AROUND_ACT);
    json_object_set_new(json_array_get(json_object_get(silence("id-1"), "matchers"), 0), "value", json_string("web2.example.com:9100"));
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "id-2");
    cr_expect_eq(in_force(), 1);
}

/* P12 */
Test(alertmanager, refusals_and_lost_answers_are_told_apart)
{
    post_status = 400;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "status 400: bad \"matcher\"");
    post_status = 500;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "status 500");
    post_status = 0;
    list_status = 500;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_NOT_SENT, "status 500");
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_LOST, "status 500");
    list_status = 401;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "status 401");
    list_status = 0;
    list_says = "<html>";
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "no Alertmanager");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "no Alertmanager");
    list_says = "{}";
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_REFUSED, "no Alertmanager");
    cr_expect_eq(posts, 0);
}

Test(alertmanager, an_undo_that_fails_says_so)
{
    run(TG_AROUND_ACT);
    delete_status = 403;
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_REFUSED, "silence id-1 is still in force: status 403");
    delete_status = 500;
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "still in force: status 500");
    delete_status = 200;
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "still in force");
    cr_expect(last_record[0]);
    delete_status = 0;
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
}

static const char *list_of(const char *from, const char *to)
{
    static char out[1024];
    static const char one[] = "[{\"id\":\"a-1\",\"comment\":\"tagout[tagout/R1/web1/2] x\",\"startsAt\":\"2026-11-22T15:00:00.000Z\",\"endsAt\":\"2099-01-01T00:00:00.000Z\","
                              "\"status\":{\"state\":\"active\"},\"matchers\":[{\"name\":\"instance\",\"value\":\"web1.example.com:9100\",\"isRegex\":false}]}]";
    const char *at = strstr(one, from);

    cr_assert(at);
    snprintf(out, sizeof out, "%.*s%s%s", (int) (at - one), one, to, at + strlen(from));
    return out;
}

Test(alertmanager, a_silence_of_ours_that_is_not_to_be_read_is_no_absence)
{
    static const char *const changes[][2] = {{"\"a-1\"", "\"../x\""}, {"\"a-1\"", "1"}, {"\"active\"", "\"odd\""}, {"\"2099-01-01T00:00:00.000Z\"", "\"soon\""},
                                             {"\"endsAt\"", "\"ends\""}, {"\"comment\"", "\"note\""}, {"{\"id\"", "7,{\"id\""}};

    list_says = list_of("a-1", "a-1");
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OURS, "a-1");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        last_record[0] = '\0';
        list_says = list_of(changes[i][0], changes[i][1]);
        EXPECT(run(TG_AROUND_LOOK), TG_AROUND_REFUSED, "not to be read");
        EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "not to be read");
    }
}

Test(alertmanager, records_that_are_not_to_be_read_are_refused)
{
    static const char *const bad[] = {"1 a/b 5", "2 a 5", "1 a", "1 a 5 6", "nonsense"};
    struct tg_am_op op;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_around_context c = {.host = "web1", .address = "web1", .tag = "t", .record = bad[i]};
        cr_expect_eq(tg_am_begin(&op, params, TG_AROUND_UNDO, &c, NULL), TG_E_DATA, "%s", bad[i]);
    }
}

/* ---- parameters */

static void expect_matchers(const char *json, const char *host, const char *expected)
{
    struct tg_around_context c = {.host = host, .address = "192.0.2.1"};
    struct tg_around_params *p = read_params(json);

    cr_assert(p, "%s", complaints);
    json_t *m = tg_am_matchers(p, &c, NULL);
    char *text = json_dumps(m, JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(text, expected);
    free(text);
    json_decref(m);
    tg_am_params_free(p);
}

Test(alertmanager, a_hosts_name_is_text_in_a_regular_expression)
{
    expect_matchers("{\"url\":\"http://am:9093\",\"matchers\":[\"instance=~\\\"{host}(:[0-9]+)?\\\"\",\"job!=node\"]}", "web1.example.com",
                    "[{\"isEqual\":true,\"isRegex\":true,\"name\":\"instance\",\"value\":\"web1\\\\.example\\\\.com(:[0-9]+)?\"},"
                    "{\"isEqual\":false,\"isRegex\":false,\"name\":\"job\",\"value\":\"node\"}]");
    expect_matchers("{\"url\":\"http://am:9093\",\"matchers\":{\"instance\":\"{short}.{address}\"}}", "web1.example.com",
                    "[{\"isEqual\":true,\"isRegex\":false,\"name\":\"instance\",\"value\":\"web1.192.0.2.1\"}]");
}

Test(alertmanager, mistakes_are_named_with_their_place)
{
#define WITH(more) "{\"url\":\"http://am:9093\",\"matchers\":{\"instance\":\"{host}\"}," more "}"
#define MATCH(list) "{\"url\":\"http://am:9093\",\"matchers\":" list "}"
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{}", " needs a url and matchers"},
        {"{\"url\":\"am:9093\",\"matchers\":{\"a\":\"{host}\"}}", "/url should be like http://"},
        {"{\"url\":\"http://u:p@am\",\"matchers\":{\"a\":\"{host}\"}}", "/url has a password in it"},
        {MATCH("{\"instance\":\"x\"}"), "/matchers would silence more than one host"},
        {MATCH("[\"instance!={host}\"]"), "/matchers would silence more than one host"},
        {MATCH("[]"), "/matchers would silence more than one host"},
        {MATCH("\"instance={host}\""), "/matchers would silence"},
        {MATCH("[\"instance\"]"), "/matchers/0 should be like instance="},
        {MATCH("[\"instance=\\\"{host}\"]"), "/matchers/0 should be like instance="},
        {MATCH("[\"instance=\\\"{host}\\\"x\"]"), "/matchers/0 should be like"},
        {MATCH("[\"instance={name}\"]"), "/matchers/0 has braces"},
        {MATCH("[7]"), "/matchers/0 should be like"},
        {MATCH("{\"in-stance\":\"{host}\"}"), "/matchers/in-stance should begin with the name of a label"},
        {MATCH("{\"instance\":5}"), "/matchers/instance should be a text"},
        {MATCH("{\"instance\":\"\"}"), "/matchers/instance should have a value"},
        {WITH("\"for\":\"30s\""), "/for should be a minute or more"},
        {WITH("\"for\":15"), "/for should be a duration"},
        {WITH("\"auth-file\":\"x\""), "/auth-file should be an absolute path"},
        {WITH("\"comment\":7"), "/comment should be a text"},
        {WITH("\"matcher\":7"), "/matcher is not known; alertmanager takes url, matchers"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(read_params(cases[i].json), "%s", cases[i].json);
        cr_expect(strstr(complaints, cases[i].says), "%s: %s", cases[i].json, complaints);
    }
}

Test(alertmanager, the_mend_ends_what_is_known_to_be_ours)
{
    struct tg_around_context c = {.host = "web1", .address = "web1", .tag = "t1", .record = "1 id-7 5"};
    char line[300];

    tg_am_mend(params, &c, line, sizeof line);
    cr_expect_str_eq(line, "curl -sS --fail-with-body -X DELETE 'http://am:9093/api/v2/silence/id-7'");
    c.record = "";
    tg_am_mend(params, &c, line, sizeof line);
    cr_expect_str_eq(line, "# expire the silences that begin with tagout[t1] in http://am:9093");
    struct tg_around_params *p = read_params(WITH("\"auth-file\":\"/etc/tagout/am\""));
    c.record = "1 id-7 5";
    tg_am_mend(p, &c, line, sizeof line);
    cr_expect(strstr(line, "-H @/etc/tagout/am -X DELETE"), "%s", line);
    tg_am_describe(p, line, sizeof line);
    cr_expect_str_eq(line, "silence in alertmanager http://am:9093: instance=\"{host}\"; 15m at a time");
    tg_am_params_free(p);
}
