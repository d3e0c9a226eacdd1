/*
 * The directives of listen.c and proxy_conf.c, one by one: what they mean,
 * where they hold, what they refuse and where.
 */

#include "proxy/proxy_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "../net/cert.h"
#include "../proc/whole_conf.h"
#include "proxy/listen.h"
#include "proxy/parts.h"

#include <cmocka.h>

static const struct proxy_conf *
binds(void **state, const char *text)
{
    return scope_part(whole_egress(state, text), PART_PROXY);
}

static void
refuses(void **state, const char *text, const char *what)
{
    char second_line[512];
    snprintf(second_line, sizeof second_line, "\n%s", text);
    whole_refuses(state, false, second_line, what, 2);
}

static const struct listen *
listens(void **state, const char *text)
{
    whole_egress(state, text);
    return listen_get(((struct whole *)*state)->conf, 0);
}

static bool
addr_is(const struct addr *a, const char *text)
{
    struct addr b;
    assert_true(addr_parse_port(str_of(text), 0, &b));
    return addr_eq(a, &b);
}

static void
test_listen(void **state)
{
    const struct listen *l = listens(state, "listen 127.0.0.1:3128 proxy;");
    assert_true(addr_is(&l->addr, "127.0.0.1:3128"));
    assert_int_equal(l->backlog, 511);
    assert_int_equal(l->path.n, 0);
    assert_int_equal(l->sandbox.n, 0);
    assert_true(str_eq(l->text, STR("127.0.0.1:3128")));
    assert_true(
        addr_is(&listens(state, "listen *:1 proxy;")->addr, "0.0.0.0:1"));
    assert_true(
        addr_is(&listens(state, "listen [::1]:1 proxy;")->addr, "[::1]:1"));
    l = listens(state, "sandbox_class k { } sandbox s { class k; }"
                       "listen 127.0.0.1:1 backlog=7 sandbox=s proxy;");
    assert_int_equal(l->backlog, 7);
    assert_true(str_eq(l->sandbox, STR("s")));
}

#define BOX "sandbox_class k { } sandbox x { class k; } "

static void
test_listen_unix(void **state)
{
    struct whole *w = *state;
    const struct listen *l = listens(state, "listen unix:a/b proxy;");
    assert_true(str_eq(l->path, str_of(tmp_dir_path(&w->dir, "a/b"))));
    assert_int_equal(l->mode, 0666);
    assert_int_equal(l->addr.family, 0);
    assert_int_equal(
        listens(state, BOX "listen unix:/a proxy sandbox=x;")->mode, 0600);
    assert_int_equal(
        listens(state, "set_real_ip_from unix:; listen unix:/a proxy_protocol "
                       "proxy;")
            ->mode,
        0600);
    assert_int_equal(
        listens(state, BOX "listen unix:/a proxy mode=660 sandbox=x;")->mode,
        0660);
    assert_int_equal(
        listens(state, BOX "listen unix:/a proxy mode=000 sandbox=x;")->mode,
        0);
    l = listens(state, "listen unix:/a proxy mode=0600;");
    assert_true(str_eq(l->path, STR("/a")));
    assert_int_equal(l->mode, 0600);
    assert_int_equal(
        listens(state, "listen unix:/a mode=777 proxy;")->mode, 0777);
}

static void
test_front_ends(void **state)
{
    struct whole *w = *state;
    struct addr inside, outside, unix_peer = { .family = ADDR_UNIX };
    assert_true(addr_parse(STR("192.0.2.9"), &inside));
    assert_true(addr_parse(STR("192.0.3.9"), &outside));
    assert_false(listens(state, "listen *:1 proxy;")->proxy_protocol);
    assert_false(listen_trusts(w->conf, &inside));
    assert_false(listen_trusts(w->conf, &unix_peer));
    /* wherever it stands, and as often */
    const struct listen *l = listens(state,
        "listen *:1 proxy proxy_protocol; set_real_ip_from 10.0.0.1;"
        "set_real_ip_from 2001:db8::/32 192.0.2.0/24;");
    assert_true(l->proxy_protocol);
    assert_true(listen_trusts(w->conf, &inside));
    assert_false(listen_trusts(w->conf, &outside));
    assert_false(listen_trusts(w->conf, &unix_peer));
    l = listens(state, "set_real_ip_from unix:;"
                       "listen unix:a proxy proxy_protocol;");
    assert_true(l->proxy_protocol);
    assert_true(listen_trusts(w->conf, &unix_peer));
    assert_false(listen_trusts(w->conf, &inside));
}

