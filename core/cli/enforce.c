/* doctor --enforce: the list of tools, one try of each, and what came of it. See enforce.h. */
#include "cli/enforce.h"

#include "base/buf.h"
#include "base/shown.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_MS (10 * 60 * 1000) /* it ends by itself when we are killed; longer than all tries together */
#define TRY_MS 30000
#define SCOPES 100 /* hosts share them: a folder for each host would litter the store, and two that meet only prove the same */

extern const struct tg_enforce_tool tg_enforce_apt, tg_enforce_dpkg, tg_enforce_needrestart, tg_enforce_dnf, tg_enforce_cron, tg_enforce_cfengine, tg_enforce_reboot, tg_enforce_systemd;
extern const struct tg_enforce_tool tg_enforce_puppet, tg_enforce_salt, tg_enforce_ansible;

const struct tg_enforce_tool *const tg_enforce_tools[] = {
    &tg_enforce_apt,
    &tg_enforce_dpkg,
    &tg_enforce_needrestart,
    &tg_enforce_dnf,
    &tg_enforce_systemd,
    &tg_enforce_reboot,
    &tg_enforce_cron,
    &tg_enforce_cfengine,
    &tg_enforce_puppet,
    &tg_enforce_salt,
    &tg_enforce_ansible,
    NULL,
};
#define TOOLS (sizeof tg_enforce_tools / sizeof tg_enforce_tools[0])

static const struct {
    const char *shown, *json, *colour;
} words[] = {
    [TG_ENFORCE_BLOCKED] = {"BLOCKED", "blocked", "\033[32m"},
    [TG_ENFORCE_NOT_BLOCKED] = {"NOT BLOCKED", "not-blocked", "\033[31m"},
    [TG_ENFORCE_NOT_CONFIGURED] = {"not configured", "not-configured", "\033[31m"},
    [TG_ENFORCE_NOT_TRIED] = {"not tried", "not-tried", "\033[33m"},
    [TG_ENFORCE_NOT_INSTALLED] = {"not installed", "not-installed", ""},
};

/* --- what a result proves --- */

/* The line of text that begins at at, without what is harmful to a terminal. */
static void line_at(const char *at, char *out, size_t size)
{
    char *line = strndup(at, strcspn(at, "\n"));

    tg_shown_text(line ? line : "", out, size);
    free(line);
}

static const char *last_line(const char *text)
{
    size_t end = strlen(text);

    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' '))
        end--;
    while (end > 0 && text[end - 1] != '\n')
        end--;
    return text + end;
}

/* What the guard said, wherever the tool put it: in its own stderr, or quoted in a line of its own. */
static const char *find_line(const struct tg_child_result *r, const char *word)
{
    const char *at = strstr(r->err, word);

    return at ? at : strstr(r->out, word);
}

enum tg_enforced tg_enforce_judge(const struct tg_enforce *x, const struct tg_child_result *r, char *text, size_t size)
{
    const struct tg_enforce_tool *t = x->tool;
    const char *held = find_line(r, "TAGOUT-HELD "), *unknown = find_line(r, "TAGOUT-UNKNOWN "), *assumed = find_line(r, "TAGOUT-ASSUMED ");
    bool acted = t->acted ? t->acted(x, r) : r->status == 0 || (t->passed && (strstr(r->err, t->passed) || strstr(r->out, t->passed)));
    char line[400], status[40];

    snprintf(status, sizeof status, "exit status %d", r->status);
    if (acted) {
        const char *who = find_line(r, TG_ENFORCE_PASSED);
        line_at(assumed ? assumed : unknown ? unknown : held ? held : "", line, sizeof line);
        snprintf(text, size, "a lock did not hold %.*s (%s)%s%s", who ? (int) strcspn(who + (sizeof TG_ENFORCE_PASSED - 1), "\n") : 2, who ? who + (sizeof TG_ENFORCE_PASSED - 1) : "it", status,
                 line[0] ? ", though its hook said: " : ": its hook was not asked", line);
        return TG_ENFORCE_NOT_BLOCKED;
    }
    if (held) {
        line_at(held, line, sizeof line);
        snprintf(text, size, "%s: %s", status, line);
        return TG_ENFORCE_BLOCKED;
    }
    line_at(unknown ? unknown : last_line(r->err[0] ? r->err : r->out), line, sizeof line);
    snprintf(text, size, "%s, %s: %s", status, unknown ? "but not because of the lock" : "and nothing of a lock", line);
    return TG_ENFORCE_NOT_TRIED;
}

/* --- one try --- */

static bool installed(const struct tg_enforce_tool *t)
{
    char path[4096];
    bool any = !t->programs;

    for (size_t i = 0; !any && t->programs[i]; i++)
        any = tg_child_find(t->programs[i], TG_ENFORCE_PATH, path, sizeof path, NULL) == 0;
    return any;
}

