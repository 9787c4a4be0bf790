/*
 * The hidden command "_tables": prints from the tables of commands what the build and the completion need.
 *   page FILE           a man page's source with @OPTIONS@ and @COMMANDS@ replaced; the command follows from its first line
 *   names               the commands that are shown, "-" between their words
 *   complete KIND TEXT  words that begin with TEXT: host, group, scope, selector, actor
 */
#include "cli/tables.h"

#include "cli/commands.h"
#include "cli/enforce.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than anybody reads; keeps a fleet of a million from being printed at each press of a key. */
#define OFFERED_MAX 200

const struct tg_cmd *tg_tables_find(const char *name)
{
    for (size_t c = 0; tg_commands[c]; c++) {
        const char *a = tg_commands[c]->name, *b = name;
        while (*a && (*a == *b || (*a == ' ' && *b == '-'))) {
            a++;
            b++;
        }
        if (!*a && !*b)
            return tg_commands[c];
    }
    return NULL;
}

static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (strchr("\\_*#~`", *text))
            fputc('\\', to);
        fputc(*text, to);
    }
}

static void put_choices(FILE *to, const char *choices)
{
    fputs(". One of ", to);
    for (const char *p = choices;; p++) {
        size_t len = strcspn(p, "|");
        fprintf(to, "%s*%.*s*", p == choices ? "" : ", ", (int) len, p);
        p += len;
        if (!*p)
            break;
    }
}

static void put_option(FILE *to, const struct tg_opt *o)
{
    if (o->letter)
        fprintf(to, "*-%c*, ", o->letter);
    fprintf(to, "*--%s*", o->name);
    if (o->arg) {
        fputs(" _", to);
        put_escaped(to, o->arg);
        fputc('_', to);
    }
    fputs("\n\t", to);
    put_escaped(to, o->text);
    if (o->choices)
        put_choices(to, o->choices);
    if (o->value) {
        fputs(". Default: *", to);
        put_escaped(to, o->value);
        fputc('*', to);
    }
    fputs(o->text[strlen(o->text) - 1] == '.' && !o->value && !o->choices ? "\n\n" : ".\n\n", to);
}

void tg_tables_options(FILE *to, const struct tg_cmd *cmd)
{
    for (size_t i = 0; cmd && cmd->opts && cmd->opts[i].name; i++)
        put_option(to, &cmd->opts[i]);
    for (size_t i = 0; !cmd && tg_global_opts[i].name; i++)
        put_option(to, &tg_global_opts[i]);
    if (cmd)
        fputs("Options of every command, such as *--output* and *--config*, are in *tagout*(1).\n", to);
}

void tg_tables_commands(FILE *to)
{
    for (size_t c = 0; tg_commands[c]; c++) {
        const struct tg_cmd *cmd = tg_commands[c];
        if (cmd->needs & TG_HIDDEN)
            continue;
        fprintf(to, "*tagout-");
        for (const char *p = cmd->name; *p; p++)
            fputc(*p == ' ' ? '-' : *p, to);
        fputs("*(1)\n\t", to);
        fputc(cmd->brief[0] >= 'a' && cmd->brief[0] <= 'z' ? cmd->brief[0] - 'a' + 'A' : cmd->brief[0], to);
        put_escaped(to, cmd->brief + 1);
        fputs(".\n\n", to);
    }
}

/* "tagout-inventory-check(1)" → its command; "tagout(1)" → NULL, which is the whole. */
static int page_command(const char *line, const struct tg_cmd **out, struct tg_error *e)
{
    char name[64];
    const char *open = strchr(line, '(');

    *out = NULL;
    if (strncmp(line, "tagout-", 7) != 0 || !open)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int) (open - line - 7), line + 7);
    *out = tg_tables_find(name);
    return *out || open[1] != '1' ? 0 : tg_fail(e, TG_E_DATA, "there is no command for the page \"tagout-%s\"", name);
}

static int print_page(const char *path, struct tg_error *e)
{
    const struct tg_cmd *cmd = NULL;
    char *line = NULL;
    size_t cap = 0;
    FILE *f = fopen(path, "re");
    int rc = f ? 0 : tg_fail_errno(e, TG_E_DATA, errno, "%s", path);

    for (size_t n = 0; !rc && getline(&line, &cap, f) >= 0; n++) {
        if (n == 0)
            rc = page_command(line, &cmd, e);
        if (strcmp(line, "@OPTIONS@\n") == 0)
            tg_tables_options(stdout, cmd);
        else if (strcmp(line, "@COMMANDS@\n") == 0)
            tg_tables_commands(stdout);
        else
            fputs(line, stdout);
    }
    free(line);
    if (f)
        fclose(f);
    return rc;
}

