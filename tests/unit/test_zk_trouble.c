/* The store on ZooKeeper when servers die, stop, come back, or the client is late: on real servers. */
#include "zk_store.h"

#include <dirent.h>

#define TROUBLE(name) Test(zk_trouble, name, .init = zk_setup, .fini = zk_teardown, .timeout = 280)

TROUBLE(requests_made_before_the_server_is_up_wait_for_it_in_their_order)
{
    struct zk_side a;
    struct zk_seen seen[3] = {{0}};
    struct tg_op make = {.kind = TG_OP_CREATE, .path = "/n"}, change = {.kind = TG_OP_WRITE, .path = "/n", .version = 0};

    zk_server("start", zk_zk); /* gives it its port */
    zk_server("stop", zk_zk);
    zk_open_at(&a, NULL, 10000, TG_STORE_CREATE, NULL);
    ZK_OK(tg_store_multi_async(a.store, &make, 1, zk_on_reply, &seen[0], e));
    ZK_OK(tg_store_multi_async(a.store, &change, 1, zk_on_reply, &seen[1], e));
    ZK_OK(tg_store_read_async(a.store, "/n", NULL, NULL, zk_on_reply, &seen[2], e));
    ZK_AWAIT(&a, strstr(a.error.message, "refused"));
    cr_assert_eq(a.state, TG_SESSION_CONNECTING);
    cr_assert_eq(seen[0].count + seen[1].count + seen[2].count, 0);
    zk_server("start", zk_zk);
    ZK_AWAIT(&a, seen[2].count);
    for (int i = 0; i < 3; i++)
        cr_assert(seen[i].count == 1 && seen[i].code == 0, "request %d: %d", i, seen[i].code);
    zk_close_side(&a);
}

TROUBLE(nobody_there_is_a_timeout_that_says_why)
{
    struct zk_side a;
    struct tg_node n = {0};
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    zk_server("kill", zk_zk);
    zk_open_at(&a, NULL, 10000, 0, NULL);
    cr_assert_eq(tg_store_read(a.store, "/n", tg_store_deadline(a.store, 300), &n, &why), TG_E_TIMEOUT);
    cr_assert(strstr(why.message, "127.0.0.1") && strstr(why.message, "Connection refused"), "%s", why.message);
    zk_close_side(&a);
}

TROUBLE(names_are_looked_up_and_one_that_is_not_known_is_named)
{
    struct zk_side a, b;
    char url[200];
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    snprintf(url, sizeof url, "zk://localhost:%s/t", zk_server_port(zk_zk));
    zk_open_at(&a, url, 10000, TG_STORE_CREATE, NULL);
    ZK_OK(tg_store_connect(a.store, zk_until(&a), e));
    zk_close_side(&a);
    zk_open_at(&b, "zk://no-such-host.invalid:2181/t", 10000, 0, NULL);
    ZK_AWAIT(&b, b.error.code);
    cr_assert_eq(tg_store_connect(b.store, tg_store_deadline(b.store, 50), &why), TG_E_TIMEOUT);
    cr_assert(strstr(why.message, "no-such-host.invalid: the name can't be looked up"), "%s", why.message);
    zk_close_side(&b);
}

/* P3: the session, its ephemerals and its watches live through the death of the server. */
TROUBLE(a_killed_server_that_comes_back_finds_the_session_and_its_watches)
{
    struct zk_side a, b;
    struct zk_seen fired = {0}, names = {0};
    struct tg_node n = {0};
    struct tg_names list = {0};
    struct tg_stat st;

    zk_server("start", zk_zk);
    zk_open_side(&a, 20000);
    ZK_OK(zk_create(&a, "/e", TG_CREATE_EPHEMERAL, e));
    ZK_OK(tg_store_read_watch(a.store, "/e", zk_on_event, &fired, zk_until(&a), &n, e));
    ZK_OK(tg_store_list_watch(a.store, "/", zk_on_event, &names, zk_until(&a), &list, e));
    tg_node_release(&n);
    tg_names_release(&list);
    uint64_t id = tg_store_session_id(a.store);
    zk_server("kill", zk_zk);
    ZK_AWAIT(&a, a.state == TG_SESSION_CONNECTING);
    zk_server("start", zk_zk);
    ZK_AWAIT(&a, a.state == TG_SESSION_CONNECTED);
    cr_assert_eq(tg_store_session_id(a.store), id);
    cr_assert_eq(zk_read_code(&a, "/e", &st), 0);
    cr_assert_eq(st.owner, id);
    cr_assert_eq(fired.count + names.count, 0, "a broken connection is no event of a node");
    zk_open_side(&b, 20000);
    ZK_OK(tg_store_write(b.store, "/e", "y", 1, TG_ANY_VERSION, zk_until(&b), e));
    ZK_OK(zk_create(&b, "/p", 0, e));
    ZK_AWAIT(&a, fired.count && names.count);
    cr_assert_eq(fired.event, TG_WATCH_CHANGED);
    cr_assert_eq(names.event, TG_WATCH_CHANGED);
    zk_close_side(&b);
    zk_close_side(&a);
}

