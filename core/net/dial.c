/*
 * One dial. Attempts start 250 ms apart, or as soon as one fails, families in
 * turn (RFC 8305 4 and 5); the first that connects wins and the others are
 * closed. A failure of TLS is the origin's answer, and no other address is
 * tried behind it.
 */

#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tcp.h"
#include "net/tls.h"

#define DIAL_MAGIC 0xd1a1d1a1u
#define ATTEMPT_DELAY 0.25
#define ATTEMPTS_MAX 8

/* To a unix socket whose backlog is full. */
#define AGAIN_DELAY 0.05

struct dial {
    unsigned magic;
    struct task task;
    struct task *waiter;
    struct dial_args args;
    struct addr addrs[ATTEMPTS_MAX];
    unsigned n_addrs, next;
    struct stream *attempts[ATTEMPTS_MAX]; /* by address */
    struct stream *stream;
    int last_errno;
    double start, deadline, next_attempt;
    double anew;     /* when the servers were asked anew; 0: not */
    bool has_waited; /* for the servers */
    bool is_done;
    struct dial_result result;
};

static const struct step step_resolve, step_nowhere, step_connect, step_tls,
    step_done;

static struct dial *
dial_of(struct task *t)
{
    struct dial *d = container_of(t, struct dial, task);
    CHECK(d, DIAL_MAGIC);
    return d;
}

static void
close_attempts(struct dial *d)
{
    for (unsigned i = 0; i < d->next; i++) {
        stream_close(d->attempts[i]);
        d->attempts[i] = NULL;
    }
}

static const struct step *
finish(struct dial *d)
{
    close_attempts(d);
    d->is_done = true;
    task_wake(d->waiter);
    return &step_done;
}

/* The stream still wakes this task until it is taken. */
static const struct step *
run_done(struct task *t)
{
    task_wait(t, TASK_NEVER, NULL, NULL);
    return TASK_WAIT;
}

static void
fail_later(struct dial *d, enum dial_error error, const char *proxy_error,
    const char *text)
{
    d->result.error = error;
    d->result.proxy_error = proxy_error;
    snprintf(d->result.text, sizeof d->result.text, "%s", text);
}

static const struct step *
fail(struct dial *d, enum dial_error error, const char *proxy_error,
    const char *text)
{
    fail_later(d, error, proxy_error, text);
    stream_close(d->stream);
    d->stream = NULL;
    return finish(d);
}

/* The answer is known, and is not given sooner than any other of its kind. */
static const struct step *
run_nowhere(struct task *t)
{
    struct dial *d = dial_of(t);
    double until = d->start + DIAL_DISCREET;
    if (clock_mono() < until) {
        task_wait(t, until, NULL, NULL);
        return TASK_WAIT;
    }
    return finish(d);
}

/* There is no such name, or no address of it may be dialled. */
static const struct step *
nowhere(struct dial *d, enum dial_error error, const char *proxy_error,
    const char *text)
{
    if (!d->args.is_discreet) {
        return fail(d, error, proxy_error, text);
    }
    if (!d->has_waited && d->anew == 0) {
        d->anew = clock_mono();
        return &step_resolve;
    }
    fail_later(d, error, proxy_error, text);
    return &step_nowhere;
}

static bool
is_unix(const struct dial *d)
{
    return d->args.addr.family == ADDR_UNIX;
}

static bool
is_late(const struct dial *d)
{
    return clock_mono() >= d->deadline;
}

/* Keeps what the guard passes; families in turn, IPv6 first. */
static bool
take_addresses(struct dial *d, const struct dns_answer *a, const char **why)
{
    struct addr kept[DNS_ADDRS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++) {
        struct addr addr = a->addrs[i];
        addr.port = d->args.port;
        if (guard_allows(d->args.guard, &addr, &d->args.policy, why)) {
            kept[n++] = addr;
        } else {
            d->result.addr = addr;
        }
    }
    uint8_t family = 6;
    while (n != 0 && d->n_addrs < ATTEMPTS_MAX) {
        unsigned i = 0;
        while (i < n && kept[i].family != family) {
            i++;
        }
        i = i < n ? i : 0;
        d->addrs[d->n_addrs++] = kept[i];
        family = kept[i].family == 6 ? 4 : 6;
        memmove(&kept[i], &kept[i + 1], (n - i - 1) * sizeof *kept);
        n--;
    }
    return d->n_addrs != 0;
}

