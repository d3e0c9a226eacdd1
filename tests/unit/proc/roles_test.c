/*
 * A master that is given a table of the test's: a kind of process that weir
 * does not have, which each worker is linked with. It keeps what it says it
 * keeps, is started again when it dies, has the same links then, and sends
 * messages of many packets.
 */

#include "proc/role.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/child.h"
#include "../os/fds.h"
#include "base/clock.h"
#include "base/log.h"
#include "proc/main_conf.h"
#include "proc/master.h"
#include "proc/master_priv.h"
#include "whole_conf.h"

#include <cmocka.h>

#define LONG 100000
#define LONG_MAX_DATA ((size_t)1 << 17)
#define WAIT_MS 45000

/* The children write to it what the test reads. */
static int report;

static void
keep_report(struct role_process *p)
{
    role_keep(p, report);
}

static void
say(const char *what, long n)
{
    char line[64];
    int size = snprintf(line, sizeof line, "%s %ld\n", what, n);
    EXPECT(write(report, line, (size_t)size) == size);
}

/* Waits for either; the next message of the link. False: none yet. */
static bool
next(struct link *l, int other, struct chan_msg *m, char *buf)
{
    struct pollfd p[] = {
        { l->sock, link_is_waiting(l) ? POLLIN | POLLOUT : POLLIN, 0 },
        { other, POLLIN, 0 },
    };
    enum io r = link_recv(l, m, buf);
    if (r == IO_AGAIN) {
        EXPECT(poll(p, LEN(p), WAIT_MS) > 0);
        EXPECT(link_flush(l) != IO_ERR);
        return false;
    }
    EXPECT(r == IO_OK);
    return true;
}

static void
send_to(struct link *l, enum chan_type type, size_t n)
{
    char *data = calloc(1, n + 1);
    struct chan_msg m = {
        .type = type, .number = 1, .data = str_n(data, n), .fd = -1
    };
    EXPECT(link_send(l, &m) == IO_OK);
    free(data);
}

/* A worker's question: it is answered with this process's number. */
static void
answer(int pair, struct link *master)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    if (pair < 0 || chan_recv_wait(pair, &m, buf, 0) != IO_OK) {
        return;
    }
    EXPECT(m.type == CHAN_FULL && m.fd < 0 && fds_are_refused(pair));
    m = (struct chan_msg){
        .type = CHAN_DONE, .number = (uint64_t)getpid(), .fd = -1
    };
    EXPECT(chan_send(pair, &m) == IO_OK);
    send_to(master, CHAN_CA, LONG);
}

static int
third_run(struct role_process *p)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m = { .type = CHAN_READY };
    struct link master;
    int pair = -1;
    link_init(&master, p->chan, CHAN_DATA_MAX);
    EXPECT(p->ledger == NULL && p->nofile == 0);
    EXPECT(fd_is_open(report) && !fd_is_open(p->tickets));
    EXPECT(!fd_is_open(p->vault->fds[0]));
    say("third", getpid());
    send_to(&master, CHAN_READY, 0);
    while (m.type != CHAN_QUIT) {
        if (next(&master, pair, &m, buf) && m.type == CHAN_WORKER) {
            pair = m.fd;
        }
        answer(pair, &master);
    }
    link_close(&master);
    return 0;
}

/* Its link's other end is asked as soon as there is one. */
static void
asks(const struct role_process *p)
{
    struct chan_msg m = { .type = CHAN_FULL, .fd = -1 };
    EXPECT(chan_send(p->links[0], &m) == IO_OK);
}

static void
hears(const struct role_process *p)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m;
    if (chan_recv_wait(p->links[0], &m, buf, 0) == IO_OK) {
        EXPECT(m.type == CHAN_DONE);
        say("answered by", (long)m.number);
    }
}

static int
worker_run(struct role_process *p)
{
    char buf[CHAN_DATA_MAX];
    struct chan_msg m = { .type = CHAN_READY };
    struct link master;
    link_init(&master, p->chan, LONG_MAX_DATA);
    EXPECT(p->ledger != NULL);
    EXPECT(fds_are_refused(p->chan) && fds_are_refused(p->links[0]));
    send_to(&master, CHAN_READY, 0);
    while (m.type != CHAN_QUIT) {
        bool is_one = next(&master, p->links[0], &m, buf);
        if (is_one && (m.type == CHAN_SERVE || m.type == CHAN_KEEPER)) {
            asks(p);
        }
        if (is_one && m.type == CHAN_CA) {
            say("told", (long)m.data.n);
        }
        hears(p);
    }
    link_close(&master);
    return 0;
}

/* In the master: what the third says is for all workers. */
static void
pass_on(struct master *m, struct child *from, struct chan_msg *msg)
{
    struct link_body *body = link_body_new(msg->data);
    EXPECT(from == master_one(m, from->role));
    for (struct list *n = m->children.next; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (child_is_of_cycle(ch)) {
            child_send_body(ch, msg, body);
        }
    }
    link_body_unref(body);
}

static const struct role third = {
    .name = "third process",
    .life = ROLE_ONE,
    .user = offsetof(struct main_conf, user),
    .message_max = LONG_MAX_DATA,
    .keep = keep_report,
    .run = third_run,
    .on_message = pass_on,
};

static const struct role worker = {
    .name = "worker process",
    .life = ROLE_OF_CYCLE,
    .user = offsetof(struct main_conf, user),
    .has_ledger = true,
    .message_max = CHAN_DATA_MAX,
    .links = { { &third, CHAN_WORKER, CHAN_KEEPER } },
    .keep = keep_report,
    .run = worker_run,
};

static const struct role *const roles[] = { &role_keeper, &third, &worker,
    NULL };

/* Runs the master; *reports is the test's end. */
static pid_t
start(struct whole *w, FILE **reports)
{
    struct cycle_options o = { w->dir.path, "weir.conf", STR("") };
    int ends[2];
    tmp_dir_write(&w->dir, "logs/here", STR(""));
    tmp_dir_write(&w->dir, "weir.conf",
        STR("error_log logs/e; egress { listen unix:s proxy; }"));
    assert_int_equal(pipe(ends), 0);
    struct cycle *c = cycle_read(&o, CONF_SERVE);
    assert_non_null(c);
    pid_t pid = fork();
    if (pid == 0) {
        report = ends[1];
        close(ends[0]);
        _exit(master_run(&o, roles, c, -1));
    }
    assert_true(pid > 0);
    close(ends[1]);
    cycle_free(c);
    *reports = fdopen(ends[0], "r");
    return pid;
}

/* The next report that begins so: its number. */
static long
wait_for(FILE *reports, const char *what)
{
    char line[64];
    while (fgets(line, sizeof line, reports) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0) {
            return atol(line + strlen(what));
        }
    }
    fail_msg("no \"%s\"", what);
    return -1;
}

static void
test_a_third_role(void **state)
{
    FILE *reports;
    int status;
    clock_update();
    pid_t master = start(*state, &reports);
    long pid = wait_for(reports, "third ");
    assert_int_equal(wait_for(reports, "answered by "), pid);
    assert_int_equal(wait_for(reports, "told "), LONG);
    kill((pid_t)pid, SIGKILL);
    long second = wait_for(reports, "third ");
    assert_int_not_equal(second, pid);
    while (wait_for(reports, "answered by ") != second) {
    } /* the first may have answered more than once */
    kill(master, SIGTERM);
    char line[64];
    while (fgets(line, sizeof line, reports) != NULL) {
    } /* until none of them is left */
    assert_int_equal(waitpid(master, &status, 0), master);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fclose(reports);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WHOLE_TEST(test_a_third_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
