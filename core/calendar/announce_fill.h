/* Inside of templates: reading them (announce_text.c), filling them in (announce_fill.c). */
#ifndef TG_CALENDAR_ANNOUNCE_FILL_H
#define TG_CALENDAR_ANNOUNCE_FILL_H

#include "calendar/announce_text.h"

enum tg_word {
    TG_WORD_CUSTOMER, TG_WORD_EVENTS, TG_WORD_HOSTS, TG_WORD_COUNT, TG_WORD_BEGIN, TG_WORD_END, TG_WORD_ACTIVITY, TG_WORD_REASON, TG_WORD_ZONE, TG_WORD_SOURCE,
    TG_WORD_SEQUENCE, TG_WORDS
};

struct tg_piece {
    char *literal;     /* NULL: a word */
    enum tg_word word;
};
struct tg_pieces {
    struct tg_piece *v;
    size_t n;
};
struct tg_template {
    struct tg_pieces subject, body;
};

#endif
