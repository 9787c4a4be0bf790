/* tagout shard: which shard a host is in, by its name alone. */
#include "cli/commands.h"
#include "fleet/nodeset.h"
#include "fleet/shard.h"

#include <string.h>

static const struct tg_opt opts[] = {
    {.name = "of", .letter = 'n', .type = TG_OPT_INT, .arg = "COUNT", .value = "100", .text = "How many shards there are"},
    {.name = NULL},
};

static int print_shards(const struct tg_frame *f, const struct tg_hostlist *names, uint32_t of, struct tg_error *e)
{
    json_t *list = f->json ? json_array() : NULL;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = tg_hostlist_get(names, i);
        if (f->json)
            json_array_append_new(list, json_pack("{s:s,s:i,s:i}", "host", name, "shard", (int) tg_shard_of(name, of), "of", (int) of));
        else
            printf("%s %u\n", name, tg_shard_of(name, of));
    }
    return f->json ? tg_print_json(list, e) : 0;
}

static int run_shard(struct tg_frame *f, struct tg_error *e)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    int64_t of = tg_opt_int(f, "of");
    int rc = 0;

    if (of < 1 || of > TG_SHARDS_MAX)
        return tg_fail(e, TG_E_USAGE, "--of must be 1 to %d", TG_SHARDS_MAX);
    for (int i = 0; !rc && i < f->argc; i++) {
        rc = tg_nodeset_expand(f->argv[i], strlen(f->argv[i]), &names, e);
        if (rc == TG_E_DATA) /* what is wrong is no file, but what was typed */
            rc = e->code = TG_E_USAGE;
    }
    if (!rc)
        rc = print_shards(f, &names, (uint32_t) of, e);
    tg_hostlist_release(&names);
    return rc;
}

const struct tg_cmd tg_cmd_shard = {
    .name = "shard",
    .args = "HOST…",
    .brief = "show which shard a host is in",
    .details = "Prints each host with its shard, 0 to 99. The shard follows from the name alone: it is the same on every machine, for "
               "ever, and no inventory is read. HOST may be folded, such as web[001-010].example.com.",
    .examples = "  $ tagout shard web001.example.com\n  web001.example.com 92\n",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .complete = "host",
    .exec = run_shard,
};
