#pragma once

/*
 * One set of name servers and the queries to it; the owner of c-ares. The
 * system's servers are read when the set is made. When they change, a new set
 * is made and the old one is left: it gets no more queries and frees itself
 * after its last one. What /etc/hosts answers calls back before
 * dns_servers_ask() returns.
 */

#include "base/addr.h"
#include "base/list.h"
#include "net/loop.h"

/* The most addresses that one query gives. */
#define DNS_RESULT_MAX 8

enum dns_status {
    DNS_GOT,     /* there are addresses */
    DNS_EMPTY,   /* the name has no address of that family */
    DNS_UNKNOWN, /* the name does not exist */
    DNS_MUTE,    /* no server answered in time */
    DNS_ABSENT,  /* there is no server */
    DNS_BROKEN   /* a server failed, or the set was freed */
};

struct dns_result {
    enum dns_status status;
    struct addr addrs[DNS_RESULT_MAX]; /* port 0 */
    unsigned n;
    int ttl; /* in seconds: the least of the addresses and of their aliases */
};

typedef void dns_answered(void *arg, const struct dns_result *r);

struct dns_servers;

/* `n` 0: the servers of /etc/resolv.conf. `timeout` in seconds, for one query.
 * NULL after a log line. */
struct dns_servers *dns_servers_new(
    struct loop *l, const struct addr *servers, unsigned n, double timeout);
void dns_servers_free(
    struct dns_servers *s); /* running queries end as BROKEN */

/* Takes no more queries; stands in the list `left` until it frees itself. */
void dns_servers_leave(struct dns_servers *s, struct list *left);
void dns_servers_free_left(struct list *left);

/* Whether /etc/resolv.conf has changed since the set was made, or that cannot
 * be told. Costs a system call. */
bool dns_servers_are_old(const struct dns_servers *s);

/* Whether it is the system's set and the system names no server. c-ares asks
 * 127.0.0.1 then. */
bool dns_servers_are_unnamed(const struct dns_servers *s);

/* `name` ends with a NUL; `family` is 4 or 6. */
void dns_servers_ask(struct dns_servers *s, const char *name, unsigned family,
    dns_answered *fn, void *arg);

/* The version of c-ares at run time, as "1.18.1". Static. */
const char *dns_library(void);
