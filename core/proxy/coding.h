#pragma once

/*
 * What filters that want decoded bytes (FILTER_IDENTITY) ask of an exchange:
 * that the origin is asked for the whole of a body in a coding that is read
 * here, that they get it decoded, and that the head says what is true of what
 * leaves. A body that no such filter wants passes as it is. Filters that only
 * look (FILTER_LOOKS) ask for less: see pump.h.
 *
 * Called by tx_request.c and tx_response.c; the codecs are in http/gzip.c and
 * http/gzip_mask.c.
 */

#include "http/gzip.h"
#include "wire/pump.h"

struct head;
struct tx;

/* What a response's body is wrapped in, by all lines of Content-Encoding
 * together. What is no coding at all ("none", "aws-chunked", a charset) is
 * CODING_IDENTITY, as clients take it. */
enum coding coding_of(const struct head *h);

/* Before the request leaves, when the modules are done with its head: of what
 * the client takes only gzip, deflate and identity are asked for, and no range
 * where the whole is needed. A client that names no coding gets none from any
 * origin there is, though RFC 9110 12.5.3 would let it: nothing is added to its
 * request. */
void coding_ask(struct tx *tx);

/* When the modules are done with the response's head: adds the filters that
 * want its body, and changes the head accordingly; the same to HEAD as to GET
 * (RFC 9110 9.3.2). False after tx_reply(): where the whole is needed, a coding
 * that is not read, or a part of a body. */
must_check bool coding_begin(struct tx *tx);

/* coding_stage.c's, which hook.c puts around the filters, the one pair or,
 * where all of them only look, the other; tx->coding is the body's. */
extern const struct filter gunzip_filter, gzip_filter;
extern const struct filter mask_read_filter, mask_write_filter;
