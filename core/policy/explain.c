/*
 * A decision in words, for logs, Proxy-Status and problem documents. The
 * sandbox reads them: so they name patterns and blocks, and no secret.
 */

#include "policy/decide.h"

#include "policy/block.h"

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

const struct token *
decision_place(const struct decision *d)
{
    const struct block *b = d->location != NULL ? d->location : d->block;
    bool is_block = d->reason == REASON_BLOCK ||
                    d->reason == REASON_BLOCK_RETURN ||
                    d->reason == REASON_BLOCK_METHOD;
    return d->at == NULL && is_block ? &b->scope->directive->name : d->at;
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

/* Whether it is a `return` without a text, of a status that is an error. */
static bool
is_bare_return(const struct decision *d)
{
    const struct value *text;
    return d->outcome == DECIDE_RETURN && decision_return(d, &text) >= 400 &&
           text == NULL;
}

/* Whether the status means that a later try may succeed. An operator who
 * returns it wants that: so the sentence does not say NO_RETRY. */
static bool
is_for_now(unsigned code)
{
    return code >= 500 || code == 408 || code == 425 || code == 429;
}

struct str
decision_blocked(const struct decision *d, struct arena *a)
{
    return arena_printf(
        a, "%.*s is blocked by egress policy", STR_ARG(d->host));
}

struct str
decision_reason(const struct decision *d, struct arena *a)
{
    switch (d->reason) {
    case REASON_MALFORMED:
        return arena_printf(a, "the request is malformed: %s",
            d->detail != NULL ? d->detail : "it is ambiguous");
    case REASON_BLOCK_METHOD:
        return STR("the method is blocked by egress policy");
    case REASON_PORT:
        return arena_printf(a, "port %u of %.*s is blocked by egress policy",
            d->port, STR_ARG(d->host));
    case REASON_BLOCK_RETURN:
        if (is_bare_return(d) && is_for_now(decision_status(d))) {
            return arena_printf(
                a, "%.*s is answered by egress policy", STR_ARG(d->host));
        }
        break;
    default:
        break;
    }
    return decision_blocked(d, a);
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
                     "%.*s would serve it, but nothing allows it to leave",
                     STR_ARG(name))
               : STR("nothing allows it");
}

static struct str
explain_return(const struct decision *d, struct str name, struct arena *a)
{
    return arena_printf(
        a, "%.*s returns %u", STR_ARG(name), decision_status(d));
}

/* What follows decision_reason() in the sentence of a refusal. */
static struct str
explain_why(const struct decision *d, struct arena *a)
{
    struct str name = name_of(d->location != NULL ? d->location : d->block, a);
    struct str methods;
    switch (d->reason) {
    case REASON_DENIED_HOSTS:
        return arena_printf(
            a, "denied_hosts has \"%.*s\"", STR_ARG(d->pattern));
    case REASON_NOT_ALLOWED:
        return STR("it is not in allowed_hosts");
    case REASON_REGEX:
        return STR("a regular expression could not be run on it");
    case REASON_PORT:
        return STR("it is not in ports");
    case REASON_BLOCK_DENY:
        return arena_printf(
            a, "%.*s denies \"%.*s\"", STR_ARG(name), STR_ARG(d->pattern));
    case REASON_BLOCK_METHOD:
        methods = decision_allow(d, a);
        return arena_printf(a, "%.*s of %.*s takes only %.*s", STR_ARG(name),
            STR_ARG(d->host), STR_ARG(methods));
    case REASON_BLOCK_RETURN:
        return explain_return(d, name, a);
    default:
        return explain_default(d, a);
    }
}

static struct str
explain_refusal(const struct decision *d, struct arena *a)
{
    struct str reason = decision_reason(d, a), why = explain_why(d, a);
    bool is_final =
        d->outcome != DECIDE_RETURN || !is_for_now(decision_status(d));
    return arena_printf(a, "%.*s: %.*s%s", STR_ARG(reason), STR_ARG(why),
        is_final ? "; " NO_RETRY : "");
}

/* The sentence for a request that a block or a location serves or answers. */
static struct str
explain_block(const struct decision *d, struct arena *a)
{
    struct str name = name_of(d->location != NULL ? d->location : d->block, a);
    return arena_printf(a,
        d->reason == REASON_BLOCK
            ? "%.*s is served by %.*s"
            : "%.*s is answered by %.*s and not forwarded",
        STR_ARG(d->host), STR_ARG(name));
}

struct str
decision_explain(const struct decision *d, struct arena *a)
{
    struct str reason;
    switch (d->reason) {
    case REASON_NONE:
        return STR("nothing is decided yet");
    case REASON_MALFORMED:
        reason = decision_reason(d, a);
        return arena_printf(a, "%.*s; sending it again unchanged will not help",
            STR_ARG(reason));
    case REASON_BLOCK_RETURN:
        return is_bare_return(d) ? explain_refusal(d, a) : explain_block(d, a);
    case REASON_BLOCK:
        return explain_block(d, a);
    case REASON_ALLOWED:
        return arena_printf(a, "%.*s is forwarded: allowed_hosts has \"%.*s\"",
            STR_ARG(d->host), STR_ARG(d->pattern));
    case REASON_INTERNET:
        return arena_printf(
            a, "%.*s is forwarded: internet is on", STR_ARG(d->host));
    case REASON_DENIED_HOSTS:
    case REASON_NOT_ALLOWED:
    case REASON_BLOCK_DENY:
    case REASON_BLOCK_METHOD:
    case REASON_REGEX:
    case REASON_DEFAULT:
    case REASON_PORT:
        break;
    }
    return explain_refusal(d, a);
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

/* A block's own `return` comes before its locations: then no location was
 * chosen. */
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
