/* What is done around the change of a host, as its machine sees it: which step is at hand, which are in force, what is left. See run.h. */
#include "engine/run_internal.h"

#include <stdio.h>
#include <string.h>

#define BIT(step) ((uint16_t) (1U << (step)))
#define LOCK_BIT ((uint16_t) 1)

static const char not_undone[] = "not undone: ";
static const char behind_end[] = "; not undone: ";

/* The last one of those; 0: none. */
static uint16_t last_of(uint16_t steps)
{
    uint16_t step = TG_RUN_AROUND_STEPS - 1;

    while (step && !(steps & BIT(step)))
        step--;
    return step;
}

static bool undoes(enum tg_host_state state)
{
    return state == TG_HOST_UNDOING || state == TG_HOST_UNDO_WAITING;
}

bool tg_around_is_event(enum tg_run_event_kind kind)
{
    return kind >= TG_EV_FOUND && kind <= TG_EV_KEEP;
}

bool tg_around_is_at(const struct tg_run_host *h, int step)
{
    return h->state == TG_HOST_APPLYING ? step < h->step : step == h->step;
}

enum tg_run_event_kind tg_around_kind(const struct tg_run *run, const struct tg_run_host *h, enum tg_run_event_kind kind)
{
    bool no_answer = kind == TG_EV_AROUND_AWAY || kind == TG_EV_AROUND_LOST;

    if (kind == TG_EV_GO && h->state == TG_HOST_CHECKING && h->step && h->step < run->plan->n_around)
        return TG_EV_GO_AROUND;
    if ((kind == TG_EV_MADE || kind == TG_EV_LEFT) && h->state == TG_HOST_AROUND && h->step + 1U >= run->plan->n_around)
        return run->plan->withdraws ? TG_EV_ALL_OUT : TG_EV_ALL_MADE;
    if (no_answer && h->state != TG_HOST_APPLYING && h->away + 1 >= TG_RUN_AROUND_TRIES)
        kind = TG_EV_AROUND_REFUSED;
    bool over = kind == TG_EV_UNDONE || kind == TG_EV_UNDO_KEPT || kind == TG_EV_AROUND_REFUSED;
    return over && h->state == TG_HOST_UNDOING && !(h->made & ~BIT(h->step)) ? TG_EV_ALL_UNDONE : kind;
}

/* ---- records: a line each, from step 1 on ---- */

void tg_run_record(const struct tg_run_host *h, int step, char *out, size_t size)
{
    const char *at = h->records ? h->records : "";

    for (int i = 1; i < step && at; i++)
        at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    snprintf(out, size, "%.*s", at ? (int) strcspn(at, "\n") : 0, at ? at : "");
}

/* record: NULL none any more. */
static void set_record(struct tg_step *s, struct tg_run_host *h, int step, const char *record)
{
    char all[TG_RUN_AROUND_STEPS * TG_AROUND_RECORD_SIZE] = "", one[TG_AROUND_RECORD_SIZE];
    size_t len = 0, used = 0;

    for (int i = 1; i < TG_RUN_AROUND_STEPS; i++) {
        tg_run_record(h, i, one, sizeof one);
        if (i == step)
            snprintf(one, sizeof one, "%s", record ? record : "");
        one[strcspn(one, "\n")] = '\0';
        len += (size_t) snprintf(all + len, sizeof all - len, "%s%s", i > 1 ? "\n" : "", one);
        used = one[0] ? len : used;
    }
    all[used] = '\0';
    tg_step_set_text(s, &h->records, used ? all : NULL);
}

/* ---- what is remembered ---- */

/* How much of a host's text says how it ended, and not what keeps it from being undone. */
static size_t ended_text(const struct tg_run_host *h)
{
    const char *text = h->text ? h->text : "", *behind = strstr(text, behind_end);

    return strncmp(text, not_undone, sizeof not_undone - 1) == 0 ? 0 : behind ? (size_t) (behind - text) : strlen(text);
}

/* Behind how it ended. */
static void say_not_undone(struct tg_step *s, struct tg_run_host *h, const char *what, const char *why)
{
    char text[512];
    size_t n = ended_text(h);

    if (n && !what[0])
        return; /* kept on purpose, as it is meant to be of one that failed */
    snprintf(text, sizeof text, "%.*s%s%s%.200s", n < 250 ? (int) n : 250, h->text ? h->text : "", n ? "; " : "", what, why ? why : "no answer");
    tg_step_set_text(s, &h->text, text);
}

static void say_undone(struct tg_step *s, struct tg_run_host *h)
{
    char text[512];
    size_t n = ended_text(h);

    if (!h->text || n == strlen(h->text))
        return;
    snprintf(text, sizeof text, "%.*s", (int) n, h->text);
    tg_step_set_text(s, &h->text, n ? text : NULL);
}

