#pragma once

/*
 * What is looked for: the forms of some secrets, and the table of tags of their
 * last windows, made under a random key of its own. The values are borrowed and
 * stay where they lie; no copy is made of them. Serves any number of scans.
 */

#include "redact/form.h"
#include "redact/prf.h"

/* Four tags that are compared at once. */
typedef uint32_t redact_bucket __attribute__((vector_size(16)));

struct redact_keys {
    const struct str *secrets;
    unsigned n;
    unsigned stride;          /* bytes between windows */
    size_t shortest, longest; /* bytes of a form; WORTH_MIN, 0: there is none */
    const struct simd *simd;
    struct redact_prf prf;
    struct redact_form *forms;
    unsigned n_forms;
    uint32_t mask;          /* buckets, less one */
    redact_bucket *buckets; /* by two words of a tag; a tag is in one of both */
    uint32_t *first;        /* of each tag in them: the window; REDACT_NONE */
    uint32_t *next;         /* window with the same tag; REDACT_NONE */
};

/* Window i is of form i / stride, i % stride bytes before its end. */
#define REDACT_NONE UINT32_MAX

/* `secrets` live as long, and are `n` or none; weak ones are left out. */
void redact_keys_init(
    struct redact_keys *k, const struct str *secrets, unsigned n);
void redact_keys_fini(struct redact_keys *k); /* wipes what it knows */

/* For tests: as on a processor without vector instructions. */
void redact_keys_init_portable(
    struct redact_keys *k, const struct str *secrets, unsigned n);
