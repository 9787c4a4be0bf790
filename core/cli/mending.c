/* Something better for hosts that are out of service: see mending.h. */
#include "cli/mending.h"

#include "cli/guarding.h"
#include "engine/around_module.h"

#include <stdio.h>
#include <stdlib.h>
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
            rc = tg_mend_may(w.run, name, e);
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

int tg_mending_plan(struct tg_frame *f, const char *id, struct tg_plan **plan, struct tg_mending *m, struct tg_error *e)
{
    struct tg_plan *p = NULL;
    int rc = tg_mending_look(f, id, m, e);

    if (!rc)
        rc = tg_mend_plan(*plan, m->of.run, &m->withdrawn, m->id, &p, e);
    if (rc)
        return rc;
    tg_plan_free(*plan);
    *plan = p;
    return 0;
}

/* ---- seats ---- */

static void drop(struct tg_mending_seats *s, size_t i)
{
    tg_run_free(s->runs[i]);
    tg_plan_free(s->plans[i]);
    tg_journal_free(s->j[i]);
    free(s->names[i]);
    s->names[i] = NULL;
    s->runs[i] = NULL;
    s->plans[i] = NULL;
    s->j[i] = NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int sort_names(struct tg_mending_seats *s, size_t i, struct tg_error *e)
{
    size_t n = s->plans[i]->n_hosts;
    const char **names = calloc(n + 1, sizeof *names);

    if (!names)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t k = 0; k < n; k++)
        names[k] = s->plans[i]->hosts[k].name;
    qsort(names, n, sizeof *names, by_name);
    s->names[i] = names;
    return 0;
}

static bool has_host(const struct tg_mending_seats *s, size_t i, const char *host)
{
    return bsearch(&host, s->names[i], s->plans[i]->n_hosts, sizeof *s->names[i], by_name) != NULL;
}

static int seat(struct tg_frame *f, const char *id, const char *who, struct tg_mending_seats *s, struct tg_error *e)
{
    size_t i = s->n;
    int rc = TG_E_VERSION;

    for (int tries = 0; rc == TG_E_VERSION && tries < SEAT_TRIES; tries++) {
        tg_error_clear(e);
        drop(s, i);
        rc = tg_journal_load_whole(f->store, id, TG_FOLLOWING_WAIT_MS, &s->j[i], &s->plans[i], &s->runs[i], e);
        if (!rc && !s->runs[i])
            return 0;
        if (!rc)
            rc = tg_journal_seat(s->j[i], who, tg_wall_ms(tg_loop_clock(f->loop)), e);
        if (rc == TG_E_HELD && e)
            e->hint[0] = '\0'; /* to take that over is not what is wanted here */
        if (rc == TG_E_HELD)
            tg_error_hint(e, "hosts are being withdrawn or returned there: look at tagout status %s, and go on when that has ended", id);
    }
    if (!rc && (rc = tg_mend_may(s->runs[i], id, e)) != 0)
        tg_journal_leave(s->j[i]);
    if (!rc)
        rc = sort_names(s, i, e);
    if (!rc)
        s->n++;
    else
        drop(s, i);
    return rc;
}

static int add_to_keeper(struct tg_mending_seats *s, size_t i, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    char name[TG_RUN_NAME_SIZE];
    int rc = tg_journal_tokens(s->j[i], &tokens, e);

    if (!rc) {
        tg_run_name(s->j[i]->id, tokens.all, name);
        rc = tg_out_keeper_add(s->keeper, s->runs[i], s->j[i]->id, name, s->j[i]->by, e);
    }
    explicit_bzero(&tokens, sizeof tokens);
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
    if (!rc)
        rc = tg_out_keeper_new(f->loop, &out->keeper, e);
    for (size_t i = 0; !rc && i < out->n; i++)
        rc = add_to_keeper(out, i, e);
    if (rc)
        tg_mending_leave(out);
    return rc;
}

int tg_mending_may(struct tg_frame *f, const char *id, struct tg_error *e)
{
    struct tg_mending_seats seats;
    int rc = tg_mending_seat(f, id, &seats, e);

    tg_mending_leave(&seats);
    return rc;
}

void tg_mending_leave(struct tg_mending_seats *s)
{
    tg_out_keeper_free(s->keeper);
    s->keeper = NULL;
    for (size_t i = 0; i < s->n; i++) {
        tg_journal_leave(s->j[i]);
        drop(s, i);
    }
    s->n = 0;
}

int tg_mending_still_out(void *seats, const char *host, struct tg_error *e)
{
    const struct tg_mending_seats *s = seats;
    struct tg_error own = TG_ERROR_INIT;

    for (size_t i = s->n; i-- > 0;) {
        if (!has_host(s, i, host))
            continue;
        int rc = tg_journal_prove(s->j[i], &own);
        if (rc == TG_E_VERSION)
            return tg_fail(e, TG_E_HELD, "somebody else withdraws or returns hosts now: tagout status %s", s->j[i]->id);
        if (rc && e && !e->code)
            *e = own;
        return rc;
    }
    return 0;
}
