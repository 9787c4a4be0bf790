/* tagout return: brings back what a run has taken out of service. See engine/withdraw.h. */
#include "cli/commands.h"
#include "cli/driving.h"
#include "cli/guarding.h"
#include "cli/mending.h"
#include "cli/steering.h"
#include "config/site.h"
#include "engine/holds.h"
#include "engine/linked.h"
#include "engine/withdraw.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct tg_opt opts[] = {
    {.name = "unverified", .type = TG_OPT_FLAG, .text = "Does not verify hosts first: you have looked, and vouch for them"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why: it stands in the journal"},
    TG_DRIVING_OPTS,
    {.name = NULL},
};

#define HELD_TOLD_MAX 20

/* One run that has hosts out of service, and those that are wanted back. */
struct batch {
    char id[TG_RUN_ID_SIZE];
    size_t *hosts, n;
};

struct wanting {
    struct tg_frame *f;
    struct tg_hostlist names; /* none: all of them */
    bool *met;                /* by name: it is out of service */
    struct batch batches[TG_LINKED_MAX];
    size_t n_batches, n_hosts;
    size_t n_held;            /* that others hold: they stay out */
    bool vouched, only_count; /* only_count: nobody is asked who holds them */
    const char *reason;       /* or NULL */
    const char *borne;        /* by a run that mends: the tokens of the withdrawals that are its own. Or NULL. Secret */
    struct tg_folder *folder;
};

static void release(struct wanting *w)
{
    for (size_t i = 0; i < w->n_batches; i++)
        free(w->batches[i].hosts);
    tg_hostlist_release(&w->names);
    tg_folder_free(w->folder);
    free(w->met);
}

/* ---- which hosts ---- */

static bool is_named(struct wanting *w, const char *host)
{
    size_t low = 0, high = w->names.n;

    while (low < high) {
        size_t at = low + (high - low) / 2;
        int order = tg_name_compare(tg_hostlist_get(&w->names, at), host);
        if (order == 0) {
            w->met[at] = true;
            return true;
        }
        if (order < 0)
            low = at + 1;
        else
            high = at;
    }
    return w->names.n == 0;
}

