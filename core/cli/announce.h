/* What the verbs of "announce" share. */
#ifndef TG_CLI_ANNOUNCE_H
#define TG_CLI_ANNOUNCE_H

#include "calendar/announce_send.h"
#include "cli/cmd.h"

#define TG_ANNOUNCE_WAIT_MS 10000 /* for one answer of the store */

/* Opens the store, proven, and looks for the folders. */
int tg_announce_store(struct tg_frame *f, struct tg_announce_place *out, struct tg_error *e);
/* The site's "announce:", the inventory when one is configured, templates, the module: run, which the caller closes, then releases the site, also on failure. */
int tg_announce_ready(struct tg_frame *f, struct tg_announce_site *site, struct tg_announce_run *run, struct tg_error *e);
/* The path of an open thread by its name, or its beginning. TG_E_NOENT. size TG_ANNOUNCE_NODE_SIZE */
int tg_announce_named(const struct tg_announce_place *p, const char *name, bool told_too, char *out, size_t size, struct tg_error *e);
/* "settling", "waiting", "sending", "refused", "told" */
const char *tg_announce_state(const struct tg_thread *t);
json_t *tg_announce_thread_json(const struct tg_thread *t);

int tg_announce_verb_send(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_list(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_show(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_retry(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_drop(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_preview(struct tg_frame *f, struct tg_error *e);
int tg_announce_verb_test(struct tg_frame *f, struct tg_error *e);

#endif
