/* A plan as people read it. */
#ifndef TG_ENGINE_PLAN_TEXT_H
#define TG_ENGINE_PLAN_TEXT_H

#include "base/buf.h"
#include "engine/plan.h"

/* Characters of a digest that people see and type: 48 bits. */
#define TG_PLAN_DIGEST_SHORT 12

#define TG_PLAN_TEXT_WHOLE INT32_MAX /* wrap: sentences are a line each, for a pipe */

/*
 * Appends the plan in lines of at most width columns (what can't be cut, such as a stage's name, may be longer), without the closing
 * line of advice; sentences are broken at wrap columns. Its dates are those of a run that begins at now_ms. The driver is asked to describe its parameters. TG_E_MEMORY, the driver's error, or
 * that of the hours' zone.
 */
int tg_plan_text(const struct tg_plan *plan, int64_t now_ms, int width, int wrap, struct tg_buf *out, struct tg_error *e);
/* The same with what is true now besides: lines behind the plan's own ("" none), and sentences behind its warnings (borrowed; NULL: none). */
struct tg_plan_now {
    const char *lines;
    const json_t *warnings;
};
int tg_plan_text_now(const struct tg_plan *plan, int64_t now_ms, int width, int wrap, const struct tg_plan_now *now, struct tg_buf *out, struct tg_error *e);
/* "puppet, environment production, tags openssl" */
int tg_plan_describe_change(const struct tg_plan *plan, char *out, size_t size, struct tg_error *e);

/* "windows  honoured: …", with those that come first; nothing when there are none. */
void tg_plan_text_windows(const struct tg_plan *plan, int64_t now_ms, int width, struct tg_buf *out);

#endif
