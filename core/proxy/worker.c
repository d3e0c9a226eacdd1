/*
 * How a worker starts and ends: makes what its connections share, begins to
 * accept, drains. Only proc/worker_process.c calls it.
 */

#include "proxy/worker.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns.h"
#include "net/guard.h"
#include "net/leaf.h"
#include "net/tls_ctx.h"
#include "policy/policy_secret.h"
#include "proxy/accept.h"
#include "proxy/conn.h"
#include "proxy/distrust.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/listen.h"
#include "proxy/logfile.h"
#include "proxy/page.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/slot.h"
#include "proxy/tx.h"
#include "proxy/worker_sandbox.h"
#include "sandbox/sandbox_conf.h"
#include "secret/secret_store.h"
#include "wire/pool.h"

/* Idle upstream connections at most, in all and for one host of one sandbox. */
#define POOL_MAX 2048
#define POOL_HOST_MAX 256

/* How many of them are closed when one descriptor is needed, so that there is
 * one for the next connections too. */
#define SHED_AT_ONCE 8

const struct proxy_conf *
worker_conf(const struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    return w->proxy_conf;
}

struct str
worker_page(const struct worker *w, unsigned status)
{
    CHECK(w, WORKER_MAGIC);
    return page_get(w->proxy_conf->pages, status);
}

void
worker_conn_ended(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    if (w->acceptors != NULL) {
        accept_resume(w);
    }
    worker_check_drained(w);
}

void
worker_check_drained(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    if (w->is_quitting && list_is_empty(&w->conns) && accept_is_over(w) &&
        w->setup.on_drained != NULL) {
        w->setup.on_drained(w->setup.arg);
    }
}

/* The policy of a sandbox may be older or newer than the worker's
 * configuration: the newer revision holds. But a worker that drains after a
 * reload uses its own, even if the policy has changed since: its successor
 * knows that change too, and has a newer configuration. */
uint64_t
worker_revision(const struct worker *w, const struct policy *p)
{
    CHECK(w, WORKER_MAGIC);
    bool has_successor = w->is_quitting && !w->is_hard;
    uint64_t own = w->setup.revision;
    return p->revision > own && !has_successor ? p->revision : own;
}

/* Sets the limit of slots for every sandbox. If it was raised, requests that
 * wait in workers that drain get the new slots too. */
static void
set_slot_limits(struct worker *w)
{
    const struct sandbox *sb = sandbox_set_next(w->sandboxes, NULL);
    for (; sb != NULL; sb = sandbox_set_next(w->sandboxes, sb)) {
        struct slot_ask ask = { .serial = sb->serial,
            .index = sb->index,
            .limit = sb->policy->header_slots,
            .revision = worker_revision(w, sb->policy) };
        slots_set_limit(w->slots, &ask);
    }
}

void
worker_serve(struct worker *w, struct str workers)
{
    CHECK(w, WORKER_MAGIC);
    if (!w->has_served) {
        w->has_served = true;
        set_slot_limits(w);
    }
    accept_share(w, workers);
}

bool
worker_shed(struct worker *w)
{
    return w->pool != NULL && pool_shed(w->pool, SHED_AT_ONCE) != 0;
}

static void
quit_all(struct worker *w, bool is_hard)
{
    struct list *node = w->conns.next;
    while (node != &w->conns) {
        struct conn *c = container_of(node, struct conn, node);
        node = node->next;
        conn_quit(c, is_hard);
    }
}

/* The deadline of a graceful end has passed: cuts what still runs. */
static void
on_quit_deadline(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, quit_timer);
    log_at(LOG_NOTICE, "worker_shutdown_timeout: closing %u connections",
        w->n_conns);
    if (w->setup.on_drained != NULL) {
        w->setup.on_drained(w->setup.arg);
    }
}

void
worker_quit(struct worker *w, double deadline, bool is_hard, struct str leaving)
{
    CHECK(w, WORKER_MAGIC);
    if (!w->is_quitting) {
        accept_leave(w, leaving);
        timer_init(&w->quit_timer, w->loop, on_quit_deadline);
    }
    w->is_quitting = true;
    w->is_hard = w->is_hard || is_hard;
    quit_all(w, is_hard);
    timer_start(&w->quit_timer, deadline - clock_mono());
    worker_check_drained(w);
}

void
worker_keeper_changed(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    if (w->leaves != NULL) {
        leaf_cache_ask_again(w->leaves);
    }
}

