/* What suites over all stores have in common: a loop, a store with a session, and a way to open another one. Included by announce_suite.h and book_suite.h. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <tagout/loop.h>
#include <tagout/store.h>

#define WAIT_MS 20000
#define NOW INT64_C(1795368000000) /* Sunday, 2026-11-22 */

static struct tg_loop *loop;
static const char *url;
static struct tg_store *store;

static struct tg_store *open_another(void)
{
    struct tg_store_options o = {.loop = loop, .url = url, .session_ms = 4000, .flags = TG_STORE_CREATE};
    struct tg_store *s = NULL;
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_store_open(&o, &s, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_connect(s, tg_store_deadline(s, WAIT_MS), &e), 0, "%s", e.message);
    return s;
}
