/* What doctor has found, for people and for programs: see doctor.h. */
#include "cli/doctor.h"

#include "base/columns.h"
#include "base/shown.h"

#include <limits.h>

#define TEXT_COLUMN 24 /* behind the verdict and the check */
#define NARROW 60      /* columns below which texts stand below the check */
#define FOLD_MIN 20    /* rather two lines of the terminal's than one word in each */

static const char *const words[] = {"ok", "warn", "FAIL", "UNKNOWN"};
static const char *const json_words[] = {"ok", "warn", "fail", "unknown"};

/* From that column on, the rest below its beginning. */
static void put_folded(struct tg_buf *out, const char *text, int width, int column)
{
    struct tg_buf shown = TG_BUF_INIT;
    int room = width - 1 - column;

    tg_shown(&shown, text);
    tg_put_wrapped(out, tg_buf_text(&shown), width == 0 || room < FOLD_MIN ? INT_MAX : room, column);
    tg_buf_putc(out, '\n');
    tg_buf_release(&shown);
}

void tg_doctor_text(const struct tg_doctor_finding *found, size_t n, int width, bool colour, struct tg_buf *out)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m", "\033[31m"};
    int column = width && width < NARROW ? 4 : TEXT_COLUMN;

    for (size_t i = 0; i < n; i++) {
        const struct tg_doctor_finding *f = &found[i];
        tg_buf_printf(out, "%s%-7s%s  ", colour ? colours[f->verdict] : "", words[f->verdict], colour ? "\033[0m" : "");
        tg_buf_printf(out, column < TEXT_COLUMN ? "%s\n    " : "%-13s  ", f->check);
        put_folded(out, f->text, width, column);
        if (f->mend[0]) {
            tg_put_blanks(out, column);
            put_folded(out, f->mend, width, column);
        }
        tg_shown_lines(out, tg_buf_text(&f->more));
    }
}

json_t *tg_doctor_json(const struct tg_doctor_finding *found, size_t n, const char *store, enum tg_doctor_verdict worst)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:s,s:s,s:s}", "check", found[i].check, "status", json_words[found[i].verdict], "text", found[i].text);
        if (o && found[i].mend[0])
            json_object_set_new(o, "mend", json_string(found[i].mend));
        if (o && found[i].more.len)
            json_object_set_new(o, "more", json_string(tg_buf_text(&found[i].more)));
        json_array_append_new(list, o);
    }
    return json_pack("{s:s,s:s,s:o}", "store", store, "status", json_words[worst], "checks", list);
}
