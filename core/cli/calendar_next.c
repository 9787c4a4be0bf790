/* tagout calendar next, calendar fits: which hosts something may begin on, now or when. */
#include "cli/calendar.h"
#include "fleet/nodeset.h"

#include <stdlib.h>
#include <string.h>

/* The answer about hosts of one class, or of several that have the same. */
struct answer {
    bool now;
    int64_t start_ms, latest_ms, until_ms; /* latest: the last moment at which it may begin */
    const struct tg_calendar_part *part;   /* the first of them */
    size_t n;
    char *folded;                          /* of several; owned */
    int64_t longest_ms, longest_from_ms;   /* when it never fits: the most time that there ever is; 0: none */
    const struct tg_rule *longest;         /* the window that is open then; NULL: none is about them */
};

static int answer_next(struct tg_calendar_view *v, const struct tg_calendar_part *part, int64_t at_ms, struct answer *out, struct tg_error *e)
{
    struct tg_allowed a;
    int rc = tg_agenda_at(v->agenda, part->class_, at_ms, &a, e);

    if (!rc && !a.may_start && a.next_start_ms != TG_CALENDAR_NEVER) { /* until when that lasts */
        int64_t start = a.next_start_ms;
        rc = tg_agenda_at(v->agenda, part->class_, start, &a, e);
        a.may_start = false;
        a.next_start_ms = start;
    }
    if (!rc)
        *out = (struct answer) {a.may_start, a.next_start_ms, a.start_until_ms, a.open_until_ms, part, part->n, NULL, 0, 0, NULL};
    return rc;
}

/* The window that is open at a time. */
static int find_window(struct tg_calendar_view *v, uint32_t class_, int64_t at_ms, const struct tg_rule **out, struct tg_error *e)
{
    struct tg_reason *list = NULL;
    size_t n = 0;
    int rc = tg_agenda_why(v->agenda, class_, at_ms, &list, &n, e);

    for (size_t i = 0; i < n && !*out; i++)
        if (list[i].rule->kind == TG_RULE_WINDOW && list[i].holds)
            *out = list[i].rule;
    free(list);
    return rc;
}

static int answer_fits(struct tg_calendar_view *v, const struct tg_calendar_part *part, int64_t at_ms, int64_t need_ms, struct answer *out, struct tg_error *e)
{
    struct tg_fit fit;
    int rc = tg_agenda_fits(v->agenda, part->class_, at_ms, need_ms, &fit, e);

    if (rc)
        return rc;
    *out = (struct answer) {fit.now, fit.start_ms, fit.latest_ms, fit.until_ms, part, part->n, NULL, fit.longest_ms, fit.longest_from_ms, NULL};
    return fit.start_ms == TG_CALENDAR_NEVER && fit.longest_ms ? find_window(v, part->class_, fit.longest_from_ms, &out->longest, e) : 0;
}

/* With --announced, nothing begins before the customers have been told: the longest of its hosts' lead times. By class; free(). */
static int leads_of(const struct tg_frame *f, const struct tg_calendar_view *v, int64_t **out, struct tg_error *e)
{
    int64_t *leads = calloc(tg_agenda_classes(v->agenda) + 1, sizeof *leads);

    if (!leads)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0, n = tg_opt_flag(f, "announced") ? v->hosts.n : 0; i < n; i++) {
        int64_t of = tg_agenda_lead_ms(v->agenda, v->hosts.hosts[i]), *lead = &leads[tg_agenda_class(v->agenda, v->hosts.hosts[i]->index)];
        *lead = of > *lead ? of : *lead;
    }
    *out = leads;
    return 0;
}

static int compare_answers(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;

    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    if (x->until_ms != y->until_ms)
        return x->until_ms < y->until_ms ? -1 : 1;
    if (x->latest_ms != y->latest_ms)
        return x->latest_ms < y->latest_ms ? -1 : 1;
    if (x->longest_ms != y->longest_ms)
        return x->longest_ms < y->longest_ms ? -1 : 1;
    if (x->longest != y->longest)
        return x->longest < y->longest ? -1 : 1;
    return (x->part > y->part) - (x->part < y->part);
}

static bool same_answer(const struct answer *a, const struct answer *b)
{
    return a->now == b->now && a->start_ms == b->start_ms && a->until_ms == b->until_ms && a->latest_ms == b->latest_ms && a->longest_ms == b->longest_ms &&
           a->longest == b->longest;
}

/* So many as one: with all their hosts, folded once. */
static int join(struct answer *to, const struct answer *list, size_t n, struct tg_error *e)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_buf text = TG_BUF_INIT;
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_nodeset_expand(list[i].part->folded, strlen(list[i].part->folded), &names, e);
    if (!rc)
        rc = tg_fold_list(&names, &text, e);
    *to = list[0];
    for (size_t i = 1; i < n; i++)
        to->n += list[i].n;
    if (!rc && !(to->folded = tg_buf_take(&text, e)))
        rc = TG_E_MEMORY;
    tg_buf_release(&text);
    tg_hostlist_release(&names);
    return rc;
}

