/* The two tables: see machine.h. */
#include "machine.h"

/* clang-format off */
const struct tg_ssh_phase tg_ssh_phases[TG_SSH_STATES] = {
    /*                   name        a deadline passed…                                  has_job  open */
    [TG_SSH_QUEUED]  = {"queued",   "no descriptor was free",                                  1, 0},
    [TG_SSH_RESOLVE] = {"resolve",  "its name could not be looked up",                         1, 1},
    [TG_SSH_CONNECT] = {"connect",  "no answer to the connection",                             1, 1},
    [TG_SSH_KEX]     = {"kex",      "the connection stands, but no key exchange was finished", 1, 1},
    [TG_SSH_VERIFY]  = {"verify",   "its host key was not checked",                            1, 1},
    [TG_SSH_AUTH]    = {"auth",     "the authentication was not answered",                     1, 1},
    [TG_SSH_CHANNEL] = {"channel",  "no channel was opened",                                   1, 1},
    [TG_SSH_EXEC]    = {"exec",     "the command was sent and not acknowledged",               1, 1},
    [TG_SSH_RUN]     = {"run",      "the command did not end",                                 1, 1},
    [TG_SSH_IDLE]    = {"idle",     "",                                                        0, 1},
    [TG_SSH_CLOSED]  = {"closed",   "",                                                        0, 0},
};

static const char *const event_names[TG_SSH_EVENTS] = {
    "done", "no-slot", "refused", "broken", "stale", "late-connect", "late-silence", "late-total", "cancel", "job", "retire",
};

#define GO(s)     {TG_SSH_GO, TG_SSH_##s, TG_JOB_EXITED}
#define END(e)    {TG_SSH_END, TG_SSH_CLOSED, TG_JOB_##e}
#define ENDGO(e, s) {TG_SSH_END, TG_SSH_##s, TG_JOB_##e}
#define RETRY     {TG_SSH_RETRY, TG_SSH_CLOSED, TG_JOB_EXITED}
#define IGN       {TG_SSH_IGNORE, TG_SSH_CLOSED, TG_JOB_EXITED}

/* P12: before the command is sent every end says so; after it, "broken" and "timeout" say that nobody knows. */
static const struct tg_ssh_cell cells[TG_SSH_STATES][TG_SSH_EVENTS] = {
    /*                  DONE           NO_SLOT     REFUSED           BROKEN            STALE  LATE_CONNECT      LATE_SILENCE  LATE_TOTAL        CANCEL          JOB          RETIRE */
    [TG_SSH_QUEUED]  = {GO(RESOLVE),   IGN,        END(UNREACHABLE), IGN,              IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_RESOLVE] = {GO(CONNECT),   GO(QUEUED), END(UNREACHABLE), IGN,              IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_CONNECT] = {GO(KEX),       GO(QUEUED), END(UNREACHABLE), END(UNREACHABLE), IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_KEX]     = {GO(VERIFY),    IGN,        END(UNREACHABLE), END(UNREACHABLE), IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_VERIFY]  = {GO(AUTH),      IGN,        END(HOST_KEY),    END(UNREACHABLE), IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_AUTH]    = {GO(CHANNEL),   IGN,        END(DENIED),      END(UNREACHABLE), IGN,   END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_CHANNEL] = {GO(EXEC),      IGN,        END(DENIED),      END(UNREACHABLE), RETRY, END(UNREACHABLE), IGN,          END(UNREACHABLE), END(CANCELLED), IGN,         IGN},
    [TG_SSH_EXEC]    = {GO(RUN),       IGN,        END(DENIED),      END(BROKEN),      IGN,   IGN,              END(TIMEOUT), END(TIMEOUT),     END(CANCELLED), IGN,         IGN},
    [TG_SSH_RUN]     = {ENDGO(EXITED, IDLE), IGN,  IGN,              END(BROKEN),      IGN,   IGN,              END(TIMEOUT), END(TIMEOUT),     END(CANCELLED), IGN,         IGN},
    [TG_SSH_IDLE]    = {IGN,           IGN,        IGN,              GO(CLOSED),       IGN,   IGN,              IGN,          IGN,              IGN,            GO(CHANNEL), GO(CLOSED)},
    [TG_SSH_CLOSED]  = {IGN,           IGN,        IGN,              IGN,              IGN,   IGN,              IGN,          IGN,              IGN,            IGN,         IGN},
};
/* clang-format on */

struct tg_ssh_cell tg_ssh_cell(enum tg_ssh_state state, enum tg_ssh_event event)
{
    return cells[state][event];
}

const char *tg_ssh_event_name(enum tg_ssh_event event)
{
    return event_names[event];
}
