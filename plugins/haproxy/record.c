/* What is journalled of a drain: for each load balancer whose it is, and in which process that was seen. "1 r691f0a3b.2f1c o691f0a3b~2f1d -". Pure. */
#include "haproxy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUGHLY_S 5 /* a process that only says for how many seconds it has run, asked at two times */

bool tg_haproxy_same(const struct tg_haproxy_process *a, const struct tg_haproxy_process *b)
{
    int64_t apart = a->start_s > b->start_s ? a->start_s - b->start_s : b->start_s - a->start_s;

    return a->pid == b->pid && apart <= (a->rough || b->rough ? ROUGHLY_S : 0);
}

/* "oSTART.PID" */
static bool read_mark(const char *text, struct tg_haproxy_mark *out)
{
    struct tg_haproxy_mark m = {.whose = TG_HAPROXY_NOBODY};
    char *end;

    if (strcmp(text, "-") == 0) {
        *out = m;
        return true;
    }
    if (!strchr("roxt", text[0]) || strlen(text) > 40)
        return false;
    m.whose = (enum tg_haproxy_whose) text[0];
    m.process.start_s = (int64_t) strtoll(text + 1, &end, 16);
    if (end == text + 1 || (*end != '.' && *end != '~'))
        return false;
    m.process.rough = *end == '~';
    const char *pid = end + 1;
    m.process.pid = (int64_t) strtoll(pid, &end, 16);
    *out = m;
    return end != pid && !*end;
}

int tg_haproxy_record_read(const char *record, size_t n, struct tg_haproxy_mark *out, struct tg_error *e)
{
    char copy[TG_AROUND_RECORD_SIZE], *rest = copy, *word;
    struct tg_haproxy_mark marks[TG_HAPROXY_SOCKETS];
    size_t got = 0;
    bool fine = true;

    for (size_t i = 0; i < n; i++)
        out[i] = (struct tg_haproxy_mark) {.whose = TG_HAPROXY_NOBODY};
    if (!record || !record[0])
        return 0;
    int len = snprintf(copy, sizeof copy, "%s", record);
    fine = len > 0 && (size_t) len < sizeof copy && strcmp((word = strtok_r(rest, " ", &rest)) ? word : "", "1") == 0;
    while (fine && (word = strtok_r(rest, " ", &rest)) != NULL)
        fine = got < n && read_mark(word, &marks[got++]);
    if (!fine || got != n)
        return tg_fail(e, TG_E_DATA, "the record of the drain, \"%.60s\", is not one of %zu load balancer%s", record, n, n == 1 ? "" : "s");
    memcpy(out, marks, n * sizeof *out);
    return 0;
}

void tg_haproxy_record_write(const struct tg_haproxy_mark *marks, size_t n, char *out, size_t size)
{
    size_t len = (size_t) snprintf(out, size, "1");

    for (size_t i = 0; i < n && len < size; i++)
        if (marks[i].whose == TG_HAPROXY_NOBODY)
            len += (size_t) snprintf(out + len, size - len, " -");
        else
            len += (size_t) snprintf(out + len, size - len, " %c%" PRIx64 "%c%" PRIx64, (char) marks[i].whose, (uint64_t) marks[i].process.start_s,
                                     marks[i].process.rough ? '~' : '.', (uint64_t) marks[i].process.pid);
}
