/*
 * Asking the agent of this host, over its socket (tagout-agent(7)). Blocking, each step within a deadline; nothing is allocated:
 * the answer lies in a buffer of the caller's. Needs no loop, and works before any library of a store is loaded.
 */
#ifndef TG_AGENT_CLIENT_H
#define TG_AGENT_CLIENT_H

#include <tagout/error.h>
#include <stddef.h>
#include <stdint.h>

#define TG_AGENT_SOCKET "/run/tagout/agent.sock"

struct tg_agent_client {
    int fd; /* -1: not connected */
};
#define TG_AGENT_CLIENT_INIT {-1}

/*
 * Connects. The socket must be root's or the own user's, and so must every folder on the way to it, none of them one that others may write to
 * (base/trusted.h); the socket itself is no link. What was looked at is what is connected to. Needs /proc.
 * deadline_ms: monotonic (tg_mono_ms() of tg_clock_real()). TG_E_NOENT: there is no agent (no socket, or nobody listens behind it): ask
 * the store. TG_E_PERM: another user could answer. TG_E_TIMEOUT: it hangs, or has too many clients. TG_E_SYSTEM.
 */
int tg_agent_connect(const char *path, int64_t deadline_ms, struct tg_agent_client *out, struct tg_error *e);
/*
 * Sends a line (with its line feed, the only one) and waits for its answer: NUL-terminated in out, without one, of size bytes (TG_AGENT_ANSWER_MAX + 1
 * takes any). TG_E_TIMEOUT, TG_E_LOST (it hung up), TG_E_DATA (longer than size, or more than one line). After a failure only
 * tg_agent_disconnect() is of use.
 */
int tg_agent_ask(struct tg_agent_client *client, const char *line, size_t len, char *out, size_t size, int64_t deadline_ms, struct tg_error *e);
/* Permits that were taken through it end with it. */
void tg_agent_disconnect(struct tg_agent_client *client);

#endif
