#pragma once

/*
 * Typed messages between weir's own processes over a SEQPACKET pair, each with
 * at most one descriptor. A message is one packet, or several when its data is
 * long (link.h sends and gathers those). A malformed one is our own bug, or
 * comes from a process that was taken over: the channel is not used any more
 * then.
 */

#include "base/str.h"

#define CHAN_DATA_MAX 2048 /* bytes of data in one packet */

enum chan_type {
    CHAN_READY =
        1,      /* child: it is initialised; a keeper serves, a worker can */
    CHAN_SERVE, /* master: accept; data: the set of workers that accept, each
                   its share of the sockets */
    CHAN_FULL, /* worker: 1: it accepts no more connections; 0: it does again */
    CHAN_QUIT, /* master: finish what runs and close idle connections, within
                  `number` seconds; 0: end at once. data: the set of the only
                  listeners to accept from until they end */
    CHAN_DRAIN,   /* master: as CHAN_QUIT, but a successor serves: an idle
                     connection may send one last request */
    CHAN_KEEPER,  /* master: there is a new keeper, ask it again */
    CHAN_LOG,     /* master: fd replaces log `number`; -1: the error log, its
                     level (enum log_level) in one byte of data */
    CHAN_SECRET,  /* master: fd is a memory file with a secret's message of
                     `number` bytes */
    CHAN_WORKER,  /* master to keeper: fd is its end of a worker's pair */
    CHAN_SEGMENT, /* master: fd is segment `number` of the vault to the keeper,
                     of the ledger to a worker, after those that it has */
    CHAN_DECLARE, /* master to keeper: sandbox `number` (serial), data: struct
                     declare; once more for the same makes no new key */
    CHAN_CA,      /* keeper: of `number` (serial), data: certificate (DER) */
    CHAN_DROP,    /* master to keeper: sandbox `number` (serial), data: struct
                     declare without the id */
    CHAN_DONE,    /* keeper: it is done */
    CHAN_FAILED   /* keeper: it is not done; data: why */
};

struct chan_msg {
    enum chan_type type;
    uint64_t number;
    struct str data; /* received: in the caller's buffer */
    int fd;          /* -1: none; received: the caller's to close */
};

/* Sends a message of one packet. IO_OK; IO_AGAIN: the queue of a non-blocking
 * socket is full; IO_ERR. The fd stays the caller's. */
must_check enum io chan_send(int sock, const struct chan_msg *m);

/* Sends one packet of a message of any size, from byte *at of its data on, and
 * moves *at; the fd goes with the first one. To be called until *at is
 * m->data.n, at least once. As chan_send(). */
must_check enum io chan_send_part(
    int sock, const struct chan_msg *m, size_t *at);

/* Receives a message of one packet. IO_EOF: the other process has closed its
 * end, and all that it sent was received. IO_ERR: a malformed or longer
 * message, its descriptors closed. `buf` has CHAN_DATA_MAX bytes. */
must_check enum io chan_recv(int sock, struct chan_msg *m, char *buf);

/* Receives one packet. `*more`: so many bytes of its message are in packets
 * that follow, each with the same type and number. As chan_recv(). */
must_check enum io chan_recv_part(
    int sock, struct chan_msg *m, char *buf, size_t *more);

/* As chan_recv(), but waits at most `seconds`; IO_AGAIN: nothing came. */
must_check enum io chan_recv_wait(
    int sock, struct chan_msg *m, char *buf, double seconds);
