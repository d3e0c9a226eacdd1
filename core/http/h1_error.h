#pragma once

/*
 * Why a head is refused, and with which status. One table for the codec, its
 * tests and the log.
 */

#include "base/str.h"

enum h1_error_kind {
    H1_E_NONE,
    H1_E_CONTROL,      /* bare CR, bare LF, NUL, another control byte */
    H1_E_BLANK_LINE,   /* before the start line */
    H1_E_HEAD_SIZE,    /* 431 */
    H1_E_START_LINE,   /* its parts, its spaces */
    H1_E_METHOD,       /* no token, or a known one in the wrong case */
    H1_E_METHOD_SIZE,  /* 501 */
    H1_E_TARGET,       /* a byte or form that RFC 9112 3.2 does not allow */
    H1_E_TARGET_SIZE,  /* 414 */
    H1_E_AUTHORITY,    /* of the target */
    H1_E_VERSION,      /* 505 */
    H1_E_STATUS,       /* of a response */
    H1_E_FIELD_COUNT,  /* 431 */
    H1_E_FIELD_NAME,   /* empty, no token, no colon, space before it */
    H1_E_FOLD,         /* obs-fold */
    H1_E_HOST_MISSING, /* in 1.1 */
    H1_E_HOST_TWICE,
    H1_E_HOST,         /* malformed */
    H1_E_HOST_DIFFERS, /* from the target */
    H1_E_LENGTH,       /* Content-Length: malformed */
    H1_E_LENGTH_TWICE,
    H1_E_LENGTH_AND_CODING,
    H1_E_CODING,       /* Transfer-Encoding but `chunked`, or on 1.0 */
    H1_E_MIMIC,        /* content_length, transfer_encoding */
    H1_E_CONNECTION,   /* names a coding, framing or Host; or no token */
    H1_E_CONNECT_BODY, /* CONNECT with a body */
    H1_E_COUNT
};

struct h1_error {
    enum h1_error_kind kind;
    unsigned status;  /* the reply's; 502 when it is a response that is bad */
    const char *text; /* static, for the reply's detail and the log */
};

/* Fills `err`; returns -1. */
int h1_refuse(struct h1_error *err, enum h1_error_kind kind);

/* As h1_refuse(), with `why`, a static text, in place of the kind's. */
int h1_refuse_why(
    struct h1_error *err, enum h1_error_kind kind, const char *why);
