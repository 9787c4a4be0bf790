/* What calls itself an Alertmanager might answer anything: no crash, and what is taken for ours is whole (P12). */
#include "../../plugins/alertmanager/silences.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_am_silence ours[4];
    char why[100] = "", id[TG_AM_ID_SIZE] = "", said[50];
    size_t n = 0;
    json_t *matchers = json_pack("[{s:s, s:s, s:b, s:b}]", "name", "instance", "value", "web1", "isRegex", 0, "isEqual", 1);
    bool fine = tg_am_silences((const char *) data, size, "tagout[t]", matchers, ours, 4, &n, why, sizeof why);

    if ((!fine && (!why[0] || n)) || n > 4)
        abort();
    for (size_t i = 0; i < n; i++)
        if (!tg_am_is_id(ours[i].id))
            abort();
    if (tg_am_posted((const char *) data, size, id, sizeof id) && !tg_am_is_id(id))
        abort();
    tg_am_said((const char *) data, size, said, sizeof said);
    if (strlen(said) >= sizeof said)
        abort();
    json_decref(matchers);
    return 0;
}
