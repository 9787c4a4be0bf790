/* An inventory from a file, or from a program that prints one: see inventory.h. */
#include "base/child.h"
#include "fleet/build.h"
#include "fleet/customers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* The last line of what a program wrote to stderr: where tools say why. */
static const char *last_line(char *text)
{
    size_t len = strlen(text);

    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    const char *line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

/* The program gets our environment: what it asks (a cloud, a database) finds its credentials there. */
int tg_inventory_run(const char *what, const char *path, const char *argument, struct tg_child_result *result, struct tg_error *e)
{
    char *absolute = realpath(path, NULL); /* a bare name is a file here, not a program to be looked for */

    if (!absolute)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "%s %s", what, path);
    const char *const argv[] = {absolute, argument, NULL};
    const struct tg_child_spec spec = {.argv = argv, .env = (const char *const *) environ, .in = -1, .out = -1, .err = -1};
    int rc = tg_child_run(&spec, NULL, 0, TG_INVENTORY_PROGRAM_MS, TG_INVENTORY_BYTES_MAX, result, e);
    free(absolute);
    if (rc)
        return tg_error_prefix(e, "%s program %s", what, path), TG_E_CONFIG;
    if (result->status) {
        tg_fail(e, TG_E_CONFIG, "%s program %s ended with status %d: %.300s", what, path, result->status, last_line(result->err));
        tg_error_hint(e, "run it by hand: %s%s%s", path, argument ? " " : "", argument ? argument : "");
    } else if (result->cut) {
        tg_fail(e, TG_E_CONFIG, "%s program %s prints more than %u MB", what, path, TG_INVENTORY_BYTES_MAX >> 20);
    } else {
        return 0;
    }
    tg_child_result_release(result);
    return TG_E_CONFIG;
}

static int load_program(const char *path, struct tg_problems *problems, struct tg_inventory **out, struct tg_error *e)
{
    struct tg_child_result result = {0};
    int rc = tg_inventory_run("inventory", path, "--list", &result, e);

    if (rc)
        return rc;
    rc = tg_inventory_parse_ansible(path, result.out, result.out_len, problems, out, e);
    tg_child_result_release(&result);
    return rc;
}

int tg_inventory_load(const char *path, struct tg_problems *problems, struct tg_inventory **out, struct tg_error *e)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "inventory %s", path);
    if (S_ISDIR(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "inventory %s is a folder, not a file", path);
    if (S_ISREG(st.st_mode) && access(path, X_OK) == 0 && (st.st_mode & 0111))
        return load_program(path, problems, out, e);
    return tg_inventory_read_yaml(path, problems, out, e);
}
