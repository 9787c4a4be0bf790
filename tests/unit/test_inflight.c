/* What acts on a host is told from what /proc and the tools' own files say, and a file that was left behind is no run.
 */
#define _GNU_SOURCE
#include "agent/inflight_internal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BOOT 1795000000 /* seconds; processes start at BOOT + ticks / 100 */
#define NOW ((int64_t) BOOT * 1000 + 100000000)

static char root[64];
static struct tg_runs_in_flight runs;

static void put(const char *path, const void *bytes, size_t len)
{
    char full[512];

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            cr_assert(mkdir(full, 0755) == 0 || errno == EEXIST, "%s", full);
            *p = '/';
        }
    FILE *f = fopen(full, "w");
    cr_assert(f, "%s", full);
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void put_text(const char *path, const char *text)
{
    put(path, text, strlen(text));
}

/* When a file was written: seconds after the boot. */
static void at(const char *path, long seconds)
{
    char full[512];
    struct timespec times[2] = {{.tv_sec = BOOT + seconds}, {.tv_sec = BOOT + seconds}};

    snprintf(full, sizeof full, "%s%s", root, path);
    cr_assert_eq(utimensat(AT_FDCWD, full, times, 0), 0);
}

/* words: separated by "|" */
static void process(int pid, int parent, long started_s, const char *comm, const char *words, const char *environ)
{
    char path[64], text[512];
    size_t len = strlen(words) + 1;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    snprintf(text, sizeof text,
             "%d (%s) S %d 1 1 0 -1 4194560 1 1 0 0 0 0 0 0 20 0 1 0 %ld 21991424 2000 18446744073709551615 1 1\n", pid,
             comm, parent, started_s * sysconf(_SC_CLK_TCK));
    put_text(path, text);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    snprintf(text, sizeof text, "%s", words);
    for (char *p = text; *p; p++)
        *p = *p == '|' ? '\0' : *p;
    put(path, text, len);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    snprintf(text, sizeof text, "Name:\t%s\nUmask:\t0022\nPid:\t%d\nNSpid:\t%d\nThreads:\t1\n", comm, pid, pid);
    put_text(path, text);
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    put(path, environ, strlen(environ) + 1);
}

static void setup(void)
{
    char text[64];

    snprintf(root, sizeof root, "/tmp/tagout-inflight.XXXXXX");
    cr_assert(mkdtemp(root));
    snprintf(text, sizeof text, "cpu  1 2 3\nbtime %d\nprocesses 7\n", BOOT);
    put_text("/proc/stat", text);
    put_text("/proc/locks", "");
    put_text("/tmp/x", "");
    process(1, 0, 1, "systemd", "/sbin/init", "");
}

