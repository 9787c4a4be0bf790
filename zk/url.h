/* What a URL of this store says: zk://HOST[:PORT][,HOST[:PORT]…]/CHROOT. Pure; no name is looked up here. */
#ifndef TG_ZK_URL_H
#define TG_ZK_URL_H

#include <tagout/error.h>

/* More servers than any ensemble has; ZooKeeper's own guide stops at seven voters. */
#define ZK_HOSTS_MAX 32

struct zk_host {
    char name[256]; /* a name or a numeric address, without brackets */
    char port[6];
};

struct zk_url {
    struct zk_host hosts[ZK_HOSTS_MAX];
    size_t n_hosts;
    char chroot[512]; /* "/tagout", never "/" alone */
};

/* TG_E_CONFIG with a hint. */
int zk_url_parse(const char *url, struct zk_url *out, struct tg_error *e);

#endif
