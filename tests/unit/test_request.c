/* Requests of a host as such: merged, laid, learned of, written and read. What they do on a store and a host: request_suite.h. */
#include "calendar/request_internal.h"
#include "calendar_world.h"
#include "base/seal.h"

#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 17:20 UTC */
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)

static struct tg_requests r;
static struct tg_request_newses news;

static void setup(void)
{
    cr_assert_eq(tg_requests_init(&r, "web1", NULL), 0);
    news.n = 0;
}

static void teardown(void)
{
    tg_requests_release(&r);
}

#define PTEST(name) Test(request, name, .init = setup, .fini = teardown)

static enum tg_request_was ask(const char *activity, const char *owner, bool disruptive, int64_t estimate_ms, int64_t now_ms)
{
    const struct tg_request_wish w = {.activity = activity, .owner = owner, .reason = "", .boot = "", .disruptive = disruptive, .estimate_ms = estimate_ms};
    struct tg_request *q;
    enum tg_request_was was = TG_REQ_SAME;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_requests_submit(&r, &w, now_ms, &was, &q, &e), 0, "%s", e.message);
    return was;
}

/* ---- merged ---- */

PTEST(the_owner_s_last_word_counts_and_another_s_adds)
{
    cr_assert_eq(ask("update", "a@h", false, HOUR_MS, NOW), TG_REQ_NEW);
    cr_assert_eq(ask("update", "b@h", true, HOUR_MS / 2, NOW), TG_REQ_UPDATED);
    cr_assert_eq(r.n, 1);
    cr_assert(r.v[0].disruptive);
    cr_assert_eq(r.v[0].estimate_ms, HOUR_MS);
    cr_assert_eq(ask("update", "b@h", true, HOUR_MS / 2, NOW), TG_REQ_SAME);
    cr_assert_eq(ask("update", "a@h", false, HOUR_MS / 2, NOW), TG_REQ_UPDATED);
    cr_assert(!r.v[0].disruptive);
    cr_assert_eq(r.v[0].estimate_ms, HOUR_MS / 2);
}

PTEST(a_host_has_so_many_and_no_more)
{
    const struct tg_request_wish w = {.activity = "one-more", .owner = "a@h", .reason = "", .boot = "", .estimate_ms = HOUR_MS};
    struct tg_request *q;
    enum tg_request_was was;

    for (int i = 0; i < TG_REQUESTS_MAX; i++) {
        char name[TG_ACTIVITY_SIZE];
        snprintf(name, sizeof name, "activity-%d", i);
        ask(name, "a@h", false, HOUR_MS, NOW);
    }
    cr_assert_eq(tg_requests_submit(&r, &w, NOW, &was, &q, NULL), TG_E_USAGE);
}

PTEST(what_nobody_asks_for_again_expires)
{
    struct tg_request_wish w = {.activity = "update", .owner = "a@h", .reason = "", .boot = "", .estimate_ms = HOUR_MS, .expires_ms = DAY_MS};
    struct tg_request *q;
    enum tg_request_was was;

    cr_assert_eq(tg_requests_submit(&r, &w, NOW, &was, &q, NULL), 0);
    cr_assert_eq(tg_requests_submit(&r, &w, NOW + HOUR_MS, &was, &q, NULL), 0);
    cr_assert_eq(was, TG_REQ_SAME); /* nothing is written for it */
    cr_assert_eq(tg_requests_submit(&r, &w, NOW + 8 * HOUR_MS, &was, &q, NULL), 0);
    cr_assert_eq(was, TG_REQ_UPDATED);
    cr_assert_eq(tg_requests_tidy(&r, "", NOW + DAY_MS + HOUR_MS), 0);
    cr_assert_eq(tg_requests_tidy(&r, "", NOW + DAY_MS + 9 * HOUR_MS), 1);
    cr_assert_eq(r.n, 0);
    cr_assert_eq(r.past[0].end, TG_REQ_EXPIRED);
}

PTEST(no_more_than_ten_past_ones_are_kept)
{
    for (int i = 0; i < 15; i++) {
        ask("update", "a@h", false, HOUR_MS, NOW + i);
        cr_assert_eq(tg_requests_cancel(&r, "update", "a@h", "", NOW + i, NULL), 0);
    }
    cr_assert_eq(r.n_past, TG_REQ_PAST_MAX);
    cr_assert_eq(r.past[0].at_ms, NOW + 14);
}