static void teardown(void)
{
    char command[128];

    tg_runs_in_flight_release(&runs);
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

static size_t look(void)
{
    struct tg_error e = TG_ERROR_INIT;

    tg_runs_in_flight_release(&runs);
    cr_assert_eq(tg_inflight_look(root, NOW, 0, &runs, &e), 0, "%s", e.message);
    return runs.n;
}

/* Exactly one, and it is this. */
static void sees(int pid, const char *actor, const char *what)
{
    size_t n = look();

    cr_assert_eq(n, 1, "%zu runs%s%s", n, n ? ", the first: " : "", n ? runs.v[0].what : "");
    cr_assert_eq(runs.v[0].pid, pid);
    cr_assert_str_eq(runs.v[0].actor, actor);
    cr_assert_str_eq(runs.v[0].what, what);
}

#define ITEST(name) Test(inflight, name, .init = setup, .fini = teardown)

/* --- a table of what is a run by its process, and what is none --- */

static const struct {
    const char *comm, *words, *actor, *what; /* actor NULL: it is none */
} programs[] = {
    {"puppet", "/usr/bin/ruby|/usr/bin/puppet|apply|-e|notice(1)", TG_CM, "puppet apply -e notice(1)"},
    {"puppet", "/usr/bin/ruby|/usr/bin/puppet|--verbose|apply|site.pp", TG_CM, "puppet --verbose apply site.pp"},
    {"puppet", "/opt/puppetlabs/puppet/bin/ruby|/opt/puppetlabs/puppet/bin/puppet|apply|x.pp", TG_CM,
     "puppet apply x.pp"},
    {"puppet", "puppet agent: applying configuration", TG_CM, "puppet agent"},
    {"puppet", "/usr/bin/ruby|/usr/bin/puppet|agent|--no-daemonize", NULL, NULL},
    {"puppet", "/usr/bin/ruby|/usr/bin/puppet|facts", NULL, NULL},
    {"vim", "vim|/etc/puppet/apply", NULL, NULL},
    {"salt-call", "/usr/bin/python3|/usr/bin/salt-call|state.apply", TG_CM, "salt-call state.apply"},
    {"salt-minion", "/usr/bin/python3|/usr/bin/salt-minion", NULL, NULL},
    {"python3", "/usr/bin/python3|/root/.ansible/tmp/ansible-tmp-1700000000.1-12-34/AnsiballZ_copy.py", TG_CM,
     "ansible copy"},
    {"sh",
     "/bin/sh|-c|( umask 77 && mkdir -p \"` echo /root/.ansible/tmp `\"&& mkdir "
     "\"/root/.ansible/tmp/ansible-tmp-17.1-1-3\" )",
     TG_CM,
     "sh -c ( umask 77 && mkdir -p \"` echo /root/.ansible/tmp `\"&& mkdir \"/root/.ansible/tmp/ansible-tmp-17.1-1-3\" "
     ")"},
    {"ansible-pull", "/usr/bin/python3|/usr/bin/ansible-pull|-U|git@x", TG_CM, "ansible-pull -U git@x"},
    {"cf-agent", "/var/cfengine/bin/cf-agent|-K", TG_CM, "cf-agent -K"},
    {"cf-execd", "/var/cfengine/bin/cf-execd", NULL, NULL},
    {"chef-client", "/opt/chef/embedded/bin/ruby|/usr/bin/chef-client|--once", TG_CM, "chef-client --once"},
    {"chef-client", "/opt/chef/embedded/bin/ruby|/usr/bin/chef-client|-d|-i|1800", NULL, NULL},
    {"unattended-upgr", "/usr/bin/python3|/usr/bin/unattended-upgrade", TG_PM, "unattended-upgrade"},
    {"unattended-upgr", "/usr/bin/python3|/usr/share/unattended-upgrades/unattended-upgrade-shutdown|--wait-for-signal",
     NULL, NULL},
    {"dpkg", "dpkg|-l", NULL, NULL},
    {"apt-get", "apt-get|download|x", NULL, NULL},
    {"shutdown", "shutdown|-r|+5", TG_REBOOT, "shutdown -r +5"},
    {"shutdown", "shutdown|-c", NULL, NULL},
    {"systemctl", "systemctl|--no-block|reboot", TG_REBOOT, "systemctl --no-block reboot"},
    {"systemctl", "systemctl|status|reboot.target", NULL, NULL},
    {"bash", "-bash", NULL, NULL},
    {"python3", "/usr/bin/python3", NULL, NULL},
    {"we)ird (x)", "/opt/we)ird (x)|apply", NULL, NULL},
};

ITEST(of_processes_those_that_change_the_host_are_runs)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        process(500, 1, 70000, programs[i].comm, programs[i].words, "");
        if (programs[i].actor)
            sees(500, programs[i].actor, programs[i].what);
        else
            cr_assert_eq(look(), 0, "%s is no run", programs[i].words);
        if (programs[i].actor)
            cr_assert_eq(runs.v[0].since_ms, (BOOT + 70000) * INT64_C(1000));
    }
}

ITEST(nothing_runs)
{
    cr_assert_eq(look(), 0);
    cr_assert_str_eq(runs.blind, "");
}

ITEST(a_host_whose_processes_cant_be_read_is_unknown) /* P2 */
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_runs_in_flight none;
    char missing[96];

    snprintf(missing, sizeof missing, "%s/nowhere", root);
    cr_assert_eq(tg_inflight_look(missing, NOW, 0, &none, &e), TG_E_UNKNOWN);
    cr_assert(strstr(e.message, "not known what runs"));
}

/* --- Puppet's run lock --- */

