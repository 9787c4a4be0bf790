/* Projections, brought onto the disk: see project.h. */
#define _GNU_SOURCE
#include "agent/project.h"

#include "base/whole.h"

#include <tagout/log.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (256 * 1024)

/* Where AIO packages, Debian and old ones have their state, and their external facts. Only a folder that is there is
 * written to. */
static const char *const puppet_dirs[] = {"/opt/puppetlabs/puppet/cache/state", "/var/cache/puppet/state",
                                          "/var/lib/puppet/state"};
static const char *const fact_dirs[] = {"/etc/facter/facts.d", "/etc/puppetlabs/facter/facts.d"};
#define N_PUPPET (sizeof puppet_dirs / sizeof puppet_dirs[0])
#define N_FACTS (sizeof fact_dirs / sizeof fact_dirs[0])

/* A place that is written to, and its trouble as it was said last. */
enum place { PUPPET, FACTS = PUPPET + N_PUPPET, HELD = FACTS + N_FACTS, HELD_D, STATE, MOTD, PLACES };

struct tg_project {
    char root[256], run_dir[256];
    bool off[TG_PROJECT_SWITCHES];
    char trouble[PLACES][200]; /* "": none */
    enum tg_project_whose whose[N_PUPPET];
    bool has[N_PUPPET]; /* there is a Puppet of that kind */
    int64_t stamped_ms; /* when what has a valid_until was written last; 0 never */
    char *stamped;      /* what it was about */
};

int tg_project_new(const char *root, const char *run_dir, const bool off[TG_PROJECT_SWITCHES], struct tg_project **out,
                   struct tg_error *e)
{
    struct tg_project *p = calloc(1, sizeof *p);

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(p->root, sizeof p->root, "%s", root);
    snprintf(p->run_dir, sizeof p->run_dir, "%s", run_dir);
    memcpy(p->off, off, sizeof p->off);
    *out = p;
    return 0;
}

void tg_project_free(struct tg_project *p)
{
    if (!p)
        return;
    free(p->stamped);
    free(p);
}

