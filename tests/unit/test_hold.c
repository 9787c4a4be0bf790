/* The local hold: what lies on a host's disk, who may have put it there, and what it means when it makes no sense. */
#include "guard/hold.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], file[96];

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/tagout-hold.XXXXXX");
    cr_assert(mkdtemp(dir));
    tg_local_hold_file(dir, file, sizeof file);
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

#define HTEST(name) Test(hold, name, .init = setup, .fini = teardown)

static int place(const char *owner, const char *const *hold, size_t n, const char *token)
{
    struct tg_local_hold_request r = {.host = "web1.example.com",
                                      .owner = owner,
                                      .reason = "the array is degraded",
                                      .since_ms = 1000,
                                      .for_ms = 3600000,
                                      .hold = hold,
                                      .n_hold = n,
                                      .token = token};

    return tg_local_hold_place(dir, &r, NULL);
}

/* What the hold makes of a question: GO when it does not decide. */
static enum tg_guard_answer ask_with(const char *scope, const char *actor, const char *tokens,
                                     struct tg_guard_verdict *out)
{
    struct tg_scopes scopes = TG_SCOPES_INIT;
    const char *texts[] = {scope};
    struct tg_question q = {.scopes = &scopes, .actor = actor, .tokens = tokens};
    struct tg_guard_verdict v = {.answer = TG_ANSWER_GO};

    cr_assert_eq(scope ? tg_scopes_parse(&scopes, texts, 1, NULL, NULL) : 0, 0);
    bool decided = tg_local_hold_decides(dir, NULL, &q, 2000, &v);
    cr_assert_eq(decided, v.answer != TG_ANSWER_GO);
    enum tg_guard_answer answer = v.answer;
    tg_scopes_release(&scopes);
    if (out)
        *out = v;
    else
        tg_verdict_release(&v);
    return answer;
}

static enum tg_guard_answer ask(const char *scope, const char *actor)
{
    return ask_with(scope, actor, NULL, NULL);
}

static void spoil(const char *text)
{
    FILE *f = fopen(file, "w");

    cr_assert(f);
    fputs(text, f);
    fclose(f);
    chmod(file, 0644);
}

HTEST(nobody_holds)
{
    cr_assert_eq(ask("host:web1.example.com", "reboot"), TG_ANSWER_GO);
    cr_assert_eq(tg_local_hold_lift(dir, "alice@web1", NULL, NULL), TG_E_NOENT);
}

HTEST(it_holds_its_host_under_all_its_names_and_nothing_else)
{
    char own[80] = "host:";

    cr_assert_eq(place("alice@web1", NULL, 0, NULL), 0);
    cr_assert_eq(ask("host:web1.example.com", "reboot"), TG_ANSWER_HELD);
    cr_assert_eq(ask("host:web1", "reboot"), TG_ANSWER_HELD);
    cr_assert_eq(ask("fleet", "reboot"), TG_ANSWER_HELD);
    cr_assert_eq(ask("group:web", "reboot"), TG_ANSWER_HELD, "whether it is in it is not known: in doubt it is");
    cr_assert_eq(ask(NULL, "reboot"), TG_ANSWER_HELD, "a question without scopes is about this host");
    cr_assert_eq(ask("host:web2.example.com", "reboot"), TG_ANSWER_GO);
    cr_assert_eq(ask("service:autoscaler", "autoscaler"), TG_ANSWER_GO);
    gethostname(own + 5, sizeof own - 6);
    cr_assert_eq(ask(own, "reboot"), TG_ANSWER_HELD, "the machine was renamed: it is the one with this disk");
}

HTEST(it_holds_the_actors_that_it_names)
{
    static const char *const actors[] = {"package-manager", "reboot"};

    cr_assert_eq(place("alice@web1", actors, 2, NULL), 0);
    cr_assert_eq(ask("host:web1", "reboot"), TG_ANSWER_HELD);
    cr_assert_eq(ask("host:web1", "config-management"), TG_ANSWER_GO);
}

HTEST(past_its_time_it_is_overdue_and_holds) /* P3 */
{
    struct tg_guard_verdict v;

    cr_assert_eq(place("alice@web1", NULL, 0, NULL), 0);
    cr_assert_eq(ask_with("host:web1", "reboot", NULL, &v), TG_ANSWER_HELD);
    cr_assert(tg_lock_is_overdue(&v.locks.v[0], 1000 + 3600000));
    tg_verdict_release(&v);
}

HTEST(its_bearer_passes)
{
    cr_assert_eq(place("alice@web1", NULL, 0, "SECRET"), 0);
    cr_assert_eq(ask_with("host:web1", "reboot", "SECRET", NULL), TG_ANSWER_GO);
    cr_assert_eq(ask_with("host:web1", "reboot", "secret", NULL), TG_ANSWER_HELD);
}

HTEST(a_host_is_free_when_the_last_hold_is_gone) /* P3 */
{
    struct tg_locks gone;

    cr_assert_eq(place("alice@web1", NULL, 0, NULL), 0);
    cr_assert_eq(place("alice@web1", NULL, 0, NULL), TG_E_EXISTS);
    cr_assert_eq(place("bob@web1", NULL, 0, NULL), 0);
    cr_assert_eq(tg_local_hold_lift(dir, "carol@web1", NULL, NULL), TG_E_PERM);
    cr_assert_eq(tg_local_hold_lift(dir, "alice@web1", &gone, NULL), 0);
    cr_assert_eq(gone.n, 1);
    tg_locks_release(&gone);
    cr_assert_eq(ask("host:web1", "reboot"), TG_ANSWER_HELD);
    cr_assert_eq(tg_local_hold_lift(dir, "bob@web1", NULL, NULL), 0);
    cr_assert_eq(ask("host:web1", "reboot"), TG_ANSWER_GO);
    cr_assert_neq(access(file, F_OK), 0);
}

