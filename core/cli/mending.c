/* Something better for hosts that are out of service: see mending.h. */
#include "cli/mending.h"

#include "cli/guarding.h"

#include <stdio.h>
#include <string.h>

#define SEAT_TRIES 8

static int add_token(struct tg_mending *m, struct tg_journal *j, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    int rc = tg_journal_tokens(j, &tokens, e);
    size_t len = strlen(m->tokens);

    if (!rc)
        snprintf(m->tokens + len, sizeof m->tokens - len, "%s%s", len ? "," : "", tokens.own);
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}

static int add_tokens(struct tg_mending *m, struct tg_error *e)
{
    struct tg_following w;
    char name[TG_RUN_ID_SIZE];
    int rc = 0;

    for (int i = 1; !rc && i <= TG_LINKED_MAX; i++) {
        if (!m->withdrawn.holds[i])
            continue;
        tg_withdrawn_id(m->id, i, name);
        rc = tg_following_load(m->of.f, name, &w, e);
        if (!rc)
            rc = add_token(m, w.j, e);
        tg_following_release(&w);
    }
    return rc;
}

static int look(struct tg_frame *f, struct tg_mending *m, struct tg_error *e)
{
    int rc = tg_following_load(f, m->id, &m->of, e);

    if (!rc)
        rc = tg_withdrawn_look(f->store, m->id, m->of.run, TG_FOLLOWING_WAIT_MS, &m->withdrawn, e);
    if (!rc && !m->withdrawn.is) {
        rc = tg_fail(e, TG_E_NOENT, "no host is out of service by %s", m->id);
        tg_error_hint(e, "look at it: tagout status %s", m->id);
    }
    return rc ? rc : add_tokens(m, e);
}

int tg_mending_look(struct tg_frame *f, const char *id, struct tg_mending *out, struct tg_error *e)
{
    *out = (struct tg_mending) {.withdrawn = {.n = 0}};
    tg_linked_first(id, TG_WITHDRAW_WORD, out->id);
    int rc = look(f, out, e);

    if (rc)
        tg_mending_release(out);
    return rc;
}

void tg_mending_release(struct tg_mending *m)
{
    tg_withdrawn_release(&m->withdrawn);
    tg_following_release(&m->of);
    explicit_bzero(m->tokens, sizeof m->tokens);
    *m = (struct tg_mending) {.withdrawn = {.n = 0}};
}

/* ---- seats ---- */

static void drop(struct tg_mending_seats *s, size_t i)
{
    tg_run_free(s->runs[i]);
    tg_plan_free(s->plans[i]);
    tg_journal_free(s->j[i]);
    s->runs[i] = NULL;
    s->plans[i] = NULL;
    s->j[i] = NULL;
}

static int seat(struct tg_frame *f, const char *id, const char *who, struct tg_mending_seats *s, struct tg_error *e)
{
    size_t i = s->n;
    int rc = TG_E_VERSION;

    for (int tries = 0; rc == TG_E_VERSION && tries < SEAT_TRIES; tries++) {
        tg_error_clear(e);
        drop(s, i);
        rc = tg_journal_load(f->store, id, TG_FOLLOWING_WAIT_MS, &s->j[i], &s->plans[i], &s->runs[i], e);
        if (!rc)
            rc = tg_journal_seat(s->j[i], who, tg_wall_ms(tg_loop_clock(f->loop)), e);
    }
    if (!rc)
        s->n++;
    else
        drop(s, i);
    return rc;
}

int tg_mending_seat(struct tg_frame *f, const char *id, struct tg_mending_seats *out, struct tg_error *e)
{
    char name[TG_RUN_ID_SIZE], who[256];
    int rc = 0;

    *out = (struct tg_mending_seats) {.n = 0};
    tg_cli_owner(f, who, sizeof who);
    for (int i = 1; !rc && i <= TG_LINKED_MAX; i++) {
        tg_withdrawn_id(id, i, name);
        rc = seat(f, name, who, out, e);
    }
    if (rc == TG_E_NOENT && out->n) {
        tg_error_clear(e);
        rc = 0;
    }
    if (rc == TG_E_HELD)
        tg_error_hint(e, "hosts are being withdrawn or returned there: look at tagout status %s, and go on when that has ended", name);
    if (rc)
        tg_mending_leave(out);
    return rc;
}

void tg_mending_leave(struct tg_mending_seats *s)
{
    for (size_t i = 0; i < s->n; i++) {
        tg_journal_leave(s->j[i]);
        drop(s, i);
    }
    s->n = 0;
}
