#pragma once

/*
 * Locked memory for the values of secrets: never swapped, in no core, wiped
 * when it is given back. Blocks of a few sizes, so that thousands of short
 * values fit into what RLIMIT_MEMLOCK leaves. One pool for the process; a fork
 * hands it down unlocked.
 */

#include "base/str.h"

/* A block that is owned; p NULL: none. */
struct secret_value {
    char *p;
    size_t n;
};

static inline struct str
secret_value_str(const struct secret_value *v)
{
    return str_n(v->p, v->n);
}

/* `n` bytes, 1 at least, not initialised. -1 with errno when they cannot be
 * locked; RLIMIT_MEMLOCK was raised as far as it goes by then. */
must_check int secret_value_make(struct secret_value *v, size_t n);

/* A copy. */
must_check int secret_value_dup(struct secret_value *v, struct str s);

/* Another owner of the same bytes. */
struct secret_value secret_value_ref(const struct secret_value *v);

/* Of the last owner: wipes it and gives it back. *v is none afterwards. */
void secret_value_free(struct secret_value *v);

/* After a fork: locks all of it again. -1 with errno. */
must_check int secret_memory_lock(void);

/* Unmaps all of it; every secret_value of the process dangles then. */
void secret_memory_drop(void);

/* Bytes that are mapped, for tests. */
size_t secret_memory_size(void);
