/* The URL of this store: see url.h. */
#include "url.h"

#include <tagout/store.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *url, const char *why, struct tg_error *e)
{
    tg_fail(e, TG_E_CONFIG, "\"%.200s\" is no ZooKeeper's URL: %s", url, why);
    tg_error_hint(e, "zk://HOST:2181,HOST:2181,HOST:2181/tagout");
    return TG_E_CONFIG;
}

static const char *parse_port(const char *text, size_t len, struct zk_host *out)
{
    if (len == 0 || len > 5 || strspn(text, "0123456789") < len)
        return "a port is a number from 1 to 65535";
    memcpy(out->port, text, len);
    out->port[len] = '\0';
    long port = strtol(out->port, NULL, 10);
    return port < 1 || port > 65535 ? "a port is a number from 1 to 65535" : NULL;
}

/* One "HOST", "HOST:PORT" or "[ADDRESS]:PORT" of len bytes. Returns why it is none. */
static const char *parse_host(const char *text, size_t len, struct zk_host *out)
{
    const char *end = text + len, *name = text, *name_end, *rest;

    if (len && text[0] == '[') {
        name++;
        name_end = memchr(text, ']', len);
        if (!name_end)
            return "a \"[\" without \"]\"";
        rest = name_end + 1;
    } else {
        name_end = memchr(text, ':', len);
        if (!name_end)
            name_end = end;
        rest = name_end;
    }
    size_t name_len = (size_t) (name_end - name);
    if (name_len == 0)
        return "a server without a name";
    if (name_len >= sizeof out->name)
        return "a server's name of more than 255 bytes";
    for (const char *c = name; c < name_end; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._%:", *c))
            return "a server's name has letters, digits, \"-\", \".\" and \"_\"";
    memcpy(out->name, name, name_len);
    out->name[name_len] = '\0';
    memcpy(out->port, "2181", 5);
    if (rest == end)
        return NULL;
    if (*rest != ':')
        return "what stands behind \"]\" is no port";
    return parse_port(rest + 1, (size_t) (end - rest - 1), out);
}

static int parse_chroot(const char *url, const char *path, struct zk_url *out, struct tg_error *e)
{
    size_t len = strlen(path);

    /* The root itself is shared with everybody else's data, so a place of our own must be named. */
    if (len < 2)
        return bad(url, "it names no place below the root, such as /tagout", e);
    if (path[len - 1] == '/')
        len--;
    if (len >= sizeof out->chroot)
        return bad(url, "the path is longer than 511 bytes", e);
    memcpy(out->chroot, path, len);
    out->chroot[len] = '\0';
    if (strcmp(out->chroot, "/zookeeper") == 0 || strncmp(out->chroot, "/zookeeper/", 11) == 0)
        return bad(url, "/zookeeper is the server's own", e);
    struct tg_error why = TG_ERROR_INIT;
    if (tg_store_path_check(out->chroot, &why))
        return bad(url, why.message, e);
    return 0;
}

int zk_url_parse(const char *url, struct zk_url *out, struct tg_error *e)
{
    struct zk_url u = {.n_hosts = 0};

    if (strncmp(url, "zk://", 5) != 0)
        return bad(url, "it does not start with \"zk://\"", e);
    const char *at = url + 5, *slash = strchr(at, '/');
    if (!slash)
        return bad(url, "it names no place below the root, such as /tagout", e);
    while (at <= slash) {
        size_t len = strcspn(at, ",/");
        if (u.n_hosts == ZK_HOSTS_MAX)
            return bad(url, "more than 32 servers", e);
        const char *why = parse_host(at, len, &u.hosts[u.n_hosts]);
        if (why)
            return bad(url, why, e);
        u.n_hosts++;
        at += len + 1;
    }
    int rc = parse_chroot(url, slash, &u, e);
    if (rc == 0)
        *out = u;
    return rc;
}
