/*
 * A module for tests of around: what is in force is a file, DIR/HOST.WHAT, with the tag of who made it. {dir: DIR, keeps: BOOL, as: TEXT}; as: in place of HOST. Files in DIR say what goes
 * wrong: refuse-VERB, lose-VERB (it is done, and nobody hears of it), away-VERB, hang-VERB. DIR/log has a line for each call. Built twice: drain by
 * "filelb", silence by "filealerts".
 */
#include <tagout/module.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tg_around_params {
    char dir[200], as[40];
    bool keeps; /* what a host that failed has is kept */
};

struct call {
    struct call *next;
    struct tg_around_impl *impl;
    struct tg_timer *timer; /* NULL: never answered */
    tg_around_fn done;
    void *data;
    enum tg_around_end end;
    char text[100], record[TG_AROUND_RECORD_SIZE];
};

struct tg_around_impl {
    struct tg_loop *loop;
    const struct tg_around_params *params;
    struct call *calls;
};

static int params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *complain_data, struct tg_around_params **out,
                  struct tg_error *e)
{
    const char *dir = json_string_value(json_object_get(value, "dir"));
    struct tg_around_params *p;
    const char *key;
    json_t *any;

    json_object_foreach((json_t *) value, key, any) {
        char path[64];
        snprintf(path, sizeof path, "/%.60s", key);
        if (strcmp(key, "dir") != 0 && strcmp(key, "keeps") != 0 && strcmp(key, "as") != 0)
            complain(complain_data, path, "is not known");
    }
    if (!dir || strlen(dir) >= sizeof p->dir) {
        complain(complain_data, "", "needs a dir");
        return tg_fail(e, TG_E_DATA, "a file balancer without a dir");
    }
    if (!(p = calloc(1, sizeof *p)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(p->dir, sizeof p->dir, "%s", dir);
    snprintf(p->as, sizeof p->as, "%s", json_is_string(json_object_get(value, "as")) ? json_string_value(json_object_get(value, "as")) : "{host}");
    p->keeps = json_is_true(json_object_get(value, "keeps"));
    *out = p;
    return 0;
}

static void params_free(struct tg_around_params *p)
{
    free(p);
}

static void describe(const struct tg_around_params *p, char *out, size_t size)
{
    snprintf(out, size, "%s by files in %s", tg_around_what_name(AROUND_WHAT), p->dir);
}

static void name_of(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size)
{
    char as[300] = "";

    tg_around_template(p->as, c, as, sizeof as, NULL);
    snprintf(out, size, "%s/%s.%s", p->dir, as, tg_around_what_name(AROUND_WHAT));
}

static int thing(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    int rc = tg_around_template(p->as, c, out, size, e);

    return rc || !strchr(out, '/') ? rc : tg_fail(e, TG_E_DATA, "\"%s\" is no name of a file", out);
}

static void mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size)
{
    char file[400];

    name_of(p, c, file, sizeof file);
    snprintf(out, size, "rm -f '%s'", file);
}

static int open_it(struct tg_loop *loop, const struct tg_around_params *p, struct tg_around_impl **out, struct tg_error *e)
{
    struct tg_around_impl *impl = calloc(1, sizeof *impl);

    if (!impl)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    impl->loop = loop;
    impl->params = p;
    *out = impl;
    return 0;
}

static void end_call(struct call *call)
{
    struct call **at = &call->impl->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    tg_timer_free(call->timer);
    free(call);
}

static void close_it(struct tg_around_impl *impl)
{
    while (impl->calls)
        end_call(impl->calls);
    free(impl);
}

static void answer(void *data)
{
    struct call *call = data;

    call->done(call->data, call->end, call->text, call->record);
    end_call(call);
}

static bool said(const struct tg_around_impl *impl, const char *what, const char *verb)
{
    char file[300];

    snprintf(file, sizeof file, "%s/%s-%s", impl->params->dir, what, verb);
    return access(file, F_OK) == 0;
}

static void note(const struct tg_around_impl *impl, const char *verb, const struct tg_around_context *c)
{
    char file[300];

    snprintf(file, sizeof file, "%s/log", impl->params->dir);
    FILE *log = fopen(file, "ae");
    if (!log)
        return;
    fprintf(log, "%s %s %s\n", verb, tg_around_what_name(AROUND_WHAT), c->host);
    fclose(log);
}

/* Whose it is: 0 nobody's, 1 this tag's, 2 others'. */
static int whose(const char *file, const char *tag)
{
    char has[TG_AROUND_TAG_SIZE + 2] = "";
    FILE *f = fopen(file, "re");

    if (!f)
        return 0;
    bool read = fgets(has, sizeof has, f) != NULL;
    fclose(f);
    return read && strcmp(has, tag) == 0 ? 1 : 2;
}

static enum tg_around_end make(const char *file, const char *tag)
{
    static const enum tg_around_end ends[] = {TG_AROUND_OURS, TG_AROUND_OURS, TG_AROUND_OTHERS};
    int is = whose(file, tag);
    FILE *f = is == 0 ? fopen(file, "we") : NULL;

