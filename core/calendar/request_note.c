/* What is under way on this host, on its own disk: see request_due.h. */
#include "calendar/request_due.h"

#include "base/buf.h"
#include "base/seal.h"
#include "base/whole.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define SIZE_MAX_ 4096

void tg_due_note_file(const char *state_dir, char *out, size_t size)
{
    snprintf(out, size, "%s/requests.json", state_dir);
}

int tg_due_note_decode(const char *text, size_t len, struct tg_due_note *out, struct tg_error *e)
{
    struct tg_due_note n = {.host = ""};
    const char *host, *request, *lock, *token, *sum;
    json_t *o = NULL;
    int format, rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    if (json_unpack(o, "{s:i,s:s,s:s,s:s,s:s,s:s!}", "format", &format, "host", &host, "request", &request, "lock", &lock, "token", &token, "sum", &sum) ||
        !tg_copy_whole(host, n.host, sizeof n.host) || !tg_copy_whole(request, n.request, sizeof n.request) || !tg_copy_whole(lock, n.lock, sizeof n.lock) ||
        !tg_copy_whole(token, n.token, sizeof n.token) || !tg_request_id_is_proper(n.request) || (n.lock[0] && !tg_lock_id_is_proper(n.lock)) ||
        n.token[strspn(n.token, TG_ID_ALPHABET)] || !n.token[0])
        rc = tg_fail(e, TG_E_DATA, "something in it makes no sense");
    json_decref(o);
    if (!rc)
        *out = n;
    return rc;
}

/* The folder is the agent's as well. */
static bool is_ours(const char *file)
{
    struct stat st;

    return lstat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int tg_due_note_read(const char *state_dir, struct tg_due_note *out, struct tg_error *e)
{
    char file[PATH_MAX], *text;
    struct tg_error why = TG_ERROR_INIT;
    size_t len;

    tg_due_note_file(state_dir, file, sizeof file);
    int rc = tg_whole_read(file, SIZE_MAX_, &text, &len, &why);
    if (rc == TG_E_NOENT)
        return rc;
    if (!rc && !is_ours(file)) {
        free(text);
        rc = tg_fail(&why, TG_E_PERM, "others may have written it");
    }
    if (!rc) {
        rc = tg_due_note_decode(text, len, out, &why);
        free(text);
    }
    if (!rc)
        return 0;
    tg_fail(e, TG_E_UNKNOWN, "%s can't be understood, so it is not known what was begun here: %s", file, why.message);
    return tg_error_hint(e, "look at the host; then remove the file: what the store says to be running here is then held for a person"), TG_E_UNKNOWN;
}

int tg_due_note_write(const char *state_dir, const struct tg_due_note *n, struct tg_error *e)
{
    char file[PATH_MAX], *text = tg_seal(json_pack("{s:i,s:s,s:s,s:s,s:s}", "format", FORMAT, "host", n->host, "request", n->request, "lock", n->lock, "token", n->token));

    if (!text)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_due_note_file(state_dir, file, sizeof file);
    int rc = tg_whole_write(file, text, strlen(text), 0600, TG_WHOLE_DURABLE | TG_WHOLE_FOLDERS, e);
    free(text);
    return rc;
}

void tg_due_note_remove(const char *state_dir)
{
    char file[PATH_MAX];

    tg_due_note_file(state_dir, file, sizeof file);
    unlink(file);
}
