#pragma once

/*
 * Decides by the ten rules of SPEC 5, which are one table, walked in order: the
 * first rule that matches wins, and the decision says which and why. Pure: it
 * reads the query and the policy, and changes nothing.
 *
 * The caller asks for each CONNECT target, each SNI and each request, and acts
 * on nothing but the outcome. It has the list `ports`, and judges by that with
 * decide_port(). The addresses that the host is resolved to are judged later,
 * by net/guard.c: by both denied_hosts lists of decision.policy and by
 * decision.ranges, which route_guard() hands over.
 */

#include "base/addr.h"
#include "base/mem.h"
#include "base/regex.h"
#include "base/str.h"

struct block;
struct guard_rule;
struct policy;
struct scope;
struct token;
struct value;

enum decide_outcome {
    DECIDE_DENY,   /* 403 */
    DECIDE_ALLOW,  /* a CONNECT or SNI may go on; a request is forwarded */
    DECIDE_RETURN, /* a request is answered by decision_return() */
    DECIDE_METHOD, /* 405 with Allow: decision_allow() */
    DECIDE_BAD     /* 400 */
};

struct decide_query {
    const struct policy *policy;
    struct str host;            /* canonical; must outlive the decision */
    const struct addr *literal; /* the host as an address; NULL: a name */

    /* False: the target of a CONNECT, or an SNI; the rest is of requests. */
    bool is_request;
    struct str method;
    struct str path;     /* as received, without the query */
    struct arena *arena; /* for the canonical path */

    /* Rule 1, which the caller judges: why it is malformed (static); NULL: it
     * is not. */
    const char *malformed;
};

/* What decided; decision_explain() has a sentence for each. */
enum decide_reason {
    REASON_NONE,
    REASON_MALFORMED,    /* rule 1: `detail` */
    REASON_DENIED_HOSTS, /* 2 */
    REASON_NOT_ALLOWED,  /* 3 */
    REASON_BLOCK,        /* 4–7: the block or handler lets it leave */
    REASON_BLOCK_DENY,   /* 4–7: its `deny` matched */
    REASON_BLOCK_RETURN, /* 4–7: its `return` answers */
    REASON_BLOCK_METHOD, /* 4–7: its `methods` */
    REASON_REGEX,        /* 4, 5, location: a regex failed to run */
    REASON_ALLOWED,      /* 8 */
    REASON_INTERNET,     /* 9 */
    REASON_DEFAULT,      /* 10 */
    REASON_PORT          /* decide_port() */
};

struct decision {
    enum decide_outcome outcome;
    unsigned rule; /* 1 to 10; 0: not decided yet */
    enum decide_reason reason;
    struct str host;
    struct str pattern;     /* that matched; lent by the policy; may be empty */
    const struct token *at; /* the entry of the list that decided, or the list
                               if no entry matched; NULL: another rule decided,
                               or the entry stands in no file. Use
                               decision_place() */
    const char *detail;     /* for REASON_MALFORMED; static */
    const struct policy *policy; /* by which it was decided */

    /* What serves the request: the host block or handler, and the location in
     * it; NULL: none. `where` is the scope of the innermost of them; NULL:
     * egress. */
    const struct block *block, *location;
    const struct scope *where;
    bool is_named;  /* the entry that let it leave, or that chose its block, is
                       this one name or address, and no wider pattern */
    bool may_leave; /* false with DECIDE_ALLOW: a CONNECT or SNI in which each
                       request can only be answered by a `return` */
    const struct guard_rule *ranges; /* for the addresses of the host */
    unsigned n_ranges;
    bool has_captures;
    struct regex_match captures; /* of the host block's regex */

    /* The request's path as the rules and the origin see it: canonical if the
     * block has locations or sends another prefix, otherwise as received. */
    struct str path;
    uint16_t port; /* for REASON_PORT */
};

/* Fills *d. The query has a policy: the sandbox is known by now. */
void decide(const struct decide_query *q, struct decision *d);

/* After decide(): turns DECIDE_ALLOW into DECIDE_DENY if the port is not listed
 * in `ports`. */
void decide_port(struct decision *d, uint16_t port, bool is_listed);

/* "denied_hosts", "allowed_hosts", "outbound_by_host", "host", "outbound",
 * "handler", "internet", "default", "ports", "location", …: for Proxy-Status
 * and the problem document's `rule`. Static. */
const char *decision_rule_name(const struct decision *d);

/* The place in the configuration of what decided: an entry, a list, a location,
 * a block or a handler. For logs and operators, not for sandboxes. NULL: it has
 * none. */
const struct token *decision_place(const struct decision *d);

/* Sentences for people and agents, in `a`; they say what to expect of a retry,
 * and name no secret. */
struct str decision_explain(const struct decision *d, struct arena *a);

/* How decision_explain() begins where weir refuses, such as "a.example is
 * blocked by egress policy". For the status line and the problem document's
 * `error`. In `a`. */
struct str decision_reason(const struct decision *d, struct arena *a);

/* The same for a decision to forward, where something later refuses. */
struct str decision_blocked(const struct decision *d, struct arena *a);

/* The status with which weir answers: 403, 405, 400, or the code of `return`.
 * 0: DECIDE_ALLOW. */
unsigned decision_status(const struct decision *d);

/* For DECIDE_METHOD: the value of Allow. In `a`. */
struct str decision_allow(const struct decision *d, struct arena *a);

/* For DECIDE_RETURN: code and text (NULL: none). */
unsigned decision_return(const struct decision *d, const struct value **text);
