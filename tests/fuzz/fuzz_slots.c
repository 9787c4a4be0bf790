/* FleetLock: what a client posts, and what a hostile store holds. Refused with a reason, or read, and written and read again as the same. */
#include "base/seal.h"
#include "guard/slots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check_record(const char *text, size_t size)
{
    struct tg_slots a, b;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_slots_decode(text, size, &a, &e) != 0) {
        if (!e.message[0])
            abort();
        return;
    }
    char *again = tg_slots_encode(&a);
    if (!again || tg_slots_decode(again, strlen(again), &b, NULL) != 0 || a.n != b.n)
        abort();
    free(again);
    tg_slots_release(&a);
    tg_slots_release(&b);
}

static void check_request(const char *text, size_t size)
{
    struct tg_slot_request r;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_slot_request_parse(text, size, &r, &e) != 0) {
        if (!e.message[0])
            abort();
        return;
    }
    if (!r.id[0] || !r.group[0] || strchr(r.group, '/') || strchr(r.id, ' '))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request((const char *) data, size);
    check_record((const char *) data, size);
    json_t *o = json_loadb((const char *) data, size, 0, NULL); /* nobody guesses a checksum: the same with a right one */
    json_object_del(o, "sum");
    char *sealed = tg_seal(o);
    if (sealed)
        check_record(sealed, strlen(sealed));
    free(sealed);
    return 0;
}
