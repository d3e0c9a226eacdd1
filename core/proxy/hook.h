#pragma once

/*
 * Modules and their hooks. A hook that answers V_WAIT has arranged for the
 * task to be woken and is called again then; V_REPLY ends the line with the
 * reply that it has set; V_ABORT closes without an answer.
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

/* What a verdict is asked for: the CONNECT's target, the TLS SNI, a request.
 * For T_SNI there is no tx and no head. */
enum target_kind { T_CONNECT, T_SNI, T_REQUEST };

struct target {
    enum target_kind kind;
    struct authority authority;
    const struct head *head;
    struct tx *tx;
    bool is_again; /* the same was asked before, and waited, and the sandbox has
                      a newer policy: nothing is counted, and V_WAIT stops it */
};

/* What becomes of a tunnel. Where no module says, HTTP in it is served, and TLS
 * is opened by the leaves of worker_make_leaves(), or without them passed
 * through where tunnel_may_pass(). */
enum tunnel {
    TUNNEL_NEXT,  /* another module may say */
    TUNNEL_OPEN,  /* HTTP in it is served, TLS is opened and what is in that */
    TUNNEL_PASS,  /* TLS alone, as it is; each ClientHello is judged by SNI */
    TUNNEL_REFUSE /* 403 */
};

/* What a module would do with a request that may leave (weir -E): told in
 * lines, of which none has a value. Nothing is rendered, no secret is read. */
struct explanation {
    const struct scope *where;
    const struct decision *decision;
    const struct authority *authority;
    const struct sandbox *sandbox;
    struct arena *arena;
    bool needs_tls;      /* as the tx's: a secret goes with it */
    struct route *route; /* as the tx's */
    const char *fault;   /* why it would be a 502 after all; NULL: none */
    void (*say)(const char *fmt, ...) printf_like(1, 2);   /* attaches */
    void (*limit)(const char *fmt, ...) printf_like(1, 2); /* limits */
};

/* A content coding that a build reads: what undoes it, and does it again. Its
 * stages stand before the first and behind the last of the filters that want
 * decoded bytes. */
struct transcoder {
    const char *const *names; /* of the coding, in any case; NULL-ended */
    const struct filter *decode, *encode;
    /* The same where all those filters only look (FILTER_LOOKS): what they let
     * be leaves as it came. */
    const struct filter *look, *leave;
};

struct module {
    struct conf_part conf; /* its name is the module's */
    /* It says whose connections or requests are: by conn_join(), and of a
     * request by tx->sandbox and tx_take_policy(). Its on_target is asked before
     * those of all others, which are asked only of what is a sandbox's: another
     * request is refused. A build without such a module refuses to start. */
    bool identifies;
    /* State of each exchange, connection and worker: zeroed, freed with its
     * owner; module_state(), module_conn(), module_worker(). */
    size_t tx_size, conn_size, worker_size;
    int (*worker_init)(struct worker *w);
    void (*worker_exit)(struct worker *w);
    /* A front end's connection, before the header that says whose it is; and
     * each when it is known where it comes from. No V_REPLY, no V_WAIT. */
    enum verdict (*on_front_end)(struct conn *c);
    enum verdict (*on_accept)(struct conn *c);
    void (*on_close)(struct conn *c); /* once, always, also if refused there */
    enum verdict (*on_target)(struct conn *c, const struct target *t);
    /* Of a CONNECT, when it is decided. One that is denied is answered so,
     * unless it is opened: then each request in it is. */
    enum tunnel (*tunnel)(const struct conn *c, const struct decision *d);
    enum verdict (*on_request)(struct tx *tx, struct head *h);
    /* Before a request goes upstream, behind all of on_request; and once its
     * final head is there, or will not come: once after on_upstream has been
     * asked, whatever that said and however often. A request that is tried
     * again is still the same; a passthrough tunnel is none. */
    enum verdict (*on_upstream)(struct tx *tx);
    /* The last word before the head leaves: behind the slot, when there is a
     * connection for it. Asked for each try, so what it sets it sets again. */
    enum verdict (*on_send)(struct tx *tx, struct head *h);
    void (*on_upstream_end)(struct tx *tx);
    enum verdict (*on_response)(struct tx *tx, struct head *h);
    /* What has no verdict: a 1xx head before it is sent on, any number of
     * them before on_response; h->trailers when the body has ended. */
    void (*on_interim)(struct tx *tx, struct head *h);
    void (*on_trailers)(struct tx *tx, struct head *h);
    void (*on_log)(const struct tx *tx); /* once, always */
    /* The sandbox of that serial is no more in this worker: forget it. */
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

/* What has state of modules with it: bytes of the one zeroed block that its
 * `module_state` points to. After hooks_init(). */
enum life { LIFE_TX, LIFE_CONN, LIFE_WORKER, LIVES };
size_t modules_state_size(enum life l);

/* Collects which of these modules (all: `modules`) have which hook; once,
 * before the first worker. The list is kept. */
void hooks_init(const struct module *const *list, unsigned n);

must_check int hooks_worker_init(struct worker *w);
void hooks_worker_exit(struct worker *w);
must_check enum verdict hooks_front_end(struct conn *c);
must_check enum verdict hooks_accept(struct conn *c);
void hooks_close(struct conn *c);

/* `at` keeps the place of a hook that waits; 0 to begin. */
must_check enum verdict hooks_target(
    struct conn *c, const struct target *t, unsigned *at);

/* What the modules say, but TUNNEL_REFUSE for what may not be passed through:
 * whoever asks for that, no secret and no rule is left out. */
must_check enum tunnel hooks_tunnel(
    const struct conn *c, const struct decision *d);

/* Whether a module says whose requests are. Without a worker, and before
 * hooks_init(). */
bool hooks_identify(void);

/* Whether a module may open one: else TLS is passed through or refused. Without
 * a worker, and before hooks_init(). */
bool hooks_open_tunnels(void);
must_check enum verdict hooks_request(struct tx *tx);
must_check enum verdict hooks_upstream(struct tx *tx);
must_check enum verdict hooks_send(struct tx *tx);
void hooks_upstream_end(struct tx *tx); /* where it has begun, once */
must_check enum verdict hooks_response(struct tx *tx);
void hooks_interim(struct tx *tx);
void hooks_trailers(struct tx *tx); /* of the response */
void hooks_log(const struct tx *tx);
void hooks_sandbox_end(struct worker *w, uint64_t serial);

/* All modules in turn; without a worker. */
void hooks_explain(struct explanation *e);

/* The coding of that name, of the first module that reads it; or NULL. */
const struct transcoder *hooks_transcoder(struct str name);

/* Adds the filters that want this exchange's body. Of a response that has a
 * coding (tx->transcoder), those of FILTER_IDENTITY stand between two stages of
 * that. */
void hooks_filters(struct tx *tx, bool is_request);

/* What the filters that want the response's body come to: FILTER_IDENTITY if
 * one of them does, FILTER_LOOKS if all of those do, FILTER_KEEPS_LENGTH if all
 * filters do. Before the request leaves only those of FILTER_IDENTITY can
 * tell. */
unsigned hooks_wishes(const struct tx *tx);
