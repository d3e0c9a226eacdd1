/*
 * Pumps against a model: whatever the filters do to a body and however it
 * comes and goes, what leaves is what the filters make of the whole.
 */

#include "wire/pump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

#include "../dies.h"
#include "base/clock.h"
#include "net/loop.h"

#include <cmocka.h>

/* Of what chance makes; the other passes run them all. */
#define ROUNDS (RUNNING_ON_VALGRIND ? 8u : 60u)

/* Of each filter: bytes it holds back, and how often fini was called. */
struct hold {
    char held[64];
    size_t n;
    bool is_ended;
};

static unsigned inits, finis;

static void
filter_init(void *owner, void *state)
{
    struct hold *h = state;
    (void)owner;
    assert_int_equal(h->n, 0);
    inits++;
}

static void
filter_fini(void *state)
{
    (void)state;
    finis++;
}

/* One byte of the input; false when there is none or no room for `room`. */
static bool
take(struct bufq *in, const struct bufq *out, size_t room, char *ch)
{
    if (bufq_room(out) < room || bufq_copy(in, ch, 1) == 0) {
        return false;
    }
    bufq_consume(in, 1);
    return true;
}

static enum flow
flow_of(const struct bufq *in, enum need need)
{
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

/* Every byte twice. */
static enum flow
run_grow(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch[2];
    (void)state;
    while (take(in, out, 2, ch)) {
        ch[1] = ch[0];
        bufq_append(out, str_n(ch, 2));
    }
    return flow_of(in, need);
}

/* Without spaces. */
static enum flow
run_shrink(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch;
    (void)state;
    while (take(in, out, 1, &ch)) {
        if (ch != ' ') {
            bufq_append(out, str_n(&ch, 1));
        }
    }
    return flow_of(in, need);
}

/* The last 64 bytes wait for more; the case is turned. */
static enum flow
run_hold(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct hold *h = state;
    char ch;
    while (take(in, out, 1, &ch)) {
        if (h->n == sizeof h->held) {
            bufq_append(out, str_n(h->held, 1));
            memmove(h->held, h->held + 1, --h->n);
        }
        h->held[h->n++] = ch >= 'a' ? ch - 32 : ch;
    }
    if (!bufq_is_empty(in) || need != END) {
        return flow_of(in, need);
    }
    size_t n = bufq_write(out, str_n(h->held, h->n));
    memmove(h->held, h->held + n, h->n - n);
    h->n -= n;
    return h->n != 0 ? F_FULL : F_DONE;
}

/* A thousand of each byte. */
static enum flow
run_expand(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch, many[1000];
    (void)state;
    while (take(in, out, sizeof many, &ch)) {
        memset(many, ch, sizeof many);
        bufq_append(out, str_n(many, sizeof many));
    }
    return flow_of(in, need);
}

/* One byte of a thousand. */
static enum flow
run_condense(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct hold *h = state;
    char ch;
    while (take(in, out, 1, &ch)) {
        h->n = (h->n + 1) % 1000;
        if (h->n == 0) {
            bufq_append(out, str_n(&ch, 1));
        }
    }
    return flow_of(in, need);
}

/* Writes a '.' when it is told that nothing more comes now. */
static enum flow
run_flush(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    struct hold *h = state;
    char ch;
    while (take(in, out, 2, &ch)) {
        bufq_append(out, str_n(&ch, 1));
        h->n = 1;
    }
    if (bufq_is_empty(in) && need != MORE && h->n != 0) {
        bufq_append(out, STR("."));
        h->n = 0;
    }
    return flow_of(in, need);
}

static const char *
why_refused(const void *state)
{
    (void)state;
    return "it has a '!'";
}

/* Gives up at a '!'. */
static enum flow
run_refuse(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch;
    (void)state;
    while (take(in, out, 1, &ch)) {
        if (ch == '!') {
            return F_ERROR;
        }
        bufq_append(out, str_n(&ch, 1));
    }
    return flow_of(in, need);
}

#define FILTER(RUN, FLAGS)                                                     \
    {                                                                          \
        .name = #RUN, .state_size = sizeof(struct hold), .flags = (FLAGS),     \
        .init = filter_init, .run = (RUN), .fini = filter_fini                 \
    }

static const struct filter grow = FILTER(run_grow, 0),
                           shrink = FILTER(run_shrink, 0),
                           hold = FILTER(run_hold, FILTER_KEEPS_LENGTH),
                           expand = FILTER(run_expand, 0),
                           condense = FILTER(run_condense, 0),
                           flush = FILTER(run_flush, 0);
static const struct filter refuse = { .name = "refuse",
    .state_size = sizeof(struct hold),
    .init = filter_init,
    .run = run_refuse,
    .fini = filter_fini,
    .why = why_refused };

struct fixture {
    struct loop *loop;
    struct arena *arena;
    struct task source, sink;
    struct pump pump;
};

static const struct step step_none = { "test: none", NULL };

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    clock_update();
    inits = finis = 0;
    f->loop = loop_new();
    f->arena = arena_new(4096);
    task_init(&f->source, f->loop, &step_none, NULL);
    task_init(&f->sink, f->loop, &step_none, NULL);
    pump_init(&f->pump, &f->source, &f->sink);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    pump_fini(&f->pump);
    assert_int_equal(inits, finis);
    task_fini(&f->source);
    task_fini(&f->sink);
    arena_free(f->arena);
    loop_free(f->loop);
    free(f);
    bufq_trim();
    return 0;
}

