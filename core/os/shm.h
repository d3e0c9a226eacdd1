#pragma once

/*
 * Memory that several processes map, and a lock in it. The lock is a word with
 * the number of its holder. It has no pointers, which unlocking a pthread mutex
 * would follow: so a process that was taken over can spoil values in that
 * memory, but nothing else.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "base/obj.h"

/* Maps a whole memory file (process_memory_file()), shared and in no core.
 * *size is its size. NULL with errno. */
must_check void *shm_map(int fd, size_t *size);
void shm_unmap(void *p, size_t size);

/* Gives `n` bytes at `at` back to the kernel, both of whole pages: they read as
 * zeroes in every process, and take no memory. */
void shm_punch(int fd, size_t at, size_t n);

/* A zeroed lock is free. */
struct shm_lock {
    _Atomic uint32_t word;
};

#define SHM_OWNERS_MAX 65535u /* holders have the numbers 1 to this */

/* Takes the lock, waiting at most `seconds`. False: another holds it still. */
must_check bool shm_lock(struct shm_lock *l, unsigned owner, double seconds);
void shm_unlock(struct shm_lock *l, unsigned owner);

/* Takes over a lock that `dead` holds, whose process has ended. What the lock
 * protects may be half done. False: `dead` does not hold it. */
must_check bool shm_lock_inherit(
    struct shm_lock *l, unsigned dead, unsigned owner);
