/* What came of a mail or a call: pure. */
#ifndef TAGOUT_PLUGINS_DELIVERY_JUDGE_H
#define TAGOUT_PLUGINS_DELIVERY_JUDGE_H

#include <tagout/delivery.h>

#include <curl/curl.h>

/* How far a mail got: the command that was sent last. */
enum smtp_stage { STAGE_BEFORE, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_END };

/* reply: the server's last status, of the command of that stage; 0: it gave none. */
enum tg_delivered judge_mail(CURLcode code, enum smtp_stage stage, long reply);
/* status: of HTTP; 0: none came. */
enum tg_delivered judge_post(CURLcode code, long status);

#endif
