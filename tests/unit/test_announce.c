/* What customers are told: the difference to what they were told, recipients, templates, mails, signatures. Pure. */
#include "base/base64.h"
#include "base/hmac.h"
#include "base/mailbox.h"
#include "base/shown.h"
#include "calendar/announce_mail.h"
#include "calendar/announce_site.h"
#include "config/yaml.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 */
#define HOUR INT64_C(3600000)
#define TO (const char *[]) {"webhook:chat", "ops@acme.example"}

static struct tg_thread *a_thread(void)
{
    struct tg_thread *t = NULL;

    cr_assert_eq(tg_thread_new("requests", "acme", 0, &t, NULL), 0);
    return t;
}

static void take(struct tg_thread *t, enum tg_announce_kind kind, const char *event, const char *hosts, int64_t hour)
{
    const struct tg_announcement a = {.kind = kind, .source = "requests", .event = event, .customer = "acme", .hosts = hosts, .activity = "reboot", .from_ms = NOW + hour * HOUR,
                                      .until_ms = NOW + (hour + 1) * HOUR, .reason = kind == TG_ANNOUNCE_CANCELLED ? "not needed" : "", .by = "alice@ops1", .at_ms = NOW};
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_thread_take(t, &a, NOW, &e), 0, "%s", e.message);
}

/* What is to be told, in short: "scheduled:a:web[1-2] …"; and it is told. */
static const char *tell(struct tg_thread *t)
{
    static char text[2000];
    struct tg_error e = TG_ERROR_INIT;
    size_t n = 0;

    text[0] = '\0';
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, &e), 0, "%s", e.message);
    if (!t->message || t->message->heard)
        return text;
    for (size_t i = 0; i < t->message->items.n; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "%s%s:%s:%s", i ? " " : "", tg_announce_kind_name(t->message->items.v[i].kind), t->message->items.v[i].event.key,
                               t->message->items.v[i].event.hosts);
    cr_assert_eq(tg_thread_heard(t, &e), 0);
    for (size_t i = 0; i < t->message->n_recipients; i++)
        t->message->recipients[i].state = TG_RECIPIENT_SENT;
    return text;
}

Test(announce, tells_the_difference_to_what_was_told)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    take(t, TG_ANNOUNCE_CHANGED, "a", "web2", 24);
    cr_assert_str_eq(tell(t), "scheduled:a:web[1-2]", "one for several hosts, whatever the caller calls it");
    cr_assert_eq(t->message->sequence, 0);
    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web[1-2]", 24);
    cr_assert_str_eq(tell(t), "", "planned anew with the same result");
    take(t, TG_ANNOUNCE_CHANGED, "a", "web1", 30);
    take(t, TG_ANNOUNCE_CHANGED, "a", "web1", 24);
    cr_assert_str_eq(tell(t), "", "there and back again");
    take(t, TG_ANNOUNCE_CHANGED, "a", "web1", 30);
    cr_assert_str_eq(tell(t), "changed:a:web[1-2]");
    cr_assert_eq(t->message->sequence, 1);
    take(t, TG_ANNOUNCE_CANCELLED, "a", "web2", 0);
    take(t, TG_ANNOUNCE_SCHEDULED, "b", "web2", 50);
    cr_assert_str_eq(tell(t), "changed:a:web1 scheduled:b:web2", "moved to another event: one mail");
    cr_assert_eq(t->message->kind, TG_ANNOUNCE_CHANGED);
    take(t, TG_ANNOUNCE_LATE, "a", "web1", 31);
    cr_assert_str_eq(tell(t), "late:a:web1");
    take(t, TG_ANNOUNCE_LATE, "a", "web1", 31);
    cr_assert_str_eq(tell(t), "", "late is late once");
    take(t, TG_ANNOUNCE_DONE, "a", "web1", 31);
    take(t, TG_ANNOUNCE_CANCELLED, "b", "web2", 0);
    cr_assert_str_eq(tell(t), "done:a:web1 cancelled:b:web2");
    cr_assert_str_eq(t->message->items.v[1].event.reason, "not needed");
    cr_assert_eq(t->message->items.v[1].event.from_ms, NOW + 50 * HOUR, "a cancelled one is told as it was known");
    take(t, TG_ANNOUNCE_DONE, "a", "web1", 31);
    cr_assert_str_eq(tell(t), "");
    tg_thread_free(t);
}

