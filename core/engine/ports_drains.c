/*
 * Right before a host is changed: do the drains around it stand? A load balancer that has restarted has forgotten them, and the host serves customers. What does not
 * stand is the answer of the task: then it is done again, its sessions waited for, and the guard asked once more, before anything is changed (run_table.c). See ports.h.
 */
#include "engine/ports_internal.h"

#include <stdio.h>
#include <string.h>

#define AFTER_KEEP_MS 100

static uint16_t bit_of(const struct tg_task *t)
{
    return (uint16_t) (1U << t->action.step);
}

static const struct tg_run_host *host_of(const struct tg_task *t)
{
    return &t->ports->o.run->hosts[t->action.host];
}

static bool is_ours(const struct tg_task *t)
{
    return host_of(t)->made & bit_of(t);
}

static void answer(struct tg_task *t, enum tg_run_event_kind kind, enum tg_around_end end, const char *text, const char *record)
{
    char all[500];

    tg_task_say_around(t, text[0] ? text : tg_around_end_name(end), all, sizeof all);
    tg_task_answer_event(t, (struct tg_run_event) {.kind = kind, .step = t->action.step, .changed = -1, .ours = end == TG_AROUND_OURS, .text = all, .record = record[0] ? record : NULL});
}

/* Ours, and forgotten: it is in force again by now, and who came in between is there yet. */
static void tell_redone(struct tg_task *t, const char *text, const char *record)
{
    char all[500];

    tg_task_say_around(t, text, all, sizeof all);
    if (text[0])
        tg_drive_answer(t->drive, &(struct tg_run_event) {.kind = TG_EV_KEEP, .host = t->action.host, .stage = TG_RUN_NONE, .step = t->action.step, .changed = -1, .text = all, .record = record});
}

static bool stands(const struct tg_task *t, enum tg_around_end end, const char *record)
{
    char known[TG_AROUND_RECORD_SIZE];

    if (t->ports->redone[t->action.host] & bit_of(t))
        return false;
    if (!is_ours(t))
        return end == TG_AROUND_OTHERS;
    tg_run_record(host_of(t), t->action.step, known, sizeof known);
    return end == TG_AROUND_OURS && strcmp(known, record) == 0;
}

static void proved(void *data, enum tg_around_end end, const char *text, const char *record)
{
    struct tg_task *t = data;

    t->asked = false;
    if (t->over || t->ports->closing)
        return;
    text = text ? text : "";
    if (!record || !tg_around_is_record(record)) {
        answer(t, TG_EV_AROUND_REFUSED, end, "the module gave no record that can be kept", "");
    } else if (stands(t, end, record)) {
        t->proving++;
        t->due_ms = 0;
    } else if (end > TG_AROUND_REFUSED) {
        answer(t, end == TG_AROUND_NOT_SENT ? TG_EV_AROUND_AWAY : TG_EV_AROUND_LOST, end, text, "");
    } else if (end == TG_AROUND_REFUSED || (end == TG_AROUND_ABSENT && is_ours(t))) {
        answer(t, TG_EV_AROUND_REFUSED, end, text, record); /* what a person took back is not done again; nor is who serves changed */
    } else {
        if (end == TG_AROUND_OURS)
            tell_redone(t, text, record);
        answer(t, TG_EV_FOUND, end, text, record);
    }
}

/* The next drain that is in force, by our doing or by others'. */
static bool next_drain(struct tg_task *t)
{
    const struct tg_run_host *h = host_of(t);
    unsigned steps = t->ports->o.run->drains & ((unsigned) h->made | h->left);

    while (t->proving < TG_RUN_AROUND_STEPS && !(steps >> t->proving & 1U))
        t->proving++;
    return t->proving < TG_RUN_AROUND_STEPS;
}

int tg_task_prove_drains(struct tg_task *t, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;

    if (t->asked) { /* and due: too long */
        answer(t, TG_EV_AROUND_LOST, TG_AROUND_LOST, "no answer", "");
        return 0;
    }
    if (!next_drain(t)) {
        t->action.step = 0;
        t->proven = true;
        return tg_task_run_step(t, e);
    }
    t->action.step = t->proving;
    if (tg_task_is_kept_now(t)) {
        t->due_ms = tg_ports_now(t->ports) + AFTER_KEEP_MS;
        return 0;
    }
    t->asked = true;
    if (tg_task_ask_around(t, is_ours(t) ? TG_AROUND_KEEP : TG_AROUND_LOOK, proved, &own)) {
        t->asked = false;
        answer(t, TG_EV_AROUND_AWAY, TG_AROUND_NOT_SENT, own.message, "");
    } else if (!t->over) {
        t->due_ms = t->give_up_ms;
    }
    return 0;
}
