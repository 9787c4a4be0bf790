/* base: errors, durations and times, strings, the loop. */
#include "base/buf.h"

#include <tagout/clock.h>
#include <tagout/error.h>
#include <tagout/loop.h>

#include <criterion/criterion.h>
#include <string.h>
#include <uv.h>

Test(error, first_one_wins_and_prefixes_pile_up)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_fail(&e, TG_E_HELD, "lock %d", 7), TG_E_HELD);
    tg_fail(&e, TG_E_BUG, "second");
    tg_error_prefix(&e, "group:%s", "web");
    cr_assert_str_eq(e.message, "group:web: lock 7");
    cr_assert_eq(e.code, TG_E_HELD);
    cr_assert_eq(tg_fail(NULL, TG_E_DATA, "x"), TG_E_DATA);
}

Test(error, long_text_is_cut_at_a_character)
{
    struct tg_error e = TG_ERROR_INIT;
    char text[2000];

    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "ä", 3);
    tg_fail(&e, TG_E_DATA, "%s", text);
    cr_assert_lt(strlen(e.message), sizeof e.message);
    cr_assert_str_eq(e.message + strlen(e.message) - strlen("ä…"), "ä…");
}

Test(error, exit_statuses_are_the_documented_ones)
{
    cr_assert_eq(tg_exit_status(TG_E_USAGE), 64);
    cr_assert_eq(tg_exit_status(TG_E_DATA), 65);
    cr_assert_eq(tg_exit_status(TG_E_UNKNOWN), 69);
    cr_assert_eq(tg_exit_status(TG_E_LOST), 69);
    cr_assert_eq(tg_exit_status(TG_E_HELD), 75);
    cr_assert_eq(tg_exit_status(TG_E_PERM), 77);
    cr_assert_eq(tg_exit_status(TG_E_CONFIG), 78);
    cr_assert_eq(tg_exit_status(-9999), 70);
}

Test(clock, durations_read_and_print)
{
    static const struct { const char *in; int64_t ms; const char *out; } rows[] = {
        {"3h", 10800000, "3h"}, {"1h 15m", 4500000, "1h 15m"}, {"90s", 90000, "1m 30s"}, {"500ms", 500, "500ms"},
        {"2d4h", 187200000, "2d 4h"}, {"1w", 604800000, "7d"}, {"0s", 0, "0s"}, {"61m1s", 3661000, "1h 1m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = -1;
        char out[32];
        cr_assert_eq(tg_duration_parse(rows[i].in, &ms, NULL), 0, "%s", rows[i].in);
        cr_assert_eq(ms, rows[i].ms, "%s", rows[i].in);
        tg_duration_format(ms, out, sizeof out);
        cr_assert_str_eq(out, rows[i].out);
    }
}

Test(clock, durations_without_unit_or_sense_are_refused)
{
    static const char *const bad[] = {"", " ", "5", "h", "3 h", "-1h", "1y", "1h,2m", "99999999999999999999s", "3hours", "1.5h"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 42;
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_duration_parse(bad[i], &ms, &e), TG_E_DATA, "%s", bad[i]);
        cr_assert_eq(ms, 42);
        cr_assert(e.hint[0]);
    }
}

Test(clock, times_round_trip)
{
    static const int64_t times[] = {0, 1795368000000, 951782400000, 1795368000123, -1000, 253402300799000};

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[40];
        int64_t back = 1;
        tg_time_format(times[i], text, sizeof text);
        cr_assert_eq(tg_time_parse(text, &back, NULL), 0, "%s", text);
        cr_assert_eq(back, times[i], "%s", text);
    }
    int64_t t;
    cr_assert_eq(tg_time_parse("2026-11-22T18:20:00+01:00", &t, NULL), 0);
    int64_t utc;
    cr_assert_eq(tg_time_parse("2026-11-22T17:20:00Z", &utc, NULL), 0);
    cr_assert_eq(t, utc);
    static const char *const bad[] = {"2026-02-30T00:00:00Z", "2026-11-22", "2026-11-22T17:20:00", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T17:20:00Zx", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(tg_time_parse(bad[i], &t, NULL), TG_E_DATA, "%s", bad[i]);
}

Test(buf, grows_and_hands_over)
{
    struct tg_buf b = TG_BUF_INIT;

    cr_assert_str_eq(tg_buf_text(&b), "");
    for (int i = 0; i < 1000; i++)
        tg_buf_printf(&b, "%d,", i);
    cr_assert_eq(b.len, strlen(b.data));
    char *text = tg_buf_take(&b, NULL);
    cr_assert_eq(strncmp(text, "0,1,2,", 6), 0);
    free(text);
    text = tg_buf_take(&b, NULL);
    cr_assert_str_eq(text, "");
    free(text);
}

