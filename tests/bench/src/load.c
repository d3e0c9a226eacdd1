/*
 * The load: clients of one kind against one port, for a time or a number of
 * requests, and a line of JSON about it. `load` alone prints its options.
 *
 * It measures three ways. Closed loop: each connection asks again when it is
 * answered; the figure is the proxy's CPU time per request, read from the
 * kernel at both edges of the window, so that neither this client's nor the
 * origin's cost is in it. Open loop (--rate): requests are due at fixed times
 * and a delay counts from then, so that a stall counts for all it delayed.
 * Held (--hold): connections are opened, used once and kept, while somebody
 * else looks at the proxy; each line on standard input asks once more on all.
 * Beside (--beside): the first connection is another sandbox's; how many of the
 * others' answers come between its request and its answer is counted.
 * SIGTERM ends a closed or an open loop, with its line of JSON.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "plan.h"
#include "util.h"

#define EVENTS_MAX 256
#define FAILURES_MAX 50000   /* of a proxy that is gone, or refuses */
#define RETRY_NS 10000000ull /* a client that was refused tries again then */

static struct plan opt;
static struct client_run run;
static struct client_run beside; /* of the first client, if opt.beside */
static struct client *clients;
static unsigned next_number; /* of a host */

/* The window: what is counted since it began. */
static struct {
    bool is_open, is_over;
    uint64_t began, ended;
    uint64_t responses, tokens, opened, resumed;
    uint64_t failures[N_FAILURES];
    struct hist whole, first, events, passed;
} window;

static uint64_t began_all; /* the open loop's zero */
static uint64_t n_taken;   /* of its requests */
static uint64_t n_settled; /* held connections: there, or failed */
static uint64_t n_started; /* … and how many were begun */
static uint64_t n_failed;  /* since the start */
static uint64_t n_others;  /* answers to others than the one beside them */
static uint64_t n_before;  /* … when its request was sent */
static volatile sig_atomic_t must_end;

static const char *const failure_names[] = {
    [F_CONNECT] = "connect",
    [F_PROXY_STATUS] = "proxy_status",
    [F_TLS] = "tls",
    [F_CLOSED_NEW] = "closed_new",
    [F_CLOSED_REUSED] = "closed_reused",
    [F_TRUNCATED] = "truncated",
    [F_STATUS] = "status",
    [F_GARBLED] = "garbled",
};

static void
window_begin(void)
{
    memset(&window, 0, sizeof window);
    for (uint64_t i = 0; i < opt.connections; i++) {
        clients[i].bytes = 0;
    }
    window.is_open = true;
    window.began = now_ns();
    for (size_t i = 0; i < opt.n_groups; i++) {
        opt.groups[i].at_start = group_ns(&opt.groups[i]);
    }
}

static void
print_hist(const char *name, const struct hist *h, double unit)
{
    printf(", \"%s\": {\"n\": %llu, \"p50\": %.1f, \"p95\": %.1f, "
           "\"p99\": %.1f, \"max\": %.1f}",
        name, (unsigned long long)h->count,
        (double)hist_quantile(h, 0.5) / unit,
        (double)hist_quantile(h, 0.95) / unit,
        (double)hist_quantile(h, 0.99) / unit, (double)h->max / unit);
}

static void
print_failures(void)
{
    const char *comma = "";
    printf(", \"failures\": {");
    for (size_t i = 0; i < N_FAILURES; i++) {
        if (window.failures[i] != 0) {
            printf("%s\"%s\": %llu", comma, failure_names[i],
                (unsigned long long)window.failures[i]);
            comma = ", ";
        }
    }
    printf("}");
}

static void
window_print(void)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < opt.connections; i++) {
        bytes += clients[i].bytes;
    }
    printf("{\"seconds\": %.6f, \"requests\": %llu, \"tokens\": %llu, "
           "\"opened\": %llu, \"resumed\": %llu, \"bytes\": %llu",
        (double)(window.ended - window.began) / 1e9,
        (unsigned long long)window.responses, (unsigned long long)window.tokens,
        (unsigned long long)window.opened, (unsigned long long)window.resumed,
        (unsigned long long)bytes);
    print_failures();
    print_hist("whole_us", &window.whole, 1e3);
    print_hist("first_us", &window.first, 1e3);
    print_hist("event_us", &window.events, 1e3);
    print_hist("passed", &window.passed, 1);
    printf(", \"cpu_us\": {");
    for (size_t i = 0; i < opt.n_groups; i++) {
        struct group *g = &opt.groups[i];
        printf("%s\"%s\": %.1f", i != 0 ? ", " : "", g->name,
            (double)(group_ns(g) - g->at_start) / 1e3);
    }
    printf("}}\n");
    fflush(stdout);
}

