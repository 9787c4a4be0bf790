/*
 * Contacts as people write them: an address, or a name and an address, or refused. What is taken can stand in a header
 * and in an SMTP command: in the text it came from, one "@", nothing that ends a line or a list; and taken alone it is
 * taken again.
 */
#include "base/mailbox.h"
#include "base/shown.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_thing)
{
    if (!true_thing)
        abort();
}

static void check(const char *text, const char *address, size_t len, size_t name_len)
{
    char copy[TG_MAILBOX_MAX + 1];
    const char *again;
    size_t again_len, again_name, n;
    long point;

    must(address >= text && len > 2 && len <= TG_MAILBOX_MAX && strlen(address) >= len);
    must(name_len == 0 || (text + name_len < address && text[name_len - 1] != ' '));
    for (const char *p = text; p < text + name_len; p += n) {
        n = tg_char_at(p, &point);
        must(n > 0 && !tg_char_is_hidden(point) && p + n <= text + name_len);
    }
    memcpy(copy, address, len);
    copy[len] = '\0';
    must(strcspn(copy, "\r\n\t <>,;:\"\\") == len && strchr(copy, '@') == strrchr(copy, '@'));
    must(tg_mailbox_ok(copy) && tg_mailbox_split(copy, &again, &again_len, &again_name) && again == copy &&
         again_len == len && again_name == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *address = NULL;
    size_t len = 0, name_len = 0;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (tg_mailbox_split(text, &address, &len, &name_len))
        check(text, address, len, name_len);
    else
        must(!address && !len && !name_len);
    free(text);
    return 0;
}
