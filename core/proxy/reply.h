#pragma once

/*
 * What weir answers itself (SPEC 10): a status, a body in the type that the
 * client asked for, Proxy-Status (RFC 9209) and, in JSON, a problem document
 * (RFC 9457). Never names a secret.
 */

#include "base/str.h"

struct tx;
struct head;

struct reply {
    unsigned status;
    const char *error; /* RFC 9209 2.3 error type, or NULL */
    const char *rule;  /* "denied_hosts", "host", … or NULL */
    struct str reason; /* what `detail` begins with, for the status line and
                          JSON's `error`; p NULL: all of it */
    struct str detail; /* a sentence; in the tx's arena or static */
    bool is_denial;    /* by policy: `deny_message` is added */
};

/* Sets the response of `tx` and its whole body. Of the reason 320 bytes are
 * told, in the status line "?" for what is not printable ASCII, and of the
 * detail 1024. Extra fields (Allow, Proxy-Authenticate, Location) are added by
 * the caller afterwards. */
void tx_reply(struct tx *tx, const struct reply *r);

/* `return CODE [TEXT]`: a bare answer without an error. */
void tx_reply_text(struct tx *tx, unsigned status, struct str text);
