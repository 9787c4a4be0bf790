/* What came of a mail or a call: see judge.h. */
#include "judge.h"

/* 530, 534, 535, 538: it wants a password, or another way to give it. */
static bool is_about_us(long reply)
{
    return reply == 530 || reply == 534 || reply == 535 || reply == 538;
}

/* What is configured, here or there, does not fit: nothing else will go either. */
static bool is_misfit(CURLcode code)
{
    switch ((int) code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return true;
    default:
        return false;
    }
}

static enum tg_delivered judge_before(CURLcode code, long reply)
{
    if (code == CURLE_LOGIN_DENIED)
        return reply >= 400 && reply < 500 ? TG_DELIVERY_AWAY : TG_DELIVERY_BROKEN; /* 454: its own trouble */
    return is_misfit(code) ? TG_DELIVERY_BROKEN : TG_DELIVERY_AWAY;
}

enum tg_delivered judge_mail(CURLcode code, enum smtp_stage stage, long reply)
{
    bool now = reply >= 400 && reply < 500, never = reply >= 500 && reply < 600;

    if (stage == STAGE_END)
        return code == CURLE_OK ? TG_DELIVERED : now ? TG_DELIVERY_AGAIN : never ? TG_DELIVERY_REFUSED : TG_DELIVERY_UNSURE;
    if (stage == STAGE_BEFORE)
        return judge_before(code, reply);
    if (never && is_about_us(reply))
        return TG_DELIVERY_BROKEN;
    if (never && stage == STAGE_MAIL)
        return reply == 552 ? TG_DELIVERY_REFUSED : TG_DELIVERY_BROKEN; /* too large; else it is the sender that it refuses */
    return never ? TG_DELIVERY_REFUSED : TG_DELIVERY_AGAIN;
}

enum tg_delivered judge_post(CURLcode code, long status)
{
    if (status >= 200 && status < 300)
        return TG_DELIVERED;
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return TG_DELIVERY_AGAIN;
    if (status >= 300)
        return TG_DELIVERY_REFUSED;
    return is_misfit(code) ? TG_DELIVERY_BROKEN : TG_DELIVERY_AGAIN;
}
