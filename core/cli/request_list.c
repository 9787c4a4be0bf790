/* tagout request list, show: what is to be done, and when. */
#include "cli/requests.h"

#include "base/shown.h"
#include "calendar/request_basis.h"
#include "calendar/request_internal.h"
#include "cli/calendar.h"
#include "cli/listed.h"
#include "fleet/selector.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 7
#define OUTDATED "(calendar, inventory or weeks have changed since: its host's next run-due looks anew) "

static const struct tg_opt list_opts[] = {
    {.name = "state", .letter = 's', .type = TG_OPT_LIST, .arg = "STATE,…",
     .text = "Only those that are so: waiting, scheduled, due, overdue, running, rebooting, retry, held"},
    {.name = "activity", .letter = 'a', .type = TG_OPT_LIST, .arg = "ACTIVITY,…", .text = "Only those of these activities"},
    {.name = "customer", .type = TG_OPT_STRING, .arg = "CUSTOMER", .text = "Only those on hosts of this customer"},
    {.name = NULL},
};
static const struct tg_opt show_opts[] = {
    {.name = "host", .type = TG_OPT_STRING, .arg = "HOST", .complete = "host", .text = "Another host than this one"},
    {.name = NULL},
};

/* ---- list ---- */

struct listing {
    struct tg_frame *f;
    struct tg_selection hosts;
    bool selected;                 /* hosts counts; else arguments are patterns of names */
    int64_t now_ms;
    char calendar[TG_SHA256_HEX];  /* what times are given by now; "": not known */
    json_t *json;
    struct row {
        int64_t at_ms;
        char **cells;
    } *rows;
    size_t n, cap, n_bad;          /* n_bad: records that can't be understood, */
    struct tg_error bad;           /* and what is wrong with the first one */
};

static bool is_one_of(const struct tg_frame *f, const char *option, const char *word)
{
    const char *const *list;
    size_t n = tg_opt_list(f, option, &list);

    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return n == 0;
}

static bool host_is_meant(const struct listing *l, const char *host)
{
    if (!l->f->argc)
        return true;
    if (!l->selected) {
        for (int i = 0; i < l->f->argc; i++)
            if (fnmatch(l->f->argv[i], host, 0) == 0)
                return true;
        return false;
    }
    for (size_t i = 0; i < l->hosts.n; i++)
        if (strcmp(l->hosts.hosts[i]->name, host) == 0)
            return true;
    return false;
}

/* Its time was given by another calendar, inventory or list of booked weeks than those that are here. */
static bool is_outdated(const struct listing *l, const struct tg_requests *r, const struct tg_request *q)
{
    const struct tg_host *host = l->calendar[0] && l->f->inventory ? tg_inventory_host(l->f->inventory, r->host) : NULL;
    char basis[TG_REQ_BASIS_SIZE];

    return host && r->weeks_txid && tg_request_is_open(q) && !r->now.began_ms && !tg_basis_of(l->calendar, l->f->inventory, host, r->weeks_txid, basis, NULL) && strcmp(basis, r->basis) != 0;
}

static int add_row(struct listing *l, const struct tg_requests *r, const struct tg_request *q, struct tg_error *e)
{
    const struct tg_visit *v = tg_request_cli_visit(r, q);
    char when[96] = "-", length[32], text[TG_REASON_SIZE * 4];
    char **c = calloc(COLUMNS, sizeof *c);

    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct row *rows = realloc(l->rows, cap * sizeof *rows);
        if (!rows) {
            free(c);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        l->rows = rows;
        l->cap = cap;
    }
    if (!c)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (v && v->start_ms)
        tg_request_cli_when(v, when, sizeof when);
    tg_duration_format(tg_request_expected_ms(r, q), length, sizeof length);
    c[0] = tg_cli_cell("%s", q->id);
    c[1] = tg_cli_cell("%s", r->host);
    c[2] = tg_cli_cell("%s%s", q->activity, q->disruptive ? " !" : "");
    c[3] = tg_cli_cell("%s", tg_request_cli_state(r, q, l->now_ms));
    c[4] = tg_cli_cell("%s", when);
    c[5] = tg_cli_cell("%s", length);
    c[6] = tg_cli_cell("%s%s", is_outdated(l, r, q) ? OUTDATED : "", tg_shown_text(q->why[0] ? q->why : q->reason, text, sizeof text));
    l->rows[l->n++] = (struct row) {.at_ms = v && v->start_ms ? v->start_ms : INT64_MAX, .cells = c};
    return 0;
}

