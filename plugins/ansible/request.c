/* Parameters and a verb → what to run on the host. Pure. */
#include "ansible.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_MAX 3800 /* of a central request: some dozens of hosts; an argument has at most 4096 bytes */
#define SHORT_MS 60000 /* of what only asks */

/*
 * "$1" our callback, "$2" the folder. Run there, as people do: ansible.cfg is looked for in it. The site's own callbacks stay where Ansible
 * finds them (a guard may be one), ours comes before.
 */
static const char around[] =
    "command -v ansible-playbook >/dev/null || { echo 'ansible-playbook: not found' >&2; exit 127; }\n"
    "cd \"$2\" || exit 1\n"
    "own=$(mktemp -d) || exit 1\n"
    "trap 'rm -rf \"$own\"' EXIT\n"
    "trap 'exit 143' TERM INT HUP\n"
    "printf '%s\\n' \"$1\" >\"$own/tagout_events.py\" || exit 1\n"
    "shift 2\n"
    "theirs=$(ansible-config dump 2>/dev/null | sed -n \"s/^DEFAULT_CALLBACK_PLUGIN_PATH([^)]*) = \\[\\(.*\\)\\]$/\\1/p\" | tr -d \"' \" | tr , :)\n"
    "ANSIBLE_CALLBACK_PLUGINS=$own:${theirs:-/root/.ansible/plugins/callback:/usr/share/ansible/plugins/callback}\n"
    "ANSIBLE_STDOUT_CALLBACK=tagout_events ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=False PYTHONDONTWRITEBYTECODE=1\n"
    "export ANSIBLE_CALLBACK_PLUGINS ANSIBLE_STDOUT_CALLBACK ANSIBLE_NOCOLOR ANSIBLE_RETRY_FILES_ENABLED PYTHONDONTWRITEBYTECODE\n"
    "ansible-playbook \"$@\"";

/* From the controller: as if its user had typed it, whose environment comes on stdin: a token is in it. */
static const char with_environment[] =
    "while IFS= read -r line; do export \"$line\"; done\n"
    "exec </dev/null\n";

/* Ansible has no lock of its runs: what is seen of one is its processes, here or as the modules that a controller has sent. */
static const char status[] =
    "for p in /proc/[0-9]*; do\n"
    "    [ \"$p\" != \"/proc/$$\" ] || continue\n"
    "    case $(tr '\\0' ' ' <\"$p/cmdline\" 2>/dev/null) in\n"
    "    *python*/ansible-playbook\\ * | *python*AnsiballZ_* | *python*/ansible-pull\\ *) echo \"${p#/proc/}\"; exit 75 ;;\n"
    "    esac\n"
    "done\n"
    "command -v ansible-playbook >/dev/null || { echo 'ansible-playbook: not found' >&2; exit 127; }";

static int script(const char *text, struct tg_request *r)
{
    r->timeout_ms = SHORT_MS;
    return tg_request_arg(r, "sh") | tg_request_arg(r, "-c") | tg_request_arg(r, "%s", text) | tg_request_arg(r, "tagout-ansible");
}

static int folder(const struct tg_driver_params *p, struct tg_request *r)
{
    const char *slash = strrchr(p->playbook, '/');

    if (p->directory)
        return tg_request_arg(r, "%s", p->directory);
    return slash == p->playbook ? tg_request_arg(r, "/") : tg_request_arg(r, "%.*s", (int) (slash - p->playbook), p->playbook);
}

/* Which hosts, and how they are reached: from the controller as its ansible.cfg says. */
static int limit(const struct tg_driver_params *p, const struct tg_request_context *c, struct tg_request *r)
{
    char names[LIMIT_MAX] = "";
    size_t at = 0;
    int rc;

    if (!p->from_controller) {
        rc = tg_request_arg(r, "--connection=local") | tg_request_arg(r, "--limit=%s", c->host);
        return rc | (p->inventory ? tg_request_arg(r, "--inventory=%s", p->inventory) : tg_request_arg(r, "--inventory=%s,", c->host));
    }
    for (size_t i = 0; i < c->n_hosts && at < sizeof names; i++)
        at += (size_t) snprintf(names + at, sizeof names - at, "%s%s", i ? "," : "", c->hosts[i]);
    rc = at < sizeof names ? tg_request_arg(r, "--limit=%s", names) : TG_E_MEMORY;
    return rc | (p->inventory ? tg_request_arg(r, "--inventory=%s", p->inventory) : 0);
}

static int play(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *c, struct tg_request *r)
{
    r->timeout_ms = p->timeout_ms;
    int rc = tg_request_arg(r, "sh") | tg_request_arg(r, "-c") | tg_request_arg(r, "%s%s", p->from_controller ? with_environment : "", around) |
             tg_request_arg(r, "tagout-ansible") | tg_request_arg(r, "%s", tg_ansible_events) | folder(p, r) | limit(p, c, r) | tg_request_arg(r, "--diff");

    if (verb == TG_VERB_DRY_RUN)
        rc |= tg_request_arg(r, "--check");
    if (p->tags)
        rc |= tg_request_arg(r, "--tags=%s", p->tags);
    if (p->skip_tags)
        rc |= tg_request_arg(r, "--skip-tags=%s", p->skip_tags);
    if (p->extra_vars)
        rc |= tg_request_arg(r, "--extra-vars=%s", p->extra_vars);
    if (p->vault_password_file)
        rc |= tg_request_arg(r, "--vault-password-file=%s", p->vault_password_file);
    r->changes = verb == TG_VERB_APPLY;
    return rc | tg_request_arg(r, "%s", p->playbook);
}

bool tg_ansible_is_central(const struct tg_driver_params *p)
{
    return p->from_controller;
}

int tg_ansible_request(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *context, struct tg_request *out,
                       struct tg_error *e)
{
    struct tg_request r = {0};
    int rc = 0;

    if (p->from_controller && (verb != TG_VERB_DRY_RUN || !context->n_hosts))
        return tg_fail(e, TG_E_CONFIG, "ansible from the controller can only be asked before an unlock, and for no \"%s\"", tg_verb_name(verb));
    if (verb == TG_VERB_REBOOT_NEEDED)
        return tg_reboot_request(out, e);
    if (verb == TG_VERB_DRY_RUN || verb == TG_VERB_APPLY)
        rc = play(p, verb, context, &r);
    else if (verb == TG_VERB_STATUS)
        rc = script(status, &r);
    else if (verb == TG_VERB_FACTS)
        rc = tg_request_arg(&r, "ansible-playbook") | tg_request_arg(&r, "--version");
    else
        return tg_fail(e, TG_E_BUG, "ansible has no verb \"%s\"", tg_verb_name(verb));
    r.timeout_ms = r.timeout_ms ? r.timeout_ms : SHORT_MS;
    if (rc) {
        tg_request_release(&r);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = r;
    return 0;
}