/* Equal ones become one line. */
static int merge(struct answer *list, size_t *n, struct tg_error *e)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0, some; !rc && i < *n; i += some) {
        for (some = 1; i + some < *n && same_answer(&list[i], &list[i + some]);)
            some++;
        struct answer one = list[i];
        if (some > 1)
            rc = join(&one, &list[i], some, e);
        list[kept++] = one;
    }
    *n = kept;
    return rc;
}

/* "16:50" of the same day, "Tue 03:30" of the next ones, "2026-12-20". */
static const char *near(const struct tg_calendar_view *v, int64_t ms, int64_t start_ms, char *out, size_t size)
{
    char text[40];

    if (ms < INT64_MAX - 1000)
        ms = (ms + 999) / 1000 * 1000; /* the last moment before 03:30 is told as 03:30 */
    if (ms == INT64_MAX)
        snprintf(out, size, "no end");
    else if (tg_calendar_until(v, ms, start_ms, text, sizeof text)[0] < 'A') /* no day of the week: the same day */
        snprintf(out, size, "%s", text);
    else if (ms - start_ms < INT64_C(6) * 86400000)
        snprintf(out, size, "%.4s%s", text, text + 15);
    else
        snprintf(out, size, "%.10s", text + 4);
    return out;
}

/* Under what is never: why. */
static void print_longest(const struct tg_frame *f, const struct tg_calendar_view *v, const struct answer *a, int indent)
{
    char most[32], from[40];

    tg_duration_format(a->longest_ms, most, sizeof most);
    if (a->start_ms != TG_CALENDAR_NEVER || !a->longest_ms)
        return;
    if (a->longest)
        tg_calendar_say(f, indent, "%*sthe most there is within ten years are %s from %s on, in window \"%s\" for %s", indent, "", most,
                        tg_calendar_when(v, a->longest_from_ms, from, sizeof from), a->longest->name, a->longest->scope);
    else
        tg_calendar_say(f, indent, "%*sthe most there is within ten years are %s from %s on, between blackouts", indent, "", most,
                        tg_calendar_when(v, a->longest_from_ms, from, sizeof from));
}

static void print_line(const struct tg_frame *f, const struct tg_calendar_view *v, const struct answer *a)
{
    char start[40], until[40], latest[40], in[40] = "";
    bool never = a->start_ms == TG_CALENDAR_NEVER;
    const char *dash = "-";

    if (!a->now && !never)
        tg_duration_format(a->start_ms - v->at_ms, in, sizeof in);
    printf("%6zu  %-20s  %-7s  %-10s  %-10s  ", a->n, a->now ? "now" : tg_calendar_when(v, a->start_ms, start, sizeof start), a->now || never ? dash : in,
           never ? dash : near(v, a->latest_ms, a->start_ms, latest, sizeof latest), never ? dash : near(v, a->until_ms, a->start_ms, until, sizeof until));
    tg_calendar_names(f, a->folded ? a->folded : a->part->folded, 63);
    print_longest(f, v, a, 8);
}

/* The same, where the table would be cut in its middle. */
static void print_block(const struct tg_frame *f, const struct tg_calendar_view *v, const struct answer *a)
{
    char start[40], until[40], latest[40], in[40];
    const char *names = a->folded ? a->folded : a->part->folded, *many = a->n == 1 ? "" : "s";

    tg_duration_format(a->start_ms > v->at_ms && a->start_ms != TG_CALENDAR_NEVER ? a->start_ms - v->at_ms : 0, in, sizeof in);
    if (a->start_ms == TG_CALENDAR_NEVER)
        tg_calendar_say(f, 2, "%zu host%s: never", a->n, many);
    else
        tg_calendar_say(f, 2, "%zu host%s: %s%s%s%s, to begin until %s and be over by %s", a->n, many, a->now ? "now" : tg_calendar_when(v, a->start_ms, start, sizeof start),
                        a->now ? "" : " (in ", a->now ? "" : in, a->now ? "" : ")", near(v, a->latest_ms, a->start_ms, latest, sizeof latest),
                        near(v, a->until_ms, a->start_ms, until, sizeof until));
    tg_calendar_say(f, 2, "  %s", names);
    print_longest(f, v, a, 4);
}

static json_t *longest_json(const struct answer *a)
{
    if (a->start_ms != TG_CALENDAR_NEVER || !a->longest_ms)
        return NULL;
    return json_pack("{s:I,s:o,s:s*,s:s*}", "ms", (json_int_t) a->longest_ms, "from", tg_calendar_time_json(a->longest_from_ms), "window",
                     a->longest ? a->longest->name : NULL, "for", a->longest ? a->longest->scope : NULL);
}

static json_t *answer_json(const struct answer *a)
{
    return json_pack("{s:s,s:i,s:b,s:o,s:o,s:o,s:o*}", "hosts", a->folded ? a->folded : a->part->folded, "count", (int) a->n, "now", a->now, "start",
                     tg_calendar_time_json(a->start_ms), "start-until", tg_calendar_time_json(a->start_ms == TG_CALENDAR_NEVER ? INT64_MAX : a->latest_ms), "over-by",
                     tg_calendar_time_json(a->start_ms == TG_CALENDAR_NEVER ? INT64_MAX : a->until_ms), "longest", longest_json(a));
}