Test(announce, each_of_begin_end_hosts_and_activity_is_a_change)
{
    const struct tg_announcement first = {.kind = TG_ANNOUNCE_SCHEDULED, .source = "requests", .event = "a", .customer = "acme", .hosts = "web1", .activity = "reboot",
                                          .from_ms = NOW + 24 * HOUR, .until_ms = NOW + 26 * HOUR, .by = "", .at_ms = NOW};
    struct tg_announcement changed[4] = {first, first, first, first};

    changed[0].from_ms += HOUR;
    changed[1].until_ms += HOUR;
    changed[2].hosts = "web2";
    changed[3].activity = "update";
    for (size_t i = 0; i < 4; i++) {
        struct tg_thread *t = a_thread();
        cr_assert_eq(tg_thread_take(t, &first, NOW, NULL), 0);
        cr_assert_str_eq(tell(t), "scheduled:a:web1");
        cr_assert_eq(tg_thread_take(t, &first, NOW, NULL), 0);
        cr_assert_str_eq(tell(t), "");
        cr_assert_eq(tg_thread_take(t, &changed[i], NOW, NULL), 0);
        cr_expect_str_eq(tell(t), i == 2 ? "changed:a:web[1-2]" : "changed:a:web1", "case %zu", i);
        tg_thread_free(t);
    }
}

Test(announce, done_is_told_when_all_hosts_are)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web[1-3]", 24);
    tell(t);
    take(t, TG_ANNOUNCE_DONE, "a", "web1", 24);
    cr_assert_str_eq(tell(t), "");
    take(t, TG_ANNOUNCE_DONE, "a", "web2", 24);
    cr_assert_str_eq(tell(t), "");
    take(t, TG_ANNOUNCE_CANCELLED, "a", "web3", 24);
    cr_assert_str_eq(tell(t), "done:a:web[1-2]", "the others were done, and the last is cancelled");
    tg_thread_free(t);
}

Test(announce, what_nobody_was_told_of_is_not_taken_back)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, NULL), 0);
    cr_assert_not_null(t->message);
    take(t, TG_ANNOUNCE_CANCELLED, "a", "web1", 24);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, NULL), 0);
    cr_assert_null(t->message, "and what waited for the server is dropped");
    cr_assert_eq(t->sequence, 0);
    tg_thread_free(t);
}

/* Nobody gets old news: what some have and others not is overtaken by the next, for all. */
Test(announce, a_message_that_is_overtaken_goes_to_everybody_anew)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    tell(t);
    t->message->recipients[1].state = TG_RECIPIENT_REFUSED;
    cr_assert(!tg_thread_is_over(t));
    take(t, TG_ANNOUNCE_CHANGED, "a", "web1", 26);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, NULL), 0);
    cr_assert_eq(t->message->sequence, 1);
    cr_assert_eq(tg_thread_count(t, TG_RECIPIENT_WAITING), 2);
    tg_thread_free(t);
}

/* ---- recipients ---- */

static const struct tg_retry retry = {60000, HOUR, 5 * 24 * HOUR};

