/* A run's machine from text: see run_snapshot.h. */
#include "engine/run_internal.h"
#include "engine/run_snapshot_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct restoring {
    const struct tg_plan *plan;
    struct tg_run *run;
    const char *at, *end;
    size_t line;
    int64_t base_ms;
    /* words_of[i]: what the snapshot's words of tg_snapshot_words[i] are here */
    int *words_of[TG_SNAPSHOT_WORDS_MAX];
    size_t n_words[TG_SNAPSHOT_WORDS_MAX];
    const char **texts; /* in the order of their first time; the machine's */
    size_t n_texts, cap_texts;
};

/* The next line as JSON: new reference, NULL when there is none that is whole. */
static json_t *next_line(struct restoring *r, struct tg_error *e)
{
    const char *nl = r->at < r->end ? memchr(r->at, '\n', (size_t) (r->end - r->at)) : NULL;
    json_error_t je;

    r->line++;
    if (!nl) {
        tg_fail(e, TG_E_DATA, "line %zu of the snapshot is cut off", r->line);
        return NULL;
    }
    json_t *o = json_loadb(r->at, (size_t) (nl - r->at), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (!o)
        tg_fail(e, TG_E_DATA, "line %zu of the snapshot is no JSON: %s", r->line, je.text);
    r->at = nl + 1;
    return o;
}

/* ---- the head ---- */

static int read_columns(const json_t *columns, const struct tg_fields *fields, struct tg_error *e)
{
    const json_t *list = json_object_get(columns, fields->name);
    size_t n = 0;

    for (size_t i = 0; i < fields->n; i++) {
        if (fields->rows[i].kind == TG_FIELD_DERIVED)
            continue;
        const char *has = json_string_value(json_array_get(list, n++));
        if (!has || strcmp(has, fields->rows[i].name) != 0)
            return tg_fail(e, TG_E_DATA, "the snapshot has \"%.40s\" of each %s where this tagout has \"%s\"", has ? has : "nothing", fields->name, fields->rows[i].name);
    }
    if (json_array_size(list) == n)
        return 0;
    const char *more = json_string_value(json_array_get(list, n));
    return tg_fail(e, TG_E_DATA, "the snapshot has \"%.40s\" of each %s, which this tagout does not know", more ? more : "?", fields->name);
}

static int read_words(struct restoring *r, const json_t *words, size_t which, struct tg_error *e)
{
    const struct tg_words *own = tg_snapshot_words[which];
    const json_t *list = json_object_get(words, own->name);
    size_t n = json_array_size(list);

    if (!n || n > 1000)
        return tg_fail(e, TG_E_DATA, "the snapshot has no words for the state of a %s", own->name);
    if (!(r->words_of[which] = calloc(n, sizeof *r->words_of[which])))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    r->n_words[which] = n;
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(list, i));
        int k = 0;
        while (word && k < own->count && strcmp(word, own->word(k)) != 0)
            k++;
        r->words_of[which][i] = word && k < own->count ? k : -1; /* wrong only when it is used */
    }
    return 0;
}

static int read_counts(struct restoring *r, const json_t *o, struct tg_error *e)
{
    const json_t *format = json_object_get(o, "format"), *base = json_object_get(o, "base");
    const char *digest = json_string_value(json_object_get(o, "digest"));

    if (!json_is_integer(format) || json_integer_value(format) != TG_RUN_SNAPSHOT_FORMAT)
        return tg_fail(e, TG_E_DATA, "the snapshot has format %lld, this tagout knows %d", (long long) json_integer_value(format), TG_RUN_SNAPSHOT_FORMAT);
    if (!digest || strcmp(digest, r->plan->digest) != 0)
        return tg_fail(e, TG_E_DATA, "the snapshot is of the plan %.12s, the run's plan is %.12s", digest ? digest : "?", r->plan->digest);
    if (json_integer_value(json_object_get(o, "stages")) != (json_int_t) r->plan->n_stages ||
        json_integer_value(json_object_get(o, "hosts")) != (json_int_t) r->plan->n_hosts)
        return tg_fail(e, TG_E_DATA, "the snapshot is of %lld hosts in %lld stages, the plan has %zu in %zu",
                       (long long) json_integer_value(json_object_get(o, "hosts")), (long long) json_integer_value(json_object_get(o, "stages")),
                       r->plan->n_hosts, r->plan->n_stages);
    if (!json_is_integer(base))
        return tg_fail(e, TG_E_DATA, "the snapshot does not say from when its times count");
    r->base_ms = json_integer_value(base);
    return 0;
}

