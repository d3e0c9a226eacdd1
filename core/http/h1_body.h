#pragma once

/*
 * Finds the end of a body as it streams (RFC 9112 6 and 7). Bytes go straight
 * from the stream to the queue where no framing lies between them. A request's
 * chunk framing is read strictly. A response's size lines may have leading
 * zeros, and blanks behind the size, and its lines may end in a bare LF if all
 * of them do. Chunk extensions are dropped. They are bounded, and so are
 * trailers.
 */

#include "base/buf.h"
#include "base/bufq.h"
#include "http/h1_parse.h"

#define H1_TRAILERS_MAX 8192 /* bytes */
#define H1_TRAILER_FIELDS_MAX 32
#define H1_CHUNK_EXT_MAX 256      /* bytes of extensions: a request's chunk, */
#define H1_CHUNK_ODD_MAX 4096     /* a response's, with zeros and blanks */
#define H1_CHUNK_EXCESS_MAX 16384 /* bytes of framing beyond those of data */

enum h1_body_state {
    H1_BODY_DATA,
    H1_BODY_SIZE_FIRST, /* this state and those below: chunked bodies only */
    H1_BODY_SIZE,
    H1_BODY_SIZE_BLANK, /* responses only */
    H1_BODY_EXT,
    H1_BODY_SIZE_LF,
    H1_BODY_DATA_CR,
    H1_BODY_DATA_LF,
    H1_BODY_TRAILER, /* a trailer line begins */
    H1_BODY_TRAILER_LINE,
    H1_BODY_TRAILER_END,
    H1_BODY_DONE,
    H1_BODY_FAILED
};

struct h1_body {
    enum h1_from from;
    enum body_kind kind;
    enum h1_body_state state;
    unsigned digits, ext; /* bytes of the current size line */
    size_t eol;     /* how lines of the framing end: 2 CRLF, 1 bare LF (of a
                       response), 0 not known yet */
    uint64_t left;  /* data bytes left of the body, or of the chunk */
    uint64_t total; /* data bytes so far */
    uint64_t excess;
    struct buf trailers; /* the raw trailer section */
    const char *why;     /* the error: a static text */
};

/* `b` is zeroed memory, or was initialised before. */
void h1_body_init(
    struct h1_body *b, enum h1_from from, enum body_kind kind, uint64_t length);
void h1_body_fini(struct h1_body *b); /* frees trailers; may be called twice */

/* How many data bytes come next: they may be read straight into the output
 * queue. SIZE_MAX for a body until close. 0: h1_body_decode() must go on; also
 * for the small rest of a chunk, since one large read is cheaper. */
size_t h1_body_direct(const struct h1_body *b);

/* `n` bytes, at most h1_body_direct(), were read straight into the queue. */
void h1_body_took(struct h1_body *b, size_t n);

/* Moves the body's data from `in` to `out`, within out's limit. `*used` is set
 * to the bytes of `in` that were consumed. H1_OK: the body has ended, the rest
 * of `in` is not its own; H1_MORE: all of `in` was used; H1_FULL: `out` is
 * full; H1_BAD: an error, for good. For each kind of body. */
enum h1_result h1_body_decode(
    struct h1_body *b, struct str in, size_t *used, struct bufq *out);

/* The stream has ended. Returns whether the body is complete. */
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

/* Adds the trailers of a body that is done to `h` (head_add_trailer), copied to
 * h's arena, and frees them here. To be called once. */
void h1_body_trailers(struct h1_body *b, struct head *h);
