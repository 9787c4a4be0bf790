/*
 * Records of the guard as they lie in the store: JSON of a few KB, with a format number. A reader refuses what it does not know
 * (another format, an unknown key, a value out of its range, a wrong checksum) rather than guess: its caller answers UNKNOWN. Decoders
 * give TG_E_DATA for what is damaged, and TG_E_UNKNOWN for the format of a newer tagout.
 */
#ifndef TG_GUARD_RECORD_H
#define TG_GUARD_RECORD_H

#include "base/sha256.h"
#include "guard/scope.h"

#include <tagout/error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_RECORD_FORMAT 1
#define TG_LOCK_ID_LEN 6
#define TG_LOCK_ID_SIZE 17   /* readers take 6 to 16 characters: ids may grow */
#define TG_REQUEST_ID_SIZE 33
#define TG_OWNER_SIZE 193
#define TG_TICKET_SIZE 97
#define TG_REASON_SIZE 513
#define TG_ACTOR_SIZE 33
#define TG_HOLD_MAX 16
#define TG_PASSES_MAX 8       /* tokens that one actor bears */
#define TG_TOKEN_SIZE 65     /* a token is 52 characters of base 32; what is stored is its hash */

/* Letters and digits that are not taken for one another: no 0, O, 1, I. 32 of them: five bits each. */
#define TG_ID_ALPHABET "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

enum tg_lock_state {
    TG_LOCK_TAKING,  /* written; those in flight may not all have ended. It holds already */
    TG_LOCK_HELD,    /* its taker has seen them end (P1) */
    TG_LOCK_RELEASED /* a tombstone, until a reaper removes it */
};

/* A lock. The scopes are its own: tg_lock_clear(). Texts are valid UTF-8 without control characters. */
struct tg_lock {
    char id[TG_LOCK_ID_SIZE];
    char request[TG_REQUEST_ID_SIZE];    /* who asked, exactly: finds an answer that was lost */
    enum tg_lock_state state;
    char owner[TG_OWNER_SIZE];
    char reason[TG_REASON_SIZE];
    char ticket[TG_TICKET_SIZE];         /* "" none */
    int64_t since_ms, until_ms;          /* wall clock */
    bool release_at_expiry;
    char hold[TG_HOLD_MAX][TG_ACTOR_SIZE];
    size_t n_hold;                       /* 0: all automation */
    struct tg_scopes scopes;
    char token_hash[TG_SHA256_HEX];      /* "" none */
    char released_by[TG_OWNER_SIZE];     /* "" unless RELEASED */
    char released_why[TG_REASON_SIZE];
    int64_t released_ms;
    /* not in the record, but of it */
    int64_t generation, txid;            /* the fencing token; txid 0 before it is written */
    int64_t version;
    int64_t cluster_version;             /* of /cluster when it was placed or changed: it changes when the tree is moved */
    uint64_t sum;                        /* of the record's text: two rows of one lock have one */
    bool ended;                          /* it was to end by itself, and the store's clock has proven that its time is over: tg_guard_has_ended() */
};

/* A permit: what an actor does now. */
struct tg_permit_record {
    char id[TG_REQUEST_ID_SIZE];
    char actor[TG_ACTOR_SIZE];
    char owner[TG_OWNER_SIZE];
    char host[TG_SCOPE_NAME_MAX + 1];    /* where it runs */
    char what[TG_REASON_SIZE];           /* what it runs, for people: the command, cut */
    pid_t pid;
    int64_t since_ms;
    struct tg_scopes scopes;
    bool in_flight;                      /* a report that this acts, by who saw it; nobody was given leave by it */
    char passes[TG_PASSES_MAX][TG_SHA256_HEX]; /* hashes of the tokens it bears: the locks of these do not wait for it */
    size_t n_passes;
    int64_t under_txid;                  /* it was taken within another run, whose age it has (nested.h): the transaction of that one's grant; 0: no */
    uint64_t session;                    /* of the ephemeral's owner; not in the record */
    int64_t txid;
};

