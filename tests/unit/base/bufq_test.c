/*
 * Chunk queues against a plain array: the same bytes come out whatever is
 * done to them, and the limits hold.
 */

#include "base/bufq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

#include <cmocka.h>

/* Of what chance makes; the other passes run them all. */
#define ROUNDS (RUNNING_ON_VALGRIND ? 20u : 200u)

#define MODEL_MAX (4u << 20)
#define FRAMING_MAX 8 /* "4000\r\n" and "\r\n" */

/* A queue and what should be in it. */
struct pair {
    struct bufq q;
    char *bytes;
    size_t n;
};

static uint32_t seed;

static size_t
any(size_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 4) % below;
}

static size_t
any_size(void)
{
    static const size_t sizes[] = { 1, 2, 31, 33, 100, 2047, 2048, 2049, 8192,
        16383, 16384, 16385, 40000 };
    return any(3) == 0 ? any(20000) : sizes[any(LEN(sizes))];
}

static void
pair_init(struct pair *p, size_t limit)
{
    bufq_init(&p->q, limit);
    p->bytes = test_malloc(MODEL_MAX);
    p->n = 0;
}

static void
pair_fini(struct pair *p)
{
    bufq_fini(&p->q);
    test_free(p->bytes);
}

static void
pair_check(const struct pair *p)
{
    assert_int_equal(p->q.len, p->n);
    assert_true(bufq_is_empty(&p->q) == (p->n == 0));
    assert_true(bufq_is_full(&p->q) == (p->n >= p->q.limit));
    assert_int_equal(
        bufq_room(&p->q), p->n < p->q.limit ? p->q.limit - p->n : 0);
    if (p->n == 0) {
        assert_null(p->q.head);
        assert_null(p->q.tail);
    }
    struct str run = bufq_peek(&p->q);
    assert_true((run.n != 0) == (p->n != 0));
    assert_true(run.n <= p->n);
    assert_memory_equal(run.p != NULL ? run.p : "", p->bytes, run.n);
}

/* All that is in it. */
static void
pair_compare(const struct pair *p)
{
    char *copy = test_malloc(p->n + 1);
    assert_int_equal(bufq_copy(&p->q, copy, p->n + 1), p->n);
    assert_memory_equal(copy, p->bytes, p->n);
    test_free(copy);
}

static const char *
fresh_bytes(size_t n)
{
    static char bytes[70000];
    assert_true(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)any(256);
    }
    return bytes;
}

static void
model_add(struct pair *p, const char *bytes, size_t n)
{
    assert_true(p->n + n <= MODEL_MAX);
    memcpy(p->bytes + p->n, bytes, n);
    p->n += n;
}

static void
model_drop(struct pair *p, size_t n)
{
    p->n -= n;
    memmove(p->bytes, p->bytes + n, p->n);
}

static void
do_write(struct pair *p)
{
    size_t n = any_size(), room = bufq_room(&p->q);
    const char *bytes = fresh_bytes(n);
    size_t done = bufq_write(&p->q, str_n(bytes, n));
    assert_int_equal(done, n < room ? n : room);
    model_add(p, bytes, done);
}

static void
do_append(struct pair *p)
{
    size_t n = any(64);
    const char *bytes = fresh_bytes(n);
    bufq_append(&p->q, str_n(bytes, n));
    model_add(p, bytes, n);
}

static void
do_reserve(struct pair *p)
{
    size_t min = 1 + any(CHUNK_SIZE), n = 1, room = bufq_room(&p->q);
    char *to = bufq_reserve(&p->q, min, &n);
    assert_true((to == NULL) == (room == 0));
    if (to == NULL) {
        assert_int_equal(n, 0);
        return;
    }
    assert_true(n <= room && n <= CHUNK_SIZE);
    assert_true(n >= (min < room ? min : room));
    size_t used = any(3) == 0 ? n : any(n + 1);
    const char *bytes = fresh_bytes(used);
    memcpy(to, bytes, used);
    bufq_commit(&p->q, used);
    model_add(p, bytes, used);
}

