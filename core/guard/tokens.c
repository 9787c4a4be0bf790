/* Tokens: see tokens.h. */
#define _GNU_SOURCE
#include "guard/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_LEN 52

int tg_token_make(char out[TG_TOKEN_SIZE], struct tg_error *e)
{
    return tg_random_id(out, TOKEN_LEN, e);
}

static int write_whole(int fd, const char *token)
{
    size_t len = strlen(token);

    errno = ENOSPC; /* what a write that falls short leaves out */
    return write(fd, token, len) == (ssize_t) len && write(fd, "\n", 1) == 1 && fsync(fd) == 0 ? 0 : -1;
}

int tg_token_keep(const char *state_dir, const char *lock_id, const char *token, struct tg_error *e)
{
    char path[600];

    snprintf(path, sizeof path, "%.500s/tokens", state_dir);
    (void) mkdir(state_dir, 0755);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path);
    snprintf(path, sizeof path, "%.500s/tokens/%s", state_dir, lock_id);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tg_fail_errno(e, TG_E_SYSTEM, errno, "%s", path);
    int bad = write_whole(fd, token), error = errno;
    close(fd);
    if (!bad)
        return 0;
    unlink(path);
    return tg_fail_errno(e, TG_E_SYSTEM, error, "%s", path);
}

void tg_token_read(const char *state_dir, const char *lock_id, char out[TG_TOKEN_SIZE])
{
    char path[600];
    ssize_t n = -1;

    snprintf(path, sizeof path, "%.500s/tokens/%.16s", state_dir, lock_id);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        n = read(fd, out, TG_TOKEN_SIZE - 1);
        close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
    size_t len = strspn(out, TG_ID_ALPHABET);
    out[len == TOKEN_LEN ? len : 0] = '\0';
}

void tg_token_forget(const char *state_dir, const char *lock_id)
{
    char path[600];

    snprintf(path, sizeof path, "%.500s/tokens/%.16s", state_dir, lock_id);
    unlink(path);
}
