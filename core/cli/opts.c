/* Parsing the command line by the tables of cmd.h. */
#include "cli/cmd.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tg_opt_value {
    const struct tg_opt *opt;
    bool given;
    const char *text;    /* borrowed from argv, or the default */
    int64_t number;
    char **items;        /* LIST: own copies */
    size_t n_items;
};

const struct tg_opt tg_global_opts[] = {
    {.name = "config", .letter = 'c', .type = TG_OPT_FILE, .arg = "FILE", .text = "Read this configuration after /etc/tagout/tagout.yaml"},
    {.name = "store", .letter = 's', .type = TG_OPT_STRING, .arg = "URL", .text = "The store: zk://H1:2181,H2:2181/tagout or local:/PATH. Otherwise TAGOUT_STORE, or the configuration's"},
    {.name = "inventory", .letter = 'i', .type = TG_OPT_FILE, .arg = "FILE", .text = "The inventory: YAML, or a program that prints Ansible's dynamic inventory"},
    {.name = "output", .letter = 'o', .type = TG_OPT_CHOICE, .arg = "FORMAT", .choices = "text|json", .value = "text", .text = "For people, or for programs"},
    {.name = "verbose", .letter = 'v', .type = TG_OPT_FLAG, .text = "Tell on stderr what happens behind the scenes"},
    {.name = "help", .letter = 'h', .type = TG_OPT_FLAG, .text = "Show help and exit"},
    {.name = "version", .letter = 'V', .type = TG_OPT_FLAG, .text = "Show the version and exit"},
    {.name = NULL},
};

static size_t count_opts(const struct tg_opt *opts)
{
    size_t n = 0;

    while (opts && opts[n].name)
        n++;
    return n;
}

static const char *next_opt(const void *data, size_t i)
{
    const struct tg_cmd *cmd = data;
    size_t own = cmd ? count_opts(cmd->opts) : 0;

    return i < own ? cmd->opts[i].name : i - own < count_opts(tg_global_opts) ? tg_global_opts[i - own].name : NULL;
}

static const char *next_command(const void *data, size_t i)
{
    (void) data;
    return tg_commands[i] ? tg_commands[i]->name : NULL;
}

static struct tg_opt_value *value_of(const struct tg_frame *f, const char *name)
{
    for (size_t i = 0; i < f->n_values; i++)
        if (strcmp(f->values[i].opt->name, name) == 0)
            return &f->values[i];
    fprintf(stderr, "tagout: bug: option \"%s\" is in no table\n", name);
    abort();
}

bool tg_opt_given(const struct tg_frame *f, const char *name)
{
    return value_of(f, name)->given;
}

bool tg_opt_flag(const struct tg_frame *f, const char *name)
{
    return value_of(f, name)->given;
}

const char *tg_opt_text(const struct tg_frame *f, const char *name)
{
    return value_of(f, name)->text;
}

int64_t tg_opt_int(const struct tg_frame *f, const char *name)
{
    const struct tg_opt_value *v = value_of(f, name);

    return v->text ? v->number : 0;
}

int64_t tg_opt_ms(const struct tg_frame *f, const char *name)
{
    const struct tg_opt_value *v = value_of(f, name);

    return v->text ? v->number : -1;
}

size_t tg_opt_list(const struct tg_frame *f, const char *name, const char *const **out)
{
    const struct tg_opt_value *v = value_of(f, name);

    *out = (const char *const *) v->items;
    return v->n_items;
}

static int add_items(struct tg_opt_value *v, const char *text, struct tg_error *e)
{
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        if (len) {
            char **items = realloc(v->items, (v->n_items + 1) * sizeof *items);
            if (!items)
                return tg_fail(e, TG_E_MEMORY, "out of memory");
            v->items = items;
            if (!(items[v->n_items] = strndup(p, len)))
                return tg_fail(e, TG_E_MEMORY, "out of memory");
            v->n_items++;
        }
        p += len;
        if (!*p)
            return 0;
    }
}

