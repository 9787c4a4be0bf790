/* The module "libvirt": what it asks of virsh and makes of the answers (pure). The real one: tests/scenario/around-libvirt.sh. */
#include "../../plugins/libvirt/op.c"
#include "../../plugins/libvirt/params.c"
#include "lib/complaints.h"

#include <criterion/criterion.h>

static struct tg_around_params *read_params(const char *json)
{
    return read_params_by(tg_libvirt_params, json);
}

struct said {
    int status;
    const char *out, *err;
};

/* Runs a call; virsh says these, one after the other. {NAME} in out is the snapshot's name. The last command is left in command. */
static char command[2048];
static struct tg_libvirt_op *run(struct tg_around_params *p, enum tg_around_verb verb, bool failed, const struct said *says)
{
    static struct tg_libvirt_op op;
    struct tg_around_context c = {.host = "web1.example.com", .address = "192.0.2.1", .run_id = "R1", .who = "alice@ops1", .reason = "openssl", .tag = "R1/web1/3", .failed = failed};
    const char *argv[TG_LIBVIRT_ARGS];
    int64_t ms;

    cr_assert_eq(tg_libvirt_begin(&op, p, verb, &c, NULL), 0);
    while (tg_libvirt_next(&op, argv, &ms)) {
        char out[300];
        size_t n = 0;
        for (int i = 0; argv[i]; i++)
            n += (size_t) snprintf(command + n, sizeof command - n, "%s%s", i ? " " : "", argv[i]);
        snprintf(out, sizeof out, strstr(says->out, "%s") ? "a\n%s\nb\n" : "%.0sa\n", op.name);
        tg_libvirt_heard(&op, says->status, out, says->err);
        says++;
    }
    return &op;
}

#define RUN(verb, failed, ...) run(p, verb, failed, (const struct said[]) {__VA_ARGS__})
#define EXPECT(op, how, has)                                                                                                                                \
    do {                                                                                                                                                    \
        struct tg_libvirt_op *o_ = (op);                                                                                                                    \
        cr_expect_str_eq(tg_around_end_name(o_->end), tg_around_end_name(how), "%s", o_->text);                                                             \
        cr_expect(strstr(o_->text, has), "%s", o_->text);                                                                                                   \
    } while (0)
#define NONE {0, "", ""}
#define THERE {0, "%s", ""}

Test(libvirt, takes_one_and_deletes_it)
{
    struct tg_around_params *p = read_params("{\"domain\":\"{short}\"}");

    EXPECT(RUN(TG_AROUND_LOOK, false, NONE), TG_AROUND_ABSENT, "");
    cr_expect_str_eq(command, "virsh -q -c qemu:///system snapshot-list web1 --name");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, NONE, THERE), TG_AROUND_OURS, "snapshot tagout-R1-web1-3-");
    EXPECT(RUN(TG_AROUND_ACT, false, THERE), TG_AROUND_OURS, "");
    EXPECT(RUN(TG_AROUND_KEEP, false, THERE), TG_AROUND_OURS, "");
    EXPECT(RUN(TG_AROUND_KEEP, false, NONE), TG_AROUND_ABSENT, "somebody deleted");
    EXPECT(RUN(TG_AROUND_UNDO, true, THERE, NONE, NONE), TG_AROUND_ABSENT, "");
    EXPECT(RUN(TG_AROUND_UNDO, false, NONE), TG_AROUND_ABSENT, "");
    tg_libvirt_params_free(p);
}

