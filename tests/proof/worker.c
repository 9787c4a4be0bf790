/* What all workers share: see worker.h. */
#define _GNU_SOURCE
#include "worker.h"

#include "config/problems.h"
#include "fleet/inventory.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *clock_off_ms;

/* The recipes' wall clock is this one in a worker: it is ahead or behind as run wants it. The monotonic clock is everybody's. */
int64_t tg_wall_ms(const struct tg_clock *clock)
{
    return clock->wall_ms(clock->data) + (clock_off_ms ? *clock_off_ms : 0);
}

int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void note(struct worker *w, const char *format, ...)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "%lld %d ", (long long) now_us(), (int) getpid());
    va_list args;

    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t) n - 1, format, args);
    va_end(args);
    n = n < (int) sizeof line - 1 ? n : (int) sizeof line - 2;
    line[n++] = '\n';
    if (write(w->log, line, (size_t) n) != n)
        _exit(3); /* a proof without its log is none */
}

void scopes_text(const struct tg_scopes *scopes, char *out, size_t size)
{
    char text[TG_SCOPE_TEXT_SIZE];
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < scopes->n && n < size; i++)
        n += (size_t) snprintf(out + n, size - n, "%s%s", i ? "," : "", tg_scope_format(&scopes->v[i], text, sizeof text));
}

/* --- chance --- */

unsigned roll(struct worker *w, unsigned below)
{
    uint64_t z = (w->dice += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned) ((z ^ (z >> 31)) % below);
}

bool chance(struct worker *w, unsigned percent)
{
    return roll(w, 100) < percent;
}

static void choose_scope(struct worker *w, bool locking, bool known, char *out, size_t size)
{
    static const char *const groups[] = {"front", "back"}, *const services[] = {"autoscaler", "db"};
    unsigned n = roll(w, 100);

    if (n < (locking ? 3 : 1))
        snprintf(out, size, "fleet");
    else if (n < 18 && known)
        snprintf(out, size, "group:%s", groups[roll(w, 2)]);
    else if (n < 40)
        snprintf(out, size, "service:%s", services[roll(w, 2)]);
    else if (n < 43 && !locking)
        snprintf(out, size, "service:kept%u", roll(w, 3));
    else
        snprintf(out, size, "host:web%u%s", 1 + roll(w, 6), known ? ".example.com" : "");
}

void choose_scopes(struct worker *w, bool locking, const struct tg_inventory *inventory, struct tg_scopes *out)
{
    char texts[2][TG_SCOPE_TEXT_SIZE];
    const char *list[2] = {texts[0], texts[1]};
    struct tg_error e = TG_ERROR_INIT;
    size_t n = chance(w, 25) ? 2 : 1;

    for (size_t i = 0; i < n; i++)
        choose_scope(w, locking, inventory != NULL, texts[i], sizeof texts[i]);
    *out = (struct tg_scopes) TG_SCOPES_INIT;
    if (tg_scopes_parse(out, list, n, inventory, &e) != 0) {
        note(w, "bug %s", e.message);
        _exit(4);
    }
}

const char *choose_actor(struct worker *w)
{
    static const char *const actors[] = {"config-management", "package-manager", "autoscaler"};

    return actors[roll(w, 3)];
}

/* --- the store --- */

bool be_open(struct worker *w)
{
    struct tg_store_options o = {.loop = w->loop, .url = w->url, .session_ms = SESSION_MS};
    struct tg_error e = TG_ERROR_INIT;

    while (!w->guard.store) {
        note(w, "open?");
        tg_error_clear(&e);
        int rc = tg_store_open(&o, &w->guard.store, &e);
        if (!rc)
            rc = tg_store_connect(w->guard.store, tg_store_deadline(w->guard.store, EXCHANGE_MS), &e);
        if (!rc) {
            note(w, "open! session=%lld", (long long) tg_store_session_ms(w->guard.store));
            w->uses = 0;
            return true;
        }
        note(w, "open- c=%d e=%.300s", rc, e.message);
        be_closed(w);
        if (w->control->stop > 1)
            return false;
        rest_ms(w, 50);
    }
    return true;
}

void be_closed(struct worker *w)
{
    tg_store_close(w->guard.store);
    w->guard.store = NULL;
}

void after(struct worker *w, int code)
{
    if (!code || code == TG_E_HELD)
        return;
    be_closed(w);
    rest_ms(w, 20 + roll(w, 60));
}

void rest_ms(struct worker *w, unsigned ms)
{
    int64_t end = now_us() + (int64_t) ms * 1000;

    for (int64_t left; (left = end - now_us()) > 0;)
        if (tg_loop_turn(w->loop, (left + 999) / 1000) < 0)
            return;
}

void be_quiet(struct worker *w, unsigned char level)
{
    while (w->control->quiet >= level && !w->control->stop) {
        w->control->resting[w->number] = 1;
        rest_ms(w, 5);
    }
    w->control->resting[w->number] = 0;
}

/* --- beginning --- */

static void load_inventory(struct worker *w)
{
    char path[512];
    struct tg_problems problems = {.n = 0};
    struct tg_error e = TG_ERROR_INIT;

    snprintf(path, sizeof path, "%s/hosts.yaml", w->folder);
    if (tg_inventory_load(path, &problems, &w->inventory, &e) != 0) {
        fprintf(stderr, "%s\n", e.message);
        exit(3);
    }
    tg_problems_release(&problems);
}

static void begin(struct worker *w, char **argv)
{
    char path[512];
    long number = strtol(argv[3], NULL, 10);

    *w = (struct worker) {.slot = argv[2], .folder = argv[4], .url = argv[5], .dice = strtoull(argv[6], NULL, 10)};
    snprintf(path, sizeof path, "%s/control", w->folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    w->control = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *w->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    snprintf(w->log_path, sizeof w->log_path, "%s/logs/%s", w->folder, w->slot);
    w->log = open(w->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (w->control == MAP_FAILED || w->log < 0 || number < 0 || number >= SLOTS || tg_loop_new(&w->loop, NULL) != 0)
        exit(3);
    close(fd);
    w->number = number;
    w->control->resting[number] = 0;
    clock_off_ms = &w->control->clock_ms[number];
    snprintf(w->state_dir, sizeof w->state_dir, "%s/state/%s", w->folder, w->slot);
    load_inventory(w);
    w->guard = (struct tg_guard) {.inventory = w->inventory, .state_dir = w->state_dir, .timeout_ms = EXCHANGE_MS};
}

int main(int argc, char **argv)
{
    struct worker w;

    if (argc != 7)
        return 64;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody outlives the run */
    begin(&w, argv);
    note(&w, "start role=%s slot=%s", argv[1], argv[2]);
    if (strcmp(argv[1], "locker") == 0)
        be_locker(&w);
    else if (strcmp(argv[1], "checker") == 0)
        be_checker(&w);
    else if (strcmp(argv[1], "holder") == 0 || strcmp(argv[1], "asker") == 0)
        ask_agent(&w, argv[1][0] == 'h');
    else
        be_actor(&w, strcmp(argv[1], "quick") == 0);
    be_closed(&w);
    note(&w, "leave");
    tg_inventory_free(w.inventory);
    tg_loop_free(w.loop);
    return 0;
}
