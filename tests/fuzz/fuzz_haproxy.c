/* What calls itself HAProxy might answer anything: no crash, and what is read is within its bounds (P12). The first byte chooses the server's name. */
#include "../../plugins/haproxy/answer.c"
#include "../../plugins/haproxy/record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_record(const char *text)
{
    struct tg_haproxy_mark marks[2], again[2];
    char written[TG_AROUND_RECORD_SIZE];

    if (tg_haproxy_record_read(text, 2, marks, NULL) != 0)
        return;
    tg_haproxy_record_write(marks, 2, written, sizeof written);
    if (tg_haproxy_record_read(written, 2, again, NULL) != 0 || again[0].whose != marks[0].whose || !tg_haproxy_same(&again[1].process, &marks[1].process))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"web1", "web001.example.com", "-", ""};
    struct tg_haproxy_seen seen;
    char why[200] = "", record[200];

    if (size == 0)
        return 0;
    snprintf(record, sizeof record, "%.*s", (int) (size - 1), (const char *) data + 1);
    fuzz_record(record);
    enum tg_haproxy_read rc = tg_haproxy_answer((const char *) data + 1, size - 1, "web", names[data[0] % 4], 1795000005, &seen, why, sizeof why);
    if (rc != TG_HAPROXY_READ && (!why[0] || strlen(why) >= sizeof why))
        abort();
    if (rc == TG_HAPROXY_READ && (seen.sessions < 0 || seen.others < 0 || seen.others > seen.total || seen.process.pid < 0))
        abort();
    return 0;
}
