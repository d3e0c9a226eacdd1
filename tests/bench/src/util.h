#pragma once

/*
 * What the origin and the load client share: the clock, a way to give up, and
 * a histogram for delays. Neither links anything of weir's.
 */

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S 1000000000ull

/* CLOCK_MONOTONIC: the same for the origin's stamps and the client. */
uint64_t now_ns(void);

/* The message, the reason in errno if there is one, and exit(2). */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A decimal number that is all of `text`, or die. */
uint64_t number_of(const char *what, const char *text);

/* As many descriptors as the hard limit allows. */
void raise_descriptors(void);

/* Log-linear: 64 steps for each power of two, so that a quantile is within
 * 1.6 % of the truth. */
#define HIST_STEPS 64
#define HIST_SLOTS (48 * HIST_STEPS)

struct hist {
    uint64_t count, max;
    uint64_t slots[HIST_SLOTS];
};

void hist_add(struct hist *h, uint64_t ns);

/* The value that `share` of all is not above; 0 of nothing. */
uint64_t hist_quantile(const struct hist *h, double share);
