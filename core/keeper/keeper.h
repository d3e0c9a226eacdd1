#pragma once

/*
 * The keeper: the process that holds every sandbox's CA key and mints leaf
 * certificates for the workers. It opens no network socket and reads nothing
 * but the messages of its own master and workers.
 */

#include "keeper/vault.h"

struct keeper_args {
    int master; /* SEQPACKET, chan.h: CHAN_DECLARE, CHAN_DROP, CHAN_SEGMENT,
                   CHAN_WORKER, CHAN_LOG, CHAN_QUIT; READY is sent once it
                   serves */
    const struct vault_files *vault; /* as many as there are now */
    int tickets; /* memory file of struct ticket_keys, all zeroes when it is
                    new; written here alone */
};

/* Serves until the master says CHAN_QUIT or is gone. The exit code: 0, or 1
 * after a log line. All fds are the caller's. */
int keeper_run(const struct keeper_args *a);
