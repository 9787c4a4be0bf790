/* Customers of a booked maintenance week: see announce_store.h. */
#include "calendar/announce_internal.h"
#include "calendar/announce_slot.h"
#include "calendar/announce_week_part.h"

#include "base/shown.h"
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
    struct tg_week_part *parts; /* the one in force, and those of that name that were cancelled when something had begun; none: it is off */
    size_t n;
    int64_t unread_ms;          /* one was cancelled then, and what of it had begun can't be read; 0: no */
    size_t bytes_shown;         /* of folded names in an event; of what is more the number counts */
    uint32_t *some;             /* of one customer in one slot */
    int64_t wall_ms, due_ms;
    bool only_news;             /* only those of whom something has begun late, or ended */
};

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

/* What else was to be in the slot is off, and why. */
static int say_rest(const struct tg_week_part *part, struct tg_thread_event *ev, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    char shown[TG_REASON_SIZE];

    tg_buf_printf(&text, "%s%sthe rest is off: %s", ev->reason, ev->reason[0] ? "; " : "", part->booked->reason);
    int rc = tg_buf_ok(&text, e);
    rc = rc ? rc : tg_thread_set_text(&ev->reason, tg_shown_text(tg_buf_text(&text), shown, sizeof shown), e);
    tg_buf_release(&text);
    return rc;
}

/* A slot of a week that was cancelled may have the name of one that is booked in its place. It is another one, which is told of when it has ended. */
static int name_apart(const struct tg_week_part *part, const struct tg_thread_events *events, struct tg_thread_event *ev, bool *out_drop, struct tg_error *e)
{
    char key[TG_ANNOUNCE_NAME_SIZE];

    *out_drop = false;
    if (!tg_thread_find(events, ev->key))
        return 0;
    *out_drop = !ev->n_done;
    snprintf(key, sizeof key, "%s.%s", ev->key, strrchr(part->booked->key, '.') + 1);
    return tg_thread_set_text(&ev->key, key, e);
}

