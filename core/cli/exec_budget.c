/* Budgets on the command line of exec: see exec_budget.h. */
#include "cli/exec_budget.h"

#include "base/shown.h"
#include "base/whole.h"
#include "cli/guarding.h"
#include "config/site.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define MEMBERS_BYTES_MAX (16 << 20) /* a name a line, a million of them */

static int take_number(const char *text, int64_t max, int64_t *out)
{
    size_t len = strspn(text, "0123456789");

    if (!len || len > 9 || text[len])
        return TG_E_USAGE;
    *out = strtoll(text, NULL, 10);
    return *out <= max ? 0 : TG_E_USAGE;
}

static int take_want(const char *text, struct tg_exec_budget *b, struct tg_error *e)
{
    struct tg_budget_want *w = &b->want[b->bill.n_want];
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t) (equals - text) : strlen(text);

    if (b->bill.n_want == TG_BUDGETS_MAX)
        return tg_fail(e, TG_E_USAGE, "--budget names more than %d", TG_BUDGETS_MAX);
    *w = (struct tg_budget_want) {.n = -1};
    snprintf(w->name, sizeof w->name, "%.*s", (int) (len < sizeof w->name ? len : sizeof w->name), text);
    if (len >= sizeof w->name)
        return tg_fail(e, TG_E_USAGE, "--budget %.40s…: no budget has such a long name", text);
    int rc = tg_budget_name_check(w->name, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < b->bill.n_want; i++)
        if (strcmp(b->want[i].name, w->name) == 0)
            return tg_fail(e, TG_E_USAGE, "--budget names %s twice", w->name);
    if (equals && take_number(equals + 1, TG_BUDGET_UNITS_MAX, &w->n) != 0)
        return tg_fail(e, TG_E_USAGE, "--budget %s: \"%.40s\" is no number of members", w->name, equals + 1);
    if (w->n == 0) {
        tg_fail(e, TG_E_USAGE, "--budget %s=0 would charge nothing, and the budget would count nothing", w->name);
        return tg_error_hint(e, "how many members are disrupted? without a number it is as many as the scopes have hosts"), TG_E_USAGE;
    }
    b->bill.n_want++;
    return 0;
}

/* A file of names, one or a folded list a line; doubles are one. */
static int count_file(const char *file, int64_t *out, struct tg_error *e)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    char *text = NULL;
    size_t len, line = 0;
    int rc = tg_whole_read(file, MEMBERS_BYTES_MAX, &text, &len, e);

    if (rc)
        return rc == TG_E_NOENT ? TG_E_DATA : rc;
    for (char *p = text, *end; !rc && p < text + len; p = end + 1) {
        struct tg_error why = TG_ERROR_INIT;
        end = p + strcspn(p, "\n");
        line++;
        if (memchr(p, '\0', (size_t) (end - p)) || *end == '\0')
            end = *end ? end : p + strlen(p);
        size_t n = (size_t) (end - p);
        while (n && (p[n - 1] == '\r' || p[n - 1] == ' ' || p[n - 1] == '\t'))
            n--;
        if (n && (rc = tg_nodeset_expand(p, n, &names, &why)) != 0)
            rc = tg_fail_at(e, TG_E_DATA, file, (int) line, why.column, "%s", why.message);
    }
    if (!rc)
        rc = tg_hostlist_sort(&names, e);
    *out = (int64_t) names.n;
    tg_hostlist_release(&names);
    free(text);
    return rc;
}

static int take_members(const struct tg_frame *f, int64_t *out, struct tg_error *e)
{
    const char *text = tg_opt_text(f, "members");

    *out = -1;
    if (!text)
        return 0;
    if (text[0] == '@')
        return count_file(text + 1, out, e);
    if (take_number(text, TG_BUDGET_UNITS_MAX, out) == 0)
        return 0;
    tg_fail(e, TG_E_USAGE, "--members \"%.60s\" is no number of members", text);
    return tg_error_hint(e, "how many members the actor sees, such as 96, or @FILE with their names"), TG_E_USAGE;
}

int tg_exec_budget_take(struct tg_frame *f, struct tg_exec_budget *b, struct tg_error *e)
{
    const char *const *list;
    size_t n = tg_opt_list(f, "budget", &list);
    int rc = 0;

    b->bill = (struct tg_budget_bill) {.want = b->want};
    for (size_t i = 0; !rc && i < n; i++)
        rc = take_want(list[i], b, e);
    return rc ? rc : take_members(f, &b->bill.members, e);
}

