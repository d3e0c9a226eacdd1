#pragma once

/*
 * Content codings, for filters that want decoded bytes (FILTER_IDENTITY). The
 * origin is asked for the whole body in a coding that weir can read, the
 * filters get the body decoded, and the head is made to agree with the bytes
 * that leave. A body that no such filter wants passes as it is. For filters
 * that only look (FILTER_LOOKS) less is needed: see pump.h.
 *
 * Called by tx_request.c and tx_response.c. Which codings can be read depends
 * on the modules of the build (hook.h, struct transcoder); without any, none
 * can.
 */

#include "base/obj.h"

struct head;
struct transcoder;
struct tx;

/* *t: the coding of a response's body, by all lines of Content-Encoding
 * together; NULL: none. A name that is no coding at all ("none", "aws-chunked",
 * a charset) counts as none, as clients do it. False: a coding that cannot be
 * read, or several; *t is NULL then too. */
must_check bool coding_of(const struct head *h, const struct transcoder **t);

/* To be called before the request leaves, after the modules have changed its
 * head. Of the codings that the client accepts only those that can be read
 * stay, and identity; ranges are removed if the whole body is needed. Nothing
 * is added if the client names no coding: RFC 9110 12.5.3 would allow the
 * origin any coding then, but no known origin sends one. */
void coding_ask(struct tx *tx);

/* To be called after the modules have changed the response's head: adds the
 * filters that want its body, and changes the head accordingly, for HEAD as for
 * GET (RFC 9110 9.3.2). False after tx_reply(): the whole body is needed, and
 * it has a coding that cannot be read, or is only a part. */
must_check bool coding_begin(struct tx *tx);
