#pragma once

/*
 * A form that has begun and is not decided, and what each byte does to it. For
 * echo.c alone.
 */

#include "sandbox/echo.h"

/* One byte's work: threads after it, and whom to tell. */
struct echo_turn {
    struct echo *e;
    const struct echo_keys *keys;
    const unsigned char *end; /* of the piece */
    echo_found *found;
    void *arg;
    unsigned n;
    bool has_merged; /* an escape ended: threads may meet */
};

/* Those of the thread's secrets whose symbol `at` is the byte, escaped or not.
 * False: none. */
bool echo_narrow(
    const struct echo_keys *keys, struct echo_thread *k, unsigned char c);

static inline struct str
echo_secret(const struct echo_keys *keys, unsigned form, unsigned place)
{
    return keys->secrets[keys->order[(size_t)form * keys->n + place]];
}

/* Whether the escape that begins at `p` may be of some form, as far as can be
 * seen: most are not. */
bool echo_may_begin_escaped(const struct echo_keys *k, const unsigned char *p,
    const unsigned char *end);

/* The thread as it was before the byte `c`: what goes on of it is pushed to
 * the turn's threads, what ends is told. */
void echo_step(struct echo_turn *t, struct echo_thread k, unsigned char c);

/* So many symbols of it were seen, the last by the turn's byte. */
void echo_advance(struct echo_turn *t, struct echo_thread k, size_t symbols);

/* `c` may begin an escape of its next symbol. */
void echo_begin_escape(
    struct echo_turn *t, struct echo_thread k, unsigned char c);
