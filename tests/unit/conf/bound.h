#pragma once

/*
 * A configuration that is bound with parts of the test's own, in a directory
 * of its own.
 */

#include "conf/bind.h"
#include "tmp_dir.h"

/* What *state points to. */
struct bound {
    struct tmp_dir dir;
    struct conf *conf; /* the last; NULL: it was refused, with err */
    char err[1024];
};

/* For cmocka. */
int bound_set_up(void **state);
int bound_tear_down(void **state);

/* Binds the text, in place of the one before. */
struct conf *bound_bind(struct bound *f, const struct conf_part *const *parts,
    unsigned n, const char *text, const char *globals, enum conf_use use);

/* The last was refused with "WHAT in …weir.conf:LINE". */
void bound_is_refused(const struct bound *f, const char *what, unsigned line);
