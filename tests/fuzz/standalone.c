/* Runs a fuzz target over files and folders (one level), so that corpora are ordinary tests. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    static uint8_t data[1 << 20];

    if (!f)
        return 0;
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    uint8_t *copy = malloc(n + 1); /* exact size: reads behind the end are seen */
    if (!copy)
        abort();
    for (size_t i = 0; i < n; i++)
        copy[i] = data[i];
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    return 1;
}

int main(int argc, char **argv)
{
    long n = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *d;
        char path[4096];
        if (!dir) {
            n += run_file(argv[i]);
            continue;
        }
        while ((d = readdir(dir)) != NULL) {
            snprintf(path, sizeof path, "%s/%s", argv[i], d->d_name);
            if (d->d_name[0] != '.')
                n += run_file(path);
        }
        closedir(dir);
    }
    printf("%ld inputs\n", n);
    return n ? 0 : 1;
}
