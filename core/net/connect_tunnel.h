#pragma once

/*
 * A tunnel through an HTTP proxy beyond weir (RFC 9110 9.3.6): a dial to the
 * proxy, CONNECT, its answer. Not to be taken for the tunnels that clients ask
 * weir for. A task of its own, as a dial is; used by dial.c.
 */

#include "net/dial.h"

/* The most of a proxy's answer, its interim ones included, in bytes. */
#define CONNECT_TUNNEL_HEAD_MAX (16 * 1024)

struct connect_tunnel;

/* `args` is the origin's dial: its proxy, loop, sandbox. `target` is
 * "host:port", copied. `timeout` in seconds, of all. `waiter` gets task_wake()
 * once there is a result. */
struct connect_tunnel *connect_tunnel_start(const struct dial_args *args,
    struct str target, double timeout, struct task *waiter);

/* NULL: not yet. DIAL_PROXY: the proxy would not. Lent until the end. */
const struct dial_result *connect_tunnel_result(const struct connect_tunnel *t);

/* After DIAL_PROXY: whether the proxy could not reach the target (a status of
 * 5xx), so that another address of it may do. */
bool connect_tunnel_is_unreached(const struct connect_tunnel *t);

/* The stream, once, after DIAL_OK; it wakes `task` from now on. */
struct stream *connect_tunnel_take(struct connect_tunnel *t, struct task *task);

/* At any time; closes what is open. */
void connect_tunnel_free(struct connect_tunnel *t);
