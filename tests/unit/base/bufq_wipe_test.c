/*
 * Chunk queues that hold a secret: no chunk that is given back has it.
 */

#include "base/bufq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char some[CHUNK_SIZE];

/* n bytes in a chunk of their own, which is full. */
static void
add_chunk(struct bufq *q, size_t n)
{
    struct bufq one;
    bufq_init(&one, SIZE_MAX);
    bufq_append(&one, str_n(some, CHUNK_SIZE));
    bufq_consume(&one, CHUNK_SIZE - n);
    assert_int_equal(bufq_move(q, &one, SIZE_MAX), n);
    bufq_fini(&one);
}

#define SECRET "the-secret-value"

/* Whether the chunks that were given back hold it; overwrites them. */
static bool
is_left(bool is_first)
{
    struct bufq q;
    bool found = false;
    bufq_init(&q, SIZE_MAX);
    for (int i = 0; i < 8; i++) {
        size_t n;
        char *p = bufq_reserve(&q, CHUNK_SIZE, &n);
        found = found ||
                (!is_first && memmem(p, n, SECRET, strlen(SECRET)) != NULL);
        memset(p, 'x', n);
        bufq_commit(&q, n);
    }
    bufq_fini(&q);
    return found;
}

static void
fill(struct bufq *q, bool is_secret)
{
    bufq_init(q, 65536);
    if (is_secret) {
        bufq_mark_secret(q);
    }
    bufq_append(q, STR("before " SECRET " behind"));
}

/* ... at the end of many bytes. */
static void
substitute_large(struct bufq *q, bool is_secret)
{
    bufq_init(q, 65536);
    if (is_secret) {
        bufq_mark_secret(q);
    }
    bufq_append(q, str_n(some, 3000));
    bufq_append(q, STR(SECRET));
}

/* Consumed, dropped, moved by copy and by pointer, framed. */
static void
secrets_are_wiped(void **state)
{
    struct bufq q, to;
    (void)state;
    bufq_trim();
    is_left(true);
    for (int is_secret = 0; is_secret < 2; is_secret++) {
        fill(&q, is_secret);
        bufq_consume(&q, 12);
        bufq_consume(&q, q.len);
        assert_false(q.is_secret);
        assert_int_equal(is_left(false), !is_secret);
        fill(&q, is_secret);
        bufq_fini(&q);
        assert_int_equal(is_left(false), !is_secret);
        fill(&q, is_secret);
        fill(&to, false);
        bufq_consume(&to, 23);
        add_chunk(&q, 3000);
        assert_int_equal(bufq_move(&to, &q, 20), 20); /* a copy */
        assert_int_equal(bufq_move(&to, &q, SIZE_MAX), 3010);
        assert_int_equal(to.is_secret, is_secret);
        assert_false(q.is_secret);
        bufq_consume(&to, to.len);
        assert_int_equal(is_left(false), !is_secret);
        fill(&q, is_secret);
        bufq_init(&to, 65536);
        bufq_move_chunked(&to, &q, SIZE_MAX);
        bufq_fini(&to);
        assert_int_equal(is_left(false), !is_secret);
        substitute_large(&q, is_secret);
        bufq_init(&to, 65536);
        bufq_move(&to, &q, q.len - 30); /* by pointer, but the rest */
        bufq_fini(&q);
        bufq_fini(&to);
        assert_int_equal(is_left(false), !is_secret);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_wiped),
    };
    int failed = cmocka_run_group_tests_name("bufq_wipe", tests, NULL, NULL);
    bufq_trim();
    return failed;
}
