/* What the parts of the book share: book.c (the store), book_record.c (the list of weeks), book_write.c and book_parse.c (a week's nodes). */
#ifndef TG_CALENDAR_BOOK_INTERNAL_H
#define TG_CALENDAR_BOOK_INTERNAL_H

#include "calendar/book.h"

#define TG_BOOK_FORMAT 1
#define TG_BOOK_PIECE_SLOTS 250  /* slots in a node: less than 512 KB whatever they are */
#define TG_BOOK_PIECE_ROWS 8
#define TG_BOOK_PIECE_BYTES (200 * 1024) /* of customers */
#define TG_BOOK_NODE_SIZE 24
#define TG_BOOK_BATCH 256        /* reads at once */

/* A week, as nodes. */
struct tg_book_node {
    char name[TG_BOOK_NODE_SIZE];
    char *text;
};
struct tg_book_nodes {
    struct tg_book_node *v;
    size_t n, cap;
    char digest[TG_SHA256_HEX]; /* of all of them */
    int64_t shards;
};
int tg_book_nodes_make(const struct tg_week *week, struct tg_book_nodes *out, struct tg_error *e);
void tg_book_nodes_release(struct tg_book_nodes *nodes);

/* The same week again, behind one that was cancelled, has another folder: that one may have marks still. */
void tg_book_key(const struct tg_book *book, const struct tg_book_nodes *nodes, const char *id, char out[TG_BOOK_KEY_SIZE]);

/* How many of each there are. */
struct tg_book_counts {
    int64_t slots, rows, customers; /* nodes */
    int64_t n_slots;
};
/* The other way: "week" first, then the others in any order, then end. What does not add up is TG_E_DATA. */
struct tg_book_parser;
int tg_book_parser_new(const struct tg_booked *booked, struct tg_book_parser **out, struct tg_error *e);
void tg_book_parser_free(struct tg_book_parser *parser);
int tg_book_parse_week(struct tg_book_parser *parser, const char *text, size_t len, struct tg_book_counts *out, struct tg_error *e);
int tg_book_parse_slots(struct tg_book_parser *parser, const char *text, size_t len, struct tg_error *e);
int tg_book_parse_rows(struct tg_book_parser *parser, const char *text, size_t len, struct tg_error *e);
int tg_book_parse_customers(struct tg_book_parser *parser, const char *text, size_t len, struct tg_error *e);
int tg_book_parse_hosts(struct tg_book_parser *parser, const char *text, size_t len, struct tg_error *e);
int tg_book_parse_end(struct tg_book_parser *parser, struct tg_week **out, struct tg_error *e);
/* For one host: which slot it has in the text of its shard; TG_WEEK_NONE. */
int tg_book_parse_host(const struct tg_booked *booked, const char *text, size_t len, const char *host, uint32_t *out_slot, struct tg_error *e);
/* The slots that have been parsed so far. */
const struct tg_week *tg_book_parser_week(const struct tg_book_parser *parser);

#endif