static int parse_int(const char *text, int64_t *out, struct tg_error *e)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < 0)
        return tg_fail(e, TG_E_USAGE, "\"%.40s\" is no whole number", text);
    *out = n;
    return 0;
}

static int check_choice(const struct tg_opt *opt, const char *text, struct tg_error *e)
{
    size_t len = strlen(text);

    for (const char *p = opt->choices;; p++) {
        size_t n = strcspn(p, "|");
        if (n == len && strncmp(p, text, n) == 0)
            return 0;
        p += n;
        if (!*p)
            return tg_fail(e, TG_E_USAGE, "\"%.40s\" is none of %s", text, opt->choices);
    }
}

static int set_value(struct tg_opt_value *v, const char *text, struct tg_error *e)
{
    int rc = 0;

    v->text = text;
    switch (v->opt->type) {
    case TG_OPT_INT:
        rc = parse_int(text, &v->number, e);
        break;
    case TG_OPT_DURATION:
        rc = tg_duration_parse(text, &v->number, e);
        if (rc == TG_E_DATA && e)
            rc = e->code = TG_E_USAGE;
        break;
    case TG_OPT_CHOICE:
        rc = check_choice(v->opt, text, e);
        break;
    case TG_OPT_LIST:
        rc = add_items(v, text, e);
        break;
    case TG_OPT_FLAG:
    case TG_OPT_STRING:
    case TG_OPT_FILE:
        break;
    }
    if (rc)
        tg_error_prefix(e, "--%s", v->opt->name);
    return rc;
}

static int prepare_values(struct tg_frame *f, const struct tg_cmd *cmd, struct tg_error *e)
{
    size_t own = cmd ? count_opts(cmd->opts) : 0, global = count_opts(tg_global_opts);

    f->values = calloc(own + global, sizeof *f->values);
    if (!f->values)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    f->n_values = own + global;
    for (size_t i = 0; i < f->n_values; i++) {
        struct tg_opt_value *v = &f->values[i];
        v->opt = i < own ? &cmd->opts[i] : &tg_global_opts[i - own];
        int rc = v->opt->value ? set_value(v, v->opt->value, e) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static struct tg_opt_value *find_long(struct tg_frame *f, const char *name, size_t len)
{
    for (size_t i = 0; i < f->n_values; i++)
        if (strncmp(f->values[i].opt->name, name, len) == 0 && !f->values[i].opt->name[len])
            return &f->values[i];
    return NULL;
}

static struct tg_opt_value *find_letter(struct tg_frame *f, char letter)
{
    for (size_t i = 0; i < f->n_values; i++)
        if (letter && f->values[i].opt->letter == letter)
            return &f->values[i];
    return NULL;
}

static int unknown_option(const struct tg_cmd *cmd, const char *arg, struct tg_error *e)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int) strcspn(arg + (arg[1] == '-' ? 2 : 1), "="), arg + (arg[1] == '-' ? 2 : 1));
    const char *near = strlen(name) > 1 ? tg_nearest(name, next_opt, cmd) : NULL;

    tg_fail(e, TG_E_USAGE, "unknown option \"%.60s\"", arg);
    if (near)
        tg_error_hint(e, "did you mean --%s?", near);
    else
        tg_error_hint(e, "tagout %s%s--help lists them", cmd ? cmd->name : "", cmd ? " " : "");
    return TG_E_USAGE;
}

/* Takes the option at argv[*i], and its argument. */
static int take_option(struct tg_frame *f, const struct tg_cmd *cmd, int argc, char **argv, int *i, struct tg_error *e)
{
    char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    char *equals = is_long ? strchr(arg, '=') : NULL;
    struct tg_opt_value *v = is_long ? find_long(f, arg + 2, equals ? (size_t) (equals - arg - 2) : strlen(arg + 2))
                                     : find_letter(f, arg[1]);

    if (!v)
        return unknown_option(cmd, arg, e);
    v->given = true;
    if (v->opt->type == TG_OPT_FLAG) {
        v->text = "";
        if (equals)
            return tg_fail(e, TG_E_USAGE, "--%s takes no value", v->opt->name);
        if (!is_long && arg[2])
            return tg_fail(e, TG_E_USAGE, "\"%.60s\": give each one-letter option its own \"-\"", arg);
        return 0;
    }
    char *text = equals ? equals + 1 : !is_long && arg[2] ? arg + 2 : NULL;
    if (!text) {
        if (*i + 1 >= argc)
            return tg_fail(e, TG_E_USAGE, "--%s needs a value: %s", v->opt->name, v->opt->arg);
        text = argv[++*i];
    }
    return set_value(v, text, e);
}

