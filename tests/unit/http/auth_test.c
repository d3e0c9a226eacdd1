/* Which challenges and credentials are of a connection. */

#include "http/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"

static bool
is_of_connection(const char *const *values, unsigned n)
{
    struct arena *a = arena_new(512);
    struct head h;
    head_init(&h, a);
    for (unsigned i = 0; i < n; i++) {
        head_add(&h, STR("www-authenticate"), str_of(values[i]));
    }
    bool yes = auth_is_of_connection(&h, FIELD_WWW_AUTHENTICATE);
    assert_false(auth_is_of_connection(&h, FIELD_AUTHORIZATION));
    arena_free(a);
    return yes;
}

static void
test_alone(void **state)
{
    static const struct {
        const char *value;
        bool expected;
    } all[] = {
        { "NTLM", true },
        { "ntlm", true },
        { "Negotiate", true },
        { "nEGOTIATE", true },
        { "NTLM TlRMTVNTUAACAAAA==", true },
        { "Negotiate YIIQ", true },
        { "kerberos YIIQ", true },
        { "Basic realm=\"WSMAN\", CredSSP", true },
        { "\t NTLM\t", true },
        { "NTLM;x", true },
        { "Basic realm=\"x\", NTLM", true },
        { "Basic realm=\"x\",NTLM", true },
        { ",, ,NTLM", true },
        { "NTLM, Basic", true },
        { "Digest realm=\"a\", nonce=\"b\" , Negotiate abc==, Basic", true },
        { "Basic realm=\"a, NTLM\"", true }, /* in doubt */
        { "Basic realm=\"a, NTLM", true },
        { "", false },
        { ",", false },
        { "Basic", false },
        { "Basic realm=\"NTLM\"", false },
        { "Basic realm=NTLM", false },
        { "NTLMv2", false },
        { "NTL", false },
        { "X-Negotiate", false },
        { "Negotiate2 a", false },
        { "Bearer NTLM", false },
    };
    (void)state;
    for (size_t i = 0; i < LEN(all); i++) {
        assert_int_equal(is_of_connection(&all[i].value, 1), all[i].expected);
    }
}

static void
test_in_several_lines(void **state)
{
    static const char *const with[] = { "Basic realm=x", "Bearer",
        "Negotiate" };
    (void)state;
    assert_true(is_of_connection(with, 3));
    assert_false(is_of_connection(with, 2));
    assert_false(is_of_connection(with, 0));
}

static void
test_credentials(void **state)
{
    struct arena *a = arena_new(512);
    struct head h;
    (void)state;
    head_init(&h, a);
    head_add(&h, STR("Proxy-Authorization"), STR("NTLM abc"));
    assert_false(auth_is_of_connection(&h, FIELD_AUTHORIZATION));
    head_add(&h, STR("Authorization"), STR("NTLM abc"));
    assert_true(auth_is_of_connection(&h, FIELD_AUTHORIZATION));
    arena_free(a);
}

static void
test_basic(void **state)
{
    (void)state;
    assert_int_equal(auth_basic_prefix(STR("Basic abc")), 6);
    assert_int_equal(auth_basic_prefix(STR("bASIC   abc")), 8);
    assert_int_equal(auth_basic_prefix(STR("Basic ")), 6);
    assert_int_equal(auth_basic_prefix(STR("Basic")), 0);
    assert_int_equal(auth_basic_prefix(STR("Basicabc")), 0);
    assert_int_equal(auth_basic_prefix(STR("Bearer abc")), 0);
    assert_int_equal(auth_basic_prefix(STR("")), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_in_several_lines),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_basic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