static void
do_consume(struct pair *p)
{
    size_t n = any(4) == 0 ? p->n : any(p->n + 1);
    bufq_consume(&p->q, n);
    model_drop(p, n);
}

static void
do_move(struct pair *to, struct pair *from)
{
    size_t max = any(2) == 0 ? SIZE_MAX : any_size();
    size_t room = bufq_room(&to->q);
    size_t want = from->n < room ? from->n : room;
    want = want < max ? want : max;
    assert_int_equal(bufq_move(&to->q, &from->q, max), want);
    model_add(to, from->bytes, want);
    model_drop(from, want);
}

/* A batch: whole runs of at most max, and no less than there is to say. */
static void
do_batch(struct pair *p)
{
    size_t max = 1 + any(CHUNK_SIZE);
    size_t n = bufq_batch(&p->q, max);
    assert_true(n <= max && n <= p->n);
    assert_true((n == 0) == (p->n == 0));
}

static void
random_operations(void **state)
{
    struct pair a, b;
    (void)state;
    seed = 1;
    pair_init(&a, 65536);
    pair_init(&b, 20000);
    for (unsigned i = 0; i < 100 * ROUNDS; i++) {
        struct pair *p = any(2) == 0 ? &a : &b, *other = p == &a ? &b : &a;
        void (*const ops[])(struct pair *) = { do_write, do_append, do_reserve,
            do_consume, do_batch };
        size_t op = any(LEN(ops) + 1);
        if (op < LEN(ops)) {
            ops[op](p);
        } else {
            do_move(p, other);
        }
        pair_check(&a);
        pair_check(&b);
        if (i % 16 == 0) {
            pair_compare(&a);
            pair_compare(&b);
        }
    }
    pair_fini(&a);
    pair_fini(&b);
}

/* Takes one chunk of a chunked body off the front. */
static size_t
unframe(struct pair *to, const char *p)
{
    char *end;
    size_t n = strtoul(p, &end, 16);
    assert_true(n != 0 && end > p && *p != '0');
    assert_memory_equal(end, "\r\n", 2);
    assert_memory_equal(end + 2 + n, "\r\n", 2);
    model_add(to, end + 2, n);
    return (size_t)(end + 4 - p) + n;
}

/* What the framed queue holds, decoded, is what was moved. */
static void
check_framed(const struct bufq *framed, struct pair *moved)
{
    struct pair decoded = { .bytes = test_malloc(MODEL_MAX) };
    char *text = test_malloc(framed->len + 1);
    assert_int_equal(bufq_copy(framed, text, framed->len), framed->len);
    text[framed->len] = '\0';
    for (size_t at = 0; at < framed->len;) {
        at += unframe(&decoded, text + at);
    }
    assert_int_equal(decoded.n, moved->n);
    assert_memory_equal(decoded.bytes, moved->bytes, moved->n);
    test_free(text);
    test_free(decoded.bytes);
}

static void
framing(void **state)
{
    (void)state;
    seed = 2;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct pair from, moved;
        struct bufq to;
        pair_init(&from, 200000);
        pair_init(&moved, 0);
        bufq_init(&to, 1 + any(100000));
        for (unsigned i = any(20); i != 0; i--) {
            void (*const ops[])(struct pair *) = { do_write, do_append,
                do_reserve, do_consume };
            ops[any(LEN(ops))](&from);
        }
        size_t max = any(2) == 0 ? SIZE_MAX : any_size();
        size_t had = from.n;
        size_t n = bufq_move_chunked(&to, &from.q, max);
        assert_true(n <= max && n <= had);
        assert_true(n == had || n == max || bufq_is_full(&to));
        assert_true(to.len < to.limit + CHUNK_SIZE + FRAMING_MAX);
        model_add(&moved, from.bytes, n);
        model_drop(&from, n);
        pair_check(&from);
        pair_compare(&from);
        check_framed(&to, &moved);
        bufq_fini(&to);
        pair_fini(&from);
        pair_fini(&moved);
    }
}

