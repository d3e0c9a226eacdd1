#pragma once

/*
 * A ledger for each test, and children that have rows in it.
 */

#include "ledger/ledger_slot.h"

extern struct ledger *ledger;
extern struct ledger_wakes wakes; /* what the last calls would wake */

/* For cmocka. */
int ledger_set_up(void **state);
int ledger_tear_down(void **state);

struct ledger_record *ledger_locked(unsigned index, uint64_t serial);

/* A child with a row, which has called `fn` and stays. */
pid_t ledger_spawn(void (*fn)(void));
void ledger_kill_and_reap(pid_t pid);
