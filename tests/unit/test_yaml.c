/* YAML in: the tree, its places, what is refused, the typed getters, and how mistakes are shown. */
#include "config/yaml.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tg_yaml_doc *read_doc(const char *text, struct tg_problems *p)
{
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_yaml_parse("f.yaml", text, strlen(text), p, &doc, &e), 0, "%s: %s", text, e.message);
    return doc;
}

static void refused_bytes(const char *text, size_t len, int line, int column, const char *part)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_yaml_parse("f.yaml", text, len, &p, &doc, &e), TG_E_DATA, "%s", text);
    cr_assert_null(doc);
    cr_assert_str_eq(e.file, "f.yaml");
    cr_assert(e.line == line && e.column == column, "%s: %d:%d %s", text, e.line, e.column, e.message);
    cr_assert(strstr(e.message, part), "%s", e.message);
    tg_problems_release(&p);
}

static void refused(const char *text, int line, int column, const char *part)
{
    refused_bytes(text, strlen(text), line, column, part);
}

/* Compares the problems, by place, with "file:line:column: message" lines. */
static void expect(struct tg_problems *p, const char *const *lines)
{
    char text[1200];
    size_t i = 0;

    tg_problems_sort(p);
    for (; lines[i]; i++) {
        cr_assert_lt(i, p->n, "missing: %s", lines[i]);
        tg_error_format(&p->list[i].error, text, sizeof text);
        cr_assert_str_eq(text, lines[i]);
    }
    cr_assert_eq(p->n, i, "one more: %s", p->n > i ? p->list[i].error.message : "");
}

static void at(const struct tg_yaml_node *n, int line, int column, int width)
{
    cr_assert(n);
    cr_assert(n->line == line && n->column == column && n->width == width, "%d:%d+%d, not %d:%d+%d", n->line, n->column, n->width,
              line, column, width);
}

Test(yaml, every_node_and_key_has_its_place_in_characters)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("# top\nname: x\näö:  'ü q'\nlist:\n  - a\n  - {k: \"v\", m: [1, 22]}\n", &p);
    const struct tg_yaml_node *root = tg_yaml_root(doc);

    cr_assert_eq(root->kind, TG_YAML_MAP);
    cr_assert_eq(root->n, 3);
    at(root->pairs[0].key, 2, 1, 4);
    at(root->pairs[0].value, 2, 7, 1);
    at(root->pairs[1].key, 3, 1, 2);
    at(root->pairs[1].value, 3, 6, 5);
    at(tg_yaml_at(root, "/list/1/m/1"), 6, 21, 2);
    cr_assert(root->pairs[1].value->quoted);
    cr_assert_not(root->pairs[0].value->quoted);
    cr_assert_str_eq(tg_yaml_get(root, "äö")->text, "ü q");
    cr_assert_null(tg_yaml_get(root, "nam"));
    tg_yaml_free(doc);
}

Test(yaml, byte_order_mark_and_all_line_breaks_are_taken)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("\xef\xbb\xbf" "a: 1\r\nb: 2\rc: x\n", &p);

    at(tg_yaml_get(tg_yaml_root(doc), "a"), 1, 4, 1);
    at(tg_yaml_get(tg_yaml_root(doc), "c"), 3, 4, 1);
    tg_yaml_problem(&p, tg_yaml_get(tg_yaml_root(doc), "c"), "m");
    cr_assert_str_eq(p.list[0].excerpt, "c: x");
    tg_problems_release(&p);
    tg_yaml_free(doc);
}

Test(yaml, an_empty_file_is_a_null)
{
    static const char *const empty[] = {"", "# only this\n", "---\n", "~\n"};

    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_yaml_doc *doc = read_doc(empty[i], &p);
        cr_assert(tg_yaml_is_null(tg_yaml_root(doc)), "%s", empty[i]);
        tg_yaml_free(doc);
    }
}

