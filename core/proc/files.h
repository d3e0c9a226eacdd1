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

/* Warns: of secrets that others may read, of secrets and configuration files
 * that others, or the workers' user, may write, of a "user" without effect. */
void files_warn(const struct conf *c);
