/*
 * Bodies of every level, strategy and flush, in members and cut anywhere,
 * through a filter that masks a secret and holds tokens that are open: what
 * holds none leaves byte for byte, what does is inflated by zlib to the masked
 * text with its checks right, and no block leaves before its text is cleared.
 */

#include "gzip_mask_pack.h"

#include <valgrind/valgrind.h>

#define ROUNDS (RUNNING_ON_VALGRIND ? 5 : 150)

static void
one_round(unsigned seed)
{
    struct plain p;
    struct drive d;
    srand(seed);
    enum coding c = chance(3) != 0 ? CODING_GZIP : CODING_DEFLATE;
    unsigned members = c == CODING_GZIP && chance(3) == 0 ? 1 + chance(6) : 1;
    unsigned odds = chance(2) == 0 ? 0 : 1 + chance(20000);
    body_n = 0;
    for (unsigned i = 0; i < members; i++) {
        struct kind k = any_kind(c);
        size_t n =
            make_text(text, 65 + chance(chance(3) == 0 ? 100 : 300000), odds);
        add_packed(&k, text, n);
    }
    plain_make(&p, str_n(body, body_n), c);
    assert_true(p.is_whole);
    drive_init(
        &d, c, 1 + (int)chance(9), 0, chance(3) * 30, 32 + chance(70000));
    feed(&d, &p, false);
    if (d.result != GZIP_DONE) {
        fail_msg("seed %u: %d", seed, d.result);
    }
    if (!d.filter.has_masked && gzip_mask_anew(d.mask) == NULL) {
        assert_int_equal(d.all.len, body_n);
    } else {
        assert_inflates(&d, c);
    }
    assert_true(d.most <= GZIP_MASK_MEMORY + 100);
    drive_fini(&d);
    plain_free(&p);
}

static void
random_bodies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        one_round(i);
    }
}

/* What a filter has cleared leaves in the same pass, whatever the flush. */
static void
leaves_at_once(void **state)
{
    (void)state;
    srand(3);
    for (int flush = 0; flush < 5; flush++) {
        struct kind k = { 6, 0, 31, 5, flush, 30, flush % 2 == 0 };
        pack(&k, 300000, 0);
        assert_passes(CODING_GZIP, 0, true);
        k.bits = 15;
        pack(&k, 300000, 0);
        assert_passes(CODING_DEFLATE, 0, true);
        assert_passes(CODING_DEFLATE, 40, false);
    }
}

/* At the other end can be read what the filter has cleared. */
static void
assert_readable(const struct drive *d, size_t n)
{
    char *s = left_of(d);
    static char to[65536];
    z_stream z = { .next_in = (unsigned char *)s,
        .avail_in = (unsigned)d->all.len,
        .next_out = (unsigned char *)to,
        .avail_out = sizeof to };
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    (void)inflate(&z, Z_SYNC_FLUSH);
    assert_int_equal(z.total_out, n);
    (void)inflateEnd(&z);
    free(s);
}

/* Events, of which three end in what is held, and two are masked. `readable`:
 * of the whole text; a block leaves whole, until one has been masked. */
static void
events(void **state)
{
    static const struct {
        const char *text;
        size_t cleared, readable;
    } all[] = { { "data: one\n\n", 11, 11 }, { "two: ", 16, 16 },
        { "three", 16, 16 }, { "\n\n", 23, 23 }, { "a", 23, 23 },
        { "b", 23, 23 }, { "c.", 27, 27 }, { "a. b", 30, 27 },
        { DRIVE_SECRET "\n", 49, 49 }, { "data: four", 55, 55 },
        { ".", 60, 60 }, { DRIVE_SECRET "\n", 78, 78 } };
    struct drive d;
    z_stream z = { 0 };
    (void)state;
    drive_init(&d, CODING_GZIP, 1, 0, 100, 65536);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    for (unsigned i = 0; i < LEN(all); i++) {
        unsigned char packed[1000];
        z.next_in = (unsigned char *)all[i].text;
        z.avail_in = (unsigned)strlen(all[i].text);
        z.next_out = packed;
        z.avail_out = sizeof packed;
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        bufq_append(&d.in, str_n((char *)packed, sizeof packed - z.avail_out));
        drive_run(&d, false);
        assert_int_equal(d.filter.given, all[i].cleared);
        assert_readable(&d, all[i].readable);
        assert_true(gzip_mask_memory(d.mask) < 200 * 1024);
    }
    (void)deflateEnd(&z);
    drive_fini(&d);
}

