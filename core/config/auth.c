/* The store's password, from a file that nobody else can read: see site.h. */
#define _GNU_SOURCE
#include "config/site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name and a password of any sense; what is longer is another file. */
#define AUTH_MAX 1024
#define SCHEME "digest:"

void tg_config_forget_auth(char *auth)
{
    if (auth)
        explicit_bzero(auth, strlen(auth));
    free(auth);
}

static int check_file(int fd, const char *path, struct tg_error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "store-auth %s", path);
    if (!S_ISREG(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "store-auth %s is no regular file", path);
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        tg_fail(e, TG_E_CONFIG, "store-auth %s belongs to another user (%u)", path, (unsigned) st.st_uid);
        return TG_E_CONFIG;
    }
    if (st.st_mode & 077) {
        tg_fail(e, TG_E_CONFIG, "store-auth %s can be read or written by others (mode %03o)", path, (unsigned) st.st_mode & 0777U);
        tg_error_hint(e, "chmod 600 %s, and change the password", path);
        return TG_E_CONFIG;
    }
    return 0;
}

/* Reads the only line behind the scheme, which stands in text already. */
static int read_line(int fd, const char *path, char *text, size_t size, struct tg_error *e)
{
    size_t len = strlen(SCHEME);
    ssize_t n = 0;

    while (len + 1 < size && (n = read(fd, text + len, size - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR)
            return tg_fail_errno(e, TG_E_CONFIG, errno, "store-auth %s", path);
        len += n > 0 ? (size_t) n : 0;
    }
    if (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    const char *line = text + strlen(SCHEME), *colon = strchr(line, ':');
    if (n != 0 || strlen(text) != len || strpbrk(line, "\n\r") || !colon || colon == line || !colon[1]) {
        tg_fail(e, TG_E_CONFIG, "store-auth %s is not one line USER:PASSWORD", path);
        return TG_E_CONFIG;
    }
    return 0;
}

int tg_config_read_auth(const struct tg_config *config, char **out, struct tg_error *e)
{
    const char *path = config->store_auth;
    char text[sizeof SCHEME + AUTH_MAX + 1] = SCHEME;

    *out = NULL;
    if (!path)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "store-auth %s can't be read", path);
    int rc = check_file(fd, path, e);
    if (!rc)
        rc = read_line(fd, path, text, sizeof text, e);
    close(fd);
    if (!rc && !(*out = strdup(text)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    explicit_bzero(text, sizeof text);
    return rc;
}
