/*
 * One dial. The addresses, IPv6 and IPv4 in turn, go to a race (race.c); where
 * there is an upstream proxy, they go to it one after the other
 * (connect_tunnel.c). A failed TLS handshake ends the dial: it is the origin's
 * answer, and another address would not give another one.
 */

#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/connect_tunnel.h"
#include "net/race.h"
#include "net/tls.h"

#define DIAL_MAGIC 0xd1a1d1a1u

/* "host:port"; an address of IPv6 stands in brackets. */
#define TARGET_MAX (255 + sizeof ":65535")

struct dial {
    unsigned magic;
    struct task task;
    struct task *waiter;
    struct dial_args args;
    struct race race;
    unsigned asked; /* addresses of `race` that the proxy was asked for */
    struct connect_tunnel *tunnel;
    struct stream *stream;
    double start, deadline;
    double anew; /* clock_mono() of the question that passes by the cache; 0:
                    none was asked */
    bool has_waited; /* for an answer of the name servers */
    bool is_done;
    struct dial_result result;
};

static const struct step step_resolve, step_nowhere, step_connect, step_proxy,
    step_tunnel, step_tls, step_done;

static struct dial *
dial_of(struct task *t)
{
    struct dial *d = container_of(t, struct dial, task);
    CHECK(d, DIAL_MAGIC);
    return d;
}

/* Ends what could still bring a stream: attempts, and the tunnel. */
static void
close_ways(struct dial *d)
{
    race_fini(&d->race);
    if (d->tunnel != NULL) {
        connect_tunnel_free(d->tunnel);
        d->tunnel = NULL;
    }
}

static const struct step *
finish(struct dial *d)
{
    close_ways(d);
    d->is_done = true;
    task_wake(d->waiter);
    return &step_done;
}

/* Until the stream is taken it wakes this task. */
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

/* A discreet dial knows that it fails, and waits until its least time is
 * over. */
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

/* The name does not exist, or none of its addresses may be dialled. A discreet
 * dial that was answered from the cache asks the name servers before it says
 * so. */
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
is_late(const struct dial *d)
{
    return clock_mono() >= d->deadline;
}

/* Gives the race the addresses that the guard passes, IPv6 and IPv4 in turn.
 * False: none passed, and `*why` says why of the last one. */
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
    while (n != 0 && d->race.n < RACE_MAX) {
        unsigned i = 0;
        while (i < n && kept[i].family != family) {
            i++;
        }
        i = i < n ? i : 0;
        race_add(&d->race, &kept[i]);
        family = kept[i].family == 6 ? 4 : 6;
        memmove(&kept[i], &kept[i + 1], (n - i - 1) * sizeof *kept);
        n--;
    }
    return d->race.n != 0;
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
    return d->args.proxy != NULL ? &step_proxy : &step_connect;
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
    if (d->args.proxy != NULL && d->args.proxy->is_by_name) {
        return &step_proxy;
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
connect_failed(struct dial *d, int err)
{
    char text[256], addr[ADDR_TEXT_MAX], why[LOG_ERRNO_MAX];
    struct str path = d->race.path;
    d->result.addr = *race_last(&d->race);
    addr_format(&d->result.addr, true, addr);
    snprintf(text, sizeof text, "connect to %s%.*s failed%s", addr,
        STR_ARG(path), log_errno_text(err, why));
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

/* d->stream is connected to the origin. */
static const struct step *
connected(struct dial *d)
{
    close_ways(d);
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

static const struct step *
run_connect(struct task *t)
{
    struct dial *d = dial_of(t);
    switch (race_run(&d->race, &d->stream, &d->result.addr)) {
    case IO_OK:
        return connected(d);
    case IO_AGAIN:
        break;
    case IO_EOF:
    case IO_ERR:
        return connect_failed(d, d->race.last_errno);
    }
    if (is_late(d)) {
        return connect_failed(d, ETIMEDOUT);
    }
    double at = race_at(&d->race);
    task_wait(t, at < d->deadline ? at : d->deadline, NULL, NULL);
    return TASK_WAIT;
}

/* Asks the proxy for the next address that the guard passed, or for the
 * name. */
static const struct step *
run_proxy(struct task *t)
{
    struct dial *d = dial_of(t);
    char target[TARGET_MAX], addr[ADDR_TEXT_MAX];
    double left = d->deadline - clock_mono();
    close_ways(d);
    if (d->race.n != 0) {
        d->result.addr = d->race.addrs[d->asked++];
        addr_format(&d->result.addr, true, addr);
        snprintf(target, sizeof target, "%s", addr);
    } else {
        AN(d->args.name.n <= 255);
        snprintf(target, sizeof target, "%.*s:%u", STR_ARG(d->args.name),
            d->args.port);
    }
    d->tunnel = connect_tunnel_start(
        &d->args, str_of(target), left > 0 ? left : 0, &d->task);
    return &step_tunnel;
}

static const struct step *
run_tunnel(struct task *t)
{
    struct dial *d = dial_of(t);
    const struct dial_result *r = connect_tunnel_result(d->tunnel);
    if (r == NULL) {
        task_wait(t, TASK_NEVER, NULL, NULL);
        return TASK_WAIT;
    }
    if (r->error == DIAL_PROXY && connect_tunnel_is_unreached(d->tunnel) &&
        d->asked < d->race.n && !is_late(d)) {
        return &step_proxy;
    }
    if (d->race.n == 0) {
        d->result.addr = r->addr;
    }
    if (r->error != DIAL_OK) {
        d->result.is_exhausted = r->is_exhausted;
        return fail(d, r->error, r->proxy_error, r->text);
    }
    d->stream = connect_tunnel_take(d->tunnel, t);
    return connected(d);
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
    AN(args->addr.family != ADDR_UNIX ||
        (args->tls == NULL && args->proxy == NULL));
    d->args.name = args->addr.family == 4 || args->addr.family == 6
                       ? STR_NONE
                       : str_n(xstrndup(args->name), args->name.n);
    d->waiter = waiter;
    d->start = clock_mono();
    d->deadline = d->start + args->timeout;
    task_init(&d->task, args->loop, &step_resolve, on_end);
    race_init(&d->race, args->loop, &d->task,
        args->addr.family == ADDR_UNIX ? d->args.name : STR_NONE);
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
    close_ways(d);
    stream_close(d->stream);
    xfree((void *)d->args.name.p);
    d->magic = 0;
    xfree(d);
}

static const struct step step_resolve = { "dial: resolve", run_resolve };
static const struct step step_nowhere = { "dial: nowhere", run_nowhere };
static const struct step step_connect = { "dial: connect", run_connect };
static const struct step step_proxy = { "dial: proxy", run_proxy };
static const struct step step_tunnel = { "dial: tunnel", run_tunnel };
static const struct step step_tls = { "dial: tls", run_tls };
static const struct step step_done = { "dial: done", run_done };
