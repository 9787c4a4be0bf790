/* The store on an ensemble of three real servers: what outlives one of them, and what an answer proves (P3, P4). */
#include "zk_store.h"

/* The mode of server i: 'l'eader or 'f'ollower. */
static char mode_of(int i)
{
    char command[4096], mode[32] = "";

    snprintf(command, sizeof command, "'%s/tests/lib/zookeeper' mode '%s/%d'", getenv("TAGOUT_SOURCE"), zk_zk, i);
    FILE *f = popen(command, "r");
    if (!fgets(mode, sizeof mode, f))
        mode[0] = '\0';
    pclose(f);
    return mode[0];
}

static const char *one(int i)
{
    static char dir[200];

    snprintf(dir, sizeof dir, "%s/%d", zk_zk, i);
    return dir;
}

static int leader;

static void begin(void)
{
    zk_setup();
    zk_server("ensemble", zk_zk);
    for (int i = 1; i <= 3; i++)
        if (mode_of(i) == 'l')
            leader = i;
    cr_assert_neq(leader, 0);
}

static void end(void)
{
    char command[300];

    for (int i = 1; i <= 3; i++)
        zk_server_try("kill", one(i), getpid());
    snprintf(command, sizeof command, "rm -rf '%s'", zk_dir);
    cr_assert_eq(system(command), 0);
}

/* "zk://…" with the servers of which bit 1 << i is set in which. */
static const char *url_of(unsigned which)
{
    static char url[300];

    snprintf(url, sizeof url, "zk://");
    for (int i = 1; i <= 3; i++)
        if (which & 1u << i) {
            if (url[5])
                strcat(url, ",");
            snprintf(url + strlen(url), sizeof url - strlen(url), "127.0.0.1:%s", zk_server_port(one(i)));
        }
    strcat(url, "/t");
    return url;
}

#define ENSEMBLE(name) Test(zk_ensemble, name, .init = begin, .fini = end, .timeout = 400)

/* P3: the loss of a minority, even of the leader. */
ENSEMBLE(the_session_and_its_records_outlive_the_leader)
{
    struct zk_side a;
    struct tg_stat st;

    zk_open_at(&a, url_of(0xe), 60000, TG_STORE_CREATE, NULL);
    ZK_OK(zk_create(&a, "/lock", 0, e));
    ZK_OK(zk_create(&a, "/permit", TG_CREATE_EPHEMERAL, e));
    uint64_t id = tg_store_session_id(a.store);
    zk_server("kill", one(leader));
    int rc = TG_E_LOST;
    while (rc == TG_E_LOST) /* it can't be known whether it happened; a write that requires no version may be repeated */
        rc = tg_store_write(a.store, "/lock", "y", 1, TG_ANY_VERSION, zk_until(&a), NULL);
    cr_assert_eq(rc, 0);
    cr_assert_eq(tg_store_session_id(a.store), id);
    cr_assert_eq(zk_read_code(&a, "/permit", &st), 0);
    cr_assert_eq(st.owner, id);
    zk_close_side(&a);
}

/* One that hangs is left for the next, long before the session's time-out. */
ENSEMBLE(of_several_servers_one_that_hangs_is_passed_over)
{
    struct zk_side a;

    for (int i = 1; i <= 3; i++)
        if (i != leader) {
            zk_server("pause", one(i));
            break;
        }
    for (int i = 0; i < 6; i++) { /* they are tried in any order */
        zk_open_at(&a, url_of(0xe), 60000, TG_STORE_CREATE, NULL);
        ZK_OK(tg_store_connect(a.store, tg_store_deadline(a.store, 15000), e));
        zk_close_side(&a);
    }
}

/*
 * P4: a server that has lost its leader goes on answering reads for a while. The leader may end the session in that time, so
 * these answers must not count.
 */
ENSEMBLE(answers_of_a_server_without_a_leader_prove_nothing)
{
    struct zk_side a;
    int mine = leader == 1 ? 2 : 1, answered = 0;
    struct tg_node n = {0};

    zk_open_at(&a, url_of(1u << mine), 20000, TG_STORE_CREATE, NULL);
    ZK_OK(zk_create(&a, "/permit", TG_CREATE_EPHEMERAL, e));
    int64_t proven = tg_store_proven_ms(a.store);
    ZK_AWAIT(&a, tg_store_proven_ms(a.store) > proven); /* idle, it moves */
    cr_assert_leq(tg_store_proven_ms(a.store), zk_now() - tg_store_session_ms(a.store) / 4);
    for (int i = 1; i <= 3; i++)
        if (i != mine)
            zk_server("pause", one(i));
    int64_t paused = zk_now();
    while (a.state == TG_SESSION_CONNECTED && zk_now() < paused + ZK_WAIT_MS) {
        if (tg_store_read(a.store, "/permit", tg_store_deadline(a.store, 500), &n, NULL) == 0)
            answered++;
        tg_node_release(&n);
        cr_assert_leq(tg_store_proven_ms(a.store), paused);
    }
    cr_assert_gt(answered, 0, "the server should still answer from what it has");
    cr_assert_eq(a.state, TG_SESSION_CONNECTING);
    zk_close_side(&a);
}
