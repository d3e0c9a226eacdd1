/*
 * A decision in words: for logs, Proxy-Status and problem documents. What is
 * said reaches the sandbox, so it names patterns and blocks and no secret.
 */

#include "sandbox/decide.h"

#include "sandbox/block.h"
#include "sandbox/sandbox.h"

#define NO_RETRY "retrying will not help"

/* The name of the rule that chose the block. */
static const char *
block_rule_name(const struct decision *d)
{
    if (d->location != NULL) {
        return "location";
    }
    return d->rule == 4   ? "outbound_by_host"
           : d->rule == 5 ? "host"
                          : "outbound";
}

const char *
decision_rule_name(const struct decision *d)
{
    switch (d->reason) {
    case REASON_NONE:
        return "none";
    case REASON_MALFORMED:
        return d->rule == 1 ? "request" : "location";
    case REASON_DENIED_HOSTS:
        return "denied_hosts";
    case REASON_NOT_ALLOWED:
    case REASON_ALLOWED:
        return "allowed_hosts";
    case REASON_BLOCK:
    case REASON_BLOCK_DENY:
    case REASON_BLOCK_RETURN:
    case REASON_REGEX:
        return block_rule_name(d);
    case REASON_BLOCK_METHOD:
        return "methods";
    case REASON_INTERNET:
        return "internet";
    case REASON_DEFAULT:
        return "default";
    case REASON_PORT:
        return "ports";
    }
    PANIC("a reason without a name");
}

static const char *
kind_of(const struct block *b)
{
    switch (b->scope->context) {
    case CONF_LOCATION:
        return "location";
    case CONF_HANDLER:
        return "handler";
    default:
        return "host";
    }
}

/* "host "a.example"", "location "/x""; in `a`. */
static struct str
name_of(const struct block *b, struct arena *a)
{
    return b != NULL
               ? arena_printf(a, "%s \"%.*s\"", kind_of(b), STR_ARG(b->name))
               : STR("no block");
}

static struct str
explain_default(const struct decision *d, struct arena *a)
{
    struct str name = name_of(d->block, a);
    return d->block != NULL
               ? arena_printf(a,
                     "%.*s is blocked by egress policy: %.*s would serve it, "
                     "but nothing allows it to leave; " NO_RETRY,
                     STR_ARG(d->host), STR_ARG(name))
               : arena_printf(a,
                     "%.*s is blocked by egress policy: nothing allows "
                     "it; " NO_RETRY,
                     STR_ARG(d->host));
}

/* Why it is answered with 403. */
static struct str
explain_deny(const struct decision *d, struct arena *a)
{
    switch (d->reason) {
    case REASON_DENIED_HOSTS:
        return arena_printf(a,
            "%.*s is blocked by egress policy: denied_hosts has "
            "\"%.*s\"; " NO_RETRY,
            STR_ARG(d->host), STR_ARG(d->pattern));
    case REASON_NOT_ALLOWED:
        return arena_printf(a,
            "%.*s is blocked by egress policy: it is not in "
            "allowed_hosts; " NO_RETRY,
            STR_ARG(d->host));
    case REASON_REGEX:
        return arena_printf(a,
            "%.*s is blocked by egress policy: a regular expression could "
            "not be run on it; " NO_RETRY,
            STR_ARG(d->host));
    case REASON_PORT:
        return arena_printf(a,
            "port %u of %.*s is blocked by egress policy: it is not in "
            "ports; " NO_RETRY,
            d->port, STR_ARG(d->host));
    default:
        return explain_default(d, a);
    }
}

/* What a block or its location does with it. */
static struct str
explain_block(const struct decision *d, struct arena *a)
{
    struct str name = name_of(d->location != NULL ? d->location : d->block, a);
    switch (d->reason) {
    case REASON_BLOCK_DENY:
        return arena_printf(a,
            "%.*s is blocked by egress policy: %.*s denies \"%.*s\"; " NO_RETRY,
            STR_ARG(d->host), STR_ARG(name), STR_ARG(d->pattern));
    case REASON_BLOCK_METHOD: {
        struct str methods = decision_allow(d, a);
        return arena_printf(a,
            "the method is blocked by egress policy: %.*s of %.*s takes only "
            "%.*s; " NO_RETRY,
            STR_ARG(name), STR_ARG(d->host), STR_ARG(methods));
    }
    case REASON_BLOCK_RETURN:
        return arena_printf(a, "%.*s is answered by %.*s and not forwarded",
            STR_ARG(d->host), STR_ARG(name));
    default:
        return arena_printf(
            a, "%.*s is served by %.*s", STR_ARG(d->host), STR_ARG(name));
    }
}

struct str
decision_explain(const struct decision *d, struct arena *a)
{
    switch (d->reason) {
    case REASON_NONE:
        return STR("nothing is decided yet");
    case REASON_MALFORMED:
        return arena_printf(a,
            "the request is malformed: %s; sending it again unchanged will "
            "not help",
            d->detail != NULL ? d->detail : "it is ambiguous");
    case REASON_BLOCK:
    case REASON_BLOCK_DENY:
    case REASON_BLOCK_RETURN:
    case REASON_BLOCK_METHOD:
        return explain_block(d, a);
    case REASON_ALLOWED:
        return arena_printf(a, "%.*s is forwarded: allowed_hosts has \"%.*s\"",
            STR_ARG(d->host), STR_ARG(d->pattern));
    case REASON_INTERNET:
        return arena_printf(
            a, "%.*s is forwarded: internet is on", STR_ARG(d->host));
    case REASON_DENIED_HOSTS:
    case REASON_NOT_ALLOWED:
    case REASON_REGEX:
    case REASON_DEFAULT:
    case REASON_PORT:
        break;
    }
    return explain_deny(d, a);
}

struct str
decision_allow(const struct decision *d, struct arena *a)
{
    const struct block *b = d->location != NULL ? d->location : d->block;
    CHECK(b, BLOCK_MAGIC);
    const struct str_list *l = &b->conf->methods;
    size_t size = 1, n = 0;
    for (unsigned i = 0; i < l->n; i++) {
        size += l->items[i].n + 2;
    }
    char *to = arena_alloc(a, size);
    for (unsigned i = 0; i < l->n; i++) {
        if (i != 0) {
            memcpy(to + n, ", ", 2);
            n += 2;
        }
        memcpy(to + n, l->items[i].p, l->items[i].n);
        n += l->items[i].n;
    }
    return str_n(to, n);
}

/* A block's own `return` goes before the locations in it; no location was
 * chosen then. */
unsigned
decision_return(const struct decision *d, const struct value **text)
{
    const struct block *b = d->location != NULL ? d->location : d->block;
    AN(d->outcome == DECIDE_RETURN);
    CHECK(b, BLOCK_MAGIC);
    *text = b->conf->return_text;
    return b->conf->return_code;
}

unsigned
decision_status(const struct decision *d)
{
    const struct value *text;
    switch (d->outcome) {
    case DECIDE_ALLOW:
        return 0;
    case DECIDE_RETURN:
        return decision_return(d, &text);
    case DECIDE_METHOD:
        return 405;
    case DECIDE_BAD:
        return 400;
    case DECIDE_DENY:
        break;
    }
    return 403;
}
