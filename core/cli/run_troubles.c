/* Hosts grouped by how they ended and what was said: see run_troubles.h. */
#include "cli/run_troubles.h"

#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 700 /* bytes; an error's message has 640 */

/* A host, and the group that it is in. */
struct member {
    size_t host, group;
};

struct collecting {
    const struct tg_run *run;
    struct tg_troubles *out;
    size_t cap;
    size_t *table;  /* of groups, + 1, by hash; 0 free */
    size_t size;
    struct member *members;
    size_t n_members, cap_members;
};

static enum tg_host_state end_of(const struct tg_run_host *h)
{
    return h->state == TG_HOST_STUCK ? h->end : h->state;
}

static bool is_unkept(const struct tg_run_host *h)
{
    return h->unkept && !tg_host_state_is_end(h->state) && h->state != TG_HOST_AROUND_WAITING && h->state != TG_HOST_UNDO_WAITING;
}

static bool is_wanted(const struct tg_run_host *h, bool well)
{
    if (h->state == TG_HOST_AROUND_WAITING || h->state == TG_HOST_UNDO_WAITING)
        return h->text && h->text[0]; /* what it is tried again for */
    if (!tg_host_state_is_end(h->state))
        return is_unkept(h);
    if (end_of(h) == TG_HOST_RETURNED && h->state != TG_HOST_STUCK)
        return false;
    return end_of(h) != TG_HOST_DONE || h->state == TG_HOST_STUCK || (well && h->text && h->text[0]);
}

/* ---- texts ---- */

/* Copies text with each what replaced by mark; cut to size. */
static void replace(const char *text, const char *what, const char *mark, char *out, size_t size)
{
    size_t len = what ? strlen(what) : 0, mark_len = strlen(mark), n = 0;

    while (*text && n + mark_len + 1 < size) {
        const char *at = len ? strstr(text, what) : NULL;
        size_t plain = at ? (size_t) (at - text) : strlen(text);
        if (plain > size - n - mark_len - 1)
            plain = size - n - mark_len - 1;
        memcpy(out + n, text, plain);
        n += plain;
        text += plain;
        if (at != text)
            continue;
        memcpy(out + n, mark, mark_len);
        n += mark_len;
        text += len;
    }
    out[n] = '\0';
}

static const char *text_of(const struct tg_run *run, size_t i, char *unkept, size_t size)
{
    const struct tg_run_host *h = &run->hosts[i];
    size_t step = 1;

    if (!is_unkept(h))
        return h->text ? h->text : "";
    while (step + 1 < run->plan->n_around && !(h->unkept >> step & 1U))
        step++;
    snprintf(unkept, size, "%s%s not in force any more", h->unkept & run->drains ? "it may serve: " : "", h->unkept & run->drains ? "drain" : tg_around_what_name(run->plan->around[step].what));
    return unkept;
}

/* What happened, without the host's own name and address: so that a hundred hosts with one trouble are one line. */
static void plain_text(const struct tg_run *run, size_t i, char *out, size_t size)
{
    const struct tg_plan_host *host = &run->plan->hosts[i];
    char named[TEXT_MAX], unkept[200];

    const char *text = text_of(run, i, unkept, sizeof unkept), *undo = run->hosts[i].state == TG_HOST_UNDO_WAITING ? strstr(text, "; not undone: ") : NULL;
    replace(undo ? undo + 2 : text, host->name, "{host}", named, sizeof named); /* what is waited for, before how the host ended */
    replace(named, host->address, "{address}", out, size);
    static const char at[] = "{host} ({address} ";
    const char *rest = out;
    if (strncmp(out, at, sizeof at - 1) == 0) { /* "web1 (10.0.0.1 port 22) refused …" → "(port 22) refused …" */
        out[sizeof at - 2] = '(';
        rest = out + sizeof at - 2;
    } else if (strncmp(out, "{host}: ", 8) == 0) {
        rest = out + 8;
    }
    memmove(out, rest, strlen(rest) + 1);
}

