/* A site's configuration: see site.h. */
#define _GNU_SOURCE
#include "config/site.h"

#include "config/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGENT_SOCKET "/run/tagout/agent.sock"
/* ZooKeeper's own default bounds are 4 s to 40 s; longer only delays that others see a dead holder. */
#define SESSION_MIN_MS 2000
#define SESSION_MAX_MS (5 * 60000)
#define SESSION_MS 10000
#define OWNER_MAX 128
#define SOCKET_PATH_MAX 103 /* of the 108 of sockaddr_un: "PATH.lock" lies beside it */

enum key { STORE, STORE_AUTH, INVENTORY, STATE, SESSION, OWNER, SSH, SOCKET, BEFORE_UNLOCK, PROJECT, BREAK_LOCK, RUNS, CALENDAR, REQUESTS, ANNOUNCE };
static const struct tg_yaml_key keys[] = {
    [STORE] = {.name = "store"}, [STORE_AUTH] = {.name = "store-auth"}, [INVENTORY] = {.name = "inventory"}, [STATE] = {.name = "state-dir"},
    [SESSION] = {.name = "session"}, [OWNER] = {.name = "owner"}, [SSH] = {.name = "ssh"},
    [SOCKET] = {.name = "agent-socket"}, [BEFORE_UNLOCK] = {.name = "before-unlock"}, [PROJECT] = {.name = "project"},
    [BREAK_LOCK] = {.name = "break-lock"}, [RUNS] = {.name = "runs"}, [CALENDAR] = {.name = "calendar"}, [REQUESTS] = {.name = "requests"},
    [ANNOUNCE] = {.name = "announce"}, {.name = NULL},
};
#define N_KEYS (sizeof keys / sizeof keys[0] - 1)

enum ssh_key { IDENTITY, KNOWN_HOSTS, SSH_CONFIG };
static const struct tg_yaml_key ssh_keys[] = {
    [IDENTITY] = {.name = "identity"}, [KNOWN_HOSTS] = {.name = "known-hosts"}, [SSH_CONFIG] = {.name = "config"}, {.name = NULL},
};
#define N_SSH_KEYS (sizeof ssh_keys / sizeof ssh_keys[0] - 1)

static const struct tg_yaml_key project_keys[] = {
    [TG_PROJECT_PUPPET] = {.name = "puppet"}, [TG_PROJECT_FACTS] = {.name = "facts"}, [TG_PROJECT_RUN] = {.name = "run"},
    [TG_PROJECT_MOTD] = {.name = "motd"}, {.name = NULL},
};

const char *tg_project_switch_name(enum tg_project_switch which)
{
    return project_keys[which].name;
}

enum break_key { APPROVAL, EXPIRES };
static const struct tg_yaml_key break_keys[] = {[APPROVAL] = {.name = "approval"}, [EXPIRES] = {.name = "expires"}, {.name = NULL}};
#define N_BREAK_KEYS (sizeof break_keys / sizeof break_keys[0] - 1)

const char *tg_config_key(size_t i)
{
    static const char *const names[] = {"store", "store-auth", "inventory", "calendar", "state-dir", "session", "agent-socket", "owner", "ssh.identity", "ssh.known-hosts",
                                        "ssh.config", "before-unlock", "project.puppet", "project.facts", "project.run", "project.motd", "break-lock.approval",
                                        "break-lock.expires", "runs.approval", "requests.hold", "requests.enter", "requests.leave",
                                        "requests.activities",
                                        "announce.from", "announce.reply-to", "announce.smtp.url", "announce.smtp.user",
                                        "announce.smtp.password-file", "announce.smtp.ca", "announce.smtp.tls", "announce.smtp.helo", "announce.webhooks", "announce.templates",
                                        "announce.zone", "announce.settle", "announce.timeout", "announce.retry.first", "announce.retry.longest", "announce.retry.give-up"};

    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

static int set(char **slot, const char *text, struct tg_error *e)
{
    char *copy = strdup(text);

    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_from(char **slot, const struct tg_yaml_node *node, struct tg_error *e)
{
    char place[320];

    snprintf(place, sizeof place, "%s:%d:%d", tg_yaml_name(node->doc), node->line, node->column);
    return set(slot, place, e);
}

/* A path; a relative one is beside the file that names it, so that it means the same wherever a command is started. */
static int set_path(char **slot, const struct tg_yaml_node *node, const char *text, struct tg_error *e)
{
    const char *file = tg_yaml_name(node->doc), *slash = strrchr(file, '/');
    char *path = NULL;

    if (text[0] == '/' || !slash)
        return set(slot, text, e);
    if (asprintf(&path, "%.*s/%s", (int) (slash - file), file, text) < 0)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    free(*slot);
    *slot = path;
    return 0;
}

/* "zk:…", "local:…": what stands before the colon names the backend. */
static bool is_url(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && text[len] == ':' && text[len + 1];
}

static const char url_hint[] = "such as zk://zk1:2181,zk2:2181/tagout or local:/var/lib/tagout/store.db";

static int take_store(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "store", p, &text))
        return 0;
    if (!is_url(text)) {
        tg_error_hint(tg_yaml_problem(p, node, "store \"%.80s\" is no URL of a store", text), "%s", url_hint);
        return 0;
    }
    int rc = set(&c->store, text, e);
    return rc ? rc : set_from(&c->store_from, node, e);
}

