/* Announcements on the store in memory; and, on its virtual clock, a mail server that is away for a day (P7, P12). */
#include "store/memory.h"

#include <tagout/loop.h>

#define ANNOUNCE_SUITE announce_memory

static int announce_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *announce_url(void)
{
    return "memory:announce";
}

static void announce_end(void)
{
    tg_memory_forget("announce");
}

#include "announce_suite.h"

/* ---- a mail server that is there, or is not ---- */

static bool is_away;
static size_t tries, n_mails;
static struct {
    char to[64];
    char *text;
} mails[20];

struct tg_delivery_job {
    tg_delivered_fn done;
    void *data;
};
static struct tg_delivery_job job;

static int take_mail(struct tg_delivery_impl *impl, const struct tg_delivery_mail *mail, void (*on_ready)(void *data), tg_delivered_fn done, void *data, struct tg_delivery_job **out,
                     struct tg_error *e)
{
    (void) impl, (void) e;
    tries++;
    job = (struct tg_delivery_job) {.done = done, .data = data};
    *out = &job;
    if (is_away) {
        done(data, TG_DELIVERY_AWAY, "connection refused");
        return 0;
    }
    cr_assert_lt(n_mails, sizeof mails / sizeof mails[0]);
    snprintf(mails[n_mails].to, sizeof mails[0].to, "%s", mail->to);
    mails[n_mails++].text = strndup(mail->bytes, mail->len);
    on_ready(data);
    return 0;
}

static void finish(struct tg_delivery_job *j)
{
    j->done(j->data, TG_DELIVERED, "250 ok");
}

static int spell(const char *address, char *out, size_t size, struct tg_error *e)
{
    (void) e;
    snprintf(out, size, "%s", address);
    return 0;
}

static const struct tg_delivery_backend server = {.version = TG_DELIVERY_ABI, .name = "made up", .mail = take_mail, .finish = finish, .spell = spell};

static struct tg_announce_run run;
static struct tg_announce_site site = {.from_address = "ops@example.com", .from_name = "Operations", .reply_to = "", .url = "smtp://mail.example.com", .zone = "UTC", .settle_ms = 1000,
                                       .timeout_ms = 60000, .retry = {60000, HOUR, 120 * HOUR}};

static void open_run(struct tg_inventory **inventory)
{
    static const char fleet[] = "groups:\n  web: {hosts: \"web[1-40]\"}\n  db: {hosts: \"db[1-10]\"}\ncustomers:\n  acme: {contacts: [a@acme.example, b@acme.example], hosts: \"@web\"}\n"
                                "  bolt: {contacts: [c@bolt.example], hosts: \"@db\"}\n";
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_zone zone;

    cr_assert_eq(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &problems, inventory, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_create(store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(store, WAIT_MS), NULL), 0);
    run = (struct tg_announce_run) {.loop = loop, .store = store, .inventory = *inventory, .site = &site, .place = the_place(store), .backend = &server, .realm = "test", .from = "ops@example.com"};
    run.place.inventory = *inventory;
    cr_assert_eq(tg_templates_load(NULL, &problems, &run.templates, &e), 0, "%s", e.message);
    cr_assert_eq(tg_zone_find("UTC", &zone, &e), 0);
    run.sender = (struct tg_announce_sender) {.address = run.from, .name = "Operations", .reply_to = "", .realm = run.realm, .view = {.zone = zone, .zone_name = "UTC"},
                                              .templates = &run.templates, .spell = spell};
    cr_assert_eq(tg_announce_sit(&run.place, "alice@ops1", NOW, &e), 0, "%s", e.message);
    cr_assert_eq(tg_announce_take_clock(&run, &e), 0, "%s", e.message);
    tg_problems_release(&problems);
}

static int64_t now(void)
{
    return tg_wall_ms(tg_loop_clock(loop));
}

static void pass_time(int64_t until)
{
    while (now() < until)
        tg_loop_turn(loop, until - now());
}

static size_t n_passes;

/* As a sender that stays does, by what it was told is due next; at least each hour. */
static void send_until(int64_t until)
{
    struct tg_announce_stats stats;
    struct tg_error e = TG_ERROR_INIT;

    while (now() < until) {
        cr_assert_eq(tg_announce_pass(&run, &stats, &e), 0, "%s", e.message);
        cr_assert_eq(stats.refused + stats.bad, 0, "%s", stats.why.message);
        cr_assert_eq(stats.away, is_away && stats.again > 0);
        n_passes++;
        int64_t next = stats.next_ms > now() ? stats.next_ms : now() + 1000;
        pass_time(next < until && next < now() + HOUR ? next : now() + HOUR < until ? now() + HOUR : until);
    }
}

