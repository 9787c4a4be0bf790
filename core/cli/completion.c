/* tagout completion: the completion for a shell, written from the tables of commands. */
#include "cli/commands.h"
#include "cli/tables.h"

#include <string.h>

/* What stands before the generated tables: the same for every version. */
static const char head[] =
    "# bash completion of tagout, written by: tagout completion bash\n"
    "\n"
    "# Words of a kind that only the site knows. Asked quietly and with a deadline: a slow store must not hold up a prompt.\n"
    "_tagout_ask() {\n"
    "    local kind=$1 cur=$2\n"
    "    case $kind in\n"
    "    lock) timeout 1 tagout \"${_tagout_site[@]}\" locks -o json 2>/dev/null |\n"
    "        sed -n 's/.*\"id\": \"\\([^\"]*\\)\".*/\\1/p' | sort -u ;;\n"
    "    run) timeout 1 tagout \"${_tagout_site[@]}\" status -o json 2>/dev/null |\n"
    "        sed -n 's/.*\"run\": \"\\([^\"]*\\)\".*/\\1/p' | sort -u ;;\n"
    "    *) timeout 1 tagout \"${_tagout_site[@]}\" _complete complete \"$kind\" \"$cur\" 2>/dev/null ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# Candidates of a kind into COMPREPLY. Readline breaks words at : = and @, so that what stands before the last of them must go.\n"
    "_tagout_offer() {\n"
    "    local kind=$1 cur=$2 broken i\n"
    "    case $kind in\n"
    "    '') return ;;\n"
    "    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
    "    =*) mapfile -t COMPREPLY < <(compgen -W \"${kind#=}\" -- \"$cur\") ;;\n"
    "    *) mapfile -t COMPREPLY < <(compgen -W \"$(_tagout_ask \"$kind\" \"$cur\")\" -- \"$cur\") ;;\n"
    "    esac\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace\n"
    "    broken=${cur%\"${cur##*[:=@]}\"}\n"
    "    for i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]#\"$broken\"}; done\n"
    "}\n"
    "\n";

static const char tail[] =
    "_tagout() {\n"
    "    local cur prev words cword i command='' takes kind\n"
    "    local -a _tagout_site=()\n"
    "    COMPREPLY=()\n"
    "    _get_comp_words_by_ref -n :=@ cur prev words cword 2>/dev/null || return\n"
    "    for ((i = 1; i < cword; i++)); do\n"
    "        case ${words[i]} in\n"
    "        --) _command_offset $((i + 1)); return ;;\n"
    "        -c | --config | -i | --inventory | -s | --store) _tagout_site+=(\"${words[i]}\" \"${words[i + 1]}\"); ((i++)) ;;\n"
    "        --config=* | --inventory=* | --store=*) _tagout_site+=(\"${words[i]}\") ;;\n"
    "        -*) kind=$(_tagout_takes \"$command\" \"${words[i]}\") && ((i++)) ;;\n"
    "        *) if [[ -z $command ]]; then\n"
    "            command=${words[i]}\n"
    "            if ((i + 1 < cword)) && _tagout_args \"$command ${words[i + 1]}\" >/dev/null; then\n"
    "                command+=\" ${words[i + 1]}\"\n"
    "                ((i++))\n"
    "            fi\n"
    "        fi ;;\n"
    "        esac\n"
    "    done\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        takes=$(_tagout_takes \"$command\" \"${cur%%=*}\") && _tagout_offer \"$takes\" \"${cur#*=}\"\n"
    "    elif [[ $prev == -* ]] && takes=$(_tagout_takes \"$command\" \"$prev\"); then\n"
    "        _tagout_offer \"$takes\" \"$cur\"\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        _tagout_offer \"=$(_tagout_options \"$command\")\" \"$cur\"\n"
    "    elif [[ -z $command ]]; then\n"
    "        _tagout_offer \"=$(_tagout_seconds '')\" \"$cur\"\n"
    "    elif kind=$(_tagout_args \"$command\"); then\n"
    "        _tagout_offer \"$kind\" \"$cur\"\n"
    "    else\n"
    "        _tagout_offer \"=$(_tagout_seconds \"$command\")\" \"$cur\"\n"
    "    fi\n"
    "} &&\n"
    "    complete -F _tagout tagout\n";

/* "file", "=text json", "host"; "" for what can't be guessed. */
static void put_kind(FILE *to, const struct tg_opt *o)
{
    if (o->complete || o->type == TG_OPT_FILE) {
        fputs(o->complete ? o->complete : "file", to);
        return;
    }
    if (o->choices)
        fputc('=', to);
    for (const char *p = o->choices; p && *p; p++)
        fputc(*p == '|' ? ' ' : *p, to);
}

