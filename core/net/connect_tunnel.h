#pragma once

/*
 * A way to an origin through another HTTP proxy, the upstream proxy: weir dials
 * that proxy, sends it CONNECT and reads its answer (RFC 9110 9.3.6). The
 * tunnels that clients ask weir for are another thing: proxy/passthrough.c and
 * proxy/splice.c. A connect_tunnel is a task of its own. dial.c starts it.
 */

#include "net/dial.h"

/* The most bytes of the proxy's answer, with the interim answers (1xx) before
 * it. */
#define CONNECT_TUNNEL_HEAD_MAX (16 * 1024)

struct connect_tunnel;

/* Starts. `args` are those of the origin's dial; of them, the proxy, the loop
 * and the sandbox's serial are used. `target` is "host:port" of the origin; it
 * is copied. `timeout` in seconds is for all of it. `waiter` gets task_wake()
 * once there is a result. */
struct connect_tunnel *connect_tunnel_start(const struct dial_args *args,
    struct str target, double timeout, struct task *waiter);

/* NULL: not yet. DIAL_PROXY: the proxy refused, or could not be used. Lent
 * until connect_tunnel_free(). */
const struct dial_result *connect_tunnel_result(const struct connect_tunnel *t);

/* After DIAL_PROXY: whether the proxy answered that it could not reach the
 * target (a status of 5xx). Another address of the target may work then. */
bool connect_tunnel_is_unreached(const struct connect_tunnel *t);

/* The stream to the origin. To be taken once, after DIAL_OK; it wakes `task`
 * from now on. */
struct stream *connect_tunnel_take(struct connect_tunnel *t, struct task *task);

/* May be called at any time. Closes what is open. */
void connect_tunnel_free(struct connect_tunnel *t);
