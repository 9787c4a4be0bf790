/* Customers of a booked maintenance week: see announce_store.h. */
#include "calendar/announce_internal.h"
#include "calendar/announce_slot.h"
#include "calendar/announce_store.h"

#include "fleet/inventory.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_SHOWN 16000 /* bytes of folded names in an event, */
#define HOSTS_ALL 80000   /* in all slots: a record has them up to three times */
#define TRIES 10

struct week {
    const struct tg_announce_place *p;
    const char *source, *reason;
    const struct tg_week *week; /* NULL: it is not booked (any more) */
    const char **customers;     /* names */
    size_t n_customers;
    uint32_t *hosts, *first;    /* hosts by customer: of c, from first[c] to first[c + 1] */
    size_t bytes_shown;         /* of folded names in an event; of what is more the number counts */
    uint32_t *some;             /* of one customer in one slot */
    struct tg_marks marks;
    struct tg_slot_count *counts; /* of each slot */
    int64_t wall_ms, due_ms;
    bool only_news;             /* only those of whom something has begun late, or ended */
};

/* Customers of now come first, then those of the book whom the inventory does not have. */
static int list_customers(struct week *w, size_t *out_known, struct tg_error *e)
{
    const struct tg_inventory *inventory = w->p->inventory;
    size_t n = 0;
    const struct tg_customer *known = inventory ? tg_inventory_customers(inventory, &n) : NULL;

    if (!(w->customers = calloc(n + w->week->n_customers + 1, sizeof *w->customers)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < n; i++)
        w->customers[w->n_customers++] = known[i].name;
    for (size_t i = 0; i < w->week->n_customers; i++)
        w->customers[w->n_customers++] = w->week->customers[i];
    *out_known = n;
    return 0;
}

/*
 * Whose a host is: as the inventory has it now; as it was booked, when the inventory knows neither the host nor the customer. TG_WEEK_NONE: nobody's. A
 * list that has lost its customers is no reason to tell anybody that he has none of it any more.
 */
static uint32_t owner_of(const struct week *w, size_t i, size_t known)
{
    const struct tg_inventory *inventory = w->p->inventory;
    const struct tg_host *host = inventory ? tg_inventory_host(inventory, tg_hostlist_get(&w->week->names, i)) : NULL;
    const struct tg_customer *now = host ? tg_host_customer(inventory, host) : NULL, *first = known ? tg_inventory_customers(inventory, &(size_t) {0}) : NULL;
    uint32_t booked = w->week->customer_of[i];

    if (now)
        return (uint32_t) (now - first);
    if (booked == TG_WEEK_NONE)
        return TG_WEEK_NONE;
    const struct tg_customer *same = inventory ? tg_inventory_customer(inventory, w->week->customers[booked]) : NULL;
    if (same)
        return host ? TG_WEEK_NONE : (uint32_t) (same - first);
    return (uint32_t) (known + booked);
}

static int sort_by_customer(struct week *w, struct tg_error *e)
{
    const struct tg_week *k = w->week;
    size_t known = 0;
    int rc = list_customers(w, &known, e);
    uint32_t *owner = rc ? NULL : malloc((k->names.n + 1) * sizeof *owner);

    w->first = rc ? NULL : calloc(w->n_customers + 2, sizeof *w->first);
    w->hosts = malloc((k->names.n + 1) * sizeof *w->hosts);
    if (!owner || !w->first || !w->hosts) {
        free(owner);
        return rc ? rc : tg_thread_no_memory(e);
    }
    for (size_t i = 0; i < k->names.n; i++)
        if ((owner[i] = owner_of(w, i, known)) != TG_WEEK_NONE)
            w->first[owner[i] + 2]++;
    for (size_t c = 2; c < w->n_customers + 2; c++)
        w->first[c] += w->first[c - 1];
    for (size_t i = 0; i < k->names.n; i++)
        if (owner[i] != TG_WEEK_NONE)
            w->hosts[w->first[owner[i] + 1]++] = (uint32_t) i;
    free(owner);
    return 0;
}

/* What is known of each slot, and room for those of one customer in it. */
static int count_slots(struct week *w, struct tg_error *e)
{
    w->some = malloc((w->week->names.n + 1) * sizeof *w->some);
    w->counts = calloc(w->week->n_slots + 1, sizeof *w->counts);
    if (!w->some || !w->counts)
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < w->week->n_slots; i++)
        w->counts[i] = tg_slot_count(w->week, &w->marks, i);
    return 0;
}

static bool has_hosts(const struct week *w, size_t c)
{
    return w->first[c + 1] > w->first[c];
}

