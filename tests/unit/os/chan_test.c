/*
 * Messages between processes: what was sent is received; what is not of the
 * form ends the channel and leaves no descriptor behind.
 */

#include "os/chan.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../dies.h"
#include "fds.h"
#include "os/sock.h"

#include <cmocka.h>

#define HEADER 32 /* magic, type, number, length, descriptors, rest, zero */
#define MAGIC 0xc4a2c4a2u

static int ends[2];
static unsigned had_open;

static int
set_up(void **state)
{
    (void)state;
    had_open = fds_open();
    return sock_pair(ends) == 0 && sock_set_nonblocking(ends[1], true) == 0
               ? 0
               : -1;
}

/* Whatever a test sent, no descriptor is left. */
static int
tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return fds_open() == had_open ? 0 : -1;
}

static bool
is_same_file(int a, int b)
{
    struct stat x, y;
    assert_int_equal(fstat(a, &x), 0);
    assert_int_equal(fstat(b, &y), 0);
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void
round_trip(void **state)
{
    char data[CHAN_DATA_MAX], buf[CHAN_DATA_MAX];
    struct chan_msg got;
    int pipe_fds[2];
    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7);
    }
    const size_t sizes[] = { 0, 1, 100, CHAN_DATA_MAX };
    for (size_t i = 0; i < 2 * LEN(sizes); i++) {
        struct chan_msg m = { .type = CHAN_CA,
            .number = UINT64_MAX - i,
            .data = str_n(data, sizes[i / 2]),
            .fd = i % 2 == 0 ? -1 : pipe_fds[0] };
        assert_int_equal(chan_send(ends[0], &m), IO_OK);
        assert_int_equal(chan_recv(ends[1], &got, buf), IO_OK);
        assert_int_equal(got.type, CHAN_CA);
        assert_true(got.number == m.number);
        assert_true(str_eq(got.data, m.data));
        assert_true((got.fd >= 0) == (m.fd >= 0));
        if (got.fd >= 0) {
            assert_int_not_equal(got.fd, pipe_fds[0]);
            assert_true(is_same_file(got.fd, pipe_fds[0]));
            assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
            close(got.fd);
        }
    }
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_AGAIN);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* Each message is one, in order. */
static void
messages_stay_apart(void **state)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m = { CHAN_LOG, 0, STR("abc"), -1 };
    (void)state;
    for (m.number = 0; m.number < 5; m.number++) {
        assert_int_equal(chan_send(ends[0], &m), IO_OK);
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(chan_recv(ends[1], &m, buf), IO_OK);
        assert_true(m.number == i);
        assert_true(str_eq(m.data, STR("abc")));
    }
}

/* A raw datagram of a process that was taken over. */
static void
send_raw(const void *p, size_t n, const int *fds, unsigned n_fds)
{
    struct iovec iov = { (void *)p, n };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = { { 0 } };
    if (n_fds != 0) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(ends[0], &msg, 0), n);
}

struct raw {
    uint32_t magic, type;
    uint64_t number;
    uint32_t n, has_fd, rest, zero;
    char data[CHAN_DATA_MAX + 1];
};

/* A datagram of `size` bytes that says `n` bytes of data, `says` and `is`
 * descriptors, is refused. */
static void
assert_refused(
    uint32_t magic, size_t size, uint32_t n, unsigned says, unsigned is)
{
    struct raw w = {
        .magic = magic, .type = CHAN_READY, .n = n, .has_fd = says
    };
    struct chan_msg got = { .fd = -7 };
    char buf[CHAN_DATA_MAX];
    const int fds[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };
    unsigned had = fds_open();
    send_raw(&w, size, fds, is);
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_ERR);
    assert_int_equal(got.fd, -7); /* nothing was said */
    assert_int_equal(fds_open(), had);
}

static void
malformed(void **state)
{
    (void)state;
    for (size_t n = 1; n < HEADER; n++) {
        assert_refused(MAGIC, n, 0, 0, 0); /* short */
    }
    assert_refused(MAGIC ^ 1, HEADER, 0, 0, 0);
    assert_refused(0, HEADER, 0, 0, 0);
    assert_refused(MAGIC, HEADER, 1, 0, 0); /* the length lies */
    assert_refused(MAGIC, HEADER + 1, 0, 0, 0);
    assert_refused(MAGIC, HEADER + 5, 6, 0, 0);
    assert_refused(MAGIC, HEADER, UINT32_MAX, 0, 0);
    assert_refused(MAGIC, HEADER, UINT32_MAX - HEADER + 1, 0, 0);
    /* longer than there may be, cut or not */
    assert_refused(MAGIC, HEADER + CHAN_DATA_MAX + 1, CHAN_DATA_MAX, 0, 0);
    assert_refused(MAGIC, HEADER + CHAN_DATA_MAX + 1, CHAN_DATA_MAX + 1, 0, 0);
}

/* The beginning of a longer message is none, and what follows is not filled in.
 */
static void
longer_than_a_packet(void **state)
{
    struct raw w = { .magic = MAGIC, .type = CHAN_READY, .n = 2, .has_fd = 1 };
    struct raw bad[] = { w, w, w };
    struct chan_msg got = { .fd = -7 };
    char buf[CHAN_DATA_MAX];
    (void)state;
    bad[0].rest = 1;
    bad[1].rest = UINT32_MAX;
    bad[2].zero = 1;
    for (size_t i = 0; i < LEN(bad); i++) {
        unsigned had = fds_open();
        send_raw(&bad[i], HEADER + 2, (const int[]){ ends[0] }, 1);
        assert_int_equal(chan_recv(ends[1], &got, buf), IO_ERR);
        assert_int_equal(got.fd, -7);
        assert_int_equal(fds_open(), had);
    }
}

