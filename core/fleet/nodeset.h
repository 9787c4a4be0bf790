/*
 * Names of hosts, and their folding both ways: "web[001-003,007].example.com" ↔ web001…, web002…, web003…, web007….
 *
 * A host's name is letters, digits, '.', '-' and '_', at most 253 of them; it begins with a letter, a digit or '_' (so it is never
 * taken for an option), does not end with a dot, and has no two dots in a row. Case does not distinguish hosts (it does not in the
 * DNS either), and a lock must not be missed because of it: names are turned to lower case where they enter, and compare
 * byte for byte from then on.
 *
 * Padding is kept: 9,10 are [9-10], while 09,10 are [09-10]. A range counts with as many digits as its first number has, or more
 * when the value needs them, as printf's %02d does: [08-100] is 08, 09, 10 … 99, 100.
 */
#ifndef TG_FLEET_NODESET_H
#define TG_FLEET_NODESET_H

#include "base/buf.h"

#include <tagout/error.h>
#include <stdint.h>

/* The DNS's bound. */
#define TG_HOST_NAME_MAX 253
#define TG_HOST_NAME_SIZE (TG_HOST_NAME_MAX + 1)
/* Of one list: the greatest fleet that tagout is made for. More is refused before any memory is taken. */
#define TG_HOSTLIST_MAX 1000000

/* Checks a name of len bytes and writes its lower-case form to out. TG_E_DATA, with what is wrong and, as the error's column, where. */
int tg_host_name(const char *name, size_t len, char out[TG_HOST_NAME_SIZE], struct tg_error *e);
/* The order that people expect: runs of digits by value (web9 before web10), the rest by byte. <0, 0, >0; 0 only for equal names. */
int tg_name_compare(const char *a, const char *b);

/* A list of names, in one block of memory: about 5 bytes a name beyond its text. */
struct tg_hostlist {
    char *text;      /* NUL-terminated, one behind the other */
    uint32_t *at;    /* where each begins */
    size_t n, at_cap, text_len, text_cap;
};
#define TG_HOSTLIST_INIT {0}
void tg_hostlist_release(struct tg_hostlist *names);
/* Appends a name as it is, unchecked. TG_E_DATA past TG_HOSTLIST_MAX, TG_E_MEMORY. */
int tg_hostlist_add(struct tg_hostlist *names, const char *name, size_t len, struct tg_error *e);
/* The i-th; lives until the next call that changes the list. */
const char *tg_hostlist_get(const struct tg_hostlist *names, size_t i);
/* Orders by tg_name_compare() and drops doubles. */
int tg_hostlist_sort(struct tg_hostlist *names, struct tg_error *e);

/*
 * Expands a list, "web[001-010,12].example.com, r[1-4]n[01-16]", and appends its names, checked and in lower case, in the order in
 * which they are written; doubles stay. Several ranges in one name count like an odometer. TG_E_DATA (column: 1-based, where in
 * text), TG_E_MEMORY. What was appended before a mistake stays in the list.
 */
int tg_nodeset_expand(const char *text, size_t len, struct tg_hostlist *names, struct tg_error *e);

/*
 * Folds names: add them in any order, then print once. The result depends on the set of names alone (neither on order nor on
 * doubles), and expands to exactly that set. "" for none. Only the first 8 numbers of a name fold, and those of up to 15 digits.
 */
struct tg_folder;
int tg_folder_new(struct tg_folder **out, struct tg_error *e);
void tg_folder_free(struct tg_folder *folder);
int tg_folder_add(struct tg_folder *folder, const char *name, struct tg_error *e);
/* Appends the folded text to out, and ends the folder's use: only tg_folder_free() may follow. */
int tg_folder_print(struct tg_folder *folder, struct tg_buf *out, struct tg_error *e);
/* The three in one, over an array or a list. */
int tg_fold(const char *const *names, size_t n, struct tg_buf *out, struct tg_error *e);
int tg_fold_list(const struct tg_hostlist *names, struct tg_buf *out, struct tg_error *e);

#endif
