#pragma once

/*
 * Asks decide() on behalf of the first sandbox of the fixture's configuration
 * and compares the answer, written "allow 5 host": outcome, rule, its name.
 */

#include "policy/decide.h"

extern struct decision decided; /* the last answer */

/* `method` NULL: the target of a CONNECT. */
void decide_ask(
    void **state, const char *method, const char *host, const char *path);
void expect_verdict(const char *want);

/* Asks and compares: a GET of "/", a CONNECT, the one and the other, a GET of
 * a path at a.test. */
void expect_get(void **state, const char *host, const char *want);
void expect_connect(void **state, const char *host, const char *want);
void expect_both(void **state, const char *host, const char *want);
void expect_path(void **state, const char *path, const char *want);

/* Binds "sandbox_class k { CLASS } sandbox box { class k; } SHARED". */
struct policy_conf *bind_class(
    void **state, const char *class, const char *shared);

/* A name over which a careless regex never ends. */
#define LONG                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
