/* tagout budget list: the budgets, and how much of them is left. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"
#include "fleet/inventory.h"
#include "guard/budget.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS 7

static void answer_of(const struct tg_frame *f, const struct tg_budget *b, int64_t now_ms, struct tg_budget_answer *out)
{
    const struct tg_group *group = b->of.kind == TG_SCOPE_GROUP && f->inventory ? tg_inventory_group(f->inventory, b->of.name) : NULL;
    struct tg_budget_ask ask = {.n = 1, .now_ms = now_ms, .members = group ? (int64_t) group->n_hosts : -1};
    size_t n = 0;

    if (b->of.kind == TG_SCOPE_FLEET && f->inventory && tg_inventory_hosts(f->inventory, &n))
        ask.members = (int64_t) n;
    tg_budget_decide(b, &ask, out);
}

static char *cell(struct tg_buf *b)
{
    char *text = tg_buf_take(b, NULL);

    *b = (struct tg_buf) TG_BUF_INIT;
    return text;
}

static char **make_row(const struct tg_frame *f, const struct tg_budget *b, int64_t now_ms)
{
    char **row = calloc(COLUMNS, sizeof *row), text[TG_SCOPE_TEXT_SIZE];
    struct tg_budget_answer a;
    struct tg_buf c = TG_BUF_INIT;

    if (!row)
        return NULL;
    answer_of(f, b, now_ms, &a);
    tg_buf_puts(&c, b->name);
    row[0] = cell(&c);
    tg_buf_puts(&c, tg_scope_format(&b->of, text, sizeof text));
    row[1] = cell(&c);
    tg_share_format(&b->at_most, text, sizeof text);
    tg_buf_printf(&c, "%s in ", text);
    tg_duration_format(b->per_ms, text, sizeof text);
    tg_buf_puts(&c, text);
    row[2] = cell(&c);
    if (a.limit < 0)
        tg_buf_printf(&c, "%lld", (long long) a.used);
    else
        tg_buf_printf(&c, "%lld of %lld", (long long) a.used, (long long) a.limit);
    row[3] = cell(&c);
    tg_buf_puts(&c, a.word == TG_BUDGET_SPENT ? tg_cli_when(a.free_at_ms, now_ms, text, sizeof text) : a.word == TG_BUDGET_FITS ? "now" : "-");
    row[4] = cell(&c);
    tg_share_format(&b->brake, text, sizeof text);
    tg_buf_puts(&c, text[0] ? text : "-");
    row[5] = cell(&c);
    for (size_t i = 0; i < b->n_actors; i++)
        tg_buf_printf(&c, "%s%s", i ? "," : "", b->actors[i]);
    tg_buf_puts(&c, b->n_actors ? "" : "who names it");
    row[6] = cell(&c);
    return row;
}

static void print_table(const struct tg_frame *f, const struct tg_budgets *all, int64_t now_ms)
{
    static const char *const head[COLUMNS] = {"BUDGET", "OF", "AT MOST", "USED", "FREE", "BRAKE", "COUNTS FOR"};
    char ***rows = calloc(all->n + 1, sizeof *rows);
    size_t n = 0;

    while (rows && n < all->n && (rows[n] = make_row(f, &all->v[n], now_ms)) != NULL)
        n++;
    if (rows)
        tg_cli_table(f, head, rows, n, COLUMNS);
    tg_cli_table_free(rows, n, COLUMNS);
}

static json_t *budget_json(const struct tg_frame *f, const struct tg_budget *b, int64_t now_ms)
{
    char of[TG_SCOPE_TEXT_SIZE], at_most[32], brake[32];
    struct tg_budget_answer a;
    json_t *charges = json_array(), *actors = json_array();

    answer_of(f, b, now_ms, &a);
    tg_share_format(&b->at_most, at_most, sizeof at_most);
    tg_share_format(&b->brake, brake, sizeof brake);
    for (size_t i = 0; i < b->n_actors; i++)
        json_array_append_new(actors, json_string(b->actors[i]));
    for (size_t i = 0; i < b->n_charges; i++)
        if (b->charges[i].at_ms > tg_budget_now(b, now_ms) - b->per_ms)
            json_array_append_new(charges, json_pack("{s:o,s:I,s:s,s:s}", "at", tg_cli_time_json(b->charges[i].at_ms), "n", (json_int_t) b->charges[i].n,
                                                     "actor", b->charges[i].actor, "owner", b->charges[i].owner));
    return json_pack("{s:s,s:s,s:s,s:f,s:s,s:o,s:s,s:I,s:o,s:o,s:o}", "budget", b->name, "of", tg_scope_format(&b->of, of, sizeof of), "at-most", at_most,
                     "per-seconds", (double) b->per_ms / 1000, "brake", brake, "for", actors, "set-by", b->set_by, "used", (json_int_t) a.used, "limit",
                     a.limit >= 0 ? json_integer(a.limit) : json_null(), "members", a.expected >= 0 ? json_integer(a.expected) : json_null(), "charges",
                     charges);
}

static int run_list(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_budgets all;
    int64_t now = tg_wall_ms(tg_loop_clock(f->loop));
    int rc = tg_budget_list(&g, &all, e);

    if (rc)
        return rc;
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < all.n; i++)
            json_array_append_new(list, budget_json(f, &all.v[i], now));
        rc = tg_print_json(list, e);
    } else if (all.n) {
        print_table(f, &all, now);
    } else {
        puts("There are no budgets. Make one: tagout budget set NAME --at-most 5% --of group:web --per 10m");
    }
    tg_budgets_release(&all);
    return rc;
}

const struct tg_cmd tg_cmd_budget_list = {
    .name = "budget list",
    .args = "",
    .brief = "list the budgets, and how much is left of them",
    .details = "USED is what was charged within the window, of how many that may be now. FREE is when one more fits.",
    .examples = "  $ tagout budget list\n",
    .max_args = 0,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_list,
};
