/*
 * ClientHellos, as bytes from a socket and as a message of which the records
 * are made here: more bytes never change an answer, and no cut into records
 * does. The same bytes as a server's answer: no cut changes what they mean.
 */

#include "fuzz.h"

#include "net/hello.h"
#include "net/server_hello.h"

#define PREFIXES_MAX 600 /* all of them up to here, then some */

static void
check_hello(const struct hello *h)
{
    AN(h->sni_len < sizeof h->sni && strlen(h->sni) == h->sni_len);
}

static enum hello_result
parse(struct str in, struct hello *out)
{
    memset(out, 0x5a, sizeof *out);
    enum hello_result r = hello_parse(in, out);
    check_hello(out);
    return r;
}

/* MORE until the answer, and the answer for good. */
static void
check_prefixes(struct str in, enum hello_result whole, const struct hello *h)
{
    struct hello got;
    uint64_t x = cuts_begin(in);
    bool is_known = false;
    size_t n = 0;
    while (n < in.n) {
        enum hello_result r = parse(str_n(in.p, n), &got);
        AN(!is_known || r == whole);
        AN(r == HELLO_MORE || r == whole);
        is_known = r != HELLO_MORE;
        AN(r != HELLO_OK || memcmp(&got, h, sizeof got) == 0);
        n += n < PREFIXES_MAX ? 1 : cuts_next(&x, in.n - n);
    }
}

/* The payload of `in`'s records, `max` bytes at most. */
static struct str
join(struct arena *a, struct str in, size_t max)
{
    char *to = arena_alloc(a, in.n + 1);
    size_t n = 0;
    while (in.n > 5 && n < max) {
        size_t size = (size_t)((uint8_t)in.p[3] << 8 | (uint8_t)in.p[4]);
        in = str_skip(in, 5);
        size = size < in.n ? size : in.n;
        memcpy(to + n, in.p, size);
        n += size;
        in = str_skip(in, size);
    }
    return str_n(to, n);
}

/* `message` in records of `each` bytes; 0: by its cuts. */
static struct str
cut(struct arena *a, struct str message, size_t each)
{
    uint64_t x = cuts_begin(message);
    char *to = arena_alloc(a, message.n * 6 + 5);
    size_t n = 0;
    while (message.n != 0) {
        size_t size = each != 0 ? each : cuts_next(&x, message.n);
        size = size < message.n ? size : message.n;
        size = size < 16384 ? size : 16384;
        to[n] = 22;
        to[n + 1] = 3;
        to[n + 2] = 1;
        to[n + 3] = (char)(size >> 8);
        to[n + 4] = (char)size;
        memcpy(to + n + 5, message.p, size);
        n += 5 + size;
        message = str_skip(message, size);
    }
    return str_n(to, n);
}

static size_t
count_records(struct str in)
{
    size_t n = 0;
    for (; in.n != 0; n++) {
        in = str_skip(
            in, 5 + (size_t)((uint8_t)in.p[3] << 8 | (uint8_t)in.p[4]));
    }
    return n;
}

static void
check_cuts(struct arena *a, struct str message, enum hello_result want,
    const struct hello *h)
{
    static const size_t sizes[] = { 1, 3, 16384, 0 };
    struct hello got;
    for (size_t i = 0; i < LEN(sizes); i++) {
        struct str in = cut(a, message, sizes[i]);
        if (count_records(in) > HELLO_RECORDS_MAX) {
            continue;
        }
        AN(parse(in, &got) == want);
        AN(want != HELLO_OK || got.size == in.n);
        got.size = h->size;
        AN(want != HELLO_OK || memcmp(&got, h, sizeof got) == 0);
    }
}

static void
check_message(struct arena *a, struct str body)
{
    struct hello h;
    char *p = arena_alloc(a, body.n + 4);
    p[0] = 1;
    p[1] = (char)(body.n >> 16);
    p[2] = (char)(body.n >> 8);
    p[3] = (char)body.n;
    memcpy(p + 4, body.p, body.n);
    struct str message = str_n(p, body.n + 4);
    struct str in = cut(a, message, 16384);
    enum hello_result r = parse(in, &h);
    AN(r == HELLO_OK || r == HELLO_BAD);
    check_prefixes(in, r, &h);
    check_cuts(a, message, r, &h);
}

static void
check_answer(struct str in)
{
    struct server_hello whole = { .n = 0 }, cut = { .n = 0 };
    uint64_t x = cuts_begin(in);
    enum server_answer answer = server_hello_read(&whole, in);
    for (size_t i = 0, n; i < in.n; i += n) {
        n = cuts_next(&x, in.n - i);
        server_hello_read(&cut, str_n(in.p + i, n));
    }
    AN(cut.answer == answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hello h;
    if (size > HELLO_MAX + 64) {
        return 0;
    }
    struct arena *a = arena_new(4096);
    struct str in = arena_dup(a, str_n((const char *)data, size));
    enum hello_result r = parse(in, &h);
    check_prefixes(in, r, &h);
    check_answer(in);
    if (r == HELLO_OK) {
        AN(h.size <= in.n);
        struct str m = join(a, in, SIZE_MAX);
        size_t n = 4 + ((size_t)(uint8_t)m.p[1] << 16 |
                           (size_t)(uint8_t)m.p[2] << 8 | (uint8_t)m.p[3]);
        check_cuts(a, str_n(m.p, n), r, &h);
    }
    check_message(a, in);
    arena_free(a);
    return 0;
}
