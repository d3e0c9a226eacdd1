/*
 * What a byte does to a thread: how far into which form that is, and what an
 * escape stands for.
 */

#include "sandbox/echo_thread.h"

#include "sandbox/echo_form.h"

/* What of an escape was seen. PAIR: a high surrogate and more. */
enum escape {
    PLAIN,
    PERCENT,
    PERCENT_1,
    BACKSLASH,
    UNICODE,
    UNICODE_3 = UNICODE + 3,
    PAIR,
    PAIR_BACKSLASH,
    PAIR_UNICODE,
    PAIR_UNICODE_3 = PAIR_UNICODE + 3
};

/* Whether symbol `at` of the form may be that byte. */
static bool
is_symbol(struct str secret, unsigned form, size_t at, unsigned char c)
{
    if (form == FORM_TEXT) {
        return (unsigned char)secret.p[at] == c;
    }
    int value = form_sextet_of(c);
    unsigned mask;
    unsigned want = form_sextet(secret, form, at, &mask);
    return value >= 0 && (((unsigned)value ^ want) & mask) == 0;
}

/* The first place from `from` on whose symbol is `value` or above. */
static unsigned
first_place(
    const struct echo_keys *keys, const struct echo_thread *k, int value)
{
    unsigned from = k->from, to = k->to;
    while (from < to) {
        unsigned mid = from + (to - from) / 2;
        struct str secret = echo_secret(keys, k->form, mid);
        if (form_symbol(secret, k->form, k->at) < value) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

bool
echo_narrow(
    const struct echo_keys *keys, struct echo_thread *k, unsigned char c)
{
    struct str secret = echo_secret(keys, k->form, k->from);
    if (k->to - k->from == 1) {
        return is_symbol(secret, k->form, k->at, c);
    }
    struct str last = echo_secret(keys, k->form, k->to - 1u);
    int value = k->form == FORM_TEXT ? c : form_sextet_of(c);
    int low = form_symbol(secret, k->form, k->at);
    int high = form_symbol(last, k->form, k->at);
    if (value < low || value > high) {
        return false;
    }
    if (low != high) {
        unsigned from = first_place(keys, k, value);
        k->to = (uint16_t)first_place(keys, k, value + 1);
        k->from = (uint16_t)from;
    }
    return k->from < k->to;
}

static bool
is_known(const struct echo_turn *t, const struct echo_thread *k)
{
    for (unsigned i = 0; i < t->n; i++) {
        const struct echo_thread *o = &t->e->next[i];
        if (o->at == k->at && o->form == k->form && o->escape == k->escape &&
            o->value == k->value && o->from == k->from && o->to == k->to) {
            return true;
        }
    }
    return false;
}

/* A thread that is not followed: all that it may come to is taken for found. */
static void
miss(struct echo *e, const struct echo_thread *k)
{
    uint64_t to = k->start + e->keys->longest;
    bool is_untold = e->missed_from < e->missed_to;
    if (!is_untold || k->start < e->missed_from) {
        e->missed_from = k->start;
    }
    e->missed_to = to > e->missed_to ? to : e->missed_to;
    e->missed = k->form != FORM_ANY
                    ? e->keys->order[k->form * e->keys->n + k->from]
                    : 0;
    e->has_missed = true;
}

/* The earlier thread comes first and covers the later one's bytes. */
static void
push(struct echo_turn *t, struct echo_thread k)
{
    if (t->has_merged && is_known(t, &k)) {
        return;
    }
    if (t->n == t->e->max) {
        miss(t->e, &k);
        return;
    }
    t->e->next[t->n++] = k;
}

static void
push_escape(
    struct echo_turn *t, struct echo_thread k, unsigned escape, unsigned value)
{
    k.escape = (uint8_t)escape;
    k.value = (uint16_t)value;
    push(t, k);
}

/* The first of a thread's secrets ends here. Behind its last whole symbol there
 * may be one that shares its bits with what follows: it goes too, and nothing
 * is held for it. */
static void
end_first(struct echo_turn *t, struct echo_thread k)
{
    struct str secret = echo_secret(t->keys, k.form, k.from);
    uint64_t end = t->e->offset + 1;
    size_t length = form_length(secret, k.form);
    t->found(
        t->arg, t->keys->order[k.form * t->keys->n + k.from], k.start, end);
    k.start = end;
    k.to = (uint16_t)(k.from + 1);
    if (k.form != FORM_TEXT && k.at == length &&
        form_first_bit(k.form) + length * 6 < secret.n * 8) {
        push(t, k);
    }
}

/* Symbols were seen. The shortest come first. */
void
echo_advance(struct echo_turn *t, struct echo_thread k, size_t symbols)
{
    k.at += (uint32_t)symbols;
    k.escape = PLAIN;
    k.value = 0;
    for (; k.from < k.to; k.from++) {
        struct str secret = echo_secret(t->keys, k.form, k.from);
        if (k.at < form_length(secret, k.form)) {
            push(t, k);
            return;
        }
        end_first(t, k);
    }
}

/* That character in UTF-8, if it is more than a byte; its length. */
static size_t
utf8_of(uint32_t c, unsigned char text[4])
{
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    if (c < 0x80 || (c >= 0xd800 && c < 0xe000)) {
        return 0;
    }
    for (size_t i = n; i-- > 1; c >>= 6) {
        text[i] = (unsigned char)(0x80 | (c & 0x3f));
    }
    text[0] = (unsigned char)(lead[n] | c);
    return n;
}

/* Those that go on with that character in UTF-8. */
static void
take_utf8(struct echo_turn *t, struct echo_thread k, uint32_t c)
{
    unsigned char text[4];
    size_t n = utf8_of(c, text);
    uint32_t at = k.at;
    for (size_t i = 0; i < n; i++, k.at++) {
        while (
            k.from < k.to && echo_secret(t->keys, k.form, k.from).n <= k.at) {
            k.from++;
        }
        if (k.from == k.to || !echo_narrow(t->keys, &k, text[i])) {
            return;
        }
    }
    if (n != 0) {
        k.at = at;
        echo_advance(t, k, n);
    }
}

/* The first byte of that character in UTF-8. */
static unsigned char
utf8_lead(uint32_t c)
{
    return (unsigned char)(c < 0x80      ? c
                           : c < 0x800   ? 0xc0 | c >> 6
                           : c < 0x10000 ? 0xe0 | c >> 12
                                         : 0xf0 | c >> 18);
}

/* An escape stands for that character, as one byte (what reads a header as
 * Latin-1 writes so) or in UTF-8. */
static void
symbol_ends(struct echo_turn *t, struct echo_thread k, uint32_t c)
{
    struct echo_thread one = k;
    if (c < 256 && echo_narrow(t->keys, &one, (unsigned char)c)) {
        echo_advance(t, one, 1);
    }
    if (k.form == FORM_TEXT) {
        take_utf8(t, k, c);
    }
}

/* Calls `fn` for the form that a thread is of; while that is open, for all
 * that begin with `byte`. */
static void
for_each_form(struct echo_turn *t, struct echo_thread k, unsigned char byte,
    uint32_t c,
    void (*fn)(struct echo_turn *t, struct echo_thread k, uint32_t c))
{
    if (k.form != FORM_ANY) {
        fn(t, k, c);
        return;
    }
    const struct echo_begin *all = t->keys->begins;
    for (uint32_t i = t->keys->first[byte]; i != 0; i = all[i].next) {
        k.from = all[i].from;
        k.to = all[i].to;
        k.form = all[i].form;
        fn(t, k, c);
    }
}

static void
escape_ends(struct echo_turn *t, struct echo_thread k, uint32_t c)
{
    unsigned char lead = utf8_lead(c);
    t->has_merged = true;
    for_each_form(t, k, lead, c, symbol_ends);
    if (k.form == FORM_ANY && c < 256 && lead != c) {
        for_each_form(t, k, (unsigned char)c, c, symbol_ends);
    }
}

static int
json_short(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return -1;
    }
}

/* The character of four bytes at the place of a thread of one secret; 0: there
 * is none. */
static uint32_t
high_character(const struct echo_turn *t, const struct echo_thread *k)
{
    struct str s = echo_secret(t->keys, k->form, k->from);
    const unsigned char *p = (const unsigned char *)s.p + k->at;
    if (k->form != FORM_TEXT || s.n - k->at < 4 || (p[0] & 0xf8) != 0xf0) {
        return 0;
    }
    uint32_t c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                 (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3fu);
    return c >= 0x10000 ? c : 0;
}

/* The lower half of a pair; the upper one is what the secret has there. */
static void
pair_ends(struct echo_turn *t, struct echo_thread k, unsigned low)
{
    uint32_t c = high_character(t, &k);
    if (low >= 0xdc00 && low <= 0xdfff && c != 0) {
        escape_ends(t, k, (c & ~0x3ffu) | (low & 0x3ff));
    }
}

/* The first of the characters whose upper half that is: all of them begin
 * with the same byte. */
static uint32_t
pair_first(unsigned high)
{
    return 0x10000 + ((high - 0xd800) << 10);
}

/* The upper half: each goes on whose character it is of. */
static void
pair_begins(struct echo_turn *t, struct echo_thread k, uint32_t high)
{
    unsigned to = k.to;
    for (; k.from < to; k.from++) {
        uint32_t c = high_character(t, &k);
        k.to = (uint16_t)(k.from + 1);
        if (c != 0 && 0xd800 + ((c - 0x10000) >> 10) == high) {
            push_escape(t, k, PAIR, 0);
        }
    }
}

/* A digit of an escape; `last` is the state before its last one. */
static void
escape_digit(struct echo_turn *t, struct echo_thread k, unsigned char c,
    enum escape last)
{
    int digit = ascii_hex(c);
    if (digit < 0) {
        return;
    }
    unsigned value = k.value * 16u + (unsigned)digit;
    if (k.escape != last) {
        push_escape(t, k, k.escape + 1u, value);
    } else if (last == PAIR_UNICODE_3) {
        pair_ends(t, k, value);
    } else if (last == UNICODE_3 && value >= 0xd800 && value < 0xdc00) {
        for_each_form(t, k, utf8_lead(pair_first(value)), value, pair_begins);
    } else {
        escape_ends(t, k, value);
    }
}

static void
step_escape(struct echo_turn *t, struct echo_thread k, unsigned char c)
{
    int value = -1;
    switch (k.escape) {
    case BACKSLASH:
        value = json_short(c);
        if (value >= 0) {
            escape_ends(t, k, (uint32_t)value);
        } else if (c == 'u') {
            push_escape(t, k, UNICODE, 0);
        }
        return;
    case PAIR:
        if (c == '\\') {
            push_escape(t, k, PAIR_BACKSLASH, 0);
        }
        return;
    case PAIR_BACKSLASH:
        if (c == 'u') {
            push_escape(t, k, PAIR_UNICODE, 0);
        }
        return;
    case PERCENT:
    case PERCENT_1:
        escape_digit(t, k, c, PERCENT_1);
        return;
    default:
        escape_digit(
            t, k, c, k.escape <= UNICODE_3 ? UNICODE_3 : PAIR_UNICODE_3);
        return;
    }
}

void
echo_begin_escape(struct echo_turn *t, struct echo_thread k, unsigned char c)
{
    if (c == '%' || c == '\\') {
        push_escape(t, k, c == '%' ? PERCENT : BACKSLASH, 0);
    }
}

void
echo_step(struct echo_turn *t, struct echo_thread k, unsigned char c)
{
    if (k.escape != PLAIN) {
        step_escape(t, k, c);
        return;
    }
    struct echo_thread one = k;
    if (echo_narrow(t->keys, &one, c)) {
        echo_advance(t, one, 1);
    }
    one = k;
    if (c == '+' && k.form == FORM_TEXT && echo_narrow(t->keys, &one, ' ')) {
        echo_advance(t, one, 1); /* in a form */
    }
    echo_begin_escape(t, k, c);
}

/* A character that an escape stands for: whether some form begins so. */
static bool
may_begin(const struct echo_keys *k, uint32_t c)
{
    return k->first[utf8_lead(c)] != 0 || (c < 256 && k->first[c] != 0);
}

/* The value of `n` hex digits at p; -1: that is none; -2: the end is before
 * their end. */
static int
digits(const unsigned char *p, const unsigned char *end, unsigned n)
{
    int value = 0;
    for (unsigned i = 0; i < n; i++) {
        if (p + i == end) {
            return -2;
        }
        int digit = ascii_hex(p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

bool
echo_may_begin_escaped(
    const struct echo_keys *k, const unsigned char *p, const unsigned char *end)
{
    int value = -1;
    if (p + 1 == end) {
        return *p == '%' || *p == '\\';
    }
    if (*p == '%') {
        value = digits(p + 1, end, 2);
    } else if (*p == '\\' && p[1] == 'u') {
        value = digits(p + 2, end, 4);
    } else if (*p == '\\') {
        value = json_short(p[1]);
    }
    if (value >= 0xd800 && value < 0xdc00) {
        value = (int)pair_first((unsigned)value);
    }
    return value == -2 || (value >= 0 && may_begin(k, (uint32_t)value));
}
