/*
 * What a server sent is looked at (and left in place) before the library reads it. The library believes everything: any 41 bytes are
 * a handshake to it, it allocates whatever a length asks for, spins on a negative one, and aborts on an answer to no question. A wrong
 * port (a web server, sshd) must end in a sentence instead. The header of each answer also tells the transaction
 * that the server had reached, which the library keeps to itself.
 *
 * This is a defence against mistakes, not against a server that lies inside well-formed messages: without TLS nothing is.
 */
#include "zk.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The answer to a handshake: length, version, time-out, session, length of the password (16), password, read-only flag (since 3.4). */
#define HELLO_LEN 41
#define HELLO_LEN_OLD 40
/* Length, then the answer's own header: number of the request, transaction, error. */
#define HEADER_LEN 20
/* A day; the server's own limit is 20 ticks unless it is told otherwise. */
#define SESSION_MAX_MS (24 * 3600 * 1000)

static uint32_t be32(const unsigned char *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return ntohl(v);
}

static int64_t be64(const unsigned char *at)
{
    return (int64_t) ((uint64_t) be32(at) << 32 | be32(at + 4));
}

static void printable(const unsigned char *bytes, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < size && bytes[i] != '\r' && bytes[i] != '\n'; i++)
        out[n++] = isprint(bytes[i]) ? (char) bytes[i] : '.';
    out[n] = '\0';
}

/* Remembers why, with the server's address. */
static enum zk_guard refuse(struct tg_store_impl *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static enum zk_guard refuse(struct tg_store_impl *s, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    zk_why(s, "%s: %s", zoo_get_current_server(s->zh), text);
    return ZK_GUARD_BREAK;
}

static enum zk_guard stranger(struct tg_store_impl *s, const unsigned char *bytes, size_t len)
{
    char text[HELLO_LEN + 1];

    printable(bytes, len, text, sizeof text);
    return refuse(s, "what answers is no ZooKeeper: it says \"%s\"", text);
}

/* Waits until the kernel has so much of it. */
static enum zk_guard wait_for(struct tg_store_impl *s, size_t len)
{
    int want = (int) len;

    if (s->conn.low_water) /* woken all the same: the connection has ended before that */
        return refuse(s, "the server closed the connection in the middle of a message");
    s->conn.low_water = setsockopt(s->conn.fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof want) == 0;
    return ZK_GUARD_WAIT;
}

static void wait_for_any(struct tg_store_impl *s)
{
    int want = 1;

    if (s->conn.low_water)
        setsockopt(s->conn.fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof want);
    s->conn.low_water = false;
}

/* Does what has come so far look like the answer to a handshake? */
static bool hello_begins(const unsigned char *b, size_t n)
{
    static const unsigned char first[] = {0, 0, 0, HELLO_LEN - 4, 0, 0, 0, 0}, old[] = {0, 0, 0, HELLO_LEN_OLD - 4, 0, 0, 0, 0};
    size_t len = n < sizeof first ? n : sizeof first;

    return memcmp(b, first, len) == 0 || memcmp(b, old, len) == 0;
}

static enum zk_guard look_at_hello(struct tg_store_impl *s, const unsigned char *b, size_t n)
{
    if (!hello_begins(b, n))
        return stranger(s, b, n);
    size_t want = n >= 4 ? be32(b) + 4 : HELLO_LEN_OLD;
    if (n < want)
        return wait_for(s, want);
    uint32_t timeout = be32(b + 8);
    int64_t session = be64(b + 12);
    if (be32(b + 20) != 16)
        return stranger(s, b, n);
    if (session == 0 && s->session_id == 0)
        return refuse(s, "the server gives no session: it is going down, or has lost its ensemble");
    if (session != 0 && (timeout == 0 || timeout > SESSION_MAX_MS))
        return stranger(s, b, n);
    wait_for_any(s);
    return ZK_GUARD_PASS;
}

static enum zk_guard look_at_answer(struct tg_store_impl *s, const unsigned char *b, size_t n)
{
    if (n < HEADER_LEN)
        return wait_for(s, HEADER_LEN);
    uint32_t len = be32(b);
    int32_t xid = (int32_t) be32(b + 4);
    if (len < HEADER_LEN - 4 || len > ZK_FRAME_MAX)
        return refuse(s, "the server announces a message of %" PRIu32 " bytes: that is none of ZooKeeper's", len);
    if (xid >= 0 && s->n_sent <= 0)
        return refuse(s, "the server answers what nobody asked (number %" PRId32 ")", xid);
    s->frame_txid = xid >= 0 ? be64(b + 8) : 0;
    wait_for_any(s);
    return ZK_GUARD_PASS;
}

enum zk_guard zk_guard(struct tg_store_impl *s)
{
    unsigned char b[HELLO_LEN];

    if (s->conn.in_frame)
        return ZK_GUARD_PASS;
    ssize_t n = recv(s->conn.fd, b, s->conn.answered ? HEADER_LEN : HELLO_LEN, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ZK_GUARD_WAIT : refuse(s, "%s", strerror(errno));
    if (n == 0) /* the library would call it "Host is down" */
        return refuse(s, "the server closed the connection%s", s->conn.answered ? "" : " instead of answering");
    return s->conn.answered ? look_at_answer(s, b, (size_t) n) : look_at_hello(s, b, (size_t) n);
}