/* ev: as it came, as: as the tables had it. The step is over, or waits for another try. */
static void remember_undo(struct tg_step *s, struct tg_run_host *h, const struct tg_run_event *ev, enum tg_run_event_kind as)
{
    uint16_t bit = BIT(h->step);

    if (as == TG_EV_AROUND_AWAY || as == TG_EV_AROUND_LOST) {
        h->away++;
        say_not_undone(s, h, not_undone, ev->text);
        return;
    }
    h->away = 0;
    h->made &= (uint16_t) ~bit;
    h->unkept &= (uint16_t) ~bit;
    if (ev->kind == TG_EV_UNDONE) {
        set_record(s, h, h->step, NULL);
        if (!(h->stuck & ~LOCK_BIT))
            say_undone(s, h);
        return;
    }
    if (ev->kind == TG_EV_UNDO_KEPT)
        h->kept |= bit;
    else
        h->stuck |= bit;
    if (ev->record)
        set_record(s, h, h->step, ev->record);
    say_not_undone(s, h, ev->kind == TG_EV_UNDO_KEPT ? "" : not_undone, ev->text);
}

/* Who was tried once more at somebody's word says nothing new of what keeps it out. */
static void count_row(struct tg_step *s, struct tg_run_host *h, enum tg_run_event_kind as, int step)
{
    struct tg_run *run = s->run;
    bool through = as == TG_EV_MADE || as == TG_EV_LEFT || as == TG_EV_ALL_MADE || as == TG_EV_ALL_OUT;

    if (through && step == run->row_step)
        run->in_row = 0;
    if (as != TG_EV_AROUND_REFUSED)
        return;
    h->shut = true;
    if (h->reopened)
        return;
    run->in_row = run->row_step == step ? run->in_row + 1 : 1;
    run->row_step = (uint16_t) step;
    s->shut = true;
}

static void remember_doing(struct tg_step *s, struct tg_run_host *h, const struct tg_run_event *ev)
{
    bool acted = h->state == TG_HOST_AROUND, ends = ev->kind == TG_EV_MADE || ev->kind == TG_EV_LEFT;

    if (h->state == TG_HOST_APPLYING) { /* back to a drain that does not stand any more */
        h->step = (uint16_t) ev->step;
        h->away = 0;
    }
    if ((ev->kind == TG_EV_FOUND && ev->ours) || ev->kind == TG_EV_MADE || (acted && (ev->kind == TG_EV_AROUND_REFUSED || ev->kind == TG_EV_AROUND_LOST)))
        h->made |= BIT(h->step);
    if (ev->kind == TG_EV_LEFT)
        h->made &= (uint16_t) ~BIT(h->step);
    if (ends)
        h->unkept &= (uint16_t) ~BIT(h->step);
    if (ends)
        h->left = (uint16_t) (ev->kind == TG_EV_LEFT ? h->left | BIT(h->step) : h->left & ~BIT(h->step));
    if (ev->kind == TG_EV_LEFT || ev->record)
        set_record(s, h, h->step, ev->kind == TG_EV_LEFT ? NULL : ev->record);
    if (ends)
        h->away = 0;
    else if (ev->kind == TG_EV_AROUND_AWAY || ev->kind == TG_EV_AROUND_LOST)
        h->away++;
    h->step = (uint16_t) (h->step + ends);
    if (ends || ev->text)
        tg_step_set_text(s, &h->text, ends ? NULL : ev->text);
}

/* Whoever drove the run before may have done the step, or undone it: it is looked at, or undone, once more. */
static void remember_resumed(struct tg_run_host *h)
{
    if (h->state == TG_HOST_AROUND)
        h->made |= BIT(h->step);
    if (undoes(h->state) || h->state == TG_HOST_UNLOCKING || h->state == TG_HOST_STUCK) {
        h->made |= h->stuck & (uint16_t) ~LOCK_BIT;
        h->stuck &= LOCK_BIT;
        h->away = 0;
    }
    if (h->state == TG_HOST_AROUND_LOOKING || h->state == TG_HOST_AROUND || h->state == TG_HOST_AROUND_WAITING)
        h->away = 0;
}

void tg_around_remember(struct tg_step *s, struct tg_run_host *h, const struct tg_run_event *ev, enum tg_run_event_kind as)
{
    if (ev->kind == TG_EV_START || ev->kind == TG_EV_START_DRY) {
        h->step = s->run->plan->n_around > 1;
        h->made = h->stuck = h->left = h->unkept = 0;
        h->shut = false;
    }
    if (ev->kind == TG_EV_UNLOCKED || ev->kind == TG_EV_UNLOCK_FAILED)
        h->stuck = (uint16_t) ((h->stuck & ~LOCK_BIT) | (ev->kind == TG_EV_UNLOCK_FAILED ? LOCK_BIT : 0));
    if (ev->kind == TG_EV_RESUMED)
        remember_resumed(h);
    if (tg_around_is_event(ev->kind) && undoes(h->state))
        remember_undo(s, h, ev, as);
    else if (tg_around_is_event(ev->kind) && ev->kind != TG_EV_KEEP) {
        remember_doing(s, h, ev);
        count_row(s, h, as, ev->step);
        if (as == TG_EV_AROUND_REFUSED && !h->text)
            tg_step_set_text(s, &h->text, "no answer");
    }
}

