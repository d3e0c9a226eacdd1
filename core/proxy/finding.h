#pragma once

/*
 * Findings: events that a security engineer wants to know of (a denial, an
 * echoed secret, a limit that was exceeded). The code that logs one also calls
 * finding(). A worker counts findings by sandbox and kind, in bounded memory,
 * and tells one observer of each, if there is an observer.
 *
 * A finding has neither the value nor the name of a secret: only its kind, the
 * sandbox, a host and the name of a rule.
 */

#include "base/str.h"

struct conn;
struct findings;

enum finding_kind {
    FINDING_DENIED,        /* the policy refused it */
    FINDING_ADDRESS,       /* the host led to an address that is refused */
    FINDING_LIMIT,         /* a limit of the sandbox was exceeded */
    FINDING_CREDENTIAL,    /* a credential is missing, or may not be sent */
    FINDING_SECRET_ECHOED, /* a response had a secret, which was masked */
    FINDING_SECRET_PROBED, /* ... the end of one, which may be a guess */
    FINDING_MINT,          /* mint_rate was exceeded */
    FINDING_DISTRUST,      /* a client does not trust the sandbox's CA */
    FINDING_SNI,           /* the SNI is not the tunnel's host */
    FINDING_KINDS
};

/* What the observer gets, lent for the call. */
struct finding {
    enum finding_kind kind;
    uint64_t serial;  /* of the sandbox; 0: it is not known yet */
    struct str host;  /* at most FINDING_HOST_MAX bytes; n 0: none */
    const char *rule; /* static */
};

#define FINDING_HOST_MAX 255

/* "denied", "secret_echoed", …: as it is logged. */
const char *finding_name(enum finding_kind kind);

/* Counts it for the connection's sandbox, tells the observer, and logs it at
 * the level debug. `rule` is static: "denied_hosts", "rate", …; `host` is cut
 * to FINDING_HOST_MAX bytes. */
void finding(const struct conn *c, enum finding_kind kind, struct str host,
    const char *rule);

/* How many sandboxes may have counters of their own, in each worker. */
#define FINDING_SANDBOXES 1024

/* Each worker has one. */
struct findings *findings_new(void);
void findings_free(struct findings *f); /* NULL: nothing */

/* Sets the observer, one for each worker; `fn` NULL: none. It is called from
 * the step that found something, and must not end the connection. */
void findings_observe(struct findings *f,
    void (*fn)(void *arg, const struct finding *found), void *arg);

/* The part of finding() that needs no connection. */
void findings_add(struct findings *f, const struct finding *found);

/* How many of each kind there were for that sandbox; NULL: none, or there were
 * no counters left for it. Serial 0: those of all sandboxes that got no
 * counters and of clients whose sandbox is not known; never NULL. Valid until
 * the next finding. */
const uint64_t *findings_counts(const struct findings *f, uint64_t serial);

/* That sandbox has ended: drops its counters. */
void findings_forget(struct findings *f, uint64_t serial);
