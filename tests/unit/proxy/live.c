/*
 * The live worker of tests: its configuration, its clock, what can be seen of
 * it.
 */

#include "live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "../net/cert.h"
#include "../net/leaf_fixture.h"
#include "../os/fds.h"
#include "../proc/whole_conf.h"
#include "../seams.h"
#include "base/log.h"
#include "base/mem.h"
#include "live_end.h"
#include "ledger/ledger.h"
#include "net/tcp.h"
#include "os/sock.h"
#include "policy/policy_secret.h"
#include "proxy/logfile.h"
#include "proxy/worker.h"
#include "sandbox/sandbox_conf.h"
#include "wire/pool.h"

/* Milliseconds that pass at once. */
#define STEP 10

/* More turns than that without a pause is a loop that spins. */
#define TURNS_MAX 100000

#define CONNS 64

static struct live *current;
static int64_t passed; /* microseconds */

/* The clock */

static int
still_clock(clockid_t id, struct timespec *ts)
{
    static struct timespec began[2];
    unsigned i = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (began[i].tv_sec == 0) {
        AZ(kernel_clock(i ? CLOCK_REALTIME : CLOCK_MONOTONIC, &began[i]));
        began[i].tv_nsec = 0;
    }
    ts->tv_sec = began[i].tv_sec + passed / 1000000;
    ts->tv_nsec = passed % 1000000 * 1000;
    return 0;
}

static void
on_probe(struct ev_loop *ev, struct ev_check *w, int events)
{
    struct live *l = container_of(w, struct live, probe);
    (void)ev, (void)events;
    l->is_quiet = list_is_empty(&l->loop->ready);
}

static bool
serve_keeper(struct live *l)
{
    if (l->is_keeper_silent || !lf_has_ask()) {
        return false;
    }
    struct mint_ask ask = lf_take_ask();
    struct mint_answer a = lf_sign(&ask);
    lf_answer(&a);
    return true;
}

void
live_settle(struct live *l)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        ev_run(l->loop->ev, EVRUN_NOWAIT);
        if (!serve_keeper(l) && l->is_quiet) {
            return;
        }
    }
    fail_msg("the loop spins");
}

/* A microsecond more: libev's timers go off behind their time. */
void
live_pass(struct live *l, unsigned ms)
{
    passed++;
    while (ms != 0) {
        unsigned step = ms < STEP ? ms : STEP;
        passed += step * 1000;
        ms -= step;
        live_settle(l);
    }
}

/* What anybody can see */

struct seen {
    unsigned conns, arrived;
    size_t bytes, closed;
    off_t access, error;
};

static off_t
size_of(struct live *l, const char *name)
{
    struct whole *w = l->whole;
    int fd = open(tmp_dir_path(&w->dir, name), O_RDONLY | O_CLOEXEC);
    off_t n = lseek(fd, 0, SEEK_END);
    close(fd);
    return n;
}

static struct seen
look(struct live *l)
{
    struct whole *w = l->whole;
    struct seen s = { .conns = l->worker->n_conns,
        .arrived = l->n_arrived,
        .access = size_of(l, "access.log"),
        .error = lseek(w->log, 0, SEEK_CUR) };
    for (unsigned i = 0; i < l->n_ends; i++) {
        struct pollfd p = { l->ends[i]->fd, POLLRDHUP, 0 };
        int n = 0;
        if (p.fd >= 0) {
            AZ(ioctl(p.fd, FIONREAD, &n));
            s.closed += poll(&p, 1, 0) == 1;
        }
        s.bytes += (size_t)n;
    }
    return s;
}

static bool
is_same(const struct seen *a, const struct seen *b)
{
    return a->conns == b->conns && a->arrived == b->arrived &&
           a->bytes == b->bytes && a->closed == b->closed &&
           a->access == b->access && a->error == b->error;
}

void
live_nothing(struct live *l, unsigned ms)
{
    struct seen before = look(l);
    live_pass(l, ms);
    struct seen after = look(l);
    if (!is_same(&before, &after)) {
        fail_msg("something happened within %u ms", ms);
    }
}

