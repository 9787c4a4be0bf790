/* What `tagout migrate` shows: progress on stderr, results on stdout. See migrate_view.h. */
#include "cli/migrate_view.h"

#include "base/shown.h"
#include "cli/guarding.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN 20 /* of those who are waited for */

static void end_line(struct tg_migrate_view *v)
{
    if (v->counting)
        fprintf(stderr, "\r\033[K");
    v->counting = false;
}

static void show_permits(const struct tg_migrate_view *v, const struct tg_waits *waits)
{
    int64_t now = tg_wall_ms(tg_loop_clock(v->f->loop));

    fprintf(stderr, "  waiting for %zu in flight:\n", waits->n);
    for (size_t i = 0; i < waits->n && i < SHOWN; i++) {
        const struct tg_waited *w = &waits->v[i];
        char scope[TG_SCOPE_TEXT_SIZE], age[32], what[TG_REASON_SIZE], host[TG_SCOPE_NAME_MAX + 1];
        tg_duration_format(now > w->permit.since_ms ? now - w->permit.since_ms : 0, age, sizeof age);
        fprintf(stderr, "    %-18s %s  %s on %s, %s so far\n", w->permit.actor, tg_scope_format(&w->scope, scope, sizeof scope),
                tg_shown_text(w->permit.what, what, sizeof what), tg_shown_text(w->permit.host, host, sizeof host), age);
    }
    if (waits->n > SHOWN)
        fprintf(stderr, "    and %zu more\n", waits->n - SHOWN);
}

static void show_copied(const struct tg_migrate_view *v, const struct tg_mirror_copied *c)
{
    (void) v;
    fprintf(stderr, "  %zu nodes: %zu made, %zu changed, %zu removed (%.1f MB)\n", c->nodes, c->created, c->written, c->deleted, (double) c->bytes / 1e6);
}

static void show_compared(const struct tg_mirror_report *r)
{
    size_t nodes = 0;

    for (size_t i = 0; i < r->n_folders; i++)
        nodes += r->folders[i].from;
    fprintf(stderr, "  compared %zu nodes in %zu folders: %zu difference%s", nodes, r->n_folders, r->differences, r->differences == 1 ? "" : "s");
    if (r->since)
        fprintf(stderr, ", %zu changed since they were copied", r->since);
    fprintf(stderr, "\n");
}

static void show_text(const struct tg_migrate_news *news)
{
    char text[1100];

    tg_shown_text(news->text, text, sizeof text);
    if (news->kind == TG_NEWS_SEAT)
        fprintf(stderr, "  waiting for %s, who moves this tree\n", text);
    else if (news->text[0])
        fprintf(stderr, "  waiting for %s\n", text);
}

void tg_migrate_view_news(void *data, const struct tg_migrate_news *news)
{
    struct tg_migrate_view *v = data;

    if (v->f->json)
        return;
    if (news->kind == TG_NEWS_READ) {
        if (v->f->err_tty)
            fprintf(stderr, "\r\033[K  %zu nodes", news->n);
        v->counting = v->f->err_tty;
        return;
    }
    end_line(v);
    switch (news->kind) {
    case TG_NEWS_SEAT:
    case TG_NEWS_RUNS:
        show_text(news);
        break;
    case TG_NEWS_COPIED:
        show_copied(v, news->copied);
        break;
    case TG_NEWS_PERMITS:
        if (news->waits->n)
            show_permits(v, news->waits);
        break;
    case TG_NEWS_FROZEN:
        fprintf(stderr, "Frozen: guards answer UNKNOWN from here on.\n");
        break;
    case TG_NEWS_THAWED:
        fprintf(stderr, "Taken back: the source serves again, as before.\n");
        break;
    case TG_NEWS_COMPARED:
        show_compared(news->report);
        break;
    case TG_NEWS_RETIRED:
        fprintf(stderr, "The source is retired.\n");
        break;
    case TG_NEWS_LIVE:
        fprintf(stderr, "The target is live.\n");
        break;
    case TG_NEWS_READ:
        break;
    }
}

void tg_migrate_view_in_flight(struct tg_migrate_view *v, const struct tg_waits *waits, const char *runs)
{
    if (v->f->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < waits->n; i++) {
            char scope[TG_SCOPE_TEXT_SIZE];
            const struct tg_permit_record *p = &waits->v[i].permit;
            json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "actor", p->actor, "scope", tg_scope_format(&waits->v[i].scope, scope, sizeof scope),
                                                  "host", p->host, "what", p->what));
        }
        json_object_set_new(v->out, "permits", list);
        json_object_set_new(v->out, "runs", json_string(runs));
        return;
    }
    if (runs[0])
        printf("Would wait for %s.\n", runs);
    if (waits->n)
        show_permits(v, waits);
    if (!runs[0] && !waits->n)
        printf("Nothing is in flight: it would not wait.\n");
}

