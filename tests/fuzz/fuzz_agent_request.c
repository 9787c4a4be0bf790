/* A line on the agent's socket: whatever it is, it is a request or is refused, and its answer repeats no more than an id. */
#include "agent/protocol.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_agent_request r;
    struct tg_error e = TG_ERROR_INIT;
    char *line = malloc(size + 1);

    if (!line)
        return 0;
    memcpy(line, data, size);
    line[size] = '\0';
    int rc = tg_agent_request_parse(line, size, &r, &e);
    if ((rc != 0) != (e.code != 0) || (!rc && (r.n_scopes > TG_SCOPES_MAX || !r.root)))
        abort();
    json_t *answer = rc ? tg_agent_refusal(&r, &e) : tg_agent_answer(&r, json_pack("{s:s}", "answer", "unknown"));
    char *text = json_dumps(answer, JSON_COMPACT);
    if (text && strchr(text, '\n'))
        abort();
    free(text);
    json_decref(answer);
    tg_agent_request_release(&r);
    free(line);
    return 0;
}
