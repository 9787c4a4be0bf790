/*
 * The real fleet behind struct tg_drive_ports: locks and the guard (engine/holds.h), steps on hosts through a transport in bare mode
 * (engine/bare.h), the driver of the plan, probes.
 */
#ifndef TG_ENGINE_PORTS_H
#define TG_ENGINE_PORTS_H

#include "calendar/site_agenda.h"
#include "engine/drive.h"
#include "engine/holds.h"
#include "engine/out_keep.h"

#include <tagout/transport.h>

struct tg_ports;

struct tg_ports_options {
    struct tg_loop *loop;
    const struct tg_plan *plan;
    const struct tg_run *run;
    const struct tg_journal *journal;  /* run id and epoch */
    struct tg_holds *holds;
    const struct tg_inventory *inventory; /* needed when the plan has limits by domain */
    struct tg_site_agenda *calendar;   /* needed when the plan has windows (calendar/site_agenda.h); it need not have been looked at */
    const char *tokens;                /* handed to the tool on the host as TAGOUT_TOKEN */
    const char *owner;
    struct tg_transport_options transport; /* loop is filled in */
    int64_t connect_ms;                /* 0: 15 s */
    int64_t step_ms;                   /* of a step on the host, unless the driver says otherwise; 0: 30 min */
    int64_t look_ms;                   /* how long a host whose connection broke is looked for; 0: 5 min */
    int64_t quiesce_ms;                /* how long a lock waits for those in flight; 0: 10 min */
    /* Hosts of a run that has withdrawn them, by their number: their drains are kept once, and what comes of it is told; the drive waits for that. */
    const size_t *out;
    size_t n_out;
    bool out_anew;                     /* as it was done first, so that also what a person took back is done again */
    const char *steps_dir;             /* of the bare script; NULL: its own */
    /* Of a run that mends, behind each host's lock: 0 when the host is out of service still, and nobody else may bring it back; TG_E_HELD, and why it is not to be begun; others: it is not known. */
    int (*still_out)(void *data, const char *host, struct tg_error *e);
    void *still_out_data;
    struct tg_out_keeper *keeper;      /* likewise: keeps its hosts out of service; closed with the ports. NULL: nobody need be */
};

/* Opens transport, driver and probes; all pointers are borrowed and must outlive it. TG_E_CONFIG when one of these is not there. */
int tg_ports_new(const struct tg_ports_options *options, struct tg_ports **out, struct tg_error *e);
void tg_ports_free(struct tg_ports *ports);
const struct tg_drive_ports *tg_ports_table(struct tg_ports *ports);
/* The windows of the run's hosts, as they are now; NULL: it has none. Lives as long as the ports. */
struct tg_windows *tg_ports_windows(const struct tg_ports *ports);
/* Says what is not yet said of how the slots of booked weeks go (calendar/book_marks.h): when the run has ended, or its driver leaves. Blocks. */
void tg_ports_tell_slots(struct tg_ports *ports);
/*
 * The same of a run that has ended, whose driver was killed before it could: only loop, plan, run, journal and calendar are needed. *out_said: how many transactions
 * it took, 0: nothing was missing. Blocks.
 */
int tg_ports_tell_ended(const struct tg_ports_options *options, size_t *out_said, struct tg_error *e);
/* The run's name on hosts and elsewhere (tg_run_name()); lives as long as the ports. */
const char *tg_ports_name(const struct tg_ports *ports);

#endif
