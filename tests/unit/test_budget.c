/* Budgets: the decision as a table of moments, the record both ways, and this machine's ledger. */
#include "guard/budget.h"

#include "base/seal.h"
#include "base/whole.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T0 INT64_C(1795368000000)
#define MIN INT64_C(60000)

static struct tg_budget budget(const char *at_most, int64_t per_ms, const char *brake)
{
    struct tg_budget b = {.name = "web", .per_ms = per_ms};

    cr_assert(tg_share_parse(at_most, &b.at_most));
    if (brake)
        cr_assert(tg_share_parse(brake, &b.brake));
    cr_assert_eq(tg_scope_parse("group:web", &b.of, NULL), 0);
    snprintf(b.set_by, sizeof b.set_by, "alice@ops1");
    return b;
}

static struct tg_budget_answer ask(const struct tg_budget *b, int64_t at_ms, int64_t n, int64_t members)
{
    struct tg_budget_ask q = {.n = n, .members = members, .now_ms = at_ms};
    struct tg_budget_answer a;

    tg_budget_decide(b, &q, &a);
    return a;
}

static enum tg_budget_word charge(struct tg_budget *b, int64_t at_ms, int64_t n, int64_t members)
{
    static int serial;
    struct tg_budget_ask q = {.n = n, .members = members, .now_ms = at_ms};
    struct tg_budget_answer a = ask(b, at_ms, n, members);
    char id[27];

    snprintf(id, sizeof id, "CHARGE%d", ++serial);
    if (a.word == TG_BUDGET_FITS)
        cr_assert_eq(tg_budget_apply(b, &q, id, "autoscaler", "alice@ops1", NULL), 0);
    return a.word;
}

Test(budget, slides_over_its_charges)
{
    struct tg_budget b = budget("3", 10 * MIN, NULL);

    cr_assert_eq(charge(&b, T0, 2, -1), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 + 4 * MIN, 1, -1), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 + 10 * MIN - 1, 1, -1), TG_BUDGET_SPENT);
    cr_assert_eq(ask(&b, T0 + 5 * MIN, 1, -1).free_at_ms, T0 + 10 * MIN);
    cr_assert_eq(ask(&b, T0 + 5 * MIN, 3, -1).free_at_ms, T0 + 14 * MIN);
    cr_assert_eq(charge(&b, T0 + 10 * MIN, 2, -1), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 + 10 * MIN, 1, -1), TG_BUDGET_SPENT);
    cr_assert_eq(ask(&b, T0 + 10 * MIN, 4, -1).word, TG_BUDGET_TOO_MUCH);
    tg_budget_clear(&b);
}

Test(budget, a_share_is_of_the_members_before_the_window)
{
    struct tg_budget b = budget("5%", 10 * MIN, NULL);

    cr_assert_eq(ask(&b, T0, 1, -1).word, TG_BUDGET_NO_PICTURE);
    cr_assert_eq(ask(&b, T0, 1, 12).limit, 0); /* rounded down */
    cr_assert_eq(charge(&b, T0, 2, 100), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 + MIN, 3, 98), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 + 2 * MIN, 1, 95), TG_BUDGET_SPENT);
    /* an asker who sees more than there were gets no more for it */
    cr_assert_eq(ask(&b, T0 + 2 * MIN, 1, 1000).limit, 5);
    tg_budget_clear(&b);
}

Test(budget, the_brake_stops_who_sees_too_few)
{
    struct tg_budget b = budget("5%", 10 * MIN, "20%");

    cr_assert_eq(ask(&b, T0, 1, -1).word, TG_BUDGET_NO_PICTURE); /* with a brake one must say what one sees */
    cr_assert_eq(charge(&b, T0, 5, 100), TG_BUDGET_FITS);
    cr_assert_eq(ask(&b, T0 + 11 * MIN, 1, 75).word, TG_BUDGET_FITS); /* 95 expected, 20 missing */
    struct tg_budget_answer a = ask(&b, T0 + 11 * MIN, 1, 74);
    cr_assert_eq(a.word, TG_BUDGET_SHRANK);
    cr_assert_eq(a.expected, 95);
    cr_assert_eq(ask(&b, T0 + 11 * MIN, 1, 0).word, TG_BUDGET_SHRANK);
    tg_budget_clear(&b);
}