static const char *const puppet_locks[] = {
    "/opt/puppetlabs/puppet/cache/state/agent_catalog_run.lock",
    "/var/cache/puppet/state/agent_catalog_run.lock",
    "/var/lib/puppet/state/agent_catalog_run.lock",
};

ITEST(puppets_run_lock_is_a_run_where_any_package_has_it)
{
    process(600, 1, 70000, "puppet", "/usr/bin/ruby|/usr/bin/puppet|agent|-t", "");
    for (size_t i = 0; i < 3; i++) {
        put_text(puppet_locks[i], "600");
        at(puppet_locks[i], 70010);
        sees(600, TG_CM, "puppet agent");
        cr_assert_eq(runs.v[0].since_ms, (BOOT + 70010) * INT64_C(1000), "it began when it took its lock");
        char full[256];
        snprintf(full, sizeof full, "%s%s", root, puppet_locks[i]);
        cr_assert_eq(unlink(full), 0);
    }
    cr_assert_eq(look(), 0, "an agent that has not taken its lock is no run");
}

ITEST(a_stale_run_lock_is_no_run)
{
    const char *lock = puppet_locks[1];

    put_text(lock, "600");
    at(lock, 70010);
    cr_assert_eq(look(), 0, "nobody has that id");
    process(600, 1, 70000, "vim", "vim|notes", "");
    cr_assert_eq(look(), 0, "another program has it");
    process(600, 1, 80000, "puppet", "/usr/bin/ruby|/usr/bin/puppet|agent", "");
    cr_assert_eq(look(), 0, "a younger process has it, puppet as it is");
    put_text(lock, "");
    cr_assert_eq(look(), 0);
    put_text(lock, "600garbage");
    cr_assert_eq(look(), 0);
    put_text(lock, "99999999999999999999");
    cr_assert_eq(look(), 0);
}

ITEST(a_run_lock_that_is_a_link_or_a_pipe_is_not_followed)
{
    char full[256];

    process(600, 1, 70000, "puppet", "/usr/bin/ruby|/usr/bin/puppet|agent|-t", "");
    put_text("/var/cache/puppet/state/real", "600");
    snprintf(full, sizeof full, "%s%s", root, puppet_locks[1]);
    cr_assert_eq(symlink("real", full), 0);
    cr_assert_eq(look(), 0);
    cr_assert(strstr(runs.blind, "agent_catalog_run.lock"), "and that is said: %s", runs.blind);
    cr_assert_eq(unlink(full), 0);
    cr_assert_eq(mkfifo(full, 0600), 0);
    cr_assert_eq(look(), 0);
}

/* --- Salt --- */

/* {"pid": 700, "tgt": "*", "jid": "20261122050000123456", "fun": "state.apply", "arg": ["web"], "ret": "", "t": 1.5,
 * "n": nil} */
static const unsigned char job[] = "\x88\xa3pid\xcd\x02\xbc\xa3tgt\xa1*\xa3jid\xb4"
                                   "20261122050000123456\xa3"
                                   "fun\xabstate.apply\xa3"
                                   "arg\x91\xa3web\xa3ret\xa0"
                                   "\xa1t\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1n\xc0";

ITEST(a_job_of_salts_minion_is_a_run)
{
    put("/var/cache/salt/minion/proc/20261122050000123456", job, sizeof job - 1);
    cr_assert_eq(look(), 0, "its process is gone");
    process(700, 1, 70000, "salt-minion", "/usr/bin/python3|/usr/bin/salt-minion", "");
    sees(700, TG_CM, "salt state.apply, jid 20261122050000123456");
    process(700, 1, 70000, "vim", "vim|x", "");
    cr_assert_eq(look(), 0, "another program has its id");
}

ITEST(a_salt_call_is_told_once)
{
    put("/var/cache/salt/minion/proc/20261122050000123456", job, sizeof job - 1);
    process(700, 1, 70000, "salt-call", "/usr/bin/python3|/usr/bin/salt-call|state.apply|web", "");
    sees(700, TG_CM, "salt state.apply, jid 20261122050000123456");
}

