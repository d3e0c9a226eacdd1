#pragma once

/*
 * Finds secrets in a text that passes, in every form in which an origin echoes
 * them by accident (SPEC 7). It must not help anybody to guess a secret piece
 * by piece: its reports, what it holds back and the steps that it takes depend
 * on the text and on the secrets' lengths, and never on their bytes, unless the
 * text has 16 bytes in a row from near the end of a form (of base64: 16
 * characters) in a run that is long enough for a form.
 *
 * The text is read as runs of token bytes (token.h). A run that is no shorter
 * than the shortest form is searched as it stands, and again with each layer of
 * escapes undone (run.h). To search is to take a window of 16 bytes every
 * `stride` bytes, from the first one on that could be the last of the shortest
 * form; to compute its tag by a keyed pseudo-random function (prf.h); and to
 * look the tag up in a table of the last windows of each form (keys.h,
 * window.h).
 *
 * A scan is a state machine over one text that comes in pieces of any size;
 * what it finds does not depend on where the pieces end. Used by
 * modules/redact.c; knows no HTTP.
 */

#include "redact/keys.h"

/* At most so many bytes of an open run are held back. */
#define REDACT_HELD_MAX 16384

enum redact_event {
    REDACT_FOUND, /* a whole form stands there */
    REDACT_PROBED /* a guess: 16 bytes near its end do, the whole does not */
};

/* [from, to) are offsets in the text; `secret` is an index in
 * redact_keys.secrets. The range has only bytes that are held or new: it is
 * empty if all of it was let go. Ranges may overlap, repeat, and come in any
 * order. */
typedef void redact_report(void *arg, enum redact_event event, unsigned secret,
    uint64_t from, uint64_t to);

struct redact_run;

#define REDACT_SCAN_MAGIC 0x5ca7e0a1u

struct redact_scan {
    unsigned magic;
    const struct redact_keys *keys;
    uint64_t offset;        /* bytes fed */
    uint64_t open;          /* where the open run began; = offset: no run is */
    uint64_t released;      /* the bytes before it were let go */
    struct redact_run *run; /* the open run; NULL: no run is open */
};

/* Borrows `keys` until redact_scan_fini() or redact_scan_change(). */
void redact_scan_init(struct redact_scan *s, const struct redact_keys *keys);
void redact_scan_fini(struct redact_scan *s);

/* Forgets the text: another one begins. */
void redact_scan_reset(struct redact_scan *s);

/* Searches the next bytes of the text. */
void redact_scan_feed(
    struct redact_scan *s, struct str bytes, redact_report *report, void *arg);

/* The text has ended: nothing is held any more. The next call is a reset, or
 * this one again, which does nothing. */
void redact_scan_end(struct redact_scan *s, redact_report *report, void *arg);

/* redact_scan_feed() of the last bytes and redact_scan_end() in one, which
 * costs less. */
void redact_scan_last(
    struct redact_scan *s, struct str bytes, redact_report *report, void *arg);

/* A text that is there whole, by itself: reset, feed and end at less cost. */
void redact_scan_text(
    struct redact_scan *s, struct str text, redact_report *report, void *arg);

/* How many of the last bytes fed must be held back: those of the run of token
 * bytes that is open at the end, as far as they were not let go, whether a form
 * may stand there or not. */
size_t redact_scan_held(const struct redact_scan *s);

/* How many of the last bytes fed belong to the open run, let go or not. */
static inline size_t
redact_scan_open(const struct redact_scan *s)
{
    return (size_t)(s->offset - s->open);
}

/* The caller lets go what was held. A form that begins there is still found
 * later; then only the bytes after these are reported. */
void redact_scan_release(struct redact_scan *s);

/* Uses other keys from here on. Their first `n` secrets are the first `n` of
 * the old keys; guesses of other secrets are forgotten. The old keys may be
 * freed after it. */
void redact_scan_change(
    struct redact_scan *s, const struct redact_keys *keys, unsigned n);