/* A full chunk is framed where it lies, and can be framed again. */
static void
framing_in_place(void **state)
{
    struct bufq a, b;
    size_t room;
    (void)state;
    bufq_init(&a, SIZE_MAX);
    bufq_init(&b, SIZE_MAX);
    char *p = bufq_reserve(&a, CHUNK_SIZE, &room);
    assert_int_equal(room, CHUNK_SIZE);
    memset(p, 'x', CHUNK_SIZE);
    bufq_commit(&a, CHUNK_SIZE);
    assert_int_equal(bufq_move_chunked(&b, &a, SIZE_MAX), CHUNK_SIZE);
    struct str run = bufq_peek(&b);
    assert_ptr_equal(run.p + 6, p);
    assert_int_equal(run.n, CHUNK_SIZE + FRAMING_MAX);
    assert_memory_equal(run.p, "4000\r\nxx", 8);
    assert_memory_equal(run.p + run.n - 3, "x\r\n", 3);
    /* what comes behind has a chunk of its own */
    bufq_append(&b, STR("tail"));
    assert_int_equal(bufq_peek(&b).n, CHUNK_SIZE + FRAMING_MAX);
    char *more = bufq_reserve(&b, 1, &room);
    assert_true(more < p || more > p + CHUNK_SIZE);
    assert_int_equal(room, CHUNK_SIZE - 4);
    bufq_commit(&b, 0);
    size_t framed = 0;
    while (!bufq_is_empty(&b)) {
        framed += bufq_move_chunked(&a, &b, SIZE_MAX);
    }
    assert_int_equal(framed, CHUNK_SIZE + FRAMING_MAX + 4);
    assert_memory_equal(bufq_peek(&a).p, "4008\r\n4000\r\nxx", 14);
    bufq_fini(&a);
    bufq_fini(&b);
}

/* A chunk whose room for framing is used up is copied. */
static void
framing_again_and_again(void **state)
{
    struct bufq q[2];
    size_t n = CHUNK_SIZE;
    (void)state;
    bufq_init(&q[0], SIZE_MAX);
    bufq_init(&q[1], SIZE_MAX);
    bufq_append(&q[0], str_n(fresh_bytes(n), n));
    for (unsigned i = 0; i < 20; i++) {
        struct bufq *from = &q[i % 2], *to = &q[1 - i % 2];
        assert_int_equal(bufq_move_chunked(to, from, SIZE_MAX), n);
        assert_true(to->len >= n + FRAMING_MAX);
        n = to->len;
    }
    char *text = test_malloc(n);
    assert_int_equal(bufq_copy(&q[0], text, n), n);
    size_t at = 0;
    for (unsigned i = 0; i < 5; i++) { /* size lines, one in another */
        char *end;
        size_t inner = strtoul(text + at, &end, 16);
        assert_true(inner >= CHUNK_SIZE && inner < n);
        assert_memory_equal(end, "\r\n", 2);
        at = (size_t)(end + 2 - text);
    }
    test_free(text);
    bufq_fini(&q[0]);
    bufq_fini(&q[1]);
}

/* Large chunks are not copied, small ones do not cost a chunk each. */
static void
moving_by_pointer(void **state)
{
    struct bufq a, b;
    (void)state;
    bufq_init(&a, 100000);
    bufq_init(&b, 100000);
    bufq_append(&a, str_n(fresh_bytes(10000), 10000));
    const char *where = bufq_peek(&a).p;
    assert_int_equal(bufq_move(&b, &a, SIZE_MAX), 10000);
    assert_ptr_equal(bufq_peek(&b).p, where);
    bufq_append(&a, STR("small"));
    assert_int_equal(bufq_move(&b, &a, SIZE_MAX), 5);
    assert_int_equal(bufq_peek(&b).n, 10005);
    bufq_fini(&a);
    bufq_fini(&b);
}

