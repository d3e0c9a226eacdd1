#pragma once

/*
 * What a scan looks for: the forms of some secrets, and a table with the tags
 * of each form's last windows. The tags are made under a random key, which each
 * redact_keys draws for itself. The values are borrowed: no copy of them is
 * made. Any number of scans may use one redact_keys.
 */

#include "redact/form.h"
#include "redact/prf.h"

/* Four tags, which are compared at once. */
typedef uint32_t redact_bucket __attribute__((vector_size(16)));

#define REDACT_KEYS_MAGIC 0x4e75ced1u

struct redact_keys {
    unsigned magic;
    const struct str *secrets;
    unsigned n;
    unsigned stride; /* of a text every stride-th window is looked up */
    size_t shortest, longest; /* bytes of a form; without forms WORTH_MIN, 0 */
    const struct simd *simd;
    struct redact_prf prf;
    struct redact_form *forms;
    unsigned n_forms;
    uint32_t mask; /* the number of buckets, less one */
    redact_bucket
        *buckets;    /* of the two that its words name, a tag is in one */
    uint32_t *first; /* for each tag in the buckets: a window with it */
    uint32_t *next;  /* for each window: another with the same tag */
};

/* Window i belongs to form i / stride, and ends i % stride bytes before its
 * end; REDACT_NONE is none. */
#define REDACT_NONE UINT32_MAX

/* Borrows `secrets` until redact_keys_fini(). Those that are not
 * worth_looking_for() have no form. */
void redact_keys_init(
    struct redact_keys *k, const struct str *secrets, unsigned n);
void redact_keys_fini(struct redact_keys *k); /* wipes tags and key */

/* For tests: uses no vector instructions. */
void redact_keys_init_portable(
    struct redact_keys *k, const struct str *secrets, unsigned n);
