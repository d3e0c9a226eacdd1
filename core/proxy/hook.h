#pragma once

/*
 * Modules and their hooks. A hook answers V_NEXT to let the next module be
 * asked; V_WAIT if it has arranged that the task is woken, then it is called
 * again; V_REPLY if it has set a reply, and no other module is asked; V_ABORT
 * to close without an answer.
 */

#include "conf/bind.h"
#include "http/url.h"
#include "wire/pump.h"

struct conn;
struct decision;
struct route;
struct tx;
struct head;
struct sandbox;
struct worker;

/* What is asked about: the target of a CONNECT, the name in TLS, a request. For
 * T_SNI there is no head, and a tx only in a passthrough tunnel. */
enum target_kind { T_CONNECT, T_SNI, T_REQUEST };

struct target {
    enum target_kind kind;
    struct authority authority;
    const struct head *head;
    struct tx *tx;
    bool is_again; /* it was asked before, has waited, and is asked again since
                      the sandbox has a newer policy: nothing is counted twice,
                      and V_WAIT refuses it */
};

/* What becomes of a tunnel. If no module says, HTTP in it is served. TLS is
 * opened with the leaves of worker_make_leaves(); if there are none, it is
 * passed through where tunnel_may_pass(). */
enum tunnel {
    TUNNEL_NEXT,  /* another module may say */
    TUNNEL_OPEN,  /* HTTP in it is served, TLS in it is opened */
    TUNNEL_PASS,  /* only TLS, unopened; each ClientHello is judged */
    TUNNEL_REFUSE /* 403 */
};

/* What a module would do with a request that may leave (weir -E). It prints
 * lines without any value: variables are not computed, no secret is read. */
struct explanation {
    const struct scope *where;
    const struct decision *decision;
    const struct authority *authority;
    const struct sandbox *sandbox;
    struct arena *arena;
    bool needs_tls;      /* as in the tx: a secret goes with it */
    struct route *route; /* as in the tx */
    const char *fault;   /* why it would be a 502 after all; NULL: none */
    void (*say)(const char *fmt, ...) printf_like(1, 2); /* a line "attaches" */
    void (*limit)(const char *fmt, ...) printf_like(1, 2); /* a line "limits" */
};

/* A content coding that a build can read: the filter that decodes it, and the
 * one that encodes it again. They stand before the first and after the last of
 * the filters that want decoded bytes. */
struct transcoder {
    const char *const *names; /* of the coding, in any case; NULL-ended */
    const struct filter *decode, *encode;
    /* The same if all those filters only look (FILTER_LOOKS): what they do not
     * change leaves as it came. */
    const struct filter *look, *leave;
};

struct module {
    struct conf_part conf; /* its name is the module's */
    /* It says whose connections and requests are: for a connection it calls
     * conn_join(), for a request it sets tx->sandbox and calls
     * tx_take_policy(). Its on_target is asked before that of all other
     * modules. If no sandbox is known after that, the request is refused and
     * the others are not asked. A build without such a module refuses to start.
     */
    bool identifies;
    /* State of each exchange, connection and worker: zeroed, freed with its
     * owner; module_state(), module_conn(), module_worker(). */
    size_t tx_size, conn_size, worker_size;
    int (*worker_init)(struct worker *w);
    void (*worker_exit)(struct worker *w);
    /* on_front_end: a connection from a front end, before its PROXY header.
     * on_accept: each connection, when its client's address is known. Neither
     * may answer V_REPLY or V_WAIT. */
    enum verdict (*on_front_end)(struct conn *c);
    enum verdict (*on_accept)(struct conn *c);
    void (*on_close)(struct conn *c); /* once, also after a refusal */
    enum verdict (*on_target)(struct conn *c, const struct target *t);
    /* Asked about a CONNECT after its decision. If it is denied, the CONNECT is
     * refused, unless the tunnel is opened: then each request in it is. */
    enum tunnel (*tunnel)(const struct conn *c, const struct decision *d);
    enum verdict (*on_request)(struct tx *tx, struct head *h);
    /* on_upstream: before a request goes upstream, after on_request of all
     * modules. on_upstream_end: when the final head of the response is there,
     * or will not come; it is called once if on_upstream was asked, whatever
     * that said and however often. A request that is tried again is still the
     * same one; a passthrough tunnel is not a request. */
    enum verdict (*on_upstream)(struct tx *tx);
    /* The last hook before the head leaves: the request has its slot and a
     * connection. Asked for each try, so it must set its fields each time. */
    enum verdict (*on_send)(struct tx *tx, struct head *h);
    void (*on_upstream_end)(struct tx *tx);
    enum verdict (*on_response)(struct tx *tx, struct head *h);
    /* These have no verdict. on_interim: each 1xx head before it is sent on,
     * all of them before on_response. on_trailers: h->trailers, when the body
     * has ended. */
    void (*on_interim)(struct tx *tx, struct head *h);
    void (*on_trailers)(struct tx *tx, struct head *h);
    void (*on_log)(const struct tx *tx); /* once for each exchange */
    /* The sandbox of that serial has ended in this worker: forget it. */
    void (*on_sandbox_end)(struct worker *w, uint64_t serial);
    void (*explain)(struct explanation *e);
    const struct filter *request_body, *response_body;
    const struct transcoder *transcoders; /* {0}-ended, or NULL */
};

