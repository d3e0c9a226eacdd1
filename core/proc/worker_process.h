#pragma once

/*
 * The worker process: makes a worker (proxy/worker.h) of a cycle, and obeys
 * the master's channel. These are functions of role_worker (role.h).
 */

#include "proc/role.h"

void worker_process_keep(struct role_process *p);
unsigned long worker_process_nofile(const struct cycle *c);
int worker_process_run(struct role_process *p);
