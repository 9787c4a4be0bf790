/* What the answers of config management come to, for people, programs and the audit. Pure. See gate.h. */
#include "engine/gate.h"

#include "base/shown.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_SHOWN 8   /* of one group; the rest is counted */
#define DIFF_SHOWN 4096 /* bytes of a group's diff */

static const char *const verdict_names[] = {
    [TG_GATE_REVERT] = "revert", [TG_GATE_UNKNOWN] = "unknown", [TG_GATE_PENDING] = "pending", [TG_GATE_NOTHING] = "nothing",
};

const char *tg_gate_verdict_name(enum tg_gate_verdict verdict)
{
    return verdict_names[verdict];
}

/* Busy, disabled, held, failed: none of these has told what a run would do. */
enum tg_gate_verdict tg_gate_judge(const struct tg_outcome *o)
{
    if (o->kind == TG_OUTCOME_UNCHANGED)
        return TG_GATE_NOTHING;
    if (o->kind != TG_OUTCOME_WOULD_CHANGE)
        return TG_GATE_UNKNOWN;
    return o->corrective == 0 ? TG_GATE_PENDING : TG_GATE_REVERT;
}

size_t tg_gate_count(const struct tg_gate_asks *asks, enum tg_gate_verdict verdict)
{
    size_t n = 0;

    for (size_t i = 0; i < asks->n; i++)
        n += asks->v[i].verdict == verdict;
    return n;
}

/* ---- groups ---- */

static int compare_text(const char *a, const char *b)
{
    return a == b ? 0 : !a ? -1 : !b ? 1 : strcmp(a, b);
}

static int compare_items(const struct tg_outcome *a, const struct tg_outcome *b)
{
    if (a->n_items != b->n_items)
        return a->n_items < b->n_items ? -1 : 1;
    for (size_t i = 0; i < a->n_items; i++) {
        const struct tg_outcome_item *x = &a->items[i], *y = &b->items[i];
        int c = compare_text(x->what, y->what);
        if (c || (c = (x->added > y->added) - (x->added < y->added)) != 0 || (c = (x->removed > y->removed) - (x->removed < y->removed)) != 0 ||
            (c = (x->corrective > y->corrective) - (x->corrective < y->corrective)) != 0)
            return c;
    }
    return 0;
}

/* The same for people: what differs is the host. */
static int compare_answers(const struct tg_gate_ask *a, const struct tg_gate_ask *b)
{
    const struct tg_outcome *x = &a->outcome, *y = &b->outcome;
    int c;

    if (a->verdict != b->verdict)
        return a->verdict < b->verdict ? -1 : 1;
    if ((c = compare_text(a->rule ? a->rule->driver->name : NULL, b->rule ? b->rule->driver->name : NULL)) != 0 || a->verdict == TG_GATE_NOTHING)
        return c;
    if (a->verdict == TG_GATE_UNKNOWN)
        return (c = compare_text(x->text, y->text)) != 0 ? c : compare_items(x, y);
    if (x->changed != y->changed || x->corrective != y->corrective)
        return x->changed != y->changed ? (x->changed < y->changed ? -1 : 1) : x->corrective < y->corrective ? -1 : 1;
    return compare_items(x, y);
}

static int order(const void *a, const void *b)
{
    const struct tg_gate_ask *x = *(const struct tg_gate_ask *const *) a, *y = *(const struct tg_gate_ask *const *) b;
    int c = compare_answers(x, y);

    return c ? c : tg_name_compare(x->name, y->name);
}

