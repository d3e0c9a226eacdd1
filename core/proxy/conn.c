/*
 * A connection's life outside its steps: made by accept, filled and flushed
 * by the steps, freed at their end.
 */

#include "proxy/conn.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/leaf.h"
#include "net/tcp.h"
#include "proxy/accept.h"
#include "proxy/hook.h"
#include "proxy/listen.h"
#include "proxy/pinned.h"
#include "proxy/proxy_conf.h"
#include "proxy/tx.h"
#include "proxy/worker.h"
#include "proxy/worker_sandbox.h"

/* What its client has sent already may be on its way. */
#define LAST_SECONDS 1.0

static void
on_conn_end(struct task *t)
{
    conn_free(conn_of(t));
}

/* Who a front end's connection is for is asked when its header is there. */
static bool
may_connect(struct conn *c)
{
    if (!c->listen->proxy_protocol) {
        return hooks_accept(c) == V_NEXT;
    }
    if (!listen_trusts(c->worker->conf, &c->front_end)) {
        conn_log(c, LOG_WARN, "no front end has this address");
        return false;
    }
    return hooks_front_end(c) == V_NEXT;
}

const struct step *
conn_first_step(const struct conn *c)
{
    return c->listen->ssl ? &conn_step_secure : &conn_step_serve;
}

static enum conn_life
life_of(const struct worker *w)
{
    AN(w->is_quitting || !w->is_hard);
    return w->is_hard ? CONN_CLOSES : w->is_quitting ? CONN_LAST : CONN_STAYS;
}

void
conn_new(
    struct worker *w, const struct listen *l, int fd, const struct addr *client)
{
    struct conn *c = xcalloc(sizeof *c + modules_state_size(LIFE_CONN));
    c->magic = CONN_MAGIC;
    c->module_state = c + 1;
    c->worker = w;
    c->listen = l;
    c->serve = &serve_h1;
    c->client = c->front_end = *client;
    c->has_client = !l->proxy_protocol;
    c->id = ++w->next_conn;
    c->since = clock_mono();
    c->life = life_of(w);
    task_init(&c->task, w->loop,
        l->proxy_protocol ? &conn_step_proxy_protocol : conn_first_step(c),
        on_conn_end);
    wire_init(&c->wire, tcp_new(w->loop, fd, &c->task),
        worker_conf(w)->client_header_buffer_size);
    list_add_tail(&w->conns, &c->node);
    w->n_conns++;
    if (!may_connect(c)) {
        conn_free(c);
        return;
    }
    task_wake(&c->task);
}

void
conn_free(struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    struct worker *w = c->worker;
    hooks_close(c);
    task_fini(&c->task);
    if (c->tx != NULL) {
        tx_free(c->tx);
    }
    pinned_close(c);
    c->serve->free(c);
    wire_fini(&c->wire);
    if (c->leaf != NULL) {
        leaf_unref(c->leaf);
    }
    if (c->arena != NULL) {
        arena_free(c->arena);
    }
    conn_leave(c);
    list_del(&c->node);
    c->magic = 0;
    xfree(c);
    w->n_conns--;
    worker_conn_ended(w);
}

void
conn_quit(struct conn *c, bool is_hard)
{
    CHECK(c, CONN_MAGIC);
    c->life = is_hard || c->life == CONN_CLOSES ? CONN_CLOSES : CONN_LAST;
    task_wake(&c->task);
}

double
conn_patience(const struct conn *c)
{
    CHECK(c, CONN_MAGIC);
    double wait = worker_conf(c->worker)->client_header_timeout;
    return c->life == CONN_CLOSES && wait > LAST_SECONDS ? LAST_SECONDS : wait;
}

void
conn_open_tunnel(
    struct conn *c, const struct authority *au, bool is_passthrough)
{
    CHECK(c, CONN_MAGIC);
    AN(c->arena == NULL);
    c->arena = arena_new(512);
    c->target = *au;
    c->target.host = arena_dup(c->arena, au->host);
    c->is_tunnel = true;
    c->is_passthrough = is_passthrough;
    c->since = clock_mono();
}

void
conn_log(const struct conn *c, int level, const char *fmt, ...)
{
    char text[1024], client[ADDR_TEXT_MAX];
    va_list ap;
    if (!log_is_on((enum log_level)level)) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct str from = addr_format(&c->client, false, client);
    struct str id = c->sandbox != NULL ? c->sandbox->id : STR("-");
    log_at((enum log_level)level, "*%lu %s, client: %.*s, sandbox: %.*s",
        (unsigned long)c->id, text, STR_ARG(from), STR_ARG(id));
}
