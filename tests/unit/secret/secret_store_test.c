/*
 * The values of secrets: what is taken and what is refused, the messages to
 * the workers, and that nothing of a value stays behind.
 */

#include "secret/secret_store.h"

#include "secret_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../units.h"
#include "secret/secret_memory.h"

static struct fixture *
fixture_of(void **state)
{
    return *state;
}

static void
refuses(void **state, const char *text, const char *what)
{
    struct fixture *f = *state;
    char expected[1024];
    struct conf *c = sec_bind_text(f, text, true);
    assert_int_equal(policy_secrets_load(c, f->err, sizeof f->err), -1);
    snprintf(expected, sizeof expected, "%s in %s:2", what,
        sec_path(f, "weir.conf"));
    assert_string_equal(f->err, expected);
    conf_free(c);
}

/* What is taken */

static void
no_secrets(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_load(f, "");
    assert_non_null(f->store);
    errno = 5;
    assert_int_equal(secret_watch_start(f->store), -1);
    assert_int_equal(errno, 0);
    secret_watch_run(f->store, sec_on_change, f);
    assert_int_equal(secret_memory_size(), 0);
}

static void
file_values(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "one");
    sec_put(f, "b", "two\n");
    sec_put(f, "sub/c", "three\r\n");
    sec_put(f, "d", "\x01 tab\t\xff ");
    sec_load(f, "secret a file:a; secret b file:b; secret c file:sub/c;"
                "secret d file:d;");
    sec_assert_value(f->conf, 0, NULL, "one");
    sec_assert_value(f->conf, 0, "box", "one");
    sec_assert_value(f->conf, 1, NULL, "two");
    sec_assert_value(f->conf, 2, NULL, "three");
    sec_assert_value(f->conf, 3, NULL, "\x01 tab\t\xff ");
}

static void
refused_values(void **state)
{
    static const struct {
        const char *text, *why;
        size_t n;
    } bad[] = {
        { "", "is empty", 0 },
        { "\n", "is empty", 1 },
        { "\r\n", "is empty", 2 },
        { "a\rb", "has a CR, LF or NUL in it", 3 },
        { "a\nb", "has a CR, LF or NUL in it", 3 },
        { "a\n\n", "has a CR, LF or NUL in it", 3 },
        { "a\r", "has a CR, LF or NUL in it", 2 },
        { "a\0b", "has a CR, LF or NUL in it", 3 },
        { "a\0", "has a CR, LF or NUL in it", 2 },
    };
    struct fixture *f = fixture_of(state);
    for (size_t i = 0; i < LEN(bad); i++) {
        char what[600];
        tmp_dir_write(&f->dir, "v", str_n(bad[i].text, bad[i].n));
        snprintf(what, sizeof what, "secret \"s\": \"%s\" %s", sec_path(f, "v"),
            bad[i].why);
        refuses(state, "secret s file:v;", what);
    }
}

static void
lengths(void **state)
{
    struct fixture *f = fixture_of(state);
    char *text = malloc(SECRET_MAX + 4);
    char what[600];
    memset(text, 'x', SECRET_MAX + 4);
    memcpy(text + SECRET_MAX, "\r\n", 2);
    tmp_dir_write(&f->dir, "v", str_n(text, SECRET_MAX + 2));
    sec_load(f, "secret s file:v;");
    assert_int_equal(sec_value_in(f->conf, 0, NULL).n, SECRET_MAX);
    snprintf(what, sizeof what, "secret \"s\": \"%s\" is longer than 64k",
        sec_path(f, "v"));
    memset(text, 'x', SECRET_MAX + 4);
    tmp_dir_write(&f->dir, "v", str_n(text, SECRET_MAX + 1));
    refuses(state, "secret s file:v;", what);
    tmp_dir_write(&f->dir, "v", str_n(text, SECRET_MAX + 4));
    refuses(state, "secret s file:v;", what);
    free(text);
}