static void
descriptors_that_lie(void **state)
{
    (void)state;
    assert_refused(MAGIC, HEADER, 0, 1, 0); /* none came */
    assert_refused(MAGIC, HEADER, 0, 0, 1); /* one that was not announced */
    assert_refused(MAGIC, HEADER, 0, 2, 1);
    for (unsigned n = 2; n <= 8; n++) {
        assert_refused(MAGIC, HEADER, 0, 0, n);
        assert_refused(MAGIC, HEADER, 0, 1, n);
        assert_refused(MAGIC, HEADER, 0, n, n);
    }
    for (unsigned n = 1; n <= 3; n++) { /* with a datagram that is bad too */
        assert_refused(MAGIC, 3, 0, 1, n);
        assert_refused(MAGIC, 0, 0, 1, n); /* empty: no end of the stream */
    }
}

/* What was said with the well-formed one of that shape. */
static void
raw_is_the_form(void **state)
{
    struct raw w = { .magic = MAGIC,
        .type = CHAN_READY,
        .number = 9,
        .n = 2,
        .has_fd = 1,
        .data = "ab" };
    struct chan_msg got;
    char buf[CHAN_DATA_MAX];
    (void)state;
    send_raw(&w, HEADER + 2, (const int[]){ ends[0] }, 1);
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_OK);
    assert_int_equal(got.type, CHAN_READY);
    assert_true(got.number == 9 && str_eq(got.data, STR("ab")));
    assert_true(is_same_file(got.fd, ends[0]));
    close(got.fd);
}

static void
the_other_end_goes(void **state)
{
    struct chan_msg m = { CHAN_READY, 1, STR("last"), -1 }, got;
    char buf[CHAN_DATA_MAX];
    (void)state;
    assert_int_equal(chan_send(ends[0], &m), IO_OK);
    close(ends[0]);
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_OK);
    assert_true(str_eq(got.data, STR("last")));
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_EOF);
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_EOF);
    assert_int_equal(chan_recv_wait(ends[1], &got, buf, 10), IO_EOF);
    assert_int_equal(chan_send(ends[1], &m), IO_ERR); /* and no SIGPIPE */
}

/* It goes without having read what we said: its last words count. */
static void
the_other_end_goes_unread(void **state)
{
    struct chan_msg m = { CHAN_READY, 1, STR("last"), -1 }, got;
    char buf[CHAN_DATA_MAX];
    (void)state;
    assert_int_equal(chan_send(ends[1], &m), IO_OK);
    assert_int_equal(chan_send(ends[0], &m), IO_OK);
    close(ends[0]);
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_OK);
    assert_true(str_eq(got.data, STR("last")));
    assert_int_equal(chan_recv(ends[1], &got, buf), IO_EOF);
}

/* A peer that does not read is waited for by no one. */
static void
a_full_queue(void **state)
{
    struct chan_msg m = { CHAN_READY, 0, STR_NONE, -1 };
    char buf[CHAN_DATA_MAX];
    enum io r = IO_OK;
    (void)state;
    while (r == IO_OK) {
        r = chan_send(ends[1], &m);
        m.number++;
    }
    assert_int_equal(r, IO_AGAIN);
    for (uint64_t i = 0; i + 1 < m.number; i++) { /* what was sent is whole */
        struct chan_msg got;
        assert_int_equal(chan_recv(ends[0], &got, buf), IO_OK);
        assert_true(got.number == i);
    }
    assert_int_equal(chan_send(ends[1], &m), IO_OK);
}

static void
waiting(void **state)
{
    struct chan_msg m = { CHAN_DONE, 3, STR_NONE, -1 }, got;
    char buf[CHAN_DATA_MAX];
    (void)state;
    assert_int_equal(chan_recv_wait(ends[1], &got, buf, 0), IO_AGAIN);
    assert_int_equal(chan_recv_wait(ends[1], &got, buf, 0.001), IO_AGAIN);
    assert_int_equal(chan_send(ends[0], &m), IO_OK);
    assert_int_equal(chan_recv_wait(ends[1], &got, buf, 10), IO_OK);
    assert_int_equal(got.type, CHAN_DONE);
}

static void
send_too_much(void)
{
    static char data[CHAN_DATA_MAX + 1];
    struct chan_msg m = { CHAN_READY, 0, str_n(data, sizeof data), -1 };
    enum io r = chan_send(ends[0], &m);
    AN(r == IO_OK);
}

static void
too_large_is_our_bug(void **state)
{
    (void)state;
    assert_panics(send_too_much, "failed: m->data.n <= CHAN_DATA_MAX");
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(round_trip),
        test(messages_stay_apart),
        test(malformed),
        test(longer_than_a_packet),
        test(descriptors_that_lie),
        test(raw_is_the_form),
        test(the_other_end_goes),
        test(the_other_end_goes_unread),
        test(a_full_queue),
        test(waiting),
        test(too_large_is_our_bug),
    };
    return cmocka_run_group_tests_name("chan", tests, NULL, NULL);
}
