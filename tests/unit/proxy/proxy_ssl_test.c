/*
 * The proxy_ssl_ directives: what they mean, whom they are for, what they
 * refuse and where.
 */

#include "proxy/proxy_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "../proc/whole_conf.h"
#include "proxy/parts.h"

#include <cmocka.h>

static void
refuses(void **state, const char *text, const char *what)
{
    char second_line[512];
    snprintf(second_line, sizeof second_line, "\n%s", text);
    whole_refuses(state, false, second_line, what, 2);
}

static const struct proxy_conf *
nth_block(const struct scope *egress, unsigned n)
{
    const struct scope *s = egress->children;
    while (n-- != 0) {
        s = s->next;
    }
    return scope_part(s, PART_PROXY);
}

static void
test_what_they_mean(void **state)
{
    struct scope *e = whole_egress(state,
        "host a { } proxy_ssl_protocols TLSv1.3; proxy_ssl_ciphers ECDHE+AES;"
        "handler h { proxy_ssl_protocols TLSv1.2; proxy_ssl_verify_depth 1;"
        "location / { proxy_ssl_protocols TLSv1.3 TLSv1.2; } }");
    const struct proxy_conf *a = nth_block(e, 0), *h = nth_block(e, 1);
    const struct proxy_conf *l =
        scope_part(e->children->next->children, PART_PROXY);
    assert_int_equal(a->proxy_ssl.versions, TLS_1_3);
    assert_int_equal(h->proxy_ssl.versions, TLS_1_2);
    assert_int_equal(l->proxy_ssl.versions, TLS_ANY);
    assert_true(str_eq(l->proxy_ssl.ciphers, STR("ECDHE+AES")));
    assert_int_equal(a->proxy_ssl.depth, 100);
    assert_int_equal(l->proxy_ssl.depth, 1);
    const struct proxy_conf *usual =
        scope_part(whole_egress(state, ""), PART_PROXY);
    assert_int_equal(usual->proxy_ssl.versions, TLS_ANY);
    assert_int_equal(usual->proxy_ssl.depth, 100);
    assert_int_equal(usual->proxy_ssl.ciphers.n, 0);
}

/* Connections and sessions are shared by those that have one client: scopes
 * that say the same. */
static void
test_whom_they_are_for(void **state)
{
    static const char *const said[] = { "", "proxy_ssl_protocols TLSv1.3;",
        "proxy_ssl_ciphers ECDHE+AES;", "proxy_ssl_ciphers ECDHE+AESGCM;",
        "proxy_ssl_verify_depth 0;",
        "proxy_ssl_verify_depth 0; proxy_ssl_protocols TLSv1.3;" };
    char text[2048];
    size_t n = 0;
    for (unsigned i = 0; i < 2 * LEN(said); i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "host h%u { %s }", i,
            said[i % LEN(said)]);
    }
    struct scope *e = whole_egress(state, text);
    for (unsigned i = 0; i < 2 * LEN(said); i++) {
        for (unsigned k = 0; k < LEN(said); k++) {
            bool is_one = nth_block(e, i)->tls == nth_block(e, k)->tls;
            assert_int_equal(is_one, i % LEN(said) == k);
        }
    }
    const struct proxy_conf *own = scope_part(e, PART_PROXY);
    assert_ptr_equal(nth_block(e, 0)->tls, own->tls);
}

static void
test_versions_refused(void **state)
{
    static const char *const bad[] = { "TLSv1", "TLSv1.1", "SSLv3", "tlsv1.2",
        "TLSv1.4" };
    for (unsigned i = 0; i < LEN(bad); i++) {
        char text[100], what[200];
        snprintf(text, sizeof text, "proxy_ssl_protocols TLSv1.3 %s;", bad[i]);
        snprintf(what, sizeof what,
            "\"%s\" is not spoken with origins: \"TLSv1.2\" and \"TLSv1.3\" "
            "are",
            bad[i]);
        refuses(state, text, what);
    }
    refuses(state, "proxy_ssl_verify_depth 101;",
        "\"proxy_ssl_verify_depth\" must be 0 to 100");
    refuses(state, "proxy_ssl_verify_depth -1;",
        "invalid value \"-1\" in \"proxy_ssl_verify_depth\" directive");
}

static void
test_ciphers(void **state)
{
    static const struct {
        const char *list, *why;
    } all[] = {
        { "HIGH:!aNULL:!MD5", NULL },
        { "ECDHE-RSA-AES128-GCM-SHA256", NULL },
        { "AES128-SHA", NULL },
        { "DEFAULT", NULL },
        { "HIGH", "admits anonymous ciphers, add \":!aNULL\"" },
        { "ALL", "admits anonymous ciphers, add \":!aNULL\"" },
        { "ECDHE+AESGCM:ADH-AES128-SHA256",
            "admits anonymous ciphers, add \":!aNULL\"" },
        { "ECDHE+AESGCM:AECDH", "admits anonymous ciphers, add \":!aNULL\"" },
        { "eNULL", "admits ciphers that encrypt nothing, add \":!eNULL\"" },
        { "ECDHE+AESGCM:NULL-SHA256",
            "admits ciphers that encrypt nothing, add \":!eNULL\"" },
        { "EXPORT", "has no cipher of TLS 1.2" },
        { "TLS_AES_128_GCM_SHA256", "has no cipher of TLS 1.2" },
        { "no-such", "has no cipher of TLS 1.2" },
        { "ECDHE+AESGCM:@SECLEVEL=0", "lowers the security level" },
        { "", "is empty" },
    };
    for (unsigned i = 0; i < LEN(all); i++) {
        char text[200], what[200];
        snprintf(text, sizeof text, "proxy_ssl_ciphers \"%s\";", all[i].list);
        if (all[i].why == NULL) {
            const struct proxy_conf *p =
                scope_part(whole_egress(state, text), PART_PROXY);
            assert_true(str_eq(p->proxy_ssl.ciphers, str_of(all[i].list)));
        } else {
            snprintf(what, sizeof what, "\"%s\" %s", all[i].list, all[i].why);
            refuses(state, text, what);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_what_they_mean),
        WHOLE_TEST(test_whom_they_are_for),
        WHOLE_TEST(test_versions_refused),
        WHOLE_TEST(test_ciphers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
