/* What plan.c and plan_compile.c share. */
#ifndef TG_ENGINE_PLAN_INTERNAL_H
#define TG_ENGINE_PLAN_INTERNAL_H

#include "engine/plan.h"

/* Computes plan->digest. TG_E_MEMORY. */
int tg_plan_seal(struct tg_plan *plan, struct tg_error *e);
/* Whether what was read may be acted on at all, whoever has sealed it (plan_bounds.c). TG_E_DATA, TG_E_MEMORY. */
int tg_plan_bounds(const struct tg_plan *plan, struct tg_error *e);
/* What the digest is of. New reference; NULL: memory. */
json_t *tg_plan_sealed_json(const struct tg_plan *plan);
/* Appends the folded names of hosts[first … first+count). */
struct tg_buf;
int tg_plan_fold(const struct tg_plan *plan, size_t first, size_t count, struct tg_buf *out, struct tg_error *e);

struct tg_inventory;
struct tg_problems;

/* Fills in limits, domains and domain_of of a plan whose stages are there; source: the index in the inventory of each host of the plan. What can't be kept is a
 * mistake in problems. TG_E_MEMORY. */
int tg_plan_limits_compile(struct tg_plan *plan, const struct tg_rollout *rollout, const struct tg_inventory *inventory, const uint32_t *source,
                           struct tg_problems *problems, struct tg_error *e);
void tg_plan_limits_release(struct tg_plan *plan);
/* As JSON: the limits with their domains, and of a stage the domains of its hosts. New references, NULL when memory is short. */
json_t *tg_plan_limits_json(const struct tg_plan *plan);
json_t *tg_plan_domains_json(const struct tg_plan *plan, const struct tg_plan_stage *stage);
/* Back. The hosts of the plan are known before their domains are read. TG_E_DATA. */
int tg_plan_limits_read(struct tg_plan *plan, const json_t *limits, struct tg_error *e);
int tg_plan_domains_read(struct tg_plan *plan, const struct tg_plan_stage *stage, const json_t *domains, struct tg_error *e);

/* Windows (plan_windows.c) as JSON: what is sealed is the mode; to keep is who has which as well. New references, NULL when memory is short. And back, the hosts being
 * known before their windows are read: TG_E_DATA. */
json_t *tg_plan_windows_json(const struct tg_plan *plan, bool to_keep);
json_t *tg_plan_window_of_json(const struct tg_plan *plan, const struct tg_plan_stage *stage);
int tg_plan_windows_read(struct tg_plan *plan, const json_t *windows, struct tg_error *e);
int tg_plan_window_of_read(struct tg_plan *plan, struct tg_plan_stage *stage, const json_t *windows, struct tg_error *e);
/* They hold back nobody any more. */
void tg_plan_windows_drop(struct tg_plan *plan);

/* Hosts to be changed that a drain or a snapshot can't tell apart are a mistake in problems. TG_E_CONFIG: no such module; TG_E_DATA, TG_E_MEMORY. */
int tg_plan_same_compile(const struct tg_plan *plan, const char *file, struct tg_problems *problems, struct tg_error *e);

/* What a stage waits for and bears, as JSON (new reference), and back. TG_E_DATA, TG_E_MEMORY. */
json_t *tg_stage_policy_json(const struct tg_stage_policy *policy);
json_t *tg_plan_policy_json(const struct tg_plan *plan);
int tg_plan_policy_read(const json_t *json, struct tg_plan *plan, struct tg_error *e);
int tg_stage_policy_read(const json_t *json, struct tg_stage_policy *out, struct tg_error *e);

#endif
