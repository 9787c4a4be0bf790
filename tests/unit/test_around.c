/* What the modules of around: share. */
#include <tagout/around.h>

#include <criterion/criterion.h>
#include <string.h>

static const struct tg_around_context context = {.host = "web001.example.com", .address = "192.0.2.7"};

static const char *made(const char *text)
{
    static char out[64];

    return tg_around_template(text, &context, out, sizeof out, NULL) ? "!" : out;
}

Test(around, names_stand_in_texts)
{
    cr_assert_str_eq(made("{host}"), "web001.example.com");
    cr_assert_str_eq(made("{short}-{address}"), "web001-192.0.2.7");
    cr_assert_str_eq(made("plain"), "plain");
    cr_assert_str_eq(made(""), "");
}

Test(around, a_text_that_does_not_fit_is_refused)
{
    struct tg_error e = TG_ERROR_INIT;
    char out[19];

    cr_assert_eq(tg_around_template("{host}", &context, out, sizeof out, &e), 0, "18 bytes and a NUL fit");
    cr_assert_eq(tg_around_template("{host}.", &context, out, sizeof out, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "web001.example.com"));
}

Test(around, other_braces_are_mistakes)
{
    cr_assert(tg_around_template_ok("{short}.{host}{address}"));
    cr_assert_not(tg_around_template_ok("{name}"));
    cr_assert_not(tg_around_template_ok("{host"));
    cr_assert_not(tg_around_template_ok("a}"));
}

Test(around, each_has_a_name)
{
    for (int i = 0; i < TG_AROUND_WHATS; i++)
        cr_assert_str_neq(tg_around_what_name((enum tg_around_what) i), "?");
    for (int i = 0; i < TG_AROUND_VERBS; i++)
        cr_assert_str_neq(tg_around_verb_name((enum tg_around_verb) i), "?");
    for (int i = 0; i <= TG_AROUND_LOST; i++)
        cr_assert_str_neq(tg_around_end_name((enum tg_around_end) i), "?");
}
