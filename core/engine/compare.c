/* See compare.h. */
#include "engine/compare.h"

#include <string.h>

size_t tg_compare_hosts(const struct tg_run *run, size_t *out, size_t max)
{
    size_t n = 0;

    for (size_t s = run->plan->n_stages; s > 0 && n < max; s--) {
        const struct tg_plan_stage *stage = &run->plan->stages[s - 1];
        size_t waiting = stage->dry_run ? 0 : run->stages[s - 1].counts[TG_HOST_WAITING];
        for (size_t i = stage->first + stage->count; waiting > 0 && n < max; i--)
            if (run->hosts[i - 1].state == TG_HOST_WAITING) {
                out[n++] = i - 1;
                waiting--;
            }
    }
    return n;
}

/* A dot alone means any byte there, and a backslash would be read by the quotes already. */
static void put_name(const char *name, struct tg_buf *out)
{
    for (; *name; name++)
        tg_buf_printf(out, strchr(".+*?()[]{}|^$\\", *name) ? "[%c]" : "%c", *name);
}

size_t tg_compare_names(const struct tg_run *run, struct tg_buf *out)
{
    size_t hosts[TG_COMPARE_MAX], n = tg_compare_hosts(run, hosts, TG_COMPARE_MAX), bytes = 0, used = 0;

    for (; used < n; used++) {
        const char *name = run->plan->hosts[hosts[used]].name;
        bytes += strlen(name);
        if (used > 0 && bytes > TG_COMPARE_BYTES_MAX)
            break;
        if (used > 0)
            tg_buf_putc(out, '|');
        put_name(name, out);
    }
    return used;
}

bool tg_compare_is_wanted(const struct tg_verify *v)
{
    return v->query && strstr(v->query, TG_VERIFY_UNCHANGED);
}
