/* tagout agent: the host's daemon. What it does stands in core/agent. */
#include "cli/commands.h"

#include "agent/agent.h"
#include "agent/client.h"
#include "agent/server.h"
#include "base/shown.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/nodeset.h"
#include "guard/gone.h"

#include <tagout/log.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 3000
#define STORE_MS 10000

static const struct tg_opt opts[] = {
    {.name = "host", .type = TG_OPT_STRING, .arg = "NAME", .complete = "host", .text = "Answer for this host, rather than the one it runs on"},
    {.name = "forget", .type = TG_OPT_STRING, .arg = "HOSTS", .complete = "host", .text = "These hosts, such as web[1-3],db1, have no agent from now on: they do not count as down for want of it"},
    {.name = "status", .type = TG_OPT_FLAG, .text = "Ask the agent that runs here how it does, and exit"},
    {.name = NULL},
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

__attribute__((format(printf, 2, 3))) static void put(const char *title, const char *format, ...)
{
    struct tg_buf text = TG_BUF_INIT, shown = TG_BUF_INIT;
    va_list ap;

    va_start(ap, format);
    tg_buf_vprintf(&text, format, ap);
    va_end(ap);
    tg_shown(&shown, tg_buf_text(&text));
    printf("%-16s  %s\n", title, tg_buf_text(&shown));
    tg_buf_release(&text);
    tg_buf_release(&shown);
}

/* "in flight    2: puppet agent, …": of a list whose objects have the key. A lock that is not acknowledged says so. */
static void put_list(const char *title, const json_t *list, const char *key)
{
    struct tg_buf b = TG_BUF_INIT;
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        tg_buf_printf(&b, "%s%s%s", i ? ", " : ": ", text_of(item, key), json_is_false(json_object_get(item, "acknowledged")) ? " (not acknowledged)" : "");
    put(title, "%zu%s", json_array_size(list), tg_buf_text(&b));
    tg_buf_release(&b);
}

static void put_duties(const json_t *duties)
{
    void *at = json_object_iter((json_t *) (uintptr_t) duties);

    for (; at; at = json_object_iter_next((json_t *) (uintptr_t) duties, at)) {
        json_t *duty = json_object_iter_value(at);
        char title[64], *json = json_dumps(duty, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(title, sizeof title, "duty %.50s", json_object_iter_key(at));
        put(title, "%s", json_is_true(duty) || !json ? "on" : json_is_string(duty) ? json_string_value(duty) : json);
        free(json);
    }
}

static void put_status(const json_t *o)
{
    char age[32] = "";

    tg_duration_format(json_integer_value(json_object_get(o, "as-of-ms")), age, sizeof age);
    put("host", "%s%s", text_of(o, "host"), json_is_true(json_object_get(o, "claimed_by_another")) ? ", but another agent says that it is this host" : "");
    put("store", "%s, %s", text_of(o, "store"), text_of(o, "session"));
    if (json_is_true(json_object_get(o, "knows")))
        put("answers", "GO or HELD, as of %s ago", age);
    else
        put("answers", "UNKNOWN%s%s%s%s", text_of(o, "cause")[0] ? ", " : "", text_of(o, "cause"), text_of(o, "detail")[0] ? ": " : "", text_of(o, "detail"));
    put_list("locks", json_object_get(o, "locks"), "id");
    put_list("in flight", json_object_get(o, "in-flight"), "what");
    put("permits", "%lld", (long long) json_integer_value(json_object_get(o, "permits")));
    put("clients", "%lld", (long long) json_integer_value(json_object_get(o, "clients")));
    if (text_of(o, "blind")[0])
        put("blind", "%s", text_of(o, "blind"));
    put_duties(json_object_get(o, "duties"));
}

static int show_status(struct tg_frame *f, struct tg_error *e)
{
    static const char line[] = "{\"v\":1,\"op\":\"status\"}\n";
    static char answer[TG_AGENT_ANSWER_MAX + 1];
    struct tg_agent_client c = TG_AGENT_CLIENT_INIT;
    int64_t deadline = tg_mono_ms(tg_clock_real()) + ASK_MS;
    int rc = tg_agent_connect(f->config->agent_socket, deadline, &c, e);

    if (!rc)
        rc = tg_agent_ask(&c, line, sizeof line - 1, answer, sizeof answer, deadline, e);
    tg_agent_disconnect(&c);
    if (rc == TG_E_NOENT) {
        tg_error_clear(e);
        rc = tg_fail(e, TG_E_NOENT, "no agent answers on %s", f->config->agent_socket);
        tg_error_hint(e, "start it: tagout agent, or systemctl start tagout-agent");
    }
    if (rc)
        return rc;
    json_t *o = json_loads(answer, 0, NULL);
    if (!json_is_true(json_object_get(o, "ok"))) {
        json_decref(o);
        return tg_fail(e, TG_E_DATA, "the agent's answer makes no sense: %.200s", answer);
    }
    json_object_del(o, "ok");
    json_object_del(o, "v");
    if (f->json)
        return tg_print_json(o, e);
    put_status(o);
    json_decref(o);
    return 0;
}

static int serve(struct tg_frame *f, struct tg_error *e)
{
    struct tg_agent_options o = {.loop = f->loop, .config = f->config, .host = tg_opt_text(f, "host"), .listen_fd = -1};
    struct tg_agent *agent = NULL;
    int lock_fd = -1;
    int rc = tg_server_listen(f->config->agent_socket, &o.listen_fd, &lock_fd, e);

    if (!rc)
        rc = tg_agent_new(&o, &agent, e);
    if (!rc) {
        if (tg_log_level_get() < TG_LOG_INFO)
            tg_log_level_set(TG_LOG_INFO);
        tg_cli_catch_signals(f->loop);
        while (tg_agent_turn(agent, 1000) != TG_E_CANCELLED)
            ;
        tg_loop_interrupt_clear(f->loop);
        tg_log(TG_LOG_INFO, "agent", "ends (signal %d)", tg_cli_signalled());
    }
    tg_agent_free(agent);
    if (lock_fd >= 0) {
        (void) unlink(f->config->agent_socket);
        close(lock_fd);
    }
    return rc;
}

/* One after the other: those before one that can't be are forgotten. */
static int forget_all(struct tg_frame *f, struct tg_store *store, const struct tg_hostlist *names, json_t *list, struct tg_error *e)
{
    char who[TG_OWNER_SIZE];
    int rc = 0;

    tg_cli_owner(f, who, sizeof who);
    for (size_t i = 0; !rc && i < names->n; i++) {
        struct tg_scope host = {.kind = TG_SCOPE_HOST};
        bool was = false;
        snprintf(host.name, sizeof host.name, "%s", tg_hostlist_get(names, i));
        rc = tg_known_forget(store, &host, who, tg_store_deadline(store, STORE_MS), &was, e);
        if (!rc && f->json)
            json_array_append_new(list, json_pack("{s:s,s:b}", "host", host.name, "was_known", was));
        else if (!rc)
            printf(was ? "%s is forgotten: it does not count as down any more, until it has an agent again.\n" : "%s was not known to have an agent.\n", host.name);
    }
    return rc;
}

static int forget(struct tg_frame *f, struct tg_error *e)
{
    const char *text = tg_opt_text(f, "forget");
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    struct tg_store *store = NULL;
    json_t *list = json_array();
    int rc = tg_nodeset_expand(text, strlen(text), &names, e);

    if (!rc)
        rc = tg_frame_open_store(f, &store, e);
    if (!rc)
        rc = tg_store_connect(store, tg_store_deadline(store, STORE_MS), e);
    if (!rc)
        rc = forget_all(f, store, &names, list, e);
    if (!rc && f->json)
        rc = tg_print_json(json_incref(list), e);
    json_decref(list);
    tg_hostlist_release(&names);
    tg_store_close(store);
    return rc;
}

static int run_agent(struct tg_frame *f, struct tg_error *e)
{
    return tg_opt_given(f, "forget") ? forget(f, e) : tg_opt_flag(f, "status") ? show_status(f, e) : serve(f, e);
}

const struct tg_cmd tg_cmd_agent = {
    .name = "agent",
    .args = "",
    .brief = "the host's daemon: answers on a socket, acknowledges locks",
    .details = "Stays in touch with the store for all of this host: answers whether an actor may act on a socket, without the way to the store; takes "
               "permits for who asks; and acknowledges each lock once what was in flight here is known, so that lock can wait for it. Runs in the "
               "foreground until SIGTERM, and logs to stderr.",
    .examples = "  $ systemctl enable --now tagout-agent.socket tagout-agent\n  $ tagout agent --status\n",
    .opts = opts,
    .min_args = 0,
    .max_args = 0,
    .needs = TG_NEED_CONFIG,
    .complete = NULL,
    .exec = run_agent,
};
