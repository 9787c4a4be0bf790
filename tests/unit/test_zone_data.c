/* Zone data that is replaced, damaged or gone while a process goes on: in a folder of this test's own, where zones are looked for. P2, P5. */
#define _GNU_SOURCE
#include "calendar/zone.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo"

struct data {
    char bytes[8192];
    size_t len;
};

static struct data read_zone(const char *name)
{
    struct data d = {.len = 0};
    char path[200];

    snprintf(path, sizeof path, FOLDER "/%s", name);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    d.len = fread(d.bytes, 1, sizeof d.bytes, f);
    fclose(f);
    return d;
}

/* As packages are: to another file, which is renamed. */
static void put(const struct data *d)
{
    FILE *f = fopen(FOLDER "/Test.new", "wb");

    cr_assert(f && fwrite(d->bytes, 1, d->len, f) == d->len && fclose(f) == 0);
    cr_assert_eq(rename(FOLDER "/Test.new", FOLDER "/Test"), 0);
}

static int find(struct tg_zone *out, struct tg_error *e)
{
    tg_error_clear(e);
    return tg_zone_find("Test", out, e);
}

/* Files are looked at some times a second. */
static void await(int rc, int64_t offset_s, const char *says)
{
    const struct timespec pause = {0, 20000000};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_zone zone;

    for (int i = 0; i < 500; i++) {
        int got = find(&zone, &e);
        if (got == rc && (got ? strstr(e.message, says) != NULL : tg_zone_offset_s(&zone, 0) == offset_s))
            return;
        nanosleep(&pause, NULL);
    }
    cr_assert_fail("wanted %d, %s: %s", rc, says, e.message);
}

Test(zone_data, that_is_replaced_counts_and_what_is_damaged_is_no_zone)
{
    char folder[] = "/tmp/tagout-zones-XXXXXX";
    const struct data tokyo = read_zone("Asia/Tokyo"), kolkata = read_zone("Asia/Kolkata"), broken = {.bytes = "TZif2", .len = 5};
    struct tg_error e = TG_ERROR_INIT;
    struct tg_zone before;

    cr_assert_not_null(mkdtemp(folder));
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount(folder, FOLDER, NULL, MS_BIND, NULL) != 0) {
        rmdir(folder);
        cr_skip_test("a folder can't be laid over " FOLDER " here");
    }
    put(&tokyo);
    cr_assert_eq(find(&before, &e), 0, "%s", e.message);
    cr_assert_eq(tg_zone_offset_s(&before, 1000000000), 9 * 3600);
    put(&kolkata);
    await(0, 5 * 3600 + 1800, "Kolkata");
    cr_assert_eq(tg_zone_offset_s(&before, 1000000000), 9 * 3600, "who has read by the data from before keeps it");
    put(&broken);
    await(TG_E_DATA, 0, "there is no time zone \"Test\": " FOLDER "/Test can't be read as one");
    put(&tokyo);
    await(0, 9 * 3600, "Tokyo");
    cr_assert_eq(unlink(FOLDER "/Test"), 0);
    await(TG_E_DATA, 0, "there is no time zone \"Test\"");
    cr_assert_eq(umount(FOLDER), 0);
    rmdir(folder);
}