/* Generated by configure from auto/modules: all modules in path order, and
 * for each `const unsigned NAME_module_index`. */
extern const struct module *const modules[];
extern const unsigned modules_count;

/* Of the modules that configure left out: a part for each, with the names of
 * its directives, so that a configuration that has one is told. */
extern const struct conf_part modules_left_out[];
extern const unsigned modules_left_out_count;

/* The place of module i's conf_part among the parts of a conf. */
unsigned module_part(unsigned module_index);

/* A module's own struct and state, by its generated index. */
const void *module_where(const struct tx *tx, unsigned module_index);
const void *module_who(const struct tx *tx, unsigned module_index);
void *module_state(const struct tx *tx, unsigned module_index);
void *module_conn(const struct conn *c, unsigned module_index);
void *module_worker(const struct worker *w, unsigned module_index);

/* What modules can have a state for: `module_state` of each tx, conn and worker
 * points to one zeroed block of that many bytes. After hooks_init(). */
enum life { LIFE_TX, LIFE_CONN, LIFE_WORKER, LIVES };
size_t modules_state_size(enum life l);

/* Collects which modules of `list` have which hook; once, before the first
 * worker. The list must stay. All modules of the build are `modules`. */
void hooks_init(const struct module *const *list, unsigned n);

must_check int hooks_worker_init(struct worker *w);
void hooks_worker_exit(struct worker *w);
must_check enum verdict hooks_front_end(struct conn *c);
must_check enum verdict hooks_accept(struct conn *c);
void hooks_close(struct conn *c);

/* *at: the module that waited, to be asked again; 0 at first. */
must_check enum verdict hooks_target(
    struct conn *c, const struct target *t, unsigned *at);

/* What the modules say; but TUNNEL_REFUSE if one says TUNNEL_PASS and the
 * tunnel may not be passed through: no module can skip a secret or a rule so.
 */
must_check enum tunnel hooks_tunnel(
    const struct conn *c, const struct decision *d);

/* Whether some module identifies. Needs no worker and no hooks_init(). */
bool hooks_identify(void);

/* Whether some module may open tunnels: else TLS is passed through or refused.
 * Needs no worker and no hooks_init(). */
bool hooks_open_tunnels(void);
must_check enum verdict hooks_request(struct tx *tx);
must_check enum verdict hooks_upstream(struct tx *tx);
must_check enum verdict hooks_send(struct tx *tx);
void hooks_upstream_end(struct tx *tx); /* once, if on_upstream was asked */
must_check enum verdict hooks_response(struct tx *tx);
void hooks_interim(struct tx *tx);
void hooks_trailers(struct tx *tx); /* of the response */
void hooks_log(const struct tx *tx);
void hooks_sandbox_end(struct worker *w, uint64_t serial);

/* Asks all modules; needs no worker. */
void hooks_explain(struct explanation *e);

/* The coding of that name, from the first module that reads it; NULL: none. */
const struct transcoder *hooks_transcoder(struct str name);

/* Adds the filters that want this exchange's body. If a response has a coding
 * (tx->transcoder), the filters with FILTER_IDENTITY stand between its decoder
 * and its encoder. */
void hooks_filters(struct tx *tx, bool is_request);

/* The flags that hold for all filters that want the response's body together:
 * FILTER_IDENTITY if one of them has it, FILTER_LOOKS if all of those have it,
 * FILTER_KEEPS_LENGTH if all filters have it. Before the request leaves, only
 * filters with FILTER_IDENTITY can tell whether they want it. */
unsigned hooks_wishes(const struct tx *tx);
