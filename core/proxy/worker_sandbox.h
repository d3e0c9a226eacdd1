#pragma once

/*
 * Sandboxes that come, change and go while a worker runs: its set of them
 * (sandbox/sandbox_set.h), and what it holds for each: connections, idle
 * upstream connections, certificates, sessions.
 *
 * A session ticket is bound to the CA of the sandbox (leaf_sid_ctx()), which
 * ends with it, so there is none to be forgotten.
 */

#include "sandbox/sandbox_set.h"

struct conn;
struct worker;

/* What a worker has to know of its configuration for that. */
void worker_sandbox_init(struct worker *w);
void worker_sandbox_fini(struct worker *w);

/* The connection is that sandbox's from here on, and has a reference; once.
 * conn_leave(): it ends; may be nobody's. */
void conn_join(struct conn *c, struct sandbox *sb);
void conn_leave(struct conn *c);

/* Calls `fn` for each connection of that sandbox in this worker; `fn` may free
 * the one that it is called for. */
void worker_sandbox_each(
    struct sandbox *sb, void (*fn)(struct conn *c, void *arg), void *arg);

/* As sandbox_set_change(), and all that the worker does for the sandbox
 * follows: what waits is woken to be judged again before it sends anything,
 * what runs is closed if it is refused now, and goes on untouched if not. Not
 * from the step of a connection or an exchange. */
must_check bool worker_sandbox_change(struct worker *w, struct sandbox *sb,
    const struct sandbox_spec *spec, struct sandbox_clash *clash);

/* It is taken out of the set, its connections are closed, and nothing of it is
 * left in any cache. Not from the step of a connection or an exchange. */
void worker_sandbox_end(struct worker *w, struct sandbox *sb);
