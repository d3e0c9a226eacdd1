/*
 * The forms as a nondeterministic automaton, simulated by its live threads. A
 * thread stands at a symbol of one form, or within an escape of that symbol;
 * text has none alive nearly always, and then bytes are only looked up in
 * `may_be`.
 */

#include "sandbox/echo.h"

#include "base/mem.h"
#include "sandbox/echo_form.h"
#include "sandbox/echo_gram.h"
#include "sandbox/echo_thread.h"

/* The grams cost about what it costs to look at so many bytes without them; a
 * walk by them pays for a piece of so many. */
#define GRAMS_FROM 2048
#define WALK_FROM 128

/* More threads for each secret behind the first. */
#define THREADS_EACH 8

/* Whether the byte at `p` may be the second symbol, or begin its escape. */
static bool
is_second(
    const struct echo_keys *keys, struct echo_thread k, const unsigned char *p)
{
    k.at = 1;
    return *p == '%' || *p == '\\' || *p == '+' || echo_narrow(keys, &k, *p);
}

/* At each byte at which a form may begin. Those that the byte behind ends are
 * not begun: text would begin one every ten bytes. */
static void
begin(struct echo_turn *t, const unsigned char *p)
{
    const struct echo_begin *all = t->keys->begins;
    struct echo_thread k = { .start = t->e->offset };
    for (uint32_t i = t->keys->first[*p]; i != 0; i = all[i].next) {
        k.from = all[i].from;
        k.to = all[i].to;
        k.form = all[i].form;
        if (p + 1 == t->end || is_second(t->keys, k, p + 1)) {
            echo_advance(t, k, 1);
        }
    }
    if (echo_may_begin_escaped(t->keys, p, t->end)) {
        k.from = k.to = 0;
        k.form = FORM_ANY;
        echo_begin_escape(t, k, *p);
    }
}

static void
take(struct echo_turn *t, const unsigned char *p)
{
    struct echo *e = t->e;
    t->n = 0;
    t->has_merged = false;
    for (unsigned i = 0; i < e->n; i++) {
        echo_step(t, e->threads[i], *p);
    }
    if (t->keys->may_be[*p] & FIRST) {
        begin(t, p);
    }
    struct echo_thread *before = e->threads;
    e->threads = e->next;
    e->next = before;
    e->n = t->n;
    e->offset++;
}

/* Text has none nearly always: they are there for as long as one is. */
static void
threads_alloc(struct echo *e)
{
    AZ(e->threads);
    unsigned more = e->keys->n > 1 ? (e->keys->n - 1) * THREADS_EACH : 0;
    e->max = ECHO_THREADS + more;
    e->threads = xalloc(2 * e->max * sizeof *e->threads);
    e->next = e->threads + e->max;
}

void
echo_init(struct echo *e, struct echo_keys *keys)
{
    *e = (struct echo){ .keys = keys };
}

/* The two arrays change places; the first is what was allocated. */
static void
threads_free(struct echo *e)
{
    xfree(e->threads < e->next ? e->threads : e->next);
    e->threads = e->next = NULL;
}

void
echo_fini(struct echo *e)
{
    threads_free(e);
    e->keys = NULL;
    e->n = 0;
}

void
echo_reset(struct echo *e)
{
    e->offset = 0;
    e->n = 0;
    e->has_missed = false;
    e->missed_from = e->missed_to = 0;
}

/* Whether the secret at that place begins with the first `at` symbols. */
static bool
begins_alike(const struct echo_keys *keys, const struct echo_thread *k,
    struct str secret, unsigned place)
{
    struct str other = echo_secret(keys, k->form, place);
    bool is_alike = form_length(other, k->form) > k->at;
    for (size_t i = 0; is_alike && i < k->at; i++) {
        is_alike =
            form_symbol(other, k->form, i) == form_symbol(secret, k->form, i);
    }
    return is_alike;
}

/* A thread of the old keys to one of the new: of all that begin as those did,
 * but one secret's stays its own. False: none is among the first `n`. */
