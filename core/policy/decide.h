#pragma once

/*
 * SPEC section 5: the ten rules as one table, walked in order; the first that
 * matches wins, and the answer says which and why. Pure: nothing is looked up
 * but the query and the (const) policy, nothing is changed.
 *
 * The caller asks for each CONNECT target, each SNI, each request; and acts on
 * nothing but the outcome. `ports` is judged by the caller with decide_port()
 * (the list belongs to the proxy). The addresses that the host resolves to are
 * judged later, by net/guard.c: by both denied_hosts lists of decision.policy
 * and by decision.ranges, which route_guard() hands over.
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
    DECIDE_RETURN, /* a request: answered by `return` of decision.where */
    DECIDE_METHOD, /* 405 with Allow: decision_allow() */
    DECIDE_BAD     /* 400 */
};

struct decide_query {
    const struct policy *policy;
    struct str host;            /* canonical; must outlive the decision */
    const struct addr *literal; /* the host as an address; NULL: a name */

    /* A request (false: the target of a CONNECT, an SNI). */
    bool is_request;
    struct str method;
    struct str path;     /* as received, without the query */
    struct arena *arena; /* for the canonical path */

    /* Rule 1, found by the caller: why it is malformed, static; else NULL. */
    const char *malformed;
};

/* What the sentence is made from; each stands for one row of the table. */
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
    const struct token *at; /* the entry of a list that decided, or the list
                               that has none; NULL: another rule, or the entry
                               stands in no file; decision_place() */
    const char *detail;     /* of REASON_MALFORMED; static */
    const struct policy *policy; /* that it was decided under */

    /* How a request is served: the host block or handler (NULL: none), the
     * location in it (NULL: none), and the scope that rules: the location's,
     * else the block's, else NULL (egress). */
    const struct block *block, *location;
    const struct scope *where;
    bool is_named;  /* an entry that let it leave, or chose its block, is this
                       very name or address, and not a pattern */
    bool may_leave; /* false with DECIDE_ALLOW: a CONNECT or SNI that only a
                       `return` will answer */
    const struct guard_rule *ranges; /* that judge what it is resolved to */
    unsigned n_ranges;
    bool has_captures;
    struct regex_match captures; /* of the host block's regex */

    /* A request's path as rules and upstream see it: canonical where the
     * block has locations or another prefix upstream, else byte for byte. */
    struct str path;
    uint16_t port; /* of REASON_PORT */
};

/* Fills *d. Needs a policy; identity comes before. */
void decide(const struct decide_query *q, struct decision *d);

/* After decide(): turns DECIDE_ALLOW into DECIDE_DENY when the port is not in
 * `ports`. */
void decide_port(struct decision *d, uint16_t port, bool is_listed);

/* "denied_hosts", "allowed_hosts", "outbound_by_host", "host", "outbound",
 * "handler", "internet", "default", "ports", "location", …: for Proxy-Status
 * and the problem document's `rule`. Static. */
const char *decision_rule_name(const struct decision *d);

/* Where that stands which decided: the entry, its list, the location, block or
 * handler. For logs and operators, not for sandboxes. NULL: nowhere. */
const struct token *decision_place(const struct decision *d);

/* One sentence for people and agents; says what to expect of a retry. Names no
 * secret. In `a`. */
struct str decision_explain(const struct decision *d, struct arena *a);

/* What that sentence begins with where weir refuses: "a.example is blocked by
 * egress policy". For the status line and the problem document's `error`. In
 * `a`. */
struct str decision_reason(const struct decision *d, struct arena *a);

/* The same of a decision to forward that something behind it stops. */
struct str decision_blocked(const struct decision *d, struct arena *a);

/* What answers it where weir does: 403, 405, 400, or the code of `return`; 0:
 * DECIDE_ALLOW. */
unsigned decision_status(const struct decision *d);

/* For DECIDE_METHOD: the value of Allow. In `a`. */
struct str decision_allow(const struct decision *d, struct arena *a);

/* For DECIDE_RETURN: code and text (NULL: none). */
unsigned decision_return(const struct decision *d, const struct value **text);
