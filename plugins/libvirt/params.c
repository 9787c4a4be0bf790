/* Reading "snapshot: {libvirt: …}". What ends up in virsh's arguments, or in a line for a shell, is held to a shape. Pure. */
#include "libvirt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOMAIN TG_PARAMS_WORD ".:+-"
#define TIMEOUT_MS 600000

/* The engine gives up an undo after 45 minutes, and it takes three calls. */
static void read_timeout(struct tg_params *r, const char *path, const json_t *v, struct tg_around_params *p)
{
    tg_params_duration(r, path, v, &p->timeout_ms);
    if (p->timeout_ms > TIMEOUT_MS)
        tg_params_mistake(r, path, "should be at most 10m");
}

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_around_params *p)
{
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "uri") == 0) {
        tg_params_word(r, path, v, TG_PARAMS_WORD "+:/.@?=&-", "a connection of libvirt, such as qemu+ssh://root@hv1.example.com/system", &p->uri);
        if (p->uri && !strchr(p->uri, ':'))
            tg_params_mistake(r, path, "should be a connection of libvirt, such as qemu:///system");
    } else if (strcmp(key, "domain") == 0) {
        tg_params_word(r, path, v, DOMAIN "{}", "a domain's name, such as \"{host}\" (which it is if left out) or \"{short}\"", &p->domain);
        if (p->domain && !tg_around_template_ok(p->domain))
            tg_params_mistake(r, path, "has braces: {host}, {short} and {address} are known");
    } else if (strcmp(key, "keep-on-failure") == 0)
        tg_params_bool(r, path, v, &p->keep_on_failure);
    else if (strcmp(key, "timeout") == 0)
        read_timeout(r, path, v, p);
    else
        tg_params_mistake(r, path, "is not known; libvirt takes uri, domain, keep-on-failure, timeout");
}

int tg_libvirt_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                      struct tg_error *e)
{
    struct tg_params r = {.driver = "libvirt", .complain = complain, .data = data};
    struct tg_around_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->timeout_ms = TIMEOUT_MS;
    json_object_foreach((json_t *) value, key, v)
        read_key(&r, key, v, p);
    if (!json_is_object(value))
        tg_params_mistake(&r, "", "should be a mapping, such as {domain: \"{short}\"}, or {}");
    int rc = tg_params_end(&r, e);
    if (!rc && ((!p->domain && !(p->domain = strdup("{host}"))) || (!p->uri && !(p->uri = strdup("qemu:///system")))))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc) {
        tg_libvirt_params_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_libvirt_params_free(struct tg_around_params *p)
{
    if (!p)
        return;
    free(p->uri);
    free(p->domain);
    free(p);
}

void tg_libvirt_describe(const struct tg_around_params *p, char *out, size_t size)
{
    snprintf(out, size, "snapshot of libvirt domain %s at %s%s", p->domain, p->uri, p->keep_on_failure ? ", kept when the host fails" : "");
}

int tg_libvirt_domain(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    int rc = tg_around_template(p->domain, c, out, size, e);

    if (rc)
        return rc;
    return out[0] && out[0] != '-' && !out[strspn(out, DOMAIN)] ? 0 : tg_fail(e, TG_E_DATA, "\"%.100s\" is no name of a domain", out);
}

/* FNV-1a over the whole tag, after what can be read of it. */
void tg_libvirt_name(const char *tag, char *out, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    char shown[61];
    size_t n = 0;

    for (const char *at = tag; *at; at++) {
        hash = (hash ^ (unsigned char) *at) * 1099511628211u;
        if (n < sizeof shown - 1)
            shown[n++] = (char) (strchr(TG_PARAMS_WORD ".-", *at) ? *at : '-');
    }
    shown[n] = '\0';
    snprintf(out, size, "tagout-%s-%016llx", shown, (unsigned long long) hash);
}

void tg_libvirt_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size)
{
    char domain[TG_LIBVIRT_NAME_SIZE], name[TG_LIBVIRT_NAME_SIZE];
    int n = -1;

    if (size == 0)
        return;
    out[0] = '\0';
    tg_libvirt_name(c->tag, name, sizeof name);
    if (tg_libvirt_domain(p, c, domain, sizeof domain, NULL) == 0)
        n = snprintf(out, size, "virsh -c '%s' snapshot-delete %s %s%s%s%s%s", p->uri, domain, name, p->keep_on_failure ? " # or, to go back: snapshot-revert " : "",
                     p->keep_on_failure ? domain : "", p->keep_on_failure ? " " : "", p->keep_on_failure ? name : "");
    if (n < 0 || (size_t) n >= size)
        snprintf(out, size, "# delete the snapshot %s", name);
}