/* Said when it begins, when it changes and when it ends: not at each try. */
static void note(struct tg_project *p, int place, int rc, const struct tg_error *e)
{
    const char *now = rc ? e->message : "";

    if (strncmp(p->trouble[place], now, sizeof p->trouble[place] - 1) == 0)
        return;
    if (rc)
        tg_log(TG_LOG_WARN, "project", "%s; it is tried again", e->message);
    else
        tg_log(TG_LOG_INFO, "project", "mended: %s", p->trouble[place]);
    snprintf(p->trouble[place], sizeof p->trouble[place], "%.199s", now);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- one file of our own kind --- */

/* Ours, or not there: 0; somebody else's: TG_E_EXISTS. */
static int may_touch(const char *file, bool json, bool *out_there, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char *text = NULL;
    size_t len = 0;
    int rc = tg_whole_read(file, FILE_MAX, &text, &len, &why);

    *out_there = rc != TG_E_NOENT;
    if (rc == TG_E_NOENT)
        return 0;
    if (rc == TG_E_PERM || rc == TG_E_SYSTEM || rc == TG_E_FULL)
        return tg_fail_errno(e, rc, why.sys_errno, "%s can't be read", file);
    bool ours = !rc && (json ? tg_project_json_is_ours(text, len)
                             : !len || strstr(text, TG_PROJECT_BY) || strncmp(text, "TAGOUT-", 7) == 0);
    free(text);
    return ours ? 0 : tg_fail(e, TG_E_EXISTS, "%s is not ours, so it is left as it is", file);
}

static int put(const char *file, bool json, const char *text, bool durable, struct tg_error *e)
{
    bool there;
    int rc = may_touch(file, json, &there, e);

    if (rc || (!text && !there))
        return rc;
    if (!text)
        return unlink(file) == 0 || errno == ENOENT ? 0
                                                    : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s can't be removed", file);
    return tg_whole_write(file, text, strlen(text), 0644, durable ? TG_WHOLE_DURABLE : 0, e);
}

/* --- Puppet --- */

static void put_puppet(struct tg_project *p, const struct tg_project_what *what)
{
    bool wanted = false;
    char *text = p->off[TG_PROJECT_PUPPET] ? NULL : tg_project_puppet_text(what, &wanted);

    for (size_t i = 0; i < N_PUPPET && (!wanted || text); i++) {
        char file[PATH_MAX];
        struct tg_error e = TG_ERROR_INIT;
        enum tg_project_whose was = p->whose[i];
        snprintf(file, sizeof file, "%s%s", p->root, puppet_dirs[i]);
        p->has[i] = is_folder(file);
        if (!p->has[i])
            continue;
        snprintf(file, sizeof file, "%s%s/agent_disabled.lock", p->root, puppet_dirs[i]);
        note(p, PUPPET + (int) i, tg_project_puppet_put(file, text, &p->whose[i], &e), &e);
        if (wanted && was == TG_PROJECT_NOBODYS && p->whose[i] == TG_PROJECT_A_PERSONS)
            tg_log(TG_LOG_INFO, "project", "%s is a person's own: it is left as it is", file);
    }
    free(text);
}

/* --- /run/tagout --- */

static void put_held(struct tg_project *p, const struct tg_project_what *what)
{
    char file[PATH_MAX];
    struct tg_error e = TG_ERROR_INIT;
    char *text = what->n_locks && !p->off[TG_PROJECT_RUN] ? tg_project_held_text(what) : NULL;

    snprintf(file, sizeof file, "%s%s/held", p->root, p->run_dir);
    note(p, HELD, put(file, false, text, false, &e), &e);
    free(text);
}

/* "L7K2QX.json", for the n-th of one name (local holds all have the same) "LOCAL-2.json". */
static void name_of(const struct tg_project_what *what, size_t lock, char *out, size_t size)
{
    size_t n = 1;

    for (size_t i = 0; i < lock; i++)
        n += strcmp(what->locks[i]->id, what->locks[lock]->id) == 0;
    if (n == 1)
        snprintf(out, size, "%s.json", what->locks[lock]->id);
    else
        snprintf(out, size, "%s-%zu.json", what->locks[lock]->id, n);
}

static size_t records_of(const struct tg_project *p, const struct tg_project_what *what)
{
    return p->off[TG_PROJECT_RUN] ? 0 : what->n_locks < TG_PROJECT_LOCKS_MAX ? what->n_locks : TG_PROJECT_LOCKS_MAX;
}

static bool is_wanted(const struct tg_project *p, const struct tg_project_what *what, const char *name)
{
    char wanted[64];

    for (size_t i = 0; i < records_of(p, what); i++) {
        name_of(what, i, wanted, sizeof wanted);
        if (strcmp(name, wanted) == 0)
            return true;
    }
    return false;
}

/* The folder is ours: what is not wanted goes, also what a killed agent left half written. */
static int sweep(const struct tg_project *p, const char *folder, const struct tg_project_what *what, struct tg_error *e)
{
    DIR *dir = opendir(folder);
    struct dirent *d;
    int rc = 0;

    if (!dir)
        return errno == ENOENT ? 0 : tg_fail_errno(e, TG_E_SYSTEM, errno, "%s can't be read", folder);
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.' || is_wanted(p, what, d->d_name))
            continue;
        if (unlinkat(dirfd(dir), d->d_name, 0) != 0 && errno != ENOENT)
            rc = tg_fail_errno(e, TG_E_SYSTEM, errno, "%s/%.100s can't be removed", folder, d->d_name);
    }
    closedir(dir);
    return rc;
}

static void put_records(struct tg_project *p, const struct tg_project_what *what)
{
    char folder[PATH_MAX / 2], file[PATH_MAX], name[64];
    struct tg_error e = TG_ERROR_INIT;
    int rc = 0;

    snprintf(folder, sizeof folder, "%s%s/held.d", p->root, p->run_dir);
    if (records_of(p, what) && mkdir(folder, 0755) != 0 && errno != EEXIST)
        rc = tg_fail_errno(&e, TG_E_SYSTEM, errno, "%s can't be made", folder);
    for (size_t i = 0; !rc && i < records_of(p, what); i++) {
        char *text = tg_project_record_text(what, i);
        name_of(what, i, name, sizeof name);
        snprintf(file, sizeof file, "%s/%s", folder, name);
        rc = text ? tg_whole_write(file, text, strlen(text), 0644, 0, &e) : 0;
        free(text);
    }
    if (!rc)
        rc = sweep(p, folder, what, &e);
    note(p, HELD_D, rc, &e);
}

static void put_state(struct tg_project *p, const struct tg_project_what *what)
{
    char file[PATH_MAX];
    struct tg_error e = TG_ERROR_INIT;
    char *text = p->off[TG_PROJECT_RUN] ? NULL : tg_project_state_text(what);

    snprintf(file, sizeof file, "%s%s/state.json", p->root, p->run_dir);
    note(p, STATE, put(file, true, text, false, &e), &e);
    free(text);
}

