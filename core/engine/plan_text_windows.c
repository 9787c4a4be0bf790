/* The windows of a plan's hosts as people read them: see plan_text.h. */
#include "engine/plan_text.h"

#include "base/columns.h"
#include "engine/plan_when.h"
#include "engine/windows.h"

#include <tagout/clock.h>

#include <stdlib.h>
#include <string.h>

#define WINDOWS_TOLD 6 /* those that come first; who wants all asks: tagout calendar next */

struct opening {
    const char *name;
    size_t hosts;
    struct tg_window_says says;
};

static int by_opening(const void *a, const void *b)
{
    const struct opening *x = a, *y = b;
    int64_t s = x->says.open ? 0 : x->says.until_ms, t = y->says.open ? 0 : y->says.until_ms;

    return s != t ? s < t ? -1 : 1 : strcmp(x->name, y->name);
}

/* "night of customer:acme: 40 hosts, from Tue 02:00" */
static void put_window(const struct tg_plan *plan, int64_t now_ms, int width, const struct opening *o, struct tg_buf *out)
{
    struct tg_buf line = TG_BUF_INIT;
    char when[40] = "";

    if (o->says.until_ms < TG_WINDOW_UNTOLD)
        tg_plan_time_format(plan, o->says.until_ms, now_ms, when, sizeof when);
    tg_buf_printf(&line, "%s: %zu host%s, ", o->name, o->hosts, o->hosts == 1 ? "" : "s");
    if (o->says.open)
        tg_buf_printf(&line, when[0] ? "now until %s" : "now", when);
    else
        tg_buf_printf(&line, when[0] ? "from %s" : "never", when);
    tg_buf_puts(out, "         ");
    tg_put_cut(out, tg_buf_text(&line), width - 9);
    tg_buf_putc(out, '\n');
    tg_buf_release(&line);
}

/* The same windows of several stages are one, for people. */
static size_t join(const struct tg_plan *plan, struct opening *list)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_windows; i++) {
        struct opening *last = n ? &list[n - 1] : NULL;
        if (last && by_opening(last, &list[i]) == 0)
            last->hosts += list[i].hosts;
        else
            list[n++] = list[i];
    }
    return n;
}

static void put_first_windows(const struct tg_plan *plan, int64_t now_ms, int width, struct tg_buf *out)
{
    struct opening *list = calloc(plan->n_windows + 1, sizeof *list);
    size_t n = 0;

    for (size_t i = 0; list && i < plan->n_windows; i++) {
        list[i].name = plan->windows[i].name;
        list[i].hosts = plan->windows[i].n_hosts;
        tg_windows_ask(plan->calendar, i, now_ms, &list[i].says);
    }
    if (list) {
        qsort(list, plan->n_windows, sizeof *list, by_opening);
        n = join(plan, list);
    }
    for (size_t i = 0; i < n && i < WINDOWS_TOLD; i++)
        put_window(plan, now_ms, width, &list[i], out);
    if (n > WINDOWS_TOLD)
        tg_buf_printf(out, "         and %zu more\n", n - WINDOWS_TOLD);
    free(list);
}

void tg_plan_text_windows(const struct tg_plan *plan, int64_t now_ms, int width, struct tg_buf *out)
{
    int64_t least = INT64_MAX, most = 0;
    char need[32], to[32];

    if (plan->windows_mode == TG_WINDOWS_IGNORE) {
        tg_buf_printf(out, "windows  ignored%s%s\n", plan->windows_why ? ": " : "", plan->windows_why ? plan->windows_why : "");
        return;
    }
    if (!plan->n_windows)
        return;
    for (size_t i = 0; i < plan->n_windows; i++) {
        least = plan->windows[i].need_ms < least ? plan->windows[i].need_ms : least;
        most = plan->windows[i].need_ms > most ? plan->windows[i].need_ms : most;
    }
    tg_duration_format(least, need, sizeof need);
    tg_duration_format(most, to, sizeof to);
    tg_buf_printf(out, "windows  honoured: a host starts where %s%s%s are left\n", need, most > least ? " to " : "", most > least ? to : "");
    if (plan->calendar)
        put_first_windows(plan, now_ms, width, out);
}
