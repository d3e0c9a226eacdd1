/*
 * The forms as a nondeterministic automaton, simulated by its live threads. A
 * thread stands at a symbol of one form, or within an escape of that symbol;
 * text has none alive nearly always, and then bytes are only looked up in
 * `may_be`.
 */

#include "sandbox/echo.h"

#include "base/mem.h"

/* The forms: the secret's bytes, or the sextets that it determines where
 * base64 began 0, 1 or 2 bytes (mod 3) before it. ANY: an escape that may be
 * the first symbol of each. */
enum form { FORM_TEXT, FORM_BASE64, FORM_ANY = FORM_BASE64 + 3 };

/* In may_be: the first symbol of some form, the second, or of its escape. */
enum { FIRST = 1, SECOND = 2 };

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

/* One byte's work: threads after it, and whom to tell. */
struct turn {
    struct echo *e;
    echo_found *found;
    void *arg;
    unsigned n;
    bool has_merged; /* an escape ended: threads may meet */
    struct echo_thread threads[ECHO_THREADS];
};

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* The sextets that hold bits before the secret's own are left out. */
static size_t
first_bit(unsigned form)
{
    size_t lead = (form - FORM_BASE64) * 8;
    return (lead + 5) / 6 * 6 - lead;
}

/* How many symbols of a form are the secret's wholly. */
static size_t
form_length(struct str secret, unsigned form)
{
    return form == FORM_TEXT ? secret.n : (secret.n * 8 - first_bit(form)) / 6;
}

/* Six bits of the secret from bit `at` on; *mask: which of them are its. */
static unsigned
sextet(struct str secret, size_t at, unsigned *mask)
{
    size_t i = at / 8, bits = secret.n * 8 - at;
    unsigned word = (unsigned)(unsigned char)secret.p[i] << 8;
    if (i + 1 < secret.n) {
        word |= (unsigned char)secret.p[i + 1];
    }
    *mask = bits >= 6 ? 0x3f : 0x3f & ~(0x3fu >> bits);
    return (word >> (10 - at % 8)) & 0x3f;
}

/* Whether symbol `at` of the form may be that byte. */
static bool
is_symbol(struct str secret, unsigned form, size_t at, unsigned char c)
{
    if (form == FORM_TEXT) {
        return (unsigned char)secret.p[at] == c;
    }
    int value = base64_value(c);
    unsigned mask;
    unsigned want = sextet(secret, first_bit(form) + at * 6, &mask);
    return value >= 0 && (((unsigned)value ^ want) & mask) == 0;
}

/* Unescaped, a form's "+" stands for a space. */
static bool
is_plain_symbol(struct str secret, unsigned form, size_t at, unsigned char c)
{
    return is_symbol(secret, form, at, c) ||
           (c == '+' && form == FORM_TEXT && secret.p[at] == ' ');
}

static bool
is_known(const struct turn *t, const struct echo_thread *k)
{
    for (unsigned i = 0; i < t->n; i++) {
        const struct echo_thread *o = &t->threads[i];
        if (o->at == k->at && o->form == k->form && o->escape == k->escape &&
            o->value == k->value) {
            return true;
        }
    }
    return false;
}

/* The earlier thread comes first and covers the later one's bytes. */
static void
push(struct turn *t, struct echo_thread k)
{
    if (t->has_merged && is_known(t, &k)) {
        return;
    }
    if (t->n == ECHO_THREADS) {
        t->e->has_missed = true;
        return;
    }
    t->threads[t->n++] = k;
}

static void
push_escape(
    struct turn *t, struct echo_thread k, unsigned escape, unsigned value)
{
    k.escape = (uint8_t)escape;
    k.value = (uint16_t)value;
    push(t, k);
}

/* Symbols were seen. Behind the last whole one there may be one that shares
 * its bits with what follows: it goes too, and nothing is held for it. */
static void
advance(struct turn *t, struct echo_thread k, size_t symbols)
{
    struct str secret = t->e->secret;
    size_t length = form_length(secret, k.form);
    uint64_t end = t->e->offset + 1;
    k.at += (uint32_t)symbols;
    k.escape = PLAIN;
    k.value = 0;
    if (k.at >= length) {
        t->found(t->arg, k.start, end);
        k.start = end;
    }
    bool has_rest = k.form != FORM_TEXT && k.at == length &&
                    first_bit(k.form) + length * 6 < secret.n * 8;
    if (k.at < length || has_rest) {
        push(t, k);
    }
}

/* How many of the secret's bytes from `at` on are that character in UTF-8. */
static size_t
utf8_symbols(struct str secret, size_t at, uint32_t c)
{
    char text[4];
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    if (c < 0x80 || (c >= 0xd800 && c < 0xe000)) {
        return 0;
    }
    for (size_t i = n; i-- > 1; c >>= 6) {
        text[i] = (char)(0x80 | (c & 0x3f));
    }
    text[0] = (char)(lead[n] | c);
    bool is_it = secret.n - at >= n && memcmp(secret.p + at, text, n) == 0;
    return is_it ? n : 0;
}

/* An escape ended: it stands for that character, as one byte (what reads a
 * header as Latin-1 writes so) or in UTF-8. */
static void
escape_ends(struct turn *t, struct echo_thread k, uint32_t c)
{
    struct str secret = t->e->secret;
    unsigned from = k.form == FORM_ANY ? FORM_TEXT : k.form;
    unsigned to = k.form == FORM_ANY ? FORM_ANY : k.form + 1u;
    t->has_merged = true;
    for (unsigned form = from; form < to; form++) {
        k.form = (uint8_t)form;
        if (c < 256 && is_symbol(secret, form, k.at, (unsigned char)c)) {
            advance(t, k, 1);
        }
        size_t n = form == FORM_TEXT ? utf8_symbols(secret, k.at, c) : 0;
        if (n != 0) {
            advance(t, k, n);
        }
    }
}

