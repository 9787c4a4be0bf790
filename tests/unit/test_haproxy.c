/*
 * The module "haproxy": what it decides, against load balancers of the test's own that are made of text (pure), and how its connections bear servers
 * that are none. The real HAProxy: tests/scenario/around-haproxy.sh.
 */
#include "../../plugins/haproxy/answer.c"
#include "../../plugins/haproxy/decide.c"
#include "../../plugins/haproxy/op.c"
#include "../../plugins/haproxy/params.c"
#include "../../plugins/haproxy/record.c"
#include "lib/complaints.h"

#include <tagout/module.h>

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a load balancer of text */

#define SERVERS 3
struct fake {
    int64_t pid, start;
    unsigned admin[SERVERS]; /* of web1 … */
    int up[SERVERS], weight[SERVERS], sessions[SERVERS];
    enum tg_haproxy_came came, order_came; /* nothing but ANSWERED: it is away, or silent */
    bool follows_silently;   /* SILENT, but the order is followed */
    const char *refuses;     /* what it says to each order */
    const char *says;        /* what it says to each question instead */
    int orders;
    void (*after_order)(struct fake *f); /* what happens right then */
};

static struct fake fakes[2];
static struct tg_around_params params;
static char *sockets[2] = {(char *) "lb1:9999", (char *) "lb2:9999"};
static int64_t mono;
static void (*at_pause)(int n); /* what happens while it waits */
static int pauses;
static char last_record[TG_AROUND_RECORD_SIZE];

static const struct fake sound = {.pid = 100, .start = 1795000000, .up = {2, 2, 2}, .weight = {1, 1, 1}};

static void begin_test(void)
{
    fakes[0] = fakes[1] = sound;
    fakes[1].pid = 200;
    params = (struct tg_around_params) {.sockets = {sockets[0], sockets[1]}, .n = 2, .backend = (char *) "web", .server = (char *) "{short}", .wait_ms = 60000, .floor = 1};
    mono = 1000;
    pauses = 0;
    at_pause = NULL;
    last_record[0] = '\0';
}

TestSuite(haproxy, .init = begin_test, .timeout = 60);

static const char state_head[] = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n";
static const char stat_head[] = "# pxname,svname,qcur,qmax,scur,smax,status,weight,act,bck,last\n";

static const char *status_of(const struct fake *f, int i)
{
    return f->admin[i] & 0x21 ? "MAINT" : f->admin[i] & 0x18 || !f->weight[i] ? "DRAIN" : f->up[i] == 2 ? "UP" : "DOWN";
}

static size_t render(const struct fake *f, const char *question, char *out, size_t size)
{
    const char *only = strstr(question, " 4 ");
    long id = strtol(only + 3, NULL, 10);
    size_t n = (size_t) snprintf(out, size, "Name: HAProxy\nPid: %lld\nUptime_sec: 5\nStart_time_sec: %lld\n\n%s", (long long) f->pid, (long long) f->start, state_head);

    for (int i = 0; i < SERVERS; i++)
        n += (size_t) snprintf(out + n, size - n, "3 web %d web%d 192.0.2.1 %d %u %d 1\n", i + 1, i + 1, f->up[i], f->admin[i], f->weight[i]);
    n += (size_t) snprintf(out + n, size - n, "\n%s", stat_head);
    for (int i = 0; i < SERVERS; i++)
        if (id < 0 || id == i + 1)
            n += (size_t) snprintf(out + n, size - n, "web,web%d,0,0,%d,9,%s,%d,1,0,\"a,b\"\n", i + 1, f->sessions[i], status_of(f, i), f->weight[i]);
    return n + (size_t) snprintf(out + n, size - n, "\n");
}

static void follow(struct fake *f, const char *command)
{
    int i = strstr(command, "web/web")[7] - '1';

    f->orders++;
    f->admin[i] = strstr(command, "drain") ? (f->admin[i] & ~1u) | 8 : strstr(command, "maint") ? (f->admin[i] & ~8u) | 1 : f->admin[i] & ~9u;
    if (f->after_order)
        f->after_order(f);
}