/* The CPU clocks are read first: what follows is not the window's. */
static void
window_end(void)
{
    if (!window.is_over) {
        window.ended = now_ns();
        window.is_over = true;
        window_print();
    }
}

static uint64_t
due_time(uint64_t k)
{
    return began_all + k * NS_PER_S / opt.rate;
}

static bool
is_beside(const struct client *c)
{
    return opt.beside != NULL && c == clients;
}

/* The next request of an idle connection, if it is time for one. */
static void
request_if_due(struct client *c)
{
    uint64_t now = now_ns();
    n_before = is_beside(c) ? n_others : n_before;
    if (opt.rate == 0) {
        client_request(c, c->responses == 0 && opt.is_new ? c->began : now);
    } else if (due_time(n_taken) <= now) {
        client_request(c, due_time(n_taken++));
    }
}

static void
on_ready(struct client *c)
{
    window.opened++;
    window.resumed += c->was_resumed;
    request_if_due(c);
}

static void
on_first(struct client *c)
{
    hist_add(&window.first, now_ns() - c->due);
}

static void
on_event(uint64_t stamp)
{
    if (stamp != 0) {
        hist_add(&window.events, now_ns() - stamp);
    }
}

static void
reopen(struct client *c)
{
    if (opt.is_mint && next_number >= opt.first + opt.names) {
        window_end(); /* no name is left that was never seen */
        return;
    }
    client_open(c, is_beside(c) ? &beside : &run,
        opt.is_mint ? next_number++
                    : (unsigned)(opt.first + next_number++ % opt.names));
}

static void
on_done(struct client *c)
{
    hist_add(&window.whole, now_ns() - c->due);
    if (is_beside(c)) {
        hist_add(&window.passed, n_others - n_before);
    } else {
        n_others++;
    }
    window.responses++;
    window.tokens += c->has_token;
    if (opt.must_tell) {
        opt.must_tell = false;
        puts("{}");
        fflush(stdout);
    }
    if (opt.is_held) {
        n_settled++;
        return;
    }
    if (opt.requests != 0 && window.responses >= opt.requests) {
        window_end();
    } else if (opt.is_new || c->must_close || c->step == S_CLOSED) {
        client_close(c); /* the main loop opens it again */
        c->began = 0;
    } else {
        request_if_due(c);
    }
}

static void
on_failure(struct client *c, enum failure f)
{
    c->began = now_ns() + RETRY_NS;
    window.failures[f]++;
    n_settled += opt.is_held;
    if (++n_failed > FAILURES_MAX) {
        window_end();
    }
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->session); /* each offers its own: they are used once */
    c->session = session;
    return 1;
}

static SSL_CTX *
tls_ctx(const char *ca)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || ca == NULL ||
        SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
        die("--ca %s", ca != NULL ? ca : "");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_mode(ctx,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (opt.is_held) {
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }
    SSL_CTX_set_read_ahead(ctx, 1);
    if (run.does_resume) {
        SSL_CTX_set_session_cache_mode(
            ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, on_session);
    }
    return ctx;
}

static void
on_term(int sig)
{
    (void)sig;
    must_end = 1;
}

static int
timer_of(uint64_t first_ns, uint64_t every_ns)
{
    struct itimerspec t = { 0 };
    struct epoll_event ev = { .events = EPOLLIN };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    t.it_value.tv_sec = (time_t)(first_ns / NS_PER_S);
    t.it_value.tv_nsec = (long)(first_ns % NS_PER_S);
    t.it_interval.tv_sec = (time_t)(every_ns / NS_PER_S);
    t.it_interval.tv_nsec = (long)(every_ns % NS_PER_S);
    if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) != 0 ||
        epoll_ctl(run.poll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("a timer");
    }
    return fd;
}

