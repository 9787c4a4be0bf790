/* Laying a calendar over an inventory: which rules are about which hosts. See agenda.h. */
#include "calendar/agenda_internal.h"
#include "calendar/build.h"
#include "fleet/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hosts that scopes divide: each class is its parent's hosts that are in a scope as well. */
struct division {
    struct node {
        uint32_t parent, scope; /* scope: index into scopes; node 0 has none */
        size_t n_hosts;
        uint32_t split, stamp;  /* stamp: scope + 1 that split it last, into node split */
    } *nodes;
    size_t n, cap;
};

struct scope {
    const char *text;
    uint32_t first, n; /* rules, in order[] */
    bool booked;       /* hosts of a week's slot, and no text of a site's */
};

struct binding {
    struct tg_agenda *a;
    struct tg_problems *p;
    uint32_t *order;      /* rules by scope */
    struct scope *scopes;
    size_t n_scopes;
    const struct scope *fleet; /* the one of the whole; NULL: no rule has it */
    struct division d;
};

static const struct tg_rule *rule_at(const struct tg_agenda *a, uint32_t i)
{
    return a->rules[i].rule;
}

/* ---- customers' windows in the inventory become rules */

static struct tg_error *customer_problem(struct binding *b, const struct tg_customer *c, size_t i, int column, const char *message)
{
    const struct tg_customer_place *at = &c->window_places[i];
    const struct tg_place place = {.file = tg_inventory_path(b->a->inventory), .line = at->line, .column = at->line ? at->column + (column > 1 ? column : 0) : 0};

    return tg_problems_add(b->p, &place, "windows of customer \"%s\": %s", c->name, message);
}

static int take_customer_window(struct binding *b, struct tg_rule *rule, const struct tg_customer *c, size_t i, struct tg_error *e)
{
    const char *zone = b->a->calendar ? tg_calendar_zone(b->a->calendar) : "UTC";
    struct tg_error why = TG_ERROR_INIT;
    struct tg_when *when;
    int rc = tg_rule_room(rule, &when, e);

    if (rc)
        return rc;
    when->by_hours = true;
    when->line = c->window_places[i].line;
    when->column = c->window_places[i].column;
    if (tg_hours_parse(c->windows[i], zone, &when->hours, &why) || tg_when_zone(when, when->hours.zone, &why))
        tg_error_hint(customer_problem(b, c, i, why.column, why.message), "%s", why.hint);
    return 0;
}

static int take_customer(struct binding *b, const struct tg_customer *c, struct tg_error *e)
{
    struct tg_agenda *a = b->a;
    struct tg_rule *rule = &a->own[a->n_own];
    char scope[96];
    int rc = 0;

    if (!c->n_windows)
        return 0;
    a->n_own++;
    *rule = (struct tg_rule) {.kind = TG_RULE_WINDOW, .level = TG_LEVEL_CUSTOMER, .cut_off_ms = a->cut_off_ms, .lead_ms = a->lead_ms, .line = c->line, .column = c->column};
    snprintf(scope, sizeof scope, "customer:%s", c->name);
    if (!(rule->name = strdup(c->name)) || !(rule->scope = strdup(scope)) || !(rule->file = strdup(tg_inventory_path(a->inventory))))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < c->n_windows; i++)
        rc = take_customer_window(b, rule, c, i, e);
    return rc;
}

static int collect_rules(struct binding *b, struct tg_error *e)
{
    struct tg_agenda *a = b->a;
    size_t n_customers, n = 0, n_own;
    const struct tg_customer *customers = tg_inventory_customers(a->inventory, &n_customers);
    const struct tg_rule *rules = a->calendar ? tg_calendar_rules(a->calendar, &n) : NULL;
    int rc = 0;

    n_own = n_customers + tg_agenda_week_rules(a);
    a->own = calloc(n_own + 1, sizeof *a->own);
    a->rules = calloc(n + n_own + 1, sizeof *a->rules);
    b->order = calloc(n + n_own + 1, sizeof *b->order);
    b->scopes = calloc(n + n_own + 1, sizeof *b->scopes);
    if (!a->own || !a->rules || !b->order || !b->scopes)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n_customers; i++)
        rc = take_customer(b, &customers[i], e);
    if (!rc)
        rc = tg_agenda_take_weeks(a, e);
    for (size_t i = 0; i < n; i++)
        a->rules[a->n_rules++].rule = &rules[i];
    for (size_t i = 0; i < a->n_own; i++)
        a->rules[a->n_rules++].rule = &a->own[i];
    return rc;
}

/* ---- scopes */

struct named {
    const char *scope;
    uint32_t rule;
    bool booked;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->scope, y->scope);

    if (!order)
        order = x->booked - y->booked;
    return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

