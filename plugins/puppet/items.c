/*
 * What a dry-run prints, as a list of resources. A line for each property that is not as wished,
 *   Notice: /Stage[main]/Main/File[/etc/motd]/content: current_value '{sha256}…', should be '{sha256}…' (noop) (corrective)
 * and before it, with --show_diff, the diff below a "Notice: …/content: " of its own (twice, when it is corrective).
 */
#include "puppet.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

/* The last resource of a path such as "/Stage[main]/Web::Server/File[/a]/content": "File[/a]". Brackets in titles are counted. */
static char *last_resource(char *path)
{
    char *begin = NULL, *found = NULL, *end = NULL;
    int depth = 0;

    for (char *c = path; *c; c++) {
        if (*c == '/' && depth == 0)
            begin = c + 1;
        depth += *c == '[' ? 1 : *c == ']' && depth > 0 ? -1 : 0;
        if (*c == ']' && depth == 0 && begin) {
            found = begin;
            end = c + 1;
        }
    }
    if (!found)
        return NULL;
    *end = '\0';
    return found;
}

/* People look for the path of a file. */
static const char *shown(char *resource)
{
    size_t len = strlen(resource);

    if (strncmp(resource, "File[/", 6) != 0 || len < 7)
        return resource;
    resource[len - 1] = '\0';
    return resource + 5;
}

struct walk {
    bool corrective_known;
    const char *diff; /* the text of the diff that was last begun */
    struct tg_outcome *o;
};

static void take_change(struct walk *w, char *line, const char *line_at)
{
    char *sep = strstr(line, ": current_value ");
    int added = -1, removed = -1;

    if (!sep)
        return;
    bool corrective = strstr(sep, "(corrective)") != NULL;
    *sep = '\0';
    char *what = last_resource(line);
    if (!what)
        return;
    if (w->diff && line_at > w->diff) {
        char *diff = strndup(w->diff, (size_t) (line_at - w->diff));
        if (diff)
            tg_diff_count(diff, &added, &removed);
        free(diff);
    }
    w->diff = NULL;
    tg_outcome_item(w->o, shown(what), added, removed, w->corrective_known ? corrective : -1);
}

static void take_line(struct walk *w, const char *at, size_t len)
{
    static const char notice[] = "Notice: ", content[] = "/content: ";
    char line[LINE_MAX_BYTES];

    if (len < sizeof notice || strncmp(at, notice, sizeof notice - 1) != 0)
        return;
    size_t n = len - (sizeof notice - 1) < sizeof line - 1 ? len - (sizeof notice - 1) : sizeof line - 1;
    memcpy(line, at + sizeof notice - 1, n);
    line[n] = '\0';
    if (n > sizeof content - 1 && strcmp(line + n - (sizeof content - 1), content) == 0)
        w->diff = at + len + (at[len] == '\n');
    else
        take_change(w, line, at);
}

void tg_puppet_items(const char *out, bool corrective_known, struct tg_outcome *o)
{
    struct walk w = {.corrective_known = corrective_known, .o = o};

    for (const char *p = out; *p;) {
        size_t len = strcspn(p, "\n");
        take_line(&w, p, len);
        p += len + (p[len] == '\n');
    }
}
