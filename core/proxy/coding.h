#pragma once

/*
 * What filters that want decoded bytes (FILTER_IDENTITY) ask of an exchange:
 * that the origin is asked for the whole of a body in a coding that is read
 * here, that they get it decoded, and that the head says what is true of what
 * leaves. A body that no such filter wants passes as it is. Filters that only
 * look (FILTER_LOOKS) ask for less: see pump.h.
 *
 * Called by tx_request.c and tx_response.c. Which codings are read depends on
 * the modules that a build has: hook.h, struct transcoder. Without any, each is
 * one that is not read.
 */

#include "base/obj.h"

struct head;
struct transcoder;
struct tx;

/* What a response's body is wrapped in, by all lines of Content-Encoding
 * together; NULL: in nothing. What is no coding at all ("none", "aws-chunked",
 * a charset) is nothing, as clients take it. False: a coding that is not read,
 * or several; NULL then too. */
must_check bool coding_of(const struct head *h, const struct transcoder **t);

/* Before the request leaves, when the modules are done with its head: of what
 * the client takes only codings that are read and identity are asked for, and
 * no range where the whole is needed. A client that names no coding gets none
 * from any origin there is, though RFC 9110 12.5.3 would let it: nothing is
 * added to its request. */
void coding_ask(struct tx *tx);

/* When the modules are done with the response's head: adds the filters that
 * want its body, and changes the head accordingly; the same to HEAD as to GET
 * (RFC 9110 9.3.2). False after tx_reply(): where the whole is needed, a coding
 * that is not read, or a part of a body. */
must_check bool coding_begin(struct tx *tx);
