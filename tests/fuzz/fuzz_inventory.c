/* Whatever is written: refused with a message, or an inventory in which every host is found by its name. */
#include "base/buf.h"
#include "config/problems.h"
#include "fleet/inventory.h"

#include <stdlib.h>
#include <string.h>

typedef int parse_fn(const char *file, const char *text, size_t len, struct tg_problems *p, struct tg_inventory **out, struct tg_error *e);

static void look_around(const struct tg_inventory *inventory)
{
    struct tg_buf text = TG_BUF_INIT;
    size_t n;
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n);

    for (size_t i = 0; i < n && i < 1000; i++) {
        if (tg_inventory_host(inventory, hosts[i].name) != &hosts[i])
            abort();
        tg_host_describe(inventory, &hosts[i], &text);
    }
    tg_buf_release(&text);
}

static void check(parse_fn *parse, const uint8_t *data, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_inventory *inventory = NULL;
    int rc = parse("inv", (const char *) data, size, &p, &inventory, &e);

    if (rc && (e.code != rc || !e.message[0] || inventory))
        abort();
    if (!rc)
        look_around(inventory);
    tg_inventory_free(inventory);
    tg_problems_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(tg_inventory_parse_yaml, data, size);
    check(tg_inventory_parse_ansible, data, size);
    return 0;
}
