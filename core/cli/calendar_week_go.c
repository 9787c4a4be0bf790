/* tagout calendar week begin, done, failed: how slots go where people work by hand; and how they go, for show and status. */
#include "cli/calendar_week.h"

#include "calendar/announce_slot.h"
#include "calendar/week_text.h"
#include "cli/guarding.h"
#include "cli/tables.h"
#include "fleet/nodeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

static int64_t now_of(const struct tg_frame *f)
{
    return tg_wall_ms(tg_loop_clock(f->loop));
}

/* ---- how it goes ---- */

const char *tg_week_slot_state(const struct tg_booked *b, const struct tg_slot_count *c, const struct tg_week_slot *s, int64_t now_ms)
{
    bool off = b && b->cancelled && b->cancelled_ms < s->until_ms;

    if (off)
        return c->begun ? "begun" : c->failed ? "failed" : c->done ? "done" : "off";
    if (c->hosts && c->done + c->failed == c->hosts)
        return c->failed ? "failed" : "done";
    if (now_ms < s->from_ms)
        return c->begun || c->done || c->failed ? "begun" : "to come";
    if (c->begun || (now_ms < s->until_ms && (c->done || c->failed)))
        return "begun";
    if (now_ms < s->until_ms)
        return c->expected && now_ms >= tg_slot_late_at_ms(s) ? "late" : "now";
    return c->done || c->failed ? "over" : c->expected ? "missed" : "no word";
}

/* Of a slot, those that are so; "" for none. free(); NULL: memory. */
static char *names_of(const struct tg_week *w, const struct tg_marks *marks, size_t slot, enum tg_mark_state state)
{
    struct tg_folder *folder;
    struct tg_buf text = TG_BUF_INIT;
    int rc = tg_folder_new(&folder, NULL);

    for (uint32_t i = 0; !rc && i < w->slots[slot].n; i++) {
        uint32_t host = w->order[w->slots[slot].first + i];
        if (marks->v[host].state == state)
            rc = tg_folder_add(folder, tg_hostlist_get(&w->names, host), NULL);
    }
    if (!rc)
        rc = tg_folder_print(folder, &text, NULL);
    tg_folder_free(folder);
    if (!rc)
        tg_buf_puts(&text, "");
    char *out = rc ? NULL : tg_buf_take(&text, NULL);
    tg_buf_release(&text);
    return out;
}

static json_t *names_json(const struct tg_week *w, const struct tg_marks *marks, size_t slot, enum tg_mark_state state)
{
    char *text = names_of(w, marks, slot, state);
    json_t *o = text ? json_string(text) : NULL;

    free(text);
    return o;
}

json_t *tg_week_progress_json(const struct tg_booked *b, const struct tg_week *w, const struct tg_marks *marks, int64_t now_ms)
{
    json_t *list = json_array();

    for (size_t s = 0; s < w->n_slots; s++) {
        struct tg_slot_count c = tg_slot_count(w, marks, s);
        size_t expected = c.expected + c.begun + c.done + c.failed;
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "slot", w->slots[s].name, "state", tg_week_slot_state(b, &c, &w->slots[s], now_ms),
                                              "count", (json_int_t) c.hosts, "expected", (json_int_t) expected, "begun", (json_int_t) c.begun, "done",
                                              (json_int_t) c.done, "failed", (json_int_t) c.failed, "missed", (json_int_t) tg_slot_missed(&c, &w->slots[s], now_ms), "began",
                                              c.began_ms ? tg_cli_time_json(c.began_ms) : json_null(), "ended", c.ended_ms ? tg_cli_time_json(c.ended_ms) : json_null(), "hosts-begun",
                                              names_json(w, marks, s, TG_MARK_BEGUN), "hosts-failed", names_json(w, marks, s, TG_MARK_FAILED), "hosts-not-begun",
                                              names_json(w, marks, s, TG_MARK_EXPECTED)));
    }
    return list;
}

