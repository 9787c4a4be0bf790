/*
 * An autoscaler that asks before it acts, and again before each single act. The acts here are lines on stdout, or the program that
 * --run names, called with the host.
 *
 *     cc scaler.c $(pkg-config --cflags --libs tagout) -o scaler
 *     ./scaler web7.example.com web8.example.com
 */
#include <tagout/tagout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends one host. Must take less than tagout_permit_good_for_ms(). */
static int terminate(const char *program, const char *host)
{
    int status;

    printf("terminating %s\n", host);
    fflush(stdout);
    if (!program)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, host, (char *) NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

static int scale_in(const char *program, char **hosts, size_t n)
{
    struct tagout_ask ask = TAGOUT_ASK_INIT;
    struct tagout_permit *permit = NULL;
    struct tagout_verdict *why = NULL;
    const char **scopes = calloc(n + 1, sizeof *scopes);
    char (*names)[280] = calloc(n + 1, sizeof *names);
    int failed = 0;

    if (!scopes || !names)
        return 1;
    scopes[0] = "service:autoscaler";
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "host:%s", hosts[i]);
        scopes[i + 1] = names[i];
    }
    ask.actor = "autoscaler";
    ask.scopes = scopes;
    ask.n_scopes = n + 1;
    ask.what = "scale in";
    int answer = tagout_permit_take(&ask, &permit, &why);
    if (answer != TAGOUT_GO)
        fprintf(stderr, "left alone: %s\n", tagout_verdict_line(why));
    tagout_verdict_free(why);
    for (size_t i = 0; answer == TAGOUT_GO && i < n; i++) {
        answer = tagout_permit_alive(permit);
        if (answer == TAGOUT_GO)
            failed |= terminate(program, hosts[i]);
        else
            fprintf(stderr, "stopped: the permit is lost; %zu of %zu were ended\n", i, n);
    }
    tagout_permit_release(permit);
    free(scopes);
    free(names);
    return answer ? answer : failed;
}

int main(int argc, char **argv)
{
    const char *program = NULL;
    int first = 1;

    if (argc > 2 && strcmp(argv[1], "--run") == 0) {
        program = argv[2];
        first = 3;
    }
    if (argc <= first) {
        fprintf(stderr, "Usage: scaler [--run PROGRAM] HOST…\n");
        return 64;
    }
    return scale_in(program, argv + first, (size_t) (argc - first));
}