PTEST(ids_are_found_in_any_case_and_name_their_bucket)
{
    char id[TG_REQ_ID_SIZE], bucket[3], low[TG_REQ_ID_SIZE];

    ask("update", "a@h", false, HOUR_MS, NOW);
    for (size_t i = 0; i < sizeof low; i++)
        low[i] = (char) (r.v[0].id[i] >= 'A' && r.v[0].id[i] <= 'Z' ? r.v[0].id[i] + 32 : r.v[0].id[i]);
    cr_assert(tg_request_id_parse(low, id, bucket));
    cr_assert_str_eq(id, r.v[0].id);
    cr_assert_eq(tg_requests_find(&r, low), &r.v[0]);
    cr_assert(!tg_request_id_parse("update", id, bucket));
    cr_assert(!tg_request_id_parse("reboot-1", id, bucket)); /* as long as an id */
    cr_assert(!tg_request_id_parse("", id, bucket));
}

/* ---- learned ---- */

PTEST(after_three_what_they_took_counts)
{
    ask("update", "a@h", false, 20 * 60000, NOW);
    cr_assert_eq(tg_request_expected_ms(&r, &r.v[0]), 20 * 60000);
    tg_requests_learn(&r, "update", 30 * 60000);
    cr_assert_eq(tg_request_expected_ms(&r, &r.v[0]), 30 * 60000); /* one that took longer is believed at once, a shorter one is not */
    tg_requests_learn(&r, "update", 5 * 60000);
    tg_requests_learn(&r, "update", 6 * 60000);
    cr_assert_eq(tg_request_expected_ms(&r, &r.v[0]), 30 * 60000);
    for (int i = 0; i < 10; i++)
        tg_requests_learn(&r, "update", (5 + i % 3) * 60000);
    cr_assert_eq(tg_request_expected_ms(&r, &r.v[0]), 7 * 60000); /* of the last ten */
    tg_requests_learn(&r, "update", -5);
    tg_requests_learn(&r, "update", 400 * DAY_MS); /* a clock was stepped */
    cr_assert_eq(tg_request_expected_ms(&r, &r.v[0]), 7 * 60000);
}

PTEST(what_others_took_counts_until_the_host_knows_itself)
{
    ask("update", "a@h", false, 10 * 60000, NOW);
    struct tg_request *q = &r.v[0];
    cr_assert_str_eq(tg_request_expected_of(&r, q), "asked");
    q->usual_ms = 5 * 60000;
    snprintf(q->usual_of, sizeof q->usual_of, "fleet");
    cr_assert_eq(tg_request_expected_ms(&r, q), 10 * 60000); /* somebody may know more of this host */
    cr_assert_str_eq(tg_request_expected_of(&r, q), "asked");
    snprintf(q->usual_of, sizeof q->usual_of, "group:web");
    cr_assert_eq(tg_request_expected_ms(&r, q), 5 * 60000);
    cr_assert_str_eq(tg_request_expected_of(&r, q), "group:web");
    tg_requests_learn(&r, "update", 7 * 60000);
    cr_assert_eq(tg_request_expected_ms(&r, q), 7 * 60000);
    cr_assert_str_eq(tg_request_expected_of(&r, q), "this host");
    for (int i = 0; i < 3; i++)
        tg_requests_learn(&r, "update", 3 * 60000);
    cr_assert_eq(tg_request_expected_ms(&r, q), 7 * 60000);
    char *text = tg_requests_encode(&r);
    struct tg_requests back;
    cr_assert_eq(tg_requests_decode(text, strlen(text), &back, NULL), 0);
    cr_assert_eq(back.v[0].usual_ms, 5 * 60000);
    cr_assert_str_eq(back.v[0].usual_of, "group:web");
    tg_requests_release(&back);
    free(text);
}

PTEST(what_never_works_has_failed_in_the_end)
{
    int n = 0;

    ask("update", "a@h", false, HOUR_MS, NOW);
    r.v[0].state = TG_REQ_DUE;
    while (r.n && n < 100) {
        tg_requests_start(&r.v[0], NOW + n);
        tg_requests_outcome(&r, &r.v[0], TG_REQ_EXIT_RETRY, "not yet", NOW + n++, &news);
    }
    cr_assert_eq(n, TG_REQ_TRIES_MAX);
    cr_assert_eq(r.past[0].end, TG_REQ_FAILED);
    cr_assert_eq(r.n_took, 0); /* what went wrong says nothing of how long it takes */
}

