/* What calls itself a Prometheus might answer anything: no crash, and only a finite number is a number (P12). */
#include "../../plugins/http/metric.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_metric m = {.has_below = true, .below = 5, .has_rise = true, .rise = 0.2, .knows_before = true};
    char text[256] = "";
    double value = 0;

    if (!tg_metric_number(200, (const char *) data, size, &value, text, sizeof text)) {
        if (!text[0] || strlen(text) >= sizeof text)
            abort();
        return 0;
    }
    m.before = -value;
    if (!isfinite(value) || (tg_metric_judge(&m, value, text, sizeof text) == TG_VERDICT_PASS && value >= 5))
        abort();
    return 0;
}
