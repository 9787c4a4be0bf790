/* The machine of an SSH session and its readers, without any network: the tables are whole, and what they promise. */
#include "../../ssh/config.c"
#include "../../ssh/config_file.c"
#include "../../ssh/machine.c"
#include "../../ssh/pattern.c"

#include <criterion/criterion.h>

/* STYLE 16 */
Test(ssh_machine, every_pair_of_state_and_event_is_defined)
{
    for (int s = 0; s < TG_SSH_STATES; s++) {
        cr_assert(tg_ssh_phases[s].name && tg_ssh_phases[s].late, "state %d", s);
        for (int v = 0; v < TG_SSH_EVENTS; v++) {
            struct tg_ssh_cell cell = tg_ssh_cell((enum tg_ssh_state) s, (enum tg_ssh_event) v);
            cr_assert(tg_ssh_event_name((enum tg_ssh_event) v));
            cr_assert_neq(cell.kind, TG_SSH_UNDEFINED, "%s × %s", tg_ssh_phases[s].name, tg_ssh_event_name((enum tg_ssh_event) v));
            cr_assert_lt(cell.next, TG_SSH_STATES);
        }
    }
}

/* P12: "unreachable" only before the command is sent, "broken" and "timeout" only after it */
Test(ssh_machine, ends_tell_whether_the_command_may_have_begun)
{
    for (int s = 0; s < TG_SSH_STATES; s++)
        for (int v = 0; v < TG_SSH_EVENTS; v++) {
            struct tg_ssh_cell cell = tg_ssh_cell((enum tg_ssh_state) s, (enum tg_ssh_event) v);
            bool sent = s == TG_SSH_EXEC || s == TG_SSH_RUN;
            if (cell.kind != TG_SSH_END)
                continue;
            cr_assert(tg_ssh_phases[s].has_job, "%s", tg_ssh_phases[s].name);
            if (cell.end == TG_JOB_UNREACHABLE || cell.end == TG_JOB_HOST_KEY)
                cr_assert(!sent, "%s × %s", tg_ssh_phases[s].name, tg_ssh_event_name((enum tg_ssh_event) v));
            if (cell.end == TG_JOB_BROKEN || cell.end == TG_JOB_TIMEOUT || cell.end == TG_JOB_EXITED)
                cr_assert(sent, "%s × %s", tg_ssh_phases[s].name, tg_ssh_event_name((enum tg_ssh_event) v));
        }
}

/* the deadlines and a cancel end the job in every state that has one */
Test(ssh_machine, no_state_holds_a_job_for_ever)
{
    for (int s = 0; s < TG_SSH_STATES; s++) {
        if (!tg_ssh_phases[s].has_job)
            continue;
        cr_assert_eq(tg_ssh_cell((enum tg_ssh_state) s, TG_SSH_EV_CANCEL).end, TG_JOB_CANCELLED);
        cr_assert_eq(tg_ssh_cell((enum tg_ssh_state) s, TG_SSH_EV_LATE_TOTAL).kind, TG_SSH_END);
        bool sent = s == TG_SSH_EXEC || s == TG_SSH_RUN;
        cr_assert_eq(tg_ssh_cell((enum tg_ssh_state) s, sent ? TG_SSH_EV_LATE_SILENCE : TG_SSH_EV_LATE_CONNECT).kind, TG_SSH_END);
    }
}

/* a host's key is checked before anything of ours is shown to it: no way from the key exchange to AUTH but through VERIFY */
Test(ssh_machine, nothing_passes_the_host_key)
{
    for (int s = 0; s < TG_SSH_STATES; s++)
        for (int v = 0; v < TG_SSH_EVENTS; v++) {
            struct tg_ssh_cell cell = tg_ssh_cell((enum tg_ssh_state) s, (enum tg_ssh_event) v);
            if (cell.kind != TG_SSH_GO)
                continue;
            if (cell.next == TG_SSH_AUTH)
                cr_assert(s == TG_SSH_VERIFY && v == TG_SSH_EV_DONE);
            if (cell.next == TG_SSH_CHANNEL)
                cr_assert((s == TG_SSH_AUTH && v == TG_SSH_EV_DONE) || (s == TG_SSH_IDLE && v == TG_SSH_EV_JOB));
        }
}

Test(ssh_pattern, lists_stars_and_refusals)
{
    cr_assert_eq(tg_ssh_match_list("web001.example.com", "web*.example.com"), 1);
    cr_assert_eq(tg_ssh_match_list("WEB1", "a,web?"), 1);
    cr_assert_eq(tg_ssh_match_list("web1", "*,!web1"), -1);
    cr_assert_eq(tg_ssh_match_list("web1", "!web2"), 0);
    cr_assert_eq(tg_ssh_match_list("[web1]:2222", "[web*]:2222"), 1);
    cr_assert_eq(tg_ssh_match_list("", "*"), 1);
    cr_assert_eq(tg_ssh_match_list("web1", ""), 0);
    cr_assert_eq(tg_ssh_match_list("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*a*a*a*c"), 0);
}

