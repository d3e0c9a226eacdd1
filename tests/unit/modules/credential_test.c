/*
 * What goes upstream with a request, and what never does: the module's hooks
 * on an exchange that no connection carries.
 */

#include "module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "http/h1_parse.h"
#include "sandbox/secret_source.h"

extern const struct module credential_module;
extern const unsigned credential_module_index;

static const struct cmd opener_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    { 0 },
};

static const struct conf_part opener = { .name = "opener",
    .cmds = opener_cmds };
static const struct conf_part nothing = { .name = "nothing" };
static const struct conf_part vars = { .name = "vars", .vars = proxy_vars };
static const struct conf_part *parts[PART_ROOMS + 16];

struct fixture {
    struct tmp_dir dir;
    struct conf *conf;
    struct loop *loop;
    FILE *log;
    struct worker worker;
    struct conn conn;
    struct tx *tx;
    char err[1024];
};

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    parts[PART_MAIN] = &opener;
    parts[PART_EVENTS] = &vars;
    parts[PART_LISTEN] = &nothing;
    parts[PART_PROXY] = &proxy_part;
    parts[PART_SANDBOX] = &sandbox_part;
    parts[PART_BLOCK] = &block_part;
    parts[PART_SECRET] = &secret_part;
    for (unsigned i = 0; i < modules_count; i++) {
        parts[PART_ROOMS + i] = &modules[i]->conf;
    }
    tmp_dir_make(&f->dir);
    f->loop = loop_new();
    f->log = tmpfile();
    log_set(fileno(f->log), LOG_INFO);
    *state = f;
    return 0;
}

/* The connection's own; it is woken, and never run. */
static const struct step step_idle = { "test: idle", NULL };

static void
end_tx(struct fixture *f)
{
    if (f->tx == NULL) {
        return;
    }
    pump_fini(&f->tx->down);
    arena_free(f->tx->arena);
    f->tx = NULL;
}

static void
end_conf(struct fixture *f)
{
    end_tx(f);
    if (f->conn.magic == CONN_MAGIC) {
        task_fini(&f->conn.task);
    }
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    end_conf(f);
    secret_env_forget(false);
    loop_free(f->loop);
    log_set(STDERR_FILENO, LOG_NOTICE);
    fclose(f->log);
    tmp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static bool
is_logged(struct fixture *f, const char *what)
{
    static char text[65536];
    ssize_t n = pread(fileno(f->log), text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, what) != NULL;
}

#define CLASS                                                                  \
    "sandbox_class k { allowed_hosts *; } "                                    \
    "sandbox box { class k; address 10.0.0.1; } "

static struct conf *
bind_text(struct fixture *f, const char *text)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "egress {\n%s\n" CLASS "}", text);
    tmp_dir_write(&f->dir, "weir.conf", str_of(whole));
    return conf_bind(parts, PART_ROOMS + modules_count, f->dir.path,
        "weir.conf", STR_NONE, true, f->err, sizeof f->err);
}

/* A worker with that configuration; secrets: token, and gone. */
static struct fixture *
start(void **state, const char *text)
{
    struct fixture *f = *state;
    char whole[4096];
    end_conf(f);
    tmp_dir_write(&f->dir, "token", STR("s3cret-value\n"));
    snprintf(whole, sizeof whole,
        "secret token file:token; secret gone file:none; "
        "secret odd file:odd; secret bound file:token hosts=a.x.test; %s",
        text);
    f->conf = bind_text(f, whole);
    if (f->conf == NULL || secret_load(f->conf, f->err, sizeof f->err) != 0) {
        fail_msg("%s", f->err);
    }
    const struct scope *egress = conf_scope(f->conf, CONF_EGRESS);
    f->worker = (struct worker){ .magic = WORKER_MAGIC,
        .loop = f->loop,
        .conf = f->conf,
        .egress = egress,
        .proxy_conf = scope_part(egress, PART_PROXY),
        .sandboxes = sandbox_set_of(f->conf),
        .secrets = secret_store_of(f->conf) };
    f->conn = (struct conn){ .magic = CONN_MAGIC,
        .worker = &f->worker,
        .sandbox = sandbox_set_nth(f->worker.sandboxes, 0),
        .is_tls = true };
    task_init(&f->conn.task, f->loop, &step_idle, NULL);
    return f;
}