/* Nobody gets past the brake by small steps: it looks back an hour. */
Test(budget, the_brake_is_no_ratchet)
{
    struct tg_budget b = budget("50%", MIN, "60%");
    int64_t members = 100;
    enum tg_budget_word word = TG_BUDGET_FITS;

    for (int i = 0; i < 50 && word == TG_BUDGET_FITS; i++, members -= 2) /* nobody charges for those who go */
        word = charge(&b, T0 + i * MIN, 0, members);
    cr_assert_eq(word, TG_BUDGET_SHRANK);
    cr_assert_geq(members, 34);
    cr_assert_eq(ask(&b, T0 + 3 * 60 * MIN, 0, members).word, TG_BUDGET_FITS); /* hours later the last picture is what counts */
    cr_assert_eq(ask(&b, T0 + 3 * 60 * MIN, 0, 2).word, TG_BUDGET_SHRANK);
    tg_budget_clear(&b);
}

Test(budget, a_clock_that_goes_back_frees_nothing)
{
    struct tg_budget b = budget("1", 10 * MIN, NULL);

    cr_assert_eq(charge(&b, T0, 1, -1), TG_BUDGET_FITS);
    cr_assert_eq(charge(&b, T0 - 24 * 60 * MIN, 1, -1), TG_BUDGET_SPENT);
    cr_assert_eq(charge(&b, T0 + 10 * MIN, 1, -1), TG_BUDGET_FITS);
    tg_budget_clear(&b);
}

/* However many charges there are, the record stays small and never counts too few. */
Test(budget, many_charges_stay_a_small_record)
{
    struct tg_budget b = budget("100000", 60 * MIN, NULL);
    char *text;

    for (int i = 0; i < 2000; i++)
        cr_assert_eq(charge(&b, T0 + i * 100, 1, 5000 + i % 7), TG_BUDGET_FITS);
    cr_assert_leq(b.n_charges, TG_BUDGET_CHARGES_MAX);
    cr_assert_leq(b.n_pictures, TG_BUDGET_PICTURES_MAX);
    cr_assert_eq(ask(&b, T0 + 2000 * 100, 1, 5000).used, 2000);
    cr_assert_not_null(text = tg_budget_encode(&b));
    cr_assert_lt(strlen(text), 64 * 1024);
    free(text);
    tg_budget_clear(&b);
}

Test(budget, the_greatest_picture_outlives_many_small_ones)
{
    struct tg_budget b = budget("90%", MIN, "95%");

    cr_assert_eq(charge(&b, T0, 0, 1000), TG_BUDGET_FITS);
    for (int i = 1; i < 500; i++)
        cr_assert_eq(charge(&b, T0 + i * 1000, 0, 100 + i % 5), TG_BUDGET_FITS);
    cr_assert_eq(ask(&b, T0 + 500 * 1000, 0, 100).expected, 1000);
    tg_budget_clear(&b);
}

Test(budget, is_read_as_it_was_written)
{
    struct tg_budget b = budget("2.5%", 10 * MIN, "20%"), c;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(b.actors[b.n_actors++], TG_ACTOR_SIZE, "autoscaler");
    cr_assert_eq(charge(&b, T0, 2, 100), TG_BUDGET_FITS);
    char *text = tg_budget_encode(&b);
    cr_assert_eq(tg_budget_decode(text, strlen(text), &c, &e), 0, "%s", e.message);
    char *again = tg_budget_encode(&c);
    cr_assert_str_eq(text, again);
    free(text);
    free(again);
    tg_budget_clear(&b);
    tg_budget_clear(&c);
}

