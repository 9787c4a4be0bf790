/* tagout announce send, test. */
#include "base/mailbox.h"
#include "cli/announce.h"
#include "cli/announce_sample.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/inventory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 15000    /* --watch: how often it looks for what is new, */
#define RELOAD_MS 300000 /* and reads an inventory whose file is the same */

/* ---- send ---- */

static void say_try(void *data, const struct tg_thread *t, const struct tg_recipient *r, enum tg_try outcome)
{
    static const char *const words[] = {[TG_TRY_SENT] = "sent", [TG_TRY_AGAIN] = "later", [TG_TRY_REFUSED] = "REFUSED", [TG_TRY_UNSURE] = "unsure"};
    static const enum tg_announce_kind kinds[TG_ROLES] = {[TG_ROLE_CONTACT] = TG_ANNOUNCE_KINDS, [TG_ROLE_NEW] = TG_ANNOUNCE_SCHEDULED, [TG_ROLE_FORMER] = TG_ANNOUNCE_FORMER};
    const struct tg_frame *f = data;

    if (f->json)
        return;
    printf("%-8s %-10s %s  %s%s%s\n", words[outcome], tg_announce_kind_name(kinds[r->role] < TG_ANNOUNCE_KINDS ? kinds[r->role] : t->message->kind), t->customer, r->to, outcome == TG_TRY_SENT ? "" : ": ", outcome == TG_TRY_SENT ? "" : r->text);
    fflush(stdout);
}

static json_t *stats_json(const struct tg_announce_stats *s)
{
    json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I}", "messages", (json_int_t) s->messages, "sent", (json_int_t) s->sent, "later", (json_int_t) s->again, "refused",
                          (json_int_t) s->refused, "unreadable", (json_int_t) s->bad, "unknown-customers", (json_int_t) s->strangers, "server-away", s->away, "contacts-left-out",
                          (json_int_t) s->left_out);

    if (o && s->next_ms > 1)
        json_object_set_new(o, "next", tg_cli_time_json(s->next_ms));
    if (o && s->why.code)
        json_object_set_new(o, "why", json_string(s->why.message));
    return o;
}

static void say_stats(const struct tg_frame *f, const struct tg_announce_stats *s)
{
    char at[64];

    if (s->sent || s->again || s->refused)
        printf("%zu sent%s", s->sent, s->again || s->refused ? "" : ".\n");
    if (s->again)
        printf(", %zu to be tried again%s", s->again, s->away ? " (the mail server is away)" : "");
    if (s->refused)
        printf(", %zu refused", s->refused);
    if (s->again || s->refused)
        printf("%s\n", s->refused ? ": tagout announce list" : ".");
    if (!s->sent && !s->again && !s->refused && s->next_ms > 1)
        printf("Nothing is due; next %s.\n", tg_cli_when(s->next_ms, tg_wall_ms(tg_loop_clock(f->loop)), at, sizeof at));
    else if (!s->sent && !s->again && !s->refused && !s->bad && !s->strangers)
        puts("Nothing is to be told.");
}

/* What a timer's unit is to fail by: what needs people. That the server is away is its own business, and told by doctor when it lasts. */
static int judge(const struct tg_announce_stats *s, struct tg_error *e)
{
    if (s->broken)
        return tg_fail(e, s->broken, "%s", s->why.message);
    if (s->bad || s->strangers) {
        tg_fail(e, s->bad ? TG_E_UNKNOWN : TG_E_DATA, "%s", s->why.message);
        return tg_error_hint(e, s->bad ? "the others were sent; tagout doctor looks at the store" : "mend the inventory, or: tagout announce drop NAME --reason TEXT"), e ? e->code : TG_E_DATA;
    }
    if (s->left_out) {
        tg_fail(e, TG_E_DATA, "%s", s->why.message);
        return tg_error_hint(e, "a mailing list as their one contact reaches all of them"), e ? e->code : TG_E_DATA;
    }
    if (s->refused)
        return tg_fail(e, TG_E_FAILED, "%zu were refused: tagout announce list, then retry or drop", s->refused);
    return s->again ? tg_fail(e, TG_E_HELD, "%zu could not be sent now, and will be tried again", s->again) : 0;
}

