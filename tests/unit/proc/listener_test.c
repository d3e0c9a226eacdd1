/*
 * Listeners: shared by address, grown and shrunk, closed with the last one and
 * not before what waits in them is accepted.
 */

#include "proc/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/fds.h"
#include "base/clock.h"
#include "os/sock.h"
#include "whole_conf.h"

#include <cmocka.h>

static const struct token place = {
    .text = { "x", 1 }, .file = "weir.conf", .line = 7
};

struct setting {
    struct list all;
    struct listen tcp, path;
    int held; /* keeps the port ours */
    unsigned fds;
};

static struct listen
listen_on(const char *address)
{
    struct listen l = {
        .text = str_of(address), .at = &place, .backlog = 64, .mode = 0640
    };
    return l;
}

static void
begin(void **state, struct setting *s)
{
    struct whole *w = *state;
    list_init(&s->all);
    s->tcp = listen_on("127.0.0.1:N");
    s->held = whole_hold_port(&s->tcp.addr);
    s->path = listen_on("unix:s");
    s->path.path = str_of(tmp_dir_path(&w->dir, "s"));
    s->fds = fds_open();
}

static void
end(struct setting *s)
{
    assert_true(list_is_empty(&s->all));
    assert_int_equal(fds_open(), s->fds);
    close(s->held);
}