Test(budget, what_makes_no_sense_is_refused)
{
    static const char *const bad[] = {
        "", "{}", "[]", "{\"format\":2}", "{\"format\":1,\"budget\":\"web\"}",
        "{\"format\":1,\"budget\":\"We b\",\"at_most\":\"5%\",\"of\":\"group:web\",\"per\":600000,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"-5\",\"of\":\"group:web\",\"per\":600000,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"5\",\"of\":\"nothing\",\"per\":600000,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"5\",\"of\":\"fleet\",\"per\":0,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"5\",\"of\":\"fleet\",\"per\":600000,\"brake\":\"\",\"actors\":[\"\"],\"set_by\":\"a\",\"charges\":[],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"5\",\"of\":\"fleet\",\"per\":600000,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[{\"id\":\"A\",\"at\":1,\"n\":-1,\"actor\":\"a\",\"owner\":\"o\"}],\"pictures\":[]}",
        "{\"format\":1,\"budget\":\"web\",\"at_most\":\"5\",\"of\":\"fleet\",\"per\":600000,\"brake\":\"\",\"actors\":[],\"set_by\":\"a\",\"charges\":[],\"pictures\":[{\"at\":2,\"members\":5},{\"at\":1,\"members\":5}]}",
    };
    struct tg_budget b;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *sealed = tg_seal(json_loads(bad[i], 0, NULL));
        cr_assert_neq(tg_budget_decode(bad[i], strlen(bad[i]), &b, NULL), 0, "%s", bad[i]);
        if (sealed)
            cr_assert_neq(tg_budget_decode(sealed, strlen(sealed), &b, NULL), 0, "%s", bad[i]);
        free(sealed);
    }
}

/* --- the ledger --- */

static char folder[64];
#define CLUSTER "0123456789abcdef0123456789abcdef"

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-ledger.XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static int64_t unseen(const struct tg_budget *b, const char *but)
{
    int64_t n = 0;

    cr_assert_eq(tg_ledger_unseen(folder, CLUSTER, b, but, &n, NULL), 0);
    return n;
}

/* P2: what an old copy of the store has forgotten, this machine has not. */
Test(ledger, counts_what_the_store_has_forgotten, .init = setup, .fini = teardown)
{
    struct tg_budget b = budget("5", 10 * MIN, NULL);
    struct tg_budget_ask q = {.n = 3, .members = -1, .now_ms = T0};

    cr_assert_eq(unseen(&b, ""), 0);
    cr_assert_eq(tg_ledger_note(folder, CLUSTER, &b, "ONE", 3, NULL), 0);
    cr_assert_eq(tg_ledger_note(folder, CLUSTER, &b, "TWO", 1, NULL), 0);
    cr_assert_eq(unseen(&b, ""), 4);
    cr_assert_eq(unseen(&b, "TWO"), 3);
    cr_assert_eq(tg_budget_apply(&b, &q, "ONE", "autoscaler", "alice@ops1", NULL), 0);
    cr_assert_eq(unseen(&b, ""), 1);
    tg_ledger_forget(folder, CLUSTER, b.name, "TWO");
    cr_assert_eq(unseen(&b, ""), 0);
    tg_budget_clear(&b);
}

Test(ledger, what_makes_no_sense_is_said, .init = setup, .fini = teardown)
{
    static const char *const bad[] = {"", "x", "{}", "{\"format\":2,\"charges\":[]}", "{\"format\":1}", "{\"format\":1,\"charges\":[1]}",
                                      "{\"format\":1,\"charges\":[{\"id\":\"A\",\"boot\":\"b\",\"mono\":1,\"wall\":1,\"n\":-3}]}"};
    struct tg_budget b = budget("5", 10 * MIN, NULL);
    char file[160];
    int64_t n = 0;

    snprintf(file, sizeof file, "%s/budgets/%.8s-web.json", folder, CLUSTER);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_whole_write(file, bad[i], strlen(bad[i]), 0644, TG_WHOLE_FOLDERS, NULL), 0);
        cr_assert_eq(tg_ledger_unseen(folder, CLUSTER, &b, "", &n, &e), TG_E_UNKNOWN, "%s", bad[i]);
        cr_assert(strstr(e.message, file), "%s", e.message);
        cr_assert_neq(tg_ledger_note(folder, CLUSTER, &b, "ONE", 1, NULL), 0);
    }
    tg_budget_clear(&b);
}
