#pragma once

/*
 * Checks the files that a configuration names before the master forks: whether
 * it can write what it must, and whether others can read or write what nobody
 * else should. Nothing is opened here; who uses a file later checks it again.
 */

#include "base/obj.h"

struct conf;

/* Whether the master can write what it will: logs, the pid file, the CA
 * directory. -1 after a log line for each that it cannot. */
must_check int files_check(const struct conf *c);

/* Logs warnings:
 * - secrets that others may read;
 * - what somebody other than root and the master's own user may write (the
 *   workers' user is somebody other): secrets, configuration files, trust
 * stores, and the directories of these and of all that the master makes (logs,
 * the pid file, sockets, ca_dir);
 * - a "user" without effect;
 * - no CA certificates on this machine. */
void files_warn(const struct conf *c);
