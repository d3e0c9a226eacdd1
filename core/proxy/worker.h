#pragma once

/*
 * A worker: everything in one process that carries traffic. proc/ makes the
 * process and gives the worker what it needs (struct worker_setup).
 */

#include "base/list.h"
#include "conf/bind.h"
#include "net/loop.h"

struct distrust;
struct dns;
struct dns_static;
struct findings;
struct proxy_conf;
struct guard;
struct leaf_cache;
struct ledger;
struct policy;
struct pool;
struct sandbox_set;
struct slots;
struct tls_client;
struct secret_store;
struct tls_server;
struct tls_sessions;

/* A listening socket. */
struct worker_socket {
    int fd;
    unsigned listen; /* its number in the conf: listen_get() */
    unsigned number; /* among the sockets of its address */
};

struct worker_setup {
    struct loop *loop;
    const struct conf *conf; /* outlives the worker */
    uint64_t revision;       /* of conf */
    unsigned index, count;   /* this worker's, and how many workers there are */
    int keeper;              /* SEQPACKET socket to the keeper; taken */
    int tickets;             /* memory file of ticket keys */
    struct ledger *ledger;   /* this process has a row in it */
    struct str ca_dir;       /* where the sandboxes' CA certificates lie */
    unsigned max_conns;      /* worker_connections */
    /* For so many connections there are descriptors, each with one upstream;
     * 1 to max_conns. */
    unsigned shared_conns;
    const struct worker_socket *sockets;
    unsigned n_sockets;
    void (*on_drained)(void *arg); /* after worker_quit(), when all is done */
    /* It is full, so that other workers should accept in its place, or is so no
     * more. False: the master could not be told, and it is to be tried again.
     */
    bool (*on_full)(void *arg, bool is_full);
    void *arg;
};

/* There is one in a process. It owns all members but conf, sandboxes and
 * secrets, which were made before the fork. */
struct worker {
    unsigned magic;
    struct loop *loop;
    const struct conf *conf;
    const struct scope *egress;
    const struct proxy_conf *proxy_conf; /* of the egress block */
    struct worker_setup setup;
    struct sandbox_set *sandboxes;   /* worker_sandbox.h changes it */
    struct tls_client **tls_clients; /* of all scopes */
    unsigned n_tls_clients;
    struct secret_store *secrets;
    struct tls_server *tls;
    struct leaf_cache *leaves; /* NULL: no TLS is opened in tunnels */
    struct dns *dns;
    struct dns_static *static_names;
    struct guard *guard;
    struct pool *pool;
    struct slots *slots;
    struct distrust *distrust;
    struct findings *findings;
    struct acceptor *acceptors;
    void *module_state; /* hook.c's block */
    struct list conns;
    unsigned n_conns, max_conns;
    uint64_t next_conn, next_tx;
    struct timer quit_timer, accept_timer;
    bool has_served;           /* worker_serve() */
    bool is_quitting, is_hard; /* worker_quit() */
    bool is_paused, is_full;   /* accept.c's */
};

/* The egress block's own directives. */
const struct proxy_conf *worker_conf(const struct worker *w);

/* The revision of a sandbox's limits, as this worker knows them: of this policy
 * or of its configuration. */
uint64_t worker_revision(const struct worker *w, const struct policy *p);

/* The HTML page for a status; n 0: none. */
struct str worker_page(const struct worker *w, unsigned status);

/* A conn has freed itself: the worker accepts again, or its drain ends. */
void worker_conn_ended(struct worker *w);

/* Ends the drain if there is nothing left to wait for. */
void worker_check_drained(struct worker *w);

#define WORKER_MAGIC 0x3082e301u

/* NULL after a log line. Accepts nothing yet. */
must_check struct worker *worker_new(const struct worker_setup *setup);

/* Makes it possible to open TLS in tunnels, with leaves of the sandboxes' CAs;
 * called once, by a module's worker_init(). `max`: leaves that are kept;
 * `rate`: new ones that a sandbox may ask for in a second. -1 after a log line.
 */
must_check int worker_make_leaves(
    struct worker *w, unsigned max, unsigned rate);

/* Accepts from its share of the sockets. `workers` is the set (base/bits.h) of
 * the indexes of all workers that accept; each call replaces the one before. */
void worker_serve(struct worker *w, struct str workers);

/* There are no descriptors: closes some idle upstream connections. False: there
 * were none. */
bool worker_shed(struct worker *w);

/* Ends gracefully: stops to accept, but for the listeners of the set `leaving`
 * (numbers of the conf's listen), from which it accepts until they have ended.
 * What runs may finish until `deadline` (clock_mono()); then on_drained is
 * called from the loop. If `is_hard`, idle connections are closed at once; else
 * each may have one last request. A second call (a worker that drains is told
 * to quit) replaces all of this but the listeners. */
void worker_quit(
    struct worker *w, double deadline, bool is_hard, struct str leaving);

/* The keeper was started again: asks it for all that is still awaited. */
void worker_keeper_changed(struct worker *w);

/* USR1: the master has opened log i again; `fd`, taken, is the new file. */
void worker_set_log(struct worker *w, unsigned i, int fd);

/* Closes and frees everything; for a fast stop and for leak checks. */
void worker_free(struct worker *w);
