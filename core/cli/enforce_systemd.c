/* doctor --enforce: units that ask before they start. What is tried is a unit of a moment, with the condition that the real one has. */
#include "cli/enforce.h"

#include <string.h>
#include <unistd.h>

/*
 * For each unit with our drop-in: its condition, as systemctl shows the unit's files, in a transient unit that only prints. Says nothing of
 * a lock when one of them could not be tried, so that the whole is not taken for proven.
 */
static const char script[] =
    "said=\n"
    "for file in /etc/systemd/system/*.d/50-tagout.conf; do\n"
    "    unit=$(basename \"$(dirname \"$file\")\" .d)\n"
    "    systemctl show -p ExecCondition --value \"$unit\" | grep -q 'tagout check' || {\n"
    "        echo \"$unit does not ask, though $file says so: systemctl daemon-reload?\"; exit 1; }\n"
    "    condition=$(systemctl cat \"$unit\" | sed -n 's/^ExecCondition=\\(.*tagout check .*\\)/\\1/p' | tail -n 1)\n"
    "    out=$(systemd-run --quiet --wait --pipe --collect -p \"ExecCondition=$condition\" -E \"TAGOUT_ALSO=$TAGOUT_ALSO\" \\\n"
    "        /bin/echo tagout-doctor-passed 2>&1)\n"
    "    case $out in\n"
    "    *tagout-doctor-passed*) echo \"$out\"; echo \"tagout-doctor-passed: $unit\"; exit 0 ;;\n"
    "    *TAGOUT-HELD*) said=$out ;;\n"
    "    *) echo \"$unit: $out\"; exit 1 ;;\n"
    "    esac\n"
    "done\n"
    "echo \"$said\" >&2\n"
    "exit 75\n";

static bool systemd_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/etc/systemd/system/*.d/50-tagout.conf", "ExecCondition", "tagout");
}

static int systemd_prepare(struct tg_enforce *x, struct tg_error *e)
{
    if (access("/run/systemd/system", F_OK) != 0)
        return tg_fail(e, TG_E_FAILED, "systemd does not run here");
    tg_enforce_arg(x, "sh");
    tg_enforce_arg(x, "-c");
    tg_enforce_arg(x, "%s", script);
    return 0;
}

static bool systemd_acted(const struct tg_enforce *x, const struct tg_child_result *result)
{
    (void) x;
    return strstr(result->out, "tagout-doctor-passed") != NULL;
}

static const char *const systemd_programs[] = {"systemctl", NULL};
const struct tg_enforce_tool tg_enforce_systemd = {
    .name = "systemd",
    .hook = "ExecCondition",
    .programs = systemd_programs,
    .mend = "tagout-hooks enable unit:NAME.service",
    .optional = true,
    .configured = systemd_configured,
    .prepare = systemd_prepare,
    .acted = systemd_acted,
};