PTEST(what_is_tried_again_took_all_the_time_since_its_first_try)
{
    ask("update", "a@h", false, HOUR_MS, NOW);
    r.v[0].state = TG_REQ_DUE;
    tg_requests_start(&r.v[0], NOW);
    tg_requests_outcome(&r, &r.v[0], TG_REQ_EXIT_RETRY, "not yet", NOW + 1000, &news);
    tg_requests_start(&r.v[0], NOW + 600000);
    tg_requests_outcome(&r, &r.v[0], TG_REQ_EXIT_DONE, "", NOW + 700000, &news);
    cr_assert_eq(r.past[0].took_ms, 700000);
    cr_assert_eq(r.took[0].ms[0], 700000);
}

/* ---- when ---- */

struct asked {
    struct world *w;
    const struct tg_host *host;
};

static int ask_agenda(void *self, int64_t t, int64_t need, struct tg_fit *out, struct tg_error *e)
{
    const struct asked *a = self;

    return tg_agenda_fits(a->w->agenda, tg_agenda_class(a->w->agenda, a->host->index), t, need, out, e);
}

static void lay(struct world *w, int64_t lead_ms, const char *customer, int64_t now_ms)
{
    struct asked a = {w, tg_inventory_host(w->inventory, r.host)};
    const struct tg_request_when when = {.fits = ask_agenda, .self = &a, .lead_ms = lead_ms, .customer = customer};
    struct tg_error e = TG_ERROR_INIT;

    news.n = 0;
    cr_assert_eq(tg_requests_lay(&r, &when, now_ms, &news, &e), 0, "%s", e.message);
}

PTEST(what_disturbs_is_one_visit_that_keeps_its_time)
{
    struct world w = world_of(fleet_text, "windows:\n  night: {hours: \"Mon-Sun 22:00-24:00\"}\n");
    const struct tg_visit *v = &r.visits[TG_VISIT_DISRUPTIVE];

    ask("reboot", "a@h", true, 10 * 60000, NOW);
    lay(&w, DAY_MS, "acme", NOW);
    cr_assert_eq(news.n, 1);
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_SCHEDULED);
    int64_t start = v->start_ms;
    cr_assert_geq(start, NOW + DAY_MS);
    ask("firmware", "a@h", true, 5 * 60000, NOW + HOUR_MS); /* there is room in what was told */
    lay(&w, DAY_MS, "acme", NOW + HOUR_MS);
    cr_assert_eq(v->start_ms, start);
    cr_assert_eq(news.n, 0);
    ask("update", "a@h", true, 30 * 60000, NOW + 2 * HOUR_MS); /* there is not: it is longer, and told anew, a day ahead */
    lay(&w, DAY_MS, "acme", NOW + 2 * HOUR_MS);
    cr_assert_eq(news.n, 1);
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_CHANGED);
    cr_assert_str_eq(news.v[0].what, "reboot, firmware, update");
    cr_assert_geq(v->start_ms, NOW + 2 * HOUR_MS + DAY_MS);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(tg_requests_cancel(&r, r.v[0].id, "a@h", "", NOW, NULL), 0);
    lay(&w, DAY_MS, "acme", NOW + 3 * HOUR_MS);
    cr_assert_eq(news.n, 1);
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_CANCELLED);
    cr_assert_eq(v->start_ms, 0);
    world_end(&w);
}

PTEST(a_host_that_changes_its_customer_is_told_of_to_both)
{
    struct world w = world_of(fleet_text, "default: open\n");

    ask("reboot", "a@h", true, HOUR_MS, NOW);
    lay(&w, DAY_MS, "acme", NOW);
    lay(&w, DAY_MS, "bolt", NOW + HOUR_MS);
    cr_assert_eq(news.n, 2);
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_CANCELLED);
    cr_assert_str_eq(news.v[0].customer, "acme");
    cr_assert_eq(news.v[1].tell, TG_REQ_TELL_SCHEDULED);
    cr_assert_str_eq(news.v[1].customer, "");
    cr_assert_str_eq(r.customer, "bolt");
    cr_assert_geq(r.visits[TG_VISIT_DISRUPTIVE].start_ms, NOW + HOUR_MS + DAY_MS);
    lay(&w, DAY_MS, "", NOW + 2 * HOUR_MS);
    lay(&w, DAY_MS, "acme", NOW + 3 * HOUR_MS);
    cr_assert_eq(news.n, 1, "nobody is taken back from nobody");
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_SCHEDULED);
    world_end(&w);
}