static int
json_short(unsigned char c)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *at = c != '\0' ? strchr(letters, c) : NULL;
    return at != NULL ? values[at - letters] : -1;
}

/* The lower half of a pair; the upper one is what the secret has there. */
static void
pair_ends(struct turn *t, struct echo_thread k, unsigned low)
{
    struct str s = t->e->secret;
    const unsigned char *p = (const unsigned char *)s.p + k.at;
    if (s.n - k.at < 4 || low < 0xdc00 || low > 0xdfff) {
        return;
    }
    uint32_t c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                 (p[2] & 0x30u) << 6;
    escape_ends(t, k, c | (low & 0x3ff));
}

/* The upper half: goes on if it is of the character that the secret has. */
static void
pair_begins(struct turn *t, struct echo_thread k, unsigned high)
{
    struct str s = t->e->secret;
    const unsigned char *p = (const unsigned char *)s.p + k.at;
    bool is_text = k.form == FORM_TEXT || k.form == FORM_ANY;
    if (!is_text || s.n - k.at < 4 || (p[0] & 0xf8) != 0xf0) {
        return;
    }
    uint32_t c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                 (p[2] & 0x30u) << 6;
    if (c >= 0x10000 && 0xd800 + ((c - 0x10000) >> 10) == high) {
        k.form = FORM_TEXT;
        push_escape(t, k, PAIR, 0);
    }
}

/* A digit of an escape; `last` is the state before its last one. */
static void
escape_digit(
    struct turn *t, struct echo_thread k, unsigned char c, enum escape last)
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
        pair_begins(t, k, value);
    } else {
        escape_ends(t, k, value);
    }
}

static void
step_escape(struct turn *t, struct echo_thread k, unsigned char c)
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

static void
begin_escape(struct turn *t, struct echo_thread k, unsigned char c)
{
    if (c == '%' || c == '\\') {
        push_escape(t, k, c == '%' ? PERCENT : BACKSLASH, 0);
    }
}

static void
step(struct turn *t, struct echo_thread k, unsigned char c)
{
    if (k.escape != PLAIN) {
        step_escape(t, k, c);
        return;
    }
    if (is_plain_symbol(t->e->secret, k.form, k.at, c)) {
        advance(t, k, 1);
    }
    begin_escape(t, k, c);
}

static void
begin(struct turn *t, unsigned char c)
{
    struct echo_thread k = { .start = t->e->offset };
    for (; k.form < FORM_ANY; k.form++) {
        if (is_plain_symbol(t->e->secret, k.form, 0, c)) {
            advance(t, k, 1);
        }
    }
    begin_escape(t, k, c);
}

static void
take(struct turn *t, unsigned char c)
{
    struct echo *e = t->e;
    t->n = 0;
    t->has_merged = false;
    for (unsigned i = 0; i < e->n; i++) {
        step(t, e->threads[i], c);
    }
    if (e->may_be[c] & FIRST) {
        begin(t, c);
    }
    memcpy(e->threads, t->threads, t->n * sizeof *t->threads);
    e->n = t->n;
    e->offset++;
}

/* The bytes that symbol `at` of any form may be. */
static void
mark(struct echo *e, size_t at, uint8_t as)
{
    unsigned char c = (unsigned char)e->secret.p[at];
    e->may_be[c] |= as;
    e->may_be['+'] |= c == ' ' ? as : 0;
    e->may_be['%'] |= as;
    e->may_be['\\'] |= as;
    for (unsigned form = FORM_BASE64; form < FORM_ANY; form++) {
        unsigned mask, v = sextet(e->secret, first_bit(form) + at * 6, &mask);
        e->may_be[(unsigned char)base64_digits[v]] |= as;
        e->may_be['-'] |= v == 62 ? as : 0;
        e->may_be['_'] |= v == 63 ? as : 0;
    }
}

void
echo_init(struct echo *e, struct str secret)
{
    AN(secret.n >= ECHO_MIN && secret.n <= UINT32_MAX / 8);
    e->secret = secret;
    memset(e->may_be, 0, sizeof e->may_be);
    mark(e, 0, FIRST);
    mark(e, 1, SECOND);
    echo_reset(e);
}

void
echo_reset(struct echo *e)
{
    e->offset = 0;
    e->n = 0;
    e->has_missed = false;
}

/* Whether what may begin at `p` lives to the byte behind: without that look
 * text would begin a form every ten bytes. */
static bool
goes_on(const struct echo *e, const unsigned char *p, const unsigned char *end)
{
    if (p + 1 == end || (e->may_be[p[1]] & SECOND)) {
        return true;
    }
    int value = *p == '\\' ? json_short(p[1]) : -1;
    return (*p == '%' && ascii_hex(p[1]) >= 0) || (*p == '\\' && p[1] == 'u') ||
           (value >= 0 && (e->may_be[value] & FIRST));
}

void
echo_feed(struct echo *e, struct str bytes, echo_found *found, void *arg)
{
    struct turn t;
    t.e = e;
    t.found = found;
    t.arg = arg;
    const unsigned char *p = (const unsigned char *)bytes.p;
    const unsigned char *end = p + bytes.n;
    while (p < end) {
        const unsigned char *from = p;
        while (e->n == 0 && p < end &&
               (!(e->may_be[*p] & FIRST) || !goes_on(e, p, end))) {
            p++;
        }
        e->offset += (uint64_t)(p - from);
        if (p < end) {
            take(&t, *p++);
        }
    }
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

void
echo_fini(struct echo *e)
{
    mem_wipe(e->may_be, sizeof e->may_be);
    e->secret = STR_NONE;
    e->n = 0;
}
