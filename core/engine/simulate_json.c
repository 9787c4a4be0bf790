/* A simulation for programs: see simulate.h. */
#include "engine/simulate.h"

static json_t *stage_json(const struct tg_sim *sim, size_t i)
{
    const struct tg_plan_stage *p = &sim->plan->stages[i];
    const struct tg_run_stage *r = &sim->run->stages[i];
    json_t *stage =
        json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I}", "name", p->name, "dry_run", p->dry_run, "hosts",
                  (json_int_t) p->count, "changed", (json_int_t) sim->stages[i].changed, "hurt",
                  (json_int_t) sim->stages[i].hurt, "done", (json_int_t) r->counts[TG_HOST_DONE] + (json_int_t) r->stuck_done,
                  "unreachable", (json_int_t) r->counts[TG_HOST_UNREACHABLE]);
    size_t failed = r->counts[TG_HOST_FAILED] + r->counts[TG_HOST_UNKNOWN] + r->counts[TG_HOST_LOST];

    json_object_set_new(stage, "failed", json_integer((json_int_t) failed));
    json_object_set_new(stage, "began_ms", r->started_ms ? json_integer(r->started_ms - sim->started_ms) : json_null());
    json_object_set_new(stage, "ended_ms", r->ended_ms ? json_integer(r->ended_ms - sim->started_ms) : json_null());
    return stage;
}

static json_t *timeline_json(const struct tg_sim *sim)
{
    json_t *changed = json_array(), *hurt = json_array(), *done = json_array(), *failed = json_array(), *at_work = json_array(), *out = json_array(), *gone = json_array(),
           *held = json_array(), *asks = json_array();

    for (size_t i = 0; i < sim->n_samples; i++) {
        const struct tg_sim_sample *s = &sim->samples[i];
        json_array_append_new(changed, json_integer((json_int_t) s->changed));
        json_array_append_new(hurt, json_integer((json_int_t) s->hurt));
        json_array_append_new(done, json_integer((json_int_t) s->done));
        json_array_append_new(failed, json_integer((json_int_t) s->failed));
        json_array_append_new(at_work, json_integer((json_int_t) s->at_work));
        json_array_append_new(out, json_integer((json_int_t) s->out));
        json_array_append_new(gone, json_integer((json_int_t) s->gone));
        json_array_append_new(held, json_integer((json_int_t) s->held));
        json_array_append_new(asks, json_boolean(s->asks));
    }
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "interval_ms", (json_int_t) sim->sample_ms, "changed", changed,
                     "hurt", hurt, "done", done, "failed", failed, "at_work", at_work, "out", out, "gone", gone, "held", held, "asks", asks);
}

static json_t *back_json(const struct tg_sim *back)
{
    return json_pack("{s:I,s:I,s:I,s:s,s:I}", "hosts", (json_int_t) back->plan->n_hosts, "done", (json_int_t) tg_run_done(back->run), "failed",
                     (json_int_t) tg_run_failures(back->run), "end", tg_run_end_name(tg_run_end(back->run)), "took_ms",
                     (json_int_t) (back->ended_ms - back->started_ms));
}

static json_t *out_json(const struct tg_sim *sim)
{
    const struct tg_sim_out told = tg_sim_tell_out(sim);

    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "hosts", (json_int_t) told.hosts, "out", (json_int_t) told.out, "no_room", (json_int_t) told.no_room, "held", (json_int_t) told.held,
                     "took_ms", (json_int_t) told.took_ms);
}

json_t *tg_sim_json(const struct tg_sim *sim)
{
    const struct tg_run *run = sim->run;
    json_t *stages = json_array(), *held = json_object();

    for (size_t i = 0; i < sim->plan->n_stages; i++)
        json_array_append_new(stages, stage_json(sim, i));
    for (size_t i = 0; i < TG_SIM_HOLDS; i++)
        if (sim->held_ms[i] && tg_sim_hold_name(i))
            json_object_set_new(held, tg_sim_hold_name(i), json_integer(sim->held_ms[i]));
    json_t *all =
        json_pack("{s:s,s:s,s:I,s:I,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:I}", "rollout", sim->plan->name, "digest",
                  sim->plan->digest, "seed", (json_int_t) sim->model->seed, "hosts", (json_int_t) sim->plan->n_targets,
                  "well", tg_sim_well(sim), "end", tg_sim_end_name(sim), "took_ms",
                  (json_int_t) (sim->ended_ms - sim->started_ms), "changed", (json_int_t) sim->all.changed, "hurt",
                  (json_int_t) sim->all.hurt, "failed", (json_int_t) tg_run_failures(run), "unreachable",
                  (json_int_t) tg_sim_tell(sim).unreachable, "leftovers", (json_int_t) tg_run_leftovers(run),
                  "crashes", (int) sim->crashes, "events", (json_int_t) sim->events);
    json_object_set_new(all, "why", run->why ? json_string(run->why) : json_null());
    json_object_set_new(all, "halted_ms",
                        sim->halted_ms ? json_integer(sim->halted_ms - sim->started_ms) : json_null());
    json_object_set_new(all, "stages", stages);
    json_object_set_new(all, "held_ms", held);
    bool withdraws = sim->back && sim->back->plan->withdraws;
    json_object_set_new(all, "rollback", sim->back && !withdraws ? back_json(sim->back->sim) : json_null());
    json_object_set_new(all, "withdrawal", withdraws ? out_json(sim) : json_null());
    json_object_set_new(all, "held", json_integer((json_int_t) tg_sim_tell(sim).held));
    json_object_set_new(all, "asked", json_integer((json_int_t) sim->asked));
    json_object_set_new(all, "timeline", timeline_json(sim));
    return all;
}
