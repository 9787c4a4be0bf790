/*
 * What an actor's command is in the proof: it acts, that is, it writes lines to a log, some milliseconds apart.
 *
 *   proof_act LOG PERMIT MILLISECONDS meek|stubborn [says]        stubborn: TERM is not heard; says: notes first that it was let
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int wrote(int fd, const char *line, int len)
{
    return write(fd, line, (size_t) len) == len;
}

/* Whoever runs it can't tell when the permit was given: by now it was. */
static int say(int fd, const char *permit)
{
    struct timespec t;
    char line[256];

    clock_gettime(CLOCK_REALTIME, &t);
    long long wall_ms = (long long) t.tv_sec * 1000 + t.tv_nsec / 1000000;
    return wrote(fd, line, snprintf(line, sizeof line, "%lld %d said p=%.100s v=go w=- i=- wall=%lld c=0 e=\n", (long long) now_us(), (int) getpid(), permit, wall_ms));
}

int main(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = 4000000};
    int fd = argc == 5 || argc == 6 ? open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

    if (fd < 0)
        return 64;
    if (strcmp(argv[4], "stubborn") == 0)
        signal(SIGTERM, SIG_IGN);
    if (argc == 6 && !say(fd, argv[2]))
        return 3;
    int64_t until = now_us() + strtol(argv[3], NULL, 10) * 1000;
    do {
        char line[256];
        int len = snprintf(line, sizeof line, "%lld %d act p=%.150s\n", (long long) now_us(), (int) getpid(), argv[2]);
        if (!wrote(fd, line, len))
            return 3;
        nanosleep(&pause, NULL);
    } while (now_us() < until);
    return 0;
}
