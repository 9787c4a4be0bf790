/* What an Alertmanager answers. Somebody else's JSON: what is not as its API says is no answer. Pure. */
#include "alertmanager.h"

#include <stdio.h>
#include <string.h>

void tg_am_marker(const char *tag, char *out, size_t size)
{
    snprintf(out, size, "tagout[%s]", tag);
}

/* What goes into a path. */
bool tg_am_is_id(const char *text)
{
    size_t n = text ? strlen(text) : 0;

    return n > 0 && n < TG_AM_ID_SIZE && !text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")];
}

void tg_am_said(const char *body, size_t len, char *out, size_t size)
{
    json_t *v = json_loadb(body, len, JSON_DECODE_ANY, NULL);
    const char *text = json_string_value(v);
    size_t n = 0;

    if (!text)
        text = json_string_value(json_object_get(v, "message"));
    size_t most = text ? strlen(text) : len;
    for (const char *at = text ? text : body; n < size - 1 && n < most && n < 200 && at[n]; n++)
        out[n] = (char) (at[n] >= ' ' && at[n] < 127 ? at[n] : ' ');
    out[n] = '\0';
    json_decref(v);
}

bool tg_am_posted(const char *body, size_t len, char *id, size_t size)
{
    json_t *v = json_loadb(body, len, 0, NULL);
    const char *text = json_string_value(json_object_get(v, "silenceID"));
    bool fine = tg_am_is_id(text) && strlen(text) < size;

    if (fine)
        snprintf(id, size, "%s", text);
    json_decref(v);
    return fine;
}

/* The same matchers in any order. "isEqual" came later than the rest: left out, it is true. */
static bool same_matchers(const json_t *a, const json_t *b)
{
    size_t i, k;
    json_t *x, *y;

    if (!json_is_array(a) || json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach((json_t *) a, i, x) {
        const json_t *equal = json_object_get(x, "isEqual");
        bool found = false;
        json_array_foreach((json_t *) b, k, y)
            found = found || (json_equal(json_object_get(x, "name"), json_object_get(y, "name")) && json_equal(json_object_get(x, "value"), json_object_get(y, "value")) &&
                              json_equal(json_object_get(x, "isRegex"), json_object_get(y, "isRegex")) &&
                              (!equal || json_is_true(equal)) == json_is_true(json_object_get(y, "isEqual")));
        if (!found)
            return false;
    }
    return true;
}

/* False: no silence, by the API. */
static bool read_one(const json_t *v, const json_t *matchers, struct tg_am_silence *out)
{
    const char *id = json_string_value(json_object_get(v, "id")), *state = json_string_value(json_object_get(json_object_get(v, "status"), "state"));
    const char *starts = json_string_value(json_object_get(v, "startsAt")), *ends = json_string_value(json_object_get(v, "endsAt"));

    if (!tg_am_is_id(id) || !state || !starts || strlen(starts) >= sizeof out->starts || !ends || tg_time_parse(ends, &out->ends_ms, NULL) != 0)
        return false;
    out->expired = strcmp(state, "expired") == 0;
    if (!out->expired && strcmp(state, "active") != 0 && strcmp(state, "pending") != 0)
        return false;
    out->same = strcmp(state, "pending") != 0 && same_matchers(json_object_get(v, "matchers"), matchers);
    snprintf(out->id, sizeof out->id, "%s", id);
    snprintf(out->starts, sizeof out->starts, "%s", starts);
    return true;
}

bool tg_am_silences(const char *body, size_t len, const char *marker, const json_t *matchers, struct tg_am_silence *out, size_t max, size_t *out_n,
                    char *why, size_t size)
{
    json_t *all = json_loadb(body, len, 0, NULL), *v;
    size_t i, n = 0;
    bool fine = json_is_array(all);

    if (!fine)
        snprintf(why, size, "that is no Alertmanager: no list of silences");
    json_array_foreach(all, i, v) {
        const char *comment = json_string_value(json_object_get(v, "comment"));
        struct tg_am_silence s = {0};
        if (!fine)
            break;
        if (!json_is_object(v) || !comment) {
            snprintf(why, size, "a silence that is not to be read");
            fine = false;
        } else if (strncmp(comment, marker, strlen(marker)) == 0 && n == max) {
            snprintf(why, size, "more than %zu silences of ours, for one host", max);
            fine = false;
        } else if (strncmp(comment, marker, strlen(marker)) == 0) {
            fine = read_one(v, matchers, &s);
            if (fine)
                out[n++] = s;
            else
                snprintf(why, size, "a silence of ours that is not to be read");
        }
    }
    json_decref(all);
    *out_n = fine ? n : 0;
    return fine;
}