ITEST(a_job_that_only_asks_is_no_run)
{
    unsigned char ping[sizeof job];

    memcpy(ping, job, sizeof job);
    memcpy(memmem(ping, sizeof ping, "state.apply", 11), "test.ping12", 11);
    put("/var/cache/salt/minion/proc/1", ping, sizeof ping - 1);
    process(700, 1, 70000, "salt-minion", "/usr/bin/python3|/usr/bin/salt-minion", "");
    cr_assert_eq(look(), 0);
}

Test(salt_job, is_read_in_whatever_form)
{
    static const unsigned char as_map16[] = "\xde\x00\x02\xc4\x03"
                                            "fun\xd9\x03xyz\xd9\x03pid\xce\x00\x01\x00\x00";
    static const unsigned char deep[] =
        "\x82\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0\xa3pid\x01";
    struct tg_salt_job j;

    cr_assert(tg_salt_job_parse(job, sizeof job - 1, &j));
    cr_assert_eq(j.pid, 700);
    cr_assert_str_eq(j.fun, "state.apply");
    cr_assert_str_eq(j.jid, "20261122050000123456");
    cr_assert(tg_salt_job_parse(as_map16, sizeof as_map16 - 1, &j));
    cr_assert_eq(j.pid, 65536);
    cr_assert_str_eq(j.fun, "xyz");
    cr_assert_not(tg_salt_job_parse(deep, sizeof deep - 1, &j), "nested too deep to be what Salt writes");
    for (size_t n = 0; n < sizeof job; n++) /* cut anywhere: never read past, and a pid that is whole is found */
        cr_assert_eq(tg_salt_job_parse(job, n, &j), n >= 8, "cut at %zu", n);
    cr_assert_not(tg_salt_job_parse((const unsigned char *) "\xdf\xff\xff\xff\xff\xa3pid", 9, &j));
    cr_assert_not(tg_salt_job_parse((const unsigned char *) "\x81\xa3pid\xff", 6, &j), "a negative id");
}

/* --- package managers --- */

/* A real lock of a real process, whose id the fake /proc names. */
static pid_t hold(const char *path)
{
    char full[256], ready = 0;
    int pipe_fds[2];

    put_text(path, "");
    snprintf(full, sizeof full, "%s%s", root, path);
    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(full, O_RDWR);
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(pipe_fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(pipe_fds[0], &ready, 1), 1);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return pid;
}

