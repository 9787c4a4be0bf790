/* What drivers share: names of verbs and outcomes, and building a request. See tagout/driver.h. */
#include <tagout/driver.h>

#include <stdarg.h>
#include <stdbool.h>
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
    for (size_t i = 0; i < outcome->n_items; i++)
        free(outcome->items[i].what);
    free(outcome->items);
    free(outcome->diff);
    *outcome = (struct tg_outcome) {0};
}

/* What is printed of it can't move a cursor, nor hide. */
static void make_harmless(char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f)
            *text = '?';
}

void tg_outcome_say(struct tg_outcome *outcome, enum tg_outcome_kind kind, const char *format, ...)
{
    va_list args;

    outcome->kind = kind;
    va_start(args, format);
    vsnprintf(outcome->text, sizeof outcome->text, format, args);
    va_end(args);
    make_harmless(outcome->text);
}

void tg_outcome_say_timeout(struct tg_outcome *outcome, const char *tool, const struct tg_answer *answer, int64_t most_ms)
{
    int64_t lasted_ms = answer->ended_ms - answer->started_ms;

    if (lasted_ms <= 0 || lasted_ms > most_ms) /* by the host's wall clock, which may step */
        lasted_ms = most_ms;
    tg_outcome_say(outcome, TG_OUTCOME_FAILED, "%s: ended after %lld s, its time-out", tool, (long long) ((lasted_ms + 500) / 1000));
}

static int sum(int a, int b)
{
    return a < 0 ? b : b < 0 ? a : a > 100000000 ? a : a + b;
}

void tg_outcome_item(struct tg_outcome *o, const char *what, int added, int removed, int corrective)
{
    char *copy = strndup(what, 300);
    struct tg_outcome_item *items, *same = NULL;

    if (!copy)
        return;
    make_harmless(copy);
    for (size_t i = 0; i < o->n_items; i++)
        if (strcmp(o->items[i].what, copy) == 0)
            same = &o->items[i];
    if (same) {
        same->added = sum(same->added, added);
        same->removed = sum(same->removed, removed);
        same->corrective = same->corrective == 1 || corrective == 1 ? 1 : same->corrective < 0 || corrective < 0 ? -1 : 0;
    }
    if (same || o->n_items == TG_OUTCOME_ITEMS_MAX || !(items = realloc(o->items, (o->n_items + 1) * sizeof *items))) {
        free(copy);
        return;
    }
    items[o->n_items++] = (struct tg_outcome_item) {.what = copy, .added = added, .removed = removed, .corrective = corrective};
    o->items = items;
}

void tg_diff_count(const char *diff, int *out_added, int *out_removed)
{
    int added = 0, removed = 0;
    const char *next;

    for (const char *p = diff; *p; p = next) {
        next = p + strcspn(p, "\n");
        next += *next == '\n';
        bool head = strncmp(p, "--- ", 4) == 0 && strncmp(next, "+++ ", 4) == 0;
        if (head) {
            next += strcspn(next, "\n");
            next += *next == '\n';
        } else {
            added += *p == '+';
            removed += *p == '-';
        }
    }
    *out_added = added;
    *out_removed = removed;
}

/* ---- is a reboot due? ---- */

static const char is_reboot_due[] =
    "if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then\n"
    "    sort -u /run/reboot-required.pkgs /var/run/reboot-required.pkgs 2>/dev/null | tr '\\n' ' '\n"
    "    exit 75\n"
    "fi\n"
    "command -v needs-restarting >/dev/null 2>&1 || { [ -e /etc/debian_version ] && exit 0; echo 'neither Debian nor needs-restarting' >&2; exit 69; }\n"
    "needs-restarting -r >/dev/null 2>&1 && exit 0\n"
    "[ $? = 1 ] && exit 75 || exit 69";

int tg_reboot_request(struct tg_request *out, struct tg_error *e)
{
    struct tg_request r = {.timeout_ms = 120000};

    if (tg_request_arg(&r, "sh") || tg_request_arg(&r, "-c") || tg_request_arg(&r, "%s", is_reboot_due)) {
        tg_request_release(&r);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = r;
    return 0;
}

void tg_reboot_answer(const struct tg_answer *a, struct tg_outcome *out)
{
    *out = (struct tg_outcome) {.changed = -1, .failed = -1, .corrective = -1};
    if (a->status == 0)
        tg_outcome_say(out, TG_OUTCOME_UNCHANGED, "no reboot is due");
    else if (a->status == 75)
        tg_outcome_say(out, TG_OUTCOME_WOULD_CHANGE, "a reboot is due%s%.400s", a->out_len ? ": " : "", a->out);
    else
        tg_outcome_say(out, TG_OUTCOME_UNKNOWN, "whether a reboot is due can't be told (exit %d: %.300s)", a->status, a->err);
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
