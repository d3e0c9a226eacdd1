/*
 * Chunks of locked pages. Each is cut into blocks of one size, and has a bit
 * for each block, outside the pages. A chunk in which no block is used goes
 * back to the kernel. Only the files of this room call it.
 */

#include "secret/secret_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/mem.h"

#define CHUNK_BYTES 16384
#define BLOCK_MIN 64
#define WORDS (CHUNK_BYTES / BLOCK_MIN / 64)

struct chunk {
    struct chunk *next;
    char *base;
    size_t size, block; /* bytes in all; of one block */
    unsigned n, n_used; /* blocks */
    uint64_t used[WORDS];
    uint32_t owners[CHUNK_BYTES / BLOCK_MIN]; /* of each block */
};

static struct chunk *chunks;

/* Sizes of blocks are powers of four up to a chunk; a longer block has a chunk
 * of its own. */
static size_t
block_size(size_t n)
{
    size_t size = BLOCK_MIN;
    while (size < n && size < CHUNK_BYTES) {
        size *= 4;
    }
    return size >= n ? size : (n + 4095) / 4096 * 4096;
}

static int
pages_lock(void *p, size_t n)
{
    struct rlimit limit;
    if (mlock(p, n) == 0) {
        return 0;
    }
    int err = errno;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
        limit.rlim_cur >= limit.rlim_max) {
        errno = err;
        return -1;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? mlock(p, n) : -1;
}

static char *
pages_map(size_t n)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (madvise(p, n, MADV_DONTDUMP) == 0 && pages_lock(p, n) == 0) {
        return p;
    }
    int err = errno;
    AZ(munmap(p, n));
    errno = err;
    return NULL;
}

static struct chunk *
chunk_new(size_t block)
{
    size_t size = block > CHUNK_BYTES ? block : CHUNK_BYTES;
    char *base = pages_map(size);
    if (base == NULL) {
        return NULL;
    }
    struct chunk *c = xcalloc(sizeof *c);
    c->base = base;
    c->size = size;
    c->block = block;
    c->n = (unsigned)(size / block);
    c->next = chunks;
    chunks = c;
    return c;
}

static void
chunk_free(struct chunk *c)
{
    struct chunk **at = &chunks;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    AZ(munmap(c->base, c->size));
    xfree(c);
}

static char *
chunk_take(struct chunk *c)
{
    unsigned word = 0;
    while (c->used[word] == UINT64_MAX) {
        word++;
    }
    unsigned bit = (unsigned)__builtin_ctzll(~c->used[word]);
    AN(word * 64 + bit < c->n);
    c->used[word] |= (uint64_t)1 << bit;
    c->n_used++;
    c->owners[word * 64 + bit] = 1;
    return c->base + (word * 64 + bit) * c->block;
}

int
secret_value_make(struct secret_value *v, size_t n)
{
    AN(n != 0);
    size_t block = block_size(n);
    struct chunk *c = chunks;
    while (c != NULL && (c->block != block || c->n_used == c->n)) {
        c = c->next;
    }
    if (c == NULL) {
        c = chunk_new(block);
    }
    *v = (struct secret_value){ NULL, 0 };
    if (c == NULL) {
        return -1;
    }
    *v = (struct secret_value){ chunk_take(c), n };
    return 0;
}

int
secret_value_dup(struct secret_value *v, struct str s)
{
    if (secret_value_make(v, s.n) != 0) {
        return -1;
    }
    memcpy(v->p, s.p, s.n);
    return 0;
}

static struct chunk *
chunk_of(const struct secret_value *v)
{
    struct chunk *c = chunks;
    while (c != NULL && (v->p < c->base || v->p >= c->base + c->size)) {
        c = c->next;
    }
    AN(c != NULL);
    return c;
}

struct secret_value
secret_value_ref(const struct secret_value *v)
{
    struct chunk *c = chunk_of(v);
    uint32_t *owners = &c->owners[(size_t)(v->p - c->base) / c->block];
    AN(*owners != 0 && *owners < UINT32_MAX);
    ++*owners;
    return *v;
}

void
secret_value_free(struct secret_value *v)
{
    if (v->p == NULL) {
        return;
    }
    struct chunk *c = chunk_of(v);
    size_t at = (size_t)(v->p - c->base) / c->block;
    uint64_t bit = (uint64_t)1 << (at % 64);
    AN(c->used[at / 64] & bit);
    AN(c->owners[at] != 0);
    if (--c->owners[at] == 0) {
        mem_wipe(v->p, c->block);
        c->used[at / 64] &= ~bit;
        c->n_used--;
    }
    *v = (struct secret_value){ NULL, 0 };
    if (c->n_used == 0) {
        chunk_free(c);
    }
}

int
secret_memory_lock(void)
{
    for (const struct chunk *c = chunks; c != NULL; c = c->next) {
        if (pages_lock(c->base, c->size) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Does not wipe: after a fork the pages are shared with the parent, and a write
 * would only change a copy. */
void
secret_memory_drop(void)
{
    while (chunks != NULL) {
        chunk_free(chunks);
    }
}

size_t
secret_memory_size(void)
{
    size_t n = 0;
    for (const struct chunk *c = chunks; c != NULL; c = c->next) {
        n += c->size;
    }
    return n;
}