Test(announce, tries_are_further_and_further_apart_and_given_up)
{
    struct tg_thread *t = a_thread();
    int64_t now = NOW, tries = 0;

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    cr_assert_eq(tg_thread_settle(t, TO + 1, 1, NOW, NULL), 0);
    struct tg_recipient *r = &t->message->recipients[0];
    while (r->state == TG_RECIPIENT_WAITING && tries < 1000) {
        cr_assert_eq(tg_recipient_tried(r, &retry, TG_TRY_AGAIN, "451 4.7.1 greylisted", now, NULL), 0);
        int64_t next = r->state == TG_RECIPIENT_WAITING ? tg_thread_next_ms(t, &retry) : now;
        cr_assert(r->state != TG_RECIPIENT_WAITING || (next > now && next - now <= HOUR));
        now = next;
        tries++;
    }
    cr_assert_eq(r->state, TG_RECIPIENT_REFUSED);
    cr_assert(strstr(r->text, "given up") && strstr(r->text, "451 4.7.1"), "%s", r->text);
    cr_assert_gt(tries, 120);
    cr_assert_lt(tries, 140);
    cr_assert_eq(tg_thread_next_ms(t, &retry), 0);
    cr_assert_eq(tg_thread_retry(t, now), 1);
    cr_assert_eq(r->state, TG_RECIPIENT_WAITING);
    cr_assert_eq(tg_recipient_tried(r, &retry, TG_TRY_AGAIN, "451", now, NULL), 0);
    cr_assert_eq(r->state, TG_RECIPIENT_WAITING, "its days count from the retry");
    tg_thread_free(t);
}

Test(announce, a_clock_that_jumps_gives_nobody_up)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    cr_assert_eq(tg_thread_settle(t, TO + 1, 1, NOW, NULL), 0);
    struct tg_recipient *r = &t->message->recipients[0];
    cr_assert_eq(tg_recipient_tried(r, &retry, TG_TRY_AGAIN, "451", NOW, NULL), 0);
    cr_assert_eq(tg_recipient_tried(r, &retry, TG_TRY_AGAIN, "451", NOW + 20 * 365 * 24 * HOUR, NULL), 0);
    cr_assert_eq(r->state, TG_RECIPIENT_WAITING);
    cr_assert_eq(tg_recipient_tried(r, &retry, TG_TRY_SENT, "250", NOW + HOUR, NULL), 0);
    cr_assert_eq(r->state, TG_RECIPIENT_SENT);
    tg_thread_free(t);
}

/* P7: rather twice than never, but not for ever. */
Test(announce, what_may_have_arrived_is_sent_again_three_times_at_most)
{
    struct tg_thread *t = a_thread();

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web1", 24);
    cr_assert_eq(tg_thread_settle(t, TO + 1, 1, NOW, NULL), 0);
    for (int i = 0; i < TG_RECIPIENT_UNSURE_MAX; i++) {
        cr_assert_eq(t->message->recipients[0].state, TG_RECIPIENT_WAITING);
        t->message->recipients[0].state = TG_RECIPIENT_TRYING;
        cr_assert_eq(tg_thread_heard(t, NULL), 0);
        cr_assert_eq(tg_thread_recover(t, &retry, NOW, NULL), 0);
    }
    cr_assert_eq(t->message->recipients[0].state, TG_RECIPIENT_REFUSED);
    size_t n;
    cr_assert_eq(tg_thread_drop(t, "bob@ops2: they know", NOW, &n, NULL), 0);
    cr_assert_eq(n, 1);
    cr_assert(tg_thread_is_over(t));
    tg_thread_free(t);
}

/* ---- random histories ---- */

static uint32_t seed;
static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* What a customer's calendar holds when he takes each mail in: by event. */
struct entry {
    bool there;
    int64_t from_ms, sequence;
    char hosts[100];
};

static void read_mail(const struct tg_thread *t, struct entry *calendar)
{
    for (size_t i = 0; i < t->message->items.n; i++) {
        const struct tg_thread_item *item = &t->message->items.v[i];
        struct entry *c = &calendar[item->event.key[0] - 'a'];
        cr_assert(t->message->sequence > c->sequence || !c->there);
        *c = (struct entry) {.there = item->kind != TG_ANNOUNCE_CANCELLED, .from_ms = item->event.from_ms, .sequence = t->message->sequence};
        snprintf(c->hosts, sizeof c->hosts, "%s", item->event.hosts);
    }
}

/* Through its record at each step: a sender may die anywhere. */
static struct tg_thread *through_record(struct tg_thread *t)
{
    struct tg_thread *again = NULL;
    struct tg_error e = TG_ERROR_INIT;
    char *text, *twice;

