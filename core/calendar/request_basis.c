/* By what times were given: see request_basis.h. */
#include "calendar/request_basis.h"

#include "base/buf.h"
#include "base/sha256.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tg_basis_look(struct tg_basis_file *out, const char *path)
{
    *out = (struct tg_basis_file){.path = path};
    out->there = path && stat(path, &out->st) == 0;
}

static bool is_the_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* When an export was made says nothing of what is in it: one that is fetched every hour is not another calendar each
 * time. */
static bool counts(const char *line)
{
    static const char *const made[] = {"DTSTAMP", "LAST-MODIFIED", "CREATED"};

    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        size_t len = strlen(made[i]);
        if (strncmp(line, made[i], len) == 0 && (line[len] == ':' || line[len] == ';'))
            return false;
    }
    return true;
}

static bool add_file(const char *path, const struct stat *st, bool ics, struct tg_sha256 *h)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat now;
    FILE *f = NULL;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (fd >= 0 && fstat(fd, &now) == 0 && S_ISREG(now.st_mode) && is_the_same(st, &now))
        f = fdopen(fd, "r");
    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while ((n = getline(&line, &cap, f)) > 0)
        if (!ics || counts(line))
            tg_sha256_add(h, line, (size_t) n);
    bool whole = !ferror(f) && feof(f);
    free(line);
    fclose(f);
    tg_sha256_add(h, "\0file", 6);
    return whole;
}

bool tg_basis_calendar(const struct tg_basis_file *file, const struct tg_calendar *calendar, char out[TG_SHA256_HEX])
{
    struct tg_sha256 h;
    size_t n = 0;
    const struct tg_calendar_file *files = calendar ? tg_calendar_files(calendar, &n) : NULL;

    tg_sha256_init(&h);
    bool ok = !file->path || (file->there && add_file(file->path, &file->st, false, &h));
    for (size_t i = 0; ok && i < n; i++)
        ok = files[i].there && add_file(files[i].path, &files[i].st, true, &h);
    if (ok)
        tg_sha256_end_hex(&h, out);
    return ok;
}

int tg_basis_of(const char *calendar, const struct tg_inventory *inventory, const struct tg_host *host,
                int64_t weeks_txid, char out[TG_REQ_BASIS_SIZE], struct tg_error *e)
{
    const struct tg_customer *customer = tg_host_customer(inventory, host);
    struct tg_buf text = TG_BUF_INIT;
    char hex[TG_SHA256_HEX];

    tg_host_describe(inventory, host, &text);
    if (customer) {
        tg_buf_printf(&text, "\n%s %lld", customer->name, (long long) customer->lead_ms);
        for (size_t i = 0; i < customer->n_windows; i++)
            tg_buf_printf(&text, "\n%s", customer->windows[i]);
    }
    tg_buf_printf(&text, "\n%s", calendar);
    int rc = tg_buf_ok(&text, e);
    if (!rc) {
        tg_sha256_hex(tg_buf_text(&text), text.len, hex);
        snprintf(out, TG_REQ_BASIS_SIZE, "%.16s.%lld", hex, (long long) weeks_txid);
    }
    tg_buf_release(&text);
    return rc;
}
