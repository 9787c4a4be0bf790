/* last_run_summary.yaml as a hostile host might send it. */
#include "../../plugins/puppet/summary.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_puppet_summary s;

    if (tg_puppet_summary_parse((const char *) data, size, &s) == 0 && strlen(s.version) >= sizeof s.version)
        abort();
    return 0;
}