static void
test_listens_are_numbered(void **state)
{
    listens(state, "listen *:1 proxy; listen unix:a proxy; listen *:2 proxy;");
    const struct conf *c = ((struct whole *)*state)->conf;
    assert_int_equal(listen_count(c), 3);
    assert_true(addr_is(&listen_get(c, 2)->addr, "0.0.0.0:2"));
    assert_int_equal(listen_get(c, 1)->number, 1);
    assert_null(listen_get(c, 3));
    whole_binds(state, "");
    c = ((struct whole *)*state)->conf;
    assert_int_equal(listen_count(c), 0);
    assert_null(listen_get(c, 0));
}

static void
test_listen_refused(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "listen 127.0.0.1 proxy;",
            "invalid address \"127.0.0.1\": ADDRESS:PORT is wanted" },
        { "listen 3128 proxy;",
            "invalid address \"3128\": ADDRESS:PORT is wanted" },
        { "listen name.example:1 proxy;",
            "invalid address \"name.example:1\": ADDRESS:PORT is wanted" },
        { "listen 127.0.0.1:0 proxy;",
            "invalid address \"127.0.0.1:0\": ADDRESS:PORT is wanted" },
        { "listen unix: proxy;", "empty path in \"unix:\"" },
        { "listen 127.0.0.1:1 backlog=5;",
            "\"listen\" needs to say what for: proxy" },
        { "listen 127.0.0.1:1 proxy http2;", "invalid parameter \"http2\"" },
        { "listen 127.0.0.1:1 proxy backlog=0;",
            "invalid parameter \"backlog=0\"" },
        { "listen 127.0.0.1:1 proxy backlog=65536;",
            "invalid parameter \"backlog=65536\"" },
        { "listen 127.0.0.1:1 proxy mode=0600;",
            "invalid parameter \"mode=0600\"" },
        { "listen unix:a proxy mode=0888;", "invalid parameter \"mode=0888\"" },
        { "listen unix:a proxy mode=7;", "invalid parameter \"mode=7\"" },
        { "listen unix:a proxy mode=7777;", "invalid parameter \"mode=7777\"" },
        { "listen unix:a proxy sandbox=;", "empty sandbox id" },
        { "listen unix:a proxy sandbox=none;", "unknown sandbox \"none\"" },
        { "listen 0.0.0.0:1 proxy; listen *:1 proxy;",
            "duplicate listen \"*:1\"" },
        { "listen unix:a proxy; listen unix:a proxy mode=0600;",
            "duplicate listen \"unix:a\"" },
        { "listen *:1 proxy proxy_protocol; set_real_ip_from unix:;",
            "\"proxy_protocol\" needs \"set_real_ip_from ADDRESS\"" },
        { "listen unix:a proxy proxy_protocol; set_real_ip_from 10.0.0.1;",
            "\"proxy_protocol\" needs \"set_real_ip_from unix:\"" },
        { "set_real_ip_from 10.0.0.1/8;",
            "invalid address \"10.0.0.1/8\": host bits are set, write "
            "10.0.0.0/8 for "
            "the range or 10.0.0.1 for the one address" },
        { "set_real_ip_from host.example;",
            "invalid address \"host.example\"" },
    };
    for (unsigned i = 0; i < LEN(bad); i++) {
        refuses(state, bad[i].text, bad[i].what);
    }
}

#define SECONDS(NAME)                                                          \
    {                                                                          \
#NAME, offsetof(struct proxy_conf, NAME)                               \
    }

static void
test_times(void **state)
{
    static const struct {
        const char *name;
        size_t at;
    } times[] = { SECONDS(keepalive_timeout), SECONDS(client_header_timeout),
        SECONDS(client_body_timeout), SECONDS(send_timeout),
        SECONDS(proxy_connect_timeout), SECONDS(proxy_send_timeout),
        SECONDS(proxy_header_timeout), SECONDS(proxy_read_timeout),
        SECONDS(proxy_keepalive_timeout) };
    for (unsigned i = 0; i < LEN(times); i++) {
        char text[128], what[128];
        const struct proxy_conf *p = binds(state, "");
        double set = *(const double *)((const char *)p + times[i].at);
        assert_true(set == (i == 0 ? 75 : i == 6 ? -1 : 60));
        snprintf(text, sizeof text, "%s 1m30s;", times[i].name);
        p = binds(state, text);
        assert_true(*(const double *)((const char *)p + times[i].at) == 90);
        snprintf(text, sizeof text, "%s never;", times[i].name);
        snprintf(what, sizeof what,
            "invalid value \"never\" in \"%s\" directive", times[i].name);
        refuses(state, text, what);
    }
}

