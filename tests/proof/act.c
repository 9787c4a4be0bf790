/*
 * What an actor's command is in the proof: it acts, that is, it writes lines to a log, some milliseconds apart.
 *
 *   proof_act LOG PERMIT MILLISECONDS meek|stubborn        stubborn: TERM is not heard
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

int main(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = 4000000};
    int fd = argc == 5 ? open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

    if (fd < 0)
        return 64;
    if (strcmp(argv[4], "stubborn") == 0)
        signal(SIGTERM, SIG_IGN);
    int64_t until = now_us() + strtol(argv[3], NULL, 10) * 1000;
    do {
        char line[256];
        int len = snprintf(line, sizeof line, "%lld %d act p=%.150s\n", (long long) now_us(), (int) getpid(), argv[2]);
        if (write(fd, line, (size_t) len) != len)
            return 3;
        nanosleep(&pause, NULL);
    } while (now_us() < until);
    return 0;
}
