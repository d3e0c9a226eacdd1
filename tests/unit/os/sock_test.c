/*
 * Listening sockets: shared addresses, and a unix socket's file that is only
 * taken where nobody serves it.
 */

#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../conf/tmp_dir.h"
#include "fds.h"

#include <cmocka.h>

static struct tmp_dir dir;
static unsigned had_open;

static int
set_up(void **state)
{
    (void)state;
    tmp_dir_make(&dir);
    had_open = fds_open();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    tmp_dir_remove(&dir);
    return fds_open() == had_open ? 0 : -1;
}

static void
assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int
option(int fd, int level, int name)
{
    int v = -1;
    socklen_t n = sizeof v;
    assert_int_equal(getsockopt(fd, level, name, &v, &n), 0);
    return v;
}

static void
assert_in_use(int fd)
{
    int err = errno;
    assert_int_equal(fd, -1);
    assert_int_equal(err, EADDRINUSE);
}

/* A connection comes to one of them, and no further one is waited for. */
static void
assert_accepts(const struct addr *a, const int fds[2])
{
    struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
    struct sockaddr_storage sa;
    socklen_t size = addr_to_sockaddr(a, &sa);
    int client = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned accepted = 0;
    assert_int_equal(connect(client, (struct sockaddr *)&sa, size), 0);
    assert_int_equal(poll(p, 2, 10000), 1);
    for (size_t i = 0; i < 2; i++) {
        int fd = accept(fds[i], NULL, NULL);
        accepted += fd >= 0;
        assert_true(fd >= 0 || errno == EAGAIN);
        close(fd);
    }
    assert_int_equal(accepted, 1);
    close(client);
}

static int
listening_at(const struct addr *a)
{
    int fd = sock_bind(a);
    AZ(fd >= 0 ? listen(fd, 16) : 0);
    return fd;
}

static void
check_listen(const char *text)
{
    struct addr a, b;
    int fds[2];
    assert_true(addr_parse(str_of(text), &a));
    fds[0] = listening_at(&a);
    if (fds[0] < 0 && a.family == 6) {
        return; /* a machine without IPv6 */
    }
    assert_true(fds[0] >= 0);
    assert_flags(fds[0]);
    sock_local(fds[0], &b);
    assert_true(addr_eq_ip(&a, &b));
    assert_int_not_equal(b.port, 0);
    fds[1] = listening_at(&b);
    assert_true(fds[1] >= 0);
    assert_true(option(fds[0], SOL_SOCKET, SO_REUSEPORT));
    assert_true(option(fds[0], SOL_SOCKET, SO_REUSEADDR));
    assert_accepts(&b, fds);
    assert_in_use(sock_probe(&b));
    close(fds[0]);
    close(fds[1]);
}

static void
listening(void **state)
{
    (void)state;
    check_listen("127.0.0.1");
    check_listen("::1");
}

static void
an_address_that_is_not_ours(void **state)
{
    struct addr a;
    (void)state;
    assert_true(addr_parse(STR("192.0.2.1"), &a)); /* TEST-NET-1 */
    errno = 0;
    assert_int_equal(sock_bind(&a), -1);
    assert_int_not_equal(errno, 0);
}

