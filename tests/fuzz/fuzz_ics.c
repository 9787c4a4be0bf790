/* Whatever an .ics file says: refused with a place, or patterns whose occurrences have a length, in bounded time. */
#include "calendar/build.h"
#include "config/problems.h"

#include <stdlib.h>

static void expand(const struct tg_rule *rule)
{
    struct tg_spans s = TG_SPANS_INIT;

    for (size_t i = 0; i < rule->n_when && i < 100; i++)
        if (tg_when_spans(&rule->when[i], rule->kind, INT64_C(1767225600000), INT64_C(1798761600000), &s, NULL))
            abort();
    for (size_t i = 0; i < s.n; i++)
        if (s.list[i].from_ms >= s.list[i].until_ms)
            abort();
    tg_spans_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = TG_RULE_WINDOW; kind <= TG_RULE_BLACKOUT; kind++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_rule rule = {.kind = (enum tg_rule_kind) kind};
        int rc = tg_ics_read("x.ics", (const char *) data, size, "Europe/Berlin", &p, &rule, &e);
        if (rc && (rc != TG_E_DATA || !tg_problems_count(&p) || rule.n_when))
            abort();
        if (!rc)
            expand(&rule);
        tg_rule_release(&rule);
        tg_problems_release(&p);
    }
    return 0;
}
