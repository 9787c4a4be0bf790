/* Our private keys: see keys.h. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct key {
    struct key *next;
    char *path;
    ssh_key key;
    const char *why;
    bool asked; /* for a passphrase */
    bool again; /* it could not be opened for want of descriptors: try again */
};

struct tg_ssh_keys {
    struct key *first;
};

/* Without this, a PEM key with a passphrase would make OpenSSL ask on the terminal. */
static int no_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify, void *data)
{
    (void) prompt;
    (void) buf;
    (void) len;
    (void) echo;
    (void) verify;
    ((struct key *) data)->asked = true;
    return -1;
}

static void load(struct key *k)
{
    struct stat st;

    int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    k->why = NULL;
    k->again = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (fd < 0 || fstat(fd, &st) < 0) {
        k->why = k->again ? "no descriptor was free" : errno == ENOENT ? "no such file" : "not readable";
        if (fd >= 0)
            close(fd);
        return;
    }
    close(fd);
    if (st.st_uid == getuid() && (st.st_mode & 077)) { /* as ssh(1): a key that others read is no secret */
        k->why = "others may read it, so it is not used: chmod 600";
        return;
    }
    if (ssh_pki_import_privkey_file(k->path, NULL, no_passphrase, k, &k->key) != SSH_OK) {
        k->key = NULL;
        k->why = k->asked ? "it needs a passphrase: add it to an agent" : "not a private key that can be read";
    }
}

ssh_key tg_ssh_keys_get(struct tg_ssh_keys *keys, const char *path, const char **why)
{
    struct key *k = keys->first;

    while (k && strcmp(k->path, path) != 0)
        k = k->next;
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k || !(k->path = strdup(path))) {
            free(k);
            *why = "out of memory";
            return NULL;
        }
        k->next = keys->first;
        keys->first = k;
        load(k);
    } else if (k->again) {
        load(k);
    }
    *why = k->why;
    return k->key;
}

int tg_ssh_keys_new(struct tg_ssh_keys **out, struct tg_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_ssh_keys_free(struct tg_ssh_keys *keys)
{
    if (!keys)
        return;
    for (struct key *k = keys->first, *next; k; k = next) {
        next = k->next;
        ssh_key_free(k->key);
        free(k->path);
        free(k);
    }
    free(keys);
}
