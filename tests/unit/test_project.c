/* Projections: what is ours is made, made again and removed; what is a person's is left alone. */
#include "agent/project.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISABLED "/var/cache/puppet/state/agent_disabled.lock"
#define FACT "/etc/facter/facts.d/tagout.json"
#define MOTD "/run/motd.d/50-tagout"

static char root[64];
static struct tg_project *p;
static struct tg_lock locks[3];
static const struct tg_lock *list[3] = {&locks[0], &locks[1], &locks[2]};
static struct tg_project_what what;

static char *in(const char *path)
{
    static char full[4][256];
    static int i;

    i = (i + 1) % 4;
    snprintf(full[i], sizeof full[i], "%s%s", root, path);
    return full[i];
}

static void folder(const char *path)
{
    char command[400];

    snprintf(command, sizeof command, "mkdir -p %s%s", root, path);
    cr_assert_eq(system(command), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(in(path), "w");

    cr_assert(f, "%s", path);
    fputs(text, f);
    fclose(f);
}

static const char *text_of(const char *path)
{
    static char text[65536];
    FILE *f = fopen(in(path), "r");

    text[0] = '\0';
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(in(path), &st) == 0;
}

static void add_lock(size_t i, const char *id, const char *actor)
{
    struct tg_scope scope;

    locks[i] = (struct tg_lock){.state = TG_LOCK_HELD,
                                .owner = "alice@ops1",
                                .reason = "move the \"ensemble\"\xe2\x80\xae",
                                .ticket = "OPS-1",
                                .since_ms = 1795000000000,
                                .until_ms = 1795003600000};
    snprintf(locks[i].id, sizeof locks[i].id, "%s", id);
    if (actor)
        snprintf(locks[i].hold[locks[i].n_hold++], TG_ACTOR_SIZE, "%s", actor);
    cr_assert_eq(tg_scope_parse("host:web1.example.com", &scope, NULL), 0);
    cr_assert_eq(tg_scopes_add(&locks[i].scopes, &scope, NULL), 0);
}

static void setup(void)
{
    const bool off[TG_PROJECT_SWITCHES] = {false};

    snprintf(root, sizeof root, "/tmp/tagout-project.XXXXXX");
    cr_assert(mkdtemp(root));
    folder("/var/cache/puppet/state");
    folder("/etc/facter/facts.d");
    folder("/run/tagout");
    cr_assert_eq(tg_project_new(root, "/run/tagout", off, &p, NULL), 0);
    what = (struct tg_project_what){
        .host = "web1.example.com", .proven = true, .cause = "", .locks = list, .wall_ms = 1795000001000};
    add_lock(0, "L7K2QX", NULL);
    add_lock(1, "M53ABD", "package-manager");
    add_lock(2, "LOCAL", "config-management");
}

static void teardown(void)
{
    char command[128];

    for (size_t i = 0; i < 3; i++)
        tg_lock_clear(&locks[i]);
    tg_project_free(p);
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

static void go(size_t n_locks)
{
    what.n_locks = n_locks;
    what.wall_ms += 1000;
    tg_project_reconcile(p, &what);
}

static const char *puppets(void)
{
    static char word[64];
    json_t *o = tg_project_status(p);

    snprintf(word, sizeof word, "%s", json_string_value(json_object_get(o, "puppet")));
    json_decref(o);
    return word;
}

static size_t troubles(void)
{
    json_t *o = tg_project_status(p);
    size_t n = json_array_size(json_object_get(o, "trouble"));

    json_decref(o);
    return n;
}

#define PTEST(name) Test(project, name, .init = setup, .fini = teardown)

PTEST(a_free_host_shows_nothing_but_that_it_was_asked)
{
    go(0);
    cr_assert_not(is_there(DISABLED));
    cr_assert_not(is_there(FACT));
    cr_assert_not(is_there(MOTD));
    cr_assert_not(is_there("/run/tagout/held"));
    cr_assert(strstr(text_of("/run/tagout/state.json"), "\"answer\": \"go\""));
}

PTEST(a_lock_is_seen_everywhere_and_gone_with_it) /* P8 */
{
    go(1);
    json_t *o = json_loads(text_of(DISABLED), 0, NULL);
    const char *message = json_string_value(json_object_get(o, "disabled_message"));
    cr_assert_str_eq(
        message,
        "tagout: lock L7K2QX of alice@ops1 until 2026-11-18T12:06:40Z: move the \"ensemble\"\\xe2\\x80\\xae (OPS-1)",
        "%s", message);
    json_decref(o);
    o = json_loads(text_of(FACT), 0, NULL);
    json_t *fact = json_object_get(o, "tagout");
    cr_assert(json_is_true(json_object_get(fact, "held")));
    cr_assert_str_eq(json_string_value(json_object_get(fact, "state")), "held");
    cr_assert_str_eq(json_string_value(json_object_get(fact, "id")), "L7K2QX");
    cr_assert(json_object_get(fact, "valid_until"));
    json_decref(o);
    cr_assert(strstr(text_of(MOTD), "web1.example.com is under maintenance"));
    cr_assert(strstr(text_of("/run/tagout/held"), "TAGOUT-HELD lock L7K2QX"));
    cr_assert(strstr(text_of("/run/tagout/held.d/L7K2QX.json"), "\"valid_until\""));
    cr_assert_str_eq(puppets(), "ours");
    go(0);
    cr_assert_not(is_there(DISABLED));
    cr_assert_not(is_there(FACT));
    cr_assert_not(is_there(MOTD));
    cr_assert_not(is_there("/run/tagout/held"));
    cr_assert_not(is_there("/run/tagout/held.d/L7K2QX.json"));
    cr_assert_eq(troubles(), 0);
}

PTEST(only_locks_that_hold_it_disable_puppet)
{
    list[0] = &locks[1];
    go(1);
    cr_assert_not(is_there(DISABLED));
    cr_assert(is_there("/run/tagout/held"));
    list[0] = &locks[0];
}

PTEST(what_somebody_removed_is_made_again_while_held)
{
    go(1);
    cr_assert_eq(unlink(in(DISABLED)), 0); /* puppet agent --enable */
    go(1);
    cr_assert(strstr(text_of(DISABLED), "L7K2QX"));
    list[0] = &locks[2];
    go(1);
    cr_assert(strstr(text_of(DISABLED), "LOCAL"), "another lock, another reason");
    list[0] = &locks[0];
    cr_assert_not(is_there(DISABLED ".tagout"));
}

PTEST(a_persons_disable_is_never_written_over_nor_removed)
{
    static const char *const texts[] = {"{\"disabled_message\":\"alice was here\"}", "", "garbage", "{\"tagout\":1}",
                                        "{\"tagout\":{\"written_by\":\"me\"}}"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(DISABLED, texts[i]);
        go(1);
        cr_assert_str_eq(text_of(DISABLED), texts[i]);
        cr_assert_str_eq(puppets(), "a person's");
        go(0);
        cr_assert_str_eq(text_of(DISABLED), texts[i]);
    }
    cr_assert_eq(unlink(in(DISABLED)), 0);
    go(1);
    cr_assert_str_eq(puppets(), "ours", "when the person's is gone, and the host is still held");
}

#define MINE "{\"disabled_message\":\"mine\"}"

/* Enables, whoever's it was, and disables, as Puppet does both. */
static void a_person_disables(const char *file)
{
    (void) unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0644);
    cr_assert(fd >= 0 && write(fd, MINE, strlen(MINE)) == (ssize_t) strlen(MINE));
    close(fd);
}

static void a_person_enables(const char *file)
{
    (void) unlink(file);
}

PTEST(a_persons_disable_that_comes_in_between_wins)
{
    for (int i = 0; i < 3; i++) { /* made, changed, taken away */
        go(i ? 1 : 0);
        list[0] = i == 1 ? &locks[2] : &locks[0];
        tg_project_puppet_between = a_person_disables;
        go(i < 2 ? 1 : 0);
        tg_project_puppet_between = NULL;
        cr_assert_str_eq(text_of(DISABLED), MINE, "%d", i);
        cr_assert_not(is_there(DISABLED ".tagout"));
        list[0] = &locks[0];
        go(1);
        go(0);
        cr_assert_str_eq(text_of(DISABLED), MINE, "%d", i);
        cr_assert_eq(unlink(in(DISABLED)), 0);
    }
}

PTEST(an_enable_that_comes_in_between_is_undone_while_held)
{
    go(1);
    list[0] = &locks[2];
    tg_project_puppet_between = a_person_enables;
    go(1);
    tg_project_puppet_between = NULL;
    cr_assert(strstr(text_of(DISABLED), "LOCAL"));
    tg_project_puppet_between = a_person_enables;
    go(0);
    tg_project_puppet_between = NULL;
    cr_assert_not(is_there(DISABLED));
    list[0] = &locks[0];
}

PTEST(what_a_killed_agent_left_is_put_right)
{
    go(1);
    cr_assert_eq(rename(in(DISABLED), in(DISABLED ".tagout")), 0);
    write_text("/run/tagout/held.d/L7K2QX.json.new", "{");
    write_text("/run/tagout/held.d/GONE23.json", "{}");
    write_text("/run/motd.d/50-tagout.new", "half");
    snprintf(locks[0].ticket, sizeof locks[0].ticket, "OPS-2");
    go(1);
    cr_assert(is_there(DISABLED));
    cr_assert_not(is_there(DISABLED ".tagout"));
    cr_assert_not(is_there("/run/tagout/held.d/L7K2QX.json.new"));
    cr_assert_not(is_there("/run/tagout/held.d/GONE23.json"));
    cr_assert_not(is_there("/run/motd.d/50-tagout.new"));
    go(0);
    write_text(DISABLED ".tagout", "{\"disabled_message\":\"alice's, taken aside when it died\"}");
    go(0);
    cr_assert(strstr(text_of(DISABLED), "alice's"), "it goes back");
    cr_assert_not(is_there(DISABLED ".tagout"));
}

PTEST(another_agents_leftovers_are_ours)
{
    const bool off[TG_PROJECT_SWITCHES] = {false};

    go(1);
    tg_project_free(p);
    cr_assert_eq(tg_project_new(root, "/run/tagout", off, &p, NULL), 0);
    go(0);
    cr_assert_not(is_there(DISABLED));
    cr_assert_not(is_there(FACT));
    cr_assert_not(is_there(MOTD));
    cr_assert_not(is_there("/run/tagout/held"));
}

PTEST(foreign_files_of_our_names_are_left_and_said)
{
    write_text(FACT, "{\"site\":1}");
    folder("/run/motd.d");
    write_text(MOTD, "written by hand\n");
    go(1);
    cr_assert_str_eq(text_of(FACT), "{\"site\":1}");
    cr_assert_str_eq(text_of(MOTD), "written by hand\n");
    cr_assert_eq(troubles(), 2);
    cr_assert(is_there(DISABLED), "the others are there");
    go(0);
    cr_assert(is_there(FACT));
    cr_assert(is_there(MOTD));
}

PTEST(switched_off_nothing_is_written_and_ours_goes)
{
    const bool off[TG_PROJECT_SWITCHES] = {
        [TG_PROJECT_PUPPET] = true, [TG_PROJECT_MOTD] = true, [TG_PROJECT_FACTS] = true, [TG_PROJECT_RUN] = true};

    go(1);
    tg_project_free(p);
    cr_assert_eq(tg_project_new(root, "/run/tagout", off, &p, NULL), 0);
    go(1);
    cr_assert_not(is_there(DISABLED));
    cr_assert_not(is_there(FACT));
    cr_assert_not(is_there(MOTD));
    cr_assert_not(is_there("/run/tagout/held"));
    cr_assert_not(is_there("/run/tagout/state.json"));
    cr_assert_str_eq(puppets(), "off");
}

PTEST(unknown_is_not_free) /* P2, P12 */
{
    go(1);
    what.proven = false;
    what.cause = "store-unreachable";
    go(1);
    cr_assert(is_there(DISABLED), "what was known last stays");
    cr_assert(strstr(text_of(MOTD), "as known last"));
    go(0);
    cr_assert(strstr(text_of("/run/tagout/state.json"), "\"answer\": \"unknown\""));
    cr_assert(strstr(text_of("/run/tagout/state.json"), "store-unreachable"));
}

/* As many locks as a bad day has: lists are cut, and say how many there are. */
PTEST(very_many_locks_are_bounded)
{
    static const struct tg_lock *many[5000];
    struct stat st;

    for (size_t i = 0; i < 5000; i++)
        many[i] = &locks[0];
    what.locks = many;
    go(5000);
    cr_assert_eq(stat(in("/run/tagout/held.d/L7K2QX-64.json"), &st), 0);
    cr_assert_neq(stat(in("/run/tagout/held.d/L7K2QX-65.json"), &st), 0);
    cr_assert(strstr(text_of("/run/tagout/state.json"), "\"count\": 5000"));
    cr_assert(strstr(text_of(MOTD), "and 4992 more"));
    what.locks = list;
    go(0);
    cr_assert_neq(stat(in("/run/tagout/held.d/L7K2QX-64.json"), &st), 0);
}

PTEST(a_full_disk_is_said_and_mended_later)
{
    char options[] = "size=64k";

    if (mount("none", in("/run/tagout"), "tmpfs", 0, options) != 0)
        cr_skip("needs the right to mount");
    char command[400];
    snprintf(command, sizeof command, "cat /dev/zero >%s/run/tagout/big 2>/dev/null; true", root);
    cr_assert_eq(system(command), 0);
    go(1);
    size_t n = troubles();
    bool disabled = is_there(DISABLED);
    cr_assert_eq(unlink(in("/run/tagout/big")), 0);
    go(1);
    size_t later = troubles();
    bool held = is_there("/run/tagout/held");
    umount2(in("/run/tagout"), MNT_DETACH);
    cr_assert_gt(n, 0);
    cr_assert(disabled, "what has room is written");
    cr_assert_eq(later, 0);
    cr_assert(held);
}

PTEST(a_file_system_that_is_read_only_is_said_and_never_fatal)
{
    if (mount("none", in("/var/cache/puppet/state"), "tmpfs", 0, NULL) != 0 ||
        mount("none", in("/var/cache/puppet/state"), NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        cr_skip("needs the right to mount");
    go(1);
    size_t n = troubles();
    umount2(in("/var/cache/puppet/state"), MNT_DETACH);
    cr_assert_eq(n, 1);
    go(1);
    cr_assert_eq(troubles(), 0);
    cr_assert(is_there(DISABLED));
}