/* The command named at argv[at], and the next word if it takes two; *out_words says how many. */
static const struct tg_cmd *find_command(int argc, char **argv, int at, int *out_words)
{
    const struct tg_cmd *found = NULL;

    for (size_t c = 0; tg_commands[c]; c++) {
        const char *name = tg_commands[c]->name;
        const char *space = strchr(name, ' ');
        if (!space && strcmp(name, argv[at]) == 0 && !found) {
            found = tg_commands[c];
            *out_words = 1;
        }
        if (space && at + 1 < argc && strncmp(name, argv[at], (size_t) (space - name)) == 0 &&
            !argv[at][space - name] && strcmp(space + 1, argv[at + 1]) == 0) {
            found = tg_commands[c];
            *out_words = 2;
        }
    }
    return found;
}

/* Whether a global option takes the next word as its argument: to find the command's name behind it. */
static bool takes_next(const char *arg)
{
    for (size_t i = 0; tg_global_opts[i].name; i++) {
        const struct tg_opt *o = &tg_global_opts[i];
        if (o->type != TG_OPT_FLAG && ((arg[1] == '-' && strcmp(arg + 2, o->name) == 0) || (arg[1] == o->letter && !arg[2])))
            return true;
    }
    return false;
}

static bool is_global(const char *arg)
{
    size_t len = strcspn(arg + 2, "=");

    for (const struct tg_opt *o = tg_global_opts; o->name; o++)
        if (arg[1] == '-' ? strncmp(arg + 2, o->name, len) == 0 && !o->name[len] : arg[1] == o->letter)
            return true;
    return false;
}

/* "tagout inventory", "tagout budget lst": one of a family, without its second word or with a wrong one. All of them are named. */
static bool half_named(int argc, char **argv, int at, struct tg_error *e)
{
    const char *second = at + 1 < argc && argv[at + 1][0] != '-' ? argv[at + 1] : NULL;
    size_t len = strlen(argv[at]);
    struct tg_buf all = TG_BUF_INIT;

    for (size_t c = 0; tg_commands[c]; c++)
        if (strncmp(tg_commands[c]->name, argv[at], len) == 0 && tg_commands[c]->name[len] == ' ')
            tg_buf_printf(&all, "%stagout %s", all.len ? ", " : "", tg_commands[c]->name);
    bool found = all.len > 0;
    if (found && second)
        tg_fail(e, TG_E_USAGE, "there is no command \"%.40s %.40s\"", argv[at], second);
    else if (found)
        tg_fail(e, TG_E_USAGE, "\"%.40s\" needs a second word", argv[at]);
    if (found)
        tg_error_hint(e, "there %s: %s", strchr(tg_buf_text(&all), ',') ? "are" : "is", tg_buf_text(&all));
    tg_buf_release(&all);
    return found;
}

/* "tagout calendar --help": of the first word of several commands, and no second one. */
static bool asks_for_family(int argc, char **argv, int at)
{
    size_t len = strlen(argv[at]);
    bool help = false, found = false;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        help = help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    for (size_t c = 0; tg_commands[c]; c++)
        found = found || (strncmp(tg_commands[c]->name, argv[at], len) == 0 && tg_commands[c]->name[len] == ' ');
    return help && found && (at + 1 == argc || argv[at + 1][0] == '-');
}

