/* Whatever is written: refused with a column inside the text, or a set of hosts in order. */
#include "config/problems.h"
#include "fleet/nodeset.h"
#include "fleet/selector.h"

#include <stdlib.h>
#include <string.h>

static struct tg_inventory *fleet(void)
{
    static const char text[] = "groups: {web: {hosts: 'web[1-70]', attrs: {role: web}}, db: {hosts: 'db[1-3]'}}";
    static struct tg_inventory *inventory;
    struct tg_problems p = TG_PROBLEMS_INIT;

    if (!inventory && tg_inventory_parse_yaml("fleet", text, strlen(text), &p, &inventory, NULL))
        abort();
    return inventory;
}

static void check(const char *text)
{
    struct tg_selection s = TG_SELECTION_INIT;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_select(fleet(), text, &s, &e);

    if (rc && (e.code != rc || !e.message[0] || e.column < 0 || (size_t) e.column > strlen(text) + 1))
        abort();
    for (size_t i = 1; i < s.n; i++)
        if (tg_name_compare(s.hosts[i - 1]->name, s.hosts[i]->name) >= 0)
            abort();
    tg_selection_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    check(text);
    free(text);
    return 0;
}
