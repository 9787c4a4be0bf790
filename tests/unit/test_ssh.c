/* The transport "ssh" against real sshd's on loopback. */
#define _GNU_SOURCE
#include "unit/ssh_server.h"

static struct bed bed;

static void up(void)
{
    bed_up(&bed);
}

static void down(void)
{
    bed_down(&bed);
}

TestSuite(ssh, .init = up, .fini = down);

static void expect_exit(const char *script, int status, const char *out)
{
    struct outcome o;

    run(&bed, script, &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s: %s", script, o.error.message);
    cr_assert_eq(o.status, status, "%s: %d, %s", script, o.status, o.err);
    cr_assert_str_eq(o.out, out);
    cr_assert_eq(o.sent, 1);
    outcome_release(&o);
}

/* what must not have run: a file that the command would make */
static void expect_nothing_sent(struct bed *b, enum tg_job_end end, const char *text)
{
    struct outcome o;
    char script[256], path[128];

    snprintf(path, sizeof path, "%s/ran", b->server.dir);
    snprintf(script, sizeof script, "touch %s", path);
    run(b, script, &o);
    cr_assert_eq(o.end, end, "%d: %s", o.end, o.error.message);
    cr_assert(strstr(o.error.message, text), "%s", o.error.message);
    cr_assert_eq(o.sent, 0);
    cr_assert_neq(access(path, F_OK), 0, "the command ran");
    outcome_release(&o);
}

/* P12 */
Test(ssh, exit_statuses_and_both_streams_come_back)
{
    struct outcome o;

    expect_exit("echo hello; exit 0", 0, "hello\n");
    expect_exit("exit 1", 1, "");
    expect_exit("printf x; exit 255", 255, "x");
    run(&bed, "echo to-err >&2; echo to-out; exit 3", &o);
    cr_assert_eq(o.status, 3);
    cr_assert_str_eq(o.err, "to-err\n");
    cr_assert_str_eq(o.out, "to-out\n");
    outcome_release(&o);
}

Test(ssh, a_signal_that_killed_the_command_is_named)
{
    struct outcome o;
    const char *argv[] = {"kill", "-TERM", "0", NULL};

    /* the login shell itself is killed: "sh -c" would make an exit status of it */
    bed.command.argv = argv;
    start(&bed, argv, &o);
    wait_for(&bed, &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    cr_assert_eq(o.signal, SIGTERM);
    cr_assert_eq(o.status, 128 + SIGTERM);
    outcome_release(&o);
}

Test(ssh, words_travel_unharmed)
{
    struct outcome o;
    const char *argv[] = {"printf", "%s|", "it's", "$HOME `id` \"x\"", "", "a\nb", "*", NULL};

    start(&bed, argv, &o);
    wait_for(&bed, &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    cr_assert_str_eq(o.out, "it's|$HOME `id` \"x\"||a\nb|*|");
    outcome_release(&o);
}

Test(ssh, much_output_keeps_its_first_and_last_half)
{
    struct outcome o;

    run(&bed, "echo first; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last", &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    cr_assert_eq(o.streamed, 10000012);
    cr_assert_lt(o.out_len, (1 << 16) + 100);
    cr_assert_eq(strncmp(o.out, "first\n", 6), 0);
    cr_assert_str_eq(o.out + o.out_len - 6, "\nlast\n");
    cr_assert(strstr(o.out, "bytes cut here"));
    outcome_release(&o);
}

/* STYLE 20: secrets never reach argv. */
Test(ssh, input_arrives_and_is_in_nobodys_argv)
{
    struct outcome o;
    char script[512], path[128];
    size_t len, secret_len = 3000000;
    char *secret = malloc(secret_len + 1);

    memset(secret, 's', secret_len);
    memcpy(secret + 1000, "hunter2-in-the-middle", 21);
    secret[secret_len] = '\0';
    snprintf(script, sizeof script, "cat > %s/got; cat /proc/[0-9]*/cmdline > %s/cmdlines 2>/dev/null; true", bed.server.dir, bed.server.dir);
    bed.command.input = secret;
    bed.command.input_len = secret_len;
    run(&bed, script, &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    snprintf(path, sizeof path, "%s/got", bed.server.dir);
    char *got = read_file(path, &len);
    cr_assert_eq(len, secret_len);
    cr_assert_eq(memcmp(got, secret, len), 0);
    snprintf(path, sizeof path, "%s/cmdlines", bed.server.dir);
    char *lines = read_file(path, &len);
    cr_assert_gt(len, 100);
    cr_assert_null(memmem(lines, len, "hunter2-in", 10));
    free(got);
    free(lines);
    free(secret);
    outcome_release(&o);
}

Test(ssh, a_command_that_does_not_read_its_input_ends_all_the_same)
{
    struct outcome o;
    char *big = calloc(1, 8000000);

    bed.command.input = big;
    bed.command.input_len = 8000000;
    run(&bed, "exit 4", &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    cr_assert_eq(o.status, 4);
    free(big);
    outcome_release(&o);
}

/* the input is far more than window and buffers take: what can't be sent must neither block the loop nor put off the deadline */
Test(ssh, a_peer_that_stops_reading_does_not_stop_the_loop, .timeout = 250)
{
    struct outcome o;
    char *big = calloc(1, 16000000), script[256], path[128];
    size_t len;

    snprintf(path, sizeof path, "%s/stopped", bed.server.dir);
    snprintf(script, sizeof script, "echo $PPID > %s; kill -STOP $PPID; exec sleep 100", path);
    bed.command.input = big;
    bed.command.input_len = 16000000;
    bed.command.silence_ms = 4000;
    run(&bed, script, &o);
    cr_assert_eq(o.end, TG_JOB_TIMEOUT, "%d: %s", o.end, o.error.message);
    char *pid = read_file(path, &len);
    cr_assert(atoi(pid) > 1 && kill(atoi(pid), SIGKILL) == 0, "\"%s\"", pid);
    free(pid);
    free(big);
    outcome_release(&o);
}

/* ---- host keys ---- */

Test(ssh, an_unknown_host_key_sends_nothing_and_says_how_to_add_it)
{
    struct outcome o;

    write_file(bed.known_hosts, "# empty\n");
    expect_nothing_sent(&bed, TG_JOB_HOST_KEY, "its host key is not known (ssh-ed25519 SHA256:");
    run(&bed, "true", &o);
    cr_assert(strstr(o.error.hint, "echo '[box]:") && strstr(o.error.hint, bed.known_hosts), "%s", o.error.hint);
    /* the hint, followed to the letter, opens the door: the file is read again */
    cr_assert_eq(sh("%s", strstr(o.error.hint, "echo ")), 0);
    outcome_release(&o);
    expect_exit("echo in", 0, "in\n");
}

Test(ssh, a_changed_host_key_sends_nothing_and_shows_both)
{
    struct outcome o;

    cr_assert_eq(sh("cd %s && ssh-keygen -q -t ed25519 -N '' -f other && echo \"[box]:%d $(cut -d' ' -f1-2 other.pub)\" > known_hosts",
                    bed.server.dir, bed.server.port), 0);
    expect_nothing_sent(&bed, TG_JOB_HOST_KEY, "its host key is not the one known");
    run(&bed, "true", &o);
    const char *first = strstr(o.error.message, "SHA256:");
    cr_assert(first && strstr(first + 7, "SHA256:"), "%s", o.error.message);
    cr_assert(strstr(o.error.message, "known_hosts:1 has"), "%s", o.error.message);
    cr_assert(strstr(o.error.hint, "ssh-keygen -f") && strstr(o.error.hint, "-R '[box]:"), "%s", o.error.hint);
    outcome_release(&o);
}

Test(ssh, a_revoked_host_key_is_refused)
{
    cr_assert_eq(sh("cd %s && (cat known_hosts; echo \"@revoked * $(cut -d' ' -f1-2 host_ed25519.pub)\") > k2 && mv k2 known_hosts",
                    bed.server.dir), 0);
    expect_nothing_sent(&bed, TG_JOB_HOST_KEY, "is revoked");
}

Test(ssh, hashed_names_patterns_and_addresses_are_found)
{
    cr_assert_eq(sh("cd %s && ssh-keygen -q -H -f known_hosts 2>/dev/null >&2", bed.server.dir), 0);
    expect_exit("echo hashed", 0, "hashed\n");
    bed_close(&bed);
    bed_open(&bed, bed.identity, bed.known_hosts, "none");
    cr_assert_eq(sh("cd %s && echo \"!nobox,[b?x]:* $(cut -d' ' -f1-2 host_ed25519.pub)\" > known_hosts", bed.server.dir), 0);
    expect_exit("echo pattern", 0, "pattern\n");
    bed_close(&bed);
    bed_open(&bed, bed.identity, bed.known_hosts, "none");
    cr_assert_eq(sh("cd %s && echo \"[127.0.0.1]:%d $(cut -d' ' -f1-2 host_ed25519.pub)\" > known_hosts", bed.server.dir, bed.server.port), 0);
    expect_exit("echo address", 0, "address\n");
}

Test(ssh, a_key_known_for_the_address_does_not_excuse_a_wrong_one_for_the_name)
{
    cr_assert_eq(sh("cd %s && ssh-keygen -q -t ed25519 -N '' -f other && (echo \"[box]:%d $(cut -d' ' -f1-2 other.pub)\"; "
                    "echo \"[127.0.0.1]:%d $(cut -d' ' -f1-2 host_ed25519.pub)\") > known_hosts",
                    bed.server.dir, bed.server.port, bed.server.port), 0);
    expect_nothing_sent(&bed, TG_JOB_HOST_KEY, "not the one known");
}

Test(ssh, the_kind_of_key_that_is_known_is_asked_for)
{
    char path[128];

    server_kill(&bed.server);
    cr_assert_eq(sh("cd %s && ssh-keygen -q -t rsa -b 2048 -N '' -f host_rsa && echo \"HostKey %s/host_rsa\" >> sshd_config && "
                    "echo \"[box]:%d $(cut -d' ' -f1-2 host_rsa.pub)\" > known_hosts", bed.server.dir, bed.server.dir, bed.server.port), 0);
    snprintf(path, sizeof path, "%s/log", bed.server.dir);
    server_spawn(&bed.server);
    expect_exit("echo rsa", 0, "rsa\n");
}

/* ---- who does not answer ---- */

Test(ssh, a_closed_port_is_refused_at_once)
{
    close(free_port(&bed.target.port, SOCK_STREAM));
    expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "refused the connection");
}

Test(ssh, a_name_that_does_not_resolve_is_named)
{
    bed.target.address = "no-such-host.invalid";
    expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "can't be looked up");
}

Test(ssh, a_name_is_looked_up)
{
    bed.target.address = "localhost";
    expect_exit("echo hi", 0, "hi\n");
}

Test(ssh, who_accepts_and_never_speaks_is_unreachable)
{
    int fd = free_port(&bed.target.port, SOCK_STREAM);

    listen(fd, 5);
    bed.command.connect_ms = 300;
    expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "no key exchange was finished within 300ms");
    close(fd);
}

Test(ssh, who_drops_every_packet_is_unreachable)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = free_port(&bed.target.port, SOCK_STREAM), fill[8];

    listen(fd, 0); /* a full backlog drops SYNs, as a firewall does */
    a.sin_port = htons((uint16_t) bed.target.port);
    for (int i = 0; i < 8; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], (struct sockaddr *) &a, sizeof a);
    }
    bed.command.connect_ms = 300;
    expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "no answer to the connection within 300ms");
    for (int i = 0; i < 8; i++)
        close(fill[i]);
    close(fd);
}

