#pragma once

/*
 * An exchange: one request and its response, from the parsed head to the log
 * line. A task with a step for each stage (tx_request.c, upstream.c,
 * tx_response.c) and two pumps. It knows nothing of HTTP versions: the conn's
 * serve_* and the peer's up_* codecs fill and drain the same heads and pumps.
 *
 * The conn creates it, and frees it when both are done with it: the tx when
 * its last step has run, the conn when the response is written or given up.
 */

#include "base/addr.h"
#include "policy/decide.h"
#include "proxy/route.h"
#include "wire/xfer.h"

struct passthrough;
struct conn;
struct peer;
struct dial;
struct scope;
struct policy;
struct sandbox;
struct pool_host;
struct reply;
struct transcoder;
struct upstream_proxy;

/* Where a failure lies; for the log. */
enum tx_fault {
    FAULT_NONE,
    FAULT_CLIENT,
    FAULT_POLICY,
    FAULT_ORIGIN,
    FAULT_OWN
};

/* What the conn has still to do for it; only goes on. */
enum tx_client {
    TX_CLIENT_THERE, /* it reads and writes */
    TX_CLIENT_DONE,  /* nothing: the client has all that it gets */
    TX_CLIENT_GONE   /* nothing: the client has left; why is in `cause` */
};

struct tx {
    unsigned magic;
    struct xfer xfer; /* the tx lies in its arena */
    struct conn *conn;
    struct sandbox *sandbox; /* the conn's; NULL until identified */
    struct policy *policy;   /* that it was decided under: tx_policy.h */
    uint64_t id;

    const struct transcoder *transcoder; /* whose coding a filter of `down`
                                            wants undone; NULL: none */
    bool needs_whole;           /* FILTER_LOOKS must see all of `down` */
    struct authority authority; /* canonical; where the client wants to go */
    struct str path;  /* as the rules see it; route.path is what is sent */
    struct str query; /* without '?'; p NULL: none */

    struct decision decision;
    const struct scope *where; /* location, block or egress: what rules */
    const struct scope *who;   /* the sandbox's, or egress */

    /* upstream */
    struct route route;
    bool needs_tls;                   /* a secret goes with it */
    const struct upstream_proxy *via; /* leads to the origin; NULL: directly */
    struct pool_host *pool_host;
    struct dial *dial;
    struct peer *peer;
    struct addr peer_addr;  /* that was dialled */
    bool owes_upstream_end; /* on_upstream was asked, on_upstream_end not */

    /* for the conn */
    bool is_passthrough; /* the tunnel that it opens, or that it carries */
    enum tx_client client;
    unsigned body_fault; /* its body is at fault: 400, 408 late, 413 */
    const struct reply *body_reply; /* why a filter gave up on it; static, or
                                       in the arena; NULL: it does not say */
    struct passthrough
        *passthrough; /* passthrough.c's, of a passthrough tunnel */
    bool is_client_shut, is_origin_shut; /* spliced: that end was told ours */
    bool is_over;                        /* the last step ran */

    /* what went wrong first */
    enum tx_fault fault;
    struct str cause;

    /* figures, for the log; clock_mono(), 0: did not happen */
    double t_start, t_request, t_queued, t_slot; /* queued for a slot, got it
                                                    or gave up */
    double t_connect, t_connected, t_sent, t_head;
    uint64_t head_bytes_in;
    unsigned hook_at;   /* the module that waits in a hook */
    void *module_state; /* hook.c's block */
};

#define TX_MAGIC 0x7c7c0fe1u

/* The tx of a step's task. */
static inline struct tx *
tx_of(struct task *t)
{
    struct tx *tx = container_of(t, struct tx, xfer.task);
    CHECK(tx, TX_MAGIC);
    return tx;
}

/* Whether it waits for a header slot. */
static inline bool
tx_is_queued(const struct tx *tx)
{
    return tx->t_queued != 0 && tx->t_slot == 0;
}

/* A new exchange in an arena of its own; the conn fills the request and then
 * wakes it. */
struct tx *tx_new(struct conn *c);

/* After is_over. */
void tx_free(struct tx *tx);

/* The conn tells: the response is all written, or cannot be (then `cause`
 * says why; static or in the tx's arena). The tx goes to its last step. */
void tx_client_done(struct tx *tx);
void tx_client_gone(struct tx *tx, struct str cause);

/* The conn tells: the client's body is malformed (400), does not come in time
 * (408), or is larger than client_max_body_size (413). The tx answers, unless
 * it has begun to. */
void tx_client_at_fault(struct tx *tx, unsigned status);

/* What the client's time goes by has changed: its block, or it has a slot. */
void tx_deadline_changed(struct tx *tx);

/* A hook's V_ABORT, or a response that breaks off: nothing more is said to the
 * client, and its connection ends. Returns the step. */
must_check const struct step *tx_break(struct tx *tx);

/* The status that the client was sent, 499 when it left before one. */
unsigned tx_status(const struct tx *tx);

/* For a step that sends the body and waits: when to go on though neither client
 * nor origin does anything, by clock_mono(); a filter's time. */
double tx_body_wait(struct tx *tx);

/* The request's body cannot go on: weir's answer is set, and its step is
 * returned; NULL: it can. */
must_check const struct step *tx_body_failed(struct tx *tx);

/* Records the first cause, for the logs alone, and where it lies; later ones
 * are swallowed. What the client is told is tx_reply()'s. */
void tx_fail(struct tx *tx, enum tx_fault fault, const char *fmt, ...)
    printf_like(3, 4);

/* Its log line, where weir's own end cuts it, wherever it stands; it is freed
 * next. `why` is static. */
void tx_cut(struct tx *tx, struct str why);

/* The struct of a part for this exchange: along the where-chain (location,
 * host, egress) or the who-chain (sandbox, class, egress). */
const void *tx_where(const struct tx *tx, unsigned part);
const void *tx_who(const struct tx *tx, unsigned part);

/* Steps, in the order of the path. */
extern const struct step tx_step_target;   /* tx_request.c */
extern const struct step tx_step_request;  /* tx_request.c */
extern const struct step tx_step_hold;     /* tx_body.c: until a length */
extern const struct step tx_step_upstream; /* upstream.c: connects, sends,
                                              until the response's head */
extern const struct step
    tx_step_passthrough; /* upstream.c: a passthrough tunnel's */
extern const struct step tx_step_splice;   /* splice.c */
extern const struct step tx_step_response; /* tx_response.c */
extern const struct step tx_step_body;     /* tx_response.c */
extern const struct step tx_step_reply;    /* tx_response.c: weir's own, or
                                              all of the origin's, is set */
extern const struct step tx_step_done;     /* tx.c: log, end */
