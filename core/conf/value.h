#pragma once

/*
 * Strings with variables, as nginx writes them ($name, ${name}), compiled
 * once. What a variable means is told by the part that brings it; `ctx` is
 * that part's (an exchange), and this file never looks inside.
 */

#include "conf/bind.h"

enum var_flag {
    VAR_PREFIX = 1 << 0, /* the name is a prefix: "http_" takes $http_… */
    VAR_SECRET = 1 << 1, /* only where a secret may stand */
    VAR_PUBLIC = 1 << 3, /* a sandbox may be told it at any time: it says what
                            the sandbox said, or when, or who it is */
    VAR_CAPTURE = 1 << 2 /* $0 to $9 and named groups of the nearest block's
                            regex (scope->captures, set by the block's set());
                            get() is given the number as (uintptr_t)arg; the
                            name here is for people */
};

struct var_def {
    const char *name;
    unsigned flags;
    /* Gives the text, lent until the arena goes. `name` is what follows the
     * prefix, `arg` what prepare() returned. False fails the whole value. */
    bool (*get)(void *ctx, struct arena *a, struct str name, void *arg,
        struct str *out);
    /* At compile time, or NULL: checks the name, may refuse with
     * conf_error(); true and *arg for get(). */
    bool (*prepare)(
        struct bind *b, const struct token *at, struct str name, void **arg);
};

struct value;

/* Compiles a token; NULL after conf_error() on an unknown variable. In any
 * case but `with_secrets` a VAR_SECRET variable is an error. Inside a block
 * with a regex its captures come first; then an exact name, a longer prefix, a
 * shorter one. A prefix alone is no variable. "$" without a name is an error,
 * as in nginx; 64 pieces at most. */
struct value *value_compile(
    struct bind *b, const struct token *t, bool with_secrets);

/* Whether it has no variables; then its text. */
bool value_is_literal(const struct value *v, struct str *text);

/* Whether a VAR_SECRET variable stands in it. */
bool value_has_secret(const struct value *v);

/* Each variable's definition, name and arg, for checks; i from 0; false past
 * the last. */
bool value_var(const struct value *v, unsigned i, const struct var_def **def,
    struct str *name, void **arg);

/* Renders into `a`; false when a variable failed. */
must_check bool value_eval(
    const struct value *v, void *ctx, struct arena *a, struct str *out);
