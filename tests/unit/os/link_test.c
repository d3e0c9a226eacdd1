/*
 * A link to a process that reads, late or never: what was sent comes whole and
 * in order, what is queued is bounded, and no descriptor is left behind.
 */

#include "os/link.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../dies.h"
#include "base/mem.h"
#include "child.h"
#include "fds.h"
#include "os/sock.h"

#include <cmocka.h>

#define LONG 300000 /* bytes: more than a socket takes at once */

static struct link near, far;
static unsigned had_open;
static char *text; /* LONG bytes, each other than its neighbours */

static int
set_up(void **state)
{
    int ends[2];
    (void)state;
    had_open = fds_open();
    if (sock_pair(ends) != 0 || sock_set_nonblocking(ends[0], true) != 0 ||
        sock_set_nonblocking(ends[1], true) != 0) {
        return -1;
    }
    link_init(&near, ends[0], CHAN_DATA_MAX);
    link_init(&far, ends[1], LONG);
    text = xalloc(LONG);
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char)(i * 7 + i / 256);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    link_close(&near);
    link_close(&far);
    xfree(text);
    return fds_open() == had_open ? 0 : -1;
}

static struct chan_msg
message(uint64_t number, size_t n, int fd)
{
    return (struct chan_msg){ CHAN_SECRET, number, str_n(text, n), fd };
}

static void
sends(uint64_t number, size_t n, int fd)
{
    struct chan_msg m = message(number, n, fd);
    assert_int_equal(link_send(&near, &m), IO_OK);
}

/* The next message; the near end sends what waits meanwhile. */
static void
comes(uint64_t number, size_t n, bool has_fd)
{
    struct chan_msg m;
    char buf[CHAN_DATA_MAX];
    enum io r = link_recv(&far, &m, buf);
    while (r == IO_AGAIN) {
        assert_int_not_equal(link_flush(&near), IO_ERR);
        r = link_recv(&far, &m, buf);
    }
    assert_int_equal(r, IO_OK);
    assert_int_equal(m.type, CHAN_SECRET);
    assert_true(m.number == number);
    assert_true(str_eq(m.data, str_n(text, n)));
    assert_true((m.fd >= 0) == has_fd);
    if (m.fd >= 0) {
        struct stat a, b;
        assert_int_equal(fstat(m.fd, &a), 0);
        assert_int_equal(fstat(STDERR_FILENO, &b), 0);
        assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
        close(m.fd);
    }
}

static void
assert_nothing_left(void)
{
    struct chan_msg m;
    char buf[CHAN_DATA_MAX];
    assert_int_equal(link_flush(&near), IO_OK);
    assert_int_equal(link_recv(&far, &m, buf), IO_AGAIN);
}

static void
test_any_size(void **state)
{
    static const size_t sizes[] = { 0, 1, CHAN_DATA_MAX - 1, CHAN_DATA_MAX,
        CHAN_DATA_MAX + 1, 2 * CHAN_DATA_MAX, 2 * CHAN_DATA_MAX + 1, 100000,
        LONG };
    (void)state;
    for (unsigned i = 0; i < 2 * LEN(sizes); i++) {
        sends(i, sizes[i / 2], i % 2 == 0 ? -1 : STDERR_FILENO);
        comes(i, sizes[i / 2], i % 2 != 0);
    }
    assert_nothing_left();
}

/* Long and short ones, with and without a descriptor, all before one is read:
 * each whole, in order. The caller's data and descriptor are not needed. */
static void
test_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        char *copy = xstrndup(str_n(text, LONG));
        int fd = i % 3 == 0 ? dup(STDERR_FILENO) : -1;
        struct chan_msg m = { CHAN_SECRET, i,
            str_n(copy, i % 4 == 0 ? 30000 + i : i), fd };
        assert_int_equal(link_send(&near, &m), IO_OK);
        memset(copy, 'x', LONG);
        xfree(copy);
        if (fd >= 0) {
            close(fd);
        }
    }
    assert_true(link_is_waiting(&near));
    for (unsigned i = 0; i < 60; i++) {
        comes(i, i % 4 == 0 ? 30000 + i : i, i % 3 == 0);
    }
    assert_false(link_is_waiting(&near));
    assert_int_equal(near.queued, 0);
    assert_nothing_left();
}

/* Nobody reads: the queue takes its bound and one message more at the most. */
static void
test_full(void **state)
{
    struct chan_msg m = message(0, 50000, -1);
    (void)state;
    while (link_send(&near, &m) == IO_OK) {
        m.number++;
    }
    assert_in_range(near.queued, LINK_QUEUE_MAX, LINK_QUEUE_MAX + 51000);
    assert_int_equal(link_send(&near, &m), IO_AGAIN);
    assert_int_equal(link_flush(&near), IO_AGAIN);
    for (uint64_t i = 0; i < m.number; i++) { /* what it took is whole */
        comes(i, 50000, false);
    }
    sends(7, 1, -1);
    comes(7, 1, false);
}

/* Descriptors are bounded too, and are gone with the link. */
static void
test_full_of_descriptors(void **state)
{
    (void)state;
    struct chan_msg m = message(0, 0, STDERR_FILENO);
    unsigned before = fds_open();
    while (link_send(&near, &m) == IO_OK) {
        m.number++;
    }
    assert_in_range(
        fds_open() - before, 100, LINK_QUEUE_MAX / LINK_FD_COST + 1);
    link_close(&near);
    assert_int_equal(fds_open(), before - 1);
    assert_false(link_is_waiting(&near));
}

