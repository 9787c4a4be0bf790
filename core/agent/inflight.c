/* Runs in flight: what is known of tools by their processes, and putting it together. See inflight.h. */
#include "agent/inflight_internal.h"

#include "base/shown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 256 /* more at once is no host, and each is a permit */
#define DEPTH_MAX 64 /* of parents */

/* --- by process --- */

static bool has_word(const struct tg_proc *p, size_t from, const char *word)
{
    for (const char *a = tg_proc_arg(p, from); a; a = tg_proc_arg(p, ++from))
        if (strcmp(a, word) == 0)
            return true;
    return false;
}

/* The first word behind the program that is no option: "apply" of "ruby /usr/bin/puppet apply site.pp". "" none. */
static const char *verb_of(const struct tg_proc *p)
{
    size_t i;
    const char *word;

    (void) tg_proc_program(p, &i);
    do
        word = tg_proc_arg(p, ++i);
    while (word && word[0] == '-');
    return word ? word : "";
}

static bool is_puppet_applying(const struct tg_proc *p) /* what its daemon calls the child that does a run */
{
    return strncmp(p->args, "puppet agent: applying configuration", 36) == 0;
}

static bool is_puppet_apply(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "puppet") == 0 && strcmp(verb_of(p), "apply") == 0;
}

static bool is_salt_call(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "salt-call") == 0;
}

/* ".../.ansible/tmp/ansible-tmp-1700000000.1-12-34/AnsiballZ_copy.py", as a word or within the one of a shell. */
static bool is_ansible_module(const struct tg_proc *p)
{
    size_t i = 0;

    for (const char *a = tg_proc_arg(p, i); a; a = tg_proc_arg(p, ++i))
        if (strstr(a, "/AnsiballZ_") || strstr(a, "/ansible-tmp-"))
            return true;
    return false;
}

static bool is_ansible_pull(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "ansible-pull") == 0;
}

static bool is_cf_agent(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "cf-agent") == 0;
}

static bool is_chef_run(const struct tg_proc *p)
{
    const char *program = tg_proc_program(p, NULL);
    bool named =
        strcmp(program, "chef-client") == 0 || strcmp(program, "chef-solo") == 0 || strcmp(program, "cinc-client") == 0;

    return named && !has_word(p, 1, "-d") && !has_word(p, 1, "--daemonize") && !has_word(p, 1, "-i") &&
           !has_word(p, 1, "--interval");
}

static bool
is_unattended_upgrade(const struct tg_proc *p) /* not unattended-upgrade-shutdown, which waits for the shutdown */
{
    const char *program = tg_proc_program(p, NULL);

    return strcmp(program, "unattended-upgrade") == 0 || strcmp(program, "unattended-upgrades") == 0;
}

static bool is_shutdown(const struct tg_proc *p)
{
    static const char *const names[] = {"shutdown", "reboot", "poweroff", "halt", "telinit", "systemd-shutdown"};
    static const char *const verbs[] = {"reboot", "poweroff", "halt", "kexec", "soft-reboot"};
    const char *program = tg_proc_program(p, NULL), *verb = verb_of(p);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(program, names[i]) == 0)
            return !has_word(p, 1, "-c") && !has_word(p, 1, "--show");
    for (size_t i = 0; strcmp(program, "systemctl") == 0 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verb, verbs[i]) == 0)
            return true;
    return false;
}

static const struct by_process {
    const char *tool, *actor;
    bool (*is)(const struct tg_proc *p);
    const char *what; /* NULL: its command line */
} by_process[] = {
    {"puppet agent", TG_CM, is_puppet_applying, "puppet agent"},
    {"puppet apply", TG_CM, is_puppet_apply, NULL},
    {"salt-call", TG_CM, is_salt_call, NULL},
    {"ansible", TG_CM, is_ansible_module, NULL},
    {"ansible-pull", TG_CM, is_ansible_pull, NULL},
    {"cf-agent", TG_CM, is_cf_agent, NULL},
    {"chef", TG_CM, is_chef_run, NULL},
    {"unattended-upgrade", TG_PM, is_unattended_upgrade, "unattended-upgrade"},
    {"shutdown", TG_REBOOT, is_shutdown, NULL},
};

/* The actor that an exec of ours names; "" none. */
static void actor_of_exec(const struct tg_proc *p, char *out, size_t size)
{
    for (size_t i = 1; tg_proc_arg(p, i) && strcmp(tg_proc_arg(p, i), "--") != 0; i++) {
        const char *a = tg_proc_arg(p, i), *next = tg_proc_arg(p, i + 1);
        if ((strcmp(a, "--actor") == 0 || strcmp(a, "-a") == 0) && next)
            snprintf(out, size, "%s", next);
        else if (strncmp(a, "--actor=", 8) == 0 || (strncmp(a, "-a", 2) == 0 && a[2]))
            snprintf(out, size, "%s", a + (a[1] == '-' ? 8 : 2));
    }
}

