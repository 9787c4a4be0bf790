/* What a hostile host might print in the place of "puppet agent --noop". */
#include "../../plugins/puppet/items.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *) data, size);
    struct tg_outcome o = {0};

    tg_puppet_items(text, true, &o);
    for (size_t i = 0; i < o.n_items; i++)
        for (const char *c = o.items[i].what; *c; c++)
            if ((unsigned char) *c < ' ')
                abort();
    tg_outcome_release(&o);
    free(text);
    return 0;
}
