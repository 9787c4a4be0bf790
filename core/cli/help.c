/* --help: printed from the tables of cmd.h. */
#include "cli/cmd.h"

#include <string.h>

/* Prints text folded to 80 columns behind an indent; the first line starts at column. */
static void print_folded(FILE *to, const char *text, int indent, int column)
{
    for (; column < indent; column++)
        fputc(' ', to);
    while (*text) {
        int len = (int) strcspn(text, " ");
        if (column > indent && column + 1 + len > 79) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', to);
            column++;
        }
        fprintf(to, "%.*s", len, text);
        column += len;
        text += len;
        while (*text == ' ')
            text++;
    }
    fputc('\n', to);
}

static void print_opts(FILE *to, const struct tg_opt *opts)
{
    for (size_t i = 0; opts && opts[i].name; i++) {
        const struct tg_opt *o = &opts[i];
        char head[96], text[512];
        char letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        int n = snprintf(head, sizeof head, "  %s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        snprintf(text, sizeof text, "%s%s%s%s%s%s%s", o->text, o->choices ? " (" : "", o->choices ? o->choices : "", o->choices ? ")" : "",
                 o->value ? " [" : "", o->value ? o->value : "", o->value ? "]" : "");
        for (const char *p = head; *p; p++)
            n -= ((unsigned char) *p & 0xc0) == 0x80; /* columns, not bytes: "ACTOR,…" */
        fputs(head, to);
        if (n > 27) {
            fputc('\n', to);
            n = 0;
        }
        print_folded(to, text, 28, n);
    }
}

/* All commands, or those whose first word it is. */
static void print_overview(FILE *to, const char *family)
{
    size_t len = family ? strlen(family) : 0;

    if (family)
        fprintf(to, "Usage: tagout [OPTION…] %s COMMAND …\n\nCommands:\n", family);
    else
        fputs("tagout: lockout-tagout for fleets. Locks which every automation respects, and\n"
              "changes made only through the configuration management.\n\nUsage: tagout [OPTION…] COMMAND …\n\nCommands:\n", to);
    for (size_t i = 0; tg_commands[i]; i++)
        if (!(tg_commands[i]->needs & TG_HIDDEN) && (!family || (strncmp(tg_commands[i]->name, family, len) == 0 && tg_commands[i]->name[len] == ' ')))
            print_folded(to, tg_commands[i]->brief, 21, fprintf(to, "  %s", tg_commands[i]->name));
    fputs("\nOptions:\n", to);
    print_opts(to, tg_global_opts);
    fputs("\nMore: tagout COMMAND --help, man tagout-COMMAND.\n", to);
}

void tg_cli_help(FILE *to, const struct tg_cmd *cmd, const char *family)
{
    if (!cmd) {
        print_overview(to, family);
        return;
    }
    fprintf(to, "Usage: tagout %s%s%s%s\n\n", cmd->name, cmd->opts ? " [OPTION…]" : "", cmd->args[0] ? " " : "", cmd->args);
    print_folded(to, cmd->details ? cmd->details : cmd->brief, 0, 0);
    if (cmd->opts) {
        fputs("\nOptions:\n", to);
        print_opts(to, cmd->opts);
    }
    fputs("\nOptions of every command:\n", to);
    print_opts(to, tg_global_opts);
    if (cmd->examples)
        fprintf(to, "\nExamples:\n%s", cmd->examples);
}
