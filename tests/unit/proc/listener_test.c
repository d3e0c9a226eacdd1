/*
 * Listeners: shared by address, grown, trimmed, closed with the last one.
 */

#include "proc/listener.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/fds.h"
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
        .text = str_of(address), .at = &place, .backlog = 5, .mode = 0640
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
test_shared_and_grown(void **state)
{
    struct setting s;
    unsigned had = 9;
    begin(state, &s);
    struct listener *a = listener_get(&s.all, &s.tcp, 2, &had);
    assert_int_equal(had, 0);
    assert_int_equal(a->n, 2);
    assert_ptr_equal(listener_get(&s.all, &s.tcp, 1, &had), a);
    assert_int_equal(had, 2);
    assert_int_equal(a->n, 2);
    assert_ptr_equal(listener_get(&s.all, &s.tcp, 4, &had), a);
    assert_int_equal(had, 2);
    assert_int_equal(a->n, 4);
    assert_int_equal(a->refs, 3);
    for (unsigned i = 0; i < a->n; i++) {
        struct addr local;
        int flags = fcntl(a->fds[i], F_GETFL);
        sock_local(a->fds[i], &local);
        assert_true(addr_eq(&local, &s.tcp.addr));
        assert_true(flags & O_NONBLOCK);
        assert_true(fcntl(a->fds[i], F_GETFD) & FD_CLOEXEC);
    }
    listener_trim(a, 9);
    assert_int_equal(a->n, 4);
    listener_trim(a, 2);
    assert_int_equal(a->n, 2);
    assert_int_equal(fds_open(), s.fds + 2);
    listener_put(a);
    listener_put(a);
    assert_int_equal(a->n, 2);
    listener_put(a);
    end(&s);
}

static void
test_addresses_are_told_apart(void **state)
{
    struct setting s;
    unsigned had;
    begin(state, &s);
    struct listen other = listen_on("127.0.0.2:N");
    int held = whole_hold_port(&other.addr);
    struct listener *a = listener_get(&s.all, &s.tcp, 1, &had);
    struct listener *b = listener_get(&s.all, &other, 1, &had);
    struct listener *c = listener_get(&s.all, &s.path, 1, &had);
    assert_true(a != b && b != c && a != c);
    assert_ptr_equal(listener_get(&s.all, &s.path, 3, &had), c);
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
    unsigned had;
    begin(state, &s);
    struct listener *l = listener_get(&s.all, &s.path, 4, &had);
    assert_int_equal(stat(s.path.path.p, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0640);
    listener_trim(l, 1);
    assert_int_equal(access(s.path.path.p, F_OK), 0);
    listener_trim(l, 0);
    assert_int_equal(access(s.path.path.p, F_OK), -1);
    /* what lies there by now is not its own */
    int fd = sock_listen_unix(s.path.path.p, 1, 0600);
    assert_true(fd >= 0);
    listener_put(l);
    assert_int_equal(access(s.path.path.p, F_OK), 0);
    close(fd);
    end(&s);
}

static void
test_failure_changes_nothing(void **state)
{
    struct setting s;
    unsigned had;
    begin(state, &s);
    int other = sock_listen(&s.tcp.addr, 5, true);
    assert_true(other >= 0);
    assert_null(listener_get(&s.all, &s.tcp, 2, &had));
    assert_true(whole_logged(state,
        "listen on 127.0.0.1:N failed in weir.conf:7: Address already in "
        "use"));
    close(other);
    other = sock_listen_unix(s.path.path.p, 5, 0600);
    assert_true(other >= 0);
    assert_null(listener_get(&s.all, &s.path, 1, &had));
    assert_int_equal(access(s.path.path.p, F_OK), 0);
    close(other);
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_shared_and_grown),
        WHOLE_TEST(test_addresses_are_told_apart),
        WHOLE_TEST(test_file_of_a_unix_socket),
        WHOLE_TEST(test_failure_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
