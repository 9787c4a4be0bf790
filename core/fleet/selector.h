/*
 * Selectors: which hosts of an inventory are meant.
 *
 *   web[001-010].example.com   names, folded; several with commas; * and ? match within names (web*.example.com)
 *   @group                     its hosts, its children's included; * and ? as well: at least one group must match
 *   key=value   key!=value     an attribute; != also holds for hosts that have no such attribute. * and ? match within the value;
 *                              quote a value of other characters: key="a b"
 *   shard:0-9                  shards, see shard.h; shard:0,5,10-19
 *   customer:acme              whose hosts they are; * and ? as with groups
 *   *                          all
 *   not X, X and Y, X or Y, ( ); "not" binds closest, then "and", then "or"
 *
 * What is not in the inventory is a mistake and not an empty set: a name, a pattern that matches no host, a group, an attribute's key.
 * key=value may match none.
 */
#ifndef TG_FLEET_SELECTOR_H
#define TG_FLEET_SELECTOR_H

#include "fleet/inventory.h"

#include <tagout/error.h>
#include <stddef.h>

/* Each bound is far beyond what a person writes, and keeps what a program writes from eating stack or memory. */
#define TG_SELECTOR_BYTES_MAX (1u << 20)
#define TG_SELECTOR_DEPTH_MAX 64
#define TG_SELECTOR_TERMS_MAX 4096

/* Hosts, ordered by name. The array is the caller's, the hosts are the inventory's. */
struct tg_selection {
    const struct tg_host **hosts;
    size_t n;
};
#define TG_SELECTION_INIT {0}
void tg_selection_release(struct tg_selection *selection);

struct tg_selector;
/* Parses; the text is copied. TG_E_DATA: the error's column (1-based, in bytes) says where. */
int tg_selector_parse(const char *text, struct tg_selector **out, struct tg_error *e);
void tg_selector_free(struct tg_selector *selector);
/* Hosts of the inventory that it means, maybe none. TG_E_DATA likewise for what the inventory does not have. */
int tg_selector_eval(const struct tg_selector *selector, const struct tg_inventory *inventory, struct tg_selection *out,
                     struct tg_error *e);
/* Both in one. */
int tg_select(const struct tg_inventory *inventory, const char *text, struct tg_selection *out, struct tg_error *e);

/*
 * For who evaluates many selectors over one inventory: key=value (without * and ?) is looked up in place of asking each host; the first of a key
 * costs a look at all of them, and about 8 bytes of memory a host. The inventory outlives it.
 */
struct tg_select_memo;
int tg_select_memo_new(const struct tg_inventory *inventory, struct tg_select_memo **out, struct tg_error *e);
void tg_select_memo_free(struct tg_select_memo *memo);
/* As tg_select(). */
int tg_select_with(struct tg_select_memo *memo, const char *text, struct tg_selection *out, struct tg_error *e);

#endif
