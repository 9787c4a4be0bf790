/* Who did not get a message before the next one, and who is no recipient any more. Pure. */
#include "calendar/announce_mail.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 */
#define HOUR INT64_C(3600000)

static const char *const to[] = {"webhook:chat", "ops@acme.example", "boss@acme.example"};
static const struct tg_retry retry = {.first_ms = 60000, .longest_ms = HOUR, .give_up_ms = 120 * HOUR};

static struct tg_thread *a_thread(void)
{
    struct tg_thread *t = NULL;

    cr_assert_eq(tg_thread_new("requests", "acme", 0, &t, NULL), 0);
    return t;
}

static void take(struct tg_thread *t, enum tg_announce_kind kind, const char *event, int64_t hour)
{
    const struct tg_announcement a = {.kind = kind, .source = "requests", .event = event, .customer = "acme", .hosts = event, .activity = "reboot", .from_ms = NOW + hour * HOUR,
                                      .until_ms = NOW + (hour + 1) * HOUR, .reason = "", .by = "alice@ops1", .at_ms = NOW};

    cr_assert_eq(tg_thread_take(t, &a, NOW, NULL), 0);
}

static void settle(struct tg_thread *t, size_t n_to)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_thread_settle(t, to, n_to, NOW, &e), 0, "%s", e.message);
}

/* As the store gives it back. */
static void reread(struct tg_thread **t)
{
    struct tg_thread *again = NULL;
    struct tg_error e = TG_ERROR_INIT;
    char *text;

    cr_assert_eq(tg_thread_encode(*t, &text, &e), 0, "%s", e.message);
    cr_assert_eq(tg_thread_decode(text, strlen(text), &again, &e), 0, "%s", e.message);
    free(text);
    tg_thread_free(*t);
    *t = again;
}

/* The i-th is tried: what is in it, "scheduled:web1 changed:web2"; "" when he is no recipient. */
static const char *try_one(struct tg_thread *t, size_t i, enum tg_try outcome)
{
    static char text[500];
    struct tg_thread_message m;
    size_t n = 0, k = 0;

    text[0] = '\0';
    while (t->message && k < t->message->n_recipients && strcmp(t->message->recipients[k].to, to[i]) != 0)
        k++;
    if (!t->message || k == t->message->n_recipients || t->message->recipients[k].state != TG_RECIPIENT_WAITING)
        return text;
    cr_assert_eq(tg_thread_message_for(t, &t->message->recipients[k], &m, NULL), 0);
    for (size_t j = 0; j < m.items.n; j++)
        n += (size_t) snprintf(text + n, sizeof text - n, "%s%s:%s", j ? " " : "", tg_announce_kind_name(m.items.v[j].kind), m.items.v[j].event.key);
    free(m.items.v);
    if (outcome == TG_TRY_SENT || outcome == TG_TRY_UNSURE)
        cr_assert_eq(tg_thread_heard(t, NULL), 0);
    cr_assert_eq(tg_thread_tried(t, k, m.parts, &retry, outcome, "", NOW, NULL), 0);
    return text;
}

/* P7: no mail is lost */
Test(announce_missed, who_did_not_get_the_last_message_gets_it_with_the_next)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 3);
    cr_assert_str_eq(try_one(t, 0, TG_TRY_SENT), "scheduled:web1");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "scheduled:web1");
    cr_assert_str_eq(try_one(t, 2, TG_TRY_AGAIN), "scheduled:web1");
    take(t, TG_ANNOUNCE_SCHEDULED, "web2", 48);
    reread(&t);
    settle(t, 3);
    reread(&t);
    cr_assert_eq(t->message->kind, TG_ANNOUNCE_SCHEDULED);
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "scheduled:web2", "he has the other one");
    cr_assert_str_eq(try_one(t, 2, TG_TRY_AGAIN), "scheduled:web1 scheduled:web2");
    take(t, TG_ANNOUNCE_CHANGED, "web1", 25);
    settle(t, 3);
    cr_assert_str_eq(try_one(t, 0, TG_TRY_SENT), "changed:web1 scheduled:web2", "it missed the one between");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "changed:web1");
    cr_assert_str_eq(try_one(t, 2, TG_TRY_SENT), "changed:web1 scheduled:web2", "what has changed since is told as it is now");
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);
}

Test(announce_missed, what_nobody_may_have_got_but_was_on_its_way_is_told_with_the_next)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 2);
    cr_assert_eq(tg_thread_heard(t, NULL), 0); /* the server answered 451 to its end */
    cr_assert_str_eq(try_one(t, 0, TG_TRY_AGAIN), "scheduled:web1");
    take(t, TG_ANNOUNCE_SCHEDULED, "web2", 48);
    settle(t, 2);
    cr_assert_str_eq(try_one(t, 0, TG_TRY_SENT), "scheduled:web1 scheduled:web2");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "scheduled:web1 scheduled:web2");
    tg_thread_free(t);
}

Test(announce_missed, what_was_missed_stays_when_the_news_are_taken_back)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 3);
    try_one(t, 0, TG_TRY_SENT);
    try_one(t, 1, TG_TRY_SENT);
    try_one(t, 2, TG_TRY_REFUSED);
    take(t, TG_ANNOUNCE_SCHEDULED, "web2", 48);
    settle(t, 3);
    take(t, TG_ANNOUNCE_CANCELLED, "web2", 48);
    settle(t, 3);
    reread(&t);
    settle(t, 3);
    cr_assert_str_eq(try_one(t, 0, TG_TRY_SENT), "", "nothing is new to them");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "");
    cr_assert_str_eq(try_one(t, 2, TG_TRY_SENT), "scheduled:web1", "his mailbox was full");
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);
}

Test(announce_missed, what_people_dropped_or_is_long_over_is_not_missed)
{
    struct tg_thread *t = a_thread();
    size_t n;

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 2);
    cr_assert_eq(tg_thread_drop(t, "they were called", NOW, &n, NULL), 0);
    take(t, TG_ANNOUNCE_SCHEDULED, "web2", -24 * 9);
    settle(t, 2);
    cr_assert_str_eq(try_one(t, 0, TG_TRY_SENT), "scheduled:web2");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_AGAIN), "scheduled:web2");
    take(t, TG_ANNOUNCE_SCHEDULED, "web3", 48);
    settle(t, 2);
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "scheduled:web3");
    tg_thread_free(t);
}

/* P9: who can write to the store can't have mails sent to anybody */
Test(announce_missed, nobody_gets_anything_whom_the_inventory_does_not_have)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 2);
    try_one(t, 0, TG_TRY_SENT);
    free(t->message->recipients[1].to);
    t->message->recipients[1].to = strdup("eve@evil.example");
    reread(&t);
    settle(t, 2);
    for (size_t i = 0; i < t->message->n_recipients; i++)
        cr_assert_str_neq(t->message->recipients[i].to, "eve@evil.example");
    cr_assert_str_eq(try_one(t, 1, TG_TRY_SENT), "scheduled:web1", "whose address was taken away, is told");
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);

    t = a_thread();
    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(t, 2);
    free(t->message->recipients[1].to);
    t->message->recipients[1].to = strdup("eve@evil.example");
    reread(&t);
    settle(t, 2);
    cr_assert_eq(t->message->n_recipients, 2);
    cr_assert_str_eq(t->message->recipients[1].to, to[1]);
    tg_thread_free(t);
}