Test(yaml, what_explodes_or_confuses_is_refused)
{
    refused("a: &x [1]\nb: *x\n", 1, 4, "anchor \"&x\"");
    refused("b: *x\n", 1, 4, "alias \"*x\"");
    refused("b: !!str 1\n", 1, 4, "tag");
    refused("b: ! 1\n", 1, 4, "tag");
    refused("a: 1\n---\nb: 2\n", 2, 1, "second document");
    refused("a: {{ x }}: 1\n", 1, 5, "a key must be a word");
    refused("? [a]\n: 1\n", 1, 3, "a key must be a word");
    refused("a: \"\\e[31m\"\n", 1, 4, "control character \\x1b");
    refused("a: \"x\\0y\"\n", 1, 4, "control character \\x00");
}

Test(yaml, what_is_no_yaml_says_where)
{
    refused("a: [1, 2\nb: 3\n", 2, 2, "no YAML: did not find expected ',' or ']'");
    refused("a: b: c\n", 1, 5, "mapping values are not allowed");
    refused("a:\n\tb: 1\n", 2, 1, "cannot start any token");
    refused("a: \"x\n", 2, 1, "unexpected end of stream");
    refused("a: x\nb: \xff\n", 2, 4, "UTF-8");
    refused("a: \x1b[31m\n", 1, 4, "control characters are not allowed");
    refused_bytes("\xff\xfe" "a\0:\0", 6, 1, 1, "UTF-8");
    refused_bytes("a: x\0y", 6, 1, 5, "control characters");
}

Test(yaml, depth_is_bounded)
{
    char text[2 * TG_YAML_DEPTH_MAX + 8] = "";
    struct tg_problems p = TG_PROBLEMS_INIT;

    for (int i = 0; i < TG_YAML_DEPTH_MAX; i++)
        strcat(text, "[");
    for (int i = 0; i < TG_YAML_DEPTH_MAX; i++)
        strcat(text, "]");
    tg_yaml_free(read_doc(text, &p));
    refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 1, 33, "nested more than 32 deep");
}

Test(yaml, size_is_bounded)
{
    size_t len = TG_YAML_SIZE_MAX + 1;
    char *text = malloc(len);
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;

    memset(text, '#', len);
    cr_assert_eq(tg_yaml_parse("big.yaml", text, len, &p, &doc, &e), TG_E_DATA);
    cr_assert_str_eq(e.message, "larger than 16 MiB");
    cr_assert_eq(tg_yaml_parse("big.yaml", text, len - 1, &p, &doc, NULL), 0);
    tg_yaml_free(doc);
    free(text);
}

Test(yaml, number_of_values_is_bounded)
{
    size_t len = 2 * (TG_YAML_NODES_MAX + 1) + 2;
    char *text = malloc(len + 1);
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;

    text[0] = '[';
    for (size_t i = 1; i + 1 < len; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text + len - 1, "]", 2);
    cr_assert_eq(tg_yaml_parse("big.yaml", text, len, &p, &doc, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "more than 2000000 values"), "%s", e.message);
    tg_problems_release(&p);
    free(text);
}

Test(yaml, every_double_key_is_reported_and_reading_goes_on)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("a: 1\nb: {x: 1, y: 2, x: 3, x: 4}\n\"a\": 2\n", &p);
    static const char *const lines[] = {"f.yaml:2:17: key \"x\" is there twice", "f.yaml:2:23: key \"x\" is there twice",
                                        "f.yaml:3:1: key \"a\" is there twice", NULL};

    expect(&p, lines);
    cr_assert_str_eq(p.list[2].error.hint, "it was first in line 1, column 1");
    tg_problems_release(&p);
    tg_yaml_free(doc);
}

Test(yaml, a_file_that_is_not_there_says_so)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_yaml_load("/nonexistent/x.yaml", &p, &doc, &e), TG_E_DATA);
    cr_assert_str_eq(e.message, "/nonexistent/x.yaml can't be read: No such file or directory");
    e = (struct tg_error) TG_ERROR_INIT;
    cr_assert_eq(tg_yaml_load("/", &p, &doc, &e), TG_E_DATA);
    cr_assert_str_eq(e.message, "/ can't be read: Is a directory");
}

