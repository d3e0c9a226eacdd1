/*
 * An exchange that no connection carries, for tests of modules' hooks.
 */

#include "module_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/h1_parse.h"
#include "sandbox/sandbox_conf.h"
#include "secret/secret_source.h"

static const struct cmd opener_cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    { 0 },
};

static const struct conf_part opener = { .name = "opener",
    .cmds = opener_cmds };
static const struct conf_part nothing = { .name = "nothing" };
static const struct conf_part vars = { .name = "vars", .vars = proxy_vars };
static const struct conf_part *parts[PART_ROOMS + 16];

int
module_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    parts[PART_MAIN] = &opener;
    parts[PART_EVENTS] = &vars;
    parts[PART_LISTEN] = &nothing;
    parts[PART_PROXY] = &proxy_part;
    parts[PART_CLASS] = &class_part;
    parts[PART_SANDBOX] = &sandbox_part;
    parts[PART_BLOCK] = &block_part;
    parts[PART_SECRET] = &policy_secret_part;
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

void
module_end_tx(struct fixture *f)
{
    if (f->tx == NULL) {
        return;
    }
    pump_fini(&f->tx->xfer.down);
    tx_drop_policy(f->tx);
    arena_free(f->tx->xfer.arena);
    f->tx = NULL;
}

static void
end_conf(struct fixture *f)
{
    module_end_tx(f);
    if (f->conn.magic == CONN_MAGIC) {
        task_fini(&f->conn.task);
    }
    findings_free(f->worker.findings);
    f->worker.findings = NULL;
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
}

int
module_tear_down(void **state)
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

bool
module_logged(struct fixture *f, const char *what)
{
    static char text[65536];
    ssize_t n = pread(fileno(f->log), text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, what) != NULL;
}

#define CLASS                                                                  \
    "sandbox_class k { allowed_hosts *; } "                                    \
    "sandbox box { class k; address 10.0.0.1; } "

struct conf *
module_bind(struct fixture *f, const char *text)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "egress {\n%s\n" CLASS "}", text);
    tmp_dir_write(&f->dir, "weir.conf", str_of(whole));
    return conf_bind(parts, PART_ROOMS + modules_count, f->dir.path,
        "weir.conf", STR_NONE, true, f->err, sizeof f->err);
}

/* A worker with that configuration; secrets: token, and gone. */
struct fixture *
module_start(void **state, const char *text)
{
    struct fixture *f = *state;
    char whole[4096];
    end_conf(f);
    tmp_dir_write(&f->dir, "token", STR("s3cret-value\n"));
    snprintf(whole, sizeof whole,
        "secret token file:token; secret gone file:none; "
        "secret odd file:odd; secret bound file:token hosts=a.x.test; %s",
        text);
    f->conf = module_bind(f, whole);
    if (f->conf == NULL ||
        policy_secrets_load(f->conf, f->err, sizeof f->err) != 0) {
        fail_msg("%s", f->err);
    }
    const struct scope *egress = conf_scope(f->conf, CONF_EGRESS);
    f->worker = (struct worker){ .magic = WORKER_MAGIC,
        .loop = f->loop,
        .conf = f->conf,
        .egress = egress,
        .proxy_conf = scope_part(egress, PART_PROXY),
        .sandboxes = sandbox_set_of(f->conf),
        .findings = findings_new(),
        .secrets = policy_secret_store(f->conf) };
    f->conn = (struct conn){ .magic = CONN_MAGIC,
        .worker = &f->worker,
        .sandbox = sandbox_set_next(f->worker.sandboxes, NULL),
        .is_tls = true };
    task_init(&f->conn.task, f->loop, &step_idle, NULL);
    return f;
}

static void
choose(struct tx *tx)
{
    struct decide_query q = { .policy = tx->policy,
        .host = tx->authority.host,
        .is_request = true,
        .method = tx->xfer.request.method,
        .path = tx->path,
        .arena = tx->xfer.arena };
    decide(&q, &tx->decision);
    assert_int_equal(tx->decision.outcome, DECIDE_ALLOW);
    if (tx->decision.where != NULL) {
        tx->where = tx->decision.where;
    }
    tx->path = tx->decision.path;
}

void
module_request(struct fixture *f, const char *request)
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
    module_end_tx(f);
    struct arena *a = arena_new(4096);
    struct tx *tx = arena_calloc(a, sizeof *tx);
    f->tx = tx;
    tx->magic = TX_MAGIC;
    tx->xfer.arena = a;
    tx->conn = &f->conn;
    tx->sandbox = f->conn.sandbox;
    tx->where = f->worker.egress;
    tx_take_policy(tx);
    hooks_init(modules, modules_count);
    tx->module_state = arena_calloc(a, modules_state_size(LIFE_TX));
    pump_init(&tx->xfer.down, NULL, NULL);
    head_init(&tx->xfer.request, a);
    if (h1_parse_request(
            arena_dup(a, str_n(bytes, n)), 443, &tx->xfer.request, &err) != 0) {
        fail_msg("%s", err.text);
    }
    tx->authority = tx->xfer.request.authority;
    size_t at = str_find(tx->xfer.request.path, '?');
    tx->path = str_n(tx->xfer.request.path.p, at);
    if (at < tx->xfer.request.path.n) {
        tx->query = str_skip(tx->xfer.request.path, at + 1);
    }
    choose(tx);
    tx->route.path = tx->path;
}

/* Leaves no copy in an arena, whose blocks are looked at below. */
void
assert_str(struct str s, const char *expected)
{
    if (!str_eq(s, str_of(expected))) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
    }
}

/* The only field that an origin could read as that name has that value. */
void
assert_only(struct fixture *f, const char *name, const char *value)
{
    const struct head *h = &f->tx->xfer.request;
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

void
assert_target(struct fixture *f, const char *target)
{
    assert_str(f->tx->xfer.target, target);
}

void
assert_refused(struct fixture *f, unsigned status)
{
    assert_int_equal(f->tx->xfer.response.status, status);
    for (unsigned i = 0; i < f->tx->xfer.request.n; i++) {
        struct str v = f->tx->xfer.request.fields[i].value;
        assert_null(memmem(v.p, v.n, "s3cret", 6));
    }
}

static bool
has(const char *block, size_t n, const char *text)
{
    return memmem(block, n, text, strlen(text)) != NULL;
}

/* The blocks of 4096 bytes that arenas gave back: looks for what a value
 * leaves in them. */
bool
module_is_left(void)
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
void
module_clear_blocks(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        skip(); /* it looks at bytes that nobody wrote */
    }
    struct arena *a[8];
    for (size_t i = 0; i < LEN(a); i++) {
        a[i] = arena_new(4096);
        memset(arena_alloc(a[i], 3900), 0, 3900);
    }
    for (size_t i = 0; i < LEN(a); i++) {
        arena_free(a[i]);
    }
}
