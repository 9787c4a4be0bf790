/* tagout migrate: the tree is moved to another store. The steps are guard/migrate.h's; what is shown is migrate_view.c's. */
#include "cli/commands.h"

#include "cli/guarding.h"
#include "cli/migrate_view.h"
#include "config/site.h"

#include <inttypes.h>
#include <string.h>

#define WAIT_MS 15000
#define SEAT_WAIT_MS 20000 /* two sessions of the usual length: a mover that was killed still sits for one */

static const struct tg_opt opts[] = {
    {.name = "to", .type = TG_OPT_STRING, .arg = "URL", .text = "The store that the tree is moved to. Only begin needs it; the others know it"},
    {.name = "from", .type = TG_OPT_STRING, .arg = "URL", .text = "The store that it is moved from; without it, the configured one"},
    {.name = "to-auth", .type = TG_OPT_FILE, .arg = "FILE", .text = "A file with the target's USER:PASSWORD; without it, the configured one"},
    {.name = "from-auth", .type = TG_OPT_FILE, .arg = "FILE", .text = "Likewise for the source"},
    {.name = "wait", .letter = 'w', .type = TG_OPT_DURATION, .arg = "TIME", .value = "1m",
     .text = "How long complete waits for runs and permits in flight; then the source serves again as before, and the exit status is 75"},
    {.name = "dry-run", .letter = 'n', .type = TG_OPT_FLAG, .text = "Say what would be done, and whom it would wait for; change nothing"},
    {.name = "leave-target", .type = TG_OPT_FLAG, .text = "With back: the target can't be reached, so leave it as it is (it says of itself that it is being moved)"},
    {.name = NULL},
};

struct desk {
    struct tg_frame *f;
    struct tg_migrate m;
    struct tg_migrate_view view;
    char by[TG_OWNER_SIZE];
};

static int open_store(struct tg_frame *f, const char *url, const char *auth_file, unsigned flags, struct tg_store **out, struct tg_error *e)
{
    struct tg_config with = *f->config; /* borrows all */
    struct tg_store_options o = {.loop = f->loop, .url = url, .session_ms = f->config->session_ms, .flags = flags};
    char *auth = NULL;
    int rc;

    if (auth_file)
        with.store_auth = (char *) (uintptr_t) auth_file;
    if ((rc = tg_config_read_auth(&with, &auth, e)) != 0)
        return rc;
    o.auth = auth;
    rc = tg_store_open(&o, out, e);
    tg_config_forget_auth(auth);
    return rc ? tg_error_prefix(e, "%s", url), rc : tg_store_connect(*out, tg_store_deadline(*out, WAIT_MS), e);
}

static int no_target(struct tg_error *e)
{
    tg_fail(e, TG_E_USAGE, "where to? --to URL");
    tg_error_hint(e, "such as tagout migrate begin --to zk://zk4:2181,zk5:2181,zk6:2181/tagout");
    return TG_E_USAGE;
}

/* Opens what is known to be wanted; the target's address may stand in the source's record. */
static int open_both(struct desk *d, const char *step, struct tg_error *e)
{
    struct tg_frame *f = d->f;
    const char *from = tg_opt_given(f, "from") ? tg_opt_text(f, "from") : f->config->store, *to = tg_opt_text(f, "to");
    bool begin = strcmp(step, "begin") == 0, status = strcmp(step, "status") == 0;
    int rc;

    if (begin && !to)
        return no_target(e);
    if (to && strcmp(to, from) == 0) {
        tg_fail(e, TG_E_USAGE, "source and target are one: %s", to);
        tg_error_hint(e, "the configured store is the source; when it was switched already, name the source: --from URL");
        return TG_E_USAGE;
    }
    if (to && begin && (rc = tg_migrate_refuse_inside(from, to, e)) != 0)
        return rc;
    if ((rc = open_store(f, from, tg_opt_text(f, "from-auth"), TG_STORE_EXISTING, &d->m.from, e)) != 0)
        return rc;
    if ((rc = tg_migrate_look(&d->m, e)) != 0) /* to is not open yet: the source alone */
        return rc;
    if (!to && d->m.s.has_record)
        to = d->m.s.record.to;
    if (tg_opt_flag(f, "leave-target") || (!to && status))
        return 0;
    if (!to)
        return no_target(e);
    unsigned flags = begin && !tg_opt_flag(f, "dry-run") ? TG_STORE_CREATE : TG_STORE_EXISTING;
    struct tg_error why = TG_ERROR_INIT;
    rc = open_store(f, to, tg_opt_text(f, "to-auth"), flags, &d->m.to, &why);
    if (!rc)
        return 0;
    tg_store_close(d->m.to);
    d->m.to = NULL;
    if (begin && rc == TG_E_UNKNOWN && flags == TG_STORE_EXISTING)
        return 0; /* a dry run: begin makes the place */
    tg_fail(e, rc, "%s", why.message);
    if (rc == TG_E_UNKNOWN && d->m.s.has_record && strcmp(step, "back") != 0)
        tg_error_hint(e, "has it lost its data? To begin there anew: tagout migrate begin --to %s; to give up: tagout migrate back --leave-target", to);
    if (strcmp(step, "back") == 0)
        tg_error_hint(e, "to take the move back without it: tagout migrate back --leave-target");
    return tg_error_hint(e, "%s", why.hint), rc;
}