TROUBLE(what_changed_while_the_connection_was_down_fires_when_it_is_back)
{
    struct zk_side a, b;
    struct zk_seen fired = {0};
    struct tg_node n = {0};

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    zk_open_side(&b, 30000);
    ZK_OK(zk_create(&a, "/n", 0, e));
    ZK_OK(tg_store_read_watch(a.store, "/n", zk_on_event, &fired, zk_until(&a), &n, e));
    tg_node_release(&n);
    zk_server("kill", zk_zk);
    zk_server("start", zk_zk);
    ZK_OK(tg_store_write(b.store, "/n", "y", 1, TG_ANY_VERSION, zk_until(&b), e)); /* a's loop stands still meanwhile */
    ZK_AWAIT(&a, fired.count);
    cr_assert_eq(fired.event, TG_WATCH_CHANGED);
    zk_close_side(&b);
    zk_close_side(&a);
}

/* Ambiguous requests are said to be so, each once; those made after the break wait for the next connection. */
TROUBLE(what_was_under_way_when_the_server_died_is_lost)
{
    struct zk_side a;
    struct zk_seen seen[40] = {{0}}, later = {0};
    struct tg_op op = {.kind = TG_OP_WRITE, .path = "/n", .data = "y", .len = 1, .version = TG_ANY_VERSION};

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    ZK_OK(zk_create(&a, "/n", 0, e));
    zk_server("pause", zk_zk);
    for (int i = 0; i < 40; i++)
        ZK_OK(tg_store_multi_async(a.store, &op, 1, zk_on_reply, &seen[i], e));
    for (int i = 0; i < 20; i++)
        tg_loop_turn(a.loop, 5);
    zk_server("kill", zk_zk);
    ZK_AWAIT(&a, seen[39].count);
    for (int i = 0; i < 40; i++)
        cr_assert(seen[i].count == 1 && seen[i].code == TG_E_LOST, "%d: %d times, %d", i, seen[i].count, seen[i].code);
    ZK_OK(tg_store_multi_async(a.store, &op, 1, zk_on_reply, &later, e));
    zk_server("start", zk_zk);
    ZK_AWAIT(&a, later.count);
    cr_assert_eq(later.code, 0);
    zk_close_side(&a);
}

/* The library's send fails before its read does: it closes its socket and forgets to tell. */
TROUBLE(requests_sent_into_a_dead_connection_are_answered_once_and_not_sent_again_by_half)
{
    static char big[200000];
    struct zk_side a;
    struct zk_seen seen[8] = {{0}};
    struct tg_op op = {.kind = TG_OP_WRITE, .path = "/n", .data = big, .len = sizeof big, .version = TG_ANY_VERSION};
    struct tg_stat st;

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    ZK_OK(zk_create(&a, "/n", 0, e));
    zk_server("pause", zk_zk);
    for (int i = 0; i < 4; i++)
        ZK_OK(tg_store_multi_async(a.store, &op, 1, zk_on_reply, &seen[i], e));
    tg_loop_turn(a.loop, 5);
    tg_loop_turn(a.loop, 5);
    zk_server("kill", zk_zk);
    for (int i = 4; i < 8; i++)
        ZK_OK(tg_store_multi_async(a.store, &op, 1, zk_on_reply, &seen[i], e));
    zk_server("start", zk_zk);
    ZK_AWAIT(&a, seen[7].count);
    for (int i = 0; i < 8; i++)
        cr_assert(seen[i].count == 1 && (seen[i].code == TG_E_LOST || (i >= 4 && seen[i].code == 0)), "%d: %d", i, seen[i].code);
    cr_assert_eq(zk_read_code(&a, "/n", &st), 0);
    zk_close_side(&a);
}

