/* How the slots of a booked week go, and which hosts are held for a person, as whoever may write to the store might leave it: read or refused, and what is changed in it can be read
 * again. Seals are set right, or nothing behind them would be reached. */
#include "base/seal.h"
#include "calendar/book_marks.h"
#include "calendar/request_held.h"
#include "fleet/nodeset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1795368000000)

static const struct tg_booked booked = {.id = "w-1", .digest = "d", .key = "w-1.0123456789ab", .date = 20787, .from_ms = NOW, .until_ms = NOW + INT64_C(604800000), .hosts = 10, .shards = 4};

struct found {
    size_t n, web1;
    struct tg_mark mark; /* of web1 */
};

static void expect_host(const char *host)
{
    char name[TG_HOST_NAME_SIZE];

    if (tg_host_name(host, strlen(host), name, NULL) || strcmp(name, host) != 0)
        abort(); /* it would be looked for where it is not */
}

static int take_mark(void *data, const char *host, const struct tg_mark *mark, const char *by, struct tg_error *e)
{
    struct found *f = data;

    (void) e;
    expect_host(host);
    if (!by || mark->state <= TG_MARK_NONE || mark->state >= TG_MARK_STATES || mark->began_ms < 0 || mark->ended_ms < 0)
        abort();
    f->n++;
    if (strcmp(host, "web1") == 0) {
        f->web1++;
        f->mark = *mark;
    }
    return 0;
}

static void try_marks(const char *text)
{
    static const struct tg_mark marks[] = {{TG_MARK_EXPECTED, 0, 0}, {TG_MARK_BEGUN, NOW + 1, 0}, {TG_MARK_DONE, NOW + 1, NOW + 2}, {TG_MARK_FAILED, NOW + 3, NOW + 4}};
    struct found was = {.n = 0};

    if (tg_marks_parse(&booked, text, strlen(text), take_mark, &was, NULL))
        return;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const struct tg_mark_word word = {"web1", marks[i]};
        struct found is = {.n = 0};
        char *out = NULL, *twice = NULL;
        if (tg_marks_change(&booked, text, strlen(text), &word, 1, "fuzz@er", &out, NULL))
            abort();
        if (!out)
            continue;
        if (tg_marks_parse(&booked, out, strlen(out), take_mark, &is, NULL) || is.web1 != 1 || is.n != was.n + 1 - was.web1 ||
            tg_marks_change(&booked, out, strlen(out), &word, 1, "fuzz@er", &twice, NULL) || twice)
            abort();
        free(out);
    }
}

static int take_held(void *data, const char *host, struct tg_error *e)
{
    struct found *f = data;

    (void) e;
    expect_host(host);
    f->n++;
    f->web1 += strcmp(host, "web1") == 0;
    return 0;
}

static void try_held(const char *text)
{
    struct found was = {.n = 0}, with = {.n = 0}, without = {.n = 0};
    char *in = NULL, *out = NULL;
    bool more;
    int rc = tg_held_parse(text, strlen(text), take_held, &was, &more, NULL), changed = tg_held_change(text, strlen(text), "web1", true, &in, NULL);

    if (rc ? changed != (rc == TG_E_DATA ? TG_HELD_ANEW : TG_E_UNKNOWN) : changed != 0)
        abort(); /* what is not understood is not written over */
    if (changed)
        return;
    if (tg_held_parse(in, strlen(in), take_held, &with, &more, NULL) || (changed = tg_held_change(in, strlen(in), "web1", false, &out, NULL)) < 0 || (changed && !more))
        abort();
    if (!changed && (tg_held_parse(out, strlen(out), take_held, &without, &more, NULL) || with.web1 != 1 || without.web1 || without.n != with.n - 1 || with.n != was.n - was.web1 + 1))
        abort();
    free(in);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = tg_seal(json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL));

    if (text) {
        try_marks(text);
        try_held(text);
    }
    free(text);
    return 0;
}