static void say(const struct desk *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct desk *d, const char *format, ...)
{
    va_list args;

    if (d->f->json)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}

/* --- the steps --- */

static int dry_begin(struct desk *d, struct tg_error *e)
{
    struct tg_migrate *m = &d->m;
    struct tg_error none = TG_ERROR_INIT;
    int rc = tg_migrate_look(m, &none);
    bool absent = rc == TG_E_UNKNOWN && m->s.has_cluster; /* begin makes the chroot, or the file */

    if (rc && !absent)
        return tg_fail(e, rc, "%s", none.message), tg_error_hint(e, "%s", none.hint), rc;
    say(d, "Would begin at %s: %s.\n", tg_opt_text(d->f, "to"), !absent && m->to && (m->t.has_cluster || m->t.others) ? "something is there already" : "it is empty");
    tg_store_close(absent ? m->to : NULL);
    m->to = absent ? NULL : m->to;
    return 0;
}

static int step_begin(struct desk *d, struct tg_error *e)
{
    struct tg_migrate *m = &d->m;
    int rc;

    if (tg_opt_flag(d->f, "dry-run"))
        return dry_begin(d, e);
    if ((rc = tg_migrate_begin(m, e)) != 0)
        return rc;
    say(d, "Began: cluster %.8s moves from %s to %s, and will be generation %" PRId64 " there.\n  The source serves as before; the target answers UNKNOWN to whoever asks it.\n",
        m->s.cluster.id, m->s.record.from, m->s.record.to, m->s.record.generation);
    return 0;
}

static int step_copy(struct desk *d, struct tg_error *e)
{
    struct tg_mirror_copied c;
    int rc = tg_migrate_copy(&d->m, &c, e);

    if (rc)
        return rc;
    say(d, "Copied: %zu nodes; %zu made, %zu changed, %zu removed (%.1f MB).\n", c.nodes, c.created, c.written, c.deleted, (double) c.bytes / 1e6);
    if (d->f->json)
        json_object_set_new(d->view.out, "copied", json_pack("{s:I,s:I,s:I,s:I,s:I}", "nodes", (json_int_t) c.nodes, "made", (json_int_t) c.created, "changed",
                                                             (json_int_t) c.written, "removed", (json_int_t) c.deleted, "bytes", (json_int_t) c.bytes));
    return 0;
}

static int step_verify(struct desk *d, struct tg_error *e)
{
    struct tg_mirror_report r = {.n_found = 0};
    int rc = tg_migrate_verify(&d->m, &r, e);

    if (!rc || rc == TG_E_DATA)
        tg_migrate_view_report(&d->view, &r);
    tg_mirror_report_release(&r);
    if (!rc)
        say(d, "Verified.\n");
    return rc;
}

static int dry_complete(struct desk *d, struct tg_error *e)
{
    struct tg_waits waits = {.n = 0};
    char runs[1000] = "";
    int rc = tg_migrate_look(&d->m, e);

    if (!rc)
        rc = tg_migrate_in_flight(&d->m, &waits, runs, sizeof runs, e);
    if (!rc)
        tg_migrate_view_in_flight(&d->view, &waits, runs);
    tg_waits_release(&waits);
    return rc;
}

