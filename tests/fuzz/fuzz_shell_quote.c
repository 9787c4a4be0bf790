/*
 * Quotes words (separated by NUL) and reads the line back as a POSIX shell would: plain bytes, single quotes, "\'" between them,
 * blanks as separators; anything else is a hole. tests/unit/test_shell_quote.c asks a real shell.
 */
#include <tagout/transport.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 256

static void check(int holds)
{
    if (!holds)
        abort();
}

/* Reads one word of the line, compares, and returns what is behind it. */
static const char *unquote(const char *at, const char *word)
{
    while (*at && *at != ' ') {
        if (*at == '\'') {
            for (at++; *at && *at != '\''; at++)
                check(*at == *word++);
            check(*at == '\'');
            at++;
        } else if (*at == '\\') {
            check(at[1] == '\'' && *word == '\'');
            at += 2;
            word++;
        } else {
            check(!strchr("\"$`!*?[]{}()<>|&;~#=^\t\n\r", *at));
            check(*at++ == *word++);
        }
    }
    check(*word == '\0');
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *argv[WORDS_MAX + 1];
    size_t n = 0;
    char *words = malloc(size + 1), *line = NULL;

    if (!words)
        return 0;
    if (size)
        memcpy(words, data, size);
    words[size] = '\0';
    for (size_t i = 0; i <= size && n < WORDS_MAX; i += strlen(words + i) + 1)
        argv[n++] = words + i;
    argv[n] = NULL;
    if (tg_shell_quote(argv, &line, NULL) == 0) {
        const char *at = line;
        for (size_t i = 0; i < n; i++) {
            at = unquote(at, argv[i]);
            check(*at == (i + 1 < n ? ' ' : '\0'));
            at += *at == ' ';
        }
    }
    free(line);
    free(words);
    return 0;
}