static void one_step(struct tg_haproxy_op *op, enum tg_haproxy_todo todo, const char *command)
{
    struct fake *f = &fakes[op->at];
    char text[8192];
    size_t n = 0;

    if (f->came != TG_HAPROXY_ANSWERED) {
        tg_haproxy_heard(op, f->came, "", 0, "no route", mono, 1795000005);
    } else if (todo == TG_HAPROXY_ASK) {
        n = f->says ? (size_t) snprintf(text, sizeof text, "%s", f->says) : render(f, command, text, sizeof text);
        tg_haproxy_heard(op, TG_HAPROXY_ANSWERED, text, n, "", mono, 1795000005);
    } else {
        if (!f->refuses && (f->order_came == TG_HAPROXY_ANSWERED || f->follows_silently))
            follow(f, command);
        n = (size_t) snprintf(text, sizeof text, "%s\n", f->refuses ? f->refuses : "");
        tg_haproxy_heard(op, f->order_came, text, n, "broke", mono, 1795000005);
    }
}

/* Runs a call to its end, by the record of the one before. */
static struct tg_haproxy_op *run(enum tg_around_verb verb)
{
    static struct tg_haproxy_op op;
    struct tg_around_context c = {.host = "web1.example.com", .address = "192.0.2.1", .record = last_record};
    char command[1024];

    cr_assert_eq(tg_haproxy_begin(&op, &params, verb, &c, NULL), 0);
    for (int steps = 0; steps < 1000; steps++) {
        enum tg_haproxy_todo todo = tg_haproxy_next(&op, command, sizeof command);
        if (todo == TG_HAPROXY_END) {
            memcpy(last_record, op.record, sizeof last_record);
            return &op;
        }
        if (todo != TG_HAPROXY_PAUSE) {
            one_step(&op, todo, command);
            continue;
        }
        mono += op.pause_ms;
        if (at_pause)
            at_pause(pauses);
        pauses++;
        tg_haproxy_paused(&op);
    }
    cr_assert(0, "it does not end");
    return NULL;
}

#define EXPECT(op, how, has)                                                                                                                                \
    do {                                                                                                                                                    \
        struct tg_haproxy_op *o_ = (op);                                                                                                                    \
        cr_expect_str_eq(tg_around_end_name(o_->end), tg_around_end_name(how), "%s: %s", tg_around_end_name(o_->end), o_->text);                            \
        cr_expect(strstr(o_->text, has), "%s", o_->text);                                                                                                   \
    } while (0)

Test(haproxy, takes_a_server_out_everywhere_and_puts_it_back)
{
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_ABSENT, "web/web1 is ready");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "web/web1 is out");
    cr_expect(fakes[0].admin[0] == 8 && fakes[1].admin[0] == 8);
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OURS, "by this run on 2 of 2");
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
    cr_expect_eq(fakes[0].orders, 1, "asked twice, done once");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0);
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect_eq(fakes[0].orders, 2);
}

/* P8: a controller that died in the middle of an act has journalled what look found, and no more. */
Test(haproxy, an_act_that_nobody_heard_the_end_of_is_found_and_undone)
{
    run(TG_AROUND_LOOK);
    char journalled[TG_AROUND_RECORD_SIZE];
    memcpy(journalled, last_record, sizeof journalled);
    run(TG_AROUND_ACT);
    memcpy(last_record, journalled, sizeof journalled);
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OURS, "");
    memcpy(last_record, journalled, sizeof journalled);
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0);
}

Test(haproxy, what_somebody_else_took_out_is_left_alone)
{
    fakes[0].admin[0] = 8;
    fakes[1].admin[0] = 1;
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OTHERS, "by somebody else");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OTHERS, "");
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OTHERS, "");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "left so");
    cr_expect(fakes[0].orders == 0 && fakes[1].orders == 0);
}

Test(haproxy, a_weight_of_zero_and_a_drain_that_is_inherited_are_others)
{
    fakes[0].weight[0] = 0;
    fakes[1].admin[0] = 16;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OTHERS, "");
    cr_expect(fakes[0].orders == 0 && fakes[1].orders == 0);
}

Test(haproxy, what_only_tells_is_ready)
{
    fakes[0].admin[0] = 4; /* began disabled, and was set ready */
    fakes[1].admin[0] = 64;
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_ABSENT, "ready");
    fakes[1].admin[0] = 128; /* of a later HAProxy */
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_ABSENT, "ready"); /* one of two */
    fakes[0].admin[0] = 128;
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_OTHERS, "");
}

