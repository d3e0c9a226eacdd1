/*
 * Prints lists and blocks as they are written, in the order in which requests
 * are compared with them, each with its place. Called by explain_cmd.c.
 */

#include "proc/explain_sandbox.h"

#include <stdarg.h>
#include <stdio.h>

#include "conf/bind.h"
#include "policy/block.h"
#include "policy/class.h"
#include "policy/policy_secret.h"
#include "proxy/parts.h"
#include "proxy/proxy_conf.h"
#include "sandbox/sandbox.h"

static void tell(unsigned indent, const char *label, const char *fmt, ...)
    printf_like(3, 4);

static void
tell(unsigned indent, const char *label, const char *fmt, ...)
{
    va_list ap;
    printf("%*s%-*s ", (int)indent, "", 13 - (int)indent, label);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* Prints the arguments as they are written; for `return` only the code. */
static void
tell_directive(unsigned indent, const struct directive *d)
{
    bool is_return = str_eq(d->name.text, STR("return"));
    unsigned n = is_return ? 1 : d->n_args;
    printf("%*s%-*s ", (int)indent, "", 13 - (int)indent, d->name.text.p);
    for (unsigned i = 0; i < n && i < d->n_args; i++) {
        printf("%.*s ", STR_ARG(d->args[i].text));
    }
    printf("in %s:%u\n", d->name.file, d->name.line);
}

/* Prints each word of all directives of that name; false: there is none. */
static bool
tell_list(const char *label, const struct scope *s, const char *name)
{
    const struct directive *d = s->directive->children;
    bool is_there = false;
    for (; d != NULL; d = d->next) {
        if (!str_eq(d->name.text, str_of(name))) {
            continue;
        }
        is_there = true;
        for (unsigned i = 0; i < d->n_args; i++) {
            const struct token *t = &d->args[i];
            tell(0, label, "%.*s in %s:%u", STR_ARG(t->text), t->file, t->line);
        }
        if (d->n_args == 0) {
            tell(0, label, "nothing in %s:%u", d->name.file, d->name.line);
        }
    }
    return is_there;
}

static void
tell_lists(const struct sandbox *sb)
{
    if (!tell_list("allowed", sb->scope, "allowed_hosts") &&
        !tell_list("allowed", sb->policy->class->scope, "allowed_hosts")) {
        tell(0, "allowed", "not set: what internet or a block lets leave");
    }
    tell_list("denied", sb->policy->class->scope, "denied_hosts");
    tell_list("denied", sb->scope, "denied_hosts");
}

static void
tell_ports(const struct scope *egress)
{
    const struct proxy_conf *pc = scope_part(egress, PART_PROXY);
    printf("%-14s", "ports");
    for (unsigned i = 0; i < pc->ports.n; i++) {
        printf("%s%u", i != 0 ? " " : "", pc->ports.items[i]);
    }
    putchar('\n');
}

/* Whether an `allow` stands in it or in a location. */
static bool
has_allow(const struct block *b)
{
    bool has = false;
    for (const struct access_rule *r = b->conf->access; r != NULL;
         r = r->next) {
        has = has || r->is_allow;
    }
    for (const struct scope *s = b->scope->children; s != NULL; s = s->next) {
        has = has || (block_of(s) != NULL && has_allow(block_of(s)));
    }
    return has;
}

/* By what a request that the block serves may leave (SPEC 5). */
static const char *
leave_words(const struct sandbox *sb, const struct block *b)
{
    const struct policy *p = sb->policy;
    bool is_own =
        b->class == sb->policy->class || (p->internet && !b->has_proxy_pass);
    return b->conf->return_code != 0 ? "answered here"
           : p->allowed != NULL      ? "what allowed_hosts has"
           : is_own                  ? "all of it"
           : has_allow(b)            ? "what its \"allow\" has"
                                     : "nothing";
}

static bool
is_told(struct str name)
{
    static const char *const names[] = { "ports", "methods", "allow", "deny",
        "return", "proxy_pass", "intercept", "upstream_proxy" };
    bool is = false;
    for (size_t i = 0; i < LEN(names); i++) {
        is = is || str_eq(name, str_of(names[i]));
    }
    return is;
}

static void
tell_body(unsigned indent, const struct directive *d)
{
    for (d = d->children; d != NULL; d = d->next) {
        bool is_location = str_eq(d->name.text, STR("location"));
        if (is_location || is_told(d->name.text)) {
            tell_directive(indent, d);
        }
        if (is_location) {
            tell_body(indent + 2, d);
        }
    }
}

/* Prints to which names of the block the secret may go, if these are exact
 * names; else to which hosts it is bound. */
static void
tell_secret(const struct block *b, const struct policy_secret *d)
{
    bool is_exact = b->names != NULL && pattern_set_is_exact(b->names);
    const struct pattern_set *hosts = is_exact ? b->names : d->hosts;
    unsigned n = hosts != NULL ? pattern_set_count(hosts) : 0, n_told = 0;
    printf("  %-12s%.*s to", "secret", STR_ARG(d->spec.name));
    for (unsigned i = 0; i < n; i++) {
        struct str host = pattern_set_nth(hosts, i);
        struct addr a;
        bool is_literal = addr_parse(host, &a);
        if (!is_exact ||
            policy_secret_may_go(d, b, host, is_literal ? &a : NULL)) {
            printf(" %.*s", STR_ARG(host));
            n_told++;
        }
    }
    printf("%s in %s:%u\n", n_told == 0 ? " none of these hosts" : "",
        d->at->file, d->at->line);
}

static void
tell_block(const struct sandbox *sb, const struct block *b, const char *label)
{
    const struct directive *d = b->scope->directive;
    const struct policy_secret *secret;
    printf("%-14s", label);
    for (unsigned i = 0; i < d->n_args; i++) {
        printf("%.*s ", STR_ARG(d->args[i].text));
    }
    printf("in %s:%u\n", d->name.file, d->name.line);
    tell(2, "leaves", "%s", leave_words(sb, b));
    tell_body(2, d);
    for (unsigned i = 0; (secret = policy_secret_nth(b, i)) != NULL; i++) {
        tell_secret(b, secret);
    }
}

static void
tell_hosts(const struct sandbox *sb, const struct scope *s)
{
    for (s = s->children; s != NULL; s = s->next) {
        if (s->context == CONF_HOST &&
            block_is_for(block_of(s), sb->policy->class)) {
            tell_block(sb, block_of(s), "host");
        }
    }
}

void
explain_sandbox(const struct conf *c, const struct sandbox *sb)
{
    CHECK(sb, SANDBOX_MAGIC);
    const struct scope *egress = conf_scope(c, CONF_EGRESS);
    const struct token *class = &sb->policy->class->scope->directive->name;
    tell(0, "sandbox", "%.*s in %s:%u", STR_ARG(sb->id), sb->at->file,
        sb->at->line);
    tell(0, "class", "%.*s in %s:%u", STR_ARG(sb->policy->class->name),
        class->file, class->line);
    tell_lists(sb);
    tell(0, "internet", "%s", sb->policy->internet ? "on" : "off");
    tell_ports(egress);
    tell_hosts(sb, sb->policy->class->scope);
    tell_hosts(sb, egress);
    if (sb->policy->class->outbound != NULL) {
        tell_block(sb, sb->policy->class->outbound, "outbound");
    }
}
