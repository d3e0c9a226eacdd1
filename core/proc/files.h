#pragma once

/*
 * The files that a configuration names, looked at before the master forks:
 * what it must be able to write, and who else may read or write what nobody
 * else should. Nothing is opened; what is used later is checked again there.
 */

#include "base/obj.h"

struct conf;

/* Whether the master can write what it will: logs, the pid file, the CA
 * directory. -1 after a log line for each that it cannot. */
must_check int files_check(const struct conf *c);

/* Warns: of secrets that others may read; of secrets, configuration files,
 * trust stores, and of the directories of these and of all that the master
 * makes (logs, the pid file, sockets, ca_dir), that others than root and its
 * own user may write, the workers' user among them; of a "user" without
 * effect; and that the machine has no CA certificates. */
void files_warn(const struct conf *c);
