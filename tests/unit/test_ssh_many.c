/* The transport "ssh" with many jobs at once, and with too few descriptors. */
#define _GNU_SOURCE
#include "unit/ssh_server.h"

#include <sys/resource.h>

static struct bed bed;

static void up(void)
{
    bed_up(&bed);
}

static void down(void)
{
    bed_down(&bed);
}

TestSuite(ssh_many, .init = up, .fini = down);


static void expect_many(size_t n, const char *script)
{
    struct outcome *o = calloc(n, sizeof *o);
    char (*names)[32] = calloc(n, sizeof *names);
    const char *argv[] = {"sh", "-c", script, NULL};

    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "box%03zu", i);
        bed.target.name = names[i];
        start(&bed, argv, &o[i]);
    }
    for (size_t i = 0; i < n; i++) {
        wait_for(&bed, &o[i]);
        cr_assert_eq(o[i].end, TG_JOB_EXITED, "%zu: %s", i, o[i].error.message);
        cr_assert_eq(o[i].status, 7);
        outcome_release(&o[i]);
    }
    free(o);
    free(names);
}

static void know_by_address(void)
{
    cr_assert_eq(sh("cd %s && echo \"[127.0.0.1]:%d $(cut -d' ' -f1-2 host_ed25519.pub)\" > known_hosts", bed.server.dir, bed.server.port), 0);
}

Test(ssh_many, two_hundred_hosts_at_once)
{
    know_by_address();
    expect_many(200, "exit 7");
}

Test(ssh_many, when_descriptors_run_out_jobs_wait_for_one)
{
    struct rlimit limit = {0};
    int probe = open("/dev/null", O_RDONLY | O_CLOEXEC);

    know_by_address();
    close(probe);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t) probe + 6; /* less than the transport thinks it may use: socket() says EMFILE */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    expect_many(30, "exit 7");
    bed_close(&bed);
    bed_open(&bed, bed.identity, bed.known_hosts, "none"); /* knows the limit from the start */
    expect_many(30, "exit 7");
}
