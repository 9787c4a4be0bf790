/* Reading "change: {ansible: …}". Every string ends up as one argument on a host, so each is held to a shape. */
#include "ansible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 3600000 /* Ansible has none of its own; an hour is as long as Puppet gives itself */

static void read_from(struct tg_params *r, const char *path, const json_t *v, struct tg_driver_params *p)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";

    p->from_controller = strcmp(text, "controller") == 0;
    if (!p->from_controller && strcmp(text, "host") != 0)
        tg_params_mistake(r, path, "is host or controller");
}

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_driver_params *p)
{
    static const char *const known = "playbook, from, inventory, directory, tags, skip-tags, extra-vars, vault-password-file, timeout";
    static const char *const tag = "a tag: letters, digits, _ : . -";
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "playbook") == 0)
        tg_params_path(r, path, v, &p->playbook);
    else if (strcmp(key, "from") == 0)
        read_from(r, path, v, p);
    else if (strcmp(key, "inventory") == 0)
        tg_params_path(r, path, v, &p->inventory);
    else if (strcmp(key, "directory") == 0)
        tg_params_path(r, path, v, &p->directory);
    else if (strcmp(key, "tags") == 0)
        tg_params_list(r, path, v, TG_PARAMS_WORD ":.-", tag, ',', &p->tags);
    else if (strcmp(key, "skip-tags") == 0)
        tg_params_list(r, path, v, TG_PARAMS_WORD ":.-", tag, ',', &p->skip_tags);
    else if (strcmp(key, "extra-vars") == 0)
        tg_params_object(r, path, v, &p->extra_vars);
    else if (strcmp(key, "vault-password-file") == 0)
        tg_params_path(r, path, v, &p->vault_password_file);
    else if (strcmp(key, "timeout") == 0)
        tg_params_duration(r, path, v, &p->timeout_ms);
    else
        tg_params_mistake(r, path, "is not known; ansible takes %s", known);
}

int tg_ansible_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                      struct tg_driver_params **out, struct tg_error *e)
{
    struct tg_params r = {.driver = "ansible", .complain = complain, .data = data};
    struct tg_driver_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->timeout_ms = TIMEOUT_MS;
    if (json_is_object(value))
        json_object_foreach((json_t *) value, key, v)
            read_key(&r, key, v, p);
    if (!json_is_object(value) || !json_object_get(value, "playbook"))
        tg_params_mistake(&r, "", "needs a playbook, such as {playbook: /srv/ansible/site.yml}");
    int rc = tg_params_end(&r, e);
    if (rc) {
        tg_ansible_params_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_ansible_params_free(struct tg_driver_params *p)
{
    if (!p)
        return;
    free(p->playbook);
    free(p->inventory);
    free(p->directory);
    free(p->tags);
    free(p->skip_tags);
    free(p->extra_vars);
    free(p->vault_password_file);
    free(p);
}

void tg_ansible_describe(const struct tg_driver_params *p, char *out, size_t size)
{
    snprintf(out, size, "ansible %s%s%s%s%s%s", p->playbook, p->from_controller ? ", from the controller" : "", p->tags ? ", tags " : "", p->tags ? p->tags : "", p->skip_tags ? ", without tags " : "",
             p->skip_tags ? p->skip_tags : "");
}
