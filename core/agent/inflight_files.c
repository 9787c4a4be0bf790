/* Runs in flight by what the tools write down: lock files, pid files, and who holds the kernel's locks on them. See
 * inflight.h. */
#define _GNU_SOURCE
#include "agent/inflight_internal.h"

#include <tagout/clock.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PID_TEXT_MAX 64
#define SLACK_MS 2000 /* between a process's start, counted from boot, and a file's time of the wall clock */
#define SHUTDOWN_STALE_MS (10 * 60000) /* one that should have been so long ago did not happen */

pid_t tg_inflight_parse_pid(const char *text)
{
    char *end;
    long pid = strtol(text, &end, 10);

    return end != text && pid > 0 && pid <= INT32_MAX && strspn(end, " \t\r\n") == strlen(end) ? (pid_t) pid : 0;
}

/* Any of the words, separated by "|", in its command line. */
static bool mentions(const struct tg_proc *p, const char *words)
{
    char word[32];

    for (const char *at = words; *at; at += *at == '|') {
        size_t len = strcspn(at, "|"), i = 0;
        snprintf(word, sizeof word, "%.*s", (int) len, at);
        for (const char *a = tg_proc_arg(p, i); a; a = tg_proc_arg(p, ++i))
            if (strstr(a, word))
                return true;
        at += len;
    }
    return false;
}

static int64_t changed_ms(const char *root, const char *path)
{
    char full[PATH_MAX];
    struct stat st;

    snprintf(full, sizeof full, "%.2000s%.2000s", root, path);
    return lstat(full, &st) == 0 ? (int64_t) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : -1;
}

/* Whom a file names: alive, that tool, and not younger than the file. NULL: the file is stale, or not there. */
static const struct tg_proc *named_by(struct tg_look_around *l, const char *path, const char *words,
                                      int64_t *out_since_ms)
{
    char *text = tg_proc_slurp(l->procs.root, path, PID_TEXT_MAX, NULL);

    if (!text) {
        tg_inflight_blind(l, path, errno);
        return NULL;
    }
    const struct tg_proc *p = tg_procs_find(&l->procs, tg_inflight_parse_pid(text));
    free(text);
    *out_since_ms = changed_ms(l->procs.root, path);
    return p && mentions(p, words) && p->since_ms <= *out_since_ms + SLACK_MS ? p : NULL;
}

/* --- Puppet: the run lock of the agent, where AIO packages, Debian and old ones have it --- */

void tg_inflight_puppet(struct tg_look_around *l)
{
    static const char *const paths[] = {
        "/opt/puppetlabs/puppet/cache/state/agent_catalog_run.lock",
        "/var/cache/puppet/state/agent_catalog_run.lock",
        "/var/lib/puppet/state/agent_catalog_run.lock",
    };
    int64_t since;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct tg_proc *p = named_by(l, paths[i], "puppet", &since);
        if (p)
            tg_inflight_add(l, "puppet agent", TG_CM, p, since, "puppet agent");
    }
}

/* --- pid files --- */

void tg_inflight_pid_files(struct tg_look_around *l)
{
    static const struct {
        const char *path, *words, *tool, *what;
    } files[] = {
        {"/run/unattended-upgrades.pid", "unattended-upgr", "unattended-upgrade", "unattended-upgrade"},
        {"/run/yum.pid", "yum|dnf", "yum", NULL},
        {"/var/lib/dnf/rpmdb_lock.pid", "dnf|yum|packagekit", "dnf", NULL},
        {"/run/zypp.pid", "zypp|y2|packagekit|YaST", "zypper", NULL},
    };
    int64_t since;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct tg_proc *p = named_by(l, files[i].path, files[i].words, &since);
        if (p)
            tg_inflight_add(l, files[i].tool, TG_PM, p, since, files[i].what);
    }
}

/* --- locks of the kernel --- */

pid_t tg_locks_holder(const char *text, unsigned major, unsigned minor, uint64_t inode)
{
    for (const char *line = text; *line; line += *line == '\n') {
        char kind[16], mode[16], access[16];
        unsigned on_major, on_minor;
        uint64_t on_inode;
        long pid;
        /* "1: POSIX  ADVISORY  WRITE 1234 08:01:393245 0 EOF"; one that waits has "->" behind the colon */
        /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, and each is looked at below */
        int n = sscanf(line, "%*d: %15s %15s %15s %ld %x:%x:%" SCNu64, kind, mode, access, &pid, &on_major, &on_minor,
                       &on_inode);
        if (n == 7 && strcmp(access, "WRITE") == 0 && on_inode == inode &&
            ((!major && !minor) || (on_major == major && on_minor == minor)) && pid > 0 && pid <= INT32_MAX)
            return (pid_t) pid;
        line += strcspn(line, "\n");
    }
    return 0;
}

