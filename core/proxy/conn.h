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

/* What an exchange tells the client's side of its connection: one for each
 * version. None of them frees or runs anything. The body is told of by the
 * pump, which wakes its sink. */
struct serve {
    /* Sends a 1xx head now, before the final one. */
    void (*interim)(struct tx *tx, const struct head *head);
    /* The response's head is final. */
    void (*head)(struct tx *tx);
    /* What the client's time goes by has changed: its block, its slot. */
    void (*deadline)(struct tx *tx);
    /* The response cannot be completed; the client must see that. */
    void (*reset)(struct tx *tx);
    /* The last step of the exchange ran. */
    void (*end)(struct tx *tx);
    /* With the connection: frees c->serve_state, if there is one. */
    void (*free)(struct conn *c);
};

/* How long it stays; only goes on. */
enum conn_life {
    CONN_STAYS, /* as long as the client wants and keepalive_requests allow */
    CONN_LAST,  /* the worker drains: for one more request */
    CONN_CLOSES /* ... now: behind the response under way */
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
    struct addr client;      /* a front end's own, where it names none */
    struct addr front_end;   /* that the socket is connected to */
    uint64_t id;             /* "*N" in logs */
    void *serve_state;       /* the codec's own; NULL before its first step */
    struct tx *tx;           /* the exchange in progress */
    struct leaf *leaf;
    struct pool_host *pinned; /* pinned.c's; NULL: none */
    struct authority target;  /* of the tunnel */
    struct str sni;           /* the name of the handshake; in arena */
    unsigned requests;
    struct turn lingering; /* of what is thrown away at the end */
    double since;          /* clock_mono() when this state began */
    enum conn_life life;
    bool is_tunnel;      /* a CONNECT was answered: target holds */
    bool is_passthrough; /* ... and what is inside is not opened */
    bool has_sni;
    bool is_tls;         /* intercepted */
    bool is_misdirected; /* SNI and CONNECT disagree: 421 for all requests */
    bool has_client;     /* `client` is one */
    void *module_state;  /* hook.c's block, behind this struct */
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

/* It cannot be served, whatever it says: weir's answer, then the end. Returns
 * the step. `why` is static. */
must_check const struct step *conn_refuse(
    struct conn *c, unsigned status, const char *why);

/* Seconds that the first bytes of a connection or a tunnel may take to come:
 * few where the worker is to end. */
double conn_patience(const struct conn *c);

/* A CONNECT was answered: from here on all is for `au`, which is copied. */
void conn_open_tunnel(
    struct conn *c, const struct authority *au, bool is_passthrough);

/* Ends without an answer, or with what c->wire.out holds: the client sees that,
 * and no reset. Returns the step. */
must_check const struct step *conn_linger(struct conn *c);

/* The same with a TLS alert, for a handshake that OpenSSL has no part in. */
must_check const struct step *conn_alert(struct conn *c, enum tls_alert alert);

/* The ClientHello at the start of c->wire.in, read as it comes; h->sni is
 * parsed to *au (the tunnel's own host where there is none), unless that is
 * NULL. False: *next says to wait, or to end, for what is TLS with an alert. */
must_check bool conn_read_hello(struct conn *c, struct hello *h,
    struct authority *au, const struct step **next);

/* Its name alone, or the target's own address, which counts as none; false,
 * after a log line, where it can be nobody's. */
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