/* Drains a timer. Its only purpose was to end epoll_wait(). */
static void
timer_drain(int fd)
{
    uint64_t n;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN) {
        die("a timer");
    }
}

/* Due requests to idle connections; a connection that is gone, again. Returns
 * how long there is nothing more to do, in ms. */
static int
tend(void)
{
    int rest = 1000;
    for (uint64_t i = 0; i < opt.connections && !window.is_over; i++) {
        struct client *c = &clients[i];
        if (c->step == S_IDLE && c->must_close) {
            client_close(c);
            c->began = 0;
        }
        if (c->step == S_CLOSED && c->began > now_ns()) {
            rest = 1;
        } else if (c->step == S_CLOSED) {
            reopen(c);
        } else if (c->step == S_IDLE && opt.rate != 0 &&
                   due_time(n_taken) <= now_ns()) {
            request_if_due(c);
            client_turn(c);
        }
    }
    return rest;
}

static void
run_timed(void)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t edge = began_all + (uint64_t)(opt.warm * 1e9);
    uint64_t end = edge + (uint64_t)(opt.seconds * 1e9);
    int timers[3], n_timers = 0;
    signal(SIGTERM, on_term);
    if (opt.seconds > 0) {
        timers[n_timers++] = timer_of(edge, 0);
        timers[n_timers++] = timer_of(end, 0);
    }
    if (opt.rate != 0) {
        timers[n_timers++] = timer_of(began_all, NS_PER_S / opt.rate);
    }
    if (opt.warm <= 0) {
        window_begin();
    }
    while (!window.is_over) {
        int rest = tend();
        int n = epoll_wait(run.poll_fd, events, EVENTS_MAX, rest);
        for (int i = 0; i < n && !window.is_over; i++) {
            if (events[i].data.ptr != NULL) {
                client_turn(events[i].data.ptr);
            }
        }
        for (int i = 0; i < n_timers; i++) {
            timer_drain(timers[i]);
        }
        if (!window.is_open && now_ns() >= edge) {
            window_begin();
        }
        if (must_end || (opt.seconds > 0 && now_ns() >= end)) {
            window_end();
        }
    }
}

/* Opens connections, or asks once more on each, at_once at a time, until
 * all are there or have failed. */
static void
settle(void)
{
    struct epoll_event events[EVENTS_MAX];
    bool is_first = clients[0].run == NULL;
    n_settled = n_started = 0;
    window_begin();
    while (n_settled < opt.connections) {
        while (n_started < opt.connections &&
               n_started - n_settled < opt.at_once) {
            struct client *c = &clients[n_started++];
            if (is_first) {
                reopen(c);
            } else if (c->step == S_IDLE && !c->must_close) {
                client_request(c, now_ns());
                client_turn(c);
            } else {
                window.failures[F_CLOSED_REUSED]++;
                n_settled++;
            }
        }
        int n = epoll_wait(run.poll_fd, events, EVENTS_MAX, 1000);
        for (int i = 0; i < n; i++) {
            client_turn(events[i].data.ptr);
        }
        if (now_ns() - window.began > (uint64_t)(opt.seconds * 1e9)) {
            break; /* what hangs is neither response nor failure */
        }
    }
    window_end();
}

static void
run_held(void)
{
    char line[16];
    opt.seconds = opt.seconds > 0 ? opt.seconds : 60;
    do {
        settle();
    } while (fgets(line, sizeof line, stdin) != NULL);
}

int
main(int argc, char **argv)
{
    plan_parse(&opt, &run, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    run.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    run.on_ready = on_ready;
    run.on_first = on_first;
    run.on_event = on_event;
    run.on_done = on_done;
    run.on_failure = on_failure;
    run.ctx = tls_ctx(opt.ca);
    if (opt.beside != NULL) {
        beside = run;
        beside.from = inet_addr(opt.beside);
        beside.ctx = tls_ctx(opt.beside_ca);
    }
    clients = calloc(opt.connections, sizeof *clients);
    if (run.poll_fd < 0 || clients == NULL) {
        die("start");
    }
    for (uint64_t i = 0; i < opt.connections; i++) {
        clients[i].step = S_CLOSED;
    }
    began_all = now_ns();
    next_number = opt.is_mint ? (unsigned)opt.first : 0;
    if (opt.is_held) {
        run_held();
    } else {
        run_timed();
    }
    return 0;
}
