/* What a Prometheus (its HTTP API, v1) is asked, and what its answers mean. No I/O. */
#ifndef TAGOUT_HTTP_METRIC_H
#define TAGOUT_HTTP_METRIC_H

#include <tagout/probe.h>

#include <stdbool.h>

struct tg_metric {
    char *query;
    bool has_below, has_above, has_rise, has_fall;
    double below, above, rise, fall; /* rise, fall: as a part of 1 */
    int64_t before_ms;
    bool knows_before; /* and then before is what it was */
    double before;
};

/* Of the options of a question (tagout/probe.h). TG_E_DATA: they compare it with nothing, or are not of that form; *m is then nothing to release. */
int tg_metric_read(const json_t *options, struct tg_metric *m, struct tg_error *e);
void tg_metric_release(struct tg_metric *m);
/* Is the next question what it was before? */
bool tg_metric_wants_before(const struct tg_metric *m);
/*
 * An answer: its status and its body. True with the number it gives; false with why it gives none in text (one line).
 * Only exactly one finite number is one: no data, several series, NaN, infinity, warnings (of a part that could not be asked) are none.
 */
bool tg_metric_number(long status, const char *body, size_t len, double *out, char *text, size_t size);
/* PASS or FAIL, with a line that says why. tg_metric_wants_before() must be false. */
enum tg_verdict tg_metric_judge(const struct tg_metric *m, double now, char *text, size_t size);

#endif