static int add_json(struct listing *l, const struct tg_requests *r, const struct tg_request *q, struct tg_error *e)
{
    json_t *o = tg_request_cli_json(r, q, l->now_ms);

    if (!o || json_object_set_new(o, "outdated", json_boolean(is_outdated(l, r, q))) || json_array_append(l->json, o)) {
        json_decref(o);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    json_decref(o);
    return 0;
}

static int take(const struct tg_requests *r, void *data, struct tg_error *e)
{
    struct listing *l = data;
    const char *customer = tg_opt_text(l->f, "customer");
    int rc = 0;

    if (!r->n || (customer && strcmp(customer, r->customer) != 0) || !host_is_meant(l, r->host))
        return 0;
    for (size_t i = 0; !rc && i < r->n; i++) {
        const struct tg_request *q = &r->v[i];
        if (!is_one_of(l->f, "state", tg_request_cli_state(r, q, l->now_ms)) || !is_one_of(l->f, "activity", q->activity))
            continue;
        if (l->f->json)
            rc = add_json(l, r, q, e);
        else
            rc = add_row(l, r, q, e);
    }
    return rc;
}

/* One that can't be understood hides nobody else. */
static void take_bad(const char *host, const struct tg_error *why, void *data)
{
    struct listing *l = data;

    if (host_is_meant(l, host) && !l->n_bad++) {
        tg_fail(&l->bad, TG_E_UNKNOWN, "%s: %s", host, why->message);
        tg_error_hint(&l->bad, "%s", why->hint);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    int order = tg_name_compare(x->cells[1], y->cells[1]);
    return order ? order : strcmp(x->cells[2], y->cells[2]);
}

static int print(struct listing *l, struct tg_error *e)
{
    static const char *const head[COLUMNS] = {"REQUEST", "HOST", "ACTIVITY", "STATE", "WHEN", "TAKES", "WHY"};
    char ***rows = calloc(l->n + 1, sizeof *rows);

    if (!rows)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    if (l->n)
        qsort(l->rows, l->n, sizeof *l->rows, by_time);
    for (size_t i = 0; i < l->n; i++)
        rows[i] = l->rows[i].cells;
    if (l->n)
        tg_cli_list(l->f, head, rows, l->n, COLUMNS, "name hosts, or give --state or --activity");
    else if (!l->n_bad)
        tg_calendar_say(l->f, 0, "No such requests. To make one, on its host: tagout request submit --activity reboot --disruptive");
    free(rows);
    return 0;
}

static int select_hosts(struct listing *l, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    int rc = 0;

    if (!l->f->argc || !l->f->inventory)
        return 0;
    for (int i = 0; i < l->f->argc; i++)
        tg_buf_printf(&text, "%s%s", i ? " " : "", l->f->argv[i]);
    rc = tg_buf_ok(&text, e);
    if (!rc)
        rc = tg_select(l->f->inventory, tg_buf_text(&text), &l->hosts, e);
    l->selected = !rc;
    tg_buf_release(&text);
    return rc == TG_E_DATA ? TG_E_USAGE : rc;
}

static int run_list(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct listing l = {.f = f, .now_ms = tg_wall_ms(tg_loop_clock(f->loop)), .json = json_array()};
    int rc = select_hosts(&l, e);

    if (!rc && tg_request_cli_basis(f, l.calendar, NULL))
        l.calendar[0] = '\0'; /* one that can't be read is the trouble of who asks for times */
    if (!rc)
        rc = tg_requests_walk(&g, NULL, take, take_bad, &l, e);
    if (!rc)
        rc = f->json ? tg_print_json(json_incref(l.json), e) : print(&l, e);
    if (!rc && l.n_bad) {
        rc = tg_fail(e, TG_E_UNKNOWN, "%zu records of requests can't be understood, so they are not in the list; the first: %.400s", l.n_bad, l.bad.message);
        tg_error_hint(e, "%s", l.bad.hint);
    }
    for (size_t i = 0; i < l.n; i++) {
        for (size_t c = 0; c < COLUMNS; c++)
            free(l.rows[i].cells[c]);
        free(l.rows[i].cells);
    }
    free(l.rows);
    tg_selection_release(&l.hosts);
    json_decref(l.json);
    return rc;
}

/* ---- show ---- */

static void show_open(const struct tg_frame *f, const struct tg_requests *r, const struct tg_request *q, int64_t now_ms)
{
    const struct tg_visit *v = tg_request_cli_visit(r, q);
    char when[96], length[32], text[TG_REASON_SIZE * 4], asked[40];

    tg_duration_format(tg_request_expected_ms(r, q), length, sizeof length);
    tg_calendar_say(f, 2, "%s  %s%s  %s", q->id, q->activity, q->disruptive ? ", disruptive" : "", tg_request_cli_state(r, q, now_ms));
    if (v && v->start_ms)
        tg_calendar_say(f, 10, "  when    %s, about %s (%s%s)", tg_request_cli_when(v, when, sizeof when), length, strcmp(tg_request_expected_of(r, q), "asked") == 0 ? "" : "as on ",
               tg_shown_text(tg_request_expected_of(r, q), text, sizeof text));
    tg_calendar_say(f, 10, "  asked   %s, by %s", tg_cli_when(q->added_ms, now_ms, asked, sizeof asked), tg_shown_text(q->owner, text, sizeof text));
    if (q->reason[0])
        tg_calendar_say(f, 10, "  reason  %s", tg_shown_text(q->reason, text, sizeof text));
    if (q->why[0])
        tg_calendar_say(f, 10, "  why     %s", tg_shown_text(q->why, text, sizeof text));
    if (q->state == TG_REQ_HELD)
        tg_calendar_say(f, 10, "  next    look at the host; then: tagout request postpone %s --for 0s (it is tried again), or tagout request cancel %s", q->id, q->id);
}

static void show_past(const struct tg_frame *f, const struct tg_requests *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->n_past; i++) {
        const struct tg_request_past *p = &r->past[i];
        char at[40], took[32] = "", text[TG_REQ_WHY_SIZE * 4];
        if (p->took_ms)
            tg_duration_format(p->took_ms, took, sizeof took);
        if (!i)
            puts("Past:");
        tg_calendar_say(f, 2, "%s  %s  %s %s%s%s%s%s", p->id, p->activity, tg_request_end_name(p->end), tg_cli_when(p->at_ms, now_ms, at, sizeof at),
               took[0] ? ", took " : "", took, p->why[0] ? ": " : "", tg_shown_text(p->why, text, sizeof text));
    }
}

static int run_show(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    char host[TG_SCOPE_NAME_MAX + 1], id[TG_REQ_ID_SIZE], bucket[3], at[40], text[TG_SCOPE_TEXT_SIZE], customer[520];
    struct tg_requests r;
    struct tg_scope scope;
    int rc = 0;

    if (f->argc && (!tg_request_id_parse(f->argv[0], id, bucket) || (f->inventory && tg_inventory_host(f->inventory, f->argv[0])))) { /* "database" could be both */
        snprintf(text, sizeof text, "host:%.250s", f->argv[0]);
        if (!(rc = tg_scope_parse(text, &scope, e)))
            snprintf(host, sizeof host, "%s", scope.name);
    } else {
        rc = tg_request_cli_host_of(f, &g, f->argc ? f->argv[0] : "", host, sizeof host, e);
    }
    if (!rc)
        rc = tg_requests_read(&g, host, &r, e);
    if (rc)
        return rc;
    if (f->json) {
        rc = tg_print_json(tg_requests_cli_json(&r, now), e);
    } else {
        tg_calendar_say(f, 2, "%s%s%s%s", r.host, r.customer[0] ? "  (" : "", tg_shown_text(r.customer, customer, sizeof customer), r.customer[0] ? ")" : "");
        if (r.now.began_ms)
            tg_calendar_say(f, 2, "Out of service since %s, under lock %s%s.", tg_cli_when(r.now.began_ms, now, at, sizeof at), r.now.lock, r.now.rebooting ? "; it reboots" : "");
        for (size_t i = 0; i < r.n; i++)
            show_open(f, &r, &r.v[i], now);
        if (!r.n)
            puts("Nothing is requested.");
        show_past(f, &r, now);
    }
    tg_requests_release(&r);
    return rc;
}

const struct tg_cmd tg_cmd_request_list = {
    .name = "request list",
    .args = "[SELECTOR] [--state STATE,…] [--activity ACTIVITY,…] [--customer CUSTOMER]",
    .brief = "list requests for maintenance",
    .details = "Open ones, those that are due first at the top. \"!\" marks what disturbs. Without an inventory the arguments are patterns of names.",
    .examples = "  $ tagout request list --state held,overdue\n  $ tagout request list @web --activity reboot -o json\n",
    .opts = list_opts,
    .max_args = -1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "host",
    .exec = run_list,
};

const struct tg_cmd tg_cmd_request_show = {
    .name = "request show",
    .args = "[HOST|REQUEST]",
    .brief = "show the requests of a host, and how the last ones ended",
    .details = "Without an argument: of this host.",
    .examples = "  $ tagout request show web1.example.com\n",
    .opts = show_opts,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "host",
    .exec = run_show,
};
