/* Contacts that come and go, customers with many of them, and with many events. Pure. */
#include "base/seal.h"
#include "calendar/announce_mail.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 */
#define HOUR INT64_C(3600000)

static const struct tg_retry retry = {.first_ms = 60000, .longest_ms = HOUR, .give_up_ms = 120 * HOUR};
static const struct tg_receipt_key key = {.bytes = "0123456789abcdef", .len = 16}, other_key = {.bytes = "fedcba9876543210", .len = 16};

static struct tg_thread *a_thread(void)
{
    struct tg_thread *t = NULL;

    cr_assert_eq(tg_thread_new("requests", "acme", 0, &t, NULL), 0);
    t->key = &key;
    return t;
}

static void take(struct tg_thread *t, enum tg_announce_kind kind, const char *event, int64_t hour)
{
    const struct tg_announcement a = {.kind = kind, .source = "requests", .event = event, .customer = "acme", .hosts = event, .activity = "reboot", .from_ms = NOW + hour * HOUR,
                                      .until_ms = NOW + (hour + 1) * HOUR, .reason = "", .by = "alice@ops1", .at_ms = NOW};

    cr_assert_eq(tg_thread_take(t, &a, NOW, NULL), 0);
}

/* As the store gives it back: at each step, as a sender may die anywhere (P7). */
static void reread(struct tg_thread **t)
{
    struct tg_thread *again = NULL;
    struct tg_error e = TG_ERROR_INIT;
    char *text;

    cr_assert_eq(tg_thread_encode(*t, &text, &e), 0, "%s", e.message);
    cr_assert_eq(tg_thread_decode(text, strlen(text), &again, &e), 0, "%s: %s", e.message, text);
    again->key = (*t)->key;
    free(text);
    tg_thread_free(*t);
    *t = again;
}

static size_t count(const char *const *to)
{
    size_t n = 0;

    while (to[n])
        n++;
    return n;
}

static void settle(struct tg_thread **t, const char *const *to)
{
    struct tg_error e = TG_ERROR_INIT;

    reread(t);
    cr_assert_eq(tg_thread_settle(*t, to, count(to), NOW, &e), 0, "%s", e.message);
    reread(t);
}

/* What this one gets of the message, in parts: "former:cancelled:web1"; "": nothing. */
static const char *try_one(struct tg_thread *t, const char *to, enum tg_try outcome)
{
    static char text[500];
    struct tg_thread_message m;
    size_t n = 0, k = 0;

    text[0] = '\0';
    while (t->message && k < t->message->n_recipients && strcmp(t->message->recipients[k].to, to) != 0)
        k++;
    if (!t->message || k == t->message->n_recipients || t->message->recipients[k].state != TG_RECIPIENT_WAITING)
        return text;
    cr_assert_eq(tg_thread_message_for(t, &t->message->recipients[k], &m, NULL), 0);
    n += (size_t) snprintf(text, sizeof text, "%s", tg_announce_kind_name(m.kind));
    for (size_t j = 0; j < m.items.n && n < sizeof text; j++)
        n += (size_t) snprintf(text + n, sizeof text - n, " %s:%s", tg_announce_kind_name(m.items.v[j].kind), m.items.v[j].event.key);
    free(m.items.v);
    if (outcome == TG_TRY_SENT || outcome == TG_TRY_UNSURE)
        cr_assert_eq(tg_thread_heard(t, NULL), 0);
    cr_assert_eq(tg_thread_tried(t, k, m.parts, &retry, outcome, "", NOW, NULL), 0);
    return text;
}

#define TO(...) (const char *[]) {__VA_ARGS__, NULL}

/* Two events, told to a and b. */
static struct tg_thread *told_to_both(void)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    take(t, TG_ANNOUNCE_SCHEDULED, "web2", 48);
    settle(&t, TO("a@x", "b@x"));
    cr_assert_str_eq(try_one(t, "a@x", TG_TRY_SENT), "scheduled scheduled:web1 scheduled:web2");
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "scheduled scheduled:web1 scheduled:web2");
    cr_assert(tg_thread_is_over(t));
    return t;
}

