/* Key exchange, the host's key, our keys. */
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 32 /* lines of known_hosts that are looked at for one host */

int tg_ssh_broken(struct tg_ssh_session *s, const char *during, int event)
{
    const char *why = ssh_get_error(s->ssh);

    tg_error_clear(&s->job->error);
    if (!why || !why[0])
        why = "the connection ended";
    else if (strstr(why, "Socket error: disconnected"))
        why = "it closed the connection";
    tg_fail(&s->job->error, TG_E_LOST, "%s: %s: %s%s", s->where, during, why,
            s->job->sent ? "; what came of the command is not known" : "; nothing was sent");
    return event;
}

/* ---- what known_hosts says ---- */

static size_t find_in(struct tg_ssh_session *s, char *const *files, size_t n_files, const char *name, int port,
                      struct tg_ssh_known *out, size_t n)
{
    for (size_t i = 0; i < n_files; i++)
        n += tg_ssh_hosts_find(s->impl->hosts, files[i], name, port, out + n, KNOWN_MAX - n);
    return n;
}

static size_t find_name(struct tg_ssh_session *s, const char *name, int port, struct tg_ssh_known *out)
{
    char *explicit = s->impl->known_hosts_file;
    size_t n = 0;

    if (explicit)
        return find_in(s, &explicit, 1, name, port, out, 0);
    for (int k = 0; k < 2; k++)
        n = find_in(s, s->settings.known[k], s->settings.n_known[k], name, port, out, n);
    return n;
}

static bool has_plain(const struct tg_ssh_known *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (known[i].marker == TG_SSH_MARK_NONE)
            return true;
    return false;
}

/*
 * By HostKeyAlias when there is one. Else by the inventory's name; only a host that is not known by its name is looked up by the
 * address that it is connected to. (A key that is known for the address never excuses one that is wrong for the name.)
 */
static size_t find_known(struct tg_ssh_session *s, struct tg_ssh_known *out)
{
    const char *alias = s->settings.value[TG_SSH_KW_HOST_KEY_ALIAS];
    size_t n;

    if (alias)
        return find_name(s, alias, 22, out); /* as OpenSSH: an alias has no port */
    n = find_name(s, s->name, s->port, out);
    if (!has_plain(out, n) && strcmp(s->name, s->address) != 0) {
        struct tg_ssh_known more[KNOWN_MAX];
        size_t n_more = find_name(s, s->address, s->port, more);
        for (size_t i = 0; i < n_more && n < KNOWN_MAX; i++)
            out[n++] = more[i];
    }
    return n;
}

/* Ask first for the kinds of key that are known, or a host with a new kind would look like a stranger. */
static void choose_algorithms(const struct tg_ssh_known *known, size_t n, char *out, size_t size)
{
    static const struct {
        const char *type, *algorithms;
    } all[] = {
        {"ssh-ed25519", "ssh-ed25519"},
        {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
        {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
        {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
        {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
    };
    size_t len = 0;

    for (int want_known = 1; want_known >= 0; want_known--)
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            int is_known = 0;
            for (size_t k = 0; k < n; k++)
                is_known |= known[k].marker == TG_SSH_MARK_NONE && strcmp(known[k].type, all[i].type) == 0;
            if (is_known == want_known)
                len += (size_t) snprintf(out + len, size - len, "%s%s", len ? "," : "", all[i].algorithms);
        }
}

/* ---- key exchange ---- */

static int start_libssh(struct tg_ssh_session *s)
{
    struct tg_ssh_known known[KNOWN_MAX];
    const char *socket = s->settings.value[TG_SSH_KW_IDENTITY_AGENT];
    const bool no = false;
    char algorithms[256];

    s->ssh = ssh_new();
    if (!s->ssh)
        return TG_E_MEMORY;
    ssh_set_blocking(s->ssh, 0);
    choose_algorithms(known, find_known(s, known), algorithms, sizeof algorithms);
    /* Everything that libssh would otherwise look up in files, for each session anew, is given. */
    int rc = ssh_options_set(s->ssh, SSH_OPTIONS_PROCESS_CONFIG, &no);
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_SSH_DIR, "/nonexistent");
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_USER, s->user);
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_HOSTKEYS, algorithms);
    if (socket && strcmp(socket, "none") != 0 && strcmp(socket, "SSH_AUTH_SOCK") != 0)
        rc |= ssh_options_set(s->ssh, SSH_OPTIONS_IDENTITY_AGENT, socket);
    rc |= ssh_options_set(s->ssh, SSH_OPTIONS_FD, &s->fd);
    return rc ? TG_E_MEMORY : 0;
}

