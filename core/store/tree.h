/* What init puts into a new store beside /cluster: the folders of the tree. Each layer above has its own rows; init asks for all of them. */
#ifndef TG_STORE_TREE_H
#define TG_STORE_TREE_H

#include <tagout/store.h>

/* Rows of init at most, over all layers: one transaction must hold them. */
#define TG_TREE_ROWS_MAX 128

/* The folders that no other layer makes. Static strings. Returns how many there are; at most max are written, none when ops is NULL. */
size_t tg_store_tree_ops(struct tg_op *ops, size_t max);
/* The id of a new cluster, or of a node that nobody else may have: 128 random bits in hex. out: 33 bytes. */
int tg_store_random_id(char *out, struct tg_error *e);

struct tg_cluster;
/*
 * Puts a new cluster's record and rows into a store, in one transaction; only what is missing, and never over what is there. An answer
 * that is lost is looked for. *out is what was made. TG_E_EXISTS: somebody else was faster.
 */
int tg_store_tree_make(struct tg_store *store, const char *by, const struct tg_op *rows, size_t n_rows, int64_t deadline, struct tg_cluster *out,
                       struct tg_error *e);

#endif
