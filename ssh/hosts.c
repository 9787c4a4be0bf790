/* known_hosts: see hosts.h. */
#include "hosts.h"

#include "pattern.h"

#include <ctype.h>
#include <libssh/libssh.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (256 << 20) /* a million hosts with two keys each */

struct entry {
    char *names, *type, *key; /* into the text, NUL-terminated */
    enum tg_ssh_marker marker;
    int line;
};

struct name {
    uint64_t hash;
    size_t entry;
};

struct file {
    struct file *next;
    char *path, *text;
    struct entry *entries;
    struct name *names;     /* plain names, sorted by hash, then by line */
    size_t *others;         /* entries with hashed names or patterns */
    size_t n_entries, n_names, n_others, cap_entries, cap_names, cap_others;
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

struct tg_ssh_hosts {
    struct file *files;
};

static uint64_t hash_name(const char *name, size_t len)
{
    uint64_t h = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) tolower((unsigned char) name[i])) * 1099511628211U;
    return h;
}

/* Room for one more of an array; NULL when memory is short. */
static void *more(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t want = *cap ? *cap * 2 : 64;
    void *grown = realloc(array, want * size);
    if (grown)
        *cap = want;
    return grown;
}

static bool add_name(struct file *f, const char *name, size_t len, size_t entry)
{
    struct name *names = more(f->names, f->n_names, &f->cap_names, sizeof *names);

    if (!names)
        return false;
    f->names = names;
    names[f->n_names++] = (struct name) {hash_name(name, len), entry};
    return true;
}

static bool add_names(struct file *f, size_t entry)
{
    const char *names = f->entries[entry].names;

    if (names[0] == '|' || tg_ssh_has_pattern(names, strlen(names))) {
        size_t *others = more(f->others, f->n_others, &f->cap_others, sizeof *others);
        if (!others)
            return false;
        f->others = others;
        others[f->n_others++] = entry;
        return true;
    }
    while (*(names += strspn(names, ","))) {
        size_t len = strcspn(names, ",");
        if (!add_name(f, names, len, entry))
            return false;
        names += len;
    }
    return true;
}