bool tg_exec_is_quiet(const struct tg_frame *f)
{
    return strcmp(tg_opt_text(f, "on-held"), "quiet") == 0;
}

void tg_exec_say_held(const struct tg_frame *f, const char *line)
{
    struct tg_buf what = TG_BUF_INIT;

    if (!tg_exec_is_quiet(f)) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    for (size_t i = 0; f->command[i]; i++)
        tg_buf_printf(&what, "%s%s", i ? " " : "", f->command[i]);
    openlog("tagout", LOG_PID, LOG_CRON);
    syslog(LOG_NOTICE, "%s not started: %s", line, tg_buf_text(&what));
    tg_buf_release(&what);
}

static void say_spent(const struct tg_frame *f, const struct tg_exec_budget *b)
{
    const struct tg_budget *budget = b->bill.refused;
    const struct tg_budget_answer *a = &b->bill.answer;
    char of[TG_SCOPE_TEXT_SIZE], per[32], at[40];
    struct tg_buf line = TG_BUF_INIT;

    tg_duration_format(budget->per_ms, per, sizeof per);
    tg_buf_printf(&line, "TAGOUT-HELD budget=%s scope=%s asked=%lld used=%lld limit=%lld per=\"%s\"", budget->name, tg_scope_format(&budget->of, of, sizeof of),
                  (long long) b->bill.asked, (long long) a->used, (long long) a->limit, per);
    tg_time_format(a->free_at_ms - a->free_at_ms % 1000 + 1000, at, sizeof at);
    if (a->word == TG_BUDGET_SPENT)
        tg_buf_printf(&line, " until=%s", at);
    else
        tg_buf_printf(&line, " detail=\"%s\"", a->limit == 0 ? "the share of so few members is less than one: give the budget a number" : "more than the whole budget: it will never fit");
    tg_exec_say_held(f, tg_buf_text(&line));
    tg_buf_release(&line);
}

/* A budget's own mend in place of a lost store's. */
static void say_unknown(struct tg_frame *f, const struct tg_guard *g, const struct tg_exec_budget *b, int code, const struct tg_error *why)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};
    const char *name = b->bill.refused ? b->bill.refused->name : "NAME";
    struct tg_buf line = TG_BUF_INIT;

    tg_verdict_unknown(g, code, why, &v);
    if (strcmp(v.cause, "picture-shrank") == 0) {
        v.error.hint[0] = '\0';
        tg_error_hint(&v.error, "look at what the actor reads; if they are really gone: tagout budget reset %s --picture --reason \"why\"", name);
    } else if (strcmp(v.cause, "no-picture") == 0) {
        v.error.hint[0] = '\0';
        tg_error_hint(&v.error, "say how many there are: --members N, or --inventory FILE");
    }
    tg_verdict_line(&v, f->config->store, tg_wall_ms(tg_loop_clock(f->loop)), &line);
    fprintf(stderr, "%s\n", tg_buf_text(&line));
    tg_buf_release(&line);
    tg_verdict_release(&v);
}

int tg_exec_budget_charge(struct tg_frame *f, struct tg_guard *g, const struct tg_permit *p, const struct tg_permit_request *r, struct tg_exec_budget *b,
                          bool quiet, int64_t *out_free_ms, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;

    b->bill.scopes = r->scopes;
    b->bill.actor = r->actor;
    b->bill.owner = r->owner;
    b->bill.now_ms = tg_permit_granted_ms(p);
    *out_free_ms = -1;
    tg_budget_bill_release(&b->bill);
    int rc = tg_budget_charge(g, &b->bill, &why);
    if (!rc && b->bill.warning[0])
        fprintf(stderr, "tagout: warning: this machine's own count of budgets could not be written: %s; the store's counts\n", b->bill.warning);
    if (!rc)
        return 0;
    f->status = tg_exit_status(rc == TG_E_HELD ? TG_E_HELD : TG_E_UNKNOWN);
    if (rc == TG_E_USAGE) {
        *e = why;
        return rc;
    }
    if (rc != TG_E_HELD) {
        say_unknown(f, g, b, rc, &why);
        return rc;
    }
    if (b->bill.refused && b->bill.answer.word == TG_BUDGET_SPENT)
        *out_free_ms = b->bill.answer.free_at_ms - b->bill.now_ms;
    if (!quiet && b->bill.refused)
        say_spent(f, b);
    return TG_E_HELD;
}
