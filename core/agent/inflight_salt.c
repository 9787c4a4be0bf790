/*
 * Salt's jobs: each has a file proc/JID while it runs, a map in MessagePack. Of that only what is needed is read;
 * everything else is stepped over. Written from the format's page, for what Salt uses of it and what it could.
 */
#include "agent/inflight_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_MAX (256 * 1024) /* the pid stands first; arguments may be long */
#define DEPTH_MAX 16
#define FILES_MAX 1024

struct reader {
    const unsigned char *at, *end;
};

/* A big-endian number of n bytes; false: not that many are left. */
static bool take_be(struct reader *r, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    if ((size_t) (r->end - r->at) < n)
        return false;
    while (n--)
        v = v << 8 | *r->at++;
    *out = v;
    return true;
}

static bool step(struct reader *r, uint64_t n)
{
    if (n > (uint64_t) (r->end - r->at))
        return false;
    r->at += n;
    return true;
}

/* The length of a string or of bytes, when the next value is one; otherwise the reader is where it was. */
static bool take_text(struct reader *r, const unsigned char **out, uint64_t *out_len)
{
    struct reader from = *r;
    uint64_t type = 0, len = 0;
    bool ok = take_be(r, 1, &type);

    if (ok && type >= 0xa0 && type <= 0xbf)
        len = type & 31;
    else if (ok && (type == 0xd9 || type == 0xc4))
        ok = take_be(r, 1, &len);
    else if (ok && (type == 0xda || type == 0xc5))
        ok = take_be(r, 2, &len);
    else if (ok && (type == 0xdb || type == 0xc6))
        ok = take_be(r, 4, &len);
    else
        ok = false;
    *out = r->at;
    *out_len = len;
    ok = ok && step(r, len);
    if (!ok)
        *r = from;
    return ok;
}

static bool take_int(struct reader *r, int64_t *out)
{
    struct reader from = *r;
    uint64_t type = 0, v = 0;
    bool ok = take_be(r, 1, &type);

    if (ok && type <= 0x7f)
        v = type;
    else if (ok && type >= 0xcc && type <= 0xcf)
        ok = take_be(r, (size_t) 1 << (type - 0xcc), &v);
    else if (ok && type >= 0xd2 && type <= 0xd3) /* signed, of four or eight bytes: a positive one reads the same */
        ok = take_be(r, (size_t) 1 << (type - 0xd0), &v);
    else
        ok = false;
    ok = ok && v <= INT32_MAX;
    if (ok)
        *out = (int64_t) v;
    else
        *r = from;
    return ok;
}

/* The number of children of the next value, which is stepped over but for them. */
static bool open_value(struct reader *r, uint64_t *out_children)
{
    static const unsigned char fixed[] = {/* ca */ 4,        8, 1, 2, 4, 8, 1, 2, 4, 8,
                                          /* d4 fixext */ 2, 3, 5, 9, 17};
    const unsigned char *text;
    uint64_t type, len = 0;

    *out_children = 0;
    if (take_text(r, &text, &len))
        return true;
    if (!take_be(r, 1, &type))
        return false;
    if (type <= 0x7f || type >= 0xe0 || type == 0xc0 || type == 0xc2 || type == 0xc3)
        return true;
    if (type >= 0x80 && type <= 0x9f) {
        *out_children = type <= 0x8f ? 2 * (type & 15) : type & 15;
        return true;
    }
    if (type >= 0xc7 && type <= 0xc9) /* ext: a length, a type, bytes */
        return take_be(r, (size_t) 1 << (type - 0xc7), &len) && step(r, len + 1);
    if (type >= 0xca && type <= 0xd8)
        return step(r, fixed[type - 0xca]);
    if (type >= 0xdc && type <= 0xdf) {
        bool ok = take_be(r, type & 1 ? 4 : 2, &len);
        *out_children = type >= 0xde ? 2 * len : len;
        return ok;
    }
    return false;
}

