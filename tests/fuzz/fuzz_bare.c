/* The report of a bare host: whatever a host says, no crash, and never an answer out of thin air. */
#include "engine/bare.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char nonce[] = "00112233445566778899aabbccddeeff";
    struct tg_answer a = {.out = "", .err = ""};
    char text[256];
    char *copy = malloc(size + 1);

    memcpy(copy, data, size);
    copy[size] = '\0';
    enum tg_bare_state state = tg_bare_answer(copy, size, "", nonce, &a, text, sizeof text);
    if (state == TG_BARE_EXITED && (a.out[a.out_len] || a.err[a.err_len] || a.status < 0 || a.status > 255))
        abort();
    for (size_t i = 0; state == TG_BARE_EXITED && i < a.n_files; i++)
        if (a.files[i].data[a.files[i].len])
            abort();
    free(copy);
    return 0;
}