/* ---- our keys ---- */

Test(ssh, a_key_that_is_not_authorized_is_denied)
{
    char other[128];

    cr_assert_eq(sh("cd %s && ssh-keygen -q -t ed25519 -N '' -f stranger", bed.server.dir), 0);
    snprintf(other, sizeof other, "%s/stranger", bed.server.dir);
    bed_close(&bed);
    bed_open(&bed, other, bed.known_hosts, "none");
    unsetenv("SSH_AUTH_SOCK");
    expect_nothing_sent(&bed, TG_JOB_DENIED, "no key is accepted for user");
}

Test(ssh, a_key_that_others_may_read_is_not_used)
{
    chmod(bed.identity, 0644);
    unsetenv("SSH_AUTH_SOCK");
    expect_nothing_sent(&bed, TG_JOB_DENIED, "others may read it");
}

static pid_t start_agent(const char *sock)
{
    pid_t pid = fork();

    if (pid == 0) {
        execlp("ssh-agent", "ssh-agent", "-D", "-a", sock, (char *) NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000 && access(sock, F_OK) != 0; i++)
        nap();
    return pid;
}

/* a key with a passphrase is in an agent only; both kinds of file, since OpenSSL would ask on the terminal for one */
Test(ssh, an_agent_holds_the_key)
{
    char sock[128];

    snprintf(sock, sizeof sock, "%s/agent", bed.server.dir);
    pid_t agent = start_agent(sock);
    setenv("SSH_AUTH_SOCK", sock, 1);
    cr_assert_eq(sh("ssh-add -q %s 2>/dev/null && ssh-keygen -q -p -P '' -N secret -f %s >/dev/null", bed.identity, bed.identity), 0);
    expect_exit("echo agent", 0, "agent\n");
    bed_close(&bed);
    cr_assert_eq(sh("cd %s && ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f pem", bed.server.dir), 0);
    snprintf(bed.identity, sizeof bed.identity, "%s/pem", bed.server.dir);
    bed_open(&bed, bed.identity, bed.known_hosts, "none");
    expect_exit("echo pem", 0, "pem\n");
    kill(agent, SIGTERM);
    waitpid(agent, NULL, 0);
}

/* ---- after the command was sent ---- */

static void expect_unknown(const char *script, enum tg_job_end end, const char *text)
{
    struct outcome o;

    run(&bed, script, &o);
    cr_assert_eq(o.end, end, "%d: %s", o.end, o.error.message);
    cr_assert(strstr(o.error.message, text), "%s", o.error.message);
    cr_assert_eq(o.sent, 1);
    outcome_release(&o);
}

/* P12: a broken connection is never "failed" */
Test(ssh, a_connection_that_dies_under_the_command_is_broken)
{
    expect_unknown("echo started; kill -9 $PPID; sleep 60", TG_JOB_BROKEN, "what came of");
    /* PPID is the login shell or sshd itself, as the shell likes: make sure with sshd's whole group */
    expect_exit("echo and the next works", 0, "and the next works\n");
}

Test(ssh, silence_and_the_total_deadline_end_a_command)
{
    bed.command.silence_ms = 200;
    expect_unknown("echo first; exec sleep 60", TG_JOB_TIMEOUT, "sent nothing for 200ms");
    bed.command.silence_ms = 0;
    bed.command.total_ms = 400;
    expect_unknown("while sleep 0.02; do echo on and on; done", TG_JOB_TIMEOUT, "did not end within 400ms");
}

Test(ssh, bytes_put_off_the_deadline_of_silence)
{
    bed.command.silence_ms = 3000;
    expect_exit("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.35; printf .; done", 0, "..........");
}

/* P10 */
Test(ssh, a_cancelled_job_ends_soon_and_tells_whether_it_was_sent)
{
    struct outcome before, after;
    const char *argv[] = {"sleep", "60", NULL}, *speak[] = {"sh", "-c", "echo up; sleep 60", NULL};
    struct tg_job *job = start(&bed, argv, &before);

    bed.backend->cancel(bed.impl, job);
    cr_assert_eq(before.called, 0); /* from the loop, not from cancel() */
    wait_for(&bed, &before);
    cr_assert_eq(before.end, TG_JOB_CANCELLED);
    cr_assert_eq(before.sent, 0);
    outcome_release(&before);
    job = start(&bed, speak, &after);
    while (!after.streamed)
        tg_loop_turn(bed.loop, 100);
    bed.backend->cancel(bed.impl, job);
    wait_for(&bed, &after);
    cr_assert_eq(after.end, TG_JOB_CANCELLED);
    cr_assert_eq(after.sent, 1);
    outcome_release(&after);
}

Test(ssh, closing_the_transport_answers_every_job)
{
    struct outcome o[3];
    const char *argv[] = {"sh", "-c", "echo up; sleep 60", NULL};

    start(&bed, argv, &o[0]);
    start(&bed, argv, &o[1]);
    while (!o[0].streamed)
        tg_loop_turn(bed.loop, 100);
    start(&bed, argv, &o[2]);
    bed_close(&bed);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(o[i].called, 1);
        cr_assert_eq(o[i].end, TG_JOB_CANCELLED);
        outcome_release(&o[i]);
    }
}

