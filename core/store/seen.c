/* The mark of what this host has seen of a store, on disk: see cluster.h. */
#include "base/sha256.h"
#include "base/whole.h"
#include "store/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEEN_FORMAT 1
#define SEEN_MAX_BYTES 4096
/* A guard runs at every start of an automation, on a busy host many times a minute, and transaction ids grow all the time: two
 * fsyncs each would be most of its time. */
#define BOUND_MS 10000

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* "zk://b,a/t" and "zk://a,b/t" are one ensemble: its hosts in order. Into out, of size ≥ strlen(url) + 1. */
static void in_order(const char *url, char *out, size_t size)
{
    char *hosts[64], *save = NULL, *copy = strdup(url);
    char *first = copy ? strstr(copy, "://") : NULL, *rest = first ? strchr(first + 3, '/') : NULL;
    size_t n = 0;

    snprintf(out, size, "%s", url);
    if (first) {
        if (rest)
            *rest = '\0';
        for (char *h = strtok_r(first + 3, ",", &save); h && n < 64; h = strtok_r(NULL, ",", &save))
            hosts[n++] = h;
        qsort(hosts, n, sizeof hosts[0], by_bytes);
        int len = snprintf(out, size, "%.*s://", (int) (first - copy), url);
        for (size_t i = 0; i < n; i++)
            len += snprintf(out + len, size - (size_t) len, "%s%s", i ? "," : "", hosts[i]);
        snprintf(out + len, size - (size_t) len, "%s", rest ? url + (rest - copy) : "");
    }
    free(copy);
}

int tg_seen_file(const char *state_dir, const char *url, char *out, size_t size, struct tg_error *e)
{
    char hex[TG_SHA256_HEX];

    char same[2048];
    if (strlen(url) >= sizeof same)
        return tg_fail(e, TG_E_CONFIG, "the store's URL is too long: %.80s…", url);
    in_order(url, same, sizeof same);
    tg_sha256_hex(same, strlen(same), hex);
    int n = snprintf(out, size, "%s/seen/%.16s.json", state_dir, hex);
    return n > 0 && (size_t) n < size ? 0 : tg_fail(e, TG_E_CONFIG, "the state folder's path is too long: %.80s…", state_dir);
}

static int garbage(const char *file, const char *why, struct tg_error *e)
{
    tg_fail(e, TG_E_UNKNOWN, "%s: %s, so it is not known what this host has seen", file, why);
    tg_error_hint(e, "look at the store (tagout doctor, tagout locks); if it is the right one and whole, remove the file");
    return TG_E_UNKNOWN;
}

static int take(json_t *o, const char *file, struct tg_seen *out, struct tg_error *e)
{
    const char *id = json_string_value(json_object_get(o, "cluster"));
    const json_t *format = json_object_get(o, "format"), *generation = json_object_get(o, "generation"), *txid = json_object_get(o, "txid");

    if (!json_is_object(o) || !json_is_integer(format) || !id || strlen(id) != TG_CLUSTER_ID_SIZE - 1 || !json_is_integer(generation) || !json_is_integer(txid))
        return garbage(file, "it makes no sense", e);
    if (json_integer_value(format) > SEEN_FORMAT)
        return garbage(file, "it was written by a newer tagout", e);
    if (json_integer_value(format) < 1 || json_integer_value(generation) < 0 || json_integer_value(txid) < 0)
        return garbage(file, "it makes no sense", e);
    out->known = true;
    snprintf(out->id, sizeof out->id, "%s", id);
    out->generation = json_integer_value(generation);
    out->txid = json_integer_value(txid);
    return 0;
}

static int read_file(const char *file, char *text, size_t size, size_t *out_len, int64_t *out_ms)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = -1;

    if (fd < 0)
        return errno;
    int error = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (n = read(fd, text, size)) < 0)
        error = errno ? errno : EINVAL;
    close(fd);
    if (error)
        return error;
    *out_len = (size_t) n;
    *out_ms = (int64_t) st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return 0;
}

static int cannot_read(const char *what, int error, struct tg_error *e)
{
    tg_fail_errno(e, TG_E_UNKNOWN, error, "%s can't be read, so it is not known what this host has seen", what);
    tg_error_hint(e, "whoever asks the guard must be able to read it: chmod a+r, and a+x on its folders");
    return TG_E_UNKNOWN;
}

/* Reads seen->file. */
static int load_file(struct tg_seen *seen, struct tg_error *e)
{
    char text[SEEN_MAX_BYTES];
    size_t len = 0;

    errno = 0;
    int error = read_file(seen->file, text, sizeof text, &len, &seen->written_ms);
    if (error == ENOENT || error == ENOTDIR)
        return 0;
    if (error)
        return cannot_read(seen->file, error, e);
    json_t *o = len < sizeof text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int rc = take(o, seen->file, seen, e);
    json_decref(o);
    return rc;
}

int tg_seen_load(const char *state_dir, const char *url, struct tg_seen *out, struct tg_error *e)
{
    struct tg_seen seen = {0};
    int rc = tg_seen_file(state_dir, url, seen.file, sizeof seen.file, e);

    if (!rc)
        rc = load_file(&seen, e);
    if (!rc)
        *out = seen;
    return rc;
}

static bool is_mark(const char *name)
{
    size_t len = strlen(name);

    return len > 5 && strcmp(name + len - 5, ".json") == 0;
}