PTEST(what_fits_nowhere_waits_and_says_so)
{
    struct world w = world_of(fleet_text, "windows:\n  night: {hours: \"Mon-Sun 22:00-22:30\"}\n");

    ask("update", "a@h", true, HOUR_MS, NOW);
    lay(&w, 0, "acme", NOW);
    cr_assert_eq(r.v[0].state, TG_REQ_WAITING);
    cr_assert(strstr(r.v[0].why, "1h") != NULL, "%s", r.v[0].why);
    cr_assert_eq(tg_requests_turn(&r, NOW + HOUR_MS), TG_TURN_NOTHING);
    cr_assert_eq(tg_requests_turn(&r, NOW + DAY_MS), TG_TURN_LAY); /* calendars change */
    world_end(&w);
}

PTEST(an_overdue_visit_moves)
{
    struct world w = world_of(fleet_text, "windows:\n  night: {hours: \"Mon-Sun 22:00-23:00\"}\n");
    const struct tg_visit *v = &r.visits[TG_VISIT_DISRUPTIVE];

    ask("update", "a@h", true, 10 * 60000, NOW);
    lay(&w, 0, "acme", NOW);
    int64_t late = v->latest_ms + 1, start = v->start_ms;
    cr_assert_eq(tg_requests_turn(&r, start - 1), TG_TURN_NOTHING);
    cr_assert_eq(tg_requests_turn(&r, start), TG_TURN_DUE);
    cr_assert_eq(tg_requests_turn(&r, v->latest_ms), TG_TURN_DUE);
    cr_assert_eq(tg_requests_turn(&r, late), TG_TURN_LAY);
    lay(&w, 0, "acme", late);
    cr_assert_eq(news.v[0].tell, TG_REQ_TELL_CHANGED);
    cr_assert_gt(v->start_ms, late);
    world_end(&w);
}

/* Not everybody at the same minute: hosts lie all over the window, and each always at its place. */
PTEST(hosts_are_spread_over_the_window)
{
    struct world w = world_of("groups:\n  all: {hosts: \"n[0001-1000]\"}\n", "windows:\n  night: {hours: \"Mon-Sun 20:00-24:00\"}\n");
    int of_minute[240] = {0}, most = 0;

    for (int i = 1; i <= 1000; i++) {
        tg_requests_release(&r);
        char name[16];
        snprintf(name, sizeof name, "n%04d", i);
        cr_assert_eq(tg_requests_init(&r, name, NULL), 0);
        ask("reboot", "a@h", true, 10 * 60000, NOW);
        lay(&w, 0, "", NOW);
        int64_t minute = (r.visits[TG_VISIT_DISRUPTIVE].start_ms % DAY_MS - 20 * HOUR_MS) / 60000;
        cr_assert(minute >= 0 && minute <= 230, "%d", (int) minute);
        most = ++of_minute[minute] > most ? of_minute[minute] : most;
    }
    cr_assert_lt(most, 20); /* 4.3 on average */
    int empty = 0;
    for (int i = 0; i <= 230; i++)
        empty += of_minute[i] == 0;
    cr_assert_lt(empty, 20);
    world_end(&w);
}

/* ---- P5: always in windows without blackouts, and not before the customer has known for long enough ---- */

static uint64_t seed;
static int64_t chance(int64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int64_t) (seed % (uint64_t) n);
}

static void random_calendar(char *out, size_t size)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"};
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    size_t n = (size_t) snprintf(out, size, "cut-off: %dm\nwindows:\n", (int) chance(30));

    for (int i = 0; i < 1 + chance(3); i++) {
        int from = (int) chance(24);
        n += (size_t) snprintf(out + n, size - n, "  w%d: {hours: \"%s-%s %02d:00-%02d:30 %s\"}\n", i, days[chance(7)], days[chance(7)], from, (from + 1 + (int) chance(6)) % 24,
                               zones[chance(4)]);
    }
    n += (size_t) snprintf(out + n, size - n, "blackouts:\n");
    for (int i = 0; i < 1 + chance(3); i++)
        n += (size_t) snprintf(out + n, size - n, "  b%d: {hours: \"%s %02d:00-24:00\"}\n", i, days[chance(7)], (int) chance(24));
    snprintf(out + n, size - n, "  f: {first: 2026-12-%02d, last: 2026-12-%02d}\n", 1 + (int) chance(10), 11 + (int) chance(10));
}