/* P8: another's maint on top of our drain stays. */
Test(haproxy, what_somebody_set_on_top_is_left_alone_and_said)
{
    run(TG_AROUND_ACT);
    fakes[1].admin[0] = 1;
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "lb2:9999: somebody else has set it otherwise");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "web/web1 on lb2:9999: it was taken out by somebody else");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 1);
}

Test(haproxy, a_restart_is_met_by_doing_it_again_and_a_person_is_not)
{
    run(TG_AROUND_ACT);
    fakes[0].admin[0] = 0; /* in the same process */
    fakes[1].admin[0] = 0;
    fakes[1].pid = 201;
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "restarted");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 8);
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "");
    fakes[1].admin[0] = 0;
    fakes[1].start++; /* a container's process is always number 200 */
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_OURS, "restarted");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 8);
    fakes[1].admin[0] = 0;
    EXPECT(run(TG_AROUND_KEEP), TG_AROUND_ABSENT, "somebody set it ready");
    cr_expect_eq(fakes[1].admin[0], 0);
}

/* P5: never below what must be ready. */
Test(haproxy, too_few_others_refuse_it)
{
    fakes[1].up[1] = fakes[1].up[2] = 0;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "on lb2:9999 0 of 2 other servers are ready and up, and 1 must be");
    cr_expect(fakes[0].orders == 0 && fakes[1].orders == 0);
    params.floor = 0;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
}

Test(haproxy, a_share_is_rounded_up)
{
    params.percent = true;
    params.floor = 50; /* of three: two */
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
    run(TG_AROUND_UNDO);
    fakes[0].up[2] = 0;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "and 2 must be");
}

Test(haproxy, a_server_that_is_down_takes_nothing_away)
{
    memset(fakes[0].up, 0, sizeof fakes[0].up);
    memset(fakes[1].up, 0, sizeof fakes[1].up);
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
}

static void the_others_go_too(struct fake *f)
{
    f->admin[1] = f->admin[2] = 8;
}

/* P5: two that drain at the same time both counted the other one. */
Test(haproxy, it_is_counted_again_after_the_order)
{
    fakes[1].after_order = the_others_go_too;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "0 of 2 other");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0, "put back");
}

Test(haproxy, one_that_is_away_means_that_nothing_is_ordered)
{
    fakes[1].came = TG_HAPROXY_AWAY;
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_NOT_SENT, "lb2:9999: no route");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_NOT_SENT, "lb2:9999: no route");
    fakes[1].came = TG_HAPROXY_SILENT;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "lb2:9999: no route");
    cr_expect_eq(fakes[0].orders, 0);
}

Test(haproxy, what_is_done_is_undone_when_one_refuses)
{
    fakes[1].refuses = "Permission denied";
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "lb2:9999: Permission denied (it has to be a socket of \"level admin\")");
    cr_expect_eq(fakes[0].admin[0], 0);
    cr_expect_eq(fakes[0].orders, 2);
    fakes[0].admin[0] = 8; /* by a person, now */
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "");
    cr_expect_eq(fakes[0].admin[0], 8);
}

Test(haproxy, an_order_without_an_answer_is_looked_at)
{
    fakes[1].order_came = TG_HAPROXY_SILENT;
    fakes[1].follows_silently = true;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
    begin_test();
    fakes[1].order_came = TG_HAPROXY_SILENT;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "no answer to the order");
    cr_expect_eq(fakes[0].admin[0], 0);
    begin_test();
    fakes[1].order_came = TG_HAPROXY_AWAY;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_NOT_SENT, "lb2:9999: no answer to the order");
    cr_expect_eq(fakes[0].admin[0], 0);
}

static void goes_away(struct fake *f)
{
    f->came = TG_HAPROXY_AWAY;
}

/* P8, P12: what may be in force is never told to be gone. */
Test(haproxy, one_that_goes_away_after_its_order_is_lost_and_undone_later)
{
    fakes[1].after_order = goes_away;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "lb2:9999");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "lb2:9999: no route");
    cr_expect_eq(fakes[0].admin[0], 0, "what can be undone is");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_NOT_SENT, "lb2:9999: no route");
    fakes[1].came = TG_HAPROXY_ANSWERED;
    fakes[1].after_order = NULL;
    fakes[0].admin[0] = 8; /* by a person, meanwhile */
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "taken out by somebody else");
    cr_expect(fakes[0].admin[0] == 8 && fakes[1].admin[0] == 0);
}