static int take_store_auth(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    return tg_yaml_string(node, "store-auth", p, &text) ? set_path(&c->store_auth, node, text, e) : 0;
}

static int take_inventory(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "inventory", p, &text))
        return 0;
    int rc = set_path(&c->inventory, node, text, e);
    return rc ? rc : set_from(&c->inventory_from, node, e);
}

static int take_calendar(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "calendar", p, &text))
        return 0;
    int rc = set_path(&c->calendar, node, text, e);
    return rc ? rc : set_from(&c->calendar_from, node, e);
}

static int take_state_dir(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "state-dir", p, &text))
        return 0;
    if (text[0] == '/')
        return set(&c->state_dir, text, e);
    tg_yaml_problem(p, node, "state-dir must be an absolute path, and is \"%.80s\"", text);
    return 0;
}

static int take_agent_socket(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "agent-socket", p, &text))
        return 0;
    if (text[0] == '/' && strlen(text) < SOCKET_PATH_MAX)
        return set(&c->agent_socket, text, e);
    tg_yaml_problem(p, node, "agent-socket must be an absolute path of less than %d bytes, and is \"%.120s\"", SOCKET_PATH_MAX, text);
    return 0;
}

/* An owner stands in one-line messages and in columns: no blanks, nothing that can't be seen. */
static int take_owner(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const char *text;

    if (!tg_yaml_string(node, "owner", p, &text))
        return 0;
    if (strlen(text) <= OWNER_MAX && !strpbrk(text, " \t\n\""))
        return set(&c->owner, text, e);
    tg_yaml_problem(p, node, "owner must be one word of at most %d bytes, without quotes, and is \"%.40s\"", OWNER_MAX, text);
    return 0;
}

static int take_ssh(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p, struct tg_error *e)
{
    const struct tg_yaml_node *values[N_SSH_KEYS];
    char **slots[N_SSH_KEYS] = {[IDENTITY] = &c->ssh_identity, [KNOWN_HOSTS] = &c->ssh_known_hosts, [SSH_CONFIG] = &c->ssh_config};
    const char *text;
    int rc = 0;

    tg_yaml_fields(node, "ssh", ssh_keys, p, values);
    for (size_t i = 0; !rc && i < N_SSH_KEYS; i++) {
        char what[32];
        snprintf(what, sizeof what, "ssh.%s", ssh_keys[i].name);
        if (!tg_yaml_string(values[i], what, p, &text))
            continue;
        if (i == SSH_CONFIG && strcmp(text, "none") == 0)
            rc = set(slots[i], text, e);
        else
            rc = set_path(slots[i], values[i], text, e);
    }
    return rc;
}

static void take_project(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p)
{
    const struct tg_yaml_node *values[TG_PROJECT_SWITCHES];

    if (!node)
        return;
    tg_yaml_fields(node, "project", project_keys, p, values);
    for (size_t i = 0; i < TG_PROJECT_SWITCHES; i++) {
        char what[32];
        bool on = true;
        snprintf(what, sizeof what, "project.%s", project_keys[i].name);
        if (tg_yaml_bool(values[i], what, p, &on))
            c->project_off[i] = !on;
    }
}

