/* doctor --enforce: dnf. Its configuration and plugins are loaded as it does, and the one hook is called, with nothing to be done. */
#include "cli/enforce.h"

#include <string.h>

/* Only our plugin is called: others take snapshots, or commit. With plugins switched off, or ours disabled, nobody is. */
static const char script[] =
    "import sys, dnf\n"
    "base = dnf.Base()\n"
    "base.conf.read()\n"
    "if base.conf.plugins:\n"
    "    base.init_plugins()\n"
    "plugins = base._plugins\n"
    "plugins.plugins = [p for p in plugins.plugins if p.name == 'tagout']\n"
    "try:\n"
    "    plugins.run_pre_transaction()\n"
    "except dnf.exceptions.Error as e:\n"
    "    sys.stderr.write('Error: %s\\n' % e)\n"
    "    sys.exit(1)\n";

/* Its plugins are beside its modules; which those are only its own interpreter knows. */
static bool dnf_configured(struct tg_enforce *x)
{
    static const char *const patterns[] = {"/usr/lib/python3/dist-packages/dnf-plugins/tagout.py", "/usr/lib/python3*/site-packages/dnf-plugins/tagout.py", NULL};

    for (size_t i = 0; patterns[i]; i++)
        if (tg_enforce_grep(x, patterns[i], "class Tagout", ""))
            return true;
    return false;
}

/* The program is a script: what runs it is in its first line. */
static int dnf_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char find[] = "exec $(sed -n '1s/^#! *\\([^ ]*\\).*/\\1/p' \"$(command -v dnf || command -v yum)\") -B -c \"$0\"";

    (void) e;
    tg_enforce_arg(x, "sh");
    tg_enforce_arg(x, "-c");
    tg_enforce_arg(x, "%s", find);
    tg_enforce_arg(x, "%s", script);
    return 0;
}

static const char *const dnf_programs[] = {"dnf-3", "dnf4", "dnf", "yum", NULL};
const struct tg_enforce_tool tg_enforce_dnf = {
    .name = "dnf",
    .hook = "plugin, pre_transaction",
    .programs = dnf_programs,
    .mend = "tagout-hooks enable dnf",
    .configured = dnf_configured,
    .prepare = dnf_prepare,
};
