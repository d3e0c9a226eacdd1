#pragma once

/*
 * Finds secrets in bytes that pass, in every form in which an origin echoes
 * them by accident (SPEC 7): as it is; each byte of it percent-encoded or
 * JSON-escaped or neither, in either case of hex digits; base64 and base64url
 * at each of the three alignments, whose characters may be escaped likewise.
 *
 * A state machine over one text that comes in pieces of any size: what it
 * finds does not depend on how the text was cut. It makes no table of forms:
 * it computes what it expects from the secrets themselves, which are borrowed,
 * so that there is no copy of them to lock, and making one costs little. One
 * pass looks for all of them.
 *
 * Used by modules/redact.c; knows nothing of HTTP.
 */

#include "base/str.h"

/* Shorter secrets are not looked for: chance would find them (SPEC 7). No form
 * is shorter than the secret. */
#define ECHO_MIN 12

/* Forms begun and not decided that are followed at once; a few more for each
 * further secret. What begins while so many are open is missed: text that
 * repeats a run of a few bytes may do that, with a secret that does. */
#define ECHO_THREADS 64

struct echo_grams;

/* Secrets of one form, [from, to) in its order, whose first symbol may be some
 * byte; the next such, or 0. */
struct echo_begin {
    uint32_t next;
    uint16_t from, to;
    uint8_t form;
};

/* What is looked for. Serves any number of echoes. */
struct echo_keys {
    const struct str *secrets;
    unsigned n;
    uint16_t *order;          /* of each form: all secrets by its symbols */
    size_t shortest, longest; /* bytes that a form has */
    uint8_t may_be[256];      /* what a byte may be: echo.c's FIRST, SECOND */
    uint32_t first[256]; /* of begins, by the byte that begins it; 0: none */
    struct echo_begin *begins; /* the first is not used */
    uint32_t n_begins;
    size_t seen;              /* bytes, until there are ... */
    struct echo_grams *grams; /* ... these */
};

/* `secrets` have ECHO_MIN bytes each at least, are `n` or none, and live as
 * long. */
void echo_keys_init(struct echo_keys *k, const struct str *secrets, unsigned n);
void echo_keys_fini(struct echo_keys *k); /* wipes what it knows of them */

/* Of all secrets that begin alike, so far: credentials of one issuer do, and
 * one thread each would let who repeats what they begin with hold a worker. */
struct echo_thread {
    uint64_t start;    /* offset of its first byte */
    uint32_t at;       /* symbols of the form that were seen */
    uint16_t from, to; /* the secrets, in the form's order; where they are more
                          than one none has ended */
    uint16_t value;    /* of an escape's digits so far */
    uint8_t form;
    uint8_t escape; /* how far into it */
};

struct echo {
    struct echo_keys *keys;
    uint64_t offset;                 /* bytes fed */
    bool has_missed;                 /* since echo_reset() */
    uint64_t missed_from, missed_to; /* what of it is not told yet */
    unsigned missed;                 /* ... and which secret it may be */
    unsigned n, max;
    struct echo_thread *threads, *next; /* earliest first */
};

/* [from, to): offsets in the text; `secret` is its place among the keys. What
 * was missed is told as if it were found: all bytes that it may have. Ranges
 * may overlap, and begin no earlier than what echo_held() held. */
typedef void echo_found(void *arg, unsigned secret, uint64_t from, uint64_t to);

void echo_init(struct echo *e, struct echo_keys *keys);
void echo_fini(struct echo *e);

/* Another text begins. */
void echo_reset(struct echo *e);

void echo_feed(struct echo *e, struct str bytes, echo_found *found, void *arg);

/* How many of the last bytes fed may belong to a form that is not decided:
 * what a filter has to hold back. At the text's end they are none. */
size_t echo_held(const struct echo *e);

/* Other keys from here on, of which the first `n` are the first of the old
 * ones, which are there yet: what began of those goes on. */
void echo_change(struct echo *e, struct echo_keys *keys, unsigned n);