static void check_visit(struct world *w, enum tg_visit_kind kind, int64_t lead_ms, int64_t was_start, int64_t now_ms)
{
    const struct tg_visit *v = &r.visits[kind];
    uint32_t class_ = tg_agenda_class(w->agenda, tg_inventory_host(w->inventory, r.host)->index);
    int64_t need = tg_requests_need_ms(&r, kind);
    struct tg_allowed a;

    if (!v->start_ms)
        return;
    if (v->start_ms != was_start && kind == TG_VISIT_DISRUPTIVE)
        cr_assert_geq(v->start_ms, now_ms + lead_ms, "told too late");
    cr_assert_geq(v->latest_ms, v->start_ms);
    const int64_t begins[] = {v->start_ms, v->latest_ms};
    for (int i = 0; i < 2; i++) {
        if (begins[i] < now_ms)
            continue;
        cr_assert_eq(tg_agenda_at(w->agenda, class_, begins[i], &a, NULL), 0);
        cr_assert(a.may_start, "nothing may begin then");
        for (int64_t t = begins[i]; t < begins[i] + need; t += 60000) {
            cr_assert_eq(tg_agenda_at(w->agenda, class_, t, &a, NULL), 0);
            cr_assert(a.open, "closed %d min behind the start", (int) ((t - begins[i]) / 60000));
        }
    }
    cr_assert_geq(v->until_ms - v->start_ms, need);
}

Test(request, random_requests_lie_in_windows_and_are_told_in_time) /* P5 */
{
    static const char *const names[] = {"reboot", "update", "firmware", "certs"};
    size_t laid = 0;

    for (int round = 0; round < 150; round++) {
        char calendar[2000];
        seed = 0x9e3779b97f4a7c15u * (uint64_t) (round + 1);
        random_calendar(calendar, sizeof calendar);
        struct world w = world_of(fleet_text, calendar);
        int64_t now = NOW + chance(7 * DAY_MS), lead = chance(4) * DAY_MS;
        cr_assert_eq(tg_requests_init(&r, chance(2) ? "web1" : "db2", NULL), 0);
        for (int step = 0; step < 25; step++) {
            const char *name = names[chance(4)];
            int64_t quiet = r.visits[TG_VISIT_QUIET].start_ms, disruptive = r.visits[TG_VISIT_DISRUPTIVE].start_ms;
            if (chance(5) == 0)
                (void) tg_requests_cancel(&r, name, "a@h", "", now, NULL);
            else if (chance(5) == 0)
                (void) tg_requests_postpone(&r, name, "a@h", "", now + chance(5 * DAY_MS), NULL);
            else
                ask(name, "a@h", chance(2), (1 + chance(90)) * 60000, now);
            lay(&w, lead, "acme", now);
            check_visit(&w, TG_VISIT_QUIET, 0, quiet, now);
            check_visit(&w, TG_VISIT_DISRUPTIVE, lead, disruptive, now);
            laid += r.visits[0].start_ms || r.visits[1].start_ms;
            now += chance(12 * HOUR_MS);
        }
        tg_requests_release(&r);
        world_end(&w);
    }
    cr_assert_gt(laid, 2000); /* the calendars were not all closed */
}

/* ---- the record ---- */

static void fill(void)
{
    struct world w = world_of(fleet_text, NULL);

    ask("reboot", "a@h", true, 10 * 60000, NOW);
    ask("update", "b@h", false, 10 * 60000, NOW);
    tg_requests_learn(&r, "update", 12345);
    lay(&w, 0, "acme", NOW);
    ask("certs", "b@h", false, 10 * 60000, NOW);
    cr_assert_eq(tg_requests_cancel(&r, "certs", "alice@ops1", "not \"now\" \\ ü", NOW, NULL), 0);
    r.v[0].state = TG_REQ_RUNNING;
    r.v[0].began_ms = NOW;
    r.now = (struct tg_visit_now) {.began_ms = NOW, .boot = "b", .lock = "L7K2QX", .rebooting = true, .visit = r.visits[TG_VISIT_DISRUPTIVE]};
    world_end(&w);
}