HTEST(what_makes_no_sense_is_unknown_and_stays) /* P2 */
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "null",
        "garbage",
        "{\"format\":2,\"holds\":[]}",
        "{\"format\":1,\"holds\":[]}",
        "{\"format\":1,\"holds\":[{}]}",
        "{\"format\":1,\"holds\":[{\"host\":\"a "
        "b\",\"owner\":\"o\",\"reason\":\"r\",\"ticket\":\"\",\"since\":1,\"until\":2,\"hold\":[],\"token\":\"\"}]}",
        "{\"format\":1,\"holds\":[{\"host\":\"a\",\"owner\":\"o\",\"reason\":\"r\",\"ticket\":\"\",\"since\":3,"
        "\"until\":2,\"hold\":[],\"token\":\"\"}]}",
        "{\"format\":1,\"holds\":[{\"host\":\"a\",\"owner\":\"o\",\"reason\":\"r\",\"ticket\":\"\",\"since\":1,"
        "\"until\":2,\"hold\":[\"A B\"],\"token\":\"\"}]}",
        "{\"format\":1,\"holds\":[{\"host\":\"a\",\"owner\":\"o\",\"reason\":\"r\",\"ticket\":\"\",\"since\":1,"
        "\"until\":2,\"hold\":[],\"token\":\"xyz\"}]}",
        "{\"format\":1,\"holds\":[{\"host\":\"a\",\"owner\":\"o\",\"reason\":\"r\",\"ticket\":\"\",\"since\":1,"
        "\"until\":2,\"hold\":[],\"token\":\"\",\"new\":1}]}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct tg_guard_verdict v;
        spoil(texts[i]);
        cr_assert_eq(ask_with("host:elsewhere", "reboot", NULL, &v), TG_ANSWER_UNKNOWN, "%s", texts[i]);
        cr_assert_str_eq(v.cause, TG_LOCAL_HOLD_BAD);
        cr_assert(strstr(v.error.message, file) && strstr(v.error.hint, "unhold"), "%s", v.error.message);
        tg_verdict_release(&v);
        cr_assert_eq(place("alice@web1", NULL, 0, NULL), TG_E_UNKNOWN, "it is not written over");
        cr_assert_eq(tg_local_hold_lift(dir, "alice@web1", NULL, NULL), TG_E_UNKNOWN);
    }
    cr_assert_eq(tg_local_hold_lift(dir, NULL, NULL, NULL), 0, "by force it goes");
    cr_assert_eq(ask("host:web1", "reboot"), TG_ANSWER_GO);
}

HTEST(a_state_folder_of_ones_own_hides_no_hold) /* P2 */
{
    char own[96];

    snprintf(own, sizeof own, "%s/own", dir);
    cr_assert_eq(mkdir(own, 0755), 0);
    cr_assert_eq(place("alice@web1", NULL, 0, NULL), 0);
    tg_local_hold_also(dir);
    tg_local_hold_also(dir);
    cr_assert_str_eq(tg_local_hold_elsewhere(0), dir);
    cr_assert_null(tg_local_hold_elsewhere(1));
    struct tg_question q = {.actor = "reboot"};
    struct tg_guard_verdict v;
    cr_assert(tg_local_hold_decides(own, NULL, &q, 2000, &v));
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    tg_verdict_release(&v);
    spoil("garbage");
    cr_assert(tg_local_hold_decides(own, NULL, &q, 2000, &v));
    cr_assert_eq(v.answer, TG_ANSWER_UNKNOWN);
    tg_verdict_release(&v);
    cr_assert_eq(unlink(file), 0);
    cr_assert_not(tg_local_hold_decides(own, NULL, &q, 2000, &v));
}

HTEST(only_roots_word_counts) /* P2 */
{
    cr_assert_eq(place("alice@web1", NULL, 0, NULL), 0);
    cr_assert_eq(chmod(file, 0666), 0);
    cr_assert_eq(ask("host:elsewhere", "reboot"), TG_ANSWER_UNKNOWN, "others may write it");
    cr_assert_eq(chmod(file, 0644), 0);
    cr_assert_eq(ask("host:elsewhere", "reboot"), TG_ANSWER_GO);
    if (geteuid() == 0) {
        cr_assert_eq(chown(file, 65534, 65534), 0);
        cr_assert_eq(ask("host:elsewhere", "reboot"), TG_ANSWER_UNKNOWN, "it is somebody else's");
        cr_assert_eq(chown(file, 0, 0), 0);
    }
    cr_assert_eq(unlink(file), 0);
    cr_assert_eq(symlink("/nowhere", file), 0);
    cr_assert_eq(ask("host:elsewhere", "reboot"), TG_ANSWER_UNKNOWN, "a link");
    cr_assert_eq(unlink(file), 0);
    cr_assert_eq(mkfifo(file, 0644), 0);
    cr_assert_eq(ask("host:elsewhere", "reboot"), TG_ANSWER_UNKNOWN, "a pipe, which is not waited for");
}