Test(buf, what_is_appended_is_there_however_the_room_ends)
{
    for (size_t before = 0; before < 200; before++)
        for (size_t more = 0; more < 3; more++) {
            struct tg_buf b = TG_BUF_INIT;
            if (more)
                tg_buf_reserve(&b, more * 100);
            for (size_t i = 0; i < before; i++)
                tg_buf_putc(&b, 'x');
            tg_buf_printf(&b, "%s-%d", "abcdefghijklmnopqrstuvwxyz", 12345);
            cr_assert_eq(b.len, before + 32);
            cr_assert_str_eq(tg_buf_text(&b) + before, "abcdefghijklmnopqrstuvwxyz-12345");
            tg_buf_release(&b);
        }
}

struct trace {
    char text[64];
    struct tg_loop *loop;
};

static void say_a(void *data)
{
    strcat(((struct trace *) data)->text, "a");
}

static void say_b(void *data)
{
    strcat(((struct trace *) data)->text, "b");
}

static void say_c(void *data)
{
    strcat(((struct trace *) data)->text, "c");
}

static void repost(void *data)
{
    struct trace *t = data;

    strcat(t->text, "r");
    tg_loop_post(t->loop, say_a, t, NULL);
}

static void timers_in_order(struct tg_loop *loop)
{
    struct trace t = {.loop = loop};
    struct tg_timer *a, *b, *c;

    cr_assert_eq(tg_timer_new(loop, say_a, &t, &a, NULL), 0);
    cr_assert_eq(tg_timer_new(loop, say_b, &t, &b, NULL), 0);
    cr_assert_eq(tg_timer_new(loop, say_c, &t, &c, NULL), 0);
    tg_timer_start(a, 30);
    tg_timer_start(b, 10);
    tg_timer_start(c, 20);
    tg_timer_start(b, 25); /* anew */
    tg_loop_post(loop, repost, &t, NULL);
    while (strlen(t.text) < 5)
        cr_assert_geq(tg_loop_turn(loop, 1000), 0);
    cr_assert_str_eq(t.text, "racba");
    tg_timer_start(a, 1000000);
    tg_timer_free(a);
    tg_timer_free(b);
    tg_timer_free(c);
}

Test(loop, runs_posts_and_timers_in_order)
{
    struct tg_loop *loop;

    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    timers_in_order(loop);
    tg_loop_free(loop);
}

Test(loop, is_the_same_on_a_virtual_clock_without_waiting)
{
    struct tg_loop *loop;
    int64_t real = tg_mono_ms(tg_clock_real());

    cr_assert_eq(tg_loop_virtual(5000, &loop, NULL), 0);
    timers_in_order(loop);
    int64_t before = tg_mono_ms(tg_loop_clock(loop));
    cr_assert_eq(tg_loop_turn(loop, 3600000), 0);
    cr_assert_eq(tg_mono_ms(tg_loop_clock(loop)) - before, 3600000);
    cr_assert_eq(tg_wall_ms(tg_loop_clock(loop)), 5000 + before + 3600000);
    cr_assert_lt(tg_mono_ms(tg_clock_real()) - real, 60000);
    tg_loop_free(loop);
}

Test(loop, interrupt_ends_the_turn_until_cleared)
{
    struct tg_loop *loop;

    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    tg_loop_interrupt(loop);
    cr_assert_eq(tg_loop_turn(loop, -1), TG_E_CANCELLED);
    tg_loop_interrupt_clear(loop);
    cr_assert_geq(tg_loop_turn(loop, 1), 0);
    tg_loop_free(loop);
}

static void note_closed(uv_handle_t *handle)
{
    *(bool *) handle->data = true;
}

/* A signal that came late left commands going round at their end, for ever. */
Test(loop, what_closes_is_closed_though_the_loop_is_interrupted, .timeout = 60)
{
    struct tg_loop *loop;
    uv_timer_t timer;
    bool closed = false;

    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    uv_timer_init(tg_loop_uv(loop), &timer);
    timer.data = &closed;
    tg_loop_interrupt(loop);
    uv_close((uv_handle_t *) &timer, note_closed);
    while (!closed)
        tg_loop_turn_anyway(loop, 0);
    cr_assert_eq(tg_loop_turn(loop, 0), TG_E_CANCELLED, "it is interrupted still");
    tg_loop_interrupt_clear(loop);
    cr_assert_geq(tg_loop_turn(loop, 0), 0);
    tg_loop_free(loop);
}

/* Waits that are over before libuv polls: none may last longer than asked for. */
Test(loop, a_wait_that_is_over_at_once_ends, .timeout = 60)
{
    struct tg_loop *loop;

    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    for (int i = 0; i < 2000; i++)
        cr_assert_geq(tg_loop_turn(loop, 1), 0);
    tg_loop_free(loop);
}