#define COLUMNS 7
#define NAME_MAX_SHOWN 20 /* of a slot, on a terminal */

static char **make_row(const struct tg_frame *f, const struct tg_booked *b, const struct tg_week *w, const struct tg_marks *marks, size_t s)
{
    struct tg_slot_count c = tg_slot_count(w, marks, s);
    char **row = calloc(COLUMNS, sizeof *row), name[TG_PATTERN_NAME_SIZE + 4];

    if (!row)
        return NULL;
    row[0] = tg_cli_cell("%s", tg_week_short(w->slots[s].name, f->out_tty ? NAME_MAX_SHOWN : TG_PATTERN_NAME_SIZE, name, sizeof name));
    row[1] = tg_cli_cell("%s", tg_week_slot_state(b, &c, &w->slots[s], now_of(f)));
    row[2] = tg_cli_cell("%zu", c.hosts);
    row[3] = tg_cli_cell("%zu", c.done);
    row[4] = tg_cli_cell("%zu", c.failed);
    row[5] = tg_cli_cell("%zu", c.begun);
    row[6] = tg_cli_cell("%zu", c.expected);
    return row;
}

static void put_names(const struct tg_frame *f, const struct tg_week *w, const struct tg_marks *marks, enum tg_mark_state state, const char *what)
{
    for (size_t s = 0; s < w->n_slots; s++) {
        char *names = names_of(w, marks, s, state), name[TG_PATTERN_NAME_SIZE + 4];
        if (names && names[0] && tg_calendar_is_narrow(f)) {
            tg_calendar_say(f, 2, "%s in %s:", what, w->slots[s].name);
            tg_calendar_names(f, names, printf("  "));
        } else if (names && names[0]) {
            tg_calendar_names(f, names, printf("%s in %s: ", what, tg_week_short(w->slots[s].name, f->out_tty ? NAME_MAX_SHOWN : TG_PATTERN_NAME_SIZE, name, sizeof name)));
        }
        free(names);
    }
}

/* A slot each, where the table would be cut in its middle. */
static void put_blocks(const struct tg_frame *f, const struct tg_booked *b, const struct tg_week *w, const struct tg_marks *marks)
{
    for (size_t s = 0; s < w->n_slots; s++) {
        struct tg_slot_count c = tg_slot_count(w, marks, s);
        tg_calendar_say(f, 2, "%s: %s", w->slots[s].name, tg_week_slot_state(b, &c, &w->slots[s], now_of(f)));
        tg_calendar_say(f, 2, "  of %zu hosts %zu done, %zu failed, %zu begun, %zu not begun", c.hosts, c.done, c.failed, c.begun, c.expected);
    }
}

static void put_table(const struct tg_frame *f, const struct tg_booked *b, const struct tg_week *w, const struct tg_marks *marks)
{
    static const char *const head[COLUMNS] = {"SLOT", "IT IS", "HOSTS", "DONE", "FAILED", "BEGUN", "NOT BEGUN"};
    char ***rows = calloc(w->n_slots + 1, sizeof *rows);
    size_t n = 0;

    while (rows && n < w->n_slots && (rows[n] = make_row(f, b, w, marks, n)) != NULL)
        n++;
    if (rows)
        tg_cli_table(f, head, rows, n, COLUMNS);
    tg_cli_table_free(rows, n, COLUMNS);
}

void tg_week_progress(const struct tg_frame *f, const struct tg_booked *b, const struct tg_week *w, const struct tg_marks *marks)
{
    putchar('\n');
    if (marks->version < 0) {
        tg_calendar_say(f, 0, "Nothing is known of how it goes: no run waits for its slots, and nobody has said that one has begun.");
        return;
    }
    puts("How it goes");
    if (tg_calendar_is_narrow(f))
        put_blocks(f, b, w, marks);
    else
        put_table(f, b, w, marks);
    put_names(f, w, marks, TG_MARK_FAILED, "Failed");
    if (b && b->cancelled)
        put_names(f, w, marks, TG_MARK_BEGUN, "Begun, and not known to be through,");
}