/* Whole names of a list that is too long, so that it still is one. */
static int cut(struct tg_buf *text, size_t bytes, struct tg_error *e)
{
    struct tg_hostlist list = TG_HOSTLIST_INIT, some = TG_HOSTLIST_INIT;
    int rc = text->len <= bytes ? 0 : tg_nodeset_expand(tg_buf_text(text), text->len, &list, e);

    for (size_t i = 0; !rc && i < list.n && some.text_len < bytes; i++)
        rc = tg_hostlist_add(&some, tg_hostlist_get(&list, i), strlen(tg_hostlist_get(&list, i)), e);
    if (!rc && list.n) {
        tg_buf_reset(text);
        rc = tg_fold_list(&some, text, e);
    }
    tg_hostlist_release(&list);
    tg_hostlist_release(&some);
    return rc;
}

/* Whom customer c has in a slot: w->some; how many. */
static size_t hosts_of(const struct week *w, size_t c, size_t slot)
{
    size_t n = 0;

    for (uint32_t i = w->first[c]; i < w->first[c + 1]; i++)
        if (w->week->slot_of[w->hosts[i]] == slot)
            w->some[n++] = w->hosts[i];
    return n;
}

/* The hosts of customer c in a slot, as an event, as it stands now; nothing when there are none. */
static int add_slot(const struct week *w, size_t c, size_t slot, struct tg_thread_events *out, struct tg_error *e)
{
    const struct tg_week *k = w->week;
    const struct tg_week_slot *s = &k->slots[slot];
    size_t n = hosts_of(w, c, slot);
    struct tg_folder *folder;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_thread_event ev = {.activity = (char *) (uintptr_t) "maintenance", .key = (char *) (uintptr_t) s->name, .n_hosts = (int64_t) n, .from_ms = s->from_ms,
                                 .until_ms = s->until_ms}, copy;
    int rc = n ? tg_folder_new(&folder, e) : 0;

    if (rc || !n)
        return rc;
    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_folder_add(folder, tg_hostlist_get(&k->names, w->some[i]), e);
    if (!rc)
        rc = tg_folder_print(folder, &text, e);
    if (!rc)
        rc = cut(&text, w->bytes_shown, e);
    ev.hosts = (char *) (uintptr_t) tg_buf_text(&text);
    if (!rc)
        rc = tg_thread_copy_event(&ev, &copy, e);
    if (!rc && (rc = tg_slot_judge(k, &w->marks, slot, &w->counts[slot], w->some, n, w->wall_ms, &copy, e)) != 0)
        tg_thread_event_release(&copy);
    if (!rc)
        rc = tg_thread_add(out, &copy, e);
    tg_folder_free(folder);
    tg_buf_release(&text);
    return rc;
}

static bool is_news(const struct tg_thread_events *events)
{
    for (size_t i = 0; i < events->n; i++)
        if (events->v[i].late || events->v[i].n_done || !events->v[i].n_hosts)
            return true;
    return false;
}

/* Does the thread say all that already? */
static bool says(const struct tg_thread *t, const struct tg_thread_events *events)
{
    for (size_t i = 0; i < events->n; i++) {
        const struct tg_thread_event *ev = &events->v[i], *now = tg_thread_find(&t->now, ev->key);
        if (!ev->n_hosts && (!now || !now->n_hosts))
            continue;
        if (!now || now->n_hosts != ev->n_hosts || now->n_done != ev->n_done || now->late != ev->late || now->from_ms != ev->from_ms || now->until_ms != ev->until_ms ||
            strcmp(now->hosts, ev->hosts) != 0 || ((ev->late || ev->n_done) && strcmp(now->reason, ev->reason) != 0))
            return false;
    }
    return true;
}

static int set_customer(const struct week *w, struct tg_thread *t, const struct tg_thread_events *events, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    int rc = tg_thread_replace(t, events, w->reason, w->wall_ms, w->due_ms, e);

    if (!rc)
        rc = tg_thread_difference(t, &items, e);
    if (!rc && (items.n || t->open)) /* what was told is true still: nothing to write */
        rc = tg_announce_write(w->p, t, NULL, 0, e);
    tg_thread_items_release(&items);
    return rc;
}

static int one_customer(const struct week *w, size_t c, struct tg_error *e)
{
    struct tg_thread_events events = {.v = NULL};
    int rc = 0;

    for (size_t s = 0; !rc && s < w->week->n_slots; s++)
        rc = add_slot(w, c, s, &events, e);
    if (!rc && w->only_news && !is_news(&events)) {
        tg_thread_events_release(&events);
        return 0;
    }
    for (int i = 0; !rc && i < TRIES; i++) {
        struct tg_thread *t;
        struct tg_error why = TG_ERROR_INIT;
        if ((rc = tg_announce_find(w->p, w->source, w->customers[c], 0, &t, e)) != 0)
            break;
        rc = w->only_news && says(t, &events) ? 0 : set_customer(w, t, &events, &why);
        tg_thread_free(t);
        if (!rc)
            break;
        rc = rc == TG_E_VERSION && i + 1 < TRIES ? 0 : tg_fail(e, rc, "%s", why.message);
    }
    tg_thread_events_release(&events);
    return rc;
}

