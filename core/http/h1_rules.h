#pragma once

/*
 * What a parsed HTTP/1 head means: where the request goes, how the body ends,
 * whether the connection persists. For h1_parse.c alone.
 */

#include "http/h1_error.h"
#include "http/head.h"

/* `target` is printable ASCII; the head has its method, minor and fields. -1
 * with `err` filled. */
must_check int h1_request_rules(struct head *h, struct str target,
    uint16_t default_port, struct h1_error *err);

must_check int h1_response_rules(
    struct head *h, enum method method, struct h1_error *err);
