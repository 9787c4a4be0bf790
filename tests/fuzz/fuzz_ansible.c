/* What a hostile host might say in our callback's place: the first byte chooses verb and status. */
#include "../../plugins/ansible/answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tg_driver_params p = {.timeout_ms = 1000};
    static const int statuses[] = {0, 2, 4, 75};

    if (!size)
        return 0;
    char *text = strndup((const char *) data + 1, size - 1);
    struct tg_answer a = {.host = "h", .status = statuses[data[0] & 3], .out = text, .out_len = strlen(text), .err = text, .err_len = strlen(text)};
    struct tg_outcome o;
    if (tg_ansible_answer(&p, (enum tg_verb)((data[0] >> 2) % TG_VERB_COUNT), &a, &o, NULL) != 0 || o.n_items > TG_OUTCOME_ITEMS_MAX)
        abort();
    for (const char *c = o.text; *c; c++)
        if ((unsigned char) *c < ' ')
            abort();
    tg_outcome_release(&o);
    free(text);
    return 0;
}
