/* libtagout: a check through the program, where no agent runs. */
#define _GNU_SOURCE
#include "api/verdict.h"

#include "base/child.h"
#include "base/trusted.h"

#include <tagout/clock.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_MAX (256 * 1024)

extern char **environ;

/* Its environment: the caller's, with the tokens of the question. Into env, of n_env + 2. */
static void make_env(const char **env, size_t n_env, const char *tokens)
{
    size_t n = 0;

    for (size_t i = 0; i < n_env; i++)
        if (strncmp(environ[i], "TAGOUT_TOKEN=", 13) != 0)
            env[n++] = environ[i];
    if (tokens)
        env[n++] = tokens;
    env[n] = NULL;
}

/* The line that it has printed for logs, cut out of its stderr. */
static char *line_of(char *text)
{
    char *line = strstr(text, "TAGOUT-");

    if (line)
        line[strcspn(line, "\n")] = '\0';
    return line;
}

static struct tagout_verdict *read_answer(const struct tg_child_result *r)
{
    struct tg_error e = TG_ERROR_INIT;
    json_t *o = json_loads(r->out, 0, NULL);

    if (r->status == TAGOUT_GO || r->status == TAGOUT_HELD || r->status == TAGOUT_UNKNOWN) {
        struct tagout_verdict *v = tg_api_verdict(o, line_of(r->err));
        if (!v || tagout_verdict_answer(v) == r->status)
            return v;
        tagout_verdict_free(v); /* what it says and how it ends differ: neither is believed */
        o = NULL;
    }
    json_decref(o);
    tg_fail(&e, r->status == TAGOUT_USAGE ? TG_E_USAGE : TG_E_UNKNOWN, "tagout check ended with %d: %.400s", r->status, r->err);
    return tg_api_verdict_error(&e, "configuration");
}

/* The program; what the environment names only if root, when it is root who asks, could not be made to run another's. */
static int find_program(char *out, size_t size, struct tg_error *e)
{
    const char *named = secure_getenv("TAGOUT_PROGRAM");

    snprintf(out, size, "%s", named ? named : TG_PROGRAM);
    if (!named || geteuid() != 0)
        return 0;
    int rc = tg_trusted_program(named, out, e);
    return rc ? tg_error_prefix(e, "TAGOUT_PROGRAM") : 0;
}

struct tagout_verdict *tg_api_ask_program(const struct tg_api_ask *ask)
{
    char program[PATH_MAX];
    const char *argv[80] = {program, "check", "-o", "json", "--actor", ask->ask.actor, "--timeout"};
    char timeout[32], tokens[4096];
    size_t n = 7, n_env = 0;
    int64_t left = ask->deadline_ms - tg_mono_ms(tg_clock_real());
    struct tg_error e = TG_ERROR_INIT;
    struct tg_child_result result;

    if (find_program(program, sizeof program, &e) != 0)
        return tg_api_verdict_error(&e, "no-program");
    snprintf(timeout, sizeof timeout, "%lldms", (long long) (left > 1 ? left : 1));
    argv[n++] = timeout;
    for (size_t i = 0; i < ask->ask.n_scopes; i++)
        argv[n++] = ask->ask.scopes[i];
    argv[n] = NULL;
    while (environ[n_env])
        n_env++;
    const char **env = calloc(n_env + 2, sizeof *env);
    if (!env)
        return NULL;
    bool has_tokens = ask->ask.tokens && ask->ask.tokens[0];
    if (has_tokens && snprintf(tokens, sizeof tokens, "TAGOUT_TOKEN=%s", ask->ask.tokens) >= (int) sizeof tokens)
        has_tokens = false; /* too long to be tokens: none is passed, so it is held */
    make_env(env, n_env, has_tokens ? tokens : NULL);
    struct tg_child_spec spec = {.argv = argv, .env = env};
    int rc = tg_child_run(&spec, NULL, 0, left + 500, OUTPUT_MAX, &result, &e); /* it keeps the time itself */
    free(env);
    if (rc)
        return tg_api_verdict_error(&e, rc == TG_E_TIMEOUT ? "no-answer" : "no-program");
    struct tagout_verdict *v = read_answer(&result);
    tg_child_result_release(&result);
    return v;
}