Test(haproxy, an_undo_that_is_refused_says_so)
{
    run(TG_AROUND_ACT);
    fakes[0].refuses = "Permission denied";
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_REFUSED, "still out on lb1:9999: Permission denied");
    cr_expect_eq(fakes[1].admin[0], 0);
    fakes[0].refuses = "";
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "still out on lb1:9999");
}

static void sessions_end(int n)
{
    if (n == 3)
        fakes[1].sessions[0] = 0;
}

Test(haproxy, it_waits_until_the_last_session_has_ended)
{
    fakes[1].sessions[0] = 2;
    at_pause = sessions_end;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "is out");
    cr_expect_eq(pauses, 4);
}

Test(haproxy, others_are_waited_for_too)
{
    fakes[0].admin[0] = fakes[1].admin[0] = 1;
    fakes[1].sessions[0] = 2;
    at_pause = sessions_end;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OTHERS, "by somebody else");
    cr_expect_eq(pauses, 4);
}

Test(haproxy, sessions_that_do_not_end_put_it_back_or_go)
{
    fakes[1].sessions[0] = 2;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "still has 2 sessions on lb2:9999 after 1m: it is put back");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0);
    params.go_on_timeout = true;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "still had 2 sessions");
    cr_expect(fakes[0].admin[0] == 8 && fakes[1].admin[0] == 8);
}

static void is_set_ready(int n)
{
    if (n == 2)
        fakes[0].admin[0] = 0;
}

static void restarts(int n)
{
    is_set_ready(n);
    if (n == 2)
        fakes[0].pid++;
    if (n == 4)
        fakes[1].sessions[0] = 0;
}

Test(haproxy, who_sets_it_ready_while_it_waits_is_obeyed)
{
    fakes[1].sessions[0] = 2;
    at_pause = is_set_ready;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "was set ready on lb1:9999 by somebody else");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0);
}

/* P12: it is undone, and nobody says that it was ours for sure. */
Test(haproxy, an_undo_behind_a_restart_says_so)
{
    run(TG_AROUND_ACT);
    fakes[1].pid++; /* its drain came with a state file, or by somebody's hand */
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "HAProxy on lb2:9999 had restarted");
    cr_expect(fakes[0].admin[0] == 0 && fakes[1].admin[0] == 0);
}

Test(haproxy, an_undo_of_nothing_says_so)
{
    run(TG_AROUND_ACT);
    fakes[0].admin[0] = fakes[1].admin[0] = 0;
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "nothing was left to undo");
}

Test(haproxy, a_restart_while_it_waits_is_met_by_doing_it_again)
{
    fakes[1].sessions[0] = 2;
    at_pause = restarts;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "is out");
    cr_expect(fakes[0].admin[0] == 8 && fakes[1].admin[0] == 8);
    cr_expect_eq(fakes[0].orders, 2);
}

static void is_away(int n)
{
    if (n == 1)
        fakes[1].came = TG_HAPROXY_AWAY;
}

/* P2: sessions that can't be counted are not none, whatever a time-out means. */
Test(haproxy, one_that_is_away_while_it_waits_is_not_drained)
{
    fakes[1].sessions[0] = 2;
    params.go_on_timeout = true;
    at_pause = is_away;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "could not be put back on lb2:9999");
    cr_expect_eq(fakes[0].admin[0], 0);
}

Test(haproxy, maint_is_set_and_known_as_ours)
{
    params.maint = true;
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_OURS, "");
    cr_expect_eq(fakes[0].admin[0], 1);
    fakes[0].admin[0] = 8; /* somebody's drain takes a maint away */
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "left so");
    cr_expect(fakes[0].admin[0] == 8 && fakes[1].admin[0] == 0);
}

Test(haproxy, a_server_that_is_gone_needs_no_undo)
{
    run(TG_AROUND_ACT);
    fakes[0].says = "Name: HAProxy\nPid: 101\nStart_time_sec: 1795000009\n\nCan't find backend.\n\nNo such proxy.\n\n";
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_REFUSED, "lb1:9999: there is no backend web");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_ABSENT, "there is no backend web");
    cr_expect_eq(fakes[1].admin[0], 0);
}