int tg_ssh_do_kex(struct tg_ssh_session *s)
{
    if (!s->ssh && start_libssh(s)) {
        tg_fail(&s->job->error, TG_E_FAILED, "%s: no session: %s", s->where, s->ssh ? ssh_get_error(s->ssh) : "out of memory");
        return TG_SSH_EV_BROKEN;
    }
    int fd = s->fd >= 0 ? s->fd : ssh_get_fd(s->ssh);
    int rc = ssh_connect(s->ssh);
    s->fd = -1; /* libssh closes it from here on */
    if (rc == SSH_AGAIN) {
        /* libssh makes a socket that it is given blocking, once; it writes only what poll() allowed, so it need not be. */
        fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
        return TG_SSH_AGAIN;
    }
    if (rc != SSH_OK)
        return tg_ssh_broken(s, "no key exchange", TG_SSH_EV_BROKEN);
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    return TG_SSH_EV_DONE;
}

/* ---- the host's key ---- */

static void fingerprint(ssh_key key, char *out, size_t size)
{
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    snprintf(out, size, "%s", text ? text : "SHA256:?");
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
}

static void known_fingerprint(const struct tg_ssh_known *known, char *out, size_t size)
{
    ssh_key key = NULL;

    snprintf(out, size, "a key that can't be read");
    if (ssh_pki_import_pubkey_base64(known->key, ssh_key_type_from_name(known->type), &key) == SSH_OK)
        fingerprint(key, out, size);
    ssh_key_free(key);
}

/* The name under which the key has to be in known_hosts. */
static void known_name(const struct tg_ssh_session *s, char *out, size_t size)
{
    const char *alias = s->settings.value[TG_SSH_KW_HOST_KEY_ALIAS];

    if (alias || s->port == 22)
        snprintf(out, size, "%s", alias ? alias : s->name);
    else
        snprintf(out, size, "[%s]:%d", s->name, s->port);
}

static int unknown_key(struct tg_ssh_session *s, const char *type, const char *base64, const char *print)
{
    struct tg_error *e = &s->job->error;
    const char *file = s->impl->known_hosts_file ? s->impl->known_hosts_file
                       : s->settings.n_known[0]  ? s->settings.known[0][0]
                                                 : "/etc/ssh/ssh_known_hosts";
    char name[300];

    known_name(s, name, sizeof name);
    tg_fail(e, TG_E_PERM, "%s: its host key is not known (%s %s), so nothing was sent", s->where, type, print);
    if (strlen(base64) < 160)
        tg_error_hint(e, "compare it with the host's own, then: echo '%s %s %s' >> %s", name, type, base64, file);
    else
        tg_error_hint(e, "compare it with the host's own (ssh-keyscan -p %d %s | ssh-keygen -lf -), then add it for %s to %s", s->port,
                      s->address, name, file);
    return TG_SSH_EV_REFUSED;
}

static int changed_key(struct tg_ssh_session *s, const struct tg_ssh_known *known, const char *type, const char *print)
{
    struct tg_error *e = &s->job->error;
    char old[80], name[300];

    known_fingerprint(known, old, sizeof old);
    known_name(s, name, sizeof name);
    if (known->marker == TG_SSH_MARK_REVOKED) {
        tg_fail(e, TG_E_PERM, "%s: its host key %s %s is revoked (%s:%d), so nothing was sent", s->where, type, print, known->file,
                known->line);
        return TG_SSH_EV_REFUSED;
    }
    tg_fail(e, TG_E_PERM, "%s: its host key is not the one known: it shows %s %s, %s:%d has %s %s; nothing was sent", s->where, type,
            print, known->file, known->line, known->type, old);
    tg_error_hint(e, "if the host was rebuilt: ssh-keygen -f %s -R '%s', and add the new key", known->file, name);
    return TG_SSH_EV_REFUSED;
}

static int judge(struct tg_ssh_session *s, const char *type, const char *base64, const char *print)
{
    struct tg_ssh_known known[KNOWN_MAX];
    size_t n = find_known(s, known);
    const struct tg_ssh_known *other = NULL, *same_type = NULL;
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        bool same = strcmp(known[i].type, type) == 0 && strcmp(known[i].key, base64) == 0;
        if (known[i].marker == TG_SSH_MARK_REVOKED && same)
            return changed_key(s, &known[i], type, print);
        if (known[i].marker != TG_SSH_MARK_NONE)
            continue;
        found |= same;
        if (!other)
            other = &known[i];
        if (!same_type && strcmp(known[i].type, type) == 0)
            same_type = &known[i];
    }
    if (found)
        return TG_SSH_EV_DONE;
    if (other)
        return changed_key(s, same_type ? same_type : other, type, print);
    return unknown_key(s, type, base64, print);
}

int tg_ssh_do_verify(struct tg_ssh_session *s)
{
    ssh_key key = NULL;
    char *base64 = NULL, print[80];
    int event = TG_SSH_EV_BROKEN;

    if (ssh_get_server_publickey(s->ssh, &key) != SSH_OK || ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK) {
        tg_ssh_broken(s, "no host key", TG_SSH_EV_BROKEN);
    } else {
        fingerprint(key, print, sizeof print);
        event = judge(s, ssh_key_type_to_char(ssh_key_type(key)), base64, print);
    }
    ssh_string_free_char(base64);
    ssh_key_free(key);
    return event;
}