static void let_go(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

ITEST(the_holder_of_dpkgs_lock_is_a_run)
{
    pid_t pid = hold("/var/lib/dpkg/lock-frontend");

    process(pid, 1, 70000, "apt-get", "apt-get|-y|upgrade", "");
    sees(pid, TG_PM, "apt-get -y upgrade");
    let_go(pid);
    cr_assert_eq(look(), 0, "the file alone is no run");
}

ITEST(the_holder_of_a_lock_that_may_not_be_opened_is_found_in_the_kernels_list)
{
    struct stat st;
    char full[256], text[400];

    put_text("/var/lib/dpkg/lock", "");
    process(801, 1, 70000, "dpkg", "/usr/bin/dpkg|-i|x.deb", "");
    snprintf(full, sizeof full, "%s/var/lib/dpkg/lock", root);
    cr_assert_eq(stat(full, &st), 0);
    snprintf(text, sizeof text,
             "1: FLOCK  ADVISORY  WRITE 801 00:00:1 0 EOF\n2: POSIX  ADVISORY  READ 801 %02x:%02x:%lu 0 EOF\n2: -> "
             "POSIX  ADVISORY  WRITE 801 %02x:%02x:%lu 0 EOF\n",
             major(st.st_dev), minor(st.st_dev), st.st_ino, major(st.st_dev), minor(st.st_dev), st.st_ino);
    put_text("/proc/locks", text);
    cr_assert_eq(look(), 0, "a reader, and one that waits, act on nothing");
    snprintf(text, sizeof text, "1: POSIX  ADVISORY  WRITE 801 %02x:%02x:%lu 0 EOF\n", major(st.st_dev),
             minor(st.st_dev), st.st_ino);
    put_text("/proc/locks", text);
    sees(801, TG_PM, "dpkg -i x.deb");
}

Test(locks, of_the_kernel_are_read_by_line)
{
    static const char text[] =
        "1: POSIX  ADVISORY  WRITE 12 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 13 00:2f:78 0 EOF\n"
        "3: POSIX  ADVISORY  READ  14 08:01:79 0 EOF\n4: POSIX  ADVISORY  WRITE 0 08:01:80 0 EOF\n";

    cr_assert_eq(tg_locks_holder(text, 8, 1, 77), 12);
    cr_assert_eq(tg_locks_holder(text, 8, 2, 77), 0);
    cr_assert_eq(tg_locks_holder(text, 0, 0, 77), 12);
    cr_assert_eq(tg_locks_holder(text, 0, 0x2f, 78), 13);
    cr_assert_eq(tg_locks_holder(text, 0, 0, 79), 0, "a reader");
    cr_assert_eq(tg_locks_holder(text, 0, 0, 80), 0, "of a process that we can't see");
    cr_assert_eq(tg_locks_holder("garbage\n\n:::\n", 0, 0, 1), 0);
}

ITEST(what_a_package_manager_starts_is_told_once_by_whom_it_began)
{
    pid_t pid = hold("/var/lib/dpkg/lock-frontend");

    process(pid, 900, 70000, "apt-get", "apt-get|install|x", "");
    process(900, 1, 69000, "unattended-upgr", "/usr/bin/python3|/usr/bin/unattended-upgrade", "");
    put_text("/run/unattended-upgrades.pid", "900\n");
    at("/run/unattended-upgrades.pid", 69001);
    sees(900, TG_PM, "unattended-upgrade");
    let_go(pid);
}

ITEST(a_package_run_of_a_config_run_is_both)
{
    pid_t pid = hold("/var/lib/dpkg/lock-frontend");

    process(pid, 901, 70000, "apt-get", "apt-get|install|x", "");
    process(901, 1, 69000, "puppet", "/usr/bin/ruby|/usr/bin/puppet|apply|x.pp", "");
    cr_assert_eq(look(), 2, "a lock that holds only one of the two waits for that");
    let_go(pid);
}

ITEST(zypper_is_a_run_by_its_pid_file)
{
    put_text("/run/zypp.pid", "910");
    at("/run/zypp.pid", 70001);
    process(910, 1, 70000, "zypper", "zypper|--non-interactive|up", "");
    sees(910, TG_PM, "zypper --non-interactive up");
}

/* --- Chef, Ansible with pipelining, a reboot to come --- */

ITEST(chefs_run_lock_is_a_run_of_the_daemon)
{
    struct stat st;
    char full[256], text[200];

    put_text("/var/chef/cache/chef-client-running.pid", "920");
    at("/var/chef/cache/chef-client-running.pid", 70005);
    process(920, 1, 70000, "chef-client", "/opt/chef/embedded/bin/ruby|/usr/bin/chef-client|-d|-i|1800", "");
    cr_assert_eq(look(), 0, "the file alone is no run");
    snprintf(full, sizeof full, "%s/var/chef/cache/chef-client-running.pid", root);
    cr_assert_eq(stat(full, &st), 0);
    snprintf(text, sizeof text, "1: FLOCK  ADVISORY  WRITE 920 00:11:%lu 0 EOF\n", st.st_ino);
    put_text("/proc/locks", text);
    sees(920, TG_CM, "chef-client");
    cr_assert_eq(runs.v[0].since_ms, (BOOT + 70005) * INT64_C(1000));
}

ITEST(a_pipelined_module_of_ansible_is_a_run_while_its_python_lives)
{
    char full[256];

    put_text("/tmp/ansible_ansible.legacy.command_payload_x1/ansible_ansible.legacy.command_payload.zip", "");
    at("/tmp/ansible_ansible.legacy.command_payload_x1", 70001);
    cr_assert_eq(look(), 0, "the folder alone was left behind");
    process(930, 1, 70000, "python3", "/usr/bin/python3", "");
    snprintf(full, sizeof full, "%s/tmp/ansible_ansible.legacy.command_payload_x1", root);
    sees(930, TG_CM, "ansible ansible.legacy.command");
    process(930, 1, 80000, "python3", "/usr/bin/python3", "");
    cr_assert_eq(look(), 0, "a younger python is somebody else");
}

ITEST(a_scheduled_reboot_is_in_flight_until_it_is_cancelled_or_long_past)
{
    char text[96];

    snprintf(text, sizeof text, "USEC=%lld\nWARN_WALL=1\nMODE=reboot\n", (long long) (NOW + 3600000) * 1000);
    put_text("/run/systemd/shutdown/scheduled", text);
    cr_assert_eq(look(), 1);
    cr_assert_str_eq(runs.v[0].actor, TG_REBOOT);
    cr_assert(strstr(runs.v[0].what, "reboot scheduled for 2026-"), "%s", runs.v[0].what);
    cr_assert(strstr(runs.v[0].what, "shutdown -c"));
    snprintf(text, sizeof text, "USEC=%lld\nMODE=reboot\n", (long long) (NOW - 3600000) * 1000);
    put_text("/run/systemd/shutdown/scheduled", text);
    cr_assert_eq(look(), 0);
    put_text("/run/systemd/shutdown/scheduled", "USEC=99999999999999999999999\nMODE=dry-reboot\n");
    cr_assert_eq(look(), 0);
}

/* --- whose it is --- */

ITEST(what_runs_in_a_container_is_not_this_hosts)
{
    process(940, 1, 70000, "cf-agent", "cf-agent", "");
    put_text("/proc/940/status", "Name:\tcf-agent\nNSpid:\t940\t12\nThreads:\t1\n");
    cr_assert_eq(look(), 0);
}

ITEST(the_bearer_of_a_locks_token_is_not_held_by_it) /* P1, and a lock's own work */
{
    struct tg_lock mine = {.n_hold = 0}, others = {.n_hold = 1, .hold = {TG_CM}},
                   autoscaler = {.n_hold = 1, .hold = {"autoscaler"}};

    tg_sha256_hex("SECRET", 6, mine.token_hash);
    tg_sha256_hex("OTHER", 5, others.token_hash);
    process(950, 1, 70000, "cf-agent", "cf-agent", "TAGOUT_TOKEN=FIRST,SECRET");
    cr_assert_eq(look(), 1);
    cr_assert_eq(runs.v[0].n_passes, 2);
    cr_assert_not(tg_run_is_held_by(&runs.v[0], &mine));
    cr_assert(tg_run_is_held_by(&runs.v[0], &others));
    cr_assert_not(tg_run_is_held_by(&runs.v[0], &autoscaler), "it holds another kind");
    process(950, 1, 70000, "cf-agent", "cf-agent", "TAGOUT_TOKENS=SECRET");
    cr_assert_eq(look(), 1);
    cr_assert(tg_run_is_held_by(&runs.v[0], &mine));
}

ITEST(what_has_a_permit_of_its_own_is_not_reported_again)
{
    process(960, 1, 70000, "tagout", "/usr/bin/tagout|exec|--actor|config-management|--|cf-agent", "");
    process(961, 960, 70000, "exe", "/proc/self/exe|_keep|5|1000|/usr/bin|0|--|cf-agent", "");
    process(962, 961, 70000, "cf-agent", "cf-agent", "");
    cr_assert_eq(look(), 0);
    process(960, 1, 70000, "tagout", "/usr/bin/tagout|exec|--actor=autoscaler|--|cf-agent", "");
    cr_assert_eq(look(), 1, "a permit of another kind does not stand for this");
    cr_assert(runs.v[0].guarded);
    struct tg_error e = TG_ERROR_INIT;
    tg_runs_in_flight_release(&runs);
    cr_assert_eq(tg_inflight_look(root, NOW, TG_INFLIGHT_EVERYTHING, &runs, &e), 0);
    cr_assert_eq(runs.n, 2, "for whom asks for everything the exec is one, too");
}

ITEST(a_reused_id_is_another_run)
{
    struct tg_run_in_flight first;

    process(970, 1, 70000, "cf-agent", "cf-agent", "");
    cr_assert_eq(look(), 1);
    first = runs.v[0];
    cr_assert_eq(look(), 1);
    cr_assert(tg_run_is_same(&first, &runs.v[0]));
    process(970, 1, 70001, "cf-agent", "cf-agent", "");
    cr_assert_eq(look(), 1);
    cr_assert_not(tg_run_is_same(&first, &runs.v[0]));
}

ITEST(this_machines_own_proc_can_be_read)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_inflight_look("", NOW, 0, &runs, &e), 0, "%s", e.message);
}