PTEST(a_record_comes_back_as_it_was)
{
    struct tg_requests back;
    struct tg_error e = TG_ERROR_INIT;

    fill();
    char *text = tg_requests_encode(&r);
    cr_assert_eq(tg_requests_decode(text, strlen(text), &back, &e), 0, "%s", e.message);
    char *again = tg_requests_encode(&back);
    cr_assert_str_eq(again, text);
    tg_requests_release(&back);
    free(again);
    free(text);
}

PTEST(texts_are_cut_at_whole_characters)
{
    char owner[TG_OWNER_SIZE], why[TG_REASON_SIZE];

    for (size_t i = 0; i + 2 < sizeof why; i += 2)
        memcpy(why + i, "\xc3\xbc", 3);
    for (int odd = 0; odd < 3; odd++) {
        snprintf(owner, sizeof owner, "%.*s@h", 1 + odd, "abc");
        ask("update", owner, false, HOUR_MS, NOW);
        cr_assert_eq(tg_requests_postpone(&r, "update", owner, why, NOW, NULL), 0);
        cr_assert_eq(tg_requests_cancel(&r, "update", owner, why + odd * 2, NOW, NULL), 0);
        char *text = tg_requests_encode(&r);
        cr_assert(text != NULL, "it is no UTF-8 any more");
        free(text);
    }
}

PTEST(a_record_of_sixteen_long_ones_is_small_enough)
{
    char reason[TG_REASON_SIZE];

    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    for (int i = 0; i < TG_REQUESTS_MAX; i++) {
        char name[TG_ACTIVITY_SIZE];
        snprintf(name, sizeof name, "activity-with-a-rather-long-name-%d", i);
        const struct tg_request_wish w = {.activity = name, .owner = "root@web1.example.com", .reason = reason, .boot = "", .estimate_ms = HOUR_MS};
        struct tg_request *q;
        enum tg_request_was was;
        cr_assert_eq(tg_requests_submit(&r, &w, NOW, &was, &q, NULL), 0);
    }
    char *text = tg_requests_encode(&r);
    cr_assert_lt(strlen(text), 16384);
    free(text);
}

PTEST(no_bit_of_a_record_may_flip) /* P2 */
{
    struct tg_requests back;

    fill();
    char *text = tg_requests_encode(&r);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char) (text[i] ^ (1 << bit));
            cr_assert_neq(tg_requests_decode(text, len, &back, NULL), 0, "byte %zu, bit %d", i, bit);
            text[i] = (char) (text[i] ^ (1 << bit));
        }
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_neq(tg_requests_decode(text, cut, &back, NULL), 0, "cut at %zu", cut);
    free(text);
}

/* Sealed right, and nonsense all the same. */
PTEST(a_record_that_makes_no_sense_is_refused) /* P2 */
{
    static const struct {
        const char *at, *key, *value;
    } wrong[] = {{"", "format", "2"}, {"", "host", "7"}, {"", "more", "1"}, {"", "laid", "-1"}, {"", "open", "{}"}, {"", "now", "{}"}, {"", "now", "null"}, {"", "took", "[]"},
                 {"open", "state", "\"done\""}, {"open", "estimate", "1"}, {"open", "activity", "\"../etc\""}, {"open", "tries", "1000"}, {"open", "began", "99999999999999999"},
                 {"open", "id", "\"x\""}, {"quiet", "start", "1e9"}, {"quiet", "latest", "1"}, {"past", "end", "\"running\""}};

    fill();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *text = tg_requests_encode(&r), *sealed;
        json_t *o = json_loads(text, 0, NULL), *in = wrong[i].at[0] ? json_object_get(o, wrong[i].at) : o;
        struct tg_requests back;
        in = json_is_array(in) ? json_array_get(in, 0) : in;
        json_object_set_new(in, wrong[i].key, json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        json_object_del(o, "sum");
        sealed = tg_seal(o);
        cr_assert_neq(tg_requests_decode(sealed, strlen(sealed), &back, NULL), 0, "%s %s: %s", wrong[i].at, wrong[i].key, wrong[i].value);
        free(sealed);
        free(text);
    }
}
