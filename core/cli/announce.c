/* tagout announce: its verbs, and what they share. */
#include "cli/announce.h"

#include "cli/commands.h"
#include "cli/guarding.h"
#include "config/site.h"

#include <stdio.h>
#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "watch", .letter = 'w', .type = TG_OPT_FLAG, .text = "send: goes on until it is stopped, and sends what comes"},
    {.name = "now", .type = TG_OPT_FLAG, .text = "send: what settles, or waits for its next try, is sent at once"},
    {.name = "all", .letter = 'a', .type = TG_OPT_FLAG, .text = "list: also what was told. retry: all that was refused"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "drop: why; it is kept with the announcement. Required"},
    {.name = NULL},
};

int tg_announce_store(struct tg_frame *f, struct tg_announce_place *out, struct tg_error *e)
{
    int rc = f->store ? 0 : tg_frame_open_store(f, &f->store, e);

    if (!rc)
        rc = tg_frame_prove_store(f, e);
    return rc ? rc : tg_announce_begin(f->store, TG_ANNOUNCE_WAIT_MS, out, e);
}

int tg_announce_ready(struct tg_frame *f, struct tg_announce_site *site, struct tg_announce_run *run, struct tg_error *e)
{
    int rc = tg_announce_site_read(f->config->announce, &f->problems, site, e);

    if (rc)
        return rc;
    if (f->config->inventory && (rc = tg_frame_load_inventory(f, e)) != 0)
        return rc;
    if (!f->config->inventory && site->url) {
        tg_fail(e, TG_E_CONFIG, "no inventory is configured, so nobody knows whom to write to");
        return tg_error_hint(e, "--inventory FILE: its customers have contacts"), TG_E_CONFIG;
    }
    run->loop = f->loop;
    run->store = f->store;
    run->inventory = f->inventory;
    run->site = site;
    run->place.inventory = f->inventory;
    return tg_announce_open(run, &f->problems, e);
}

static int find_in(const struct tg_announce_place *p, const char *root, const char *name, size_t *n, char *out, size_t size, struct tg_error *e)
{
    struct tg_announce_paths paths;
    int rc = tg_announce_list(p, root, &paths, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < paths.n; i++)
        if (strncmp(strrchr(paths.v[i], '/') + 1, name, strlen(name)) == 0 && !(*n)++)
            snprintf(out, size, "%s", paths.v[i]);
    tg_announce_paths_release(&paths);
    return 0;
}

int tg_announce_named(const struct tg_announce_place *p, const char *name, bool told_too, char *out, size_t size, struct tg_error *e)
{
    size_t n = 0;
    int rc = find_in(p, TG_ANNOUNCE_OPEN, name, &n, out, size, e);

    if (!rc && told_too)
        rc = find_in(p, TG_ANNOUNCE_TOLD, name, &n, out, size, e);
    if (rc || n == 1)
        return rc;
    if (n)
        tg_fail(e, TG_E_NOENT, "%zu announcements begin with \"%.40s\"", n, name);
    else
        tg_fail(e, TG_E_NOENT, "there is no announcement \"%.40s\"%s", name, told_too ? "" : " that is not told yet");
    return tg_error_hint(e, "tagout announce list%s has them", told_too ? " --all" : ""), TG_E_NOENT;
}

static const struct verb {
    const char *name;
    int min, max;
    const char *takes;
    const char *options; /* those that are its own, with a blank behind each */
    int (*run)(struct tg_frame *f, struct tg_error *e);
} verbs[] = {
    {"send", 0, 0, "", "watch now ", tg_announce_verb_send},
    {"list", 0, 1, " [CUSTOMER]", "all ", tg_announce_verb_list},
    {"show", 1, 1, " NAME", "", tg_announce_verb_show},
    {"retry", 0, 1, " NAME | --all", "all ", tg_announce_verb_retry},
    {"drop", 1, 1, " NAME", "reason ", tg_announce_verb_drop},
    {"preview", 1, 1, " NAME | KIND", "", tg_announce_verb_preview},
    {"test", 1, 1, " ADDRESS | webhook:NAME", "", tg_announce_verb_test},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static int exec(struct tg_frame *f, struct tg_error *e)
{
    char name[32];
    size_t i = 0;

    while (i < VERBS && strcmp(f->argv[0], verbs[i].name) != 0)
        i++;
    if (i == VERBS) {
        tg_fail(e, TG_E_USAGE, "announce has no \"%.40s\"", f->argv[0]);
        return tg_error_hint(e, "send, list, show, retry, drop, preview, test"), TG_E_USAGE;
    }
    if (f->argc - 1 < verbs[i].min || f->argc - 1 > verbs[i].max) {
        tg_fail(e, TG_E_USAGE, f->argc - 1 > verbs[i].max ? "\"%.60s\" is one argument too many" : "announce %s: which one?",
                f->argc - 1 > verbs[i].max ? f->argv[f->argc - 1] : verbs[i].name);
        return tg_error_hint(e, "tagout announce %s%s", verbs[i].name, verbs[i].takes), TG_E_USAGE;
    }
    for (const struct tg_opt *o = opts; o->name; o++) {
        snprintf(name, sizeof name, "%s ", o->name);
        if (tg_opt_given(f, o->name) && !strstr(verbs[i].options, name))
            return tg_fail(e, TG_E_USAGE, "announce %s takes no --%s", verbs[i].name, o->name);
    }
    return verbs[i].run(f, e);
}

const struct tg_cmd tg_cmd_announce = {
    .name = "announce",
    .args = "send [--watch] | list | show NAME | retry NAME | drop NAME | preview NAME | test ADDRESS",
    .brief = "tell customers of maintenance, by mail and webhooks",
    .details = "What customers are to be told is queued in the store, together with the change that it tells of. send makes mails of it, with calendar entries that follow "
               "each change, and calls webhooks; from a timer, or with --watch as a service. list shows what waits or was refused, show one of them, retry and drop decide "
               "what becomes of what was refused. preview prints the mail as it would be sent: of an announcement, or of a kind (scheduled, changed, cancelled, late, "
               "done, former) with made-up hosts, to try a template. test sends such a one to an address, or to a webhook.",
    .examples = "  $ tagout announce list\n  $ tagout announce send\n  $ tagout announce retry 3f2a9c01\n  $ tagout announce preview scheduled\n  $ tagout announce test alice@example.com\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 2,
    .needs = TG_NEED_CONFIG,
    .exec = exec,
};
