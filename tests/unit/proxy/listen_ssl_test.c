/*
 * listen … ssl, ssl_certificate and ssl_certificate_key: what is read, what is
 * refused and where.
 */

#include "proxy/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "../net/cert.h"
#include "../proc/whole_conf.h"

#include <cmocka.h>

#define BOTH "ssl_certificate own.pem; ssl_certificate_key own.key;"
#define LISTEN "listen 127.0.0.1:1 proxy ssl;"

/* own.pem with own.key, and other.key of another certificate. */
static void
write_files(struct whole *w)
{
    struct cert own, other;
    cert_make(&own, NULL, "own", "DNS:proxy.test");
    cert_make(&other, NULL, "other", NULL);
    cert_write(&own, tmp_dir_path(&w->dir, "own.pem"));
    cert_write_key(&own, tmp_dir_path(&w->dir, "own.key"), NULL);
    cert_write_key(&own, tmp_dir_path(&w->dir, "locked.key"), "secret");
    cert_write_key(&other, tmp_dir_path(&w->dir, "other.key"), NULL);
    tmp_dir_write(&w->dir, "junk.pem", STR("junk\n"));
    cert_fini(&own);
    cert_fini(&other);
}

static void
test_what_is_read(void **state)
{
    struct whole *w = *state;
    write_files(w);
    whole_egress(state,
        "listen 127.0.0.1:1 proxy;" BOTH "listen 127.0.0.1:2 proxy ssl; "
        "set_real_ip_from 10.0.0.1;"
        "listen 127.0.0.1:3 proxy_protocol ssl proxy;"
        "listen unix:s proxy ssl mode=0600;");
    const struct conf *c = w->conf;
    assert_false(listen_get(c, 0)->ssl);
    for (unsigned i = 1; i < 4; i++) {
        assert_true(listen_get(c, i)->ssl);
    }
    assert_true(listen_get(c, 2)->proxy_protocol);
    assert_non_null(listen_tls(c));
    assert_true(str_eq(
        listen_certificate(c), str_of(tmp_dir_path(&w->dir, "own.pem"))));
    assert_true(str_eq(
        listen_certificate_key(c), str_of(tmp_dir_path(&w->dir, "own.key"))));
    assert_int_equal(c->n_warnings, 0);
    whole_egress(state, "listen 127.0.0.1:1 proxy;");
    assert_null(listen_tls(w->conf));
    assert_int_equal(listen_certificate(w->conf).n, 0);
}

static void
test_what_is_not_used(void **state)
{
    struct whole *w = *state;
    struct str text;
    write_files(w);
    whole_egress(state, BOTH "listen 127.0.0.1:1 proxy;");
    assert_true(conf_warning(w->conf, 0, &text));
    assert_true(str_starts(
        text, STR("no \"listen\" uses \"ssl_certificate\"; write \"listen "
                  "ADDRESS proxy ssl;\" in ")));
}

static void
test_what_is_refused(void **state)
{
    struct whole *w = *state;
    static const struct {
        const char *text, *what, *file, *more;
    } bad[] = {
        { LISTEN,
            "\"ssl\" needs \"ssl_certificate\" and "
            "\"ssl_certificate_key\"",
            NULL, NULL },
        { LISTEN "ssl_certificate own.pem;",
            "\"ssl_certificate\" needs \"ssl_certificate_key\"", NULL, NULL },
        { "ssl_certificate_key own.key;",
            "\"ssl_certificate_key\" needs \"ssl_certificate\"", NULL, NULL },
        { "ssl_certificate none.pem; ssl_certificate_key own.key;",
            "cannot load the certificate in ", "none.pem",
            ": it cannot be opened (2: No such file or directory)" },
        { "ssl_certificate junk.pem; ssl_certificate_key own.key;",
            "cannot load the certificate in ", "junk.pem", ": no start line" },
        { "ssl_certificate own.pem; ssl_certificate_key none.key;",
            "cannot load the key in ", "none.key",
            ": it cannot be opened (2: No such file or directory)" },
        { "ssl_certificate own.pem; ssl_certificate_key own.pem;",
            "cannot load the key in ", "own.pem", ": no key is in it" },
        { "ssl_certificate own.pem; ssl_certificate_key locked.key;",
            "cannot load the key in ", "locked.key", ": it is encrypted" },
    };
    write_files(w);
    for (unsigned i = 0; i < LEN(bad); i++) {
        char text[512], what[512];
        snprintf(text, sizeof text, "\n%s", bad[i].text);
        snprintf(what, sizeof what, "%s%s%s%s%s", bad[i].what,
            bad[i].file != NULL ? "\"" : "",
            bad[i].file != NULL ? tmp_dir_path(&w->dir, bad[i].file) : "",
            bad[i].file != NULL ? "\"" : "",
            bad[i].more != NULL ? bad[i].more : "");
        whole_refuses(state, false, text, what, 2);
    }
    whole_refuses(state, false, "listen 127.0.0.1:1 ssl;",
        "\"listen\" needs to say what for: proxy", 1);
    whole_refuses(state, false, "listen 127.0.0.1:1 transparent ssl;",
        "invalid parameter \"transparent\"", 1);
}

static void
test_a_key_of_another_certificate(void **state)
{
    struct whole *w = *state;
    char what[512], key[256];
    write_files(w);
    snprintf(key, sizeof key, "%s", tmp_dir_path(&w->dir, "other.key"));
    snprintf(what, sizeof what,
        "the key in \"%s\" is not that of the certificate in \"%s\"", key,
        tmp_dir_path(&w->dir, "own.pem"));
    whole_refuses(state, false,
        LISTEN "ssl_certificate own.pem; ssl_certificate_key other.key;", what,
        1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_what_is_read),
        WHOLE_TEST(test_what_is_not_used),
        WHOLE_TEST(test_what_is_refused),
        WHOLE_TEST(test_a_key_of_another_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