static void
members(void **state)
{
    (void)state;
    srand(4);
    body_n = 0;
    for (int i = 0; i < 20; i++) {
        add_packed(i % 2 == 0 ? &named_gzip : &plain_gzip, text,
            make_text(text, 3000, 0));
        add_packed(&plain_gzip, "", 0);
    }
    assert_passes(CODING_GZIP, 0, true);
    assert_passes(CODING_GZIP, 40, false);
    add_packed(&named_gzip, text, make_text(text, 20000, 100));
    add_packed(&named_gzip, text, make_text(text, 20000, 100));
    assert_masked(CODING_GZIP, 40);
    body_n = 0; /* over the border of two, and three in what is held */
    add_packed(&plain_gzip, ". S3CRET-01", 11);
    add_packed(&named_gzip, "23456789 .", 10);
    assert_masked(CODING_GZIP, 40);
    body_n = 0;
    add_packed(&plain_gzip, ". S3CR", 6);
    add_packed(&named_gzip, "ET-0123", 7);
    add_packed(&named_gzip, "", 0);
    add_packed(&plain_gzip, "456789. .", 9);
    assert_masked(CODING_GZIP, 40);
}

/* A block for each byte, of `s` and of what follows it in one. */
static void
add_bytes(const char *s, const char *behind)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    z.next_out = (unsigned char *)body + body_n;
    z.avail_out = (unsigned)(BODY_MAX - body_n);
    for (size_t i = 0; s[i] != '\0'; i++) {
        z.next_in = (unsigned char *)s + i;
        z.avail_in = 1;
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    }
    z.next_in = (unsigned char *)behind;
    z.avail_in = (unsigned)strlen(behind);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    body_n += z.total_out;
    (void)deflateEnd(&z);
}

/* More blocks in what is held than are kept in mind, in two members; the
 * second begins where the first masked byte is, or later. */
static void
many_cuts(void **state)
{
    char many[101];
    (void)state;
    memset(many, 'a', 100);
    many[100] = '\0';
    body_n = 0;
    add_bytes(many, "");
    add_bytes("bb" DRIVE_SECRET, " .");
    assert_masked(CODING_GZIP, 1000);
    body_n = 0;
    add_bytes(many, DRIVE_SECRET);
    add_bytes(many, " .");
    assert_masked(CODING_GZIP, 1000);
    body_n = 0;
    add_bytes(many, "");
    add_bytes(many, " .");
    assert_passes(CODING_GZIP, 1000, false);
}

/* A reader that has no more of a window than the header says it needs. */
static void
assert_window(const struct drive *d, int bits)
{
    char *s = left_of(d);
    unsigned char to[50];
    z_stream z = { .next_in = (unsigned char *)s,
        .avail_in = (unsigned)d->all.len };
    int r;
    assert_int_equal(inflateInit2(&z, bits), Z_OK);
    do {
        z.next_out = to;
        z.avail_out = sizeof to;
        r = inflate(&z, Z_NO_FLUSH);
    } while (r == Z_OK);
    assert_int_equal(r, Z_STREAM_END);
    (void)inflateEnd(&z);
    free(s);
}

