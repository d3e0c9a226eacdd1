/*
 * What a request to weir itself says in its body, and in its head, is in no
 * memory of the process once it has been answered, or broken off. The test
 * looks through all memory that can be written.
 */

#include "answer_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "base/mem.h"

extern void __asan_init(void) __attribute__((weak));

#define HOST "Host: weir\r\n"
#define LARGEST (256ul << 20) /* what is but reserved is larger */

/* Nowhere is it written out but where it was sent: each byte is one less. */
static const char secret_less_one[] = "sgd,rdbqds,u`ktd,87";
#define SECRET_N (sizeof secret_less_one - 1)

static bool
is_secret(const char *p)
{
    for (size_t i = 0; i < SECRET_N; i++) {
        if (p[i] != secret_less_one[i] + 1) {
            return false;
        }
    }
    return true;
}

static bool
is_between(int mem, unsigned long from, unsigned long to)
{
    static char piece[65536];
    bool is_found = false;
    size_t kept = 0;
    while (from < to && !is_found) {
        size_t room = sizeof piece - kept;
        size_t want = to - from < room ? to - from : room;
        ssize_t n = pread(mem, piece + kept, want, (off_t)from);
        if (n <= 0) {
            break;
        }
        from += (unsigned long)n;
        size_t end = kept + (size_t)n;
        for (size_t i = 0; i + SECRET_N <= end && !is_found; i++) {
            is_found = is_secret(piece + i);
        }
        kept = end < SECRET_N ? end : SECRET_N - 1;
        memmove(piece, piece + end - kept, kept);
    }
    mem_wipe(piece, sizeof piece);
    return is_found;
}

static bool
is_in_memory(void)
{
    char line[512];
    bool is_found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_true(maps != NULL && mem >= 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        char *at = line;
        unsigned long from = strtoul(at, &at, 16);
        unsigned long to = strtoul(at + 1, &at, 16);
        if (strncmp(at, " rw", 3) == 0 && to - from <= LARGEST) {
            is_found = is_found || is_between(mem, from, to);
        }
    }
    close(mem);
    fclose(maps);
    return is_found;
}

/* The text, in which each '*' is the secret. */
static void
says(struct af_client *c, const char *text)
{
    char all[2048];
    size_t n = 0;
    for (; *text != '\0'; text++) {
        assert_true(n + SECRET_N < sizeof all);
        for (size_t i = 0; *text == '*' && i < SECRET_N; i++) {
            all[n++] = (char)(secret_less_one[i] + 1);
        }
        if (*text != '*') {
            all[n++] = *text;
        }
    }
    af_say_n(c, all, n);
    mem_wipe(all, sizeof all);
}

/* There is far more memory than the program's: it is not looked through. */
static bool
is_instrumented(void)
{
    return RUNNING_ON_VALGRIND || __asan_init != NULL;
}

static int
set_up(void **state)
{
    return is_instrumented() ? 0 : af_set_up(state);
}

static int
set_up_one_byte(void **state)
{
    return is_instrumented() ? 0 : af_set_up_one_byte(state);
}

static int
set_up_tls(void **state)
{
    return is_instrumented() ? 0 : af_set_up_tls(state);
}

static int
tear_down(void **state)
{
    return is_instrumented() ? 0 : af_tear_down(state);
}

static void
begin(struct af_client *c)
{
    if (is_instrumented()) {
        skip();
    }
    assert_false(is_in_memory());
    if (af.tls_server != NULL) {
        af_connect_tls(c);
    } else {
        af_connect(c);
    }
}

/* Answered, on a connection that goes on. */
static void
is_answered(struct af_client *c)
{
    af_asked(1);
    assert_true(is_in_memory());
    answer_give(af.held, 200, STR("done"));
    af_answers(c, 200, "done");
    af_is_quiet(c);
    assert_false(is_in_memory());
    af_leave(c);
}

#define FILLER_10 "0123456789"
#define FILLER_100                                                             \
    FILLER_10 FILLER_10 FILLER_10 FILLER_10 FILLER_10 FILLER_10 FILLER_10      \
        FILLER_10 FILLER_10 FILLER_10

static void
test_a_body(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 19\r\n\r\n*");
    is_answered(&c);
}

/* The buffer that collects it grows. */
static void
test_a_long_body(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "POST /later HTTP/1.1\r\n" HOST "Content-Length: 619\r\n\r\n*");
    for (unsigned i = 0; i < 6; i++) {
        says(&c, FILLER_100);
        af_is_quiet(&c);
    }
    is_answered(&c);
}

static void
test_a_chunked_body(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "POST /later HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
             "\r\n13\r\n*\r\n64\r\n" FILLER_100 "\r\n13\r\n*\r\n0\r\n\r\n");
    is_answered(&c);
}

static void
test_a_field(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "GET /later HTTP/1.1\r\n" HOST "Authorization: Bearer *\r\n\r\n");
    is_answered(&c);
}

static void
test_a_body_that_breaks_off(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 90\r\n\r\n*");
    af_is_quiet(&c);
    assert_true(is_in_memory());
    stream_shutdown(c.stream);
    af_is_closed(&c);
    assert_false(is_in_memory());
}

/* It grew too large when some of it had been collected. */
static void
test_a_body_that_is_refused(void **state)
{
    struct af_client c;
    (void)state;
    begin(&c);
    says(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
             "\r\n13\r\n*\r\n");
    af_is_quiet(&c);
    for (unsigned i = 0; i < 10; i++) {
        says(&c, "64\r\n" FILLER_100 "\r\n");
    }
    af_answers(&c, 413, "the body is too large\n");
    af_is_closed(&c);
    assert_false(is_in_memory());
    assert_int_equal(af.asked, 0);
}

#define WIPE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define WIPE_TEST_BYTES(f)                                                     \
    cmocka_unit_test_setup_teardown(f, set_up_one_byte, tear_down)
#define WIPE_TEST_TLS(f)                                                       \
    cmocka_unit_test_setup_teardown(f, set_up_tls, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WIPE_TEST(test_a_body),
        WIPE_TEST(test_a_long_body),
        WIPE_TEST(test_a_chunked_body),
        WIPE_TEST(test_a_field),
        WIPE_TEST(test_a_body_that_breaks_off),
        WIPE_TEST(test_a_body_that_is_refused),
        WIPE_TEST_BYTES(test_a_body),
        WIPE_TEST_BYTES(test_a_long_body),
        WIPE_TEST_BYTES(test_a_chunked_body),
        WIPE_TEST_TLS(test_a_body),
        WIPE_TEST_TLS(test_a_chunked_body),
        WIPE_TEST_TLS(test_a_field),
        WIPE_TEST_TLS(test_a_body_that_breaks_off),
        WIPE_TEST_TLS(test_a_body_that_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
