/* Parameters and a verb → what to run on the host. Pure. */
#include "puppet.h"

/* Where last_run_summary.yaml is: Debian's packages, Puppet's own (AIO), and older ones. */
static const char *const summaries[] = {
    "/var/cache/puppet/public/last_run_summary.yaml",
    "/opt/puppetlabs/puppet/public/last_run_summary.yaml",
    "/var/cache/puppet/state/last_run_summary.yaml",
    "/opt/puppetlabs/puppet/cache/state/last_run_summary.yaml",
    "/var/lib/puppet/state/last_run_summary.yaml",
};
#define SUMMARY_MAX 65536 /* bytes; it has about 1,500, and one line more for each resource type */

static int agent(const struct tg_driver_params *p, struct tg_request *r)
{
    int rc = tg_request_arg(r, "agent") | tg_request_arg(r, "--onetime") | tg_request_arg(r, "--no-daemonize") |
             tg_request_arg(r, "--no-usecacheonfailure") | tg_request_arg(r, "--no-splay") | tg_request_arg(r, "--verbose") |
             tg_request_arg(r, "--waitforlock") | tg_request_arg(r, "5") | tg_request_arg(r, "--maxwaitforlock") |
             tg_request_arg(r, "%lld", (long long) (p->wait_for_run_ms / 1000));
    if (p->server)
        rc |= tg_request_arg(r, "--server") | tg_request_arg(r, "%s", p->server);
    if (p->environment)
        rc |= tg_request_arg(r, "--strict_environment_mode"); /* or a server may switch it: not what was planned */
    return rc;
}

/*
 * What stands around Puppet on the host:
 *   - "puppet apply" does not look at "puppet agent --disable". A person who has used that has said that Puppet shall leave the host alone,
 *     and does not care which Puppet. The same words as the agent's, with the reason from its file.
 *   - A disable file that carries our key is a lock shown where people look, no person's word: the bearer of a token passes it as it passes
 *     the lock, which the hook asks the guard about.
 *   - Whether a change is corrective Puppet knows from transactionstore.yaml. Where that is not there it calls none so, and even its dry-run
 *     writes one, from which the next would take the manual change for the wished state: said, and taken away again.
 */
static const char around[] =
    "at= store=\n"
    "for f in /var/cache/puppet/state /var/lib/puppet/state /opt/puppetlabs/puppet/cache/state; do\n"
    "    [ ! -d \"$f\" ] || at=$f\n"
    "    [ ! -s \"$f/transactionstore.yaml\" ] || store=1\n"
    "    [ -e \"$f/agent_disabled.lock\" ] || continue\n"
    "    if [ -n \"${TAGOUT_TOKEN:-}\" ] && grep -q '\"tagout\" *: *{' \"$f/agent_disabled.lock\"; then\n"
    "        [ \"$1\" = apply ] || set -- \"$@\" --agent_disabled_lockfile=/run/tagout/none\n"
    "    elif [ \"$1\" = apply ]; then\n"
    "        why=$(sed -n 's/.*\"disabled_message\" *: *\"\\([^\"]*\\)\".*/\\1/p' \"$f/agent_disabled.lock\")\n"
    "        echo \"administratively disabled (Reason: '$why')\" >&2\n"
    "        exit 1\n"
    "    fi\n"
    "done\n"
    "case \" $* \" in *' --noop '*) ;; *) store=1 ;; esac\n"
    "[ -z \"$store\" ] || exec puppet \"$@\"\n"
    "echo '" TG_PUPPET_NO_RECORD "' >&2\n"
    "puppet \"$@\"\n"
    "rc=$?\n"
    "rm -f ${at:+\"$at/transactionstore.yaml\"}\n"
    "exit $rc";

static int apply(const struct tg_driver_params *p, struct tg_request *r)
{
    int rc = tg_request_arg(r, "apply");

    if (p->modulepath)
        rc |= tg_request_arg(r, "--modulepath") | tg_request_arg(r, "%s", p->modulepath);
    if (p->hiera_config)
        rc |= tg_request_arg(r, "--hiera_config") | tg_request_arg(r, "%s", p->hiera_config);
    return rc;
}

int tg_puppet_request(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *context,
                      struct tg_request *out, struct tg_error *e)
{
    struct tg_request r = {.changes = verb == TG_VERB_APPLY, .timeout_ms = p->timeout_ms + (p->manifest ? 0 : p->wait_for_run_ms)};

    (void) context;
    if (verb == TG_VERB_REBOOT_NEEDED)
        return tg_reboot_request(out, e);
    if (verb != TG_VERB_APPLY && verb != TG_VERB_DRY_RUN)
        return tg_fail(e, TG_E_BUG, "puppet has no verb \"%s\"", tg_verb_name(verb));
    int rc = 0;
    if (!p->manifest || verb == TG_VERB_APPLY)
        rc = tg_request_arg(&r, "sh") | tg_request_arg(&r, "-c") | tg_request_arg(&r, "%s", around);
    rc |= tg_request_arg(&r, "puppet") | (p->manifest ? apply(p, &r) : agent(p, &r)) | tg_request_arg(&r, "--detailed-exitcodes") |
             tg_request_arg(&r, "--color=false") | tg_request_arg(&r, "--show_diff");
    if (verb == TG_VERB_DRY_RUN)
        rc |= tg_request_arg(&r, "--noop");
    if (p->environment)
        rc |= tg_request_arg(&r, "--environment") | tg_request_arg(&r, "%s", p->environment);
    if (p->tags)
        rc |= tg_request_arg(&r, "--tags") | tg_request_arg(&r, "%s", p->tags);
    if (p->skip_tags)
        rc |= tg_request_arg(&r, "--skip_tags") | tg_request_arg(&r, "%s", p->skip_tags);
    if (p->manifest)
        rc |= tg_request_arg(&r, "%s", p->manifest);
    for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++)
        rc |= tg_request_file(&r, summaries[i], SUMMARY_MAX);
    if (rc) {
        tg_request_release(&r);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = r;
    return 0;
}
