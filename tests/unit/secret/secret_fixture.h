#pragma once

/*
 * A master with its store of secrets, and a worker that is told of changes;
 * for the tests of the store and of the watch.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../conf/tmp_dir.h"
#include "policy/policy_secret.h"

#define WAIT_MS 10000 /* for an event that must come */

struct fixture {
    struct tmp_dir dir;
    struct conf *conf, *worker;
    struct secret_store *store; /* of conf */
    FILE *log;
    char err[2048];
    unsigned n_messages;
};

int sec_set_up(void **state);
int sec_tear_down(void **state); /* no locked memory is left */

bool sec_is_logged(struct fixture *f, const char *what);

/* Below the test's directory; lent until the next call. */
const char *sec_path(struct fixture *f, const char *name);
void sec_put(struct fixture *f, const char *name, const char *text);
void sec_move(struct fixture *f, const char *from, const char *to);

/* Binds "egress {\nTEXT }" to a conf; not loaded yet. */
struct conf *sec_bind_text(struct fixture *f, const char *text, bool is_test);

/* Binds and loads f->conf. */
void sec_load(struct fixture *f, const char *text);

/* The same, with a worker's store of the same values, and a watch. */
void sec_start(struct fixture *f, const char *text);

/* The value for a sandbox of that id, or without one. */
struct str sec_value_in(struct conf *c, unsigned index, const char *id);
void sec_assert_value(
    struct conf *c, unsigned index, const char *id, const char *what);

/* For secret_watch_run(): applies it to the worker. */
void sec_on_change(void *arg, struct str message);

/* Whether the worker's value is that one (NULL: missing). */
bool sec_is_told(
    struct fixture *f, unsigned index, const char *id, const char *what);
bool sec_is_readable(struct fixture *f, int ms);

/* Runs the watch until the worker has that value, then whatever is left. */
void sec_settle(
    struct fixture *f, unsigned index, const char *id, const char *what);

/* All events there are change nothing. */
void sec_changes_nothing(struct fixture *f);

/* Links of a dir: are followed where the kernel can tell that they stay
 * beneath; valgrind knows no such call. */
bool sec_has_openat2(void);
