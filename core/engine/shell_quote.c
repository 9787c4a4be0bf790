/* Quoting for a POSIX shell: the one place where argv becomes a command line, because sshd hands it to the user's shell. */
#include <tagout/transport.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Linux refuses a single argument of this size (MAX_ARG_STRLEN, 32 pages), and sshd passes the whole line as one: "sh -c LINE". */
#define LINE_MAX_BYTES (32 * 4096 - 1)

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-:,+@%";

/*
 * May the word stand as it is? "=" is not plain: it would make an assignment of a first word. A bare first word is quoted too, since
 * "if", "!" or an alias would not be a command's name.
 */
static bool is_plain(const char *word, bool first)
{
    return word[0] && word[strspn(word, plain)] == '\0' && (!first || word[0] == '/');
}

static size_t quoted_size(const char *word, bool first)
{
    size_t size = strlen(word);

    if (is_plain(word, first))
        return size;
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            size += 3;
    return size + 2;
}

static char *quote(char *at, const char *word, bool first)
{
    if (is_plain(word, first)) {
        size_t len = strlen(word);
        memcpy(at, word, len);
        return at + len;
    }
    *at++ = '\'';
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *c;
        }
    }
    *at++ = '\'';
    return at;
}

int tg_shell_quote(const char *const *argv, char **out, struct tg_error *e)
{
    size_t size = 0;

    if (!argv || !argv[0] || !argv[0][0])
        return tg_fail(e, TG_E_DATA, "a command needs a name: argv is empty");
    for (size_t i = 0; argv[i]; i++)
        size += quoted_size(argv[i], i == 0) + 1;
    if (size > LINE_MAX_BYTES) {
        tg_fail(e, TG_E_DATA, "the command line has %zu bytes, a shell is given at most %d", size, LINE_MAX_BYTES);
        tg_error_hint(e, "send what is long through the command's input");
        return TG_E_DATA;
    }
    char *line = malloc(size);
    if (!line)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    char *at = line;
    for (size_t i = 0; argv[i]; i++) {
        if (i)
            *at++ = ' ';
        at = quote(at, argv[i], i == 0);
    }
    *at = '\0';
    *out = line;
    return 0;
}