/* ---- our keys ---- */

#define DEFAULT_KEYS 3
static const char *const default_keys[DEFAULT_KEYS] = {"id_ed25519", "id_ecdsa", "id_rsa"};
static const char agent[] = "the agent";

static bool agent_wanted(const struct tg_ssh_session *s)
{
    const char *which = s->settings.value[TG_SSH_KW_IDENTITY_AGENT];

    return !which || strcmp(which, "none") != 0;
}

/* The n-th key to try: a path, the agent, or NULL: no more. out is room for a path. */
static const char *nth_key(const struct tg_ssh_session *s, size_t n, char *out, size_t size)
{
    const struct tg_ssh_settings *set = &s->settings;
    const char *only = set->value[TG_SSH_KW_IDENTITIES_ONLY];

    if (s->impl->identity_file) /* the agent may hold it, if it has a passphrase */
        return n == 0 ? s->impl->identity_file : n == 1 ? agent : NULL;
    if (n < set->n_identity)
        return set->identity[n];
    n -= set->n_identity;
    if (!(only && strcmp(only, "yes") == 0) && n-- == 0)
        return agent;
    if (set->n_identity || n >= DEFAULT_KEYS)
        return NULL;
    snprintf(out, size, "%s/.ssh/%s", s->impl->config->home, default_keys[n]);
    return out;
}

static void note_tried(struct tg_ssh_session *s, const char *which, const char *why)
{
    size_t len = strlen(s->tried);

    snprintf(s->tried + len, sizeof s->tried - len, "%s%s%s%s%s", len ? ", " : "", which, why ? " (" : "", why ? why : "", why ? ")" : "");
}

/* Reads what the handshake will need while descriptors are still there. */
void tg_ssh_prepare(struct tg_ssh_session *s)
{
    struct tg_ssh_known known[KNOWN_MAX];
    char path[700];
    const char *which, *why;

    find_known(s, known);
    for (size_t n = 0; (which = nth_key(s, n, path, sizeof path)) != NULL; n++)
        if (which != agent)
            tg_ssh_keys_get(s->impl->keys, which, &why);
}

/* SSH_AUTH_…; SSH_AUTH_DENIED also when there is no such key. */
static int try_key(struct tg_ssh_session *s, const char *which)
{
    const char *why = NULL;
    bool is_default = !s->impl->identity_file && !s->settings.n_identity;

    if (which == agent) {
        if (!agent_wanted(s) || (!getenv("SSH_AUTH_SOCK") && !s->settings.value[TG_SSH_KW_IDENTITY_AGENT]))
            return SSH_AUTH_DENIED;
        int rc = ssh_userauth_agent(s->ssh, NULL);
        if (rc != SSH_AUTH_AGAIN && rc != SSH_AUTH_SUCCESS)
            note_tried(s, which, NULL);
        return rc;
    }
    ssh_key key = tg_ssh_keys_get(s->impl->keys, which, &why);
    if (!key) {
        if (!is_default || strcmp(why, "no such file") != 0)
            note_tried(s, which, why);
        return SSH_AUTH_DENIED;
    }
    int rc = ssh_userauth_publickey(s->ssh, NULL, key);
    if (rc != SSH_AUTH_AGAIN && rc != SSH_AUTH_SUCCESS)
        note_tried(s, which, NULL);
    return rc;
}

static int denied(struct tg_ssh_session *s, const char *how)
{
    struct tg_error *e = &s->job->error;

    tg_error_clear(e);
    tg_fail(e, TG_E_PERM, "%s: %s for user %s (tried: %s); nothing was sent", s->where, how, s->user,
            s->tried[0] ? s->tried : "there is no key");
    tg_error_hint(e, "put the public key into that user's authorized_keys there, or name the right key (IdentityFile, or an agent)");
    return TG_SSH_EV_REFUSED;
}

int tg_ssh_do_auth(struct tg_ssh_session *s)
{
    char path[700];
    const char *which;

    while ((which = nth_key(s, s->auth_at, path, sizeof path)) != NULL) {
        int rc = try_key(s, which);
        if (rc == SSH_AUTH_AGAIN)
            return TG_SSH_AGAIN;
        if (rc == SSH_AUTH_SUCCESS)
            return TG_SSH_EV_DONE;
        if (rc == SSH_AUTH_PARTIAL)
            return denied(s, "it wants more than a key");
        if (rc == SSH_AUTH_ERROR && !ssh_is_connected(s->ssh))
            return strstr(ssh_get_error(s->ssh), "authentication failures")
                       ? denied(s, "too many keys were refused")
                       : tg_ssh_broken(s, "the authentication broke off", TG_SSH_EV_BROKEN);
        s->auth_at++;
    }
    return denied(s, "no key is accepted");
}
