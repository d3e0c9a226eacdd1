/* What a server answers to a ClientHello, in any pieces. */

#include "net/server_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RETRY                                                                  \
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"         \
    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
#define OTHER                                                                  \
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"         \
    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9d"
#define HELLO(random)                                                          \
    "\x16\x03\x03\x00\x28\x02\x00\x00\x24\x03\x03" random "\x00\x13"
#define WARNING "\x15\x03\x03\x00\x02\x01\x70"

/* What is known at the end, however it is cut, and never before byte `at`. */
static void
expect(struct str in, enum server_answer want, size_t at)
{
    for (size_t piece = 1; piece <= in.n; piece++) {
        struct server_hello s = { .n = 0 };
        for (size_t i = 0; i < in.n; i += piece) {
            size_t n = in.n - i < piece ? in.n - i : piece;
            enum server_answer got = server_hello_read(&s, str_n(in.p + i, n));
            assert_int_equal(got, i + n < at ? SERVER_UNKNOWN : want);
        }
    }
}

static void
test_answers(void **state)
{
    (void)state;
    expect(STR(HELLO(RETRY)), SERVER_RETRY, 43);
    expect(STR(HELLO(OTHER)), SERVER_HELLO, 43);
    expect(STR(WARNING HELLO(RETRY)), SERVER_RETRY, 50);
    expect(STR(WARNING HELLO(OTHER) "\x17\x03\x03"), SERVER_HELLO, 50);
    expect(STR("\x15\x03\x03\x00\x00" HELLO(OTHER)), SERVER_HELLO, 48);
}

static void
test_what_is_no_whole_server_hello(void **state)
{
    (void)state;
    expect(STR("\x16\x03\x03\x00\x25\x02\x00\x00\x48"), SERVER_RETRY, 5);
    expect(STR("\x16\x03\x03\x00\x00" HELLO(OTHER)), SERVER_RETRY, 5);
    expect(STR("\x16\x03\x03\x00\x28\x00\x00\x00\x00\x02\x00\x00" OTHER),
        SERVER_RETRY, 43);
    expect(STR(WARNING "\x15\x03\x03\xff\xff"), SERVER_UNKNOWN, 0);
    expect(STR("HTTP/1.1 400"), SERVER_UNKNOWN, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_is_no_whole_server_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
