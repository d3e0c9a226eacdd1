#pragma once

/*
 * Finds a secret in bytes that pass, in every form in which an origin echoes
 * it by accident (SPEC 7): as it is; each byte of it percent-encoded or
 * JSON-escaped or neither, in either case of hex digits; base64 and base64url
 * at each of the three alignments, whose characters may be escaped likewise.
 *
 * A state machine over one text that comes in pieces of any size: what it
 * finds does not depend on how the text was cut. It makes no table of forms:
 * it computes what it expects from the secret itself, which is borrowed, so
 * that there is no copy of it to lock or to wipe, and making one costs nothing
 * to speak of.
 *
 * Used by modules/redact.c; knows nothing of HTTP.
 */

#include "base/str.h"

/* Shorter secrets are not looked for: chance would find them (SPEC 7). No form
 * is shorter than the secret. */
#define ECHO_MIN 12

/* Forms begun and not decided that are followed at once. What begins while so
 * many are open is missed, and has_missed says so: text that repeats a run of
 * a few bytes may do that, with a secret that does. */
#define ECHO_THREADS 64

struct echo_thread {
    uint64_t start; /* offset of its first byte */
    uint32_t at;    /* symbols of the form that were seen */
    uint8_t form;
    uint8_t escape; /* how far into an escape */
    uint16_t value; /* of the escape's digits so far */
};

struct echo {
    struct str secret;
    uint64_t offset; /* bytes fed */
    bool has_missed; /* since echo_reset(): then all may be of the secret */
    unsigned n;
    struct echo_thread threads[ECHO_THREADS]; /* earliest first */
    uint8_t may_be[256]; /* what a byte may be: echo.c's FIRST, SECOND */
};

/* [from, to): offsets in the text. Ranges come by their ends, may overlap, and
 * begin no earlier than what echo_held() held. */
typedef void echo_found(void *arg, uint64_t from, uint64_t to);

/* `secret` has ECHO_MIN bytes at least and lives as long. */
void echo_init(struct echo *e, struct str secret);

/* Another text begins. */
void echo_reset(struct echo *e);

void echo_feed(struct echo *e, struct str bytes, echo_found *found, void *arg);

/* How many of the last bytes fed may belong to a form that is not decided:
 * what a filter has to hold back. At the text's end they are none. */
size_t echo_held(const struct echo *e);

/* Wipes what it knows of the secret. */
void echo_fini(struct echo *e);
