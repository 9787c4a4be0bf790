/*
 * What mails say: templates, which a site can change. A file is text with placeholders:
 *
 *   Subject: Maintenance for {customer}: {begin}
 *
 *   Dear customer,
 *   {events}
 *
 * The first line is the subject, an empty line follows, the rest is the text. {{ and }} are braces. Placeholders are checked when a file is read:
 * unknown ones are refused, with the place. What is put in has no control characters, so that no header can be made of it. Pure, but for reading
 * the files.
 */
#ifndef TG_CALENDAR_ANNOUNCE_TEXT_H
#define TG_CALENDAR_ANNOUNCE_TEXT_H

#include "calendar/announce_thread.h"
#include "calendar/zone.h"
#include "config/problems.h"

#define TG_TEMPLATE_BYTES_MAX 65536

struct tg_template; /* one kind's */
/* file: for messages. TG_E_DATA: mistakes, in problems. *out is the caller's. */
int tg_template_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_template **out, struct tg_error *e);
void tg_template_free(struct tg_template *t);

/* All kinds; those for which the folder has no file are ours. */
struct tg_templates {
    struct tg_template *of[TG_ANNOUNCE_WEEK];
};
/* folder NULL: ours alone. Reads FOLDER/scheduled.txt, changed.txt, cancelled.txt, late.txt, done.txt, former.txt; a file of another name that ends in .txt is a mistake. */
int tg_templates_load(const char *folder, struct tg_problems *problems, struct tg_templates *out, struct tg_error *e);
void tg_templates_release(struct tg_templates *t);
/* The text that is used without a file of the site's. */
const char *tg_template_builtin(enum tg_announce_kind kind);
/* The i-th placeholder and what it stands for; NULL behind the last. */
const char *tg_template_word(size_t i, const char **out_about);

/* How times are shown. */
struct tg_announce_view {
    struct tg_zone zone;
    const char *zone_name;
};
/* Fills in. *out_subject: one line. */
int tg_template_fill(const struct tg_template *t, const struct tg_thread *thread, const struct tg_announce_view *view, struct tg_buf *out_subject, struct tg_buf *out_text,
                     struct tg_error *e);
/* "Mon 2026-11-30 17:00". size ≥ 32. Returns out. */
const char *tg_announce_when(const struct tg_announce_view *view, int64_t ms, char *out, size_t size);
/* "web[001-003] (3 hosts)", the names cut at max bytes; appended. */
void tg_announce_hosts(const struct tg_thread_event *event, size_t max, struct tg_buf *out);

#endif