/* "TAGOUT-HELD lock=… scope=host:{host} owner=bob@ops2 until=… reason=…": a hundred hosts that somebody has locked one by one are one trouble. */
static void mask_held(const char *text, char *out, size_t size)
{
    static const char *const differ[] = {" lock=", " until="};
    const char *line = strstr(text, "TAGOUT-HELD ");
    char before[TEXT_MAX];

    snprintf(out, size, "%s", text);
    for (size_t i = 0; line && i < sizeof differ / sizeof differ[0]; i++) {
        memcpy(before, out, strlen(out) + 1);
        char *at = strstr(before, differ[i]);
        size_t from = at ? (size_t) (at - before) + strlen(differ[i]) : 0, word = at ? strcspn(before + from, " ") : 0;
        if (at)
            snprintf(out, size, "%.*s…%s", (int) from, before, before + from + word);
    }
}

/* ---- groups ---- */

static size_t hash(const struct tg_run_host *h, const char *text)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) end_of(h) ^ (end_of(h) == TG_HOST_DONE ? (uint64_t) h->outcome << 8 : 0);

    for (; *text; text++)
        sum = (sum ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
    return (size_t) (sum ^ (sum >> 32));
}

static bool is_of(const struct tg_trouble *t, const struct tg_run_host *h, const char *text)
{
    return t->state == end_of(h) && (t->state != TG_HOST_DONE || t->outcome == h->outcome) && strcmp(t->text, text) == 0;
}

static size_t *slot_of(struct collecting *c, const struct tg_run_host *h, const char *text)
{
    size_t i = hash(h, text) & (c->size - 1);

    while (c->table[i] && !is_of(&c->out->items[c->table[i] - 1], h, text))
        i = (i + 1) & (c->size - 1);
    return &c->table[i];
}

static int grow(struct collecting *c, struct tg_error *e)
{
    size_t cap = c->cap ? c->cap * 2 : 32, size = cap * 4;
    struct tg_trouble *items = realloc(c->out->items, cap * sizeof *items);
    size_t *table = calloc(size, sizeof *table);

    if (items)
        c->out->items = items;
    if (!items || !table) {
        free(table);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    free(c->table);
    c->table = table;
    c->size = size;
    c->cap = cap;
    for (size_t i = 0; i < c->out->n; i++) {
        const struct tg_trouble *t = &items[i];
        const struct tg_run_host as = {.state = t->state, .outcome = t->outcome};
        *slot_of(c, &as, t->text) = i + 1;
    }
    return 0;
}

static int add_member(struct collecting *c, size_t host, size_t group, struct tg_error *e)
{
    if (c->n_members == c->cap_members) {
        size_t cap = c->cap_members ? c->cap_members * 2 : 256;
        struct member *members = realloc(c->members, cap * sizeof *members);
        if (!members)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        c->members = members;
        c->cap_members = cap;
    }
    c->members[c->n_members++] = (struct member) {host, group};
    c->out->items[group].n++;
    return 0;
}

static int add_host(struct collecting *c, size_t i, struct tg_error *e)
{
    const struct tg_run_host *h = &c->run->hosts[i];
    char said[TEXT_MAX], text[TEXT_MAX];

    if (c->out->n == c->cap && grow(c, e))
        return TG_E_MEMORY;
    plain_text(c->run, i, said, sizeof said);
    mask_held(said, text, sizeof text);
    size_t *slot = slot_of(c, h, text);
    if (!*slot) {
        struct tg_trouble t = {.state = end_of(h), .outcome = h->outcome, .text = strdup(text), .said = strdup(said)};
        if (!t.text || !t.said) {
            free(t.text);
            free(t.said);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        c->out->items[c->out->n] = t;
        *slot = ++c->out->n;
    }
    struct tg_trouble *t = &c->out->items[*slot - 1];
    if (t->said && strcmp(t->said, said) != 0) {
        free(t->said);
        t->said = NULL;
    }
    return add_member(c, i, *slot - 1, e);
}

/* ---- order, and names ---- */

/* Nothing proven is worse than a failure that was seen; what was never touched comes last. */
static int rank(const struct tg_trouble *t)
{
    static const enum tg_host_state order[] = {TG_HOST_FAILED, TG_HOST_UNKNOWN, TG_HOST_UNDECIDED, TG_HOST_LOST, TG_HOST_STUCK, TG_HOST_UNREACHABLE, TG_HOST_WITHDRAWN, TG_HOST_HELD, TG_HOST_SKIPPED};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (order[i] == t->state)
            return (int) i;
    return t->state == TG_HOST_DONE ? 1000 : 500;
}

static const struct tg_troubles *sorted; /* by by_rank(): qsort has no argument for it */

static int by_rank(const void *a, const void *b)
{
    const struct tg_trouble *x = &sorted->items[*(const size_t *) a], *y = &sorted->items[*(const size_t *) b];

    if (rank(x) != rank(y))
        return rank(x) < rank(y) ? -1 : 1;
    return x->n != y->n ? (x->n > y->n ? -1 : 1) : strcmp(x->text, y->text);
}

/* One host alone is called by its name, and by its address. */
static int name_alone(const struct tg_plan_host *host, struct tg_trouble *t, struct tg_error *e)
{
    char named[TEXT_MAX], whole[TEXT_MAX];

    replace(t->text, "{host}", host->name, named, sizeof named);
    replace(named, "{address}", host->address ? host->address : host->name, whole, sizeof whole);
    char *text = strdup(whole);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    free(t->text);
    t->text = text;
    return 0;
}

static int fold_group(struct collecting *c, size_t group, struct tg_error *e)
{
    struct tg_trouble *t = &c->out->items[group];
    const char **names = calloc(t->n + 1, sizeof *names);
    size_t n = 0, last = 0;

    if (!names)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i].group == group)
            names[n++] = c->run->plan->hosts[last = c->members[i].host].name;
    int rc = tg_fold(names, n, &t->names, e);
    if (!rc && n == 1)
        rc = name_alone(&c->run->plan->hosts[last], t, e);
    free(names);
    return rc;
}

