/* Copying and releasing the steps of a procedure: see rollout.h. */
#include "engine/rollout.h"

#include "base/buf.h"
#include "config/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tg_around_release(struct tg_around *a)
{
    for (size_t i = 0; i < a->n_hold; i++)
        free(a->hold[i]);
    free(a->hold);
    free(a->module);
    json_decref(a->params);
    *a = (struct tg_around) {0};
}

void tg_verify_release(struct tg_verify *v)
{
    for (size_t i = 0; v->argv && v->argv[i]; i++)
        free(v->argv[i]);
    free(v->argv);
    free(v->url);
    free(v->query);
    json_decref(v->options);
    *v = (struct tg_verify) {0};
}

/* Both copies take what is there so far, so that release has no gaps. */
static bool copy_list(char *const *from, size_t n, char ***out, size_t *out_n)
{
    char **list = calloc(n + 1, sizeof *list);
    size_t i = 0;

    *out = list;
    for (; list && i < n && (list[i] = strdup(from[i])) != NULL; i++)
        ;
    *out_n = i;
    return list && i == n;
}

int tg_around_copy(const struct tg_around *around, struct tg_around *out, struct tg_error *e)
{
    struct tg_around copy = {.kind = around->kind, .what = around->what};
    bool fine = !around->n_hold || copy_list(around->hold, around->n_hold, &copy.hold, &copy.n_hold);

    if (fine && around->module)
        fine = (copy.module = strdup(around->module)) != NULL && (copy.params = json_deep_copy(around->params)) != NULL;
    if (!fine) {
        tg_around_release(&copy);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = copy;
    return 0;
}

int tg_verify_copy(const struct tg_verify *verify, struct tg_verify *out, struct tg_error *e)
{
    struct tg_verify copy = {.kind = verify->kind, .after_ms = verify->after_ms, .within_ms = verify->within_ms};
    size_t n = 0;
    bool fine = true;

    while (verify->argv && verify->argv[n])
        n++;
    if (verify->argv)
        fine = copy_list(verify->argv, n, &copy.argv, &n);
    if (fine && verify->url)
        fine = (copy.url = strdup(verify->url)) != NULL;
    if (fine && verify->query)
        fine = (copy.query = strdup(verify->query)) != NULL;
    if (fine && verify->options)
        fine = (copy.options = json_deep_copy(verify->options)) != NULL;
    if (!fine) {
        tg_verify_release(&copy);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = copy;
    return 0;
}

static void describe_metric(const struct tg_verify *v, struct tg_buf *out)
{
    static const char *const names[] = {"below", "above", "rise", "fall"};
    const char *glue = " ";

    tg_buf_puts(out, v->query);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *value = json_object_get(v->options, names[i]);
        struct tg_share share = {.kind = TG_SHARE_PERCENT, .value = json_integer_value(value)};
        char text[32];
        if (!value)
            continue;
        if (i < 2)
            snprintf(text, sizeof text, "%.15g", json_number_value(value));
        else
            tg_share_format(&share, text, sizeof text);
        tg_buf_printf(out, "%s%s %s%s", glue, names[i], i < 2 ? "" : "at most ", text);
        glue = ", ";
    }
    tg_buf_printf(out, ", at %s", v->url);
}

void tg_verify_describe(const struct tg_verify *v, struct tg_buf *out)
{
    switch (v->kind) {
    case TG_VERIFY_HTTP:
        tg_buf_puts(out, v->url);
        return;
    case TG_VERIFY_TCP:
        tg_buf_printf(out, "tcp %s", v->url);
        return;
    case TG_VERIFY_METRIC:
        describe_metric(v, out);
        return;
    case TG_VERIFY_REPORT:
        tg_buf_puts(out, "the tool finds nothing left to change");
        return;
    case TG_VERIFY_COMMAND:
    default:
        for (size_t i = 0; v->argv && v->argv[i]; i++)
            tg_buf_printf(out, "%s%s", i ? " " : "on the host: ", v->argv[i]);
    }
}
