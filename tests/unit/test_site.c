/* The site's configuration: what wins, what is refused. */
#include "config/site.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path_a[96], path_b[96];

static void write_file(char *path, size_t size, const char *name, const char *text)
{
    snprintf(path, size, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

static void set_up(void)
{
    strcpy(dir, "/tmp/tagout-test-XXXXXX");
    cr_assert(mkdtemp(dir));
    unsetenv("TAGOUT_STORE");
    unsetenv("TAGOUT_STATE_DIR");
}

static void tear_down(void)
{
    unlink(path_a);
    unlink(path_b);
    rmdir(dir);
}

TestSuite(site, .init = set_up, .fini = tear_down);

static struct tg_config *load(const struct tg_config_args *args)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_config *c = NULL;

    cr_assert_eq(tg_config_load(args, &p, &c, &e), 0, "%s", e.message);
    return c;
}

Test(site, without_a_file_there_are_defaults)
{
    struct tg_config *c = load(&(struct tg_config_args) {.site_file = "/nonexistent/tagout.yaml"});

    cr_assert_str_eq(c->store, "local:/var/lib/tagout/store.db");
    cr_assert_str_eq(c->store_from, "default");
    cr_assert_str_eq(c->state_dir, "/var/lib/tagout");
    cr_assert_null(c->host_state_dir, "the default");
    cr_assert_null(c->inventory);
    cr_assert_eq(c->session_ms, 10000);
    tg_config_free(c);
}

Test(site, the_later_wins_key_by_key)
{
    char from[128];

    write_file(path_a, sizeof path_a, "a.yaml", "store: local:/a/store.db\ninventory: hosts.yaml\nstate-dir: /a\nowner: ops\n"
                                                "ssh: {identity: id, known-hosts: /k, config: none}\nsession: 20s\n");
    write_file(path_b, sizeof path_b, "b.yaml", "# other store\nstore: zk://h:2181/t\n");
    struct tg_config *c = load(&(struct tg_config_args) {.site_file = path_a, .file = path_b});
    cr_assert_str_eq(c->store, "zk://h:2181/t");
    snprintf(from, sizeof from, "%s:2:8", path_b);
    cr_assert_str_eq(c->store_from, from);
    snprintf(from, sizeof from, "%s/hosts.yaml", dir);
    cr_assert_str_eq(c->inventory, from); /* beside the file that names it */
    snprintf(from, sizeof from, "%s/id", dir);
    cr_assert_str_eq(c->ssh_identity, from);
    cr_assert_str_eq(c->ssh_known_hosts, "/k");
    cr_assert_str_eq(c->ssh_config, "none");
    cr_assert_str_eq(c->owner, "ops");
    cr_assert_eq(c->session_ms, 20000);
    cr_assert_str_eq(c->host_state_dir, "/a", "the host's own stays known");
    tg_config_free(c);

    setenv("TAGOUT_STORE", "local:/env.db", 1);
    c = load(&(struct tg_config_args) {.site_file = path_a, .file = path_b});
    cr_assert_str_eq(c->store, "local:/env.db");
    cr_assert_str_eq(c->store_from, "TAGOUT_STORE");
    tg_config_free(c);

    c = load(&(struct tg_config_args) {.site_file = path_a, .store = "local:/opt.db", .inventory = "x.yaml"});
    cr_assert_str_eq(c->store, "local:/opt.db");
    cr_assert_str_eq(c->inventory, "x.yaml");
    cr_assert_str_eq(c->inventory_from, "--inventory");
    tg_config_free(c);
}

Test(site, the_default_store_is_in_the_state_folder)
{
    setenv("TAGOUT_STATE_DIR", "/home/u/tagout", 1);
    struct tg_config *c = load(&(struct tg_config_args) {.site_file = "/nonexistent/x"});
    cr_assert_str_eq(c->store, "local:/home/u/tagout/store.db");
    cr_assert_null(c->host_state_dir);
    tg_config_free(c);
}

static void fails(const struct tg_config_args *args, int code, const char *part)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_config *c = NULL;

    cr_assert_eq(tg_config_load(args, &p, &c, &e), code, "%s", e.message);
    cr_assert_null(c);
    cr_assert(strstr(e.message, part), "%s", e.message);
    tg_problems_release(&p);
}

Test(site, what_can_not_be_is_a_configuration_error)
{
    fails(&(struct tg_config_args) {.site_file = "/nonexistent/x", .file = "/nonexistent/y"}, TG_E_CONFIG, "/nonexistent/y can't be read");
    fails(&(struct tg_config_args) {.site_file = "/nonexistent/x", .store = "nonsense"}, TG_E_CONFIG, "--store: \"nonsense\" is no URL");
    setenv("TAGOUT_STATE_DIR", "relative", 1);
    fails(&(struct tg_config_args) {.site_file = "/nonexistent/x"}, TG_E_CONFIG, "TAGOUT_STATE_DIR must be an absolute path");
}