static int read_head(struct restoring *r, struct tg_error *e)
{
    json_t *o = next_line(r, e);
    int rc = o ? read_counts(r, o, e) : TG_E_DATA;

    for (size_t i = 0; !rc && i < TG_SNAPSHOT_STRUCTS; i++)
        rc = read_columns(json_object_get(o, "columns"), tg_snapshot_structs[i], e);
    for (size_t i = 0; !rc && tg_snapshot_words[i]; i++)
        rc = read_words(r, json_object_get(o, "words"), i, e);
    json_decref(o);
    return rc;
}

/* ---- values ---- */

static int wrong(const struct restoring *r, const struct tg_field *f, struct tg_error *e)
{
    return tg_fail(e, TG_E_DATA, "line %zu of the snapshot: \"%s\" can't be that", r->line, f->name);
}

static int keep_text(struct restoring *r, const char *text, struct tg_error *e)
{
    if (r->n_texts == r->cap_texts) {
        size_t cap = r->cap_texts ? r->cap_texts * 2 : 64;
        const char **texts = realloc(r->texts, cap * sizeof *texts);
        if (!texts)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        r->texts = texts;
        r->cap_texts = cap;
    }
    r->texts[r->n_texts++] = text;
    return 0;
}

static int set_text(struct restoring *r, const struct tg_field *f, const json_t *value, void *of, struct tg_error *e)
{
    const char *text = json_string_value(value);
    json_int_t number = json_integer_value(value);

    if (json_is_null(value))
        return 0;
    if (!text && (!json_is_integer(value) || number < 0 || (size_t) number >= r->n_texts))
        return wrong(r, f, e);
    char *copy = strdup(text ? text : r->texts[number]);
    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    memcpy((char *) of + f->offset, &copy, sizeof copy);
    return text ? keep_text(r, copy, e) : 0;
}

static int word_of(const struct restoring *r, const struct tg_words *words, int64_t value)
{
    for (size_t i = 0; tg_snapshot_words[i]; i++)
        if (tg_snapshot_words[i] == words)
            return value >= 0 && (size_t) value < r->n_words[i] ? r->words_of[i][value] : -1;
    return -1;
}

static int set_number(struct restoring *r, const struct tg_field *f, int64_t value, void *of, struct tg_error *e)
{
    char *to = (char *) of + f->offset;
    size_t size = (size_t) value;
    bool flag = value != 0;
    uint16_t shorter = (uint16_t) value;
    int narrow = f->kind == TG_FIELD_WORD ? word_of(r, f->words, value) : (int) value;

    switch (f->kind) {
    case TG_FIELD_SIZE:
        if (value < 0)
            return wrong(r, f, e);
        memcpy(to, &size, sizeof size);
        return 0;
    case TG_FIELD_TIME:
        value = value ? (int64_t) ((uint64_t) value + (uint64_t) r->base_ms) : 0;
        memcpy(to, &value, sizeof value);
        return 0;
    case TG_FIELD_I64:
        memcpy(to, &value, sizeof value);
        return 0;
    case TG_FIELD_BOOL:
        if (value != 0 && value != 1)
            return wrong(r, f, e);
        memcpy(to, &flag, sizeof flag);
        return 0;
    case TG_FIELD_SHORT:
        if (value < 0 || value > UINT16_MAX)
            return wrong(r, f, e);
        memcpy(to, &shorter, sizeof shorter);
        return 0;
    case TG_FIELD_INT:
    case TG_FIELD_WORD:
        if (value < INT_MIN || value > INT_MAX || (f->kind == TG_FIELD_WORD && narrow < 0))
            return wrong(r, f, e);
        memcpy(to, &narrow, sizeof narrow);
        return 0;
    case TG_FIELD_TEXT:
    case TG_FIELD_DERIVED:
    default:
        return wrong(r, f, e);
    }
}

/* A row into a struct that is as at first. */
static int set_row(struct restoring *r, const struct tg_fields *fields, const json_t *row, void *of, struct tg_error *e)
{
    size_t n = json_array_size(row), k = 0;

    if (!json_is_array(row))
        return tg_fail(e, TG_E_DATA, "line %zu of the snapshot is no row of a %s", r->line, fields->name);
    for (size_t i = 0; i < fields->n && k < n; i++) {
        const struct tg_field *f = &fields->rows[i];
        if (f->kind == TG_FIELD_DERIVED)
            continue;
        const json_t *value = json_array_get(row, k++);
        int rc = f->kind == TG_FIELD_TEXT    ? set_text(r, f, value, of, e)
                 : !json_is_integer(value) ? wrong(r, f, e)
                                           : set_number(r, f, json_integer_value(value), of, e);
        if (rc)
            return rc;
    }
    return k == n ? 0 : tg_fail(e, TG_E_DATA, "line %zu of the snapshot has %zu values, a %s has %zu", r->line, n, fields->name, k);
}