static const struct step *
addresses_known(struct dial *d, const struct dns_answer *a)
{
    const char *why = "no address";
    if (!take_addresses(d, a, &why)) {
        char text[200], addr[ADDR_TEXT_MAX];
        addr_format(&d->result.addr, false, addr);
        snprintf(text, sizeof text, "address %s is not allowed: %s", addr, why);
        d->result.why = why;
        return nowhere(d, DIAL_DENIED, "destination_ip_prohibited", text);
    }
    return &step_connect;
}

static void
forget_dns(struct task *t, void *arg)
{
    dns_forget(arg, t);
}

static enum dns_state
ask(struct dial *d, struct dns_answer *a)
{
    const struct dial_args *args = &d->args;
    return d->anew != 0
               ? dns_get_anew(
                     args->dns, args->serial, args->name, d->anew, &d->task, a)
               : dns_get(args->dns, args->serial, args->name, &d->task, a);
}

static const struct step *
run_resolve(struct task *t)
{
    struct dial *d = dial_of(t);
    struct dns_answer a = { .n = 1 };
    if (d->args.addr.family != 0) {
        a.addrs[0] = d->args.addr;
        return addresses_known(d, &a);
    }
    if (is_late(d)) {
        return fail(d, DIAL_DNS_TIMEOUT, "dns_timeout",
            "the name was not resolved in time");
    }
    switch (ask(d, &a)) {
    case DNS_READY:
        return addresses_known(d, &a);
    case DNS_PENDING:
        d->has_waited = true;
        task_wait(t, d->deadline, forget_dns, d->args.dns);
        return TASK_WAIT;
    case DNS_NONE:
        return nowhere(d, DIAL_NO_NAME, "dns_error", "the name does not exist");
    case DNS_FAILED:
        return fail(d, DIAL_DNS, "dns_error", "the resolver failed");
    case DNS_TIMEOUT:
        return fail(
            d, DIAL_DNS_TIMEOUT, "dns_timeout", "the resolver did not answer");
    case DNS_BUSY:
        break;
    }
    return fail(d, DIAL_OWN, "proxy_internal_error",
        "too many names are being resolved");
}

static const struct step *
connect_failed(struct dial *d)
{
    char text[256], addr[ADDR_TEXT_MAX];
    int err = d->last_errno;
    struct str path = is_unix(d) ? d->args.name : STR("");
    addr_format(&d->result.addr, true, addr);
    snprintf(text, sizeof text, "connect to %s%.*s: %s", addr, STR_ARG(path),
        strerror(err));
    switch (err) {
    case ECONNREFUSED:
    case ECONNRESET:
        return fail(d, DIAL_REFUSED, "connection_refused", text);
    case ETIMEDOUT:
        return fail(d, DIAL_TIMEOUT, "connection_timeout", text);
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        d->result.is_exhausted = true;
        return fail(d, DIAL_OWN, "proxy_internal_error", text);
    default:
        return fail(d, DIAL_UNREACHABLE, "destination_ip_unroutable", text);
    }
}

static const struct step *
connected(struct dial *d, unsigned i)
{
    d->stream = d->attempts[i];
    d->attempts[i] = NULL;
    d->result.addr = d->addrs[i];
    close_attempts(d);
    if (d->args.tls == NULL) {
        return finish(d);
    }
    struct tls_connect_args args = { .name = d->args.name,
        .ip = d->args.addr,
        .port = d->args.port,
        .serial = d->args.serial };
    d->stream = tls_connect(d->args.tls, d->stream, &args, &d->task);
    return &step_tls;
}

/* Looks at what runs; the index of one that is connected, or -1. */
static int
poll_attempts(struct dial *d, unsigned *running)
{
    *running = 0;
    for (unsigned i = 0; i < d->next; i++) {
        if (d->attempts[i] == NULL) {
            continue;
        }
        switch (stream_handshake(d->attempts[i])) {
        case IO_OK:
            return (int)i;
        case IO_AGAIN:
            ++*running;
            break;
        case IO_EOF:
        case IO_ERR:
            d->last_errno = errno;
            stream_close(d->attempts[i]);
            d->attempts[i] = NULL;
            d->next_attempt = 0; /* the next at once */
            break;
        }
    }
    return -1;
}

