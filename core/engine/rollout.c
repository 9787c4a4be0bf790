/* Reading a rollout: see rollout.h. Here: the whole and its change; rollout_stages.c has the stages, rollout_limits.c the limits, rollout_steps.c around, rollout_verify.c verify. */
#include "engine/rollout_internal.h"

#include "fleet/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


enum key { ROLLOUT, CHANGE, TARGETS, STAGES, LIMITS, AROUND, VERIFY, FAILURE, HOURS, ESTIMATE, WINDOWS, ROLLBACK };
static const struct tg_yaml_key keys[] = {
    [ROLLOUT] = {.name = "rollout", .required = true},
    [CHANGE] = {.name = "change", .required = true},
    [TARGETS] = {.name = "targets", .required = true},
    [STAGES] = {.name = "stages", .required = true},
    [LIMITS] = {.name = "limits"},
    [AROUND] = {.name = "around"},
    [VERIFY] = {.name = "verify"},
    [FAILURE] = {.name = "failure"},
    [HOURS] = {.name = "hours"},
    [ESTIMATE] = {.name = "estimate"},
    [WINDOWS] = {.name = "windows"},
    [ROLLBACK] = {.name = "rollback"},
    {.name = NULL},
};
#define N_KEYS (sizeof keys / sizeof keys[0] - 1)

void tg_rollout_copy(struct tg_rollout_reader *reader, const char *text, char **slot)
{
    *slot = strdup(text);
    if (!*slot)
        reader->rc = tg_fail(reader->e, TG_E_MEMORY, "out of memory");
}

void *tg_rollout_room(struct tg_rollout_reader *reader, size_t n, size_t size)
{
    void *room = calloc(n ? n : 1, size);

    if (!room)
        reader->rc = tg_fail(reader->e, TG_E_MEMORY, "out of memory");
    return room;
}

bool tg_rollout_few_enough(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, size_t max)
{
    if (node->kind != TG_YAML_LIST || node->n <= max)
        return true;
    tg_yaml_problem(reader->p, node, "%s has more than %zu entries", what, max);
    return false;
}

bool tg_rollout_word(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, const char **out)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const char *text;

    if (!tg_yaml_string(node, what, reader->p, &text))
        return false;
    if (text[0] != '-' && strlen(text) <= TG_WORD_MAX && !text[strspn(text, allowed)]) {
        *out = text;
        return true;
    }
    tg_yaml_problem(reader->p, node, "%s must be a word of a-z, 0-9 and \"-\", at most 63, and is \"%.80s\"", what, text);
    return false;
}

struct tg_error *tg_rollout_selector_problem(struct tg_problems *p, const struct tg_yaml_node *node, const char *what,
                                             const struct tg_error *why)
{
    struct tg_error *e = tg_yaml_problem_inside(p, node, why->column, "%s: %s", what, why->message);

    tg_error_hint(e, "%s", why->hint);
    return e;
}

void tg_rollout_read_selector(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, char **slot)
{
    struct tg_selector *selector = NULL;
    struct tg_error why = TG_ERROR_INIT;
    const char *text;

    if (!tg_yaml_string(node, what, reader->p, &text))
        return;
    if (tg_selector_parse(text, &selector, &why)) {
        tg_rollout_selector_problem(reader->p, node, what, &why);
        return;
    }
    tg_selector_free(selector);
    tg_rollout_copy(reader, text, slot);
}

void tg_rollout_complain(void *data, const char *path, const char *message)
{
    struct tg_rollout_complaint *c = data;

    if (path[0] == '/')
        tg_yaml_problem(c->reader->p, tg_yaml_at(c->value, path), "\"%.100s\" of %s %s", path + 1, c->name, message);
    else
        tg_yaml_problem(c->reader->p, c->value, "%s: %s", c->name, message);
}

/* The driver looks at its own parameters. */
static void check_params(struct tg_rollout_reader *reader, const struct tg_driver *driver, const json_t *json, const struct tg_yaml_node *value)
{
    struct tg_rollout_complaint c = {.reader = reader, .value = value, .name = driver->name};
    struct tg_driver_params *params = NULL;
    struct tg_error why = TG_ERROR_INIT;
    size_t before = tg_problems_count(reader->p);

    if (!driver->params(json, tg_rollout_complain, &c, &params, &why)) {
        if (driver->is_central && driver->is_central(params))
            tg_error_hint(tg_yaml_problem(reader->p, value, "%s from the controller can only be asked before an unlock", driver->name),
                          "a rollout has it run on each host");
        driver->params_free(params);
        return;
    }
    if (tg_problems_count(reader->p) == before)
        tg_error_hint(tg_yaml_problem(reader->p, value, "%s: %s", driver->name, why.message), "%s", why.hint);
}

