/*
 * What the kernel is relied on for: a group's order, steering, an end that
 * loses nobody.
 */

#include "os/listenq.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/filter.h>

#include "../conf/tmp_dir.h"
#include "fds.h"
#include "os/sock.h"

#include <cmocka.h>

#define GROUP 4
#define CLIENTS 64

struct group {
    struct addr addr;
    int fds[GROUP], clients[CLIENTS];
    unsigned n_clients, had_open;
};

static bool
begin(struct group *g, const char *text)
{
    struct addr a;
    *g = (struct group){ .had_open = fds_open() };
    assert_true(addr_parse(str_of(text), &a));
    g->fds[0] = sock_bind(&a);
    if (g->fds[0] < 0) {
        assert_int_equal(a.family, 6); /* a machine without IPv6 */
        return false;
    }
    AZ(listenq_begin(g->fds[0], CLIENTS));
    sock_local(g->fds[0], &g->addr);
    for (unsigned i = 1; i < GROUP; i++) {
        g->fds[i] = sock_bind(&g->addr);
        assert_true(g->fds[i] >= 0);
    }
    return true;
}

static void
close_clients(struct group *g)
{
    while (g->n_clients != 0) {
        close(g->clients[--g->n_clients]);
    }
}

static void
end(struct group *g)
{
    close_clients(g);
    for (unsigned i = 0; i < GROUP; i++) {
        close(g->fds[i]);
    }
    assert_int_equal(fds_open(), g->had_open);
}

static int
try_connect(const struct group *g, int fd)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(&g->addr, &sa);
    return connect(fd, (struct sockaddr *)&sa, n);
}

static int
client(struct group *g, int flags)
{
    int family = g->addr.family == 6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(fd >= 0 && g->n_clients < CLIENTS);
    g->clients[g->n_clients++] = fd;
    return fd;
}

static void
connect_all(struct group *g)
{
    close_clients(g);
    while (g->n_clients < CLIENTS) {
        assert_int_equal(try_connect(g, client(g, 0)), 0);
    }
}

static unsigned
accept_all(int fd)
{
    unsigned n = 0;
    int c = accept(fd, NULL, NULL);
    for (; c >= 0; c = accept(fd, NULL, NULL)) {
        close(c);
        n++;
    }
    return n;
}

/* All clients come to the first `n` sockets, and to each of them some: that
 * one has none is less likely than 2^-25. */
static void
assert_spread(struct group *g, unsigned n)
{
    unsigned sum = 0;
    connect_all(g);
    for (unsigned i = 0; i < n; i++) {
        unsigned got = accept_all(g->fds[i]);
        assert_true(got > 0);
        sum += got;
    }
    assert_int_equal(sum, CLIENTS);
}

static void
check_group(const char *text)
{
    struct group g;
    if (!begin(&g, text)) {
        return;
    }
    assert_spread(&g, 1);
    for (unsigned i = 1; i < GROUP; i++) {
        assert_int_equal(listenq_begin(g.fds[i], CLIENTS), 0);
    }
    assert_spread(&g, GROUP);
    for (unsigned i = 1; i <= GROUP; i++) {
        assert_int_equal(listenq_steer(g.fds[0], i), 0);
        assert_spread(&g, i);
    }
    /* the last one ends, though another has its descriptor */
    assert_int_equal(listenq_steer(g.fds[0], 2), 0);
    int other = dup(g.fds[3]);
    listenq_end(g.fds[3]);
    assert_int_equal(accept(other, NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
    close(other);
    assert_spread(&g, 2);
    assert_int_equal(listenq_steer(g.fds[0], 3), 0);
    assert_spread(&g, 3);
    end(&g);
}

static void
order_of_a_group(void **state)
{
    (void)state;
    check_group("127.0.0.1");
    check_group("::1");
}

/* The client's own kernel drops all that comes for it, or no more. */
static void
set_deaf(int fd, bool on)
{
    int zero = 0;
    struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = { 1, &none };
    int r =
        on ? setsockopt(
                 fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)
           : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof zero);
    assert_int_equal(r, 0);
}

/* A handshake under way is completed, a new one is not begun; what was
 * accepted so carries data. */
static void
handshakes(void **state)
{
    struct group g;
    char ch = 0;
    (void)state;
    assert_true(begin(&g, "127.0.0.1"));
    assert_false(listenq_has_half_open(&g.addr));
    assert_false(listenq_has_waiting(g.fds[0]));
    assert_int_equal(try_connect(&g, client(&g, 0)), 0);
    assert_true(listenq_has_waiting(g.fds[0]));
    assert_int_equal(accept_all(g.fds[0]), 1);

    int half = client(&g, SOCK_NONBLOCK), late = client(&g, SOCK_NONBLOCK);
    set_deaf(half, true);
    assert_int_equal(try_connect(&g, half), -1);
    assert_true(listenq_has_half_open(&g.addr));
    assert_int_equal(listenq_refuse(g.fds[0], true), 0);
    assert_int_equal(try_connect(&g, late), -1);
    assert_int_equal(errno, EINPROGRESS);
    set_deaf(half, false); /* the SYN-ACK comes again, after a second */
    struct pollfd p[2] = { { half, POLLOUT, 0 }, { late, POLLOUT, 0 } };
    assert_int_equal(poll(p, 1, 10000), 1);
    assert_int_equal(p[0].revents, POLLOUT);
    assert_int_equal(poll(p + 1, 1, 0), 0);
    assert_false(listenq_has_half_open(&g.addr));
    int fd = accept(g.fds[0], NULL, NULL);
    assert_true(fd >= 0);
    listenq_admit(fd, AF_INET);
    assert_int_equal(write(half, "y", 1), 1);
    assert_int_equal(recv(fd, &ch, 1, 0), 1);
    assert_int_equal(ch, 'y');
    close(fd);
    /* and back */
    assert_int_equal(listenq_refuse(g.fds[0], false), 0);
    assert_int_equal(try_connect(&g, client(&g, 0)), 0);
    end(&g);
}

/* Its last connections can be had after its end. */
static void
a_unix_socket(void **state)
{
    static struct tmp_dir dir;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    (void)state;
    tmp_dir_make(&dir);
    const char *path = tmp_dir_path(&dir, "s");
    memcpy(sa.sun_path, path, strlen(path));
    int fd = sock_listen_unix(path, 5, 0600);
    int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(first, (struct sockaddr *)&sa, sizeof sa), 0);
    int other = dup(fd);
    listenq_end(fd);
    close(fd);
    assert_int_equal(connect(second, (struct sockaddr *)&sa, sizeof sa), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_true(listenq_has_waiting(other));
    assert_int_equal(accept_all(other), 1);
    close(first);
    close(second);
    close(other);
    tmp_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_a_group),
        cmocka_unit_test(handshakes),
        cmocka_unit_test(a_unix_socket),
    };
    return cmocka_run_group_tests_name("listenq", tests, NULL, NULL);
}