static char dir[64];

static void up(void)
{
    snprintf(dir, sizeof dir, "/tmp/tagout-config-XXXXXX");
    cr_assert(mkdtemp(dir));
    umask(077);
}

static void down(void)
{
    char command[100];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(ssh_config, .init = up, .fini = down);

static const char *file(const char *name, const char *text)
{
    static char path[4][128];
    static int n;
    char *p = path[n++ % 4];

    snprintf(p, 128, "%s/%s", dir, name);
    FILE *f = fopen(p, "we");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
    return p;
}

static struct tg_ssh_settings ask(const char *path, const char *host, const char *user)
{
    struct tg_ssh_settings s;
    struct tg_ssh_config *config = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_ssh_config_load(path, &config, &e), 0, "%s", e.message);
    cr_assert_eq(tg_ssh_config_ask(config, host, user, &s, &e), 0, "%s", e.message);
    tg_ssh_config_free(config);
    return s;
}

Test(ssh_config, the_first_value_stands_and_identities_add_up)
{
    const char *path = file("c", "Host web1\n IdentityFile /a\n Port 1\nHost web* !web2\n IdentityFile /b-%h-%n-%%\n Port 2\n HostName %h.example.com\n"
                                 "Host *\n\tIdentityFile = \"/c d\"\n User x\n");
    struct tg_ssh_settings s = ask(path, "web1", NULL);

    cr_assert_str_eq(s.value[TG_SSH_KW_PORT], "1");
    cr_assert_str_eq(s.value[TG_SSH_KW_HOSTNAME], "web1.example.com");
    cr_assert_eq(s.n_identity, 3);
    cr_assert_str_eq(s.identity[1], "/b-web1.example.com-web1-%");
    cr_assert_str_eq(s.identity[2], "/c d");
    tg_ssh_settings_release(&s);
    s = ask(path, "web2", NULL);
    cr_assert_null(s.value[TG_SSH_KW_PORT]);
    cr_assert_str_eq(s.value[TG_SSH_KW_USER], "x");
    tg_ssh_settings_release(&s);
}

Test(ssh_config, match_and_conditional_include)
{
    char text[512];
    const char *inner = file("inner", "Port 7\nHost other\nPort 8\n");

    snprintf(text, sizeof text, "Match user alice\n Include %s\nMatch !host web* all\n Port 3\nMatch originalhost web1\n Port 4\n", inner);
    const char *path = file("outer", text);
    struct tg_ssh_settings s = ask(path, "web1", "alice");
    cr_assert_str_eq(s.value[TG_SSH_KW_PORT], "7");
    tg_ssh_settings_release(&s);
    s = ask(path, "web1", "bob");
    cr_assert_str_eq(s.value[TG_SSH_KW_PORT], "4");
    tg_ssh_settings_release(&s);
    s = ask(path, "db1", "bob");
    cr_assert_str_eq(s.value[TG_SSH_KW_PORT], "3");
    tg_ssh_settings_release(&s);
}

Test(ssh_config, mistakes_name_file_and_line)
{
    static const struct { const char *text, *message; } rows[] = {
        {"Host a\n Port\n", "needs a value"}, {"User \"x\n", "not closed"}, {"\n\nProxyCommand\n", "needs a command"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_ssh_config *config = NULL;
        struct tg_error e = TG_ERROR_INIT;
        const char *path = file("bad", rows[i].text);
        cr_assert_eq(tg_ssh_config_load(path, &config, &e), TG_E_CONFIG, "%s", rows[i].text);
        cr_assert(strstr(e.message, rows[i].message), "%s", e.message);
        cr_assert_str_eq(e.file, path);
        cr_assert_gt(e.line, 0);
    }
}

Test(ssh_config, a_file_that_others_may_write_is_refused)
{
    struct tg_ssh_config *config = NULL;
    struct tg_error e = TG_ERROR_INIT;
    const char *path = file("open", "User x\n");

    chmod(path, 0666);
    cr_assert_eq(tg_ssh_config_load(path, &config, &e), TG_E_CONFIG);
    cr_assert(strstr(e.message, "not trusted"));
    cr_assert_eq(tg_ssh_config_load("/nonexistent/config", &config, NULL), TG_E_CONFIG);
}

Test(ssh_config, an_include_of_itself_ends)
{
    char text[300];
    struct tg_ssh_config *config = NULL;
    struct tg_error e = TG_ERROR_INIT;

    snprintf(text, sizeof text, "Include %s/self\n", dir);
    const char *path = file("self", text);
    cr_assert_eq(tg_ssh_config_load(path, &config, &e), TG_E_CONFIG);
    cr_assert(strstr(e.message, "deeper"), "%s", e.message);
}
