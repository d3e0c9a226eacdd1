#pragma once

/*
 * Where the values of secrets come from: the environment, a file, a directory
 * with one file a sandbox. Reads one value at a time, straight into locked
 * memory, and judges it.
 */

#include "secret/secret_memory.h"
#include "secret/secret_spec.h"

enum secret_read {
    SECRET_READ,     /* `value` is it, owned by the caller */
    SECRET_MISSING,  /* there is none; `why` says what is not there */
    SECRET_REFUSED,  /* there is one that is not taken */
    SECRET_UNLOCKED, /* no memory can be locked for it */
};

struct secret_reading {
    struct secret_value value;
    bool is_link;   /* the file's name is a symbolic link */
    char why[1024]; /* in words, never with a byte of the value */
};

/* The value of a secret; `id` names the sandbox where it is per sandbox. */
enum secret_read secret_read(
    const struct secret_spec *d, struct str id, struct secret_reading *r);

/* Why these bytes are no secret's value; NULL: they may be one. */
const char *secret_refusal(struct str value);

/* Wipes what was read from the environment; `is_dropped`: the locked memory is
 * gone already. */
void secret_env_forget(bool is_dropped);
