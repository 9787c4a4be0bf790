/* What /proc, Salt and systemd wrote, or what somebody put in their place. The first byte says which of them it is. */
#include "agent/inflight_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void texts(char kind, const char *text)
{
    struct tg_proc p = {.pid = 0};
    struct tg_shutdown s;

    if (kind == 'p' && tg_proc_parse_stat(text, &p) &&
        (p.pid <= 0 || p.start_ticks < 0 || strlen(p.comm) >= sizeof p.comm))
        abort();
    if (kind == 'i' && tg_inflight_parse_pid(text) < 0)
        abort();
    if (kind == 's' && tg_shutdown_parse(text, &s) && (s.at_ms <= 0 || !s.mode[0]))
        abort();
    if (kind == 'l' && tg_locks_holder(text, 0, 0, 77) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_salt_job job;

    if (size < 1)
        return 0;
    char *text = malloc(size);
    if (!text)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    texts((char) data[0], text);
    free(text);
    if (tg_salt_job_parse(data + 1, size - 1, &job) && (job.pid <= 0 || strlen(job.fun) >= sizeof job.fun))
        abort();
    return 0;
}
