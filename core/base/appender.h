#pragma once

/*
 * The end of a log, to which several processes may append: lines get there
 * whole or not at all, and those that do not are counted. Nothing waits and
 * nothing is tried again: a full disk must not stop traffic. Nothing is locked
 * either: where room appears in the moment between a write that was cut short
 * and the look at what it left, a line of another process may lose its end.
 */

#include "base/str.h"

struct appender {
    bool is_torn; /* it ends in a piece of a line that could not be taken off:
                     a newline goes before what follows */
    uint64_t n_lost; /* lines, until the caller has told of them */
    int err;         /* errno of the last loss */
};

/* Appends lines, each with its newline, to a descriptor that is open with
 * O_APPEND, or leads to no regular file. Where there is room for some of them
 * only, these are kept, and of the next nothing is left. False: lines were
 * lost, `n_lost` and `err` say how many and why. */
bool appender_write(struct appender *a, int fd, struct str lines);