/* ---- sessions are kept ---- */

static char *connection(void)
{
    struct outcome o;
    char *text;

    run(&bed, "echo $SSH_CONNECTION", &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    text = o.out;
    o.out = NULL;
    outcome_release(&o);
    return text;
}

Test(ssh, the_next_job_of_a_host_uses_its_session)
{
    char *first = connection(), *second = connection();

    cr_assert_str_eq(first, second);
    free(first);
    free(second);
}

Test(ssh, a_kept_session_that_died_costs_nothing)
{
    struct outcome o;

    char script[600], killed[128];

    snprintf(killed, sizeof killed, "%s/killed", bed.server.dir);
    snprintf(script, sizeof script, "(while [ ! -e %s.go ]; do sleep 0.01; done; kill -9 $PPID; touch %s) >/dev/null 2>&1 </dev/null & true",
             killed, killed);
    run(&bed, script, &o);
    cr_assert_eq(o.end, TG_JOB_EXITED, "%s", o.error.message);
    outcome_release(&o);
    sh("touch %s.go", killed);
    while (access(killed, F_OK) != 0) /* no turn of the loop: it must not see the session die before the next job is given */
        nap();
    expect_exit("echo again", 0, "again\n");
}

static int count_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void no_descriptor_more(const char *what, int before)
{
    bed_close(&bed);
    for (int i = 0; i < 5; i++)
        tg_loop_turn(bed.loop, 0);
    cr_assert_eq(count_descriptors(), before, "%s leaves descriptors open", what);
    bed_open(&bed, bed.identity, bed.known_hosts, "none");
}

Test(ssh, no_way_to_end_leaves_a_descriptor)
{
    struct outcome o;
    int before;

    expect_exit("true", 0, "");
    bed_close(&bed);
    for (int i = 0; i < 5; i++)
        tg_loop_turn(bed.loop, 0);
    before = count_descriptors();
    bed_open(&bed, bed.identity, bed.known_hosts, "none");
    expect_exit("true", 0, "");
    no_descriptor_more("success", before);
    run(&bed, "kill -9 $PPID", &o);
    outcome_release(&o);
    no_descriptor_more("a broken connection", before);
    bed.command.total_ms = 1;
    run(&bed, "sleep 5", &o);
    outcome_release(&o);
    no_descriptor_more("a deadline", before);
    bed.command.total_ms = 0;
    write_file(bed.known_hosts, "# empty\n");
    run(&bed, "true", &o);
    outcome_release(&o);
    no_descriptor_more("an unknown key", before);
}

/* ---- hostile servers ---- */

struct evil {
    pid_t pid;
};

/* A child that accepts one connection after the other and does to each what the name says. */
static void evil_start(struct evil *evil, void (*talk)(int fd))
{
    int fd = free_port(&bed.target.port, SOCK_STREAM);

    listen(fd, 20);
    evil->pid = fork();
    if (evil->pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            int c = accept(fd, NULL, NULL);
            talk(c);
            close(c);
        }
    }
    close(fd);
}

