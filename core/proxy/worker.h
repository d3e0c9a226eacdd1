#pragma once

/*
 * A worker: everything that carries traffic in one process. proc/ makes the
 * process and hands it what it needs; this room does the rest.
 */

#include "conf/bind.h"
#include "net/loop.h"

/* One listening socket that this worker serves. */
struct worker_socket {
    int fd;
    unsigned listen; /* index into listen_list() of the conf */
};

struct worker_setup {
    struct loop *loop;
    const struct conf *conf; /* outlives the worker */
    unsigned index, count;   /* this worker, of how many */
    int keeper;              /* SEQPACKET socket to the keeper */
    int tickets;             /* memory file of ticket keys */
    int access_log;          /* unused until logs are opened by name; -1 */
    const struct worker_socket *sockets;
    unsigned n_sockets;
    void (*on_drained)(void *arg); /* after worker_quit(), when all is done */
    void *arg;
};

struct worker;

/* NULL after a log line. Starts accepting at once. */
struct worker *worker_new(const struct worker_setup *setup);

/* Graceful: stops accepting, closes idle connections, lets the others finish
 * until `deadline` (clock_mono()), then calls on_drained from the loop. */
void worker_quit(struct worker *w, double deadline);

/* The keeper was started again: ask anew for what was asked for. */
void worker_keeper_changed(struct worker *w, int keeper);

/* USR1: the log files were reopened by the master; `fd` for log number i. */
void worker_set_log(struct worker *w, unsigned i, int fd);

/* Closes and frees everything; for a fast stop and for leak checks. */
void worker_free(struct worker *w);