static void
missing_files(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "plain", "x");
    sec_load(f,
        "secret a file:none; secret b file:no/such; secret c file:plain/x;"
        "secret d dir:no; secret e env:WEIR_TEST_UNSET;");
    for (unsigned i = 0; i < 5; i++) {
        sec_assert_value(f->conf, i, "box", NULL);
    }
    assert_true(sec_is_logged(f, "[warn]"));
    assert_true(sec_is_logged(f, "secret \"a\""));
    assert_true(sec_is_logged(f, "secret \"d\""));
    assert_true(sec_is_logged(
        f, "secret \"e\": \"WEIR_TEST_UNSET\" is not in the environment in "));
}

static void
only_regular_files(void **state)
{
    struct fixture *f = fixture_of(state);
    char what[600];
    AZ(mkfifo(sec_path(f, "fifo"), 0600)); /* and it does not hang */
    AZ(mkdir(sec_path(f, "sub"), 0700));
    snprintf(what, sizeof what, "secret \"s\": \"%s\" is not a regular file",
        sec_path(f, "fifo"));
    refuses(state, "secret s file:fifo;", what);
    snprintf(what, sizeof what, "secret \"s\": \"%s\" is not a regular file",
        sec_path(f, "sub"));
    refuses(state, "secret s file:sub;", what);
    refuses(state, "secret s file:/dev/null;",
        "secret \"s\": \"/dev/null\" is not a regular file");
    AZ(symlink("loop", sec_path(f, "loop")));
    snprintf(what, sizeof what,
        "secret \"s\": \"%s\" cannot be opened (40: Too many levels of "
        "symbolic links)",
        sec_path(f, "loop"));
    refuses(state, "secret s file:loop;", what);
}

static void
dir_values(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "d/box", "box-value\n");
    sec_put(f, "d/b.c-1", "other");
    sec_put(f, "d/.hidden", "x");
    sec_put(f, "d/no id", "x");
    sec_put(f, "d/bad", "a\rb");
    AZ(mkdir(sec_path(f, "d/sub"), 0700));
    AZ(symlink("box", sec_path(f, "d/link")));
    AZ(symlink("../outside", sec_path(f, "d/out")));
    char box[512];
    snprintf(box, sizeof box, "%s", sec_path(f, "d/box"));
    AZ(symlink(box, sec_path(f, "d/abs")));
    sec_put(f, "outside", "outside");
    sec_load(f, "secret s dir:d;");
    sec_assert_value(f->conf, 0, "box", "box-value");
    sec_assert_value(f->conf, 0, "b.c-1", "other");
    sec_assert_value(
        f->conf, 0, "link", sec_has_openat2() ? "box-value" : NULL);
    sec_assert_value(f->conf, 0, "out", NULL);
    sec_assert_value(f->conf, 0, "abs", NULL);
    sec_assert_value(f->conf, 0, "sub", NULL);
    sec_assert_value(f->conf, 0, "bad", NULL);
    sec_assert_value(f->conf, 0, ".hidden", NULL);
    sec_assert_value(f->conf, 0, "", NULL);
    sec_assert_value(f->conf, 0, NULL, NULL);
    assert_true(sec_is_logged(f, "[error]"));
    assert_true(sec_is_logged(f, "secret \"s\" of sandbox \"bad\""));
    assert_true(sec_is_logged(f, "secret \"s\" of sandbox \"out\""));
    assert_false(sec_is_logged(f, "box-value"));
}

