/* tagout init: a new store, or what an older one lacks. */
#include "cli/commands.h"
#include "config/site.h"
#include "guard/tree.h"
#include "store/cluster.h"
#include "store/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 15000

static const struct tg_opt opts[] = {
    {.name = "force", .letter = 'f', .type = TG_OPT_FLAG,
     .text = "Go on although the store is not empty, or this host has seen another cluster there. Adds what is missing; nothing is ever deleted"},
    {.name = NULL},
};

static void who(const struct tg_frame *f, char *out, size_t size)
{
    const struct passwd *pw = getpwuid(getuid());
    char host[65] = "";

    if (gethostname(host, sizeof host - 1) != 0 || !host[0])
        snprintf(host, sizeof host, "localhost");
    if (f->config->owner)
        snprintf(out, size, "%s", f->config->owner);
    else
        snprintf(out, size, "%.60s@%s", pw ? pw->pw_name : "unknown", host);
}

/* All rows, of all layers. */
static size_t collect(struct tg_op *ops, size_t max)
{
    size_t n = tg_store_tree_ops(ops, max);

    return n + tg_tree_init_ops(ops + n, max - n);
}

static int there_is_one(const struct tg_node *node, const char *url, struct tg_error *e)
{
    struct tg_cluster c;
    char when[40];
    int rc = tg_cluster_decode(node->data, node->len, &c, NULL, e);

    if (rc)
        return rc;
    tg_time_format(c.created_ms, when, sizeof when);
    tg_fail(e, TG_E_EXISTS, "there is a store at %s already: cluster %.8s, generation %" PRId64 ", %s, made %s by %s", url, c.id, c.generation,
            tg_cluster_state_name(c.state), when, c.created_by[0] ? c.created_by : "somebody");
    tg_error_hint(e, "nothing was changed; tagout doctor looks at it");
    return TG_E_EXISTS;
}

static int say_added(struct tg_frame *f, const struct tg_cluster *c, const char *const *added, size_t n, struct tg_error *e)
{
    if (f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_string(added[i] + 1));
        return tg_print_json(json_pack("{s:s,s:s,s:I,s:o}", "store", tg_store_url(f->store), "cluster", c->id, "generation", (json_int_t) c->generation, "added", list), e);
    }
    printf("The store at %s (cluster %.8s) was made by an older tagout. Added:", tg_store_url(f->store), c->id);
    for (size_t i = 0; i < n; i++)
        printf("%s %s", i ? "," : "", added[i] + 1);
    printf(".\n");
    return 0;
}

