/* What came of a mail or a call: each answer has one meaning (P12). */
#include "../../plugins/delivery/judge.c"
#include "../../plugins/delivery/words.c"

#include <criterion/criterion.h>

Test(delivery, a_mail_is_sent_only_when_its_end_was_answered_well)
{
    static const struct {
        CURLcode code;
        enum smtp_stage stage;
        long reply;
        enum tg_delivered is;
    } cases[] = {
        {CURLE_OK, STAGE_END, 250, TG_DELIVERED},
        {CURLE_WEIRD_SERVER_REPLY, STAGE_END, 451, TG_DELIVERY_AGAIN},
        {CURLE_WEIRD_SERVER_REPLY, STAGE_END, 554, TG_DELIVERY_REFUSED},
        {CURLE_RECV_ERROR, STAGE_END, 0, TG_DELIVERY_UNSURE},
        {CURLE_OPERATION_TIMEDOUT, STAGE_END, 0, TG_DELIVERY_UNSURE},
        {CURLE_WEIRD_SERVER_REPLY, STAGE_END, 250, TG_DELIVERY_UNSURE},
        {CURLE_SEND_ERROR, STAGE_RCPT, 550, TG_DELIVERY_REFUSED},
        {CURLE_SEND_ERROR, STAGE_RCPT, 451, TG_DELIVERY_AGAIN},
        {CURLE_SEND_ERROR, STAGE_DATA, 554, TG_DELIVERY_REFUSED},
        {CURLE_RECV_ERROR, STAGE_DATA, 0, TG_DELIVERY_AGAIN},
        {CURLE_SEND_ERROR, STAGE_MAIL, 530, TG_DELIVERY_BROKEN},
        {CURLE_SEND_ERROR, STAGE_MAIL, 553, TG_DELIVERY_BROKEN},
        {CURLE_SEND_ERROR, STAGE_MAIL, 552, TG_DELIVERY_REFUSED},
        {CURLE_SEND_ERROR, STAGE_MAIL, 421, TG_DELIVERY_AGAIN},
        {CURLE_LOGIN_DENIED, STAGE_BEFORE, 535, TG_DELIVERY_BROKEN},
        {CURLE_LOGIN_DENIED, STAGE_BEFORE, 454, TG_DELIVERY_AWAY},
        {CURLE_PEER_FAILED_VERIFICATION, STAGE_BEFORE, 220, TG_DELIVERY_BROKEN},
        {CURLE_COULDNT_CONNECT, STAGE_BEFORE, 0, TG_DELIVERY_AWAY},
        {CURLE_OPERATION_TIMEDOUT, STAGE_BEFORE, 0, TG_DELIVERY_AWAY},
        {CURLE_OK, STAGE_BEFORE, 250, TG_DELIVERY_AWAY},
        {CURLE_ABORTED_BY_CALLBACK, STAGE_DATA, 354, TG_DELIVERY_AGAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(judge_mail(cases[i].code, cases[i].stage, cases[i].reply), cases[i].is, "case %zu", i);
}

Test(delivery, of_all_codes_and_replies_only_one_is_delivered)
{
    for (int code = 0; code < 100; code++)
        for (int stage = STAGE_BEFORE; stage <= STAGE_END; stage++)
            for (long reply = 0; reply < 700; reply += 7)
                cr_assert((judge_mail((CURLcode) code, (enum smtp_stage) stage, reply) == TG_DELIVERED) == (code == CURLE_OK && stage == STAGE_END));
}

Test(delivery, a_call_is_judged_by_its_status)
{
    for (long status = 100; status < 600; status++) {
        enum tg_delivered is = judge_post(CURLE_OK, status);
        cr_assert_eq(is == TG_DELIVERED, status >= 200 && status < 300, "%ld", status);
        cr_assert_eq(is == TG_DELIVERY_REFUSED, status >= 300 && status < 500 && status != 408 && status != 425 && status != 429, "%ld", status);
    }
    cr_assert_eq(judge_post(CURLE_COULDNT_CONNECT, 0), TG_DELIVERY_AGAIN);
    cr_assert_eq(judge_post(CURLE_PEER_FAILED_VERIFICATION, 0), TG_DELIVERY_BROKEN);
    cr_assert_eq(judge_post(CURLE_SSL_CACERT_BADFILE, 0), TG_DELIVERY_BROKEN);
}

Test(delivery, a_certificate_that_is_refused_comes_with_its_mend)
{
    static const struct {
        CURLcode code;
        long verdict;
        const char *words, *mend;
    } cases[] = {
        {CURLE_PEER_FAILED_VERIFICATION, 10, "SSL certificate problem: certificate has expired", "renew it"},
        {CURLE_PEER_FAILED_VERIFICATION, 9, "", "clock"},
        {CURLE_PEER_FAILED_VERIFICATION, 20, "SSL certificate problem: unable to get local issuer certificate", "as \"ca\""},
        {CURLE_PEER_FAILED_VERIFICATION, 18, "", "as \"ca\""},
        {CURLE_PEER_FAILED_VERIFICATION, 0, "SSL: no alternative certificate subject name matches target host name 'x'", "another server's"},
        {CURLE_USE_SSL_FAILED, 0, "", "STARTTLS"},
        {CURLE_SSL_CACERT_BADFILE, 0, "", "\"ca\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect(strstr(mend_of(cases[i].code, cases[i].verdict, cases[i].words), cases[i].mend), "case %zu: %s", i, mend_of(cases[i].code, cases[i].verdict, cases[i].words));
    cr_expect_str_eq(mend_of(CURLE_COULDNT_CONNECT, 0, ""), "");
}

Test(delivery, what_a_server_offers_is_a_whole_word_of_its_answer)
{
    static const struct {
        const char *line;
        bool offers;
    } cases[] = {
        {"250-SMTPUTF8\r\n", true}, {"250 smtputf8\r\n", true}, {"250 SMTPUTF8", true}, {"250-SMTPUTF8 x\r\n", true}, {"250-SMTPUTF88\r\n", false},
        {"250-SIZE SMTPUTF8\r\n", false}, {"220-SMTPUTF8\r\n", false}, {"250-", false}, {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(reply_offers(cases[i].line, strlen(cases[i].line), "SMTPUTF8"), cases[i].offers, "%s", cases[i].line);
}
