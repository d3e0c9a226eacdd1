#pragma once

/*
 * A body's end, found as the body streams (RFC 9112 6 and 7). Bytes go
 * straight from the stream to the queue where no framing lies between them.
 * Strict on a request's chunk framing; of a response's lines blanks behind the
 * size and leading zeros are dropped, and they may end in a bare LF, if all of
 * them do. Bounded on chunk extensions, which are dropped too, and on trailers.
 */

#include "base/buf.h"
#include "base/bufq.h"
#include "http/h1_parse.h"

#define H1_TRAILERS_MAX 8192 /* bytes */
#define H1_TRAILER_FIELDS_MAX 32
#define H1_CHUNK_EXT_MAX 256  /* bytes in a request's chunk's line, ... */
#define H1_CHUNK_ODD_MAX 4096 /* ... in a response's; zeros and blanks too */
#define H1_CHUNK_EXCESS_MAX 16384 /* framing beyond what data justifies */

enum h1_body_state {
    H1_BODY_DATA,
    H1_BODY_SIZE_FIRST, /* chunked from here on */
    H1_BODY_SIZE,
    H1_BODY_SIZE_BLANK, /* a response's */
    H1_BODY_EXT,
    H1_BODY_SIZE_LF,
    H1_BODY_DATA_CR,
    H1_BODY_DATA_LF,
    H1_BODY_TRAILER, /* at the beginning of a line */
    H1_BODY_TRAILER_LINE,
    H1_BODY_TRAILER_END,
    H1_BODY_DONE,
    H1_BODY_FAILED
};

struct h1_body {
    enum h1_from from;
    enum body_kind kind;
    enum h1_body_state state;
    unsigned digits, ext; /* of the current chunk's line */
    size_t eol;     /* bytes that end a line of the framing: 2, 1 of a response;
                       0: none came yet */
    uint64_t left;  /* data bytes of the body, or of the chunk */
    uint64_t total; /* data bytes so far */
    uint64_t excess;
    struct buf trailers; /* their section, raw, while it comes */
    const char *why;     /* static; what was bad */
};

/* The struct is zeroed memory, or was used before. */
void h1_body_init(
    struct h1_body *b, enum h1_from from, enum body_kind kind, uint64_t length);
void h1_body_fini(struct h1_body *b); /* frees trailers; may be called twice */

/* How many bytes may be read into the output queue without looking at them;
 * 0: only h1_body_decode() can go on. SIZE_MAX for a body until close. Small
 * remainders of chunks are 0 too: one read of much is cheaper. */
size_t h1_body_direct(const struct h1_body *b);
void h1_body_took(struct h1_body *b, size_t n); /* n were read so */

/* Body bytes of `in` to `out`, as far as out's limit allows; `*used` of `in`
 * are done with. H1_OK: the body has ended (what follows is not its own);
 * H1_MORE: all of `in` was used; H1_FULL; H1_BAD. All kinds. */
enum h1_result h1_body_decode(
    struct h1_body *b, struct str in, size_t *used, struct bufq *out);

/* The stream has ended. True when that ends the body in order. */
bool h1_body_eof(struct h1_body *b);

static inline bool
h1_body_is_done(const struct h1_body *b)
{
    return b->state == H1_BODY_DONE;
}

static inline bool
h1_body_is_bad(const struct h1_body *b)
{
    return b->state == H1_BODY_FAILED;
}

/* Of a body that is done: its trailers to `h` (head_add_trailer), copied to
 * h's arena. Once; frees them here. */
void h1_body_trailers(struct h1_body *b, struct head *h);
