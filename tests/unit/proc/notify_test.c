/*
 * A service manager that does not read: nobody waits for it, and what it is
 * told comes in its order when it does.
 */

#include "proc/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../conf/tmp_dir.h"
#include "../os/fds.h"
#include "base/mem.h"

#include <cmocka.h>

struct manager {
    struct tmp_dir dir;
    struct notify notify;
    int sock;
};

static void
begin(struct manager *m)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char path[600];
    tmp_dir_make(&m->dir);
    snprintf(path, sizeof path, "%sn", m->dir.path);
    AN(strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path));
    m->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(m->sock, (struct sockaddr *)&un, sizeof un), 0);
    AZ(setenv("NOTIFY_SOCKET", path, 1));
    notify_init(&m->notify);
    assert_null(getenv("NOTIFY_SOCKET"));
}

static void
end(struct manager *m)
{
    notify_fini(&m->notify);
    close(m->sock);
    tmp_dir_remove(&m->dir);
}

/* The number in the next status; -1: there is none. */
static int
next_status(struct manager *m)
{
    char text[NOTIFY_TEXT_MAX + 1];
    ssize_t n = recv(m->sock, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *status = strstr(text, "STATUS=");
    return status != NULL ? atoi(status + sizeof "STATUS=" - 1) : -1;
}

static void
say(struct manager *m, int i)
{
    char status[16];
    snprintf(status, sizeof status, "%d", i);
    notify_ready(&m->notify, 1, status);
}

/* How many were said, of which `waiting` wait. */
static int
say_until(struct manager *m, unsigned waiting)
{
    int i = 0;
    while (m->notify.n_waiting < waiting) {
        assert_true(
            i < 10000); /* the kernel's queue has 10, or a few hundred */
        say(m, i++);
    }
    return i;
}

static void
test_what_waits_comes_in_order(void **state)
{
    struct manager m;
    (void)state;
    begin(&m);
    unsigned fds = fds_open();
    int n = say_until(&m, 3);
    assert_true(m.notify.fd >= 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(next_status(&m), i);
        notify_flush(&m.notify);
    }
    assert_int_equal(next_status(&m), -1);
    assert_int_equal(m.notify.fd, -1);
    assert_int_equal(fds_open(), fds);
    end(&m);
}

/* The oldest that waits is dropped, never the newest. */
static void
test_too_many_wait(void **state)
{
    struct manager m;
    (void)state;
    begin(&m);
    int n = say_until(&m, NOTIFY_WAITING_MAX);
    say(&m, n);
    assert_int_equal(m.notify.n_waiting, NOTIFY_WAITING_MAX);
    int last = -1, missed = 0;
    for (int got = next_status(&m); got >= 0; got = next_status(&m)) {
        missed += got - last - 1;
        last = got;
        notify_flush(&m.notify);
    }
    assert_int_equal(last, n);
    assert_int_equal(missed, 1);
    end(&m);
}

static void
test_a_manager_that_ends(void **state)
{
    struct manager m;
    (void)state;
    begin(&m);
    (void)say_until(&m, 2);
    close(m.sock);
    m.sock = dup(STDERR_FILENO);
    notify_flush(&m.notify);
    assert_int_equal(m.notify.n_waiting, 0);
    assert_int_equal(m.notify.fd, -1);
    notify_stopping(&m.notify);
    assert_int_equal(m.notify.n_waiting, 0);
    end(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_waits_comes_in_order),
        cmocka_unit_test(test_too_many_wait),
        cmocka_unit_test(test_a_manager_that_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
