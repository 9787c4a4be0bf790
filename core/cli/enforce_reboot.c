/* doctor --enforce: reboots, as molly-guard lets them be tried: it asks, and only says what it would do. */
#include "cli/enforce.h"

static bool reboot_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/etc/molly-guard/run.d/*", "tagout", "check");
}

/* Whatever "reboot" is, one that is not molly-guard's knows no such option, and does nothing but say so. */
static int reboot_prepare(struct tg_enforce *x, struct tg_error *e)
{
    (void) e;
    tg_enforce_arg(x, "/sbin/reboot");
    tg_enforce_arg(x, "--molly-guard-do-nothing");
    return 0;
}

static const char *const reboot_programs[] = {"/lib/molly-guard/molly-guard", "/usr/lib/molly-guard/molly-guard", NULL};
const struct tg_enforce_tool tg_enforce_reboot = {
    .name = "reboot",
    .hook = "molly-guard",
    .programs = reboot_programs,
    .mend = "tagout-hooks enable molly-guard",
    .configured = reboot_configured,
    .prepare = reboot_prepare,
    .passed = "would run:",
};
