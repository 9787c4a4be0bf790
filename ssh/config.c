/* What ssh_config says of one host: see config.h. As in OpenSSH, the first value found for a keyword stands. */
#include "config.h"

#include "pattern.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct ask {
    const struct tg_ssh_config *config;
    const char *host, *user;
    char *single[TG_SSH_KW_IDENTITY_FILE]; /* borrowed from the lines: not yet expanded */
    struct tg_ssh_settings *out;
    bool known_seen[2];
};

static int load_file(struct tg_ssh_config *config, const char *path, bool must_exist, struct tg_error *e)
{
    struct tg_ssh_file *file = NULL, **last = &config->files;
    int rc = tg_ssh_file_read(config, path, 0, must_exist, &file, e);

    while (*last)
        last = &(*last)->next;
    *last = file;
    return rc;
}

int tg_ssh_config_load(const char *file, struct tg_ssh_config **out, struct tg_error *e)
{
    struct tg_ssh_config *config = calloc(1, sizeof *config);
    const struct passwd *pw = getpwuid(getuid());
    char path[600];
    int rc = 0;

    if (!config)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    snprintf(config->home, sizeof config->home, "%s", pw ? pw->pw_dir : "/");
    snprintf(config->local_user, sizeof config->local_user, "%s", pw ? pw->pw_name : "");
    config->uid = getuid();
    if (!file) {
        snprintf(path, sizeof path, "%s/.ssh/config", config->home);
        rc = load_file(config, path, false, e);
        if (rc == 0)
            rc = load_file(config, "/etc/ssh/ssh_config", false, e);
    } else if (strcmp(file, "none") != 0) {
        rc = load_file(config, file, true, e);
    }
    if (rc) {
        tg_ssh_config_free(config);
        return rc;
    }
    *out = config;
    return 0;
}

void tg_ssh_config_free(struct tg_ssh_config *config)
{
    if (!config)
        return;
    for (struct tg_ssh_file *f = config->files, *next; f; f = next) {
        next = f->next;
        tg_ssh_file_free(f);
    }
    free(config);
}

