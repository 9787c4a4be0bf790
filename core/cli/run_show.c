/* A run shown while it goes on: see run_show.h. */
#include "cli/run_show.h"

#include "base/shown.h"
#include "cli/guarding.h"

#include <string.h>

#define REDRAW_MS 250
#define PROGRESS_MS 1000

void tg_run_show_init(struct tg_run_show *s, struct tg_frame *f, const struct tg_run *run, const char *id)
{
    *s = (struct tg_run_show) {.f = f, .view = {.run = run, .id = id, .width = f->width, .wrap = f->out_tty ? f->width : 0, .colour = f->colour}};
}

void tg_run_show_release(struct tg_run_show *s)
{
    tg_run_view_release(&s->view);
    tg_buf_release(&s->buf);
}

/* One JSON object, one line; takes the reference. */
static void print_json(json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    struct tg_buf shown = TG_BUF_INIT;

    tg_shown_json(&shown, text ? text : "");
    if (text)
        puts(tg_buf_text(&shown));
    tg_buf_release(&shown);
    free(text);
    json_decref(o);
    fflush(stdout);
}

void tg_run_show_begin(struct tg_run_show *s)
{
    if (!s->f->json)
        return;
    json_t *o = tg_run_view_head_json(&s->view);
    if (o)
        json_object_set_new(o, "type", json_string("run"));
    print_json(o);
}

static void draw(struct tg_run_show *s, int64_t now_ms)
{
    tg_buf_reset(&s->buf);
    if (s->drawn)
        tg_buf_printf(&s->buf, "\033[%dA\033[J", s->drawn);
    if (tg_run_view_block(&s->view, now_ms, &s->buf, NULL))
        return;
    s->drawn = 0;
    for (const char *c = tg_buf_text(&s->buf); *c; c++)
        s->drawn += *c == '\n';
    fputs(tg_buf_text(&s->buf), stdout);
    fflush(stdout);
    s->drawn_ms = now_ms;
}

void tg_run_show_line(struct tg_run_show *s, const struct tg_run *run, const json_t *line)
{
    if (s->f->json) {
        json_t *o = json_copy((json_t *) line);
        if (o) {
            json_object_set_new(o, "type", json_string(json_object_get(line, "ev") ? "event" : "intent"));
            json_object_set_new(o, "at", tg_cli_time_json(json_integer_value(json_object_get(line, "at"))));
        }
        print_json(o);
    } else if (!s->f->out_tty) {
        tg_buf_reset(&s->buf);
        tg_run_view_line(run, line, &s->buf);
        fputs(tg_buf_text(&s->buf), stdout);
        fflush(stdout);
    }
}

/* The machine itself has it on hold, since somebody must look: that is an event of its own for nobody but people. */
static void tell_hold(struct tg_run_show *s)
{
    const struct tg_run *run = s->view.run;

    if (!(run->causes & TG_CAUSES_TO_LOOK) || run->holds == s->told_holds)
        return;
    s->told_holds = run->holds;
    tg_cli_say(stdout, "on hold: %s: nothing new starts; look, then: tagout resume %s\n", run->hold_why ? run->hold_why : "somebody must look", s->view.id);
    fflush(stdout);
}

void tg_run_show_tick(struct tg_run_show *s, int64_t now_ms)
{
    if (!s->f->json && !s->f->out_tty)
        tell_hold(s);
    if (s->f->json && now_ms - s->told_ms >= PROGRESS_MS && s->told_ms < s->view.run->last_ms + PROGRESS_MS) {
        s->told_ms = now_ms;
        json_t *o = tg_run_view_progress_json(&s->view, now_ms);
        if (o)
            json_object_set_new(o, "type", json_string("progress"));
        print_json(o);
    } else if (!s->f->json && s->f->out_tty && now_ms - s->drawn_ms >= REDRAW_MS) {
        draw(s, now_ms);
    }
}

void tg_run_show_note(struct tg_run_show *s, int64_t now_ms, const char *type, json_t *more, const char *text)
{
    if (s->f->json) {
        json_t *o = more ? more : json_object();
        if (o) {
            json_object_set_new(o, "type", json_string(type));
            json_object_set_new(o, "at", tg_cli_time_json(now_ms));
        }
        print_json(o);
        return;
    }
    json_decref(more);
    tg_cli_say(stdout, "%s\n", text);
    fflush(stdout);
    s->drawn = 0;
    s->drawn_ms = 0;
}

int tg_run_show_end(struct tg_run_show *s, struct tg_error *e)
{
    int rc = 0;

    if (s->f->json) {
        json_t *o = tg_run_view_json(&s->view);
        if (o)
            json_object_set_new(o, "type", json_string("end"));
        print_json(o);
        return o ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    s->view.with_summary = true;
    if (s->f->out_tty)
        draw(s, s->view.run->last_ms);
    tg_buf_reset(&s->buf);
    rc = tg_run_view_summary(&s->view, &s->buf, e);
    fputs(tg_buf_text(&s->buf), stdout);
    return rc;
}
