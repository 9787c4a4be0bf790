/* What is proven about the session: see proof.h. */
#include "proof.h"

#include <string.h>

static void claim(struct zk_proof *p, int64_t ms)
{
    if (ms > p->proven_ms)
        p->proven_ms = ms;
}

static void mark(struct zk_proof *p, int64_t ms)
{
    /* Closer together than this, marks only push one another out: 16 of them must reach back a quarter of the time-out. */
    if (p->n_marks && ms < p->marks[p->n_marks - 1] + p->session_ms / 32)
        return;
    if (p->n_marks == ZK_MARKS) {
        memmove(p->marks, p->marks + 1, (ZK_MARKS - 1) * sizeof p->marks[0]);
        p->n_marks--;
    }
    p->marks[p->n_marks++] = ms;
}

void zk_proof_handshake(struct zk_proof *p, int64_t sent_ms, int64_t session_ms)
{
    p->session_ms = session_ms;
    p->alone = false;
    p->n_marks = 0;
    mark(p, sent_ms);
    claim(p, sent_ms);
}

void zk_proof_alone(struct zk_proof *p, bool alone)
{
    p->alone = alone;
}

void zk_proof_answered(struct zk_proof *p, int64_t sent_ms, bool by_leader)
{
    if (p->alone) {
        claim(p, sent_ms);
    } else if (by_leader) {
        for (size_t i = p->n_marks; i-- > 0;)
            if (p->marks[i] <= sent_ms - p->session_ms / 4) {
                claim(p, p->marks[i]);
                break;
            }
    }
    mark(p, sent_ms);
}
