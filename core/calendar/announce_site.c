/* "announce:" of the configuration: see announce_site.h. */
#define _GNU_SOURCE
#include "calendar/announce_site.h"

#include "base/mailbox.h"
#include "base/shown.h"
#include "config/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (INT64_C(24) * 60 * MINUTE_MS)

struct reader {
    struct tg_announce_site *s;
    struct tg_problems *p;
    int rc; /* TG_E_MEMORY */
};

static void set(struct reader *r, char **slot, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        r->rc = TG_E_MEMORY;
    free(*slot);
    *slot = copy;
}

static void take_text(struct reader *r, const struct tg_yaml_node *node, const char *what, char **slot)
{
    const char *text;

    if (!tg_yaml_string(node, what, r->p, &text))
        return;
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p < ' ' || *p == 127) {
            tg_yaml_problem(r->p, node, "%s has a line break, or something else that can't be seen", what);
            return;
        }
    set(r, slot, text);
}

static void take_path(struct reader *r, const struct tg_yaml_node *node, const char *what, char **slot)
{
    const char *text, *file, *slash;
    char *path = NULL;

    if (!tg_yaml_string(node, what, r->p, &text))
        return;
    file = tg_yaml_name(node->doc);
    slash = strrchr(file, '/');
    if (text[0] == '/' || !slash) {
        set(r, slot, text);
    } else if (asprintf(&path, "%.*s/%s", (int) (slash - file), file, text) < 0) {
        r->rc = TG_E_MEMORY;
    } else {
        free(*slot);
        *slot = path;
    }
}

/* Our own address must be one that any server takes, whoever the mail is for: the domain may have other letters, as it has a form without. */
static bool is_ours(const char *address)
{
    const char *at = strchr(address, '@');

    if (!tg_mailbox_ok(address))
        return false;
    while (address < at && (unsigned char) *address < 128)
        address++;
    return address == at;
}

static void take_address(struct reader *r, const struct tg_yaml_node *node, const char *what, char **slot)
{
    take_text(r, node, what, slot);
    if (*slot && (*slot)[0] && !is_ours(*slot)) {
        tg_error_hint(tg_yaml_problem(r->p, node, "%s \"%.80s\" is no mail address", what, *slot), "such as ops@example.com");
        set(r, slot, "");
    }
}

/* "ops@example.com", or "Operations <ops@example.com>". */
static void take_from(struct reader *r, const struct tg_yaml_node *node)
{
    char *text = NULL;
    const char *address;
    size_t len, name;

    take_text(r, node, "announce.from", &text);
    if (!text)
        return;
    if (tg_mailbox_split(text, &address, &len, &name)) {
        text[address - text + (ptrdiff_t) len] = '\0';
        set(r, &r->s->from_address, address);
        text[name] = name ? '\0' : text[0];
        set(r, &r->s->from_name, name ? text : "");
    }
    if (!r->s->from_address || !is_ours(r->s->from_address))
        tg_error_hint(tg_yaml_problem(r->p, node, "announce.from \"%.80s\" is no mail address that every server takes", text),
                      "ops@example.com, or \"Operations <ops@example.com>\": what is before the \"@\" in ASCII");
    free(text);
}

/* A URL of one of the schemes, with nothing in it that is a secret. */
static void take_url(struct reader *r, const struct tg_yaml_node *node, const char *what, const char *const *schemes, const char *example, char **slot)
{
    bool fits = false;

    take_text(r, node, what, slot);
    if (!*slot)
        return;
    for (size_t i = 0; schemes[i]; i++)
        fits = fits || (strncmp(*slot, schemes[i], strlen(schemes[i])) == 0 && (*slot)[strlen(schemes[i])]);
    const char *host = strstr(*slot, "://");
    size_t n = host ? strcspn(host + 3, "/?#") : 0;
    if (!fits || strpbrk(*slot, " \"<>\\") || strlen(*slot) > 500)
        tg_error_hint(tg_yaml_problem(r->p, node, "%s \"%.80s\" is no such URL", what, *slot), "%s", example);
    else if (memchr(host + 3, '@', n))
        tg_error_hint(tg_yaml_problem(r->p, node, "%s has a password in it, which this file is no place for", what), "a file of its own, of mode 600, has it");
}

enum smtp_key { URL, USER, PASSWORD, CA, TLS, HELO };
static const struct tg_yaml_key smtp_keys[] = {[URL] = {.name = "url", .required = true}, [USER] = {.name = "user"}, [PASSWORD] = {.name = "password-file"},
                                               [CA] = {.name = "ca"}, [TLS] = {.name = "tls"}, [HELO] = {.name = "helo"}, {.name = NULL}};

