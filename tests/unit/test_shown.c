/* Texts of others: what is hidden in them is shown. */
#include "base/shown.h"

#include <criterion/criterion.h>

static const char *shown(const char *text, void (*how)(struct tg_buf *, const char *))
{
    static struct tg_buf b;

    tg_buf_reset(&b);
    how(&b, text);
    return tg_buf_text(&b);
}

Test(shown, what_is_hidden_is_escaped_and_nothing_else)
{
    static const struct { const char *text, *is; } rows[] = {
        {"", ""}, {"plain, \xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x92", "plain, \xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x92"},
        {"a\x1b[31m\x7f", "a\\x1b[31m\\x7f"}, {"\xc2\x9b", "\\xc2\\x9b"}, {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
        {"\xe2\x80\x8b\xef\xbb\xbf", "\\xe2\\x80\\x8b\\xef\\xbb\\xbf"}, {"\xd8\x9c", "\\xd8\\x9c"}, {"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"},
        {"\xff" "a\xc3", "\\xffa\\xc3"}, {"\xe2\x80", "\\xe2\\x80"}, {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, {"\xc0\xaf", "\\xc0\\xaf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_str_eq(shown(rows[i].text, tg_shown), rows[i].is, "%zu", i);
}

Test(shown, lines_stay_lines)
{
    cr_assert_str_eq(shown("a\nb\x1b[2J\n\xe2\x80\xae" "c\r\n", tg_shown_lines), "a\nb\\x1b[2J\n\\xe2\\x80\\xaec\\x0d\n");
}

Test(shown, json_keeps_its_value)
{
    cr_assert_str_eq(shown("[\"\xe2\x80\xae\xc3\xbc\",\n \"\xf3\xa0\x81\x81\xc2\x9b\"]", tg_shown_json), "[\"\\u202e\xc3\xbc\",\n \"\\udb40\\udc41\\u009b\"]");
}

Test(shown, blank_is_what_nobody_sees)
{
    cr_assert(tg_text_is_blank("") && tg_text_is_blank(" \t ") && tg_text_is_blank("\xc2\xa0\xe2\x80\x8b\xe3\x80\x80"));
    cr_assert_not(tg_text_is_blank(" . "));
    cr_assert_not(tg_text_is_blank("\xff\xfe")); /* who says so is told that it is no UTF-8, not that he said nothing */
}

Test(shown, a_text_is_cut_at_a_whole_character)
{
    char out[5];

    cr_assert_str_eq(tg_shown_text("abc\xc3\xbc", out, sizeof out), "abc");
}