static int undecided(const struct tg_ssh_file *file, const struct tg_ssh_line *line, const char *what, struct tg_error *e)
{
    tg_fail_at(e, TG_E_CONFIG, file->path, line->number, 0, "\"Match %s\" can't be decided here, and it may hold for this host", what);
    tg_error_hint(e, "put a \"Host\" block for the host before it, or give tagout a configuration of its own");
    return TG_E_CONFIG;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* 1 it holds, 0 it does not, negative: an error. All criteria of the line must hold. */
static int match(const struct ask *ask, const struct tg_ssh_file *file, const struct tg_ssh_line *line, struct tg_error *e)
{
    const char *real = ask->single[TG_SSH_KW_HOSTNAME] ? ask->single[TG_SSH_KW_HOSTNAME] : ask->host;
    const char *user = ask->user ? ask->user : ask->single[TG_SSH_KW_USER];

    for (size_t i = 0; i < line->n_args; i++) {
        const char *what = line->args[i], *text = NULL;
        bool no = what[0] == '!';
        what += no;
        if (strcasecmp(what, "all") == 0)
            continue;
        if (strcasecmp(what, "canonical") == 0) { /* we do not canonicalise */
            if (!no)
                return 0;
            continue;
        }
        if (strcasecmp(what, "host") == 0)
            text = real;
        else if (strcasecmp(what, "originalhost") == 0)
            text = ask->host;
        else if (strcasecmp(what, "user") == 0)
            text = user ? user : ask->config->local_user;
        else if (strcasecmp(what, "localuser") == 0)
            text = ask->config->local_user;
        if (!text || i + 1 == line->n_args)
            return undecided(file, line, what, e);
        if ((tg_ssh_match_list(text, line->args[++i]) == 1) == no)
            return 0;
    }
    return 1;
}

static bool match_host(const struct ask *ask, const struct tg_ssh_line *line)
{
    bool found = false;

    for (size_t i = 0; i < line->n_args; i++) {
        int m = tg_ssh_match_list(ask->host, line->args[i]);
        if (m < 0)
            return false;
        found |= m > 0;
    }
    return found;
}

static int add_text(char **list, size_t *n, const char *text, struct tg_error *e)
{
    if (*n < TG_SSH_FILES_MAX && (list[*n] = strdup(text)) == NULL)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *n += *n < TG_SSH_FILES_MAX;
    return 0;
}

static int take(struct ask *ask, const struct tg_ssh_line *line, struct tg_error *e)
{
    enum tg_ssh_keyword k = line->keyword;
    int rc = 0;

    if (k < TG_SSH_KW_IDENTITY_FILE) {
        if (!ask->single[k])
            ask->single[k] = line->args[0];
        return 0;
    }
    if (k == TG_SSH_KW_IDENTITY_FILE) /* each line adds one */
        return add_text(ask->out->identity, &ask->out->n_identity, line->args[0], e);
    int which = k == TG_SSH_KW_GLOBAL_KNOWN_HOSTS;
    for (size_t i = 0; i < line->n_args && rc == 0 && !ask->known_seen[which]; i++)
        rc = add_text(ask->out->known[which], &ask->out->n_known[which], line->args[i], e);
    ask->known_seen[which] = true;
    return rc;
}

static int walk(struct ask *ask, const struct tg_ssh_file *file, bool outer, struct tg_error *e)
{
    bool active = outer;
    int rc;

    for (size_t i = 0; i < file->n_lines; i++) {
        const struct tg_ssh_line *line = &file->lines[i];
        if (line->keyword == TG_SSH_KW_HOST) {
            active = outer && match_host(ask, line);
        } else if (line->keyword == TG_SSH_KW_MATCH) {
            if ((rc = outer ? match(ask, file, line, e) : 0) < 0)
                return rc;
            active = rc;
        } else if (line->keyword == TG_SSH_KW_INCLUDE) {
            for (const struct tg_ssh_file *f = line->included; f && active; f = f->next)
                if ((rc = walk(ask, f, true, e)) != 0)
                    return rc;
        } else if (active && (rc = take(ask, line, e)) != 0) {
            return rc;
        }
    }
    return 0;
}

/* The value of a %-token, NULL when there is none. */
static const char *token(const struct ask *ask, char which, char *number, size_t size)
{
    const char *const *v = (const char *const *) ask->out->value;

    switch (which) {
    case '%': return "%";
    case 'h': return v[TG_SSH_KW_HOSTNAME] ? v[TG_SSH_KW_HOSTNAME] : ask->host;
    case 'n': return ask->host;
    case 'k': return v[TG_SSH_KW_HOST_KEY_ALIAS] ? v[TG_SSH_KW_HOST_KEY_ALIAS] : ask->host;
    case 'p': return v[TG_SSH_KW_PORT] ? v[TG_SSH_KW_PORT] : "22";
    case 'r': return ask->user ? ask->user : v[TG_SSH_KW_USER] ? v[TG_SSH_KW_USER] : ask->config->local_user;
    case 'u': return ask->config->local_user;
    case 'd': return ask->config->home;
    case 'i': snprintf(number, size, "%lu", ask->config->uid); return number;
    default: return NULL;
    }
}

/* "~/x", "%h" and "${NAME}" → text. */
static int expand(const struct ask *ask, const char *text, char **out, struct tg_error *e)
{
    char result[4096], number[24], name[64];
    size_t len = 0;

    if (text[0] == '~' && (text[1] == '/' || !text[1])) {
        len = (size_t) snprintf(result, sizeof result, "%s", ask->config->home);
        text++;
    }
    while (*text) {
        const char *piece = NULL;
        size_t n = strcspn(text, "}");
        if (*text == '%' && text[1]) {
            if (!(piece = token(ask, text[1], number, sizeof number)))
                return tg_fail(e, TG_E_CONFIG, "\"%%%c\" of the ssh configuration is not known here (host %s)", text[1], ask->host);
            text += 2;
        } else if (strncmp(text, "${", 2) == 0 && text[n] && n - 2 < sizeof name) {
            snprintf(name, sizeof name, "%.*s", (int) n - 2, text + 2);
            piece = or_empty(getenv(name));
            text += n + 1;
        } else {
            number[0] = *text++;
            number[1] = '\0';
            piece = number;
        }
        if (len + strlen(piece) >= sizeof result)
            return tg_fail(e, TG_E_CONFIG, "a value of the ssh configuration for %s is longer than %zu bytes", ask->host, sizeof result);
        memcpy(result + len, piece, strlen(piece));
        len += strlen(piece);
    }
    result[len] = '\0';
    if (!(*out = strdup(result)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return 0;
}

static int expand_list(const struct ask *ask, char **list, size_t n, struct tg_error *e)
{
    for (size_t i = 0; i < n; i++) {
        char *old = list[i];
        int rc = expand(ask, old, &list[i], e);
        if (rc) {
            list[i] = old;
            return rc;
        }
        free(old);
    }
    return 0;
}

static int expand_all(struct ask *ask, struct tg_error *e)
{
    struct tg_ssh_settings *out = ask->out;
    int rc = 0;

    for (size_t k = 0; k < TG_SSH_KW_IDENTITY_FILE && rc == 0; k++)
        if (ask->single[k])
            rc = expand(ask, ask->single[k], &out->value[k], e);
    if (rc == 0)
        rc = expand_list(ask, out->identity, out->n_identity, e);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = expand_list(ask, out->known[i], out->n_known[i], e);
    return rc;
}

static int set_default_files(struct ask *ask, struct tg_error *e)
{
    struct tg_ssh_settings *out = ask->out;
    int rc = 0;

    if (!ask->known_seen[0])
        rc = add_text(out->known[0], &out->n_known[0], "~/.ssh/known_hosts", e);
    if (!ask->known_seen[0] && rc == 0)
        rc = add_text(out->known[0], &out->n_known[0], "~/.ssh/known_hosts2", e);
    if (!ask->known_seen[1] && rc == 0)
        rc = add_text(out->known[1], &out->n_known[1], "/etc/ssh/ssh_known_hosts", e);
    return rc;
}

int tg_ssh_config_ask(const struct tg_ssh_config *config, const char *host, const char *user, struct tg_ssh_settings *out,
                      struct tg_error *e)
{
    struct ask ask = {.config = config, .host = host, .user = user, .out = out};
    int rc = 0;

    *out = (struct tg_ssh_settings) {0};
    for (const struct tg_ssh_file *f = config->files; f && rc == 0; f = f->next)
        rc = walk(&ask, f, true, e);
    if (rc == 0)
        rc = set_default_files(&ask, e);
    if (rc == 0)
        rc = expand_all(&ask, e);
    if (rc)
        tg_ssh_settings_release(out);
    return rc;
}

void tg_ssh_settings_release(struct tg_ssh_settings *s)
{
    for (size_t i = 0; i < TG_SSH_KW_IDENTITY_FILE; i++)
        free(s->value[i]);
    for (size_t i = 0; i < s->n_identity; i++)
        free(s->identity[i]);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < s->n_known[k]; i++)
            free(s->known[k][i]);
    *s = (struct tg_ssh_settings) {0};
}
