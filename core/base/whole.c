/* Files written whole: see whole.h. */
#include "base/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const char *file, const char *what, int error, struct tg_error *e)
{
    return tg_fail_errno(e, error == EACCES || error == EPERM || error == EROFS ? TG_E_PERM : TG_E_SYSTEM, error, "%s can't be %s", file, what);
}

int tg_whole_open_folder(const char *file, unsigned flags)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s", file) >= (int) sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    char *slash = strrchr(path, '/');
    if (!slash)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *slash = '\0';
    char *above = strrchr(path, '/');
    if (flags & TG_WHOLE_FOLDERS && above && above != path) {
        *above = '\0';
        mkdir(path, 0755);
        *above = '/';
    }
    if (flags & TG_WHOLE_FOLDERS)
        mkdir(path, 0755);
    return open(slash == path ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
        bytes += n;
        len -= (size_t) n;
    }
    return 0;
}

/* 0 or an errno. */
static int write_new(const char *file, const char *temporary, const void *bytes, size_t len, mode_t mode, unsigned flags)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return errno;
    bool good = write_all(fd, bytes, len) == 0 && fchmod(fd, mode) == 0 && (!(flags & TG_WHOLE_DURABLE) || fsync(fd) == 0);
    int error = good ? 0 : errno;
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error && rename(temporary, file) != 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

/* A device, a pipe, what /dev/stdout is: nothing that may be replaced by a file. */
static bool is_special(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_into(const char *file, const void *bytes, size_t len, struct tg_error *e)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return cannot(file, "written", errno, e);
    int error = write_all(fd, bytes, len) ? errno : 0;
    if (close(fd) != 0 && !error)
        error = errno;
    return error ? cannot(file, "written", error, e) : 0;
}

int tg_whole_write(const char *file, const void *bytes, size_t len, mode_t mode, unsigned flags, struct tg_error *e)
{
    char temporary[PATH_MAX];

    if (flags & TG_WHOLE_ANYWHERE && is_special(file))
        return write_into(file, bytes, len, e);
    if (snprintf(temporary, sizeof temporary, "%s.new", file) >= (int) sizeof temporary)
        return cannot(file, "written", ENAMETOOLONG, e);
    int folder = tg_whole_open_folder(file, flags);
    if (folder < 0)
        return cannot(file, "written", errno, e);
    int error = write_new(file, temporary, bytes, len, mode, flags);
    if (!error && flags & TG_WHOLE_DURABLE && fsync(folder) != 0)
        error = errno;
    close(folder);
    return error ? cannot(file, "written", error, e) : 0;
}

static int read_all(int fd, char *text, size_t size, size_t *out_len)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        len += (size_t) n;
    }
    *out_len = len;
    return 0;
}

int tg_whole_read(const char *file, size_t max, char **out, size_t *out_len, struct tg_error *e)
{
    struct stat st;
    size_t len = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), error = 0;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return tg_fail(e, TG_E_NOENT, "%s is not there", file);
    if (fd < 0)
        return cannot(file, "read", errno, e);
    if (fstat(fd, &st) != 0) {
        error = errno;
        close(fd);
        return cannot(file, "read", error, e);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return tg_fail(e, TG_E_DATA, "%s is no regular file", file);
    }
    char *text = malloc(max + 2);
    if (text)
        error = read_all(fd, text, max + 1, &len);
    close(fd);
    if (!text || error || len > max) {
        free(text);
        return !text ? tg_fail(e, TG_E_MEMORY, "out of memory") : error ? cannot(file, "read", error, e)
                     : tg_fail(e, TG_E_DATA, "%s is longer than %zu bytes", file, max);
    }
    text[len] = '\0';
    *out = text;
    *out_len = len;
    return 0;
}
