/*
 * What every exchange has, from its first byte to its last.
 */

#include "wire/xfer.h"

void
xfer_init(struct xfer *x, struct arena *a, struct task *client)
{
    AN(a != NULL);
    AZ(x->arena);
    x->arena = a;
    head_init(&x->request, a);
    head_init(&x->response, a);
    bufq_init(&x->held, PUMP_LIMIT);
    pump_init(&x->up, client, &x->task);
    pump_init(&x->down, &x->task, client);
}

void
xfer_fini(struct xfer *x)
{
    bufq_fini(&x->held);
    pump_fini(&x->up);
    pump_fini(&x->down);
}

bool
xfer_is_too_large(const struct xfer *x)
{
    return x->body_max != 0 && x->up.bytes_in > x->body_max;
}

bool
xfer_asks_upgrade(const struct head *request)
{
    return request->upgrade == UPGRADE_WEBSOCKET &&
           request->method_id == METHOD_GET && request->body == BODY_NONE;
}
