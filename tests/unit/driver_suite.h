/* What the suites of the drivers share. Define DRIVER ("puppet") first; the suite sets up with set_up. */
#ifndef TESTS_UNIT_DRIVER_SUITE_H
#define TESTS_UNIT_DRIVER_SUITE_H

#include <tagout/driver.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tg_driver *driver;
static char complaints[2048]; /* a line each: "/tags/1: should be a tag" */

static void complain(void *data, const char *path, const char *message)
{
    size_t len = strlen(complaints);

    (void) data;
    snprintf(complaints + len, sizeof complaints - len, "%s: %s\n", path, message);
}

static void set_up(void)
{
    struct tg_error e = TG_ERROR_INIT;

    complaints[0] = '\0';
    cr_assert_eq(tg_driver_find(DRIVER, &driver, &e), 0, "%s", e.message);
}

static struct tg_driver_params *params(const char *json)
{
    json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
    struct tg_driver_params *p = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert(v, "%s", json);
    cr_assert_eq(driver->params(v, complain, NULL, &p, &e), 0, "%s %s", e.message, complaints);
    json_decref(v);
    return p;
}

/* They are refused, with every one of paths in the complaints, and the error is what there is to tell of it in one line. */
static void refused(const char *json, const char *const *paths, size_t n, struct tg_error *e)
{
    json_t *v = json_loads(json, 0, NULL);
    struct tg_driver_params *p = NULL;

    complaints[0] = '\0';
    cr_assert(v, "%s", json);
    cr_assert_eq(driver->params(v, complain, NULL, &p, e), TG_E_DATA);
    cr_assert_null(p);
    json_decref(v);
    for (size_t i = 0; i < n; i++)
        cr_assert(strstr(complaints, paths[i]), "%s in %s", paths[i], complaints);
}

/* The command from its word first on is expected, as one line; only applying and switching change anything on a host. */
static void command_is(const struct tg_request *r, size_t first, enum tg_verb verb, const char *expected)
{
    char text[4096] = "";

    for (size_t i = first; r->argv[i]; i++) {
        strcat(text, i > first ? " " : "");
        strcat(text, r->argv[i]);
    }
    cr_assert_str_eq(text, expected);
    cr_assert_eq(r->changes, verb == TG_VERB_APPLY || verb == TG_VERB_DISABLE || verb == TG_VERB_ENABLE);
    cr_assert_gt(r->timeout_ms, 0);
}

#endif
