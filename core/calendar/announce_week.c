/* Customers of a booked maintenance week: see announce_store.h. */
#include "calendar/announce_internal.h"
#include "calendar/announce_store.h"

#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_SHOWN 16000 /* bytes of folded names in an event; of what is more the number counts */
#define TRIES 10

struct week {
    const struct tg_announce_place *p;
    const char *source, *reason;
    const struct tg_week *week; /* NULL: it is not booked (any more) */
    uint32_t *hosts, *first;    /* hosts by customer: of c, from first[c] to first[c + 1] */
    int64_t due_ms;
};

static int sort_by_customer(struct week *w, struct tg_error *e)
{
    const struct tg_week *k = w->week;

    w->first = calloc(k->n_customers + 2, sizeof *w->first);
    w->hosts = malloc((k->names.n + 1) * sizeof *w->hosts);
    if (!w->first || !w->hosts)
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < k->names.n; i++)
        if (k->customer_of[i] != TG_WEEK_NONE)
            w->first[k->customer_of[i] + 2]++;
    for (size_t c = 2; c < k->n_customers + 2; c++)
        w->first[c] += w->first[c - 1];
    for (size_t i = 0; i < k->names.n; i++)
        if (k->customer_of[i] != TG_WEEK_NONE)
            w->hosts[w->first[k->customer_of[i] + 1]++] = (uint32_t) i;
    return 0;
}

/* Whole names of a list that is too long, so that it still is one. */
static int cut(struct tg_buf *text, struct tg_error *e)
{
    struct tg_hostlist list = TG_HOSTLIST_INIT, some = TG_HOSTLIST_INIT;
    int rc = text->len <= HOSTS_SHOWN ? 0 : tg_nodeset_expand(tg_buf_text(text), text->len, &list, e);

    for (size_t i = 0; !rc && i < list.n && some.text_len < HOSTS_SHOWN; i++)
        rc = tg_hostlist_add(&some, tg_hostlist_get(&list, i), strlen(tg_hostlist_get(&list, i)), e);
    if (!rc && list.n) {
        tg_buf_reset(text);
        rc = tg_fold_list(&some, text, e);
    }
    tg_hostlist_release(&list);
    tg_hostlist_release(&some);
    return rc;
}

/* The hosts of customer c in a slot, as an event; nothing when there are none. */
static int add_slot(const struct week *w, size_t c, size_t slot, struct tg_thread_events *out, struct tg_error *e)
{
    const struct tg_week *k = w->week;
    const struct tg_week_slot *s = &k->slots[slot];
    struct tg_folder *folder;
    struct tg_buf text = TG_BUF_INIT;
    struct tg_thread_event ev = {.activity = (char *) (uintptr_t) "maintenance", .from_ms = s->from_ms, .until_ms = s->until_ms}, copy;
    int rc = tg_folder_new(&folder, e);

    if (rc)
        return rc;
    for (uint32_t i = w->first[c]; !rc && i < w->first[c + 1]; i++)
        if (k->slot_of[w->hosts[i]] == slot) {
            rc = tg_folder_add(folder, tg_hostlist_get(&k->names, w->hosts[i]), e);
            ev.n_hosts++;
        }
    if (!rc && ev.n_hosts)
        rc = tg_folder_print(folder, &text, e);
    if (!rc)
        rc = cut(&text, e);
    if (!rc && ev.n_hosts) {
        ev.key = (char *) (uintptr_t) s->name;
        ev.hosts = (char *) (uintptr_t) tg_buf_text(&text);
        rc = tg_thread_copy_event(&ev, &copy, e);
        if (!rc)
            rc = tg_thread_add(out, &copy, e);
    }
    tg_folder_free(folder);
    tg_buf_release(&text);
    return rc;
}

static int set_customer(const struct week *w, struct tg_thread *t, const struct tg_thread_events *events, struct tg_error *e)
{
    int rc = tg_thread_replace(t, events, w->reason, w->due_ms, e);

    return rc ? rc : tg_announce_write(w->p, t, NULL, 0, e);
}

static int one_customer(const struct week *w, size_t c, struct tg_error *e)
{
    struct tg_thread_events events = {.v = NULL};
    int rc = 0;

    for (size_t s = 0; !rc && s < w->week->n_slots; s++)
        rc = add_slot(w, c, s, &events, e);
    for (int i = 0; !rc && i < TRIES; i++) {
        struct tg_thread *t;
        struct tg_error why = TG_ERROR_INIT;
        if ((rc = tg_announce_find(w->p, w->source, w->week->customers[c], &t, e)) != 0)
            break;
        rc = set_customer(w, t, &events, &why);
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
    for (size_t c = 0; w->week && c < w->week->n_customers; c++)
        if (strcmp(w->week->customers[c], customer) == 0)
            return true;
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
    tg_thread_name(w->source, "", prefix);
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

    for (size_t c = 0; !rc && w->week && c < w->week->n_customers; c++)
        rc = one_customer(w, c, e);
    if (!rc)
        rc = others(w, TG_ANNOUNCE_OPEN, e);
    return rc ? rc : others(w, TG_ANNOUNCE_TOLD, e);
}

int tg_announce_week(const struct tg_announce_place *p, const struct tg_announcement *a, const char *note_path, int64_t wall_ms, int64_t due_ms, struct tg_error *e)
{
    struct week w = {.p = p, .source = a->source, .reason = "", .due_ms = due_ms};
    struct tg_week *week = NULL;
    struct tg_book book;
    int rc = tg_book_read(p->store, p->wait_ms, &book, e);

    if (rc)
        return rc;
    const struct tg_booked *booked = tg_book_find(&book, a->event);
    bool in_force = booked && !booked->cancelled && booked->until_ms > wall_ms;
    if (in_force)
        rc = tg_book_load(p->store, booked, p->wait_ms, &week, e);
    w.week = week;
    w.reason = booked && booked->cancelled ? booked->reason : "";
    if (!rc && booked && (in_force || booked->cancelled)) /* of what is over and forgotten nothing is said */
        rc = spread(&w, e);
    if (!rc) {
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_store_delete(p->store, note_path, TG_ANY_VERSION, tg_store_deadline(p->store, p->wait_ms), &why);
        rc = !rc || rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    }
    free(w.hosts);
    free(w.first);
    tg_week_free(week);
    tg_book_release(&book);
    return rc;
}
