/* Files where our projections go, as others may have written them: told from ours, and never more. */
#define _GNU_SOURCE
#include "agent/project.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (tg_project_json_is_ours((const char *) data, size) && !memmem(data, size, "written", 7) && !memmem(data, size, "\\u", 2))
        __builtin_trap();
    return 0;
}
