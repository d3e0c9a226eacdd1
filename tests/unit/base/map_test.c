/*
 * The hash table: many keys, deletions, walks; the hash is SipHash-1-3.
 */

#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/mem.h"

#define KEYS (RUNNING_ON_VALGRIND ? 10000u : 100000u)

struct entry {
    struct map_node node;
    char name[16];
    bool is_in, was_seen;
};

static struct entry *entries; /* of this process alone: see units.c */

static struct entry *
entry_of(struct map_node *n)
{
    return container_of(n, struct entry, node);
}

static void
entries_add(struct map *m)
{
    for (unsigned i = 0; i < KEYS; i++) {
        struct entry *e = &entries[i];
        int n = snprintf(e->name, sizeof e->name, "key%u", i);
        *e = (struct entry){ .is_in = true };
        snprintf(e->name, sizeof e->name, "key%u", i);
        e->node.key = str_n(e->name, (size_t)n);
        map_add(m, &e->node);
    }
}

/* Each key finds its own node if it is in, and a walk sees it once. */
static void
entries_check(const struct map *m, size_t n)
{
    char name[16];
    size_t seen = 0;
    assert_int_equal(m->count, n);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(name, sizeof name, "key%u", i); /* other memory */
        struct map_node *got = map_find(m, str_of(name));
        assert_ptr_equal(got, entries[i].is_in ? &entries[i].node : NULL);
        entries[i].was_seen = false;
    }
    struct map_node *at = NULL;
    for (at = map_next(m, at); at != NULL; at = map_next(m, at)) {
        struct entry *e = entry_of(at);
        assert_true(e->is_in && !e->was_seen);
        e->was_seen = true;
        seen++;
    }
    assert_int_equal(seen, n);
}

static void
many_keys(void **state)
{
    struct map m;
    (void)state;
    map_init(&m);
    entries_add(&m);
    entries_check(&m, KEYS);
    assert_true(m.mask + 1 >= KEYS); /* it grew: chains stay short */
    size_t left = KEYS;
    for (unsigned i = 0; i < KEYS; i++) {
        if (i % 3 != 0) {
            map_del(&m, &entries[i].node);
            entries[i].is_in = false;
            left--;
        }
    }
    entries_check(&m, left);
    for (unsigned i = 1; i < KEYS; i += 3) { /* and back again */
        map_add(&m, &entries[i].node);
        entries[i].is_in = true;
        left++;
    }
    entries_check(&m, left);
    map_fini(&m);
    assert_int_equal(m.count, 0);
    assert_null(map_find(&m, STR("key0")));
}

static void
the_empty_map(void **state)
{
    struct map m;
    (void)state;
    map_init(&m);
    assert_null(map_find(&m, STR("x")));
    assert_null(map_next(&m, NULL));
    map_fini(&m);
    struct map_node n = { .key = STR_NONE }; /* the empty key is a key */
    map_add(&m, &n);
    assert_ptr_equal(map_find(&m, STR("")), &n);
    assert_ptr_equal(map_next(&m, NULL), &n);
    assert_null(map_next(&m, &n));
    map_del(&m, &n);
    assert_null(map_find(&m, STR("")));
    assert_null(map_next(&m, NULL));
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

/* Keys are bytes: NUL and case count. */
static void
keys_are_bytes(void **state)
{
    struct map m;
    struct map_node nodes[] = { { .key = STR("a") }, { .key = STR("a\0") },
        { .key = STR("a\0b") }, { .key = STR("A") }, { .key = STR("\0") } };
    (void)state;
    map_init(&m);
    for (size_t i = 0; i < LEN(nodes); i++) {
        assert_null(map_find(&m, nodes[i].key));
        map_add(&m, &nodes[i]);
    }
    for (size_t i = 0; i < LEN(nodes); i++) {
        assert_ptr_equal(map_find(&m, nodes[i].key), &nodes[i]);
    }
    map_fini(&m);
}

/* SipHash-1-3, key 00 01 … 0f, message 00 01 … of that length, from OpenSSL:
 * openssl mac -macopt c-rounds:1 -macopt d-rounds:3 -macopt size:8 SIPHASH */
static void
siphash_vectors(void **state)
{
    static const struct {
        size_t n;
        uint8_t want[8];
    } vectors[] = {
        { 0, { 0xdc, 0xc4, 0x0f, 0x05, 0x58, 0x01, 0xac, 0xab } },
        { 1, { 0x93, 0xca, 0x57, 0x7d, 0xf3, 0x9b, 0xf4, 0xc9 } },
        { 7, { 0x40, 0x11, 0xb1, 0x9b, 0x98, 0x7d, 0x92, 0xd3 } },
        { 8, { 0x8e, 0x9a, 0x29, 0x8d, 0x11, 0x95, 0x90, 0x36 } },
        { 9, { 0xe4, 0x3d, 0x06, 0x6c, 0xb3, 0x8e, 0xa4, 0x25 } },
        { 15, { 0x56, 0x99, 0x51, 0x2a, 0x6d, 0xd8, 0x20, 0xd3 } },
        { 16, { 0x66, 0x8b, 0x90, 0x7d, 0x1a, 0xdd, 0x4f, 0xcc } },
        { 63, { 0xa8, 0xb3, 0xbb, 0xb7, 0x62, 0x90, 0x19, 0x9d } },
    };
    const uint64_t seed[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)i;
    }
    for (size_t i = 0; i < LEN(vectors); i++) {
        uint64_t got = map_siphash(seed, str_n(text, vectors[i].n));
        assert_memory_equal(&got, vectors[i].want, 8); /* little-endian */
    }
}

/* The seed is the process's own, and one as long as it lives. */
static void
the_seed(void **state)
{
    const uint64_t zero[2] = { 0 };
    (void)state;
    struct map maps[2];
    struct map_node nodes[2] = { { .key = STR("name") },
        { .key = STR("name") } };
    for (unsigned i = 0; i < 2; i++) {
        map_init(&maps[i]);
        map_add(&maps[i], &nodes[i]);
    }
    assert_true(nodes[0].hash == nodes[1].hash);
    assert_true(nodes[0].hash != map_siphash(zero, STR("name")));
    map_fini(&maps[0]);
    map_fini(&maps[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys),
        cmocka_unit_test(the_empty_map),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(the_seed),
    };
    entries = xcalloc(KEYS * sizeof *entries);
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
