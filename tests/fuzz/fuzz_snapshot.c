/*
 * Snapshots of a run: whatever the bytes, no crash; what is read is written back as something that is read as the same (P2, P7). Bytes that do not
 * begin with a head of their own get today's, so that the corpus stays good for something when there are more columns.
 */
#include "engine/run_snapshot.h"
#include "lib/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tg_plan *plan(void)
{
    static struct tg_plan *one;

    if (!one) {
        one = test_plan((struct test_stage[]) {{2, true, 0, {0}}, {1, false, 1000, {1, 1000}}, {4, false, 0, {0}}}, 3, 2, 1);
        test_plan_around(one, 2, 2);
    }
    return one;
}

static void add_head(struct tg_buf *out)
{
    struct tg_run *run = NULL;

    if (tg_run_new(plan(), &run, NULL) || tg_run_snapshot(run, out, NULL))
        abort();
    out->len = (size_t) (strchr(out->data, '\n') + 1 - out->data);
    tg_run_free(run);
}

static int restore(const uint8_t *data, size_t size, struct tg_run **out)
{
    struct tg_buf text = TG_BUF_INIT;

    if (!size || data[0] != '{')
        add_head(&text);
    tg_buf_add(&text, data, size);
    int rc = tg_run_restore(plan(), tg_buf_text(&text), text.len, out, NULL);
    tg_buf_release(&text);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_run *run = NULL, *again = NULL;
    struct tg_buf text = TG_BUF_INIT, second = TG_BUF_INIT;

    if (restore(data, size, &run))
        return 0;
    if (tg_run_snapshot(run, &text, NULL) || tg_run_restore(plan(), text.data, text.len, &again, NULL) || tg_run_snapshot(again, &second, NULL) ||
        strcmp(text.data, second.data) != 0)
        abort();
    tg_run_free(run);
    tg_run_free(again);
    tg_buf_release(&text);
    tg_buf_release(&second);
    return 0;
}
