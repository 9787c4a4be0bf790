/* Passwords and keys from files: see secret.h. */
#define _GNU_SOURCE
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, const char *what, const char *path, struct tg_error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "%s %s", what, path);
    if (!S_ISREG(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "%s %s is no regular file", what, path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return tg_fail(e, TG_E_CONFIG, "%s %s belongs to another user (%u)", what, path, (unsigned) st.st_uid);
    if (st.st_mode & 077) {
        tg_fail(e, TG_E_CONFIG, "%s %s can be read or written by others (mode %03o)", what, path, (unsigned) st.st_mode & 0777U);
        tg_error_hint(e, "chmod 600 %s, and change the password", path);
        return TG_E_CONFIG;
    }
    return 0;
}

static int read_line(int fd, const char *what, const char *form, const char *path, char *out, struct tg_error *e)
{
    size_t len = 0;
    ssize_t n = 0;

    while (len + 1 < TG_SECRET_SIZE && (n = read(fd, out + len, TG_SECRET_SIZE - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR)
            return tg_fail_errno(e, TG_E_CONFIG, errno, "%s %s", what, path);
        len += n > 0 ? (size_t) n : 0;
    }
    if (len > 0 && out[len - 1] == '\n')
        len--;
    out[len] = '\0';
    if (n != 0 || !len || strlen(out) != len || strpbrk(out, "\n\r"))
        return tg_fail(e, TG_E_CONFIG, "%s %s is not one line %s", what, path, form);
    return 0;
}

int tg_secret_read(const char *what, const char *form, const char *path, char out[TG_SECRET_SIZE], struct tg_error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "%s %s can't be read", what, path);
    int rc = check_file(fd, what, path, e);
    if (!rc)
        rc = read_line(fd, what, form, path, out, e);
    close(fd);
    if (rc)
        explicit_bzero(out, TG_SECRET_SIZE);
    return rc;
}