Test(announce_audience, who_leaves_is_taken_out_and_who_comes_is_told_what_is_planned_each_once)
{
    struct tg_thread *t = told_to_both();

    cr_assert(!tg_thread_audience_differs(t, TO("a@x", "b@x"), 2, NOW));
    cr_assert(tg_thread_audience_differs(t, TO("a@x"), 1, NOW));
    cr_assert(tg_thread_audience_differs(t, TO("a@x", "b@x", "c@x"), 3, NOW));
    settle(&t, TO("a@x", "c@x"));
    cr_assert_gt(t->message->sequence, 0, "in b's calendar it has to be newer than what is there");
    cr_assert_str_eq(try_one(t, "a@x", TG_TRY_SENT), "", "nothing is new to him");
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "former cancelled:web1 cancelled:web2");
    settle(&t, TO("a@x", "c@x"));
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "", "once");
    cr_assert_str_eq(try_one(t, "c@x", TG_TRY_SENT), "scheduled scheduled:web1 scheduled:web2");
    cr_assert(tg_thread_is_over(t));
    settle(&t, TO("a@x", "c@x"));
    cr_assert(tg_thread_is_over(t));
    cr_assert_str_eq(try_one(t, "c@x", TG_TRY_SENT), "", "once");
    take(t, TG_ANNOUNCE_CHANGED, "web1", 25);
    settle(&t, TO("a@x", "c@x"));
    cr_assert_str_eq(try_one(t, "c@x", TG_TRY_SENT), "changed changed:web1", "he is one of them by now");
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "");
    settle(&t, TO("a@x", "b@x", "c@x"));
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "scheduled scheduled:web1 scheduled:web2", "who comes back begins anew");
    tg_thread_free(t);
}

Test(announce_audience, who_comes_and_goes_with_a_change_hears_what_is_his_of_it)
{
    struct tg_thread *t = told_to_both();

    take(t, TG_ANNOUNCE_CANCELLED, "web1", 24);
    take(t, TG_ANNOUNCE_SCHEDULED, "web3", 72);
    settle(&t, TO("a@x", "c@x"));
    cr_assert_str_eq(try_one(t, "a@x", TG_TRY_SENT), "changed cancelled:web1 scheduled:web3");
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "former cancelled:web1 cancelled:web2", "all that he knows of, and no more");
    cr_assert_str_eq(try_one(t, "c@x", TG_TRY_SENT), "scheduled scheduled:web2 scheduled:web3");
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);
}

Test(announce_audience, what_is_over_leaves_nobodys_calendar)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", -3);
    take(t, TG_ANNOUNCE_DONE, "web2", 24);
    settle(&t, TO("a@x", "b@x"));
    try_one(t, "a@x", TG_TRY_SENT);
    try_one(t, "b@x", TG_TRY_SENT);
    cr_assert(!tg_thread_audience_differs(t, TO("a@x", "c@x"), 2, NOW));
    settle(&t, TO("a@x", "c@x"));
    cr_assert(tg_thread_is_over(t));
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "");
    cr_assert_str_eq(try_one(t, "c@x", TG_TRY_SENT), "");
    tg_thread_free(t);
}

/* P7: rather twice than never */
Test(announce_audience, a_sender_that_dies_while_it_takes_leave_does_so_again)
{
    struct tg_thread *t = told_to_both();

    settle(&t, TO("a@x"));
    cr_assert_eq(t->message->n_recipients, 1);
    t->message->recipients[0].state = TG_RECIPIENT_TRYING;
    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    reread(&t);
    cr_assert_eq(tg_thread_recover(t, &retry, NOW, NULL), 0);
    settle(&t, TO("a@x"));
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "former cancelled:web1 cancelled:web2");
    settle(&t, TO("a@x"));
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);
}