static void take_smtp(struct reader *r, const struct tg_yaml_node *node)
{
    static const char *const schemes[] = {"smtp://", "smtps://", NULL}, *const tls[] = {"required", "none", NULL};
    const struct tg_yaml_node *v[sizeof smtp_keys / sizeof smtp_keys[0] - 1];
    struct tg_announce_site *s = r->s;
    size_t which = 0;

    if (!node)
        return;
    tg_yaml_fields(node, "announce.smtp", smtp_keys, r->p, v);
    take_url(r, v[URL], "announce.smtp.url", schemes, "smtp://mail.example.com:587, or smtps://mail.example.com", &s->url);
    take_text(r, v[USER], "announce.smtp.user", &s->user);
    take_path(r, v[PASSWORD], "announce.smtp.password-file", &s->password_file);
    take_path(r, v[CA], "announce.smtp.ca", &s->ca);
    take_text(r, v[HELO], "announce.smtp.helo", &s->helo);
    if (s->helo && s->helo[strspn(s->helo, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
        tg_yaml_problem(r->p, v[HELO], "announce.smtp.helo \"%.80s\" is no host's name", s->helo);
    s->plain = tg_yaml_choice(v[TLS], "announce.smtp.tls", tls, r->p, &which) && which == 1;
    if (!s->user != !s->password_file)
        tg_yaml_problem(r->p, node, "announce.smtp has a %s and no %s", s->user ? "user" : "password-file", s->user ? "password-file" : "user");
    if (s->plain && s->user)
        tg_error_hint(tg_yaml_problem(r->p, v[TLS], "announce.smtp.tls: none would show the password to whoever listens"), "tls: required, or no user");
    if (s->plain && s->url && strncmp(s->url, "smtps:", 6) == 0)
        tg_yaml_problem(r->p, v[TLS], "announce.smtp.tls: none does not go with smtps://");
}

enum hook_key { HOOK_URL, SECRET, HOOK_CA };
static const struct tg_yaml_key hook_keys[] = {[HOOK_URL] = {.name = "url", .required = true}, [SECRET] = {.name = "secret-file", .required = true},
                                               [HOOK_CA] = {.name = "ca"}, {.name = NULL}};

static void take_webhook(struct reader *r, const struct tg_yaml_pair *pair)
{
    static const char *const schemes[] = {"https://", "http://", NULL};
    const struct tg_yaml_node *v[sizeof hook_keys / sizeof hook_keys[0] - 1];
    struct tg_webhook *h = &r->s->webhooks[r->s->n_webhooks++];
    const char *name = pair->key->text;
    char what[80];

    if (!name[0] || strlen(name) >= sizeof h->name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        tg_error_hint(tg_yaml_problem(r->p, pair->key, "\"%.60s\" can't be a webhook's name", name), "small letters, digits and \"-\", less than %zu of them", sizeof h->name);
    snprintf(h->name, sizeof h->name, "%s", name);
    snprintf(what, sizeof what, "webhook \"%s\"", h->name);
    tg_yaml_fields(pair->value, what, hook_keys, r->p, v);
    take_url(r, v[HOOK_URL], "url of a webhook", schemes, "https://chat.example.com/hooks/1", &h->url);
    take_path(r, v[SECRET], "secret-file of a webhook", &h->secret_file);
    take_path(r, v[HOOK_CA], "ca of a webhook", &h->ca);
}

static void take_webhooks(struct reader *r, const struct tg_yaml_node *node)
{
    if (tg_yaml_is_null(node) || !tg_yaml_is_map(node, "announce.webhooks", r->p))
        return;
    if (node->n > TG_WEBHOOKS_MAX) {
        tg_yaml_problem(r->p, node, "there are %u webhooks, and at most %d can be", node->n, TG_WEBHOOKS_MAX);
        return;
    }
    if (!(r->s->webhooks = calloc((size_t) node->n + 1, sizeof *r->s->webhooks))) {
        r->rc = TG_E_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < node->n; i++)
        take_webhook(r, &node->pairs[i]);
}

enum retry_key { FIRST, LONGEST, GIVE_UP };
static const struct tg_yaml_key retry_keys[] = {[FIRST] = {.name = "first"}, [LONGEST] = {.name = "longest"}, [GIVE_UP] = {.name = "give-up"}, {.name = NULL}};

static void take_retry(struct reader *r, const struct tg_yaml_node *node)
{
    const struct tg_yaml_node *v[sizeof retry_keys / sizeof retry_keys[0] - 1];
    struct tg_retry *t = &r->s->retry;

    if (!node)
        return;
    tg_yaml_fields(node, "announce.retry", retry_keys, r->p, v);
    tg_yaml_duration(v[FIRST], "announce.retry.first", 1000, DAY_MS, r->p, &t->first_ms);
    tg_yaml_duration(v[LONGEST], "announce.retry.longest", 1000, DAY_MS, r->p, &t->longest_ms);
    tg_yaml_duration(v[GIVE_UP], "announce.retry.give-up", MINUTE_MS, 60 * DAY_MS, r->p, &t->give_up_ms);
    if (t->longest_ms < t->first_ms)
        tg_yaml_problem(r->p, node, "announce.retry.longest is shorter than first");
}

enum key { FROM, REPLY_TO, SMTP, WEBHOOKS, TEMPLATES, KEY_FILE, ZONE, SETTLE, TIMEOUT, RETRY };
static const struct tg_yaml_key keys[] = {
    [FROM] = {.name = "from", .required = true}, [REPLY_TO] = {.name = "reply-to"}, [SMTP] = {.name = "smtp"}, [WEBHOOKS] = {.name = "webhooks"},
    [TEMPLATES] = {.name = "templates"}, [KEY_FILE] = {.name = "key-file"}, [ZONE] = {.name = "zone"}, [SETTLE] = {.name = "settle"}, [TIMEOUT] = {.name = "timeout"}, [RETRY] = {.name = "retry"}, {.name = NULL},
};

static void take_zone(struct reader *r, const struct tg_yaml_node *node)
{
    struct tg_error why = TG_ERROR_INIT;
    struct tg_zone zone;

    take_text(r, node, "announce.zone", &r->s->zone);
    if (node && r->s->zone && tg_zone_find(r->s->zone, &zone, &why) == TG_E_DATA)
        tg_error_hint(tg_yaml_problem(r->p, node, "announce.zone: %s", why.message), "%s", why.hint);
}

int tg_announce_site_read(const struct tg_yaml_node *node, struct tg_problems *problems, struct tg_announce_site *out, struct tg_error *e)
{
    struct tg_announce_site s = {.settle_ms = 2 * MINUTE_MS, .timeout_ms = 5 * MINUTE_MS, .retry = {MINUTE_MS, 60 * MINUTE_MS, 5 * DAY_MS}};
    const struct tg_yaml_node *v[sizeof keys / sizeof keys[0] - 1];
    struct reader r = {&s, problems, 0};

    if (!node) {
        tg_fail(e, TG_E_CONFIG, "the configuration does not say how to announce");
        return tg_error_hint(e, "announce: {from: ops@example.com, smtp: {url: \"smtp://mail.example.com:587\"}}; man tagout.yaml"), TG_E_CONFIG;
    }
    set(&r, &s.from_name, "");
    set(&r, &s.reply_to, "");
    set(&r, &s.zone, "UTC");
    tg_yaml_fields(node, "announce", keys, problems, v);
    take_from(&r, v[FROM]);
    take_address(&r, v[REPLY_TO], "announce.reply-to", &s.reply_to);
    take_smtp(&r, v[SMTP]);
    take_webhooks(&r, v[WEBHOOKS]);
    take_path(&r, v[TEMPLATES], "announce.templates", &s.templates);
    take_path(&r, v[KEY_FILE], "announce.key-file", &s.key_file);
    take_zone(&r, v[ZONE]);
    tg_yaml_duration(v[SETTLE], "announce.settle", 0, DAY_MS, problems, &s.settle_ms);
    tg_yaml_duration(v[TIMEOUT], "announce.timeout", 1000, 30 * MINUTE_MS, problems, &s.timeout_ms);
    take_retry(&r, v[RETRY]);
    if (!v[SMTP] && !s.n_webhooks)
        tg_yaml_problem(problems, node, "announce has neither smtp nor webhooks: nobody would be told");
    int rc = r.rc ? tg_fail(e, r.rc, "out of memory") : tg_problems_error(problems, e);
    if (rc) {
        tg_announce_site_release(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void tg_announce_site_release(struct tg_announce_site *s)
{
    char *const texts[] = {s->from_address, s->from_name, s->reply_to, s->url, s->user, s->password_file, s->ca, s->helo, s->templates, s->key_file, s->zone};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    for (size_t i = 0; i < s->n_webhooks; i++) {
        free(s->webhooks[i].url);
        free(s->webhooks[i].secret_file);
        free(s->webhooks[i].ca);
    }
    free(s->webhooks);
    *s = (struct tg_announce_site) {.url = NULL};
}

const struct tg_webhook *tg_announce_webhook(const struct tg_announce_site *s, const char *name)
{
    for (size_t i = 0; i < s->n_webhooks; i++)
        if (strcmp(s->webhooks[i].name, name) == 0)
            return &s->webhooks[i];
    return NULL;
}