void
worker_set_log(struct worker *w, unsigned i, int fd)
{
    struct logfile *f = logfile_nth(w->conf, i);
    CHECK(w, WORKER_MAGIC);
    if (f == NULL) {
        close(fd);
        return;
    }
    logfile_reopened(f, fd);
}

static struct dns *
make_dns(struct worker *w)
{
    const struct proxy_conf *pc = w->proxy_conf;
    struct dns_conf c = { .servers = pc->resolver.items,
        .n_servers = pc->resolver.n,
        .n_names = pc->names.n };
    struct dns_static *names = xcalloc((pc->names.n + 1) * sizeof *names);
    for (unsigned i = 0; i < pc->names.n; i++) {
        const struct static_name *s = &pc->names.items[i];
        names[i] = (struct dns_static){ s->name, s->addrs.items, s->addrs.n };
    }
    c.names = w->static_names = names;
    return dns_new(w->loop, &c);
}

int
worker_make_leaves(struct worker *w, unsigned max, unsigned rate)
{
    CHECK(w, WORKER_MAGIC);
    AZ(w->leaves);
    w->leaves = leaf_cache_new(w->loop, w->setup.keeper, max, rate);
    w->setup.keeper = -1; /* the mints have taken it */
    return w->leaves != NULL ? 0 : -1;
}

static bool
worker_make(struct worker *w)
{
    const struct proxy_conf *pc = w->proxy_conf;
    tcp_set_keepalive(&pc->so_keepalive);
    w->tls = tls_server_new(w->setup.tickets);
    w->dns = make_dns(w);
    w->guard = listen_guard(w->conf, w->loop);
    w->distrust = distrust_new();
    w->findings = findings_new();
    if (w->tls == NULL || w->dns == NULL || w->guard == NULL) {
        return false;
    }
    w->pool = pool_new(w->loop, w->guard, POOL_MAX, POOL_HOST_MAX);
    w->slots = slots_new(w->loop, w->setup.ledger);
    return hooks_worker_init(w) == 0;
}

struct worker *
worker_new(const struct worker_setup *setup)
{
    struct worker *w = xcalloc(sizeof *w);
    w->magic = WORKER_MAGIC;
    w->setup = *setup;
    w->loop = setup->loop;
    w->conf = setup->conf;
    w->max_conns = setup->max_conns;
    w->egress = conf_scope(w->conf, CONF_EGRESS);
    w->sandboxes = sandbox_set_of(w->conf);
    w->secrets = policy_secret_store(w->conf);
    list_init(&w->conns);
    worker_sandbox_init(w);
    w->proxy_conf = scope_part(w->egress, PART_PROXY);
    hooks_init(modules, modules_count);
    w->module_state = xcalloc(modules_state_size(LIFE_WORKER));
    if (!worker_make(w)) {
        worker_free(w);
        return NULL;
    }
    logfiles_start((struct conf *)w->conf, w->loop);
    accept_init(w);
    return w;
}

static void
free_conns(struct worker *w)
{
    w->setup.on_drained = NULL;
    w->is_quitting = true;
    while (!list_is_empty(&w->conns)) {
        struct conn *c = container_of(w->conns.next, struct conn, node);
        if (c->tx != NULL) {
            tx_cut(c->tx, STR("the worker ended"));
        }
        conn_free(c);
    }
}

void
worker_free(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    free_conns(w);
    if (w->acceptors != NULL) {
        accept_fini(w);
    }
    if (w->slots != NULL) {
        slots_free(w->slots);
    }
    if (w->pool != NULL) {
        pool_free(w->pool);
        hooks_worker_exit(w);
        logfiles_stop((struct conf *)w->conf);
    }
    if (w->leaves != NULL) {
        leaf_cache_free(w->leaves);
    }
    if (w->setup.keeper >= 0) {
        close(w->setup.keeper);
    }
    if (w->dns != NULL) {
        dns_free(w->dns);
    }
    distrust_free(w->distrust);
    findings_free(w->findings);
    if (w->guard != NULL) {
        guard_free(w->guard);
    }
    if (w->tls != NULL) {
        tls_server_free(w->tls);
    }
    if (w->quit_timer.loop != NULL) {
        timer_stop(&w->quit_timer);
    }
    worker_sandbox_fini(w);
    xfree(w->static_names);
    xfree(w->module_state);
    w->magic = 0;
    xfree(w);
}