static bool
translate(const struct echo_keys *old, const struct echo_keys *keys, unsigned n,
    struct echo_thread *k)
{
    const uint16_t *before = old->order + (size_t)k->form * old->n;
    const uint16_t *order = keys->order + (size_t)k->form * keys->n;
    bool is_one = k->to - k->from == 1;
    while (k->from < k->to && before[k->from] >= n) {
        k->from++;
    }
    if (k->from == k->to) {
        return false;
    }
    unsigned which = before[k->from], from = 0, to;
    while (order[from] != which) {
        from++;
    }
    struct str secret = keys->secrets[which];
    for (to = from + 1; !is_one && to < keys->n; to++) {
        if (!begins_alike(keys, k, secret, to)) {
            break;
        }
    }
    while (!is_one && from > 0 && begins_alike(keys, k, secret, from - 1)) {
        from--;
    }
    k->from = (uint16_t)from;
    k->to = (uint16_t)to;
    return true;
}

void
echo_change(struct echo *e, struct echo_keys *keys, unsigned n)
{
    struct echo old = *e;
    AN(n <= keys->n);
    e->keys = keys;
    e->n = 0;
    e->missed = e->missed < n ? e->missed : 0;
    if (old.n == 0) {
        threads_free(e);
        return;
    }
    e->threads = NULL;
    threads_alloc(e);
    for (unsigned i = 0; i < old.n && e->n < e->max; i++) {
        struct echo_thread k = old.threads[i];
        if (k.form == FORM_ANY || translate(old.keys, keys, n, &k)) {
            e->threads[e->n++] = k;
        }
    }
    threads_free(&old);
}

/* Whether what may begin at `p` lives to the byte behind. */
static bool
goes_on(
    const struct echo_keys *k, const unsigned char *p, const unsigned char *end)
{
    if (k->first[*p] != 0 && (p + 1 == end || (k->may_be[p[1]] & SECOND))) {
        return true;
    }
    return echo_may_begin_escaped(k, p, end);
}

/* The first byte from `p` on that begins a form; the end. What was not ruled
 * out by the walk ends at *until. */
static const unsigned char *
skip(const struct echo_keys *k, struct echo_walk *w, const unsigned char *p,
    const unsigned char **until)
{
    const unsigned char *to = *until, *end = w->end;
    for (;;) {
        while (p < to && (!(k->may_be[*p] & FIRST) || !goes_on(k, p, end))) {
            p++;
        }
        if (p < to || p == end) {
            return p;
        }
        p = echo_walk_next(w, p, until);
        to = *until;
    }
}

/* What was missed and may lie in the bytes fed: all of it. */
static void
tell_missed(struct echo *e, echo_found *found, void *arg)
{
    uint64_t to = e->missed_to < e->offset ? e->missed_to : e->offset;
    if (to > e->missed_from) {
        found(arg, e->missed, e->missed_from, to);
        e->missed_from = to;
    }
}

/* Makes them for who has looked at enough. */
static bool
has_grams(struct echo_keys *k, size_t n)
{
    k->seen = n < GRAMS_FROM - k->seen ? k->seen + n : GRAMS_FROM;
    if (k->grams == NULL && k->n != 0 && k->seen == GRAMS_FROM) {
        k->grams = echo_grams_new(k->secrets, k->n);
    }
    return k->grams != NULL;
}

void
echo_feed(struct echo *e, struct str bytes, echo_found *found, void *arg)
{
    struct echo_keys *k = e->keys;
    const unsigned char *p = (const unsigned char *)bytes.p;
    const unsigned char *end = p + bytes.n, *until = end;
    struct echo_turn t = {
        .e = e, .keys = k, .end = end, .found = found, .arg = arg
    };
    struct echo_walk walk = { .end = end };
    if (bytes.n >= WALK_FROM && has_grams(k, bytes.n)) {
        echo_walk_init(&walk, k->grams, bytes);
        until = p;
    }
    while (p < end) {
        if (e->n == 0) {
            const unsigned char *from = p;
            p = skip(k, &walk, p, &until);
            e->offset += (uint64_t)(p - from);
        }
        if (p < end) {
            if (e->threads == NULL) {
                threads_alloc(e);
            }
            take(&t, p++);
        }
    }
    if (e->n == 0) {
        threads_free(e);
    }
    tell_missed(e, found, arg);
}

size_t
echo_held(const struct echo *e)
{
    uint64_t start = e->offset;
    for (unsigned i = 0; i < e->n; i++) {
        start = e->threads[i].start < start ? e->threads[i].start : start;
    }
    return (size_t)(e->offset - start);
}
