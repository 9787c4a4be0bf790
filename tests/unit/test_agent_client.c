/* Whom the client of the agent's socket believes. P2: who may write to a folder on the way to it must not answer in the agent's place. */
#define _GNU_SOURCE
#include "agent/client.h"

#include <tagout/clock.h>

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOBODY 65534

static char top[64], folder[96], path[108];
static int listener;

static int listen_at(const char *at)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof name.sun_path, "%s", at);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *) &name, sizeof name) == 0 && listen(fd, 64) == 0);
    return fd;
}

static void setup(void)
{
    snprintf(top, sizeof top, "/tmp/tagout-client.XXXXXX");
    cr_assert(mkdtemp(top));
    snprintf(folder, sizeof folder, "%s/run", top);
    snprintf(path, sizeof path, "%s/agent.sock", folder);
    cr_assert_eq(mkdir(folder, 0755), 0);
    listener = listen_at(path);
}

static void teardown(void)
{
    char command[128];

    close(listener);
    snprintf(command, sizeof command, "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

/* 0 when it connects. */
static int connects(const char *to, struct tg_error *e)
{
    struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
    int rc = tg_agent_connect(to, tg_mono_ms(tg_clock_real()) + 5000, &c, e);

    tg_agent_disconnect(&c);
    return rc;
}

static void expect(int code, const char *text)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(connects(path, &e), code, "%d: %s", e.code, e.message);
    cr_assert(!text || strstr(e.message, text), "%s", e.message);
}

#define CTEST(name) Test(agent_client, name, .init = setup, .fini = teardown)

CTEST(a_socket_of_ones_own_is_believed)
{
    expect(0, NULL);
    close(listener); /* nobody listens: there is no agent */
    expect(TG_E_NOENT, path);
    cr_assert_eq(unlink(path), 0);
    expect(TG_E_NOENT, path);
    listener = listen_at(path);
}

CTEST(every_folder_on_the_way_counts)
{
    cr_assert_eq(chmod(folder, 0777), 0);
    expect(TG_E_PERM, "others may write to that folder");
    cr_assert_eq(chmod(folder, 01777), 0); /* nobody may remove ours, but put his own there once it is gone */
    expect(TG_E_PERM, "others may write to that folder");
    cr_assert_eq(chmod(folder, 0775), 0);
    expect(TG_E_PERM, "others may write to that folder");
    cr_assert_eq(chmod(folder, 01775), 0); /* as the agent's unit has it: root's, and sticky for the agent's group */
    expect(0, NULL);
    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(chmod(top, 0777), 0);
    expect(TG_E_PERM, top);
    cr_assert_eq(chmod(top, 01777), 0); /* as /tmp is: run in it is ours */
    expect(0, NULL);
    cr_assert_eq(chmod(top, 0775), 0);
    expect(TG_E_PERM, top);
}

CTEST(links_are_followed_to_where_they_lead_and_judged_there)
{
    char link[108], through[108];
    struct tg_error e = TG_ERROR_INIT;

    snprintf(link, sizeof link, "%s/link", top);
    snprintf(through, sizeof through, "%s/link/agent.sock", top);
    cr_assert_eq(symlink(folder, link), 0); /* /var/run */
    cr_assert_eq(connects(through, &e), 0, "%s", e.message);
    cr_assert_eq(chmod(folder, 0777), 0);
    cr_assert_eq(connects(through, &e), TG_E_PERM);
    cr_assert_eq(chmod(folder, 0755), 0);
    snprintf(link, sizeof link, "%s/sock", top);
    cr_assert_eq(symlink(path, link), 0);
    e = (struct tg_error) TG_ERROR_INIT;
    cr_assert_eq(connects(link, &e), TG_E_PERM);
    cr_assert(strstr(e.message, "is no socket"), "%s", e.message);
}

CTEST(what_is_another_users_is_not)
{
    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(chown(path, NOBODY, 0), 0);
    expect(TG_E_PERM, "belongs to user 65534");
    cr_assert_eq(chown(path, 0, 0), 0);
    cr_assert_eq(chown(folder, NOBODY, 0), 0);
    expect(TG_E_PERM, "belongs to user 65534");
    cr_assert_eq(chown(folder, 0, 0), 0);
    cr_assert_eq(chown(top, NOBODY, 0), 0);
    expect(TG_E_PERM, "belongs to user 65534");
    cr_assert_eq(chown(top, 0, 0), 0);
    expect(0, NULL);
}

/* --- somebody who changes what the name means while it is looked at --- */

static atomic_int stop;
static char good[108], bad[108];

static void put(const char *source, const char *in_between)
{
    (void) unlink(in_between);
    if (link(source, in_between) == 0)
        (void) rename(in_between, path);
}

static void *swap(void *unused)
{
    char in_between[108];

    (void) unused;
    snprintf(in_between, sizeof in_between, "%s/new", folder);
    while (!atomic_load(&stop)) {
        put(bad, in_between);
        put(good, in_between);
    }
    return NULL;
}

/* It is bound to the name that it was made with. */
static void look_at_peer(const struct tg_agent_client *c)
{
    struct sockaddr_un peer = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof peer;

    cr_assert_eq(getpeername(c->fd, (struct sockaddr *) &peer, &len), 0);
    cr_assert_str_neq(peer.sun_path, bad, "it talks to the other one");
}

static void drain(int fd)
{
    int peer;

    while ((peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        close(peer);
}

CTEST(what_was_looked_at_is_what_is_talked_to)
{
    pthread_t thread;
    int met = 0;

    if (geteuid() != 0)
        cr_skip_test("needs root");
    snprintf(good, sizeof good, "%s/good", folder);
    snprintf(bad, sizeof bad, "%s/bad", folder);
    int good_fd = listen_at(good), bad_fd = listen_at(bad);
    cr_assert_eq(fcntl(good_fd, F_SETFL, O_NONBLOCK) | fcntl(bad_fd, F_SETFL, O_NONBLOCK), 0);
    cr_assert_eq(chown(bad, NOBODY, 0), 0);
    cr_assert_eq(pthread_create(&thread, NULL, swap, NULL), 0);
    for (int i = 0; i < 5000 && met < 1000; i++) {
        struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
        if (tg_agent_connect(path, tg_mono_ms(tg_clock_real()) + 5000, &c, NULL) == 0) {
            look_at_peer(&c);
            met++;
        }
        tg_agent_disconnect(&c);
        drain(good_fd);
        drain(bad_fd);
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    cr_assert(met > 0);
    close(good_fd);
    close(bad_fd);
}