static void
add(struct fixture *f, const struct filter *filter)
{
    pump_add(&f->pump, NULL, f->arena, filter);
}

/* What the source gives; how much there was room for. */
static size_t
give(struct pump *p, struct str s)
{
    size_t n = bufq_write(pump_in(p), s);
    if (n != 0) {
        pump_filled(p, n);
    }
    return n;
}

static size_t
get(struct pump *p, char *to, size_t max)
{
    size_t n = bufq_copy(pump_out(p), to, max);
    bufq_consume(pump_out(p), n);
    if (n != 0) {
        pump_took(p, n);
    }
    return n;
}

static size_t
at_most(size_t n)
{
    return (size_t)rand() % (n + 1);
}

/* The model: one filter on all of a text. */
static struct str
applied(struct arena *a, const struct filter *f, struct str s)
{
    char *out = arena_alloc(a, s.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (f == &shrink && ch == ' ') {
            continue;
        }
        out[n++] = f == &hold && ch >= 'a' ? ch - 32 : ch;
        if (f == &grow) {
            out[n++] = ch;
        }
    }
    return str_n(out, n);
}

static struct str
random_text(struct arena *a, size_t n)
{
    static const char letters[] = "ab CD xyz";
    char *p = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++) {
        p[i] = letters[at_most(sizeof letters - 2)];
    }
    return str_n(p, n);
}

/* All of `text` in pieces through the pump; what came out. */
static struct str
pumped(struct fixture *f, struct str text, size_t in_piece, size_t out_piece)
{
    struct pump *p = &f->pump;
    char *out = arena_alloc(f->arena, text.n * 16 + 1);
    size_t given = 0, n = 0, idle = 0;
    while (!pump_is_done(p)) {
        size_t had = given + n;
        f->loop->turns++;
        if (given < text.n && !pump_stop_if_full(p)) {
            size_t want = at_most(in_piece);
            want = want < text.n - given ? want : text.n - given;
            given += give(p, str_n(text.p + given, want));
        } else if (given == text.n && !p->is_ended) {
            pump_end(p);
        }
        bool is_there = pump_run(p);
        assert_true(is_there || bufq_is_empty(pump_out(p)));
        assert_true(pump_in(p)->len <= PUMP_LIMIT);
        assert_true(pump_out(p)->len <= PUMP_LIMIT);
        n += get(p, out + n, at_most(out_piece));
        assert_false(p->has_error);
        idle = given + n == had ? idle + 1 : 0;
        assert_true(idle < 1000);
    }
    assert_int_equal(p->bytes_in, text.n);
    assert_int_equal(p->bytes_out, n);
    assert_true(pump_is_last(p));
    return str_n(out, n);
}

