/* What the commands "request …" share. */
#ifndef TG_CLI_REQUESTS_H
#define TG_CLI_REQUESTS_H

#include "calendar/request_due.h"
#include "calendar/request_site.h"
#include "cli/commands.h"
#include "cli/guarding.h"

/* The host that is meant: --host, else this one; *out_own: it is this one. Its name as the inventory has it. TG_E_UNKNOWN, TG_E_USAGE. */
int tg_request_cli_host(struct tg_frame *f, char *out, size_t size, bool *out_own, struct tg_error *e);
/* The host whose request has this id; with an activity's name, as tg_request_cli_host(). TG_E_NOENT. */
int tg_request_cli_host_of(struct tg_frame *f, struct tg_guard *g, const char *what, char *out, size_t size, struct tg_error *e);
/* tg_request_site_open() of the frame's calendar and inventory. */
int tg_request_cli_site(struct tg_frame *f, const char *host, struct tg_request_site *out, struct tg_error *e);
/* tg_basis_calendar() of the frame's calendar, read for that alone. TG_E_DATA and others: it can't be read, or changes right now. */
int tg_request_cli_basis(const struct tg_frame *f, char out[TG_SHA256_HEX], struct tg_error *e);

/* Its visit, or the one that is under way; NULL: it has no time. */
const struct tg_visit *tg_request_cli_visit(const struct tg_requests *r, const struct tg_request *q);
/* "due" and "overdue" are told by the clock. */
const char *tg_request_cli_state(const struct tg_requests *r, const struct tg_request *q, int64_t now_ms);
json_t *tg_request_cli_json(const struct tg_requests *r, const struct tg_request *q, int64_t now_ms);
/* All of a host's. */
json_t *tg_requests_cli_json(const struct tg_requests *r, int64_t now_ms);
/* "Mon 2026-11-30 22:17 to 22:32 UTC"; size ≥ 64. Returns out. */
const char *tg_request_cli_when(const struct tg_visit *visit, char *out, size_t size);

/* Runs a command under a permit: the port "act" of tg_due. */
struct tg_request_runner {
    struct tg_frame *f;
    const struct tg_scopes *scopes;
    const char *host, *owner;
    int lock_fd;       /* kept open by what keeps the command */
};
int tg_request_cli_act(const struct tg_request_runner *runner, const struct tg_due_act *act, int *out_status, struct tg_error *e);

#endif
