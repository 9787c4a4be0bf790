/*
 * Projections: what is known of the locks on this host, written where people and tools look: Puppet's disable file, a
 * fact, /run/tagout, the message of the day. A projection is for seeing, and holds off what has no hook; nothing relies
 * on one alone.
 *
 * Each is made as a text (pure: project_text.c) and brought onto the disk by reconciling (project.c): written whole
 * when it differs, made again when somebody removed it while the host is held, and removed only when it is ours. A
 * person's own disable is never written over, nor removed. What can't be written is said once and tried again.
 */
#ifndef TG_AGENT_PROJECT_H
#define TG_AGENT_PROJECT_H

#include "config/site.h"
#include "guard/record.h"

#include <jansson.h>

#define TG_PROJECT_BY "tagout agent" /* "written_by": how we know our own */
#define TG_PROJECT_LOCKS_MAX 64      /* records in held.d; lists say how many there are in all */
#define TG_PROJECT_REFRESH_MS 20000  /* how often what has a valid_until is written anew */
#define TG_PROJECT_VALID_MS 90000    /* and how long each of them is good for: four times that, and a slow disk */

/* What is to be seen. Borrowed. */
struct tg_project_what {
    const char *host;
    bool proven;                        /* false: nothing is known now; locks are those known last */
    const char *cause;                  /* then: why, in a word */
    const struct tg_lock *const *locks; /* live ones on this host, whomever they hold; the strictest first */
    size_t n_locks;
    int64_t wall_ms;
};

struct tg_project;
/*
 * root: "" for this host's /, a folder for tests; run_dir: where held, held.d and state.json go, such as "/run/tagout"
 * (below root); off: by switch. All are copied. TG_E_MEMORY.
 */
int tg_project_new(const char *root, const char *run_dir, const bool off[TG_PROJECT_SWITCHES], struct tg_project **out,
                   struct tg_error *e);
void tg_project_free(
    struct tg_project *project); /* leaves what is written: tg_project_reconcile() with no locks removes it */
/* Brings the disk into line. Cheap when nothing has to be done. */
void tg_project_reconcile(struct tg_project *project, const struct tg_project_what *what);
/* Of the agent's end: state.json, which speaks of an agent that is there, goes. All else stays: nobody has unlocked
 * anything. */
void tg_project_end(struct tg_project *project);
/* {"puppet":"ours"|"a person's"|"none"|"off"|"there is no Puppet", …, "trouble":[…]}: new. */
json_t *tg_project_status(const struct tg_project *project);

/* --- texts; pure. Each is new, to be freed; NULL: memory --- */

/* Of Puppet's agent_disabled.lock; NULL also when no lock holds config-management (*out_wanted tells). */
char *tg_project_puppet_text(const struct tg_project_what *what, bool *out_wanted);
char *tg_project_facts_text(const struct tg_project_what *what);
char *tg_project_held_text(const struct tg_project_what *what);
char *tg_project_record_text(const struct tg_project_what *what, size_t lock);
char *tg_project_state_text(const struct tg_project_what *what);
char *tg_project_motd_text(const struct tg_project_what *what);

/* Whose it is. Pure. JSON: its "tagout" (or itself) has "written_by" as ours. */
bool tg_project_json_is_ours(const char *text, size_t len);

/* --- one file of Puppet's (project_puppet.c) --- */

enum tg_project_whose { TG_PROJECT_NOBODYS, TG_PROJECT_OURS, TG_PROJECT_A_PERSONS };
/*
 * Makes the disable file ours with this text, unless it is a person's; text NULL: removes it if it is ours. A file that
 * comes from somebody else at the same moment wins, always. *out says whose it is then.
 */
extern void (*tg_project_puppet_between)(const char *file); /* for tests: called between looking and acting; NULL */
int tg_project_puppet_put(const char *file, const char *text, enum tg_project_whose *out, struct tg_error *e);

#endif
