/* What tagout doctor has found, and how it is shown. */
#ifndef TG_CLI_DOCTOR_H
#define TG_CLI_DOCTOR_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum tg_doctor_verdict { TG_DOCTOR_OK, TG_DOCTOR_WARN, TG_DOCTOR_FAIL, TG_DOCTOR_UNKNOWN };

struct tg_doctor_finding {
    const char *check;
    enum tg_doctor_verdict verdict;
    char text[700], mend[400];
    struct tg_buf more; /* lines behind them, as they are: commands to be copied */
};

/* As people see it: width columns, 0: a pipe, where nothing is broken. What others wrote (reasons, owners) is escaped where it would not be seen as what it is. */
void tg_doctor_text(const struct tg_doctor_finding *found, size_t n, int width, bool colour, struct tg_buf *out);
/* New reference; NULL: memory. worst: the worst verdict of all. */
json_t *tg_doctor_json(const struct tg_doctor_finding *found, size_t n, const char *store, enum tg_doctor_verdict worst);

#endif
