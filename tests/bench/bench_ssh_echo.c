/*
 * One echo on each of many sshd's through the transport "ssh": what tests/bench/ssh-echo measures.
 * usage: ssh_echo KEY KNOWN_HOSTS USER ROUNDS PORT…   Prints wall and CPU in ms, and how many answered.
 */
#include <tagout/transport.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static size_t answered, ended;

static void on_done(void *data, const struct tg_job_result *r)
{
    (void) data;
    ended++;
    if (r->end == TG_JOB_EXITED && r->status == 0 && strcmp(r->out, "hello\n") == 0)
        answered++;
    else
        fprintf(stderr, "ssh_echo: %s\n", r->error ? r->error->message : r->err);
}

static double cpu_ms(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static int round_of(const struct tg_transport_backend *backend, struct tg_transport_impl *impl, struct tg_loop *loop, char **ports, size_t n,
                    const char *user, struct tg_error *e)
{
    static const char *const argv[] = {"echo", "hello", NULL};
    const struct tg_command command = {.argv = argv, .connect_ms = 60000, .total_ms = 120000};
    const struct tg_clock *clock = tg_loop_clock(loop);
    int64_t wall = tg_mono_ms(clock);
    double cpu = cpu_ms();

    answered = ended = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tg_target target = {.name = "127.0.0.1", .user = user, .port = atoi(ports[i])};
        int rc = backend->run(impl, &target, &command, NULL, on_done, NULL, NULL, e);
        if (rc)
            return rc;
    }
    while (ended < n)
        tg_loop_turn(loop, 1000);
    printf("hosts %zu answered %zu wall_ms %lld cpu_ms %.1f cpu_ms_per_host %.3f\n", n, answered, (long long) (tg_mono_ms(clock) - wall),
           cpu_ms() - cpu, (cpu_ms() - cpu) / (double) n);
    return answered == n ? 0 : TG_E_FAILED;
}

int main(int argc, char **argv)
{
    const struct tg_transport_backend *backend;
    struct tg_transport_impl *impl;
    struct tg_loop *loop;
    struct tg_error e = TG_ERROR_INIT;

    if (argc < 6 || tg_loop_new(&loop, &e) || tg_transport_find("ssh", &backend, &e)) {
        fprintf(stderr, "usage: ssh_echo KEY KNOWN_HOSTS USER ROUNDS PORT...  %s\n", e.message);
        return 64;
    }
    const struct tg_transport_options options = {.loop = loop, .identity_file = argv[1], .known_hosts_file = argv[2], .config_file = "none"};
    int rc = backend->open(&options, &impl, &e);
    for (int i = 0; i < atoi(argv[4]) && rc == 0; i++) /* later rounds use the kept sessions */
        rc = round_of(backend, impl, loop, argv + 5, (size_t) argc - 5, argv[3], &e);
    if (rc && e.message[0])
        fprintf(stderr, "ssh_echo: %s\n", e.message);
    if (rc == 0)
        backend->close(impl);
    tg_loop_free(loop);
    return rc ? 1 : 0;
}
