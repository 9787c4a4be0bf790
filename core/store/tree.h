/* What init puts into a new store beside /cluster: the folders of the tree. Each layer above has its own rows; init asks for all of them. */
#ifndef TG_STORE_TREE_H
#define TG_STORE_TREE_H

#include <tagout/store.h>

/* Rows of init at most, over all layers: one transaction must hold them. */
#define TG_TREE_ROWS_MAX 128

/* The folders that no other layer makes. Static strings. Returns how many there are; at most max are written, none when ops is NULL. */
size_t tg_store_tree_ops(struct tg_op *ops, size_t max);
/* Does the node hold a secret, so that it is made with TG_CREATE_PRIVATE (a run's tokens)? For who makes it, and for who copies it. */
bool tg_store_is_secret(const char *path);
/* The id of a new cluster, or of a node that nobody else may have: 128 random bits in hex. out: 33 bytes. */
int tg_store_random_id(char *out, struct tg_error *e);

struct tg_cluster;
/*
 * Puts a new cluster's record and rows into a store, in one transaction; only what is missing, and never over what is there. An answer
 * that is lost is looked for. *out is what was made. TG_E_EXISTS: somebody else was faster.
 */
int tg_store_tree_make(struct tg_store *store, const char *by, const struct tg_op *rows, size_t n_rows, int64_t deadline, struct tg_cluster *out,
                       struct tg_error *e);
/*
 * Adds the rows that a cluster's tree lacks, in one transaction with its tick, so that a copy from before is known for an old one. The first
 * n_first rows are those that every tree was made with: when one of them is missing the tree is not whole, nothing is added, and it is
 * TG_E_UNKNOWN, as it is while the tree is being moved. The caller has proven the cluster. out_added (n_rows slots) gets the paths that were added, borrowed from rows. TG_E_LOST
 * and its kin: ask again; adding twice is no harm.
 */
int tg_store_tree_extend(struct tg_store *store, const struct tg_op *rows, size_t n_rows, size_t n_first, int64_t deadline, const char **out_added,
                         size_t *out_n, struct tg_error *e);

#endif
