/*
 * How long moving a tree takes, and for how long guards have no answer: bench_migrate FROM-URL TO-URL LOCKS. FROM is a store that
 * was made by tagout init; it gets LOCKS locks of one host each, and is then moved. Run by the script migrate beside it.
 */
#include "guard/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tg_loop *loop;

static struct tg_store *open_at(const char *url, unsigned flags)
{
    struct tg_store_options o = {.loop = loop, .url = url, .session_ms = 30000, .flags = flags};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store *s = NULL;

    if (tg_store_open(&o, &s, &e) != 0 || tg_store_connect(s, tg_store_deadline(s, 20000), &e) != 0) {
        fprintf(stderr, "%s: %s\n", url, e.message);
        exit(1);
    }
    return s;
}

static void must(const char *what, int rc, const struct tg_error *e)
{
    if (!rc)
        return;
    fprintf(stderr, "%s: %d %s (%s)\n", what, rc, e->message, e->hint);
    exit(1);
}

static double since(int64_t *mark)
{
    int64_t before = *mark;

    *mark = tg_mono_ms(tg_clock_real());
    return (double) (*mark - before) / 1000;
}

static void fill(struct tg_store *s, int n)
{
    struct tg_guard g = {.store = s, .timeout_ms = 30000};

    for (int i = 0; i < n; i++) {
        char name[64];
        struct tg_scopes scopes = TG_SCOPES_INIT;
        struct tg_scope scope;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_lock l;
        snprintf(name, sizeof name, "host:web%05d.example.com", i);
        must("scope", tg_scope_parse(name, &scope, &e), &e);
        must("scope", tg_scopes_add(&scopes, &scope, &e), &e);
        struct tg_lock_request r = {.scopes = &scopes, .owner = "alice@ops1", .reason = "bench", .for_ms = 3600000};
        must("lock", tg_lock_place(&g, &r, &l, &e), &e);
        tg_lock_clear(&l);
        tg_scopes_release(&scopes);
    }
}

int main(int argc, char **argv)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_mirror_copied copied = {.nodes = 0};
    struct tg_mirror_report report = {.n_found = 0};

    if (argc != 4 || tg_loop_new(&loop, &e) != 0)
        return 64;
    struct tg_migrate m = {.from = open_at(argv[1], TG_STORE_EXISTING), .to = open_at(argv[2], TG_STORE_CREATE), .by = "bench", .wait_ms = 10000, .seat_wait_ms = 1000};
    int64_t mark = tg_mono_ms(tg_clock_real());
    fill(m.from, atoi(argv[3]));
    printf("%s locks placed  %.1f s\n", argv[3], since(&mark));
    must("begin", tg_migrate_begin(&m, &e), &e);
    printf("begin     %.2f s\n", since(&mark));
    must("copy", tg_migrate_copy(&m, &copied, &e), &e);
    printf("copy      %.2f s  %zu nodes, %.1f MB\n", since(&mark), copied.nodes, (double) copied.bytes / 1e6);
    must("verify", tg_migrate_verify(&m, &report, &e), &e);
    printf("verify    %.2f s\n", since(&mark));
    must("complete", tg_migrate_complete(&m, &e), &e);
    printf("complete  %.2f s  guards without an answer for %.2f s\n", since(&mark), (double) m.unknown_ms / 1000);
    tg_mirror_report_release(&report);
    tg_store_close(m.to);
    tg_store_close(m.from);
    tg_loop_free(loop);
    return 0;
}
