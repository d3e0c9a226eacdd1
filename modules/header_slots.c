/*
 * So many requests of a sandbox wait for response headers at a time (SPEC 8):
 * takes a slot before a request goes upstream, and gives it back when its head
 * is there or will not come. Beyond the queue or the time: 503.
 */

#include "module.h"

extern const unsigned header_slots_module_index;

/* Seconds, for Retry-After: heads come at any time, a guess as good as any. */
#define RETRY_AFTER "5"

static struct slot *
slot_of(const struct tx *tx)
{
    return module_state(tx, header_slots_module_index);
}

static enum verdict
refuse(struct tx *tx, const char *rule, struct str detail)
{
    struct reply r = { .status = 503,
        .error = "connection_limit_reached",
        .rule = rule,
        .detail = detail };
    tx_fail(tx, FAULT_POLICY, "%s exceeded", rule);
    finding(tx->conn, FINDING_LIMIT, tx->authority.host, rule);
    tx_reply(tx, &r);
    head_add(&tx->xfer.response, STR("Retry-After"), STR(RETRY_AFTER));
    return V_REPLY;
}

static enum verdict
refuse_full(struct tx *tx, const struct policy *p)
{
    return refuse(tx, "header_slots_queue",
        arena_printf(tx->xfer.arena,
            "header_slots_queue: %u requests of this sandbox wait for response "
            "headers, and %u for their turn",
            p->header_slots, p->header_slots_queue));
}

static enum verdict
refuse_late(struct tx *tx, const struct policy *p)
{
    return refuse(tx, "header_slots_timeout",
        arena_printf(tx->xfer.arena,
            "header_slots_timeout: %u requests of this sandbox wait for "
            "response headers, and none came in time",
            p->header_slots));
}

static bool
acquire(struct tx *tx, const struct policy *p)
{
    struct slot_ask ask = { .serial = tx->sandbox->serial,
        .index = tx->sandbox->index,
        .limit = p->header_slots,
        .revision = worker_revision(tx->conn->worker, p),
        .queue = p->header_slots_queue,
        .task = &tx->xfer.task };
    struct slot *slot = slot_of(tx);
    tx->t_queued = clock_mono();
    if (!slot_acquire(tx->conn->worker->slots, slot, &ask)) {
        return false;
    }
    if (slot->state == SLOT_WAITS) {
        conn_log(tx->conn, LOG_INFO, "waits for a header slot");
    }
    return true;
}

static enum verdict
on_upstream(struct tx *tx)
{
    struct slot *slot = slot_of(tx);
    const struct policy *p = tx->policy;
    bool has_waited = tx->t_queued != 0;
    if (!has_waited && !acquire(tx, p)) {
        return refuse_full(tx, p);
    }
    if (slot->state == SLOT_HELD) {
        tx->t_slot = clock_mono();
        if (has_waited) {
            tx_deadline_changed(tx); /* the time for its body begins */
        }
        return V_NEXT;
    }
    double deadline = tx->t_queued + p->header_slots_timeout;
    if (clock_mono() >= deadline) {
        return refuse_late(tx, p);
    }
    task_wait(&tx->xfer.task, deadline, NULL, NULL);
    return V_WAIT;
}

static void
on_upstream_end(struct tx *tx)
{
    tx->t_slot = tx->t_slot != 0 ? tx->t_slot : clock_mono();
    slot_release(slot_of(tx));
}

static void
explain(struct explanation *e)
{
    const struct policy *p = e->decision->policy;
    e->limit("header_slots %u, header_slots_queue %u, header_slots_timeout %gs",
        p->header_slots, p->header_slots_queue, p->header_slots_timeout);
}

/* What the ledger has room for. */
static bool
set_slots(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    return set_count(b, d, n) &&
           (*n <= LEDGER_SLOTS_MAX ||
               conf_error(b, &d->args[0], "\"header_slots\" must be 1 to %u",
                   LEDGER_SLOTS_MAX));
}

static bool
set_slots_queue(struct bind *b, const struct directive *d, void *field)
{
    unsigned *n = field;
    return set_uint(b, d, n) &&
           (*n <= LEDGER_WAITERS_MAX ||
               conf_error(b, &d->args[0],
                   "\"header_slots_queue\" must be 0 to %u",
                   LEDGER_WAITERS_MAX));
}

/* In the policy: it may change at run time. */
static const struct cmd cmds[] = {
    CMD_LENT("header_slots", CONF_WHO, struct class_conf, header_slots,
        unsigned, set_slots, &class_part),
    CMD_LENT("header_slots_queue", CONF_WHO, struct class_conf,
        header_slots_queue, unsigned, set_slots_queue, &class_part),
    CMD_LENT("header_slots_timeout", CONF_WHO, struct class_conf,
        header_slots_timeout, double, set_time, &class_part),
    { 0 },
};

const struct module header_slots_module = {
    .conf = { .name = "header_slots", .cmds = cmds },
    .tx_size = sizeof(struct slot),
    .on_upstream = on_upstream,
    .on_upstream_end = on_upstream_end,
    .explain = explain,
};
