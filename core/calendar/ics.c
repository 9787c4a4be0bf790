#include "calendar/build.h"
int tg_ics_load(const char *path, const char *zone, struct tg_problems *problems, struct tg_rule *rule, struct tg_error *e)
{
    (void) zone, (void) problems, (void) rule;
    return tg_fail(e, TG_E_CONFIG, "%s: .ics files are not supported yet", path);
}
