/* Text in columns. */
#include "base/columns.h"

#include <criterion/criterion.h>
#include <locale.h>

static void expect(void (*put)(struct tg_buf *out, const char *text, int room), const char *text, int room, const char *wanted)
{
    struct tg_buf out = TG_BUF_INIT;

    put(&out, text, room);
    cr_expect_str_eq(tg_buf_text(&out), wanted);
    tg_buf_release(&out);
}

static void wrapped(struct tg_buf *out, const char *text, int room)
{
    tg_put_wrapped(out, text, room, 2);
}

Test(columns, are_characters)
{
    cr_expect_eq(tg_columns(""), 0);
    cr_expect_eq(tg_columns("a–ü…"), 4);
}

Test(columns, what_is_too_long_is_cut)
{
    expect(tg_put_cut, "drain", 5, "drain");
    expect(tg_put_cut, "drain", 4, "dra…");
    expect(tg_put_cut, "ä–ü", 2, "ä…");
    expect(tg_put_cut, "drain", 1, "…");
}

Test(columns, or_goes_on_in_the_next_line)
{
    expect(wrapped, "drain web from lb", 20, "drain web from lb");
    expect(wrapped, "drain web from lb", 9, "drain web\n  from lb");
    expect(wrapped, "drain web from lb", 8, "drain\n  web from\n  lb");
    expect(wrapped, "drain  web", 6, "drain\n  web");
    expect(wrapped, "–––––––", 3, "–––\n  –––\n  –");
    expect(wrapped, "a bcdefgh", 3, "a\n  bcd\n  efg\n  h");
    expect(wrapped, "ab", 0, "a\n  b");
    expect(wrapped, "", 3, "");
}

Test(columns, of_east_asian_scripts_and_emoji_are_two)
{
    cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
    cr_expect_eq(tg_columns("日本"), 4);
    cr_expect_eq(tg_columns("a🔥b"), 4);
    cr_expect_eq(tg_columns("e\u0301"), 1); /* é, of two characters */
    cr_expect_eq(tg_columns("\xff\xe6\x97"), 3);
    expect(tg_put_cut, "日本語", 6, "日本語");
    expect(tg_put_cut, "日本語", 5, "日本…");
    expect(tg_put_cut, "日本語", 4, "日…"); /* no half of one: a column stays empty */
    expect(tg_put_cut, "e\u0301e\u0301e", 2, "e\u0301…");
    expect(wrapped, "日本語 🔥", 4, "日本\n  語\n  🔥");
    expect(wrapped, "日本", 1, "日\n  本");
}
