/* last_run_summary.yaml: two levels of mappings with scalars, read by libyaml's events. What a host says is not trusted. */
#include "puppet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 8

struct walk {
    char section[64], key[64];
    int depth;         /* of mappings and sequences */
    bool have_key;     /* a key was read, its value comes next */
    bool deep;         /* inside something that is no scalar of ours */
};

static void take_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end != text && !errno && n >= 0 && (*end == '\0' || *end == '.'))
        *out = n;
}

static void take(const struct walk *w, const char *value, struct tg_puppet_summary *out)
{
    const struct {
        const char *section, *key;
        int64_t *out;
    } wanted[] = {
        {"time", "last_run", &out->last_run_s},     {"resources", "total", &out->total},
        {"resources", "changed", &out->changed},    {"resources", "failed", &out->failed},
        {"resources", "failed_to_restart", &out->failed_to_restart}, {"resources", "out_of_sync", &out->out_of_sync},
        {"resources", "skipped", &out->skipped},    {"resources", "corrective_change", &out->corrective},
        {"events", "failure", &out->failures},
    };

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (strcmp(w->section, wanted[i].section) == 0 && strcmp(w->key, wanted[i].key) == 0)
            take_number(value, wanted[i].out);
    if (strcmp(w->section, "version") == 0 && strcmp(w->key, "config") == 0)
        snprintf(out->version, sizeof out->version, "%.127s", value);
}

static void on_scalar(struct walk *w, const char *text, struct tg_puppet_summary *out)
{
    if (w->depth > 2)
        return;
    if (!w->have_key) {
        snprintf(w->depth == 1 ? w->section : w->key, sizeof w->key, "%.63s", text);
        w->have_key = true;
        return;
    }
    if (w->depth == 2)
        take(w, text, out);
    w->have_key = false;
}

/* 0, 1 at the end, TG_E_DATA for what does not fit. */
static int on_event(struct walk *w, const yaml_event_t *event, struct tg_puppet_summary *out)
{
    switch ((int) event->type) {
    case YAML_STREAM_END_EVENT:
        return 1;
    case YAML_ALIAS_EVENT:
        return TG_E_DATA;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (++w->depth > DEPTH_MAX || (w->depth == 1 && event->type == YAML_SEQUENCE_START_EVENT))
            return TG_E_DATA;
        w->have_key = false;
        return 0;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        w->depth--;
        w->have_key = false; /* it was the value */
        return 0;
    case YAML_SCALAR_EVENT:
        if (w->depth == 0)
            return TG_E_DATA;
        on_scalar(w, (const char *) event->data.scalar.value, out);
        return 0;
    default:
        return 0;
    }
}

int tg_puppet_summary_parse(const char *text, size_t len, struct tg_puppet_summary *out)
{
    struct tg_puppet_summary s = {-1, -1, -1, -1, -1, -1, -1, -1, -1, ""};
    struct walk w = {.depth = 0};
    yaml_parser_t parser;
    yaml_event_t event;
    int rc = 0;

    if (!yaml_parser_initialize(&parser))
        return TG_E_MEMORY;
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    while (rc == 0) {
        if (!yaml_parser_parse(&parser, &event)) {
            rc = TG_E_DATA;
            break;
        }
        rc = on_event(&w, &event, &s);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (rc < 0)
        return rc;
    *out = s;
    return 0;
}
