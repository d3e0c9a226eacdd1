#pragma once

/*
 * Reads the values of secrets from their sources: the environment, a file, or a
 * directory with one file for each sandbox. A value is read straight into
 * locked memory, one at a time, and checked.
 */

#include "secret/secret_memory.h"
#include "secret/secret_spec.h"

enum secret_read {
    SECRET_READ,     /* the caller owns `value` */
    SECRET_MISSING,  /* there is no value; `why` says what is missing */
    SECRET_REFUSED,  /* there is one that is no valid value */
    SECRET_UNLOCKED, /* no memory could be locked for it */
};

struct secret_reading {
    struct secret_value value;
    bool is_link;   /* the file's name is a symbolic link */
    char why[1024]; /* in words, without any byte of the value */
};

/* Reads the value of a secret; `id` is the sandbox's if it is per sandbox. */
enum secret_read secret_read(
    const struct secret_spec *d, struct str id, struct secret_reading *r);

/* Why these bytes are no valid value; NULL: they are one. */
const char *secret_refusal(struct str value);

/* Wipes the values that were read from the environment; `is_dropped`: the
 * locked memory is unmapped already. */
void secret_env_forget(bool is_dropped);