void tg_around_keep(struct tg_step *s, struct tg_run_host *h, const struct tg_run_event *ev)
{
    if (ev->record && (h->made & BIT(ev->step)))
        set_record(s, h, ev->step, ev->record);
    h->unkept = (uint16_t) (ev->record || !((h->made | h->left) & BIT(ev->step)) ? h->unkept & ~BIT(ev->step) : h->unkept | BIT(ev->step));
}

/* It is on its way out yet. */
static void wait_behind_undo(struct tg_run *run, size_t i)
{
    struct tg_run_host *h = &run->hosts[i];
    bool was_down = tg_run_is_down(run, h);

    h->end = TG_HOST_WAITING;
    h->reopened = true;
    run->stages[h->stage].returning++;
    tg_queue_moved(run, i, was_down);
}

/* In a stage that is done nobody would wait for them. */
void tg_around_reopen(struct tg_step *s)
{
    struct tg_run *run = s->run;

    for (size_t i = 0; i < run->plan->n_hosts; i++) {
        struct tg_run_host *h = &run->hosts[i];
        if (!h->shut || h->reopened || run->stages[h->stage].state != TG_STAGE_RUNNING)
            continue;
        if (h->state == TG_HOST_HELD)
            tg_step_tell_host(s, i, TG_EV_REOPEN, NULL);
        else if ((undoes(h->state) || h->state == TG_HOST_UNLOCKING) && h->end == TG_HOST_HELD)
            wait_behind_undo(run, i);
    }
}

static const char *text_of_row(const struct tg_run *run)
{
    for (size_t i = 0; i < run->plan->n_hosts; i++)
        if (run->hosts[i].shut && run->hosts[i].step == run->row_step && run->hosts[i].text)
            return run->hosts[i].text;
    return "";
}

bool tg_around_shuts(const struct tg_run *run, char *why, size_t size)
{
    const struct tg_around *a = &run->plan->around[run->row_step];
    const char *text = text_of_row(run);

    if (run->plan->undoes || run->in_row < TG_RUN_AROUND_ROW || !run->totals[TG_HOST_WAITING])
        return false;
    snprintf(why, size, "%s (%.40s) has kept out %zu hosts in a row, and more wait%s%.200s", tg_around_what_name(a->what), a->module, run->in_row, text[0] ? ": " : "", text);
    return true;
}

bool tg_around_to_undo(struct tg_step *s, struct tg_run_host *h, bool leaves)
{
    if (leaves)
        h->away = 0;
    if (leaves && h->records && h->step < TG_RUN_AROUND_STEPS && !(h->made & BIT(h->step)))
        set_record(s, h, h->step, NULL); /* looked at, and never done */
    if (h->made)
        h->step = last_of(h->made);
    return h->made != 0;
}

/* ---- what is in force ---- */

bool tg_run_host_failed(const struct tg_run_host *h)
{
    bool ends = undoes(h->state) || h->state == TG_HOST_UNLOCKING || h->state == TG_HOST_STUCK;
    enum tg_host_state end = ends ? h->end : h->state;

    return end == TG_HOST_FAILED || end == TG_HOST_UNKNOWN || end == TG_HOST_UNDECIDED || end == TG_HOST_LOST;
}

unsigned tg_run_in_force(const struct tg_run_host *h)
{
    unsigned steps = (unsigned) h->made | h->stuck | h->kept;

    if (h->state == TG_HOST_AROUND)
        steps |= BIT(h->step);
    if (h->lock)
        steps |= LOCK_BIT;
    return steps;
}

uint16_t tg_around_drains(const struct tg_plan *plan)
{
    uint16_t steps = 0;

    for (size_t i = 1; i < plan->n_around && i < TG_RUN_AROUND_STEPS; i++)
        if (plan->around[i].kind == TG_AROUND_MODULE && plan->around[i].what == TG_AROUND_DRAIN)
            steps |= BIT(i);
    return steps;
}

bool tg_around_fits(const struct tg_plan *plan, const struct tg_run_host *h)
{
    size_t n = plan->n_around ? plan->n_around : 1;
    bool does = (h->state >= TG_HOST_AROUND_LOOKING && h->state <= TG_HOST_AROUND_WAITING) || undoes(h->state);

    if (n > TG_RUN_AROUND_STEPS || h->step > n || ((unsigned) h->made | h->stuck | h->kept | h->left) >> n || (h->made & LOCK_BIT))
        return false;
    return !does || (h->step >= 1 && h->step < n && (!undoes(h->state) || (h->made & BIT(h->step))));
}