static void evil_stop(struct evil *evil)
{
    kill(evil->pid, SIGKILL);
    waitpid(evil->pid, NULL, 0);
}

static void talk_garbage(int fd)
{
    char junk[4000];

    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char) (i * 7 + 128);
    (void) !write(fd, junk, sizeof junk);
    sleep(2);
}

static void talk_for_ever(int fd)
{
    while (write(fd, "this is not ssh\r\n", 17) > 0)
        ;
}

static void talk_one_line_for_ever(int fd)
{
    while (write(fd, "SSH-2.0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 50) > 0)
        ;
}

static void talk_huge_packet(int fd)
{
    static const char hello[] = "SSH-2.0-x\r\n\x7f\xff\xff\xff\x04\x14";

    (void) !write(fd, hello, sizeof hello - 1);
    while (write(fd, hello, sizeof hello - 1) > 0)
        ;
}

static void talk_and_close(int fd)
{
    char buffer[100];

    (void) !write(fd, "SSH-2.0-OpenSSH_9.2\r\n", 21);
    (void) !read(fd, buffer, sizeof buffer);
}

static void talk_ssh1(int fd)
{
    (void) !write(fd, "SSH-1.5-old\r\n", 13);
    sleep(2);
}

Test(ssh, hostile_servers_are_unreachable_within_the_deadline)
{
    static void (*const talks[])(int) = {talk_garbage, talk_for_ever, talk_one_line_for_ever, talk_huge_packet, talk_and_close, talk_ssh1};

    bed.command.connect_ms = 500;
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        struct evil evil;
        evil_start(&evil, talks[i]);
        expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "nothing was sent");
        evil_stop(&evil);
    }
}