static bool is_exec(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "tagout") == 0 && has_word(p, 1, "exec");
}

static bool has_keeper(const struct tg_look_around *l, const struct tg_proc *exec)
{
    for (size_t i = 0; i < l->procs.n; i++) {
        const char *first = l->procs.v[i].parent == exec->pid ? tg_proc_arg(&l->procs.v[i], 1) : NULL;
        if (first && strcmp(first, "_keep") == 0)
            return true;
    }
    return false;
}

/* Its scopes are services alone: it acts on something else than this host. */
static bool acts_elsewhere(const struct tg_proc *p)
{
    bool service = false;

    for (size_t i = 1; tg_proc_arg(p, i) && strcmp(tg_proc_arg(p, i), "--") != 0; i++) {
        const char *a = tg_proc_arg(p, i);
        if (strcmp(a, "fleet") == 0 || strncmp(a, "host:", 5) == 0 || strncmp(a, "group:", 6) == 0)
            return false;
        service = service || strncmp(a, "service:", 8) == 0;
    }
    return service;
}

/* Commands under a permit of their own. One without a keeper waits for its permit, or has just got it. */
static void look_at_execs(struct tg_look_around *l)
{
    for (size_t i = 0; i < l->procs.n; i++) {
        const struct tg_proc *p = &l->procs.v[i];
        char actor[TG_ACTOR_SIZE] = "";
        size_t before = l->out->n;
        if (!is_exec(p) || acts_elsewhere(p))
            continue;
        actor_of_exec(p, actor, sizeof actor);
        tg_inflight_add(l, "tagout exec", actor, p, p->since_ms, NULL);
        if (l->out->n > before)
            l->out->v[before].unsure = !has_keeper(l, p);
    }
}

static void look_at_processes(struct tg_look_around *l)
{
    for (size_t i = 0; i < l->procs.n; i++)
        for (size_t k = 0; k < sizeof by_process / sizeof by_process[0]; k++) {
            const struct by_process *d = &by_process[k];
            if (d->is(&l->procs.v[i]))
                tg_inflight_add(l, d->tool, d->actor, &l->procs.v[i], l->procs.v[i].since_ms, d->what);
        }
}

/* --- adding --- */

/* Its words for people, on one line; the path of a module of Ansible says its name only. */
static void words_of(const struct tg_proc *p, char *out, size_t size)
{
    char text[512] = "";
    size_t i = 0, len = 0;
    const char *module = NULL, *program = tg_proc_program(p, &i);

    for (size_t k = 0; !module && tg_proc_arg(p, k); k++)
        module = strstr(tg_proc_arg(p, k), "/AnsiballZ_");
    if (module) {
        module += strlen("/AnsiballZ_");
        snprintf(out, size, "ansible %.*s", (int) strcspn(module, ".'\" "), module);
        return;
    }
    len = (size_t) snprintf(text, sizeof text, "%.200s", program);
    for (const char *a = tg_proc_arg(p, ++i); a && len < sizeof text - 1; a = tg_proc_arg(p, ++i))
        len += (size_t) snprintf(text + len, sizeof text - len, " %s", a);
    tg_shown_text(text, out, size);
}

static const struct tg_proc *parent_of(const struct tg_look_around *l, const struct tg_proc *p)
{
    return p->parent > 0 && p->parent != p->pid ? tg_procs_find(&l->procs, p->parent) : NULL;
}

static bool is_tagout(const struct tg_proc *p)
{
    return strcmp(tg_proc_program(p, NULL), "tagout") == 0;
}

/* Who of tagout stands above it, and whether that is an exec which has a permit for this very actor. */
static bool is_guarded(const struct tg_look_around *l, const struct tg_proc *p, const char *actor, bool *out_permitted)
{
    const struct tg_proc *at = parent_of(l, p);
    bool guarded = false;

    *out_permitted = false;
    for (int i = 0; at && i < DEPTH_MAX; i++, at = parent_of(l, at)) {
        const char *first = tg_proc_arg(at, 1);
        bool keeper = first && strcmp(first, "_keep") == 0;
        guarded = guarded || keeper || is_tagout(at);
        char own[TG_ACTOR_SIZE] = "";
        if (is_exec(at))
            actor_of_exec(at, own, sizeof own);
        *out_permitted = *out_permitted || strcmp(own, actor) == 0;
    }
    return guarded;
}

static void take_tokens(const struct tg_look_around *l, const struct tg_proc *p, struct tg_run_in_flight *r)
{
    char *tokens = tg_proc_variable(&l->procs, p, "TAGOUT_TOKEN");

    r->n_passes = tg_tokens_hash(tokens, r->passes);
    free(tokens);
}

