#pragma once

/*
 * Names to addresses: the owner of c-ares. A and AAAA are two queries; what
 * they gave is kept for its TTL. No search domains, ever. Names come in
 * canonical form.
 *
 * Answers are shared by all who ask; the room for them is not: when it is full
 * the largest asker's use of a name goes, the one used longest ago, and a name
 * with the last use of it. So a sandbox can tell by the time that an answer
 * takes whether another has asked for a name that it may ask for itself. That
 * stays: the server behind has such a cache for all of them as well, and by
 * sandbox a thousand that start at once would ask it a thousand times (some
 * clouds' servers take a thousand packets a second from a host).
 */

#include "base/addr.h"
#include "net/task.h"

#define DNS_ADDRS_MAX 16

struct dns;

struct dns_static {
    struct str name;
    const struct addr *addrs;
    unsigned n;
};

struct dns_conf {
    const struct addr *servers; /* none: those of /etc/resolv.conf */
    unsigned n_servers;
    const struct dns_static *names; /* `resolve`; before /etc/hosts */
    unsigned n_names;
    unsigned cache_max;   /* names kept, for each asker; 0: 8192 in all */
    unsigned queries_max; /* names being asked for at once; 0: 1024 */
    unsigned asker_max;   /* of them for one asker; 0: 64 */
    double timeout;       /* of one name; 0: 10 s */
};

enum dns_state {
    DNS_READY,
    DNS_PENDING,
    DNS_NONE,    /* there is no such name, or it has no address */
    DNS_FAILED,  /* the servers answered with a failure */
    DNS_TIMEOUT, /* they did not answer */
    DNS_BUSY     /* too many queries */
};

struct dns_answer {
    struct addr addrs[DNS_ADDRS_MAX]; /* port 0 */
    unsigned n;
};

/* NULL after a log line. `conf` is copied but for the names, which outlive. */
struct dns *dns_new(struct loop *l, const struct dns_conf *conf);
void dns_free(struct dns *d);

/* What is known of `name`; PENDING wakes `waiter` (task_grant) when there is
 * news, and the caller asks again. A waiter waits for one name at a time.
 * `asker` is the sandbox's serial, for its share of the queries. */
enum dns_state dns_get(struct dns *d, uint64_t asker, struct str name,
    struct task *waiter, struct dns_answer *out);

/* The same for one asker alone, by what the servers say from `since` on
 * (clock_mono()): how long an answer is kept, and whether another asked for
 * it, shows in nothing. Names of `resolve` and /etc/hosts are as ever. */
enum dns_state dns_get_anew(struct dns *d, uint64_t asker, struct str name,
    double since, struct task *waiter, struct dns_answer *out);

/* The waiter no longer waits; a task's cancel. */
void dns_forget(struct dns *d, struct task *waiter);