static void take_break_lock(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p)
{
    const struct tg_yaml_node *values[N_BREAK_KEYS];
    const char *text;

    if (!node)
        return;
    tg_yaml_fields(node, "break-lock", break_keys, p, values);
    if (tg_yaml_string(values[APPROVAL], "break-lock.approval", p, &text)) {
        c->break_approval = strcmp(text, "second-person") == 0;
        if (!c->break_approval && strcmp(text, "none") != 0)
            tg_yaml_problem(p, values[APPROVAL], "break-lock.approval is none or second-person, not \"%.40s\"", text);
    }
    tg_yaml_duration(values[EXPIRES], "break-lock.expires", 60000, INT64_C(7) * 24 * 3600 * 1000, p, &c->break_expires_ms);
}

enum runs_key { RUN_APPROVAL };
static const struct tg_yaml_key runs_keys[] = {[RUN_APPROVAL] = {.name = "approval"}, {.name = NULL}};

static void take_runs(struct tg_config *c, const struct tg_yaml_node *node, struct tg_problems *p)
{
    static const char *const who[] = {"anyone", "second-person", NULL};
    const struct tg_yaml_node *values[sizeof runs_keys / sizeof runs_keys[0] - 1];
    size_t is = 0;

    if (!node)
        return;
    tg_yaml_fields(node, "runs", runs_keys, p, values);
    if (tg_yaml_choice(values[RUN_APPROVAL], "runs.approval", who, p, &is))
        c->run_approval = is == 1;
}

static int take_root(struct tg_config *c, const struct tg_yaml_node *root, struct tg_problems *p, struct tg_error *e)
{
    const struct tg_yaml_node *values[N_KEYS];
    int rc;

    if (tg_yaml_is_null(root))
        return 0; /* nothing but comments */
    tg_yaml_fields(root, "the configuration", keys, p, values);
    if (values[BEFORE_UNLOCK] && tg_yaml_is_list(values[BEFORE_UNLOCK], "before-unlock", p))
        c->before_unlock = values[BEFORE_UNLOCK];
    if (values[ANNOUNCE] && tg_yaml_is_map(values[ANNOUNCE], "announce", p))
        c->announce = values[ANNOUNCE];
    take_break_lock(c, values[BREAK_LOCK], p);
    take_runs(c, values[RUNS], p);
    tg_yaml_duration(values[SESSION], "session", SESSION_MIN_MS, SESSION_MAX_MS, p, &c->session_ms);
    take_project(c, values[PROJECT], p);
    if ((rc = take_store(c, values[STORE], p, e)) || (rc = take_store_auth(c, values[STORE_AUTH], p, e)) || (rc = take_inventory(c, values[INVENTORY], p, e)) || (rc = take_calendar(c, values[CALENDAR], p, e)) ||
        (rc = take_state_dir(c, values[STATE], p, e)) || (rc = take_agent_socket(c, values[SOCKET], p, e)) || (rc = take_owner(c, values[OWNER], p, e)))
        return rc;
    if (values[REQUESTS] && (rc = tg_activities_read(values[REQUESTS], p, &c->requests, e)))
        return rc;
    return take_ssh(c, values[SSH], p, e);
}

static int read_file(struct tg_config *c, const char *path, bool optional, struct tg_problems *p, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_yaml_load(path, p, &doc, &why);

    if (rc && why.sys_errno == ENOENT && optional)
        return 0;
    if (rc) {
        /* The file is what the installation, or the command line, says: not a mistake in the file. */
        if (why.sys_errno)
            why.code = TG_E_CONFIG;
        if (e && !e->code)
            *e = why;
        return why.code;
    }
    rc = take_root(c, tg_yaml_root(doc), p, e);
    if ((c->before_unlock && c->before_unlock->doc == doc) || (c->announce && c->announce->doc == doc)) /* they are read later, with their places */
        c->docs[c->docs[0] != NULL] = doc;
    else
        tg_yaml_free(doc);
    return rc;
}