Test(yaml, becomes_json_without_guessing)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("{a: 1, b: -2, c: 1.5, d: true, e: False, f: no, g: ~, h: null, i: , j: 'true', k: \"7\", l: 0644,\n"
                                       " m: 1e3, n: 0x1f, o: .5, p: 99999999999999999999, q: -, r: [x, {s: t}]}\n", &p);
    json_t *json = NULL, *wanted;

    cr_assert_eq(tg_yaml_to_json(tg_yaml_root(doc), &json, NULL), 0);
    wanted = json_loads("{\"a\":1,\"b\":-2,\"c\":1.5,\"d\":true,\"e\":\"False\",\"f\":\"no\",\"g\":null,\"h\":null,\"i\":null,"
                        "\"j\":\"true\",\"k\":\"7\",\"l\":\"0644\",\"m\":\"1e3\",\"n\":\"0x1f\",\"o\":\".5\","
                        "\"p\":\"99999999999999999999\",\"q\":\"-\",\"r\":[\"x\",{\"s\":\"t\"}]}", 0, NULL);
    cr_assert(wanted);
    cr_assert(json_equal(json, wanted), "%s", json_dumps(json, 0));
    json_decref(json);
    json_decref(wanted);
    tg_yaml_free(doc);
}

Test(yaml, json_pointers_find_the_place_or_the_nearest_above)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("tags: [a, bb]\n\"x/y\": {\"~\": 1}\n", &p);
    const struct tg_yaml_node *root = tg_yaml_root(doc);

    cr_assert_eq(tg_yaml_at(root, ""), root);
    at(tg_yaml_at(root, "/tags/1"), 1, 11, 2);
    at(tg_yaml_at(root, "/tags/2"), 1, 7, 1);
    at(tg_yaml_at(root, "/tags/x/y"), 1, 7, 1);
    at(tg_yaml_at(root, "/x~1y/~0"), 2, 14, 1);
    cr_assert_eq(tg_yaml_at(root, "/none"), root);
    cr_assert_eq(tg_yaml_at(root, "none"), root);
    tg_yaml_free(doc);
}

Test(getters, take_what_is_right)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("s: 1.10\ni: -5\nb: true\nd: 1h 15m\nc: two\nn: 12\np: 0.5%\nl: [a, b]\no: x\n", &p);
    const struct tg_yaml_node *r = tg_yaml_root(doc);
    static const char *const words[] = {"one", "two", NULL};
    const char *s;
    int64_t i, d;
    bool b;
    size_t c, n;
    struct tg_share share;

    cr_assert(tg_yaml_string(tg_yaml_get(r, "s"), "s", &p, &s));
    cr_assert_str_eq(s, "1.10");
    cr_assert(tg_yaml_int(tg_yaml_get(r, "i"), "i", -5, 5, &p, &i) && i == -5);
    cr_assert(tg_yaml_bool(tg_yaml_get(r, "b"), "b", &p, &b) && b);
    cr_assert(tg_yaml_duration(tg_yaml_get(r, "d"), "d", 0, 0, &p, &d) && d == 4500000);
    cr_assert(tg_yaml_choice(tg_yaml_get(r, "c"), "c", words, &p, &c) && c == 1);
    cr_assert(tg_yaml_share(tg_yaml_get(r, "n"), "n", &p, &share) && share.kind == TG_SHARE_COUNT && share.value == 12);
    cr_assert(tg_yaml_share(tg_yaml_get(r, "p"), "p", &p, &share) && share.kind == TG_SHARE_PERCENT && share.value == 500);
    cr_assert(tg_yaml_strings(tg_yaml_get(r, "l"), "l", &p, &n) && n == 2);
    cr_assert_str_eq(tg_yaml_item(tg_yaml_get(r, "l"), 1)->text, "b");
    cr_assert_null(tg_yaml_item(tg_yaml_get(r, "l"), 2));
    cr_assert(tg_yaml_strings(tg_yaml_get(r, "o"), "o", &p, &n) && n == 1);
    cr_assert_not(tg_yaml_string(NULL, "x", &p, &s));
    cr_assert_eq(tg_problems_count(&p), 0);
    tg_yaml_free(doc);
}