    cr_assert_eq(tg_thread_encode(t, &text, &e), 0, "%s", e.message);
    cr_assert_eq(tg_thread_decode(text, strlen(text), &again, &e), 0, "%s: %s", e.message, text);
    cr_assert_eq(tg_thread_encode(again, &twice, &e), 0);
    cr_assert_str_eq(text, twice);
    free(text);
    free(twice);
    tg_thread_free(t);
    return again;
}

/* P12: after each mail the customer's calendar is what is true, whatever happened in between. */
Test(announce, a_calendar_that_follows_the_mails_is_what_is_true)
{
    for (uint32_t run = 0; run < 50; run++) {
        struct tg_thread *t = a_thread();
        struct entry calendar[3] = {{.there = false}};
        seed = run;
        for (int step = 0; step < 40; step++) {
            static const enum tg_announce_kind kinds[] = {TG_ANNOUNCE_SCHEDULED, TG_ANNOUNCE_CHANGED, TG_ANNOUNCE_CANCELLED, TG_ANNOUNCE_LATE, TG_ANNOUNCE_DONE};
            char event[2] = {(char) ('a' + dice(3)), '\0'}, host[8];
            snprintf(host, sizeof host, "web%u", dice(4));
            take(t, kinds[dice(5)], event, host, 24 + dice(3));
            t = through_record(t);
            if (dice(3))
                continue;
            cr_assert_eq(tg_thread_settle(t, TO, 2, NOW + step, NULL), 0);
            t = through_record(t);
            if (!t->message || t->message->heard)
                continue;
            if (dice(4) == 0)
                continue; /* the server is away */
            cr_assert_eq(tg_thread_heard(t, NULL), 0);
            t = through_record(t);
            read_mail(t, calendar);
            for (size_t i = 0; i < 3; i++) {
                const struct tg_thread_event *now = NULL;
                for (size_t k = 0; k < t->now.n; k++)
                    now = t->now.v[k].key[0] == (char) ('a' + i) ? &t->now.v[k] : now;
                cr_assert_eq(calendar[i].there, now != NULL, "run %u step %d", run, step);
                if (now && now->n_done < now->n_hosts)
                    cr_assert(calendar[i].from_ms == now->from_ms && strcmp(calendar[i].hosts, now->hosts) == 0, "run %u step %d", run, step);
            }
        }
        tg_thread_free(t);
    }
}

static char *mail_of(const struct tg_thread *t, const char *template, const char *name);

/* What a large customer has waiting fits, told and untold. */
Test(announce, a_thousand_visits_of_a_customer_fit)
{
    static const char *const to[] = {"ops@acme.example", "webhook:chat"};
    struct tg_thread *t = a_thread();
    char event[40], host[40], *text;

    for (int i = 0; i < 1300; i++) {
        snprintf(event, sizeof event, "31T6BEA3-%d", 1795375154 + i);
        snprintf(host, sizeof host, "web%04d.example.com", i);
        take(t, TG_ANNOUNCE_SCHEDULED, event, host, 24 + i % 5);
    }
    struct tg_error e = TG_ERROR_INIT;
    cr_assert_eq(tg_thread_settle(t, to, 2, NOW, &e), 0);
    cr_assert_eq(tg_thread_encode(t, &text, &e), 0, "%s", e.message);
    free(text);
    cr_assert_eq(tg_thread_heard(t, &e), 0);
    t = through_record(t);
    cr_assert_eq(t->now.n, 1300);
    cr_assert_eq(t->told.n, 1300);
    char *mail = mail_of(t, tg_template_builtin(TG_ANNOUNCE_SCHEDULED), "");
    cr_assert_lt(strlen(mail), 400000);
    free(mail);
    tg_thread_free(t);
}

/* P2: what was altered is refused, never guessed. */
Test(announce, a_record_with_a_flipped_bit_is_refused)
{
    struct tg_thread *t = a_thread(), *out;
    char *text;

    take(t, TG_ANNOUNCE_SCHEDULED, "a", "web[1-3]", 24);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, NULL), 0);
    cr_assert_eq(tg_thread_encode(t, &text, NULL), 0);
    for (size_t i = 0, n = strlen(text); i < n; i++) {
        text[i] ^= 1;
        cr_assert_neq(tg_thread_decode(text, n, &out, NULL), 0, "at %zu", i);
        text[i] ^= 1;
    }
    free(text);
    tg_thread_free(t);
}

