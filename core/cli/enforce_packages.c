/* doctor --enforce: the package managers. What is tried has a root of its own, or a package that is not there. */
#include "cli/enforce.h"

#include <string.h>

/* --- apt --- */

static bool apt_configured(struct tg_enforce *x)
{
    static const char *const argv[] = {"apt-config", "dump", "DPkg::Pre-Invoke", NULL};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    if (tg_enforce_run(x, argv, 10000, &r, &e) != 0)
        return false;
    bool found = strstr(r.out, "tagout") != NULL; /* as apt itself reads it: a later file may have taken it out again */
    tg_child_result_release(&r);
    if (found && !tg_enforce_grep(x, "/etc/apt/apt.conf.d/*", "Pre-Invoke", "tagout"))
        (void) tg_enforce_grep(x, "/etc/apt/apt.conf.d/*", "tagout", "");
    return found;
}

/* A package without a file in it, for a system without packages, with a dpkg that does nothing: apt has its own hooks and nothing else to do. */
static int apt_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char control[] = "Package: tagout-doctor\nVersion: 1\nArchitecture: all\nMaintainer: tagout <root@localhost>\nDescription: nothing\n";
    static const char *const folders[] = {"state/lists/partial", "cache/archives/partial", "log", NULL};
    static const char *const words[] = {"apt-get", "install", "-y", "-q", "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=/dev/null",
                                        "-o", "Dir::Bin::dpkg=/bin/true", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Use-Pty=0", NULL};
    struct tg_child_result r;
    char package[128], tree[128];
    int rc = tg_enforce_file(x, "tree/DEBIAN/control", control, e);

    for (size_t i = 0; !rc && folders[i]; i++)
        rc = tg_enforce_file(x, folders[i], NULL, e);
    if (!rc)
        rc = tg_enforce_file(x, "state/status", "", e);
    snprintf(tree, sizeof tree, "%s/tree", x->dir);
    snprintf(package, sizeof package, "%s/tagout-doctor.deb", x->dir);
    const char *const build[] = {"dpkg-deb", "-b", tree, package, NULL};
    if (!rc)
        rc = tg_enforce_run(x, build, 20000, &r, e);
    if (rc)
        return rc;
    if (r.status)
        rc = tg_fail(e, TG_E_FAILED, "dpkg-deb could not make a package to try with: %.300s", r.err);
    tg_child_result_release(&r);
    tg_enforce_args(x, words);
    tg_enforce_arg(x, "-oDir::State=%s/state", x->dir);
    tg_enforce_arg(x, "-oDir::State::status=%s/state/status", x->dir);
    tg_enforce_arg(x, "-oDir::Cache=%s/cache", x->dir);
    tg_enforce_arg(x, "-oDir::Log=%s/log", x->dir);
    tg_enforce_arg(x, "%s", package);
    tg_enforce_env(x, "DEBIAN_FRONTEND=noninteractive");
    tg_enforce_env(x, "NEEDRESTART_SUSPEND=1");
    return rc;
}

static const char *const apt_programs[] = {"apt-get", NULL};
const struct tg_enforce_tool tg_enforce_apt = {
    .name = "apt",
    .hook = "DPkg::Pre-Invoke",
    .programs = apt_programs,
    .mend = "tagout-hooks enable apt",
    .configured = apt_configured,
    .prepare = apt_prepare,
};

/* --- dpkg --- */

static bool dpkg_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/etc/dpkg/dpkg.cfg.d/*", "pre-invoke", "tagout") || tg_enforce_grep(x, "/etc/dpkg/dpkg.cfg", "pre-invoke", "tagout");
}

/* The hook comes before dpkg looks for the file. */
static int dpkg_prepare(struct tg_enforce *x, struct tg_error *e)
{
    (void) e;
    tg_enforce_arg(x, "dpkg");
    tg_enforce_arg(x, "--install");
    tg_enforce_arg(x, "%s/there-is-no-such.deb", x->dir);
    return 0;
}

static const char *const dpkg_programs[] = {"dpkg", NULL};
const struct tg_enforce_tool tg_enforce_dpkg = {
    .name = "dpkg",
    .hook = "pre-invoke",
    .programs = dpkg_programs,
    .mend = "tagout-hooks enable dpkg",
    .configured = dpkg_configured,
    .prepare = dpkg_prepare,
    .passed = "there-is-no-such.deb': ",
};

/* --- needrestart --- */

static bool needrestart_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/etc/needrestart/conf.d/*.conf", "restart", "tagout");
}

/* Its configuration is a program: this one reads the host's, tells what became of it, and ends before anything is looked at. */
static int needrestart_prepare(struct tg_enforce *x, struct tg_error *e)
{
    static const char config[] = "eval do { local (@ARGV, $/) = '/etc/needrestart/needrestart.conf'; <> };\n"
                                 "print STDERR \"it would restart: mode $nrconf{restart}\\n\" if $nrconf{restart} ne 'l';\n"
                                 "exit($nrconf{restart} eq 'l' ? 75 : 0);\n";
    int rc = tg_enforce_file(x, "needrestart.conf", config, e);

    tg_enforce_arg(x, "needrestart");
    tg_enforce_arg(x, "-c");
    tg_enforce_arg(x, "%s/needrestart.conf", x->dir);
    return rc;
}

static const char *const needrestart_programs[] = {"needrestart", NULL};
const struct tg_enforce_tool tg_enforce_needrestart = {
    .name = "needrestart",
    .hook = "conf.d, lists only",
    .programs = needrestart_programs,
    .mend = "tagout-hooks enable needrestart",
    .configured = needrestart_configured,
    .prepare = needrestart_prepare,
};
