/* The record that a parent keeps of its children: see record.h. */
#include "guard/record.h"

#include "base/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 5000 /* no folder of the tree grows past it */

char *tg_counter_encode(const struct tg_counter *c)
{
    json_t *o = json_pack("{s:i,s:I,s:I}", "format", TG_RECORD_FORMAT, "epoch", (json_int_t) c->epoch, "count", (json_int_t) c->count);

    if (c->names) {
        json_t *names = json_array();
        for (int64_t i = 0; i < c->count; i++)
            json_array_append_new(names, json_string(c->names[i]));
        json_object_set_new(o, "names", names);
    }
    return tg_seal(o);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* With distinct names, as many as there are children, they are the children. Sorted aside: their order stays. */
static int prove_distinct(const struct tg_counter *c, struct tg_error *e)
{
    const size_t n = (size_t) c->count;
    char **sorted = malloc((n + 1) * sizeof *sorted);
    int rc = 0;

    if (!sorted)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    memcpy(sorted, c->names, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; !rc && i < n; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            rc = tg_fail(e, TG_E_DATA, "it names %.60s twice", sorted[i]);
    free(sorted);
    return rc;
}

static int decode_names(const json_t *names, struct tg_counter *c, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(names) || (json_int_t) json_array_size(names) != c->count)
        return tg_fail(e, TG_E_DATA, "it counts %lld children and names %zu", (long long) c->count, json_array_size(names));
    if (!(c->names = calloc((size_t) c->count + 1, sizeof *c->names)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    json_array_foreach(names, i, item) {
        const char *name = json_string_value(item);
        if (!name || !name[0] || strlen(name) > 255 || strchr(name, '/'))
            return tg_fail(e, TG_E_DATA, "a child in it has no proper name");
        if (!(c->names[i] = strdup(name)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    return prove_distinct(c, e);
}

int tg_counter_decode(const char *text, size_t len, struct tg_counter *out, struct tg_error *e)
{
    json_t *o = NULL, *names = NULL;
    json_int_t epoch = -1, count = -1;
    int format = 0, rc = tg_record_load(text, len, &o, e);
    const char *sum;
    struct tg_counter c = {.epoch = 0};

    if (rc)
        return rc;
    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:I,s:I,s?o,s:s}", "format", &format, "epoch", &epoch, "count", &count, "names", &names, "sum", &sum) != 0)
        rc = tg_fail(e, TG_E_DATA, "it is no counter");
    else if (epoch < 0 || count < 0 || count > NAMES_MAX)
        rc = tg_fail(e, TG_E_DATA, "it counts %lld children", (long long) count);
    c.epoch = epoch;
    c.count = count;
    if (!rc && names)
        rc = decode_names(names, &c, e);
    json_decref(o);
    if (rc)
        tg_counter_clear(&c);
    else
        *out = c;
    return rc;
}

void tg_counter_clear(struct tg_counter *c)
{
    for (int64_t i = 0; c->names && i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    *c = (struct tg_counter) {.epoch = 0};
}

bool tg_counter_has(const struct tg_counter *c, const char *name)
{
    for (int64_t i = 0; c->names && i < c->count; i++)
        if (strcmp(c->names[i], name) == 0)
            return true;
    return false;
}

int tg_counter_add(struct tg_counter *c, const char *name, struct tg_error *e)
{
    if (c->count >= NAMES_MAX) {
        tg_fail(e, TG_E_HELD, "%lld locks lie there already", (long long) c->count);
        return tg_error_hint(e, "release some: tagout locks lists them"), TG_E_HELD;
    }
    if (c->names) {
        char **names = realloc(c->names, ((size_t) c->count + 2) * sizeof *names);
        if (names)
            c->names = names;
        if (!names || !(names[c->count] = strdup(name)))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        names[c->count + 1] = NULL;
    }
    c->count++;
    c->epoch++;
    return 0;
}

void tg_counter_remove(struct tg_counter *c, const char *name)
{
    for (int64_t i = 0; c->names && i < c->count; i++)
        if (strcmp(c->names[i], name) == 0) {
            free(c->names[i]);
            memmove(c->names + i, c->names + i + 1, (size_t) (c->count - i) * sizeof *c->names);
            break;
        }
    c->count--;
    c->epoch++;
}
