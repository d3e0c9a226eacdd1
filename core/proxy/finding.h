#pragma once

/*
 * Findings: what a security engineer wants to hear of (a denial, an echoed
 * secret, a limit that was exceeded). Whoever logs one calls finding() beside
 * the log. A worker counts them by sandbox and kind, in bounded memory, and
 * tells one observer, if there is any.
 *
 * A finding has no value of a secret, nor a secret's name: only its kind, whose
 * it is, a host and the name of a rule.
 */

#include "base/str.h"

struct conn;
struct findings;

enum finding_kind {
    FINDING_DENIED,        /* the policy refused it */
    FINDING_ADDRESS,       /* the host led to an address that is refused */
    FINDING_LIMIT,         /* a limit of the sandbox was exceeded */
    FINDING_CREDENTIAL,    /* a credential may not go with it, or is missing */
    FINDING_SECRET_ECHOED, /* a response had a secret, which was taken out */
    FINDING_SECRET_PROBED, /* ... a part of one, which may be guessed */
    FINDING_MINT,          /* no more certificates for new names for now */
    FINDING_DISTRUST,      /* a client does not trust the sandbox's CA */
    FINDING_SNI,           /* the SNI is not the tunnel's host */
    FINDING_KINDS
};

/* What the observer is told: lent for the call. */
struct finding {
    enum finding_kind kind;
    uint64_t serial;  /* of the sandbox; 0: it is not known yet */
    struct str host;  /* at most FINDING_HOST_MAX bytes; n 0: none */
    const char *rule; /* static */
};

#define FINDING_HOST_MAX 255

/* "denied", "secret_echoed", …: as it is logged. */
const char *finding_name(enum finding_kind kind);

/* Counts it for the connection's sandbox, tells the observer, and the log at
 * the level debug. `rule` is static: "denied_hosts", "rate", …; of `host` what
 * is beyond FINDING_HOST_MAX is cut off. */
void finding(const struct conn *c, enum finding_kind kind, struct str host,
    const char *rule);

/* So many sandboxes have counters of their own, in each worker. */
#define FINDING_SANDBOXES 1024

/* A worker's. */
struct findings *findings_new(void);
void findings_free(struct findings *f); /* NULL: nothing */

/* One for each worker, called from the step that found it: it must not end the
 * connection. `fn` NULL: none. */
void findings_observe(struct findings *f,
    void (*fn)(void *arg, const struct finding *found), void *arg);

/* finding()'s part that needs no connection. */
void findings_add(struct findings *f, const struct finding *found);

/* How many of each kind there were for that sandbox; NULL: none, or it found no
 * place. Serial 0: of all sandboxes that found none, and of clients that did
 * not say whose they are; never NULL. Holds until the next finding. */
const uint64_t *findings_counts(const struct findings *f, uint64_t serial);

/* That sandbox has ended. */
void findings_forget(struct findings *f, uint64_t serial);
