/*
 * A set of hashed grams, and the walk that samples a text: of all runs of four
 * bytes in a window one begins at a sampled place, wherever the window lies.
 */

#include "sandbox/echo_gram.h"

#include "base/mem.h"
#include "sandbox/echo_form.h"

#define GRAM 4
#define HASH_BITS_MIN 15 /* 4 KiB */
#define HASH_BITS_MAX 21

/* Bits of the table for each secret: it sets 200 to 600 of them, and what is
 * hit by chance is looked through. */
#define BITS_EACH 2048

/* The longer the window the fewer bytes are looked at, and the more around
 * each escape. */
#define WINDOW_MAX 24

/* Where escapes stand so close, the next so many bytes are not sampled. */
#define DENSE 4
#define DENSE_RUN 24

struct echo_grams {
    unsigned magic;
    size_t window;
    unsigned shift; /* of a hash, down to a bit's number */
    size_t size;    /* of all this */
    uint32_t bits[];
};

#define GRAMS_MAGIC 0xec06a351u

static inline uint32_t
hash(const struct echo_grams *g, const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return (x * 2654435761u) >> g->shift;
}

static inline bool
has_gram(const struct echo_grams *g, const unsigned char *p)
{
    uint32_t h = hash(g, p);
    return (g->bits[h / 32] >> (h % 32)) & 1;
}

/* The gram that those symbols are, in each of its spellings. */
static void
add_gram(struct echo_grams *g, unsigned char symbols[][2])
{
    unsigned char text[GRAM];
    unsigned varies = 0, way = 0;
    for (unsigned i = 0; i < GRAM; i++) {
        varies |= (symbols[i][0] != symbols[i][1] ? 1u : 0) << i;
    }
    do {
        for (unsigned i = 0; i < GRAM; i++) {
            text[i] = symbols[i][way >> i & 1];
        }
        uint32_t h = hash(g, text);
        g->bits[h / 32] |= 1u << (h % 32);
        way = (way - varies) & varies; /* the next subset */
    } while (way != 0);
}

static void
add_form(struct echo_grams *g, struct str secret, unsigned form)
{
    unsigned char symbols[WINDOW_MAX][2];
    for (size_t i = 0; i < g->window; i++) {
        form_bytes(secret, form, i, symbols[i]);
    }
    for (size_t i = 0; i + GRAM <= g->window; i++) {
        add_gram(g, symbols + i);
    }
    mem_wipe(symbols, sizeof symbols);
}

/* What is certain to be there of each form. */
static size_t
window_of(const struct str *secrets, unsigned n)
{
    size_t window = WINDOW_MAX;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned form = FORM_TEXT; form < FORM_ANY; form++) {
            size_t length = form_length(secrets[i], form);
            window = length < window ? length : window;
        }
    }
    AN(window > GRAM);
    return window;
}

static unsigned
hash_bits_of(unsigned n)
{
    unsigned bits = HASH_BITS_MIN;
    while (bits < HASH_BITS_MAX && (1u << bits) / BITS_EACH < n) {
        bits++;
    }
    return bits;
}

struct echo_grams *
echo_grams_new(const struct str *secrets, unsigned n)
{
    unsigned hash_bits = hash_bits_of(n);
    size_t size = sizeof(struct echo_grams) + (1u << hash_bits) / 8;
    struct echo_grams *g = xcalloc(size);
    g->magic = GRAMS_MAGIC;
    g->shift = 32 - hash_bits;
    g->size = size;
    g->window = window_of(secrets, n);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned form = FORM_TEXT; form < FORM_ANY; form++) {
            add_form(g, secrets[i], form);
        }
    }
    return g;
}

void
echo_grams_free(struct echo_grams *g)
{
    if (g != NULL) {
        CHECK(g, GRAMS_MAGIC);
        mem_wipe(g, g->size);
        xfree(g);
    }
}

static const unsigned char *
find(const unsigned char *p, const unsigned char *end, int c)
{
    const unsigned char *at = memchr(p, c, (size_t)(end - p));
    return at != NULL ? at : end;
}

void
echo_walk_init(struct echo_walk *w, const struct echo_grams *g, struct str text)
{
    CHECK(g, GRAMS_MAGIC);
    const unsigned char *p = (const unsigned char *)text.p;
    *w = (struct echo_walk){ g, p + text.n, NULL, NULL };
    w->percent = find(p, w->end, '%');
    w->backslash = find(p, w->end, '\\');
}

/* The first escape from `p` on. */
static const unsigned char *
next_escape(struct echo_walk *w, const unsigned char *p)
{
    if (w->percent < p) {
        w->percent = find(p, w->end, '%');
    }
    if (w->backslash < p) {
        w->backslash = find(p, w->end, '\\');
    }
    return w->percent < w->backslash ? w->percent : w->backslash;
}

/* The first place from `p` on at which a form may begin that has the byte at
 * `escape`, or the text's end, in its window. Of one that begins a gram before
 * that or earlier the last gram there is known. */
static const unsigned char *
begin_before(const struct echo_grams *g, const unsigned char *p,
    const unsigned char *escape)
{
    size_t left = (size_t)(escape - p), back = GRAM - 1;
    if (left >= GRAM && has_gram(g, escape - GRAM)) {
        back = g->window - 1;
    }
    return left > back ? escape - back : p;
}

/* A window that begins at p or behind it and ends before `escape` has one of
 * the places p + step - 1, p + 2 step - 1, … at which a gram of it begins. */
const unsigned char *
echo_walk_next(
    struct echo_walk *w, const unsigned char *p, const unsigned char **until)
{
    const struct echo_grams *g = w->grams;
    const size_t step = g->window - GRAM + 1;
    AN(p <= w->end);
    const unsigned char *escape = next_escape(w, p);
    size_t left = (size_t)(escape - p), at = step - 1;
    if (left < DENSE) {
        size_t rest = (size_t)(w->end - p);
        *until = p + (rest < DENSE_RUN ? rest : DENSE_RUN);
        return p;
    }
    while (at + GRAM <= left && !has_gram(g, p + at)) {
        at += step;
    }
    if (at + GRAM <= left) {
        *until = p + at + 1;
        return p + at - (step - 1);
    }
    *until = escape < w->end ? escape + 1 : w->end;
    return begin_before(g, p, escape);
}