/* P8, P12 */
Test(libvirt, what_went_wrong_is_told_as_what_it_is)
{
    struct tg_around_params *p = read_params("{}");
    static const char away[] = "error: failed to connect to the hypervisor\nerror: no such file\n";

    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {1, "", "error: no room\n"}, NONE), TG_AROUND_REFUSED, "no room");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {1, "", "error: broke\n"}, THERE), TG_AROUND_LOST, "broke");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {0, "", ""}, NONE), TG_AROUND_REFUSED, "though it said so");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {-2, "", "virsh took too long"}), TG_AROUND_LOST, "too long");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {-1, "", "no virsh"}), TG_AROUND_NOT_SENT, "no virsh");
    EXPECT(RUN(TG_AROUND_ACT, false, NONE, {0, "", ""}, {1, "", away}), TG_AROUND_LOST, "can't be seen");
    EXPECT(RUN(TG_AROUND_ACT, false, {1, "", away}), TG_AROUND_NOT_SENT, "failed to connect to the hypervisor;");
    EXPECT(RUN(TG_AROUND_UNDO, false, {1, "", away}), TG_AROUND_NOT_SENT, "");
    EXPECT(RUN(TG_AROUND_LOOK, false, {1, "", "error: odd\n"}), TG_AROUND_LOST, "odd");
    EXPECT(RUN(TG_AROUND_LOOK, false, {1, "", "error: failed to get domain 'x'\n"}), TG_AROUND_REFUSED, "there is no domain web1.example.com");
    EXPECT(RUN(TG_AROUND_UNDO, false, THERE, {1, "", "error: busy\n"}, THERE), TG_AROUND_REFUSED, "still there: busy");
    EXPECT(RUN(TG_AROUND_UNDO, false, THERE, {0, "", ""}, THERE), TG_AROUND_LOST, "still there");
    EXPECT(RUN(TG_AROUND_UNDO, false, THERE, {1, "", "error: broke\n"}, NONE), TG_AROUND_ABSENT, "");
    tg_libvirt_params_free(p);
}

Test(libvirt, one_of_a_host_that_failed_is_kept_when_it_is_asked_for)
{
    struct tg_around_params *p = read_params("{\"domain\":\"{short}\",\"keep-on-failure\":true}");
    struct tg_around_context c = {.host = "web1.example.com", .address = "192.0.2.1", .tag = "t"};
    char line[400];

    EXPECT(RUN(TG_AROUND_UNDO, true, THERE), TG_AROUND_KEPT, "to go back: virsh -c 'qemu:///system' snapshot-revert web1 tagout-R1-web1-3-");
    EXPECT(RUN(TG_AROUND_UNDO, false, THERE, NONE, NONE), TG_AROUND_ABSENT, "");
    tg_libvirt_mend(p, &c, line, sizeof line);
    cr_expect(strncmp(line, "virsh -c 'qemu:///system' snapshot-delete web1 tagout-t-", 56) == 0 && strstr(line, " # or, to go back: snapshot-revert web1 tagout-t-"), "%s", line);
    tg_libvirt_mend(p, &c, line, 60);
    cr_expect(line[0] == '#', "never half a command: %s", line);
    tg_libvirt_params_free(p);
}

Test(libvirt, names_are_of_one_tag_only)
{
    cr_expect(is_listed("b\ntagout-a \n", "tagout-a") && is_listed("tagout-a", "tagout-a"));
    cr_expect(!is_listed("tagout-a1\ntagout\n\n", "tagout-a"));
    char a[TG_LIBVIRT_NAME_SIZE], b[TG_LIBVIRT_NAME_SIZE], tag[TG_AROUND_TAG_SIZE];

    tg_libvirt_name("R1/a b'c", a, sizeof a);
    tg_libvirt_name("R1/a.b'c", b, sizeof b);
    cr_expect(strncmp(a, "tagout-R1-a-b-c-", 16) == 0 && strcmp(a, b) != 0, "%s %s", a, b);
    memset(tag, 'x', sizeof tag);
    tag[sizeof tag - 1] = '\0';
    tg_libvirt_name(tag, a, sizeof a);
    cr_expect_lt(strlen(a), sizeof a - 1);
}

Test(libvirt, mistakes_are_named_with_their_place)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"[]", " should be a mapping"},
        {"{\"domain\":\"a b\"}", "/domain should be a domain's name"},
        {"{\"domain\":\"{name}\"}", "/domain has braces"},
        {"{\"domain\":\"-x\"}", "/domain should be"},
        {"{\"uri\":\"a'b\"}", "/uri should be a connection"},
        {"{\"uri\":\"qemu\"}", "/uri should be a connection of libvirt, such as qemu:///system"},
        {"{\"keep-on-failure\":\"yes\"}", "/keep-on-failure should be true or false"},
        {"{\"timeout\":5}", "/timeout should be a duration"},
        {"{\"timeout\":\"11m\"}", "/timeout should be at most 10m"},
        {"{\"disk-only\":true}", "/disk-only is not known; libvirt takes uri"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_null(read_params(cases[i].json), "%s", cases[i].json);
        cr_expect(strstr(complaints, cases[i].says), "%s: %s", cases[i].json, complaints);
    }
}
