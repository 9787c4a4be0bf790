/* The journal on the store in memory: what only it can do to a run. */
#include "engine/journal_internal.h"
#include "store/memory.h"

#include <tagout/loop.h>

#define JOURNAL_SUITE journal_memory

static int journal_loop(struct tg_loop **out)
{
    return tg_loop_virtual(INT64_C(1795356000000), out, NULL);
}

static const char *journal_url(void)
{
    return "memory:journal";
}

static void journal_end(void)
{
    tg_memory_forget("journal");
}

#include "journal_suite.h"
#include "lib/same_run.h"

/* P7: never acted on. */
JTEST(that_is_not_whole_is_refused)
{
    static const struct {
        const char *path, *text, *says;
    } rows[] = {{"/journal/00000001", NULL, "should have 1 segments, the store counts 0"},
                {"/journal/00000001", "{\"n\":1", "journal line 1 is cut off"},
                {"/journal/00000001", "", "its journal has 0 lines in 1 segments, it should have 4 in 1"},
                {"/journal", "{\"format\":9}", "has format 9"},
                {"/journal", "{\"format\":1,\"lines\":4,\"segments\":1,\"sum\":\"0\"}", "do not add up"},
                {"/plan/0001", "{}", "its plan has 2 bytes"},
                {"/journal", NULL, "it has no journal"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        char path[200];
        setup(&d);
        write_begin(&d);
        commit(&d);
        snprintf(path, sizeof path, "/runs/%s%s", d.id, rows[i].path);
        if (rows[i].text)
            must(tg_store_write(d.store, path, rows[i].text, strlen(rows[i].text), TG_ANY_VERSION, tg_store_deadline(d.store, WAIT_MS), &e), &e);
        else
            must(i ? tg_memory_drop("journal", path, &e) : tg_store_delete(d.store, path, TG_ANY_VERSION, tg_store_deadline(d.store, WAIT_MS), &e), &e);
        cr_expect_eq(load(&d, &e), TG_E_DATA, "%s", rows[i].says);
        cr_expect(strstr(e.message, rows[i].says), "\"%s\" lacks \"%s\"", e.message, rows[i].says);
        teardown(&d);
        tg_memory_forget("journal");
    }
}

/* An answer that was lost, a request that was: neither writes twice nor not at all. */
JTEST(looks_for_a_write_whose_answer_was_lost)
{
    static const enum tg_memory_action actions[] = {TG_MEMORY_LOSE_ANSWER, TG_MEMORY_LOSE_REQUEST, TG_MEMORY_HANG, TG_MEMORY_HANG_ANSWER};

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        enum tg_commit how;
        setup(&d);
        const struct tg_memory_fault fault = {.path = "/runs/*/journal", .verbs = TG_MEMORY_MULTI, .action = actions[i]};
        must(tg_memory_fault_add("journal", &fault, &e), &e);
        write_begin(&d);
        must(tg_journal_commit(d.j, true, &how, &e), &e);
        must(load(&d, &e), &e);
        cr_expect_eq(d.j->lines, 4);
        teardown(&d);
        tg_memory_forget("journal");
    }
}

/* A line is what jansson would write, whatever a host has said. */
Test(journal, lines_are_json)
{
    const char *const texts[] = {"", "plain words", "quote \" here", "back\\slash", "tab\there", "üñí … ✔", "\x7f", "line\nfeed", "/slash/"};
    const json_int_t numbers[] = {0, -1, 42, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            json_t *line = json_pack("{s:I,s:s,s:s,s:I}", "n", numbers[k], "ev", "applied", "text", texts[i], "at", numbers[(k + 1) % 5]);
            char *want = json_dumps(line, JSON_COMPACT);
            struct tg_buf got = TG_BUF_INIT;
            tg_buf_puts(&got, "before\n");
            cr_assert_eq(tg_journal_text(line, &got, NULL), 0);
            cr_assert_str_eq(tg_buf_text(&got) + 7, want);
            tg_buf_release(&got);
            free(want);
            json_decref(line);
        }
    struct tg_buf got = TG_BUF_INIT;
    json_t *odd = json_pack("{s:b,s:{s:s},s:n,s:[i],s:s%}", "flag", 1, "in", "a", "b", "none", "list", 1, "nul", "a\0b", (size_t) 3);
    char *want = json_dumps(odd, JSON_COMPACT);
    cr_assert_eq(tg_journal_text(odd, &got, NULL), 0);
    cr_assert_str_eq(tg_buf_text(&got), want);
    free(want);
    tg_buf_release(&got);
    json_decref(odd);
}

