#pragma once

/*
 * A whole configuration bound with all parts of weir, modules included, for
 * tests of what the rooms above sandbox read; and what was logged meanwhile.
 */

#include "../conf/tmp_dir.h"
#include "base/addr.h"
#include "conf/bind.h"

struct whole {
    struct tmp_dir dir;
    struct conf *conf;
    char err[1024];
    int log; /* what was logged lies in it */
};

int whole_set_up(void **state);
int whole_tear_down(void **state);

/* Binds a file of that text below the directory; its conf until the next. */
struct conf *whole_binds(void **state, const char *text);

/* The same of "egress { TEXT }"; the egress block's scope. */
struct scope *whole_egress(void **state, const char *text);

/* TEXT is refused with "WHAT in …weir.conf:LINE", in egress unless `is_main`;
 * WHAT alone, where the line is 0. */
void whole_refuses(void **state, bool is_main, const char *text,
    const char *what, unsigned line);

/* Whether that was logged; what was logged before is forgotten. */
bool whole_logged(void **state, const char *what);

/* A free port of 127.0.0.1: bound, not listened on, and others may bind it. */
int whole_hold_port(struct addr *a);

#define WHOLE_TEST(f)                                                          \
    cmocka_unit_test_setup_teardown(f, whole_set_up, whole_tear_down)