/* An old copy of the store would have it sent again. */
static int pass(struct tg_frame *f, struct tg_announce_run *run, struct tg_announce_stats *out, struct tg_error *e)
{
    int rc = tg_announce_pass(run, out, e);

    if (!rc && out->sent)
        tg_frame_tick_store(f);
    return rc;
}

static int send_once(struct tg_frame *f, struct tg_announce_run *run, struct tg_error *e)
{
    struct tg_announce_stats stats;
    int rc = pass(f, run, &stats, e);

    if (rc)
        return rc;
    if (f->json)
        rc = tg_print_json(stats_json(&stats), e);
    else
        say_stats(f, &stats);
    return rc ? rc : judge(&stats, e);
}

/* ---- what a sender that stays reads anew ---- */

struct file_mark {
    struct stat st;
    int64_t read_ms; /* monotonic */
};

/* What is wrong with what was to be read, and that the one before is kept. */
static void say_kept(struct tg_frame *f, const char *what, const struct tg_error *why, struct tg_problems *problems)
{
    struct tg_error kept = TG_ERROR_INIT;
    struct tg_problems own = f->problems;

    tg_fail(&kept, TG_E_CONFIG, "%.400s can't be used as it is now: the one before is kept", what);
    tg_print_error(f, &kept);
    f->problems = *problems;
    tg_print_error(f, why);
    *problems = f->problems;
    f->problems = own;
}

/* Templates and the password, each time: these are small. A mistake is told once. */
static void reread(struct tg_frame *f, struct tg_announce_run *run, struct tg_error *told)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_error why = TG_ERROR_INIT;

    if (tg_announce_reread(run, &problems, &why) && strcmp(why.message, told->message) != 0)
        say_kept(f, "a template, or the mail server's password,", &why, &problems);
    *told = why;
    tg_problems_release(&problems);
}

