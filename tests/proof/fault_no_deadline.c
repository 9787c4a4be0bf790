/* The mistake "no deadline": the keeper is told that the permit can't be lost. The recipe's own source, in this build of the worker only. */
#define tg_keeper_start tg_keeper_start_as_it_is
#define tg_keeper_beat tg_keeper_beat_as_it_is
#include "guard/keeper.c"
#undef tg_keeper_start
#undef tg_keeper_beat

int tg_keeper_start(struct tg_loop *loop, const struct tg_keeper_spec *spec, struct tg_keeper **out, struct tg_error *e);
void tg_keeper_beat(struct tg_keeper *keeper, int64_t term_at_ms, int64_t kill_at_ms);
int tg_keeper_start(struct tg_loop *loop, const struct tg_keeper_spec *spec, struct tg_keeper **out, struct tg_error *e)
{
    struct tg_keeper_spec endless = *spec;

    endless.term_at_ms = endless.kill_at_ms = INT64_MAX;
    return tg_keeper_start_as_it_is(loop, &endless, out, e);
}

void tg_keeper_beat(struct tg_keeper *keeper, int64_t term_at_ms, int64_t kill_at_ms)
{
    (void) term_at_ms;
    (void) kill_at_ms;
    tg_keeper_beat_as_it_is(keeper, INT64_MAX, INT64_MAX);
}
