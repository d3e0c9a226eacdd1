#pragma once

/*
 * The addresses that are this host's own: those of its links, and those that
 * its routing table `local` takes in without a link's having them
 * (`ip route add local 198.51.100.0/24 dev lo`). Followed by netlink.
 */

#include "base/addr.h"
#include "net/loop.h"

struct locals;

/* Reads them. NULL after a log line. */
struct locals *locals_new(struct loop *l);
void locals_free(struct locals *o);

/* An address comes in the turn in which the kernel tells of it; one that went
 * is missed within a second. A local route of everything (/0) does not count:
 * where one is, all traffic is taken in, and it names no address. */
bool locals_has(const struct locals *o, const struct addr *a);

/* Whether a connection to it ends on this host: a /0 counts. */
bool locals_reaches(const struct locals *o, const struct addr *a);
