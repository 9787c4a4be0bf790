/* tagout budget set, remove, reset: what may be disrupted in how long. */
#include "cli/commands.h"

#include "cli/guarding.h"
#include "fleet/inventory.h"
#include "guard/budget.h"

#include <string.h>

static const struct tg_opt set_opts[] = {
    {.name = "at-most", .letter = 'm', .type = TG_OPT_STRING, .arg = "N|SHARE", .text = "How many: a number, or a share of the members such as 5%, rounded down. Required"},
    {.name = "of", .type = TG_OPT_STRING, .arg = "SCOPE", .text = "Whose members are disrupted: a group, the fleet, or a service. Required", .complete = "scope"},
    {.name = "per", .letter = 'p', .type = TG_OPT_DURATION, .arg = "TIME", .text = "The sliding window, 1s to 31d. Required"},
    {.name = "brake", .letter = 'b', .type = TG_OPT_STRING, .arg = "SHARE",
     .text = "Refuse an actor whose picture of the members has shrunk by more than this share without anybody having charged for it. Must be more than --at-most's share"},
    {.name = "for", .letter = 'f', .type = TG_OPT_LIST, .arg = "ACTOR,…",
     .text = "Charge these actors for every exec in the scope, whether they name the budget or not", .complete = "actor"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why, for the log"},
    {.name = NULL},
};

static const struct tg_opt reason_opts[] = {
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why, for the log. Required"},
    {.name = NULL},
};

static const struct tg_opt reset_opts[] = {
    {.name = "picture", .type = TG_OPT_FLAG, .text = "Forget how many members there were: the next asker's picture is believed"},
    {.name = "charges", .type = TG_OPT_FLAG, .text = "Forget what was charged: the whole budget is free again. This machine's own count goes with it, other machines' do not"},
    {.name = "reason", .letter = 'r', .type = TG_OPT_STRING, .arg = "TEXT", .text = "Why, for the log. Required"},
    {.name = NULL},
};

static int take_share(const struct tg_frame *f, const char *option, struct tg_share *out, struct tg_error *e)
{
    const char *text = tg_opt_text(f, option);

    if (!text)
        return 0;
    if (!tg_share_parse(text, out) || out->value == 0) {
        tg_fail(e, TG_E_USAGE, "--%s \"%.40s\" is neither a number of members nor a share", option, text);
        return tg_error_hint(e, "such as 5%% or 3"), TG_E_USAGE;
    }
    return 0;
}

static int take_brake(const struct tg_budget *b, struct tg_error *e)
{
    if (b->brake.kind == TG_SHARE_UNSET)
        return 0;
    if (b->brake.kind != TG_SHARE_PERCENT)
        return tg_fail(e, TG_E_USAGE, "--brake is a share, such as 20%%");
    if (b->of.kind == TG_SCOPE_SERVICE)
        return 0;
    if (b->at_most.kind == TG_SHARE_PERCENT && b->brake.value <= b->at_most.value) {
        tg_fail(e, TG_E_USAGE, "the brake would act on what the budget allows: it must be more than --at-most's share");
        return TG_E_USAGE;
    }
    return 0;
}

/* A host is one member: what may happen to it is a number of times. */
static int refuse_share_of_host(const struct tg_budget *b, struct tg_error *e)
{
    if (b->of.kind != TG_SCOPE_HOST || (b->at_most.kind != TG_SHARE_PERCENT && b->brake.kind == TG_SHARE_UNSET))
        return 0;
    tg_fail(e, TG_E_USAGE, "host:%s is one member: there is no share of it", b->of.name);
    return tg_error_hint(e, "give a number of times, such as --at-most 1 --per 1d, or a group"), TG_E_USAGE;
}

static int take_terms(struct tg_frame *f, struct tg_budget *b, struct tg_error *e)
{
    const char *const *actors;
    const char *of = tg_opt_text(f, "of");
    size_t n = tg_opt_list(f, "for", &actors);
    int rc = tg_budget_name_check(f->argv[0], e);

    if (rc)
        return rc;
    snprintf(b->name, sizeof b->name, "%s", f->argv[0]);
    b->per_ms = tg_opt_ms(f, "per");
    if (!of || !tg_opt_given(f, "at-most") || !tg_opt_given(f, "per"))
        return tg_fail(e, TG_E_USAGE, "how many, of what, in how long? --at-most 5%% --of group:web --per 10m");
    if (b->per_ms < TG_BUDGET_PER_MIN_MS || b->per_ms > TG_BUDGET_PER_MAX_MS)
        return tg_fail(e, TG_E_USAGE, "--per %s: it must be 1s to 31d", tg_opt_text(f, "per"));
    if ((rc = take_share(f, "at-most", &b->at_most, e)) != 0 || (rc = take_share(f, "brake", &b->brake, e)) != 0)
        return rc;
    if ((rc = tg_scope_parse(of, &b->of, e)) != 0)
        return rc;
    if (n > TG_HOLD_MAX)
        return tg_fail(e, TG_E_USAGE, "at most %d actors", TG_HOLD_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((rc = tg_actor_check(actors[i], e)) != 0)
            return rc;
        snprintf(b->actors[b->n_actors++], TG_ACTOR_SIZE, "%s", actors[i]);
    }
    rc = refuse_share_of_host(b, e);
    return rc ? rc : take_brake(b, e);
}

/* A name that the inventory does not know is hardly meant. *out_members: how many it has there; -1 not known. */
static int prove_of(const struct tg_frame *f, const struct tg_budget *b, int64_t *out_members, struct tg_error *e)
{
    struct tg_scope of = {.kind = b->of.kind};

    memcpy(of.name, b->of.name, sizeof of.name);
    int rc = tg_scope_resolve(&of, f->inventory, e);
    size_t n = of.host_set.n;
    if (!rc && f->inventory && b->of.kind == TG_SCOPE_FLEET)
        (void) tg_inventory_hosts(f->inventory, &n);
    *out_members = rc || !f->inventory || b->of.kind == TG_SCOPE_SERVICE ? -1 : (int64_t) n;
    tg_scope_release(&of);
    return rc;
}

/* What a share is now; one of few members is none, and nobody would hear of it before a command is refused. */
static void say_share(const struct tg_budget *b, int64_t members)
{
    if (b->at_most.kind != TG_SHARE_PERCENT || members < 0)
        return;
    int64_t limit = tg_share_within(&b->at_most, members);
    printf("That is %lld of the %lld that the inventory has now.\n", (long long) limit, (long long) members);
    if (limit == 0)
        fprintf(stderr, "tagout: warning: the share of %lld is less than one, so everything that counts for it is refused\n  give a number: --at-most 1\n",
                (long long) members);
}

static int say_set(struct tg_frame *f, const struct tg_budget *b, int64_t members, struct tg_error *e)
{
    char per[32], of[TG_SCOPE_TEXT_SIZE];

    if (f->json) {
        json_t *o = json_pack("{s:s,s:b}", "budget", b->name, "set", 1);
        if (o && members >= 0)
            json_object_set_new(o, "limit", json_integer((json_int_t) tg_share_within(&b->at_most, members)));
        return tg_print_json(o, e);
    }
    tg_duration_format(b->per_ms, per, sizeof per);
    printf("Budget %s: at most %s of %s in %s%s%s.\n", b->name, tg_opt_text(f, "at-most"), tg_scope_format(&b->of, of, sizeof of), per,
           b->n_actors ? ", counted for " : "; it counts when an exec names it with --budget", b->n_actors ? tg_opt_text(f, "for") : "");
    say_share(b, members);
    return 0;
}

static int run_set(struct tg_frame *f, struct tg_error *e)
{
    struct tg_budget b = {.version = 0};
    struct tg_guard g = tg_cli_guard(f, 0);
    char owner[TG_OWNER_SIZE];
    const char *why = tg_opt_text(f, "reason");
    int64_t members = -1;

    tg_cli_owner(f, owner, sizeof owner);
    int rc = take_terms(f, &b, e);
    if (!rc)
        rc = prove_of(f, &b, &members, e);
    if (!rc)
        rc = tg_budget_set(&g, &b, owner, why ? why : "", e);
    if (!rc)
        rc = say_set(f, &b, members, e);
    tg_budget_clear(&b);
    return rc;
}

/* NULL, and the error set, when there is none. */
static const char *reason_of(const struct tg_frame *f, struct tg_error *e)
{
    const char *why = tg_opt_text(f, "reason");
    char copy[TG_REASON_SIZE];

    if (!why || strspn(why, " \t") == strlen(why)) {
        tg_fail(e, TG_E_USAGE, "why? --reason \"TEXT\"");
        return NULL;
    }
    return tg_text_copy("reason", why, copy, sizeof copy, e) == 0 ? why : NULL;
}

static int run_remove(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    char owner[TG_OWNER_SIZE];
    const char *why = reason_of(f, e);

    if (!why)
        return TG_E_USAGE;
    tg_cli_owner(f, owner, sizeof owner);
    int rc = tg_budget_remove(&g, f->argv[0], owner, why, e);
    if (!rc && f->json)
        return tg_print_json(json_pack("{s:s,s:b}", "budget", f->argv[0], "removed", 1), e);
    if (!rc)
        printf("Budget %s is gone: nothing counts for it any more.\n", f->argv[0]);
    return rc;
}

static int run_reset(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    char owner[TG_OWNER_SIZE];
    bool charges = tg_opt_flag(f, "charges"), picture = tg_opt_flag(f, "picture");
    const char *why = reason_of(f, e);

    if (!why)
        return TG_E_USAGE;
    if (!charges && !picture)
        return tg_fail(e, TG_E_USAGE, "forget what? --picture, --charges, or both");
    tg_cli_owner(f, owner, sizeof owner);
    int rc = tg_budget_reset(&g, f->argv[0], (charges ? TG_BUDGET_CHARGES : 0u) | (picture ? TG_BUDGET_PICTURE : 0u), owner, why, e);
    if (!rc && f->json)
        return tg_print_json(json_pack("{s:s,s:b,s:b}", "budget", f->argv[0], "charges", charges, "picture", picture), e);
    if (!rc)
        printf("Budget %s: forgot %s.\n", f->argv[0], charges && picture ? "the charges and the picture" : charges ? "the charges" : "the picture");
    return rc;
}

const struct tg_cmd tg_cmd_budget_set = {
    .name = "budget set",
    .args = "NAME --at-most N|SHARE --of SCOPE --per TIME",
    .brief = "cap how much automation may disrupt in how long",
    .details = "Makes the budget NAME, or changes its terms and keeps what was charged. tagout exec --budget NAME[=N] charges it, and every exec of the actors "
               "of --for does whose scopes overlap SCOPE. When it is spent the command is not started.",
    .examples = "  $ tagout budget set web-removals --at-most 5% --of group:web --per 10m --brake 20% --for autoscaler\n"
                "  $ tagout exec --actor autoscaler service:autoscaler --budget web-removals=2 --members 96 -- scale-in.sh\n",
    .opts = set_opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .exec = run_set,
};

const struct tg_cmd tg_cmd_budget_remove = {
    .name = "budget remove",
    .args = "NAME --reason TEXT",
    .brief = "remove a budget",
    .details = "Nothing counts for it any more. An exec that names it is refused.",
    .examples = "  $ tagout budget remove web-removals --reason \"the group is gone\"\n",
    .opts = reason_opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .exec = run_remove,
};

const struct tg_cmd tg_cmd_budget_reset = {
    .name = "budget reset",
    .args = "NAME [--picture] [--charges] --reason TEXT",
    .brief = "forget a budget's picture or its charges",
    .details = "When the brake has stopped an actor and the members are really gone, --picture lets the next one be believed. --charges frees the whole budget.",
    .examples = "  $ tagout budget reset web-removals --picture --reason \"half of web moved to the other site (OPS-77)\"\n",
    .opts = reset_opts,
    .min_args = 1,
    .max_args = 1,
    .needs = TG_NEED_STORE,
    .exec = run_reset,
};
