/*
 * The store on ZooKeeper against what is no ZooKeeper, and its pure parts: the URL, and what is proven (P4). Nothing here starts a
 * server of somebody else's: the strangers are a few bytes each.
 */
#include "../../zk/proof.c"
#include "../../zk/url.c"

#include "zk_store.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* The URL */

Test(zk_url, names_ports_and_the_place_are_read)
{
    struct zk_url u;

    cr_assert_eq(zk_url_parse("zk://zk1,zk2.example.com:2182,[2001:db8::1]:2183/a/tagout/", &u, NULL), 0);
    cr_assert_eq(u.n_hosts, 3);
    cr_assert_str_eq(u.hosts[0].name, "zk1");
    cr_assert_str_eq(u.hosts[0].port, "2181");
    cr_assert_str_eq(u.hosts[1].name, "zk2.example.com");
    cr_assert_str_eq(u.hosts[1].port, "2182");
    cr_assert_str_eq(u.hosts[2].name, "2001:db8::1");
    cr_assert_str_eq(u.hosts[2].port, "2183");
    cr_assert_str_eq(u.chroot, "/a/tagout");
}

Test(zk_url, what_is_wrong_is_said)
{
    static const struct {
        const char *url, *why;
    } rows[] = {
        {"zk:/h/t", "zk://"},       {"zk://h", "no place"},          {"zk://h/", "no place"},       {"zk:///t", "without a name"},
        {"zk://h,/t", "a name"},    {"zk://h:0/t", "1 to 65535"},    {"zk://h:65536/t", "65535"},   {"zk://h:/t", "65535"},
        {"zk://h:2a/t", "65535"},   {"zk://[::1/t", "without \"]\""}, {"zk://[::1]x/t", "no port"},  {"zk://h//t", "empty name"},
        {"zk://h/a/../t", "\"..\""}, {"zk://h/zookeeper", "server's own"}, {"zk://a b/t", "letters"}, {"zk://h/zookeeper/x", "own"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_url u;
        struct tg_error why = TG_ERROR_INIT;
        cr_assert_eq(zk_url_parse(rows[i].url, &u, &why), TG_E_CONFIG, "%s", rows[i].url);
        cr_assert(strstr(why.message, rows[i].why), "%s: %s", rows[i].url, why.message);
        cr_assert(why.hint[0]);
    }
}

Test(zk_url, more_servers_than_any_ensemble_has_are_refused)
{
    char url[400] = "zk://h";
    struct zk_url u;

    for (int i = 1; i < ZK_HOSTS_MAX; i++)
        strcat(url, ",h");
    strcat(url, "/t");
    cr_assert_eq(zk_url_parse(url, &u, NULL), 0);
    memcpy(url + strlen(url) - 2, ",h/t", 5);
    cr_assert_eq(zk_url_parse(url, &u, NULL), TG_E_CONFIG);
}

/* What is proven: P4. */

Test(zk_proof, of_a_server_alone_each_answer_proves_the_moment_of_asking)
{
    struct zk_proof p = {0};

    zk_proof_handshake(&p, 1000, 8000);
    cr_assert_eq(p.proven_ms, 1000);
    zk_proof_alone(&p, true);
    zk_proof_answered(&p, 1500, false);
    cr_assert_eq(p.proven_ms, 1500);
    zk_proof_answered(&p, 1501, true);
    cr_assert_eq(p.proven_ms, 1501);
}

Test(zk_proof, in_an_ensemble_a_read_proves_nothing)
{
    struct zk_proof p = {0};

    zk_proof_handshake(&p, 1000, 8000);
    for (int64_t t = 1100; t < 60000; t += 100)
        zk_proof_answered(&p, t, false);
    cr_assert_eq(p.proven_ms, 1000, "its server may have lost the leader");
}

Test(zk_proof, in_an_ensemble_a_write_proves_what_was_heard_a_quarter_earlier)
{
    struct zk_proof p = {0};

    zk_proof_handshake(&p, 1000, 8000);
    zk_proof_answered(&p, 2999, true);
    cr_assert_eq(p.proven_ms, 1000);
    zk_proof_answered(&p, 3900, false);
    zk_proof_answered(&p, 4999, true);
    cr_assert_eq(p.proven_ms, 2999);
    zk_proof_answered(&p, 6000, true);
    cr_assert_eq(p.proven_ms, 3900, "the read was heard by the same server");
}

/* However often is asked: never newer than a quarter of the time-out before, never older than a half, and it never goes back. */
Test(zk_proof, a_steady_stream_keeps_it_near)
{
    for (int64_t step = 1; step <= 1000; step = step * 3 + 1) {
        struct zk_proof p = {0};
        int64_t last = 0;
        zk_proof_handshake(&p, 1000, 8000);
        for (int64_t t = 1000 + step; t < 30000; t += step) {
            zk_proof_answered(&p, t, true);
            cr_assert_geq(p.proven_ms, last);
            last = p.proven_ms;
            cr_assert(last <= t - 2000 || last == 1000, "step %lld at %lld: %lld", (long long) step, (long long) t, (long long) last);
            cr_assert(t < 6000 || last >= t - 4000, "step %lld at %lld: %lld", (long long) step, (long long) t, (long long) last);
        }
    }
}

Test(zk_proof, a_new_connection_starts_from_its_handshake)
{
    struct zk_proof p = {0};

    zk_proof_handshake(&p, 1000, 8000);
    zk_proof_answered(&p, 2000, true);
    zk_proof_handshake(&p, 5000, 8000);
    cr_assert_eq(p.proven_ms, 5000);
    zk_proof_answered(&p, 6000, true);
    cr_assert_eq(p.proven_ms, 5000, "what another server heard is not counted");
    zk_proof_alone(&p, true);
    zk_proof_handshake(&p, 7000, 8000);
    zk_proof_answered(&p, 7500, false);
    cr_assert_eq(p.proven_ms, 7000, "whether it stands alone is asked of each server");
}

/* Strangers */

struct stranger {
    const char *name;
    const char *bytes;
    size_t len;
    bool listens_first; /* it waits for our first bytes */
    const char *why;    /* in the message; NULL any */
};

/* What a server answers to a handshake: a session of 10 s with the number 7. */
#define HELLO "\0\0\0\x25\0\0\0\0\0\0\x27\x10\0\0\0\0\0\0\0\7\0\0\0\x10passwordpassword\0"
#define BYTES(text) text, sizeof text - 1

static const struct stranger strangers[] = {
    {"a web server", BYTES("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), true, "it says \"HTTP/1.1 400 Bad Request\""},
    {"sshd", BYTES("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u5\r\n"), false, "it says \"SSH-2.0-OpenSSH"},
    {"few bytes", BYTES("no\n"), false, "it says \"no\""},
    {"noise", BYTES("\xff\xfe\xfd\xfc\xfb\xfa\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false, "no ZooKeeper"},
    {"zeroes", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), false, "no ZooKeeper"},
    {"a handshake that breaks off", BYTES("\0\0\0\x25\0\0\0\0\0\0"), true, "in the middle"},
    {"no session", BYTES("\0\0\0\x25\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), true, "no session"},
    {"no time-out", BYTES("\0\0\0\x25\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\x10passwordpassword\0"), true, "no ZooKeeper"},
    {"a password of another length", BYTES("\0\0\0\x25\0\0\0\0\0\0\x27\x10\0\0\0\0\0\0\0\7\0\0\x10\x10passwordpassword\0"), true, "no ZooKeeper"},
    {"a message of 2 GB", BYTES(HELLO "\x7f\xff\xff\xff\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0"), true, "2147483647 bytes"},
    {"a negative length", BYTES(HELLO "\xff\xff\xff\xf0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0"), true, "4294967280 bytes"},
    {"a message too short for its header", BYTES(HELLO "\0\0\0\4\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0"), true, "4 bytes"},
    {"an answer of another number", BYTES(HELLO "\0\0\0\x10\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0"), true, NULL},
    {"half a header", BYTES(HELLO "\0\0\0\x10\0\0"), true, "in the middle"},
    {"nothing, and the end", BYTES(""), false, "closed the connection instead of answering"},
};

/* Serves the stranger's bytes to whoever comes, and then ends the connection. Returns the port; the child goes with the test. */
static int serve(const struct stranger *s, pid_t *out_pid)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(bind(fd, (struct sockaddr *) &at, sizeof at) == 0 && listen(fd, 16) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    *out_pid = fork();
    if (*out_pid == 0) {
        alarm(300);
        for (;;) {
            char waste[256];
            int c = accept(fd, NULL, NULL);
            struct pollfd p = {.fd = c, .events = POLLIN};
            if (s->listens_first)
                poll(&p, 1, -1);
            if (send(c, s->bytes, s->len, MSG_NOSIGNAL) < 0)
                _exit(1);
            shutdown(c, SHUT_WR);
            while (recv(c, waste, sizeof waste, 0) > 0)
                continue;
            close(c);
        }
    }
    close(fd);
    return ntohs(at.sin_port);
}

/* P2: whatever answers on that port, it ends in a clean error, and the process goes on. */
Test(zk_strangers, each_ends_in_a_sentence, .timeout = 250)
{
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        const struct stranger *s = &strangers[i];
        struct zk_side a;
        struct zk_seen seen = {0};
        char url[64];
        pid_t pid;
        snprintf(url, sizeof url, "zk://127.0.0.1:%d/t", serve(s, &pid));
        zk_open_at(&a, url, 10000, TG_STORE_EXISTING, NULL);
        ZK_OK(tg_store_read_async(a.store, "/n", NULL, NULL, zk_on_reply, &seen, e));
        ZK_AWAIT(&a, s->why ? strstr(a.error.message, s->why) != NULL : a.error.code != 0);
        cr_assert_eq(a.state, TG_SESSION_CONNECTING, "%s", s->name);
        cr_assert_eq(strncmp(a.error.message, "127.0.0.1:", 10), 0, "%s: %s", s->name, a.error.message);
        cr_assert(seen.count == 0 || seen.code == TG_E_LOST, "%s: %d", s->name, seen.code);
        for (int turns = 0; turns < 20; turns++) /* it tries again, and again */
            tg_loop_turn(a.loop, 5);
        zk_close_side(&a);
        cr_assert_eq(seen.count, 1, "%s", s->name);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* The only time-out here is the verb's own deadline. */
Test(zk_strangers, one_that_is_silent_is_a_timeout, .timeout = 250)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct zk_side a;
    struct tg_node n = {0};
    char url[64];

    cr_assert(bind(fd, (struct sockaddr *) &at, sizeof at) == 0 && listen(fd, 16) == 0); /* nobody accepts */
    cr_assert_eq(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    snprintf(url, sizeof url, "zk://127.0.0.1:%d/t", ntohs(at.sin_port));
    zk_open_at(&a, url, 30000, TG_STORE_EXISTING, NULL);
    cr_assert_eq(tg_store_read(a.store, "/", tg_store_deadline(a.store, 300), &n, NULL), TG_E_TIMEOUT);
    cr_assert_eq(a.state, TG_SESSION_CONNECTING);
    zk_close_side(&a);
    close(fd);
}
