#pragma once

/*
 * `upstream_proxy URL [auth=SECRET] [by=name|address] [bypass=LIST];` or `off`
 * (SPEC 9): connections to origins go by CONNECT through that proxy, never
 * directly where it fails. proxy_conf.c has the directive, upstream.c asks.
 */

#include "conf/bind.h"
#include "net/dial.h"

struct pattern_set;
struct route;
struct policy_secret;
struct tx;

/* Const once the configuration is checked. Scopes below share their parent's;
 * NULL: directly. */
struct upstream_proxy {
    struct dial_proxy at; /* but for tls and credential */
    bool is_tls;          /* to the proxy: by the scope's trust */
    struct str auth;      /* a secret's name; n 0: none */
    const struct token *auth_at;
    const struct scope *scope;          /* that it stands in */
    const struct policy_secret *secret; /* `auth`, by check */
    const struct pattern_set *bypass;   /* hosts to go to directly; or NULL */
};

/* A cmd's set(): the field is a const struct upstream_proxy *. */
bool set_upstream_proxy(struct bind *b, const struct directive *d, void *field);

/* For a scope's check(): finds the secret. 0, or -1 after conf_fail(). */
must_check int upstream_proxy_check(
    struct conf *c, const struct scope *s, const struct upstream_proxy *up);

/* Which of them leads there: `up`, or NULL: none does. What the operator named
 * by proxy_pass is no origin. */
const struct upstream_proxy *upstream_proxy_for(
    const struct upstream_proxy *up, const struct route *r);

/* Whether it gets the origin's name, which weir does not look up then, and not
 * an address. */
bool upstream_proxy_takes_name(
    const struct upstream_proxy *up, const struct route *r);

/* What dials need, in the exchange's arena; the credential is wiped with it.
 * NULL after tx_fail(): there is no credential. */
must_check const struct dial_proxy *upstream_proxy_dial(
    const struct upstream_proxy *up, struct tx *tx);
