/* What the modules of around: share: names, and texts with the host's name in them. See tagout/around.h. */
#include <tagout/around.h>

#include <stdio.h>
#include <string.h>

static const char *const what_names[TG_AROUND_WHATS] = {
    [TG_AROUND_DRAIN] = "drain",
    [TG_AROUND_SILENCE] = "silence",
    [TG_AROUND_SNAPSHOT] = "snapshot",
};

static const char *const verb_names[TG_AROUND_VERBS] = {
    [TG_AROUND_LOOK] = "look", [TG_AROUND_ACT] = "act", [TG_AROUND_KEEP] = "keep", [TG_AROUND_UNDO] = "undo",
};

static const char *const end_names[] = {
    [TG_AROUND_ABSENT] = "absent",   [TG_AROUND_OURS] = "ours",         [TG_AROUND_OTHERS] = "others", [TG_AROUND_KEPT] = "kept",
    [TG_AROUND_REFUSED] = "refused", [TG_AROUND_NOT_SENT] = "not-sent", [TG_AROUND_LOST] = "lost",
};

const char *tg_around_what_name(enum tg_around_what what)
{
    return what < TG_AROUND_WHATS ? what_names[what] : "?";
}

const char *tg_around_verb_name(enum tg_around_verb verb)
{
    return verb < TG_AROUND_VERBS ? verb_names[verb] : "?";
}

const char *tg_around_end_name(enum tg_around_end end)
{
    return end <= TG_AROUND_LOST ? end_names[end] : "?";
}

/* The length of the placeholder that begins here; 0: none of ours. */
static size_t placeholder(const char *at)
{
    static const char *const known[] = {"{host}", "{short}", "{address}"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0)
            return strlen(known[i]);
    return 0;
}

bool tg_around_template_ok(const char *text)
{
    while (*text) {
        size_t n = placeholder(text);
        if (n == 0 && (*text == '{' || *text == '}'))
            return false;
        text += n ? n : 1;
    }
    return true;
}

int tg_around_template(const char *text, const struct tg_around_context *context, char *out, size_t size, struct tg_error *e)
{
    const char *whole = text;
    size_t len = 0;

    for (size_t n; *text; text += n) {
        const char *part = text;
        size_t part_len = 1;
        n = placeholder(text);
        if (n > 0) {
            part = text[1] == 'a' ? context->address : context->host;
            part_len = text[1] == 's' ? strcspn(part, ".") : strlen(part);
        }
        if (part_len >= size - len)
            return tg_fail(e, TG_E_DATA, "\"%.80s\" is too long for %.80s", whole, context->host);
        memcpy(out + len, part, part_len);
        len += part_len;
        n = n ? n : 1;
    }
    out[len] = '\0';
    return 0;
}
