/*
 * Owner of malloc(). Arenas are chains of blocks; blocks of the common size
 * are kept on a bounded free list, so a kept-alive request allocates nothing.
 */

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAGIC 0x4a12e0a1u
#define BLOCK_COMMON 4096
#define FREE_BLOCKS_MAX 256

struct block {
    struct block *next;
    size_t used, size; /* of data */
    _Alignas(16) unsigned char data[];
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    unsigned magic;
    size_t block_size, size;
    bool is_secret;
    struct block *blocks;
    struct cleanup *cleanups;
};

static struct block *free_blocks;
static unsigned free_blocks_n;

void *
xalloc(size_t n)
{
    void *p = malloc(n != 0 ? n : 1);
    if (p == NULL) {
        PANIC("out of memory");
    }
    return p;
}

void *
xcalloc(size_t n)
{
    void *p = calloc(1, n != 0 ? n : 1);
    if (p == NULL) {
        PANIC("out of memory");
    }
    return p;
}

void *
xrealloc(void *p, size_t n)
{
    p = realloc(p, n != 0 ? n : 1);
    if (p == NULL) {
        PANIC("out of memory");
    }
    return p;
}

char *
xstrndup(struct str s)
{
    char *z = xalloc(s.n + 1);
    if (s.n != 0) {
        memcpy(z, s.p, s.n);
    }
    z[s.n] = '\0';
    return z;
}

void
xfree(void *p)
{
    free(p);
}

void *
xgrow(void *items, size_t n, size_t size)
{
    bool is_full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    size_t bytes;
    if (!is_full) {
        return items;
    }
    AZ(__builtin_mul_overflow(n < 4 ? 2 : n, 2 * size, &bytes));
    return xrealloc(items, bytes);
}

void
mem_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

static struct block *
block_new(size_t total)
{
    struct block *b = free_blocks;
    if (total == BLOCK_COMMON && b != NULL) {
        free_blocks = b->next;
        free_blocks_n--;
    } else {
        b = xalloc(total);
    }
    b->next = NULL;
    b->used = 0;
    b->size = total - sizeof *b;
    return b;
}

static void
block_free(struct block *b)
{
    bool is_common = b->size + sizeof *b == BLOCK_COMMON;
    if (is_common && free_blocks_n < FREE_BLOCKS_MAX) {
        b->next = free_blocks;
        free_blocks = b;
        free_blocks_n++;
        return;
    }
    xfree(b);
}

struct arena *
arena_new(size_t block)
{
    AN(block >= 512 && block <= 65536);
    struct block *b = block_new(block);
    struct arena *a = (struct arena *)b->data;
    *a = (struct arena){
        .magic = ARENA_MAGIC, .block_size = block, .size = block, .blocks = b
    };
    b->used = (sizeof *a + 15) & ~(size_t)15;
    return a;
}

void
arena_mark_secret(struct arena *a)
{
    CHECK(a, ARENA_MAGIC);
    a->is_secret = true;
}

void
arena_free(struct arena *a)
{
    CHECK(a, ARENA_MAGIC);
    while (a->cleanups != NULL) {
        struct cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->fn(c->arg);
    }
    struct block *b = a->blocks;
    bool is_secret = a->is_secret;
    a->magic = 0; /* the arena itself lies in one of its blocks */
    while (b != NULL) {
        struct block *next = b->next;
        if (is_secret) {
            mem_wipe(b->data, b->used);
        }
        block_free(b);
        b = next;
    }
}

/* An allocation that does not fit well gets a block of its own, after the
 * current one. */
static void *
arena_alloc_block(struct arena *a, size_t n)
{
    size_t common = a->block_size - sizeof(struct block);
    bool is_big = n > common / 4;
    struct block *b = block_new(is_big ? n + sizeof *b : a->block_size);
    a->size += b->size + sizeof *b;
    if (is_big) {
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    b->used = n;
    return b->data;
}

void *
arena_alloc(struct arena *a, size_t n)
{
    CHECK(a, ARENA_MAGIC);
    AN(n <= SIZE_MAX / 2);
    n = (n + 15) & ~(size_t)15;
    struct block *b = a->blocks;
    if (b->size - b->used < n) {
        return arena_alloc_block(a, n);
    }
    void *p = b->data + b->used;
    b->used += n;
    return p;
}

void *
arena_calloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

struct str
arena_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n != 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return str_n(p, s.n);
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    AN(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return str_n(p, (size_t)n);
}

void
arena_on_free(struct arena *a, void (*fn)(void *), void *arg)
{
    struct cleanup *c = arena_alloc(a, sizeof *c);
    *c = (struct cleanup){ a->cleanups, fn, arg };
    a->cleanups = c;
}

size_t
arena_size(const struct arena *a)
{
    CHECK(a, ARENA_MAGIC);
    return a->size;
}
