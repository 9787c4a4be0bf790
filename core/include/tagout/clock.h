/*
 * Time. There is one clock type; whatever decides gets it passed in, so that the simulator can own it.
 *
 * Units: milliseconds in int64_t. "mono" never steps and has no meaning but differences; "wall" is Unix time in UTC.
 */
#ifndef TAGOUT_CLOCK_H
#define TAGOUT_CLOCK_H

#include <tagout/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tg_clock {
    int64_t (*mono_ms)(void *data);
    int64_t (*wall_ms)(void *data);
    void *data;
};

/* CLOCK_BOOTTIME (it goes on while the machine sleeps, which a deadline must) and CLOCK_REALTIME. Static; never freed. */
const struct tg_clock *tg_clock_real(void);
int64_t tg_mono_ms(const struct tg_clock *clock);
int64_t tg_wall_ms(const struct tg_clock *clock);

/* "3h", "1h 15m", "90s", "2d4h", "500ms", "1w" → milliseconds. A bare number is refused: units are never guessed. TG_E_DATA. */
int tg_duration_parse(const char *text, int64_t *out_ms, struct tg_error *e);
/* "3h", "1h 15m", "41s", "0s": at most two units, for people. Writes at most size bytes. */
void tg_duration_format(int64_t ms, char *out, size_t size);
/* "2026-11-22T17:20:00Z"; with non-zero milliseconds "…:00.123Z". size ≥ 32. */
void tg_time_format(int64_t wall_ms, char *out, size_t size);
/* RFC 3339 with "Z" or an offset → Unix milliseconds. TG_E_DATA. */
int tg_time_parse(const char *text, int64_t *out_wall_ms, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