    if (is == 0 && !f)
        return TG_AROUND_REFUSED;
    if (f) {
        fputs(tag, f);
        fclose(f);
    }
    return ends[is];
}

static enum tg_around_end take_back(const struct tg_around_impl *impl, const struct tg_around_context *c, const char *file)
{
    if (whose(file, c->tag) != 1)
        return TG_AROUND_ABSENT;
    if (impl->params->keeps && c->failed)
        return TG_AROUND_KEPT;
    return unlink(file) == 0 ? TG_AROUND_ABSENT : TG_AROUND_REFUSED;
}

static int ask(struct tg_around_impl *impl, enum tg_around_verb what, const struct tg_around_context *c, tg_around_fn done, void *data, struct tg_error *e)
{
    static const enum tg_around_end found[] = {TG_AROUND_ABSENT, TG_AROUND_OURS, TG_AROUND_OTHERS};
    const char *verb = tg_around_verb_name(what);
    struct call *call = calloc(1, sizeof *call);
    char file[400];
    int rc = call ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (rc)
        return rc;
    if (!said(impl, "hang", verb) && (rc = tg_timer_new(impl->loop, answer, call, &call->timer, e)) != 0) {
        free(call);
        return rc;
    }
    *call = (struct call) {.next = impl->calls, .impl = impl, .timer = call->timer, .done = done, .data = data, .end = TG_AROUND_NOT_SENT};
    impl->calls = call;
    note(impl, verb, c);
    name_of(impl->params, c, file, sizeof file);
    if (strcmp(verb, "look") == 0)
        snprintf(call->record, sizeof call->record, "was %d", whose(file, c->tag));
    else
        snprintf(call->record, sizeof call->record, "a file");
    if (said(impl, "refuse", verb)) {
        call->end = TG_AROUND_REFUSED;
        snprintf(call->text, sizeof call->text, "the balancer says no");
    } else if (said(impl, "away", verb)) {
        snprintf(call->text, sizeof call->text, "the balancer is away");
    } else {
        call->end = strcmp(verb, "act") == 0 ? make(file, c->tag) : strcmp(verb, "undo") == 0 ? take_back(impl, c, file) : found[whose(file, c->tag)];
    }
    if (call->end == TG_AROUND_KEPT)
        snprintf(call->text, sizeof call->text, "kept, to be looked at");
    if (said(impl, "lose", verb))
        call->end = TG_AROUND_LOST;
    if (call->timer)
        tg_timer_start(call->timer, 1);
    return 0;
}

static const struct tg_around_backend backend = {
    .version = TG_AROUND_ABI,
    .name = AROUND_NAME,
    .about = "files, for tests",
    .what = AROUND_WHAT,
    .params = params,
    .params_free = params_free,
    .describe = describe,
    .thing = AROUND_WHAT == TG_AROUND_SILENCE ? NULL : thing,
    .mend = mend,
    .open = open_it,
    .close = close_it,
    .ask = ask,
};

/* A transport that reaches nobody, on any loop: for tests of what is done around a host, not on it. */
static int open_nothing(const struct tg_transport_options *options, struct tg_transport_impl **out, struct tg_error *e)
{
    (void) options;
    *out = malloc(1);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static void close_nothing(struct tg_transport_impl *impl)
{
    free(impl);
}

static int run_nothing(struct tg_transport_impl *impl, const struct tg_target *target, const struct tg_command *command, tg_job_output_fn output, tg_job_fn done, void *data,
                       struct tg_job **out, struct tg_error *e)
{
    (void) impl;
    (void) command;
    (void) output;
    (void) done;
    (void) data;
    (void) out;
    return tg_fail(e, TG_E_LOST, "nobody reaches %s", target->name);
}

static void cancel_nothing(struct tg_transport_impl *impl, struct tg_job *job)
{
    (void) impl;
    (void) job;
}

static const struct tg_transport_backend transport = {
    .version = TG_TRANSPORT_ABI, .name = AROUND_NAME, .about = "reaches nobody, for tests", .open = open_nothing, .close = close_nothing, .run = run_nothing, .cancel = cancel_nothing};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {.abi = TG_MODULE_ABI, .name = AROUND_NAME, .release = "0", .transport = &transport, .around = &backend};