/* Runs `fn` in a child; the test fails unless it returns true. */
static void
in_child(struct fixture *f, bool (*fn)(struct fixture *f))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(fn(f) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Whether the bytes stand in the process's first environment. */
static bool
is_in_environ(const char *text)
{
    char bytes[65536];
    int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t n = 0, got = 1;
    while (got > 0) {
        got = read(fd, bytes + n, sizeof bytes - (size_t)n);
        n += got > 0 ? got : 0;
    }
    close(fd);
    return memmem(bytes, (size_t)n, text, strlen(text)) != NULL;
}

/* In a process of its own, which exec gave the variables. */
static void
environ_alone(void **state)
{
    struct fixture *f = fixture_of(state);
    assert_true(is_in_environ("envvalue-0123456789"));
    sec_load(f, "secret s env:WEIR_TEST_SECRET;");
    sec_assert_value(f->conf, 0, NULL, "envvalue-0123456789");
    assert_null(getenv("WEIR_TEST_SECRET"));
    assert_false(is_in_environ("envvalue-0123456789"));
    assert_true(is_in_environ("WEIR_TEST_OTHER=kept"));
}

static bool
run_environ_alone(struct fixture *f)
{
    char *argv[] = { (char *)"units", (char *)__FILE__, (char *)"environ",
        NULL };
    char *envp[] = { (char *)"WEIR_TEST_SECRET=envvalue-0123456789",
        (char *)"WEIR_TEST_OTHER=kept", NULL };
    (void)f;
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execve(unit_program(), argv, envp);
    return false;
}

static void
environment_is_erased(void **state)
{
    in_child(fixture_of(state), run_environ_alone);
}

static void
environment_is_kept(void **state)
{
    struct fixture *f = fixture_of(state);
    AZ(setenv("WEIR_TEST_SECRET", "envvalue-0123456789", 1));
    sec_load(f, "secret s env:WEIR_TEST_SECRET;");
    assert_null(getenv("WEIR_TEST_SECRET"));
    /* a reload has it still, and so has one after the first conf is gone */
    struct conf *again =
        sec_bind_text(f, "secret s env:WEIR_TEST_SECRET;", false);
    AZ(policy_secrets_load(again, f->err, sizeof f->err));
    sec_assert_value(again, 0, NULL, "envvalue-0123456789");
    conf_free(f->conf);
    f->conf = NULL;
    sec_assert_value(again, 0, NULL, "envvalue-0123456789");
    conf_free(again);
    again = sec_bind_text(f, "secret s env:WEIR_TEST_SECRET;", false);
    AZ(policy_secrets_load(again, f->err, sizeof f->err));
    sec_assert_value(again, 0, NULL, "envvalue-0123456789");
    conf_free(again);
}

static void
bad_environment(void **state)
{
    AZ(setenv("WEIR_TEST_BAD", "a\nb", 1));
    refuses(state, "secret s env:WEIR_TEST_BAD;",
        "secret \"s\": \"WEIR_TEST_BAD\" has a CR, LF or NUL in it");
    assert_null(getenv("WEIR_TEST_BAD"));
    AZ(setenv("WEIR_TEST_EMPTY", "", 1));
    refuses(state, "secret s env:WEIR_TEST_EMPTY;",
        "secret \"s\": \"WEIR_TEST_EMPTY\" is empty");
}

/* Memory */

static size_t
locked_bytes(void)
{
    char line[256];
    unsigned long kb = 0;
    FILE *in = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, in) != NULL) {
        if (sscanf(line, "VmLck: %lu kB", &kb) == 1) {
            break;
        }
    }
    fclose(in);
    return kb * 1024;
}

/* The sanitizer makes mlock() do nothing. */
static bool
has_mlock(void)
{
    size_t before = locked_bytes();
    void *page =
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    AZ(mlock(page, 4096));
    bool has = locked_bytes() > before;
    AZ(munmap(page, 4096));
    return has;
}

static bool
is_page_dumped(const void *p)
{
    char line[512];
    bool is_here = false, is_dumped = true;
    unsigned long from, to, at = (unsigned long)p;
    FILE *in = fopen("/proc/self/smaps", "r");
    while (fgets(line, sizeof line, in) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            is_here = at >= from && at < to;
        }
        if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
            is_dumped = strstr(line, " dd") == NULL;
        }
    }
    fclose(in);
    return is_dumped;
}

static void
memory_is_locked(void **state)
{
    struct fixture *f = fixture_of(state);
    if (!has_mlock()) {
        skip();
    }
    sec_put(f, "a", "one");
    size_t before = locked_bytes();
    sec_load(f, "secret a file:a;");
    assert_true(locked_bytes() >= before + secret_memory_size());
    assert_true(secret_memory_size() != 0);
    assert_false(is_page_dumped(sec_value_in(f->conf, 0, NULL).p));
}