static void read_change(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_pair *pair = node ? tg_yaml_single(node, "change", reader->p) : NULL;
    const struct tg_driver *driver;
    struct tg_error why = TG_ERROR_INIT;

    if (!pair)
        return;
    if (tg_driver_find(pair->key->text, &driver, &why)) {
        tg_error_hint(tg_yaml_problem(reader->p, pair->key, "%s", why.message), "%s", why.hint);
        return;
    }
    if (!(driver->verbs & (1U << TG_VERB_APPLY))) {
        tg_yaml_problem(reader->p, pair->key, "%s can't change hosts", driver->name);
        return;
    }
    reader->driver = driver;
    tg_rollout_copy(reader, driver->name, &reader->r->driver);
    reader->rc = reader->rc ? reader->rc : tg_yaml_to_json(pair->value, &reader->r->change, reader->e);
    if (!reader->rc)
        check_params(reader, driver, reader->r->change, pair->value);
}

/* The way back is the same tool's, with other parameters. */
static void read_rollback(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    const struct tg_yaml_pair *pair = node ? tg_yaml_single(node, "rollback", reader->p) : NULL;

    if (!pair || !reader->driver)
        return;
    if (strcmp(pair->key->text, reader->driver->name) != 0) {
        tg_yaml_problem(reader->p, pair->key, "the change is %s's, so the way back must be as well, and is %.60s's", reader->driver->name, pair->key->text);
        return;
    }
    reader->rc = reader->rc ? reader->rc : tg_yaml_to_json(pair->value, &reader->r->rollback, reader->e);
    if (!reader->rc)
        check_params(reader, reader->driver, reader->r->rollback, pair->value);
}

static void read_windows(struct tg_rollout_reader *reader, const struct tg_yaml_node *node)
{
    static const char *const modes[] = {"honour", "ignore", NULL};
    size_t mode;

    if (node && tg_yaml_choice(node, "windows", modes, reader->p, &mode))
        reader->r->windows = mode ? TG_WINDOWS_IGNORE : TG_WINDOWS_HONOUR;
}

static void read_root(struct tg_rollout_reader *reader, const struct tg_yaml_node *root)
{
    const struct tg_yaml_node *values[N_KEYS];
    const char *name;

    tg_yaml_fields(root, "a rollout", keys, reader->p, values);
    if (tg_rollout_word(reader, values[ROLLOUT], "rollout", &name))
        tg_rollout_copy(reader, name, &reader->r->name);
    read_change(reader, values[CHANGE]);
    tg_rollout_read_selector(reader, values[TARGETS], "targets", &reader->r->targets);
    reader->r->targets_at = values[TARGETS];
    tg_rollout_read_hours(reader, values[HOURS]);
    read_windows(reader, values[WINDOWS]);
    tg_yaml_duration(values[ESTIMATE], "estimate", 1000, TG_ESTIMATE_MAX_MS, reader->p, &reader->r->estimate_ms);
    tg_rollout_read_stages(reader, values[STAGES]);
    tg_rollout_read_limits(reader, values[LIMITS]);
    tg_rollout_read_around(reader, values[AROUND]);
    tg_rollout_read_verify(reader, values[VERIFY]);
    read_rollback(reader, values[ROLLBACK]);
    tg_rollout_read_failure(reader, values[FAILURE]);
}

/* Consumes doc. */
static int read_doc(const char *file, struct tg_yaml_doc *doc, struct tg_problems *problems, struct tg_rollout **out,
                    struct tg_error *e)
{
    struct tg_rollout_reader reader = {.p = problems, .e = e};
    struct tg_rollout *r = calloc(1, sizeof *r);

    if (!r) {
        tg_yaml_free(doc);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    reader.r = r;
    r->doc = doc;
    r->running = r->unverified = 1;
    r->failed = (struct tg_share) {.kind = TG_SHARE_COUNT, .value = 0};
    tg_rollout_copy(&reader, file, &r->file);
    if (!reader.rc)
        read_root(&reader, tg_yaml_root(doc));
    if (!reader.rc)
        reader.rc = tg_problems_error(problems, e);
    if (reader.rc) {
        tg_rollout_free(r);
        return reader.rc;
    }
    *out = r;
    return 0;
}

int tg_rollout_read(const char *file, struct tg_problems *problems, struct tg_rollout **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_load(file, problems, &doc, e);

    return rc ? rc : read_doc(file, doc, problems, out, e);
}

int tg_rollout_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_rollout **out,
                     struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_parse(file, text, len, problems, &doc, e);

    return rc ? rc : read_doc(file, doc, problems, out, e);
}

void tg_rollout_free(struct tg_rollout *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_stages; i++) {
        free(r->stages[i].name);
        free(r->stages[i].targets);
    }
    for (size_t i = 0; i < r->n_around; i++)
        tg_around_release(&r->around[i]);
    for (size_t i = 0; i < r->n_verify; i++)
        tg_verify_release(&r->verify[i]);
    for (size_t i = 0; i < r->n_limits; i++)
        free(r->limits[i].name);
    free(r->limits);
    free(r->stages);
    free(r->around);
    free(r->verify);
    free(r->name);
    free(r->file);
    free(r->driver);
    json_decref(r->change);
    json_decref(r->rollback);
    free(r->targets);
    tg_yaml_free(r->doc);
    free(r);
}
