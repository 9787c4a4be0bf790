/* Real ZooKeeper servers for tests in C: tests/lib/zookeeper does the work. */
#ifndef TESTS_ZK_SERVER_H
#define TESTS_ZK_SERVER_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs "tests/lib/zookeeper VERB DIR"; the server ends with the process `owner`. */
static int zk_server_try(const char *verb, const char *dir, pid_t owner)
{
    char script[4096], own[16];
    const char *source = getenv("TAGOUT_SOURCE");

    snprintf(script, sizeof script, "%s/tests/lib/zookeeper", source ? source : ".");
    snprintf(own, sizeof own, "%d", (int) owner);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("ZK_OWNER", own, 1);
        unsetenv("LD_PRELOAD");
        execl(script, script, verb, dir, (char *) NULL);
        _exit(127);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

__attribute__((unused)) static void zk_server(const char *verb, const char *dir)
{
    cr_assert_eq(zk_server_try(verb, dir, getpid()), 0, "zookeeper %s %s", verb, dir);
}

/* The port of the server in a folder. Static. */
static const char *zk_server_port(const char *dir)
{
    static char port[16];
    char file[4096];

    snprintf(file, sizeof file, "%s/port", dir);
    FILE *f = fopen(file, "re");
    cr_assert(f && fgets(port, sizeof port, f), "%s", file);
    fclose(f);
    port[strcspn(port, "\n")] = '\0';
    return port;
}

static const char *zk_shared_dir(pid_t runner)
{
    static char dir[128];

    snprintf(dir, sizeof dir, "/tmp/tagout-test-zk-%d", (int) runner);
    return dir;
}

/* One server for all tests of a program: each is a process of its own, and the first to come starts it for their parent, which
 * calls zk_server_shared_end() when all are done. */
__attribute__((unused)) static const char *zk_server_shared(void)
{
    const char *dir = zk_shared_dir(getppid());
    char lock[160];

    snprintf(lock, sizeof lock, "%s.lock", dir);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && lockf(fd, F_LOCK, 0) == 0);
    if (access(dir, F_OK) != 0)
        cr_assert_eq(zk_server_try("start", dir, getppid()), 0, "no ZooKeeper");
    close(fd);
    return zk_server_port(dir);
}

__attribute__((unused)) static void zk_server_shared_end(void)
{
    const char *dir = zk_shared_dir(getpid());
    char command[512];

    if (access(dir, F_OK) == 0)
        zk_server_try("kill", dir, getpid());
    snprintf(command, sizeof command, "rm -rf '%s' '%s.lock'", dir, dir);
    if (system(command))
        fprintf(stderr, "%s is left behind\n", dir);
}

#endif
