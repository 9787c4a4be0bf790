/* What the two halves of libtagout share: the verdict under construction. */
#ifndef TG_API_VERDICT_H
#define TG_API_VERDICT_H

#include <tagout/error.h>
#include <tagout/tagout.h>
#include <jansson.h>

#define TG_API_TIMEOUT_MS 3000

/* A question with its defaults filled in. Borrowed from the asker's. */
struct tg_api_ask {
    struct tagout_ask ask;     /* as long as this library knows it */
    int64_t deadline_ms;       /* monotonic */
    const char *under;         /* the environment's TAGOUT_PERMIT: of the run that this is a part of; NULL none */
};
/* TG_E_USAGE. */
int tg_api_ask_read(const struct tagout_ask *from, struct tg_api_ask *out, struct tg_error *e);

/* From what the agent, or `tagout check -o json`, has said (consumed); line may be NULL: the answer's own. An answer that is none of the four is
 * UNKNOWN. NULL: memory. */
struct tagout_verdict *tg_api_verdict(json_t *answer, const char *line);
/* UNKNOWN, or USAGE when that is the error's code. */
struct tagout_verdict *tg_api_verdict_error(const struct tg_error *e, const char *cause);

/* Asks through the program. */
struct tagout_verdict *tg_api_ask_program(const struct tg_api_ask *ask);

#endif