static int read_names(struct wanting *w, struct tg_error *e)
{
    int rc = 0;

    for (int i = 1; !rc && i < w->f->argc; i++) {
        rc = tg_nodeset_expand(w->f->argv[i], strlen(w->f->argv[i]), &w->names, e);
        if (rc == TG_E_DATA) {
            tg_error_prefix(e, "\"%.100s\"", w->f->argv[i]);
            rc = e->code = TG_E_USAGE;
        }
    }
    if (!rc)
        rc = tg_hostlist_sort(&w->names, e);
    w->met = calloc(w->names.n + 1, sizeof *w->met);
    return rc ? rc : w->met ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* What is being returned already goes on, and takes new ones with it. */
static int may_return(struct tg_frame *f, const char *id, const struct tg_journal *j, const struct tg_run *run, struct tg_error *e)
{
    if (run->state == TG_RUN_ENDED || run->state == TG_RUN_SETTLING)
        return 0;
    tg_fail(e, TG_E_FAILED, "run %s has not ended: it is %s", id, tg_run_state_name(run->state));
    tg_following_say_how_to_end(f, id, j, run, e);
    return TG_E_FAILED;
}

/* Who holds a host may be at work on it; and that it is out of service may be what he relies on. */
static bool is_held(struct wanting *w, struct tg_holds *holds, const char *host)
{
    char why[512];
    int code;

    if (tg_hold_ask(holds, host, why, sizeof why, &code) == TG_HOLD_GO)
        return false;
    if (!w->n_held++ || w->n_held <= HELD_TOLD_MAX)
        fprintf(stderr, "tagout: %s stays out of service: %s\n", host, why);
    return true;
}

static int add_hosts(struct wanting *w, struct batch *b, const struct tg_run *run, struct tg_holds *holds, struct tg_error *e)
{
    int rc = 0;

    b->hosts = calloc(run->plan->n_hosts + 1, sizeof *b->hosts);
    if (!b->hosts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < run->plan->n_hosts; i++) {
        enum tg_host_state state = run->hosts[i].state;
        bool half = state != TG_HOST_RETURNED && run->hosts[i].end == TG_HOST_RETURNED; /* who was at it has died, or could not undo its drain */
        bool out = state == TG_HOST_WITHDRAWN || state == TG_HOST_TO_RETURN || state == TG_HOST_RETURNING || half;
        if (!out || !is_named(w, run->plan->hosts[i].name))
            continue;
        if (state == TG_HOST_WITHDRAWN && !w->only_count && is_held(w, holds, run->plan->hosts[i].name))
            continue;
        b->hosts[b->n++] = i;
        rc = tg_folder_add(w->folder, run->plan->hosts[i].name, e);
    }
    w->n_hosts += b->n;
    return rc;
}

void tg_cli_return_tokens(const struct tg_run_tokens *tokens, bool given, char *out, size_t size)
{
    const char *more = given ? getenv("TAGOUT_TOKEN") : NULL;

    snprintf(out, size, "%s%s%.1024s", tokens->all, more && more[0] ? "," : "", more ? more : "");
}

/* The withdrawal's own locks, and what the caller has a token of, are in nobody's way. */
static int add_free_hosts(struct wanting *w, struct batch *b, struct tg_journal *j, const struct tg_run *run, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    struct tg_holds *holds = NULL;
    char all[sizeof tokens.all + 1026];
    int rc = tg_journal_tokens(j, &tokens, e);

    tg_cli_return_tokens(&tokens, true, all, sizeof all);
    const struct tg_holds_options o = {.store = w->f->store, .inventory = w->f->inventory, .state_dir = w->f->config->state_dir, .wait_ms = TG_FOLLOWING_WAIT_MS, .run = j->id,
                                       .owner = j->by, .reason = "return", .token = tokens.own, .tokens = all};
    if (!rc)
        rc = tg_holds_new(&o, &holds, e);
    if (!rc)
        rc = add_hosts(w, b, run, holds, e);
    tg_holds_free(holds);
    explicit_bzero(&tokens, sizeof tokens);
    explicit_bzero(all, sizeof all);
    return rc;
}

/* 1 it is, 0 it is not: a withdrawal behind the run that mends. */
static int is_meant(const struct wanting *w, struct tg_journal *j, struct tg_error *e)
{
    struct tg_run_tokens tokens = {0};
    int rc = w->borne ? tg_journal_tokens(j, &tokens, e) : 0;
    bool meant = !w->borne || (!rc && strstr(w->borne, tokens.own));

    explicit_bzero(&tokens, sizeof tokens);
    return rc ? rc : meant;
}

static int look_at(struct wanting *w, const char *id, struct tg_error *e)
{
    struct tg_journal *j = NULL;
    struct tg_plan *plan = NULL;
    struct tg_run *run = NULL;
    struct batch *b = &w->batches[w->n_batches];
    int rc = tg_journal_load(w->f->store, id, TG_FOLLOWING_WAIT_MS, &j, &plan, &run, e);

    if (!rc && !w->only_count)
        rc = may_return(w->f, id, j, run, e);
    if (!rc && (rc = is_meant(w, j, e)) > 0)
        rc = add_free_hosts(w, b, j, run, e);
    if (b->n) {
        snprintf(b->id, sizeof b->id, "%s", id);
        w->n_batches++;
    } else {
        free(b->hosts);
        b->hosts = NULL;
    }
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    return rc;
}

/* id: of the run whose hosts were withdrawn, or of that which has withdrawn them. */
static int look(struct wanting *w, const char *id, struct tg_error *e)
{
    struct tg_following u;
    struct tg_withdrawn withdrawn = {.n = 0};
    char name[TG_RUN_ID_SIZE];
    int rc = tg_following_load(w->f, id, &u, e);
    bool itself = !rc && u.plan->withdraws;

    if (!rc && !itself)
        rc = tg_withdrawn_look(w->f->store, id, u.run, TG_FOLLOWING_WAIT_MS, &withdrawn, e);
    for (int i = 1; !rc && !itself && i <= TG_LINKED_MAX; i++)
        if (withdrawn.holds[i]) {
            tg_withdrawn_id(id, i, name);
            rc = look_at(w, name, e);
        }
    if (!rc && itself)
        rc = look_at(w, id, e);
    tg_withdrawn_release(&withdrawn);
    tg_following_release(&u);
    return rc;
}

static int check_names(const struct wanting *w, const char *id, struct tg_error *e)
{
    for (size_t i = 0; i < w->names.n; i++)
        if (!w->met[i]) {
            tg_fail(e, TG_E_NOENT, "%s is not out of service by %s", tg_hostlist_get(&w->names, i), id);
            tg_error_hint(e, "look which are: tagout status %s", id);
            return TG_E_NOENT;
        }
    if (w->n_hosts)
        return 0;
    if (w->n_held) {
        tg_fail(e, TG_E_HELD, "nobody is brought back: %zu host%s held by others", w->n_held, w->n_held == 1 ? " is" : "s are");
        tg_error_hint(e, "look who: tagout locks");
        return TG_E_HELD;
    }
    tg_fail(e, TG_E_NOENT, "no host is out of service by %s", id);
    tg_error_hint(e, "look at it: tagout status %s", id);
    return TG_E_NOENT;
}

/* ---- yes ---- */

static int confirm(struct wanting *w, struct tg_error *e)
{
    struct tg_buf names = TG_BUF_INIT;
    char answer[64] = "", wanted[32];
    const char *verified = tg_opt_flag(w->f, "unverified") ? "without being verified" : "each once it is verified";

    if (tg_opt_flag(w->f, "yes"))
        return 0;
    if (!isatty(STDIN_FILENO) || w->f->json) {
        tg_fail(e, TG_E_PERM, "%zu host%s would be brought back into service: there is no terminal to ask at", w->n_hosts, w->n_hosts == 1 ? "" : "s");
        tg_error_hint(e, "--yes");
        return TG_E_PERM;
    }
    tg_folder_print(w->folder, &names, NULL);
    printf("%s\n%zu host%s will be brought back into service, %s. Type the number of hosts to go on: ", tg_buf_text(&names), w->n_hosts, w->n_hosts == 1 ? "" : "s", verified);
    tg_buf_release(&names);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    snprintf(wanted, sizeof wanted, "%zu", w->n_hosts);
    return strcmp(answer, wanted) == 0 ? 0 : tg_fail(e, TG_E_CANCELLED, "\"%.20s\" is not %s: nothing has been brought back", answer, wanted);
}

/* One run after another; what one of them can't bring back does not keep the others. */
static int drive_all(struct wanting *w, struct tg_error *e)
{
    int rc = 0, status = w->n_held > 0;

    for (size_t i = 0; !rc && i < w->n_batches; i++) {
        const struct batch *b = &w->batches[i];
        const struct tg_cli_returns returns = {.hosts = b->hosts, .n = b->n, .vouched = w->vouched, .reason = w->reason};
        rc = tg_cli_drive_returns(w->f, b->id, &returns, e);
        status = w->f->status ? w->f->status : status;
    }
    w->f->status = status;
    return rc;
}

static int return_exec(struct tg_frame *f, struct tg_error *e)
{
    struct wanting w = {.f = f, .names = TG_HOSTLIST_INIT, .vouched = tg_opt_flag(f, "unverified")};
    const char *id = f->argv[0];
    struct tg_steering words;
    int rc = tg_cli_run_id(id, e);

    if (!rc)
        rc = tg_steering_words(f, &words, e);
    w.reason = !rc && words.reason[0] ? words.reason : NULL;

    if (!rc)
        rc = tg_folder_new(&w.folder, e);
    if (!rc)
        rc = read_names(&w, e);
    if (!rc)
        rc = look(&w, id, e);
    if (!rc)
        rc = check_names(&w, id, e);
    if (!rc)
        rc = confirm(&w, e);
    if (!rc)
        rc = drive_all(&w, e);
    release(&w);
    return rc;
}

/* ---- behind a run that mends ---- */

static int take_mended(struct wanting *w, const struct tg_run *run, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < run->plan->n_hosts; i++)
        if (run->hosts[i].state == TG_HOST_DONE)
            rc = tg_hostlist_add(&w->names, run->plan->hosts[i].name, strlen(run->plan->hosts[i].name), e);
    if (!rc)
        rc = tg_hostlist_sort(&w->names, e);
    w->met = calloc(w->names.n + 1, sizeof *w->met);
    return rc ? rc : w->met ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int look_for_mended(struct wanting *w, struct tg_journal *j, const struct tg_run *run, struct tg_run_tokens *tokens, struct tg_error *e)
{
    int rc = tg_folder_new(&w->folder, e);

    if (!rc)
        rc = tg_journal_tokens(j, tokens, e);
    w->borne = tokens->all;
    if (!rc)
        rc = take_mended(w, run, e);
    return rc || !w->names.n ? rc : look(w, run->plan->mends, e);
}

int tg_cli_mended_out(struct tg_frame *f, struct tg_journal *j, const struct tg_run *run, size_t *out_n, struct tg_error *e)
{
    struct wanting w = {.f = f, .names = TG_HOSTLIST_INIT, .only_count = true};
    struct tg_run_tokens tokens = {0};
    int rc = look_for_mended(&w, j, run, &tokens, e);

    *out_n = w.n_hosts;
    release(&w);
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}

int tg_cli_return_mended(struct tg_frame *f, struct tg_journal *j, const struct tg_run *run, struct tg_error *e)
{
    char reason[TG_RUN_ID_SIZE + 32];
    struct wanting w = {.f = f, .names = TG_HOSTLIST_INIT, .vouched = run->plan->n_verify > 0, .reason = reason};
    struct tg_run_tokens tokens = {0};

    snprintf(reason, sizeof reason, "%s has verified it", j->id);
    int rc = look_for_mended(&w, j, run, &tokens, e);
    if (!rc && !w.n_hosts && !w.n_held)
        rc = tg_fail(e, TG_E_NOENT, "none of what %s has mended is out of service", j->id);
    if (!rc && w.n_hosts && !f->json)
        printf("Brings back %zu host%s of %s: %s\n", w.n_hosts, w.n_hosts == 1 ? "" : "s", run->plan->mends, reason);
    if (!rc)
        rc = drive_all(&w, e);
    release(&w);
    explicit_bzero(&tokens, sizeof tokens);
    return rc;
}

const struct tg_cmd tg_cmd_return = {
    .name = "return",
    .args = "RUN [HOST…]",
    .brief = "bring back what a run has taken out of service",
    .details = "Goes over the hosts that were withdrawn (tagout withdraw, or then: withdraw in the rollout): all of them, or those named. Each is verified as the rollout "
               "says; then its drain is undone, and its lock goes. A host that does not verify stays out of service. As many at once as limits.running says.",
    .examples = "  $ tagout return openssl-20261122-1\n  $ tagout return openssl-20261122-1 'web[001-003].example.com' --unverified --reason \"mended by hand\"\n",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "run",
    .exec = return_exec,
};