static bool is_in_week(const struct week *w, const char *customer)
{
    for (size_t c = 0; w->week && c < w->n_customers; c++)
        if (strcmp(w->customers[c], customer) == 0)
            return has_hosts(w, c);
    return false;
}

/* Those who were told, and have no slot in it now. */
static int others(const struct week *w, const char *root, struct tg_error *e)
{
    const struct tg_thread_events none = {.v = NULL};
    struct tg_announce_paths paths;
    char prefix[TG_THREAD_NAME_SIZE];
    int rc = tg_announce_list(w->p, root, &paths, e);

    if (rc)
        return rc;
    tg_thread_name(w->source, "", 0, prefix);
    prefix[strcspn(prefix, "-") + 1] = '\0';
    for (size_t i = 0; !rc && i < paths.n; i++) {
        struct tg_thread *t;
        if (strncmp(strrchr(paths.v[i], '/') + 1, prefix, strlen(prefix)) != 0)
            continue;
        if ((rc = tg_announce_read(w->p, paths.v[i], &t, NULL)) == TG_E_NOENT) {
            rc = 0;
            continue;
        }
        if (rc)
            rc = tg_fail(e, rc, "%s can't be read", paths.v[i] + 1);
        if (rc)
            break;
        if (strcmp(t->source, w->source) == 0 && (t->told.n || t->now.n) && !is_in_week(w, t->customer))
            rc = set_customer(w, t, &none, e);
        tg_thread_free(t);
    }
    tg_announce_paths_release(&paths);
    return rc;
}

static int spread(struct week *w, struct tg_error *e)
{
    int rc = w->week ? sort_by_customer(w, e) : 0;

    if (!rc && w->week)
        rc = count_slots(w, e);
    for (size_t c = 0; !rc && w->week && c < w->n_customers; c++)
        rc = has_hosts(w, c) ? one_customer(w, c, e) : 0;
    if (!rc && !w->only_news)
        rc = others(w, TG_ANNOUNCE_OPEN, e);
    return rc || w->only_news ? rc : others(w, TG_ANNOUNCE_TOLD, e);
}

/* The week with all that is known of it. *out is the caller's, w->marks as well. */
static int load(struct week *w, const struct tg_booked *booked, struct tg_week **out, struct tg_error *e)
{
    int rc = tg_book_load(w->p->store, booked, w->p->wait_ms, out, e);

    if (!rc)
        rc = tg_marks_read(w->p->store, booked, *out, w->p->wait_ms, &w->marks, e);
    w->week = rc ? NULL : *out;
    w->bytes_shown = !rc && (*out)->n_slots > HOSTS_ALL / HOSTS_SHOWN ? HOSTS_ALL / (*out)->n_slots : HOSTS_SHOWN;
    return rc;
}

static void release(struct week *w)
{
    free(w->hosts);
    free(w->first);
    free(w->customers);
    free(w->some);
    free(w->counts);
    tg_marks_release(&w->marks);
}

int tg_announce_week(const struct tg_announce_place *p, const struct tg_announcement *a, const char *note_path, int64_t wall_ms, int64_t due_ms, struct tg_error *e)
{
    struct week w = {.p = p, .source = a->source, .reason = "", .wall_ms = wall_ms, .due_ms = due_ms};
    struct tg_week *week = NULL;
    struct tg_book book;
    int rc = tg_book_read(p->store, p->wait_ms, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *booked = tg_book_find(&book, a->event);
    bool in_force = booked && !booked->cancelled && booked->until_ms > wall_ms;
    if (in_force)
        rc = load(&w, booked, &week, e);
    w.reason = booked && booked->cancelled ? booked->reason : "";
    if (!rc && booked && (in_force || booked->cancelled)) /* of what is over and forgotten nothing is said */
        rc = spread(&w, e);
    if (!rc && note_path) {
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_store_delete(p->store, note_path, TG_ANY_VERSION, tg_store_deadline(p->store, p->wait_ms), &why);
        rc = !rc || rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    }
    release(&w);
    tg_week_free(week);
    tg_book_release(&book);
    return rc;
}

int tg_announce_slots_of(const struct tg_announce_place *p, const struct tg_booked *booked, int64_t wall_ms, int64_t due_ms, int64_t *out_version, int64_t *out_next_ms,
                         struct tg_error *e)
{
    char source[TG_ANNOUNCE_NAME_SIZE];
    struct week w = {.p = p, .source = source, .reason = "", .wall_ms = wall_ms, .due_ms = due_ms, .only_news = true};
    struct tg_week *week = NULL;
    int rc = load(&w, booked, &week, e);

    snprintf(source, sizeof source, "week:%s", booked->id);
    if (!rc)
        rc = spread(&w, e);
    if (!rc) {
        *out_version = w.marks.version;
        *out_next_ms = tg_slots_next_ms(week, wall_ms);
    }
    release(&w);
    tg_week_free(week);
    return rc;
}
