/*
 * Plans that are kept in the store, so that "it has changed since" can say what has, and that somebody else can approve one before it is run.
 *
 *   /plans/DIGEST   sealed: who made it and when, the plan without its hosts, these folded, and who has approved it until when
 *
 * What is kept can't be run: a run keeps its own plan whole. A record whose plan does not have the digest that it is named by is refused.
 */
#ifndef TG_ENGINE_PLAN_KEEP_H
#define TG_ENGINE_PLAN_KEEP_H

#include "engine/plan.h"

#include <tagout/store.h>

#define TG_PLAN_PREFIX_MIN 4                               /* of a digest, as people type it */
#define TG_PLAN_KEPT_MS (INT64_C(30) * 86400000)           /* after that a plan is forgotten by and by */
#define TG_PLAN_APPROVAL_USUAL_MS (INT64_C(24) * 3600000)  /* the fleet of the day after tomorrow is another one */

struct tg_plan_approval {
    char by[256], reason[512];
    int64_t at_ms, until_ms;
};
#define TG_PLAN_APPROVALS_MAX 16

struct tg_kept_plan {
    char digest[TG_PLAN_DIGEST_SIZE];
    char by[256];            /* who made it first */
    int64_t at_ms;
    json_t *plan;            /* as the digest is made of it: the hosts of a stage are a digest of their own */
    json_t *hosts;           /* a string, all of them folded; null when that was too long to be kept */
    int64_t changes;         /* how many of them it changes */
    struct tg_plan_approval approvals[TG_PLAN_APPROVALS_MAX];
    size_t n_approvals;
    int64_t version;         /* of its node */
};
void tg_kept_plan_release(struct tg_kept_plan *kept);

/* Its record, sealed; free(). NULL: memory. And back: TG_E_DATA, with what is wrong. */
char *tg_kept_plan_encode(const struct tg_kept_plan *kept);
int tg_kept_plan_decode(const char *text, size_t len, struct tg_kept_plan *out, struct tg_error *e);

/*
 * Keeps it, unless it is kept already, and forgets some that are old. Blocks. A record of it that is damaged is replaced: *out_damage says what was wrong
 * with it (its approvals are gone with it), and is no error otherwise. TG_E_UNKNOWN: the store has no place for it (tagout init), or is being moved, or has
 * one of a newer tagout.
 */
int tg_plan_keep(struct tg_store *store, const struct tg_plan *plan, const char *by, int64_t wall_ms, int64_t wait_ms, struct tg_error *out_damage, struct tg_error *e);
/* By the beginning of its digest. TG_E_NOENT: none is kept; TG_E_USAGE: too short, or of several; TG_E_DATA: its record is damaged. */
int tg_plan_kept(struct tg_store *store, const char *prefix, int64_t wait_ms, struct tg_kept_plan *out, struct tg_error *e);
/* Adds an approval, or puts a later one of the same person in the place of his. */
int tg_plan_approve(struct tg_store *store, struct tg_kept_plan *kept, const struct tg_plan_approval *approval, int64_t wait_ms, struct tg_error *e);
/* Takes an approval that still stands, of anybody for whom may() is true, for one run: it is no more. TG_E_NOENT: there is none. */
int tg_plan_use_approval(struct tg_store *store, const char *digest, bool (*may)(const void *data, const char *by), const void *data, int64_t wall_ms,
                         int64_t wait_ms, struct tg_plan_approval *out, struct tg_error *e);

/* What is different in a plan from what was kept, a sentence each: a JSON array of strings, the caller's. NULL: memory. */
json_t *tg_plan_changes(const struct tg_kept_plan *kept, const struct tg_plan *plan);

#endif
