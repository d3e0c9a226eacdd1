/*
 * What redact/scan.c costs by itself, in seconds for a GB of each kind of body,
 * in pieces of 64 KiB: with 1 secret and with 100, of 20, 41 and 88 bytes.
 *
 *     cc -std=gnu11 -O2 -D_GNU_SOURCE -Icore -Iobjs -o objs/scan \
 *         tests/bench/src/scan.c objs/libweir.a -lcrypto && objs/scan
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/digest.h"
#include "redact/scan.h"

#define SIZE (4u << 20)
#define PIECE 65536u
#define REPEATS 7 /* the least is the figure */

static const char words[][12] = { "the", "request", "goes", "only", "where",
    "policy", "allows", "it", "and", "a", "secret", "never", "leaves", "of",
    "sandbox", "connection", "is", "held", "until", "origin", "answers", "to" };

static uint64_t seed = 88172645463325252u;

static unsigned
chance(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

static size_t
put_words(char *to, unsigned n)
{
    size_t at = 0;
    while (n-- > 0) {
        at += (size_t)sprintf(to + at, "%s ", words[chance(LEN(words))]);
    }
    return at;
}

static size_t
put_base64(char *to)
{
    char plain[57];
    for (size_t i = 0; i < sizeof plain; i++) {
        plain[i] = (char)chance(256);
    }
    return base64_encode(str_n(plain, sizeof plain), to);
}

static size_t
put_prose(char *to)
{
    size_t n = put_words(to, 12);
    return n + (size_t)sprintf(to + n, "%s.\n", words[chance(LEN(words))]);
}

static size_t
put_json(char *to)
{
    size_t n = (size_t)sprintf(to,
        "  {\n    \"id\": %u,\n    \"url\": \"https://api.example.com/repos/%s/"
        "issues/%u\",\n    \"body\": \"",
        chance(99999), words[chance(LEN(words))], chance(9999));
    n += put_words(to + n, 14);
    return n + (size_t)sprintf(to + n, "\\n\"\n  },\n");
}

static size_t
put_code(char *to)
{
    const char *a = words[chance(LEN(words))], *b = words[chance(LEN(words))];
    return (size_t)sprintf(to,
        "    if (%s_%s(%s->%s) != %u) {\n        return %s_new(%s);\n    }\n",
        a, b, b, a, chance(99), a, b);
}

static size_t
put_html(char *to)
{
    size_t n = (size_t)sprintf(to,
        "<li class=\"item\"><a href=\"https://www.example.com/%s/%s.html\">",
        words[chance(LEN(words))], words[chance(LEN(words))]);
    n += put_words(to + n, 9);
    return n + (size_t)sprintf(to + n, "</a></li>\n");
}

static size_t
put_random(char *to)
{
    *to = (char)chance(256);
    return 1;
}

/* As encodeURIComponent() does. */
static size_t
put_percent(char *to)
{
    char plain[1024];
    size_t n = put_json(plain), at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)plain[i];
        bool is_plain = ascii_is_alpha(c) || ascii_is_digit(c) ||
                        (c != '\0' && strchr("-_.~", c) != NULL);
        at += (size_t)sprintf(to + at, is_plain ? "%c" : "%%%02X", c);
    }
    return at;
}

/* As a string of JSON that is in one. */
static size_t
put_json_twice(char *to)
{
    char plain[1024];
    size_t n = put_json(plain), at = 0;
    for (size_t i = 0; i < n; i++) {
        char c = plain[i];
        const char *s = c == '"'    ? "\\\\\\\""
                        : c == '\\' ? "\\\\\\\\"
                                    : "\\\\n";
        bool is_plain = c != '"' && c != '\\' && c != '\n';
        at += (size_t)sprintf(to + at, "%s", is_plain ? "" : s);
        to[at] = c;
        at += is_plain;
    }
    return at;
}

static const struct {
    const char *name;
    size_t (*put)(char *to);
} kinds[] = {
    { "prose", put_prose },
    { "JSON", put_json },
    { "code", put_code },
    { "HTML", put_html },
    { "base64", put_base64 },
    { "percent-encoded", put_percent },
    { "JSON in JSON", put_json_twice },
    { "random", put_random },
};

static void
on_report(void *arg, enum redact_event event, unsigned secret, uint64_t from,
    uint64_t to)
{
    (void)arg, (void)event, (void)secret, (void)from, (void)to;
}

static double
cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
cost(const struct redact_keys *keys, struct str text)
{
    double least = 1e9;
    for (unsigned i = 0; i < REPEATS; i++) {
        struct redact_scan s;
        double begin = cpu_seconds();
        redact_scan_init(&s, keys);
        for (size_t at = 0; at < text.n; at += PIECE) {
            size_t n = text.n - at < PIECE ? text.n - at : PIECE;
            redact_scan_feed(&s, str_n(text.p + at, n), on_report, NULL);
        }
        redact_scan_end(&s, on_report, NULL);
        redact_scan_fini(&s);
        double took = (cpu_seconds() - begin) / (double)text.n * 1e9;
        least = took < least ? took : least;
    }
    return least;
}

static void
keys_of(struct redact_keys *keys, unsigned n, size_t length)
{
    static char bytes[100][128];
    static struct str secrets[100];
    for (unsigned i = 0; i < n; i++) {
        for (size_t k = 0; k < length; k++) {
            unsigned v = chance(62);
            bytes[i][k] = (char)(v < 26   ? 'a' + v
                                 : v < 52 ? 'A' + v - 26
                                          : '0' + v - 52);
        }
        secrets[i] = str_n(bytes[i], length);
    }
    redact_keys_init(keys, secrets, n);
}

int
main(void)
{
    static const struct {
        unsigned n;
        size_t length;
    } of[] = { { 1, 88 }, { 100, 88 }, { 1, 41 }, { 100, 41 }, { 1, 20 } };
    static char text[SIZE + 4096];
    struct redact_keys keys[LEN(of)];
    printf("%-16s", "");
    for (unsigned i = 0; i < LEN(of); i++) {
        keys_of(&keys[i], of[i].n, of[i].length);
        printf("  %3u of %zu (S=%u)", of[i].n, of[i].length, keys[i].stride);
    }
    printf("\n");
    for (unsigned k = 0; k < LEN(kinds); k++) {
        size_t n = 0;
        while (n < SIZE) {
            n += kinds[k].put(text + n);
        }
        printf("%-16s", kinds[k].name);
        for (unsigned i = 0; i < LEN(of); i++) {
            printf("  %15.3f", cost(&keys[i], str_n(text, SIZE)));
        }
        printf("\n");
    }
    return 0;
}