void
live_lasts(struct live *l, unsigned ms)
{
    live_nothing(l, ms - 1);
    struct seen before = look(l);
    live_pass(l, 1);
    struct seen after = look(l);
    if (is_same(&before, &after)) {
        fail_msg("nothing happened after %u ms", ms);
    }
}

void
live_logs(struct live *l, const char *text)
{
    static char line[65536];
    struct whole *w = l->whole;
    int fd = open(tmp_dir_path(&w->dir, "access.log"), O_RDONLY | O_CLOEXEC);
    ssize_t n = pread(fd, line, sizeof line - 1, (off_t)l->logged);
    close(fd);
    assert_in_range(n, 0, sizeof line - 1);
    line[n] = '\0';
    l->logged += (size_t)n;
    char *end = strchr(line, '\n');
    if (end == NULL || end[1] != '\0' || strstr(line, text) == NULL) {
        fail_msg("not one line with '%s' but '%s'", text, line);
    }
}

void
live_says_why(struct live *l, const char *text)
{
    struct whole *w = l->whole;
    static char all[65536];
    off_t size = lseek(w->log, 0, SEEK_END);
    off_t from = size < (off_t)sizeof all ? 0 : size - (off_t)sizeof all + 1;
    ssize_t n = pread(w->log, all, sizeof all - 1, from);
    all[n > 0 ? n : 0] = '\0';
    if (strstr(all, text) == NULL) {
        fail_msg("no line with '%s' but '%s'", text, all);
    }
    AZ(ftruncate(w->log, 0));
    AZ(lseek(w->log, 0, SEEK_SET));
}

static void
free_ends(struct live *l)
{
    for (unsigned i = 0; i < l->n_ends; i++) {
        live_end_free(l->ends[i]);
    }
    l->n_ends = 0;
}

void
live_is_back(struct live *l)
{
    const struct sandbox *sb = sandbox_set_next(l->worker->sandboxes, NULL);
    live_settle(l);
    assert_int_equal(l->worker->n_conns, 0);
    assert_int_equal(l->n_arrived, 0);
    assert_int_equal(pool_idle(l->worker->pool), 0);
    assert_int_equal(size_of(l, "access.log"), l->logged);
    struct ledger_record *r = ledger_lock(l->ledger, sb->index, sb->serial);
    struct ledger_share total = r->total;
    ledger_unlock(l->ledger, sb->index, NULL);
    assert_int_equal(total.used, 0);
    assert_int_equal(total.asked, 0);
    assert_int_equal(total.connections, 0);
    assert_int_equal(total.requests, 0);
    free_ends(l);
    assert_int_equal(fds_open(), l->fds);
}

/* Whom weir reaches */

