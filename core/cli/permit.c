/* tagout permit: a permit for what can't be started under tagout exec, held until stdin ends. */
#include "cli/permit.h"

#include "cli/commands.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "guard/scope.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX (TG_SCOPES_MAX + 24)
#define PID_MOST 4194304 /* the kernel's own bound */

static const struct tg_opt opts[] = {
    {.name = "actor", .letter = 'a', .type = TG_OPT_STRING, .arg = "ACTOR", .complete = "actor",
     .text = "Who acts: config-management, package-manager, autoscaler, reboot, or a word of your own. Required"},
    {.name = "what", .type = TG_OPT_STRING, .arg = "TEXT", .text = "What is done under it, for those who wait for it. Default: COMMAND, or the process that asks"},
    {.name = "stop", .type = TG_OPT_INT, .arg = "PID",
     .text = "When the permit can't be proven alive any more, end this process, with all that it has started"},
    {.name = "no-environment", .type = TG_OPT_FLAG,
     .text = "Forget the environment first, but for TAGOUT_TOKEN, TAGOUT_PERMIT and TAGOUT_ALSO: for hooks that run as root on others' behalf, who must not choose the store. Not with COMMAND"},
    {.name = NULL},
};

/* This very program, also when another has been installed in its place meanwhile. */
static const char self[] = "/proc/self/exe";

/* What runs under the permit: COMMAND, or what holds it until stdin ends. */
static char **command_of(const struct tg_frame *f, struct tg_permit_words *w)
{
    int64_t grace = f->config->session_ms / 12; /* between TERM and KILL lies a sixth: keeper.h, permit.h */

    if (f->command)
        return f->command;
    snprintf(w->pid, sizeof w->pid, "%lld", (long long) tg_opt_int(f, "stop"));
    snprintf(w->grace, sizeof w->grace, "%lld", (long long) (grace < 100 ? 100 : grace > 2000 ? 2000 : grace));
    const char *const words[] = {self, "_hold", w->pid, w->grace};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        w->argv[i] = (char *) (uintptr_t) words[i]; /* nothing writes to them */
    return w->argv;
}

static const char *what_of(const struct tg_frame *f, char *out, size_t size)
{
    if (tg_opt_text(f, "what"))
        snprintf(out, size, "%s", tg_opt_text(f, "what"));
    else if (f->command)
        tg_permit_join(f->command, out, size);
    else
        snprintf(out, size, "process %ld", tg_opt_given(f, "stop") ? (long) tg_opt_int(f, "stop") : (long) getppid());
    return out;
}

void tg_permit_join(char *const *words, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i] && at < size; i++) {
        int n = snprintf(out + at, size - at, "%s%s", i ? " " : "", words[i]);
        at += n > 0 ? (size_t) n : 0;
    }
}

/* In our place: tagout exec, with the same configuration. Returns only when it can't be run. */
static int become_exec(const struct tg_frame *f, const char *what, char *const *command, struct tg_error *e)
{
    static const char *const globals[] = {"config", "store", "inventory"};
    const char *argv[ARGS_MAX] = {"tagout", "exec", "--actor", tg_opt_text(f, "actor"), "--what", what};
    char **whole;
    size_t n = 6, words = 0;

    if (tg_opt_flag(f, "verbose"))
        argv[n++] = "--verbose";
    static const char *const flags[] = {"--config", "--store", "--inventory"};
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (tg_opt_given(f, globals[i])) {
            argv[n++] = flags[i];
            argv[n++] = tg_opt_text(f, globals[i]);
        }
    for (int i = 0; i < f->argc; i++)
        argv[n++] = f->argv[i];
    argv[n++] = "--";
    while (command[words])
        words++;
    whole = calloc(n + words + 1, sizeof *whole);
    if (!whole)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        whole[i] = (char *) (uintptr_t) argv[i];
    memcpy(whole + n, command, words * sizeof *whole);
    execv(self, whole);
    int error = errno;
    free(whole);
    return tg_fail_errno(e, TG_E_SYSTEM, error, "tagout exec");
}

static int check_options(const struct tg_frame *f, const char *actor, struct tg_error *e)
{
    if (!actor)
        return tg_fail(e, TG_E_USAGE, "who acts? --actor config-management, package-manager, autoscaler, reboot …");
    int rc = tg_actor_check(actor, e);
    if (rc)
        return rc;
    if (tg_opt_flag(f, "no-environment") && f->command)
        return tg_fail(e, TG_E_USAGE, "--no-environment is for no COMMAND, whose environment it would be");
    if (tg_opt_given(f, "stop") && (f->command || tg_opt_int(f, "stop") < 2 || tg_opt_int(f, "stop") > PID_MOST))
        return tg_fail(e, TG_E_USAGE, "--stop is a process that is there, and no COMMAND");
    if (tg_opt_given(f, "stop") && kill((pid_t) tg_opt_int(f, "stop"), 0) != 0)
        return tg_fail_errno(e, TG_E_USAGE, errno, "--stop %lld", (long long) tg_opt_int(f, "stop"));
    return 0;
}

/*
 * Root asks the store itself: such a permit outlives a restart of the agent, and budgets count. For others the agent does it, where there is
 * one: they need neither the store's password nor its file.
 */
static int run_permit(struct tg_frame *f, struct tg_error *e)
{
    struct tg_config_args args = {.file = tg_opt_text(f, "config"), .store = tg_opt_text(f, "store"), .inventory = tg_opt_text(f, "inventory")};
    const char *actor = tg_opt_text(f, "actor");
    struct tg_permit_words words = {0};
    char what[1024];
    int rc = check_options(f, actor, e);

    if (!rc && tg_opt_flag(f, "no-environment"))
        rc = tg_cli_forget_environment(e);
    if (!rc)
        rc = tg_config_load(&args, &f->problems, &f->config, e);
    if (rc)
        return rc;
    char *const *command = command_of(f, &words);
    bool answered = false;
    what_of(f, what, sizeof what);
    if (geteuid() != 0 && access(f->config->agent_socket, F_OK) == 0)
        rc = tg_permit_by_agent(f, actor, what, command, &answered, e);
    return rc || answered ? rc : become_exec(f, what, command, e);
}

const struct tg_cmd tg_cmd_permit = {
    .name = "permit",
    .args = "--actor ACTOR [--stop PID] [SCOPE…] [-- COMMAND…]",
    .brief = "hold a permit until stdin ends, for what can't be run under exec",
    .details = "Takes a permit for ACTOR on the scopes (this host when none is named), prints a line that begins with TAGOUT-GO, and holds it until its stdin ends. A lock "
               "that is taken meanwhile waits for it. When held nothing is printed but a line on stderr, and the exit status is 75; 69 when it can't be proven that there "
               "is no lock. With COMMAND it is run under the permit, as by exec. It is for the hooks of tools, which can't be started under exec: the pipe to "
               "its stdin closes when they end, however they end.",
    .examples = "  $ tagout permit --actor config-management --what 'salt: state.apply' --stop 4711\n",
    .opts = opts,
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_OWN_CONFIG | TG_TAKES_COMMAND | TG_GUARDS_COMMAND,
    .complete = "scope",
    .exec = run_permit,
};
