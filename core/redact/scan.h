#pragma once

/*
 * Finds secrets in a text that passes, in every form in which an origin echoes
 * them by accident (SPEC 7), and tells nothing by it: what it reports, what it
 * holds back and the steps that it takes depend on the text and on the secrets'
 * lengths, never on their bytes, unless 16 bytes in a row at the end of a form
 * (base64: 16 characters) are right in a run that has room for one.
 *
 * The text is read as runs of token bytes (token.h). One that is no shorter
 * than the shortest form is looked at as it stands and with its escapes undone,
 * again and again (run.h). At each of these a window of 16 bytes every `stride`
 * bytes, from the first on that the shortest form could end with, goes through
 * a keyed pseudo-random function into a table of the last windows of each form
 * (keys.h, window.h).
 *
 * A state machine over one text that comes in pieces of any size: what it finds
 * does not depend on how the text was cut. Used by modules/redact.c; knows
 * nothing of HTTP.
 */

#include "redact/keys.h"

/* No more of an open run is held back. */
#define REDACT_HELD_MAX 16384

enum redact_event {
    REDACT_FOUND, /* a form stands there */
    REDACT_PROBED /* its last bytes do, and the whole does not: a guess */
};

/* [from, to): offsets in the text; `secret` is its place among the keys. The
 * range begins no earlier than what was held, and is empty where all of it was
 * let go. Ranges may overlap, come twice and in any order. */
typedef void redact_report(void *arg, enum redact_event event, unsigned secret,
    uint64_t from, uint64_t to);

struct redact_run;

struct redact_scan {
    const struct redact_keys *keys;
    uint64_t offset;        /* bytes fed */
    uint64_t open;          /* where the open run began; offset: none is */
    uint64_t released;      /* what is before it was let go */
    struct redact_run *run; /* what was seen of the open run; NULL: none is */
};

/* `keys` live as long. */
void redact_scan_init(struct redact_scan *s, const struct redact_keys *keys);
void redact_scan_fini(struct redact_scan *s);

/* Another text begins. */
void redact_scan_reset(struct redact_scan *s);

/* The next bytes of the text. */
void redact_scan_feed(
    struct redact_scan *s, struct str bytes, redact_report *report, void *arg);

/* The text has ended: nothing is held any more. Nothing is fed before a reset
 * then; to call it again does nothing. */
void redact_scan_end(struct redact_scan *s, redact_report *report, void *arg);

/* The last bytes of the text: as to feed them and to end, at less cost. */
void redact_scan_last(
    struct redact_scan *s, struct str bytes, redact_report *report, void *arg);

/* A text that is there whole, by itself: reset, feed and end at less cost. */
void redact_scan_text(
    struct redact_scan *s, struct str text, redact_report *report, void *arg);

/* How many of the last bytes fed are to be held back: the run of token bytes
 * that is open at the end and was not let go, whatever secrets there are. */
size_t redact_scan_held(const struct redact_scan *s);

/* How many of the last bytes fed are that run, let go or not. */
static inline size_t
redact_scan_open(const struct redact_scan *s)
{
    return (size_t)(s->offset - s->open);
}

/* What was held has been let go. What has begun in it goes on: of a form that
 * is found later the rest is reported. */
void redact_scan_release(struct redact_scan *s);

/* Other keys from here on, of which the first `n` secrets are the first of the
 * old ones: what began of those goes on. The old keys may end then. */
void redact_scan_change(
    struct redact_scan *s, const struct redact_keys *keys, unsigned n);
