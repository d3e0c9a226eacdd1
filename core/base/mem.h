#pragma once

/*
 * Memory: small allocations, which end the process if they fail; arenas;
 * wiping. What a peer can make large is bounded before it is allocated here.
 */

#include "base/obj.h"
#include "base/str.h"

/* These never return NULL: without memory the process ends with a log line. */
void *xalloc(size_t n);  /* not zeroed */
void *xcalloc(size_t n); /* zeroed */
void *xrealloc(void *p, size_t n);
char *xstrndup(struct str s); /* NUL-terminated; free with xfree() */
void xfree(void *p);

/* A growing array: makes room for one more element of `size` bytes in `items`,
 * which has `n` elements. The capacity doubles from 4. */
void *xgrow(void *items, size_t n, size_t size);

/* An arena frees all its memory at once. Nothing in it is freed singly, and
 * nothing that lives longer may point into it. */
struct arena;

/* An arena of blocks of `block` bytes (512 to 65536); blocks of 4096 come from
 * a free list. */
struct arena *arena_new(size_t block);
void arena_free(struct arena *a);        /* runs cleanups, last added first */
void arena_mark_secret(struct arena *a); /* its memory is wiped at its end */
void *arena_alloc(struct arena *a, size_t n);  /* not zeroed; 16-aligned */
void *arena_calloc(struct arena *a, size_t n); /* zeroed */
struct str arena_dup(struct arena *a, struct str s); /* NUL-terminated too */
struct str arena_printf(struct arena *a, const char *fmt, ...)
    printf_like(2, 3);
void arena_on_free(struct arena *a, void (*fn)(void *), void *arg);
/* Bytes held, blocks included: so a test sees what a request can make of one.
 */
size_t arena_size(const struct arena *a);

/* Zeroes memory; the compiler does not leave it out. */
void mem_wipe(void *p, size_t n);
