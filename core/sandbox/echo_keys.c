/*
 * What echo.c asks of each byte, computed once of all secrets: what it may be
 * of a form, and which forms begin with it.
 */

#include "sandbox/echo.h"

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
add_begin(
    struct echo_keys *k, unsigned secret, unsigned form, unsigned char byte)
{
    struct echo_begin *b = &k->begins[++k->n_begins];
    *b = (struct echo_begin){ k->first[byte], (uint16_t)secret, (uint8_t)form };
    k->first[byte] = k->n_begins;
}

static void
add_form(struct echo_keys *k, unsigned secret, unsigned form)
{
    unsigned char first[2], second[2];
    form_bytes(k->secrets[secret], form, 0, first);
    form_bytes(k->secrets[secret], form, 1, second);
    mark(k, first, FIRST);
    mark(k, second, SECOND);
    add_begin(k, secret, form, first[0]);
    if (first[1] != first[0]) {
        add_begin(k, secret, form, first[1]);
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
        for (unsigned form = FORM_TEXT; form < FORM_ANY; form++) {
            add_form(k, i, form);
        }
        /* each sextet of base64 as \uXXXX, and those at the ends */
        size_t longest = size * 8 + 12;
        k->longest = longest > k->longest ? longest : k->longest;
        k->shortest = size < k->shortest ? size : k->shortest;
    }
}

void
echo_keys_fini(struct echo_keys *k)
{
    echo_grams_free(k->grams);
    xfree(k->begins);
    mem_wipe(k, sizeof *k);
}
