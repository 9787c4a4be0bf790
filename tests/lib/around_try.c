/*
 * Drives a module of around: as the engine does, one call a process: around_try WHAT NAME PARAMS VERB HOST [RECORD]. VERB is look, act, keep, undo
 * (prints "END|RECORD|TEXT"), describe or mend. From the environment: TAG, LOCK, ADDRESS, UNTIL (seconds from now), FAILED.
 */
#include <tagout/module.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(void *data, const char *path, const char *message)
{
    (void) data;
    fprintf(stderr, "%s %s\n", path, message);
}

static void on_end(void *data, enum tg_around_end end, const char *text, const char *record)
{
    printf("%s|%s|%s\n", tg_around_end_name(end), record, text);
    fflush(stdout);
    ++*(int *) data;
}

static const char *env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value ? value : otherwise;
}

static int fail(const struct tg_error *e)
{
    fprintf(stderr, "%s\n", e->message);
    return tg_exit_status(e->code);
}

static int call(const struct tg_around_backend *b, const struct tg_around_params *p, const char *verb, const struct tg_around_context *c)
{
    enum tg_around_verb which = TG_AROUND_LOOK;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_around_impl *impl;
    struct tg_loop *loop;
    int ends = 0, rc;

    while (which < TG_AROUND_UNDO && strcmp(tg_around_verb_name(which), verb) != 0)
        which++;
    if (tg_loop_new(&loop, &e) || b->open(loop, p, &impl, &e))
        return fail(&e);
    rc = b->ask(impl, which, c, on_end, &ends, &e);
    while (!rc && !ends)
        tg_loop_turn(loop, 1000);
    b->close(impl);
    tg_loop_free(loop);
    return rc ? fail(&e) : ends == 1 ? 0 : 70;
}

int main(int argc, char **argv)
{
    const struct tg_around_backend *b;
    struct tg_around_params *p;
    struct tg_error e = TG_ERROR_INIT;
    char line[4096] = "";
    int what = 0, status = 0;

    if (argc < 6)
        return 64;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    while (what < TG_AROUND_WHATS && strcmp(tg_around_what_name((enum tg_around_what) what), argv[1]) != 0)
        what++;
    json_t *value = json_loads(argv[3], JSON_DECODE_ANY, NULL);
    if (!value || tg_around_find((enum tg_around_what) what, argv[2], &b, &e) || b->params(value, complain, NULL, &p, &e)) {
        json_decref(value);
        return fail(&e);
    }
    json_decref(value);
    int64_t now = tg_wall_ms(tg_clock_real());
    struct tg_around_context c = {.host = argv[5], .address = env("ADDRESS", argv[5]), .run_id = "R1", .lock_id = env("LOCK", "L1"), .who = "alice@ops1",
        .reason = "it's \"new\"", .tag = env("TAG", "tagout/R1/web001/1"), .record = argc > 6 ? argv[6] : NULL, .now_ms = now,
        .until_ms = now + 1000 * strtoll(env("UNTIL", "3600"), NULL, 10), .failed = getenv("FAILED") != NULL};
    if (strcmp(argv[4], "describe") == 0)
        b->describe(p, line, sizeof line);
    else if (strcmp(argv[4], "mend") == 0)
        b->mend(p, &c, line, sizeof line);
    else
        status = call(b, p, argv[4], &c);
    if (line[0])
        puts(line);
    b->params_free(p);
    return status;
}