Test(getters, report_what_is_wrong_and_go_on)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("s: \ni: '5'\nj: 6\nk: 08\nb: yes\nd: 10\ne: 5h\nc: tow\nn: 101%\nm: -1\nl: [a, [b]]\nq: ''\n", &p);
    const struct tg_yaml_node *r = tg_yaml_root(doc);
    static const char *const words[] = {"one", "two", NULL};
    const char *s;
    int64_t i, d;
    bool b;
    size_t c, n;
    struct tg_share share;

    cr_assert_not(tg_yaml_string(tg_yaml_get(r, "s"), "s", &p, &s));
    cr_assert_not(tg_yaml_int(tg_yaml_get(r, "i"), "i", 0, 5, &p, &i));
    cr_assert_not(tg_yaml_int(tg_yaml_get(r, "j"), "j", 0, 5, &p, &i));
    cr_assert_not(tg_yaml_int(tg_yaml_get(r, "k"), "k", 0, 9, &p, &i));
    cr_assert_not(tg_yaml_bool(tg_yaml_get(r, "b"), "b", &p, &b));
    cr_assert_not(tg_yaml_duration(tg_yaml_get(r, "d"), "d", 0, 0, &p, &d));
    cr_assert_not(tg_yaml_duration(tg_yaml_get(r, "e"), "e", 1000, 3600000, &p, &d));
    cr_assert_not(tg_yaml_choice(tg_yaml_get(r, "c"), "c", words, &p, &c));
    cr_assert_not(tg_yaml_share(tg_yaml_get(r, "n"), "n", &p, &share));
    cr_assert_not(tg_yaml_share(tg_yaml_get(r, "m"), "m", &p, &share));
    cr_assert_not(tg_yaml_strings(tg_yaml_get(r, "l"), "l", &p, &n));
    cr_assert_not(tg_yaml_string(tg_yaml_get(r, "q"), "q", &p, &s));
    static const char *const lines[] = {"f.yaml:1:3: s must be text, and is empty",
                                        "f.yaml:2:4: i must be a whole number, and is \"5\"",
                                        "f.yaml:3:4: j must be 0 to 5, and is 6",
                                        "f.yaml:4:4: k must be a whole number, and is \"08\"",
                                        "f.yaml:5:4: b must be true or false, and is \"yes\"",
                                        "f.yaml:6:4: d: \"10\" is no duration",
                                        "f.yaml:7:4: e must be 1s to 1h, and is 5h",
                                        "f.yaml:8:4: c must be one or two, and is \"tow\"",
                                        "f.yaml:9:4: n must be a number of hosts or a percentage, and is \"101%\"",
                                        "f.yaml:10:4: m must be a number of hosts or a percentage, and is \"-1\"",
                                        "f.yaml:11:8: l must be text, and is a list",
                                        "f.yaml:12:4: q must not be empty", NULL};
    expect(&p, lines);
    cr_assert_str_eq(p.list[1].error.hint, "leave out the quotes");
    cr_assert_str_eq(p.list[4].error.hint, "did you mean true?");
    cr_assert_str_eq(p.list[7].error.hint, "did you mean \"two\"?");
    tg_problems_release(&p);
    tg_yaml_free(doc);
}