static void put_takes(FILE *to, const char *command, const struct tg_opt *opts)
{
    for (; opts && opts->name; opts++) {
        if (opts->type == TG_OPT_FLAG)
            continue;
        fprintf(to, "    '%s':--%s", command, opts->name);
        if (opts->letter)
            fprintf(to, " | '%s':-%c", command, opts->letter);
        fputs(") echo '", to);
        put_kind(to, opts);
        fputs("' ;;\n", to);
    }
}

static void put_options(FILE *to, const struct tg_opt *opts)
{
    for (; opts && opts->name; opts++)
        fprintf(to, " --%s", opts->name);
}

/* Whether the command is the first shown one with its first word. */
static bool first_of_family(size_t c, size_t len)
{
    for (size_t i = 0; i < c; i++)
        if (!(tg_commands[i]->needs & TG_HIDDEN) && strncmp(tg_commands[i]->name, tg_commands[c]->name, len) == 0 &&
            (!tg_commands[i]->name[len] || tg_commands[i]->name[len] == ' '))
            return false;
    return true;
}

/* The words that follow a word: the first words of all for "", the second ones of a family else. */
static void put_seconds(FILE *to)
{
    fputs("_tagout_seconds() {\n    case $1 in\n    '') echo '", to);
    for (size_t c = 0; tg_commands[c]; c++) {
        size_t len = strcspn(tg_commands[c]->name, " ");
        if (!(tg_commands[c]->needs & TG_HIDDEN) && first_of_family(c, len))
            fprintf(to, "%.*s ", (int) len, tg_commands[c]->name);
    }
    fputs("' ;;\n", to);
    for (size_t c = 0; tg_commands[c]; c++) {
        size_t len = strcspn(tg_commands[c]->name, " ");
        if (tg_commands[c]->needs & TG_HIDDEN || !tg_commands[c]->name[len] || !first_of_family(c, len))
            continue;
        fprintf(to, "    %.*s) echo '", (int) len, tg_commands[c]->name);
        for (size_t i = c; tg_commands[i]; i++)
            if (strncmp(tg_commands[i]->name, tg_commands[c]->name, len + 1) == 0)
                fprintf(to, "%s ", tg_commands[i]->name + len + 1);
        fputs("' ;;\n", to);
    }
    fputs("    esac\n}\n\n", to);
}

void tg_tables_bash(FILE *to)
{
    fputs(head, to);
    put_seconds(to);
    fputs("# What the arguments of a command are; fails for what is no command.\n_tagout_args() {\n    case $1 in\n", to);
    for (size_t c = 0; tg_commands[c]; c++)
        if (!(tg_commands[c]->needs & TG_HIDDEN))
            fprintf(to, "    '%s') echo '%s' ;;\n", tg_commands[c]->name, tg_commands[c]->complete ? tg_commands[c]->complete : "");
    fputs("    *) return 1 ;;\n    esac\n}\n\n_tagout_options() {\n    echo '", to);
    put_options(to, tg_global_opts);
    fputs("'\n    case $1 in\n", to);
    for (size_t c = 0; tg_commands[c]; c++) {
        if (tg_commands[c]->needs & TG_HIDDEN || !tg_commands[c]->opts)
            continue;
        fprintf(to, "    '%s') echo '", tg_commands[c]->name);
        put_options(to, tg_commands[c]->opts);
        fputs("' ;;\n", to);
    }
    fputs("    esac\n}\n\n# What the option of a command takes; fails for flags.\n_tagout_takes() {\n    case $1:$2 in\n", to);
    for (size_t c = 0; tg_commands[c]; c++)
        if (!(tg_commands[c]->needs & TG_HIDDEN))
            put_takes(to, tg_commands[c]->name, tg_commands[c]->opts);
    fputs("    *)\n        case :$2 in\n", to);
    put_takes(to, "", tg_global_opts);
    fputs("        *) return 1 ;;\n        esac ;;\n    esac\n}\n\n", to);
    fputs(tail, to);
}

static int run_completion(struct tg_frame *f, struct tg_error *e)
{
    if (strcmp(f->argv[0], "bash") != 0) {
        tg_fail(e, TG_E_USAGE, "there is no completion for \"%.40s\"", f->argv[0]);
        return tg_error_hint(e, "there is one for: bash"), TG_E_USAGE;
    }
    tg_tables_bash(stdout);
    return 0;
}

const struct tg_cmd tg_cmd_completion = {
    .name = "completion",
    .args = "bash",
    .brief = "print the completion for a shell",
    .details = "Prints the completion script for bash. An installed tagout has it already; this is for one that runs from elsewhere.",
    .examples = "  $ . <(tagout completion bash)\n",
    .min_args = 1,
    .max_args = 1,
    .complete = "=bash",
    .exec = run_completion,
};
