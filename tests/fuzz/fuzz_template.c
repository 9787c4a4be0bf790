/* Templates of mails: read or refused, whatever is in them; a subject is one line. */
#include "calendar/announce_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tg_thread *a_thread(void)
{
    static const char *const to[] = {"a@b.example"};
    const struct tg_announcement a = {.kind = TG_ANNOUNCE_SCHEDULED, .source = "s", .event = "e", .customer = "acme", .hosts = "web[1-3]", .activity = "reboot", .from_ms = 1795368000000,
                                      .until_ms = 1795371600000, .reason = "r", .by = "", .at_ms = 1};
    struct tg_thread *t;

    if (tg_thread_new("s", "acme", 0, &t, NULL) || tg_thread_take(t, &a, 1, NULL) || tg_thread_settle(t, to, 1, 1795368000000, NULL))
        abort();
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tg_thread *thread;
    const struct tg_announce_view view = {.zone_name = "UTC"};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_buf subject = TG_BUF_INIT, text = TG_BUF_INIT;
    struct tg_template *t = NULL;
    char *copy = malloc(size + 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    thread = thread ? thread : a_thread();
    if (tg_template_parse("t", copy, size, &p, &t, NULL) == 0) {
        if (tg_problems_count(&p) || tg_template_fill(t, thread, &view, &subject, &text, NULL) || strpbrk(tg_buf_text(&subject), "\r\n") || subject.len > 200)
            abort();
        tg_template_free(t);
    } else if (!tg_problems_count(&p)) {
        abort();
    }
    tg_problems_release(&p);
    tg_buf_release(&subject);
    tg_buf_release(&text);
    free(copy);
    return 0;
}