static void
test_limits(void **state)
{
    const struct proxy_conf *p = binds(state, "");
    assert_int_equal(p->keepalive_requests, 1000);
    assert_int_equal(p->client_header_buffer_size, 32 * 1024);
    assert_int_equal(p->client_max_body_size, 0);
    assert_false(p->via);
    p = binds(state,
        "keepalive_requests 5; client_header_buffer_size 1k; leaf_cache 9;"
        "mint_rate 8; deny_inside on; client_max_body_size 4m; via on;");
    assert_int_equal(p->keepalive_requests, 5);
    assert_int_equal(p->client_header_buffer_size, 1024);
    assert_int_equal(p->client_max_body_size, 4 * 1024 * 1024);
    assert_true(p->via);
}

static void
test_limits_refused(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "client_header_buffer_size 1023;",
            "\"client_header_buffer_size\" must be 1k to 1m" },
        { "client_header_buffer_size 2m;",
            "\"client_header_buffer_size\" must be 1k to 1m" },
        { "client_header_buffer_size x;",
            "invalid value \"x\" in \"client_header_buffer_size\" "
            "directive" },
        { "leaf_cache 0;", "invalid value \"0\" in \"leaf_cache\" directive" },
        { "mint_rate 0;", "invalid value \"0\" in \"mint_rate\" directive" },
        { "keepalive_requests -1;",
            "invalid value \"-1\" in \"keepalive_requests\" directive" },
        { "client_max_body_size 1x;",
            "invalid value \"1x\" in \"client_max_body_size\" directive" },
        { "via yes;",
            "invalid value \"yes\" in \"via\" directive, it must be \"on\" or "
            "\"off\"" },
        { "ports 0;", "invalid port \"0\"" },
        { "ports 80 65536;", "invalid port \"65536\"" },
        { "ports http;", "invalid port \"http\"" },
        { "allow_address 10.0.0.0/33;",
            "invalid address \"10.0.0.0/33\": the prefix behind \"/\" is a "
            "number up to 32" },
        { "allow_address name.example;", "invalid address \"name.example\"" },
        { "resolver name.example;", "invalid resolver \"name.example\"" },
        { "resolver 127.0.0.1 system;", "invalid resolver \"system\"" },
        { "resolve a.example b.example;", "invalid address \"b.example\"" },
        { "resolve 10.0.0.1 10.0.0.2;", "invalid name \"10.0.0.1\"" },
    };
    for (unsigned i = 0; i < LEN(bad); i++) {
        refuses(state, bad[i].text, bad[i].what);
    }
}

static void
test_keepalive(void **state)
{
    static const struct {
        const char *text;
        struct tcp_keepalive k;
    } good[] = {
        { "", { 60, 15, 4 } },
        { "so_keepalive on;", { 60, 15, 4 } },
        { "so_keepalive off;", { 0, 15, 4 } },
        { "so_keepalive 2m:1s:127;", { 120, 1, 127 } },
        { "so_keepalive 9::;", { 9, 15, 4 } },
        { "so_keepalive :32767:;", { 60, 32767, 4 } },
        { "so_keepalive ::1;", { 60, 15, 1 } },
    };
    static const char *const bad[] = { "60", "1:2", "1:2:3:4", "0:1:1", "1:0:1",
        "1:1:0", "500ms::", "1s500ms::", "32768::", "::128", "a::", "yes",
        "ON" };
    char text[64], what[64];
    for (unsigned i = 0; i < LEN(good); i++) {
        struct tcp_keepalive k = binds(state, good[i].text)->so_keepalive;
        assert_int_equal(k.idle, good[i].k.idle);
        assert_int_equal(k.interval, good[i].k.interval);
        assert_int_equal(k.count, good[i].k.count);
    }
    for (unsigned i = 0; i < LEN(bad); i++) {
        snprintf(text, sizeof text, "so_keepalive %s;", bad[i]);
        snprintf(what, sizeof what, "invalid so_keepalive \"%s\"", bad[i]);
        refuses(state, text, what);
    }
}

