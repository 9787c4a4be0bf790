/* What the parts of the rollout's reader share: rollout.c (the whole), rollout_stages.c, rollout_limits.c, rollout_steps.c
 * (around) and rollout_verify.c. */
#ifndef TG_ENGINE_ROLLOUT_INTERNAL_H
#define TG_ENGINE_ROLLOUT_INTERNAL_H

#include "config/yaml.h"
#include "engine/rollout.h"

#define TG_BAKE_MAX_MS (INT64_C(30) * 86400000)
#define TG_WORD_MAX 63
#define TG_STAGES_MAX 1000
#define TG_RUNNING_MAX 100000
#define TG_RETRIES_MAX 20
#define TG_DAY_MAX 366
#define TG_ESTIMATE_MAX_MS (INT64_C(24) * 3600000)
#define TG_DECIDE_MAX_MS (INT64_C(7) * 86400000)
#define TG_VERIFY_MAX_MS 3600000
#define TG_STEPS_MAX 32 /* of around, of verify */
#define TG_PRESET_STAGES_MAX 100 /* rolling in batches of 1 % */

struct tg_rollout_reader {
    struct tg_rollout *r;
    struct tg_problems *p;
    struct tg_error *e;
    const struct tg_driver *driver; /* NULL until it is known */
    int rc; /* the first failure that is no mistake of the file: short memory */
};

/* Copies text, *slot being NULL before. */
void tg_rollout_copy(struct tg_rollout_reader *reader, const char *text, char **slot);
/* Room for n things of size bytes, zeroed; NULL and rc set when there is none. n may be 0. */
void *tg_rollout_room(struct tg_rollout_reader *reader, size_t n, size_t size);
/* Complains of a list that is longer than max. */
bool tg_rollout_few_enough(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, size_t max);
/* A lower-case word of letters, digits and '-', at most 63, as names of runs, stages and actors are. */
bool tg_rollout_word(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, const char **out);

/* What a driver, or a module of around, has against its parameters: for its params(), which gets a struct tg_rollout_complaint as data. */
struct tg_rollout_complaint {
    struct tg_rollout_reader *reader;
    const struct tg_yaml_node *value;
    const char *name; /* whose they are */
};
void tg_rollout_complain(void *data, const char *path, const char *message);

/* What a selector has against it, at its own column within node where that can be told. */
struct tg_error *tg_rollout_selector_problem(struct tg_problems *p, const struct tg_yaml_node *node, const char *what,
                                             const struct tg_error *why);

/* A selector's grammar only: which hosts it means is the plan's question. *slot is NULL before. */
void tg_rollout_read_selector(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, const char *what, char **slot);
/* rollout->driver must be known. */
void tg_rollout_read_stages(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
/* "canary", or {canary: {bake: 10m}}: writes its stages out. false when node is no preset and must be a list. */
bool tg_rollout_read_preset(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
void tg_rollout_read_limits(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
/* rollout_hours.c. Hours come before the stages, the check behind them. */
void tg_rollout_read_hours(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
void tg_rollout_read_day(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s);
void tg_rollout_read_spread(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_stage_spec *s);
void tg_rollout_check_days(struct tg_rollout_reader *reader);

void tg_rollout_read_failure(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
/* failure: of a stage. */
void tg_rollout_read_bounds(struct tg_rollout_reader *reader, const struct tg_yaml_node *node, struct tg_bounds *out);
void tg_rollout_read_around(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);
void tg_rollout_read_verify(struct tg_rollout_reader *reader, const struct tg_yaml_node *node);

#endif