static enum tg_enforced not_tried(struct tg_enforce_finding *f, const struct tg_error *e)
{
    tg_shown_text(e->message, f->text, sizeof f->text);
    return f->verdict = TG_ENFORCE_NOT_TRIED;
}

static void try_tool(struct tg_enforce *x, struct tg_enforce_finding *f)
{
    struct tg_child_result r = {0};
    struct tg_error e = TG_ERROR_INIT;

    if (x->tool->prepare(x, &e) != 0 || tg_enforce_run(x, x->argv, x->tool->timeout_ms ? x->tool->timeout_ms : TRY_MS, &r, &e) != 0) {
        not_tried(f, &e);
        return;
    }
    f->verdict = tg_enforce_judge(x, &r, f->text, sizeof f->text);
    tg_child_result_release(&r);
}

static void look_at(const struct tg_enforce_tool *t, const char *scope, struct tg_enforce_finding *f)
{
    struct tg_enforce x = {.tool = t, .scope = scope};
    struct tg_error e = TG_ERROR_INIT;

    f->tool = t;
    if (!installed(t)) {
        f->verdict = TG_ENFORCE_NOT_INSTALLED;
        return;
    }
    if (t->configured && !t->configured(&x)) {
        f->verdict = TG_ENFORCE_NOT_CONFIGURED;
        snprintf(f->text, sizeof f->text, "%s: %s", t->optional ? "where it is wanted" : "nothing holds it", t->mend);
        return;
    }
    if (!scope) { /* the caller says why */
        f->verdict = TG_ENFORCE_NOT_TRIED;
    } else if (tg_enforce_dir_make(&x, &e) != 0) {
        not_tried(f, &e);
    } else {
        try_tool(&x, f);
        tg_enforce_dir_remove(&x);
    }
    snprintf(f->where, sizeof f->where, "%s", x.where);
    for (size_t i = 0; i < x.n_owned; i++)
        free(x.owned[i]);
}

/* --- the lock --- */

struct trial {
    struct tg_frame *f;
    char host[129], scope[64];
    struct tg_lock lock;
    bool held;
};

static int with_store(struct trial *t, int (*act)(struct trial *t, struct tg_guard *g, struct tg_error *e), struct tg_error *e)
{
    int rc = tg_frame_open_store(t->f, &t->f->store, e);

    if (!rc) {
        struct tg_guard g = tg_cli_guard(t->f, 0);
        rc = act(t, &g, e);
    }
    tg_store_close(t->f->store);
    t->f->store = NULL;
    return rc;
}

/* Placed is enough: from then on it holds. There is nobody to wait for. */
static int place(struct trial *t, struct tg_guard *g, struct tg_error *e)
{
    char owner[TG_OWNER_SIZE], reason[300];
    struct tg_scopes scopes = TG_SCOPES_INIT;
    const char *const text = t->scope;

    tg_cli_owner(t->f, owner, sizeof owner);
    snprintf(reason, sizeof reason, "tagout doctor --enforce tries whether the tools of %s obey a lock; this one holds nobody else", t->host);
    int rc = tg_scopes_parse(&scopes, &text, 1, NULL, e);
    struct tg_lock_request r = {.scopes = &scopes, .owner = owner, .reason = reason, .for_ms = LOCK_MS, .release_at_expiry = true};
    if (!rc)
        rc = tg_lock_place(g, &r, &t->lock, e);
    t->held = !rc;
    tg_scopes_release(&scopes);
    return rc;
}

static int withdraw(struct trial *t, struct tg_guard *g, struct tg_error *e)
{
    int rc = tg_lock_undo(g, &t->lock, "the trial is over", e);

    return rc == TG_E_NOENT ? 0 : rc;
}

/* --- saying it --- */

static int status_of(const struct tg_enforce_finding *found, size_t n, bool named)
{
    bool bad = false, untried = false;

    for (size_t i = 0; i < n; i++) {
        enum tg_enforced v = found[i].verdict;
        bad |= v == TG_ENFORCE_NOT_BLOCKED || (v == TG_ENFORCE_NOT_CONFIGURED && (named || !found[i].tool->optional)) ||
               (named && v == TG_ENFORCE_NOT_INSTALLED);
        untried |= v == TG_ENFORCE_NOT_TRIED;
    }
    return tg_exit_status(bad ? TG_E_FAILED : untried ? TG_E_UNKNOWN : TG_OK);
}

static int print_json(const struct tg_enforce_finding *found, size_t n, struct tg_error *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:s,s:s,s:s}", "tool", found[i].tool->name, "enforced", words[found[i].verdict].json, "hook", found[i].tool->hook);
        if (o && found[i].where[0])
            json_object_set_new(o, "file", json_string(found[i].where));
        if (o && found[i].text[0])
            json_object_set_new(o, "text", json_string(found[i].text));
        json_array_append_new(list, o);
    }
    return tg_print_json(json_pack("{s:o}", "enforce", list), e);
}