static void
test_model(void **state)
{
    static const struct filter *const all[] = { &grow, &shrink, &hold };
    static const size_t sizes[] = { 0, 1, 63, 64, 65, 5000, 70000, 300000 };
    srand(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fixture *f = *state;
        unsigned n = round % 4;
        struct str text = random_text(f->arena, sizes[round % LEN(sizes)]);
        struct str expected = text;
        for (unsigned i = 0; i < n; i++) {
            const struct filter *filter = all[at_most(2)];
            add(f, filter);
            expected = applied(f->arena, filter, expected);
        }
        size_t piece = round % 2 == 0 ? 40000 : 3000;
        struct str got = pumped(f, text, piece, 45000 - piece);
        assert_int_equal(got.n, expected.n);
        assert_true(str_eq(got, expected));
        tear_down(state);
        set_up(state);
    }
}

static void
test_no_filter_no_copy(void **state)
{
    struct fixture *f = *state;
    assert_ptr_equal(pump_in(&f->pump), pump_out(&f->pump));
    assert_false(pump_run(&f->pump));
    assert_int_equal(give(&f->pump, STR("abc")), 3);
    assert_true(pump_run(&f->pump));
    assert_false(pump_is_last(&f->pump));
    pump_end(&f->pump);
    assert_true(pump_is_last(&f->pump));
    assert_false(pump_is_done(&f->pump));
    char out[8];
    assert_int_equal(get(&f->pump, out, sizeof out), 3);
    assert_true(pump_is_done(&f->pump));
}

/* A source that met a full queue is woken when there is room for a record, and
 * once. */
static void
test_backpressure(void **state)
{
    static char block[PUMP_LIMIT];
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    assert_false(pump_stop_if_full(p));
    assert_int_equal(give(p, str_n(block, sizeof block)), sizeof block);
    assert_true(p->last_progress == clock_mono());
    assert_true(pump_stop_if_full(p));
    assert_true(p->is_stopped);
    assert_int_equal(get(p, block, CHUNK_SIZE - 1), CHUNK_SIZE - 1);
    assert_true(p->is_stopped);
    assert_int_equal(get(p, block, 1), 1);
    assert_false(p->is_stopped);
    assert_false(pump_stop_if_full(p));
}

static void
test_error(void **state)
{
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    add(f, &refuse);
    add(f, &hold);
    assert_int_equal(give(p, STR("abc!def")), 7);
    assert_false(pump_run(p));
    assert_true(p->has_error);
    assert_string_equal(p->failed, "refuse");
    assert_string_equal(p->why, "it has a '!'");
    assert_true(p->is_ended);
    assert_false(pump_is_last(p));
    assert_false(pump_is_done(p));
    assert_false(pump_run(p));
    /* The source may not know yet. */
    assert_int_equal(give(p, STR("ghi")), 3);
}

/* What is much in the middle and little at the end goes through in one run,
 * but in turns. */
static void
test_turns(void **state)
{
    static char block[10000];
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    add(f, &expand);
    add(f, &condense);
    const size_t size = RUNNING_ON_VALGRIND ? 2000 : sizeof block;
    assert_int_equal(give(p, str_n(block, size)), size);
    const size_t most = (PUMP_TURN_BYTES + PUMP_LIMIT) / 1000;
    unsigned turns = 0;
    while (pump_out(p)->len < size) {
        size_t had = pump_out(p)->len;
        f->loop->turns++;
        assert_true(pump_run(p));
        size_t came = pump_out(p)->len - had;
        assert_true(came != 0 && came <= most);
        had = pump_out(p)->len;
        assert_true(pump_run(p)); /* in the same turn: nothing */
        assert_int_equal(pump_out(p)->len, had);
        assert_true(had == size || list_is_linked(&f->sink.queued));
        turns++;
    }
    assert_true(turns >= size / most && turns < 50);
}

