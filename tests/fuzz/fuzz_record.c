/* Whatever lies in the store: a record is refused with a reason, or read, written and read again to the same. */
#include "base/seal.h"
#include "guard/record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check_lock(const char *text, size_t size)
{
    struct tg_lock a, b;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_lock_decode(text, size, &a, &e) != 0) {
        if (!e.message[0])
            abort();
        return;
    }
    char *one = tg_lock_encode(&a);
    if (!one || tg_lock_decode(one, strlen(one), &b, NULL) != 0)
        abort();
    char *two = tg_lock_encode(&b);
    if (!two || strcmp(one, two) != 0)
        abort();
    free(one);
    free(two);
    tg_lock_clear(&a);
    tg_lock_clear(&b);
}

static void check_permit(const char *text, size_t size)
{
    struct tg_permit_record a, b;

    if (tg_permit_decode(text, size, &a, NULL) != 0)
        return;
    char *one = tg_permit_encode(&a);
    if (!one || tg_permit_decode(one, strlen(one), &b, NULL) != 0)
        abort();
    free(one);
    tg_permit_clear(&a);
    tg_permit_clear(&b);
}

static void check_counter(const char *text, size_t size)
{
    struct tg_counter a, b;

    if (tg_counter_decode(text, size, &a, NULL) != 0)
        return;
    char *one = tg_counter_encode(&a);
    if (!one || tg_counter_decode(one, strlen(one), &b, NULL) != 0 || a.count != b.count || a.epoch != b.epoch)
        abort();
    free(one);
    tg_counter_clear(&a);
    tg_counter_clear(&b);
}

static void check(const char *text, size_t size)
{
    check_lock(text, size);
    check_permit(text, size);
    check_counter(text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *) data, size);
    json_t *o = json_loadb((const char *) data, size, 0, NULL); /* nobody guesses a checksum: the same with a right one */
    json_object_del(o, "sum");
    char *sealed = tg_seal(o);
    if (sealed && tg_seal_check(sealed, strlen(sealed)) != TG_SEAL_WHOLE)
        abort();
    if (sealed)
        check(sealed, strlen(sealed));
    free(sealed);
    return 0;
}