/* P12: what proves nothing is not taken for an answer. */
Test(haproxy, garbage_is_refused_and_what_is_not_whole_is_lost)
{
    fakes[0].says = "SSH-2.0-OpenSSH_9.2\r\n";
    EXPECT(run(TG_AROUND_LOOK), TG_AROUND_REFUSED, "lb1:9999: that is no HAProxy: \"SSH-2.0-OpenSSH_9.2.\"");
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "no HAProxy");
    EXPECT(run(TG_AROUND_UNDO), TG_AROUND_LOST, "no HAProxy");
    fakes[0].says = "Permission denied\n\n";
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_REFUSED, "it may not be asked");
    fakes[0].says = "Name: HAProxy\nPid: 1";
    EXPECT(run(TG_AROUND_ACT), TG_AROUND_LOST, "not whole");
}

Test(haproxy, every_cut_of_an_answer_is_noticed)
{
    char text[8192], why[200];
    struct tg_haproxy_seen s;
    size_t n = render(&fakes[0], "x 4 -1", text, sizeof text);

    cr_expect_eq(tg_haproxy_answer(text, n, "web", "web1", 0, &s, why, sizeof why), TG_HAPROXY_READ);
    cr_expect(s.others == 2 && s.total == 3 && s.up && s.id == 1);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(tg_haproxy_answer(text, i, "web", "web1", 0, &s, why, sizeof why), TG_HAPROXY_CUT, "%zu bytes: %s", i, why);
    cr_expect_eq(tg_haproxy_answer(text, n, "web", "web9", 0, &s, why, sizeof why), TG_HAPROXY_NONE);
    cr_expect_eq(tg_haproxy_answer(text, n, "db", "web1", 0, &s, why, sizeof why), TG_HAPROXY_GARBAGE);
}

static enum tg_haproxy_read changed(const char *from, const char *to, struct tg_haproxy_seen *s)
{
    char text[8192], other[8192], why[200];
    size_t n = render(&fakes[0], "x 4 -1", text, sizeof text);
    const char *at = strstr(text, from);

    cr_assert(at, "%s", from);
    n = (size_t) snprintf(other, sizeof other, "%.*s%s%s", (int) (at - text), text, to, at + strlen(from));
    return tg_haproxy_answer(other, n, "web", "web1", 1795000005, s, why, sizeof why);
}

Test(haproxy, columns_are_found_by_name_and_other_formats_are_not_guessed)
{
    struct tg_haproxy_seen s;

    cr_expect_eq(changed("\n1\n# be_id", "\n2\n# be_id", &s), TG_HAPROXY_GARBAGE, "a later format");
    cr_expect_eq(changed("srv_admin_state", "srv_admin", &s), TG_HAPROXY_GARBAGE);
    cr_expect_eq(changed("srv_op_state srv_admin_state", "srv_admin_state srv_op_state", &s), TG_HAPROXY_READ);
    cr_expect(s.admin == 2 && !s.up);
    cr_expect_eq(changed(" 2 0 1 1\n", " 2 -8 1 1\n", &s), TG_HAPROXY_GARBAGE);
    cr_expect_eq(changed(" 2 0 1 1\n", " 2 99999999999 1 1\n", &s), TG_HAPROXY_GARBAGE);
    cr_expect_eq(changed("web2 192", "web1 192", &s), TG_HAPROXY_GARBAGE, "twice");
    cr_expect_eq(changed("web,web1,0,0,0", "web,web1,0,0,", &s), TG_HAPROXY_GARBAGE, "no number of sessions is not none");
    cr_expect_eq(changed("Start_time_sec: 1795000000\n", "", &s), TG_HAPROXY_READ);
    cr_expect(s.process.rough && s.process.start_s == 1795000000);
    cr_expect_eq(changed("Pid: 100\n", "", &s), TG_HAPROXY_GARBAGE);
}

