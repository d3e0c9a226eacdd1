/*
 * The ten rules of SPEC 5 as a table, which is walked in order. Rules 4 to 7
 * choose a block and ask it whether the request may leave, all in the same way.
 * The sentences are in explain.c.
 */

#include "policy/decide.h"

#include "http/url.h"
#include "policy/block.h"
#include "policy/class.h"

/* The state of one walk down the table. */
struct walk {
    const struct decide_query *q;
    struct decision *d;
    const struct policy *policy;

    /* The IPv4 addresses that an IPv6 literal may lead to. Any of them may deny
     * it; only one that it is sure to lead to may allow it or choose a block.
     */
    struct addr_carried carried;
    char (*texts)[ADDR_TEXT_MAX]; /* of these addresses */

    bool is_allowed; /* the host matched allowed_hosts, with this hit: */
    struct pattern_hit allowed;
    bool may_leave; /* by the rules so far; a block's `allow` may add it */
};

/* Fills the decision. True, which ends the walk. */
static bool
decided(struct walk *w, enum decide_outcome outcome, enum decide_reason reason)
{
    w->d->outcome = outcome;
    w->d->reason = reason;
    w->d->may_leave = outcome == DECIDE_ALLOW;
    return true;
}

/* Denies by rule 10; also if the block that was chosen does not let the request
 * leave. */
static bool
denied_by_default(struct walk *w)
{
    w->d->rule = 10;
    w->d->pattern = STR("");
    return decided(w, DECIDE_DENY, REASON_DEFAULT);
}

/* Matches a literal by the IPv4 addresses that it may lead to. */
static enum pattern_result
match_carried(
    const struct walk *w, const struct pattern_set *s, struct pattern_hit *hit)
{
    enum pattern_result r = PATTERN_NONE;
    for (unsigned i = 0; i < w->carried.n && r == PATTERN_NONE; i++) {
        r = pattern_match(s, str_of(w->texts[i]), &w->carried.items[i], hit);
        hit->is_regex = false; /* the captures would point into this walk */
    }
    return r;
}

static enum pattern_result
match(
    const struct walk *w, const struct pattern_set *s, struct pattern_hit *hit)
{
    *hit = (struct pattern_hit){ .value = NULL };
    enum pattern_result r = pattern_match(s, w->q->host, w->q->literal, hit);
    return r == PATTERN_NONE && w->carried.is_sure ? match_carried(w, s, hit)
                                                   : r;
}

static bool
is_listed(
    const struct walk *w, const struct pattern_set *s, struct pattern_hit *hit)
{
    return match(w, s, hit) != PATTERN_NONE ||
           match_carried(w, s, hit) != PATTERN_NONE;
}

/* What the block's rules say. A literal that carries addresses is denied if one
 * of them is; if no rule matches the literal itself, one may that it surely
 * carries. */
static enum access
access_of(const struct walk *w, const struct block *b, struct access_hit *hit)
{
    struct access_hit other;
    enum access a = block_access(b, w->q->host, w->q->literal, hit);
    for (unsigned i = 0; i < w->carried.n && a != ACCESS_DENY; i++) {
        enum access carried =
            block_access(b, str_of(w->texts[i]), &w->carried.items[i], &other);
        if (carried == ACCESS_DENY ||
            (a == ACCESS_NONE && w->carried.is_sure)) {
            *hit = other;
            a = carried;
        }
    }
    return a;
}

/* The same for the rules that the request is served by; notes what they add to
 * the decision. */
static enum access
take_access(struct walk *w, const struct block *b, struct access_hit *hit)
{
    enum access a = access_of(w, b, hit);
    w->d->is_named |= a == ACCESS_ALLOW && hit->is_exact;
    w->d->ranges = hit->ranges;
    w->d->n_ranges = hit->n_ranges;
    return a;
}

static bool
rule_malformed(struct walk *w)
{
    if (w->q->malformed == NULL) {
        return false;
    }
    w->d->detail = w->q->malformed;
    return decided(w, DECIDE_BAD, REASON_MALFORMED);
}

static bool
rule_denied_hosts(struct walk *w)
{
    struct pattern_hit hit;
    if (!is_listed(w, w->policy->denied, &hit) &&
        !is_listed(w, w->policy->own_denied, &hit)) {
        return false;
    }
    w->d->pattern = hit.pattern;
    w->d->at = hit.value;
    return decided(w, DECIDE_DENY, REASON_DENIED_HOSTS);
}