static int take_environment(struct tg_config *c, struct tg_error *e)
{
    const char *store = secure_getenv("TAGOUT_STORE"), *state = secure_getenv("TAGOUT_STATE_DIR"), *socket = secure_getenv("TAGOUT_AGENT_SOCKET");
    int rc = 0;

    if (store && *store) {
        rc = set(&c->store, store, e);
        if (!rc)
            rc = set(&c->store_from, "TAGOUT_STORE", e);
    }
    if (!rc && state && *state) {
        if (state[0] != '/')
            return tg_fail(e, TG_E_CONFIG, "TAGOUT_STATE_DIR must be an absolute path, and is \"%.80s\"", state);
        rc = set(&c->state_dir, state, e);
    }
    if (!rc && socket && *socket) {
        if (socket[0] != '/' || strlen(socket) >= SOCKET_PATH_MAX)
            return tg_fail(e, TG_E_CONFIG, "TAGOUT_AGENT_SOCKET must be an absolute path of less than %d bytes, and is \"%.120s\"", SOCKET_PATH_MAX, socket);
        rc = set(&c->agent_socket, socket, e);
    }
    return rc;
}

static int take_args(struct tg_config *c, const struct tg_config_args *args, struct tg_error *e)
{
    int rc = 0;

    if (args->store && ((rc = set(&c->store, args->store, e)) || (rc = set(&c->store_from, "--store", e))))
        return rc;
    if (args->inventory && ((rc = set(&c->inventory, args->inventory, e)) || (rc = set(&c->inventory_from, "--inventory", e))))
        return rc;
    if (c->store && !is_url(c->store)) {
        tg_fail(e, TG_E_CONFIG, "%s: \"%.80s\" is no URL of a store", c->store_from, c->store);
        return tg_error_hint(e, "%s", url_hint), TG_E_CONFIG;
    }
    return 0;
}

static int take_defaults(struct tg_config *c, struct tg_error *e)
{
    int rc = c->state_dir ? 0 : set(&c->state_dir, TG_CONFIG_STATE_DIR, e);

    if (!rc && !c->agent_socket)
        rc = set(&c->agent_socket, AGENT_SOCKET, e);
    if (rc || c->store)
        return rc;
    if (asprintf(&c->store, "local:%s/store.db", c->state_dir) < 0) {
        c->store = NULL;
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    return set(&c->store_from, "default", e);
}

const char *tg_config_usual_state_dir(void)
{
    const char *dir = secure_getenv("TAGOUT_STATE_DIR");

    return dir && dir[0] == '/' ? dir : TG_CONFIG_STATE_DIR;
}

static int load(struct tg_config *c, const struct tg_config_args *args, struct tg_problems *p, struct tg_error *e)
{
    int rc = read_file(c, args->site_file ? args->site_file : TG_CONFIG_FILE, true, p, e);

    if (!rc && c->state_dir)
        rc = set(&c->host_state_dir, c->state_dir, e);
    if (!rc && args->file)
        rc = read_file(c, args->file, false, p, e);
    if (!rc)
        rc = tg_problems_error(p, e);
    if (!rc)
        rc = take_environment(c, e);
    if (!rc)
        rc = take_args(c, args, e);
    return rc ? rc : take_defaults(c, e);
}

int tg_config_load(const struct tg_config_args *args, struct tg_problems *problems, struct tg_config **out, struct tg_error *e)
{
    struct tg_config *c = calloc(1, sizeof *c);

    if (!c)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    c->session_ms = SESSION_MS;
    int rc = load(c, args, problems, e);
    if (rc) {
        tg_config_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void tg_config_free(struct tg_config *c)
{
    if (!c)
        return;
    free(c->store);
    free(c->store_from);
    free(c->store_auth);
    free(c->inventory);
    free(c->inventory_from);
    free(c->calendar);
    free(c->calendar_from);
    free(c->state_dir);
    free(c->host_state_dir);
    free(c->agent_socket);
    tg_yaml_free(c->docs[0]);
    tg_yaml_free(c->docs[1]);
    free(c->owner);
    free(c->ssh_identity);
    free(c->ssh_known_hosts);
    free(c->ssh_config);
    tg_activities_release(&c->requests);
    free(c);
}