static json_t *report_json(const struct tg_mirror_report *r)
{
    json_t *folders = json_array(), *found = json_array();

    for (size_t i = 0; i < r->n_folders; i++) {
        const struct tg_mirror_folder *f = &r->folders[i];
        json_array_append_new(folders, json_pack("{s:s,s:I,s:I,s:s,s:s}", "folder", f->name, "nodes", (json_int_t) f->from, "nodes_there",
                                                 (json_int_t) f->to, "digest", f->from_digest, "digest_there", f->to_digest));
    }
    for (size_t i = 0; i < r->n_found; i++)
        json_array_append_new(found, json_pack("{s:s,s:s}", "path", r->found[i].path, "what", tg_mirror_difference_name(r->found[i].what)));
    return json_pack("{s:I,s:I,s:o,s:o}", "differences", (json_int_t) r->differences, "changed_since", (json_int_t) r->since, "folders", folders,
                     "found", found);
}

void tg_migrate_view_report(struct tg_migrate_view *v, const struct tg_mirror_report *r)
{
    if (v->f->json) {
        json_object_set_new(v->out, "report", report_json(r));
        return;
    }
    printf("%-14s %9s  %-16s  %s\n", "FOLDER", "NODES", "DIGEST", "THERE");
    for (size_t i = 0; i < r->n_folders; i++) {
        const struct tg_mirror_folder *f = &r->folders[i];
        bool same = f->from == f->to && strcmp(f->from_digest, f->to_digest) == 0;
        printf("%-14s %9zu  %-16s  ", f->name, f->from, f->from_digest);
        if (same)
            printf("the same\n");
        else
            printf("%zu nodes, %s\n", f->to, f->to_digest);
    }
    for (size_t i = 0; i < r->n_found; i++)
        printf("  %-8s %s\n", tg_mirror_difference_name(r->found[i].what), r->found[i].path + 1);
    if (r->since)
        printf("%zu changed since they were copied, as the source is in use: complete takes them along.\n", r->since);
}

/* --- status --- */

static json_t *side_json(const char *url, const struct tg_migrate_side *s)
{
    json_t *o = json_pack("{s:s}", "store", url);

    if (!s->has_cluster)
        return o;
    json_object_set_new(o, "cluster", json_string(s->cluster.id));
    json_object_set_new(o, "generation", json_integer((json_int_t) s->cluster.generation));
    json_object_set_new(o, "state", json_string(tg_cluster_state_name(s->cluster.state)));
    if (s->cluster.from_generation)
        json_object_set_new(o, "from", json_pack("{s:I,s:I}", "generation", (json_int_t) s->cluster.from_generation, "txid", (json_int_t) s->cluster.from_txid));
    if (s->cluster.moved_to[0])
        json_object_set_new(o, "moved_to", json_string(s->cluster.moved_to));
    return o;
}

static void print_side(const char *what, const char *url, const struct tg_migrate_side *s)
{
    printf("%-5s %s\n", what, url);
    if (!s->has_cluster)
        printf("      nothing is there\n");
    else
        printf("      cluster %.8s, generation %" PRId64 ", %s%s%s\n", s->cluster.id, s->cluster.generation, tg_cluster_state_name(s->cluster.state),
               s->cluster.moved_to[0] ? " → " : "", s->cluster.moved_to);
}

static void print_phase(const struct tg_migrate_view *v, const struct tg_migrate *m)
{
    const struct tg_migration *r = &m->s.record;
    int64_t now = tg_wall_ms(tg_loop_clock(v->f->loop));
    char began[40], changed[40];

    if (!m->s.has_record)
        return;
    printf("move  %s, began %s by %s, %s %s\n", tg_migrate_phase_name(r->phase), tg_cli_when(r->began_ms, now, began, sizeof began), r->by,
           "last changed", tg_cli_when(r->changed_ms, now, changed, sizeof changed));
    if (m->s.seat[0])
        printf("      under way: %s\n", m->s.seat);
}

static void print_next(const struct tg_migrate *m, const char *next)
{
    if (!next[0])
        printf("All is done.\n");
    else
        printf("Next: tagout migrate %s --to %s\n", next, m->to ? tg_store_url(m->to) : m->s.has_record && strcmp(next, "begin") != 0 ? m->s.record.to : "URL");
}

int tg_migrate_view_status(struct tg_migrate_view *v, const struct tg_migrate *m, const char *step, struct tg_error *e)
{
    const char *next = tg_migrate_next(m), *url = m->to ? tg_store_url(m->to) : m->s.has_record ? m->s.record.to : "";
    bool status = strcmp(step, "status") == 0;

    if (!v->f->json) {
        if (status) {
            print_side("from", tg_store_url(m->from), &m->s);
            if (m->to)
                print_side("to", url, &m->t);
            print_phase(v, m);
        }
        print_next(m, next);
        return 0;
    }
    json_t *o = v->out;
    v->out = NULL;
    json_object_set_new(o, "step", json_string(step));
    json_object_set_new(o, "from", side_json(tg_store_url(m->from), &m->s));
    if (m->to)
        json_object_set_new(o, "to", side_json(url, &m->t));
    json_object_set_new(o, "phase", json_string(tg_migrate_phase_name(m->s.has_record ? m->s.record.phase : TG_MIGRATE_NONE)));
    json_object_set_new(o, "seat", m->s.seat[0] ? json_string(m->s.seat) : json_null());
    json_object_set_new(o, "next", json_string(next));
    return tg_print_json(o, e);
}
