/* Before a run begins: see run_begin.h. */
#include "cli/run_begin.h"

#include "cli/guarding.h"
#include "config/site.h"
#include "engine/plan_text.h"

#include <tagout/clock.h>

#include <string.h>
#include <strings.h>
#include <unistd.h>

bool tg_same_person(const char *a, const char *b)
{
    size_t n = strcspn(a, "@");

    return n == strcspn(b, "@") && strncmp(a, b, n) == 0;
}

static int64_t wall_ms(const struct tg_frame *f)
{
    return tg_wall_ms(tg_loop_clock(f->loop));
}

/* ---- --plan ---- */

/* "+2: …" lines on a terminal or pipe; within the message for programs. */
static void tell_changes(const struct tg_frame *f, const struct tg_kept_plan *kept, const json_t *changes, struct tg_buf *within)
{
    char when[40];
    const json_t *text;
    size_t i;

    tg_time_format(kept->at_ms, when, sizeof when);
    if (!f->json && json_array_size(changes))
        fprintf(stderr, "Since %s made plan %.*s, at %s:\n", kept->by, TG_PLAN_DIGEST_SHORT, kept->digest, when);
    json_array_foreach(changes, i, text)
        if (f->json)
            tg_buf_printf(within, "%s%s", i ? "; " : ": ", json_string_value(text));
        else
            fprintf(stderr, "  %s\n", json_string_value(text));
}

int tg_begin_check(struct tg_frame *f, const struct tg_plan *plan, struct tg_error *e)
{
    const char *wanted = tg_opt_text(f, "plan");
    struct tg_kept_plan kept;
    struct tg_buf within = TG_BUF_INIT;
    struct tg_error why = TG_ERROR_INIT;

    if (!wanted)
        return 0;
    if (strlen(wanted) < TG_PLAN_PREFIX_MIN)
        return tg_fail(e, TG_E_USAGE, "--plan \"%s\" is too short: at least %d characters of the digest", wanted, TG_PLAN_PREFIX_MIN);
    if (strncasecmp(plan->digest, wanted, strlen(wanted)) == 0)
        return 0;
    int rc = tg_plan_kept(f->store, wanted, TG_BEGIN_WAIT_MS, &kept, &why);
    if (!rc) {
        json_t *changes = tg_plan_changes(&kept, plan);
        tell_changes(f, &kept, changes, &within);
        json_decref(changes);
        tg_kept_plan_release(&kept);
    }
    tg_fail(e, TG_E_DATA, "the plan is not the one of --plan %.64s, its digest is %.*s%.400s", wanted, TG_PLAN_DIGEST_SHORT, plan->digest, tg_buf_text(&within));
    if (rc)
        tg_error_hint(e, "what has changed can't be told (%s); look again: tagout plan %s", why.message, f->argv[0]);
    else
        tg_error_hint(e, "look again: tagout plan %s", f->argv[0]);
    tg_buf_release(&within);
    return TG_E_DATA;
}

/* ---- yes ---- */

struct asker {
    const struct tg_frame *f;
    char who[256];
};

static bool may_approve(const void *data, const char *by)
{
    const struct asker *a = data;

    return !a->f->config->run_approval || !tg_same_person(a->who, by);
}

static const char *would_be(const struct tg_plan *plan)
{
    return plan->withdraws ? "be taken out of service" : "be changed";
}

/* Files the plan, so that somebody else finds it. */
static int refuse(struct tg_frame *f, const struct tg_plan *plan, const struct asker *a, size_t n, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT, damage = TG_ERROR_INIT;
    int kept = tg_plan_keep(f->store, plan, a->who, wall_ms(f), TG_BEGIN_WAIT_MS, &damage, &why);

    if (f->config->run_approval)
        tg_fail(e, TG_E_PERM, "%zu host%s would %s: this site wants a second person to approve that, and nobody has", n, n == 1 ? "" : "s", would_be(plan));
    else
        tg_fail(e, TG_E_PERM, "%zu host%s would %s: there is no terminal to ask at, and nobody has approved it", n, n == 1 ? "" : "s", would_be(plan));
    if (kept)
        tg_error_hint(e, "it can't be approved either, the plan could not be kept: %s", why.message);
    else if (f->config->run_approval)
        tg_error_hint(e, "somebody else types: tagout approve %.*s", TG_PLAN_DIGEST_SHORT, plan->digest);
    else
        tg_error_hint(e, "tagout approve %.*s, or --yes; with --plan DIGEST it is sure to be what you looked at", TG_PLAN_DIGEST_SHORT, plan->digest);
    return TG_E_PERM;
}

static int ask(struct tg_frame *f, const struct tg_plan *plan, size_t n, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    char answer[64] = "", wanted[32];
    int rc = tg_plan_text(plan, wall_ms(f), f->width, f->width, &text, e);

    if (!rc)
        fputs(tg_buf_text(&text), stdout);
    tg_buf_release(&text);
    if (rc)
        return rc;
    printf("\n%zu host%s will %s. Type the number of hosts to go on: ", n, n == 1 ? "" : "s", would_be(plan));
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    snprintf(wanted, sizeof wanted, "%zu", n);
    return strcmp(answer, wanted) == 0 ? 0 : tg_fail(e, TG_E_CANCELLED, "\"%.20s\" is not %s: nothing has been changed", answer, wanted);
}

static size_t changing_hosts(const struct tg_plan *plan)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n_stages; i++)
        n += plan->stages[i].dry_run ? 0 : plan->stages[i].count;
    return n;
}

int tg_begin_confirm(struct tg_frame *f, const struct tg_plan *plan, struct tg_error *e)
{
    struct asker a = {.f = f};
    struct tg_plan_approval approval;
    struct tg_error why = TG_ERROR_INIT;
    size_t n = changing_hosts(plan);
    bool second = f->config->run_approval;

    if (n == 0 || (tg_opt_flag(f, "yes") && !second))
        return 0;
    tg_cli_owner(f, a.who, sizeof a.who);
    int rc = tg_plan_use_approval(f->store, plan->digest, may_approve, &a, wall_ms(f), TG_BEGIN_WAIT_MS, &approval, &why);
    if (!rc) {
        if (!f->json)
            printf("Plan %.*s: approved by %s%s%s\n", TG_PLAN_DIGEST_SHORT, plan->digest, approval.by, approval.reason[0] ? ": " : "", approval.reason);
        return 0;
    }
    if (rc != TG_E_NOENT && (second || rc == TG_E_DATA)) { /* UNKNOWN is not yes */
        tg_fail(e, rc, "whether the plan is approved can't be told: %s", why.message);
        tg_error_hint(e, "%s", why.hint);
        return rc;
    }
    if (second || !isatty(STDIN_FILENO) || f->json)
        return refuse(f, plan, &a, n, e);
    return ask(f, plan, n, e);
}
