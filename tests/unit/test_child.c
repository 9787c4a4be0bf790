/* base: starting programs, and SHA-256. */
#include "base/child.h"
#include "base/sha256.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tg_child_result run_sh(const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct tg_child_spec spec = {.argv = argv};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_child_run(&spec, "in\nput", 6, 20000, 4096, &r, &e), 0, "%s", e.message);
    return r;
}

Test(child, gives_input_and_collects_both_outputs_and_the_status)
{
    struct tg_child_result r = run_sh("cat; echo oops >&2; exit 7");

    cr_assert_eq(r.status, 7);
    cr_assert_str_eq(r.out, "in\nput");
    cr_assert_str_eq(r.err, "oops\n");
    cr_assert_not(r.cut);
    tg_child_result_release(&r);
}

Test(child, inherits_no_environment_no_signals_no_descriptors)
{
    int fd = open("/dev/null", O_RDONLY);

    setenv("SECRET", "x", 1);
    signal(SIGPIPE, SIG_IGN);
    struct tg_child_result r = run_sh("echo s=$SECRET; grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd");
    cr_assert(strstr(r.out, "s=\n"), "%s", r.out);
    cr_assert(strstr(r.out, "SigBlk:\t0000000000000000"), "%s", r.out);
    cr_assert(strstr(r.out, "SigIgn:\t0000000000000000"), "%s", r.out);
    cr_assert(strstr(r.out, "0\n1\n2\n3\n") && !strstr(r.out, "4\n5\n"), "%s", r.out); /* 3 is ls's own */
    tg_child_result_release(&r);
    close(fd);
}

Test(child, leads_its_own_group)
{
    struct tg_child_result r = run_sh("cut -d' ' -f1,5 /proc/$$/stat");
    int pid = 0, group = -1;

    cr_assert_eq(sscanf(r.out, "%d %d", &pid, &group), 2);
    cr_assert_eq(pid, group);
    tg_child_result_release(&r);
}

Test(child, keeps_what_it_was_promised)
{
    int ends[2];
    const char *argv[] = {"/bin/sh", "-c", "echo kept >/proc/self/fd/$FD", NULL};
    char text[16] = "", env_fd[16];
    const char *env[] = {env_fd, NULL};
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    snprintf(env_fd, sizeof env_fd, "FD=%d", ends[1]);
    struct tg_child_spec spec = {.argv = argv, .env = env, .in = -1, .out = -1, .err = -1, .keep = &ends[1], .n_keep = 1};
    cr_assert_eq(tg_child_start(&spec, &pid, NULL), 0);
    close(ends[1]);
    cr_assert_eq(read(ends[0], text, sizeof text - 1), 5);
    cr_assert_str_eq(text, "kept\n");
    close(ends[0]);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(child, killed_by_a_signal_is_128_and_it)
{
    struct tg_child_result r = run_sh("kill -KILL $$");

    cr_assert_eq(r.status, 137);
    tg_child_result_release(&r);
}

Test(child, a_program_that_hangs_is_stopped_with_its_group)
{
    const char *argv[] = {"sh", "-c", "trap '' TERM; sleep 1000 & wait; sleep 1000", NULL};
    struct tg_child_spec spec = {.argv = argv};
    struct tg_child_result r;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_child_run(&spec, NULL, 0, 50, 100, &r, &e), TG_E_TIMEOUT);
    cr_assert(strstr(e.message, "sh did not end within 50ms"), "%s", e.message);
}

Test(child, output_beyond_the_bound_is_cut_and_says_so)
{
    struct tg_child_result r = run_sh("head -c 100000 /dev/zero");

    cr_assert_eq(r.out_len, 4096);
    cr_assert(r.cut);
    cr_assert_eq(r.status, 0);
    tg_child_result_release(&r);
}

Test(child, what_can_not_be_started_is_an_error_and_no_status)
{
    const char *none[] = {"no-such-program-here", NULL}, *dir[] = {"/tmp", NULL}, *bad[] = {"/dev/null", NULL};
    struct { const char *const *argv; int code; } rows[] = {{none, TG_E_NOENT}, {dir, TG_E_PERM}, {bad, TG_E_PERM}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_child_spec spec = {.argv = rows[i].argv, .in = -1, .out = -1, .err = -1};
        struct tg_error e = TG_ERROR_INIT;
        pid_t pid;
        cr_assert_eq(tg_child_start(&spec, &pid, &e), rows[i].code, "%zu: %s", i, e.message);
        cr_assert(strstr(e.message, rows[i].argv[0]));
    }
}

Test(child, a_missing_interpreter_is_said_so)
{
    char path[] = "/tmp/child-XXXXXX";
    int fd = mkstemp(path);
    const char *argv[] = {path, NULL};
    struct tg_child_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    struct tg_error e = TG_ERROR_INIT;
    pid_t pid;

    cr_assert_eq(write(fd, "#!/no/such/sh\n", 14), 14);
    fchmod(fd, 0755);
    close(fd);
    int rc = tg_child_start(&spec, &pid, &e);
    unlink(path);
    cr_assert_eq(rc, TG_E_NOENT);
    cr_assert(strstr(e.hint, "interpreter"));
}

Test(sha256, published_vectors)
{
    char hex[TG_SHA256_HEX], *million = malloc(1000000);

    tg_sha256_hex("abc", 3, hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tg_sha256_hex("", 0, hex);
    cr_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    tg_sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    cr_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', 1000000);
    tg_sha256_hex(million, 1000000, hex);
    cr_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}
