/*
 * Budgets: how much automation may disrupt in how long, counted over all actors: "at most 5 % of group:web in 10 min". And the sanity
 * brake: an actor whose picture of the group has shrunk by more than a share, without anybody having charged for it, is
 * looking at data that are not whole, and must not act.
 *
 * A budget and what was charged to it is one record, /budgets/NAME; the window slides over its charges. Times in it are the
 * store's: the moment at which the asker's permit was made there, so that a host whose clock is wrong can't forget charges.
 * Besides, each machine keeps a ledger of its own charges on disk, on the clock that nobody sets: charges that the store does not show any
 * more (an old copy, a clock that was stepped) are counted from there.
 *
 * The decision is a pure function; the recipes are blocking and for top level only, like those of lock.h.
 */
#ifndef TG_GUARD_BUDGET_H
#define TG_GUARD_BUDGET_H

#include "config/share.h"
#include "guard/lock.h"

#define TG_BUDGET_NAME_SIZE 65
#define TG_BUDGETS_MAX 256               /* all are read by each exec, in one round trip */
#define TG_BUDGET_CHARGES_MAX 256        /* of one record; the two oldest become one, of the later's time, when there are more */
#define TG_BUDGET_PICTURES_MAX 64        /* likewise; the greatest of a window decides, so the least of the old ones go first */
#define TG_BUDGET_PER_MIN_MS 1000
#define TG_BUDGET_PER_MAX_MS (INT64_C(31) * 86400 * 1000)
#define TG_BUDGET_BRAKE_MS 3600000       /* how far back the brake looks at least: longer than an outage of whatever feeds the picture */
#define TG_BUDGET_UNITS_MAX 1000000      /* in one charge: the greatest fleet */

struct tg_budget_charge {
    char id[TG_REQUEST_ID_SIZE];
    int64_t at_ms;                       /* wall clock of the store */
    int64_t n;
    char actor[TG_ACTOR_SIZE];
    char owner[TG_OWNER_SIZE];
};
struct tg_budget_picture {
    int64_t at_ms, members;
};
struct tg_budget {
    char name[TG_BUDGET_NAME_SIZE];
    struct tg_share at_most;             /* a number, or a share of the group's members */
    struct tg_scope of;                  /* whose members are disrupted; bare: its hosts are not resolved */
    int64_t per_ms;
    struct tg_share brake;               /* how much the picture may shrink; UNSET: no brake */
    char actors[TG_HOLD_MAX][TG_ACTOR_SIZE];
    size_t n_actors;                     /* whose exec is charged unasked when its scopes overlap; none: only who names it */
    char set_by[TG_OWNER_SIZE];
    struct tg_budget_charge *charges;    /* oldest first */
    size_t n_charges;
    struct tg_budget_picture *pictures;  /* likewise */
    size_t n_pictures;
    int64_t version;                     /* of its node; not in the record */
};

/* [a-z0-9][a-z0-9_.-]{0,63}. TG_E_USAGE. */
int tg_budget_name_check(const char *name, struct tg_error *e);
/* JSON, free(); NULL: memory. */
char *tg_budget_encode(const struct tg_budget *budget);
/* TG_E_DATA says what is wrong; nothing of *out is then to be released. */
int tg_budget_decode(const char *text, size_t len, struct tg_budget *out, struct tg_error *e);
void tg_budget_clear(struct tg_budget *budget);

/* --- the decision: pure --- */

enum tg_budget_word {
    TG_BUDGET_FITS,
    TG_BUDGET_SPENT,      /* wait until free_at_ms */
    TG_BUDGET_TOO_MUCH,   /* more than the whole budget: it will never fit */
    TG_BUDGET_SHRANK,     /* the brake: seen is too far below expected */
    TG_BUDGET_NO_PICTURE  /* a share of how many? nobody has said */
};
struct tg_budget_ask {
    int64_t n;            /* how many are disrupted */
    int64_t members;      /* how many the asker believes there are; -1: he does not say */
    int64_t now_ms;       /* wall clock of the store */
    int64_t unseen;       /* charges of this machine's ledger that the record does not have */
};
struct tg_budget_answer {
    enum tg_budget_word word;
    int64_t limit, used;  /* limit -1: not known */
    int64_t expected, seen; /* members; -1: not known */
    int64_t free_at_ms;   /* SPENT: when so much has left the window, as far as the record tells */
};
void tg_budget_decide(const struct tg_budget *budget, const struct tg_budget_ask *ask, struct tg_budget_answer *out);
/* The moment that the record lives in: now, but never before what is in it. */
int64_t tg_budget_now(const struct tg_budget *budget, int64_t now_ms);
/* Writes the charge and the picture into it, and forgets what is past. id NULL: a charge of 0, only the picture. TG_E_MEMORY. */
int tg_budget_apply(struct tg_budget *budget, const struct tg_budget_ask *ask, const char *id, const char *actor, const char *owner, struct tg_error *e);

