/*
 * Shared maps and their lock: a futex whose word names the holder, so that
 * whoever reaps a process knows what it held. A waiter sleeps for a short while
 * only, as the one who was to wake it may be killed.
 */

#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* In the word: somebody sleeps. */
#define WAITED 0x80000000u

#define SPINS 64
#define NAP_NS 5000000L

void *
shm_map(int fd, size_t *size)
{
    struct stat st;
    AN(fd >= 0);
    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    *size = (size_t)st.st_size;
    void *p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    madvise(p, *size, MADV_DONTDUMP); /* it may fail */
    return p;
}

void
shm_unmap(void *p, size_t size)
{
    AN(p != NULL && size != 0);
    AZ(munmap(p, size));
}

void
shm_punch(int fd, size_t at, size_t n)
{
    AN(fd >= 0 && n != 0);
    (void)!fallocate(
        fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n);
}

static bool
take(struct shm_lock *l, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(
        &l->word, &from, to, memory_order_acquire, memory_order_relaxed);
}

static double
now_seconds(void)
{
    struct timespec t;
    AZ(clock_gettime(CLOCK_MONOTONIC, &t));
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sleeps until the word is not `seen` any more, or for a short while. */
static void
nap(struct shm_lock *l, uint32_t seen)
{
    struct timespec t = { 0, NAP_NS };
    (void)!syscall(SYS_futex, &l->word, FUTEX_WAIT, seen, &t, NULL, 0);
}

/* Who has slept marks the lock as waited for: others may still sleep. */
static bool
lock_slow(struct shm_lock *l, unsigned owner, double seconds)
{
    double deadline = now_seconds() + seconds;
    for (;;) {
        uint32_t w = atomic_load_explicit(&l->word, memory_order_relaxed);
        if (w == 0) {
            if (take(l, 0, owner | WAITED)) {
                return true;
            }
            continue;
        }
        if (now_seconds() >= deadline) {
            return false;
        }
        if ((w & WAITED) != 0 || take(l, w, w | WAITED)) {
            nap(l, w | WAITED);
        }
    }
}

bool
shm_lock(struct shm_lock *l, unsigned owner, double seconds)
{
    AN(owner != 0 && owner <= SHM_OWNERS_MAX);
    AN(seconds >= 0);
    for (int i = 0; i < SPINS; i++) {
        if (take(l, 0, owner)) {
            return true;
        }
    }
    return lock_slow(l, owner, seconds);
}

void
shm_unlock(struct shm_lock *l, unsigned owner)
{
    AN(owner != 0 && owner <= SHM_OWNERS_MAX);
    uint32_t w = atomic_exchange_explicit(&l->word, 0, memory_order_release);
    if ((w & WAITED) != 0) {
        (void)!syscall(SYS_futex, &l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

bool
shm_lock_inherit(struct shm_lock *l, unsigned dead, unsigned owner)
{
    AN(dead != owner && owner != 0 && owner <= SHM_OWNERS_MAX);
    return take(l, dead, owner | WAITED) ||
           take(l, dead | WAITED, owner | WAITED);
}
