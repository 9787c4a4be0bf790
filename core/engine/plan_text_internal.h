/* What plan_text.c and plan_text_stages.c share. */
#ifndef TG_ENGINE_PLAN_TEXT_INTERNAL_H
#define TG_ENGINE_PLAN_TEXT_INTERNAL_H

#include "engine/plan_text.h"
#include "engine/plan_when.h"
#include "engine/plan_worst.h"

/* A plan and what is reckoned of it. */
struct tg_plan_sheet {
    const struct tg_plan *plan;
    const struct tg_stage_times *times;
    const struct tg_stage_worst *worst;
    int64_t now_ms;
    int width, wrap;
};

/* The table of the stages, with a line or more for each. TG_E_MEMORY. */
int tg_plan_text_stages(const struct tg_plan_sheet *sheet, struct tg_buf *out, struct tg_error *e);

#endif