int tg_gate_group(const struct tg_gate_asks *asks, struct tg_gate_groups *out, struct tg_error *e)
{
    struct tg_gate_groups g = {.v = calloc(asks->n + 1, sizeof *g.v)};
    const struct tg_gate_ask **all = calloc(asks->n + 1, sizeof *all);

    if (!g.v || !all) {
        free(g.v);
        free(all);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < asks->n; i++)
        all[i] = &asks->v[i];
    qsort(all, asks->n, sizeof *all, order);
    g.v[0].asks = all; /* one array; tg_gate_groups_release() frees it by the first */
    for (size_t i = 0; i < asks->n; i++) {
        if (i == 0 || compare_answers(all[i - 1], all[i]) != 0)
            g.v[g.n++] = (struct tg_gate_group) {.verdict = all[i]->verdict, .asks = all + i};
        g.v[g.n - 1].n++;
    }
    *out = g;
    return 0;
}

void tg_gate_groups_release(struct tg_gate_groups *g)
{
    if (g->v)
        free(g->v[0].asks);
    free(g->v);
    *g = (struct tg_gate_groups) {0};
}

static int fold(const struct tg_gate_group *g, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder = NULL;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < g->n; i++)
        rc = tg_folder_add(folder, g->asks[i]->name, e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc;
}

/* ---- for people ---- */

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static bool matters(const struct tg_gate_group *g, const struct tg_outcome_item *item)
{
    return g->verdict != TG_GATE_REVERT || item->corrective != 0;
}

/* "puppet would undo 1 manual change", "salt would change 2 things". */
static void say_what(const struct tg_gate_group *g, struct tg_buf *out)
{
    const struct tg_outcome *o = &g->asks[0]->outcome;
    const char *tool = g->asks[0]->rule ? g->asks[0]->rule->driver->name : "";
    int others = o->changed - o->corrective;

    if (g->verdict == TG_GATE_NOTHING) {
        tg_buf_puts(out, "nothing");
    } else if (g->verdict == TG_GATE_UNKNOWN) {
        tg_buf_puts(out, "can't be told: ");
        tg_shown(out, o->text);
    } else if (g->verdict == TG_GATE_PENDING) {
        tg_buf_printf(out, "%s has %d pending change%s, none of a manual one", tool, o->changed, plural(o->changed));
    } else if (o->corrective > 0) {
        tg_buf_printf(out, "%s would undo %d manual change%s", tool, o->corrective, plural(o->corrective));
        if (others > 0)
            tg_buf_printf(out, ", and make %d new one%s", others, plural(others));
    } else {
        tg_buf_printf(out, "%s would change %d thing%s, manual or not", tool, o->changed, plural(o->changed));
    }
}

static void say_item(const struct tg_outcome_item *item, struct tg_buf *out)
{
    tg_shown(out, item->what);
    if (item->added >= 0 && item->removed >= 0)
        tg_buf_printf(out, "  (+%d −%d)", item->added, item->removed);
}

static void say_items(const struct tg_gate_group *g, struct tg_buf *out)
{
    const struct tg_outcome *o = &g->asks[0]->outcome;
    size_t n = 0, shown = 0;

    for (size_t i = 0; i < o->n_items; i++)
        n += matters(g, &o->items[i]);
    if (n)
        tg_buf_putc(out, ':');
    for (size_t i = 0; i < o->n_items && shown < ITEMS_SHOWN; i++)
        if (matters(g, &o->items[i])) {
            tg_buf_puts(out, n == 1 ? "  " : "\n      ");
            say_item(&o->items[i], out);
            shown++;
        }
    if (n > shown)
        tg_buf_printf(out, "\n      and %zu more", n - shown);
    tg_buf_putc(out, '\n');
}

static void say_diff(const struct tg_gate_group *g, struct tg_buf *out)
{
    const char *diff = g->asks[0]->outcome.diff;
    size_t len = diff ? strlen(diff) : 0, shown = 0;

    if (!len)
        return;
    tg_buf_printf(out, "    %s:\n", g->asks[0]->name);
    for (const char *p = diff; *p && shown < DIFF_SHOWN;) {
        size_t n = strcspn(p, "\n");
        char *line = strndup(p, n);
        tg_buf_puts(out, "    | ");
        tg_shown(out, line ? line : "");
        tg_buf_putc(out, '\n');
        free(line);
        shown += n + 1;
        p += n + (p[n] == '\n');
    }
    if (len > shown)
        tg_buf_printf(out, "    | … and %zu bytes more\n", len - shown);
}

