#pragma once

/*
 * The body of weir's own answers, in the type that the client reads best:
 * plain text, a problem document (RFC 9457) or an HTML page. Bytes from texts:
 * knows no exchange.
 */

#include "base/buf.h"
#include "base/mem.h"
#include "proxy/advice.h"

/* The longest text of an answer, in bytes; and the longest reason: a name has
 * 253 at most. */
#define REPLY_TEXT_MAX 1024
#define REPLY_REASON_MAX 320

/* Texts are of any bytes. */
struct reply_text {
    unsigned status;
    struct str title;   /* what the status is called */
    struct str reason;  /* the first words: REPLY_REASON_MAX at most */
    struct str detail;  /* a sentence that begins with them */
    struct str message; /* the operator's own, 512 at most; n 0: none */
    struct str rule, host;
    uint64_t revision; /* of the policy */
    struct advice advice;
    struct str page; /* of HTML, with marks; n 0: none */
};

/* Fills `b`, which has room for six times all texts, as JSON may need; where it
 * has too little for the page it gets plain text. Returns the Content-Type,
 * static. `accept` is the request's, n 0: none. */
const char *reply_body(
    const struct reply_text *t, struct str accept, struct buf *b);

/* The reason as it stands in a status line, in `a`: nothing there can end the
 * line, "?" stands for what is not printable ASCII. */
struct str reply_line(struct arena *a, struct str reason);