static void
start_attempt(struct dial *d)
{
    unsigned i = d->next++;
    d->result.addr = d->addrs[i];
    d->attempts[i] =
        is_unix(d) ? tcp_connect_unix(d->args.loop, d->args.name, &d->task)
                   : tcp_connect(d->args.loop, &d->addrs[i], &d->task);
    if (d->attempts[i] == NULL) {
        d->last_errno = errno;
        d->next_attempt = 0;
    } else {
        d->next_attempt = clock_mono() + ATTEMPT_DELAY;
    }
}

/* No event tells of room in a unix socket's backlog. */
static const struct step *
connect_later(struct dial *d)
{
    double at = clock_mono() + AGAIN_DELAY;
    d->next = 0;
    d->next_attempt = at;
    task_wait(&d->task, at < d->deadline ? at : d->deadline, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
run_connect(struct task *t)
{
    struct dial *d = dial_of(t);
    unsigned running;
    int won = poll_attempts(d, &running);
    while (won < 0 && d->next < d->n_addrs && clock_mono() >= d->next_attempt) {
        start_attempt(d);
        won = poll_attempts(d, &running);
    }
    if (won >= 0) {
        return connected(d, (unsigned)won);
    }
    if (is_late(d)) {
        d->last_errno = ETIMEDOUT;
        return connect_failed(d);
    }
    if (running == 0 && d->next == d->n_addrs) {
        return is_unix(d) && d->last_errno == EAGAIN ? connect_later(d)
                                                     : connect_failed(d);
    }
    bool has_more = d->next < d->n_addrs && d->next_attempt < d->deadline;
    task_wait(t, has_more ? d->next_attempt : d->deadline, NULL, NULL);
    return TASK_WAIT;
}

static const struct step *
run_tls(struct task *t)
{
    struct dial *d = dial_of(t);
    switch (stream_handshake(d->stream)) {
    case IO_OK:
        return finish(d);
    case IO_AGAIN:
        break;
    case IO_EOF:
    case IO_ERR: {
        bool is_untrusted = tls_is_untrusted(d->stream);
        return fail(d, is_untrusted ? DIAL_UNTRUSTED : DIAL_TLS,
            is_untrusted ? "tls_certificate_error" : "tls_protocol_error",
            tls_error(d->stream));
    }
    }
    if (is_late(d)) {
        return fail(d, DIAL_TIMEOUT, "connection_timeout",
            "the TLS handshake did not end in time");
    }
    task_wait(t, d->deadline, NULL, NULL);
    return TASK_WAIT;
}

static void
on_end(struct task *t)
{
    (void)t;
    PANIC("a dial has no end step");
}

struct dial *
dial_start(const struct dial_args *args, struct task *waiter)
{
    struct dial *d = xcalloc(sizeof *d);
    d->magic = DIAL_MAGIC;
    d->args = *args;
    AN(args->addr.family != ADDR_UNIX || args->tls == NULL);
    d->args.name = args->addr.family == 4 || args->addr.family == 6
                       ? STR_NONE
                       : str_n(xstrndup(args->name), args->name.n);
    d->waiter = waiter;
    d->start = clock_mono();
    d->deadline = d->start + args->timeout;
    task_init(&d->task, args->loop, &step_resolve, on_end);
    task_wake(&d->task);
    return d;
}

const struct dial_result *
dial_result(const struct dial *d)
{
    CHECK(d, DIAL_MAGIC);
    return d->is_done ? &d->result : NULL;
}

struct stream *
dial_take(struct dial *d, struct task *task)
{
    CHECK(d, DIAL_MAGIC);
    struct stream *s = d->stream;
    AN(s != NULL);
    d->stream = NULL;
    stream_set_task(s, task);
    return s;
}

void
dial_free(struct dial *d)
{
    CHECK(d, DIAL_MAGIC);
    task_fini(&d->task);
    close_attempts(d);
    stream_close(d->stream);
    xfree((void *)d->args.name.p);
    d->magic = 0;
    xfree(d);
}

static const struct step step_resolve = { "dial: resolve", run_resolve };
static const struct step step_nowhere = { "dial: nowhere", run_nowhere };
static const struct step step_connect = { "dial: connect", run_connect };
static const struct step step_tls = { "dial: tls", run_tls };
static const struct step step_done = { "dial: done", run_done };