/* One body waits in many queues, and is there until the last has sent it. */
static void
test_shared_body(void **state)
{
    struct link_body *body = link_body_new(str_n(text, 40000));
    (void)state;
    while (!link_is_waiting(&near)) {
        sends(1, 0, -1);
    }
    unsigned n = 1000;
    for (unsigned i = 0; i < n; i++) { /* 40 MB, if they were copies */
        struct chan_msg m = message(2, 0, -1);
        enum io r = link_send_body(&near, &m, body);
        if (r != IO_OK) {
            n = i;
        }
    }
    assert_in_range(n, 200, 220);
    assert_int_equal(body->n_owners, 1 + n);
    while (near.queued > LINK_QUEUE_MAX / 2) {
        struct chan_msg m;
        char buf[CHAN_DATA_MAX];
        enum io r = link_recv(&far, &m, buf);
        assert_true(r == IO_AGAIN || m.number == 1 || m.data.n == 40000);
        assert_int_not_equal(link_flush(&near), IO_ERR);
    }
    assert_in_range(body->n_owners, n / 4, n);
    link_close(&near);
    assert_int_equal(body->n_owners, 1);
    link_body_unref(body);
}

/* A part of a message, then the end. */
static void
test_end(void **state)
{
    struct chan_msg m = message(3, LONG, STDERR_FILENO), got;
    char buf[CHAN_DATA_MAX];
    (void)state;
    sends(3, LONG, STDERR_FILENO);
    assert_true(link_is_waiting(&near));
    assert_int_equal(link_recv(&far, &got, buf), IO_AGAIN);
    link_close(&near);
    assert_int_equal(link_recv(&far, &got, buf), IO_EOF);
    assert_int_equal(link_send(&far, &m), IO_ERR);
    assert_false(link_is_waiting(&far));
}

static void
packet(uint64_t number, size_t total, size_t at, size_t n, int fd)
{
    struct chan_msg m = message(number, at + n, fd);
    size_t from = at;
    struct {
        uint32_t magic, type;
        uint64_t number;
        uint32_t n, has_fd, rest, zero;
        char data[CHAN_DATA_MAX];
    } raw = { 0xc4a2c4a2u, m.type, number, (uint32_t)n, 0,
        (uint32_t)(total - at - n), 0, "" };
    if (fd >= 0) { /* those are sent by the real one, whole packets */
        m.data.n = total;
        assert_int_equal(chan_send_part(near.sock, &m, &from), IO_OK);
        return;
    }
    memcpy(raw.data, text + at, n);
    assert_int_equal(send(near.sock, &raw, 32 + n, 0), 32 + n);
}

static void
refused(void)
{
    struct chan_msg got = { .fd = -7 };
    char buf[CHAN_DATA_MAX];
    assert_int_equal(link_recv(&far, &got, buf), IO_ERR);
    assert_int_equal(got.fd, -7);
}

/* Packets of what is not one message. */
static void
test_malformed(void **state)
{
    static const struct {
        uint64_t number; /* of the second; of the first it is 5 */
        size_t total, at, n;
        int fd;
    } second[] = {
        { 6, 3000, 2048, 952, -1 },        /* another's */
        { 5, 4000, 2048, 952, -1 },        /* the rest does not agree */
        { 5, 3000, 2048, 951, -1 },        /* refused by the third */
        { 5, 3000, 2048, 953, -1 },        /* more than was said */
        { 5, 2048, 2048, 0, -1 },          /* nothing */
        { 5, 952, 0, 952, STDERR_FILENO }, /* one more descriptor */
        { 5, LONG + 1, 0, 2048, -1 },      /* begins again */
    };
    for (unsigned i = 0; i < LEN(second); i++) {
        packet(5, 3000, 0, 2048, STDERR_FILENO);
        packet(second[i].number, second[i].total, second[i].at, second[i].n,
            second[i].fd);
        if (i == 2) {
            packet(5, 2999, 2999, 0, -1);
        }
        refused();
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
    packet(5, LONG + 1, 0, 2048, STDERR_FILENO); /* longer than may be */
    refused();
    packet(5, 3000, 0, 0, -1); /* announces, and has nothing */
    refused();
}

/* A process that is stopped keeps nobody waiting, and has all of it when it
 * goes on. */
static void
test_stopped(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        link_close(&near);
        raise(SIGSTOP);
        char buf[CHAN_DATA_MAX];
        struct chan_msg m = { 0 };
        uint64_t n = 0;
        EXPECT(sock_set_nonblocking(far.sock, false) == 0);
        while (link_recv(&far, &m, buf) == IO_OK) {
            EXPECT(m.number == n++ && m.data.n == LONG);
        }
        link_close(&far);
        xfree(text);
        _exit(n == 20 ? 0 : 1);
    }
    link_close(&far);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    for (uint64_t i = 0; i < 20; i++) {
        sends(i, LONG, -1);
    }
    assert_int_equal(link_flush(&near), IO_AGAIN);
    kill(pid, SIGCONT);
    assert_int_equal(sock_set_nonblocking(near.sock, false), 0);
    assert_int_equal(link_flush(&near), IO_OK);
    link_close(&near);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
send_on_closed(void)
{
    struct chan_msg m = message(0, 0, -1);
    link_close(&near);
    enum io r = link_send(&near, &m);
    AN(r == IO_OK);
}

static void
test_closed_is_our_bug(void **state)
{
    (void)state;
    assert_panics(send_on_closed, "failed: link_is_open(l)");
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_any_size),
        test(test_in_order),
        test(test_full),
        test(test_full_of_descriptors),
        test(test_shared_body),
        test(test_end),
        test(test_malformed),
        test(test_stopped),
        test(test_closed_is_our_bug),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
