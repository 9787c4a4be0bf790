/*
 * The agent's socket: connections, lines in, lines out, and the bounds on all of it. Knows nothing of what is asked.
 *
 * One request of a connection is under way at a time: its next line is not looked at, and what it sends then not read, before the
 * answer has been taken. So what waits for an answer, and what waits to be sent, is bounded by the number of connections.
 */
#ifndef TG_AGENT_SERVER_H
#define TG_AGENT_SERVER_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TG_SERVER_CLIENTS_MAX 256   /* at once; a check takes one for some microseconds, a permit for as long as it is held */
#define TG_SERVER_PER_USER_MAX 64   /* of one user, but for root and the agent's own: nobody can take all the places */
#define TG_SERVER_LINE_MS 10000     /* a line that was begun must end within this */

struct tg_server;
struct tg_conn;

struct tg_server_handlers {
    /* A whole line, without its line feed, NUL-terminated; it lives during the call. Called from the loop: only record, or answer what needs
     * no waiting. Exactly one tg_conn_answer() is owed for it. */
    void (*line)(void *data, struct tg_conn *conn, const char *line, size_t len);
    /* The connection is over; the handle is dead from here on. */
    void (*gone)(void *data, struct tg_conn *conn);
    void *data;
};

/* Serves the listening socket, which is consumed (also on failure). TG_E_MEMORY, TG_E_SYSTEM. */
int tg_server_new(struct tg_loop *loop, int listen_fd, const struct tg_server_handlers *handlers, struct tg_server **out, struct tg_error *e);
/* Ends all connections (gone is called for each), and frees. NULL is fine. */
void tg_server_free(struct tg_server *server);
size_t tg_server_clients(const struct tg_server *server);
/* Connections and lines that were turned away since the start, for `status`. */
uint64_t tg_server_refused(const struct tg_server *server);

/* Answers the line under way; text is without a line feed, and borrowed. */
void tg_conn_answer(struct tg_conn *conn, const char *text, size_t len);
uid_t tg_conn_uid(const struct tg_conn *conn);
pid_t tg_conn_pid(const struct tg_conn *conn);
/* Never the same in one server's life. */
uint64_t tg_conn_id(const struct tg_conn *conn);
/* Root, or the user that the agent runs as. */
bool tg_conn_is_trusted(const struct tg_conn *conn);

/*
 * The listening socket: the one that systemd passes (LISTEN_FDS), else one made at path, for everybody to connect to. A file that is left over
 * from an agent that died is taken over; two that start at once can't both have it (a lock beside it, PATH.lock, held in *out_lock_fd until it is
 * closed; -1 with systemd's). TG_E_EXISTS: another agent has it. TG_E_CONFIG, TG_E_PERM, TG_E_SYSTEM.
 */
int tg_server_listen(const char *path, int *out_fd, int *out_lock_fd, struct tg_error *e);

#endif
