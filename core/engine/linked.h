/*
 * Runs that follow another one, and go over hosts of it: its rollback (rollback.h), and its withdrawal (withdraw.h). Each is a run of its own, with an id
 * that is made of the first one's: RUN-WORD, RUN-WORD-2, …
 */
#ifndef TG_ENGINE_LINKED_H
#define TG_ENGINE_LINKED_H

#include "engine/journal.h"

#define TG_LINKED_MAX 9 /* of one word and run; each goes over what the ones before it left */

/* A host of the first run's plan, in the order that is wanted. */
struct tg_linked_host {
    size_t host;
    int rank;
    int64_t started_ms;
};
/*
 * Those of the run that are wanted and not left out (by host; NULL: none is), for the caller to free(): by rank (NULL: all have the same), the last that was
 * begun first.
 */
int tg_linked_choose(const struct tg_run *run, bool (*wants)(const struct tg_run *run, size_t host), int (*rank)(const struct tg_run *run, size_t host), const bool *left_out,
                     struct tg_linked_host **out, size_t *out_n, struct tg_error *e);
/* A copy of the plan with those hosts and their domains, in one stage of the name given. Not sealed: the caller sets what is different. */
int tg_linked_plan(const struct tg_plan *plan, const struct tg_linked_host *list, size_t n, const char *stage, struct tg_plan **out, struct tg_error *e);
/* What such a plan bears, and does, differently from that of the run (id) that it undoes: a failure does not stop it, it has no hours, and it is its own end. */
int tg_linked_turn(struct tg_plan *plan, const char *id, struct tg_error *e);
/* Leaves those checks out that drop() says so of. */
void tg_linked_drop_verify(struct tg_plan *plan, bool (*drop)(const struct tg_verify *verify));

struct tg_linked {
    struct tg_store *store;
    const char *id, *word;
    const struct tg_run *run;  /* the first one */
    bool (*wants)(const struct tg_run *run, size_t host); /* is it one that these go over? */
    int64_t wait_ms;
    /* A host of a linked run (i), which is a wanted one of the first (host). */
    void (*each)(void *data, const char *id, const struct tg_run *of, size_t i, size_t host);
    void *data;
    /* out */
    size_t n;                  /* how many there are */
    int at;                    /* for each(): which it is by its id, from 1; one whose making was cut short is none, and has an id */
    size_t hosts;              /* that are wanted */
    char last[TG_RUN_ID_SIZE]; /* "": none */
    bool open;                 /* the last one has not ended */
    char next[TG_RUN_ID_SIZE]; /* of one more; "": there may be none */
};
/* Reads those that there are, in their order. Blocks. TG_E_DATA: one can't be read. */
int tg_linked_look(struct tg_linked *linked, struct tg_error *e);
/* The first run's id, when this is the id of a run that is linked to one by the word; else id. "web-20261122-1-withdraw-2" → "web-20261122-1". */
void tg_linked_first(const char *id, const char *word, char out[TG_RUN_ID_SIZE]);

#endif
