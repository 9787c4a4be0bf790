/* "1/min": see rate.h. */
#include "config/rate.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    int64_t ms;
} units[] = {{"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
#define N_UNITS (sizeof units / sizeof units[0])

#define COUNT_MAX 100000

bool tg_rate_parse(const char *text, struct tg_rate *out)
{
    size_t digits = strspn(text, "0123456789");
    int64_t count = 0;

    if (digits == 0 || digits > 6 || text[0] == '0' || text[digits] != '/')
        return false;
    for (size_t i = 0; i < digits; i++)
        count = count * 10 + (text[i] - '0');
    for (size_t i = 0; i < N_UNITS && count <= COUNT_MAX; i++)
        if (strcmp(text + digits + 1, units[i].word) == 0) {
            *out = (struct tg_rate) {count, units[i].ms};
            return true;
        }
    return false;
}

void tg_rate_format(const struct tg_rate *rate, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; rate->count && i < N_UNITS; i++)
        if (units[i].ms == rate->per_ms)
            snprintf(out, size, "%lld/%s", (long long) rate->count, units[i].word);
}

int64_t tg_rate_interval_us(const struct tg_rate *rate)
{
    return rate->count ? rate->per_ms * 1000 / rate->count : 0;
}

int64_t tg_rate_takes_ms(const struct tg_rate *rate, int64_t n)
{
    return n > 1 ? (tg_rate_interval_us(rate) * (n - 1) + 999) / 1000 : 0;
}
