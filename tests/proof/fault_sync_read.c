/*
 * The mistake "sync and read": instead of the handshake the actor syncs, reads the locks, and only then writes its permit. The
 * recipe's own source, with another order of its steps; in this build of the worker only.
 */
#define tg_permit_take tg_permit_take_as_it_is
#include "guard/permit.c"
#undef tg_permit_take

int tg_permit_take(struct tg_guard *guard, const struct tg_permit_request *r, struct tg_permit **out, struct tg_guard_verdict *verdict, struct tg_error *e);
int tg_permit_take(struct tg_guard *guard, const struct tg_permit_request *r, struct tg_permit **out, struct tg_guard_verdict *verdict, struct tg_error *e)
{
    struct tg_question q = {.scopes = r->scopes, .actor = r->actor, .tokens = r->tokens};
    struct tg_permit *p = NULL;

    (void) tg_store_sync(guard->store, "/cluster", tg_guard_deadline(guard), NULL);
    tg_check(guard, &q, tg_guard_deadline(guard), verdict);
    if (verdict->answer != TG_ANSWER_GO)
        return verdict->answer == TG_ANSWER_HELD ? TG_E_HELD : TG_E_UNKNOWN;
    int rc = permit_new(guard, r, &p, e);
    if (!rc)
        rc = write_it(p, e);
    if (!rc) {
        *out = p;
        return 0;
    }
    verdict->answer = TG_ANSWER_UNKNOWN;
    if (p)
        tg_permit_clear(&p->record);
    free(p);
    return rc;
}
