/* Patterns: see pattern.h. */
#include "pattern.h"

#include <ctype.h>
#include <string.h>

static bool same(char a, char b)
{
    return tolower((unsigned char) a) == tolower((unsigned char) b);
}

/* Remembers the last star and goes back to it, so that the time is at worst the product of both lengths. */
static bool match_one(const char *text, const char *pattern, size_t len)
{
    const char *star_text = NULL;
    size_t p = 0, star = 0;

    while (*text) {
        if (p < len && pattern[p] == '*') {
            star = ++p;
            star_text = text;
        } else if (p < len && (pattern[p] == '?' || same(pattern[p], *text))) {
            p++;
            text++;
        } else if (star_text) {
            p = star;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (p < len && pattern[p] == '*')
        p++;
    return p == len;
}

int tg_ssh_match_list(const char *text, const char *patterns)
{
    int found = 0;

    while (*(patterns += strspn(patterns, ", \t"))) {
        size_t len = strcspn(patterns, ", \t");
        bool no = patterns[0] == '!';
        if (match_one(text, patterns + no, len - no)) {
            if (no)
                return -1;
            found = 1;
        }
        patterns += len;
    }
    return found;
}

bool tg_ssh_has_pattern(const char *patterns, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("*?!", patterns[i]))
            return true;
    return false;
}
