/* doctor --enforce: cron has no hook, its lines run under tagout exec or don't. What is tried is each such line with another command. */
#include "cli/enforce.h"

/*
 * Root's own lines only: what a user writes into his table must not run as root. A line is its command, up to the first " -- ", as the shell would
 * take it, with cron's \\% undone; assignments may stand before it, and nothing else, as that would be done.
 */
static const char script[] =
    "said=\n"
    "lines=$(cat /etc/crontab /etc/cron.d/* 2>/dev/null | grep -v '^ *#' | grep 'tagout exec .* -- ' |\n"
    "    awk '{ n = /^[ \t]*@/ ? 2 : 6; for (i = 1; i <= n; i++) sub(/^[ \t]*[^ \t]+[ \t]+/, \"\"); i = index($0, \" -- \"); print substr($0, 1, i + 3) }' |\n"
    "    sed 's/\\\\%/%/g' | sort -u)\n"
    "while read -r line; do\n"
    "    [ -n \"$line\" ] || continue\n"
    "    printf '%s' \"$line\" | grep -qE '^([A-Za-z_]+=[^ ;&|$`]* )*[^ ;&|$`=]*tagout exec [^;&|$`]*$' || { echo \"$line: more than that can't be tried\"; exit 1; }\n"
    "    out=$(sh -c \"$(printf '%s' \"$line\" | sed 's/--on-held[ =]quiet//') /bin/echo tagout-doctor-passed\" 2>&1)\n"
    "    case $out in\n"
    "    *tagout-doctor-passed*) echo \"tagout-doctor-passed: $line\"; exit 0 ;;\n"
    "    *TAGOUT-HELD*) said=$out ;;\n"
    "    *) echo \"$line: $out\"; exit 1 ;;\n"
    "    esac\n"
    "done <<LINES\n"
    "$lines\n"
    "LINES\n"
    "echo \"$said\" >&2\n"
    "exit 75\n";

static bool cron_configured(struct tg_enforce *x)
{
    return tg_enforce_grep(x, "/etc/cron.d/*", "tagout exec", " -- ") || tg_enforce_grep(x, "/etc/crontab", "tagout exec", " -- ");
}

static int cron_prepare(struct tg_enforce *x, struct tg_error *e)
{
    (void) e;
    tg_enforce_arg(x, "sh");
    tg_enforce_arg(x, "-c");
    tg_enforce_arg(x, "%s", script);
    return 0;
}

static const char *const cron_programs[] = {"cron", "crond", NULL};
const struct tg_enforce_tool tg_enforce_cron = {
    .name = "cron",
    .hook = "lines under tagout exec",
    .programs = cron_programs,
    .mend = "* * * * * root tagout exec --actor ACTOR --on-held quiet -- COMMAND",
    .optional = true,
    .configured = cron_configured,
    .prepare = cron_prepare,
};