static int
unix_socket(const char *path, int type, bool is_client)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    memcpy(sa.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = is_client ? connect(fd, (struct sockaddr *)&sa, sizeof sa)
                      : bind(fd, (struct sockaddr *)&sa, sizeof sa);
    if (r != 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static void
assert_serves(const char *path, int fd)
{
    int client = unix_socket(path, SOCK_STREAM, true);
    assert_true(client >= 0);
    int server = accept(fd, NULL, NULL);
    assert_true(server >= 0);
    close(server);
    close(client);
}

static void
a_unix_socket(void **state)
{
    const unsigned modes[] = { 0600, 0660, 0666, 0777 };
    const char *path = tmp_dir_path(&dir, "s");
    struct stat st;
    struct addr a;
    (void)state;
    mode_t had = umask(077);
    for (size_t i = 0; i < LEN(modes); i++) {
        /* the file of the one before is stale */
        int fd = sock_listen_unix(path, 16, modes[i]);
        assert_true(fd >= 0);
        assert_flags(fd);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, modes[i]);
        sock_local(fd, &a);
        assert_int_equal(a.family, ADDR_UNIX);
        assert_serves(path, fd);
        assert_in_use(sock_listen_unix(path, 16, 0600)); /* served */
        close(accept(fd, NULL, NULL)); /* who asked whether it is */
        assert_serves(path, fd);
        close(fd);
    }
    umask(had);
}

static void
assert_kept(const char *path, const char *target)
{
    struct stat before, after;
    assert_int_equal(lstat(path, &before), 0);
    assert_in_use(sock_listen_unix(path, 16, 0600));
    assert_int_equal(lstat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_true(target == NULL || access(target, F_OK) == 0);
}

/* What is no socket, or none of ours, stays. */
static void
other_files(void **state)
{
    char target[512];
    (void)state;
    snprintf(
        target, sizeof target, "%s", tmp_dir_write(&dir, "file", STR("text")));
    assert_kept(target, NULL);
    const char *path = tmp_dir_path(&dir, "link");
    assert_int_equal(symlink(target, path), 0);
    assert_kept(path, target);
    assert_kept(dir.path, NULL);
    path = tmp_dir_path(&dir, "datagram");
    int fd = unix_socket(path, SOCK_DGRAM, false);
    assert_true(fd >= 0);
    assert_kept(path, NULL);
    close(fd);
}

/* As if another user had made it. */
static void
give_away(const char *path)
{
    assert_int_equal(lchown(path, 65534, 65534), 0);
}

static void
assert_taken(const char *path)
{
    struct stat st;
    int fd = sock_listen_unix(path, 16, 0600);
    assert_true(fd >= 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode) && st.st_uid == geteuid());
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_serves(path, fd);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

/* What others have put in a listener's place keeps nobody from serving, and
 * where it led to nothing has changed. Needs root. */
static void
squatters(void **state)
{
    char target[512];
    struct stat st;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    snprintf(
        target, sizeof target, "%s", tmp_dir_write(&dir, "file", STR("text")));
    assert_int_equal(chmod(target, 0400), 0);
    const char *path = tmp_dir_path(&dir, "there");
    int fd = unix_socket(path, SOCK_STREAM, false);
    assert_int_equal(listen(fd, 1), 0);
    give_away(path);
    assert_taken(path); /* it is served */
    close(fd);
    fd = unix_socket(path, SOCK_DGRAM, false);
    give_away(path);
    assert_taken(path);
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    give_away(path);
    assert_taken(path);
    tmp_dir_write(&dir, "there/in", STR(""));
    path = tmp_dir_path(&dir, "there");
    give_away(path);
    assert_taken(path);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(st.st_size, 4);
}

/* A server that is too busy to answer is one; nobody hangs on it. */
static void
a_full_backlog(void **state)
{
    const char *path = tmp_dir_path(&dir, "busy");
    int clients[16];
    size_t n = 0;
    (void)state;
    int fd = sock_listen_unix(path, 1, 0600);
    assert_true(fd >= 0);
    do {
        clients[n] = unix_socket(path, SOCK_STREAM, true);
    } while (clients[n] >= 0 && ++n < LEN(clients));
    assert_true(n < LEN(clients) && errno == EAGAIN);
    assert_kept(path, NULL);
    while (n > 0) {
        close(clients[--n]);
    }
    close(fd);
}

/* Out of descriptors nobody can be asked: the file stays. */
static void
no_descriptor_to_ask_with(void **state)
{
    const char *path = tmp_dir_path(&dir, "s");
    struct rlimit had, none;
    (void)state;
    int fd = sock_listen_unix(path, 16, 0600);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
    none = (struct rlimit){ 0, had.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int second = sock_listen_unix(path, 16, 0600);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
    assert_int_equal(second, -1);
    assert_serves(path, fd);
    close(fd);
}

/* They are refused before the connection is accepted, too. */
static void
descriptors_of_clients(void **state)
{
    const char *path = tmp_dir_path(&dir, "s");
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    (void)state;
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = sock_listen_unix(path, 16, 0600);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_true(fds_are_refused(client));
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    assert_true(fds_are_refused(client));
    close(accepted);
    close(client);
    close(fd);
}

static void
long_names(void **state)
{
    char path[200];
    struct sockaddr_un sa;
    (void)state;
    memset(path, 'x', sizeof path);
    path[sizeof sa.sun_path] = '\0';
    assert_int_equal(sock_listen_unix(path, 16, 0600), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    const char *missing = tmp_dir_path(&dir, "no/such");
    assert_int_equal(sock_listen_unix(missing, 16, 0600), -1);
    assert_int_equal(errno, ENOENT);
}

static void
pairs(void **state)
{
    int fds[2];
    char text[8];
    (void)state;
    assert_int_equal(sock_pair(fds), 0);
    assert_int_equal(option(fds[0], SOL_SOCKET, SO_TYPE), SOCK_SEQPACKET);
    assert_int_equal(write(fds[0], "ab", 2), 2);
    assert_int_equal(write(fds[0], "c", 1), 1);
    assert_int_equal(read(fds[1], text, sizeof text), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        assert_false(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        assert_int_equal(sock_set_nonblocking(fds[i], true), 0);
        assert_flags(fds[i]);
        assert_int_equal(sock_set_nonblocking(fds[i], false), 0);
        assert_false(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        close(fds[i]);
    }
    assert_int_equal(sock_set_nonblocking(-1, true), -1);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(listening),
        test(an_address_that_is_not_ours),
        test(a_unix_socket),
        test(other_files),
        test(squatters),
        test(a_full_backlog),
        test(no_descriptor_to_ask_with),
        test(descriptors_of_clients),
        test(long_names),
        test(pairs),
    };
    return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
