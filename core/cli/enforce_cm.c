/* doctor --enforce: configuration management. What is tried is an empty catalog, a state of no file, a play without a host but this. */
#include "cli/enforce.h"

#include <string.h>

/* --- Puppet --- */

static bool puppet_configured(struct tg_enforce *x)
{
    static const char *const argv[] = {"puppet", "config", "print", "prerun_command", NULL};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_enforce_run(x, argv, 20000, &r, &e) != 0)
        return false;
    bool found = strstr(r.out, "tagout") != NULL; /* as Puppet itself reads it */
    tg_child_result_release(&r);
    if (found && !tg_enforce_grep(x, "/etc/puppet/puppet.conf", "prerun_command", "tagout"))
        (void) tg_enforce_grep(x, "/etc/puppetlabs/puppet/puppet.conf", "prerun_command", "tagout");
    return found;
}

/* The hook comes before the empty catalog; what Puppet writes about the run goes to a folder of its own. */
static int puppet_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char *const words[] = {"puppet", "apply", "--color=false", "--noop", "--no-report", "--modulepath=/nonexistent", NULL};
    int rc = tg_enforce_file(x, "var", NULL, e);

    tg_enforce_args(x, words);
    tg_enforce_arg(x, "--vardir=%s/var", x->dir);
    tg_enforce_arg(x, "--statedir=%s/var/state", x->dir);
    tg_enforce_arg(x, "--publicdir=%s/var/public", x->dir);
    tg_enforce_arg(x, "--rundir=%s/var/run", x->dir);
    tg_enforce_arg(x, "-e");
    tg_enforce_arg(x, "notice(\"nothing\")");
    return rc;
}

static const char *const puppet_programs[] = {"puppet", NULL};
const struct tg_enforce_tool tg_enforce_puppet = {
    .name = "puppet",
    .hook = "prerun_command",
    .programs = puppet_programs,
    .mend = "puppet apply -e 'include tagout', with tagout's module in the modulepath",
    .timeout_ms = 60000,
    .configured = puppet_configured,
    .prepare = puppet_prepare,
};

/* --- Salt --- */

static bool salt_configured(struct tg_enforce *x)
{
    static const char *const argv[] = {"salt-call", "--local", "--log-level=critical", "--log-file=/dev/null", "--out=json", "config.get", "module_executors", NULL};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_enforce_run(x, argv, 30000, &r, &e) != 0)
        return false;
    /* an executor that is configured and missing holds as well, though nobody would want it: the try shows what it says */
    bool found = strstr(r.out, "\"tagout\"") || strstr(r.err, "Executor 'tagout'") || strstr(r.out, "TAGOUT-") || strstr(r.err, "TAGOUT-");
    tg_child_result_release(&r);
    if (found && !tg_enforce_grep(x, "/etc/salt/minion.d/*.conf", "tagout", "-"))
        (void) tg_enforce_grep(x, "/etc/salt/minion", "tagout", "");
    return found;
}

static int salt_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char *const words[] = {"salt-call", "--local", "--log-level=critical", "--log-file=/dev/null", "--retcode-passthrough", "cmd.run", "/bin/true", NULL};

    (void) e;
    tg_enforce_args(x, words);
    return 0;
}

static const char *const salt_programs[] = {"salt-call", NULL};
const struct tg_enforce_tool tg_enforce_salt = {
    .name = "salt",
    .hook = "module_executors",
    .programs = salt_programs,
    .mend = "copy share/tagout/salt/minion.d/tagout.conf to /etc/salt/minion.d, and restart the minion",
    .timeout_ms = 60000,
    .configured = salt_configured,
    .prepare = salt_prepare,
};

/* --- Ansible, on a controller --- */

static bool ansible_configured(struct tg_enforce *x)
{
    static const char *const argv[] = {"ansible-doc", "-t", "callback", "tagout", NULL};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_enforce_run(x, argv, 30000, &r, &e) != 0)
        return false;
    bool found = r.status == 0 && strstr(r.out, "tagout.py"); /* as Ansible itself finds it */
    tg_child_result_release(&r);
    if (found)
        (void) tg_enforce_grep(x, "/usr/share/ansible/plugins/callback/tagout.py", "class", "CallbackModule");
    return found;
}

static int ansible_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char play[] = "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n    - debug: {msg: nothing}\n";
    int rc = tg_enforce_file(x, "play.yml", play, e);

    tg_enforce_arg(x, "ansible-playbook");
    tg_enforce_arg(x, "-i");
    tg_enforce_arg(x, "localhost,");
    tg_enforce_arg(x, "%s/play.yml", x->dir);
    tg_enforce_env(x, "ANSIBLE_LOCAL_TEMP=%s", x->dir);
    tg_enforce_env(x, "ANSIBLE_RETRY_FILES_ENABLED=false");
    tg_enforce_env(x, "ANSIBLE_NOCOLOR=1");
    return rc;
}

static const char *const ansible_programs[] = {"ansible-playbook", NULL};
const struct tg_enforce_tool tg_enforce_ansible = {
    .name = "ansible",
    .hook = "callback plugin",
    .programs = ansible_programs,
    .mend = "copy share/tagout/ansible/callback/tagout.py to /usr/share/ansible/plugins/callback",
    .timeout_ms = 60000,
    .configured = ansible_configured,
    .prepare = ansible_prepare,
};
