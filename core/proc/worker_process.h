#pragma once

/*
 * The worker process: makes a worker (proxy/worker.h) of a cycle, and obeys
 * the master's channel.
 */

#include <sys/types.h>

struct cycle;
struct ledger;

struct worker_process {
    const struct cycle *cycle;
    unsigned index;
    int chan;    /* to the master */
    int keeper;  /* to the keeper */
    int tickets; /* memory file of ticket keys */
    struct ledger *ledger;
    pid_t master;
};

/* After the fork; returns the exit code. */
int worker_process_run(const struct worker_process *p);
