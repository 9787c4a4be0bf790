/*
 * The transport: carries one command to a host and brings back what came of it. Implementations: ssh (module, libssh), local
 * (this machine), and the simulator's. A transport knows nothing of config management and decides nothing: it reports.
 *
 * All of it is asynchronous on the loop; callbacks only record. One transport serves many hosts and many jobs at once.
 */
#ifndef TAGOUT_TRANSPORT_H
#define TAGOUT_TRANSPORT_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_TRANSPORT_ABI 1

struct tg_transport_impl;
struct tg_job;

/* Whom to reach. All strings are borrowed until the job's done callback; NULL or 0 means: as ~/.ssh/config or the default says. */
struct tg_target {
    const char *name;    /* the inventory's name: used in messages, and to look up the host key unless config says otherwise */
    const char *address; /* where to connect, NULL: name */
    const char *user;
    int port;
};

/* What to run there. Borrowed until tg_transport_backend.run returns. */
struct tg_command {
    const char *const *argv; /* NULL-terminated; the transport quotes for whatever lies between (one function, fuzzed) */
    const char *input;       /* written to its stdin, then EOF; secrets travel here, never in argv. May be NULL */
    size_t input_len;
    int64_t connect_ms;      /* deadline of connection and authentication together */
    int64_t silence_ms;      /* greatest time without a byte from the other side; 0: none */
    int64_t total_ms;        /* deadline of the whole; 0: none */
    size_t output_max;       /* bytes kept of each stream: first and last half, with a line that tells what was cut */
};

enum tg_job_end {
    TG_JOB_EXITED,       /* it ran: status says how it ended (0..255), signal when it was killed */
    TG_JOB_UNREACHABLE,  /* no connection: nothing was sent */
    TG_JOB_HOST_KEY,     /* the host's key is unknown or another than the known one: nothing was sent */
    TG_JOB_DENIED,       /* no key was accepted: nothing was sent */
    TG_JOB_BROKEN,       /* the connection ended after the command was sent: what came of it is unknown */
    TG_JOB_TIMEOUT,      /* silence or total deadline after the command was sent: unknown as well */
    TG_JOB_CANCELLED     /* by tg cancel: unknown as well when sent is set */
};

/* Lives during the callback only. */
struct tg_job_result {
    enum tg_job_end end;
    int status;                   /* TG_JOB_EXITED: 0..255 */
    int signal;                   /* TG_JOB_EXITED: 0, or the signal that killed it */
    int sent;                     /* the command may have begun */
    const char *out, *err;        /* NUL-terminated, binary safe with the lengths */
    size_t out_len, err_len;
    int64_t elapsed_ms;
    const struct tg_error *error; /* why, for all ends but EXITED: a message and a hint for people */
};
typedef void (*tg_job_fn)(void *data, const struct tg_job_result *result);
/* Bytes as they come (stream 1 or 2), before the result. May be NULL. */
typedef void (*tg_job_output_fn)(void *data, int stream, const char *bytes, size_t len);

struct tg_transport_options {
    struct tg_loop *loop;
    const char *identity_file;    /* NULL: ~/.ssh/config, the agent, then the default files */
    const char *known_hosts_file; /* NULL: ~/.ssh/config, then the default files */
    const char *config_file;      /* NULL: ~/.ssh/config; "none": none */
};

struct tg_transport_backend {
    uint32_t version; /* TG_TRANSPORT_ABI */
    const char *name; /* "ssh" */
    const char *about;
    int (*open)(const struct tg_transport_options *options, struct tg_transport_impl **out, struct tg_error *e);
    /* Cancels what is under way (their callbacks run), frees. */
    void (*close)(struct tg_transport_impl *impl);
    /* Begins. done is called exactly once, from the loop, when 0 was returned; never when it was not. The job is the transport's
     * and is gone when done returns. */
    int (*run)(struct tg_transport_impl *impl, const struct tg_target *target, const struct tg_command *command,
               tg_job_output_fn output, tg_job_fn done, void *data, struct tg_job **out, struct tg_error *e);
    /* Ends the job soon: done is called from the loop with TG_JOB_CANCELLED. */
    void (*cancel)(struct tg_transport_impl *impl, struct tg_job *job);
};

/* The backend by name ("ssh", "local"), its module loaded if need be. Static: never freed. TG_E_CONFIG when there is none. */
int tg_transport_find(const char *name, const struct tg_transport_backend **out, struct tg_error *e);

/*
 * For authors of backends: a stream's bytes within a bound (0: TG_OUTPUT_DEFAULT), the first and the last half, and between them
 * a line that tells how many were cut. Binary safe.
 */
#define TG_OUTPUT_DEFAULT ((size_t) 1 << 20)
struct tg_output {
    char *data;
    size_t len, cap, max;
    size_t at;    /* where the ring behind the first half goes on */
    uint64_t cut; /* bytes that came when the bound was full */
    int finished;
};
void tg_output_init(struct tg_output *o, size_t max);
/* 0 or TG_E_MEMORY. */
int tg_output_add(struct tg_output *o, const char *bytes, size_t len);
/* The text, NUL-terminated, "" when nothing came; it is the output's own. Nothing may be added after it. */
const char *tg_output_finish(struct tg_output *o, size_t *out_len);
void tg_output_release(struct tg_output *o);

/*
 * Quotes argv for a POSIX shell, one string; the only such function. Free with free(). TG_E_DATA: argv or argv[0] is empty, or the
 * line is longer than the 128 KiB that Linux takes as one argument. TG_E_MEMORY.
 */
int tg_shell_quote(const char *const *argv, char **out, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