/* ---- templates ---- */

static int parse(const char *text, struct tg_problems *p, struct tg_template **out)
{
    return tg_template_parse("scheduled.txt", text, strlen(text), p, out, NULL);
}

Test(announce, templates_with_mistakes_are_refused_with_their_places)
{
    static const struct {
        const char *text, *says;
        int line, column;
    } bad[] = {
        {"Hello\n\nx\n", "the first line is no subject", 1, 1},
        {"Subject:\n\nx\n", "the subject is empty", 1, 9},
        {"Subject: x\nno empty line\n", "an empty line must follow", 2, 1},
        {"Subject: x\n\nDear {custmer}\n", "unknown placeholder {custmer}", 3, 6},
        {"Subject: {\n\nx\n", "\"{\" begins no placeholder", 1, 10},
        {"Subject: x\n\na } b\n", "\"}\" ends no placeholder", 3, 3},
        {"Subject: x\n\n\xff\n", "no UTF-8", 3, 1},
        {"Subject: x\x1b[2J\n\nx\n", "can't be seen", 1, 11},
        {"Subject: x\rBcc: y\n\nx\n", "can't be seen", 1, 11},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_template *t = NULL;
        cr_assert_eq(parse(bad[i].text, &p, &t), TG_E_DATA, "case %zu", i);
        cr_expect(strstr(p.list[0].error.message, bad[i].says), "case %zu: %s", i, p.list[0].error.message);
        cr_expect_eq(p.list[0].error.line, bad[i].line, "case %zu: line %d", i, p.list[0].error.line);
        cr_expect_eq(p.list[0].error.column, bad[i].column, "case %zu: column %d", i, p.list[0].error.column);
        tg_problems_release(&p);
    }
}

static struct tg_thread *ready(const char *reason)
{
    struct tg_thread *t = a_thread();
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_SCHEDULED, .source = "requests", .event = "a", .customer = "acme", .hosts = "web[001-003].example.com", .activity = "Wartung",
                                      .from_ms = NOW + 24 * HOUR, .until_ms = NOW + 26 * HOUR, .reason = reason, .by = "alice@ops1", .at_ms = NOW};

    cr_assert_eq(tg_thread_take(t, &a, NOW, NULL), 0);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW, NULL), 0);
    return t;
}

static char *mail_of(const struct tg_thread *t, const char *template, const char *name)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_templates templates = {.of = {NULL}};
    const struct tg_announce_sender s = {.address = "ops@example.com", .name = name, .reply_to = "", .realm = "0123456789", .view = {.zone_name = "UTC"}, .templates = &templates};
    struct tg_buf out = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(parse(template, &p, &templates.of[t->message->kind]), 0);
    cr_assert_eq(tg_announce_mail(t, &s, &out, &e), 0, "%s", e.message);
    tg_templates_release(&templates);
    tg_problems_release(&p);
    return tg_buf_take(&out, NULL);
}

/* How many header lines begin with this. */
static int headers(const char *mail, const char *name)
{
    int n = 0;

    for (const char *p = mail; strncmp(p, "\r\n", 2) != 0; p = strstr(p, "\r\n") + 2)
        n += strncasecmp(p, name, strlen(name)) == 0;
    return n;
}