int tg_gate_text(const struct tg_gate_groups *groups, bool diffs, struct tg_buf *out, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < groups->n; i++) {
        const struct tg_gate_group *g = &groups->v[i];
        tg_buf_printf(out, "  %zu host%s  ", g->n, plural((int64_t) g->n));
        rc = fold(g, out, e);
        tg_buf_puts(out, "   ");
        say_what(g, out);
        say_items(g, out);
        if (diffs)
            say_diff(g, out);
    }
    return rc ? rc : tg_buf_ok(out, e);
}

/* ---- for programs ---- */

static json_t *items_json(const struct tg_outcome *o)
{
    json_t *list = json_array();

    for (size_t i = 0; i < o->n_items; i++) {
        const struct tg_outcome_item *t = &o->items[i];
        json_t *item = json_pack("{s:s%}", "what", t->what, strlen(t->what));
        if (!item) /* bytes that are no UTF-8 */
            continue;
        if (t->added >= 0 && t->removed >= 0) {
            json_object_set_new(item, "added", json_integer(t->added));
            json_object_set_new(item, "removed", json_integer(t->removed));
        }
        json_object_set_new(item, "manual", t->corrective < 0 ? json_null() : json_boolean(t->corrective));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *count_json(int n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *text_json(const char *text)
{
    json_t *o = json_string(text);

    return o ? o : json_string("(no UTF-8)");
}

json_t *tg_gate_json(const struct tg_gate_asks *asks, bool diffs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < asks->n; i++) {
        const struct tg_gate_ask *a = &asks->v[i];
        json_t *o = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "host", a->name, "verdict", tg_gate_verdict_name(a->verdict), "outcome",
                              tg_outcome_name(a->outcome.kind), "changed", count_json(a->outcome.changed), "manual", count_json(a->outcome.corrective),
                              "text", text_json(a->outcome.text), "changes", items_json(&a->outcome));
        if (o && a->rule)
            json_object_set_new(o, "tool", json_string(a->rule->driver->name));
        if (o && diffs && a->outcome.diff)
            json_object_set_new(o, "diff", text_json(a->outcome.diff));
        json_array_append_new(list, o);
    }
    return list;
}

/* ---- for the audit ---- */

static int say_accepted(const struct tg_gate_group *g, bool names, struct tg_buf *b, struct tg_error *e)
{
    const struct tg_gate_ask *a = g->asks[0];
    const char *tool = a->rule ? a->rule->driver->name : "it";
    int rc = 0, n = a->outcome.corrective > 0 ? a->outcome.corrective : a->outcome.changed;

    if (b->len)
        tg_buf_puts(b, ", ");
    if (g->verdict == TG_GATE_REVERT)
        tg_buf_printf(b, "%s undoes %d %s%s on ", tool, n, a->outcome.corrective > 0 ? "manual change" : "thing", plural(n));
    else
        tg_buf_puts(b, "not known of ");
    if (names)
        rc = fold(g, b, e);
    else
        tg_buf_printf(b, "%zu host%s", g->n, plural((int64_t) g->n));
    return rc;
}

int tg_gate_accepted(const struct tg_gate_groups *groups, char *out, size_t size, struct tg_error *e)
{
    int rc = 0;

    for (int names = 1; names >= 0; names--) {
        struct tg_buf b = TG_BUF_INIT;
        for (size_t i = 0; !rc && i < groups->n; i++)
            if (groups->v[i].verdict == TG_GATE_REVERT || groups->v[i].verdict == TG_GATE_UNKNOWN)
                rc = say_accepted(&groups->v[i], names, &b, e);
        bool fits = b.len < size;
        snprintf(out, size, "%s", tg_buf_text(&b));
        tg_buf_release(&b);
        if (rc || fits)
            break;
    }
    return rc;
}