/* What people write at first, and what helps them. */
Test(site, requests_that_would_not_do_what_is_meant_are_told_with_the_mend)
{
    static const struct {
        const char *text, *message, *hint;
    } cases[] = {
        {"requests: {activities: {reboot: {run: /usr/bin/systemctl reboot}}}\n", "run is \"/usr/bin/systemctl reboot\", and would be taken for one name of a program", "write it as a list"},
        {"requests: {enter: /usr/local/sbin/evacuate now}\n", "requests.enter is \"/usr/local/sbin/evacuate now\"", "write it as a list"},
        {"requests: {activities: {reboot: {run: [systemctl, reboot]}}}\n", "no absolute path", "write it as a list"},
        {"requests: {hold: all}\n", "\"all\" is no actor that a lock can hold", "leave hold out"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_problems p = TG_PROBLEMS_INIT;
        struct tg_error e = TG_ERROR_INIT;
        struct tg_config *c = NULL;
        write_file(path_a, sizeof path_a, "a.yaml", cases[i].text);
        cr_assert_eq(tg_config_load(&(struct tg_config_args) {.site_file = path_a}, &p, &c, &e), TG_E_DATA, "%s", cases[i].text);
        cr_assert_eq(p.n, 1);
        cr_assert(strstr(p.list[0].error.message, cases[i].message), "%s", p.list[0].error.message);
        cr_assert(strstr(p.list[0].error.hint, cases[i].hint), "%s", p.list[0].error.hint);
        tg_problems_release(&p);
    }
}

Test(site, mistakes_of_both_files_are_told_at_once)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_config *c = NULL;
    static const char *const wanted[] = {
        "a.yaml:1:1: unknown key \"stor\" in the configuration", "a.yaml:2:10: session: \"10\" is no duration",
        "a.yaml:3:12: state-dir must be an absolute path, and is \"x\"", "a.yaml:4:7: unknown key \"key\" in ssh",
        "b.yaml:1:8: owner must be one word of at most 128 bytes, without quotes, and is \"a b\"",
        "b.yaml:2:8: store \"x\" is no URL of a store"};

    write_file(path_a, sizeof path_a, "a.yaml", "stor: local:/x\nsession: 10\nstate-dir: x\nssh: {key: x}\n");
    write_file(path_b, sizeof path_b, "b.yaml", "owner: a b\nstore: x\n");
    cr_assert_eq(tg_config_load(&(struct tg_config_args) {.site_file = path_a, .file = path_b}, &p, &c, &e), TG_E_DATA);
    tg_problems_sort(&p);
    cr_assert_eq(p.n, 6);
    for (size_t i = 0; i < 6; i++) {
        char text[1200];
        tg_error_format(&p.list[i].error, text, sizeof text);
        cr_assert_str_eq(text + strlen(dir) + 1, wanted[i]);
    }
    cr_assert_str_eq(p.list[0].error.hint, "did you mean \"store\"?");
    tg_problems_release(&p);
}

static void auth_fails(const struct tg_config *c, const char *part)
{
    struct tg_error e = TG_ERROR_INIT;
    char *auth;

    cr_assert_eq(tg_config_read_auth(c, &auth, &e), TG_E_CONFIG);
    cr_assert(strstr(e.message, part), "%s", e.message);
    cr_assert(!strstr(e.message, "secret") && !strstr(e.hint, "secret")); /* never in a message */
    cr_assert_null(auth);
}

Test(site, the_password_is_taken_only_from_a_file_that_nobody_else_reads)
{
    struct tg_config c = {.store_auth = path_a};
    char *auth;

    write_file(path_a, sizeof path_a, "auth", "ops:secret:x\n");
    chmod(path_a, 0640);
    auth_fails(&c, "can be read or written by others (mode 640)");
    chmod(path_a, 0600);
    cr_assert_eq(tg_config_read_auth(&c, &auth, NULL), 0);
    cr_assert_str_eq(auth, "digest:ops:secret:x");
    tg_config_forget_auth(auth);
    static const char *const bad[] = {"", "secret\n", ":secret\n", "ops:\n", "ops:secret\nmore\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(path_a, sizeof path_a, "auth", bad[i]);
        auth_fails(&c, "is not one line USER:PASSWORD");
    }
    c.store_auth = dir;
    auth_fails(&c, "is no regular file");
    c.store_auth = (char[]) {"/nonexistent/auth"};
    auth_fails(&c, "can't be read: No such file or directory");
    c.store_auth = NULL;
    cr_assert_eq(tg_config_read_auth(&c, &auth, NULL), 0);
    cr_assert_null(auth);
}

Test(site, every_key_is_in_the_man_page)
{
    char path[512];
    static char text[65536];

    snprintf(path, sizeof path, "%s/docs/tagout.yaml.5.scd", getenv("TAGOUT_SOURCE"));
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; tg_config_key(i); i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "*%s*", tg_config_key(i));
        cr_assert(strstr(text, wanted), "%s", wanted);
    }
}