static void
small_windows(void **state)
{
    static const struct kind zlib = { .level = 6, .bits = 9, .mem = 8 };
    struct plain p;
    struct drive d;
    (void)state;
    srand(9);
    for (int bits = 8; bits <= 9; bits++) {
        size_t n = make_text(text, 400, 0);
        memcpy(text + 20, " " DRIVE_SECRET " ", sizeof DRIVE_SECRET + 1);
        for (int i = 1; i < 20; i++) {
            memcpy(text + (size_t)i * n, text, n);
        }
        body_n = 0;
        add_packed(&zlib, text, bits == 8 ? 200 : 20 * n);
        if (bits == 8) { /* 256 bytes, of which 200 are enough */
            memcpy(body, "\x08\x1d", 2);
        }
        begin(&d, &p, CODING_DEFLATE, 30);
        feed(&d, &p, false);
        assert_true(d.filter.has_masked);
        assert_inflates(&d, CODING_DEFLATE);
        assert_window(&d, bits);
        end(&d, &p);
    }
}

/* Members that are all held: one that is compressed anew has them. */
static void
small_members(void **state)
{
    struct plain p;
    struct drive d;
    (void)state;
    body_n = 0;
    for (int i = 0; i < 200; i++) {
        add_packed(&plain_gzip, "a", 1);
    }
    add_packed(&plain_gzip, ".", 1);
    begin(&d, &p, CODING_GZIP, 1000);
    feed(&d, &p, false);
    assert_int_equal(d.result, GZIP_DONE);
    assert_non_null(gzip_mask_anew(d.mask));
    assert_inflates(&d, CODING_GZIP);
    end(&d, &p);
}

static void
nothing(void **state)
{
    (void)state;
    body_n = 0;
    assert_passes(CODING_GZIP, 9, true);
    assert_passes(CODING_DEFLATE, 9, true);
    add_packed(&plain_gzip, "", 0);
    assert_passes(CODING_GZIP, 9, true);
    body_n = 0;
    add_packed(&plain_raw, "", 0);
    assert_passes(CODING_DEFLATE, 9, true);
}

/* Behind the last member anything may stand; it is looked through. */
static void
trailing(void **state)
{
    (void)state;
    pack(&plain_gzip, 5000, 0);
    add(STR("\0\0\0\0<!-- generated in 0.1 s -->\x1f"));
    assert_passes(CODING_GZIP, 20, false);
    pack(&plain_zlib, 5000, 0);
    add(STR("\x1f\x8b\x08"));
    assert_passes(CODING_DEFLATE, 20, true);
    pack(&plain_raw, 5000, 0);
    add(STR("x"));
    assert_passes(CODING_DEFLATE, 20, false);
    for (int i = 0; i < 3; i++) {
        struct plain p;
        struct drive d;
        pack(i == 0 ? &plain_gzip : i == 1 ? &plain_zlib : &plain_raw, 900, 0);
        size_t n = body_n;
        add(STR(" <!-- " DRIVE_SECRET " --> end"));
        begin(&d, &p, i == 0 ? CODING_GZIP : CODING_DEFLATE, 40);
        feed(&d, &p, false);
        assert_int_equal(d.result, GZIP_DONE);
        char *s = left_of(&d);
        assert_int_equal(d.all.len, body_n);
        assert_memory_equal(s, body, n);
        assert_memory_equal(s + n, " <!-- ***************** --> end", 31);
        free(s);
        end(&d, &p);
    }
}