static int fold_hosts(const struct week *w, const struct tg_week *k, size_t n, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_folder_add(folder, tg_hostlist_get(&k->names, w->some[i]), e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc ? rc : cut(out, w->bytes_shown, e);
}

/* The hosts of a customer in a slot, as an event, as it stands now; nothing when there are none. */
static int add_slot(const struct week *w, const struct tg_week_part *part, size_t c, size_t slot, struct tg_thread_events *out, struct tg_error *e)
{
    const struct tg_week_slot *s = &part->week->slots[slot];
    size_t all, n = tg_week_part_hosts(part, c, slot, w->some, &all);
    struct tg_buf text = TG_BUF_INIT;
    struct tg_thread_event ev = {.activity = (char *) (uintptr_t) "maintenance", .key = (char *) (uintptr_t) s->name, .n_hosts = (int64_t) n, .from_ms = s->from_ms,
                                 .until_ms = s->until_ms}, copy;
    bool drop = false;
    int rc = n ? fold_hosts(w, part->week, n, &text, e) : 0;

    ev.hosts = (char *) (uintptr_t) tg_buf_text(&text);
    if (!rc && n)
        rc = tg_thread_copy_event(&ev, &copy, e);
    tg_buf_release(&text);
    if (rc || !n)
        return rc;
    rc = tg_slot_judge(part->week, &part->marks, slot, &part->counts[slot], w->some, n, w->wall_ms, &copy, e);
    if (!rc && n < all)
        rc = say_rest(part, &copy, e);
    if (!rc)
        rc = name_apart(part, out, &copy, &drop, e);
    if (rc || drop) {
        tg_thread_event_release(&copy);
        return rc;
    }
    return tg_thread_add(out, &copy, e);
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

/* What was under way when a week was cancelled that can't be read stays as it was told: whether it had begun is not known (P2). */
static int keep_unread(const struct week *w, const struct tg_thread *t, struct tg_thread_events *events, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && w->unread_ms && i < t->told.n; i++) {
        const struct tg_thread_event *told = &t->told.v[i];
        struct tg_thread_event copy;
        if (!told->n_hosts || told->from_ms - TG_MARK_EARLY_MS > w->unread_ms || told->until_ms <= w->unread_ms || tg_thread_find(events, told->key))
            continue;
        rc = tg_thread_copy_event(told, &copy, e);
        rc = rc ? rc : tg_thread_add(events, &copy, e);
    }
    return rc;
}

static int set_customer(const struct week *w, struct tg_thread *t, struct tg_thread_events *events, struct tg_error *e)
{
    struct tg_thread_items items = {.v = NULL};
    int rc = keep_unread(w, t, events, e);

    if (rc || (!events->n && !t->now.n && !t->told.n)) /* he was told nothing, and there is nothing */
        return rc;
    rc = tg_thread_replace(t, events, w->reason, w->wall_ms, w->due_ms, e);
    if (!rc)
        rc = tg_thread_difference(t, &items, e);
    if (!rc && (items.n || t->open)) /* what was told is true still: nothing to write */
        rc = tg_announce_write(w->p, t, NULL, 0, e);
    tg_thread_items_release(&items);
    return rc;
}

static int add_slots(const struct week *w, const char *customer, struct tg_thread_events *out, struct tg_error *e)
{
    int rc = 0;

    for (size_t k = 0; !rc && k < w->n; k++) {
        size_t c = tg_week_part_find(&w->parts[k], customer);
        for (size_t s = 0; !rc && c < w->parts[k].n_customers && s < w->parts[k].week->n_slots; s++)
            rc = add_slot(w, &w->parts[k], c, s, out, e);
    }
    return rc;
}

static int one_customer(const struct week *w, const char *customer, struct tg_error *e)
{
    struct tg_thread_events events = {.v = NULL};
    int rc = add_slots(w, customer, &events, e);

    if (!rc && w->only_news && !is_news(&events)) {
        tg_thread_events_release(&events);
        return 0;
    }
    for (int i = 0; !rc && i < TRIES; i++) {
        struct tg_thread *t;
        struct tg_error why = TG_ERROR_INIT;
        if ((rc = tg_announce_find(w->p, w->source, customer, 0, &t, e)) != 0)
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

/* parts: how many of them are looked at. */
static bool is_in_week(const struct week *w, size_t parts, const char *customer)
{
    for (size_t k = 0; k < parts; k++)
        if (tg_week_part_find(&w->parts[k], customer) < w->parts[k].n_customers)
            return true;
    return false;
}

/* Those who were told, and have no slot in it now. */
static int others(const struct week *w, const char *root, struct tg_error *e)
{
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
        if (strcmp(t->source, w->source) == 0 && (t->told.n || t->now.n) && !is_in_week(w, w->n, t->customer)) {
            struct tg_thread_events none = {.v = NULL};
            rc = set_customer(w, t, &none, e);
            tg_thread_events_release(&none);
        }
        tg_thread_free(t);
    }
    tg_announce_paths_release(&paths);
    return rc;
}

static int spread(struct week *w, struct tg_error *e)
{
    int rc = 0;

    for (size_t k = 0; k < w->n; k++)
        for (size_t c = 0; !rc && c < w->parts[k].n_customers; c++)
            if (tg_week_part_has(&w->parts[k], c) && !is_in_week(w, k, w->parts[k].customers[c]))
                rc = one_customer(w, w->parts[k].customers[c], e);
    if (!rc && !w->only_news)
        rc = others(w, TG_ANNOUNCE_OPEN, e);
    return rc || w->only_news ? rc : others(w, TG_ANNOUNCE_TOLD, e);
}

/* ---- loading ---- */

/* Must what is booked there be told of? One that was cancelled: when something of it had begun, so lately that people may say how it ended. */
static int is_wanted(const struct week *w, const struct tg_booked *b, bool *out, struct tg_error *e)
{
    *out = !b->cancelled;
    if (!b->cancelled || w->wall_ms >= b->until_ms + TG_MARK_LATER_MS)
        return 0;
    return tg_marks_are_there(w->p->store, b, w->p->wait_ms, out, e);
}

/* The one that must be read is; of others that were cancelled, what can't be read is told as not known: whoever looks at that one hears why. */
static int load_part(struct week *w, const struct tg_booked *b, const struct tg_booked *must, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool wanted;
    int rc = is_wanted(w, b, &wanted, e);

    if (rc || !wanted)
        return rc;
    rc = tg_week_part_load(w->p, b, &w->parts[w->n], &why);
    w->n += !rc;
    if (b->cancelled && b != must && (rc == TG_E_UNKNOWN || rc == TG_E_DATA)) {
        w->unread_ms = b->cancelled_ms;
        return 0;
    }
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

/* All weeks of that name, the one in force first. */
static int load(struct week *w, const struct tg_book *book, const char *id, const struct tg_booked *must, struct tg_error *e)
{
    const struct tg_booked *first = tg_book_find(book, id);
    size_t slots = 0, hosts = 0;
    int rc = (w->parts = calloc(book->n + 1, sizeof *w->parts)) ? load_part(w, first, must, e) : tg_thread_no_memory(e);

    for (size_t i = 0; !rc && i < book->n; i++)
        if (&book->weeks[i] != first && strcmp(book->weeks[i].id, id) == 0)
            rc = load_part(w, &book->weeks[i], must, e);
    for (size_t k = 0; k < w->n; k++) {
        slots += w->parts[k].week->n_slots;
        hosts = w->parts[k].week->names.n > hosts ? w->parts[k].week->names.n : hosts;
    }
    w->bytes_shown = slots > HOSTS_ALL / HOSTS_SHOWN ? HOSTS_ALL / slots : HOSTS_SHOWN;
    if (!rc && !(w->some = malloc((hosts + 1) * sizeof *w->some)))
        rc = tg_thread_no_memory(e);
    return rc;
}

static void release(struct week *w)
{
    for (size_t k = 0; k < w->n; k++)
        tg_week_part_release(&w->parts[k]);
    free(w->parts);
    free(w->some);
}

int tg_announce_week(const struct tg_announce_place *p, const struct tg_announcement *a, const char *note_path, int64_t wall_ms, int64_t due_ms, struct tg_error *e)
{
    struct week w = {.p = p, .source = a->source, .reason = "", .wall_ms = wall_ms, .due_ms = due_ms};
    struct tg_book book;
    int rc = tg_book_read(p->store, p->wait_ms, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *booked = tg_book_find(&book, a->event);
    bool in_force = booked && !booked->cancelled && booked->until_ms > wall_ms;
    if (booked && (in_force || booked->cancelled)) { /* of what is over and forgotten nothing is said */
        w.reason = booked->cancelled ? booked->reason : "";
        rc = load(&w, &book, booked->id, NULL, e);
        rc = rc ? rc : spread(&w, e);
    }
    if (!rc && note_path) {
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_store_delete(p->store, note_path, TG_ANY_VERSION, tg_store_deadline(p->store, p->wait_ms), &why);
        rc = !rc || rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    }
    release(&w);
    tg_book_release(&book);
    return rc;
}

int tg_announce_slots_of(const struct tg_announce_place *p, const struct tg_book *book, const struct tg_booked *booked, int64_t wall_ms, int64_t due_ms, int64_t *out_version,
                         int64_t *out_next_ms, struct tg_error *e)
{
    const struct tg_booked *now = tg_book_find(book, booked->id);
    char source[TG_ANNOUNCE_NAME_SIZE];
    struct week w = {.p = p, .source = source, .reason = now && now->cancelled ? now->reason : "", .wall_ms = wall_ms, .due_ms = due_ms, .only_news = true};

    snprintf(source, sizeof source, "week:%s", booked->id);
    int rc = load(&w, book, booked->id, booked, e);
    for (size_t k = 0; !rc && k < w.n; k++)
        if (w.parts[k].booked == booked) {
            *out_version = w.parts[k].marks.version;
            *out_next_ms = tg_slots_next_ms(w.parts[k].week, wall_ms);
        }
    if (!rc)
        rc = spread(&w, e);
    release(&w);
    return rc;
}
