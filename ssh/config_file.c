/* Reads ssh_config files into lines: see config.h. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16       /* of Include, as in OpenSSH */
#define LINE_MAX_BYTES 8192
#define LINES_MAX 200000   /* of one file: some sites generate a Host block for each of their hosts */
#define ARGS_MAX 64

static const char *const keywords[TG_SSH_KW_COUNT] = {
    [TG_SSH_KW_HOSTNAME] = "hostname",
    [TG_SSH_KW_USER] = "user",
    [TG_SSH_KW_PORT] = "port",
    [TG_SSH_KW_HOST_KEY_ALIAS] = "hostkeyalias",
    [TG_SSH_KW_PROXY_JUMP] = "proxyjump",
    [TG_SSH_KW_PROXY_COMMAND] = "proxycommand",
    [TG_SSH_KW_IDENTITIES_ONLY] = "identitiesonly",
    [TG_SSH_KW_IDENTITY_AGENT] = "identityagent",
    [TG_SSH_KW_IDENTITY_FILE] = "identityfile",
    [TG_SSH_KW_USER_KNOWN_HOSTS] = "userknownhostsfile",
    [TG_SSH_KW_GLOBAL_KNOWN_HOSTS] = "globalknownhostsfile",
    [TG_SSH_KW_HOST] = "host",
    [TG_SSH_KW_MATCH] = "match",
    [TG_SSH_KW_INCLUDE] = "include",
};

static int free_line(struct tg_ssh_line *line, int rc)
{
    for (size_t i = 0; i < line->n_args; i++)
        free(line->args[i]);
    free(line->args);
    for (struct tg_ssh_file *f = line->included, *next; f; f = next) {
        next = f->next;
        tg_ssh_file_free(f);
    }
    *line = (struct tg_ssh_line) {0};
    return rc;
}

void tg_ssh_file_free(struct tg_ssh_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->n_lines; i++)
        free_line(&file->lines[i], 0);
    free(file->lines);
    free(file->path);
    free(file);
}

/* The next word; blanks and one "=" separate, quotes hold together. NULL at the end, "" with *bad for a quote that never ends. */
static char *word(char **at, bool *bad)
{
    char *start = *at + strspn(*at, " \t");

    if (!*start || *start == '#')
        return NULL;
    if (*start == '"') {
        char *end = strchr(++start, '"');
        *bad |= !end;
        *at = end ? end + 1 : start + strlen(start);
        if (end)
            *end = '\0';
        return start;
    }
    char *end = start + strcspn(start, " \t");
    *at = *end ? end + 1 : end;
    *end = '\0';
    return start;
}

