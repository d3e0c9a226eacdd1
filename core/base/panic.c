/*
 * Ends a process that found a bug of its own: file, line, step and the last log
 * lines go to the error log, then abort(). Never called on input.
 */

#include "base/obj.h"

#include <stdlib.h>

#include "base/log.h"

static const char *panic_step;

void
panic_set_step(const char *name)
{
    panic_step = name;
}

_Noreturn void
panic_at(const char *file, int line, const char *why)
{
    log_at(LOG_EMERG, "panic at %s:%d: %s; step %s", file, line, why,
        panic_step != NULL ? panic_step : "none");
    log_dump_recent();
    abort();
}