/* ---- ssh_config ---- */

Test(ssh, the_configuration_says_where_and_who)
{
    char config[128];

    snprintf(config, sizeof config, "%s/config", bed.server.dir);
    write_file(config,
               "# a comment\nHost other\n  Port 1\nHost=b* !bad\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile \"%s\"\n"
               "  IdentitiesOnly yes\n  HostKeyAlias the-box\n  UserKnownHostsFile %s/absent %s/known_hosts\nMatch originalhost box\n  Port 2\n",
               bed.server.port, server_user, bed.identity, bed.server.dir, bed.server.dir);
    cr_assert_eq(sh("cd %s && echo \"the-box $(cut -d' ' -f1-2 host_ed25519.pub)\" > known_hosts", bed.server.dir), 0);
    bed_close(&bed);
    bed_open(&bed, NULL, NULL, config);
    bed.target = (struct tg_target) {.name = "box"};
    expect_exit("echo configured", 0, "configured\n");
    bed.target.port = 1; /* explicit options win */
    expect_nothing_sent(&bed, TG_JOB_UNREACHABLE, "127.0.0.1 port 1) refused");
}

static void expect_refused_by(const char *text, const char *message)
{
    struct tg_error e = TG_ERROR_INIT;
    struct outcome o = {0};
    const char *argv[] = {"true", NULL};
    char config[128];
    struct tg_job *job = NULL;

    snprintf(config, sizeof config, "%s/config", bed.server.dir);
    write_file(config, "%s", text);
    bed_close(&bed);
    bed_open(&bed, bed.identity, bed.known_hosts, config);
    bed.command.argv = argv;
    cr_assert_eq(bed.backend->run(bed.impl, &bed.target, &bed.command, NULL, record, &o, &job, &e), TG_E_CONFIG, "%s", text);
    cr_assert(strstr(e.message, message), "%s", e.message);
    cr_assert_eq(o.called, 0);
}

Test(ssh, a_host_behind_a_jump_host_is_never_reached_past_it)
{
    expect_refused_by("Host box\n  ProxyJump bastion\n", "ProxyJump bastion");
    expect_refused_by("Host *\n  ProxyCommand nc %h %p\n", "ProxyCommand nc box 22");
    expect_refused_by("Match host box exec \"test -e /vpn\"\n  ProxyJump none\n", "Match exec");
}