/* Rules of the same scope stand together: each scope is looked up once. */
static int sort_scopes(struct binding *b, struct tg_error *e)
{
    struct tg_agenda *a = b->a;
    struct named *list = calloc(a->n_rules + 1, sizeof *list);

    if (!list)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (uint32_t i = 0; i < a->n_rules; i++)
        list[i] = (struct named) {rule_at(a, i)->scope, i, rule_at(a, i)->booked};
    qsort(list, a->n_rules, sizeof *list, compare_named);
    for (uint32_t i = 0; i < a->n_rules; i++) {
        b->order[i] = list[i].rule;
        if (!i || strcmp(list[i - 1].scope, list[i].scope) != 0 || list[i - 1].booked != list[i].booked)
            b->scopes[b->n_scopes++] = (struct scope) {list[i].scope, i, 0, list[i].booked};
        b->scopes[b->n_scopes - 1].n++;
    }
    free(list);
    return 0;
}

static int new_node(struct division *d, uint32_t parent, uint32_t scope, uint32_t *out, struct tg_error *e)
{
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 256;
        struct node *nodes = realloc(d->nodes, cap * sizeof *nodes);
        if (!nodes)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        d->nodes = nodes;
        d->cap = cap;
    }
    d->nodes[d->n] = (struct node) {.parent = parent, .scope = scope};
    *out = (uint32_t) d->n++;
    return 0;
}

/* A host is in this scope as well. */
static int put_in(struct binding *b, uint32_t host, uint32_t scope, struct tg_error *e)
{
    struct division *d = &b->d;
    uint32_t old = b->a->class_of[host], new;

    if (d->nodes[old].stamp != scope + 1) {
        int rc = new_node(d, old, scope, &new, e);
        if (rc)
            return rc;
        d->nodes[old].stamp = scope + 1;
        d->nodes[old].split = new;
    }
    new = d->nodes[old].split;
    d->nodes[old].n_hosts--;
    d->nodes[new].n_hosts++;
    b->a->class_of[host] = new;
    return 0;
}

static int put_list(struct binding *b, const uint32_t *hosts, size_t n, uint32_t scope, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < n; i++)
        rc = put_in(b, hosts[i], scope, e);
    return rc;
}

/* What the scope says that the inventory does not have; at each rule that says it. */
static int bad_scope(struct binding *b, const struct scope *s, const struct tg_error *why)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const struct tg_rule *rule = rule_at(b->a, b->order[s->first + i]);
        const struct tg_place place = {.file = rule->file, .line = rule->scope_line ? rule->scope_line : rule->line,
                                       .column = rule->scope_line ? rule->scope_column : rule->column};
        tg_error_hint(tg_problems_add(b->p, &place, "for: %s", why->message), "%s", why->hint);
    }
    return 0;
}

static int put_selected(struct binding *b, const struct scope *s, const char *selector, uint32_t index, struct tg_error *e)
{
    struct tg_selection selection = TG_SELECTION_INIT;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_select(b->a->inventory, selector, &selection, &why);

    if (rc == TG_E_DATA)
        return bad_scope(b, s, &why);
    if (rc)
        return tg_fail(e, rc, "%s", why.message);
    for (size_t i = 0; !rc && i < selection.n; i++)
        rc = put_in(b, selection.hosts[i]->index, index, e);
    tg_selection_release(&selection);
    return rc;
}

static int put_slot(struct binding *b, uint32_t index, struct tg_error *e)
{
    uint32_t *hosts;
    size_t n;
    int rc = tg_agenda_slot_hosts(b->a, b->scopes[index].text, &hosts, &n, e);

    if (rc)
        return rc;
    rc = put_list(b, hosts, n, index, e);
    free(hosts);
    return rc;
}

/* Names that are looked up at once; everything else goes through all hosts. */
static int put_scope(struct binding *b, uint32_t index, struct tg_error *e)
{
    const struct scope *s = &b->scopes[index];
    const struct tg_inventory *inv = b->a->inventory;
    const struct tg_group *group = NULL;
    const struct tg_customer *customer;
    const struct tg_host *host;
    char selector[512];

    if (strcmp(s->text, "fleet") == 0) {
        b->fleet = s;
        return 0;
    }
    if (s->booked)
        return put_slot(b, index, e);
    if (strncmp(s->text, "group:", 6) == 0 || s->text[0] == '@')
        group = tg_inventory_group(inv, s->text + (s->text[0] == '@' ? 1 : 6));
    if (group)
        return put_list(b, group->hosts, group->n_hosts, index, e);
    if (strncmp(s->text, "group:", 6) == 0 && strlen(s->text) < sizeof selector) {
        snprintf(selector, sizeof selector, "@%s", s->text + 6);
        return put_selected(b, s, selector, index, e);
    }
    if (strncmp(s->text, "customer:", 9) == 0 && (customer = tg_inventory_customer(inv, s->text + 9)))
        return put_list(b, customer->hosts, customer->n_hosts, index, e);
    if (strncmp(s->text, "host:", 5) != 0)
        return put_selected(b, s, s->text, index, e);
    if ((host = tg_inventory_host(inv, s->text + 5)))
        return put_in(b, host->index, index, e);
    return put_selected(b, s, s->text + 5, index, e);
}