static void
choose(struct tx *tx)
{
    struct decide_query q = { .sandbox = tx->sandbox,
        .host = tx->authority.host,
        .is_request = true,
        .method = tx->request.method,
        .path = tx->path,
        .arena = tx->arena };
    decide(&q, &tx->decision);
    assert_int_equal(tx->decision.outcome, DECIDE_ALLOW);
    if (tx->decision.where != NULL) {
        tx->where = tx->decision.where;
    }
    tx->path = tx->decision.path;
}

/* Runs the hook on that request; "\n" in it stands for CRLF. */
static enum verdict
run(struct fixture *f, const char *request)
{
    struct h1_error err = { 0 };
    char bytes[4096];
    size_t n = 0;
    for (const char *z = request; *z != '\0'; z++) {
        if (*z == '\n') {
            bytes[n++] = '\r';
        }
        bytes[n++] = *z;
    }
    end_tx(f);
    struct arena *a = arena_new(4096);
    struct tx *tx = arena_calloc(a, sizeof *tx);
    f->tx = tx;
    tx->magic = TX_MAGIC;
    tx->arena = a;
    tx->conn = &f->conn;
    tx->sandbox = f->conn.sandbox;
    tx->where = f->worker.egress;
    tx->who = tx->sandbox->scope;
    tx->module_state = arena_calloc(a, modules_count * sizeof(void *));
    tx->module_state[credential_module_index] =
        arena_calloc(a, credential_module.tx_size);
    pump_init(&tx->down, NULL, NULL);
    head_init(&tx->request, a);
    if (h1_parse_request(
            arena_dup(a, str_n(bytes, n)), 443, &tx->request, &err) != 0) {
        fail_msg("%s", err.text);
    }
    tx->authority = tx->request.authority;
    size_t at = str_find(tx->request.path, '?');
    tx->path = str_n(tx->request.path.p, at);
    if (at < tx->request.path.n) {
        tx->query = str_skip(tx->request.path, at + 1);
    }
    choose(tx);
    return credential_module.on_request(tx, &tx->request);
}

#define GET(FIELDS) "GET /p HTTP/1.1\nHost: a.x.test\n" FIELDS "\n"

/* Leaves no copy in an arena, whose blocks are looked at below. */
static void
assert_str(struct str s, const char *expected)
{
    if (!str_eq(s, str_of(expected))) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
    }
}

/* The only field that an origin could read as that name has that value. */
static void
assert_only(struct fixture *f, const char *name, const char *value)
{
    const struct head *h = &f->tx->request;
    unsigned n = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (field_name_eq(h->fields[i].name, str_of(name))) {
            assert_str(h->fields[i].name, name);
            assert_str(h->fields[i].value, value != NULL ? value : "");
            n++;
        }
    }
    assert_int_equal(n, value != NULL ? 1 : 0);
}

static void
assert_target(struct fixture *f, const char *target)
{
    assert_str(f->tx->up_target, target);
}

static void
assert_refused(struct fixture *f, unsigned status)
{
    assert_int_equal(f->tx->response.status, status);
    for (unsigned i = 0; i < f->tx->request.n; i++) {
        struct str v = f->tx->request.fields[i].value;
        assert_null(memmem(v.p, v.n, "s3cret", 6));
    }
}

