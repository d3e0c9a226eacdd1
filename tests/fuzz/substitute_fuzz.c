/*
 * Bodies with placeholders, cut anywhere and put out in small pieces: the same
 * comes out, which is what a parser has that sees the whole. What is malformed
 * comes out as it came, or never becomes whole, and its rest is told. Input: a
 * byte whose lowest bit says whether it is a form, the body.
 */

#include "fuzz.h"

#include "../unit/http/substitute_naive.h"

static const struct str values[] = { { "VAL\\\"UE", 7 }, { "v", 1 },
    { "third", 5 } };

static bool
on_value(void *arg, unsigned rule, struct str *value)
{
    (void)arg;
    *value = values[rule];
    return true;
}

static void
on_raw(void *told, struct str bytes)
{
    AN(bytes.n != 0);
    bufq_append(told, bytes);
}

static void
begin(struct substitution *f, enum substitute_kind kind, struct arena *a,
    const struct substitute_rule rules[3], struct bufq *told)
{
    bufq_init(told, SIZE_MAX);
    substitute_init(f, kind, a, rules, 3);
    substitute_on_value(f, on_value, told);
    substitute_on_raw(f, on_raw);
}

static void
make_rules(struct arena *a, struct substitute_rule rules[3])
{
    static const char *const paths[] = { "/k", "/k", "/a/1/\xc3\xa9" };
    static const char *const names[] = { "k", "k", "\xc3\xa9" };
    static const char *const placeholders[] = { "PH", "PHPX", "\"H" };
    for (unsigned i = 0; i < 3; i++) {
        struct json_pointer *p = arena_alloc(a, sizeof *p);
        AN(json_pointer_parse(str_of(paths[i]), a, p));
        rules[i] = (struct substitute_rule){ str_of(placeholders[i]), p,
            str_of(names[i]) };
    }
}

static enum substitute_result
run(struct substitution *f, struct str text, bool is_whole, struct bufq *all)
{
    uint64_t x = cuts_begin(text);
    enum substitute_result r = SUBSTITUTE_MORE;
    struct bufq in, out;
    bufq_init(&in, SIZE_MAX);
    bufq_init(&out, is_whole ? SIZE_MAX : cuts_next(&x, 64));
    bufq_init(all, SIZE_MAX);
    while (r == SUBSTITUTE_MORE || r == SUBSTITUTE_FULL) {
        if (r == SUBSTITUTE_MORE && text.n != 0) {
            size_t n = is_whole ? text.n : cuts_next(&x, text.n);
            bufq_append(&in, str_n(text.p, n));
            text = str_skip(text, n);
        }
        bool is_end = text.n == 0 && (is_whole || in.len == 0);
        r = substitute_run(f, &in, &out, is_end);
        AN(r != SUBSTITUTE_FULL || bufq_is_full(&out));
        AN(r != SUBSTITUTE_MORE || bufq_is_empty(&in));
        bufq_move(all, &out, SIZE_MAX);
    }
    bufq_fini(&in);
    bufq_fini(&out);
    return r;
}

static void
check(struct arena *a, struct substitution *f, struct str text,
    enum substitute_result r, struct str got)
{
    struct bufq want;
    struct naive *v = arena_calloc(a, sizeof *v);
    bufq_init(&want, SIZE_MAX);
    *v = (struct naive){ .text = text,
        .rules = f->rules,
        .n_rules = f->n_rules,
        .values = values,
        .out = &want,
        .arena = a };
    if (f->kind == SUBSTITUTE_JSON ? naive_fill(v) : naive_form(v)) {
        AN(r == SUBSTITUTE_DONE ||
            (r == SUBSTITUTE_TOO_LONG && v->n_found != 0));
        AN(r != SUBSTITUTE_DONE || str_eq(got, queue_text(a, &want)));
    } else {
        AN(r != SUBSTITUTE_DONE || str_eq(got, text));
    }
    bufq_fini(&want);
}

/* Of a body that passed, its end, however it was cut. */
static void
check_told(struct arena *a, struct str text, enum substitute_result r,
    const struct bufq *whole, const struct bufq *pieces)
{
    struct str told = queue_text(a, whole);
    AN(r != SUBSTITUTE_DONE || str_ends(text, told));
    AN(r != SUBSTITUTE_DONE || str_eq(told, queue_text(a, pieces)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct substitute_rule rules[3];
    struct substitution f;
    struct bufq whole, pieces, told, told_pieces;
    if (size == 0) {
        return 0;
    }
    struct str text = str_skip(str_n((const char *)data, size), 1);
    enum substitute_kind kind =
        data[0] % 2 == 0 ? SUBSTITUTE_JSON : SUBSTITUTE_FORM;
    struct arena *a = arena_new(4096);
    make_rules(a, rules);
    begin(&f, kind, a, rules, &told);
    enum substitute_result r = run(&f, text, true, &whole);
    begin(&f, kind, a, rules, &told_pieces);
    AN(run(&f, text, false, &pieces) == r);
    struct str got = queue_text(a, &whole);
    AN(r != SUBSTITUTE_DONE || str_eq(got, queue_text(a, &pieces)));
    check(a, &f, text, r, got);
    check_told(a, text, r, &told, &told_pieces);
    bufq_fini(&whole);
    bufq_fini(&pieces);
    bufq_fini(&told);
    bufq_fini(&told_pieces);
    arena_free(a);
    return 0;
}
