/* What a module complains of in its parameters, a line each, for tests. */
#ifndef TESTS_LIB_COMPLAINTS_H
#define TESTS_LIB_COMPLAINTS_H

#include <tagout/around.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char complaints[2048];

static void complain(void *data, const char *path, const char *message)
{
    size_t n = strlen(complaints);

    (void) data;
    snprintf(complaints + n, sizeof complaints - n, "%s %s\n", path, message);
}

/* NULL when they are refused, with at least one complaint. */
static struct tg_around_params *read_params_by(int (*params)(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                                                             struct tg_around_params **out, struct tg_error *e),
                                               const char *json)
{
    struct tg_around_params *p = NULL;
    json_t *v = json_loads(json, 0, NULL);

    complaints[0] = '\0';
    cr_assert(v, "%s", json);
    int rc = params(v, complain, NULL, &p, NULL);
    json_decref(v);
    cr_assert(rc == 0 || complaints[0]);
    return rc ? NULL : p;
}

#endif