static bool
rule_allowed_hosts(struct walk *w)
{
    struct pattern_hit hit;
    if (w->policy->allowed == NULL) {
        return false;
    }
    if (match(w, w->policy->allowed, &hit) != PATTERN_MATCH) {
        w->d->at = w->policy->allowed_at;
        return decided(w, DECIDE_DENY, REASON_NOT_ALLOWED);
    }
    w->is_allowed = true;
    w->allowed = hit;
    w->d->is_named = hit.is_exact;
    return false;
}

/* Whether an origin that decodes %2F or %5C to slashes first would take the
 * path for another one. Then it is not known which location the path is for. */
static bool
is_ambiguous(struct walk *w, const struct block *b)
{
    struct decision *d = w->d;
    unsigned there = path_encoded_slashes(d->path);
    for (unsigned which = 1; which <= there; which++) {
        struct str other;
        bool is_failed;
        if (!path_decode_slashes(w->q->arena, d->path, which, &other) ||
            block_location(b, other, &is_failed) != d->location || is_failed) {
            return true;
        }
    }
    return false;
}

/* False: the walk has ended. */
static bool
take_location(struct walk *w, const struct block *b)
{
    struct decision *d = w->d;
    bool is_failed;
    struct str path;
    if (!path_canonical(w->q->arena, w->q->path, &path, &d->detail)) {
        return !decided(w, DECIDE_BAD, REASON_MALFORMED);
    }
    d->path = path;
    d->location = block_location(b, path, &is_failed);
    if (is_failed) {
        return !decided(w, DECIDE_DENY, REASON_REGEX);
    }
    if (is_ambiguous(w, b)) {
        d->detail = "an encoded slash or backslash makes the path ambiguous";
        return !decided(w, DECIDE_BAD, REASON_MALFORMED);
    }
    d->where = d->location != NULL ? d->location->scope : d->where;
    return true;
}

/* The block whose rules hold. As in nginx the nearest rules do: those of a
 * location replace those of its block. */
static const struct block *
ruling(const struct block *b, const struct block *location)
{
    return location != NULL && location->conf->access != NULL ? location : b;
}

/* As in nginx, `return` comes before all else, and a block's `return` before
 * its locations. */
static bool
serve_request(struct walk *w, const struct block *b)
{
    struct decision *d = w->d;
    struct access_hit hit;
    if (b->conf->return_code != 0) {
        return decided(w, DECIDE_RETURN, REASON_BLOCK_RETURN);
    }
    if ((b->locations != NULL || b->has_own_path) && !take_location(w, b)) {
        return true;
    }
    const struct block *inner = d->location != NULL ? d->location : b;
    if (inner->conf->return_code != 0) {
        return decided(w, DECIDE_RETURN, REASON_BLOCK_RETURN);
    }
    enum access a = take_access(w, ruling(b, d->location), &hit);
    if (a == ACCESS_DENY) {
        d->pattern = hit.pattern;
        d->at = hit.at;
        return decided(w, DECIDE_DENY, REASON_BLOCK_DENY);
    }
    if (a != ACCESS_ALLOW && !w->may_leave) {
        return denied_by_default(w);
    }
    return block_allows_method(inner, w->q->method)
               ? decided(w, DECIDE_ALLOW, REASON_BLOCK)
               : decided(w, DECIDE_METHOD, REASON_BLOCK_METHOD);
}

/* Whether a request that the location serves (NULL: the block itself) may
 * leave. */
static bool
could_leave(struct walk *w, const struct block *b, const struct block *location)
{
    struct access_hit hit;
    if (location != NULL && location->conf->return_code != 0) {
        return false;
    }
    enum access a = access_of(w, ruling(b, location), &hit);
    return a == ACCESS_ALLOW || (a == ACCESS_NONE && w->may_leave);
}

/* A CONNECT or SNI has no path. It may go on if some request inside it could be
 * served; each of these is judged when it comes. */
static bool
serve_target(struct walk *w, const struct block *b)
{
    struct access_hit hit;
    enum access a = take_access(w, b, &hit);
    bool may = b->conf->return_code == 0 && could_leave(w, b, NULL);
    const struct scope *s =
        b->conf->return_code == 0 ? b->scope->children : NULL;
    for (; s != NULL && !may; s = s->next) {
        may = block_of(s) != NULL && could_leave(w, b, block_of(s));
    }
    if (may) {
        return decided(w, DECIDE_ALLOW, REASON_BLOCK);
    }
    if (b->has_return) {
        decided(w, DECIDE_ALLOW, REASON_BLOCK_RETURN);
        w->d->may_leave = false;
        return true;
    }
    if (a == ACCESS_DENY) {
        w->d->pattern = hit.pattern;
        w->d->at = hit.at;
        return decided(w, DECIDE_DENY, REASON_BLOCK_DENY);
    }
    return denied_by_default(w);
}

