/*
 * What is asked of an Alertmanager next, and how it ended. Its silences have room for our tag, in the comment: whose one is, is read there, and an answer
 * that was lost costs nothing. What others have silenced is theirs; ours lies beside it. Pure.
 */
#include "alertmanager.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MS 2000     /* of two times that are meant to be one: milliseconds may be cut off, and more than that is a person's doing */
#define SHORTEST_MS 60000
#define EARLIER_MS 600000 /* begins before now, which Alertmanager makes its own now: clocks differ */

static void end(struct tg_am_op *op, enum tg_around_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void end(struct tg_am_op *op, enum tg_around_end how, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(op->text, sizeof op->text, format, args);
    va_end(args);
    op->end = how;
    op->phase = TG_AM_ENDED;
    op->record[0] = '\0';
    if (how != TG_AROUND_ABSENT && op->id[0])
        snprintf(op->record, sizeof op->record, "1 %s %" PRId64, op->id, op->ends_ms);
}

/* "instance="web1:9100"" for a query. */
static void escape(char *out, size_t size, size_t *n, const char *text, bool quoted)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *text && *n + 8 < size; text++) {
        if (quoted && (*text == '"' || *text == '\\'))
            *n += (size_t) snprintf(out + *n, size - *n, "%%5C");
        if (strchr(TG_PARAMS_WORD ".-", *text)) {
            out[(*n)++] = *text;
        } else {
            out[(*n)++] = '%';
            out[(*n)++] = hex[(unsigned char) *text >> 4];
            out[(*n)++] = hex[(unsigned char) *text & 15];
        }
    }
    out[*n] = '\0';
}

/* All silences that name this host by the first matcher that does: a big Alertmanager keeps thousands, and those that have ended for days. */
static char *list_path(const struct tg_around_params *p, const json_t *matchers)
{
    char path[4096];
    size_t n = (size_t) snprintf(path, sizeof path, "/api/v2/silences?filter="), i = 0;

    while (i + 1 < p->n && !(p->matchers[i].equal && strchr(p->matchers[i].value, '{')))
        i++;
    escape(path, sizeof path, &n, p->matchers[i].name, false);
    escape(path, sizeof path, &n, p->matchers[i].regex ? "=~\"" : "=\"", false);
    escape(path, sizeof path, &n, json_string_value(json_object_get(json_array_get(matchers, i), "value")), true);
    escape(path, sizeof path, &n, "\"", false);
    return strdup(path);
}

/* "1 ID ENDS" */
static int read_record(struct tg_am_op *op, const char *record, struct tg_error *e)
{
    const char *id = record && strncmp(record, "1 ", 2) == 0 ? record + 2 : "";
    size_t n = strcspn(id, " ");
    char *rest = NULL;

    if (!record || !record[0])
        return 0;
    if (id[n] == ' ' && n < sizeof op->id) {
        snprintf(op->id, sizeof op->id, "%.*s", (int) n, id);
        op->ends_ms = (int64_t) strtoll(id + n + 1, &rest, 10);
    }
    if (!rest || rest == id + n + 1 || *rest || !tg_am_is_id(op->id))
        return tg_fail(e, TG_E_DATA, "the record of the silence, \"%.60s\", is not to be read", record);
    return 0;
}