/* P5, P6, P7: each bit of the record and of the token counts, and each place where they may be cut. */
JTEST(whose_record_or_token_has_a_flipped_bit_is_refused)
{
    static const char *const nodes[] = {"", "/token"};

    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        struct desk d;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_run_tokens tokens;
        struct tg_node node;
        char path[200];
        setup(&d);
        write_begin(&d);
        commit(&d);
        snprintf(path, sizeof path, "/runs/%s%s", d.id, nodes[i]);
        must(tg_store_read(d.store, path, tg_store_deadline(d.store, WAIT_MS), &node, &e), &e);
        for (size_t bit = 0; bit < node.len * 8; bit++) {
            node.data[bit / 8] = (char) (node.data[bit / 8] ^ (1 << bit % 8));
            must(tg_store_write(d.store, path, node.data, node.len, TG_ANY_VERSION, tg_store_deadline(d.store, WAIT_MS), &e), &e);
            int rc = load(&d, NULL);
            if (!rc)
                rc = tg_journal_tokens(d.j, &tokens, NULL);
            cr_assert_eq(rc, TG_E_DATA, "%s: bit %zu of %s", path, bit, node.data);
            node.data[bit / 8] = (char) (node.data[bit / 8] ^ (1 << bit % 8));
        }
        tg_node_release(&node);
        teardown(&d);
        tg_memory_forget("journal");
    }
}

/* ---- every byte of what a run has in the store ---- */

/* What was read is the run as it was, whatever became of the bytes (an order of keys, a space). */
static bool is_as_it_was(struct desk *d, const struct tg_run *was, const char *digest, char *why, size_t size)
{
    struct tg_run_tokens tokens;

    if (tg_journal_tokens(d->j, &tokens, NULL) == TG_E_DATA)
        return true; /* and nobody drives it */
    snprintf(why, size, "tokens %.20s %.40s, by %.60s, digest %.12s", tokens.own, tokens.all, d->j->by, d->read->digest);
    return strcmp(tokens.own, "A") == 0 && strcmp(tokens.all, "A,B") == 0 && strcmp(d->j->by, "alice@ops1") == 0 && strcmp(d->read->digest, digest) == 0 &&
           same_run(was, d->run, why, size);
}

static void try_bytes(struct desk *d, const char *path, const struct tg_run *was, const char *digest)
{
    static const unsigned char masks[] = {4, 128};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_node node;
    char why[300];

    must(tg_store_read(d->store, path, tg_store_deadline(d->store, WAIT_MS), &node, &e), &e);
    for (size_t at = 0; at < node.len; at++)
        for (size_t m = 0; m <= sizeof masks; m++) {
            bool cut = m == sizeof masks;
            node.data[at] = (char) (node.data[at] ^ (cut ? 0 : masks[m]));
            must(tg_store_write(d->store, path, node.data, cut ? at : node.len, TG_ANY_VERSION, tg_store_deadline(d->store, WAIT_MS), &e), &e);
            struct tg_error own = TG_ERROR_INIT;
            int rc = load(d, &own);
            cr_assert(rc ? rc == TG_E_DATA && own.message[0] : is_as_it_was(d, was, digest, why, sizeof why), "%s, byte %zu of %zu, %s: %d %s%s in %.*s", path, at, node.len,
                      cut ? "cut" : "flipped", rc, own.message, rc ? "" : why, (int) node.len, node.data);
            node.data[at] = (char) (node.data[at] ^ (cut ? 0 : masks[m]));
        }
    must(tg_store_write(d->store, path, node.data, node.len, TG_ANY_VERSION, tg_store_deadline(d->store, WAIT_MS), &e), &e);
    tg_node_release(&node);
}

static void try_below(struct desk *d, const char *path, const struct tg_run *was, const char *digest)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_names names;
    char child[300];

    try_bytes(d, path, was, digest);
    must(tg_store_list(d->store, path, tg_store_deadline(d->store, WAIT_MS), &names, &e), &e);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(child, sizeof child, "%.200s/%.90s", path, names.names[i]);
        try_below(d, child, was, digest);
    }
    tg_names_release(&names);
}

/* P5, P6, P7: record, plan, head, segments and snapshot, each byte with bits flipped, and cut there: refused with what is wrong, or the same run as ever. */
JTEST(no_byte_of_a_run_can_change_unseen)
{
    struct desk d, was;
    struct tg_error e = TG_ERROR_INIT;
    char path[200];
    bool busy = true;

    setup(&d);
    write_begin(&d);
    write_host(&d, TG_EV_LOCKED, 0);
    commit(&d);
    d.j->fold_bytes = 1;
    while (busy) {
        must(tg_journal_fold(d.j, &busy, &e), &e);
        d.j->fold_bytes = 0;
    }
    write_host(&d, TG_EV_GO, 0);
    commit(&d);
    must(load(&d, &e), &e);
    was = d;
    d.j = NULL;
    d.read = NULL;
    d.run = NULL;
    snprintf(path, sizeof path, "/runs/%s", d.id);
    try_below(&d, path, was.run, was.read->digest);
    forget(&was);
    must(load(&d, &e), &e);
    teardown(&d);
}
