#pragma once

/*
 * A worker in the test's own process, between a client and an origin that the
 * test plays (live_end.h). The clock stands still: time passes when the test
 * says so, timers go off then, and nothing else makes them. A client is one
 * end of a socketpair, whose other end conn.c gets as accept.c would give it;
 * what weir dials is a socketpair, too. So all that one side sent has arrived
 * when a call returns: no test waits, and none depends on how busy the machine
 * is. After each call of these files weir has done all that it can do at that
 * time.
 */

#include <sys/socket.h>
#include <time.h>

#include "net/loop.h"

struct block;
struct live_end;
struct policy;
struct sandbox;

#define LIVE_ENDS 64
#define LIVE_ARRIVED 32

struct live {
    void *whole; /* of whole_conf.h: directory, configuration, error log */
    struct loop *loop;
    struct ledger *ledger;
    struct worker *worker;
    struct ev_check probe;
    bool is_quiet;         /* nothing ran in this turn */
    bool is_keeper_silent; /* the test may set it: no certificate comes */
    int room;     /* ... bytes that lie unread at a client, about; 0: many */
    int resolver; /* asked for names that are not known; says nothing */
    struct live_end *ends[LIVE_ENDS];
    unsigned n_ends;
    int arrived[LIVE_ARRIVED]; /* weir's connections, not yet taken */
    unsigned n_arrived;
    size_t logged; /* bytes of the access log that were looked at */
    unsigned fds;  /* that are open when nothing is under way */
};

/* For cmocka: *state is a struct live. */
int live_set_up(void **state);
int live_tear_down(void **state);

/* The same where every read and write of weir's moves one byte. */
int live_set_up_one_byte(void **state);

#define LIVE_TEST(f)                                                           \
    cmocka_unit_test_setup_teardown(f, live_set_up, live_tear_down)
#define LIVE_TEST_BYTES(f)                                                     \
    cmocka_unit_test_setup_teardown(f, live_set_up_one_byte, live_tear_down)

/* A worker that serves, in place of one before. `egress` stands in that block,
 * `more` in the sandbox's class. There is one header slot, and nobody may wait
 * for it, so that one that is lost shows at once. "up.test" is answered by
 * live_origin(), "silent.test" does not answer a connect(), and of all other
 * names the resolver says nothing. The file "token" has a secret. */
struct live *live_start(void **state, const char *egress, const char *more);

/* The one that is configured. Its policy is a new one from here on, which has
 * those values and the next revision; so that its own denied_hosts is that
 * pattern, and what serves it `outbound` (NULL: what did). */
struct sandbox *live_sandbox(const struct live *l);
void live_change(struct live *l, struct policy *values);
void live_deny(
    struct live *l, const char *denied, const struct block *outbound);

/* What weir can do now, until nothing is left. */
void live_settle(struct live *l);

/* So many milliseconds pass, in steps of ten. */
void live_pass(struct live *l, unsigned ms);

/* For so long but a millisecond nothing happens that anybody could see: no
 * byte arrives, nothing is closed or logged; and then something does. */
void live_lasts(struct live *l, unsigned ms);

/* Milliseconds in which nothing of that kind happens. */
void live_nothing(struct live *l, unsigned ms);

/* The access log has one more line, and it has that text. */
void live_logs(struct live *l, const char *text);

/* The error log has that text; what was logged before is forgotten. */
void live_says_why(struct live *l, const char *text);

/* No connection is left, a client's or an origin's, no slot is held, nothing
 * is counted, the access log has no line that nobody looked at. The ends are
 * no more, either. */
void live_is_back(struct live *l);
