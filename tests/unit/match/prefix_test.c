/*
 * Longest prefixes, against a loop over all ranges.
 */

#include "match/prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "naive.h"

static struct cidr
range(const char *text)
{
    struct cidr c;
    if (!cidr_parse(str_of(text), &c)) {
        fail_msg("%s", text);
    }
    return c;
}

static void
add(struct prefix_map *m, const char *text)
{
    struct cidr c = range(text);
    assert_true(prefix_map_add(m, &c, (void *)text));
}

static const char *
find(const struct prefix_map *m, const char *text)
{
    struct cidr c = range(text);
    const char *found = prefix_map_find(m, &c.addr);
    return found != NULL ? found : "none";
}

static void
longest_wins(void **state)
{
    struct prefix_map *m = prefix_map_new();
    (void)state;
    add(m, "10.1.0.0/16");
    add(m, "10.0.0.0/8");
    add(m, "10.1.2.3");
    add(m, "10.1.2.0/24");
    add(m, "2001:db8::/32");
    assert_string_equal(find(m, "10.1.2.3"), "10.1.2.3");
    assert_string_equal(find(m, "10.1.2.4"), "10.1.2.0/24");
    assert_string_equal(find(m, "10.1.3.4"), "10.1.0.0/16");
    assert_string_equal(find(m, "10.2.3.4"), "10.0.0.0/8");
    assert_string_equal(find(m, "11.2.3.4"), "none");
    assert_string_equal(find(m, "2001:db8:1::1"), "2001:db8::/32");
    assert_string_equal(find(m, "2001:db9::1"), "none");
    add(m, "0.0.0.0/0");
    assert_string_equal(find(m, "11.2.3.4"), "0.0.0.0/0");
    assert_string_equal(find(m, "2001:db9::1"), "none");
    assert_string_equal(find(m, "::ffff:10.1.2.3"), "10.1.2.3");
    struct addr unix_peer = { .family = ADDR_UNIX };
    assert_null(prefix_map_find(m, &unix_peer));
    prefix_map_free(m);
    prefix_map_free(NULL);
}

static void
the_very_range(void **state)
{
    struct prefix_map *m = prefix_map_new();
    struct cidr c = range("10.0.0.0/8");
    int other;
    (void)state;
    assert_null(prefix_map_get(m, &c));
    add(m, "10.0.0.0/9");
    add(m, "10.128.0.0/9"); /* they join in /8, which nobody added */
    assert_null(prefix_map_get(m, &c));
    assert_true(prefix_map_add(m, &c, &other));
    assert_false(prefix_map_add(m, &c, &other));
    assert_ptr_equal(prefix_map_get(m, &c), &other);
    c = range("10.0.0.0/10");
    assert_null(prefix_map_get(m, &c));
    c = range("10.0.0.0/7");
    assert_null(prefix_map_get(m, &c));
    prefix_map_free(m);
}

/* What joined two ranges goes with the one of them, and comes again. */
static void
goes_and_comes(void **state)
{
    struct prefix_map *m = prefix_map_new();
    struct cidr low = range("10.0.0.0/9"), both = range("10.0.0.0/8");
    (void)state;
    add(m, "10.0.0.0/9");
    add(m, "10.128.0.0/9");
    assert_false(prefix_map_remove(m, &both)); /* nobody added it */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(prefix_map_remove(m, &low));
        assert_string_equal(find(m, "10.1.1.1"), "none");
        assert_string_equal(find(m, "10.200.1.1"), "10.128.0.0/9");
        add(m, "10.0.0.0/8");
        add(m, "10.0.0.0/9");
        assert_true(prefix_map_remove(m, &both));
        assert_string_equal(find(m, "10.1.1.1"), "10.0.0.0/9");
    }
    prefix_map_free(m);
}

static struct addr
random_addr(struct naive_random *r, unsigned family)
{
    struct addr a = { .family = (uint8_t)family };
    for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++) {
        /* few values, so that ranges nest */
        a.ip[i] = (uint8_t)(naive_below(r, 4) * 85);
    }
    return a;
}

static struct cidr
random_range(struct naive_random *r, unsigned family)
{
    unsigned max = family == 4 ? 32 : 128;
    struct cidr c = { random_addr(r, family),
        (uint8_t)naive_below(r, max + 1) };
    for (unsigned i = c.bits; i < max; i++) {
        c.addr.ip[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
    }
    return c;
}

struct visit {
    const struct cidr *last;
    unsigned n;
};

static void
on_visit(void *arg, void *value)
{
    struct visit *v = arg;
    const struct cidr *c = value;
    assert_true(v->last == NULL || v->last->bits < c->bits);
    v->last = c;
    v->n++;
}

static void
compare_one(const struct prefix_map *m, const struct cidr *items, unsigned n,
    const struct addr *a)
{
    const struct cidr *best = NULL;
    unsigned n_holding = 0;
    for (unsigned i = 0; i < n; i++) {
        if (items[i].bits != 255 && cidr_contains(&items[i], a)) {
            n_holding++;
            best =
                best == NULL || items[i].bits > best->bits ? &items[i] : best;
        }
    }
    struct visit v = { NULL, 0 };
    prefix_map_visit(m, a, on_visit, &v);
    assert_ptr_equal(prefix_map_find(m, a), best);
    assert_ptr_equal(v.last, best);
    assert_int_equal(v.n, n_holding);
}

static void
look_up(const struct prefix_map *m, const struct cidr *items, unsigned n,
    struct naive_random *r, unsigned n_lookups)
{
    for (unsigned i = 0; i < n_lookups; i++) {
        struct addr a = random_addr(r, i & 1 ? 4 : 6);
        compare_one(m, items, n, &a);
    }
}

/* Of each `every` ranges one goes; the others are found as before. */
static void
take_out(struct prefix_map *m, struct cidr *items, unsigned n, unsigned every)
{
    for (unsigned i = 0; i < n; i += every) {
        if (items[i].bits != 255) {
            assert_true(prefix_map_remove(m, &items[i]));
            assert_false(prefix_map_remove(m, &items[i]));
            items[i].bits = 255;
        }
    }
}

static void
compare(unsigned n, unsigned n_lookups, uint64_t seed)
{
    struct naive_random r = { seed };
    struct prefix_map *m = prefix_map_new();
    struct cidr *items = xalloc(n * sizeof *items);
    for (unsigned i = 0; i < n; i++) {
        items[i] = random_range(&r, naive_below(&r, 2) ? 4 : 6);
        const struct cidr *there = prefix_map_get(m, &items[i]);
        assert_int_equal(
            prefix_map_add(m, &items[i], &items[i]), there == NULL);
        if (there != NULL) {
            items[i].bits = 255; /* not in the map */
        }
    }
    look_up(m, items, n, &r, n_lookups);
    for (unsigned every = 4; every != 0; every /= 2) {
        take_out(m, items, n, every);
        look_up(m, items, n, &r, n_lookups / 4);
    }
    prefix_map_free(m);
    xfree(items);
}

static void
random_ranges(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        compare(1 + (unsigned)seed % 20, 50, seed);
    }
    compare(10000, 1000, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_wins),
        cmocka_unit_test(the_very_range),
        cmocka_unit_test(goes_and_comes),
        cmocka_unit_test(random_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
