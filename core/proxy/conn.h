#pragma once

/*
 * A client's connection: its stream, the sandbox it belongs to, the tunnel it
 * opened, and the codec that turns its bytes into exchanges. One task; its
 * steps stand in proxy_protocol.c, secure.c, serve_h1.c, sniff.c, intercept.c,
 * passthrough.c, splice.c and linger.c; a tunnel goes through serve_h1.c twice:
 * to its CONNECT, and for what is in it.
 */

#include "base/addr.h"
#include "http/url.h"
#include "net/tls_record.h"
#include "wire/wire.h"

struct conn;
struct worker;
struct listen;
struct pool_host;
struct sandbox;
struct tx;
struct leaf;
struct head;
struct hello;

/* What an exchange tells the codec of the client's side; there is one of these
 * for each HTTP version. None of them frees anything or runs a step. They say
 * nothing of the body: the pump wakes its sink for that. */
struct serve {
    /* Sends a 1xx head now, before the final one. */
    void (*interim)(struct tx *tx, const struct head *head);
    /* The response's head is final. */
    void (*head)(struct tx *tx);
    /* The client's deadline may be another now: by the time-outs of its block,
     * or since it has a slot. */
    void (*deadline)(struct tx *tx);
    /* The response cannot be completed; the client must see that. */
    void (*reset)(struct tx *tx);
    /* The last step of the exchange ran. */
    void (*end)(struct tx *tx);
    /* With the connection: frees c->serve_state, if there is one. */
    void (*free)(struct conn *c);
};

/* How long it stays. A state follows those above it, never one below. */
enum conn_life {
    CONN_STAYS, /* as long as the client wants and keepalive_requests allow */
    CONN_LAST,  /* the worker drains: for one more request */
    CONN_CLOSES /* ... now: behind the response under way */
};

/* What is inside the connection. In a tunnel `target` is set. A state follows
 * CONN_NO_TUNNEL or CONN_TUNNEL, and is never left for those again. */
enum conn_tunnel {
    CONN_NO_TUNNEL,          /* requests name their own target */
    CONN_TUNNEL,             /* its first byte has not come, or it is HTTP */
    CONN_TUNNEL_PASSTHROUGH, /* its bytes are passed on as they are */
    CONN_TUNNEL_TLS,         /* weir ends the TLS in it; `sni` is set, too */
    CONN_TUNNEL_MISDIRECTED  /* the same, but the SNI is not the target: each
                                request gets 421 */
};

struct conn {
    unsigned magic;
    struct task task;
    struct list node; /* of worker->conns */
    struct worker *worker;
    const struct listen *listen;
    const struct serve *serve;
    struct wire wire;
    struct sandbox *sandbox; /* NULL until identified: conn_join() */
    struct list of_sandbox;  /* worker_sandbox.c's */
    struct arena *arena;     /* made with the tunnel; NULL before */
    struct addr client;      /* where a front end names none: its own */
    struct addr front_end;   /* what the socket is connected to */
    uint64_t id;             /* "*N" in logs */
    void *serve_state;       /* the codec's own; NULL before its first step */
    struct tx *tx;           /* the exchange in progress */
    struct leaf *leaf;
    struct pool_host *pinned; /* pinned.c's; NULL: none */
    struct authority target;  /* of the tunnel */
    struct str sni;           /* that a leaf is for; in arena */
    unsigned requests;
    struct turn lingering; /* counts what is read and thrown away at the end */
    double since;          /* clock_mono() when this state began */
    enum conn_life life;
    enum conn_tunnel tunnel;
    bool has_client;    /* `client` is one */
    void *module_state; /* hook.c's block, behind this struct */
};

#define CONN_MAGIC 0xc0220c22u

/* The conn of a step's task. */
static inline struct conn *
conn_of(struct task *t)
{
    struct conn *c = container_of(t, struct conn, task);
    CHECK(c, CONN_MAGIC);
    return c;
}

/* Whether its requests come out of TLS that weir opened. */
static inline bool
conn_has_tls_inside(const struct conn *c)
{
    return c->tunnel >= CONN_TUNNEL_TLS;
}

/* Takes `fd`. The conn frees itself when it ends. */
void conn_new(struct worker *w, const struct listen *l, int fd,
    const struct addr *client);

/* Closes now, whatever goes on; for a worker's fast end. */
void conn_free(struct conn *c);

/* The worker drains: an idle connection has one more request, or closes when
 * `is_hard`. */
void conn_quit(struct conn *c, bool is_hard);

/* What a connection begins with, behind the header of a front end. */
const struct step *conn_first_step(const struct conn *c);

/* Answers this status and closes, since no request of this connection can be
 * served. Returns the step. `why` is static. */
must_check const struct step *conn_refuse(
    struct conn *c, unsigned status, const char *why);

/* How many seconds the first bytes of a connection or a tunnel may take to
 * come; few when the worker is to end. */
double conn_patience(const struct conn *c);

/* A CONNECT was answered: all that follows is for `au`, which is copied. */
void conn_open_tunnel(
    struct conn *c, const struct authority *au, bool is_passthrough);

/* Sends what c->wire.out holds, if anything, and closes in such a way that the
 * client sees an end and no reset. Returns the step. */
must_check const struct step *conn_linger(struct conn *c);

/* The same after a TLS alert, for a handshake that OpenSSL has not begun. */
must_check const struct step *conn_alert(struct conn *c, enum tls_alert alert);

/* Reads the ClientHello at the start of c->wire.in, as far as it has come, and
 * parses its SNI into *au; without one *au is the tunnel's own host. `au` may
 * be NULL. False: *next is the step, which waits or ends; who speaks TLS gets
 * an alert first. */
must_check bool conn_read_hello(struct conn *c, struct hello *h,
    struct authority *au, const struct step **next);

/* The same for the SNI of a hello that was read. An SNI that is the target's
 * own address counts as none. False, after a log line: it is malformed. */
must_check bool conn_read_sni(
    struct conn *c, const struct hello *h, struct authority *au);

/* The exchange of a passthrough tunnel is over: frees it. Returns the step. */
must_check const struct step *passthrough_end(struct conn *c);

/* For logs, "client: …, sandbox: …". */
void conn_log(const struct conn *c, int level, const char *fmt, ...)
    printf_like(3, 4);

/* The entry steps of each file. */
extern const struct serve serve_h1;
extern const struct step
    conn_step_proxy_protocol; /* proxy_protocol.c: a header first */
extern const struct step conn_step_secure;    /* secure.c: TLS to weir first */
extern const struct step conn_step_sniff;     /* sniff.c */
extern const struct step conn_step_intercept; /* intercept.c */
extern const struct step conn_step_serve;     /* serve_h1.c */
extern const struct step conn_step_linger;    /* linger.c: to the end */
extern const struct step
    conn_step_passthrough;                 /* passthrough.c: from a hello on */
extern const struct step conn_step_splice; /* splice.c: both ways, to both
                                              ends */