static bool skip(struct reader *r, int depth)
{
    uint64_t children;

    if (depth >= DEPTH_MAX || !open_value(r, &children))
        return false;
    while (children--)
        if (!skip(r, depth + 1)) /* each takes a byte at least, so this ends */
            return false;
    return true;
}

static void copy_text(const unsigned char *text, uint64_t len, char *out, size_t size)
{
    size_t n = 0;

    for (uint64_t i = 0; i < len && n + 1 < size; i++)
        out[n++] = text[i] > 0x20 && text[i] < 0x7f ? (char) text[i] : '?';
    out[n] = '\0';
}

bool tg_salt_job_parse(const unsigned char *bytes, size_t len, struct tg_salt_job *out)
{
    struct reader r = {bytes, bytes + len};
    struct tg_salt_job job = {.pid = 0};
    const unsigned char *key, *value;
    uint64_t n = 0, key_len, value_len;

    if (!len || !((bytes[0] >= 0x80 && bytes[0] <= 0x8f) || bytes[0] == 0xde || bytes[0] == 0xdf) ||
        !open_value(&r, &n))
        return false;
    for (n /= 2; n && take_text(&r, &key, &key_len); n--) {
        bool ok;
        if (key_len == 3 && memcmp(key, "pid", 3) == 0)
            ok = take_int(&r, &job.pid) || skip(&r, 0);
        else if (key_len == 3 && (memcmp(key, "fun", 3) == 0 || memcmp(key, "jid", 3) == 0)) {
            bool fun = key[0] == 'f';
            ok = take_text(&r, &value, &value_len);
            if (ok)
                copy_text(value, value_len, fun ? job.fun : job.jid, fun ? sizeof job.fun : sizeof job.jid);
            ok = ok || skip(&r, 0);
        } else {
            ok = skip(&r, 0);
        }
        if (!ok) /* cut short: what stands before is as good */
            break;
    }
    *out = job;
    return job.pid > 0;
}

/* What only asks: it is over in a moment, and changes nothing. */
static bool only_asks(const char *fun)
{
    static const char *const prefixes[] = {"test.", "sys.", "saltutil.running", "saltutil.find_job",
                                           "saltutil.is_running"};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(fun, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void take_job(struct tg_look_around *l, const char *path)
{
    size_t len = 0;
    char *bytes = tg_proc_slurp(l->procs.root, path, JOB_MAX, &len), what[TG_RUN_WHAT_SIZE];
    struct tg_salt_job job;

    if (!bytes) {
        tg_inflight_blind(l, path, errno);
        return;
    }
    bool ok = tg_salt_job_parse((const unsigned char *) bytes, len, &job) && !only_asks(job.fun);
    free(bytes);
    const struct tg_proc *p = ok ? tg_procs_find(&l->procs, (pid_t) job.pid) : NULL;
    size_t i = 0;
    bool salt = false;
    for (const char *a = p ? tg_proc_arg(p, i) : NULL; a && !salt; a = tg_proc_arg(p, ++i))
        salt = strstr(a, "salt") != NULL; /* as Salt itself tells a stale file */
    if (!salt)
        return;
    snprintf(what, sizeof what, "salt %s%s%s", job.fun[0] ? job.fun : "job", job.jid[0] ? ", jid " : "", job.jid);
    tg_inflight_add(l, "salt", TG_CM, p, p->since_ms, what);
}

void tg_inflight_salt(struct tg_look_around *l)
{
    static const char *const folders[] = {"/var/cache/salt/minion/proc", "/var/cache/venv-salt-minion/proc"};
    char path[PATH_MAX];
    struct dirent *d;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%.3000s%s", l->procs.root, folders[i]);
        DIR *dir = opendir(path);
        if (!dir)
            tg_inflight_blind(l, folders[i], errno);
        for (int n = 0; dir && n < FILES_MAX && (d = readdir(dir)) != NULL; n++) {
            snprintf(path, sizeof path, "%s/%s", folders[i], d->d_name);
            if (d->d_name[0] != '.')
                take_job(l, path);
        }
        if (dir)
            closedir(dir);
    }
}