/* A stage is told that the input is dry when no stage before it has any. */
static void
test_flush_when_dry(void **state)
{
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    char out[8];
    add(f, &expand);
    add(f, &condense);
    add(f, &flush);
    assert_int_equal(give(p, STR("abcd")), 4);
    assert_true(pump_run(p));
    assert_int_equal(get(p, out, sizeof out), 5);
    assert_memory_equal(out, "abcd.", 5);
    assert_false(pump_run(p));
    char many[200];
    memset(many, 'x', sizeof many); /* more than a queue in the middle */
    assert_int_equal(give(p, str_n(many, sizeof many)), sizeof many);
    assert_true(pump_run(p));
    assert_int_equal(pump_out(p)->len, sizeof many + 1);
}

static void
test_held_bytes_leave_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    char out[8];
    add(f, &hold);
    assert_int_equal(give(p, STR("abc")), 3);
    assert_false(pump_run(p));
    pump_end(p);
    assert_true(pump_run(p));
    assert_int_equal(get(p, out, sizeof out), 3);
    assert_memory_equal(out, "ABC", 3);
    assert_true(pump_is_done(p));
}

/* A source may be ahead of the modules. */
static void
test_filter_behind_the_first_bytes(void **state)
{
    struct fixture *f = *state;
    struct pump *p = &f->pump;
    char out[8];
    assert_int_equal(give(p, STR("abc")), 3);
    pump_end(p);
    add(f, &grow);
    assert_true(pump_run(p));
    assert_int_equal(get(p, out, sizeof out), 6);
    assert_memory_equal(out, "aabbcc", 6);
    assert_true(pump_is_done(p));
}

static enum flow
run_done_early(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    (void)state, (void)out, (void)need;
    bufq_consume(in, in->len);
    return F_DONE;
}

static enum flow
run_never_done(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    (void)state, (void)out, (void)need;
    bufq_consume(in, in->len);
    return F_NEED;
}

static void
run_one(const struct filter *filter, bool is_end)
{
    struct pump p;
    struct arena *a = arena_new(4096);
    pump_init(&p, NULL, NULL);
    pump_add(&p, NULL, a, filter);
    (void)give(&p, STR("x"));
    if (is_end) {
        pump_end(&p);
    }
    (void)pump_run(&p);
}

/* Filters copy; the mark goes along, and no further than the secret. */
static void
test_secrets_stay_marked(void **state)
{
    struct fixture *f = *state;
    char text[64];
    add(f, &grow);
    add(f, &grow);
    bufq_mark_secret(pump_in(&f->pump));
    give(&f->pump, STR("secret"));
    pump_run(&f->pump);
    assert_true(pump_out(&f->pump)->is_secret);
    assert_false(pump_in(&f->pump)->is_secret);
    assert_int_equal(get(&f->pump, text, sizeof text), 24);
    give(&f->pump, STR("other"));
    pump_run(&f->pump);
    assert_false(pump_out(&f->pump)->is_secret);
}

static void
be_done_early(void)
{
    static const struct filter f = FILTER(run_done_early, 0);
    run_one(&f, false);
}

static void
be_never_done(void)
{
    static const struct filter f = FILTER(run_never_done, 0);
    run_one(&f, true);
}

static void
test_filters_that_break_the_contract(void **state)
{
    (void)state;
    assert_panics(be_done_early, "need == END || !s->is_done");
    assert_panics(be_never_done, "need != END || flow != F_NEED");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model),
        TEST(test_no_filter_no_copy),
        TEST(test_backpressure),
        TEST(test_error),
        TEST(test_turns),
        TEST(test_flush_when_dry),
        TEST(test_held_bytes_leave_at_the_end),
        TEST(test_filter_behind_the_first_bytes),
        TEST(test_secrets_stay_marked),
        cmocka_unit_test(test_filters_that_break_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
