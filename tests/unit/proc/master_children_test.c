/*
 * A child that sends, or ends, without end: the master does a part of it a
 * turn, and the others' have theirs.
 */

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/ledger.h"
#include "os/sock.h"
#include "proc/master_priv.h"

#include <cmocka.h>

#define MANY 100

struct setting {
    struct master m;
    struct child children[2];
    int ends[2];
};

static void
set_up(struct setting *s)
{
    clock_update();
    *s = (struct setting){ .m = { .magic = MASTER_MAGIC } };
    list_init(&s->m.children);
    list_init(&s->m.listeners);
    s->m.ledger = ledger_new();
    assert_non_null(s->m.ledger);
    for (unsigned i = 0; i < LEN(s->children); i++) {
        int pair[2];
        assert_int_equal(sock_pair(pair), 0);
        assert_int_equal(sock_set_nonblocking(pair[0], true), 0);
        s->ends[i] = pair[1];
        s->children[i] = (struct child){
            .magic = CHILD_MAGIC, .role = &role_worker, .pid = getpid()
        };
        link_init(&s->children[i].link, pair[0], CHAN_DATA_MAX);
        list_add_tail(&s->m.children, &s->children[i].node);
    }
}

static void
tear_down(struct setting *s)
{
    for (unsigned i = 0; i < LEN(s->children); i++) {
        close(s->ends[i]);
        link_close(&s->children[i].link);
    }
    ledger_free(s->m.ledger);
}

static void
says(struct setting *s, unsigned child, enum chan_type type)
{
    struct chan_msg m = { .type = type, .number = 1, .fd = -1 };
    assert_int_equal(chan_send(s->ends[child], &m), IO_OK);
}

/* How many were left to be taken. */
static unsigned
left(struct setting *s, unsigned child)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    unsigned n = 0;
    while (link_recv(&s->children[child].link, &m, buf) == IO_OK) {
        n++;
    }
    return n;
}

static void
test_messages(void **state)
{
    struct setting s;
    (void)state;
    set_up(&s);
    for (unsigned i = 0; i < MANY; i++) {
        says(&s, 0, CHAN_FULL);
    }
    says(&s, 1, CHAN_READY);
    master_take_messages(&s.m);
    assert_true(s.children[0].is_full);
    assert_true(s.children[1].is_ready);
    assert_in_range(left(&s, 0), MANY / 2, MANY - 1);
    master_take_messages(&s.m);
    assert_true(link_is_open(&s.children[0].link));
    close(s.ends[0]);
    s.ends[0] = dup(s.ends[1]);
    master_take_messages(&s.m);
    assert_false(link_is_open(&s.children[0].link));
    tear_down(&s);
}

static bool
reads(int end)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    return chan_recv_wait(end, &m, buf, 0) == IO_OK;
}

/* Its end is shut for reading, and not closed: there would be room in the
 * socket for ever, and nothing could be sent. */
static void
test_shut_for_reading(void **state)
{
    struct setting s;
    struct chan_msg m = { .type = CHAN_SERVE, .fd = -1 };
    (void)state;
    set_up(&s);
    while (!link_is_waiting(&s.children[0].link)) {
        child_send(&s.children[0], &m);
    }
    assert_int_equal(shutdown(s.ends[0], SHUT_RD), 0);
    while (reads(s.ends[0])) {
    }
    assert_true(link_is_open(&s.children[0].link));
    master_flush(&s.m);
    assert_false(link_is_open(&s.children[0].link));
    assert_true(child_is_ending(&s.children[0]));
    assert_int_equal(shutdown(s.ends[1], SHUT_RD), 0);
    child_send(&s.children[1], &m);
    assert_true(child_is_ending(&s.children[1]));
    tear_down(&s);
}

/* A keeper that hangs as it starts would keep each later reload waiting. */
static void
test_never_ready(void **state)
{
    struct setting s;
    int status;
    (void)state;
    set_up(&s);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(1);
    }
    s.children[0].pid = pid;
    for (unsigned i = 0; i < LEN(s.children); i++) {
        s.children[i].ready_by = clock_mono() + 1000;
    }
    says(&s, 1, CHAN_READY);
    master_take_messages(&s.m);
    assert_in_range(master_timeout(&s.m), 900000, 1001000);
    s.children[0].ready_by = clock_mono();
    assert_int_equal(master_timeout(&s.m), 0);
    master_run_deadlines(&s.m); /* the other would be this process */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_false(child_is_ending(&s.children[1]));
    assert_int_equal(s.children[1].ready_by, 0);
    tear_down(&s);
}

static unsigned
reaped_at_once(struct setting *s, unsigned n)
{
    siginfo_t info;
    master_reap(&s->m);
    unsigned ended = 0;
    while (ended < n && waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 &&
           info.si_pid != 0) {
        ended++;
    }
    return n - ended;
}

static void
test_ends(void **state)
{
    struct setting s;
    pid_t pids[MANY];
    siginfo_t info;
    (void)state;
    set_up(&s);
    for (unsigned i = 0; i < MANY; i++) {
        char *argv[] = { (char[]){ "true" }, NULL };
        assert_int_equal(
            posix_spawn(&pids[i], "/bin/true", NULL, NULL, argv, NULL), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(
            waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT), 0);
    }
    assert_in_range(reaped_at_once(&s, MANY), 1, MANY - 1);
    assert_true(s.m.wants_reap);
    assert_int_equal(master_timeout(&s.m), 0);
    master_reap(&s.m);
    assert_false(s.m.wants_reap);
    assert_int_not_equal(master_timeout(&s.m), 0);
    tear_down(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_shut_for_reading),
        cmocka_unit_test(test_never_ready),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests_name("master_children", tests, NULL, NULL);
}