static int print(const struct tg_frame *f, const struct tg_calendar_view *v, const struct answer *list, size_t n, struct tg_error *e)
{
    char at[40];

    if (f->json) {
        json_t *all = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(all, answer_json(&list[i]));
        return tg_print_json(json_pack("{s:o,s:o}", "at", tg_calendar_time_json(v->at_ms), "answers", all), e);
    }
    bool narrow = tg_calendar_is_narrow(f);
    printf("%s %s\n", tg_calendar_when(v, v->at_ms, at, sizeof at), v->zone_name);
    if (!narrow)
        printf("%6s  %-20s  %-7s  %-10s  %-10s  %s\n", "HOSTS", "MAY BEGIN", "IN", "UNTIL", "OVER BY", "NAMES");
    size_t shown = f->out_tty && n > TG_CALENDAR_ROWS_MAX ? TG_CALENDAR_ROWS_MAX : n;
    for (size_t i = 0; i < shown; i++)
        (narrow ? print_block : print_line)(f, v, &list[i]);
    if (shown < n)
        tg_calendar_say(f, 2, "… and %zu lines more: name fewer hosts, or use a pipe", n - shown);
    return 0;
}

/* 0 when all may begin now; 75 when some must wait; 1 when some never can. */
static int status_of(const struct answer *list, size_t n)
{
    int status = 0;

    for (size_t i = 0; i < n; i++) {
        if (list[i].start_ms == TG_CALENDAR_NEVER)
            return 1;
        if (!list[i].now)
            status = tg_exit_status(TG_E_HELD);
    }
    return status;
}

static int ask(struct tg_frame *f, int first, int64_t need_ms, struct tg_error *e)
{
    struct tg_calendar_view v;
    struct answer *list = NULL;
    size_t n = 0;
    int64_t *leads = NULL;
    int rc = tg_calendar_open(f, first, &v, e);

    if (!rc && !v.n_parts) /* "on all of them" would be true, and somebody reboots */
        rc = tg_fail(e, TG_E_DATA, "the inventory has no hosts: there is nothing to say");
    if (!rc && !(list = calloc(v.n_parts + 1, sizeof *list)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = leads_of(f, &v, &leads, e);
    for (; !rc && n < v.n_parts; n++) {
        int64_t lead = leads[v.parts[n].class_];
        rc = need_ms < 0 ? answer_next(&v, &v.parts[n], v.at_ms + lead, &list[n], e) : answer_fits(&v, &v.parts[n], v.at_ms + lead, need_ms, &list[n], e);
        list[n].now &= lead == 0;
    }
    if (!rc) {
        qsort(list, n, sizeof *list, compare_answers);
        rc = merge(list, &n, e);
    }
    if (!rc) {
        rc = print(f, &v, list, n, e);
        f->status = status_of(list, n);
    }
    for (size_t i = 0; list && i < n; i++)
        free(list[i].folded);
    free(list);
    free(leads);
    tg_calendar_close(&v);
    return rc;
}

static int run_next(struct tg_frame *f, struct tg_error *e)
{
    return ask(f, 0, -1, e);
}

static int run_fits(struct tg_frame *f, struct tg_error *e)
{
    int64_t need;
    int rc = tg_duration_parse(f->argv[0], &need, e);

    if (rc == TG_E_DATA && e)
        return e->code = TG_E_USAGE;
    return rc ? rc : ask(f, 1, need, e);
}

static const struct tg_opt opts[] = {
    TG_CALENDAR_CLI_OPTS,
    {.name = "announced", .type = TG_OPT_FLAG, .text = "Not before the lead time of the hosts' customers is over: the time to put into an announcement"},
    {.name = NULL},
};

const struct tg_cmd tg_cmd_calendar_next = {
    .name = "calendar next",
    .args = "[SELECTOR…]",
    .brief = "show when something may begin on hosts",
    .details = "For the hosts that the selector means (all without one): whether something may begin on them now, else when, until when that lasts and "
               "by when it must be over. Ends with 0 when all of them may begin now, 75 when some must wait, 1 when some never may.",
    .examples = "  $ tagout calendar next @web\n  $ tagout calendar next customer:acme --announced\n  $ tagout calendar next db1.example.com --at 2026-12-24T22:00:00Z\n",
    .opts = opts,
    .max_args = -1,
    .needs = TG_NEED_INVENTORY,
    .complete = "selector",
    .exec = run_next,
};

const struct tg_cmd tg_cmd_calendar_fits = {
    .name = "calendar fits",
    .args = "DURATION [SELECTOR…]",
    .brief = "show when what takes so long fits",
    .details = "Like \"calendar next\", for something that takes so long (the estimate, with what undoing it takes): it fits when what remains of the "
               "time allowed is enough. Ends with 0 when it fits now on all hosts, 75 when some must wait, 1 when it never fits on some.",
    .examples = "  $ tagout calendar fits 45m @web\n  $ tagout calendar fits 45m \"$(hostname -f)\" && reboot-now\n",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .needs = TG_NEED_INVENTORY,
    .complete = "selector",
    .exec = run_fits,
};
