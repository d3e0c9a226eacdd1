#pragma once

/*
 * The set() functions of the common types of fields. Rooms and modules that
 * have types of their own bring functions for these.
 */

#include "conf/bind.h"
#include "conf/value.h"

bool set_flag(
    struct bind *b, const struct directive *d, void *field); /* bool: on|off */
bool set_uint(
    struct bind *b, const struct directive *d, void *field); /* unsigned */
bool set_count(struct bind *b, const struct directive *d,
    void *field); /* unsigned, at least 1 */
bool set_size(struct bind *b, const struct directive *d,
    void *field); /* uint64_t: 32k 4m 1g */
bool set_time(struct bind *b, const struct directive *d,
    void *field); /* double seconds: 60s 1m 500ms 7d */
bool set_str(
    struct bind *b, const struct directive *d, void *field); /* struct str */
bool set_path(struct bind *b, const struct directive *d,
    void *field); /* struct str, absolute under the prefix */
bool set_value(struct bind *b, const struct directive *d,
    void *field); /* struct value *, no secrets */
bool set_secret_value(struct bind *b, const struct directive *d,
    void *field); /* struct value *, secrets allowed */

/* `name` itself if it is absolute, otherwise `name` under the prefix. */
struct str conf_path(const struct conf *c, struct str name);

/* The parsers of set_size() and set_time(); false: it is none. */
must_check bool size_parse(struct str s, uint64_t *out);
must_check bool time_parse(struct str s, double *seconds);
