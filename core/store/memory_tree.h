/*
 * A tree of nodes in memory, and transactions on it as lists of changes that can be carried out, taken back, and carried out once
 * more on a copy that lags behind.
 */
#ifndef TG_STORE_MEMORY_TREE_H
#define TG_STORE_MEMORY_TREE_H

#include <tagout/store.h>

struct tg_mnode {
    struct tg_mnode *hash_next;
    struct tg_mnode *parent, *first, *prev, *next; /* first child; siblings */
    char *path, *data;
    size_t len;
    struct tg_stat stat;
};

struct tg_mtree {
    struct tg_mnode **buckets;
    size_t n_buckets, n_nodes;
};

enum tg_mchange_kind { TG_M_CREATE, TG_M_WRITE, TG_M_DELETE, TG_M_CHILDREN };

struct tg_mchange {
    enum tg_mchange_kind kind;
    char *path;
    char *data, *old_data;
    size_t len, old_len;
    struct tg_stat stat, old_stat;
};

struct tg_mtxn {
    size_t refs;
    int64_t txid;
    struct tg_mchange *changes;
    size_t n_changes, cap_changes;
};

int tg_mtree_init(struct tg_mtree *tree, struct tg_error *e);
void tg_mtree_release(struct tg_mtree *tree);
int tg_mtree_copy(const struct tg_mtree *from, struct tg_mtree *to, struct tg_error *e);
struct tg_mnode *tg_mtree_find(const struct tg_mtree *tree, const char *path);
/* Takes the node and what is below it away, and counts it off at its parent. */
void tg_mtree_remove(struct tg_mtree *tree, struct tg_mnode *node);

int tg_mtxn_new(int64_t txid, struct tg_mtxn **out, struct tg_error *e);
struct tg_mtxn *tg_mtxn_ref(struct tg_mtxn *txn);
void tg_mtxn_unref(struct tg_mtxn *txn);
/* Carries one operation out on the tree and notes it in txn; owner is the session's id. After a failure revert the whole. */
int tg_mtxn_op(struct tg_mtxn *txn, struct tg_mtree *tree, const struct tg_op *op, uint64_t owner, int64_t wall_ms, struct tg_error *e);
/* Deletes every node of this owner. */
int tg_mtxn_reap(struct tg_mtxn *txn, struct tg_mtree *tree, uint64_t owner, struct tg_error *e);
/* Takes the whole back, in reverse. */
void tg_mtxn_revert(struct tg_mtxn *txn, struct tg_mtree *tree);
/* Carries a finished transaction out on a copy of the tree. */
int tg_mtxn_replay(const struct tg_mtxn *txn, struct tg_mtree *tree, struct tg_error *e);

#endif
