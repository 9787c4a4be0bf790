/* Makes the modules of around_file.c be found, beside the test's program. */
#ifndef TESTS_LIB_AROUND_H
#define TESTS_LIB_AROUND_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void use_around_modules(void)
{
    char self[PATH_MAX] = "", dir[PATH_MAX + 16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

    self[len > 0 ? len : 0] = '\0';
    if (strrchr(self, '/'))
        *strrchr(self, '/') = '\0';
    snprintf(dir, sizeof dir, "%s/around", self);
    setenv("TAGOUT_MODULES", dir, 1);
}

#endif
