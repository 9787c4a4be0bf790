/* tagout log: who locked, extended, released and broke what. */
#include "cli/commands.h"

#include "base/shown.h"
#include "cli/guarding.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "number", .letter = 'n', .type = TG_OPT_INT, .arg = "N", .value = "50", .text = "At most the newest N entries"},
    {.name = "since", .type = TG_OPT_DURATION, .arg = "TIME", .text = "Not older than this, such as 2d"},
    {.name = NULL},
};

static const char *verb_for_people(const char *verb)
{
    static const struct { const char *verb, *shown; } words[] = {{"lock", "locked"}, {"unlock", "released"}, {"break", "BROKE"}, {"extend", "extended"},
                                                                 {"withdraw", "withdrew"}, {"expire", "expired"}, {"token", "took a token of"}, {"in-flight", "saw in flight under"},
                                                                 {"ask", "asked to break"}, {"budget", "set"}, {"budget-reset", "reset"},
                                                                 {"budget-remove", "removed"},
                                                                 {"req-submit", "requested"}, {"req-cancel", "cancelled"}, {"req-postpone", "put off"},
                                                                 {"req-hold", "leaves to a person"}, {"req-begin", "began"}, {"req-done", "finished"}, {"req-fail", "failed at"},
                                                                 {"forget-agent", "forgot the agent of"}, {"move-begin", "began to move"}, {"move-copy", "copied, moving"},
                                                                 {"move-verify", "compared, moving"}, {"move-complete", "completes moving"},
                                                                 {"move-back", "takes back moving"}, {"move-live", "has moved"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].verb, verb) == 0)
            return words[i].shown;
    return verb;
}

/* A budget is written as a lock without an id of its own: its name stands where a lock's ticket does. */
static bool is_budget(const struct tg_audit_entry *a)
{
    return strcmp(a->lock, "budget") == 0;
}

static void print_entry(const struct tg_audit_entry *a)
{
    char at[40], scopes[TG_SCOPE_TEXT_SIZE + 16], until[40];
    const char *budget = is_budget(a) ? a->ticket : "", *ticket = is_budget(a) ? "" : a->ticket;
    bool others = strcmp(a->owner, a->of) != 0, ends = strcmp(a->verb, "lock") == 0 || strcmp(a->verb, "extend") == 0;

    tg_time_format(a->at_ms - a->at_ms % 1000, at, sizeof at);
    tg_time_format(a->until_ms - a->until_ms % 1000, until, sizeof until);
    struct tg_buf b = TG_BUF_INIT;
    tg_buf_printf(&b, "%s  %s %s %s%s%s%s%s", at, a->owner, verb_for_people(a->verb), a->lock, budget[0] ? " " : "", budget, a->lock[0] || budget[0] ? " " : "",
                  tg_scopes_format(&a->scopes, scopes, sizeof scopes));
    if (others)
        tg_buf_printf(&b, " of %s", a->of);
    if (ends)
        tg_buf_printf(&b, " until %s", until);
    if (a->reason[0])
        tg_buf_printf(&b, ": %s", a->reason);
    tg_buf_printf(&b, "%s%s%s", ticket[0] ? " (" : "", ticket, ticket[0] ? ")" : "");
    struct tg_buf shown = TG_BUF_INIT;
    tg_shown(&shown, tg_buf_text(&b));
    puts(tg_buf_text(&shown));
    tg_buf_release(&shown);
    tg_buf_release(&b);
}

static json_t *entry_json(const struct tg_audit_entry *a)
{
    return json_pack("{s:o,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "at", tg_cli_time_json(a->at_ms), "txid", (json_int_t) a->txid, "verb", a->verb,
                     "lock", a->lock, "owner", a->owner, "of", a->of, "reason", a->reason, "ticket", a->ticket, "until",
                     tg_cli_time_json(a->until_ms), "scopes", tg_cli_scopes_json(&a->scopes));
}

static int print_all(const struct tg_frame *f, const struct tg_audit *audit, struct tg_error *e)
{
    json_t *list = f->json ? json_array() : NULL;

    if (!f->json && !audit->n)
        puts("Nothing has happened there.");
    if (!f->json && audit->more)
        puts("… (older ones: --number)");
    for (size_t i = 0; i < audit->n; i++)
        if (f->json)
            json_array_append_new(list, entry_json(&audit->v[i]));
        else
            print_entry(&audit->v[i]);
    return f->json ? tg_print_json(list, e) : 0;
}

static int run_log(struct tg_frame *f, struct tg_error *e)
{
    struct tg_guard g = tg_cli_guard(f, 0);
    struct tg_scopes scopes = TG_SCOPES_INIT;
    struct tg_audit audit;
    int64_t since = tg_opt_ms(f, "since"), n = tg_opt_int(f, "number");
    int rc = f->argc ? tg_cli_scopes(f->inventory, f->argv, f->argc, &scopes, e) : 0;

    if (!rc && (n < 1 || n > 100000))
        rc = tg_fail(e, TG_E_USAGE, "--number %lld: 1 to 100000", (long long) n);
    if (!rc)
        rc = tg_frame_prove_store(f, e);
    if (!rc)
        rc = tg_audit_read(&g, &scopes, since < 0 ? 0 : tg_wall_ms(tg_loop_clock(f->loop)) - since, (size_t) n, &audit, e);
    tg_scopes_release(&scopes);
    if (rc)
        return rc;
    rc = print_all(f, &audit, e);
    tg_audit_release(&audit);
    return rc;
}

const struct tg_cmd tg_cmd_log = {
    .name = "log",
    .args = "[SCOPE…]",
    .brief = "show who locked, extended, released and broke what",
    .details = "The audit of locks, newest last. Each entry was written in the same transaction as the deed.",
    .examples = "  $ tagout log host:web1.example.com\n  $ tagout log --since 2d -o json\n",
    .opts = opts,
    .min_args = 0,
    .max_args = TG_SCOPES_MAX,
    .needs = TG_NEED_STORE | TG_WANT_INVENTORY,
    .complete = "scope",
    .exec = run_log,
};
