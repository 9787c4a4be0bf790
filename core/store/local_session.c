/* The embedded store's sessions: files with locks, and what becomes of the ephemerals of the dead. See local_internal.h. */
#include "base/log.h"
#include "store/local_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often a new session's file may be taken for a dead one's by somebody who tidies up, before something is odd. */
#define FILE_TRIES 100
/* Dead owners found in one go; more are found in the next. */
#define DEAD_MAX 64
/* How often sessions may die between a reaping and the snapshot behind it, before a request has to wait for its next turn. */
#define REAP_ROUNDS 8

static void file_of(const struct tg_store_impl *s, uint64_t id, char *out, size_t size)
{
    snprintf(out, size, "%s/%016" PRIx64, s->folder, id);
}

static int cannot(const char *file, int error, struct tg_error *e)
{
    int code = error == EACCES || error == EPERM ? TG_E_PERM : TG_E_UNKNOWN;

    if (error == ENOSPC || error == EDQUOT)
        return tg_fail_errno(e, TG_E_SYSTEM, error, "%s can't be used", file);
    tg_fail_errno(e, code, error, "%s can't be used", file);
    tg_error_hint(e, "sessions live there: all who use the store need to read and write it");
    return code;
}

int tg_local_folder(const struct tg_store_impl *s, struct tg_error *e)
{
    if (mkdir(s->folder, 0770) == 0) /* whoever may use the database may have sessions: its group, inherited by what is made inside */
        return chmod(s->folder, 02770) == 0 ? 0 : cannot(s->folder, errno, e);
    return errno == EEXIST ? 0 : cannot(s->folder, errno, e);
}

/* Is a session's file there, and does nobody hold it? 1 dead, 0 alive, or an error. */
static int is_dead(const char *file, struct tg_error *e)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? 1 : cannot(file, errno, e);
    int dead = flock(fd, LOCK_SH | LOCK_NB) == 0, error = errno;
    close(fd);
    return dead || error == EWOULDBLOCK ? dead : cannot(file, error, e);
}

/* Removes files that nobody lives in. That a file is gone says the same as that nobody holds it. */
static void tidy(const struct tg_store_impl *s)
{
    char file[PATH_MAX];
    DIR *d = opendir(s->folder);
    const struct dirent *entry;

    while (d && (entry = readdir(d)) != NULL) {
        if (strlen(entry->d_name) != 16 || strspn(entry->d_name, "0123456789abcdef") != 16)
            continue;
        snprintf(file, sizeof file, "%s/%s", s->folder, entry->d_name);
        if (is_dead(file, NULL) == 1)
            unlink(file);
    }
    if (d)
        closedir(d);
}

/* One attempt: 0, TG_LOCAL_BUSY when somebody who tidies up came in between, or an error. */
static int make_file(struct tg_store_impl *s, const char *file, struct tg_error *e)
{
    struct stat st;
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

    if (fd < 0)
        return errno == EEXIST ? TG_LOCAL_BUSY : cannot(file, errno, e);
    fchmod(fd, 0660);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
        s->session_fd = fd;
        return 0;
    }
    unlink(file);
    close(fd);
    return TG_LOCAL_BUSY;
}

