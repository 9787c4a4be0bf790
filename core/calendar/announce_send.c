/* Sending announcements: see announce_send.h. */
#include "calendar/announce_deliver.h"

#include "base/mailbox.h"
#include "calendar/announce_internal.h"
#include "config/secret.h"
#include "fleet/inventory.h"
#include "store/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 5

static int64_t now_of(const struct tg_announce_run *run)
{
    return tg_wall_ms(tg_loop_clock(run->loop));
}

/* ---- opening ---- */

/* UIDs are of the cluster: they stay when its tree moves to another store. */
static int read_realm(struct tg_announce_run *run, struct tg_error *e)
{
    struct tg_node node;
    struct tg_cluster c;
    int rc = tg_store_read(run->store, TG_CLUSTER_PATH, tg_store_deadline(run->store, run->place.wait_ms), &node, e);

    if (rc)
        return rc;
    rc = tg_cluster_decode(node.data, node.len, &c, NULL, e);
    tg_node_release(&node);
    if (!rc)
        snprintf(run->realm, sizeof run->realm, "%s", c.id);
    return rc;
}

static int read_password(struct tg_announce_run *run, struct tg_error *e)
{
    if (!run->site->user)
        return 0;
    snprintf(run->user, sizeof run->user, "%s", run->site->user);
    return tg_secret_read("announce.smtp.password-file", "with the password", run->site->password_file, run->password, e);
}

int tg_announce_open(struct tg_announce_run *run, struct tg_problems *problems, struct tg_error *e)
{
    const struct tg_announce_site *s = run->site;
    struct tg_zone zone;
    int rc = tg_templates_load(s->templates, problems, &run->templates, e);

    if (!rc)
        rc = tg_zone_find(s->zone, &zone, e);
    if (!rc)
        rc = read_password(run, e);
    if (!rc && run->store)
        rc = read_realm(run, e);
    if (!rc)
        rc = tg_delivery_find(&run->backend, e);
    if (!rc)
        rc = run->backend->spell(s->from_address, run->from, sizeof run->from, e);
    if (!rc && s->reply_to[0])
        rc = run->backend->spell(s->reply_to, run->reply_to, sizeof run->reply_to, e);
    if (!rc)
        rc = run->backend->open(run->loop, &run->impl, e);
    if (rc) {
        tg_announce_close_run(run);
        return rc;
    }
    run->sender = (struct tg_announce_sender) {.address = run->from, .name = s->from_name, .reply_to = run->reply_to, .realm = run->realm,
                                               .view = {.zone = zone, .zone_name = s->zone}, .templates = &run->templates, .spell = run->backend->spell};
    return 0;
}

int tg_announce_reread(struct tg_announce_run *run, struct tg_problems *problems, struct tg_error *e)
{
    struct tg_templates fresh;
    char password[sizeof run->password];
    int rc = tg_templates_load(run->site->templates, problems, &fresh, e);

    if (rc)
        return rc;
    memcpy(password, run->password, sizeof password);
    rc = read_password(run, e);
    if (rc) {
        memcpy(run->password, password, sizeof password);
        tg_templates_release(&fresh);
    } else {
        tg_templates_release(&run->templates);
        run->templates = fresh;
    }
    explicit_bzero(password, sizeof password);
    return rc;
}

void tg_announce_close_run(struct tg_announce_run *run)
{
    if (run->impl)
        run->backend->close(run->impl);
    run->impl = NULL;
    tg_templates_release(&run->templates);
    explicit_bzero(run->password, sizeof run->password);
    explicit_bzero(&run->key, sizeof run->key);
}

/* ---- recipients ---- */

void tg_announce_recipients_free(char **list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        free(list[i]);
    free(list);
}

