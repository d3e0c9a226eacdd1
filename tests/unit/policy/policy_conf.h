#pragma once

/*
 * A configuration's egress block bound with this room's parts, for tests of
 * classes, blocks, identities and decisions. A part of the test's own brings
 * `egress`, a `proxy_pass` that only marks its block, a `value` with captures
 * and a $secret_ that may not stand in it.
 */

#include "conf/bind.h"
#include "sandbox/sandbox_conf.h"

/* What *state points to; more lies behind it. */
struct policy_conf {
    struct conf *conf;
    struct sandbox_set *set;
    struct arena *arena;
};

int policy_set_up(void **state);
int policy_tear_down(void **state);

/* Binds "egress { TEXT }"; with NULL an empty file. */
struct policy_conf *policy_binds(void **state, const char *text);

/* Its classes, in file order. */
const struct class *policy_classes(const struct policy_conf *pc);

/* Its n-th sandbox; NULL past the last. */
struct sandbox *policy_sandbox(const struct policy_conf *pc, unsigned n);

/* TEXT is refused with "WHAT in …weir.conf:LINE". */
void policy_refuses(
    void **state, const char *text, const char *what, unsigned line);

/* A file beside the configuration, and what its directory is. */
void policy_file(void **state, const char *name, struct str text);
const char *policy_dir(void **state);

/* The n-th child of egress, or of a scope. */
struct scope *policy_child(const struct scope *s, unsigned n);
struct scope *policy_egress(void **state, unsigned n);

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, policy_set_up, policy_tear_down)
