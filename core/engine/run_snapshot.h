/*
 * The state of a run's machine as text, and back: what a journal is folded into. Canonical: machines that are alike give the same bytes. Pure.
 *
 * Lines of JSON: a head (format, digest of the plan, the words and columns that the rows use), a row for the run, one a stage, one a domain, one a
 * host; a number in place of rows stands for so many domains, or hosts, that are as at first. A row is an array in the order of its columns, without what is as at first at its end.
 * Enumerations are numbers in the head's words. A reader refuses columns, words and values that it does not know (P2): it never guesses.
 */
#ifndef TG_ENGINE_RUN_SNAPSHOT_H
#define TG_ENGINE_RUN_SNAPSHOT_H

#include "base/buf.h"
#include "engine/run.h"

#define TG_RUN_SNAPSHOT_FORMAT 1

/* Appends. TG_E_MEMORY. */
int tg_run_snapshot(const struct tg_run *run, struct tg_buf *out, struct tg_error *e);
/*
 * A machine of the plan (borrowed, as tg_run_new() does) in the state that the text describes; free with tg_run_free(). TG_E_DATA with the line
 * and the reason: cut, garbled, of another plan, of another format.
 */
int tg_run_restore(const struct tg_plan *plan, const char *text, size_t len, struct tg_run **out, struct tg_error *e);

/*
 * What a snapshot has of each struct. A field of struct tg_run, tg_run_stage, tg_run_domain or tg_run_host that stands in no row is forgotten by every run that is
 * resumed: tests/unit/test_snapshot.c looks for such. DERIVED ones follow from the others, and are made anew.
 */
enum tg_field_kind {
    TG_FIELD_INT,
    TG_FIELD_I64,
    TG_FIELD_SIZE,
    TG_FIELD_BOOL,
    TG_FIELD_SHORT,  /* uint16_t */
    TG_FIELD_TIME,   /* int64_t, 0 or Unix ms: written as from the run's beginning */
    TG_FIELD_TEXT,   /* char *, owned, may be NULL */
    TG_FIELD_WORD,   /* an enum: one of words */
    TG_FIELD_DERIVED
};
struct tg_words {
    const char *name;
    int count;
    const char *(*word)(int);
};
struct tg_field {
    const char *name;
    size_t offset, size;
    enum tg_field_kind kind;
    const struct tg_words *words;
    int64_t first;   /* its value in a machine that is new: not written at a row's end */
};
struct tg_fields {
    const char *name;
    size_t size;     /* of the struct */
    const struct tg_field *rows;
    size_t n;
};
extern const struct tg_fields tg_run_fields, tg_run_stage_fields, tg_run_domain_fields, tg_run_host_fields;

#endif
