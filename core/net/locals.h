#pragma once

/*
 * The addresses of this host: those of its links, and those that its routing
 * table `local` delivers here although no link has them (`ip route add local
 * 198.51.100.0/24 dev lo`). Kept up to date by netlink.
 */

#include "base/addr.h"
#include "net/loop.h"

struct locals;

/* Reads the addresses. NULL after a log line. */
struct locals *locals_new(struct loop *l);
void locals_free(struct locals *o);

/* Whether `a` is this host's. A new address counts in the turn in which the
 * kernel reports it, one that was removed for at most a second more. A local
 * route of everything (/0) does not count here: where one exists, all traffic
 * is delivered here, and it says nothing of an address. */
bool locals_has(const struct locals *o, const struct addr *a);

/* Whether a connection to `a` ends on this host. Here a local route of
 * everything counts. */
bool locals_reaches(const struct locals *o, const struct addr *a);