/* P4: a server that has stopped proves nothing, and nobody waits for it beyond the deadline. */
TROUBLE(a_stopped_server_is_a_timeout_at_the_deadline_and_proves_nothing)
{
    struct zk_side a;
    struct tg_node n = {0};
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    int64_t proven = tg_store_proven_ms(a.store);
    zk_server("pause", zk_zk);
    int64_t paused = zk_now(), deadline = tg_store_deadline(a.store, 400);
    cr_assert_eq(tg_store_read(a.store, "/", deadline, &n, &why), TG_E_TIMEOUT, "%s", why.message);
    cr_assert_geq(zk_now(), deadline);
    cr_assert_lt(zk_now() - paused, 20000, "that was the library's own patience, not the deadline");
    cr_assert_leq(tg_store_proven_ms(a.store), paused);
    cr_assert_geq(tg_store_proven_ms(a.store), proven);
    zk_server("resume", zk_zk);
    int64_t resumed = zk_now();
    ZK_AWAIT(&a, tg_store_proven_ms(a.store) >= resumed);
    zk_close_side(&a);
}

/* P4 */
TROUBLE(an_idle_session_stays_proven_while_somebody_looks)
{
    struct zk_side a;

    zk_server("start", zk_zk);
    zk_open_side(&a, 8000);
    for (int i = 0; i < 4; i++) {
        int64_t proven = tg_store_proven_ms(a.store);
        ZK_AWAIT(&a, tg_store_proven_ms(a.store) > proven);
        cr_assert_leq(tg_store_proven_ms(a.store), zk_now());
    }
    cr_assert_eq(a.state, TG_SESSION_CONNECTED);
    zk_close_side(&a);
}

/* P4: who is late finds the session over for good; and it was not over before the time-out had passed since it was proven. */
TROUBLE(a_client_that_was_stopped_finds_its_session_expired)
{
    struct zk_side a, b;
    struct zk_seen lost = {0}, fired = {0};
    struct tg_node n = {0};
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    zk_open_side(&a, 1000);
    zk_open_side(&b, 20000);
    ZK_OK(zk_create(&a, "/e", TG_CREATE_EPHEMERAL, e));
    ZK_OK(tg_store_read_watch(a.store, "/", zk_on_event, &lost, zk_until(&a), &n, e));
    tg_node_release(&n);
    ZK_OK(tg_store_read_watch(b.store, "/e", zk_on_event, &fired, zk_until(&b), &n, e));
    tg_node_release(&n);
    int64_t proven = tg_store_proven_ms(a.store), session = tg_store_session_ms(a.store);
    ZK_AWAIT(&b, fired.count); /* a's loop stands still */
    cr_assert_eq(fired.event, TG_WATCH_DELETED);
    cr_assert_geq(zk_now() - proven, session);
    ZK_AWAIT(&a, a.state == TG_SESSION_EXPIRED);
    cr_assert_eq(lost.count, 1);
    cr_assert_eq(lost.event, TG_WATCH_LOST);
    cr_assert_eq(tg_store_read(a.store, "/", zk_until(&a), &n, &why), TG_E_SESSION);
    cr_assert(strstr(why.message, "expired"), "%s", why.message);
    cr_assert_leq(tg_store_proven_ms(a.store), proven + session);
    for (int i = 0; i < 50; i++)
        tg_loop_turn(a.loop, 5);
    cr_assert_eq(a.state, TG_SESSION_EXPIRED, "over is over");
    zk_close_side(&b);
    zk_close_side(&a);
}

TROUBLE(closing_does_not_wait_for_a_server_that_has_stopped)
{
    struct zk_side a;

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    zk_server("pause", zk_zk);
    int64_t begun = zk_now();
    zk_close_side(&a);
    cr_assert_lt(zk_now() - begun, 20000, "that was the session's time-out");
    zk_server("resume", zk_zk);
}

TROUBLE(closing_ends_the_session_at_once)
{
    struct zk_side a, b;
    struct zk_seen gone = {0};
    struct tg_node n = {0};

    zk_server("start", zk_zk);
    zk_open_side(&a, 300000);
    zk_open_side(&b, 60000);
    ZK_OK(zk_create(&a, "/e", TG_CREATE_EPHEMERAL, e));
    ZK_OK(tg_store_read_watch(b.store, "/e", zk_on_event, &gone, zk_until(&b), &n, e));
    tg_node_release(&n);
    zk_close_side(&a);
    ZK_AWAIT(&b, gone.count); /* within the bound of the test; its time-out is longer */
    zk_close_side(&b);
}