Test(haproxy, records_are_read_back_or_refused)
{
    struct tg_haproxy_mark in[8], out[8];
    char text[TG_AROUND_RECORD_SIZE];
    static const char *const bad[] = {"2 - -", "1 -", "1 - - -", "1 o1.2 q1.2", "1 o1.2 o1", "1 o.2 -", "1 o1.2x -", "nonsense", "1 o1.2 o11111111111111111111111111111111111111111.1"};

    for (int i = 0; i < 8; i++)
        in[i] = (struct tg_haproxy_mark) {.whose = (enum tg_haproxy_whose) "roxt"[i % 4], .process = {.pid = 4194304, .start_s = 4102444800, .rough = i == 3}};
    tg_haproxy_record_write(in, 8, text, sizeof text);
    cr_expect_lt(strlen(text), sizeof text - 1);
    cr_assert_eq(tg_haproxy_record_read(text, 8, out, NULL), 0, "%s", text);
    for (int i = 0; i < 8; i++)
        cr_expect(in[i].whose == out[i].whose && tg_haproxy_same(&in[i].process, &out[i].process) && in[i].process.rough == out[i].process.rough);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(tg_haproxy_record_read(bad[i], 2, out, NULL), TG_E_DATA, "%s", bad[i]);
}

/* ---- parameters */

static struct tg_around_params *read_params(const char *json)
{
    return read_params_by(tg_haproxy_params, json);
}

Test(haproxy, parameters_are_read)
{
    char line[400];
    struct tg_around_params *p = read_params("{\"socket\":[\"lb1.example.com:9999\",\"[::1]:1\",\"/run/haproxy/admin.sock\"],\"backend\":\"web\",\"server\":\"{short}\","
                                             "\"wait\":\"90s\",\"on-timeout\":\"go\",\"ready-at-least\":\"80%\",\"mode\":\"maint\"}");

    cr_assert(p, "%s", complaints);
    cr_expect(p->n == 3 && p->wait_ms == 90000 && p->go_on_timeout && p->percent && p->floor == 80 && p->maint);
    tg_haproxy_describe(p, line, sizeof line);
    cr_expect_str_eq(line, "maint server {short} out of haproxy, backend web on 3 load balancers, at least 80% of it ready; wait 1m 30s for sessions, then go on");
    tg_haproxy_params_free(p);
    p = read_params("{\"socket\":\"/run/haproxy/admin.sock\",\"backend\":\"web\"}");
    cr_assert(p);
    cr_expect(strcmp(p->server, "{host}") == 0 && p->wait_ms == 300000 && !p->go_on_timeout && p->floor == 1 && !p->percent && !p->maint);
    tg_haproxy_params_free(p);
}

Test(haproxy, mistakes_are_named_with_their_place)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"backend\":\"web\"}", " needs a socket and a backend"},
        {"{\"socket\":\"admin.sock\",\"backend\":\"web\"}", "/socket should be the path"},
        {"{\"socket\":[\"/a\",\"lb:x\"],\"backend\":\"web\"}", "/socket/1 should be the path"},
        {"{\"socket\":[\"/a\",\"/a\"],\"backend\":\"web\"}", "/socket/1 is there already"},
        {"{\"socket\":[],\"backend\":\"web\"}", "/socket should be 1 to 8"},
        {"{\"socket\":\"/a,b\",\"backend\":\"web\"}", "/socket should"},
        {"{\"socket\":\"/a\",\"backend\":\"web;show\"}", "/backend should be the name of a backend"},
        {"{\"socket\":\"/a\",\"backend\":7}", "/backend should"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"server\":\"{name}\"}", "/server has braces: {host}, {short}"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"server\":\"a b\"}", "/server should be a server's name"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"wait\":300}", "/wait should be a duration"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"wait\":\"3h\"}", "/wait should be at most 90m"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"on-timeout\":true}", "/on-timeout should be refuse or go"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"mode\":\"down\"}", "/mode should be drain or maint"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"ready-at-least\":\"101%\"}", "/ready-at-least should be a number of servers"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"ready-at-least\":\"2\"}", "/ready-at-least should"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"ready-at-least\":-1}", "/ready-at-least should"},
        {"{\"socket\":\"/a\",\"backend\":\"web\",\"servers\":\"x\"}", "/servers is not known; haproxy takes socket"},
        {"[]", " needs a socket"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(read_params(cases[i].json), "%s", cases[i].json);
        cr_expect(strstr(complaints, cases[i].says), "%s: %s", cases[i].json, complaints);
    }
}