/* ---- saying it ---- */

struct saying {
    struct tg_frame *f;
    enum tg_mark_state state;
    struct tg_booked booked;
    struct tg_week *week;
    struct tg_marks marks;
    struct tg_mark_word *words;
    size_t n, kept; /* kept: through before, and otherwise; a word about their slot is not about them */
    int64_t now_ms;
};

static int refuse(const struct saying *s, const char *host, const struct tg_week_slot *slot, struct tg_error *e)
{
    char from[40], until[40], now[40];

    tg_fail(e, TG_E_USAGE, "%s has slot %s, from %s to %s, and now it is %s: it can't have %s", host, slot->name,
            tg_cli_when(slot->from_ms, 0, from, sizeof from), tg_cli_when(slot->until_ms, 0, until, sizeof until),
            tg_cli_when(s->now_ms, 0, now, sizeof now), s->state == TG_MARK_BEGUN ? "begun in it now" : "ended yet");
    if (s->state == TG_MARK_BEGUN && s->now_ms >= slot->until_ms)
        tg_error_hint(e, "what was begun in it and is through: tagout calendar week done %s %s", s->booked.id, host);
    return TG_E_USAGE;
}

/* What was to begin behind the cancelling was called off. */
static int refuse_off(const struct saying *s, const char *host, const struct tg_week_slot *slot, struct tg_error *e)
{
    char from[40], at[40];

    return tg_fail(e, TG_E_USAGE, "%s has slot %s, from %s, and the week was cancelled by %s, %s: it can't have ended in it", host, slot->name,
                   tg_cli_when(slot->from_ms, 0, from, sizeof from), s->booked.cancelled_by, tg_cli_when(s->booked.cancelled_ms, 0, at, sizeof at));
}

/* What is said last is what people mean, whatever the clock of who spoke before; the same again changes nothing. */
static int add(struct saying *s, uint32_t host, struct tg_error *e)
{
    const struct tg_week_slot *slot = &s->week->slots[s->week->slot_of[host]];
    const struct tg_mark *was = &s->marks.v[host];
    struct tg_mark_word *w = &s->words[s->n++];
    bool begins = s->state == TG_MARK_BEGUN;
    int64_t at = s->now_ms > was->ended_ms ? s->now_ms : was->ended_ms + 1;

    if (s->now_ms < slot->from_ms - TG_MARK_EARLY_MS || (begins && s->now_ms >= slot->until_ms))
        return refuse(s, tg_hostlist_get(&s->week->names, host), slot, e);
    if (s->booked.cancelled && !was->began_ms && slot->from_ms > s->booked.cancelled_ms)
        return refuse_off(s, tg_hostlist_get(&s->week->names, host), slot, e);
    *w = (struct tg_mark_word) {tg_hostlist_get(&s->week->names, host), {.state = s->state}};
    if (was->state == s->state) {
        w->mark = *was;
        return 0;
    }
    w->mark.began_ms = begins ? at : was->began_ms ? was->began_ms : slot->from_ms < at ? slot->from_ms : at - 1;
    w->mark.ended_ms = begins ? 0 : at;
    return 0;
}

/* Of a slot, whoever is not through: how a host ended was said of itself, and is not said otherwise by a word about all. Of a week that was cancelled, whoever had begun. */
static int add_open(struct saying *s, const struct tg_week_slot *slot, struct tg_error *e)
{
    int rc = 0;

    for (uint32_t k = 0; !rc && k < slot->n; k++) {
        uint32_t host = s->week->order[slot->first + k];
        enum tg_mark_state was = s->marks.v[host].state;
        if (was != s->state && (was == TG_MARK_DONE || was == TG_MARK_FAILED))
            s->kept++;
        else if (!s->booked.cancelled || was == TG_MARK_BEGUN || was == s->state)
            rc = add(s, host, e);
    }
    return rc;
}

