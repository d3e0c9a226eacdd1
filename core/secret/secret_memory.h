#pragma once

/*
 * Locked memory for the values of secrets. It is never swapped, is in no core
 * file, and is wiped when it is given back. Blocks have a few sizes, so that
 * thousands of short values fit into RLIMIT_MEMLOCK. A process has one pool; a
 * child inherits it by the fork, but not its locks.
 */

#include "base/str.h"

/* A block that the struct's owner owns; p NULL: none. */
struct secret_value {
    char *p;
    size_t n;
};

static inline struct str
secret_value_str(const struct secret_value *v)
{
    return str_n(v->p, v->n);
}

/* Makes a block of `n` bytes, at least 1, not initialised. -1 with errno: it
 * cannot be locked, though RLIMIT_MEMLOCK was raised as far as possible. */
must_check int secret_value_make(struct secret_value *v, size_t n);

/* Makes a block with a copy of `s`. -1 as above. */
must_check int secret_value_dup(struct secret_value *v, struct str s);

/* One more owner of the same block. */
struct secret_value secret_value_ref(const struct secret_value *v);

/* Gives up the block; the last owner wipes and frees it. *v is none after it.
 */
void secret_value_free(struct secret_value *v);

/* After a fork: locks all of the pool again. -1 with errno. */
must_check int secret_memory_lock(void);

/* Unmaps all of the pool: no secret_value of the process may be used any more.
 */
void secret_memory_drop(void);

/* For tests: how many bytes are mapped. */
size_t secret_memory_size(void);