Test(haproxy, the_mend_names_only_what_may_be_ours)
{
    struct tg_around_context c = {.host = "web1.example.com", .address = "192.0.2.1", .record = "1 x1.1 o2.2"};
    char line[512];

    sockets[0] = (char *) "/run/haproxy/admin.sock";
    begin_test();
    tg_haproxy_mend(&params, &c, line, sizeof line);
    cr_expect_str_eq(line, "echo 'set server web/web1 state ready' | socat - TCP:lb2:9999");
    c.record = NULL;
    tg_haproxy_mend(&params, &c, line, sizeof line);
    cr_expect_str_eq(line, "echo 'set server web/web1 state ready' | socat - UNIX-CONNECT:/run/haproxy/admin.sock; "
                           "echo 'set server web/web1 state ready' | socat - TCP:lb2:9999");
    tg_haproxy_mend(&params, &c, line, 100);
    cr_expect_str_eq(line, "# in HAProxy: set server web/web1 state ready");
}

/* ---- connections */

static struct {
    int calls;
    enum tg_around_end end;
    char text[400];
} got;

static void on_end(void *data, enum tg_around_end end, const char *text, const char *record)
{
    (void) data;
    (void) record;
    got.calls++;
    got.end = end;
    snprintf(got.text, sizeof got.text, "%s", text);
}

/* A server that does one thing to whoever connects. */
static pid_t serve(const char *path, char how)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char page[65536];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
    cr_assert_eq(listen(fd, 16), 0);
    pid_t pid = fork();
    if (pid != 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(page, 'x', sizeof page);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        if (how == 'e') /* endless */
            while (send(c, page, sizeof page, MSG_NOSIGNAL) > 0)
                ;
        else if (how == 's') /* silent */
            pause();
        else if (how == 'g')
            send(c, "\0\xff garbage", 10, MSG_NOSIGNAL);
        if (how == 'g' && read(c, page, sizeof page) < 0)
            _exit(1);
        close(c);
    }
}

static void ask_server(char how, enum tg_around_end end, const char *text)
{
    char path[64], json[160];
    const struct tg_around_backend *b;
    struct tg_around_context c = {.host = "web1", .address = "web1", .tag = "t"};
    struct tg_around_params *p;
    struct tg_around_impl *impl;
    struct tg_loop *loop;

    signal(SIGPIPE, SIG_IGN); /* as the program does */
    snprintf(path, sizeof path, "/tmp/tagout-haproxy.%d.%c", (int) getpid(), how);
    unlink(path);
    pid_t pid = how == '-' ? 0 : serve(path, how);
    snprintf(json, sizeof json, "{\"socket\":\"%s\",\"backend\":\"web\"}", path);
    cr_assert_eq(tg_around_find(TG_AROUND_DRAIN, "haproxy", &b, NULL), 0);
    json_t *v = json_loads(json, 0, NULL);
    cr_assert_eq(b->params(v, complain, NULL, &p, NULL), 0);
    json_decref(v);
    cr_assert_eq(tg_loop_new(&loop, NULL), 0);
    cr_assert_eq(b->open(loop, p, &impl, NULL), 0);
    got.calls = 0;
    cr_assert_eq(b->ask(impl, TG_AROUND_ACT, &c, on_end, NULL, NULL), 0);
    while (!got.calls)
        tg_loop_turn(loop, 1000);
    cr_expect_str_eq(tg_around_end_name(got.end), tg_around_end_name(end), "%c: %s", how, got.text);
    cr_expect(strstr(got.text, text), "%c: %s", how, got.text);
    cr_assert_eq(b->ask(impl, TG_AROUND_LOOK, &c, on_end, NULL, NULL), 0);
    tg_loop_turn(loop, 0);
    int calls = got.calls;
    b->close(impl); /* with one outstanding: nothing more is heard of it */
    cr_expect(got.calls == calls && (how != 's' || calls == 1));
    tg_loop_free(loop);
    b->params_free(p);
    if (pid)
        kill(pid, SIGKILL);
    if (pid)
        waitpid(pid, NULL, 0);
    unlink(path);
}

Test(haproxy, servers_that_are_none_are_borne)
{
    ask_server('-', TG_AROUND_NOT_SENT, "no such file");
    ask_server('c', TG_AROUND_LOST, "o");
    ask_server('g', TG_AROUND_REFUSED, "that is no HAProxy");
    ask_server('e', TG_AROUND_LOST, "an endless answer");
    ask_server('s', TG_AROUND_LOST, "no whole answer in 5 s");
}
