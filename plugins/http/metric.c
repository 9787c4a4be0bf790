/* Questions to a Prometheus and their answers: see metric.h. */
#include "metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART 100000.0 /* thousandths of a percent in a whole */

static bool read_number(const json_t *options, const char *name, double divisor, bool *out_has, double *out)
{
    const json_t *value = json_object_get(options, name);

    *out_has = value != NULL;
    if (value)
        *out = json_number_value(value) / divisor;
    return !value || json_is_number(value);
}

int tg_metric_read(const json_t *options, struct tg_metric *m, struct tg_error *e)
{
    const json_t *before = json_object_get(options, "before_ms");
    const char *query = json_string_value(json_object_get(options, "query"));
    struct tg_metric read = {.before_ms = json_integer_value(before)};
    bool fine = query && read_number(options, "below", 1, &read.has_below, &read.below) && read_number(options, "above", 1, &read.has_above, &read.above) &&
                read_number(options, "rise", PART, &read.has_rise, &read.rise) && read_number(options, "fall", PART, &read.has_fall, &read.fall);

    if (!fine || !(read.has_below || read.has_above || read.has_rise || read.has_fall))
        return tg_fail(e, TG_E_DATA, "a metric is compared with nothing");
    if ((read.has_rise || read.has_fall) && read.before_ms <= 0)
        return tg_fail(e, TG_E_DATA, "nothing says since when a metric may have changed");
    if (!(read.query = strdup(query)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *m = read;
    return 0;
}

void tg_metric_release(struct tg_metric *m)
{
    free(m->query);
    *m = (struct tg_metric) {0};
}

bool tg_metric_wants_before(const struct tg_metric *m)
{
    return (m->has_rise || m->has_fall) && !m->knows_before;
}

/* "value": [time, "1.5"]; the number's shape is JSON's, so that NaN and infinities are none. */
static bool read_value(const json_t *value, double *out, char *text, size_t size)
{
    const char *shown = json_string_value(json_array_get(value, 1));
    json_t *number = shown ? json_loads(shown, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    bool fine = json_array_size(value) == 2 && json_is_real(number) && isfinite(json_real_value(number));

    if (fine)
        *out = json_real_value(number);
    else
        snprintf(text, size, "the value is %.40s", shown ? shown : "not to be read");
    json_decref(number);
    return fine;
}

static bool read_data(const json_t *data, double *out, char *text, size_t size)
{
    const char *type = json_string_value(json_object_get(data, "resultType"));
    const json_t *result = json_object_get(data, "result");

    if (type && strcmp(type, "scalar") == 0)
        return read_value(result, out, text, size);
    if (!type || strcmp(type, "vector") != 0 || !json_is_array(result))
        snprintf(text, size, "the result is a %.20s, no number", type ? type : "something unknown");
    else if (json_array_size(result) == 0)
        snprintf(text, size, "no data");
    else if (json_array_size(result) > 1)
        snprintf(text, size, "%zu series, not one", json_array_size(result));
    else
        return read_value(json_object_get(json_array_get(result, 0), "value"), out, text, size);
    return false;
}

bool tg_metric_number(long status, const char *body, size_t len, double *out, char *text, size_t size)
{
    json_t *answer = json_loadb(body, len, 0, NULL);
    const char *said = json_string_value(json_object_get(answer, "status")), *error = json_string_value(json_object_get(answer, "error"));
    const json_t *warnings = json_object_get(answer, "warnings");
    bool fine = false;

    if (error)
        snprintf(text, size, "it says \"%.*s\"", (int) (strcspn(error, "\n") < 200 ? strcspn(error, "\n") : 200), error);
    else if (status != 200)
        snprintf(text, size, "status %ld", status);
    else if (!said || strcmp(said, "success") != 0)
        snprintf(text, size, "that is no answer of a Prometheus");
    else if (warnings && json_array_size(warnings) > 0)
        snprintf(text, size, "with a warning: %.120s", json_is_string(json_array_get(warnings, 0)) ? json_string_value(json_array_get(warnings, 0)) : "?");
    else
        fine = read_data(json_object_get(answer, "data"), out, text, size);
    json_decref(answer);
    return fine;
}

static enum tg_verdict judge_change(const struct tg_metric *m, double now, char *text, size_t size)
{
    double by = now - m->before, most = (by > 0 ? m->rise : m->fall) * fabs(m->before);
    bool limited = by > 0 ? m->has_rise : m->has_fall;
    const char *word = by > 0 ? "rise" : "fall";

    if (!limited || fabs(by) <= most) {
        snprintf(text, size, "%.6g, and before the change %.6g", now, m->before);
        return TG_VERDICT_PASS;
    }
    if (m->before == 0)
        snprintf(text, size, "%.6g, and before the change 0", now);
    else
        snprintf(text, size, "%.6g, and before the change %.6g: a %s of %.3g%%, more than %.6g%%", now, m->before, word, fabs(by / m->before) * 100,
                 (by > 0 ? m->rise : m->fall) * 100);
    return TG_VERDICT_FAIL;
}

enum tg_verdict tg_metric_judge(const struct tg_metric *m, double now, char *text, size_t size)
{
    if (m->has_below && !(now < m->below)) {
        snprintf(text, size, "%.6g, not below %.6g", now, m->below);
        return TG_VERDICT_FAIL;
    }
    if (m->has_above && !(now > m->above)) {
        snprintf(text, size, "%.6g, not above %.6g", now, m->above);
        return TG_VERDICT_FAIL;
    }
    if (m->has_rise || m->has_fall)
        return judge_change(m, now, text, size);
    snprintf(text, size, "%.6g", now);
    return TG_VERDICT_PASS;
}