/* P2: opening creates nothing, and says what is missing. */
TROUBLE(a_missing_chroot_is_refused_as_unknown_and_not_made)
{
    struct zk_side a;
    struct tg_node n = {0};
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    for (int i = 0; i < 2; i++) {
        tg_error_clear(&why);
        zk_open_at(&a, NULL, 10000, TG_STORE_EXISTING, NULL);
        cr_assert_eq(tg_store_read(a.store, i ? "/" : "/n", zk_until(&a), &n, &why), TG_E_UNKNOWN, "%s", why.message);
        cr_assert(strstr(why.message, "there is no /t"), "%s", why.message);
        cr_assert_eq(a.state, TG_SESSION_REFUSED);
        zk_close_side(&a);
    }
    zk_open_at(&a, NULL, 10000, TG_STORE_CREATE, NULL);
    ZK_OK(tg_store_connect(a.store, zk_until(&a), e));
    zk_close_side(&a);
    zk_open_at(&a, NULL, 10000, TG_STORE_EXISTING, NULL);
    cr_assert_eq(zk_read_code(&a, "/", NULL), 0);
    zk_close_side(&a);
}

TROUBLE(with_credentials_others_may_read_but_not_change)
{
    struct zk_side own, other, none;
    struct tg_op op = {.kind = TG_OP_WRITE, .path = "/n", .version = TG_ANY_VERSION};
    struct tg_error why = TG_ERROR_INIT;

    zk_server("start", zk_zk);
    zk_open_at(&own, NULL, 10000, TG_STORE_CREATE, "digest:tagout:sesame");
    ZK_OK(zk_create(&own, "/n", 0, e));
    ZK_OK(tg_store_multi(own.store, &op, 1, zk_until(&own), NULL, e));
    zk_open_at(&none, NULL, 10000, 0, NULL);
    zk_open_at(&other, NULL, 10000, 0, "digest:tagout:wrong");
    cr_assert_eq(zk_read_code(&none, "/n", NULL), 0);
    cr_assert_eq(tg_store_multi(none.store, &op, 1, zk_until(&none), NULL, &why), TG_E_PERM, "%s", why.message);
    cr_assert_eq(tg_store_multi(other.store, &op, 1, zk_until(&other), NULL, NULL), TG_E_PERM);
    cr_assert_eq(zk_create(&other, "/m", 0, NULL), TG_E_PERM);
    cr_assert_null(strstr(why.message, "sesame"));
    zk_close_side(&none);
    zk_close_side(&other);
    zk_server("kill", zk_zk); /* the credentials are sent again on the next connection */
    zk_server("start", zk_zk);
    ZK_OK(tg_store_connect(own.store, zk_until(&own), e));
    int rc = TG_E_LOST;
    while (rc == TG_E_LOST)
        rc = tg_store_multi(own.store, &op, 1, zk_until(&own), NULL, NULL);
    cr_assert_eq(rc, 0);
    zk_close_side(&own);
}

TROUBLE(twelve_thousand_children_are_listed)
{
    static char paths[500][24];
    static struct tg_op ops[500];
    struct zk_side a;
    struct tg_names n = {0};

    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    ZK_OK(zk_create(&a, "/d", 0, e));
    for (size_t done = 0; done < 12000; done += 500) {
        for (size_t i = 0; i < 500; i++) {
            snprintf(paths[i], sizeof paths[i], "/d/web%05zu", done + i);
            ops[i] = (struct tg_op) {.kind = TG_OP_CREATE, .path = paths[i]};
        }
        ZK_OK(tg_store_multi(a.store, ops, 500, zk_until(&a), NULL, e));
    }
    ZK_OK(tg_store_list(a.store, "/d", zk_until(&a), &n, e));
    cr_assert_eq(n.count, 12000);
    cr_assert_eq(n.stat.children, 12000);
    cr_assert_str_eq(n.names[11999], "web11999");
    tg_names_release(&n);
    zk_close_side(&a);
}

/* Every socket that this process has is close-on-exec. Returns how many there are. */
static int sockets_to_close(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;
    struct stat st;
    int count = 0;

    while ((d = readdir(dir)) != NULL) {
        int fd = atoi(d->d_name);
        if (fd > 2 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && ++count)
            cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d would be inherited", fd);
    }
    closedir(dir);
    return count;
}

TROUBLE(no_child_inherits_the_connection)
{
    struct zk_side a;

    int before = sockets_to_close();
    zk_server("start", zk_zk);
    zk_open_side(&a, 30000);
    cr_assert_gt(sockets_to_close(), before);
    zk_server("kill", zk_zk);
    zk_server("start", zk_zk);
    ZK_AWAIT(&a, a.state == TG_SESSION_CONNECTING);
    ZK_AWAIT(&a, a.state == TG_SESSION_CONNECTED);
    cr_assert_gt(sockets_to_close(), before);
    zk_close_side(&a);
    cr_assert_eq(sockets_to_close(), before, "and none is left");
}