/* There is a store: what newer code needs of its tree is added, nothing else. *out_added: whether anything was. */
static int extend(struct tg_frame *f, int64_t deadline, bool *out_added, struct tg_error *e)
{
    struct tg_op rows[TG_TREE_ROWS_MAX];
    const char *added[TG_TREE_ROWS_MAX];
    struct tg_read_item items[TG_TREE_ROWS_MAX] = {{.code = 0}};
    struct tg_cluster c;
    size_t n = collect(rows, TG_TREE_ROWS_MAX), missing = 0;

    *out_added = false;
    for (size_t i = 0; i < n; i++)
        items[i].path = rows[i].path;
    int rc = tg_store_read_many(f->store, items, n, deadline, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        missing += items[i].code == TG_E_NOENT;
    tg_read_items_release(items, n);
    if (!missing)
        return 0;
    if ((rc = tg_cluster_check(f->store, f->config->state_dir, deadline, &c, NULL, e)) != 0)
        return rc;
    if ((rc = tg_store_tree_extend(f->store, rows, n, n - TG_TREE_LATER, deadline, added, &n, e)) != 0)
        return rc;
    *out_added = n > 0;
    return n ? say_added(f, &c, added, n, e) : 0;
}

/* Is anything there, and has this host seen another cluster at this address? */
static int look(struct tg_frame *f, int64_t deadline, bool *out_done, struct tg_error *e)
{
    const char *url = tg_store_url(f->store);
    struct tg_error none = TG_ERROR_INIT;
    struct tg_node node = {0};
    struct tg_names names = {0};
    struct tg_seen seen = {0};
    int rc = tg_store_read(f->store, TG_CLUSTER_PATH, deadline, &node, &none);

    if (!rc) {
        rc = extend(f, deadline, out_done, e);
        if (!rc && !*out_done)
            rc = there_is_one(&node, url, e);
        tg_node_release(&node);
        return rc;
    }
    if (rc != TG_E_NOENT) {
        *e = none;
        return rc;
    }
    if ((rc = tg_store_list(f->store, "/", deadline, &names, e)) != 0)
        return rc;
    size_t n = names.count;
    char first[64] = "";
    if (n)
        snprintf(first, sizeof first, "%.60s", names.names[0]);
    tg_names_release(&names);
    if (n && !tg_opt_flag(f, "force")) {
        tg_fail(e, TG_E_UNKNOWN, "%s has no /cluster, but %zu other nodes (%s …): it may be a part of another store", url, n, first);
        tg_error_hint(e, "name another place, or add what is missing here: tagout init --force (it deletes nothing)");
        return TG_E_UNKNOWN;
    }
    if (tg_opt_flag(f, "force"))
        return 0;
    rc = tg_seen_load(f->config->state_dir, url, &seen, e);
    return !rc && seen.known ? tg_cluster_judge(&seen, NULL, 0, NULL, e) : rc;
}

/* The mark of what was there before is put aside, not deleted. */
static int put_aside(const struct tg_frame *f, struct tg_error *e)
{
    char file[512], old[sizeof file + 8];
    int rc = tg_seen_file(f->config->state_dir, tg_store_url(f->store), file, sizeof file, e);

    if (rc || access(file, F_OK) != 0)
        return rc;
    snprintf(old, sizeof old, "%s.old", file);
    return rename(file, old) == 0 ? 0 : tg_fail_errno(e, TG_E_PERM, errno, "%s can't be renamed", file);
}

static int say(struct tg_frame *f, const struct tg_cluster *c, const struct tg_error *mark, struct tg_error *e)
{
    if (f->json) {
        json_t *o = json_pack("{s:s,s:s,s:I,s:s}", "store", tg_store_url(f->store), "cluster", c->id, "generation", (json_int_t) c->generation, "by", c->created_by);
        return tg_print_json(o, e);
    }
    printf("Made a store at %s: cluster %.8s, generation %" PRId64 ".\n", tg_store_url(f->store), c->id, c->generation);
    if (mark->code)
        printf("  This host can't note that it has seen it: %s\n", mark->message);
    printf("Look at it with: tagout doctor\n");
    return 0;
}

static int exec(struct tg_frame *f, struct tg_error *e)
{
    struct tg_op rows[TG_TREE_ROWS_MAX];
    struct tg_cluster c;
    struct tg_seen seen = {0};
    struct tg_error mark = TG_ERROR_INIT;
    char by[128];
    int64_t deadline = tg_store_deadline(f->store, WAIT_MS);
    bool done = false;
    int rc = look(f, deadline, &done, e);

    if (rc || done)
        return rc;
    size_t n = collect(rows, TG_TREE_ROWS_MAX);
    who(f, by, sizeof by);
    if ((rc = put_aside(f, e)) != 0 || (rc = tg_store_tree_make(f->store, by, rows, n, deadline, &c, e)) != 0)
        return rc;
    struct tg_node node = {0};
    if (tg_store_read(f->store, TG_CLUSTER_PATH, deadline, &node, &mark) == 0 &&
        tg_seen_load(f->config->state_dir, tg_store_url(f->store), &seen, &mark) == 0)
        tg_seen_note(&seen, tg_store_url(f->store), &c, tg_cluster_txid(&node.stat), TG_NOTE_NOW, &mark);
    tg_node_release(&node);
    return say(f, &c, &mark, e);
}

const struct tg_cmd tg_cmd_init = {
    .name = "init",
    .args = "",
    .brief = "make a new store, or add what an older one lacks",
    .details = "Makes the database or the chroot when it is missing, and puts an empty tree with a new cluster id into it. When there is a store already, "
               "adds the folders that this version needs and an older one did not make; else refuses, and says what is there.",
    .examples = "$ tagout init\n$ tagout init --store zk://zk1:2181,zk2:2181,zk3:2181/tagout\n",
    .opts = opts,
    .needs = TG_NEED_STORE | TG_CREATES_STORE,
    .exec = exec,
};