/* Rules 4 to 7, once their block is chosen. */
static bool
serve(struct walk *w, const struct block *b, bool is_set_by_name)
{
    CHECK(b, BLOCK_MAGIC);
    w->d->block = b;
    w->d->where = b->scope;
    w->may_leave = w->is_allowed || is_set_by_name ||
                   (w->policy->internet && !b->has_proxy_pass) ||
                   b->class == w->policy->class;
    return w->q->is_request ? serve_request(w, b) : serve_target(w, b);
}

/* Serves by the block that a set has for the host. False: it has none. */
static bool
serve_matched(
    struct walk *w, const struct pattern_set *set, bool is_set_by_name)
{
    struct decision *d = w->d;
    struct pattern_hit hit;
    enum pattern_result r = match(w, set, &hit);
    if (r == PATTERN_NONE) {
        return false;
    }
    d->pattern = hit.pattern;
    if (r == PATTERN_FAILED) {
        return decided(w, DECIDE_DENY, REASON_REGEX);
    }
    d->is_named |= hit.is_exact;
    d->has_captures = hit.is_regex;
    if (hit.is_regex) {
        d->captures = hit.captures;
    }
    return serve(w, hit.value, is_set_by_name);
}

static bool
rule_outbound_by_host(struct walk *w)
{
    return serve_matched(w, w->policy->outbound_by_host, true);
}

static bool
rule_host(struct walk *w)
{
    const struct class *k = w->policy->class;
    return serve_matched(w, k->hosts, false) ||
           serve_matched(w, k->shared, false);
}

static bool
rule_outbound(struct walk *w)
{
    return w->policy->outbound != NULL && serve(w, w->policy->outbound, false);
}

static bool
rule_class_outbound(struct walk *w)
{
    const struct block *b = w->policy->class->outbound;
    return b != NULL && serve(w, b, false);
}

static bool
rule_allowed(struct walk *w)
{
    w->d->pattern = w->allowed.pattern;
    w->d->at = w->allowed.value;
    return w->is_allowed && decided(w, DECIDE_ALLOW, REASON_ALLOWED);
}

static bool
rule_internet(struct walk *w)
{
    return w->policy->internet && decided(w, DECIDE_ALLOW, REASON_INTERNET);
}

/* The rules in order. A rule that returns true ends the walk. */
static const struct {
    unsigned number;
    bool (*run)(struct walk *w);
} rules[] = {
    { 1, rule_malformed },
    { 2, rule_denied_hosts },
    { 3, rule_allowed_hosts },
    { 4, rule_outbound_by_host },
    { 5, rule_host },
    { 6, rule_outbound },
    { 7, rule_class_outbound },
    { 8, rule_allowed },
    { 9, rule_internet },
    { 10, denied_by_default },
};

void
decide(const struct decide_query *q, struct decision *d)
{
    CHECK(q->policy, POLICY_MAGIC);
    char texts[LEN(((struct addr_carried *)0)->items)][ADDR_TEXT_MAX];
    struct walk w = { .q = q, .d = d, .policy = q->policy, .texts = texts };
    AN(!q->is_request || q->arena != NULL);
    memset(d, 0, sizeof *d);
    d->host = q->host;
    d->policy = q->policy;
    d->path = q->path;
    d->pattern = STR("");
    if (q->literal != NULL) {
        addr_carries(q->literal, &w.carried);
    }
    for (unsigned i = 0; i < w.carried.n; i++) {
        addr_format(&w.carried.items[i], false, w.texts[i]);
    }
    for (size_t i = 0; i < LEN(rules); i++) {
        d->rule = rules[i].number;
        if (rules[i].run(&w)) {
            return;
        }
    }
    PANIC("rule 10 matches everything");
}

void
decide_port(struct decision *d, uint16_t port, bool is_listed)
{
    if (d->outcome != DECIDE_ALLOW || is_listed) {
        return;
    }
    d->outcome = DECIDE_DENY;
    d->reason = REASON_PORT;
    d->port = port;
    d->may_leave = false;
}
