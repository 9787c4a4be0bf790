/* Actors: take a permit, act under it while it is proven alive, give it back. And checkers, who only ask. */
#define _GNU_SOURCE
#include "worker.h"

#include "guard/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name of the permit or question that is next: nobody else's. */
static void name_it(struct worker *w, char *out, size_t size)
{
    snprintf(out, size, "%s.%lld.%ld", w->slot, (long long) now_us(), ++w->serial);
}

/* At whose lock it need not stop: now and then it bears one locker's token, or two. */
static void choose_tokens(struct worker *w, char *out, size_t size)
{
    out[0] = '\0';
    if (chance(w, 15))
        snprintf(out, size, "token-of-locker%u%s", roll(w, 4), chance(w, 30) ? ",token-of-nobody" : "");
}

/* The newest proof, noted before anybody may go by it. */
static void note_deadline(struct worker *w, const char *name, const struct tg_permit *p, int64_t *known)
{
    int64_t stop, kill;

    tg_permit_deadline(p, &stop, &kill);
    if (kill <= *known || kill == INT64_MAX)
        return;
    *known = kill;
    /* 5/6 of the session after its last proof; the store may give it away when the whole has passed */
    note(w, "until p=%s kill=%lld dead=%lld", name, (long long) kill * 1000, (long long) (kill + tg_store_session_ms(w->guard.store) / 6) * 1000);
}

static void act_quickly(struct worker *w, const char *name, struct tg_permit *p)
{
    int64_t known = 0, stop, kill;

    for (unsigned n = 1 + roll(w, 3); n; n--) {
        note_deadline(w, name, p, &known);
        tg_permit_deadline(p, &stop, &kill);
        if (tg_permit_state(p) || now_us() / 1000 >= stop)
            return;
        note(w, "act p=%s", name);
        tg_permit_beat(p);
        rest_ms(w, roll(w, 6));
    }
}

static int start_command(struct worker *w, const char *name, struct tg_permit *p, struct tg_keeper **out)
{
    char lasts[16];
    const char *argv[] = {getenv("PROOF_ACT"), w->log_path, name, lasts, chance(w, 30) ? "stubborn" : "meek", NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", getenv("PROOF_ASAN") ? getenv("PROOF_ASAN") : "LANG=C", NULL};
    struct tg_keeper_spec spec = {.program = getenv("PROOF_TAGOUT"), .argv = argv, .env = env, .session_fd = tg_store_session_fd(w->guard.store),
                                  .grace_ms = TG_KEEPER_GRACE_MS};
    struct tg_error e = TG_ERROR_INIT;

    bool long_one = w->control->want_long || now_us() - w->long_us > 12000000; /* now and then one that outlasts a session */
    w->control->want_long = 0;
    w->long_us = long_one ? now_us() : w->long_us;
    snprintf(lasts, sizeof lasts, "%u", long_one ? 6500 : 10 + roll(w, 80));
    tg_permit_deadline(p, &spec.term_at_ms, &spec.kill_at_ms);
    int rc = tg_keeper_start(w->loop, &spec, out, &e);
    if (rc)
        note(w, "end p=%s e=unstarted m=%.200s", name, e.message);
    return rc;
}

/* As tagout exec does. */
static void act_through_keeper(struct worker *w, const char *name, struct tg_permit *p)
{
    static const char *const ends[] = {"running", "exited", "lost", "ended", "vanished"};
    int64_t every = tg_permit_beat_ms(p), last = 0, stop, kill, known = 0;
    struct tg_keeper *k = NULL;
    bool stopped = false;
    int status = 0;

    note_deadline(w, name, p, &known);
    if (start_command(w, name, p, &k) != 0)
        return;
    note(w, "keep p=%s keeper=%d command=%d", name, (int) tg_keeper_pid(k), (int) tg_keeper_command_pid(k));
    while (tg_keeper_state(k, &status) == TG_KEEPER_RUNNING) {
        int64_t now = now_us() / 1000;
        if (every != INT64_MAX && now - last >= every) {
            tg_permit_beat(p);
            last = now;
        }
        (void) tg_loop_turn(w->loop, every < 200 ? every : 200);
        if (!stopped && tg_permit_state(p)) {
            stopped = true;
            tg_keeper_stop(k);
        }
        int64_t before = known;
        note_deadline(w, name, p, &known);
        if (!stopped && known > before) {
            tg_permit_deadline(p, &stop, &kill);
            tg_keeper_beat(k, stop, known);
        }
    }
    note(w, "end p=%s e=%s status=%d", name, ends[tg_keeper_state(k, &status)], status);
    tg_keeper_free(k);
}

/* What was answered, in words of the log. */
static void note_answer(struct worker *w, const char *name, const struct tg_guard_verdict *v, int64_t wall_ms)
{
    char ids[400] = "";

    for (size_t i = 0, n = 0; i < v->locks.n && n + 20 < sizeof ids; i++)
        n += (size_t) snprintf(ids + n, sizeof ids - n, "%s%s", i ? "," : "", v->locks.v[i].id);
    note(w, "said p=%s v=%s w=%s i=%s wall=%lld c=%d e=%.300s", name, tg_answer_name(v->answer), v->cause[0] ? v->cause : "-", ids[0] ? ids : "-",
         (long long) wall_ms, v->error.code, v->error.message);
}

static void ask(struct worker *w, bool permit, bool quick)
{
    struct tg_scopes scopes;
    struct tg_guard_verdict v;
    struct tg_permit *p = NULL;
    char text[256], name[96], tokens[80];
    const char *actor = choose_actor(w);

    choose_scopes(w, false, chance(w, 95) ? w->inventory : NULL, &scopes);
    scopes_text(&scopes, text, sizeof text);
    choose_tokens(w, tokens, sizeof tokens);
    name_it(w, name, sizeof name);
    note(w, "%s p=%s s=%s a=%s t=%s", permit ? "permit?" : "check?", name, text, actor, tokens[0] ? tokens : "-");
    if (permit) {
        struct tg_permit_request r = {.scopes = &scopes, .actor = actor, .owner = w->slot, .host = w->slot, .what = name, .tokens = tokens};
        (void) tg_permit_take(&w->guard, &r, &p, &v, NULL);
    } else {
        struct tg_question q = {.scopes = &scopes, .actor = actor, .tokens = tokens};
        tg_check(&w->guard, &q, tg_store_deadline(w->guard.store, EXCHANGE_MS), &v);
    }
    note_answer(w, name, &v, tg_wall_ms(tg_loop_clock(w->loop)));
    bool unknown = v.answer == TG_ANSWER_UNKNOWN, held = v.answer == TG_ANSWER_HELD;
    tg_verdict_release(&v);
    tg_scopes_release(&scopes);
    if (p && quick)
        act_quickly(w, name, p);
    else if (p)
        act_through_keeper(w, name, p);
    if (p) {
        unknown = tg_permit_state(p) != 0;
        note(w, "give p=%s", name);
        tg_permit_release(p);
    }
    after(w, unknown ? TG_E_UNKNOWN : 0);
    if (held)
        rest_ms(w, roll(w, 20));
}

void be_actor(struct worker *w, bool quick)
{
    while (!w->control->stop && be_open(w)) {
        be_quiet(w, 2);
        ask(w, true, quick);
        if (++w->uses > 300) /* another session now and then */
            be_closed(w);
    }
}

/* As many hosts do that ask once: most of their questions are the first on their session. */
void be_checker(struct worker *w)
{
    while (!w->control->stop && be_open(w)) {
        be_quiet(w, 2);
        ask(w, false, false);
        if (++w->uses > 10)
            be_closed(w);
    }
}
