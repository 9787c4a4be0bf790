/* A run's machine as text: see run_snapshot.h. Reading it back is run_restore.c. */
#include "engine/run_snapshot_internal.h"

#include <stdlib.h>
#include <string.h>

int64_t tg_field_get(const struct tg_field *f, const void *of)
{
    const char *at = (const char *) of + f->offset;
    int64_t wide;
    size_t size;
    uint16_t shorter;
    int narrow;
    bool flag;

    switch (f->kind) {
    case TG_FIELD_SIZE:
        memcpy(&size, at, sizeof size);
        return (int64_t) size;
    case TG_FIELD_I64:
    case TG_FIELD_TIME:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case TG_FIELD_BOOL:
        memcpy(&flag, at, sizeof flag);
        return flag;
    case TG_FIELD_SHORT:
        memcpy(&shorter, at, sizeof shorter);
        return shorter;
    case TG_FIELD_INT:
    case TG_FIELD_WORD:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    case TG_FIELD_TEXT:
    case TG_FIELD_DERIVED:
    default:
        return 0;
    }
}

char *tg_field_text(const struct tg_field *f, const void *of)
{
    char *text;

    memcpy(&text, (const char *) of + f->offset, sizeof text);
    return text;
}

bool tg_field_is_first(const struct tg_field *f, const void *of)
{
    if (f->kind == TG_FIELD_DERIVED)
        return true;
    return f->kind == TG_FIELD_TEXT ? !tg_field_text(f, of) : tg_field_get(f, of) == f->first;
}

/* ---- texts: one that comes again is the number of its first time, since a trouble has many hosts ---- */

struct known {
    const char *text; /* the machine's; NULL: free */
    size_t number;
};
struct texts {
    struct known *table;
    size_t size, n;   /* size: a power of two, or 0 */
};

