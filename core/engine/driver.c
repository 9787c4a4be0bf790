/* What drivers share: names of verbs and outcomes, and building a request. See tagout/driver.h. */
#include <tagout/driver.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verb_names[TG_VERB_COUNT] = {
    [TG_VERB_STATUS] = "status", [TG_VERB_DRY_RUN] = "dry-run", [TG_VERB_APPLY] = "apply", [TG_VERB_DISABLE] = "disable",
    [TG_VERB_ENABLE] = "enable", [TG_VERB_FACTS] = "facts",     [TG_VERB_REBOOT_NEEDED] = "reboot-needed",
};

static const char *const outcome_names[] = {
    [TG_OUTCOME_UNCHANGED] = "unchanged", [TG_OUTCOME_CHANGED] = "changed", [TG_OUTCOME_WOULD_CHANGE] = "would-change",
    [TG_OUTCOME_BUSY] = "busy",           [TG_OUTCOME_DISABLED] = "disabled", [TG_OUTCOME_HELD] = "held",
    [TG_OUTCOME_FAILED] = "failed",       [TG_OUTCOME_UNKNOWN] = "unknown",
};

const char *tg_verb_name(enum tg_verb verb)
{
    return verb < TG_VERB_COUNT ? verb_names[verb] : "?";
}

const char *tg_outcome_name(enum tg_outcome_kind kind)
{
    return kind <= TG_OUTCOME_UNKNOWN ? outcome_names[kind] : "unknown";
}

int tg_outcome_parse(const char *name, enum tg_outcome_kind *out)
{
    for (int i = 0; i <= TG_OUTCOME_UNKNOWN; i++)
        if (strcmp(outcome_names[i], name) == 0) {
            *out = (enum tg_outcome_kind) i;
            return 0;
        }
    return TG_E_DATA;
}

void tg_outcome_release(struct tg_outcome *outcome)
{
    free(outcome->diff);
    *outcome = (struct tg_outcome) {0};
}

/* Formats into the first free slot of a NULL-terminated list with room for TG_REQUEST_ARGS_MAX. */
static int append(char **list, const char *format, va_list args)
{
    size_t n = 0;
    char text[4096];

    while (list[n])
        n++;
    int len = vsnprintf(text, sizeof text, format, args);
    if (n >= TG_REQUEST_ARGS_MAX || len < 0 || (size_t) len >= sizeof text || !(list[n] = strdup(text)))
        return TG_E_MEMORY;
    return 0;
}

int tg_request_arg(struct tg_request *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int rc = append(r->argv, format, args);
    va_end(args);
    return rc;
}

int tg_request_env(struct tg_request *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int rc = append(r->env, format, args);
    va_end(args);
    return rc;
}

int tg_request_file(struct tg_request *r, const char *path, size_t max_bytes)
{
    if (r->n_files == TG_REQUEST_FILES_MAX || !(r->files[r->n_files].path = strdup(path)))
        return TG_E_MEMORY;
    r->files[r->n_files++].max_bytes = max_bytes;
    return 0;
}

void tg_request_release(struct tg_request *r)
{
    for (size_t i = 0; r->argv[i]; i++)
        free(r->argv[i]);
    for (size_t i = 0; r->env[i]; i++)
        free(r->env[i]);
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i].path);
    *r = (struct tg_request) {0};
}