/* A parent's record of its children: changed in the same transaction as each of them. */
struct tg_counter {
    int64_t epoch;  /* grows with every change */
    int64_t count;  /* how many children there are */
    char **names;   /* their names, where the parent keeps them; NULL: it does not */
};

/* JSON, to be freed with free(). NULL: memory. */
char *tg_lock_encode(const struct tg_lock *lock);
bool tg_lock_id_is_proper(const char *id);
bool tg_request_id_is_proper(const char *id);
/* What every decoder begins with: the object in text, when it is whole (base/seal.h) and of our format. *out is the caller's reference. */
int tg_record_load(const char *text, size_t len, json_t **out, struct tg_error *e);
/* The error says what is wrong with it; nothing of *out is then to be released. */
int tg_lock_decode(const char *text, size_t len, struct tg_lock *out, struct tg_error *e);
void tg_lock_clear(struct tg_lock *lock);
char *tg_permit_encode(const struct tg_permit_record *permit);
int tg_permit_decode(const char *text, size_t len, struct tg_permit_record *out, struct tg_error *e);
void tg_permit_clear(struct tg_permit_record *permit);
char *tg_counter_encode(const struct tg_counter *counter);
int tg_counter_decode(const char *text, size_t len, struct tg_counter *out, struct tg_error *e);
void tg_counter_clear(struct tg_counter *counter);
bool tg_counter_has(const struct tg_counter *counter, const char *name);
int tg_counter_add(struct tg_counter *counter, const char *name, struct tg_error *e);
void tg_counter_remove(struct tg_counter *counter, const char *name);

/* The transaction that it is as old as: a lock that was written later waits for it. */
int64_t tg_permit_age(const struct tg_permit_record *permit);
/* Whether it holds this actor's kind; NULL: any kind. */
bool tg_lock_holds_actor(const struct tg_lock *lock, const char *actor);
/* Whether it holds at all: not released, and not found to have ended by itself. No clock of the asker's ends a lock; wall_ms is not looked at. */
bool tg_lock_is_live(const struct tg_lock *lock, int64_t wall_ms);
bool tg_lock_is_overdue(const struct tg_lock *lock, int64_t wall_ms);
/*
 * What is odd about its times, in half a sentence: "it was taken 2 years from now, by a clock that was wrong"; "" for nothing. Such a lock holds as
 * any other does. size ≥ 160. Returns out.
 */
const char *tg_lock_oddity(const struct tg_lock *lock, int64_t wall_ms, char *out, size_t size);
/* Four fifths of its time are over, and not all of it. */
bool tg_lock_is_due(const struct tg_lock *lock, int64_t wall_ms);
/* Whether one of the tokens (separated by commas; NULL none) is the lock's. Takes the same time whatever they are. */
bool tg_lock_token_fits(const struct tg_lock *lock, const char *tokens);
/* The hashes of the tokens (separated by commas; NULL none); returns how many: those beyond TG_PASSES_MAX count for nothing. */
size_t tg_tokens_hash(const char *tokens, char out[TG_PASSES_MAX][TG_SHA256_HEX]);
/* Whether the permit's bearer passes the lock by a token. */
bool tg_permit_passes(const struct tg_permit_record *permit, const struct tg_lock *lock);
/* Whether the lock waits for this permit, whose txid is filled in. end_asked: the caller asks behind this whether a lock that ends by itself has. */
bool tg_lock_waits_for(const struct tg_lock *lock, const struct tg_permit_record *permit, bool end_asked);
const char *tg_lock_state_name(enum tg_lock_state state);

/* n random characters of TG_ID_ALPHABET and a NUL. TG_E_SYSTEM. */
int tg_random_id(char *out, size_t n, struct tg_error *e);
/* Copies text for people: UTF-8 without control characters. TG_E_USAGE when it is too long or is none; what names it. */
int tg_text_copy(const char *what, const char *text, char *out, size_t size, struct tg_error *e);
/* What people say of a lock (ticket may be NULL), and the actors that it is to hold, all when there are none. TG_E_USAGE. */
int tg_lock_texts(const char *owner, const char *reason, const char *ticket, const char *const *hold, size_t n_hold, struct tg_lock *out, struct tg_error *e);

#endif
