/* How fast, as people write it: "1/s", "30/min", "4/h", "2/d". */
#ifndef TG_CONFIG_RATE_H
#define TG_CONFIG_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_rate {
    int64_t count;  /* so many; 0: as fast as may be */
    int64_t per_ms; /* in this time */
};

/* A number from 1 to 100,000, "/", and s, min, h or d; false and *out untouched for anything else. */
bool tg_rate_parse(const char *text, struct tg_rate *out);
/* Back to text; "" for none. size ≥ 32. */
void tg_rate_format(const struct tg_rate *rate, char *out, size_t size);
/* From one to the next, in µs; 0 for none. They are spread evenly, never let go in a burst. */
int64_t tg_rate_interval_us(const struct tg_rate *rate);
/* How long n take at least, in ms: the first at once, the last after n - 1 intervals. */
int64_t tg_rate_takes_ms(const struct tg_rate *rate, int64_t n);

#endif