Test(announce, no_header_can_be_made_by_what_is_put_in)
{
    static const char *const evil[] = {"x", "x =?UTF-8?B?Qg==?= y", "Bcc: eve@evil.example", "\xe2\x80\xa8" "Bcc: eve@evil.example", "Wörter — mit Ümläuten, und so vielen davon, dass die Zeile zu lang wird"};
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        struct tg_thread *t = ready(i == 3 ? "" : evil[i]);
        char *mail = mail_of(t, "Subject: {reason} {events} {customer}\n\n{events}\n.\nFrom x\n", evil[i]);
        cr_expect_eq(headers(mail, "Bcc"), 0);
        cr_expect_eq(headers(mail, "Subject:"), 1);
        cr_expect_eq(headers(mail, "To:"), 1);
        for (const char *p = mail; *p; p++) { /* lines end in CR LF, and are of ASCII, of 78 bytes at most */
            size_t len = strcspn(p, "\r\n");
            cr_assert(strncmp(p + len, "\r\n", 2) == 0 || !p[len]);
            cr_assert_leq(len, 78, "%.*s", (int) len, p);
            for (size_t k = 0; k < len; k++)
                cr_assert((unsigned char) p[k] < 127 && p[k] != '\0');
            cr_assert(!(len == 1 && *p == '.'));
            p += len + 1;
        }
        free(mail);
        tg_thread_free(t);
    }
}

Test(announce, the_same_message_is_the_same_bytes_at_every_try)
{
    struct tg_thread *t = ready("");
    char *first = mail_of(t, tg_template_builtin(TG_ANNOUNCE_SCHEDULED), "");

    cr_assert_eq(tg_thread_heard(t, NULL), 0);
    t->message->recipients[1].state = TG_RECIPIENT_TRYING;
    t = through_record(t);
    cr_assert_eq(tg_thread_recover(t, &retry, NOW + HOUR, NULL), 0);
    cr_assert_eq(tg_thread_settle(t, TO, 2, NOW + HOUR, NULL), 0);
    char *again = mail_of(t, tg_template_builtin(TG_ANNOUNCE_SCHEDULED), "");
    cr_assert_str_eq(first, again);
    free(first);
    free(again);
    tg_thread_free(t);
}

