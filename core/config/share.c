/* "30%" or "12": see share.h. */
#include "config/share.h"

#include <stdio.h>
#include <string.h>

#define WHOLE 100000 /* thousandths of a percent */

/* Digits with up to three decimals, then "%". */
static bool parse_percent(const char *s, int64_t *out)
{
    int64_t value = 0;
    int decimals = -1;

    for (; *s && *s != '%'; s++) {
        if (*s == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*s < '0' || *s > '9' || decimals == 3 || value > WHOLE)
            return false;
        value = value * 10 + (*s - '0');
        decimals += decimals >= 0;
    }
    if (strcmp(s, "%") != 0 || decimals == 0)
        return false;
    for (int i = decimals < 0 ? 0 : decimals; i < 3; i++)
        value *= 10;
    *out = value;
    return value <= WHOLE;
}

static bool parse_count(const char *s, int64_t *out)
{
    size_t len = strspn(s, "0123456789");

    if (len == 0 || len > 9 || s[len] || (s[0] == '0' && len > 1))
        return false;
    *out = 0;
    for (; *s; s++)
        *out = *out * 10 + (*s - '0');
    return true;
}

bool tg_share_parse(const char *text, struct tg_share *out)
{
    struct tg_share share = {.kind = strchr(text, '%') ? TG_SHARE_PERCENT : TG_SHARE_COUNT};

    if (text[0] < '0' || text[0] > '9')
        return false;
    if (!(share.kind == TG_SHARE_PERCENT ? parse_percent(text, &share.value) : parse_count(text, &share.value)))
        return false;
    *out = share;
    return true;
}

int64_t tg_share_of(const struct tg_share *share, int64_t total)
{
    int64_t n = share->value;

    if (share->kind == TG_SHARE_UNSET)
        return -1;
    if (share->kind == TG_SHARE_PERCENT)
        n = (total * share->value + WHOLE - 1) / WHOLE;
    return n < total ? n : total;
}

int64_t tg_share_within(const struct tg_share *share, int64_t total)
{
    if (share->kind == TG_SHARE_UNSET)
        return -1;
    return share->kind == TG_SHARE_PERCENT ? total * share->value / WHOLE : share->value;
}

void tg_share_format(const struct tg_share *share, char *out, size_t size)
{
    out[0] = '\0';
    if (share->kind == TG_SHARE_COUNT)
        snprintf(out, size, "%lld", (long long) share->value);
    if (share->kind != TG_SHARE_PERCENT)
        return;
    int n = snprintf(out, size, "%lld.%03lld", (long long) (share->value / 1000), (long long) (share->value % 1000));
    while (n > 0 && (size_t) n < size && out[n - 1] == '0')
        out[--n] = '\0';
    if (n > 0 && out[n - 1] == '.')
        n--;
    snprintf(out + n, size - (size_t) n, "%%");
}
