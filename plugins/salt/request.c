/* Parameters and a verb → what to run on the host. Pure. */
#include "salt.h"

#define SHORT_MS 120000 /* of what only asks */

/* Salt has no owner of a disabled highstate and takes no reason: both stand in a grain beside it. "$1" lock, "$2" the grain's text. */
static const char disable[] =
    "lock=$1 text=$2; shift 2\n"
    "have=$(salt-call \"$@\" --out=json grains.get tagout_disabled) || exit 1\n"
    "have=$(printf '%s\\n' \"$have\" | sed -n 's/^ *\"local\": \"\\(.*\\)\"$/\\1/p')\n"
    "off=$(salt-call \"$@\" --out=json state.list_disabled) || exit 1\n"
    "case $off in *'\"highstate\"'*)\n"
    "    case $have in \"$lock \"*) exit 76 ;; esac\n"
    "    echo \"the highstate is disabled already${have:+: $have}\" >&2\n"
    "    exit 75 ;;\n"
    "esac\n"
    "salt-call \"$@\" --out=json grains.setval tagout_disabled \"$text\" && salt-call \"$@\" --out=json state.disable highstate";
static const char enable[] =
    "lock=$1; shift 2\n"
    "have=$(salt-call \"$@\" --out=json grains.get tagout_disabled) || exit 1\n"
    "have=$(printf '%s\\n' \"$have\" | sed -n 's/^ *\"local\": \"\\(.*\\)\"$/\\1/p')\n"
    "off=$(salt-call \"$@\" --out=json state.list_disabled) || exit 1\n"
    "case $off in *'\"highstate\"'*) ;; *) exit 76 ;; esac\n"
    "case $have in \"$lock \"*) ;; *) echo \"the highstate was disabled by another${have:+: $have}\" >&2; exit 75 ;; esac\n"
    "salt-call \"$@\" --out=json state.enable highstate && salt-call \"$@\" --out=json grains.delkey tagout_disabled force=True";
/* Two documents: jobs of states that run, and what is disabled. */
static const char status[] =
    "salt-call \"$@\" --out=json saltutil.is_running 'state.*' && salt-call \"$@\" --out=json state.list_disabled";

static int common(const struct tg_driver_params *p, struct tg_request *r)
{
    int rc = tg_request_arg(r, "--log-level=quiet") | tg_request_arg(r, "--retcode-passthrough") | tg_request_arg(r, "--no-color");

    if (p->local)
        rc |= tg_request_arg(r, "--local");
    if (p->config_dir)
        rc |= tg_request_arg(r, "--config-dir=%s", p->config_dir);
    return rc;
}

static int script(const struct tg_driver_params *p, const char *text, struct tg_request *r)
{
    r->timeout_ms = SHORT_MS;
    return tg_request_arg(r, "sh") | tg_request_arg(r, "-c") | tg_request_arg(r, "%s", text) | tg_request_arg(r, "tagout-salt") |
           (text == status ? common(p, r) : 0);
}

/* test= is always said: a minion's own configuration may have it the other way. */
static int run_states(const struct tg_driver_params *p, enum tg_verb verb, struct tg_request *r)
{
    int rc = tg_request_arg(r, "salt-call") | common(p, r) | tg_request_arg(r, "--out=json") | tg_request_arg(r, "--out-indent=0") |
             tg_request_arg(r, p->state ? "state.apply" : "state.highstate");

    r->changes = verb == TG_VERB_APPLY;
    r->timeout_ms = p->timeout_ms;
    if (p->state)
        rc |= tg_request_arg(r, "%s", p->state);
    if (p->saltenv)
        rc |= tg_request_arg(r, "saltenv=%s", p->saltenv);
    if (p->pillarenv)
        rc |= tg_request_arg(r, "pillarenv=%s", p->pillarenv);
    if (p->pillar)
        rc |= tg_request_arg(r, "pillar=%s", p->pillar);
    return rc | tg_request_arg(r, "test=%s", verb == TG_VERB_DRY_RUN ? "True" : "False");
}

static int switch_it(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *c, struct tg_request *r)
{
    const char *lock = c->lock_id ? c->lock_id : "tagout";
    int rc = script(p, verb == TG_VERB_DISABLE ? disable : enable, r) | tg_request_arg(r, "%s", lock) |
             tg_request_arg(r, "%s %.150s: %.300s", lock, c->who ? c->who : "?", c->reason ? c->reason : "maintenance");

    r->changes = true;
    return rc | common(p, r);
}

static int facts(const struct tg_driver_params *p, struct tg_request *r)
{
    r->timeout_ms = SHORT_MS;
    return tg_request_arg(r, "salt-call") | common(p, r) | tg_request_arg(r, "--out=json") | tg_request_arg(r, "grains.item") |
           tg_request_arg(r, "osfinger") | tg_request_arg(r, "saltversion");
}

int tg_salt_request(const struct tg_driver_params *p, enum tg_verb verb, const struct tg_request_context *context, struct tg_request *out,
                    struct tg_error *e)
{
    struct tg_request r = {0};
    int rc = 0;

    switch (verb) {
    case TG_VERB_DRY_RUN:
    case TG_VERB_APPLY:
        rc = run_states(p, verb, &r);
        break;
    case TG_VERB_STATUS:
        rc = script(p, status, &r);
        break;
    case TG_VERB_DISABLE:
    case TG_VERB_ENABLE:
        rc = switch_it(p, verb, context, &r);
        break;
    case TG_VERB_FACTS:
        rc = facts(p, &r);
        break;
    case TG_VERB_REBOOT_NEEDED:
        return tg_reboot_request(out, e);
    case TG_VERB_COUNT:
    default:
        return tg_fail(e, TG_E_BUG, "salt has no verb \"%s\"", tg_verb_name(verb));
    }
    if (rc) {
        tg_request_release(&r);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = r;
    return 0;
}