static void say(enum tg_announce_kind kind, const char *event, const char *customer, const char *hosts, int64_t from_h)
{
    static int changes;
    char path[40];
    struct tg_announcement a = a_note(kind, event, hosts);
    struct tg_error e = TG_ERROR_INIT;

    a.customer = customer;
    a.at_ms = now();
    a.from_ms = NOW + from_h * HOUR;
    a.until_ms = a.from_ms + HOUR;
    snprintf(path, sizeof path, "/change-%d", changes++);
    cr_assert_eq(put_with(&a, path, &e), 0, "%s", e.message);
}

static size_t mails_to(const char *to, const char *subject)
{
    size_t n = 0;

    for (size_t i = 0; i < n_mails; i++)
        n += strcmp(mails[i].to, to) == 0 && (!subject || strstr(mails[i].text, subject));
    return n;
}

/* It is carried out, and who asked for it hears that the connection broke, or is interrupted. */
ATEST(a_close_whose_answer_is_lost_has_closed)
{
    const struct tg_memory_fault lost = {.path = TG_ANNOUNCE_TOLD "/*/*", .verbs = TG_MEMORY_MULTI, .action = TG_MEMORY_LOSE_ANSWER};
    struct tg_inventory *inventory = NULL;
    struct tg_announce_paths open;
    struct tg_error e = TG_ERROR_INIT;

    open_run(&inventory);
    say(TG_ANNOUNCE_SCHEDULED, "told", "bolt", "db1", 60);
    cr_assert_eq(tg_memory_fault_add("announce", &lost, &e), 0, "%s", e.message);
    send_until(NOW + HOUR);
    cr_expect_eq(n_mails, 1);
    cr_assert_eq(tg_announce_list(&run.place, TG_ANNOUNCE_OPEN, &open, &e), 0, "%s", e.message);
    cr_expect_eq(open.n, 0, "nothing waits to be told");
    tg_announce_paths_release(&open);
    free(mails[0].text);
    tg_templates_release(&run.templates);
    tg_inventory_free(inventory);
}

ATEST(a_mail_server_that_is_away_for_a_day_loses_nothing_and_doubles_nothing)
{
    struct tg_inventory *inventory = NULL;

    open_run(&inventory);
    say(TG_ANNOUNCE_SCHEDULED, "told", "acme", "web1", 60);
    send_until(NOW + HOUR);
    cr_assert_eq(n_mails, 2, "both contacts of acme");
    is_away = true;
    tries = n_passes = 0;
    say(TG_ANNOUNCE_CHANGED, "told", "acme", "web1", 70);    /* told of already: moves twice */
    say(TG_ANNOUNCE_SCHEDULED, "soon", "acme", "web2", 6);   /* over before anybody hears */
    say(TG_ANNOUNCE_SCHEDULED, "later", "bolt", "db1", 80);
    say(TG_ANNOUNCE_SCHEDULED, "never", "bolt", "db2", 81);
    send_until(NOW + 7 * HOUR);
    say(TG_ANNOUNCE_LATE, "soon", "acme", "web2", 6);
    say(TG_ANNOUNCE_DONE, "soon", "acme", "web2", 6);
    say(TG_ANNOUNCE_CHANGED, "told", "acme", "web1", 75);
    say(TG_ANNOUNCE_CANCELLED, "never", "bolt", "db2", 81);
    send_until(NOW + 26 * HOUR);
    cr_assert_eq(n_mails, 2);
    cr_assert_gt(tries, 20, "it is tried all day");
    cr_assert_lt(tries, 120, "and asked once an hour at most by then: %zu", tries);
    is_away = false;
    send_until(NOW + 30 * HOUR);
    cr_expect_eq(mails_to("a@acme.example", NULL), 2, "one for all of the day: %zu", mails_to("a@acme.example", NULL));
    cr_expect_eq(mails_to("b@acme.example", NULL), 2);
    cr_expect_eq(mails_to("a@acme.example", "changed: Wed 2026-11-25 20:20 - 21:20"), 1, "as it is by then");
    cr_expect_eq(mails_to("b@acme.example", "done: Sun 2026-11-22 23:20 - Mon 2026-11-23 00:20"), 1);
    cr_expect_eq(mails_to("c@bolt.example", NULL), 1);
    cr_expect_eq(mails_to("c@bolt.example", "db1"), 1);
    cr_expect_eq(mails_to("c@bolt.example", "db2"), 0, "it was never told of");
    size_t was = n_mails;
    send_until(NOW + 54 * HOUR);
    cr_expect_eq(n_mails, was, "once");
    for (size_t i = 0; i < n_mails; i++)
        free(mails[i].text);
    tg_templates_release(&run.templates);
    tg_inventory_free(inventory);
}
