/*
 * A generation: built whole, undone whole, and when the dead come back.
 */

#include "proc/cycle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/fds.h"
#include "base/clock.h"
#include "proc/listener.h"
#include "proc/main_conf.h"
#include "whole_conf.h"

#include <cmocka.h>

/* Seconds from the death to the next start. */
static double
delay(struct respawn *r, double lived)
{
    respawn_note(r, lived);
    assert_true(r->at != 0);
    return r->at - clock_mono();
}

static void
test_respawn(void **state)
{
    static const double expected[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10,
        10 };
    struct respawn r = { 0 };
    (void)state;
    clock_update();
    for (unsigned i = 0; i < 3; i++) {
        assert_true(delay(&r, 1) == 0);
        assert_int_equal(r.early, 0);
    }
    for (unsigned i = 0; i < LEN(expected); i++) {
        assert_true(delay(&r, i % 2 == 0 ? 0 : 0.999) - expected[i] < 1e-6);
        assert_true(delay(&(struct respawn){ 0, i }, 0) > expected[i] - 1e-6);
    }
    assert_true(delay(&r, 60) == 0);
    assert_true(delay(&r, 0) == 0);
}

static struct cycle *
read_cycle(void **state, const char *text)
{
    struct whole *w = *state;
    struct cycle_options o = { w->dir.path, "weir.conf", STR("") };
    tmp_dir_write(&w->dir, "logs/here", STR(""));
    tmp_dir_write(&w->dir, "weir.conf", str_of(text));
    return cycle_read(&o, false);
}

static void
test_read_errors(void **state)
{
    assert_null(read_cycle(state, "frobnicate on;"));
    assert_true(whole_logged(state, "unknown directive \"frobnicate\""));
    assert_null(read_cycle(state, "egress { secret s file:/; }"));
    assert_true(whole_logged(state, "weir.conf:1"));
    assert_null(read_cycle(state, "events { }"));
    assert_true(whole_logged(state, "no \"egress\" section in "));
}

/* Three workers, a TCP and a unix listener, two logs. */
static struct cycle *
read_two_listeners(void **state, int *held)
{
    struct addr a;
    char text[256];
    *held = whole_hold_port(&a);
    snprintf(text, sizeof text,
        "worker_processes 3; egress { listen 127.0.0.1:%u proxy;"
        " listen unix:s proxy; access_log logs/a; }",
        a.port);
    return read_cycle(state, text);
}

/* Descriptors, listeners and files are as before. */
static void
test_undo(void **state)
{
    struct whole *w = *state;
    struct list all;
    unsigned before;
    int held;
    list_init(&all);
    struct cycle *c = read_two_listeners(state, &held);
    before = fds_open();
    assert_int_equal(cycle_open(c, &all), 0);
    assert_int_equal(c->n_listeners, 2);
    assert_int_equal(c->listeners[0]->n, 3);
    assert_int_equal(c->listeners[1]->n, 1);
    assert_int_equal(fds_open(), before + 3 + 1 + 2);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), 0);
    cycle_free(c);
    assert_true(list_is_empty(&all));
    assert_int_equal(fds_open(), before);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), -1);
    close(held);
}

/* What the first has stays; what the second added goes. */
static void
test_undo_beside_another(void **state)
{
    struct whole *w = *state;
    struct list all;
    int held;
    list_init(&all);
    struct cycle *a = read_cycle(state, "egress { listen unix:s proxy; }");
    struct cycle *b = read_two_listeners(state, &held);
    assert_int_equal(cycle_open(a, &all), 0);
    assert_int_equal(cycle_open(b, &all), 0);
    assert_ptr_equal(a->listeners[0], b->listeners[1]);
    cycle_free(b);
    assert_int_equal(a->listeners[0]->n, 1);
    assert_int_equal(a->listeners[0]->refs, 1);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), 0);
    cycle_free(a);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), -1);
    assert_true(list_is_empty(&all));
    close(held);
}