/* --- facts and the message of the day --- */

static void put_facts(struct tg_project *p, const struct tg_project_what *what)
{
    char *text = what->n_locks && !p->off[TG_PROJECT_FACTS] ? tg_project_facts_text(what) : NULL;

    for (size_t i = 0; i < N_FACTS; i++) {
        char file[PATH_MAX];
        struct tg_error e = TG_ERROR_INIT;
        snprintf(file, sizeof file, "%s%s", p->root, fact_dirs[i]);
        if (!is_folder(file))
            continue;
        snprintf(file, sizeof file, "%s%s/tagout.json", p->root, fact_dirs[i]);
        note(p, FACTS + (int) i, put(file, true, text, true, &e), &e);
    }
    free(text);
}

static void put_motd(struct tg_project *p, const struct tg_project_what *what)
{
    char file[PATH_MAX];
    struct tg_error e = TG_ERROR_INIT;
    char *text = what->n_locks && !p->off[TG_PROJECT_MOTD] ? tg_project_motd_text(what) : NULL;

    snprintf(file, sizeof file, "%s/run/motd.d", p->root);
    if (text)
        (void) mkdir(file, 0755); /* pam_motd looks there, and nobody else makes it */
    snprintf(file, sizeof file, "%s/run/motd.d/50-tagout.new",
             p->root); /* pam_motd would show what a killed agent left */
    (void) unlink(file);
    snprintf(file, sizeof file, "%s/run/motd.d/50-tagout", p->root);
    note(p, MOTD, put(file, false, text, false, &e), &e);
    free(text);
}

/* --- all of it --- */

/* What the stamped texts are about: when this has not changed they are written by time alone. NULL: memory, so write.
 */
static char *subject(const struct tg_project_what *what)
{
    struct tg_project_what timeless = *what;
    char *held = tg_project_held_text(what), *all = NULL;

    timeless.wall_ms = 0;
    char *state = tg_project_state_text(&timeless);
    if (held && state && asprintf(&all, "%s%s", held, state) < 0)
        all = NULL;
    free(held);
    free(state);
    return all;
}

void tg_project_reconcile(struct tg_project *p, const struct tg_project_what *what)
{
    char *now = subject(what);
    bool same = now && p->stamped && strcmp(now, p->stamped) == 0;
    bool trouble = false;

    for (size_t i = 0; i < PLACES; i++)
        trouble = trouble || p->trouble[i][0];
    put_puppet(p, what); /* first: it holds runs off */
    if (same && !trouble && what->wall_ms >= p->stamped_ms && what->wall_ms - p->stamped_ms < TG_PROJECT_REFRESH_MS) {
        free(now);
        return;
    }
    put_held(p, what);
    put_records(p, what);
    put_state(p, what);
    put_facts(p, what);
    put_motd(p, what);
    free(p->stamped);
    p->stamped = now;
    p->stamped_ms = what->wall_ms;
}

void tg_project_end(struct tg_project *p)
{
    char file[PATH_MAX];

    snprintf(file, sizeof file, "%s%s/state.json", p->root, p->run_dir);
    (void) put(file, true, NULL, false, NULL);
}

static const char *whose_puppet(const struct tg_project *p)
{
    static const char *const words[] = {
        [TG_PROJECT_NOBODYS] = "none", [TG_PROJECT_OURS] = "ours", [TG_PROJECT_A_PERSONS] = "a person's"};
    const char *word = "there is no Puppet";

    if (p->off[TG_PROJECT_PUPPET])
        return "off";
    for (size_t i = 0; i < N_PUPPET; i++)
        if (p->has[i])
            word = words[p->whose[i]];
    return word;
}

json_t *tg_project_status(const struct tg_project *p)
{
    json_t *trouble = json_array(), *o = json_pack("{s:s,s:o}", "puppet", whose_puppet(p), "trouble", trouble);

    for (size_t i = TG_PROJECT_FACTS; i < TG_PROJECT_SWITCHES; i++)
        json_object_set_new(o, tg_project_switch_name((enum tg_project_switch) i),
                            json_string(p->off[i] ? "off" : "on"));
    for (size_t i = 0; i < PLACES; i++)
        if (p->trouble[i][0])
            json_array_append_new(trouble, json_string(p->trouble[i]));
    return o;
}
