/*
 * A run that goes on, shown while it does: redrawn in place on a terminal, a line a happening on a pipe, a JSON object a line with -o json. For who
 * drives it (run) and who watches (status --watch) alike.
 */
#ifndef TG_CLI_RUN_SHOW_H
#define TG_CLI_RUN_SHOW_H

#include "cli/cmd.h"
#include "cli/run_view.h"

struct tg_run_show {
    struct tg_frame *f;         /* borrowed */
    struct tg_run_view view;    /* run, id and driven are kept up to date by the caller */
    struct tg_buf buf;
    int drawn;                  /* lines on the terminal that the next drawing replaces */
    int64_t drawn_ms;
    int64_t told_ms;            /* json: when its progress was told last */
    int64_t told_holds;         /* pipe: the hold that was told last, of those that no line of the journal tells of */
};

/* Ready to show; release with tg_run_show_release(). */
void tg_run_show_init(struct tg_run_show *show, struct tg_frame *f, const struct tg_run *run, const char *id);
void tg_run_show_release(struct tg_run_show *show);
/* json: the first line, what the run is. */
void tg_run_show_begin(struct tg_run_show *show);
/* A line of the journal. */
void tg_run_show_line(struct tg_run_show *show, const struct tg_run *run, const json_t *line);
/* Time has gone by. */
void tg_run_show_tick(struct tg_run_show *show, int64_t now_ms);
/* Something apart from the journal: type "seat", "unknown", "known" for json, text for people. Takes the reference of more (may be NULL: no more keys). */
void tg_run_show_note(struct tg_run_show *show, int64_t now_ms, const char *type, json_t *more, const char *text);
/* How it ended, or why it rests. */
int tg_run_show_end(struct tg_run_show *show, struct tg_error *e);

#endif
