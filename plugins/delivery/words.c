/* What servers offer, and what a refused certificate needs: see judge.h. */
#include "judge.h"

#include <string.h>
#include <strings.h>

/* X509_V_ERR_…: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/ */
enum { NO_ISSUER = 2, NOT_YET = 9, EXPIRED = 10, SELF_SIGNED = 18, SELF_SIGNED_IN_CHAIN = 19, NO_LOCAL_ISSUER = 20, NO_LEAF_SIGNATURE = 21, OTHER_NAME = 62 };

const char *mend_of(CURLcode code, long verdict, const char *words)
{
    if (code == CURLE_SSL_CACERT_BADFILE)
        return "mend the file that \"ca\" names";
    if (code == CURLE_USE_SSL_FAILED)
        return "the server offers no STARTTLS, or somebody between takes it away: nothing was said to it. Mend the server, or use smtps://";
    if (code != CURLE_PEER_FAILED_VERIFICATION)
        return "";
    if (verdict == EXPIRED)
        return "the server's certificate is over: renew it there, or look at this host's clock";
    if (verdict == NOT_YET)
        return "the server's certificate is not valid yet: look at this host's clock";
    if (verdict == NO_ISSUER || verdict == SELF_SIGNED || verdict == SELF_SIGNED_IN_CHAIN || verdict == NO_LOCAL_ISSUER || verdict == NO_LEAF_SIGNATURE)
        return "who signed the server's certificate is not known here: give the file of its authority as \"ca\"";
    if (verdict == OTHER_NAME || strstr(words, "subject name") || strstr(words, "host name"))
        return "the certificate is another server's: the url must name this one as its certificate does";
    return "mend the server's certificate, or the file that \"ca\" names";
}

bool reply_offers(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);

    return len >= 4 + n && strncmp(line, "250", 3) == 0 && (line[3] == '-' || line[3] == ' ') && strncasecmp(line + 4, word, n) == 0 &&
           (len == 4 + n || strchr(" \r\n", line[4 + n]));
}