int tg_seen_all(const char *state_dir, struct tg_seen **out, size_t *out_n, struct tg_error *e)
{
    char path[sizeof(((struct tg_seen *) NULL)->file)];
    struct tg_seen *marks = calloc(TG_SEEN_MAX, sizeof *marks);
    const struct dirent *d;
    size_t n = 0;
    int rc = 0;

    snprintf(path, sizeof path, "%.400s/seen", state_dir);
    DIR *folder = marks ? opendir(path) : NULL;
    if (!marks)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    else if (!folder && errno != ENOENT && errno != ENOTDIR)
        rc = cannot_read(path, errno, e);
    while (!rc && folder && (d = readdir(folder)) != NULL) {
        if (!is_mark(d->d_name))
            continue;
        if (n == TG_SEEN_MAX)
            rc = tg_fail(e, TG_E_UNKNOWN, "%s has more than %d marks: remove those that are of no use", path, TG_SEEN_MAX);
        if (!rc && (size_t) snprintf(marks[n].file, sizeof marks[n].file, "%.400s/%.100s", path, d->d_name) < sizeof marks[n].file)
            rc = load_file(&marks[n], e);
        n += !rc && marks[n].known;
    }
    if (folder)
        closedir(folder);
    if (rc) {
        free(marks);
        return rc;
    }
    *out = marks;
    *out_n = n;
    return 0;
}

static int cannot(const char *file, int error, struct tg_error *e)
{
    return tg_fail_errno(e, error == EACCES || error == EPERM || error == EROFS ? TG_E_PERM : TG_E_SYSTEM, error, "%s can't be written", file);
}

/* Is what was seen more than the mark says? */
static bool is_more(const struct tg_seen *seen, const struct tg_cluster *c, int64_t txid)
{
    return !seen->known || c->generation > seen->generation || (c->generation == seen->generation && txid > seen->txid);
}

/* url NULL: whatever it is, its file's name tells. */
static int write_mark(struct tg_seen *seen, const char *url, const struct tg_cluster *c, int64_t txid, struct tg_error *e)
{
    char when[40];

    tg_time_format(tg_wall_ms(tg_clock_real()), when, sizeof when);
    json_t *o = json_pack("{s:i,s:s,s:s,s:I,s:I,s:s}", "format", SEEN_FORMAT, "url", url ? url : "", "cluster", c->id, "generation", (json_int_t) c->generation,
                          "txid", (json_int_t) txid, "at", when);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = tg_whole_write(seen->file, text, strlen(text), 0644, TG_WHOLE_DURABLE, e);
    free(text);
    if (rc)
        return rc;
    seen->known = true;
    snprintf(seen->id, sizeof seen->id, "%s", c->id);
    seen->generation = c->generation;
    seen->txid = txid;
    return 0;
}

/* Of two who write, the one with less must not come last: under a lock on the folder.
 * 0, EWOULDBLOCK when somebody else is writing, or another errno. Whoever has the lock needs it for two fsyncs, unless it was stopped. */
static int lock_folder(int folder, enum tg_seen_note how)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int tries = how == TG_NOTE_NOW ? 100 : 1;

    while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || --tries == 0)
            return errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* What is there by now, under the lock. */
static int load_again(const struct tg_seen *seen, struct tg_seen *out, struct tg_error *e)
{
    struct tg_seen now = {0};

    snprintf(now.file, sizeof now.file, "%s", seen->file);
    int rc = load_file(&now, e);
    if (!rc)
        *out = now;
    return rc;
}

/* Under the lock. Whoever goes back to another URL of this cluster must not believe there what is older than this generation. */
static int raise_others(const struct tg_seen *seen, const struct tg_cluster *c, struct tg_error *e)
{
    char state_dir[sizeof seen->file];
    const char *slash = strrchr(seen->file, '/');
    struct tg_seen *marks = NULL;
    size_t n = 0;

    snprintf(state_dir, sizeof state_dir, "%.*s", (int) ((size_t) (slash - seen->file) - strlen("/seen")), seen->file);
    int rc = tg_seen_all(state_dir, &marks, &n, e);
    for (size_t i = 0; !rc && i < n; i++)
        if (strcmp(marks[i].id, c->id) == 0 && marks[i].generation < c->generation && strcmp(marks[i].file, seen->file) != 0)
            rc = write_mark(&marks[i], NULL, c, 0, e);
    free(marks);
    return rc;
}

static int other_cluster(const struct tg_seen *seen, const struct tg_cluster *c, struct tg_error *e)
{
    return tg_fail(e, TG_E_UNKNOWN, "this is cluster %.8s, but this host has seen cluster %.8s here", c->id, seen->id);
}

int tg_seen_note(struct tg_seen *seen, const char *url, const struct tg_cluster *c, int64_t txid, enum tg_seen_note how, struct tg_error *e)
{
    int64_t age_ms = tg_wall_ms(tg_clock_real()) - seen->written_ms;
    struct tg_seen now = {0};

    if (seen->known && strcmp(seen->id, c->id) != 0)
        return other_cluster(seen, c, e);
    if (!is_more(seen, c, txid))
        return 0;
    if (how == TG_NOTE_BOUNDED && seen->known && c->generation == seen->generation && age_ms >= 0 && age_ms < BOUND_MS)
        return 0;
    int folder = tg_whole_open_folder(seen->file, TG_WHOLE_FOLDERS);
    if (folder < 0)
        return cannot(seen->file, errno, e);
    int error = lock_folder(folder, how), rc = 0;
    if (error == EWOULDBLOCK && how == TG_NOTE_BOUNDED)
        rc = 0; /* somebody notes something just as new */
    else if (error)
        rc = cannot(seen->file, error, e);
    else if (!(rc = load_again(seen, &now, e)) && now.known && strcmp(now.id, c->id) != 0)
        rc = other_cluster(&now, c, e);
    else if (!rc && is_more(&now, c, txid) &&
             ((now.known && now.generation == c->generation) || (rc = raise_others(seen, c, e)) == 0))
        rc = write_mark(seen, url, c, txid, e);
    close(folder);
    return rc;
}
