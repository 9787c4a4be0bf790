/* A run for people's eyes: the block that is redrawn while it goes on, the summary at its end, a line a happening for a pipe. */
#ifndef TG_CLI_RUN_VIEW_H
#define TG_CLI_RUN_VIEW_H

#include "base/buf.h"
#include "cli/run_troubles.h"
#include "engine/run.h"

struct tg_run_view {
    const struct tg_run *run;
    const char *id;
    const char *name;    /* of the run elsewhere: tg_run_name(); NULL: its id */
    int width;
    int wrap;    /* summary: columns at which sentences are broken; 0: they are not, such as on a pipe */
    bool colour;
    bool driven; /* somebody is in its seat */
    bool with_summary; /* block: the summary follows */
    /* private; tg_run_view_release() */
    struct tg_troubles troubles;
    size_t key;             /* of what they were made of; 0 none yet */
    int64_t collected_ms, cost_ms;
    int64_t end_ms, looked_ms;    /* when it ends, with windows, and when that was looked at; 0: not yet */
    int64_t guess_ms, guessed_ms; /* likewise by the estimate, as long as its own pace can't be told */
};

void tg_run_view_release(struct tg_run_view *view);

/* The state now: a line for the run, one a stage, failures folded. Lines fit the width. */
int tg_run_view_block(struct tg_run_view *view, int64_t now_ms, struct tg_buf *out, struct tg_error *e);
/* How it ended, or why it rests, with what is left and the command that mends it. */
int tg_run_view_summary(struct tg_run_view *view, struct tg_buf *out, struct tg_error *e);
/* How long it will take from now on, as far as can be told; -1 it can't. Of hosts that wait for windows, when their plan has its calendar. */
int64_t tg_run_view_left_ms(struct tg_run_view *view, int64_t now_ms);
/* When it is expected to end, as windows have it; false: that can't be told, or no windows are waited for. */
bool tg_run_view_end_ms(const struct tg_run_view *view, int64_t *out_ms);
/* Of the targets, in percent: what the stages up to the current one are to change, what is changed. False: it changes none. */
bool tg_run_view_shares(const struct tg_run *run, double *out_wanted, double *out_is);
/* What one line of the journal says to people; nothing for what only machines care about. */
void tg_run_view_line(const struct tg_run *run, const json_t *line, struct tg_buf *out);
/* The whole as JSON: new reference. */
json_t *tg_run_view_json(const struct tg_run_view *view);
/* The same with how many hosts a stage has in place of each. */
json_t *tg_run_view_head_json(const struct tg_run_view *view);
/* How far it is: counts. */
json_t *tg_run_view_progress_json(struct tg_run_view *view, int64_t now_ms);

#endif