Test(announce_audience, who_is_back_before_he_heard_is_told_nothing_and_else_all_of_it_again)
{
    for (int heard = 0; heard < 2; heard++) {
        struct tg_thread *t = told_to_both();
        settle(&t, TO("a@x"));
        cr_assert_str_eq(try_one(t, "b@x", heard ? TG_TRY_UNSURE : TG_TRY_AGAIN), "former cancelled:web1 cancelled:web2");
        settle(&t, TO("a@x", "b@x"));
        cr_expect_str_eq(try_one(t, "b@x", TG_TRY_SENT), heard ? "scheduled scheduled:web1 scheduled:web2" : "");
        settle(&t, TO("a@x", "b@x"));
        cr_assert(!t->message || tg_thread_is_over(t));
        tg_thread_free(t);
    }
}

/* P9: whoever can write to the store can't have mails sent to anybody. */
Test(announce_audience, a_receipt_that_is_not_ours_proves_nothing)
{
    struct tg_thread *t = told_to_both();

    cr_assert(tg_thread_receipt_is_proven(t, "a@x"));
    cr_assert(!tg_thread_receipt_is_proven(t, "c@x"));
    free(t->receipts.v[1].to);
    t->receipts.v[1].to = strdup("eve@evil.example");
    settle(&t, TO("a@x"));
    cr_assert_str_eq(t->message->recipients[0].to, "eve@evil.example", "it is shown to people, and refused");
    cr_assert(!tg_thread_receipt_is_proven(t, "eve@evil.example"));
    t->key = &other_key;
    cr_assert(!tg_thread_receipt_is_proven(t, "a@x"));
    t->key = NULL;
    cr_assert(!tg_thread_receipt_is_proven(t, "a@x"));
    settle(&t, TO("a@x"));
    cr_assert(!t->message || !t->message->n_recipients, "without mails nobody is a former contact");
    tg_thread_free(t);
}

Test(announce_audience, what_people_drop_counts_as_told_and_takes_no_leave)
{
    struct tg_thread *t = a_thread();
    size_t n;

    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(&t, TO("a@x", "b@x"));
    try_one(t, "a@x", TG_TRY_SENT);
    try_one(t, "b@x", TG_TRY_REFUSED);
    cr_assert_eq(tg_thread_drop(t, "they were called", NOW, &n, NULL), 0);
    settle(&t, TO("a@x", "b@x"));
    cr_assert(tg_thread_is_over(t), "he is not new");
    settle(&t, TO("a@x"));
    cr_assert(tg_thread_is_over(t));
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "");
    tg_thread_free(t);
}

Test(announce_audience, a_record_of_an_older_tagout_tells_nobody_anew)
{
    static const char old[] = "{\"format\":1,\"source\":\"requests\",\"customer\":\"acme\",\"sequence\":1,\"due\":0,\"now\":[{\"key\":\"web1\",\"hosts\":\"web1\",\"n\":1,\"from\":1795454400000,"
                              "\"until\":1795458000000,\"told\":true}],\"told\":[],\"message\":{\"kind\":\"scheduled\",\"sequence\":0,\"at\":1795368000000,\"heard\":true,\"items\":[{\"kind\":"
                              "\"scheduled\",\"missed\":false,\"event\":{\"key\":\"web1\",\"hosts\":\"web1\",\"n\":1,\"from\":1795454400000,\"until\":1795458000000}}],\"recipients\":[{\"to\":"
                              "\"a@x\",\"state\":\"sent\",\"behind\":false,\"tries\":1,\"unsure\":0,\"since\":1795368000000,\"at\":1795368000000,\"text\":\"250 ok\"}]}}";
    json_t *o = json_loads(old, 0, NULL);
    struct tg_thread *t = NULL;
    struct tg_error e = TG_ERROR_INIT;
    char *text = tg_seal(o);

    cr_assert_eq(tg_thread_decode(text, strlen(text), &t, &e), 0, "%s", e.message);
    free(text);
    t->key = &key;
    settle(&t, TO("a@x"));
    cr_assert(tg_thread_is_over(t));
    settle(&t, TO("b@x"));
    cr_assert_eq(t->message->n_recipients, 1, "of who was told then nothing is proven");
    cr_assert_str_eq(try_one(t, "b@x", TG_TRY_SENT), "scheduled scheduled:web1");
    tg_thread_free(t);
}

