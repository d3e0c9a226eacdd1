#pragma once

/*
 * Which sandboxes were found not to trust their CA, so that the log says it of
 * each once in a while: a client without the CA tries again and again.
 */

#include "base/obj.h"

struct distrust;

struct distrust *distrust_new(void);
void distrust_free(struct distrust *d); /* NULL: nothing */

/* Whether to tell it of that sandbox: not within DISTRUST_EVERY seconds of the
 * last time; `now` is clock_mono(). */
#define DISTRUST_EVERY 60.0
must_check bool distrust_is_news(
    struct distrust *d, uint64_t serial, double now);

/* That sandbox has ended. */
void distrust_forget(struct distrust *d, uint64_t serial);