/* Whoever is in a slot of that name; of all slots that are now, when there is no name. */
static int add_slot(struct saying *s, const char *name, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < s->week->n_slots; i++) {
        const struct tg_week_slot *slot = &s->week->slots[i];
        if (name ? strcmp(slot->name, name) == 0 : s->booked.cancelled || (slot->from_ms <= s->now_ms && s->now_ms < slot->until_ms))
            rc = add_open(s, slot, e);
    }
    return rc;
}

static bool is_slot(const struct tg_week *w, const char *name)
{
    for (size_t i = 0; i < w->n_slots; i++)
        if (strcmp(w->slots[i].name, name) == 0)
            return true;
    return false;
}

static int add_names(struct saying *s, const char *text, struct tg_error *e)
{
    struct tg_hostlist list = TG_HOSTLIST_INIT;
    struct tg_error why = TG_ERROR_INIT;
    int rc = tg_nodeset_expand(text, strlen(text), &list, &why);

    if (rc) {
        tg_fail(e, rc == TG_E_DATA ? TG_E_USAGE : rc, "%s", why.message);
        tg_error_hint(e, "hosts by their names, such as web[1-3].example.com, or one slot: tagout calendar week show %s has both", s->booked.id);
        return rc == TG_E_DATA ? TG_E_USAGE : rc;
    }
    rc = tg_hostlist_sort(&list, e);
    for (size_t i = 0, k = 0; !rc && i < list.n; i++) { /* both are by name */
        int order = 1;
        while (k < s->week->names.n && (order = tg_name_compare(tg_hostlist_get(&s->week->names, k), tg_hostlist_get(&list, i))) < 0)
            k++;
        if (k == s->week->names.n || order != 0) {
            rc = tg_fail(e, TG_E_USAGE, "%s has no slot in week %s", tg_hostlist_get(&list, i), s->booked.id);
            tg_error_hint(e, "name hosts as tagout calendar week show %s does, or a slot", s->booked.id);
        } else {
            rc = add(s, (uint32_t) k, e);
        }
    }
    tg_hostlist_release(&list);
    return rc;
}

static int collect(struct saying *s, struct tg_error *e)
{
    const char *what = s->f->argc > 2 ? s->f->argv[2] : NULL;

    s->words = calloc(s->week->names.n + 1, sizeof *s->words);
    if (!s->words)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    int rc = what && !is_slot(s->week, what) ? add_names(s, what, e) : add_slot(s, what, e);
    if (!rc && !s->n && !s->kept) {
        if (s->booked.cancelled)
            return tg_fail(e, TG_E_USAGE, "week %s was cancelled by %s, and nothing that had begun in it is left to be said", s->booked.id, s->booked.cancelled_by);
        tg_fail(e, TG_E_USAGE, "no slot of week %s is now", s->booked.id);
        return tg_error_hint(e, "say which one, or which hosts: tagout calendar week %s %s SLOT", s->f->argv[0], s->booked.id), TG_E_USAGE;
    }
    return rc;
}

static const char *how(const struct saying *s)
{
    if (s->state == TG_MARK_DONE)
        return s->n == 1 ? "is done" : "are done";
    if (s->state == TG_MARK_FAILED)
        return s->n == 1 ? "has failed" : "have failed";
    return s->n == 1 ? "has begun" : "have begun";
}