static void print_text(const struct tg_frame *f, const struct tg_enforce_finding *found, size_t n)
{
    struct tg_buf absent = TG_BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        const struct tg_enforce_finding *o = &found[i];
        if (o->verdict == TG_ENFORCE_NOT_INSTALLED) {
            tg_buf_printf(&absent, "%s%s", absent.len ? ", " : "", o->tool->name);
            continue;
        }
        printf("%s%-14s%s  %-20s  %s%s%s\n", f->colour ? words[o->verdict].colour : "", words[o->verdict].shown, f->colour ? "\033[0m" : "", o->tool->name,
               o->tool->hook, o->where[0] ? ", " : "", o->where);
        if (o->text[0])
            printf("%38s%s\n", "", o->text);
    }
    if (absent.len)
        printf("%-14s  %s\n", words[TG_ENFORCE_NOT_INSTALLED].shown, tg_buf_text(&absent));
    tg_buf_release(&absent);
}

/* --- all of it --- */

static const char *next_name(const void *data, size_t i)
{
    (void) data;
    return tg_enforce_tools[i] ? tg_enforce_tools[i]->name : NULL;
}

static int no_such_tool(const char *name, struct tg_error *e)
{
    const char *near = tg_nearest(name, next_name, NULL);
    struct tg_buf all = TG_BUF_INIT;

    for (size_t i = 0; tg_enforce_tools[i]; i++)
        tg_buf_printf(&all, "%s%s", i ? ", " : "", tg_enforce_tools[i]->name);
    tg_fail(e, TG_E_USAGE, "\"%s\" is no tool that can be tried", name);
    tg_error_hint(e, near ? "did you mean %s?" : "there are %s", near ? near : tg_buf_text(&all));
    tg_buf_release(&all);
    return TG_E_USAGE;
}

/* The rows that the arguments name, or all. */
static int choose(const struct tg_frame *f, const struct tg_enforce_tool **out, size_t max, size_t *out_n, struct tg_error *e)
{
    size_t n = 0;

    for (int i = 0; i < f->argc; i++) {
        size_t k = 0;
        while (tg_enforce_tools[k] && strcmp(tg_enforce_tools[k]->name, f->argv[i]) != 0)
            k++;
        if (!tg_enforce_tools[k] || n >= max)
            return no_such_tool(f->argv[i], e);
        out[n++] = tg_enforce_tools[k];
    }
    for (size_t k = 0; f->argc == 0 && tg_enforce_tools[k] && n < max; k++)
        out[n++] = tg_enforce_tools[k];
    *out_n = n;
    return 0;
}

static void try_all(struct trial *t, const struct tg_enforce_tool *const *tools, size_t n, struct tg_enforce_finding *found, struct tg_error *why)
{
    bool stopped = false;

    for (size_t i = 0; i < n; i++) {
        stopped |= tg_cli_signalled() != 0;
        look_at(tools[i], t->held && !stopped ? t->scope : NULL, &found[i]);
        if (found[i].verdict == TG_ENFORCE_NOT_TRIED && !found[i].text[0])
            tg_shown_text(stopped ? "interrupted" : why->message, found[i].text, sizeof found[i].text);
    }
}

int tg_enforce_main(struct tg_frame *f, struct tg_error *e)
{
    const struct tg_enforce_tool *tools[TOOLS];
    struct tg_enforce_finding found[TOOLS] = {{0}};
    struct trial t = {.f = f};
    struct tg_error why = TG_ERROR_INIT, left = TG_ERROR_INIT;
    size_t n;
    int rc = choose(f, tools, TOOLS, &n, e);

    if (rc)
        return rc;
    tg_cli_catch_signals(f->loop);
    (void) gethostname(t.host, sizeof t.host - 1);
    snprintf(t.scope, sizeof t.scope, "service:tagout-doctor-%02u", tg_shard_of(t.host, SCOPES));
    if (geteuid() != 0)
        tg_fail(&why, TG_E_PERM, "it takes root: tools ask as root");
    else
        (void) with_store(&t, place, &why);
    try_all(&t, tools, n, found, &why);
    tg_loop_interrupt_clear(f->loop);
    if (t.held && with_store(&t, withdraw, &left) != 0)
        fprintf(stderr, "tagout: the lock %s of this trial could not be taken back, and ends by itself in 10m: %s\n", t.lock.id, left.message);
    if (t.held)
        tg_lock_clear(&t.lock);
    f->status = status_of(found, n, f->argc > 0);
    if (f->json)
        return print_json(found, n, e);
    print_text(f, found, n);
    return 0;
}