Test(announce, addresses_that_could_end_a_line_or_a_list_are_none)
{
    static const char *const bad[] = {"", "@", "a@", "@b", "a@b@c", "a b@c", "a@b,c@d", "a@b\r\nBcc: c@d", "<a@b>", "a@b>", "-oX@b", "a@b\"", "a;b@c", "a@b\x7f", "a@.b", "a@b.", "a@b..c"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(!tg_mailbox_ok(bad[i]), "%s", bad[i]);
    cr_expect(tg_mailbox_ok("ops+tagout@sub.acme.example"));
    cr_expect(tg_mailbox_ok("jürgen@müller.example"));
    cr_expect(!tg_mailbox_ok("jürgen\xff@müller.example"));
    cr_expect(!tg_mailbox_ok("a\xe2\x80\xa8@b.example"), "a line separator");
}

/* Providers gave such addresses away: unquoted, a server that looks into headers refuses the whole mail, for all who are named in it. */
Test(announce, dots_where_none_may_be_are_quoted)
{
    static const char *const cases[][2] = {{"a.b@c.example", "a.b@c.example"}, {"a..b@c.example", "\"a..b\"@c.example"}, {"a.@c.example", "\"a.\"@c.example"}, {".a@c.example", "\".a\"@c.example"}};
    char out[64];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_str_eq(tg_mailbox_quoted(cases[i][0], out, sizeof out), cases[i][1]);
}

Test(announce, a_mailbox_is_an_address_or_a_name_and_an_address)
{
    static const struct {
        const char *text, *address, *name;
    } cases[] = {
        {"a@b.example", "a@b.example", ""},
        {"Jürgen Müller <a@b.example>", "a@b.example", "Jürgen Müller"},
        {"<a@b.example>", "a@b.example", ""},
        {"A <b> <a@b.example>", "a@b.example", "A <b>"},
        {"A <a@b.example", NULL, NULL},
        {"A <a@b.example> x", NULL, NULL},
        {"A\nBcc: <a@b.example>", NULL, NULL},
        {"A <>", NULL, NULL},
        {"A <a@b>c>", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *address;
        size_t len, name;
        bool is = tg_mailbox_split(cases[i].text, &address, &len, &name);
        cr_assert_eq(is, cases[i].address != NULL, "case %zu", i);
        cr_expect(!is || (strlen(cases[i].address) == len && strncmp(address, cases[i].address, len) == 0), "case %zu", i);
        cr_expect(!is || (strlen(cases[i].name) == name && strncmp(cases[i].text, cases[i].name, name) == 0), "case %zu", i);
    }
}

/* ---- the site ---- */

static size_t mistakes(const char *text, char *first, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_announce_site site = {.url = NULL};

    cr_assert_eq(tg_yaml_parse("tagout.yaml", text, strlen(text), &p, &doc, NULL), 0);
    if (tg_announce_site_read(tg_yaml_root(doc), &p, &site, NULL) == 0)
        tg_announce_site_release(&site);
    size_t n = tg_problems_count(&p);
    snprintf(first, size, "%s", n ? p.list[0].error.message : "");
    tg_yaml_free(doc);
    tg_problems_release(&p);
    return n;
}

Test(announce, a_configuration_that_could_not_work_or_shows_a_password_is_refused)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"smtp: {url: smtp://m}", "from"},
        {"from: ops@example.com", "neither smtp nor webhooks"},
        {"{from: ops, smtp: {url: smtp://m}}", "no mail address"},
        {"{from: \"a\\nb <ops@example.com>\", smtp: {url: smtp://m}}", "line break"},
        {"{from: ops@example.com, smtp: {url: http://m}}", "no such URL"},
        {"{from: ops@example.com, smtp: {url: \"smtp://me:secret@m\"}}", "password in it"},
        {"{from: ops@example.com, smtp: {url: smtp://m, user: x}}", "no password-file"},
        {"{from: ops@example.com, smtp: {url: smtp://m, user: x, password-file: f, tls: none}}", "would show the password"},
        {"{from: ops@example.com, webhooks: {Chat: {url: https://c, secret-file: f}}}", "webhook's name"},
        {"{from: ops@example.com, webhooks: {chat: {url: https://c}}}", "secret-file"},
        {"{from: ops@example.com, smtp: {url: smtp://m}, retry: {first: 1h, longest: 1m}}", "shorter than first"},
        {"{from: ops@example.com, smtp: {url: smtp://m}, zone: Europe/Nowhere}", "zone"},
    };
    char first[640];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_geq(mistakes(bad[i].text, first, sizeof first), 1, "case %zu", i);
        cr_expect(strstr(first, bad[i].says), "case %zu: %s", i, first);
        cr_expect(!strstr(first, "secret@"), "%s", first);
    }
    cr_expect_eq(mistakes("{from: \"Ops <ops@example.com>\", smtp: {url: \"smtps://m:465\"}, webhooks: {chat: {url: https://c, secret-file: f}}}", first, sizeof first), 0, "%s", first);
}

/* ---- signatures: RFC 4231, and the example of Standard Webhooks ---- */

Test(announce, hmac_is_that_of_rfc_4231)
{
    static const struct {
        const char *key, *text, *hex;
    } cases[] = {
        {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    };
    char long_key[131], hex[65];
    uint8_t mac[TG_SHA256_BYTES];

    for (size_t i = 0; i < 2; i++) {
        tg_hmac_sha256(cases[i].key, strlen(cases[i].key), cases[i].text, strlen(cases[i].text), mac);
        for (size_t k = 0; k < sizeof mac; k++)
            snprintf(hex + 2 * k, 3, "%02x", mac[k]);
        cr_expect_str_eq(hex, cases[i].hex);
    }
    memset(long_key, 0xaa, sizeof long_key);
    tg_hmac_sha256(long_key, sizeof long_key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
    for (size_t k = 0; k < sizeof mac; k++)
        snprintf(hex + 2 * k, 3, "%02x", mac[k]);
    cr_expect_str_eq(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

Test(announce, base_64_is_that_of_rfc_4648)
{
    static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_buf out = TG_BUF_INIT;
        tg_base64(&out, cases[i][0], strlen(cases[i][0]), 0);
        cr_expect_str_eq(tg_buf_text(&out), cases[i][1]);
        tg_buf_release(&out);
    }
}