/* ---- many ---- */

Test(announce_audience, contacts_without_number_are_told_and_those_beyond_are_counted)
{
    static char names[1200][40];
    static const char *to[1201];
    struct tg_thread *t = a_thread();

    for (int i = 0; i < 1200; i++) {
        snprintf(names[i], sizeof names[i], "contact-%04d@department.acme.example", i);
        to[i] = names[i];
    }
    for (int i = 0; i < 500; i++) {
        char event[40];
        snprintf(event, sizeof event, "web%04d.example.com", i);
        take(t, TG_ANNOUNCE_SCHEDULED, event, 24);
    }
    settle(&t, to);
    cr_assert_eq(t->message->n_recipients, TG_CUSTOMER_TOLD_MAX);
    cr_assert_eq(t->message->n_left_out, 1200 - TG_CUSTOMER_TOLD_MAX);
    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    for (size_t i = 0; i < t->message->n_recipients; i++)
        for (int part = 0; part < 10; part++)
            cr_assert_eq(tg_thread_tried(t, i, 10, &retry, TG_TRY_SENT, "250 2.0.0 Ok: queued as 4F2A9C018D1E2F3A4B5C on mail1.department.acme.example, thank you", NOW, NULL), 0);
    cr_assert(tg_thread_is_over(t));
    reread(&t);
    cr_assert_eq(t->receipts.n, TG_CUSTOMER_TOLD_MAX);
    tg_thread_free(t);
}

static void many(const char *kind, int n, char (*names)[40], const char **to)
{
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%s%04d@x", kind, i);
        to[i] = names[i];
    }
    to[n] = NULL;
}

/* All whose address begins so: who is left of them. */
static void try_all(struct tg_thread *t, const char *kind, enum tg_try outcome)
{
    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    for (size_t i = 0; i < t->message->n_recipients; i++)
        if (strncmp(t->message->recipients[i].to, kind, strlen(kind)) == 0 && t->message->recipients[i].state == TG_RECIPIENT_WAITING)
            cr_assert_eq(tg_thread_tried(t, i, 1, &retry, outcome, "", NOW, NULL), 0);
}

Test(announce_audience, former_contacts_without_number_are_told_by_one_message_after_the_other)
{
    static char a[700][40], b[700][40];
    static const char *to_a[701], *to_b[701];
    struct tg_thread *t = a_thread();

    many("a", 700, a, to_a);
    many("b", 700, b, to_b);
    take(t, TG_ANNOUNCE_SCHEDULED, "web1", 24);
    settle(&t, to_a);
    try_all(t, "a", TG_TRY_SENT);
    settle(&t, to_b);
    try_all(t, "b", TG_TRY_SENT);
    try_all(t, "a", TG_TRY_REFUSED); /* so that they are there still, */
    settle(&t, TO("c@x"));           /* when the others go as well */
    cr_assert_eq(t->message->n_recipients, TG_CUSTOMER_TOLD_MAX + 1, "%zu", t->message->n_recipients);
    cr_assert_eq(t->message->n_left_out, 0, "nobody of them is left out");
    try_one(t, "c@x", TG_TRY_SENT);
    cr_assert(!tg_thread_has_more(t, TO("c@x"), 1, NOW), "not while most of these wait");
    try_all(t, "a", TG_TRY_SENT);
    try_all(t, "b", TG_TRY_AGAIN);
    cr_assert(tg_thread_has_more(t, TO("c@x"), 1, NOW));
    settle(&t, TO("c@x"));
    cr_assert_eq(t->message->n_recipients, 700);
    try_all(t, "b", TG_TRY_SENT);
    cr_assert(tg_thread_is_over(t));
    cr_assert(!tg_thread_has_more(t, TO("c@x"), 1, NOW));
    cr_assert_eq(t->receipts.n, 1);
    tg_thread_free(t);
}

