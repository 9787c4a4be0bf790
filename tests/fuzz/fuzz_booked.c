/* What the store keeps of booked weeks, as whoever may write there might leave it: read or refused, whatever is in it. Seals are set right, or nothing behind them would be reached. */
#include "base/seal.h"
#include "calendar/book_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_list(const char *text)
{
    struct tg_book book, again;

    if (tg_book_decode(text, strlen(text), &book, NULL))
        return;
    char *back = tg_book_encode(&book);
    if (!back || tg_book_decode(back, strlen(back), &again, NULL) || again.n != book.n)
        abort();
    tg_book_release(&again);
    tg_book_release(&book);
    free(back);
}

static void try_nodes(const struct tg_booked *booked, const char *text)
{
    struct tg_book_counts counts;
    struct tg_book_parser *parser;
    struct tg_week *week = NULL;
    uint32_t slot;
    size_t len = strlen(text);
    static const char week_node[] = "{\"format\":1,\"id\":\"w-1\",\"digest\":\"d\",\"week\":{\"name\":\"w\",\"location\":\"*\",\"n-slots\":2,\"n-rows\":1,\"n-customers\":1,"
                                    "\"slots\":1,\"rows\":1,\"customers\":1,\"warnings\":[]}}";
    char *head = tg_seal(json_loads(week_node, 0, NULL));

    if (!head || tg_book_parser_new(booked, &parser, NULL))
        abort();
    if (tg_book_parse_week(parser, text, len, &counts, NULL) && tg_book_parse_week(parser, head, strlen(head), &counts, NULL) == 0) {
        tg_book_parse_slots(parser, text, len, NULL);
        tg_book_parse_rows(parser, text, len, NULL);
        tg_book_parse_customers(parser, text, len, NULL);
        tg_book_parse_hosts(parser, text, len, NULL);
    }
    if (tg_book_parse_end(parser, &week, NULL) == 0)
        abort(); /* nobody finds its digest */
    tg_book_parser_free(parser);
    tg_book_parse_host(booked, text, len, "web1", &slot, NULL);
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tg_booked booked = {.id = "w-1", .digest = "d", .date = 20787, .from_ms = 1, .until_ms = INT64_MAX, .hosts = 10, .shards = 4};
    char *text = tg_seal(json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL));

    if (text) {
        try_list(text);
        try_nodes(&booked, text);
    }
    free(text);
    return 0;
}