static void
test_open_fails_half_way(void **state)
{
    struct whole *w = *state;
    struct list all;
    list_init(&all);
    struct cycle *c = read_cycle(
        state, "egress { listen unix:s proxy; listen unix:logs/here proxy; }");
    unsigned before = fds_open();
    assert_int_equal(cycle_open(c, &all), -1);
    assert_true(whole_logged(state, "listen on unix:logs/here failed in "));
    cycle_free(c);
    assert_true(list_is_empty(&all));
    assert_int_equal(fds_open(), before);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), -1);
    c = read_cycle(state, "error_log nowhere/error.log; egress { }");
    assert_int_equal(cycle_open(c, &all), -1);
    assert_true(whole_logged(state, "nowhere/error.log\" failed"));
    cycle_free(c);
    c = read_cycle(state, "egress { access_log nowhere/access.log; }");
    assert_int_equal(cycle_open(c, &all), -1);
    assert_true(whole_logged(state, "nowhere/access.log\" failed"));
    cycle_free(c);
}

static void
test_error_log_keeps_its_number(void **state)
{
    struct whole *w = *state;
    struct list all;
    struct stat st;
    char path[512];
    list_init(&all);
    struct cycle *c = read_cycle(state, "events { } egress { }");
    assert_int_equal(cycle_open(c, &all), 0);
    int fd = c->error_log;
    unsigned before = fds_open();
    snprintf(path, sizeof path, "%s", tmp_dir_path(&w->dir, "logs/error.log"));
    assert_int_equal(unlink(path), 0);
    cycle_reopen_logs(c);
    assert_int_equal(c->error_log, fd);
    assert_int_equal(fds_open(), before);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    cycle_reopen_logs(c);
    assert_int_equal(fds_open(), before);
    assert_true(fd_is_open(fd));
    assert_true(whole_logged(state, "some logs could not be opened again"));
    cycle_free(c);
    assert_false(fd_is_open(fd));
}

/* The second has one of the two that the first has. */
static void
test_retire(void **state)
{
    struct whole *w = *state;
    struct list all;
    int held;
    list_init(&all);
    clock_update();
    struct cycle *a = read_two_listeners(state, &held);
    struct cycle *b = read_cycle(state, "egress { listen unix:s proxy; }");
    assert_int_equal(cycle_open(a, &all), 0);
    assert_int_equal(a->listeners[0]->n_listening, 1);
    cycle_begin(a);
    cycle_steer(a);
    assert_int_equal(a->listeners[0]->n_listening, 3);
    assert_int_equal(cycle_open(b, &all), 0);
    cycle_begin(b);
    cycle_steer(b);
    cycle_retire(a);
    struct str leaving = cycle_leaving(a);
    assert_int_equal(leaving.n, 1);
    assert_int_equal(leaving.p[0], 1);
    assert_int_equal(access(tmp_dir_path(&w->dir, "s"), F_OK), 0);
    cycle_free(a);
    assert_int_equal(cycle_leaving(b).p[0], 0);
    cycle_retire(b);
    assert_int_equal(cycle_leaving(b).p[0], 1);
    cycle_free(b);
    listeners_close(&all);
    assert_true(list_is_empty(&all));
    close(held);
}

/* One that never served has nobody to accept. */
static void
test_retire_before_it_served(void **state)
{
    struct list all;
    int held;
    list_init(&all);
    struct cycle *c = read_two_listeners(state, &held);
    assert_int_equal(cycle_open(c, &all), 0);
    cycle_retire(c);
    assert_true(list_is_empty(&all));
    assert_int_equal(cycle_leaving(c).p[0], 0);
    cycle_free(c);
    close(held);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_respawn),
        WHOLE_TEST(test_read_errors),
        WHOLE_TEST(test_undo),
        WHOLE_TEST(test_undo_beside_another),
        WHOLE_TEST(test_open_fails_half_way),
        WHOLE_TEST(test_error_log_keeps_its_number),
        WHOLE_TEST(test_retire),
        WHOLE_TEST(test_retire_before_it_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
