#pragma once

/*
 * Memory: small allocations that die rather than fail, arenas with cleanups,
 * and locked memory for secrets. What a peer can make large is bounded before
 * it is allocated here.
 */

#include "base/obj.h"
#include "base/str.h"

/* Never return NULL: out of memory ends the process with a log line. */
void *xalloc(size_t n);  /* not zeroed */
void *xcalloc(size_t n); /* zeroed */
void *xrealloc(void *p, size_t n);
char *xstrndup(struct str s); /* NUL-terminated; free with xfree() */
void xfree(void *p);

/* A growing array: makes room for one more element of `size` bytes in
 * `*items`, which holds `n` of them; capacity doubles from 4. */
void *xgrow(void *items, size_t n, size_t size);

/* An arena gives memory back all at once. Nothing in it is freed singly, and
 * nothing that outlives it may point into it. */
struct arena;

/* Blocks of `block` bytes (512 to 65536); 4096 come from a free list. */
struct arena *arena_new(size_t block);
void arena_free(struct arena *a); /* runs cleanups, last added first */
void *arena_alloc(struct arena *a, size_t n);  /* not zeroed; 16-aligned */
void *arena_calloc(struct arena *a, size_t n); /* zeroed */
struct str arena_dup(struct arena *a, struct str s); /* NUL-terminated too */
struct str arena_printf(struct arena *a, const char *fmt, ...)
    printf_like(2, 3);
void arena_on_free(struct arena *a, void (*fn)(void *), void *arg);
size_t arena_size(const struct arena *a); /* bytes held, blocks included */

/* Zeroes so that the compiler keeps it. */
void mem_wipe(void *p, size_t n);
