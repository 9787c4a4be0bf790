/* The command itself: channel, exec, input, output, how it ended. */
#include "internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* RFC 4254 6.10 names them; their numbers are the local ones. */
static const struct {
    const char *name;
    int number;
} signals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL},
    {"PIPE", SIGPIPE}, {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
};
#define SIGNAL_UNNAMED 127 /* sshd could not name it ("SIG@openssh.com") */

/* ---- what libssh calls: they only record ---- */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len, int is_stderr, void *userdata)
{
    struct tg_ssh_session *s = userdata;
    struct tg_job *job = s->job;

    (void) session;
    (void) channel;
    if (!job)
        return (int) len;
    if (job->silence_ms)
        s->silence_due = tg_ssh_now(s) + job->silence_ms;
    if (tg_output_add(&job->out[is_stderr ? 1 : 0], data, len))
        s->broken = true; /* memory: the session ends rather than lose bytes unseen */
    if (job->output)
        job->output(job->data, is_stderr ? 2 : 1, data, len);
    return (int) len;
}

static void on_eof(ssh_session session, ssh_channel channel, void *userdata)
{
    (void) session;
    (void) channel;
    ((struct tg_ssh_session *) userdata)->eof_remote = true;
}

static void on_close(ssh_session session, ssh_channel channel, void *userdata)
{
    (void) session;
    (void) channel;
    ((struct tg_ssh_session *) userdata)->closed_remote = true;
}

static void on_status(ssh_session session, ssh_channel channel, int status, void *userdata)
{
    struct tg_job *job = ((struct tg_ssh_session *) userdata)->job;

    (void) session;
    (void) channel;
    if (!job || job->has_status)
        return;
    job->has_status = true;
    job->status = status & 255;
}

static void on_signal(ssh_session session, ssh_channel channel, const char *name, int core, const char *text, const char *lang,
                      void *userdata)
{
    struct tg_job *job = ((struct tg_ssh_session *) userdata)->job;

    (void) session;
    (void) channel;
    (void) core;
    (void) text;
    (void) lang;
    if (!job || job->has_status)
        return;
    job->has_status = true;
    job->signal = SIGNAL_UNNAMED;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (name && strcmp(name, signals[i].name) == 0)
            job->signal = signals[i].number;
    job->status = 128 + job->signal;
}

/* ---- the states ---- */

static int new_channel(struct tg_ssh_session *s)
{
    s->channel = ssh_channel_new(s->ssh);
    if (!s->channel)
        return TG_E_MEMORY;
    s->callbacks = (struct ssh_channel_callbacks_struct) {
        .userdata = s,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_exit_status_function = on_status,
        .channel_exit_signal_function = on_signal,
    };
    ssh_callbacks_init(&s->callbacks);
    if (ssh_set_channel_callbacks(s->channel, &s->callbacks) != SSH_OK)
        return TG_E_MEMORY;
    if (!s->event && !(s->event = ssh_event_new()))
        return TG_E_MEMORY;
    return ssh_event_add_session(s->event, s->ssh) == SSH_OK ? 0 : TG_E_MEMORY;
}

int tg_ssh_do_channel(struct tg_ssh_session *s)
{
    if (!s->channel && new_channel(s)) {
        tg_fail(&s->job->error, TG_E_MEMORY, "%s: no channel: out of memory", s->where);
        return TG_SSH_EV_BROKEN;
    }
    int rc = ssh_channel_open_session(s->channel);
    if (rc == SSH_AGAIN)
        return TG_SSH_AGAIN;
    if (rc == SSH_OK)
        return TG_SSH_EV_DONE;
    if (s->reused) /* a new connection tells more */
        return TG_SSH_EV_STALE;
    if (!ssh_is_connected(s->ssh))
        return tg_ssh_broken(s, "no channel", TG_SSH_EV_BROKEN);
    tg_error_clear(&s->job->error);
    tg_fail(&s->job->error, TG_E_PERM, "%s lets user %s in, but opens no channel: %s; nothing was sent", s->where, s->user,
            ssh_get_error(s->ssh));
    return TG_SSH_EV_REFUSED;
}