static size_t hash(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        h = (h ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
    return (size_t) (h ^ (h >> 32));
}

static struct known *find(const struct texts *t, const char *text)
{
    size_t i = hash(text) & (t->size - 1);

    while (t->table[i].text && strcmp(t->table[i].text, text) != 0)
        i = (i + 1) & (t->size - 1);
    return &t->table[i];
}

static bool grow(struct texts *t)
{
    struct texts larger = {.size = t->size ? t->size * 2 : 64, .n = t->n};

    if (t->n * 2 < t->size)
        return true;
    if (!(larger.table = calloc(larger.size, sizeof *larger.table)))
        return false;
    for (size_t i = 0; i < t->size; i++)
        if (t->table[i].text)
            *find(&larger, t->table[i].text) = t->table[i];
    free(t->table);
    *t = larger;
    return true;
}

/* ---- writing ---- */

struct writer {
    struct tg_buf *out;
    struct texts texts;
    int64_t base_ms;  /* of times */
    bool failed;
};

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < 0x20 || (unsigned char) *text > 0x7e || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* What is not UTF-8 is as the journal has it. */
static void put_string(struct writer *w, const char *text)
{
    if (is_plain(text)) {
        tg_buf_putc(w->out, '"');
        tg_buf_puts(w->out, text);
        tg_buf_putc(w->out, '"');
        return;
    }
    json_t *value = json_string(text);
    if (!value)
        value = json_string(TG_NOT_UTF8);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    w->failed |= !quoted;
    tg_buf_puts(w->out, quoted ? quoted : "");
    free(quoted);
    json_decref(value);
}

static void put_text(struct writer *w, const char *text)
{
    if (!text) {
        tg_buf_puts(w->out, "null");
        return;
    }
    if (!grow(&w->texts)) {
        w->failed = true;
        return;
    }
    struct known *k = find(&w->texts, text);
    if (k->text) {
        tg_buf_printf(w->out, "%zu", k->number);
        return;
    }
    *k = (struct known) {text, w->texts.n++};
    put_string(w, text);
}

static void put_number(struct tg_buf *out, int64_t value)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

    do
        *--at = (char) ('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0)
        *--at = '-';
    tg_buf_add(out, at, (size_t) (digits + sizeof digits - at));
}

static void put_field(struct writer *w, const struct tg_field *f, const void *of)
{
    int64_t value = tg_field_get(f, of);

    if (f->kind == TG_FIELD_TEXT)
        put_text(w, tg_field_text(f, of));
    else if (f->kind == TG_FIELD_TIME && value)
        put_number(w->out, (int64_t) ((uint64_t) value - (uint64_t) w->base_ms));
    else
        put_number(w->out, value);
}

/* Columns in use; 0: it is as at first. */
static size_t columns_of(const struct tg_fields *fields, const void *of)
{
    size_t n = fields->n;

    while (n && tg_field_is_first(&fields->rows[n - 1], of))
        n--;
    return n;
}

static void put_row(struct writer *w, const struct tg_fields *fields, const void *of)
{
    size_t n = columns_of(fields, of);
    const char *between = "";

    tg_buf_putc(w->out, '[');
    for (size_t i = 0; i < n; i++) {
        if (fields->rows[i].kind == TG_FIELD_DERIVED)
            continue;
        tg_buf_puts(w->out, between);
        put_field(w, &fields->rows[i], of);
        between = ",";
    }
    tg_buf_puts(w->out, "]\n");
}

static void put_columns(struct tg_buf *out, const struct tg_fields *fields)
{
    const char *between = "";

    tg_buf_printf(out, "\"%s\":[", fields->name);
    for (size_t i = 0; i < fields->n; i++) {
        if (fields->rows[i].kind == TG_FIELD_DERIVED)
            continue;
        tg_buf_printf(out, "%s\"%s\"", between, fields->rows[i].name);
        between = ",";
    }
    tg_buf_putc(out, ']');
}

static void put_words(struct tg_buf *out, const struct tg_words *words)
{
    tg_buf_printf(out, "\"%s\":[", words->name);
    for (int i = 0; i < words->count; i++)
        tg_buf_printf(out, "%s\"%s\"", i ? "," : "", words->word(i));
    tg_buf_putc(out, ']');
}

static void put_head(struct writer *w, const struct tg_run *run)
{
    const char *between = "";

    tg_buf_printf(w->out, "{\"format\":%d,\"digest\":\"%s\",\"base\":%lld,\"stages\":%zu,\"hosts\":%zu,\"columns\":{", TG_RUN_SNAPSHOT_FORMAT,
                  run->plan->digest, (long long) w->base_ms, run->plan->n_stages, run->plan->n_hosts);
    for (size_t i = 0; i < TG_SNAPSHOT_STRUCTS; i++) {
        tg_buf_puts(w->out, i ? "," : "");
        put_columns(w->out, tg_snapshot_structs[i]);
    }
    tg_buf_puts(w->out, "},\"words\":{");
    for (size_t i = 0; tg_snapshot_words[i]; i++, between = ",") {
        tg_buf_puts(w->out, between);
        put_words(w->out, tg_snapshot_words[i]);
    }
    tg_buf_puts(w->out, "}}\n");
}

/* Of very many things most are as at first. */
static void put_rows(struct writer *w, const struct tg_fields *fields, const void *array, size_t count)
{
    for (size_t i = 0; i < count;) {
        const char *at = (const char *) array + i * fields->size;
        size_t n = 0;
        while (i + n < count && columns_of(fields, at + n * fields->size) == 0)
            n++;
        if (n)
            tg_buf_printf(w->out, "%zu\n", n);
        else
            put_row(w, fields, at);
        i += n ? n : 1;
    }
}

int tg_run_snapshot(const struct tg_run *run, struct tg_buf *out, struct tg_error *e)
{
    struct writer w = {.out = out, .base_ms = run->started_ms ? run->started_ms - 1 : 0};

    put_head(&w, run);
    put_row(&w, &tg_run_fields, run);
    for (size_t i = 0; i < run->plan->n_stages; i++)
        put_row(&w, &tg_run_stage_fields, &run->stages[i]);
    put_rows(&w, &tg_run_domain_fields, run->domains, run->plan->n_domains + run->plan->n_windows);
    put_rows(&w, &tg_run_host_fields, run->hosts, run->plan->n_hosts);
    free(w.texts.table);
    return w.failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : tg_buf_ok(out, e);
}
