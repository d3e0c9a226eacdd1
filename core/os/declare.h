#pragma once

/*
 * What the master says to the keeper of a sandbox: the data of CHAN_DECLARE and
 * CHAN_DROP, as it lies in memory. The serial is the message's number. Layout;
 * includes base alone.
 */

#include <stddef.h>

#include "base/id.h"

struct declare {
    uint32_t index;  /* of its record in the vault */
    char id[ID_MAX]; /* as long as the data; nothing of it in CHAN_DROP */
};

#define DECLARE_SIZE(n_id) (offsetof(struct declare, id) + (n_id))