int tg_am_begin(struct tg_am_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c, struct tg_error *e)
{
    char comment[1024];
    int64_t until = c->until_ms < c->now_ms + p->for_ms ? c->until_ms : c->now_ms + p->for_ms;

    *op = (struct tg_am_op) {.params = p, .verb = verb, .now_ms = c->now_ms, .phase = TG_AM_LIST};
    op->want_ms = until > c->now_ms + SHORTEST_MS ? until : c->now_ms + SHORTEST_MS;
    int rc = read_record(op, c->record, e);
    if (rc)
        return rc;
    if (!(op->matchers = tg_am_matchers(p, c, e)))
        return e ? e->code : TG_E_MEMORY;
    tg_am_marker(c->tag, op->marker, sizeof op->marker);
    snprintf(comment, sizeof comment, "%s %.300s%s%.260s, run %.60s%s%.60s", op->marker, c->reason ? c->reason : "", p->comment ? ": " : "", p->comment ? p->comment : "",
             c->run_id ? c->run_id : "", c->lock_id ? ", lock " : "", c->lock_id ? c->lock_id : "");
    op->comment = strdup(comment);
    op->who = strdup(c->who && c->who[0] ? c->who : "tagout");
    op->list = list_path(p, op->matchers);
    if (op->comment && op->who && op->list)
        return 0;
    tg_am_release(op);
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_am_release(struct tg_am_op *op)
{
    json_decref(op->matchers);
    free(op->list);
    free(op->comment);
    free(op->who);
    op->matchers = NULL;
    op->list = op->comment = op->who = NULL;
}

/* The one of ours that stays; n: none does. The first choice is the one that is journalled, then the one that lasts longest. */
static size_t choose(const struct tg_am_op *op)
{
    size_t best = op->n;

    for (size_t i = 0; i < op->n; i++) {
        const struct tg_am_silence *s = &op->ours[i];
        if (s->expired || !s->same)
            continue;
        if (strcmp(s->id, op->id) == 0)
            return i;
        if (best == op->n || s->ends_ms > op->ours[best].ends_ms)
            best = i;
    }
    return best;
}

static size_t count_in_force(const struct tg_am_op *op)
{
    size_t n = 0;

    for (size_t i = 0; i < op->n; i++)
        n += !op->ours[i].expired;
    return n;
}

static void know(struct tg_am_op *op, size_t i)
{
    memcpy(op->id, op->ours[i].id, sizeof op->id);
    op->ends_ms = op->ours[i].ends_ms;
}

/* Goes to the next of ours that is to be ended; after the last, what came of it is looked at. */
static void next_delete(struct tg_am_op *op)
{
    op->phase = TG_AM_DELETE;
    while (op->at < op->n && (op->ours[op->at].expired || op->at == op->kept || strcmp(op->ours[op->at].id, op->verb == TG_AROUND_UNDO ? "" : op->id) == 0))
        op->at++;
    if (op->at == op->n)
        op->phase = TG_AM_PROOF;
}

static void look(struct tg_am_op *op)
{
    size_t n = count_in_force(op), i = choose(op);

    if (n == 0) {
        end(op, TG_AROUND_ABSENT, "no silence of this run");
        return;
    }
    for (size_t k = 0; i == op->n && k < op->n; k++)
        if (!op->ours[k].expired)
            i = k;
    if (i < op->n) /* one in force there is */
        know(op, i);
    end(op, TG_AROUND_OURS, "silence %s", op->id);
}

static void end_in_force(struct tg_am_op *op)
{
    char until[40];

    tg_time_format(op->ends_ms, until, sizeof until);
    end(op, TG_AROUND_OURS, "silence %s until %s", op->id, until);
}

/* A person ended what we had made: before its time. */
static bool was_ended(const struct tg_am_op *op)
{
    for (size_t i = 0; i < op->n; i++)
        if (op->id[0] && strcmp(op->ours[i].id, op->id) == 0)
            return op->ours[i].expired && op->ours[i].ends_ms < op->ends_ms - NEAR_MS && op->ours[i].ends_ms <= op->now_ms + NEAR_MS;
    return false;
}

static void bring_about(struct tg_am_op *op)
{
    op->kept = choose(op);
    op->at = 0;
    if (op->verb == TG_AROUND_KEEP && count_in_force(op) == 0 && was_ended(op)) {
        end(op, TG_AROUND_ABSENT, "somebody ended silence %s, and it is left so", op->id);
        return;
    }
    /* renewed when a third of its time has gone */
    if (op->kept == op->n || op->ours[op->kept].ends_ms < op->want_ms - (op->want_ms - op->now_ms) / 3) {
        op->phase = TG_AM_POST;
        return;
    }
    know(op, op->kept);
    if (count_in_force(op) > 1)
        next_delete(op);
    else
        end_in_force(op);
}

static void undo(struct tg_am_op *op)
{
    op->kept = op->n;
    op->at = 0;
    if (count_in_force(op) == 0)
        end(op, TG_AROUND_ABSENT, "nothing was left to undo");
    else
        next_delete(op);
}

static void trouble(struct tg_am_op *op, enum tg_around_end how, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void trouble(struct tg_am_op *op, enum tg_around_end how, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(op->trouble, sizeof op->trouble, format, args);
    va_end(args);
    op->trouble_end = how;
}

/* Is what was ordered so? */
static void prove(struct tg_am_op *op)
{
    size_t i = choose(op), left = count_in_force(op);

    if (op->verb == TG_AROUND_UNDO && left == 0) {
        end(op, TG_AROUND_ABSENT, "%s", "");
    } else if (op->verb == TG_AROUND_UNDO) {
        for (size_t k = 0; k < op->n; k++)
            if (!op->ours[k].expired)
                know(op, k);
        end(op, op->trouble[0] ? op->trouble_end : TG_AROUND_LOST, "silence %s is still in force%s%s", op->id, op->trouble[0] ? ": " : "", op->trouble);
    } else if (i < op->n && op->ours[i].ends_ms >= op->want_ms - (op->want_ms - op->now_ms) / 3 - NEAR_MS) {
        know(op, i);
        end_in_force(op);
    } else {
        end(op, op->trouble[0] ? op->trouble_end : TG_AROUND_LOST, "%s", op->trouble[0] ? op->trouble : "no silence is in force, though that was ordered");
    }
}

/* The list could not be had: nothing is known, and nothing was done for this question. */
static void no_list(struct tg_am_op *op, enum tg_am_came came, long status, const char *why)
{
    bool first = op->phase == TG_AM_LIST, reads = op->verb == TG_AROUND_LOOK || op->verb == TG_AROUND_ACT;

    if (!first)
        end(op, TG_AROUND_LOST, "%s; and what came of it can't be seen: %s", op->trouble[0] ? op->trouble : "ordered", why);
    else if (came == TG_AM_AWAY)
        end(op, TG_AROUND_NOT_SENT, "%s", why);
    else if (came == TG_AM_ANSWERED && ((status >= 300 && status < 500 && status != 429) || (status == 200 && reads)))
        end(op, TG_AROUND_REFUSED, "%s", why);
    else
        end(op, op->verb == TG_AROUND_ACT ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s", why);
}

static void heard_list(struct tg_am_op *op, enum tg_am_came came, long status, const char *body, size_t len, const char *why)
{
    char said[120], text[260];

    if (came != TG_AM_ANSWERED) {
        no_list(op, came, status, why);
    } else if (status != 200) {
        tg_am_said(body, len, said, sizeof said);
        snprintf(text, sizeof text, "status %ld%s%s", status, said[0] ? ": " : "", said);
        no_list(op, came, status, text);
    } else if (!tg_am_silences(body, len, op->marker, op->matchers, op->ours, TG_AM_OURS_MAX, &op->n, text, sizeof text)) {
        no_list(op, came, status, text);
    } else if (op->phase == TG_AM_PROOF) {
        prove(op);
    } else if (op->verb == TG_AROUND_LOOK) {
        look(op);
    } else if (op->verb == TG_AROUND_UNDO) {
        undo(op);
    } else {
        bring_about(op);
    }
}

static void heard_order(struct tg_am_op *op, enum tg_am_came came, long status, const char *body, size_t len, const char *why)
{
    bool post = op->phase == TG_AM_POST, refused = status >= 300 && status < 500 && status != 429;
    char said[200];

    tg_am_said(body, len, said, sizeof said);
    if (came != TG_AM_ANSWERED)
        trouble(op, post && came == TG_AM_AWAY ? TG_AROUND_NOT_SENT : TG_AROUND_LOST, "%s", why);
    else if (post ? status != 200 || !tg_am_posted(body, len, op->id, sizeof op->id) : status != 200 && status != 404)
        trouble(op, refused ? TG_AROUND_REFUSED : TG_AROUND_LOST, "status %ld%s%s", status, said[0] ? ": " : "", said);
    if (post && op->trouble[0] && op->trouble_end != TG_AROUND_LOST) {
        end(op, op->trouble_end, "%s", op->trouble);
        return;
    }
    op->at += !post;
    next_delete(op);
}

void tg_am_heard(struct tg_am_op *op, enum tg_am_came came, long status, const char *body, size_t len, const char *why)
{
    if (op->phase == TG_AM_LIST || op->phase == TG_AM_PROOF)
        heard_list(op, came, status, body, len, why);
    else
        heard_order(op, came, status, body, len, why);
}

static char *silence_body(const struct tg_am_op *op)
{
    const struct tg_am_silence *kept = op->kept < op->n ? &op->ours[op->kept] : NULL;
    char starts[40], ends[40];

    tg_time_format(op->now_ms - EARLIER_MS, starts, sizeof starts);
    tg_time_format(op->want_ms, ends, sizeof ends);
    json_t *v = json_pack("{s:O, s:s, s:s, s:s, s:s}", "matchers", op->matchers, "startsAt", kept ? kept->starts : starts, "endsAt", ends, "createdBy", op->who, "comment",
                          op->comment);
    if (v && kept)
        json_object_set_new(v, "id", json_string(kept->id));
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    json_decref(v);
    return text ? text : strdup("{}"); /* which is refused */
}

bool tg_am_next(const struct tg_am_op *op, const char **method, char *path, size_t size, char **body)
{
    *body = NULL;
    *method = op->phase == TG_AM_POST ? "POST" : op->phase == TG_AM_DELETE ? "DELETE" : "GET";
    if (op->phase == TG_AM_ENDED)
        return false;
    if (op->phase == TG_AM_POST) {
        snprintf(path, size, "/api/v2/silences");
        *body = silence_body(op);
    } else if (op->phase == TG_AM_DELETE) {
        snprintf(path, size, "/api/v2/silence/%s", op->ours[op->at].id);
    } else {
        snprintf(path, size, "%s", op->list);
    }
    return true;
}
