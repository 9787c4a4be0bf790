/* Patterns of ssh_config(5) and known_hosts: "*", "?", lists with "," or blanks, "!" for a refusal. */
#ifndef TG_SSH_PATTERN_H
#define TG_SSH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* 1: a pattern of the list matches; -1: one with "!" does, which beats all; 0: none. Letters match in either case. */
int tg_ssh_match_list(const char *text, const char *patterns);
/* Does the list hold anything but plain names? */
bool tg_ssh_has_pattern(const char *patterns, size_t len);

#endif
