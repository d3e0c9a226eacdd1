/*
 * See worker_sandbox.h. The list of a sandbox's connections is in the sandbox;
 * no other file changes it. A sandbox gets a new
 * policy only by a function of this file, which has all its exchanges judged
 * again: none may send under an old policy.
 */

#include "proxy/worker_sandbox.h"

#include "base/mem.h"
#include "net/leaf.h"
#include "net/tls_ctx.h"
#include "net/tls_session.h"
#include "proxy/conn.h"
#include "proxy/distrust.h"
#include "proxy/finding.h"
#include "proxy/hook.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "proxy/slot.h"
#include "proxy/tx.h"
#include "proxy/tx_policy.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "wire/pool.h"

/* The TLS clients of all scopes, each once: one for each set of settings. */
static void
collect_tls(struct worker *w, const struct scope *s)
{
    const struct proxy_conf *pc = scope_part(s, PART_PROXY);
    bool is_there = pc->tls == NULL;
    for (unsigned i = 0; i < w->n_tls_clients; i++) {
        is_there = is_there || w->tls_clients[i] == pc->tls;
    }
    if (!is_there) {
        w->tls_clients = xgrow(
            w->tls_clients, w->n_tls_clients, sizeof(struct tls_client *));
        w->tls_clients[w->n_tls_clients++] = pc->tls;
    }
    for (s = s->children; s != NULL; s = s->next) {
        collect_tls(w, s);
    }
}

void
worker_sandbox_init(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    AZ(w->n_tls_clients);
    collect_tls(w, w->egress);
}

void
worker_sandbox_fini(struct worker *w)
{
    CHECK(w, WORKER_MAGIC);
    xfree(w->tls_clients);
    w->tls_clients = NULL;
    w->n_tls_clients = 0;
}

void
conn_join(struct conn *c, struct sandbox *sb)
{
    CHECK(c, CONN_MAGIC);
    AZ(c->sandbox);
    AZ(sb->is_ended);
    c->sandbox = sandbox_ref(sb);
    list_add_tail(&sb->conns, &c->of_sandbox);
}

void
conn_leave(struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    if (c->sandbox != NULL) {
        list_del(&c->of_sandbox);
        sandbox_unref(c->sandbox);
        c->sandbox = NULL;
    }
}

void
worker_sandbox_each(
    struct sandbox *sb, void (*fn)(struct conn *c, void *arg), void *arg)
{
    CHECK(sb, SANDBOX_MAGIC);
    struct list *node = sb->conns.next;
    while (node != &sb->conns) {
        struct conn *c = container_of(node, struct conn, of_sandbox);
        CHECK(c, CONN_MAGIC);
        node = node->next;
        fn(c, arg);
    }
}

static void
cut(struct conn *c, void *why)
{
    if (c->tx != NULL) {
        tx_cut(c->tx, str_of(why));
    }
    conn_free(c);
}

/* An exchange that has sent nothing is waiting, and is judged again when it is
 * woken. */
static void
judge_conn(struct conn *c, void *arg)
{
    static char why[] = "refused by a newer policy";
    struct tx *tx = c->tx;
    (void)arg;
    if (tx == NULL || tx->is_over || tx->policy == NULL) {
        return; /* its next request is judged when it comes */
    }
    if (!upstream_has_begun(tx)) {
        task_wake(&tx->xfer.task);
    } else if (tx_is_denied(tx)) {
        cut(c, why);
    }
}

/* Requests that wait in the queue may get a slot now. */
static void
set_slots(struct worker *w, const struct sandbox *sb)
{
    struct slot_ask ask = { .serial = sb->serial,
        .index = sb->index,
        .limit = sb->policy->header_slots,
        .revision = worker_revision(w, sb->policy) };
    slots_set_limit(w->slots, &ask);
}

bool
worker_sandbox_change(struct worker *w, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash)
{
    CHECK(w, WORKER_MAGIC);
    const struct policy *old = sb->policy;
    if (!sandbox_set_change(w->sandboxes, sb, spec, clash)) {
        return false;
    }
    if (sb->policy != old) {
        set_slots(w, sb);
        worker_sandbox_each(sb, judge_conn, NULL);
    }
    return true;
}

void
worker_sandbox_end(struct worker *w, struct sandbox *sb)
{
    static char why[] = "the sandbox ended";
    CHECK(w, WORKER_MAGIC);
    uint64_t serial = sandbox_ref(sb)->serial;
    sandbox_set_remove(w->sandboxes, sb);
    worker_sandbox_each(sb, cut, why);
    AN(list_is_empty(&sb->conns));
    pool_forget(w->pool, serial);
    if (w->leaves != NULL) {
        leaf_cache_forget(w->leaves, serial);
    }
    for (unsigned i = 0; i < w->n_tls_clients; i++) {
        tls_sessions_forget(tls_client_sessions(w->tls_clients[i]), serial);
    }
    distrust_forget(w->distrust, serial);
    findings_forget(w->findings, serial);
    hooks_sandbox_end(w, serial);
    sandbox_unref(sb);
}
