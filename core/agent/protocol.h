/*
 * What is said on the agent's socket: one JSON object a line, both ways. The page for who writes to it is tagout-agent(7).
 * Parsing is pure; what the agent does with a request stands in agent.h.
 */
#ifndef TG_AGENT_PROTOCOL_H
#define TG_AGENT_PROTOCOL_H

#include "guard/scope.h"

#include <jansson.h>

#define TG_AGENT_VERSION 1
/* A request: 64 scopes of 270 bytes are the most of what is in it. */
#define TG_AGENT_LINE_MAX 32768
/* An answer: the strictest locks come first, and no more than fit. */
#define TG_AGENT_ANSWER_MAX 262144

enum tg_agent_op { TG_AGENT_CHECK, TG_AGENT_STATUS, TG_AGENT_HOLD, TG_AGENT_UNHOLD, TG_AGENT_PERMIT, TG_AGENT_ALIVE, TG_AGENT_RELEASE };
const char *tg_agent_op_name(enum tg_agent_op op);

/* A request. All texts belong to root; those that it does not have are NULL, for_ms 0. */
struct tg_agent_request {
    enum tg_agent_op op;
    json_t *root;
    const json_t *id;                     /* what the answer repeats; NULL none */
    const char *actor, *token, *what, *owner;
    const char *under;                    /* check, permit: TAGOUT_PERMIT of the run that it is a part of */
    const char *scopes[TG_SCOPES_MAX];    /* none: this host */
    size_t n_scopes;
    const char *store, *inventory, *host, *state_dir; /* whom the asker takes the agent for; inventory "": none */
    const char *permit;                   /* alive, release */
    const char *reason;                   /* hold, unhold */
    int64_t for_ms;                       /* hold */
};
/*
 * Parses a line, without its line feed. TG_E_USAGE says what is wrong with it; *out then holds what its answer needs (the id), so it is
 * released either way: tg_agent_request_release().
 */
int tg_agent_request_parse(const char *line, size_t len, struct tg_agent_request *out, struct tg_error *e);
void tg_agent_request_release(struct tg_agent_request *request);

/* An answer that says what went wrong: {"v":1,"ok":false,"error":{…}}. New. */
json_t *tg_agent_refusal(const struct tg_agent_request *request, const struct tg_error *e);
/* Makes body, which it consumes (NULL: an empty one), an answer: "v", "ok", "id". NULL when memory is short. */
json_t *tg_agent_answer(const struct tg_agent_request *request, json_t *body);

#endif
