/*
 * A handful of guesses, in any order.
 */

#include "redact/guess.h"

bool
redact_guesses_add(struct redact_guesses *g, struct redact_guess guess)
{
    if (g->n == LEN(g->items)) {
        return false;
    }
    g->items[g->n++] = guess;
    return true;
}

void
redact_guesses_clear(struct redact_guesses *g, uint64_t from, uint64_t to)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->n; i++) {
        if (g->items[i].to <= from || g->items[i].from >= to) {
            g->items[n++] = g->items[i];
        }
    }
    g->n = n;
}

bool
redact_guesses_take(
    struct redact_guesses *g, uint64_t end, struct redact_guess *guess)
{
    for (unsigned i = 0; i < g->n; i++) {
        if (g->items[i].to <= end) {
            *guess = g->items[i];
            g->items[i] = g->items[--g->n];
            return true;
        }
    }
    return false;
}

void
redact_guesses_change(struct redact_guesses *g, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < g->n; i++) {
        if (g->items[i].secret < n) {
            g->items[kept++] = g->items[i];
        }
    }
    g->n = kept;
}