static int name_command(int argc, char **argv, int *out_at, int *out_words, const struct tg_cmd **out, struct tg_error *e)
{
    int at = 1;

    while (at < argc && argv[at][0] == '-' && strcmp(argv[at], "--") != 0)
        at += takes_next(argv[at]) ? 2 : 1;
    *out = NULL;
    *out_at = argc;
    *out_words = 0;
    if (at >= argc)
        return 0;
    *out_at = at;
    if ((*out = find_command(argc, argv, at, out_words)) != NULL)
        return 0;
    if (asks_for_family(argc, argv, at)) {
        *out_words = 1;
        return 0;
    }
    if (half_named(argc, argv, at, e))
        return TG_E_USAGE;
    for (int i = 1; i < at; i++) /* "--outptu json hosts": what was misspelt is not the command */
        if (argv[i][0] == '-' && argv[i][1] && !is_global(argv[i]))
            return unknown_option(NULL, argv[i], e);
    tg_fail(e, TG_E_USAGE, "there is no command \"%.40s\"", argv[at]);
    const char *near = tg_nearest(argv[at], next_command, NULL);
    if (near)
        tg_error_hint(e, "did you mean \"tagout %s\"?", near);
    else
        tg_error_hint(e, "tagout --help lists them");
    return TG_E_USAGE;
}

/* Also where the rest makes no sense: a program that reads JSON wants to read what is wrong. */
static bool asks_for_json(int argc, char **argv)
{
    bool json = false;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *value = NULL;
        if (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0)
            value = i + 1 < argc ? argv[i + 1] : "";
        else if (strncmp(argv[i], "--output=", 9) == 0)
            value = argv[i] + 9;
        else if (strncmp(argv[i], "-o", 2) == 0)
            value = argv[i] + 2;
        json = value ? strcmp(value, "json") == 0 : json;
    }
    return json;
}

int tg_cli_parse(struct tg_frame *f, int argc, char **argv, struct tg_error *e)
{
    const struct tg_cmd *cmd;
    int at, words;
    int rc = name_command(argc, argv, &at, &words, &cmd, e);

    f->cmd = cmd;
    f->family = !rc && !cmd && at < argc ? argv[at] : NULL;
    f->json = asks_for_json(argc, argv);
    if (!rc)
        rc = prepare_values(f, cmd, e);
    f->argv = calloc((size_t) argc + 1, sizeof *f->argv);
    if (!rc && !f->argv)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (int i = 1; !rc && i < argc; i++) {
        if (i == at) {
            i += words - 1;
        } else if (strcmp(argv[i], "--") == 0) {
            f->command = argv + i + 1;
            break;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            rc = take_option(f, cmd, argc, argv, &i, e);
        } else {
            f->argv[f->argc++] = argv[i];
        }
    }
    if (rc)
        return rc;
    f->json = strcmp(tg_opt_text(f, "output"), "json") == 0;
    if (!cmd || tg_opt_flag(f, "help") || tg_opt_flag(f, "version"))
        return 0;
    if (f->command && !(cmd->needs & TG_TAKES_COMMAND))
        return tg_fail(e, TG_E_USAGE, "tagout %s takes no command behind \"--\"", cmd->name);
    if (f->argc < cmd->min_args || (cmd->max_args >= 0 && f->argc > cmd->max_args)) {
        if (f->argc < cmd->min_args)
            tg_fail(e, TG_E_USAGE, "something is missing: tagout %s %s", cmd->name, cmd->args);
        else
            tg_fail(e, TG_E_USAGE, "\"%.60s\" is one argument too many, %d are taken at most: tagout %s %s", f->argv[cmd->max_args], cmd->max_args, cmd->name, cmd->args);
        tg_error_hint(e, "tagout %s --help", cmd->name);
        return TG_E_USAGE;
    }
    return 0;
}

void tg_cli_release(struct tg_frame *f)
{
    for (size_t i = 0; i < f->n_values; i++) {
        for (size_t j = 0; j < f->values[i].n_items; j++)
            free(f->values[i].items[j]);
        free(f->values[i].items);
    }
    free(f->values);
    free(f->argv);
    f->values = NULL;
    f->argv = NULL;
    f->n_values = 0;
}
