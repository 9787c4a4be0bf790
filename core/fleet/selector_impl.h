/* Inside of selectors: what parsing (selector.c) leaves for evaluation (select.c). */
#ifndef TG_FLEET_SELECTOR_IMPL_H
#define TG_FLEET_SELECTOR_IMPL_H

#include "fleet/nodeset.h"
#include "fleet/selector.h"

/* A selector is a program in postfix order: terms push a set, operators take theirs from the stack. */
enum tg_selector_kind { TG_SELECT_NAMES, TG_SELECT_PATTERN, TG_SELECT_GROUP, TG_SELECT_ATTR, TG_SELECT_SHARDS, TG_SELECT_CUSTOMER, TG_SELECT_NOT, TG_SELECT_AND, TG_SELECT_OR };

struct tg_selector_step {
    enum tg_selector_kind kind;
    int column;
    char *text;              /* as written; owned. GROUP: without the "@"; ATTR: the key; PATTERN: in lower case */
    char *value;             /* ATTR: the pattern; owned */
    bool negate;             /* ATTR: != */
    struct tg_hostlist names; /* NAMES */
    struct tg_select_range {
        uint32_t first, last;
    } *ranges;               /* SHARDS; owned */
    size_t n_ranges;
};

struct tg_selector {
    char *text;
    struct tg_selector_step *steps;
    size_t n, cap;
    size_t depth;            /* greatest number of sets on the stack */
};

/* Hosts (indices, ascending) whose attribute has this value. key is the inventory's. *out lives as long as the memo. TG_E_MEMORY. */
int tg_select_memo_find(struct tg_select_memo *memo, const char *key, const char *value, const uint32_t **out, size_t *out_n);
const struct tg_inventory *tg_select_memo_inventory(const struct tg_select_memo *memo);

/* "*" any text, "?" any one byte. Linear but for the last "*": no pattern makes it slow. */
bool tg_glob_match(const char *pattern, const char *text);

#endif