/* ---- classes */

/* The rules of a scope, sorted into a class: windows of the highest level so far, blackouts, and what these windows put aside. */
struct sorting {
    uint32_t *windows, *blackouts, *shadowed, *booked;
    size_t n_windows, n_blackouts, n_shadowed, n_booked;
    enum tg_rule_level level;
};

static void sort_rule(struct sorting *s, uint32_t index, const struct tg_rule *rule)
{
    if (rule->kind == TG_RULE_BLACKOUT) {
        s->blackouts[s->n_blackouts++] = index;
        return;
    }
    if (rule->booked) {
        s->booked[s->n_booked++] = index;
        return;
    }
    if (s->n_windows && rule->level < s->level) {
        s->shadowed[s->n_shadowed++] = index;
        return;
    }
    if (s->n_windows && rule->level > s->level) {
        memcpy(s->shadowed + s->n_shadowed, s->windows, s->n_windows * sizeof *s->windows);
        s->n_shadowed += s->n_windows;
        s->n_windows = 0;
    }
    s->level = rule->level;
    s->windows[s->n_windows++] = index;
}

static int compare_index(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void sort_scope(struct binding *b, struct sorting *s, const struct scope *scope)
{
    for (uint32_t i = 0; i < scope->n; i++)
        sort_rule(s, b->order[scope->first + i], rule_at(b->a, b->order[scope->first + i]));
}

static int fill_class(struct binding *b, struct tg_agenda_class *c, uint32_t node, struct sorting *s, struct tg_error *e)
{
    s->n_windows = s->n_blackouts = s->n_shadowed = s->n_booked = 0;
    for (uint32_t at = node; at; at = b->d.nodes[at].parent)
        sort_scope(b, s, &b->scopes[b->d.nodes[at].scope]);
    if (b->fleet)
        sort_scope(b, s, b->fleet);
    qsort(s->windows, s->n_windows, sizeof *s->windows, compare_index);
    qsort(s->booked, s->n_booked, sizeof *s->booked, compare_index);
    memcpy(s->windows + s->n_windows, s->booked, s->n_booked * sizeof *s->windows);
    s->n_windows += s->n_booked;
    qsort(s->blackouts, s->n_blackouts, sizeof *s->blackouts, compare_index);
    qsort(s->shadowed, s->n_shadowed, sizeof *s->shadowed, compare_index);
    size_t n = s->n_windows + s->n_blackouts + s->n_shadowed;
    c->rules = calloc(n + 1, sizeof *c->rules);
    c->pointers = calloc(n + 1, sizeof *c->pointers);
    if (!c->rules || !c->pointers)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    c->n_windows = s->n_windows;
    c->n_booked = s->n_booked;
    c->n_blackouts = s->n_blackouts;
    c->n_shadowed = s->n_shadowed;
    c->n_hosts = b->d.nodes[node].n_hosts;
    memcpy(c->rules, s->windows, s->n_windows * sizeof *c->rules);
    memcpy(c->rules + s->n_windows, s->blackouts, s->n_blackouts * sizeof *c->rules);
    memcpy(c->rules + s->n_windows + s->n_blackouts, s->shadowed, s->n_shadowed * sizeof *c->rules);
    for (size_t i = 0; i < n; i++)
        c->pointers[i] = rule_at(b->a, c->rules[i]);
    return 0;
}

/* Classes without hosts are left out; hosts get the new numbers. */
static int make_classes(struct binding *b, struct tg_error *e)
{
    struct tg_agenda *a = b->a;
    struct division *d = &b->d;
    uint32_t *scratch = calloc(4 * (a->n_rules + 1), sizeof *scratch);
    struct sorting s = {.windows = scratch, .blackouts = scratch + a->n_rules + 1, .shadowed = scratch + 2 * (a->n_rules + 1),
                        .booked = scratch + 3 * (a->n_rules + 1)};
    size_t n_hosts;
    int rc = 0;

    tg_inventory_hosts(a->inventory, &n_hosts);
    a->classes = calloc(d->n, sizeof *a->classes);
    if (!a->classes || !scratch)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (uint32_t i = 0; !rc && i < d->n; i++) {
        if (!d->nodes[i].n_hosts)
            continue;
        d->nodes[i].split = (uint32_t) a->n_classes;
        rc = fill_class(b, &a->classes[a->n_classes++], i, &s, e);
    }
    for (size_t h = n_hosts; !rc && h-- > 0;) {
        a->class_of[h] = d->nodes[a->class_of[h]].split;
        a->classes[a->class_of[h]].one = (uint32_t) h;
    }
    free(scratch);
    return rc;
}

static int bind(struct binding *b, struct tg_error *e)
{
    struct tg_agenda *a = b->a;
    size_t n_hosts;
    uint32_t root;
    int rc = collect_rules(b, e);

    tg_inventory_hosts(a->inventory, &n_hosts);
    if (!rc && !(a->class_of = calloc(n_hosts + 1, sizeof *a->class_of)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc || (rc = sort_scopes(b, e)) || (rc = new_node(&b->d, 0, 0, &root, e)))
        return rc;
    b->d.nodes[root].n_hosts = n_hosts;
    for (uint32_t i = 0; !rc && i < b->n_scopes; i++)
        rc = put_scope(b, i, e);
    if (!rc)
        rc = tg_problems_error(b->p, e);
    return rc ? rc : make_classes(b, e);
}

int tg_agenda_new(const struct tg_calendar *calendar, const struct tg_inventory *inventory, struct tg_problems *problems, struct tg_agenda **out,
                  struct tg_error *e)
{
    return tg_agenda_new_booked(calendar, inventory, NULL, 0, problems, out, e);
}

int tg_agenda_new_booked(const struct tg_calendar *calendar, const struct tg_inventory *inventory, const struct tg_week *const *weeks, size_t n_weeks,
                         struct tg_problems *problems, struct tg_agenda **out, struct tg_error *e)
{
    struct tg_agenda *a = calloc(1, sizeof *a);
    struct binding b = {.a = a, .p = problems};

    if (!a)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    a->calendar = calendar;
    a->inventory = inventory;
    a->weeks = weeks;
    a->n_weeks = n_weeks;
    a->default_open = !calendar || tg_calendar_default_open(calendar);
    a->cut_off_ms = calendar ? tg_calendar_cut_off_ms(calendar) : 0;
    a->lead_ms = calendar ? tg_calendar_lead_ms(calendar) : 0;
    int rc = bind(&b, e);
    free(b.order);
    free(b.scopes);
    free(b.d.nodes);
    a->weeks = NULL;
    a->n_weeks = 0;
    if (rc)
        tg_agenda_free(a);
    else
        *out = a;
    return rc;
}

static void release_cache(struct tg_agenda_cache *c)
{
    tg_spans_release(&c->open);
    tg_spans_release(&c->start);
}

void tg_agenda_free(struct tg_agenda *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_rules; i++)
        release_cache(&a->rules[i].cache);
    for (size_t i = 0; i < a->n_own; i++)
        tg_rule_release(&a->own[i]);
    for (size_t i = 0; i < a->n_classes; i++) {
        free(a->classes[i].rules);
        free(a->classes[i].pointers);
        release_cache(&a->classes[i].cache);
    }
    free(a->rules);
    free(a->own);
    free(a->classes);
    free(a->class_of);
    tg_spans_release(&a->windows);
    tg_spans_release(&a->blackouts);
    tg_spans_release(&a->part);
    tg_spans_release(&a->rest);
    free(a);
}

size_t tg_agenda_classes(const struct tg_agenda *a)
{
    return a->n_classes;
}

uint32_t tg_agenda_class(const struct tg_agenda *a, uint32_t host_index)
{
    return a->class_of[host_index];
}

size_t tg_agenda_class_hosts(const struct tg_agenda *a, uint32_t class_, uint32_t *out_one)
{
    if (out_one)
        *out_one = a->classes[class_].one;
    return a->classes[class_].n_hosts;
}

const struct tg_rule *const *tg_agenda_rules(const struct tg_agenda *a, uint32_t class_, enum tg_agenda_rules which, size_t *out_n)
{
    const struct tg_agenda_class *c = &a->classes[class_];

    if (which == TG_AGENDA_WINDOWS)
        return *out_n = c->n_windows, c->pointers;
    if (which == TG_AGENDA_BLACKOUTS)
        return *out_n = c->n_blackouts, c->pointers + c->n_windows;
    return *out_n = c->n_shadowed, c->pointers + c->n_windows + c->n_blackouts;
}

int64_t tg_agenda_lead_ms(const struct tg_agenda *a, const struct tg_host *host)
{
    const struct tg_customer *customer = tg_host_customer(a->inventory, host);
    const struct tg_agenda_class *c = &a->classes[a->class_of[host->index]];
    int64_t lead = c->n_windows ? 0 : a->lead_ms;

    if (customer && customer->lead_ms >= 0)
        return customer->lead_ms;
    for (size_t i = 0; i < c->n_windows; i++)
        if (c->pointers[i]->lead_ms > lead)
            lead = c->pointers[i]->lead_ms;
    return lead;
}