int tg_local_session_file(struct tg_store_impl *s, struct tg_error *e)
{
    char file[PATH_MAX];
    int rc;

    if (s->session_fd >= 0)
        return 0;
    if ((rc = tg_local_folder(s, e)) != 0)
        return rc;
    tidy(s);
    file_of(s, s->id, file, sizeof file);
    for (int i = 0; (rc = make_file(s, file, e)) == TG_LOCAL_BUSY; i++)
        if (i == FILE_TRIES)
            return tg_fail(e, TG_E_UNKNOWN, "%s can't be locked by the process that has just made it", file);
    if (rc)
        return rc;
    if (!(s->session_file = strdup(file)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_local_listen(s);
    return 0;
}

int tg_local_session_alive(const struct tg_store_impl *s, struct tg_error *e)
{
    struct stat st;

    if (s->session_fd < 0 || (fstat(s->session_fd, &st) == 0 && st.st_nlink > 0))
        return 0;
    tg_fail(e, TG_E_SESSION, "%s: the file of this session was removed", s->session_file ? s->session_file : s->folder);
    tg_error_hint(e, "others take its ephemeral nodes for gone; start again");
    return TG_E_SESSION;
}

/* Which owners of ephemerals are dead? */
static int find_dead(struct tg_store_impl *s, uint64_t *dead, size_t *out_n, struct tg_error *e)
{
    sqlite3_stmt *q = s->sql[SQL_OWNERS];
    char file[PATH_MAX];
    size_t n = 0;
    int rc, code = 0;

    while (code >= 0 && n < DEAD_MAX && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        uint64_t id = (uint64_t) sqlite3_column_int64(q, 0);
        if (id == s->id && s->session_fd >= 0)
            continue;
        file_of(s, id, file, sizeof file);
        code = is_dead(file, e);
        if (code == 1)
            dead[n++] = id;
    }
    if (code >= 0)
        code = n < DEAD_MAX && rc != SQLITE_DONE ? tg_local_fail(s, rc, "read", e) : 0;
    sqlite3_reset(q);
    *out_n = n;
    return code;
}

/* Deletes an owner's nodes, within a write transaction. */
static int delete_owned(struct tg_store_impl *s, uint64_t id, int64_t txid, struct tg_error *e)
{
    sqlite3_stmt *q = s->sql[SQL_OWNED];
    char path[TG_STORE_PATH_MAX + 1];
    int rc = 0;

    while (!rc) {
        sqlite3_bind_int64(q, 1, (int64_t) id);
        int step = sqlite3_step(q);
        if (step == SQLITE_ROW)
            snprintf(path, sizeof path, "%s", (const char *) sqlite3_column_text(q, 0));
        else if (step != SQLITE_DONE)
            rc = tg_local_fail(s, step, "read", e);
        sqlite3_reset(q); /* never walk what is being deleted */
        if (step == SQLITE_DONE)
            break;
        if (!rc)
            rc = tg_local_delete_path(s, path, txid, e);
    }
    return rc;
}

static int reap(struct tg_store_impl *s, const uint64_t *dead, size_t n, struct tg_error *e)
{
    char file[PATH_MAX];
    int64_t txid = 0;
    int rc = tg_local_run(s, SQL_BEGIN_WRITE, "written", e);

    if (rc)
        return rc;
    rc = tg_local_next_txid(s, &txid, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = delete_owned(s, dead[i], txid, e);
    if (!rc)
        rc = tg_local_db_same(s, e); /* see tg_local_begin() */
    if (!rc)
        rc = tg_local_run(s, SQL_COMMIT, "written", e);
    if (rc) {
        tg_local_rollback(s);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        file_of(s, dead[i], file, sizeof file);
        unlink(file);
        tg_log(TG_LOG_DEBUG, "local", "session %016" PRIx64 " was dead; its ephemeral nodes are deleted", dead[i]);
    }
    tg_local_bump(s, txid);
    return 0;
}

/*
 * Sessions are looked for by name, beside the file that has the database's name now. When that is another one, all of ours seem to be dead, though they
 * act: so what is found dead is looked for once more, between two proofs that the file is ours.
 */
int tg_local_begin(struct tg_store_impl *s, enum tg_local_sql how, struct tg_error *e)
{
    uint64_t dead[DEAD_MAX];
    size_t n = 0;

    for (int i = 0; i < REAP_ROUNDS; i++) {
        int rc = tg_local_run(s, how, "opened", e);
        if (rc)
            return rc;
        rc = find_dead(s, dead, &n, e);
        if (!rc && n == 0)
            return 0;
        tg_local_rollback(s);
        if (rc || (rc = tg_local_db_same(s, e)) != 0 || (i && (rc = reap(s, dead, n, e)) != 0))
            return rc;
    }
    return TG_LOCAL_BUSY;
}

static int reap_own(struct tg_store_impl *s)
{
    if (tg_local_db_same(s, NULL))
        return 0;
    tg_local_rollback(s);
    return reap(s, &s->id, 1, NULL);
}

static bool owns_something(struct tg_store_impl *s)
{
    sqlite3_stmt *q = s->sql[SQL_OWNED];

    sqlite3_bind_int64(q, 1, (int64_t) s->id);
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc != SQLITE_DONE;
}

void tg_local_session_end(struct tg_store_impl *s, int64_t max_wait_ms)
{
    int64_t until = tg_mono_ms(tg_clock_real()) + max_wait_ms;
    const struct timespec pause = {.tv_nsec = 2000000};

    if (s->session_fd < 0)
        return;
    close(s->session_fd);
    s->session_fd = -1;
    if (s->db && s->session_file && is_dead(s->session_file, NULL) == 1) { /* else somebody has inherited it */
        while (owns_something(s) && reap_own(s) == TG_LOCAL_BUSY && tg_mono_ms(tg_clock_real()) < until)
            nanosleep(&pause, NULL); /* what remains, the next who looks will delete */
        unlink(s->session_file);
    }
    free(s->session_file);
    s->session_file = NULL;
}