static void
assert_bound(const struct listener *l, const struct addr *to)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct addr local;
        int is_listening = -1;
        socklen_t n = sizeof is_listening;
        sock_local(l->fds[i], &local);
        assert_true(addr_eq(&local, to));
        assert_true(fcntl(l->fds[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(l->fds[i], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(
            getsockopt(l->fds[i], SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n),
            0);
        assert_int_equal(is_listening, i < l->n_listening);
    }
}

static struct listener *
get(struct setting *s, const struct listen *l, unsigned sockets)
{
    struct listener *k = listener_get(&s->all, l, sockets);
    assert_non_null(k);
    return k;
}

/* As a generation that starts and serves. */
static struct listener *
serve(struct setting *s, const struct listen *l, unsigned sockets)
{
    struct listener *k = get(s, l, sockets);
    listener_begin(k, l->backlog);
    listener_steer(k, sockets);
    return k;
}

static void
test_grown_by_who_serves(void **state)
{
    struct setting s;
    begin(state, &s);
    struct listener *a = get(&s, &s.tcp, 2);
    assert_int_equal(a->n, 2);
    assert_int_equal(a->n_listening, 1);
    assert_bound(a, &s.tcp.addr);
    listener_begin(a, 5);
    listener_steer(a, 2);
    assert_int_equal(a->n_listening, 2);
    assert_ptr_equal(get(&s, &s.tcp, 4), a);
    assert_int_equal(a->n, 4);
    assert_int_equal(a->n_listening, 2);
    assert_bound(a, &s.tcp.addr);
    /* it does not start */
    listener_trim(a);
    listener_put(a);
    assert_int_equal(a->n, 2);
    assert_ptr_equal(serve(&s, &s.tcp, 3), a);
    assert_int_equal(a->n_listening, 3);
    assert_int_equal(a->refs, 2);
    assert_bound(a, &s.tcp.addr);
    assert_true(listeners_next(&s.all) == 0);
    listener_put(a);
    listener_put(a);
    end(&s);
}

static int
connect_to(const struct addr *a)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(a, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

/* It does not wait: where the address takes connections it has one at once. */
static int
late_client(const struct addr *a)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(a, &sa);
    int fd =
        socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)!connect(fd, (struct sockaddr *)&sa, n);
    return fd;
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

/* The clock goes on until `done`, ten seconds at most. */
static void
run_until(struct setting *s, bool (*done)(const struct setting *))
{
    clock_update();
    double end = clock_mono() + 10;
    while (!done(s)) {
        poll(NULL, 0, 5);
        clock_update();
        assert_true(clock_mono() < end);
        listeners_run(&s->all);
    }
}

static bool
has_two(const struct setting *s)
{
    return container_of(s->all.next, struct listener, node)->n == 2;
}

static bool
has_none(const struct setting *s)
{
    return list_is_empty(&s->all);
}

static void
test_shrunk_when_dry(void **state)
{
    struct setting s;
    int clients[64];
    unsigned waiting = 0;
    begin(state, &s);
    struct listener *l = serve(&s, &s.tcp, 4);
    for (unsigned i = 0; i < 16; i++) {
        clients[i] = connect_to(&s.tcp.addr);
    }
    listener_steer(l, 2);
    assert_int_equal(l->n, 4);
    assert_true(listeners_next(&s.all) > 0);
    waiting = accept_all(l->fds[2]);
    for (unsigned i = 16; i < LEN(clients); i++) {
        clients[i] = connect_to(&s.tcp.addr);
    }
    assert_int_equal(accept_all(l->fds[2]), 0);
    waiting += accept_all(l->fds[3]);
    assert_true(waiting <= 16);
    run_until(&s, has_two);
    assert_true(listeners_next(&s.all) == 0);
    waiting += accept_all(l->fds[0]) + accept_all(l->fds[1]);
    assert_int_equal(waiting, LEN(clients));
    /* grown again, all get some: 2^-50 that one does not */
    assert_ptr_equal(serve(&s, &s.tcp, 3), l);
    for (unsigned i = 0; i < LEN(clients); i++) {
        close(clients[i]);
        clients[i] = connect_to(&s.tcp.addr);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(accept_all(l->fds[i]) > 0);
    }
    for (unsigned i = 0; i < LEN(clients); i++) {
        close(clients[i]);
    }
    listener_put(l);
    listener_put(l);
    end(&s);
}

/* What a generation that starts counts on is not taken from under it. */
static void
test_not_shrunk_below_what_is_wanted(void **state)
{
    struct setting s;
    begin(state, &s);
    clock_update();
    struct listener *l = serve(&s, &s.tcp, 4);
    listener_steer(l, 1);
    assert_ptr_equal(get(&s, &s.tcp, 2), l);
    run_until(&s, has_two);
    for (unsigned i = 0; i < 5; i++) {
        poll(NULL, 0, 25);
        clock_update();
        listeners_run(&s.all);
    }
    assert_int_equal(l->n_listening, 2);
    listener_put(l);
    listener_put(l);
    end(&s);
}

static void
test_leaves_when_dry(void **state)
{
    struct setting s;
    begin(state, &s);
    clock_update();
    struct listener *l = serve(&s, &s.tcp, 2);
    assert_ptr_equal(get(&s, &s.tcp, 2), l);
    assert_false(listener_leave(l, 60));
    int a = connect_to(&s.tcp.addr), late = late_client(&s.tcp.addr);
    struct pollfd p = { late, POLLOUT, 0 };
    assert_int_equal(poll(&p, 1, 0), 1);
    close(late);
    assert_true(listener_leave(l, 60));
    late = late_client(&s.tcp.addr);
    p.fd = late;
    assert_int_equal(poll(&p, 1, 0), 0);
    for (unsigned i = 0; i < 5; i++) {
        poll(NULL, 0, 25);
        clock_update();
        listeners_run(&s.all);
    }
    assert_int_equal(l->n, 2);
    /* it comes back, and goes again */
    assert_ptr_equal(serve(&s, &s.tcp, 2), l);
    int b = connect_to(&s.tcp.addr);
    assert_true(listeners_next(&s.all) == 0);
    assert_true(listener_leave(l, 60));
    assert_int_equal(accept_all(l->fds[0]) + accept_all(l->fds[1]), 3);
    run_until(&s, has_none);
    close(a);
    close(b);
    close(late);
    end(&s);
}

/* One that was leaving, in a generation that does not start: it leaves on. */
static void
test_wanted_in_vain(void **state)
{
    struct setting s;
    begin(state, &s);
    clock_update();
    struct listener *l = serve(&s, &s.tcp, 1);
    assert_true(listener_leave(l, 60));
    assert_ptr_equal(get(&s, &s.tcp, 3), l);
    for (unsigned i = 0; i < 5; i++) {
        poll(NULL, 0, 25);
        clock_update();
        listeners_run(&s.all);
    }
    assert_int_equal(l->n, 3);
    listener_trim(l);
    listener_put(l);
    run_until(&s, has_none);
    end(&s);
}

static void
test_leaves_in_time(void **state)
{
    struct setting s;
    begin(state, &s);
    clock_update();
    struct listener *l = serve(&s, &s.tcp, 1);
    int client = connect_to(&s.tcp.addr);
    assert_true(listener_leave(l, 0.1));
    run_until(&s, has_none);
    assert_true(
        whole_logged(state, "ends, and connections that wait in it are lost"));
    close(client);
    end(&s);
}

static void
test_unix_leaves_at_once(void **state)
{
    struct setting s;
    begin(state, &s);
    struct listener *l = serve(&s, &s.path, 4);
    int fd = dup(l->fds[0]); /* a worker's */
    assert_int_equal(l->n, 1);
    assert_true(listener_leave(l, 60));
    assert_true(list_is_empty(&s.all));
    assert_int_equal(access(s.path.path.p, F_OK), -1);
    assert_int_equal(accept_all(fd), 0);
    close(fd);
    end(&s);
}

static void
test_closed_for_a_stop(void **state)
{
    struct setting s;
    begin(state, &s);
    clock_update();
    struct listener *a = serve(&s, &s.tcp, 2);
    assert_true(listener_leave(a, 60));
    struct listener *b = serve(&s, &s.path, 2);
    listeners_close(&s.all);
    assert_int_equal(fds_open(), s.fds);
    assert_int_equal(access(s.path.path.p, F_OK), -1);
    /* what lies there by now is not its own */
    int fd = sock_listen_unix(s.path.path.p, 1, 0600);
    assert_true(fd >= 0);
    listener_put(b);
    assert_int_equal(access(s.path.path.p, F_OK), 0);
    close(fd);
    end(&s);
}

static void
test_addresses_are_told_apart(void **state)
{
    struct setting s;
    begin(state, &s);
    struct listen other = listen_on("127.0.0.2:N");
    int held = whole_hold_port(&other.addr);
    struct listener *a = get(&s, &s.tcp, 1);
    struct listener *b = get(&s, &other, 1);
    struct listener *c = get(&s, &s.path, 1);
    assert_true(a != b && b != c && a != c);
    assert_ptr_equal(get(&s, &s.path, 3), c);
    assert_int_equal(c->n, 1);
    listener_put(c);
    listener_put(c);
    listener_put(b);
    listener_put(a);
    close(held);
    end(&s);
}

static void
test_file_of_a_unix_socket(void **state)
{
    struct setting s;
    struct stat st;
    begin(state, &s);
    struct listener *l = get(&s, &s.path, 4);
    assert_int_equal(stat(s.path.path.p, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0640);
    listener_put(l);
    assert_int_equal(access(s.path.path.p, F_OK), -1);
    end(&s);
}

static void
test_failure_changes_nothing(void **state)
{
    struct setting s;
    begin(state, &s);
    int other = sock_bind(&s.tcp.addr);
    assert_true(other >= 0);
    AZ(listen(other, 5));
    assert_null(listener_get(&s.all, &s.tcp, 2));
    assert_true(whole_logged(state,
        "listen on 127.0.0.1:N failed in weir.conf:7 (98: Address already "
        "in use)"));
    close(other);
    other = sock_listen_unix(s.path.path.p, 5, 0600);
    assert_true(other >= 0);
    assert_null(listener_get(&s.all, &s.path, 1));
    assert_int_equal(access(s.path.path.p, F_OK), 0);
    close(other);
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_grown_by_who_serves),
        WHOLE_TEST(test_shrunk_when_dry),
        WHOLE_TEST(test_not_shrunk_below_what_is_wanted),
        WHOLE_TEST(test_leaves_when_dry),
        WHOLE_TEST(test_wanted_in_vain),
        WHOLE_TEST(test_leaves_in_time),
        WHOLE_TEST(test_unix_leaves_at_once),
        WHOLE_TEST(test_closed_for_a_stop),
        WHOLE_TEST(test_addresses_are_told_apart),
        WHOLE_TEST(test_file_of_a_unix_socket),
        WHOLE_TEST(test_failure_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
