/* tagout hosts: which hosts a selector means. */
#include "cli/commands.h"
#include "fleet/nodeset.h"
#include "fleet/selector.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "expand", .letter = 'e', .type = TG_OPT_FLAG, .text = "One name a line instead of a folded list"},
    {.name = "count", .letter = 'n', .type = TG_OPT_FLAG, .text = "Only how many they are"},
    {.name = "attrs", .letter = 'a', .type = TG_OPT_FLAG, .text = "One host a line, with its attributes"},
    {.name = NULL},
};

/* Words of the selector may come as arguments of their own: "tagout hosts @web and not @legacy". */
static char *join(const struct tg_frame *f, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;

    for (int i = 0; i < f->argc; i++)
        tg_buf_printf(&text, "%s%s", i ? " " : "", f->argv[i]);
    return tg_buf_take(&text, e);
}

/* A mistake in the selector, with the selector and a caret below it. */
static int report(struct tg_frame *f, const char *text, struct tg_error *e)
{
    size_t at = e->column > 0 && (size_t) e->column <= strlen(text) ? (size_t) e->column - 1 : strlen(text);
    const struct tg_place place = {.file = "selector", .line = 1, .column = e->column, .width = (int) strcspn(text + at, " \t()"),
                                   .source = text, .source_len = strlen(text)};

    if (e->code == TG_E_DATA && e->column > 0 && !e->file[0])
        tg_error_hint(tg_problems_add(&f->problems, &place, "%s", e->message), "%s", e->hint);
    return e->code;
}

static json_t *host_json(const struct tg_frame *f, const struct tg_host *host)
{
    json_t *o = json_pack("{s:s,s:i}", "name", host->name, "shard", (int) tg_shard_of(host->name, TG_SHARDS));
    json_t *groups = json_array(), *attrs = json_object();
    size_t n_groups, n_keys, n_all;
    const uint32_t *in = tg_host_groups(f->inventory, host, &n_groups);
    const struct tg_group *all = tg_inventory_groups(f->inventory, &n_all);
    const char *const *keys = tg_inventory_attr_keys(f->inventory, &n_keys);

    if (host->address)
        json_object_set_new(o, "address", json_string(host->address));
    if (host->user)
        json_object_set_new(o, "user", json_string(host->user));
    if (host->port)
        json_object_set_new(o, "port", json_integer(host->port));
    for (size_t i = 0; i < n_groups; i++)
        json_array_append_new(groups, json_string(all[in[i]].name));
    for (size_t k = 0; k < n_keys; k++) {
        const char *value = tg_host_attr(f->inventory, host, keys[k]);
        if (value)
            json_object_set_new(attrs, keys[k], json_string(value));
    }
    json_object_set_new(o, "groups", groups);
    json_object_set_new(o, "attrs", attrs);
    return o;
}

static int fold(const struct tg_selection *s, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < s->n; i++)
        rc = tg_folder_add(folder, s->hosts[i]->name, e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc;
}

static int print_json(const struct tg_frame *f, const char *selector, const struct tg_selection *s, struct tg_error *e)
{
    struct tg_buf folded = TG_BUF_INIT;
    json_t *hosts = json_array();
    int rc = fold(s, &folded, e);

    for (size_t i = 0; !rc && !tg_opt_flag(f, "count") && i < s->n; i++)
        json_array_append_new(hosts, host_json(f, s->hosts[i]));
    json_t *o = rc ? NULL : json_pack("{s:s,s:i,s:s}", "selector", selector, "count", (int) s->n, "folded", tg_buf_text(&folded));
    if (o && !tg_opt_flag(f, "count"))
        json_object_set(o, "hosts", hosts);
    json_decref(hosts);
    tg_buf_release(&folded);
    return rc ? rc : tg_print_json(o, e);
}

static void print_attrs(const struct tg_frame *f, const struct tg_selection *s)
{
    size_t n_keys, width = 0;
    const char *const *keys = tg_inventory_attr_keys(f->inventory, &n_keys);

    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->hosts[i]->name) > width)
            width = strlen(s->hosts[i]->name);
    for (size_t i = 0; i < s->n; i++) {
        printf("%-*s", (int) width, s->hosts[i]->name);
        for (size_t k = 0, n = 0; k < n_keys; k++) {
            const char *value = tg_host_attr(f->inventory, s->hosts[i], keys[k]);
            const char *quote = value && strpbrk(value, " ()'") ? "\"" : "";
            if (value)
                printf("%s%s=%s%s%s", n++ ? " " : "  ", keys[k], quote, value, quote);
        }
        putchar('\n');
    }
}

static int print_text(const struct tg_frame *f, const struct tg_selection *s, struct tg_error *e)
{
    struct tg_buf folded = TG_BUF_INIT;
    int rc = 0;

    if (tg_opt_flag(f, "count")) {
        printf("%zu\n", s->n);
    } else if (tg_opt_flag(f, "attrs")) {
        print_attrs(f, s);
    } else if (tg_opt_flag(f, "expand")) {
        for (size_t i = 0; i < s->n; i++)
            puts(s->hosts[i]->name);
    } else if (s->n) {
        rc = fold(s, &folded, e);
        if (!rc)
            puts(tg_buf_text(&folded));
        tg_buf_release(&folded);
    }
    if (!s->n && !tg_opt_flag(f, "count"))
        fputs("No host is meant by this.\n", stderr);
    return rc;
}

static int run_hosts(struct tg_frame *f, struct tg_error *e)
{
    struct tg_selection s = TG_SELECTION_INIT;
    char *text = join(f, e);

    if (!text)
        return TG_E_MEMORY;
    int rc = tg_select(f->inventory, text, &s, e);
    if (rc)
        rc = report(f, text, e);
    else
        rc = f->json ? print_json(f, text, &s, e) : print_text(f, &s, e);
    tg_selection_release(&s);
    free(text);
    return rc;
}

const struct tg_cmd tg_cmd_hosts = {
    .name = "hosts",
    .args = "SELECTOR…",
    .brief = "show which hosts a selector means",
    .details = "Prints the hosts of the inventory that the selector means, folded into one line. A selector has names such as "
               "web[001-010].example.com or web*, groups such as @web, attributes such as role=db or role!=db, shards such as "
               "shard:0-9, joined by and, or, not and ( ).",
    .examples = "  $ tagout hosts @web and not @legacy\n  $ tagout hosts --count 'role=db or (@web and shard:0-9)'\n"
                "  $ tagout hosts --expand 'web[001-010].example.com'\n",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .needs = TG_NEED_INVENTORY,
    .complete = "selector",
    .exec = run_hosts,
};
