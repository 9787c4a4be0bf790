/* What came of a mail or a call: pure. */
#ifndef TAGOUT_PLUGINS_DELIVERY_JUDGE_H
#define TAGOUT_PLUGINS_DELIVERY_JUDGE_H

#include <tagout/delivery.h>

#include <curl/curl.h>
#include <stdbool.h>

/* How far a mail got: the command that was sent last. */
enum smtp_stage { STAGE_BEFORE, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_END };

/* reply: the server's last status, of the command of that stage; 0: it gave none. */
enum tg_delivered judge_mail(CURLcode code, enum smtp_stage stage, long reply);
/* status: of HTTP; 0: none came. */
enum tg_delivered judge_post(CURLcode code, long status);

/* What a certificate that is refused needs, by OpenSSL's verdict (CURLINFO_SSL_VERIFYRESULT) and libcurl's words; "" when the code is of none. */
const char *mend_of(CURLcode code, long verdict, const char *words);

/* What the server said to EHLO: does a line of it ("250-SMTPUTF8") offer this? */
bool reply_offers(const char *line, size_t len, const char *word);

#endif
