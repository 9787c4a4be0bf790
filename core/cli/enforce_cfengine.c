/* doctor --enforce: CFEngine. Its own policy is read, and a dry run of our bundle alone is begun. */
#include "cli/enforce.h"

/* cf-agent hides what programs say: when it has aborted, the same question is asked once more for its line. */
static const char script[] =
    "out=$(cf-agent --no-lock --dry-run --bundlesequence tagout 2>&1); status=$?\n"
    "case $out in *\"aborted on defined class 'tagout_held'\"*) ;; *) printf '%s\\n' \"$out\"; exit $status ;; esac\n"
    "program=$(sed -n 's/.*returnszero(\"line=`\\([^ ]*\\) check .*/\\1/p' \"$0\" | head -n 1)\n"
    "\"$program\" check --actor config-management && { echo 'it was not held by the lock: cf-agent aborted for another reason'; exit 1; }\n"
    "exit 6\n";

static bool cfengine_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/var/lib/cfengine3/inputs/tagout.cf", "tagout_free", "") || tg_enforce_grep(x, "/var/cfengine/inputs/tagout.cf", "tagout_free", "");
}

static int cfengine_prepare(struct tg_enforce *x, struct tg_error *e)
{
    (void) e;
    tg_enforce_arg(x, "sh");
    tg_enforce_arg(x, "-c");
    tg_enforce_arg(x, "%s", script);
    tg_enforce_arg(x, "%s", x->where);
    return 0;
}

static const char *const cfengine_programs[] = {"cf-agent", "/var/cfengine/bin/cf-agent", NULL};
const struct tg_enforce_tool tg_enforce_cfengine = {
    .name = "cfengine",
    .hook = "abortclasses",
    .programs = cfengine_programs,
    .mend = "tagout-hooks enable cfengine, and abortclasses in body agent control",
    .configured = cfengine_configured,
    .prepare = cfengine_prepare,
};
