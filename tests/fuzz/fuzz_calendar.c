/* Whatever a calendar says: refused with a message, or answers that agree with each other, in bounded time. */
#include "calendar/agenda.h"
#include "config/problems.h"

#include <stdlib.h>
#include <string.h>

static const char inventory_text[] = "groups: {web: {hosts: \"web[1-2]\"}, db: {hosts: db1}}\ncustomers: {acme: {hosts: \"@db\"}}\n";

static void ask(struct tg_agenda *agenda)
{
    static const int64_t times[] = {0, INT64_C(1774746000000), INT64_C(1795392000000), INT64_C(2147483648000), INT64_C(4102444800000)};

    for (uint32_t c = 0; c < tg_agenda_classes(agenda); c++)
        for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
            struct tg_allowed a;
            struct tg_fit f;
            if (tg_agenda_at(agenda, c, times[i], &a, NULL) || tg_agenda_fits(agenda, c, times[i], 60000, &f, NULL))
                abort();
            if ((a.may_start && !a.open) || (a.open && a.open_until_ms <= times[i]) || a.next_start_ms < times[i] || (f.now && !a.may_start) || f.start_ms < a.next_start_ms)
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_inventory *inventory;
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_calendar *calendar = NULL;
    struct tg_agenda *agenda = NULL;

    if (!inventory && tg_inventory_parse_yaml("inv", inventory_text, sizeof inventory_text - 1, &p, &inventory, NULL))
        abort();
    int rc = tg_calendar_parse("cal", (const char *) data, size, &p, &calendar, &e);
    if (!rc)
        rc = tg_agenda_new(calendar, inventory, &p, &agenda, &e);
    if (rc && (e.code != rc || !e.message[0]))
        abort();
    if (!rc)
        ask(agenda);
    tg_agenda_free(agenda);
    tg_calendar_free(calendar);
    tg_problems_release(&p);
    return 0;
}
