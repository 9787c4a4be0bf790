/* The builder of inventories: facts in, in the order of reading. See build.h. */
#include "fleet/build.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool word_ok(const char *text, const char *more, size_t max)
{
    size_t len = strlen(text);

    if (!len || len > max || text[0] == '-')
        return false;
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9');
        if (!plain && !strchr(more, *text))
            return false;
    }
    return true;
}

bool tg_group_name_ok(const char *name)
{
    return word_ok(name, "_.-", TG_WORD_MAX) && name[0] != '.';
}

bool tg_attr_key_ok(const char *key)
{
    return word_ok(key, "_.-", TG_WORD_MAX) && key[0] != '.';
}

bool tg_attr_value_ok(const char *value)
{
    size_t len = strlen(value);

    for (const char *c = value; *c; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            return false;
    return len > 0 && len <= TG_VALUE_MAX;
}

bool tg_address_ok(const char *address)
{
    unsigned char bytes[16];
    char name[TG_HOST_NAME_SIZE];

    return inet_pton(AF_INET6, address, bytes) == 1 || tg_host_name(address, strlen(address), name, NULL) == 0;
}

bool tg_user_ok(const char *user)
{
    return word_ok(user, "_.@+-", TG_WORD_MAX);
}

int tg_build_room(void *array, size_t n, size_t *cap, size_t size, struct tg_error *e)
{
    void *old;

    if (n < *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 16;
    memcpy(&old, array, sizeof old); /* array is a pointer to a pointer of some type */
    void *bigger = realloc(old, more * size);
    if (!bigger)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    memcpy(array, &bigger, sizeof bigger);
    *cap = more;
    /* cppcheck-suppress memleak ; the caller's pointer has it */
    return 0;
}

int tg_build_init(struct tg_build *b, const char *file, struct tg_problems *problems, struct tg_error *e)
{
    *b = (struct tg_build) {.file = file, .problems = problems};
    b->inventory = calloc(1, sizeof *b->inventory);
    if (!b->inventory || !(b->inventory->path = strdup(file))) {
        tg_build_release(b);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    return 0;
}

void tg_build_release(struct tg_build *b)
{
    free(b->hosts);
    free(b->host_table);
    free(b->groups);
    tg_index_release(&b->group_index);
    free(b->members);
    free(b->children);
    free(b->host_attrs);
    free(b->group_attrs);
    free(b->defaults);
    tg_inventory_free(b->inventory);
    *b = (struct tg_build) {0};
}

static int grow_host_table(struct tg_build *b, struct tg_error *e)
{
    size_t cap = b->host_table_cap ? b->host_table_cap * 2 : 64;
    uint32_t *table = calloc(cap, sizeof *table);

    if (!table)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < b->n_hosts; i++) {
        size_t at = tg_pool_hash(b->hosts[i].name, strlen(b->hosts[i].name)) & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = (uint32_t) i + 1;
    }
    free(b->host_table);
    b->host_table = table;
    b->host_table_cap = cap;
    return 0;
}

int tg_build_host(struct tg_build *b, const char *name, uint32_t *out, struct tg_error *e)
{
    size_t len = strlen(name);
    int rc = b->n_hosts * 2 >= b->host_table_cap ? grow_host_table(b, e) : 0;

    if (rc)
        return rc;
    size_t at = tg_pool_hash(name, len) & (b->host_table_cap - 1);
    for (; b->host_table[at]; at = (at + 1) & (b->host_table_cap - 1)) {
        if (strcmp(b->hosts[b->host_table[at] - 1].name, name) == 0) {
            *out = b->host_table[at] - 1;
            return 0;
        }
    }
    if (b->n_hosts >= TG_HOSTLIST_MAX)
        return tg_fail_at(e, TG_E_DATA, b->file, 0, 0, "more than %d hosts", TG_HOSTLIST_MAX);
    if ((rc = tg_build_room(&b->hosts, b->n_hosts, &b->hosts_cap, sizeof *b->hosts, e)))
        return rc;
    const char *copy = tg_pool_copy(&b->inventory->pool, name, len);
    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    b->hosts[b->n_hosts] = (struct tg_build_host) {.name = copy};
    *out = (uint32_t) b->n_hosts++;
    b->host_table[at] = *out + 1;
    return 0;
}

/* Names are interned: the pointer is the name. */
static bool is_group(const void *groups, size_t at, const void *name)
{
    return ((const struct tg_build_group *) groups)[at].name == name;
}

int tg_build_group(struct tg_build *b, const char *name, uint32_t *out, struct tg_error *e)
{
    const uint32_t hash = tg_index_hash(name);
    const char *copy;
    size_t at;
    int rc = tg_build_intern(b, name, &copy, e);

    if (rc)
        return rc;
    if (tg_index_find(&b->group_index, hash, is_group, b->groups, copy, &at)) {
        *out = (uint32_t) at;
        return 0;
    }
    if ((rc = tg_build_room(&b->groups, b->n_groups, &b->groups_cap, sizeof *b->groups, e)))
        return rc;
    if (tg_index_add(&b->group_index, hash, b->n_groups))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    b->groups[b->n_groups] = (struct tg_build_group) {.name = copy};
    *out = (uint32_t) b->n_groups++;
    return 0;
}

int tg_build_intern(struct tg_build *b, const char *text, const char **out, struct tg_error *e)
{
    *out = tg_pool_intern(&b->inventory->pool, text, strlen(text));
    return *out ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_build_member(struct tg_build *b, uint32_t group, uint32_t host, struct tg_error *e)
{
    int rc = tg_build_room(&b->members, b->n_members, &b->members_cap, sizeof *b->members, e);

    if (!rc)
        b->members[b->n_members++] = (struct tg_build_member) {host, group};
    return rc;
}

int tg_build_child(struct tg_build *b, uint32_t parent, const char *child, const struct tg_yaml_node *node, struct tg_error *e)
{
    const char *name;
    int rc = tg_build_intern(b, child, &name, e);

    if (!rc)
        rc = tg_build_room(&b->children, b->n_children, &b->children_cap, sizeof *b->children, e);
    if (!rc)
        b->children[b->n_children++] = (struct tg_build_child) {.parent = parent, .name = name, .node = node};
    return rc;
}

static int add_attr(struct tg_build *b, struct tg_build_attr **list, size_t *n, size_t *cap, uint32_t of, const char *key,
                    const char *value, struct tg_error *e)
{
    struct tg_build_attr attr = {.of = of};
    int rc = tg_build_intern(b, key, &attr.attr.key, e);

    if (!rc)
        rc = tg_build_intern(b, value, &attr.attr.value, e);
    if (!rc)
        rc = tg_build_room(list, *n, cap, sizeof **list, e);
    if (!rc)
        (*list)[(*n)++] = attr;
    return rc;
}

int tg_build_host_attr(struct tg_build *b, uint32_t host, const char *key, const char *value, struct tg_error *e)
{
    return add_attr(b, &b->host_attrs, &b->n_host_attrs, &b->host_attrs_cap, host, key, value, e);
}

int tg_build_group_attr(struct tg_build *b, uint32_t group, const char *key, const char *value, struct tg_error *e)
{
    return add_attr(b, &b->group_attrs, &b->n_group_attrs, &b->group_attrs_cap, group, key, value, e);
}

int tg_build_default_attr(struct tg_build *b, const char *key, const char *value, struct tg_error *e)
{
    return add_attr(b, &b->defaults, &b->n_defaults, &b->defaults_cap, 0, key, value, e);
}
