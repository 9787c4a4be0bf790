/* The one quoting function, against a real shell; and the bound on what is kept of a command's output. */
#include <tagout/transport.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long seed = 20261122;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned) (seed >> 33) % n;
}

/* Bytes which shells know well come more often; NUL never. */
static void random_word(char *out, size_t max)
{
    static const char special[] = "'\"\\$`!*?[]{}()<>|&;~#=%^ \t\n\r-";
    size_t len = below((unsigned) max);

    for (size_t i = 0; i < len; i++)
        out[i] = below(2) ? special[below(sizeof special - 1)] : (char) (1 + below(255));
    out[len] = '\0';
}

static size_t read_all(FILE *f, char *out, size_t size)
{
    size_t n = fread(out, 1, size, f);
    pclose(f);
    return n;
}

#define WORDS 40
#define WORD_MAX 24

/* STYLE 17: thousands of random words through a real sh, compared byte by byte. */
Test(shell_quote, any_words_come_out_of_a_shell_as_they_went_in)
{
    static char words[WORDS][WORD_MAX], expected[WORDS * WORD_MAX + 1], got[2 * sizeof expected];
    const char *argv[WORDS + 3];

    for (int round = 0; round < 200; round++) {
        size_t len = 0;
        argv[0] = "printf";
        argv[1] = "%s\\0";
        for (size_t i = 0; i < WORDS; i++) {
            random_word(words[i], WORD_MAX);
            argv[2 + i] = words[i];
            memcpy(expected + len, words[i], strlen(words[i]) + 1);
            len += strlen(words[i]) + 1;
        }
        argv[2 + WORDS] = NULL;
        char *line = NULL;
        cr_assert_eq(tg_shell_quote(argv, &line, NULL), 0);
        FILE *f = popen(line, "r"); /* "sh -c LINE" */
        cr_assert(f);
        size_t n = read_all(f, got, sizeof got);
        cr_assert_eq(n, len, "round %d: %zu bytes came of %zu: %s", round, n, len, line);
        cr_assert_eq(memcmp(got, expected, len), 0, "round %d: %s", round, line);
        free(line);
    }
}

Test(shell_quote, a_first_word_is_never_syntax)
{
    static const char *const names[] = {"if", "A=b", "!", "{", "time", "~", "#x", "-x", "*"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *argv[] = {names[i], "a b", NULL};
        char *line = NULL, all[300], got[200];
        cr_assert_eq(tg_shell_quote(argv, &line, NULL), 0);
        snprintf(all, sizeof all, "cd /nonexistent-folder 2>/dev/null; %s 2>&1; echo $?", line);
        FILE *f = popen(all, "r");
        got[read_all(f, got, sizeof got - 1)] = '\0';
        cr_assert(strstr(got, "127"), "%s was taken for syntax: %s", line, got);
        free(line);
    }
}

Test(shell_quote, plain_words_stay_readable)
{
    const char *argv[] = {"/usr/bin/puppet", "apply", "--noop", "it's", "", NULL};
    char *line = NULL;

    cr_assert_eq(tg_shell_quote(argv, &line, NULL), 0);
    cr_assert_str_eq(line, "/usr/bin/puppet apply --noop 'it'\\''s' ''");
    free(line);
}

Test(shell_quote, what_no_shell_can_take_is_refused)
{
    const char *none[] = {NULL}, *empty[] = {"", NULL};
    char *line = NULL, *big = malloc(200000);
    struct tg_error e = TG_ERROR_INIT;

    memset(big, 'x', 199999);
    big[199999] = '\0';
    const char *huge[] = {"/bin/true", big, NULL};
    cr_assert_eq(tg_shell_quote(none, &line, NULL), TG_E_DATA);
    cr_assert_eq(tg_shell_quote(empty, &line, NULL), TG_E_DATA);
    cr_assert_eq(tg_shell_quote(huge, &line, &e), TG_E_DATA);
    cr_assert(e.hint[0]);
    cr_assert_null(line);
    free(big);
}

Test(output, keeps_the_first_and_the_last_half)
{
    /* every way to cut the same 10,000 bytes into pieces gives the same text */
    static char all[10000];
    struct tg_output o;
    size_t len;

    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char) ('a' + i % 26);
    for (size_t piece = 1; piece < sizeof all; piece += 1 + piece / 3) {
        tg_output_init(&o, 100);
        for (size_t i = 0; i < sizeof all; i += piece)
            cr_assert_eq(tg_output_add(&o, all + i, sizeof all - i < piece ? sizeof all - i : piece), 0);
        const char *text = tg_output_finish(&o, &len);
        cr_assert_eq(memcmp(text, all, 50), 0);
        cr_assert_eq(memcmp(text + len - 50, all + sizeof all - 50, 50), 0, "piece %zu: %s", piece, text);
        cr_assert(strstr(text, "9900 bytes cut"), "%s", text);
        cr_assert_eq(strlen(text), len);
        tg_output_release(&o);
    }
}

Test(output, what_fits_is_whole_and_binary_safe)
{
    struct tg_output o;
    size_t len;

    tg_output_init(&o, 8);
    cr_assert_str_eq(tg_output_finish(&o, &len), "");
    tg_output_init(&o, 8);
    cr_assert_eq(tg_output_add(&o, "ab\0cdefg", 8), 0);
    const char *text = tg_output_finish(&o, &len);
    cr_assert_eq(len, 8);
    cr_assert_eq(memcmp(text, "ab\0cdefg", 8), 0);
    tg_output_release(&o);
}
