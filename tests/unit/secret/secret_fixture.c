/*
 * The fixture of the tests of secrets' values.
 */

#include "secret_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "policy/block.h"
#include "proxy/hook.h"
#include "sandbox/sandbox_conf.h"
#include "secret/secret_memory.h"
#include "secret/secret_source.h"

static const struct cmd cmds[] = {
    CMD_OPENS("egress", CONF_MAIN, 0, 0, CONF_EGRESS),
    { 0 },
};

static const struct conf_part opener = { .name = "opener", .cmds = cmds };
extern const struct module host_match_module;

static const struct conf_part *const parts[] = { &class_part, &sandbox_part,
    &block_part, &policy_secret_part, &host_match_module.conf, &opener };

int
sec_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tmp_dir_make(&f->dir);
    f->log = tmpfile();
    log_set(fileno(f->log), LOG_INFO);
    *state = f;
    return 0;
}

int
sec_tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->conf != NULL) {
        conf_free(f->conf);
    }
    if (f->worker != NULL) {
        conf_free(f->worker);
    }
    secret_env_forget(false);
    assert_int_equal(secret_memory_size(), 0);
    log_set(STDERR_FILENO, LOG_NOTICE);
    fclose(f->log);
    tmp_dir_remove(&f->dir);
    free(f);
    return 0;
}

static const char *
log_text(struct fixture *f)
{
    static char text[65536];
    ssize_t n = pread(fileno(f->log), text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

bool
sec_is_logged(struct fixture *f, const char *what)
{
    return strstr(log_text(f), what) != NULL;
}

const char *
sec_path(struct fixture *f, const char *name)
{
    return tmp_dir_path(&f->dir, name);
}

void
sec_put(struct fixture *f, const char *name, const char *text)
{
    tmp_dir_write(&f->dir, name, str_of(text));
}

void
sec_move(struct fixture *f, const char *from, const char *to)
{
    char old[512];
    snprintf(old, sizeof old, "%s", sec_path(f, from));
    AZ(rename(old, sec_path(f, to)));
}

struct conf *
sec_bind_text(struct fixture *f, const char *text, bool is_test)
{
    char whole[2048];
    snprintf(whole, sizeof whole, "egress {\n%s }", text);
    sec_put(f, "weir.conf", whole);
    struct conf *c = conf_bind(parts, LEN(parts), f->dir.path, "weir.conf",
        STR_NONE, is_test, f->err, sizeof f->err);
    if (c == NULL) {
        fail_msg("%s", f->err);
    }
    return c;
}

void
sec_load(struct fixture *f, const char *text)
{
    f->conf = sec_bind_text(f, text, false);
    if (policy_secrets_load(f->conf, f->err, sizeof f->err) != 0) {
        fail_msg("%s", f->err);
    }
    f->store = policy_secret_store(f->conf);
}

void
sec_start(struct fixture *f, const char *text)
{
    sec_load(f, text);
    f->worker = sec_bind_text(f, text, true);
    AZ(policy_secrets_load(f->worker, f->err, sizeof f->err));
    int fd = secret_watch_start(f->store);
    assert_true(fd >= 0);
    assert_int_equal(fd, secret_watch_fd(f->store));
    assert_int_equal(secret_watch_fd(policy_secret_store(f->worker)), -1);
}

struct str
sec_value_in(struct conf *c, unsigned index, const char *id)
{
    return secret_get(
        policy_secret_store(c), index, id != NULL ? str_of(id) : STR_NONE);
}

void
sec_assert_value(
    struct conf *c, unsigned index, const char *id, const char *what)
{
    struct str v = sec_value_in(c, index, id);
    if (what == NULL) {
        assert_null(v.p);
        return;
    }
    if (!str_eq(v, str_of(what))) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(v), what);
    }
}

void
sec_on_change(void *arg, struct str message)
{
    struct fixture *f = arg;
    f->n_messages++;
    assert_true(message.n <= SECRET_MESSAGE_MAX);
    assert_true(secret_apply(policy_secret_store(f->worker), message));
}

bool
sec_is_told(struct fixture *f, unsigned index, const char *id, const char *what)
{
    struct str v = sec_value_in(f->worker, index, id);
    return what != NULL ? str_eq(v, str_of(what)) : v.p == NULL;
}

bool
sec_is_readable(struct fixture *f, int ms)
{
    struct pollfd p = { secret_watch_fd(f->store), POLLIN, 0 };
    return poll(&p, 1, ms) == 1;
}

void
sec_settle(struct fixture *f, unsigned index, const char *id, const char *what)
{
    while (!sec_is_told(f, index, id, what)) {
        if (!sec_is_readable(f, WAIT_MS)) {
            fail_msg("no event for %s", what != NULL ? what : "a missing one");
        }
        secret_watch_run(f->store, sec_on_change, f);
    }
    while (sec_is_readable(f, 0)) {
        secret_watch_run(f->store, sec_on_change, f);
    }
    assert_true(sec_is_told(f, index, id, what));
    sec_assert_value(f->conf, index, id, what);
}

void
sec_changes_nothing(struct fixture *f)
{
    f->n_messages = 0;
    while (sec_is_readable(f, 0)) {
        secret_watch_run(f->store, sec_on_change, f);
    }
    assert_int_equal(f->n_messages, 0);
}

bool
sec_has_openat2(void)
{
    return syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno != ENOSYS;
}
