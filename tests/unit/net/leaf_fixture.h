#pragma once

/*
 * For tests of the leaf cache: a loop, a cache, a CA, two tasks that wait, and
 * the keeper's part. A test starts its cache with its own limits.
 */

#include "net/leaf.h"
#include "os/mint.h"

struct lf_waiter {
    struct task task;
    unsigned granted; /* runs; each ends the turn */
};

struct leaf_fixture {
    struct loop *loop;
    struct leaf_cache *cache;
    int ours, peer; /* the cache's end, and the keeper's */
    struct leaf_owner owner;
    struct lf_waiter w, w2;
};

extern struct leaf_fixture fx;

int lf_setup(void **state);
int lf_teardown(void **state);
void lf_start(unsigned max, unsigned rate);
void lf_stop(void);

/* Events for `seconds` at most, or until a grant. */
void lf_turn(double seconds);
void lf_until_granted(struct lf_waiter *wt);

/* leaf_get() for fx.w; the second gives the leaf back at once. */
enum leaf_state lf_get_of(const struct leaf_owner *o, const char *name,
    struct leaf **leaf);
enum leaf_state lf_get(const char *name);

/* The keeper's part. lf_serve(): takes an ask, grants what fx.w waits for. */
struct mint_ask lf_take_ask(void);
bool lf_has_ask(void);
struct mint_answer lf_sign(const struct mint_ask *ask);
struct mint_answer lf_sign_at(const struct mint_ask *ask, int64_t now);
void lf_answer(const struct mint_answer *a);
void lf_serve(void);
