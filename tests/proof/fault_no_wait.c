/* The mistake "no wait": a lock that does not wait for the permits in flight. In this build of the worker only. */
#include "guard/lock.h"

int tg_lock_take(struct tg_guard *guard, const struct tg_lock_request *request, int64_t wait_ms, tg_wait_fn tell, void *data,
                 struct tg_lock *out, struct tg_error *e)
{
    (void) wait_ms;
    (void) tell;
    (void) data;
    int rc = tg_lock_place(guard, request, out, e);
    return rc ? rc : tg_lock_confirm(guard, out, e);
}
