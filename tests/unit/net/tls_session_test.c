/*
 * Sessions with origins: kept within a bound, for each holder his share.
 */

#include "net/tls_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/ssl.h>

#include "base/mem.h"

#include <cmocka.h>

#define MAX 8

static struct tls_sessions *sessions;

static int
set_up(void **state)
{
    (void)state;
    sessions = tls_sessions_new(MAX);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    tls_sessions_free(sessions);
    return 0;
}

struct key {
    uint64_t serial;
    char name[24];
};

static struct str
key_of(struct key *k, uint64_t serial, unsigned i)
{
    memset(k, 0, sizeof *k);
    k->serial = serial;
    snprintf(k->name, sizeof k->name, "n%u.example", i);
    return str_n((const char *)k, sizeof *k);
}

/* A session that may be resumed: it has an id. */
static SSL_SESSION *
session_new(void)
{
    static const unsigned char id[] = { 1 };
    SSL_SESSION *s = SSL_SESSION_new();
    AN(s != NULL && SSL_SESSION_set1_id(s, id, sizeof id) == 1);
    return s;
}

static SSL_SESSION *
put(uint64_t serial, unsigned i)
{
    struct key k;
    SSL_SESSION *s = session_new();
    tls_sessions_put(sessions, key_of(&k, serial, i), s);
    return s;
}

static SSL_SESSION *
get(uint64_t serial, unsigned i)
{
    struct key k;
    return tls_sessions_get(sessions, key_of(&k, serial, i));
}

static void
test_the_newest_of_a_key(void **state)
{
    (void)state;
    assert_null(get(1, 0));
    put(1, 0);
    SSL_SESSION *second = put(1, 0);
    assert_ptr_equal(get(1, 0), second);
    assert_null(get(2, 0));
    assert_null(get(1, 1));
}

static void
test_the_oldest_goes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MAX; i++) {
        put(1, i);
    }
    assert_non_null(get(1, 0));
    put(1, MAX);
    assert_non_null(get(1, 0));
    assert_null(get(1, 1));
    assert_non_null(get(1, MAX));
}

static void
test_a_flood(void **state)
{
    (void)state;
    SSL_SESSION *own = put(1, 0);
    for (unsigned i = 0; i < 10 * MAX; i++) {
        put(2, i);
    }
    assert_ptr_equal(get(1, 0), own);
    assert_non_null(get(2, 10 * MAX - 1));
    assert_null(get(2, 10 * MAX - MAX));
    for (unsigned i = 0; i < 10 * MAX; i++) {
        put(3 + i % 6, i); /* by many, each with a share */
    }
    assert_ptr_equal(get(1, 0), own);
}

static void
test_a_sandbox_that_ended(void **state)
{
    (void)state;
    put(1, 0);
    put(1, 1);
    SSL_SESSION *others = put(2, 0);
    tls_sessions_forget(sessions, 3);
    assert_non_null(get(1, 0));
    tls_sessions_forget(sessions, 1);
    assert_null(get(1, 0));
    assert_null(get(1, 1));
    assert_ptr_equal(get(2, 0), others);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_the_newest_of_a_key),
        test(test_the_oldest_goes),
        test(test_a_flood),
        test(test_a_sandbox_that_ended),
    };
    return cmocka_run_group_tests_name("tls_session", tests, NULL, NULL);
}