/* What all of a group say, word for word, is shown as it is. */
static void say_whole(struct tg_troubles *out)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->items[i].said) {
            free(out->items[i].text);
            out->items[i].text = out->items[i].said;
            out->items[i].said = NULL;
        }
}

static int sort(struct collecting *c, size_t max, struct tg_error *e)
{
    struct tg_troubles *out = c->out;
    size_t *order = calloc(out->n + 1, sizeof *order);
    struct tg_trouble *items = calloc(out->n + 1, sizeof *items);
    int rc = order && items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < out->n; i++)
        order[i] = i;
    sorted = out;
    if (!rc)
        qsort(order, out->n, sizeof *order, by_rank);
    out->listed = out->n < max ? out->n : max;
    for (size_t i = 0; !rc && i < out->listed; i++)
        rc = fold_group(c, order[i], e);
    for (size_t i = 0; !rc && i < out->n; i++)
        items[i] = out->items[order[i]];
    if (!rc && out->n)
        memcpy(out->items, items, out->n * sizeof *items);
    free(order);
    free(items);
    return rc;
}

int tg_troubles_collect(const struct tg_run *run, size_t max, bool well, struct tg_troubles *out, struct tg_error *e)
{
    struct collecting c = {.run = run, .out = out};
    int rc = 0;

    *out = (struct tg_troubles) {.n = 0};
    for (size_t i = 0; !rc && i < run->plan->n_hosts; i++)
        if (is_wanted(&run->hosts[i], well))
            rc = add_host(&c, i, e);
    if (!rc) {
        say_whole(out);
        rc = sort(&c, max, e);
    }
    free(c.table);
    free(c.members);
    if (rc)
        tg_troubles_release(out);
    return rc;
}

void tg_troubles_release(struct tg_troubles *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->items[i].text);
        free(t->items[i].said);
        tg_buf_release(&t->items[i].names);
    }
    free(t->items);
    *t = (struct tg_troubles) {.n = 0};
}
