/*
 * Digests by the published vectors; base64 strictly; comparisons.
 */

#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
assert_hex(const uint8_t digest[SHA256_SIZE], const char *want)
{
    char text[2 * SHA256_SIZE + 1];
    hex_encode(digest, SHA256_SIZE, text);
    assert_string_equal(text, want);
}

/* FIPS 180-2 appendix B, and of nothing. */
static void
sha256_vectors(void **state)
{
    uint8_t d[SHA256_SIZE];
    (void)state;
    sha256(STR("abc"), d);
    assert_hex(d, "ba7816bf8f01cfea414140de5dae2223"
                  "b00361a396177a9cb410ff61f20015ad");
    sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), d);
    assert_hex(d, "248d6a61d20638b8e5c026930c3e6039"
                  "a33ce45964ff2167f6ecedd419db06c1");
    const char *nothing = "e3b0c44298fc1c149afbf4c8996fb924"
                          "27ae41e4649b934ca495991b7852b855";
    sha256(STR(""), d);
    assert_hex(d, nothing);
    sha256(STR_NONE, d);
    assert_hex(d, nothing);
}

/* RFC 4231 4.2, 4.3, 4.7 (a key longer than a block), and of nothing. */
static void
hmac_vectors(void **state)
{
    uint8_t d[SHA256_SIZE];
    char key[131];
    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha256(str_n(key, 20), STR("Hi There"), d);
    assert_hex(d, "b0344c61d8db38535ca8afceaf0bf12b"
                  "881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), d);
    assert_hex(d, "5bdcc146bf60754e6a042426089575c7"
                  "5a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(str_n(key, sizeof key),
        STR("Test Using Larger Than Block-Size Key - Hash Key First"), d);
    assert_hex(d, "60e431591ee0b67f0d8a26aacbf5b77f"
                  "8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(STR_NONE, STR_NONE, d);
    assert_hex(d, "b613679a0814d9ec772f95d778c35fc5"
                  "ff1697c493715653c6c712144292c5ad");
}

static void
assert_base64(struct str plain, const char *text)
{
    char to[64];
    uint8_t back[64];
    size_t n = 99;
    assert_int_equal(base64_len(plain.n), strlen(text));
    assert_int_equal(base64_encode(plain, to), strlen(text));
    assert_string_equal(to, text);
    assert_true(base64_decode(str_of(text), back, &n));
    assert_int_equal(n, plain.n);
    assert_memory_equal(back, plain.p != NULL ? plain.p : "", n);
}

/* RFC 4648 10. */
static void
base64_vectors(void **state)
{
    (void)state;
    assert_base64(STR_NONE, "");
    assert_base64(STR("f"), "Zg==");
    assert_base64(STR("fo"), "Zm8=");
    assert_base64(STR("foo"), "Zm9v");
    assert_base64(STR("foob"), "Zm9vYg==");
    assert_base64(STR("fooba"), "Zm9vYmE=");
    assert_base64(STR("foobar"), "Zm9vYmFy");
    assert_base64(STR("\x00\xff\xfe\xfb\xef\xbe"), "AP/+++++");
}

static void
base64_strict(void **state)
{
    static const char *const bad[] = { "Z", "Zg=", "Zh", "Zm9", "Zm9vZ",
        "Zm9vZg=", "Z=", "Zm=8", "Zg===", "Zg==\n", "Zm9v\n", " Zm9v", "Zm 9v",
        "Zm9vZm9", "====", "=", "A===", "=AAA", "A=AA", "AA=A",
        "Zg==Zg==", "Zm8=Zm8=", "Zh==", "Zn==", "Zo==", "Zm9=", "Zm-_",
        "Zm9v.AAA", "\303\251AA", "Zm9vZg==AAAA" };
    uint8_t out[64];
    size_t n;
    (void)state;
    for (size_t i = 0; i < LEN(bad); i++) {
        if (base64_decode(str_of(bad[i]), out, &n)) {
            fail_msg("took %s", bad[i]);
        }
    }
    assert_false(base64_decode(STR("Zm\0v"), out, &n));
}

/* As some clients send credentials. */
static void
base64_without_padding(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = { { "Zg", "f" }, { "Zm8", "fo" }, { "Zm9vYg", "foob" },
        { "Zm9vYmE", "fooba" } };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        uint8_t out[8];
        size_t n;
        assert_true(base64_decode(str_of(cases[i].text), out, &n));
        assert_int_equal(n, strlen(cases[i].plain));
        assert_memory_equal(out, cases[i].plain, n);
    }
}

/* Each byte in the last place: the alphabet is what it is. */
static void
base64_alphabet(void **state)
{
    uint8_t out[3];
    size_t n;
    unsigned taken = 0;
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char text[4] = { 'A', 'A', 'A', (char)c };
        if (base64_decode(str_n(text, 4), out, &n)) {
            taken += n == 3;
        }
    }
    assert_int_equal(taken, 64); /* and '=', which gives two bytes */
}

static void
equality(void **state)
{
    char a[32], b[32];
    (void)state;
    memset(a, 'x', sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(bytes_eq_secret(a, b, sizeof a));
    assert_true(bytes_eq_secret(a, "", 0));
    for (size_t i = 0; i < sizeof a; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            b[i] = (char)(b[i] ^ bit);
            assert_false(bytes_eq_secret(a, b, sizeof a));
            assert_true(bytes_eq_secret(a, b, i));
            b[i] = a[i];
        }
    }
}

static void
randomness(void **state)
{
    uint8_t a[1000] = { 0 }, b[1000] = { 0 };
    unsigned zeros = 0;
    (void)state;
    random_bytes(a, sizeof a - 1); /* more than one call of the kernel's */
    random_bytes(b, sizeof b - 1);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(a[sizeof a - 1], 0);
    for (size_t i = 0; i < sizeof a - 1; i++) {
        zeros += a[i] == 0;
    }
    assert_true(zeros < 100); /* every part was filled */
    random_bytes(a, 0);
}

static void
hexadecimal(void **state)
{
    const uint8_t bytes[] = { 0x00, 0x0f, 0xa0, 0xff };
    char out[10];
    (void)state;
    memset(out, 'x', sizeof out);
    hex_encode(bytes, sizeof bytes, out);
    assert_string_equal(out, "000fa0ff");
    assert_int_equal(out[9], 'x');
    hex_encode(bytes, 0, out);
    assert_string_equal(out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(base64_without_padding),
        cmocka_unit_test(base64_strict),
        cmocka_unit_test(base64_alphabet),
        cmocka_unit_test(equality),
        cmocka_unit_test(randomness),
        cmocka_unit_test(hexadecimal),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