int tg_announce_recipients(const struct tg_announce_run *run, const char *customer, char ***out, size_t *out_n, bool *out_known, struct tg_error *e)
{
    const struct tg_customer *c = run->inventory ? tg_inventory_customer(run->inventory, customer) : NULL;
    size_t mails = c && run->site->url ? c->n_contacts : 0, most = mails + run->site->n_webhooks, n = 0;
    char **list = calloc(most + 1, sizeof *list), hook[TG_WEBHOOK_NAME_SIZE + 16];
    bool fine = list != NULL;

    for (size_t i = 0; fine && i < run->site->n_webhooks; i++) {
        snprintf(hook, sizeof hook, "webhook:%s", run->site->webhooks[i].name);
        fine = (list[n++] = strdup(hook)) != NULL;
    }
    for (size_t i = 0; fine && i < mails; i++) {
        const char *address = c->contacts[i];
        size_t len = strlen(address), name;
        (void) tg_mailbox_split(c->contacts[i], &address, &len, &name);
        fine = (list[n] = strndup(address, len)) != NULL;
        bool twice = fine && tg_thread_is_among(list[n], (const char *const *) list, n);
        if (twice)
            free(list[n]);
        n += fine && !twice;
    }
    if (!fine) {
        tg_announce_recipients_free(list, n);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = list;
    *out_n = n;
    *out_known = c != NULL;
    return 0;
}

/* ---- one recipient ---- */

struct sending {
    struct tg_announce_run *run;
    struct tg_announce_stats *stats;
    struct tg_thread *t;
    char **to; /* who is to be told, as the inventory has it */
    size_t n_to, i;
    bool recovered;
};

static bool has_more(const struct sending *s)
{
    return tg_thread_has_more(s->t, (const char *const *) s->to, s->n_to, now_of(s->run));
}

/* From here on it may arrive: what it says counts as told, and who finds this does not know. */
static int note_trying(void *data, struct tg_error *e)
{
    struct sending *s = data;
    int rc = tg_thread_heard(s->t, e);

    s->t->message->recipients[s->i].state = TG_RECIPIENT_TRYING;
    return rc ? rc : tg_announce_write(&s->run->place, s->t, NULL, 0, e);
}

static enum tg_try try_of(struct sending *s, const char *to, const struct tg_announce_delivery *d)
{
    struct tg_announce_stats *stats = s->stats;
    const struct tg_webhook *hook = strncmp(to, "webhook:", 8) == 0 ? tg_announce_webhook(s->run->site, to + 8) : NULL;
    bool *away = hook ? &s->run->hook_away[hook - s->run->site->webhooks] : &s->run->mail_away;

    switch (d->outcome) {
    case TG_DELIVERED:
        stats->sent++;
        return TG_TRY_SENT;
    case TG_DELIVERY_REFUSED:
        stats->refused++;
        return TG_TRY_REFUSED;
    case TG_DELIVERY_BROKEN:
        stats->broken = TG_E_CONFIG;
        tg_fail(&stats->why, TG_E_CONFIG, "%s: %.400s", hook ? to : s->run->site->url ? s->run->site->url : "announce", d->text);
        *away = true;
        break;
    case TG_DELIVERY_AWAY:
        stats->away = stats->away || !hook;
        *away = true;
        break;
    case TG_DELIVERY_UNSURE:
        *away = !hook;
        stats->again++;
        return hook ? TG_TRY_AGAIN : TG_TRY_UNSURE; /* a webhook's receiver knows a second call by its id */
    case TG_DELIVERY_AGAIN:
        *away = *away || hook;
        break;
    }
    stats->again++;
    return TG_TRY_AGAIN;
}

/* Somebody has written the thread while the mail was on its way: their thread, with what we know. Or we have closed it, and only the answer was lost: then it stays closed. */
static int note_again(struct sending *s, const char *to, const struct tg_announce_delivery *d, enum tg_try outcome, struct tg_error *e)
{
    const struct tg_announce_run *run = s->run;
    struct tg_thread *t;
    int64_t sequence = s->t->message->sequence;
    int rc = tg_announce_find(&run->place, s->t->source, s->t->customer, s->t->lane, &t, e);

    if (rc)
        return rc;
    t->key = &run->key;
    for (size_t i = 0; !rc && t->message && t->message->sequence == sequence && i < t->message->n_recipients; i++)
        if (strcmp(t->message->recipients[i].to, to) == 0 && t->message->recipients[i].state == TG_RECIPIENT_TRYING)
            rc = tg_thread_tried(t, i, d->parts, &run->site->retry, outcome, d->text, now_of(run), e);
    if (!rc && t->open)
        rc = tg_announce_write(&run->place, t, NULL, 0, e);
    tg_thread_free(t);
    return rc;
}

/*
 * What came of a try is known here and nowhere else: neither a signal, nor a connection that breaks, nor somebody who writes the thread at the same time may keep it from
 * being noted. *out_again: the thread is another by now.
 */
static int note_outcome(struct sending *s, const char *to, bool noted, enum tg_try outcome, const struct tg_announce_delivery *d, bool *out_again, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    bool over = tg_thread_is_over(s->t), more = over && has_more(s);

    s->t->due_ms = more ? now_of(s->run) : s->t->due_ms;
    int rc = over && !more ? tg_announce_close(&s->run->place, s->t, now_of(s->run), &why) : tg_announce_write(&s->run->place, s->t, NULL, 0, &why);

    for (int i = 0; i < TRIES && (rc == TG_E_VERSION || rc == TG_E_CANCELLED || rc == TG_E_LOST || rc == TG_E_TIMEOUT); i++) {
        if (rc == TG_E_CANCELLED) {
            tg_loop_interrupt_clear(s->run->loop);
            s->stats->stopped = true;
        }
        tg_error_clear(&why);
        *out_again = true;
        rc = noted ? note_again(s, to, d, outcome, &why) : 0;
    }
    return rc ? tg_fail(e, rc, "%s", why.code ? why.message : "others change it all the time") : 0;
}

/* *out_again: the thread is another by now, look at it anew. */
static int send_one(struct sending *s, bool *out_again, struct tg_error *e)
{
    struct tg_announce_run *run = s->run;
    struct tg_recipient *r = &s->t->message->recipients[s->i];
    struct tg_announce_delivery d = {.outcome = TG_DELIVERY_AGAIN, .parts = 1};
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_announce_deliver(run, s->t, r->to, note_trying, s, &d, &s->stats->stopped, &why);

    *out_again = rc == TG_E_VERSION;
    if (rc)
        return rc == TG_E_VERSION ? 0 : tg_fail(e, rc, "%s", why.message);
    bool noted = r->state == TG_RECIPIENT_TRYING;
    if (s->stats->stopped && d.outcome == TG_DELIVERY_AGAIN && !noted)
        return 0; /* it was we who broke it off */
    enum tg_try outcome = try_of(s, r->to, &d);
    rc = tg_thread_tried(s->t, s->i, d.parts, &run->site->retry, outcome, d.text, now_of(run), e);
    if (run->on_try)
        run->on_try(run->data, s->t, r, outcome);
    return rc ? rc : note_outcome(s, r->to, noted, outcome, &d, out_again, e);
}

/* ---- one thread ---- */

static bool is_away(const struct tg_announce_run *run, const struct tg_recipient *r)
{
    const struct tg_webhook *hook = tg_recipient_is_hook(r) ? tg_announce_webhook(run->site, r->to + 8) : NULL;

    return tg_recipient_is_hook(r) ? hook && run->hook_away[hook - run->site->webhooks] : run->mail_away;
}

static bool may_try(const struct tg_announce_run *run, const struct tg_recipient *r)
{
    int64_t now = now_of(run), next = r->tries ? r->at_ms + tg_retry_delay_ms(&run->site->retry, r->tries) : 0;

    if (r->state != TG_RECIPIENT_WAITING || is_away(run, r))
        return false;
    return run->now || next <= now || next - now > run->site->retry.longest_ms; /* a clock that was ahead, and was set right */
}

static int send_message(struct sending *s, bool *out_again, struct tg_error *e)
{
    int rc = 0;

    *out_again = false;
    for (s->i = 0; !rc && !*out_again && !s->stats->stopped && s->i < s->t->message->n_recipients; s->i++) {
        const struct tg_recipient *r = &s->t->message->recipients[s->i];
        int64_t parts = -1;
        while (!rc && !*out_again && !s->stats->stopped && may_try(s->run, r) && parts != r->parts) { /* as long as it goes on */
            parts = r->parts;
            rc = send_one(s, out_again, e);
        }
    }
    return rc;
}

static void wait_until(struct tg_announce_stats *stats, int64_t ms)
{
    stats->next_ms = ms && (!stats->next_ms || ms < stats->next_ms) ? ms : stats->next_ms;
}

/* Is there a message, and to whom? *out_go: it is to be sent. */
static int make_ready(struct sending *s, bool *out_go, struct tg_error *e)
{
    struct tg_announce_run *run = s->run;
    struct tg_thread *t = s->t;
    bool known;

    t->key = run->site->url ? &run->key : NULL; /* without mails nobody can be told that he is no contact any more */
    s->recovered = tg_thread_count(t, TG_RECIPIENT_TRYING) > 0;
    int rc = tg_thread_recover(t, &run->site->retry, now_of(run), e);

    *out_go = false;
    if (!rc)
        rc = tg_announce_recipients(run, t->customer, &s->to, &s->n_to, &known, e);
    if (rc)
        return rc;
    if (!known) { /* also of a message that is under way: what the store says is no reason to write to anybody (P9) */
        s->stats->strangers++;
        tg_fail(&s->stats->why, TG_E_DATA, "%.64s is no customer of the inventory: nobody can be told of %.100s", t->customer, t->source);
        t->due_ms = now_of(run) + run->site->retry.longest_ms;
        wait_until(s->stats, t->due_ms);
        rc = tg_announce_write(&run->place, t, NULL, 0, e);
    } else {
        rc = tg_thread_settle(t, (const char *const *) s->to, s->n_to, now_of(run), e);
        if (!rc && t->message && !t->message->n_recipients)
            rc = tg_thread_heard(t, e); /* he wants to be told by nobody */
        *out_go = !rc && !tg_thread_is_over(t);
        if (*out_go && t->message->n_left_out && !s->stats->left_out++)
            tg_fail(&s->stats->why, TG_E_DATA, "%.64s has %zu contacts more than the %d that can be told: they are told nothing", t->customer, t->message->n_left_out, TG_CUSTOMER_TOLD_MAX);
        if (!rc && !*out_go)
            rc = tg_announce_close(&run->place, t, now_of(run), e);
    }
    return rc;
}

/* TG_E_VERSION: others have changed it. */
static int send_thread(struct sending *s, struct tg_error *e)
{
    size_t before = s->stats->sent;
    bool go, again = false;
    int rc = make_ready(s, &go, e);

    if (rc || !go)
        return rc;
    rc = send_message(s, &again, e);
    s->stats->messages += s->stats->sent > before;
    if (rc)
        return rc;
    if (again)
        return TG_E_VERSION;
    bool more = has_more(s);
    if (tg_thread_is_over(s->t) && !more) /* with its last outcome it was closed */
        return !s->t->open ? 0 : tg_announce_close(&s->run->place, s->t, now_of(s->run), e);
    int64_t next = more ? now_of(s->run) : tg_thread_next_ms(s->t, &s->run->site->retry);
    wait_until(s->stats, next);
    if (s->t->due_ms == next && !s->recovered)
        return 0;
    s->t->due_ms = next;
    return tg_announce_write(&s->run->place, s->t, NULL, 0, e);
}

static bool is_due(const struct tg_announce_run *run, const struct tg_thread *t)
{
    int64_t now = now_of(run), longest = run->site->retry.longest_ms > run->site->settle_ms ? run->site->retry.longest_ms : run->site->settle_ms;

    return t->due_ms && (run->now || t->due_ms <= now || t->due_ms - now > longest);
}

static int look_at(struct tg_announce_run *run, const char *path, struct tg_announce_stats *stats, struct tg_error *e)
{
    int rc = TG_E_VERSION;

    for (int i = 0; i < TRIES && rc == TG_E_VERSION && !stats->stopped; i++) {
        struct sending s = {.run = run, .stats = stats};
        struct tg_error why = TG_ERROR_INIT;
        rc = tg_announce_read(&run->place, path, &s.t, &why);
        if (rc == TG_E_NOENT)
            return 0;
        if (rc == TG_E_UNKNOWN) { /* one customer's trouble is not the others' */
            stats->bad++;
            return tg_fail(&stats->why, rc, "%s", why.message), 0;
        }
        if (!rc && is_due(run, s.t))
            rc = send_thread(&s, &why);
        else if (!rc)
            wait_until(stats, s.t->due_ms);
        tg_thread_free(s.t);
        tg_announce_recipients_free(s.to, s.n_to);
        if (rc == TG_E_DATA) { /* too much to be told at once, likewise */
            stats->bad++;
            return tg_fail(&stats->why, TG_E_UNKNOWN, "%s", why.message), 0;
        }
        if (rc && rc != TG_E_VERSION)
            return tg_fail(e, rc, "%s", why.message);
    }
    return 0; /* others change it all the time: later */
}

/* ---- all ---- */

static int look_at_slots(struct tg_announce_run *run, struct tg_announce_stats *stats, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    size_t bad;
    int64_t next;
    int rc = tg_announce_slots(&run->place, now_of(run), run->site->settle_ms, &next, &bad, &why, e);

    if (!rc && bad && !stats->bad)
        stats->why = why;
    stats->bad += rc ? 0 : bad;
    if (!rc)
        wait_until(stats, next);
    return rc;
}

struct passing {
    struct tg_announce_run *run;
    struct tg_announce_stats *stats;
    char (*due)[TG_ANNOUNCE_NODE_SIZE];
    size_t n;
};

/* Most wait for their time: they are read many at once. Which of them is to be sent is read again, when it is its turn. */
static int look_ahead(void *data, const char *path, struct tg_thread *t, const struct tg_error *unknown, struct tg_error *e)
{
    struct passing *p = data;

    (void) unknown;
    bool due = !t || is_due(p->run, t);
    if (!due)
        wait_until(p->stats, t->due_ms);
    tg_thread_free(t);
    if (!due)
        return 0;
    void *v = p->n % 256 ? p->due : realloc(p->due, (p->n + 256) * sizeof *p->due);
    if (!v)
        return tg_thread_no_memory(e);
    p->due = v;
    snprintf(p->due[p->n++], sizeof *p->due, "%s", path);
    return 0;
}

int tg_announce_pass(struct tg_announce_run *run, struct tg_announce_stats *out, struct tg_error *e)
{
    struct tg_announce_stats stats = {.notes = 0};
    struct tg_announce_folded folded = {.notes = 0};
    struct tg_announce_paths paths = {.v = NULL};
    int rc = tg_announce_check_clock(run, e);

    if (!rc)
        rc = tg_announce_fold(&run->place, now_of(run), run->site->settle_ms, &folded, e);

    run->mail_away = false;
    memset(run->hook_away, 0, sizeof run->hook_away);
    stats.notes = folded.notes;
    stats.bad = folded.bad;
    stats.why = folded.why;
    if (!rc)
        rc = look_at_slots(run, &stats, e);
    if (!rc)
        rc = tg_announce_follow(run, e);
    if (!rc)
        rc = tg_announce_list(&run->place, TG_ANNOUNCE_OPEN, &paths, e);
    struct passing p = {.run = run, .stats = &stats};
    if (!rc)
        rc = tg_announce_each(&run->place, &paths, look_ahead, &p, e);
    for (size_t i = 0; !rc && !stats.stopped && i < p.n; i++)
        rc = look_at(run, p.due[i], &stats, e);
    free(p.due);
    tg_announce_paths_release(&paths);
    if (!rc)
        tg_announce_sweep(&run->place, (unsigned) (now_of(run) / 3600000 % TG_ANNOUNCE_BUCKETS), now_of(run));
    *out = stats;
    return rc;
}

int tg_announce_try(struct tg_announce_run *run, struct tg_thread *t, const char *to, enum tg_delivered *out, char *text, size_t size, struct tg_error *e)
{
    struct tg_announce_delivery d = {.outcome = TG_DELIVERY_AGAIN, .parts = 1};
    bool stopped = false;
    int rc = tg_announce_deliver(run, t, to, NULL, NULL, &d, &stopped, e);

    if (rc)
        return rc;
    *out = d.outcome;
    snprintf(text, size, "%s", d.text);
    return 0;
}
