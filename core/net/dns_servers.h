#pragma once

/*
 * One set of name servers and the queries to it: the owner of c-ares. The
 * system's are read when the set is made; when those change another is made,
 * and this one is left: it frees itself behind its last query. What /etc/hosts
 * has is answered within the call that asks.
 */

#include "base/addr.h"
#include "base/list.h"
#include "net/loop.h"

/* Addresses that one query gives at most. */
#define DNS_RESULT_MAX 8

enum dns_status {
    DNS_GOT,     /* addresses */
    DNS_EMPTY,   /* the name has none of that family */
    DNS_UNKNOWN, /* there is no such name */
    DNS_MUTE,    /* no server answered in time */
    DNS_ABSENT,  /* none is there */
    DNS_BROKEN   /* a server's failure, or the set was freed */
};

struct dns_result {
    enum dns_status status;
    struct addr addrs[DNS_RESULT_MAX]; /* port 0 */
    unsigned n;
    int ttl; /* seconds: the least of the addresses' and their aliases' */
};

typedef void dns_answered(void *arg, const struct dns_result *r);

struct dns_servers;

/* `n` 0: those of /etc/resolv.conf. `timeout` in seconds, of a query. NULL
 * after a log line. */
struct dns_servers *dns_servers_new(
    struct loop *l, const struct addr *servers, unsigned n, double timeout);
void dns_servers_free(struct dns_servers *s); /* what it is asked is BROKEN */

/* It stands in `left` until it is done; nothing is asked of it any more. */
void dns_servers_leave(struct dns_servers *s, struct list *left);
void dns_servers_free_left(struct list *left);

/* Whether /etc/resolv.conf is another one since the set was made, or cannot be
 * told. It costs a system call. */
bool dns_servers_are_old(const struct dns_servers *s);

/* Whether it is the system's, and the system names none: then c-ares asks
 * 127.0.0.1. */
bool dns_servers_are_unnamed(const struct dns_servers *s);

/* `name` may be followed by more behind a NUL; `family` is 4 or 6. */
void dns_servers_ask(struct dns_servers *s, const char *name, unsigned family,
    dns_answered *fn, void *arg);

/* "1.18.1", of the c-ares that runs; static. */
const char *dns_library(void);