Test(announce_audience, events_without_number_are_several_mails_each_with_all_its_entries)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_templates templates;
    const struct tg_announce_sender s = {.address = "ops@example.com", .name = "", .reply_to = "", .realm = "0123456789", .view = {.zone_name = "UTC"}, .templates = &templates};
    struct tg_thread *t = a_thread();
    struct tg_thread_message m, part;
    size_t entries = 0, tried = 0;

    cr_assert_eq(tg_templates_load(NULL, &p, &templates, NULL), 0);
    for (int i = 0; i < 120; i++) {
        char event[40];
        snprintf(event, sizeof event, "web%03d", i);
        take(t, TG_ANNOUNCE_SCHEDULED, event, 24 + i);
    }
    settle(&t, TO("a@x"));
    while (t->message->recipients[0].state == TG_RECIPIENT_WAITING) {
        struct tg_thread one = *t;
        struct tg_buf mail = TG_BUF_INIT;
        char subject[40];
        cr_assert_eq(tg_thread_message_for(t, &t->message->recipients[0], &m, NULL), 0);
        cr_assert_eq(m.parts, 3);
        part = tg_thread_message_part(&m, (size_t) t->message->recipients[0].parts);
        one.message = &part;
        cr_assert_eq(tg_announce_mail(&one, &s, &mail, NULL), 0);
        snprintf(subject, sizeof subject, "Subject: (%zu of 3) ", tried + 1);
        cr_expect(strstr(tg_buf_text(&mail), subject), "%s", subject);
        for (const char *at = tg_buf_text(&mail); (at = strstr(at, "filename=")) != NULL; at++)
            entries++;
        tg_buf_release(&mail);
        free(m.items.v);
        cr_assert_eq(tg_thread_heard(t, NULL), 0);
        cr_assert_eq(tg_thread_tried(t, 0, m.parts, &retry, TG_TRY_SENT, "", NOW, NULL), 0);
        reread(&t);
        tried++;
    }
    cr_assert_eq(tried, 3);
    cr_assert_eq(entries, 120);
    cr_assert(tg_thread_is_over(t));
    tg_templates_release(&templates);
    tg_thread_free(t);
}

static char *mail_for(const struct tg_thread *t, const char *to)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_templates templates;
    const struct tg_announce_sender s = {.address = "ops@example.com", .name = "", .reply_to = "", .realm = "0123456789", .view = {.zone_name = "UTC"}, .templates = &templates};
    struct tg_thread one = *t;
    struct tg_thread_message m;
    struct tg_buf mail = TG_BUF_INIT;
    size_t k = 0;

    while (strcmp(t->message->recipients[k].to, to) != 0)
        k++;
    cr_assert_eq(tg_templates_load(NULL, &p, &templates, NULL), 0);
    cr_assert_eq(tg_thread_message_for(t, &t->message->recipients[k], &m, NULL), 0);
    one.message = &m;
    cr_assert_eq(tg_announce_mail(&one, &s, &mail, NULL), 0);
    tg_templates_release(&templates);
    free(m.items.v);
    return tg_buf_take(&mail, NULL);
}

Test(announce_audience, a_mail_names_whom_its_server_can_carry_and_a_former_contact_alone)
{
    struct tg_thread *t = told_to_both();

    take(t, TG_ANNOUNCE_CHANGED, "web1", 25);
    settle(&t, TO("a@x", "jürgen@x"));
    char *plain = mail_for(t, "a@x"), *former = mail_for(t, "b@x");
    cr_expect(strstr(plain, "To: a@x\r\n"), "%s", plain);
    cr_expect(!strstr(plain, "rgen@x"));
    cr_expect(strstr(former, "To: b@x\r\n"), "%s", former);
    cr_expect(strstr(former, "method=CANCEL"));
    free(plain);
    free(former);
    char *other = mail_for(t, "jürgen@x");
    cr_expect(strstr(other, "To: jürgen@x\r\n"), "%s", other);
    free(other);
    tg_thread_free(t);
}
