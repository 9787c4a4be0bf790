/*
 * The module "libvirt": a snapshot of a host's virtual machine before it is changed, with virsh: libvirt's own library blocks. params.c and op.c are
 * pure, module.c runs what they want. Internal snapshots only: what libvirt makes of others it can't delete (9.0).
 */
#ifndef TAGOUT_LIBVIRT_H
#define TAGOUT_LIBVIRT_H

#include <tagout/around.h>

#include <stdbool.h>

#define TG_LIBVIRT_NAME_SIZE 120
#define TG_LIBVIRT_ARGS 10
#define TG_LIBVIRT_SHORT_MS 60000 /* of what only asks */
#define TG_LIBVIRT_OUT_MAX 262144 /* bytes: some thousand names */

struct tg_around_params {
    char *uri, *domain;
    bool keep_on_failure;
    int64_t timeout_ms; /* of making or deleting one: the memory of a machine that runs is written */
};
int tg_libvirt_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                      struct tg_error *e);
void tg_libvirt_params_free(struct tg_around_params *p);
void tg_libvirt_describe(const struct tg_around_params *p, char *out, size_t size);
void tg_libvirt_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size);
int tg_libvirt_domain(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e);
/* The name of the snapshot of a tag: always the same, of no other tag, and a word for shells. */
void tg_libvirt_name(const char *tag, char *out, size_t size);

enum tg_libvirt_phase { TG_LIBVIRT_LIST, TG_LIBVIRT_ORDER, TG_LIBVIRT_PROOF, TG_LIBVIRT_ENDED };

/* One call. */
struct tg_libvirt_op {
    const struct tg_around_params *params;
    enum tg_around_verb verb;
    enum tg_libvirt_phase phase;
    bool failed; /* the host did not end well */
    char domain[TG_LIBVIRT_NAME_SIZE], name[TG_LIBVIRT_NAME_SIZE], about[400];
    char trouble[300]; /* of an order; "": it was followed */
    enum tg_around_end end;
    char text[500];
    const char *record;
};
int tg_libvirt_begin(struct tg_libvirt_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c,
                     struct tg_error *e);
/* What is to be run next, and for how long at most; the words are op's. False: it has ended. */
bool tg_libvirt_next(const struct tg_libvirt_op *op, const char *argv[TG_LIBVIRT_ARGS], int64_t *timeout_ms);
/* What came of it. status: as a shell's, -1: it was not started, -2: it took too long, or said too much. */
void tg_libvirt_heard(struct tg_libvirt_op *op, int status, const char *out, const char *err);

#endif
