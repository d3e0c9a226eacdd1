#pragma once

/*
 * Strings with variables, written as in nginx ($name, ${name}) and compiled
 * once. The part that brings a variable says what it means; `ctx` is for that
 * part (an exchange), and this file never looks into it.
 */

#include "conf/bind.h"

enum var_flag {
    VAR_PREFIX = 1 << 0, /* the name is a prefix: "http_" takes $http_… */
    VAR_SECRET = 1 << 1, /* may stand only where a secret may stand */
    VAR_PUBLIC = 1 << 3, /* a sandbox may always learn it: it says what the
                            sandbox sent, the time, or who the sandbox is */
    VAR_CAPTURE = 1 << 2 /* $0 to $9 and the named groups of the nearest block's
                            regex: scope->captures, which the block's set() has
                            set. (uintptr_t)arg of get() is the group's number;
                            the name of the definition is for people */
};

struct var_def {
    const char *name;
    unsigned flags;
    /* Gives the text, which lives as long as the arena. `name` is what follows
     * the prefix, `arg` what prepare() gave. False: the whole value fails. */
    bool (*get)(void *ctx, struct arena *a, struct str name, void *arg,
        struct str *out);
    /* Called when a value is compiled; may be NULL. Checks the name and gives
     * *arg for get(); false after conf_error(). */
    bool (*prepare)(
        struct bind *b, const struct token *at, struct str name, void **arg);
};

struct value;

/* Compiles a token; NULL after conf_error(): a variable is unknown, or it is a
 * VAR_SECRET without `with_secrets`, or "$" has no name behind it (as in
 * nginx), or there are more than 64 pieces. Of a name the captures of the
 * block's regex come first, then the variable of that name, then the longest
 * prefix. A prefix alone is no variable. */
struct value *value_compile(
    struct bind *b, const struct token *t, bool with_secrets);

/* Whether it has no variables; if so, its text. */
bool value_is_literal(const struct value *v, struct str *text);

/* Whether a VAR_SECRET variable stands in it. */
bool value_has_secret(const struct value *v);

/* For checks: definition, name and arg of the i-th variable, from 0. False past
 * the last. */
bool value_var(const struct value *v, unsigned i, const struct var_def **def,
    struct str *name, void **arg);

/* Renders into `a`. False: a variable failed. */
must_check bool value_eval(
    const struct value *v, void *ctx, struct arena *a, struct str *out);