static int step_complete(struct desk *d, struct tg_error *e)
{
    struct tg_migrate *m = &d->m;
    char took[32];
    int rc = tg_opt_flag(d->f, "dry-run") ? dry_complete(d, e) : tg_migrate_complete(m, e);

    if (rc || tg_opt_flag(d->f, "dry-run"))
        return rc;
    if (d->f->json)
        json_object_set_new(d->view.out, "unknown_ms", m->unknown_ms ? json_integer((json_int_t) m->unknown_ms) : json_null());
    say(d, "Moved: %s is live, generation %" PRId64 ".", m->s.record.to, m->s.record.generation);
    if (m->unknown_ms) {
        tg_duration_format(m->unknown_ms, took, sizeof took);
        if (m->unknown_ms < 10000)
            snprintf(took, sizeof took, "%" PRId64 " ms", m->unknown_ms);
        say(d, "  Guards had no answer for %s.", took);
    }
    say(d, "\nSet store: %s on every host. Those that still ask the old one are told UNKNOWN, and this address.\n", m->s.record.to);
    return 0;
}

static int step_back(struct desk *d, struct tg_error *e)
{
    int rc = tg_migrate_back(&d->m, e);

    if (!rc)
        say(d, "Taken back: %s serves as before%s.\n", tg_store_url(d->m.from), d->m.to ? ", and the target is retired" : "; the target was left as it is, and says that it is being moved");
    return rc;
}

static int step_status(struct desk *d, struct tg_error *e)
{
    return tg_migrate_look(&d->m, e);
}

static const struct {
    const char *name;
    int (*run)(struct desk *d, struct tg_error *e);
    bool dry; /* can be run dry */
} steps[] = {
    {"begin", step_begin, true}, {"copy", step_copy, false}, {"verify", step_verify, false},
    {"complete", step_complete, true}, {"back", step_back, false}, {"status", step_status, false},
};
#define STEPS (sizeof steps / sizeof steps[0])

static int run_step(struct desk *d, size_t i, struct tg_error *e)
{
    int rc = open_both(d, steps[i].name, e);

    if (!rc)
        rc = steps[i].run(d, e);
    if (!rc && strcmp(steps[i].name, "status") != 0)
        rc = tg_migrate_look(&d->m, e);
    if (!rc)
        rc = tg_migrate_view_status(&d->view, &d->m, steps[i].name, e);
    return rc;
}

static int run_migrate(struct tg_frame *f, struct tg_error *e)
{
    struct desk d = {.f = f, .view = {.f = f, .out = f->json ? json_object() : NULL}};
    size_t i = 0;

    while (i < STEPS && strcmp(f->argv[0], steps[i].name) != 0)
        i++;
    if (i == STEPS) {
        json_decref(d.view.out);
        tg_fail(e, TG_E_USAGE, "there is no step \"%.40s\"", f->argv[0]);
        return tg_error_hint(e, "begin, copy, verify, complete; or back; status tells which is next"), TG_E_USAGE;
    }
    if (tg_opt_flag(f, "dry-run") && !steps[i].dry) {
        json_decref(d.view.out);
        return tg_fail(e, TG_E_USAGE, "%s has no --dry-run: it changes nothing that guards see", steps[i].name);
    }
    tg_cli_owner(f, d.by, sizeof d.by);
    d.m = (struct tg_migrate) {.state_dir = f->config->state_dir, .by = d.by, .wait_ms = tg_opt_ms(f, "wait"), .seat_wait_ms = SEAT_WAIT_MS,
                               .tell = tg_migrate_view_news, .data = &d.view};
    tg_cli_catch_signals(f->loop);
    int rc = run_step(&d, i, e);
    tg_store_close(d.m.to);
    tg_store_close(d.m.from);
    json_decref(d.view.out);
    return rc;
}

const struct tg_cmd tg_cmd_migrate = {
    .name = "migrate",
    .args = "begin|copy|verify|complete|back|status [--to URL]",
    .brief = "move the tree to another store while guards go on asking",
    .details = "begin says that the tree is moved, and to where; copy copies it while the source serves; verify compares the two; complete freezes the source, copies the "
               "rest, waits for what is in flight, and lets the target go live: only then do guards answer UNKNOWN, for as long as it takes. back gives up, "
               "at any moment before the source is retired. Each may be called again, also after it was killed; status tells what is next.",
    .examples = "  $ tagout migrate begin --to zk://zk4:2181,zk5:2181,zk6:2181/tagout\n  $ tagout migrate copy\n  $ tagout migrate verify\n  $ tagout migrate complete --wait 5m\n",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_CONFIG,
    .exec = run_migrate,
};