/* A chunk of its own, of so many bytes; where they lie. */
static const char *
add_chunk(struct bufq *q, size_t n)
{
    struct bufq one;
    size_t room;
    bufq_init(&one, SIZE_MAX);
    char *p = bufq_reserve(&one, CHUNK_SIZE, &room);
    memcpy(p, fresh_bytes(n), n);
    bufq_commit(&one, n);
    assert_int_equal(bufq_move(q, &one, SIZE_MAX), n);
    bufq_fini(&one);
    return p;
}

/* Where the bytes before the last few of a chunk are moved, these alone are
 * copied: before the next one's, where that has room, be it there already or
 * not. */
static void
moving_but_a_few(void **state)
{
    struct bufq a, b;
    (void)state;
    for (unsigned is_there = 0; is_there < 2; is_there++) {
        bufq_init(&a, SIZE_MAX);
        bufq_init(&b, SIZE_MAX);
        const char *one = add_chunk(&a, CHUNK_SIZE);
        const char *two = is_there ? add_chunk(&a, CHUNK_SIZE) : NULL;
        char few[40];
        memcpy(few, one + CHUNK_SIZE - 40, 40);
        assert_int_equal(bufq_move(&b, &a, CHUNK_SIZE - 40), CHUNK_SIZE - 40);
        assert_ptr_equal(bufq_peek(&b).p, one);
        bufq_fini(&b);
        two = is_there ? two : add_chunk(&a, CHUNK_SIZE);
        assert_int_equal(a.len, CHUNK_SIZE + 40);
        assert_int_equal(bufq_peek(&a).n, CHUNK_SIZE + 40);
        assert_ptr_equal(bufq_peek(&a).p, two - 40);
        assert_memory_equal(bufq_peek(&a).p, few, 40);
        bufq_fini(&a);
    }
}

/* A chunk in which nothing was written does not stay behind. */
/* Runs from any offset, and bytes made another, over the chunks' borders. */
static void
looked_at_and_filled(void **state)
{
    struct pair p;
    (void)state;
    seed = 9;
    pair_init(&p, SIZE_MAX);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = any_size();
        char *bytes = p.bytes + p.n;
        memset(bytes, 'a' + (int)(round % 26), n);
        bufq_append(&p.q, str_n(bytes, n));
        p.n += n;
        size_t from = any(p.n), size = any(p.n - from + 1);
        bufq_fill(&p.q, from, size, '*');
        memset(p.bytes + from, '*', size);
        size_t at = any(p.n);
        struct str run = bufq_peek_at(&p.q, at);
        assert_true(run.n != 0 && run.n <= p.n - at);
        assert_memory_equal(run.p, p.bytes + at, run.n);
        if (p.n > MODEL_MAX / 8) {
            size_t gone = any(p.n);
            bufq_consume(&p.q, gone);
            p.n -= gone;
            memmove(p.bytes, p.bytes + gone, p.n);
        }
        pair_compare(&p);
    }
    pair_fini(&p);
}

static void
empty_holds_nothing(void **state)
{
    struct bufq a, b;
    size_t room;
    (void)state;
    bufq_init(&a, 100000);
    bufq_init(&b, 100000);
    assert_non_null(bufq_reserve(&a, 1, &room));
    bufq_commit(&a, 0);
    assert_null(a.head);
    size_t (*const moves[])(struct bufq *, struct bufq *, size_t) = { bufq_move,
        bufq_move_chunked };
    for (size_t i = 0; i < LEN(moves); i++) {
        bufq_append(&a, str_n(fresh_bytes(CHUNK_SIZE), CHUNK_SIZE));
        assert_non_null(bufq_reserve(&a, 1, &room));
        bufq_commit(&a, 0);
        assert_int_equal(moves[i](&b, &a, SIZE_MAX), CHUNK_SIZE);
        assert_int_equal(a.len, 0);
        assert_null(a.head);
        assert_null(a.tail);
    }
    bufq_fini(&b);
    bufq_fini(&b); /* twice */
    assert_null(b.head);
    bufq_fini(&a);
}