Test(getters, fields_know_their_keys)
{
    static const struct tg_yaml_key keys[] = {{.name = "name", .required = true}, {.name = "until"}, {.name = "rate", .later = true},
                                              {.name = "targets", .required = true}, {.name = NULL}};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("- {name: rest, untill: 100%, rate: 1/s, xyzzy: 1}\n- 5\n- {a: 1, b: 2}\n- {}\n", &p);
    const struct tg_yaml_node *values[4], *r = tg_yaml_root(doc);

    cr_assert_not(tg_yaml_fields(r->items[0], "a stage", keys, &p, values));
    cr_assert_str_eq(values[0]->text, "rest");
    cr_assert_null(values[1]);
    cr_assert_null(values[3]);
    cr_assert_not(tg_yaml_fields(r->items[1], "a stage", keys, &p, values));
    cr_assert_null(values[0]);
    cr_assert_null(tg_yaml_single(r->items[2], "a step", &p));
    cr_assert_null(tg_yaml_single(r->items[3], "a step", &p));
    static const char *const lines[] = {"f.yaml:1:3: a stage has no \"targets\"", "f.yaml:1:16: unknown key \"untill\" in a stage",
                                        "f.yaml:1:30: \"rate\" in a stage is not supported yet",
                                        "f.yaml:1:41: unknown key \"xyzzy\" in a stage",
                                        "f.yaml:2:3: a stage must be a mapping (key: value), and is a word",
                                        "f.yaml:3:10: a step has more than one key: \"a\" and \"b\"", "f.yaml:4:3: a step is empty", NULL};
    expect(&p, lines);
    cr_assert_str_eq(p.list[1].error.hint, "did you mean \"until\"?");
    cr_assert_str_eq(p.list[3].error.hint, "");
    tg_problems_release(&p);
    tg_yaml_free(doc);
}

Test(share, percentages_round_as_asked)
{
    static const struct { const char *text; int64_t total, of, within; } rows[] = {
        {"50%", 3, 2, 1}, {"50%", 1, 1, 0}, {"1%", 412, 5, 4}, {"2%", 412, 9, 8}, {"100%", 7, 7, 7}, {"0%", 7, 0, 0}, {"30%", 0, 0, 0},
        {"0.5%", 1000, 5, 5}, {"0.001%", 100000, 1, 1}, {"33.333%", 3, 1, 0}, {"100%", 1000000000, 1000000000, 1000000000}, {"12", 5, 5, 12},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_yaml_doc *doc = read_doc(rows[i].text, &p);
        struct tg_share share;
        char out[32];
        cr_assert(tg_yaml_share(tg_yaml_root(doc), "x", &p, &share), "%s", rows[i].text);
        cr_assert_eq(tg_share_of(&share, rows[i].total), rows[i].of, "%s", rows[i].text);
        cr_assert_eq(tg_share_within(&share, rows[i].total), rows[i].within, "%s", rows[i].text);
        tg_share_format(&share, out, sizeof out);
        cr_assert_str_eq(out, rows[i].text);
        tg_yaml_free(doc);
    }
}

/* A FIFO that lies where the calendar should would keep run-due waiting, and the host's lock with it. */
Test(yaml, a_pipe_that_nobody_writes_into_is_refused, .timeout = 50)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_error e = TG_ERROR_INIT;
    char dir[] = "/tmp/tagout-test-XXXXXX", file[64];

    cr_assert(mkdtemp(dir) != NULL);
    snprintf(file, sizeof file, "%s/f.yaml", dir);
    cr_assert_eq(mkfifo(file, 0600), 0);
    cr_assert_eq(tg_yaml_load(file, &p, &doc, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "nobody writes") != NULL, "%s", e.message);

    int fd = open(file, O_RDWR | O_CLOEXEC); /* somebody does */
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "a: 1\n", 5), 5);
    pid_t child = fork();
    if (child == 0) {
        usleep(200000); /* not at once */
        _exit(write(fd, "b: 2\n", 5) != 5);
    }
    close(fd);
    cr_assert_eq(tg_yaml_load(file, &p, &doc, &e), 0, "%s", e.message);
    cr_assert_eq(tg_yaml_root(doc)->n, 2);
    waitpid(child, NULL, 0);
    tg_yaml_free(doc);
    tg_problems_release(&p);
    unlink(file);
    rmdir(dir);
}

Test(share, nonsense_is_refused)
{
    static const char *const bad[] = {"%", "5%%", ".5%", "5.%", "100.001%", "1.0001%", "5 %", "1e2", "05", "1000000000", "+5", "5%x", "1.2.3%", "1000000000000000000000%"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        char text[64];
        snprintf(text, sizeof text, "\"%s\"", bad[i]);
        struct tg_yaml_doc *doc = read_doc(text, &p);
        struct tg_share share;
        cr_assert_not(tg_yaml_share(tg_yaml_root(doc), "x", &p, &share), "%s", bad[i]);
        tg_problems_release(&p);
        tg_yaml_free(doc);
    }
}

