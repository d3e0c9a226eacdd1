/*
 * The methods of https://www.iana.org/assignments/http-methods and a few more,
 * sorted.
 */

#include "http/method.h"

static const char *const methods[] = { "ACL", "BAN", "BASELINE-CONTROL", "BIND",
    "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LABEL",
    "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
    "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "NOTIFY", "OPTIONS", "ORDERPATCH",
    "PATCH", "POST", "PRI", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "QUERY",
    "REBIND", "REPORT", "SEARCH", "SUBSCRIBE", "TRACE", "UNBIND", "UNCHECKOUT",
    "UNLINK", "UNLOCK", "UNSUBSCRIBE", "UPDATE", "UPDATEREDIRECTREF",
    "VERSION-CONTROL" };

bool
method_is_known(struct str method)
{
    for (size_t i = 0; i < LEN(methods); i++) {
        if (str_eq(method, str_of(methods[i]))) {
            return true;
        }
    }
    return false;
}