static int add_arg(struct tg_ssh_line *line, const char *text, struct tg_error *e)
{
    if (!line->args)
        line->args = calloc(ARGS_MAX + 1, sizeof *line->args);
    if (line->n_args == ARGS_MAX)
        return tg_fail(e, TG_E_CONFIG, "more than %d words", ARGS_MAX);
    if (!line->args || !(line->args[line->n_args] = strdup(text)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    line->n_args++;
    return 0;
}

/* 0 with n_args 0: a line that is not ours. */
static int parse(char *text, struct tg_ssh_line *line, struct tg_error *e)
{
    bool bad = false;
    char *at = text + strspn(text, " \t"), *w;
    size_t len = strcspn(at, " \t=\"");

    for (line->keyword = 0; line->keyword < TG_SSH_KW_COUNT; line->keyword++)
        if (strlen(keywords[line->keyword]) == len && strncasecmp(at, keywords[line->keyword], len) == 0)
            break;
    if (!len || *at == '#' || line->keyword == TG_SSH_KW_COUNT)
        return 0;
    at += len;
    at += strspn(at, " \t");
    if (*at == '=')
        at++;
    if (line->keyword == TG_SSH_KW_PROXY_COMMAND) { /* the rest of the line, as it is */
        at += strspn(at, " \t");
        return *at ? add_arg(line, at, e) : tg_fail(e, TG_E_CONFIG, "ProxyCommand needs a command, or \"none\"");
    }
    while ((w = word(&at, &bad)) != NULL)
        if (add_arg(line, w, e))
            return e ? e->code : TG_E_CONFIG;
    if (bad)
        return tg_fail(e, TG_E_CONFIG, "a \" is not closed");
    return line->n_args ? 0 : tg_fail(e, TG_E_CONFIG, "\"%s\" needs a value", keywords[line->keyword]);
}

static int include_one(const struct tg_ssh_config *config, const char *path, int depth, struct tg_ssh_file **last, struct tg_error *e)
{
    struct tg_ssh_file *file = NULL;
    int rc = tg_ssh_file_read(config, path, depth + 1, false, &file, e);

    if (rc == 0 && file) {
        while (*last)
            last = &(*last)->next;
        *last = file;
    }
    return rc;
}

/* Relative names stand below ~/.ssh, or /etc/ssh for the system's files. */
static int include(const struct tg_ssh_config *config, const char *from, struct tg_ssh_line *line, int depth, struct tg_error *e)
{
    char pattern[2048];
    int rc = 0;

    if (depth == DEPTH_MAX)
        return tg_fail(e, TG_E_CONFIG, "Include goes deeper than %d files", DEPTH_MAX);
    for (size_t i = 0; i < line->n_args && rc == 0; i++) {
        const char *name = line->args[i];
        glob_t found = {0};
        if (name[0] == '/')
            snprintf(pattern, sizeof pattern, "%s", name);
        else if (strncmp(name, "~/", 2) == 0)
            snprintf(pattern, sizeof pattern, "%s%s", config->home, name + 1);
        else if (strncmp(from, "/etc/ssh/", 9) == 0)
            snprintf(pattern, sizeof pattern, "/etc/ssh/%s", name);
        else
            snprintf(pattern, sizeof pattern, "%s/.ssh/%s", config->home, name);
        if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc && rc == 0; k++)
                rc = include_one(config, found.gl_pathv[k], depth, &line->included, e);
        globfree(&found);
    }
    return rc;
}

static int add_line(struct tg_ssh_file *file, const struct tg_ssh_line *line, struct tg_error *e)
{
    if (file->n_lines == LINES_MAX)
        return tg_fail(e, TG_E_CONFIG, "more than %d lines", LINES_MAX);
    if ((file->n_lines & (file->n_lines - 1)) == 0) {
        struct tg_ssh_line *lines = realloc(file->lines, (file->n_lines ? file->n_lines * 2 : 1) * sizeof *lines);
        if (!lines)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        file->lines = lines;
    }
    file->lines[file->n_lines++] = *line;
    return 0;
}

static int read_lines(const struct tg_ssh_config *config, FILE *f, struct tg_ssh_file *file, int depth, struct tg_error *e)
{
    char text[LINE_MAX_BYTES];

    for (int number = 1; fgets(text, sizeof text, f); number++) {
        struct tg_ssh_line line = {.number = number};
        struct tg_error why = TG_ERROR_INIT;
        size_t len = strlen(text);
        int rc = 0;
        if (len == sizeof text - 1 && text[len - 1] != '\n')
            return tg_fail_at(e, TG_E_CONFIG, file->path, number, 0, "the line is longer than %d bytes", LINE_MAX_BYTES);
        while (len && isspace((unsigned char) text[len - 1]))
            text[--len] = '\0';
        rc = parse(text, &line, &why);
        if (rc == 0 && line.n_args && line.keyword == TG_SSH_KW_INCLUDE)
            rc = include(config, file->path, &line, depth, &why);
        if (rc == 0 && line.n_args)
            rc = add_line(file, &line, &why);
        if (rc) {
            free_line(&line, 0);
            if (why.line && e && !e->code) /* of an included file: it has its own place */
                *e = why;
            return tg_fail_at(e, rc, file->path, number, 0, "%s", why.message);
        }
    }
    return 0;
}

/* OpenSSH's rule: ours or root's, and nobody else may write it. */
static int check_owner(int fd, const char *path, struct tg_error *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return tg_fail(e, TG_E_CONFIG, "%s is no regular file", path);
    if ((st.st_uid != 0 && st.st_uid != getuid()) || (st.st_mode & 022)) {
        tg_fail(e, TG_E_CONFIG, "%s may be written by others (mode %04o, owner %u): it is not trusted", path,
                (unsigned) st.st_mode & 07777, (unsigned) st.st_uid);
        tg_error_hint(e, "chmod 600 %s", path);
        return TG_E_CONFIG;
    }
    return 0;
}

int tg_ssh_file_read(const struct tg_ssh_config *config, const char *path, int depth, bool must_exist, struct tg_ssh_file **out,
                     struct tg_error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 && !must_exist && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (fd < 0)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "the ssh configuration %s can't be read", path);
    int rc = check_owner(fd, path, e);
    FILE *f = rc ? NULL : fdopen(fd, "r");
    struct tg_ssh_file *file = f ? calloc(1, sizeof *file) : NULL;
    if (file && (file->path = strdup(path)) != NULL)
        rc = read_lines(config, f, file, depth, e);
    else if (!rc)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (f)
        fclose(f);
    else
        close(fd);
    if (rc) {
        tg_ssh_file_free(file);
        return rc;
    }
    *out = file;
    return 0;
}
