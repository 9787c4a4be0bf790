/* Whether what was withdrawn is out of service still: see kept_out.h. */
#include "cli/kept_out.h"

#include "cli/driving.h"
#include "cli/guarding.h"
#include "engine/around_module.h"
#include "engine/linked.h"
#include "engine/out_look.h"
#include "engine/withdraw.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 15000

/* ---- looking ---- */

struct seeing {
    const struct tg_run *run;
    unsigned char *how;                      /* by host: enum tg_out_how, the worst of its drains */
    char first[TG_OUT_UNTOLD + 1][400];      /* what was said of the first of these */
};

/* In service is the worst; and who may be is seen to as well. */
static void see(void *data, const struct tg_out_seen *seen)
{
    static const int worse[] = {[TG_OUT_STILL] = 0, [TG_OUT_CHANGED] = 1, [TG_OUT_UNTOLD] = 2, [TG_OUT_NOT] = 3};
    struct seeing *s = data;

    if (worse[seen->how] <= worse[s->how[seen->host]])
        return;
    s->how[seen->host] = (unsigned char) seen->how;
    if (!s->first[seen->how][0])
        snprintf(s->first[seen->how], sizeof s->first[seen->how], "%s", seen->text);
}

/* Those of one kind, folded. */
static int say(const struct seeing *s, enum tg_out_how how, const char *id, struct tg_buf *out, struct tg_error *e)
{
    static const char *const words[] = {[TG_OUT_CHANGED] = "not as it was left", [TG_OUT_NOT] = "IN SERVICE, though withdrawn", [TG_OUT_UNTOLD] = "out of service or not, that can't be told from here"};
    const char *word = how == TG_OUT_NOT && !s->run->plan->withdraws ? "IN SERVICE, though drained for a change that has not come to its end" : words[how];
    struct tg_folder *folder = NULL;
    struct tg_buf names = TG_BUF_INIT;
    size_t n = 0;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < s->run->plan->n_hosts; i++)
        if (s->how[i] == how) {
            n++;
            rc = tg_folder_add(folder, s->run->plan->hosts[i].name, e);
        }
    if (!rc && n)
        rc = tg_folder_print(folder, &names, e);
    if (!rc && n) {
        tg_buf_printf(out, "  %.300s: %s%s%s", tg_buf_text(&names), word, n > 1 ? ", such as: " : ": ", s->first[how]);
        tg_buf_printf(out, how == TG_OUT_UNTOLD ? "\n" : s->run->plan->withdraws ? ". Take %s out again: tagout withdraw --keep %s\n" : ". Take %s out again, and go on: tagout run --resume %s\n",
                      n == 1 ? "it" : "them", id);
    }
    tg_buf_release(&names);
    tg_folder_free(folder);
    return rc;
}

static int sum_up(const struct seeing *s, const char *id, struct tg_cli_out *out, struct tg_error *e)
{
    const struct tg_plan *plan = s->run->plan;
    int rc = 0;

    out->wrong = calloc(plan->n_hosts + 1, sizeof *out->wrong);
    if (!out->wrong)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < plan->n_hosts; i++) {
        if (s->how[i] != TG_OUT_STILL)
            out->wrong[out->n_wrong++] = i;
        out->n_in += s->how[i] == TG_OUT_NOT;
        out->n_untold += s->how[i] == TG_OUT_UNTOLD;
    }
    static const enum tg_out_how order[] = {TG_OUT_NOT, TG_OUT_CHANGED, TG_OUT_UNTOLD};
    for (size_t i = 0; !rc && out->n_wrong && i < sizeof order / sizeof order[0]; i++)
        rc = say(s, order[i], plan->withdraws ? plan->undoes : id, &out->says, e);
    return rc;
}

int tg_cli_out_look(struct tg_loop *loop, struct tg_journal *j, const struct tg_run *run, int64_t wait_ms, struct tg_cli_out *out, struct tg_error *e)
{
    struct seeing s = {.run = run, .how = calloc(run->plan->n_hosts + 1, 1)};
    struct tg_run_tokens tokens = {0};
    char name[TG_RUN_NAME_SIZE];
    bool named = tg_journal_tokens(j, &tokens, NULL) == 0;

    *out = (struct tg_cli_out) {.says = TG_BUF_INIT};
    if (named)
        tg_run_name(j->id, tokens.all, name);
    explicit_bzero(&tokens, sizeof tokens);
    const struct tg_out_options o = {.loop = loop, .run = run, .id = j->id, .name = named ? name : NULL, .owner = j->by, .wait_ms = wait_ms, .each = see, .data = &s};
    int rc = s.how ? tg_out_look(&o, &out->n, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = sum_up(&s, j->id, out, e);
    free(s.how);
    if (rc)
        tg_cli_out_release(out);
    return rc;
}

void tg_cli_out_release(struct tg_cli_out *out)
{
    free(out->wrong);
    out->wrong = NULL;
    tg_buf_release(&out->says);
}

/* ---- seeing to it ---- */

/* Of one withdrawal. TG_E_NOENT: there is none of this id. */
static int look_at(struct tg_frame *f, const char *id, struct tg_cli_out *out, struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    int rc = tg_journal_load(f->store, id, TG_FOLLOWING_WAIT_MS, &j, &plan, &run, e);

    *out = (struct tg_cli_out) {.says = TG_BUF_INIT};
    if (!rc && plan->withdraws && run->state == TG_RUN_ENDED)
        rc = tg_cli_out_look(f->loop, j, run, LOOK_MS, out, e);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

static int keep(struct tg_frame *f, const char *id, enum tg_cli_out_how how, size_t *out_left, struct tg_error *e)
{
    struct tg_cli_out before, after = {.says = TG_BUF_INIT};
    int rc = look_at(f, id, &before, e);
    const struct tg_cli_returns returns = {.out = before.wrong, .n_out = before.n_wrong, .out_anew = how == TG_CLI_OUT_ANEW};

    if (!rc && before.n_wrong) {
        rc = tg_cli_drive_returns(f, id, &returns, e);
        if (!rc)
            rc = look_at(f, id, &after, e);
        if (!rc && after.n_wrong)
            fprintf(stderr, "%s", tg_buf_text(&after.says));
        *out_left += after.n_in + after.n_untold;
    }
    tg_cli_out_release(&before);
    tg_cli_out_release(&after);
    return rc;
}

int tg_cli_out_keep(struct tg_frame *f, const char *id, enum tg_cli_out_how how, size_t *out_left, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    char name[TG_RUN_ID_SIZE];
    int rc = 0;

    *out_left = 0;
    for (int i = 1; !rc && i <= TG_LINKED_MAX; i++) {
        tg_withdrawn_id(id, i, name);
        rc = keep(f, name, how, out_left, &own);
    }
    if (rc && rc != TG_E_NOENT && e && !e->code)
        *e = own;
    return rc == TG_E_NOENT ? 0 : rc;
}