int tg_ssh_do_exec(struct tg_ssh_session *s)
{
    struct tg_job *job = s->job;

    if (!s->requested) {
        s->requested = job->sent = true;
        s->silence_due = job->silence_ms ? tg_ssh_now(s) + job->silence_ms : 0;
        tg_ssh_session_set_timer(s);
    }
    int rc = ssh_channel_request_exec(s->channel, job->line);
    if (rc == SSH_AGAIN)
        return TG_SSH_AGAIN;
    if (rc == SSH_OK)
        return TG_SSH_EV_DONE;
    if (!ssh_is_connected(s->ssh) || s->closed_remote)
        return tg_ssh_broken(s, "the connection ended", TG_SSH_EV_BROKEN);
    job->sent = false; /* it said no, so it did nothing */
    tg_error_clear(&job->error);
    tg_fail(&job->error, TG_E_PERM, "%s lets user %s in, but does not let it run commands", s->where, s->user);
    return TG_SSH_EV_REFUSED;
}

/* As much as the other side takes now. Never more in libssh's buffer than a chunk: its memory is bounded by ours. */
static int write_input(struct tg_ssh_session *s)
{
    struct tg_job *job = s->job;

    while (job->input_at < job->input_len && !(ssh_get_status(s->ssh) & SSH_WRITE_PENDING)) {
        size_t left = job->input_len - job->input_at;
        uint32_t window = ssh_channel_window_size(s->channel);
        if (window == 0)
            return 0;
        if (left > TG_SSH_INPUT_CHUNK)
            left = TG_SSH_INPUT_CHUNK;
        int n = ssh_channel_write(s->channel, job->input + job->input_at, (uint32_t) (left < window ? left : window));
        if (n < 0)
            return ssh_is_connected(s->ssh) && !s->closed_remote ? 0 : TG_E_LOST;
        if (n == 0)
            return 0;
        job->input_at += (size_t) n;
    }
    if (job->input_at == job->input_len && !job->eof_sent) {
        job->eof_sent = true;
        ssh_channel_send_eof(s->channel);
    }
    return 0;
}

static int ended(struct tg_ssh_session *s, bool lost)
{
    struct tg_job *job = s->job;

    if (job->has_status && (s->closed_remote || s->eof_remote)) {
        s->broken |= lost || !s->closed_remote;
        return TG_SSH_EV_DONE;
    }
    if (lost)
        return tg_ssh_broken(s, "the connection ended while the command ran", TG_SSH_EV_BROKEN);
    tg_error_clear(&job->error);
    tg_fail(&job->error, TG_E_LOST, "%s closed the channel without saying how the command ended: what came of it is not known",
            s->where);
    return TG_SSH_EV_BROKEN;
}

int tg_ssh_do_run(struct tg_ssh_session *s)
{
    int rc = SSH_OK;

    for (int i = 0; i < TG_SSH_READS_PER_TURN && rc == SSH_OK && !s->closed_remote; i++) {
        rc = ssh_event_dopoll(s->event, 0);
        if (rc != SSH_ERROR && !s->closed_remote && !s->job->eof_sent && write_input(s))
            rc = SSH_ERROR;
    }
    if (s->closed_remote)
        return ended(s, false);
    if (rc == SSH_ERROR || s->broken || !ssh_is_connected(s->ssh))
        return ended(s, true);
    return TG_SSH_AGAIN;
}

int tg_ssh_do_idle(struct tg_ssh_session *s)
{
    int rc = ssh_event_dopoll(s->event, 0);

    return rc == SSH_ERROR || !ssh_is_connected(s->ssh) ? TG_SSH_EV_BROKEN : TG_SSH_AGAIN;
}