Test(problems, are_shown_by_place_with_excerpt_and_mend)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = read_doc("a: 1\nstages:\n  - {name: rest, untill: 100%}\n", &p);
    const struct tg_yaml_node *r = tg_yaml_root(doc);
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    tg_error_hint(tg_yaml_problem(&p, tg_yaml_at(r, "/stages/0")->pairs[1].key, "unknown key \"untill\" in a stage"),
                  "did you mean \"until\"?");
    tg_yaml_problem(&p, r->pairs[0].value, "wrong");
    tg_problems_text(&p, &out);
    cr_assert_str_eq(tg_buf_text(&out), "f.yaml:1:4: wrong\n"
                                        "  1 | a: 1\n"
                                        "    |    ^\n"
                                        "f.yaml:3:18: unknown key \"untill\" in a stage\n"
                                        "  3 |   - {name: rest, untill: 100%}\n"
                                        "    |                  ^^^^^^ did you mean \"until\"?\n"
                                        "2 mistakes; nothing was done.\n");
    cr_assert_eq(tg_problems_error(&p, &e), TG_E_DATA);
    cr_assert_eq(tg_exit_status(e.code), 65);
    cr_assert_str_eq(e.message, "wrong (and 1 more mistake)");
    cr_assert_eq(e.line, 1);
    json_t *json = tg_problems_json(&p);
    json_t *mistakes = json_object_get(json_object_get(json, "error"), "mistakes");
    cr_assert_eq(json_array_size(mistakes), 2);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(mistakes, 1), "column")), 18);
    json_decref(json);
    tg_buf_release(&out);
    tg_problems_release(&p);
    tg_yaml_free(doc);
}

Test(problems, odd_characters_in_the_source_are_shown_as_escapes)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_place place = {.file = "f", .line = 1, .column = 6, .width = 2, .source = "a\x1b\xff\xe2\x80\xae\tbc\nnext", .source_len = 14};

    tg_problems_add(&p, &place, "here");
    cr_assert_str_eq(p.list[0].excerpt, "a\\x1b\\xff\\u{202e} bc");
    cr_assert_eq(p.list[0].caret, 18);
    cr_assert_eq(p.list[0].width, 2);
    tg_problems_release(&p);
}

Test(problems, a_long_line_is_cut_around_the_caret)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    char line[1000];
    memset(line, 'x', sizeof line);
    line[500] = 'Y';
    struct tg_place place = {.file = "f", .line = 1, .column = 501, .width = 1, .source = line, .source_len = sizeof line};

    tg_problems_add(&p, &place, "here");
    cr_assert_eq(strncmp(p.list[0].excerpt, "…x", strlen("…x")), 0);
    cr_assert_eq(p.list[0].excerpt[p.list[0].caret + (int) strlen("…") - 1], 'Y');
    cr_assert_leq(strlen(p.list[0].excerpt), 70 + 2 * strlen("…"));
    place.column = 5000; /* behind the end: no crash */
    tg_problems_add(&p, &place, "there");
    tg_problems_release(&p);
}

Test(problems, are_bounded_and_the_rest_is_counted)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_place place = {.file = "f", .line = 1, .column = 1};
    struct tg_buf out = TG_BUF_INIT;

    for (int i = 0; i < 130; i++) {
        place.line = 200 - i;
        tg_error_hint(tg_problems_add(&p, &place, "m%d", i), "hint");
    }
    cr_assert_eq(tg_problems_count(&p), 130);
    tg_problems_text(&p, &out);
    cr_assert(strstr(tg_buf_text(&out), "\nand 30 more\n130 mistakes; nothing was done.\n"));
    cr_assert_eq(strncmp(tg_buf_text(&out), "f:101:1: m99\n  hint\n", 20), 0);
    tg_buf_release(&out);
    tg_problems_release(&p);
}