static bool
worker_locks_again(struct fixture *f)
{
    bool was_unlocked = locked_bytes() < secret_memory_size();
    secret_store_after_fork(f->store);
    bool is_locked = locked_bytes() >= secret_memory_size();
    return (!has_mlock() || (was_unlocked && is_locked)) &&
           secret_watch_fd(f->store) == -1 &&
           str_eq(sec_value_in(f->conf, 0, NULL), STR("one")) &&
           sec_value_in(f->worker, 0, NULL).p == NULL;
}

static void
after_fork(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "one");
    sec_start(f, "secret a file:a;");
    in_child(f, worker_locks_again);
    sec_assert_value(f->worker, 0, NULL, "one");
    sec_put(f, "a", "two"); /* the master's watch is as it was */
    sec_settle(f, 0, NULL, "two");
}

static bool
child_wipes(struct fixture *f)
{
    secret_wipe_all();
    bool is_gone = sec_value_in(f->conf, 0, NULL).p == NULL &&
                   sec_value_in(f->worker, 0, NULL).p == NULL &&
                   secret_memory_size() == 0 && secret_watch_fd(f->store) == -1;
    conf_free(f->conf);
    conf_free(f->worker);
    return is_gone;
}

static void
wipe_all(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "one");
    AZ(setenv("WEIR_TEST_WIPED", "env-value", 1));
    sec_start(f, "secret a file:a; secret b env:WEIR_TEST_WIPED;");
    in_child(f, child_wipes);
    sec_assert_value(f->conf, 0, NULL, "one");
    sec_assert_value(f->conf, 1, NULL, "env-value");
}

/* As a user without CAP_IPC_LOCK. */
static bool
cannot_lock(struct fixture *f)
{
    struct rlimit none = { 0, 0 };
    AZ(setrlimit(RLIMIT_MEMLOCK, &none));
    AN(geteuid() != 0 || seteuid(65534) == 0);
    struct conf *c = sec_bind_text(f, "secret a file:a;", true);
    AZ(seteuid(getuid()));
    AN(chmod(f->dir.path, 0755) == 0);
    AN(geteuid() != 0 || seteuid(65534) == 0);
    bool is_refused = policy_secrets_load(c, f->err, sizeof f->err) == -1 &&
                      strstr(f->err, "RLIMIT_MEMLOCK") != NULL &&
                      strstr(f->err, "weir.conf:2") != NULL;
    conf_free(c);
    return is_refused;
}

static void
no_unlocked_secrets(void **state)
{
    struct fixture *f = fixture_of(state);
    if (!has_mlock()) {
        skip();
    }
    sec_put(f, "a", "one");
    sec_put(f, "weir.conf", "");
    AZ(chmod(f->dir.path, 0777));
    AZ(chmod(sec_path(f, "weir.conf"), 0666));
    AZ(chmod(sec_path(f, "a"), 0644));
    in_child(f, cannot_lock);
}

/* Messages */

struct kept {
    char bytes[256];
    size_t n;
};

static void
keep(void *arg, struct str message)
{
    struct kept *k = arg;
    AN(message.n <= sizeof k->bytes);
    memcpy(k->bytes, message.p, message.n);
    k->n = message.n;
}

static struct kept
one_message(struct fixture *f)
{
    struct kept k = { .n = 0 };
    while (k.n == 0) {
        assert_true(sec_is_readable(f, WAIT_MS));
        secret_watch_run(f->store, keep, &k);
    }
    return k;
}

static bool
applies(struct fixture *f, const struct kept *k, size_t n)
{
    return secret_apply(policy_secret_store(f->worker), str_n(k->bytes, n));
}

