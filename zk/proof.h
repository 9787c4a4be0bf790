/*
 * What is proven about the session (P4): until when the servers can't have ended it. Pure.
 *
 * A server that stands alone extends the session when it takes a request, so the moment at which an answered request was sent is
 * proven. In an ensemble only the leader ends sessions, and it learns of a client's requests from the client's server twice a tick.
 * A server that has lost its leader goes on answering reads for a while (syncLimit ticks) in which the leader may end the
 * session: such answers prove nothing. So in an ensemble
 *   - the handshake is proof: the leader itself made or extended the session, after it was sent;
 *   - a write or a sync is answered by the leader, which shows that the client's server was in touch with it then; so what that
 *     server had heard from us half a tick earlier was known to the leader. Proven is the newest request that was sent a quarter
 *     of the time-out before: the shortest time-out is two ticks, so that a quarter is half a tick or more.
 */
#ifndef TG_ZK_PROOF_H
#define TG_ZK_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZK_MARKS 16

struct zk_proof {
    int64_t session_ms;
    bool alone;               /* the server is known to be no member of an ensemble */
    int64_t proven_ms;
    int64_t marks[ZK_MARKS];  /* when answered requests of this connection were sent, oldest first */
    size_t n_marks;
};

/* A handshake that was sent at sent_ms was answered with a session of session_ms. Begins a connection: nothing older counts. */
void zk_proof_handshake(struct zk_proof *p, int64_t sent_ms, int64_t session_ms);
/* The server says that it stands alone, or that it does not. */
void zk_proof_alone(struct zk_proof *p, bool alone);
/* A request that was sent at sent_ms was answered; by_leader: it was a write or a sync. */
void zk_proof_answered(struct zk_proof *p, int64_t sent_ms, bool by_leader);

#endif