/* By asking the kernel about the file, which takes the right to open it; or by its list of all locks, which doesn't. */
static const struct tg_proc *holder_of(struct tg_look_around *l, const char *path, const char *words)
{
    char full[PATH_MAX];
    struct stat st;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

    snprintf(full, sizeof full, "%.2000s%.2000s", l->procs.root, path);
    if (stat(full, &st) != 0) {
        tg_inflight_blind(l, path, errno);
        return NULL;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool asked = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0;
    if (fd >= 0)
        close(fd);
    if (asked && lock.l_type == F_WRLCK && lock.l_pid > 0)
        return tg_procs_find(&l->procs, lock.l_pid);
    pid_t pid = l->locks ? tg_locks_holder(l->locks, major(st.st_dev), minor(st.st_dev), st.st_ino) : 0;
    if (pid)
        return tg_procs_find(&l->procs, pid);
    pid = l->locks && !asked ? tg_locks_holder(l->locks, 0, 0, st.st_ino)
                             : 0; /* only the number of the file: so its holder must look the part */
    const struct tg_proc *p = tg_procs_find(&l->procs, pid);
    return p && mentions(p, words) ? p : NULL;
}

void tg_inflight_packages(struct tg_look_around *l)
{
    static const struct {
        const char *path, *words, *tool;
    } files[] = {
        {"/var/lib/dpkg/lock-frontend", "apt|dpkg|unattended-upgr|packagekit|synaptic|python", "apt/dpkg"},
        {"/var/lib/dpkg/lock", "apt|dpkg|unattended-upgr|packagekit|synaptic|python", "apt/dpkg"},
        {"/var/lib/rpm/.rpm.lock", "rpm|dnf|yum|zypp|packagekit|python", "rpm"},
        {"/usr/lib/sysimage/rpm/.rpm.lock", "rpm|dnf|yum|zypp|packagekit|python", "rpm"},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const struct tg_proc *p = holder_of(l, files[i].path, files[i].words);
        if (p)
            tg_inflight_add(l, files[i].tool, TG_PM, p, p->since_ms, NULL);
    }
}

void tg_inflight_chef(struct tg_look_around *l)
{
    static const char *const paths[] = {"/var/chef/cache/chef-client-running.pid",
                                        "/var/cinc/cache/cinc-client-running.pid",
                                        "/var/cinc/cache/chef-client-running.pid"};
    char full[PATH_MAX];
    struct stat st;

    for (size_t i = 0; l->locks && i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(full, sizeof full, "%.2000s%s", l->procs.root, paths[i]);
        if (stat(full, &st) != 0) {
            tg_inflight_blind(l, paths[i], errno);
            continue;
        }
        /* flock() can only be asked by trying, which another run would feel: so by the list */
        const struct tg_proc *p = tg_procs_find(&l->procs, tg_locks_holder(l->locks, 0, 0, st.st_ino));
        if (p && mentions(p, "chef|cinc"))
            tg_inflight_add(l, "chef", TG_CM, p, changed_ms(l->procs.root, paths[i]), "chef-client");
    }
}

/* --- Ansible with pipelining: its module has no file of its own, but unpacks itself into a folder while it runs --- */

static void take_payload(struct tg_look_around *l, const char *name)
{
    const char *module = name + strlen("ansible_"), *end = strstr(name, "_payload_");
    char full[PATH_MAX], what[TG_RUN_WHAT_SIZE];
    struct stat st;

    snprintf(full, sizeof full, "%.2000s/tmp/%s", l->procs.root, name);
    if (lstat(full, &st) != 0 || !S_ISDIR(st.st_mode) || !end || end < module)
        return;
    int64_t made_ms = (int64_t) st.st_mtim.tv_sec * 1000;
    snprintf(what, sizeof what, "ansible %.*s", (int) (end - module > 64 ? 64 : end - module), module);
    for (size_t i = 0; i < l->procs.n; i++) {
        const struct tg_proc *p = &l->procs.v[i];
        if (p->uid == st.st_uid && strncmp(tg_proc_program(p, NULL), "python", 6) == 0 && !tg_proc_arg(p, 1) &&
            p->since_ms <= made_ms + SLACK_MS)
            tg_inflight_add(l, "ansible", TG_CM, p, p->since_ms, what);
    }
}

void tg_inflight_ansible_pipelined(struct tg_look_around *l)
{
    char path[PATH_MAX];
    struct dirent *d;

    snprintf(path, sizeof path, "%.4000s/tmp", l->procs.root);
    DIR *dir = opendir(path);
    if (!dir) {
        tg_inflight_blind(l, "/tmp", errno);
        return;
    }
    while ((d = readdir(dir)) != NULL)
        if (strncmp(d->d_name, "ansible_", 8) == 0 && strstr(d->d_name, "_payload_"))
            take_payload(l, d->d_name);
    closedir(dir);
}

/* --- a reboot that is scheduled: it comes without asking anybody again, so a lock that ignored it would be broken by
 * it --- */

bool tg_shutdown_parse(const char *text, struct tg_shutdown *out)
{
    struct tg_shutdown s = {.at_ms = 0};
    int64_t usec = 0;

    for (const char *line = text; *line; line += *line == '\n') {
        /* NOLINTNEXTLINE(cert-err34-c): systemd's own number, bounded below */
        if (sscanf(line, "USEC=%" SCNd64, &usec) == 1)
            s.at_ms = usec / 1000;
        (void) sscanf(line, "MODE=%15[a-z-]", s.mode);
        line += strcspn(line, "\n");
    }
    if (s.at_ms <= 0 || s.at_ms > INT64_C(253402300799999) || !s.mode[0] || strncmp(s.mode, "dry-", 4) == 0)
        return false;
    *out = s;
    return true;
}

void tg_inflight_scheduled(struct tg_look_around *l)
{
    static const char path[] = "/run/systemd/shutdown/scheduled";
    char *text = tg_proc_slurp(l->procs.root, path, 4096, NULL), when[40], what[TG_RUN_WHAT_SIZE];
    struct tg_shutdown s;

    if (!text)
        tg_inflight_blind(l, path, errno);
    if (text && tg_shutdown_parse(text, &s) && s.at_ms + SHUTDOWN_STALE_MS > l->wall_ms) {
        tg_time_format(s.at_ms - s.at_ms % 1000, when, sizeof when);
        snprintf(what, sizeof what, "%s scheduled for %s (shutdown -c cancels it)", s.mode, when);
        tg_inflight_add(l, "shutdown", TG_REBOOT, NULL, changed_ms(l->procs.root, path), what);
    }
    free(text);
}
