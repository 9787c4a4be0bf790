/* What the files of the ssh transport share: the transport, its sessions and its jobs. One loop, one thread. */
#ifndef TG_SSH_INTERNAL_H
#define TG_SSH_INTERNAL_H

#include "config.h"
#include "hosts.h"
#include "keys.h"
#include "machine.h"

#include <tagout/transport.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#define TG_SSH_AGAIN (-1)            /* an action's answer: wait for the socket */
#define TG_SSH_ADDRESSES_MAX 8       /* of one name that are tried */
#define TG_SSH_IDLE_MAX 1000         /* sessions kept for a next job */
#define TG_SSH_IDLE_MS 20000         /* how long: between two steps of one host, not between two runs */
#define TG_SSH_OPEN_MAX 8192         /* sessions at once; a session needs less than 100 KB */
#define TG_SSH_STARTS_PER_TURN 64    /* new connections in one turn of the loop (30 µs each) */
#define TG_SSH_STEPS_PER_TURN 16     /* steps of key exchanges in one turn (at most 0.4 ms each): timers and leases run in between */
#define TG_SSH_READS_PER_TURN 16     /* reads of 4 KB of one session in one turn */
#define TG_SSH_INPUT_CHUNK 32768     /* bytes handed to libssh at once */

TAILQ_HEAD(tg_ssh_list, tg_ssh_session);
TAILQ_HEAD(tg_ssh_jobs, tg_job);

struct tg_job {
    TAILQ_ENTRY(tg_job) all;
    struct tg_ssh_session *session;
    struct tg_target target;       /* strings are the caller's until done */
    char *line;                    /* for the remote shell */
    char *input;                   /* wiped when freed */
    size_t input_len, input_at;
    bool eof_sent, sent, cancelled, has_status;
    int status, signal;
    int64_t connect_ms, silence_ms, total_ms, started_ms;
    struct tg_output out[2];
    tg_job_output_fn output;
    tg_job_fn done;
    void *data;
    struct tg_error error;
};

/* A socket on the loop. On the heap and freed by the loop, since a session uses several, one after the other. */
struct tg_ssh_watch {
    uv_poll_t poll;
    struct tg_ssh_session *session; /* NULL: nobody looks any more */
    int events;
};

struct tg_ssh_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct tg_ssh_lookup;

struct tg_ssh_session {
    struct tg_transport_impl *impl;
    TAILQ_ENTRY(tg_ssh_session) all, link;
    struct tg_ssh_list *in;        /* waiting, ready or idle; NULL none */
    enum tg_ssh_state state;
    struct tg_job *job;
    bool reused;                   /* had a job before */
    bool broken;                   /* don't keep it */
    /* who and where */
    char *name, *address, *user;
    int port;
    char where[400];               /* "web001.example.com (10.0.0.1 port 22)", for messages */
    struct tg_ssh_settings settings;
    /* resolve and connect */
    struct tg_ssh_lookup *lookup;
    struct tg_ssh_address addresses[TG_SSH_ADDRESSES_MAX];
    size_t n_addresses, at_address;
    int fd;                        /* ours until libssh has it; then -1 */
    struct tg_ssh_watch *watch;
    /* deadlines, of mono; 0 none */
    struct tg_timer *timer;
    int64_t connect_due, try_due, silence_due, total_due, idle_due, timer_due;
    /* libssh's */
    ssh_session ssh;
    ssh_channel channel;
    ssh_event event;
    struct ssh_channel_callbacks_struct callbacks;
    bool closed_remote, eof_remote, requested;
    size_t auth_at;                /* which of our keys is being tried */
    char tried[300];               /* of them, for the message */
};

struct tg_transport_impl {
    struct tg_loop *loop;
    uv_loop_t *uv;
    char *identity_file, *known_hosts_file;
    struct tg_ssh_config *config;
    struct tg_ssh_hosts *hosts;
    struct tg_ssh_keys *keys;
    struct tg_ssh_jobs jobs;
    struct tg_ssh_list sessions;   /* all */
    struct tg_ssh_list waiting, ready, idle, dead;
    size_t n_open, n_idle, open_max, open_now_max; /* the last: what descriptors allowed lately */
    struct tg_timer *kick;
    uv_prepare_t turn;
    int steps;
    bool closing;
};

/* session.c */
int tg_ssh_session_new(struct tg_transport_impl *impl, struct tg_job *job, struct tg_ssh_session **out, struct tg_error *e);
void tg_ssh_session_free(struct tg_ssh_session *s);
void tg_ssh_session_feed(struct tg_ssh_session *s, enum tg_ssh_event event);
void tg_ssh_session_drive(struct tg_ssh_session *s);
void tg_ssh_session_give(struct tg_ssh_session *s, struct tg_job *job);
int64_t tg_ssh_now(const struct tg_ssh_session *s);
/* A new socket is in s->fd: watches it. */
int tg_ssh_session_watch(struct tg_ssh_session *s);
void tg_ssh_session_unwatch(struct tg_ssh_session *s);
void tg_ssh_session_set_timer(struct tg_ssh_session *s);
/* The list that s is to be in; NULL none. */
void tg_ssh_session_put(struct tg_ssh_session *s, struct tg_ssh_list *list);

/* The actions of the states: an event, or TG_SSH_AGAIN. On failure s->job->error says why. */
int tg_ssh_do_resolve(struct tg_ssh_session *s); /* resolve.c */
int tg_ssh_do_connect(struct tg_ssh_session *s);
int tg_ssh_do_kex(struct tg_ssh_session *s);     /* handshake.c */
int tg_ssh_do_verify(struct tg_ssh_session *s);
int tg_ssh_do_auth(struct tg_ssh_session *s);
int tg_ssh_do_channel(struct tg_ssh_session *s); /* run.c */
int tg_ssh_do_exec(struct tg_ssh_session *s);
int tg_ssh_do_run(struct tg_ssh_session *s);
int tg_ssh_do_idle(struct tg_ssh_session *s);
void tg_ssh_prepare(struct tg_ssh_session *s);
void tg_ssh_lookup_drop(struct tg_ssh_session *s);
/* The session's libssh error as this job's error; returns event. */
int tg_ssh_broken(struct tg_ssh_session *s, const char *during, int event);

/* transport.c */
void tg_ssh_kick(struct tg_transport_impl *impl, int64_t delay_ms);
/* Calls done and frees. */
void tg_ssh_job_end(struct tg_transport_impl *impl, struct tg_job *job, enum tg_job_end end);
void tg_ssh_job_retry(struct tg_transport_impl *impl, struct tg_job *job);

#endif
