/*
 * doctor --enforce: does a lock really hold the tools of this host? A file in the right place is no proof, so each tool is tried.
 *
 * How a production host is left in peace: the lock lies on a scope that nobody asks about (service:tagout-doctor-NN), so it holds nobody.
 * What is tried gets TAGOUT_ALSO=that scope in its environment; the hook inherits it, and tagout check asks about it as well: only there the tool
 * is held. And what is tried changes nothing even when it is not held (a private root, a file that is not there, a dry run).
 *
 * A tool is one const row, listed in enforce.c. The frame asks installed → configured → prepare, runs argv, and judges what came of it.
 */
#ifndef TG_CLI_ENFORCE_H
#define TG_CLI_ENFORCE_H

#include "base/child.h"
#include "cli/cmd.h"

#define TG_ENFORCE_ARGS_MAX 48
#define TG_ENFORCE_PASSED "tagout-doctor-passed: " /* a line that begins so tells which of several was not held */

enum tg_enforced { TG_ENFORCE_BLOCKED, TG_ENFORCE_NOT_BLOCKED, TG_ENFORCE_NOT_CONFIGURED, TG_ENFORCE_NOT_TRIED, TG_ENFORCE_NOT_INSTALLED };

/* Where tools are looked for: also where the packages of Puppet and Salt themselves put them, as on hosts that are driven (bare_script.sh). */
#define TG_ENFORCE_PATH TG_CHILD_PATH ":/opt/puppetlabs/bin:/opt/saltstack/salt"

/* A try of one tool. The frame's, and empty before each tool. */
struct tg_enforce {
    const struct tg_enforce_tool *tool;
    const char *scope;         /* "service:tagout-doctor-42": what TAGOUT_ALSO is */
    char dir[64];              /* a folder of its own, for root alone; removed afterwards with all that is in it */
    char where[300];           /* out, of configured: the file, or whatever it is, that has the hook; "" */
    const char *argv[TG_ENFORCE_ARGS_MAX]; /* out, of prepare: what to run; tg_enforce_arg() */
    size_t argc;
    const char *env[8];        /* out, of prepare: "NAME=value", beside PATH, HOME, LANG and TAGOUT_ALSO; tg_enforce_env() */
    size_t n_env;
    char *owned[TG_ENFORCE_ARGS_MAX + 8]; /* the frame's: strings that argv and env borrow */
    size_t n_owned;
};

struct tg_enforce_tool {
    const char *name;             /* "apt", as it is asked for: doctor --enforce apt */
    const char *hook;             /* what holds it, in a few words: "DPkg::Pre-Invoke" */
    const char *const *programs;  /* NULL-terminated; installed when one of them is there (tg_child_find). NULL: always */
    const char *mend;             /* when there is no hook: what to do, one line */
    bool optional;                /* it is no fault when there is no hook: another one holds what it does, or it is for some only */
    int64_t timeout_ms;           /* 0: 30 s */
    /* Is our hook in its configuration? Fills in where. NULL: that is only found out by trying. */
    bool (*configured)(struct tg_enforce *x);
    /* Makes argv, env and what they need in dir. On failure it is NOT TRIED, and the message says why. */
    int (*prepare)(struct tg_enforce *x, struct tg_error *e);
    /*
     * Did it get past the hook? For tools that say HELD and go on all the same, or whose end does not tell. NULL: the usual, which is that it
     * ended with 0, or printed the text passed.
     */
    bool (*acted)(const struct tg_enforce *x, const struct tg_child_result *result);
    const char *passed;           /* a text of the tool's that it prints only when the hook let it pass; NULL none */
};

extern const struct tg_enforce_tool *const tg_enforce_tools[]; /* NULL-terminated, in the order of the list */

/* --- for rows --- */

/* Appends to argv (or env) a text of printf's kind; past the bound it is our bug and aborts. */
void tg_enforce_arg(struct tg_enforce *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tg_enforce_args(struct tg_enforce *x, const char *const *words); /* NULL-terminated; borrowed for good */
void tg_enforce_env(struct tg_enforce *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first file that the pattern (glob) names with a line that has both texts and is no comment ("#" or "//"). Fills in where. */
bool tg_enforce_grep(struct tg_enforce *x, const char *pattern, const char *text, const char *text2);
/* Writes dir/name, with the folders above it; content NULL: a folder. */
int tg_enforce_file(struct tg_enforce *x, const char *name, const char *content, struct tg_error *e);
/* Runs another program for a row, with the same environment; result is the caller's. */
int tg_enforce_run(struct tg_enforce *x, const char *const *argv, int64_t timeout_ms, struct tg_child_result *out, struct tg_error *e);

/* --- for the frame --- */

struct tg_enforce_finding {
    const struct tg_enforce_tool *tool;
    enum tg_enforced verdict;
    char where[300];
    char text[700]; /* what was seen */
};
/* Its folder: made, and removed with all that is in it. */
int tg_enforce_dir_make(struct tg_enforce *x, struct tg_error *e);
void tg_enforce_dir_remove(struct tg_enforce *x);
/* What a result proves: pure. */
enum tg_enforced tg_enforce_judge(const struct tg_enforce *x, const struct tg_child_result *result, char *text, size_t size);
/* doctor's body for --enforce: f->argv names tools; without any, all. Sets f->status. */
int tg_enforce_main(struct tg_frame *f, struct tg_error *e);

#endif
