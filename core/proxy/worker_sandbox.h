#pragma once

/*
 * Sandboxes that are added, changed and removed while a worker runs: the
 * worker's set of them (sandbox/sandbox_set.h), and what it holds for each:
 * connections, idle upstream connections, certificates, sessions.
 *
 * Session tickets need not be forgotten: a ticket is bound to the sandbox's CA
 * (leaf_sid_ctx()), which ends with the sandbox.
 */

#include "sandbox/sandbox_set.h"

struct conn;
struct worker;

/* Collects what a worker needs of its configuration for this. */
void worker_sandbox_init(struct worker *w);
void worker_sandbox_fini(struct worker *w);

/* conn_join(): the connection belongs to that sandbox from here on, and has a
 * reference to it; once. conn_leave(): the connection ends; it need not have
 * joined one. */
void conn_join(struct conn *c, struct sandbox *sb);
void conn_leave(struct conn *c);

/* Calls `fn` for each connection of that sandbox in this worker; `fn` may free
 * the one that it is called for. */
void worker_sandbox_each(
    struct sandbox *sb, void (*fn)(struct conn *c, void *arg), void *arg);

/* As sandbox_set_change(), and applies the change to what the worker does for
 * the sandbox: requests that wait are woken and judged again before they send
 * anything; those that run are closed if they are refused now, and else go on
 * untouched. Must not be called from the step of a connection or an exchange.
 */
must_check bool worker_sandbox_change(struct worker *w, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* Takes the sandbox out of the set, closes its connections, and removes it from
 * all caches. Must not be called from the step of a connection or an exchange.
 */
void worker_sandbox_end(struct worker *w, struct sandbox *sb);
