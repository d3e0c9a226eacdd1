/*
 * The directives of the main block and of events: what they mean, what they
 * refuse and where.
 */

#include "proc/main_conf.h"

#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/hook.h"
#include "proxy/parts.h"
#include "whole_conf.h"

#include <cmocka.h>

static const struct main_conf *
binds(void **state, const char *text)
{
    return main_conf_of(whole_binds(state, text));
}

static void
path_is(void **state, struct str path, const char *name)
{
    struct whole *w = *state;
    assert_true(str_eq(path, str_of(tmp_dir_path(&w->dir, name))));
}

static void
test_defaults(void **state)
{
    const struct main_conf *m = binds(state, "");
    assert_int_equal(m->worker_processes, 1);
    assert_int_equal(m->worker_rlimit_nofile, 0);
    assert_true(m->worker_shutdown_timeout == 60);
    assert_true(m->daemon);
    assert_false(m->debug_one_byte);
    assert_false(m->debug_stop_workers);
    assert_int_equal(m->error_log.level, LOG_ERR);
    path_is(state, m->error_log.path, "logs/error.log");
    path_is(state, m->pid, "logs/weir.pid");
    assert_true(str_eq(m->user.name, STR("nobody")));
    assert_int_equal(m->user.uid, getpwnam("nobody")->pw_uid);
    assert_int_equal(m->keeper_user.uid, m->user.uid);
    const struct conf *c = ((struct whole *)*state)->conf;
    assert_int_equal(events_conf_of(c)->worker_connections, 1024);
    assert_int_equal(main_conf_ca_dir(c).n, 0); /* no egress, no sandboxes */
}

static void
test_users(void **state)
{
    const struct main_conf *m = binds(state, "user daemon;");
    assert_int_equal(m->user.uid, getpwnam("daemon")->pw_uid);
    assert_int_equal(m->user.gid, getpwnam("daemon")->pw_gid);
    assert_int_equal(m->keeper_user.uid, m->user.uid);
    m = binds(state, "user daemon games; keeper_user bin;");
    assert_int_equal(m->user.gid, getgrnam("games")->gr_gid);
    assert_int_equal(m->keeper_user.uid, getpwnam("bin")->pw_uid);
    whole_refuses(state, true, "\nuser no-such-one;",
        "no such user or group: \"no-such-one\"", 2);
    whole_refuses(state, true, "keeper_user daemon no-such-group;",
        "no such user or group: \"daemon\", no-such-group", 1);
}

static void
test_workers(void **state)
{
    assert_int_equal(binds(state, "worker_processes 7;")->worker_processes, 7);
    assert_int_equal(
        binds(state, "worker_processes 120;")->worker_processes, 120);
    assert_int_equal(binds(state, "worker_processes auto;")->worker_processes,
        sysconf(_SC_NPROCESSORS_ONLN));
    static const char *const bad[] = { "0", "121", "-1", "two", "1k" };
    for (unsigned i = 0; i < LEN(bad); i++) {
        char text[64], what[128];
        snprintf(text, sizeof text, "worker_processes %s;", bad[i]);
        snprintf(what, sizeof what,
            "invalid number of workers \"%s\": auto, or 1 to 120", bad[i]);
        whole_refuses(state, true, text, what, 1);
    }
}

static void
test_error_log(void **state)
{
    const struct main_conf *m = binds(state, "error_log a.log;");
    path_is(state, m->error_log.path, "a.log");
    assert_int_equal(m->error_log.level, LOG_ERR);
    m = binds(state, "error_log /dev/null debug;");
    assert_true(str_eq(m->error_log.path, STR("/dev/null")));
    assert_int_equal(m->error_log.level, LOG_DEBUG);
    m = binds(state, "error_log stderr notice;");
    assert_int_equal(m->error_log.path.n, 0);
    assert_int_equal(m->error_log.level, LOG_NOTICE);
    whole_refuses(
        state, true, "\n\nerror_log a loud;", "invalid log level \"loud\"", 3);
    whole_refuses(state, true, "error_log \"\";", "empty path", 1);
}

static void
test_numbers_and_flags(void **state)
{
    const struct main_conf *m = binds(state,
        "worker_rlimit_nofile 4096; worker_shutdown_timeout 1500ms;"
        "daemon off; debug_one_byte on; pid run/p;"
        "debug_stop_workers on;"
        "events { worker_connections 3; } egress { ca_dir /c/a; }");
    assert_int_equal(m->worker_rlimit_nofile, 4096);
    assert_true(m->worker_shutdown_timeout == 1.5);
    assert_false(m->daemon);
    assert_true(m->debug_one_byte);
    assert_true(m->debug_stop_workers);
    path_is(state, m->pid, "run/p");
    const struct conf *c = ((struct whole *)*state)->conf;
    assert_int_equal(events_conf_of(c)->worker_connections, 3);
    assert_true(str_eq(main_conf_ca_dir(c), STR("/c/a")));
    binds(state, "egress { }");
    path_is(state, main_conf_ca_dir(((struct whole *)*state)->conf), "ca");
}

static void
test_refused(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        { "worker_rlimit_nofile many;",
            "invalid value \"many\" in \"worker_rlimit_nofile\" directive" },
        { "worker_shutdown_timeout soon;",
            "invalid value \"soon\" in \"worker_shutdown_timeout\" "
            "directive" },
        { "daemon maybe;",
            "invalid value \"maybe\" in \"daemon\" directive, it must be "
            "\"on\" or \"off\"" },
        { "debug_one_byte 1;",
            "invalid value \"1\" in \"debug_one_byte\" directive, it must be "
            "\"on\" or \"off\"" },
        { "pid \"\";", "invalid value \"\" in \"pid\" directive" },
        { "events { worker_connections 0; }",
            "invalid value \"0\" in \"worker_connections\" directive" },
        { "egress { ca_dir \"\"; }",
            "invalid value \"\" in \"ca_dir\" directive" },
    };
    for (unsigned i = 0; i < LEN(bad); i++) {
        whole_refuses(state, true, bad[i].text, bad[i].what, 1);
    }
}

/* The places of parts.h, and every module behind them. */
static void
test_parts(void **state)
{
    unsigned n;
    const struct conf_part *const *parts = main_conf_parts(&n);
    (void)state;
    assert_int_equal(n, PART_ROOMS + modules_count);
    for (unsigned i = 0; i < n; i++) {
        assert_non_null(parts[i]);
        assert_non_null(parts[i]->name);
    }
    assert_string_equal(parts[PART_PROXY]->name, "proxy");
    assert_string_equal(parts[PART_SECRET]->name, "secret");
    for (unsigned i = 0; i < modules_count; i++) {
        assert_ptr_equal(parts[module_part(i)], &modules[i]->conf);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_defaults),
        WHOLE_TEST(test_users),
        WHOLE_TEST(test_workers),
        WHOLE_TEST(test_error_log),
        WHOLE_TEST(test_numbers_and_flags),
        WHOLE_TEST(test_refused),
        WHOLE_TEST(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