/* ---- rows ---- */

static int read_run(struct restoring *r, struct tg_run *out, struct tg_error *e)
{
    json_t *o = next_line(r, e);
    int rc = o ? set_row(r, &tg_run_fields, o, out, e) : TG_E_DATA;

    json_decref(o);
    if (!rc && out->stage > r->plan->n_stages)
        rc = tg_fail(e, TG_E_DATA, "line %zu of the snapshot: stage %zu of %zu", r->line, out->stage, r->plan->n_stages);
    return rc;
}

static int read_stage(struct restoring *r, struct tg_run_stage *out, struct tg_error *e)
{
    json_t *o = next_line(r, e);
    int rc = o ? set_row(r, &tg_run_stage_fields, o, out, e) : TG_E_DATA;

    json_decref(o);
    return rc;
}

/* Sets what was read, then lets the machine itself move the host, so that whatever it counts is right. */
static int read_host(struct restoring *r, size_t i, const json_t *row, struct tg_error *e)
{
    struct tg_run_host *h = &r->run->hosts[i];
    int rc = set_row(r, &tg_run_host_fields, row, h, e);
    enum tg_host_state state = h->state;

    if (!rc && !tg_around_fits(r->plan, h))
        rc = tg_fail(e, TG_E_DATA, "line %zu of the snapshot: \"step\" or what is in force can't be that", r->line);
    h->state = TG_HOST_WAITING;
    if (!rc)
        tg_queue_place_gone(r->run, i);
    if (!rc)
        tg_run_place(r->run, i, state);
    return rc;
}

static int read_domain(struct restoring *r, size_t i, const json_t *row, struct tg_error *e)
{
    return set_row(r, &tg_run_domain_fields, row, &r->run->domains[i], e);
}

static int read_rows(struct restoring *r, size_t count, const char *what, int (*read)(struct restoring *, size_t, const json_t *, struct tg_error *), struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < count;) {
        json_t *o = next_line(r, e);
        json_int_t n = json_integer_value(o);
        if (!o)
            return TG_E_DATA;
        if (!json_is_integer(o))
            rc = read(r, i++, o, e);
        else if (n < 1 || (size_t) n > count - i)
            rc = tg_fail(e, TG_E_DATA, "line %zu of the snapshot: %lld %s that are as at first, of %zu", r->line, (long long) n, what, count - i);
        else
            i += (size_t) n;
        json_decref(o);
    }
    return rc;
}

/* The scalars of the run and its stages last: moving hosts may have touched them. */
static int read_all(struct restoring *r, struct tg_run *of_run, struct tg_run_stage *of_stages, struct tg_error *e)
{
    int rc = read_head(r, e);

    if (!rc)
        rc = read_run(r, of_run, e);
    for (size_t i = 0; !rc && i < r->plan->n_stages; i++)
        rc = read_stage(r, &of_stages[i], e);
    if (!rc)
        rc = read_rows(r, r->plan->n_domains + r->plan->n_windows, "domains", read_domain, e);
    if (!rc)
        rc = read_rows(r, r->plan->n_hosts, "hosts", read_host, e);
    if (!rc && r->at != r->end)
        rc = tg_fail(e, TG_E_DATA, "the snapshot goes on behind its last host");
    return rc;
}

static void take_over(const struct tg_fields *fields, const void *from, void *to)
{
    for (size_t i = 0; i < fields->n; i++)
        if (fields->rows[i].kind != TG_FIELD_DERIVED)
            memcpy((char *) to + fields->rows[i].offset, (const char *) from + fields->rows[i].offset, fields->rows[i].size);
}

int tg_run_restore(const struct tg_plan *plan, const char *text, size_t len, struct tg_run **out, struct tg_error *e)
{
    struct restoring r = {.plan = plan, .at = text, .end = text + len};
    struct tg_run of_run = {0};
    struct tg_run_stage *of_stages = calloc(plan->n_stages + 1, sizeof *of_stages);
    int rc = of_stages ? tg_run_new(plan, &r.run, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc)
        rc = read_all(&r, &of_run, of_stages, e);
    if (r.run) { /* also on failure: the texts go with it */
        take_over(&tg_run_fields, &of_run, r.run);
        for (size_t i = 0; i < plan->n_stages; i++)
            take_over(&tg_run_stage_fields, &of_stages[i], &r.run->stages[i]);
    }
    for (size_t i = 0; tg_snapshot_words[i]; i++)
        free(r.words_of[i]);
    free(r.texts);
    free(of_stages);
    if (!rc)
        *out = r.run;
    else
        tg_run_free(r.run);
    return rc;
}
