/* Customers, contacts and hosts that are others in the inventory by now: see announce_send.h. */
#include "calendar/announce_internal.h"
#include "calendar/announce_send.h"

#include "base/seal.h"
#include "base/sha256.h"
#include "fleet/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

static int64_t now_of(const struct tg_announce_run *run)
{
    return tg_wall_ms(tg_loop_clock(run->loop));
}

static void add_text(struct tg_sha256 *h, const char *text)
{
    tg_sha256_add(h, text, strlen(text) + 1);
}

/* Of all that says who is to be told of what. */
static void digest_of(const struct tg_announce_run *run, char out[TG_SHA256_HEX])
{
    size_t n_customers, n_hosts;
    const struct tg_customer *customers = tg_inventory_customers(run->inventory, &n_customers);
    const struct tg_host *hosts = tg_inventory_hosts(run->inventory, &n_hosts);
    struct tg_sha256 h;

    tg_sha256_init(&h);
    add_text(&h, run->site->url ? "mails" : "no mails");
    for (size_t c = 0; c < n_customers; c++) {
        add_text(&h, customers[c].name);
        for (size_t i = 0; i < customers[c].n_contacts; i++)
            add_text(&h, customers[c].contacts[i]);
        add_text(&h, "");
        for (size_t i = 0; i < customers[c].n_hosts; i++)
            add_text(&h, hosts[customers[c].hosts[i]].name);
        add_text(&h, "");
    }
    tg_sha256_end_hex(&h, out);
}

/* "" when none was noted, or it can't be read: then all is looked at. */
static int read_digest(const struct tg_announce_run *run, char out[TG_SHA256_HEX], struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_node node;
    int rc = tg_store_read(run->store, TG_ANNOUNCE_AUDIENCE, tg_store_deadline(run->store, run->place.wait_ms), &node, &why);
    const char *digest, *sum;
    json_t *o = NULL;
    int format;

    out[0] = '\0';
    if (rc)
        return rc == TG_E_NOENT ? 0 : tg_fail(e, rc, "%s", why.message);
    if (tg_record_load(node.data, node.len, &o, NULL) == 0 && json_unpack(o, "{s:i,s:s,s:s!}", "format", &format, "digest", &digest, "sum", &sum) == 0 &&
        strlen(digest) == TG_SHA256_HEX - 1)
        memcpy(out, digest, TG_SHA256_HEX);
    json_decref(o);
    tg_node_release(&node);
    return 0;
}

static int write_digest(const struct tg_announce_run *run, struct tg_error *e)
{
    char *text = tg_seal(json_pack("{s:i,s:s}", "format", FORMAT, "digest", run->audience));
    int64_t deadline = tg_store_deadline(run->store, run->place.wait_ms);
    struct tg_error why = TG_ERROR_INIT;

    if (!text)
        return tg_thread_no_memory(e);
    int rc = tg_store_write(run->store, TG_ANNOUNCE_AUDIENCE, text, strlen(text), TG_ANY_VERSION, deadline, &why);
    if (rc == TG_E_NOENT) {
        tg_error_clear(&why);
        rc = tg_store_create(run->store, TG_ANNOUNCE_AUDIENCE, text, strlen(text), TG_CREATE_PERSISTENT, deadline, &why);
    }
    free(text);
    return rc ? tg_fail(e, rc, "%s", why.message) : 0;
}

struct following {
    struct tg_announce_run *run;
    bool again; /* somebody else wrote one of them */
};

/* Whose contacts are others now is looked at as if something had changed; what they are to be told comes of it when it has settled. */
static int look(void *data, const char *path, struct tg_thread *t, const struct tg_error *unknown, struct tg_error *e)
{
    struct following *f = data;
    struct tg_announce_run *run = f->run;
    struct tg_error why = TG_ERROR_INIT;
    char **to = NULL;
    size_t n = 0;
    bool known = false;
    int rc = 0;

    (void) path, (void) unknown; /* what lies open and can't be understood is told of by the pass */
    if (!t)
        return 0;
    t->key = run->site->url ? &run->key : NULL;
    if (t->due_ms == 0 && tg_thread_until_ms(t) > now_of(run))
        rc = tg_announce_recipients(run, t->customer, &to, &n, &known, e);
    if (!rc && known && tg_thread_audience_differs(t, (const char *const *) to, n, now_of(run))) {
        t->due_ms = now_of(run) + run->site->settle_ms;
        rc = tg_announce_write(&run->place, t, NULL, 0, &why);
        f->again = f->again || rc == TG_E_VERSION;
        rc = rc && rc != TG_E_VERSION ? tg_fail(e, rc, "%s", why.message) : 0;
    }
    tg_announce_recipients_free(to, n);
    tg_thread_free(t);
    return rc;
}

static int look_at_all(struct following *f, const char *root, struct tg_error *e)
{
    struct tg_announce_paths paths;
    int rc = tg_announce_list(&f->run->place, root, &paths, e);

    if (rc)
        return rc;
    rc = tg_announce_each(&f->run->place, &paths, look, f, e);
    tg_announce_paths_release(&paths);
    return rc;
}

/* Hosts of a booked week may be another customer's. */
static int look_at_weeks(struct following *f, struct tg_error *e)
{
    const struct tg_announce_run *run = f->run;
    struct tg_book book;
    char source[TG_ANNOUNCE_NAME_SIZE];
    int rc = tg_book_read(run->store, run->place.wait_ms, &book, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < book.n; i++) {
        struct tg_error why = TG_ERROR_INIT;
        const struct tg_announcement a = {.kind = TG_ANNOUNCE_WEEK, .source = source, .event = book.weeks[i].id};
        if (book.weeks[i].cancelled || book.weeks[i].until_ms <= now_of(run))
            continue;
        snprintf(source, sizeof source, "week:%s", book.weeks[i].id);
        rc = tg_announce_week(&run->place, &a, NULL, now_of(run), now_of(run) + run->site->settle_ms, &why);
        f->again = f->again || rc == TG_E_VERSION;
        rc = rc && rc != TG_E_VERSION ? tg_fail(e, rc, "%s", why.message) : 0;
    }
    tg_book_release(&book);
    return rc;
}

int tg_announce_follow(struct tg_announce_run *run, struct tg_error *e)
{
    struct following f = {.run = run};
    char noted[TG_SHA256_HEX];

    if (!run->inventory)
        return 0;
    if (!run->audience[0])
        digest_of(run, run->audience);
    int rc = read_digest(run, noted, e);
    if (rc || strcmp(noted, run->audience) == 0)
        return rc;
    rc = look_at_weeks(&f, e);
    if (!rc)
        rc = look_at_all(&f, TG_ANNOUNCE_TOLD, e);
    if (!rc)
        rc = look_at_all(&f, TG_ANNOUNCE_OPEN, e);
    return rc || f.again ? rc : write_digest(run, e); /* noted when all was looked at: a sender that dies before begins anew */
}
