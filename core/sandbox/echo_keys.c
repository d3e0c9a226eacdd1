/*
 * What echo.c asks of each byte, computed once of all secrets: what it may be
 * of a form, and which forms begin with it.
 */

#include "sandbox/echo.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sandbox/echo_form.h"
#include "sandbox/echo_gram.h"

/* The bytes that symbol `at` of a form may be. */
static void
mark(struct echo_keys *k, const unsigned char two[2], uint8_t as)
{
    k->may_be[two[0]] |= as;
    k->may_be[two[1]] |= as;
    k->may_be['%'] |= as;
    k->may_be['\\'] |= as;
}

static void
add_begin(struct echo_keys *k, struct echo_begin b, unsigned char byte)
{
    b.next = k->first[byte];
    k->begins[++k->n_begins] = b;
    k->first[byte] = k->n_begins;
}

/* What an order is of. */
struct sorting {
    const struct str *secrets;
    unsigned form;
};

static size_t
common_bytes(struct str a, struct str b)
{
    size_t n = 0, max = a.n < b.n ? a.n : b.n;
    while (n < max && a.p[n] == b.p[n]) {
        n++;
    }
    return n;
}

/* By whole symbols; the shorter first. */
static int
compare(const void *left, const void *right, void *arg)
{
    const struct sorting *s = arg;
    struct str a = s->secrets[*(const uint16_t *)left];
    struct str b = s->secrets[*(const uint16_t *)right];
    size_t na = form_length(a, s->form), nb = form_length(b, s->form);
    size_t at = form_symbols_in(common_bytes(a, b), s->form);
    for (; at < na && at < nb; at++) {
        int diff = form_symbol(a, s->form, at) - form_symbol(b, s->form, at);
        if (diff != 0) {
            return diff;
        }
    }
    return na < nb ? -1 : na > nb;
}

static void
sort(struct echo_keys *k, unsigned form)
{
    struct sorting s = { k->secrets, form };
    uint16_t *order = k->order + (size_t)form * k->n;
    for (unsigned i = 0; i < k->n; i++) {
        order[i] = (uint16_t)i;
    }
    qsort_r(order, k->n, sizeof *order, compare, &s);
}

static void
add_form(struct echo_keys *k, unsigned form)
{
    const uint16_t *order = k->order + (size_t)form * k->n;
    unsigned char first[2], second[2];
    for (unsigned from = 0, to; from < k->n; from = to) {
        int symbol = form_symbol(k->secrets[order[from]], form, 0);
        form_bytes(k->secrets[order[from]], form, 0, first);
        mark(k, first, FIRST);
        for (to = from; to < k->n; to++) {
            if (form_symbol(k->secrets[order[to]], form, 0) != symbol) {
                break;
            }
            form_bytes(k->secrets[order[to]], form, 1, second);
            mark(k, second, SECOND);
        }
        struct echo_begin b = { 0, (uint16_t)from, (uint16_t)to,
            (uint8_t)form };
        add_begin(k, b, first[0]);
        if (first[1] != first[0]) {
            add_begin(k, b, first[1]);
        }
    }
}

void
echo_keys_init(struct echo_keys *k, const struct str *secrets, unsigned n)
{
    AN(n <= UINT16_MAX);
    *k = (struct echo_keys){ .secrets = secrets, .n = n, .shortest = SIZE_MAX };
    k->begins = xalloc((1 + (size_t)n * FORM_ANY * 2) * sizeof *k->begins);
    for (unsigned i = 0; i < n; i++) {
        size_t size = secrets[i].n;
        AN(size >= ECHO_MIN && size <= UINT32_MAX / 8);
        /* each sextet of base64 as \uXXXX, and those at the ends */
        size_t longest = size * 8 + 12;
        k->longest = longest > k->longest ? longest : k->longest;
        k->shortest = size < k->shortest ? size : k->shortest;
    }
    k->order = xalloc(((size_t)n * FORM_ANY + 1) * sizeof *k->order);
    for (unsigned form = FORM_TEXT; form < FORM_ANY; form++) {
        sort(k, form);
        add_form(k, form);
    }
}

void
echo_keys_fini(struct echo_keys *k)
{
    echo_grams_free(k->grams);
    xfree(k->begins);
    xfree(k->order);
    mem_wipe(k, sizeof *k);
}
