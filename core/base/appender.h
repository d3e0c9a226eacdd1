#pragma once

/*
 * Appends lines to a log that several processes may write. A line is written
 * whole or not at all; lines that are lost are counted. Nothing waits and
 * nothing is tried again, as a full disk must not stop traffic. There is no
 * lock: if the disk gets room just after a write was cut short, a line that
 * another process appends then may lose its end.
 */

#include "base/str.h"

struct appender {
    bool is_torn;    /* the log ends in a piece of a line that could not be
                        removed: a newline goes before the next line */
    uint64_t n_lost; /* lines; the caller logs them and sets it to 0 */
    int err;         /* errno of the last loss */
};

/* Appends lines, each with its newline. `fd` is open with O_APPEND, or is no
 * regular file. If there is room for some lines only, these are kept, and
 * nothing of the next one. False: lines were lost; `n_lost` and `err` say how
 * many and why. */
bool appender_write(struct appender *a, int fd, struct str lines);