static int
arrive(struct live *l, int fd)
{
    int pair[2];
    AZ(socketpair(
        AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
    AN(dup3(pair[0], fd, O_CLOEXEC) == fd);
    close(pair[0]);
    AN(l->n_arrived < LIVE_ARRIVED);
    l->arrived[l->n_arrived++] = pair[1];
    return 0;
}

/* Of a socket that listens no event comes, and it has no other end. */
static int
leave_unanswered(int fd)
{
    AZ(listen(fd, 1));
    errno = EINPROGRESS;
    return -1;
}

static int
reach(int fd, const struct sockaddr *sa, socklen_t n)
{
    int type = 0;
    socklen_t size = sizeof type;
    AZ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size));
    if (current == NULL || sa->sa_family != AF_INET || type != SOCK_STREAM) {
        return kernel_connect(fd, sa, n);
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
    return in->sin_addr.s_addr == inet_addr("10.9.0.2") ? leave_unanswered(fd)
                                                        : arrive(current, fd);
}

/* The worker */

static int
open_resolver(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    AZ(bind(fd, (struct sockaddr *)&in, sizeof in));
    return fd;
}

int
live_set_up(void **state)
{
    struct live *l = xcalloc(sizeof *l);
    *state = current = l;
    seam_clock(still_clock);
    seam_connect(reach);
    lf_setup(state);
    l->loop = fx.loop;
    l->resolver = open_resolver();
    ev_check_init(&l->probe, on_probe);
    ev_set_priority(&l->probe, EV_MINPRI + 1); /* before tasks run */
    ev_check_start(l->loop->ev, &l->probe);
    return whole_set_up(&l->whole);
}

int
live_set_up_one_byte(void **state)
{
    tcp_set_one_byte(true);
    return live_set_up(state);
}

static void
end_worker(struct live *l)
{
    free_ends(l);
    for (unsigned i = 0; i < l->n_arrived; i++) {
        close(l->arrived[i]);
    }
    l->n_arrived = 0;
    if (l->worker != NULL) {
        live_settle(l);
        worker_free(l->worker);
        ledger_free(l->ledger);
        close(fx.peer);
    }
    l->worker = NULL;
}

int
live_tear_down(void **state)
{
    struct live *l = *state;
    end_worker(l);
    current = NULL;
    if (((struct whole *)l->whole)->conf != NULL) {
        logfiles_close(((struct whole *)l->whole)->conf);
    }
    whole_tear_down(&l->whole);
    tcp_set_one_byte(false);
    close(l->resolver);
    ev_check_stop(l->loop->ev, &l->probe);
    lf_teardown(state);
    xfree(l);
    bufq_trim();
    return 0;
}

static const char text[] =
    "egress { access_log access.log json; ports 80 443;\n"
    "listen 127.0.0.1:1 proxy; listen 127.0.0.1:2 proxy proxy_protocol;\n"
    "set_real_ip_from 10.0.0.0/8; allow_address 10.9.0.0/24;\n"
    "resolver 127.0.0.1:%u; resolve up.test 10.9.0.1;\n"
    "resolve silent.test 10.9.0.2; proxy_ssl_trusted_certificate ca.pem;\n"
    "%s\n"
    "sandbox_class k { allowed_hosts *.test; %s %s }\n"
    "sandbox box { class k; address 10.0.0.1; } }\n";

static void
configure(struct live *l, const char *egress, const char *more)
{
    static char whole[8192];
    struct whole *w = l->whole;
    struct addr a;
    const char *slots = strstr(more, "header_slots ") != NULL
                            ? ""
                            : "header_slots 1; header_slots_queue 0;";
    sock_local(l->resolver, &a);
    snprintf(whole, sizeof whole, text, a.port, egress, slots, more);
    tmp_dir_write(&w->dir, "token", STR("a-secret-value-0123456789\n"));
    cert_write(live_ca(), tmp_dir_path(&w->dir, "ca.pem"));
    struct conf *c = whole_binds(&l->whole, whole);
    if (policy_secrets_load(c, w->err, sizeof w->err) != 0) {
        fail_msg("%s", w->err);
    }
    sandbox_assign(sandbox_set_next(sandbox_set_of(c), NULL), fx.owner.serial,
        fx.owner.index, fx.owner.ca_cert_der);
    unlink(tmp_dir_path(&w->dir, "access.log"));
    AZ(logfiles_open(c, getuid(), getgid()));
    l->logged = 0;
}

struct live *
live_start(void **state, const char *egress, const char *more)
{
    struct live *l = *state;
    struct whole *w = l->whole;
    int pair[2];
    end_worker(l);
    if (w->conf != NULL) {
        logfiles_close(w->conf);
    }
    configure(l, egress, more);
    AZ(sock_pair(pair));
    fx.peer = pair[1];
    l->is_keeper_silent = false;
    l->ledger = ledger_new();
    AZ(ledger_claim(l->ledger));
    struct worker_setup setup = { .loop = l->loop,
        .conf = w->conf,
        .generation = ledger_generation(l->ledger),
        .count = 1,
        .keeper = pair[0],
        .tickets = -1,
        .ledger = l->ledger,
        .max_conns = CONNS,
        .shared_conns = CONNS };
    l->worker = worker_new(&setup);
    assert_non_null(l->worker);
    live_settle(l);
    AZ(ftruncate(w->log, 0));
    AZ(lseek(w->log, 0, SEEK_SET));
    l->fds = fds_open();
    return l;
}