struct offer {
    const char *prefix; /* what was typed */
    size_t n;
};

static void offer(struct offer *o, const char *before, const char *word)
{
    size_t len = strlen(before);
    size_t typed = strlen(o->prefix);
    bool begins = typed <= len ? strncmp(before, o->prefix, typed) == 0
                               : strncmp(before, o->prefix, len) == 0 && strncmp(word, o->prefix + len, typed - len) == 0;

    if (begins && o->n < OFFERED_MAX && ++o->n)
        printf("%s%s\n", before, word);
}

static void offer_hosts(struct offer *o, const struct tg_inventory *inv, const char *before)
{
    size_t n;
    const struct tg_host *hosts = tg_inventory_hosts(inv, &n);

    for (size_t i = 0; i < n && o->n < OFFERED_MAX; i++)
        offer(o, before, hosts[i].name);
}

static void offer_groups(struct offer *o, const struct tg_inventory *inv, const char *before)
{
    size_t n;
    const struct tg_group *groups = tg_inventory_groups(inv, &n);

    for (size_t i = 0; i < n && o->n < OFFERED_MAX; i++)
        offer(o, before, groups[i].name);
}

static void offer_words(struct offer *o, const char *const *words)
{
    for (; *words; words++)
        offer(o, "", *words);
}

static void offer_attrs(struct offer *o, const struct tg_inventory *inv)
{
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(inv, &n);
    char word[100];

    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof word, "%s=", keys[i]);
        offer(o, "", word);
    }
}

/* Without an inventory there are only the words that need none. */
static void complete(const struct tg_inventory *inv, const char *kind, const char *prefix)
{
    static const char *const actors[] = {"config-management", "package-manager", "autoscaler", "reboot", NULL};
    static const char *const policies[] = {"hold", "last-known", "last-known=", "go", NULL};
    static const char *const scopes[] = {"fleet", "service:", NULL};
    static const char *const operators[] = {"and", "or", "not", "shard:", NULL};
    struct offer o = {.prefix = prefix};

    if (strcmp(kind, "actor") == 0)
        offer_words(&o, actors);
    for (size_t i = 0; strcmp(kind, "tool") == 0 && tg_enforce_tools[i]; i++)
        offer(&o, "", tg_enforce_tools[i]->name);
    if (strcmp(kind, "on-unknown") == 0)
        offer_words(&o, policies);
    if (strcmp(kind, "scope") == 0)
        offer_words(&o, scopes);
    if (strcmp(kind, "selector") == 0)
        offer_words(&o, operators);
    if (!inv)
        return;
    if (strcmp(kind, "group") == 0)
        offer_groups(&o, inv, "");
    if (strcmp(kind, "scope") == 0)
        offer_groups(&o, inv, "group:");
    if (strcmp(kind, "selector") == 0) {
        offer_groups(&o, inv, "@");
        offer_attrs(&o, inv);
    }
    if (strcmp(kind, "host") == 0 || strcmp(kind, "selector") == 0)
        offer_hosts(&o, inv, "");
    if (strcmp(kind, "scope") == 0)
        offer_hosts(&o, inv, "host:");
}

static int run_tables(struct tg_frame *f, struct tg_error *e)
{
    const char *what = f->argv[0];

    if (strcmp(what, "page") == 0 && f->argc == 2)
        return print_page(f->argv[1], e);
    if (strcmp(what, "complete") == 0 && f->argc >= 2) {
        complete(f->inventory, f->argv[1], f->argc > 2 ? f->argv[2] : "");
        return 0;
    }
    if (strcmp(what, "names") != 0)
        return tg_fail(e, TG_E_USAGE, "page FILE, names, or complete KIND TEXT");
    for (size_t c = 0; tg_commands[c]; c++) {
        if (tg_commands[c]->needs & TG_HIDDEN)
            continue;
        for (const char *p = tg_commands[c]->name; *p; p++)
            putchar(*p == ' ' ? '-' : *p);
        putchar('\n');
    }
    return 0;
}

/* Two entries, because building pages must not depend on what is in /etc. */
const struct tg_cmd tg_cmd_tables = {
    .name = "_tables",
    .args = "page FILE | names",
    .brief = "prints from the tables of commands (internal)",
    .min_args = 1,
    .max_args = 2,
    .needs = TG_HIDDEN,
    .exec = run_tables,
};

const struct tg_cmd tg_cmd_tables_complete = {
    .name = "_complete",
    .args = "complete KIND TEXT",
    .brief = "prints words for the completion (internal)",
    .min_args = 2,
    .max_args = 3,
    .needs = TG_HIDDEN | TG_WANT_INVENTORY,
    .exec = run_tables,
};