/* A full tail gives room in a new chunk, not a pointer to nothing. */
static void
reserving_behind_a_full_chunk(void **state)
{
    struct bufq q;
    size_t room;
    (void)state;
    bufq_init(&q, CHUNK_SIZE + 10);
    bufq_append(&q, str_n(fresh_bytes(CHUNK_SIZE), CHUNK_SIZE));
    assert_non_null(bufq_reserve(&q, 1, &room));
    assert_int_equal(room, 10); /* the limit's */
    bufq_commit(&q, 10);
    assert_null(bufq_reserve(&q, 1, &room));
    assert_int_equal(room, 0);
    assert_int_equal(bufq_write(&q, STR("x")), 0);
    bufq_append(&q, STR("x")); /* the limit notwithstanding */
    assert_int_equal(q.len, CHUNK_SIZE + 11);
    assert_int_equal(bufq_room(&q), 0);
    bufq_fini(&q);
}

/* A run of n bytes that no other is joined to. */
static void
add_run(struct bufq *q, size_t n)
{
    struct bufq one;
    size_t room;
    bufq_init(&one, SIZE_MAX);
    char *p = bufq_reserve(&one, CHUNK_SIZE, &room);
    memset(p, 'r', CHUNK_SIZE);
    bufq_commit(&one, CHUNK_SIZE);
    bufq_consume(&one, CHUNK_SIZE - n);
    assert_int_equal(bufq_move(q, &one, SIZE_MAX), n);
    bufq_fini(&one);
}

static void
batches(void **state)
{
    struct bufq q;
    (void)state;
    bufq_init(&q, SIZE_MAX);
    assert_int_equal(bufq_batch(&q, 100), 0);
    add_run(&q, 5000);
    assert_int_equal(bufq_batch(&q, 16384), 5000);
    assert_int_equal(bufq_batch(&q, 4000), 4000); /* a run that is too long */
    add_run(&q, 5000);
    assert_int_equal(bufq_batch(&q, 16384), 10000);
    add_run(&q, 10000); /* stays where it lies */
    assert_int_equal(bufq_batch(&q, 16384), 10000);
    bufq_consume(&q, 5000 + 4968); /* 32: a rest of framing */
    assert_int_equal(bufq_batch(&q, 16384), 10032);
    assert_int_equal(bufq_batch(&q, 9000), 9000); /* takes what fits */
    bufq_consume(&q, 32);
    add_run(&q, 10000);
    assert_int_equal(bufq_batch(&q, 16384), 10000);
    bufq_consume(&q, 10000 - 33); /* 33: a run like others */
    assert_int_equal(bufq_batch(&q, 9000), 33);
    bufq_fini(&q);
}

static void
a_run_that_fits(void **state)
{
    struct bufq from, to;
    (void)state;
    bufq_init(&from, 100);
    bufq_init(&to, 4);
    assert_int_equal(bufq_peek_for(&from, &to).n, 0);
    bufq_append(&from, STR("abcdef"));
    assert_true(str_eq(bufq_peek_for(&from, &to), STR("abcd")));
    bufq_append(&to, STR("12345")); /* beyond its limit */
    assert_int_equal(bufq_peek_for(&from, &to).n, 0);
    to.limit = 100;
    assert_true(str_eq(bufq_peek_for(&from, &to), STR("abcdef")));
    bufq_fini(&from);
    bufq_fini(&to);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(a_run_that_fits),
        cmocka_unit_test(framing),
        cmocka_unit_test(framing_in_place),
        cmocka_unit_test(framing_again_and_again),
        cmocka_unit_test(moving_by_pointer),
        cmocka_unit_test(moving_but_a_few),
        cmocka_unit_test(looked_at_and_filled),
        cmocka_unit_test(empty_holds_nothing),
        cmocka_unit_test(reserving_behind_a_full_chunk),
        cmocka_unit_test(batches),
    };
    int failed = cmocka_run_group_tests_name("bufq", tests, NULL, NULL);
    bufq_trim();
    return failed;
}