static void
bad_messages(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "d/box", "first");
    sec_start(f, "secret s dir:d; secret t env:WEIR_TEST_UNSET;");
    sec_put(f, "d/box", "second");
    struct kept k = one_message(f), bad;
    assert_int_equal(k.n, 16 + 3 + 6);
    for (size_t n = 0; n < k.n; n++) {
        assert_false(applies(f, &k, n));
    }
    bad = k;
    assert_false(applies(f, &bad, bad.n + 1));
    for (size_t i = 0; i < 16; i++) { /* every byte of the head counts */
        bad = k;
        bad.bytes[i] ^= 0x40;
        assert_false(applies(f, &bad, bad.n));
    }
    bad = k;
    bad.bytes[4] = 1; /* the index: t is not per sandbox */
    assert_false(applies(f, &bad, bad.n));
    bad = k;
    bad.bytes[16] = '/'; /* the id */
    assert_false(applies(f, &bad, bad.n));
    static const char never[] = { '\r', '\n', '\0' };
    for (size_t i = 0; i < LEN(never); i++) {
        bad = k;
        bad.bytes[20] = never[i];
        assert_false(applies(f, &bad, bad.n));
    }
    sec_assert_value(f->worker, 0, "box", "first");
    assert_true(applies(f, &k, k.n));
    sec_assert_value(f->worker, 0, "box", "second");
    assert_true(applies(f, &k, k.n));
}

static void
missing_is_told(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "d/box", "first");
    sec_start(f, "secret s dir:d;");
    AZ(unlink(sec_path(f, "d/box")));
    struct kept k = one_message(f);
    assert_int_equal(k.n, 16 + 3);
    assert_true(applies(f, &k, k.n));
    sec_assert_value(f->worker, 0, "box", NULL);
    assert_true(applies(f, &k, k.n)); /* again: nothing */
}

/* What is held stays as it was, and another's change is no change of it. */
static void
held_values(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "the first value");
    sec_start(f, "secret s file:a; secret t env:WEIR_TEST_UNSET;");
    const struct secret_store *s = policy_secret_store(f->worker);
    unsigned changes = secret_changes(s);
    struct secret_value held = secret_hold(s, 0, STR_NONE);
    assert_null(secret_hold(s, 1, STR_NONE).p);
    assert_ptr_equal(held.p, secret_get(s, 0, STR_NONE).p);
    sec_put(f, "a", "a second one");
    sec_settle(f, 0, NULL, "a second one");
    assert_int_not_equal(secret_changes(s), changes);
    assert_true(str_eq(secret_value_str(&held), STR("the first value")));
    secret_value_free(&held);
}

static void
messages_are_wiped(void **state)
{
    struct fixture *f = fixture_of(state);
    sec_put(f, "a", "first");
    sec_start(f, "secret a file:a;");
    size_t before = secret_memory_size();
    sec_put(f, "a", "second");
    sec_settle(f, 0, NULL, "second");
    assert_int_equal(secret_memory_size(), before);
}

static void
many_sandboxes(void **state)
{
    struct fixture *f = fixture_of(state);
    char name[64], text[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "d/box-%d", i);
        snprintf(text, sizeof text, "value-of-a-sandbox-%d", i);
        sec_put(f, name, text);
    }
    sec_load(f, "secret d dir:d;");
    sec_assert_value(f->conf, 0, "box-0", "value-of-a-sandbox-0");
    sec_assert_value(f->conf, 0, "box-1999", "value-of-a-sandbox-1999");
    sec_assert_value(f->conf, 0, NULL, NULL);
    assert_true(secret_memory_size() <= 2000 * 64 + 2 * 16384);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, sec_set_up, sec_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(environment_is_erased),
        T(environment_is_kept),
        T(bad_environment),
        T(no_secrets),
        T(file_values),
        T(refused_values),
        T(lengths),
        T(missing_files),
        T(only_regular_files),
        T(dir_values),
        T(memory_is_locked),
        T(after_fork),
        T(wipe_all),
        T(no_unlocked_secrets),
        T(bad_messages),
        T(missing_is_told),
        T(held_values),
        T(messages_are_wiped),
        T(many_sandboxes),
    };
    const struct CMUnitTest alone[] = { T(environ_alone) };
    if (unit_argv()[1] != NULL) {
        return cmocka_run_group_tests_name("environ", alone, NULL, NULL);
    }
    return cmocka_run_group_tests_name("secret_store", tests, NULL, NULL);
}
