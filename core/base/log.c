/* The log: see log.h. */
#include "base/log.h"

#include <tagout/clock.h>

#include <stdarg.h>
#include <stdio.h>

static enum tg_log_level threshold = TG_LOG_WARN;

void tg_log_level_set(enum tg_log_level level)
{
    threshold = level;
}

enum tg_log_level tg_log_level_get(void)
{
    return threshold;
}

void tg_log(enum tg_log_level level, const char *where, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char text[1024], when[32];
    va_list args;

    if (level > threshold)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tg_time_format(tg_wall_ms(tg_clock_real()), when, sizeof when);
    fprintf(stderr, "%s %s %s: %s\n", when, names[level], where, text);
}
