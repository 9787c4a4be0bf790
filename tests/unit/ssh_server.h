/* Real sshd's on loopback for tests: own folder, own keys, own free port; stopped by their own pid. */
#ifndef TG_TESTS_SSH_SERVER_H
#define TG_TESTS_SSH_SERVER_H

#include <tagout/module.h>
#include <tagout/transport.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server {
    char dir[64];
    int port;
    pid_t pid;
};

static char server_user[64];

__attribute__((format(printf, 1, 2))) static int sh(const char *format, ...)
{
    char command[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

__attribute__((format(printf, 2, 3))) static void write_file(const char *path, const char *format, ...)
{
    FILE *f = fopen(path, "we");
    va_list args;

    cr_assert(f, "%s: %s", path, strerror(errno));
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
    chmod(path, 0600);
}

__attribute__((unused)) static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    char *text = malloc(1 << 22);

    *len = 0;
    if (f) {
        *len = fread(text, 1, (1 << 22) - 1, f);
        fclose(f);
    }
    text[*len] = '\0';
    return text;
}

/* A socket that is bound to a free loopback port. */
static int free_port(int *port, int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    cr_assert_eq(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
    getsockname(fd, (struct sockaddr *) &a, &len);
    *port = ntohs(a.sin_port);
    return fd;
}

static bool can_connect(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = connect(fd, (struct sockaddr *) &a, sizeof a) == 0;

    close(fd);
    return yes;
}

__attribute__((unused)) static void nap(void)
{
    nanosleep(&(struct timespec) {.tv_nsec = 5000000}, NULL);
}

static void server_spawn(struct server *s)
{
    char config[128], log[128];

    snprintf(config, sizeof config, "%s/sshd_config", s->dir);
    snprintf(log, sizeof log, "%s/log", s->dir);
    s->pid = fork();
    if (s->pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that crashes leaves no server */
        setpgid(0, 0);
        execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-e", "-f", config, (char *) NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000 && !can_connect(s->port); i++)
        nap();
    cr_assert(can_connect(s->port), "sshd does not start: see %s", log);
}

/* folder: keys "client" and "host_ed25519", authorized_keys, known_hosts for the name "box". */
static void server_start(struct server *s)
{
    const struct passwd *pw = getpwuid(getuid());
    char path[128];

    snprintf(server_user, sizeof server_user, "%s", pw->pw_name);
    if (getuid() == 0)
        mkdir("/run/sshd", 0755);
    snprintf(s->dir, sizeof s->dir, "/tmp/tagout-ssh-XXXXXX");
    cr_assert(mkdtemp(s->dir));
    close(free_port(&s->port, SOCK_STREAM));
    cr_assert_eq(sh("cd %s && ssh-keygen -q -t ed25519 -N '' -f client && ssh-keygen -q -t ed25519 -N '' -f host_ed25519 && "
                    "cp client.pub authorized_keys && echo \"[box]:%d $(cut -d' ' -f1-2 host_ed25519.pub)\" > known_hosts",
                    s->dir, s->port), 0);
    snprintf(path, sizeof path, "%s/sshd_config", s->dir);
    write_file(path,
               "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host_ed25519\nAuthorizedKeysFile %s/authorized_keys\nPidFile none\n"
               "UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
               "MaxStartups 1000\nPrintMotd no\nPermitUserRC no\nSetEnv HOME=%s\n", /* nobody's ~/.bashrc */
               s->port, s->dir, s->dir, s->dir);
    server_spawn(s);
}

__attribute__((unused)) static void server_kill(struct server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGTERM);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static void server_stop(struct server *s)
{
    server_kill(s);
    if (s->dir[0])
        sh("rm -rf %s", s->dir);
}

/* ---- jobs ---- */

struct outcome {
    int called;
    enum tg_job_end end;
    int status, signal, sent;
    char *out, *err;
    size_t out_len, err_len, streamed;
    int64_t elapsed_ms;
    struct tg_error error;
};

static void record(void *data, const struct tg_job_result *r)
{
    struct outcome *o = data;

    o->called++;
    o->end = r->end;
    o->status = r->status;
    o->signal = r->signal;
    o->sent = r->sent;
    o->elapsed_ms = r->elapsed_ms;
    o->out = malloc(r->out_len + 1);
    memcpy(o->out, r->out, r->out_len + 1);
    o->out_len = r->out_len;
    o->err = malloc(r->err_len + 1);
    memcpy(o->err, r->err, r->err_len + 1);
    o->err_len = r->err_len;
    if (r->error)
        o->error = *r->error;
    cr_assert_eq(r->error == NULL, r->end == TG_JOB_EXITED);
}

__attribute__((unused)) static void count_bytes(void *data, int stream, const char *bytes, size_t len)
{
    (void) stream;
    (void) bytes;
    ((struct outcome *) data)->streamed += len;
}

__attribute__((unused)) static void outcome_release(struct outcome *o)
{
    free(o->out);
    free(o->err);
    *o = (struct outcome) {0};
}

struct bed {
    struct server server;
    struct tg_loop *loop;
    const struct tg_transport_backend *backend;
    struct tg_transport_impl *impl;
    char identity[128], known_hosts[128];
    struct tg_target target;
    struct tg_command command;
};

static void bed_open(struct bed *b, const char *identity, const char *known_hosts, const char *config)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_transport_options options = {.loop = b->loop, .identity_file = identity, .known_hosts_file = known_hosts,
                                           .config_file = config};

    cr_assert_eq(b->backend->open(&options, &b->impl, &e), 0, "%s", e.message);
}

static void bed_close(struct bed *b)
{
    if (b->impl)
        b->backend->close(b->impl);
    b->impl = NULL;
}

static void bed_up(struct bed *b)
{
    struct tg_error e = TG_ERROR_INIT;

    server_start(&b->server);
    cr_assert_eq(tg_loop_new(&b->loop, NULL), 0);
    cr_assert_eq(tg_transport_find("ssh", &b->backend, &e), 0, "%s", e.message);
    snprintf(b->identity, sizeof b->identity, "%s/client", b->server.dir);
    snprintf(b->known_hosts, sizeof b->known_hosts, "%s/known_hosts", b->server.dir);
    b->target = (struct tg_target) {.name = "box", .address = "127.0.0.1", .user = server_user, .port = b->server.port};
    b->command = (struct tg_command) {.connect_ms = 120000, .total_ms = 280000, .output_max = 1 << 16};
    bed_open(b, b->identity, b->known_hosts, "none");
}

static void bed_down(struct bed *b)
{
    bed_close(b);
    tg_loop_free(b->loop);
    server_stop(&b->server);
}

static struct tg_job *start(struct bed *b, const char *const *argv, struct outcome *o)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_job *job = NULL;

    b->command.argv = argv;
    *o = (struct outcome) {0};
    cr_assert_eq(b->backend->run(b->impl, &b->target, &b->command, count_bytes, record, o, &job, &e), 0, "%s", e.message);
    cr_assert_eq(o->called, 0); /* never from run() itself */
    return job;
}

static void wait_for(struct bed *b, struct outcome *o)
{
    int64_t end = tg_mono_ms(tg_clock_real()) + 290000;

    while (!o->called && tg_mono_ms(tg_clock_real()) < end)
        tg_loop_turn(b->loop, 100);
    cr_assert_eq(o->called, 1, "no answer");
}

/* Runs a line of shell there. */
__attribute__((unused)) static void run(struct bed *b, const char *script, struct outcome *o)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    start(b, argv, o);
    wait_for(b, o);
}

#endif