static bool is_other(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void mark(const struct tg_frame *f, struct file_mark *m)
{
    m->st = (struct stat) {.st_size = 0};
    if (f->config->inventory)
        (void) stat(f->config->inventory, &m->st);
    m->read_ms = tg_mono_ms(tg_loop_clock(f->loop));
}

/* Read anew when its file is another, and now and then: it may be a program, or name one. One with mistakes is told, and the one before stays. */
static void reload(struct tg_frame *f, struct tg_announce_run *run, struct file_mark *m)
{
    struct tg_problems problems = TG_PROBLEMS_INIT;
    struct tg_inventory *fresh = NULL;
    struct tg_error why = TG_ERROR_INIT;
    struct file_mark now;

    mark(f, &now);
    if (!f->config->inventory || (!is_other(&now.st, &m->st) && now.read_ms - m->read_ms < RELOAD_MS))
        return;
    bool told = is_other(&now.st, &m->st);
    *m = now;
    if (tg_inventory_load(f->config->inventory, &problems, &fresh, &why)) {
        char what[400];
        snprintf(what, sizeof what, "the inventory %.300s", f->config->inventory);
        say_kept(f, what, &why, &problems);
    } else {
        tg_inventory_free(f->inventory);
        f->inventory = fresh;
        run->inventory = run->place.inventory = fresh;
        run->audience[0] = '\0';
        if (told && !f->json)
            puts("The inventory has changed, and was read anew.");
        fflush(stdout);
    }
    tg_problems_release(&problems);
}

static int watch(struct tg_frame *f, struct tg_announce_run *run, struct tg_error *e)
{
    struct file_mark m;
    struct tg_error told = TG_ERROR_INIT; /* of what can't be read anew */
    bool stopped = false;
    int rc = 0;

    mark(f, &m);
    while (!rc && !stopped) {
        struct tg_announce_stats stats;
        struct tg_error why = TG_ERROR_INIT;
        int64_t until = tg_mono_ms(tg_loop_clock(f->loop)) + LOOK_MS, now;
        reload(f, run, &m);
        reread(f, run, &told);
        rc = pass(f, run, &stats, e);
        if (!rc && judge(&stats, &why) && why.code != TG_E_HELD)
            tg_print_error(f, &why);
        stopped = !rc && stats.stopped;
        while (!rc && !stopped && (now = tg_mono_ms(tg_loop_clock(f->loop))) < until)
            stopped = tg_loop_turn(f->loop, until - now) == TG_E_CANCELLED;
        if (!rc && tg_store_state(f->store) >= TG_SESSION_EXPIRED)
            rc = tg_fail(e, TG_E_SESSION, "the session with the store is over");
    }
    return rc;
}

int tg_announce_verb_send(struct tg_frame *f, struct tg_error *e)
{
    struct tg_announce_site site = {.url = NULL};
    struct tg_announce_run run = {.now = tg_opt_flag(f, "now"), .on_try = say_try, .data = f};
    char by[TG_OWNER_SIZE];
    int rc = tg_announce_store(f, &run.place, e);

    if (!rc)
        rc = tg_announce_ready(f, &site, &run, e);
    tg_cli_owner(f, by, sizeof by);
    if (!rc)
        rc = tg_announce_sit(&run.place, by, tg_wall_ms(tg_loop_clock(f->loop)), e);
    if (!rc)
        rc = tg_announce_take_clock(&run, e);
    if (!rc)
        rc = tg_announce_key(site.key_file, f->config->state_dir, &run.key, e);
    if (!rc) {
        tg_cli_catch_signals(f->loop);
        rc = tg_opt_flag(f, "watch") ? watch(f, &run, e) : send_once(f, &run, e);
        tg_loop_interrupt_clear(f->loop); /* its place goes with the session */
    }
    tg_announce_close_run(&run);
    tg_announce_site_release(&site);
    return rc;
}

/* ---- test ---- */

/* An address, also as contacts have it: with a name. Where webhooks are meant, and what is none, stays as it is. */
static int test_to(const char *text, char *out, size_t size, struct tg_error *e)
{
    const char *address = text;
    size_t len = strlen(text), name;

    if (strncmp(text, "webhook:", 8) != 0 && !tg_mailbox_split(text, &address, &len, &name)) {
        tg_fail(e, TG_E_USAGE, "\"%.200s\" is no mail address", text);
        tg_error_hint(e, "such as ops@example.com, or webhook:NAME");
        return TG_E_USAGE;
    }
    snprintf(out, size, "%.*s", (int) len, address);
    return 0;
}

static int knows_webhook(const struct tg_announce_site *site, const char *to, struct tg_error *e)
{
    if (strncmp(to, "webhook:", 8) != 0 || tg_announce_webhook(site, to + 8))
        return 0;
    tg_fail(e, TG_E_USAGE, "there is no webhook \"%.40s\"", to + 8);
    return tg_error_hint(e, "announce.webhooks of the configuration has them by their names"), TG_E_USAGE;
}

int tg_announce_verb_test(struct tg_frame *f, struct tg_error *e)
{
    struct tg_announce_site site = {.url = NULL};
    struct tg_announce_run run = {.realm = "test"};
    struct tg_thread *t = NULL;
    enum tg_delivered outcome = TG_DELIVERY_AGAIN;
    char text[512], to[TG_ANNOUNCE_ADDRESS_SIZE];
    int rc = test_to(f->argv[1], to, sizeof to, e);

    run.loop = f->loop;
    run.site = &site;
    if (!rc)
        rc = tg_announce_site_read(f->config->announce, &f->problems, &site, e);
    if (!rc)
        rc = knows_webhook(&site, f->argv[1], e);
    if (!rc)
        rc = tg_announce_open(&run, &f->problems, e);
    if (!rc)
        rc = tg_announce_sample(TG_ANNOUNCE_SCHEDULED, to, tg_wall_ms(tg_loop_clock(f->loop)), &t, e);
    if (!rc)
        rc = tg_announce_try(&run, t, to, &outcome, text, sizeof text, e);
    tg_thread_free(t);
    tg_announce_close_run(&run);
    tg_announce_site_release(&site);
    if (rc)
        return rc;
    if (outcome != TG_DELIVERED)
        return tg_fail(e, outcome == TG_DELIVERY_BROKEN ? TG_E_CONFIG : TG_E_FAILED, "%.200s: %s", to, text);
    if (f->json)
        return tg_print_json(json_pack("{s:s,s:s}", "to", to, "answer", text), e);
    printf("Sent to %s: %s\n", to, text);
    return 0;
}