static int say(struct saying *s, struct tg_error *e)
{
    static const char *const words[TG_MARK_STATES] = {[TG_MARK_BEGUN] = "begun", [TG_MARK_DONE] = "done", [TG_MARK_FAILED] = "failed"};
    char by[TG_OWNER_SIZE];
    size_t changed = 0;

    tg_cli_owner(s->f, by, sizeof by);
    int rc = tg_marks_write(s->f->store, &s->booked, s->words, s->n, by, WAIT_MS, &changed, e);
    if (changed)
        tg_frame_tick_store(s->f);
    if (rc)
        return rc;
    if (s->f->json)
        return tg_print_json(json_pack("{s:s,s:s,s:I,s:I,s:b}", "id", s->booked.id, "state", words[s->state], "count",
                                       (json_int_t) s->n, "kept", (json_int_t) s->kept, "changed", changed > 0),
                             e);
    if (s->n)
        tg_calendar_say(s->f, 0, "%s: %zu host%s of %s %s. %s%s", changed ? "Noted" : "That is known already", s->n, s->n == 1 ? "" : "s", s->booked.id, how(s),
                        s->state == TG_MARK_BEGUN ? "When they are through: tagout calendar week done "
                                                  : "Their customers are told when all of theirs in the slot are through.",
                        s->state == TG_MARK_BEGUN ? s->booked.id : "");
    if (s->kept)
        tg_calendar_say(s->f, 0, "%zu host%s %s through before, and stay%s as %s: to say otherwise, name %s.", s->kept, s->kept == 1 ? "" : "s", s->kept == 1 ? "was" : "were",
                        s->kept == 1 ? "s" : "", s->kept == 1 ? "it was" : "they were", s->kept == 1 ? "it" : "them");
    return 0;
}

static int still(const struct saying *s, struct tg_error *e)
{
    char until[40], now[40];

    if (s->now_ms < s->booked.until_ms + TG_MARK_LATER_MS)
        return 0;
    tg_fail(e, TG_E_USAGE, "week %s ended at %s, and now it is %s: how it went can be said until a week after its end",
            s->booked.id, tg_cli_when(s->booked.until_ms, 0, until, sizeof until),
            tg_cli_when(s->now_ms, 0, now, sizeof now));
    return TG_E_USAGE;
}

/* What was meant may be of the week before, that has the same name and was cancelled. It is told, and changes nothing of how the command ends. */
static void point_before(const struct saying *s, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;
    bool wrong = e && e->code;

    if (s->state == TG_MARK_BEGUN || s->booked.cancelled || (s->f->json && !wrong))
        return;
    if (tg_week_begun_before(s->f, &s->booked, s->f->argc > 2 ? s->f->argv[2] : NULL, s->f->argv[0], &text, NULL) == 0 && text.len) {
        if (wrong) {
            e->hint[0] = '\0';
            tg_error_hint(e, "%s", tg_buf_text(&text));
        } else {
            tg_calendar_say(s->f, 0, "%s", tg_buf_text(&text));
        }
    }
    tg_buf_release(&text);
}

static int verb_say(struct tg_frame *f, enum tg_mark_state state, struct tg_error *e)
{
    struct saying s = {.f = f, .state = state, .now_ms = now_of(f)};
    int rc = tg_week_open_store(f, e);

    if (!rc)
        rc = tg_week_find(f, f->argv[1], state != TG_MARK_BEGUN, &s.booked, e);
    if (!rc)
        rc = still(&s, e);
    if (!rc)
        rc = tg_book_load(f->store, &s.booked, WAIT_MS, &s.week, e);
    if (!rc)
        rc = tg_marks_read(f->store, &s.booked, s.week, NULL, WAIT_MS, &s.marks, e);
    if (!rc)
        rc = collect(&s, e);
    if (!rc)
        rc = say(&s, e);
    if (!rc || rc == TG_E_USAGE)
        point_before(&s, e);
    free(s.words);
    tg_marks_release(&s.marks);
    tg_week_free(s.week);
    return rc;
}

int tg_week_verb_begin(struct tg_frame *f, struct tg_error *e)
{
    return verb_say(f, TG_MARK_BEGUN, e);
}

int tg_week_verb_done(struct tg_frame *f, struct tg_error *e)
{
    return verb_say(f, TG_MARK_DONE, e);
}

int tg_week_verb_failed(struct tg_frame *f, struct tg_error *e)
{
    return verb_say(f, TG_MARK_FAILED, e);
}
