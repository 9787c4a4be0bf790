/* Names of hosts, their order, and lists of them: see nodeset.h. */
#include "fleet/nodeset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The lower-case form of a character that may stand in a name; NUL for any other. By table of ASCII, not by locale. */
static char name_char(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char) (c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_' ? c : '\0';
}

static int bad_char(const char *name, size_t len, size_t at, struct tg_error *e)
{
    unsigned char c = (unsigned char) name[at];
    int column = (int) at + 1;
    int shown = len > 60 ? 60 : (int) len;

    if (c < 0x20 || c == 0x7f)
        tg_fail_at(e, TG_E_DATA, NULL, 0, column, "a host's name has a control character (0x%02x)", c);
    else if (c >= 0x80)
        tg_fail_at(e, TG_E_DATA, NULL, 0, column, "\"%.*s\": a host's name has only ASCII letters", shown, name);
    else
        tg_fail_at(e, TG_E_DATA, NULL, 0, column, "\"%.*s\": a host's name has no \"%c\"", shown, name, c);
    tg_error_hint(e, "letters, digits, \".\", \"-\" and \"_\" are allowed");
    return TG_E_DATA;
}

int tg_host_name(const char *name, size_t len, char out[TG_HOST_NAME_SIZE], struct tg_error *e)
{
    char lower[TG_HOST_NAME_SIZE];
    int shown = len > 60 ? 60 : (int) len;

    if (!len)
        return tg_fail_at(e, TG_E_DATA, NULL, 0, 1, "a host's name is empty");
    if (len > TG_HOST_NAME_MAX)
        return tg_fail_at(e, TG_E_DATA, NULL, 0, 1, "\"%.*s…\": a host's name has at most %d characters, this has %zu", shown, name,
                          TG_HOST_NAME_MAX, len);
    for (size_t i = 0; i < len; i++) {
        lower[i] = name_char(name[i]);
        if (!lower[i])
            return bad_char(name, len, i, e);
        if (lower[i] == '.' && (i == 0 || i + 1 == len || lower[i - 1] == '.'))
            return tg_fail_at(e, TG_E_DATA, NULL, 0, (int) i + 1, "\"%.*s\": a host's name has no dot at an end, nor two in a row",
                              shown, name);
    }
    if (lower[0] == '-')
        return tg_fail_at(e, TG_E_DATA, NULL, 0, 1, "\"%.*s\": a host's name does not begin with \"-\"", shown, name);
    memcpy(out, lower, len);
    out[len] = '\0';
    return 0;
}

/* Compares two runs of digits by value; moves both behind. Equal values of different lengths are left to *tie, the shorter first. */
static int compare_numbers(const char **a, const char **b, int *tie)
{
    size_t la = strspn(*a, "0123456789"), lb = strspn(*b, "0123456789");
    size_t za = strspn(*a, "0"), zb = strspn(*b, "0");
    const char *da = *a + za, *db = *b + zb;

    *a += la;
    *b += lb;
    if (la - za != lb - zb)
        return la - za < lb - zb ? -1 : 1;
    int c = memcmp(da, db, la - za);
    if (!c && !*tie)
        *tie = (la > lb) - (la < lb);
    return c;
}

int tg_name_compare(const char *a, const char *b)
{
    int tie = 0;

    while (*a && *b) {
        if (is_digit(*a) && is_digit(*b)) {
            int c = compare_numbers(&a, &b, &tie);
            if (c)
                return c;
        } else if (*a != *b) {
            return (unsigned char) *a < (unsigned char) *b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    if (*a || *b)
        return *a ? 1 : -1;
    return tie;
}

void tg_hostlist_release(struct tg_hostlist *names)
{
    free(names->text);
    free(names->at);
    *names = (struct tg_hostlist) TG_HOSTLIST_INIT;
}

static int list_room(struct tg_hostlist *names, size_t len)
{
    if (names->n == names->at_cap) {
        size_t cap = names->at_cap ? names->at_cap * 2 : 16;
        uint32_t *at = realloc(names->at, cap * sizeof *at);
        if (!at)
            return -1;
        names->at = at;
        names->at_cap = cap;
    }
    if (names->text_len + len + 1 > names->text_cap) {
        /* Half as much again: at a million names the block is tens of MB, and doubling would hold up to twice that. */
        size_t cap = names->text_cap + names->text_cap / 2 + len + 256;
        char *text = realloc(names->text, cap);
        if (!text)
            return -1;
        names->text = text;
        names->text_cap = cap;
    }
    return 0;
}

int tg_hostlist_add(struct tg_hostlist *names, const char *name, size_t len, struct tg_error *e)
{
    if (names->n >= TG_HOSTLIST_MAX)
        return tg_fail(e, TG_E_DATA, "more than %d names", TG_HOSTLIST_MAX);
    if (len > TG_HOST_NAME_MAX)
        return tg_fail(e, TG_E_DATA, "\"%.60s…\" is too long for a name", name);
    if (list_room(names, len))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    names->at[names->n++] = (uint32_t) names->text_len; /* 1,000,000 names of 254 bytes stay below 2^28 */
    memcpy(names->text + names->text_len, name, len);
    names->text[names->text_len + len] = '\0';
    names->text_len += len + 1;
    return 0;
}

const char *tg_hostlist_get(const struct tg_hostlist *names, size_t i)
{
    return names->text + names->at[i];
}

static int compare_pointers(const void *a, const void *b)
{
    return tg_name_compare(*(const char *const *) a, *(const char *const *) b);
}

static bool is_sorted(const struct tg_hostlist *names)
{
    for (size_t i = 1; i < names->n; i++)
        if (tg_name_compare(tg_hostlist_get(names, i - 1), tg_hostlist_get(names, i)) >= 0)
            return false;
    return true;
}

int tg_hostlist_sort(struct tg_hostlist *names, struct tg_error *e)
{
    if (is_sorted(names))
        return 0;
    const char **order = malloc(names->n * sizeof *order);
    if (!order)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < names->n; i++)
        order[i] = tg_hostlist_get(names, i);
    qsort(order, names->n, sizeof *order, compare_pointers);
    size_t n = 0;
    for (size_t i = 0; i < names->n; i++)
        if (i == 0 || strcmp(order[i], names->text + names->at[n - 1]) != 0)
            names->at[n++] = (uint32_t) (order[i] - names->text);
    names->n = n;
    free(order);
    return 0;
}
