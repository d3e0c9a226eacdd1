/*
 * See advice.h. Called by reply.c. Const tables, nothing else.
 */

#include "proxy/advice.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

#define LATER "The request may be tried again later."

/* Errors that only somebody else can mend, each with who that is. */
static const struct {
    const char *error, *text;
} lasting[] = {
    { "tls_certificate_error",
        "Do not retry: the certificate has to be one that is valid for its "
        "host, or whoever runs this proxy names the CA of it in "
        "proxy_ssl_trusted_certificate." },
    { "proxy_configuration_error",
        "Do not retry: a credential is missing or is not taken, and whoever "
        "runs this proxy has to set that right." },
    { "http_response_content_coding",
        "Do not retry: whoever runs this proxy may set \"redact text\" for "
        "this host." },
};

static const struct advice denied = {
    "Do not retry: whoever runs this sandbox decides what may leave.", false
};

static const struct {
    unsigned status;
    struct advice advice;
} by_status[] = {
    { 407,
        { "Send this sandbox's id and token as proxy credentials.", false } },
    { 408, { LATER, true } },
    { 421, { "Open a new connection for this host.", true } },
    { 425, { LATER, true } },
    { 429, { LATER, true } },
    { 502, { LATER, true } },
    { 503, { LATER, true } },
    { 504, { LATER, true } },
};

struct advice
advice_for(unsigned status, const char *error)
{
    for (size_t i = 0; i < LEN(lasting) && error != NULL; i++) {
        if (strcmp(lasting[i].error, error) == 0) {
            return (struct advice){ lasting[i].text, false };
        }
    }
    for (size_t i = 0; i < LEN(by_status); i++) {
        if (by_status[i].status == status) {
            return by_status[i].advice;
        }
    }
    bool is_denied = error != NULL && strcmp(error, "http_request_denied") == 0;
    if (is_denied && status >= 500) {
        return (struct advice){ LATER, true };
    }
    if (is_denied || status == 403 || status == 405) {
        return denied;
    }
    return (struct advice){
        "Mend the request; sending it again unchanged will not help.", false
    };
}