static void
bearer_and_basic(void **state)
{
    struct fixture *f = start(state, "host a.x.test { bearer $secret_token; }");
    assert_int_equal(
        run(f, GET("Authorization: mine\nAUTHORIZATION: too\n")), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_true(f->tx->needs_tls);
    f = start(state, "host a.x.test { basic_auth me $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    assert_true(f->tx->needs_tls);
}

static void
headers(void **state)
{
    struct fixture *f = start(state,
        "host a.x.test { proxy_set_header X-Auth-Token $secret_token; "
        "proxy_set_header X-Two \"a $secret_token;${secret_token}\"; "
        "proxy_set_header X-Gone ''; proxy_set_header X-Box $sandbox_id; }");
    assert_int_equal(
        run(f, GET("x_auth_token: 1\nX-Auth_Token: 2\nx-auth-token: 3\n"
                   "x_gone: 4\nX-Gone: 5\n")),
        V_NEXT);
    assert_only(f, "X-Auth-Token", "s3cret-value");
    assert_only(f, "X-Two", "a s3cret-value;s3cret-value");
    assert_only(f, "X-Gone", NULL);
    assert_only(f, "X-Box", "box");
    struct head *h = &f->tx->request;
    assert_false(head_add_trailer(h, STR("x_auth_token"), STR("late")));
    assert_false(head_add_trailer(h, STR("X-Gone"), STR("late")));
    assert_true(head_add_trailer(h, STR("X-Other"), STR("late")));
}

static void
no_secret_needs_no_tls(void **state)
{
    struct fixture *f =
        start(state, "host a.x.test { proxy_set_header X-Box $sandbox_id; "
                     "proxy_set_query b $sandbox_id; } ");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_false(f->tx->needs_tls);
    assert_target(f, "/p?b=box");
    assert_int_equal(
        run(f, "GET /q HTTP/1.1\nHost: other.test\nX-Box: 1\n\n"), V_NEXT);
    assert_only(f, "X-Box", "1");
    assert_null(f->tx->up_target.p);
}

static void
queries(void **state)
{
    static const struct {
        const char *target, *up;
    } cases[] = {
        { "/p", "/p?key=s3cret-value&k%202=box" },
        { "/p?", "/p?key=s3cret-value&k%202=box" },
        { "/p?x=1", "/p?x=1&key=s3cret-value&k%202=box" },
        { "/p?key=mine", "/p?key=s3cret-value&k%202=box" },
        { "/p?key", "/p?key=s3cret-value&k%202=box" },
        { "/p?a=1&%6bey=mine&b=2", "/p?a=1&b=2&key=s3cret-value&k%202=box" },
        { "/p?ke%79=&key=&a", "/p?a&key=s3cret-value&k%202=box" },
        { "/p?k+2=1&k%202=2", "/p?key=s3cret-value&k%202=box" },
        { "/p?keys=1&KEY=2&k=3",
            "/p?keys=1&KEY=2&k=3&key=s3cret-value&k%202=box" },
    };
    struct fixture *f =
        start(state, "host a.x.test { proxy_set_query key $secret_token; "
                     "proxy_set_query 'k 2' $sandbox_id; }");
    for (size_t i = 0; i < LEN(cases); i++) {
        char request[256];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\nHost: a.x.test\n\n",
            cases[i].target);
        assert_int_equal(run(f, request), V_NEXT);
        assert_target(f, cases[i].up);
        assert_true(f->tx->needs_tls);
    }
    assert_int_equal(run(f, "OPTIONS * HTTP/1.1\nHost: a.x.test\n\n"), V_REPLY);
    assert_refused(f, 400);
}

static void
values_are_percent_encoded(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("a b&c=d/#?%\xff~"));
    start(state, "host a.x.test { proxy_set_query k $secret_odd; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_target(f, "/p?k=a%20b%26c%3Dd%2F%23%3F%25%FF~");
}

static void
missing_secret(void **state)
{
    static const char *const uses[] = { "bearer $secret_gone;",
        "basic_auth me $secret_gone;", "proxy_set_header X-A $secret_gone;",
        "proxy_set_header X-B \"$secret_token $secret_gone\";",
        "bearer $secret_token; proxy_set_query k $secret_gone;" };
    for (size_t i = 0; i < LEN(uses); i++) {
        char text[256];
        snprintf(text, sizeof text, "host a.x.test { %s }", uses[i]);
        struct fixture *f = start(state, text);
        assert_int_equal(run(f, GET("Authorization: mine\n")), V_REPLY);
        assert_refused(f, 502);
        assert_true(is_logged(f, "secret \"gone\" is missing"));
        assert_false(is_logged(f, "s3cret"));
        credential_module.on_log(f->tx);
    }
}

static void
unbound_host(void **state)
{
    struct fixture *f = start(state, "host *.x.test { bearer $secret_bound; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_int_equal(run(f, "GET / HTTP/1.1\nHost: b.x.test\n\n"), V_REPLY);
    assert_refused(f, 502);
    assert_true(is_logged(f, "secret \"bound\" is not bound to this host"));
}

static void
control_bytes(void **state)
{
    struct fixture *f = *state;
    tmp_dir_write(&f->dir, "odd", STR("a\x01z"));
    static const char *const uses[] = { "bearer $secret_odd;",
        "basic_auth me $secret_odd;", "proxy_set_header X-A $secret_odd;",
        "proxy_set_query k $secret_odd;" };
    for (size_t i = 0; i < LEN(uses); i++) {
        char text[256];
        snprintf(text, sizeof text, "host a.x.test { %s }", uses[i]);
        start(state, text);
        assert_int_equal(run(f, GET("")), V_REPLY);
        assert_refused(f, 400);
        assert_false(is_logged(f, "a\x01z"));
    }
}

/* One rule's header is no variable for the next, nor for the log. */
static void
attached_is_not_read_again(void **state)
{
    struct fixture *f = start(state,
        "host a.x.test { proxy_set_header Authorization \"T $secret_token\"; "
        "proxy_set_header X-Copy \"was $http_authorization\"; "
        "proxy_set_header X-Open $sandbox_id; }");
    assert_int_equal(run(f, GET("Authorization: mine\n")), V_NEXT);
    assert_only(f, "Authorization", "T s3cret-value");
    assert_only(f, "X-Copy", "was mine");
    credential_module.on_log(f->tx);
    assert_only(f, "Authorization", NULL);
    assert_only(f, "X-Open", "box");
    f = start(state, "host a.x.test { bearer $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    credential_module.on_log(f->tx);
    assert_only(f, "Authorization", NULL);
}

static void
a_change_does_not_reach_a_running_exchange(void **state)
{
    struct fixture *f =
        start(state, "host a.x.test { proxy_set_header X-A $secret_token; }");
    assert_int_equal(run(f, GET("")), V_NEXT);
    struct str lent = secret_get(f->worker.secrets, 0, NULL);
    memset((void *)lent.p, 'x', lent.n);
    assert_only(f, "X-A", "s3cret-value");
}

static bool
has(const char *block, size_t n, const char *text)
{
    return memmem(block, n, text, strlen(text)) != NULL;
}

/* The blocks of 4096 bytes that arenas gave back: looks for what a value
 * leaves in them. */
static bool
is_left_in_blocks(void)
{
    struct arena *a[8];
    size_t n = 3900;
    bool is_left = false;
    for (size_t i = 0; i < LEN(a); i++) {
        a[i] = arena_new(4096);
        const char *block = arena_alloc(a[i], n);
        is_left = is_left || has(block, n, "s3cret") ||
                  has(block, n, "czNjcmV0") || has(block, n, "bWU6czNj");
    }
    for (size_t i = 0; i < LEN(a); i++) {
        arena_free(a[i]);
    }
    return is_left;
}

/* What an earlier test left there is none of this one's concern. */
static void
clear_blocks(void)
{
    struct arena *a[8];
    for (size_t i = 0; i < LEN(a); i++) {
        a[i] = arena_new(4096);
        memset(arena_alloc(a[i], 3900), 0, 3900);
    }
    for (size_t i = 0; i < LEN(a); i++) {
        arena_free(a[i]);
    }
}

static void
exchange_is_wiped(void **state)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        skip(); /* it looks at bytes that nobody wrote */
    }
    struct fixture *f = start(state,
        "host a.x.test { proxy_set_header X-A \"v $secret_token\"; "
        "basic_auth me $secret_token; proxy_set_query k $secret_token; "
        "proxy_set_query l $secret_token; }");
    clear_blocks();
    assert_int_equal(run(f, GET("")), V_NEXT);
    end_tx(f);
    assert_false(is_left_in_blocks());
}

static void
nearest_authorization_holds(void **state)
{
    struct fixture *f =
        start(state, "host a.x.test { basic_auth me $secret_token;"
                     "location /b { bearer $secret_token; }"
                     "location /s { proxy_set_header authorization own; } }"
                     "host b.x.test { bearer $secret_token; "
                     "location /b { basic_auth me $secret_token; } }");
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Bearer s3cret-value");
    assert_int_equal(run(f, "GET /s HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "authorization", "own");
    assert_int_equal(run(f, "GET /o HTTP/1.1\nHost: a.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
    assert_int_equal(run(f, "GET /b HTTP/1.1\nHost: b.x.test\n\n"), V_NEXT);
    assert_only(f, "Authorization", "Basic bWU6czNjcmV0LXZhbHVl");
}

static void
refused_configurations(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "proxy_set_header Host x;", "header \"Host\" cannot be set here" },
        { "proxy_set_header connection x;", "cannot be set here" },
        { "proxy_set_header Content_Length 1;", "cannot be set here" },
        { "proxy_set_header Transfer-Encoding x;", "cannot be set here" },
        { "proxy_set_header Keep-Alive x;", "cannot be set here" },
        { "proxy_set_header TE x;", "cannot be set here" },
        { "proxy_set_header Trailer x;", "cannot be set here" },
        { "proxy_set_header Upgrade x;", "cannot be set here" },
        { "proxy_set_header Expect x;", "cannot be set here" },
        { "proxy_set_header HTTP2-Settings x;", "cannot be set here" },
        { "proxy_set_header Proxy-Authorization x;", "cannot be set here" },
        { "proxy_set_header proxy_anything x;", "cannot be set here" },
        { "proxy_set_header 'a b' x;", "cannot be set here" },
        { "proxy_set_header '' x;", "cannot be set here" },
        { "proxy_set_header $secret_token x;", "cannot be set here" },
        { "proxy_set_query '' x;", "invalid parameter name" },
        { "proxy_set_query $secret_token x;", "invalid parameter name" },
        { "basic_auth a:b x;", "invalid user" },
        { "basic_auth $secret_token x;", "invalid user" },
        { "bearer $secret_other;", "unknown secret \"other\"" },
        { "bearer a; basic_auth a b;", "both set Authorization" },
        { "basic_auth a b; bearer a;", "both set Authorization" },
        { "bearer a; proxy_set_header authorization b;",
            "both set Authorization" },
        { "proxy_set_header X-A b; proxy_set_header Authorization b; "
          "basic_auth a b;",
            "both set Authorization" },
        { "return 200 $secret_token;", "secret" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < LEN(bad); i++) {
        char text[512];
        snprintf(text, sizeof text,
            "secret token file:token; host a.test {\n%s }", bad[i].text);
        if (bind_text(f, text) != NULL) {
            fail_msg("takes %s", bad[i].text);
        }
        if (strstr(f->err, bad[i].what) == NULL) {
            fail_msg("%s: %s", bad[i].text, f->err);
        }
        assert_non_null(strstr(f->err, "weir.conf:3"));
    }
    assert_null(bind_text(f, "secret t file:token;\nbearer $secret_t;"));
    assert_non_null(strstr(f->err, "weir.conf:3"));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(bearer_and_basic),
        T(headers),
        T(no_secret_needs_no_tls),
        T(queries),
        T(values_are_percent_encoded),
        T(missing_secret),
        T(unbound_host),
        T(control_bytes),
        T(attached_is_not_read_again),
        T(a_change_does_not_reach_a_running_exchange),
        T(exchange_is_wiped),
        T(nearest_authorization_holds),
        T(refused_configurations),
    };
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