/* --- the recipes --- */

struct tg_budgets {
    struct tg_budget *v;  /* by name */
    size_t n;
};
void tg_budgets_release(struct tg_budgets *budgets);
/* All there are. TG_E_UNKNOWN as for locks. */
int tg_budget_list(struct tg_guard *guard, struct tg_budgets *out, struct tg_error *e);
/* Makes it, or changes its terms and keeps what was charged. Only name to actors of it matter. Recorded in the audit. */
int tg_budget_set(struct tg_guard *guard, const struct tg_budget *terms, const char *who, const char *why, struct tg_error *e);
/* TG_E_USAGE when there is none. */
int tg_budget_remove(struct tg_guard *guard, const char *name, const char *who, const char *why, struct tg_error *e);
enum tg_budget_forget { TG_BUDGET_CHARGES = 1, TG_BUDGET_PICTURE = 2 };
/* Forgets what was charged, or the picture: the next asker's is believed. TG_E_USAGE: there is no such. */
int tg_budget_reset(struct tg_guard *guard, const char *name, unsigned what, const char *who, const char *why, struct tg_error *e);

struct tg_budget_want {
    char name[TG_BUDGET_NAME_SIZE];
    int64_t n;                       /* -1: as many as the scopes have hosts */
};
struct tg_budget_bill {
    const struct tg_scopes *scopes;  /* of the permit; resolved */
    const char *actor, *owner;
    const struct tg_budget_want *want; /* named by the asker */
    size_t n_want;
    int64_t members;                 /* -1: as many as the inventory says */
    int64_t now_ms;                  /* of the store: tg_permit_granted_ms() */
    /* out */
    char id[TG_REQUEST_ID_SIZE];     /* of the charges; "" when nothing was charged */
    struct tg_budget *refused;       /* TG_E_HELD: which; the caller's, tg_budget_bill_release() */
    struct tg_budget_answer answer;  /* of it */
    int64_t asked;                   /* of it: how many */
    char warning[256];               /* of the ledger; "" none */
};
/*
 * Charges all budgets that are named, and those that count for this actor in these scopes, or none of them. 0: charged, act.
 * TG_E_HELD: spent; TG_E_UNKNOWN: the brake, no picture, the store, or a ledger that makes no sense (guard->cause); TG_E_USAGE: no such
 * budget. A lost answer is looked for, so that one bill is charged once.
 */
int tg_budget_charge(struct tg_guard *guard, struct tg_budget_bill *bill, struct tg_error *e);
/* Takes the charges of the bill back: what was to be done was not even begun. Failing does no harm but that they count. */
void tg_budget_refund(struct tg_guard *guard, const struct tg_budget_bill *bill);
void tg_budget_bill_release(struct tg_budget_bill *bill);
/* How many hosts the scopes have, each once; a service is one thing. TG_E_UNKNOWN: a group, or the fleet, whose hosts are not known. */
int tg_budget_count_hosts(const struct tg_scopes *scopes, const struct tg_inventory *inventory, int64_t *out, struct tg_error *e);

/* --- this machine's ledger --- */

/* Adds to *out those charges of the budget's window that are in the ledger and not in the record, but for the one called but. No file:
 * none. TG_E_UNKNOWN: it makes no sense, the error names it. */
int tg_ledger_unseen(const char *state_dir, const char *cluster_id, const struct tg_budget *budget, const char *but, int64_t *out, struct tg_error *e);
/* Notes a charge durably, and forgets those past the window. TG_E_PERM, TG_E_SYSTEM: the caller goes on, the store counts. */
int tg_ledger_note(const char *state_dir, const char *cluster_id, const struct tg_budget *budget, const char *id, int64_t n, struct tg_error *e);
/* Takes it back; "" takes all. */
void tg_ledger_forget(const char *state_dir, const char *cluster_id, const char *budget, const char *id);

#endif