/* A member's header with the secret in each of its fields. */
static void
names(void **state)
{
    static const char want[] = "\x1f\x8b\x08\x1e\0\0\0\0\0\3\x11\0"
                               "*****************x*****************\0"
                               "*****************.\0";
    unsigned char head[] = "\x1f\x8b\x08\x1e\0\0\0\0\0\3\x11\0" DRIVE_SECRET
                           "x" DRIVE_SECRET "\0" DRIVE_SECRET ".\0";
    size_t n = sizeof head - 1;
    struct plain p;
    struct drive d;
    uLong check = crc32(0, head, (unsigned)n);
    (void)state;
    for (int is_wrong = 0; is_wrong < 2; is_wrong++) {
        pack(&plain_raw, 900, 0);
        for (size_t i = body_n; i-- > 0;) {
            body[n + 2 + i] = body[i]; /* they overlap */
        }
        memcpy(body, head, n);
        body[n] = (char)(check + (unsigned)is_wrong);
        body[n + 1] = (char)(check >> 8);
        body_n += n + 2;
        uLong sum = crc32(0, (unsigned char *)text, 0);
        size_t text_n = strlen(text);
        sum = crc32(sum, (unsigned char *)text, (unsigned)text_n);
        for (int i = 0; i < 4; i++) {
            body[body_n + (size_t)i] = (char)(sum >> 8 * i);
            body[body_n + 4 + (size_t)i] = (char)(text_n >> 8 * i);
        }
        body_n += 8;
        begin(&d, &p, CODING_GZIP, 40);
        feed(&d, &p, false);
        assert_int_equal(d.result, GZIP_DONE);
        assert_int_equal(d.looked, 3);
        assert_int_equal(d.all.len, body_n);
        char *s = left_of(&d);
        assert_memory_equal(s, want, n);
        assert_memory_equal(s + n + 2, body + n + 2, body_n - n - 2);
        uLong given = (unsigned char)s[n] | (uLong)(unsigned char)s[n + 1] << 8;
        free(s);
        if (!is_wrong) {
            assert_inflates(&d, CODING_GZIP);
        }
        /* by a constant, where it was wrong */
        uLong masked = crc32(0, (const unsigned char *)want, (unsigned)n);
        masked = is_wrong ? ~masked : masked;
        assert_int_equal(given, masked & 0xffff);
        end(&d, &p);
    }
}

/* A block of much text is inflated again, a part in each call. */
static void
much_text_again(void **state)
{
    (void)state;
    memset(text, 'a', TEXT_MAX);
    memcpy(
        text + TEXT_MAX - 100, " " DRIVE_SECRET " ", sizeof DRIVE_SECRET + 1);
    body_n = 0;
    add_packed(&plain_gzip, text, TEXT_MAX);
    assert_masked(CODING_GZIP, 40);
}

/* ... for a reader that takes a few bytes at a time. */
static void
slow_reader(void **state)
{
    struct plain p;
    struct drive d;
    (void)state;
    srand(10);
    size_t n = make_text(text, 200000, 0);
    memcpy(text + n - 100, " " DRIVE_SECRET " ", sizeof DRIVE_SECRET + 1);
    body_n = 0;
    add_packed(&plain_gzip, text, n);
    plain_make(&p, str_n(body, body_n), CODING_GZIP);
    drive_init(&d, CODING_GZIP, 1, 0, 40, 32);
    feed(&d, &p, false);
    assert_int_equal(d.result, GZIP_DONE);
    assert_true(d.filter.has_masked);
    assert_inflates(&d, CODING_GZIP);
    end(&d, &p);
}

/* The secret at each place, over each border of two blocks. */
static void
each_place(void **state)
{
    static const struct kind *const kinds[] = { &flushed_gzip, &plain_zlib,
        &plain_raw };
    (void)state;
    srand(8);
    for (size_t at = 0; at < 600; at += 7) {
        const struct kind *k = kinds[at % 3];
        size_t n = make_text(text, 700, 0);
        memset(text + at, '.', sizeof DRIVE_SECRET + 1);
        memcpy(text + at + 1, DRIVE_SECRET, sizeof DRIVE_SECRET - 1);
        body_n = 0;
        add_packed(k, text, n);
        assert_masked(k->bits == 31 ? CODING_GZIP : CODING_DEFLATE, 30);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bodies),
        cmocka_unit_test(leaves_at_once),
        cmocka_unit_test(events),
        cmocka_unit_test(members),
        cmocka_unit_test(many_cuts),
        cmocka_unit_test(small_windows),
        cmocka_unit_test(small_members),
        cmocka_unit_test(nothing),
        cmocka_unit_test(trailing),
        cmocka_unit_test(names),
        cmocka_unit_test(much_text_again),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(each_place),
    };
    pack_init();
    return cmocka_run_group_tests_name("gzip_mask", tests, NULL, NULL);
}
