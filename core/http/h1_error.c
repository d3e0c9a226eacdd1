/*
 * The status and the text of each refusal. A text tells what is wrong; it never
 * has what was sent.
 */

#include "http/h1_error.h"

static const struct {
    unsigned status;
    const char *text;
} errors[H1_E_COUNT] = {
    [H1_E_CONTROL] = { 400, "a control byte or bare line end in the head" },
    [H1_E_BLANK_LINE] = { 400, "a blank line where none may be" },
    [H1_E_HEAD_SIZE] = { 431, "the head is too large" },
    [H1_E_START_LINE] = { 400, "malformed start line" },
    [H1_E_METHOD] = { 400, "malformed method" },
    [H1_E_METHOD_SIZE] = { 501, "the method is too long" },
    [H1_E_TARGET] = { 400, "malformed request target" },
    [H1_E_TARGET_SIZE] = { 414, "the request target is too long" },
    [H1_E_AUTHORITY] = { 400, "malformed host in the request target" },
    [H1_E_VERSION] = { 505, "HTTP version is neither 1.0 nor 1.1" },
    [H1_E_STATUS] = { 502, "malformed status" },
    [H1_E_FIELD_COUNT] = { 431, "too many header fields" },
    [H1_E_FIELD_NAME] = { 400, "malformed header field name" },
    [H1_E_FOLD] = { 400, "a folded header field" },
    [H1_E_HOST_MISSING] = { 400, "no Host field" },
    [H1_E_HOST_TWICE] = { 400, "more than one Host field" },
    [H1_E_HOST] = { 400, "malformed Host field" },
    [H1_E_HOST_DIFFERS] = { 400, "Host differs from the request target" },
    [H1_E_LENGTH] = { 400, "malformed Content-Length" },
    [H1_E_LENGTH_TWICE] = { 400, "more than one Content-Length" },
    [H1_E_LENGTH_AND_CODING] = { 400,
        "both Content-Length and Transfer-Encoding" },
    [H1_E_CODING] = { 400, "Transfer-Encoding is not a single chunked" },
    [H1_E_MIMIC] = { 400, "a field name that mimics a framing field" },
    [H1_E_CONNECTION] = { 400, "malformed Connection field" },
    [H1_E_CONNECT_BODY] = { 400, "CONNECT with a body" },
};

int
h1_refuse(struct h1_error *err, enum h1_error_kind kind)
{
    AN(kind > H1_E_NONE && kind < H1_E_COUNT);
    return h1_refuse_why(err, kind, errors[kind].text);
}

int
h1_refuse_why(struct h1_error *err, enum h1_error_kind kind, const char *why)
{
    AN(kind > H1_E_NONE && kind < H1_E_COUNT);
    AN(why != NULL);
    *err = (struct h1_error){ kind, errors[kind].status, why };
    return -1;
}
