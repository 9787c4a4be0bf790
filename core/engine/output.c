/* What a transport keeps of a command's output: the first and the last half of a bound. See tagout/transport.h. */
#include <tagout/transport.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_MAX 96

void tg_output_init(struct tg_output *o, size_t max)
{
    *o = (struct tg_output) {.max = max ? max : TG_OUTPUT_DEFAULT};
}

/* Makes room for more bytes, up to the bound. */
static int reserve(struct tg_output *o, size_t more)
{
    size_t need = o->len + more < o->max ? o->len + more : o->max;
    size_t cap = o->cap ? o->cap : 256;

    if (need <= o->cap)
        return 0;
    while (cap < need)
        cap *= 2;
    if (cap > o->max)
        cap = o->max;
    char *data = realloc(o->data, cap + NOTE_MAX);
    if (!data)
        return TG_E_MEMORY;
    o->data = data;
    o->cap = cap;
    return 0;
}

/* Behind the head, the rest of the bound is a ring that the newest bytes overwrite. */
static void add_to_ring(struct tg_output *o, const char *bytes, size_t len)
{
    size_t head = o->max / 2, ring = o->max - head;

    o->cut += len;
    if (len > ring) {
        bytes += len - ring;
        len = ring;
    }
    while (len) {
        size_t n = ring - o->at < len ? ring - o->at : len;
        memcpy(o->data + head + o->at, bytes, n);
        o->at = (o->at + n) % ring;
        bytes += n;
        len -= n;
    }
}

int tg_output_add(struct tg_output *o, const char *bytes, size_t len)
{
    if (reserve(o, len))
        return TG_E_MEMORY;
    size_t n = o->max - o->len < len ? o->max - o->len : len;
    if (n) {
        memcpy(o->data + o->len, bytes, n);
        o->len += n;
    }
    if (n < len)
        add_to_ring(o, bytes + n, len - n);
    return 0;
}

/* Turns the ring so that its oldest byte comes first. */
static int unroll(struct tg_output *o, size_t head)
{
    size_t ring = o->max - head;
    char *copy = malloc(ring ? ring : 1);

    if (!copy)
        return TG_E_MEMORY;
    memcpy(copy, o->data + head + o->at, ring - o->at);
    memcpy(copy + ring - o->at, o->data + head, o->at);
    memcpy(o->data + head, copy, ring);
    free(copy);
    o->at = 0;
    return 0;
}

const char *tg_output_finish(struct tg_output *o, size_t *out_len)
{
    char note[NOTE_MAX];

    *out_len = 0;
    if (!o->data)
        return "";
    if (o->cut && !o->finished) {
        size_t head = o->max / 2;
        if (unroll(o, head))
            return "";
        int n = snprintf(note, sizeof note, "\n[… %llu bytes cut here …]\n", (unsigned long long) o->cut);
        memmove(o->data + head + n, o->data + head, o->len - head);
        memcpy(o->data + head, note, (size_t) n);
        o->len += (size_t) n;
    }
    o->finished = 1;
    o->data[o->len] = '\0';
    *out_len = o->len;
    return o->data;
}

void tg_output_release(struct tg_output *o)
{
    free(o->data);
    *o = (struct tg_output) {0};
}
