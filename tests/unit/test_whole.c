/* Files are written whole or not at all, and read within bounds. */
#include "base/whole.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], file[96];

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/tagout-whole.XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/a/b/file", folder);
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

Test(whole, is_read_as_it_was_written, .init = setup, .fini = teardown)
{
    char *text;
    size_t len;
    struct stat st;

    cr_assert_eq(tg_whole_write(file, "one\0two", 7, 0640, TG_WHOLE_DURABLE | TG_WHOLE_FOLDERS, NULL), 0);
    cr_assert_eq(tg_whole_read(file, 7, &text, &len, NULL), 0);
    cr_assert_eq(len, 7);
    cr_assert_eq(memcmp(text, "one\0two", 8), 0);
    free(text);
    cr_assert_eq(stat(file, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0640);
    cr_assert_eq(tg_whole_write(file, "", 0, 0600, 0, NULL), 0);
    cr_assert_eq(tg_whole_read(file, 7, &text, &len, NULL), 0);
    cr_assert_eq(len, 0);
    free(text);
}

Test(whole, no_folder_is_made_unasked, .init = setup, .fini = teardown)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_whole_write(file, "x", 1, 0600, 0, &e), TG_E_SYSTEM);
    cr_assert(strstr(e.message, file), "%s", e.message);
}

Test(whole, what_is_too_long_a_link_or_no_file_is_refused, .init = setup, .fini = teardown)
{
    char *text, link[96], none[96];
    size_t len;

    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(none, sizeof none, "%s/none/at/all", folder);
    cr_assert_eq(tg_whole_write(file, "12345678", 8, 0600, TG_WHOLE_FOLDERS, NULL), 0);
    cr_assert_eq(tg_whole_read(file, 7, &text, &len, NULL), TG_E_DATA);
    cr_assert_eq(symlink(file, link), 0);
    cr_assert_neq(tg_whole_read(link, 100, &text, &len, NULL), 0);
    cr_assert_eq(tg_whole_read(folder, 100, &text, &len, NULL), TG_E_DATA);
    cr_assert_eq(tg_whole_read(none, 100, &text, &len, NULL), TG_E_NOENT);
}

Test(whole, a_full_disk_leaves_the_old_file, .init = setup, .fini = teardown)
{
    struct tg_error e = TG_ERROR_INIT;
    char temporary[112], *text;
    size_t len;

    cr_assert_eq(tg_whole_write(file, "old", 3, 0600, TG_WHOLE_FOLDERS, NULL), 0);
    snprintf(temporary, sizeof temporary, "%s.new", file);
    cr_assert_eq(mkdir(temporary, 0700), 0); /* stands for whatever keeps the new one from being written */
    cr_assert_neq(tg_whole_write(file, "new", 3, 0600, 0, &e), 0);
    cr_assert_eq(tg_whole_read(file, 9, &text, &len, NULL), 0);
    cr_assert_str_eq(text, "old");
    free(text);
}

/* Who says --svg /dev/full as root means the device, and not a file in its place. */
Test(whole, a_device_or_a_pipe_that_somebody_names_is_written_into_and_never_replaced, .init = setup, .fini = teardown)
{
    struct tg_error e = TG_ERROR_INIT;
    char pipe[112], got[8] = "";
    struct stat st;

    snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    int fd = open(pipe, O_RDWR | O_NONBLOCK);
    cr_assert_geq(fd, 0);
    cr_assert_eq(tg_whole_write(pipe, "abc", 3, 0600, TG_WHOLE_ANYWHERE, &e), 0, "%s", e.message);
    cr_assert_eq(read(fd, got, sizeof got - 1), 3);
    cr_assert_str_eq(got, "abc");
    close(fd);
    cr_assert_eq(lstat(pipe, &st), 0);
    cr_assert(S_ISFIFO(st.st_mode));
    cr_assert_neq(tg_whole_write("/dev/full", "abc", 3, 0600, TG_WHOLE_ANYWHERE, &e), 0);
    cr_assert_eq(stat("/dev/full", &st), 0);
    cr_assert(S_ISCHR(st.st_mode));
}
