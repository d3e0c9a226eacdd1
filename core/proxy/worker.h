#pragma once

/*
 * A worker: everything that carries traffic in one process. proc/ makes the
 * process and hands it what it needs; this room does the rest.
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
    unsigned listen; /* for listen_get() of the conf */
    unsigned number; /* among those of its address */
};

struct worker_setup {
    struct loop *loop;
    const struct conf *conf; /* outlives the worker */
    uint32_t generation;     /* of conf */
    unsigned index, count;   /* this worker, of how many */
    int keeper;              /* SEQPACKET socket to the keeper; taken */
    int tickets;             /* memory file of ticket keys */
    struct ledger *ledger;   /* this process has a row in it */
    struct str ca_dir;       /* where the sandboxes' CA certificates lie */
    unsigned max_conns;      /* worker_connections */
    /* So many have descriptors for the connections upstream, too; at most
     * max_conns, at least 1. */
    unsigned shared_conns;
    const struct worker_socket *sockets;
    unsigned n_sockets;
    void (*on_drained)(void *arg); /* after worker_quit(), when all is done */
    /* Other workers should accept in its place, or no more; false: they could
     * not be told, and will be another time. */
    bool (*on_full)(void *arg, bool is_full);
    void *arg;
};

/* The process's own: all of it belongs to the worker, but for conf, sandboxes
 * and secrets, which were made before the fork. */
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

/* The revision of the limits that this worker knows by that policy. */
uint64_t worker_revision(const struct worker *w, const struct policy *p);

/* The HTML page for a status; n 0: none. */
struct str worker_page(const struct worker *w, unsigned status);

/* A conn has freed itself: accepts again, or ends the drain. */
void worker_conn_ended(struct worker *w);

/* Ends the drain, if nothing is left to wait for. */
void worker_check_drained(struct worker *w);

#define WORKER_MAGIC 0x3082e301u

/* NULL after a log line. Accepts nothing yet. */
must_check struct worker *worker_new(const struct worker_setup *setup);

/* A module's worker_init() does it, once: TLS in tunnels can be opened, with
 * leaves of the sandboxes' CAs; how many are kept, and how many new ones a
 * sandbox may ask for a second. -1 after a log line. */
must_check int worker_make_leaves(
    struct worker *w, unsigned max, unsigned rate);

/* Accepts its share of the sockets; `workers` is the set (base/bits.h) of those
 * that do, by index. Each call is the one that holds. */
void worker_serve(struct worker *w, struct str workers);

/* Out of descriptors: closes some idle upstream connections. False: there was
 * none. */
bool worker_shed(struct worker *w);

/* Graceful: stops accepting but from the set `leaving` of listeners (by the
 * number of the conf's listen), from those when they have ended; lets what runs
 * finish until `deadline` (clock_mono()), then calls on_drained from the loop.
 * Idle connections close at once when `is_hard`; else each has one last
 * request. A second call is the one that holds, but for the listeners: a worker
 * that drains is told to quit. */
void worker_quit(
    struct worker *w, double deadline, bool is_hard, struct str leaving);

/* The keeper was started again: ask anew for what was asked for. */
void worker_keeper_changed(struct worker *w);

/* USR1: the log files were reopened by the master; `fd` (taken) for log i. */
void worker_set_log(struct worker *w, unsigned i, int fd);

/* Closes and frees everything; for a fast stop and for leak checks. */
void worker_free(struct worker *w);
