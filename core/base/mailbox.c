/* Mail addresses: see mailbox.h. */
#include "base/mailbox.h"

#include "base/shown.h"

#include <stdio.h>
#include <string.h>

/* Words between dots: none is empty. */
static bool are_words(const char *text, size_t len)
{
    if (!len || text[0] == '.' || text[len - 1] == '.')
        return false;
    for (size_t i = 1; i < len; i++)
        if (text[i] == '.' && text[i - 1] == '.')
            return false;
    return true;
}

bool tg_mailbox_ok(const char *address)
{
    const char *at = strchr(address, '@');
    size_t n;
    long point;

    if (!at || at == address || !at[1] || strchr(at + 1, '@') || strlen(address) > TG_MAILBOX_MAX || at - address > 64)
        return false;
    for (const char *p = address; (n = tg_char_at(p, &point)); p += n)
        if (point <= ' ' || tg_char_is_hidden(point) || (point < 128 && strchr("<>()[],;:\\\"", (char) point)))
            return false;
    return address[0] != '-' && at[1] != '-' && are_words(at + 1, strlen(at + 1));
}

const char *tg_mailbox_quoted(const char *address, char *out, size_t size)
{
    size_t len = strcspn(address, "@");

    if (are_words(address, len))
        snprintf(out, size, "%s", address);
    else
        snprintf(out, size, "\"%.*s\"%s", (int) len, address, address + len);
    return out;
}

bool tg_mailbox_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text >= 128)
            return false;
    return true;
}

static bool is_name(const char *text, size_t len)
{
    size_t n;
    long point;

    for (const char *p = text; p < text + len && (n = tg_char_at(p, &point)); p += n)
        if (tg_char_is_hidden(point))
            return false;
    return true;
}

bool tg_mailbox_split(const char *text, const char **out_address, size_t *out_len, size_t *out_name_len)
{
    const char *open = strrchr(text, '<'), *address = open ? open + 1 : text;
    size_t len = strlen(address), name = open ? (size_t) (open - text) : 0;
    char copy[TG_MAILBOX_MAX + 1];

    if (open && (!len || address[--len] != '>'))
        return false;
    while (name > 0 && text[name - 1] == ' ')
        name--;
    if (len > TG_MAILBOX_MAX || !is_name(text, name))
        return false;
    memcpy(copy, address, len);
    copy[len] = '\0';
    if (strlen(copy) != len || !tg_mailbox_ok(copy))
        return false;
    *out_address = address;
    *out_len = len;
    *out_name_len = name;
    return true;
}