static void
test_lists(void **state)
{
    const struct proxy_conf *p = binds(state, "");
    assert_true(port_list_has(&p->ports, 80) && port_list_has(&p->ports, 443));
    assert_false(port_list_has(&p->ports, 8080));
    assert_int_equal(p->resolver.n, 0);
    p = binds(state,
        "ports 8080; resolver 127.0.0.1 [::1]:5353; resolve A.Example. 10.0.0.1"
        " ::1; resolve b.example 10.0.0.2; allow_address 10.0.0.0/8;"
        "allow_address 192.168.1.1 fd00::/8;");
    assert_true(port_list_has(&p->ports, 8080));
    assert_false(port_list_has(&p->ports, 80));
    assert_int_equal(p->resolver.n, 2);
    assert_true(addr_is(&p->resolver.items[0], "127.0.0.1:53"));
    assert_true(addr_is(&p->resolver.items[1], "[::1]:5353"));
    assert_int_equal(p->names.n, 2);
    assert_true(str_eq(p->names.items[0].name, STR("a.example")));
    assert_int_equal(p->names.items[0].addrs.n, 2);
    assert_true(str_eq(p->names.items[1].name, STR("b.example")));
    assert_int_equal(p->allow_address.n, 3);
    p = binds(state, "resolver system;");
    assert_int_equal(p->resolver.n, 0);
}

/* The nearest holds along egress > host > location; lists are replaced. */
static void
test_where(void **state)
{
    struct scope *e = whole_egress(state,
        "send_timeout 1s; ports 1; allow_address 10.0.0.1/32; host a.example {"
        " send_timeout 2s; ports 2 3; allow_address 10.0.0.2/32;"
        " location / { send_timeout 3s; } } handler h { via on; }");
    const struct scope *host = e->children, *handler = host->next;
    const struct proxy_conf *at_host = scope_part(host, PART_PROXY);
    const struct proxy_conf *at_path = scope_part(host->children, PART_PROXY);
    const struct proxy_conf *at_handler = scope_part(handler, PART_PROXY);
    assert_true(at_host->send_timeout == 2 && at_path->send_timeout == 3);
    assert_true(at_handler->send_timeout == 1 && at_handler->via);
    assert_false(port_list_has(&at_host->ports, 1));
    assert_true(port_list_has(&at_path->ports, 3));
    assert_int_equal(at_host->allow_address.n, 1);
    assert_int_equal(at_handler->allow_address.n, 1);
    refuses(state, "host a.example { keepalive_timeout 1s; }",
        "\"keepalive_timeout\" directive is not allowed here");
}

/* One store for each file, however many blocks name it. */
static void
test_trust(void **state)
{
    struct whole *w = *state;
    struct cert ca;
    cert_make(&ca, NULL, "CA", NULL);
    cert_write(&ca, tmp_dir_path(&w->dir, "ca.pem"));
    cert_fini(&ca);
    struct scope *e = whole_egress(state,
        "host a.example { proxy_ssl_trusted_certificate ca.pem; }"
        "host b.example { proxy_ssl_trusted_certificate ca.pem; }"
        "host c.example { }");
    const struct proxy_conf *a = scope_part(e->children, PART_PROXY);
    const struct proxy_conf *b = scope_part(e->children->next, PART_PROXY);
    const struct proxy_conf *c =
        scope_part(e->children->next->next, PART_PROXY);
    const struct proxy_conf *own = scope_part(e, PART_PROXY);
    assert_ptr_equal(a->tls, b->tls);
    assert_ptr_equal(c->tls, own->tls);
    assert_ptr_not_equal(a->tls, own->tls);
    char what[512];
    snprintf(what, sizeof what,
        "cannot load the certificates in \"%snone.pem\": %s", w->dir.path,
        "No such file or directory");
    refuses(state, "host a.example { proxy_ssl_trusted_certificate none.pem; }",
        what);
}

static void
test_pages_that_cannot_be_read(void **state)
{
    struct whole *w = *state;
    char what[512];
    snprintf(what, sizeof what,
        "cannot read the page \"%shtml/403.html\" (21: Is a directory)",
        w->dir.path);
    tmp_dir_write(&w->dir, "html/403.html/is", STR("a directory"));
    whole_refuses(state, false, "", what, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_listen),
        WHOLE_TEST(test_listen_unix),
        WHOLE_TEST(test_front_ends),
        WHOLE_TEST(test_listens_are_numbered),
        WHOLE_TEST(test_listen_refused),
        WHOLE_TEST(test_times),
        WHOLE_TEST(test_limits),
        WHOLE_TEST(test_limits_refused),
        WHOLE_TEST(test_keepalive),
        WHOLE_TEST(test_lists),
        WHOLE_TEST(test_where),
        WHOLE_TEST(test_trust),
        WHOLE_TEST(test_pages_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