void tg_inflight_add(struct tg_look_around *l, const char *tool, const char *actor, const struct tg_proc *p,
                     int64_t since_ms, const char *what)
{
    struct tg_run_in_flight r = {.tool = tool, .since_ms = since_ms};
    bool permitted = false;

    snprintf(r.actor, sizeof r.actor, "%s", actor);

    if (p && !tg_proc_is_ours(&l->procs, p))
        return;
    for (size_t i = 0; p && i < l->out->n; i++) /* by its file and by its process */
        if (l->out->v[i].pid == p->pid && strcmp(l->out->v[i].actor, actor) == 0)
            return;
    if (p) {
        r.pid = p->pid;
        r.start_ticks = p->start_ticks;
        r.since_ms = since_ms < p->since_ms || since_ms > l->wall_ms ? p->since_ms : since_ms;
        r.guarded = is_guarded(l, p, actor, &permitted);
        take_tokens(l, p, &r);
    }
    if (permitted && !(l->flags & TG_INFLIGHT_EVERYTHING))
        return;
    if (what || !p)
        snprintf(r.what, sizeof r.what, "%s", what ? what : tool);
    else
        words_of(p, r.what, sizeof r.what);
    if (l->out->n >= RUNS_MAX)
        return;
    struct tg_run_in_flight *v = realloc(l->out->v, (l->out->n + 1) * sizeof *v);
    if (!v) {
        l->rc = TG_E_MEMORY;
        return;
    }
    l->out->v = v;
    v[l->out->n++] = r;
}

void tg_inflight_blind(struct tg_look_around *l, const char *path, int error)
{
    if (error == ENOENT || error == ENOTDIR || error == ESRCH || l->out->blind[0])
        return;
    snprintf(l->out->blind, sizeof l->out->blind, "%.100s can't be read: %s", path, strerror(error));
}

/* --- putting it together --- */

static bool descends(const struct tg_look_around *l, const struct tg_run_in_flight *r,
                     const struct tg_run_in_flight *from)
{
    const struct tg_proc *at = r->pid ? tg_procs_find(&l->procs, r->pid) : NULL;

    for (int i = 0; at && i < DEPTH_MAX; i++) {
        at = parent_of(l, at);
        if (at && at->pid == from->pid)
            return true;
    }
    return false;
}

/* The dpkg of an apt-get, the python of a shell: one run is told once, by whom it began. */
static void drop_children(struct tg_look_around *l)
{
    struct tg_runs_in_flight *runs = l->out;
    bool child[RUNS_MAX] = {false};
    size_t n = 0;

    for (size_t i = 0; i < runs->n; i++)
        for (size_t k = 0; !child[i] && k < runs->n; k++)
            child[i] = k != i && runs->v[k].pid > 0 && strcmp(runs->v[k].actor, runs->v[i].actor) == 0 &&
                       descends(l, &runs->v[i], &runs->v[k]);
    for (size_t i = 0; i < runs->n; i++)
        if (!child[i])
            runs->v[n++] = runs->v[i];
    runs->n = n;
}

int tg_inflight_look(const char *root, int64_t wall_ms, unsigned flags, struct tg_runs_in_flight *out,
                     struct tg_error *e)
{
    struct tg_runs_in_flight runs = {.n = 0};
    struct tg_look_around l = {.wall_ms = wall_ms, .flags = flags, .out = &runs};
    int rc = tg_procs_read(root, &l.procs, e);

    if (rc)
        return rc;
    l.locks = tg_proc_slurp(root, "/proc/locks", 1 << 20, NULL);
    if (!l.locks)
        tg_inflight_blind(&l, "/proc/locks", errno);
    tg_inflight_puppet(&l);
    tg_inflight_salt(&l);
    tg_inflight_packages(&l);
    tg_inflight_pid_files(&l);
    tg_inflight_chef(&l);
    tg_inflight_ansible_pipelined(&l);
    tg_inflight_scheduled(&l);
    look_at_processes(&l);
    if (flags & TG_INFLIGHT_EVERYTHING)
        look_at_execs(&l);
    drop_children(&l);
    free(l.locks);
    tg_procs_release(&l.procs);
    if (l.rc) {
        tg_runs_in_flight_release(&runs);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = runs;
    return 0;
}

void tg_runs_in_flight_release(struct tg_runs_in_flight *runs)
{
    free(runs->v);
    *runs = (struct tg_runs_in_flight){.n = 0};
}

bool tg_run_is_same(const struct tg_run_in_flight *a, const struct tg_run_in_flight *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks && strcmp(a->actor, b->actor) == 0 &&
           (a->pid || a->since_ms == b->since_ms);
}

bool tg_run_is_held_by(const struct tg_run_in_flight *run, const struct tg_lock *lock)
{
    if (!tg_lock_holds_actor(lock, run->actor))
        return false;
    for (size_t i = 0; i < run->n_passes; i++)
        if (lock->token_hash[0] && strcmp(run->passes[i], lock->token_hash) == 0)
            return false;
    return true;
}
