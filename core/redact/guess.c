/*
 * A handful of guesses and a handful of places where a form was found. The
 * stages of a run are searched one after the other, so a guess may come before
 * the form at its bytes or after it.
 */

#include "redact/guess.h"

void
redact_guesses_init(struct redact_guesses *g)
{
    g->n = g->n_found = 0;
}

/* The place of a form that shares bytes with [from, to); NULL: there is none.
 */
static struct redact_place *
place_find(struct redact_guesses *g, uint64_t from, uint64_t to)
{
    for (unsigned i = 0; i < g->n_found && i < LEN(g->found); i++) {
        if (g->found[i].to > from && g->found[i].from < to) {
            return &g->found[i];
        }
    }
    return NULL;
}

static void
place_add(struct redact_guesses *g, uint64_t from, uint64_t to)
{
    struct redact_place *p = place_find(g, from, to);
    if (p == NULL) {
        p = &g->found[g->n_found++ % LEN(g->found)];
        *p = (struct redact_place){ from, to };
    }
    p->from = from < p->from ? from : p->from;
    p->to = to > p->to ? to : p->to;
}

bool
redact_guesses_add(struct redact_guesses *g, struct redact_guess guess)
{
    AN(guess.from < guess.to);
    if (place_find(g, guess.from, guess.to) != NULL) {
        return true;
    }
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
    AN(from < to && g->n <= LEN(g->items));
    place_add(g, from, to);
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
    AN(g->n <= LEN(g->items));
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
    AN(g->n <= LEN(g->items));
    for (unsigned i = 0; i < g->n; i++) {
        if (g->items[i].secret < n) {
            g->items[kept++] = g->items[i];
        }
    }
    g->n = kept;
}
