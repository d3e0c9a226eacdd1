/*
 * A worker's; called by intercept.c. A table of fixed size, whatever sandboxes
 * come and go.
 */

#include "proxy/distrust.h"

#include "base/mem.h"

#define PLACES 1024
#define OTHERS_EVERY 1.0 /* seconds */

struct distrust {
    struct {
        uint64_t serial; /* 0: none yet */
        double told;     /* clock_mono() */
    } places[PLACES];
};

struct distrust *
distrust_new(void)
{
    return xcalloc(sizeof(struct distrust));
}

void
distrust_free(struct distrust *d)
{
    xfree(d);
}

bool
distrust_is_news(struct distrust *d, uint64_t serial, double now)
{
    unsigned i = (unsigned)(serial % PLACES);
    bool is_same = d->places[i].serial == serial;
    double wait = is_same ? DISTRUST_EVERY : OTHERS_EVERY;
    if (d->places[i].serial != 0 && now < d->places[i].told + wait) {
        return false;
    }
    d->places[i].serial = serial;
    d->places[i].told = now;
    return true;
}
