/* What is asked of virsh next, and how it ended: a snapshot is known by its name, which follows from the tag. Pure. */
#include "libvirt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void end(struct tg_libvirt_op *op, enum tg_around_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void end(struct tg_libvirt_op *op, enum tg_around_end how, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(op->text, sizeof op->text, format, args);
    va_end(args);
    op->end = how;
    op->phase = TG_LIBVIRT_ENDED;
    op->record = how == TG_AROUND_ABSENT ? "" : op->name;
}

int tg_libvirt_begin(struct tg_libvirt_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c,
                     struct tg_error *e)
{
    *op = (struct tg_libvirt_op) {.params = p, .verb = verb, .failed = c->failed};
    tg_libvirt_name(c->tag, op->name, sizeof op->name);
    snprintf(op->about, sizeof op->about, "tagout run %.60s by %.60s: %.200s", c->run_id ? c->run_id : "", c->who ? c->who : "", c->reason ? c->reason : "");
    return tg_libvirt_domain(p, c, op->domain, sizeof op->domain, e);
}

/* One line, printable: the first one that says anything, without virsh's "error: ". */
static void said(const char *err, char *out, size_t size)
{
    size_t n = 0;

    while (*err == '\n' || strncmp(err, "error: ", 7) == 0)
        err += *err == '\n' ? 1 : 7;
    for (; err[n] && n < size - 1; n++)
        out[n] = (char) (err[n] == '\n' ? ';' : err[n] >= ' ' && err[n] < 127 ? err[n] : '.');
    while (n > 0 && (out[n - 1] == ';' || out[n - 1] == ' '))
        n--;
    out[n] = '\0';
}

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; *at; at += *at == '\n') {
        size_t n = strcspn(at, "\n"), shown = n;
        while (shown > 0 && (at[shown - 1] == ' ' || at[shown - 1] == '\r'))
            shown--;
        if (shown == len && memcmp(at, name, len) == 0)
            return true;
        at += n;
    }
    return false;
}

/* What is there can't be told. */
static void no_list(struct tg_libvirt_op *op, int status, const char *err)
{
    bool first = op->phase == TG_LIBVIRT_LIST;
    char text[200];

    said(err, text, sizeof text);
    if (!first)
        end(op, TG_AROUND_LOST, "%s; and what came of it can't be seen: %s", op->trouble[0] ? op->trouble : "ordered", text);
    else if (status == -1 || strstr(err, "failed to connect to the hypervisor"))
        end(op, TG_AROUND_NOT_SENT, "%s", text);
    else if (status > 0 && (strstr(err, "failed to get domain") || strstr(err, "Domain not found")))
        end(op, TG_AROUND_REFUSED, "there is no domain %s at %s", op->domain, op->params->uri);
    else
        end(op, op->verb == TG_AROUND_ACT ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s", text[0] ? text : "virsh gave no list of snapshots");
}

static void heard_first(struct tg_libvirt_op *op, bool there)
{
    switch (op->verb) {
    case TG_AROUND_LOOK:
        end(op, there ? TG_AROUND_OURS : TG_AROUND_ABSENT, there ? "snapshot %s is there" : "no snapshot %s", op->name);
        return;
    case TG_AROUND_KEEP: /* none that is taken now would be of the time before the change */
        end(op, there ? TG_AROUND_OURS : TG_AROUND_ABSENT, there ? "%s" : "somebody deleted snapshot %s", there ? "" : op->name);
        return;
    case TG_AROUND_ACT:
        if (there)
            end(op, TG_AROUND_OURS, "snapshot %s", op->name);
        break;
    case TG_AROUND_UNDO:
    case TG_AROUND_VERBS:
    default:
        if (!there)
            end(op, TG_AROUND_ABSENT, "nothing was left to undo");
        else if (op->failed && op->params->keep_on_failure)
            end(op, TG_AROUND_KEPT, "snapshot %s is kept; to go back: virsh -c '%s' snapshot-revert %s %s", op->name, op->params->uri, op->domain, op->name);
    }
    if (op->phase != TG_LIBVIRT_ENDED)
        op->phase = TG_LIBVIRT_ORDER;
}

static void prove(struct tg_libvirt_op *op, bool there)
{
    if (op->verb == TG_AROUND_ACT && there && !op->trouble[0])
        end(op, TG_AROUND_OURS, "snapshot %s", op->name);
    else if (op->verb == TG_AROUND_ACT)
        end(op, there ? TG_AROUND_LOST : TG_AROUND_REFUSED, "%s", op->trouble[0] ? op->trouble : "virsh made no snapshot, though it said so");
    else if (!there)
        end(op, TG_AROUND_ABSENT, "%s", "");
    else
        end(op, op->trouble[0] ? TG_AROUND_REFUSED : TG_AROUND_LOST, "snapshot %s is still there%s%s", op->name, op->trouble[0] ? ": " : "", op->trouble);
}

void tg_libvirt_heard(struct tg_libvirt_op *op, int status, const char *out, const char *err)
{
    if (op->phase == TG_LIBVIRT_ORDER) {
        if (status != 0)
            said(err, op->trouble, sizeof op->trouble);
        if (status != 0 && !op->trouble[0])
            snprintf(op->trouble, sizeof op->trouble, "virsh ended with %d", status);
        op->phase = TG_LIBVIRT_PROOF;
        if (status == -1)
            end(op, TG_AROUND_NOT_SENT, "%s", op->trouble);
        else if (status == -2) /* libvirtd may still be at it */
            end(op, TG_AROUND_LOST, "%s", op->trouble);
    } else if (status != 0) {
        no_list(op, status, err);
    } else if (op->phase == TG_LIBVIRT_PROOF) {
        prove(op, is_listed(out, op->name));
    } else {
        heard_first(op, is_listed(out, op->name));
    }
}

bool tg_libvirt_next(const struct tg_libvirt_op *op, const char *argv[TG_LIBVIRT_ARGS], int64_t *timeout_ms)
{
    const char *const list[] = {"virsh", "-q", "-c", op->params->uri, "snapshot-list", op->domain, "--name", NULL};
    const char *const make[] = {"virsh", "-q", "-c", op->params->uri, "snapshot-create-as", op->domain, op->name, op->about, "--atomic", NULL};
    const char *const undo[] = {"virsh", "-q", "-c", op->params->uri, "snapshot-delete", op->domain, op->name, NULL};
    bool order = op->phase == TG_LIBVIRT_ORDER;
    const char *const *from = !order ? list : op->verb == TG_AROUND_ACT ? make : undo;

    if (op->phase == TG_LIBVIRT_ENDED)
        return false;
    *timeout_ms = order ? op->params->timeout_ms : TG_LIBVIRT_SHORT_MS;
    for (size_t i = 0; i == 0 || from[i - 1]; i++)
        argv[i] = from[i];
    return true;
}
