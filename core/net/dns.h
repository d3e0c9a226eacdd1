#pragma once

/*
 * Resolves names to addresses. A and AAAA are two queries of c-ares
 * (dns_servers.c); their answers are cached for their TTL. Search domains are
 * never used. Names come in canonical form.
 *
 * All sandboxes share the cached answers, but each has a limited share of the
 * cache. A "use" says that one asker has asked for one name. When the cache is
 * full, the asker with the most uses loses the one that is oldest, and a name
 * goes with its last use. So a sandbox can tell, by how long an answer takes,
 * whether another sandbox has asked for a name that both may ask for. That is
 * accepted: the name servers have one cache for all of them too, and with a
 * cache for each sandbox a thousand that start at once would ask the same
 * question a thousand times (some clouds' servers take a thousand packets a
 * second from a host).
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
    const struct addr *servers; /* n_servers 0: those of /etc/resolv.conf */
    unsigned n_servers;
    const struct dns_static *names; /* `resolve`; before /etc/hosts */
    unsigned n_names;
    unsigned cache_max;   /* uses that are kept; 0: 8192 */
    unsigned queries_max; /* names whose queries run at a time; 0: 1024 */
    unsigned asker_max;   /* of these, for one asker; 0: 64 */
    double timeout;       /* for one name; 0: 10 s */
};

enum dns_state {
    DNS_READY,
    DNS_PENDING,
    DNS_NONE,    /* the name does not exist, or has no address */
    DNS_FAILED,  /* the servers answered with a failure */
    DNS_TIMEOUT, /* no server answered in time */
    DNS_BUSY     /* too many queries */
};

struct dns_answer {
    struct addr addrs[DNS_ADDRS_MAX]; /* port 0 */
    unsigned n;
};

/* NULL after a log line. `conf` is copied, but not `names`, which must outlive
 * it. */
struct dns *dns_new(struct loop *l, const struct dns_conf *conf);
void dns_free(struct dns *d);

/* Looks `name` up. PENDING: `waiter` is woken (task_grant) when there is news,
 * and the caller asks again. A waiter waits for one name at a time. `asker` is
 * the sandbox's serial: uses and running queries are limited by asker. */
enum dns_state dns_get(struct dns *d, uint64_t asker, struct str name,
    struct task *waiter, struct dns_answer *out);

/* As dns_get(), but the answer is one that the servers gave after `since`
 * (clock_mono()), asked for by this asker alone. So its time shows neither how
 * long answers are cached nor whether another asked. Names of `resolve` and
 * /etc/hosts are answered as by dns_get(). */
enum dns_state dns_get_anew(struct dns *d, uint64_t asker, struct str name,
    double since, struct task *waiter, struct dns_answer *out);

/* Ends the wait of `waiter`; a cancel function of a task calls it. */
void dns_forget(struct dns *d, struct task *waiter);
