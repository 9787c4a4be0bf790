/* Patterns of maintenance weeks: whatever the bytes, no crash; what is read is laid or says why, and what is laid gives each host one slot, is drawn, booked and read back. */
#include "calendar/book_internal.h"
#include "calendar/week_picture.h"
#include "calendar/week_text.h"
#include "config/problems.h"
#include "fleet/inventory.h"

#include <stdlib.h>
#include <string.h>

#define MONDAY 20787 /* 2026-11-30 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tg_inventory *fleet(void)
{
    static const char text[] = "groups:\n  web: {hosts: \"web[1-30]\", attrs: {role: web}}\n  db: {hosts: \"db[1-5]\", attrs: {role: db, tested: false}}\n"
                               "hosts: {web1: {attrs: {rack: r1}}, db1: {attrs: {rack: r2}}}\ncustomers: {acme: {contacts: [a@b.example], hosts: \"@db\"}}\n";
    static struct tg_inventory *inventory;
    struct tg_problems p = TG_PROBLEMS_INIT;

    if (!inventory && tg_inventory_parse_yaml("fleet.yaml", text, strlen(text), &p, &inventory, NULL))
        abort();
    return inventory;
}

static void draw(const struct tg_week *week)
{
    struct tg_buf text = TG_BUF_INIT;
    const struct tg_week_paint paint = {.width = 40, .cut = true, .now_ms = week->from_ms};
    json_t *json = tg_week_json(week);

    if (!json || tg_week_text(week, &paint, &text, NULL) || tg_week_html(week, week->from_ms, &text, NULL))
        abort();
    json_decref(json);
    tg_buf_release(&text);
}

/* As the store would give it back. */
static void read_back(const struct tg_week *week)
{
    struct tg_booked booked = {.date = week->date, .from_ms = week->from_ms, .until_ms = week->until_ms, .hosts = (int64_t) week->names.n};
    struct tg_book_parser *parser;
    struct tg_book_counts counts;
    struct tg_book_nodes nodes;
    struct tg_week *back = NULL;

    memcpy(booked.id, week->id, sizeof booked.id);
    memcpy(booked.digest, week->digest, sizeof booked.digest);
    if (tg_book_nodes_make(week, &nodes, NULL) || tg_book_parser_new(&booked, &parser, NULL))
        abort();
    const struct tg_book_node *last = &nodes.v[nodes.n - 1];
    if (tg_book_parse_week(parser, last->text, strlen(last->text), &counts, NULL))
        abort();
    for (size_t i = 0; i + 1 < nodes.n; i++) {
        const char *name = nodes.v[i].name, *text = nodes.v[i].text;
        int rc = name[0] == 's'   ? tg_book_parse_slots(parser, text, strlen(text), NULL)
                 : name[0] == 'r' ? tg_book_parse_rows(parser, text, strlen(text), NULL)
                 : name[0] == 'c' ? tg_book_parse_customers(parser, text, strlen(text), NULL)
                                  : tg_book_parse_hosts(parser, text, strlen(text), NULL);
        if (rc)
            abort();
    }
    if (tg_book_parse_end(parser, &back, NULL))
        abort();
    tg_week_free(back);
    tg_book_parser_free(parser);
    tg_book_nodes_release(&nodes);
}

static void check(const struct tg_week *week)
{
    size_t n = 0;

    for (size_t s = 0; s < week->n_slots; s++)
        n += week->slots[s].n;
    for (size_t i = 0; i < week->names.n; i++)
        if (week->slot_of[i] >= week->n_slots)
            abort();
    if (n != week->names.n)
        abort();
    draw(week);
    read_back(week);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_pattern *pattern = NULL;
    struct tg_week *week = NULL;
    struct tg_buf text = TG_BUF_INIT;

    if (!tg_pattern_parse("fuzz.yaml", (const char *) data, size, &p, &pattern, NULL) && !tg_week_plan(pattern, fleet(), MONDAY + pattern->begins, &p, &week, NULL))
        check(week);
    else if (tg_problems_count(&p))
        tg_problems_text(&p, &text);
    tg_buf_release(&text);
    tg_problems_release(&p);
    tg_week_free(week);
    tg_pattern_free(pattern);
    return 0;
}
