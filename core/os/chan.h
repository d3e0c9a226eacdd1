#pragma once

/*
 * Typed messages between weir's own processes over a SEQPACKET pair, with at
 * most one descriptor each. A message that is not of the form is our own bug
 * or a process that was taken over: the channel is dead then.
 */

#include "base/str.h"

#define CHAN_DATA_MAX 2048 /* bytes behind the header */

enum chan_type {
    CHAN_READY = 1, /* child: initialised; a keeper serves, a worker can */
    CHAN_SERVE,     /* master: accept; data: the set of the workers that do,
                       each its share of the sockets */
    CHAN_FULL,      /* worker: 1: it accepts no more; 0: it does again */
    CHAN_QUIT,      /* master: finish what runs, idle connections close, for
                       at most `number` seconds; 0: end at once. data: the set
                       of listeners to accept from until they end, no others */
    CHAN_DRAIN,     /* master: the same, but a successor serves: an idle
                       connection has one last request */
    CHAN_KEEPER,    /* master: the keeper is a new one, ask again */
    CHAN_LOG,       /* master: fd replaces log `number`; -1: the error log, its
                       level (enum log_level) in one byte of data */
    CHAN_SECRET,    /* master: fd is a memory file with a secret's message of
                       `number` bytes */
    CHAN_WORKER,    /* master to keeper: fd is its end of a worker's pair */
    CHAN_DECLARE,   /* master to keeper: sandbox `number` (serial), data: id;
                       once more for the same serial makes no new key */
    CHAN_CA,        /* keeper: `number` index, data: certificate (DER) */
    CHAN_DROP,      /* master to keeper: sandbox `number` (serial) */
    CHAN_DONE,      /* keeper: that was done */
    CHAN_FAILED     /* keeper: it was not; data: why */
};

struct chan_msg {
    enum chan_type type;
    uint64_t number;
    struct str data; /* received: in the caller's buffer */
    int fd;          /* -1: none; received: the caller's to close */
};

/* IO_OK, IO_AGAIN when a non-blocking peer's queue is full, or IO_ERR. The fd
 * stays the caller's. */
must_check enum io chan_send(int sock, const struct chan_msg *m);

/* IO_EOF: the other process is gone, and what it had sent was received; IO_ERR:
 * a message that is not of the form, its descriptors closed. `buf` has
 * CHAN_DATA_MAX bytes. */
must_check enum io chan_recv(int sock, struct chan_msg *m, char *buf);

/* As chan_recv(), waiting at most `seconds`; IO_AGAIN: nothing came. */
must_check enum io chan_recv_wait(
    int sock, struct chan_msg *m, char *buf, double seconds);
