#pragma once

/*
 * The writer of the ticket keys' memory file (os/ticket_keys.h).
 */

#include "base/obj.h"

struct tickets;

/* Maps it. Keys that are valid there are kept; where there are none, or a
 * predecessor died while it wrote, one is made. NULL after a log line. */
struct tickets *tickets_open(int fd);
void tickets_close(struct tickets *t);

/* A new key encrypts; the oldest of TICKET_KEYS_N is forgotten. */
void tickets_rotate(struct tickets *t);
