/*
 * The command line. One file a command; each exports one const struct tg_cmd, listed in commands.c. Its tables drive parsing,
 * --help, the bash completion and the option lists of the man pages; its needs say what the frame prepares, so that a
 * command's body starts with resolved objects.
 */
#ifndef TG_CLI_CMD_H
#define TG_CLI_CMD_H

#include "base/nearest.h"
#include "config/problems.h"

#include <tagout/error.h>
#include <tagout/loop.h>
#include <tagout/store.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum tg_opt_type {
    TG_OPT_FLAG,     /* no argument */
    TG_OPT_STRING,
    TG_OPT_LIST,     /* may be given several times; each value may hold several, separated by commas */
    TG_OPT_INT,      /* whole number ≥ 0 */
    TG_OPT_DURATION, /* "3h" */
    TG_OPT_CHOICE,   /* one of choices */
    TG_OPT_FILE
};

/* One row an option; the table ends with a row whose name is NULL. */
struct tg_opt {
    const char *name;    /* "reason": --reason */
    char letter;         /* 'r': -r; 0 none */
    enum tg_opt_type type;
    const char *arg;     /* what its argument is called: "TEXT"; NULL for flags */
    const char *choices; /* TG_OPT_CHOICE: "text|json" */
    const char *value;   /* default, as it would be typed; NULL none */
    const char *text;    /* one or two sentences, no full stop at the end of a single one */
    const char *complete; /* what completion offers: "scope", "host", "lock", "run", "actor"; NULL: by type */
};

enum tg_need {
    TG_NEED_NOTHING = 0,
    TG_NEED_STORE = 1,      /* frame.store is open (not yet connected) */
    TG_NEED_INVENTORY = 2,  /* frame.inventory is loaded; it is an error when none is configured */
    TG_WANT_INVENTORY = 4,  /* the same, but NULL when none is configured */
    TG_TAKES_COMMAND = 8,   /* "-- COMMAND…": frame.command */
    TG_NEED_CONFIG = 64,    /* frame.config is loaded; it is as well for the store and the inventory */
    TG_OWN_CONFIG = 128,    /* nothing is loaded by the frame, even with --config: for the command a failure is an answer (check) */
    TG_GUARDS_COMMAND = 256, /* its status is that of what it runs: whatever keeps that from being started is UNKNOWN, and never 1 */
    TG_CREATES_STORE = 32,  /* with TG_NEED_STORE: opening may make the database or the chroot (init only) */
    TG_HIDDEN = 16          /* neither in help nor in completion */
};

struct tg_frame;
struct tg_config;    /* config/site.h */
struct tg_inventory; /* fleet/inventory.h */

struct tg_cmd {
    const char *name;         /* "lock", or two words: "inventory check" */
    const char *args;         /* "SCOPE… [-- COMMAND…]" for the usage line; "" none */
    const char *brief;        /* one line: "take a maintenance lock" */
    const char *details;      /* a paragraph or two below the usage line; may be NULL */
    const char *examples;     /* lines of "$ tagout …"; may be NULL */
    const struct tg_opt *opts; /* may be NULL */
    int min_args, max_args;   /* positional; max_args -1: no bound */
    unsigned needs;           /* enum tg_need, or-ed */
    const char *complete;     /* what completion offers for the arguments; NULL nothing */
    /* 0, or a negative enum tg_code with the error set: main prints it and exits with its status. A command that ends with a
     * status of its own (exec, check) sets frame->status and returns 0. */
    int (*exec)(struct tg_frame *frame, struct tg_error *e);
};

extern const struct tg_cmd *const tg_commands[]; /* NULL-terminated, in the order of help */
extern const struct tg_opt tg_global_opts[];

/* What a command runs in. Everything in it belongs to main and lives until the command has returned. */
struct tg_frame {
    const struct tg_cmd *cmd;
    const char *family;    /* cmd is NULL, and help is asked for of all commands with this first word */
    int argc;              /* positional arguments, behind the command's name */
    char **argv;
    char **command;        /* behind "--", NULL-terminated; NULL when there is none */
    struct tg_problems problems; /* mistakes in files; when a command ends with TG_E_DATA, main prints them in place of the error */
    struct tg_config *config; /* see TG_NEED_CONFIG */
    struct tg_loop *loop;
    struct tg_store *store;
    struct tg_inventory *inventory;
    bool json;             /* -o json */
    bool out_tty, err_tty; /* a terminal that may be drawn on (not TERM=dumb) */
    bool colour;           /* out_tty, and NO_COLOR is not set */
    int width;             /* columns of the terminal; 80 when it is none */
    int status;            /* exit status to use when exec returns 0 */
    bool reader_gone;      /* of stdout, a pipe: nobody is left to tell that to */
    struct tg_opt_value *values; /* of parsing; use the accessors */
    size_t n_values;
};

/* Accessors. An option that is in neither table is our bug and aborts. */
bool tg_opt_given(const struct tg_frame *f, const char *name);
bool tg_opt_flag(const struct tg_frame *f, const char *name);
const char *tg_opt_text(const struct tg_frame *f, const char *name);    /* given, else default, else NULL */
int64_t tg_opt_int(const struct tg_frame *f, const char *name);         /* 0 when neither given nor defaulted */
int64_t tg_opt_ms(const struct tg_frame *f, const char *name);          /* duration; -1 when neither given nor defaulted */
size_t tg_opt_list(const struct tg_frame *f, const char *name, const char *const **out); /* items, split at commas */

/*
 * Parses argv (argv[0] is the program) into frame: global options may stand before or behind the command's name. TG_E_USAGE with a
 * hint that names the nearest option or command. frame->cmd is NULL when only global options were given.
 */
int tg_cli_parse(struct tg_frame *frame, int argc, char **argv, struct tg_error *e);
void tg_cli_release(struct tg_frame *frame);
/* --help of a command; when cmd is NULL, of those whose first word family is, or of the whole when that is NULL, too. */
void tg_cli_help(FILE *to, const struct tg_cmd *cmd, const char *family);

/* Opens what cmd->needs asks for. */
int tg_frame_prepare(struct tg_frame *frame, struct tg_error *e);
/* The configured store, with its password where one is configured; needs frame->config. The caller's: tg_store_close(). */
int tg_frame_open_store(struct tg_frame *frame, struct tg_store **out, struct tg_error *e);
/* P2: frame->store is the one that this host knows, live, and no old copy; before anything is begun or steered there. TG_E_UNKNOWN. */
int tg_frame_prove_store(struct tg_frame *frame, struct tg_error *e);
/* Behind a change that an old copy of frame->store must not take back unnoticed: tg_cluster_tick(). */
void tg_frame_tick_store(struct tg_frame *frame);
/* For commands that only sometimes need it: frame->inventory, as TG_NEED_INVENTORY says. */
int tg_frame_load_inventory(struct tg_frame *frame, struct tg_error *e);
void tg_frame_release(struct tg_frame *frame);
/* What was printed is out: 0; TG_E_SYSTEM when some of it could not be written, also long ago. main asks at the end of every command. */
int tg_out_flush(struct tg_frame *frame, struct tg_error *e);
/* Prints one JSON document and a line feed on stdout; consumes value. */
int tg_print_json(json_t *value, struct tg_error *e);
/* "tagout: …" and its hint on stderr; with json as an object. Of TG_E_DATA with frame->problems, those with their excerpts. */
void tg_print_error(struct tg_frame *frame, const struct tg_error *e);

#endif
