#pragma once

/*
 * An exchange that no connection carries: a configuration with all modules,
 * its secrets, one sandbox "box" and one request, for tests that call a
 * module's hooks.
 */

#include <stdio.h>

#include "../conf/tmp_dir.h"
#include "module.h"

struct fixture {
    struct tmp_dir dir;
    struct conf *conf;
    struct loop *loop;
    FILE *log;
    struct worker worker;
    struct conn conn;
    struct tx *tx;
    char err[1024];
};

/* For cmocka: *state is a struct fixture. */
int module_set_up(void **state);
int module_tear_down(void **state);

/* Binds `text` within egress; NULL with f->err. */
struct conf *module_bind(struct fixture *f, const char *text);

/* A worker with that configuration. Secrets besides the text's own: token
 * ("s3cret-value"), bound (the same, hosts=a.x.test), odd (of the file "odd"),
 * gone (missing). */
struct fixture *module_start(void **state, const char *text);

/* A request that was decided on and had no hook yet; "\n" in the text stands
 * for CRLF. */
void module_request(struct fixture *f, const char *request);
void module_end_tx(struct fixture *f);

/* Whether a log line has that text. */
bool module_logged(struct fixture *f, const char *what);

/* Leaves no copy in an arena, whose blocks a test may look at. */
void assert_str(struct str s, const char *expected);

/* The only field of the request that an origin could read as that name has
 * that value; NULL: there is none. */
void assert_only(struct fixture *f, const char *name, const char *value);

/* What goes upstream as the request's target. */
void assert_target(struct fixture *f, const char *target);

/* The answer has that status, and no secret is in the request. */
void assert_refused(struct fixture *f, unsigned status);

/* Before a request: what earlier tests left in memory that arenas gave back
 * is overwritten. Skips the test under valgrind. After module_end_tx():
 * whether there is anything of "s3cret-value" in it, base64 included. */
void module_clear_blocks(void);
bool module_is_left(void);