static char *field(char **at)
{
    char *start = *at + strspn(*at, " \t"), *end = start + strcspn(start, " \t");

    *at = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

static bool add_line(struct file *f, char *text, int line)
{
    struct entry entry = {.line = line};
    char *at = text, *first = field(&at);

    if (!first[0] || first[0] == '#')
        return true;
    if (first[0] == '@') {
        entry.marker = strcasecmp(first, "@revoked") == 0 ? TG_SSH_MARK_REVOKED : TG_SSH_MARK_AUTHORITY;
        first = field(&at);
    }
    entry.names = first;
    entry.type = field(&at);
    entry.key = field(&at);
    if (!entry.key[0]) /* not a line that OpenSSH would take either */
        return true;
    struct entry *entries = more(f->entries, f->n_entries, &f->cap_entries, sizeof *entries);
    if (!entries)
        return false;
    f->entries = entries;
    entries[f->n_entries] = entry;
    return add_names(f, f->n_entries++);
}

static int by_hash(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void forget(struct file *f)
{
    free(f->text);
    free(f->entries);
    free(f->names);
    free(f->others);
    *f = (struct file) {.next = f->next, .path = f->path};
}

static bool read_text(struct file *f, const struct stat *st)
{
    FILE *in = fopen(f->path, "re");

    if (!in)
        return false;
    f->text = malloc((size_t) st->st_size + 1);
    size_t n = f->text ? fread(f->text, 1, (size_t) st->st_size, in) : 0;
    fclose(in);
    if (!f->text)
        return false;
    f->text[n] = '\0';
    return true;
}

static void load(struct file *f, const struct stat *st)
{
    int line = 1;

    forget(f);
    if (!S_ISREG(st->st_mode) || st->st_size > FILE_MAX_BYTES || !read_text(f, st))
        return;
    f->mtime = st->st_mtim;
    f->size = st->st_size;
    f->inode = st->st_ino;
    for (char *at = f->text, *end; *at; at = end, line++) {
        end = at + strcspn(at, "\n");
        if (*end)
            *end++ = '\0';
        at[strcspn(at, "\r")] = '\0';
        if (!add_line(f, at, line)) { /* memory: half a file would make hosts unknown, and that is the safe side */
            forget(f);
            return;
        }
    }
    if (f->n_names)
        qsort(f->names, f->n_names, sizeof *f->names, by_hash);
}

static struct file *get(struct tg_ssh_hosts *hosts, const char *path)
{
    struct file *f = hosts->files;
    struct stat st;

    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    if (!f && (f = calloc(1, sizeof *f)) != NULL) {
        if (!(f->path = strdup(path))) {
            free(f);
            return NULL;
        }
        f->next = hosts->files;
        hosts->files = f;
    }
    if (!f)
        return NULL;
    if (stat(path, &st) < 0)
        forget(f);
    else if (!f->text || st.st_ino != f->inode || st.st_size != f->size || st.st_mtim.tv_sec != f->mtime.tv_sec ||
             st.st_mtim.tv_nsec != f->mtime.tv_nsec)
        load(f, &st);
    return f;
}

/* libssh knows how to compare a hashed name: it wants a whole line, and says SSH_AGAIN when the name is another. */
static bool hashed_is(const struct entry *entry, const char *name)
{
    struct ssh_knownhosts_entry *parsed = NULL;
    size_t size = strlen(entry->names) + strlen(entry->type) + strlen(entry->key) + 3;
    char *line = malloc(size);

    if (!line)
        return false;
    snprintf(line, size, "%s %s %s", entry->names, entry->type, entry->key);
    int rc = ssh_known_hosts_parse_line(name, line, &parsed);
    if (rc == SSH_OK)
        ssh_knownhosts_entry_free(parsed);
    free(line);
    return rc == SSH_OK;
}

static size_t add_found(const struct file *f, const struct entry *entry, struct tg_ssh_known *out, size_t n, size_t max)
{
    if (n < max)
        out[n++] = (struct tg_ssh_known) {entry->type, entry->key, entry->marker, f->path, entry->line};
    return n;
}

static bool names_hold(const char *names, const char *name)
{
    size_t len = strlen(name);

    while (*(names += strspn(names, ","))) {
        size_t n = strcspn(names, ",");
        if (n == len && strncasecmp(names, name, n) == 0)
            return true;
        names += n;
    }
    return false;
}

static size_t find(const struct file *f, const char *name, struct tg_ssh_known *out, size_t n, size_t max)
{
    uint64_t hash = hash_name(name, strlen(name));
    size_t low = 0, high = f->n_names;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (f->names[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < f->n_names && f->names[low].hash == hash; low++) {
        const struct entry *entry = &f->entries[f->names[low].entry];
        if (names_hold(entry->names, name))
            n = add_found(f, entry, out, n, max);
    }
    for (size_t i = 0; i < f->n_others; i++) {
        const struct entry *entry = &f->entries[f->others[i]];
        if (entry->names[0] == '|' ? hashed_is(entry, name) : tg_ssh_match_list(name, entry->names) == 1)
            n = add_found(f, entry, out, n, max);
    }
    return n;
}

size_t tg_ssh_hosts_find(struct tg_ssh_hosts *hosts, const char *path, const char *name, int port, struct tg_ssh_known *out, size_t max)
{
    const struct file *f = get(hosts, path);
    char with_port[300];
    size_t n = 0;

    if (!f || !f->n_entries)
        return 0;
    if (port == 22)
        n = find(f, name, out, n, max);
    snprintf(with_port, sizeof with_port, "[%s]:%d", name, port);
    return find(f, with_port, out, n, max);
}

int tg_ssh_hosts_new(struct tg_ssh_hosts **out, struct tg_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_ssh_hosts_free(struct tg_ssh_hosts *hosts)
{
    if (!hosts)
        return;
    for (struct file *f = hosts->files, *next; f; f = next) {
        next = f->next;
        forget(f);
        free(f->path);
        free(f);
    }
    free(hosts);
}
